"""XMP packets: checked, rid of places and small pictures, and told how the picture was made.

The packet is changed as an XML document, so that everything else in it stays, with its prefixes and order. A packet
with a document type is refused: that is where bombs of entities come from.

Source: ISO 16684-1 (XMP), 7; IPTC Photo Metadata Standard 2023.2 (Digital Source Type).
"""

from __future__ import annotations

from typing import Any
from xml.dom.minidom import Document, Element

LARGEST_PACKET = 4 << 20
"""Bytes of XMP that are kept."""

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
XMP = "http://ns.adobe.com/xap/1.0/"
TIFF = "http://ns.adobe.com/tiff/1.0/"
PHOTOSHOP = "http://ns.adobe.com/photoshop/1.0/"
IPTC_CORE = "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/"
IPTC_EXT = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
OURS = "urn:x-likeness:xmp:1.0:"
"""Of the settings, which no common vocabulary has a field for."""

COMPOSITE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"

_PLACES = {
    PHOTOSHOP: ("City", "State", "Country"),
    IPTC_CORE: ("Location", "CountryCode"),
    IPTC_EXT: ("LocationCreated", "LocationShown"),
}
_OF_THE_FILE = frozenset(
    {
        (XMP, "Thumbnails"),
        (TIFF, "Orientation"),
        (TIFF, "ImageWidth"),
        (TIFF, "ImageLength"),
        ("http://ns.adobe.com/xmp/note/", "HasExtendedXMP"),
    }
)
"""What was true of the source's file, and is not of the result's."""
_WRAPPER = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{rdf}"></rdf:RDF></x:xmpmeta>'
_BEGIN = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
_END = '<?xpacket end="w"?>'


class BrokenXmp(Exception):
    """The packet cannot be understood. Whoever reads the file turns this into a note."""


def checked(packet: bytes) -> bytes:
    """Give a packet once it is known that it can be read.

    Raises:
        BrokenXmp: it cannot, or is larger than `LARGEST_PACKET`.
    """
    _parsed(packet).unlink()
    return packet


def without_place(packet: bytes) -> bytes:
    """Give a packet without coordinates and names of places."""
    document = _parsed(packet)
    for description in _descriptions(document):
        for node in _properties(description):
            space, name = node.namespaceURI, str(node.localName)
            # Drones have coordinates under names of their own.
            words = name.lower()
            coordinate = "gps" in words or words in ("latitude", "longitude")
            if coordinate or name in _PLACES.get(str(space), ()):
                _removed(description, node)
    return _written(document)


def orientation_of(packet: bytes) -> int:
    """Give the orientation that a packet says, 1 to 8; 1 when it says none."""
    document = _parsed(packet)
    for description in _descriptions(document):
        for node in _properties(description):
            if (node.namespaceURI, node.localName) == (TIFF, "Orientation"):
                text = str(node.value if not isinstance(node, Element) else getattr(node.firstChild, "data", ""))
                return int(text) if text in {*"12345678"} else 1
    return 1


def of_result(packet: bytes) -> bytes:
    """Give a packet without small pictures of the photo as it was, and without the size and turn that it had."""
    document = _parsed(packet)
    changed = False
    for description in _descriptions(document):
        for node in _properties(description):
            key = (node.namespaceURI, node.localName)
            if key in _OF_THE_FILE:
                _removed(description, node)
                changed = True
    if not changed:
        document.unlink()
        return packet
    return _written(document)


def told(packet: bytes | None, software: str, settings: str) -> bytes:
    """Give a packet that says that parts of the picture were made by a trained model, by which program and how."""
    document = _parsed(packet if packet is not None else _WRAPPER.format(rdf=RDF).encode())
    found = _descriptions(document)
    for description in found:
        for node in _properties(description):
            if (node.namespaceURI, node.localName) in (
                (IPTC_EXT, "DigitalSourceType"),
                (XMP, "CreatorTool"),
                (OURS, "Settings"),
            ):
                _removed(description, node)
    root = document.getElementsByTagNameNS(RDF, "RDF")
    if not root:
        raise BrokenXmp("it has no RDF")
    made = document.createElementNS(RDF, "rdf:Description")
    # A parent may have given these prefixes to something else, so each is declared here.
    for prefix, space in (("rdf", RDF), ("xmp", XMP), ("Iptc4xmpExt", IPTC_EXT), ("likeness", OURS)):
        made.setAttribute(f"xmlns:{prefix}", space)
    made.setAttributeNS(RDF, "rdf:about", found[0].getAttributeNS(RDF, "about") if found else "")
    made.setAttributeNS(XMP, "xmp:CreatorTool", _plain(software))
    made.setAttributeNS(IPTC_EXT, "Iptc4xmpExt:DigitalSourceType", COMPOSITE)
    if settings:
        made.setAttributeNS(OURS, "likeness:Settings", _plain(settings))
    root[0].appendChild(made)
    return _written(document)


def _parsed(packet: bytes) -> Document:
    from xml.parsers.expat import ExpatError

    from defusedxml import DefusedXmlException, minidom

    if len(packet) > LARGEST_PACKET:
        raise BrokenXmp(f"it has {len(packet) / 1e6:.0f} MB")
    parse: Any = minidom.parseString
    try:
        document: Any = parse(packet.strip(b"\0 \t\r\n"), forbid_dtd=True)
    except (ExpatError, DefusedXmlException, ValueError, LookupError, RecursionError) as error:
        raise BrokenXmp("it is no well-formed XML") from error
    if not document.getElementsByTagNameNS(RDF, "RDF"):
        document.unlink()
        raise BrokenXmp("it has no RDF")
    return document


def _descriptions(document: Document) -> list[Element]:
    """Give the descriptions that stand directly under the RDF; further ones are parts of values."""
    return [
        node
        for root in document.getElementsByTagNameNS(RDF, "RDF")
        for node in root.childNodes
        if isinstance(node, Element) and node.namespaceURI == RDF and node.localName == "Description"
    ]


def _properties(description: Element) -> list[Any]:
    """Give a description's properties, written as attributes or as elements."""
    attributes: list[Any] = [description.attributes.item(k) for k in range(description.attributes.length)]
    return attributes + [node for node in description.childNodes if isinstance(node, Element)]


def _removed(description: Element, node: Any) -> None:
    if isinstance(node, Element):
        description.removeChild(node)
        node.unlink()
    else:
        description.removeAttributeNode(node)


def _plain(text: str) -> str:
    """Replace what XML cannot carry."""
    return (
        "".join(letter if letter in "\t\n\r" or letter >= " " else "?" for letter in text)
        .encode("utf-8", "replace")
        .decode()
    )


def _written(document: Document) -> bytes:
    root = document.documentElement
    assert root is not None
    text = f"{_BEGIN}\n{root.toxml()}\n{_END}"
    document.unlink()
    return text.encode()
