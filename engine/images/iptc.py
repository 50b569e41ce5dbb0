"""IPTC blocks (IIM): taken out of and put into Photoshop's resources, checked, and rid of their places.

Source: IPTC-NAA Information Interchange Model 4.2, 1.5; Adobe Photoshop File Formats Specification, Image Resources.
"""

from __future__ import annotations

LARGEST_BLOCK = 1 << 20
"""Bytes of IPTC that are kept."""

_PLACES = frozenset({(2, 26), (2, 27), (2, 90), (2, 92), (2, 95), (2, 100), (2, 101)})
"""Content location code and name, city, sublocation, province, country code, country."""
_RESOURCE = 0x0404


class BrokenIptc(Exception):
    """The block cannot be understood. Whoever reads the file turns this into a note."""


def records(block: bytes) -> list[tuple[int, int, bytes]]:
    """Give record number, data set number and the whole bytes of each record.

    Raises:
        BrokenIptc: something in it is no record, or it is larger than `LARGEST_BLOCK`.
    """
    if len(block) > LARGEST_BLOCK:
        raise BrokenIptc(f"it has {len(block) / 1e6:.0f} MB")
    found: list[tuple[int, int, bytes]] = []
    at = 0
    while at < len(block):
        if block[at : at + 1] != b"\x1c":
            if block[at:].strip(b"\0"):
                raise BrokenIptc("something in it is no record")
            break  # filled up to a whole number of words
        head = 5
        size = int.from_bytes(block[at + 3 : at + 5])
        if size & 0x8000:
            width = size & 0x7FFF
            if width > 4:
                raise BrokenIptc("a record has no end")
            size = int.from_bytes(block[at + 5 : at + 5 + width])
            head += width
        if at + head + size > len(block):
            raise BrokenIptc("it is cut off")
        found.append((block[at + 1], block[at + 2], block[at : at + head + size]))
        at += head + size
    if not found:
        raise BrokenIptc("it is empty")
    return found


def without_place(block: bytes) -> bytes | None:
    """Give a block without the records that say where the photo was taken; None when nothing else is left."""
    return b"".join(data for record, number, data in records(block) if (record, number) not in _PLACES) or None


def from_resources(data: bytes) -> bytes | None:
    """Give the IPTC block in Photoshop's resources, None when there is none."""
    data = data.removeprefix(b"Photoshop 3.0\0")
    at = 0
    while data[at : at + 4] == b"8BIM":
        kind = int.from_bytes(data[at + 4 : at + 6])
        name = data[at + 6] if at + 6 < len(data) else 0
        start = at + 6 + (name + 1) + (name + 1) % 2
        size = int.from_bytes(data[start : start + 4])
        if kind == _RESOURCE:
            return data[start + 4 : start + 4 + size] or None
        at = start + 4 + size + size % 2
    return None


def as_resource(block: bytes) -> bytes:
    """Give an IPTC block as one of Photoshop's resources, as JPEG's and PNG's readers expect it."""
    return b"8BIM" + _RESOURCE.to_bytes(2) + b"\0\0" + len(block).to_bytes(4) + block + bytes(len(block) % 2)
