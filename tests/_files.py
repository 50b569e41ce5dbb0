"""Photos' files made by formula: pictures, profiles, metadata blocks and the kinds of files that hold them."""

from __future__ import annotations

import functools
import struct
import zlib
from io import BytesIO

import imagecodecs
import numpy as np
import tifffile
from PIL import Image


def deep_waves(width=48, height=32):
    """A smooth RGB picture without any symmetry, uint16 (H, W, 3), whose lower bytes matter."""
    y, x = np.mgrid[:height, :width].astype(np.float64)
    channels = [32767 + 30000 * np.sin(x / (7 + k) + k) * np.cos(y / (5 + 2 * k) + k * x / 40) for k in range(3)]
    return np.stack(channels, axis=2).round().astype(np.uint16)


def muted(width=48, height=32):
    """Like `deep_waves`, with all colours well inside sRGB."""
    return (deep_waves(width, height) // 4 + 24_000).astype(np.uint16)


@functools.cache
def adobe_rgb():
    """A profile with the primaries and the gamma of Adobe RGB (1998), as its specification gives them.

    Kept, since the time stands in it.
    """
    primaries = [0.64, 0.33, 1.0, 0.21, 0.71, 1.0, 0.15, 0.06, 1.0]
    return bytes(imagecodecs.cms_profile("rgb", whitepoint=[0.3127, 0.3290, 1.0], primaries=primaries, gamma=563 / 256))


@functools.cache
def display_p3():
    """A profile with the primaries of Display P3 and the curve of sRGB."""
    primaries = [0.68, 0.32, 1.0, 0.265, 0.69, 1.0, 0.15, 0.06, 1.0]
    steps = np.linspace(0, 1, 4096)
    curve = np.where(steps <= 0.04045, steps / 12.92, ((steps + 0.055) / 1.055) ** 2.4)
    return bytes(
        imagecodecs.cms_profile(
            "rgb",
            whitepoint=[0.3127, 0.3290, 1.0],
            primaries=primaries,
            transferfunction=np.rint(curve * 65535).astype(np.uint16),
        )
    )


def profile_file(space, kind, tags):
    """A profile, version 2, with its tags. Source: ICC.1:2001-04, 6."""
    table, body, start = b"", b"", 132 + 12 * len(tags)
    for name, data in tags.items():
        table += struct.pack(">4sII", name, start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    header = bytearray(128)
    header[8:12], header[12:16], header[16:20], header[20:24] = b"\x02\x40\0\0", kind, space, b"Lab "
    header[36:40] = b"acsp"
    header[68:80] = struct.pack(">3i", 63190, 65536, 54061)
    whole = bytes(header) + struct.pack(">I", len(tags)) + table + body
    return struct.pack(">I", len(whole)) + whole[4:]


def table_tag(colours, inputs):
    """A lut16Type of two steps a channel: the colour (L, a, b) of each corner, the first channel varying slowest."""
    data = b"mft2\0\0\0\0" + bytes([inputs, 3, 2, 0])
    data += struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536) + struct.pack(">HH", 2, 2)
    data += struct.pack(">HH", 0, 65535) * inputs
    for lightness, a, b in colours:
        data += struct.pack(">3H", round(lightness * 652.80), round((a + 128) * 256), round((b + 128) * 256))
    return data + struct.pack(">HH", 0, 65535) * 3


def press_profile():
    """A CMYK profile: paper is white, cyan alone bluish, black ink takes everything."""
    colours = []
    for corner in range(16):
        c, m, y, k = (corner >> (3 - place) & 1 for place in range(4))
        lightness = (100 - 40 * c - 45 * m - 8 * y) * (1 - k)
        colours.append((max(lightness, 0), (-30 * c + 60 * m) * (1 - k), (-40 * c + 75 * y) * (1 - k)))
    return profile_file(b"CMYK", b"prtr", {b"wtpt": white_tag(), b"A2B0": table_tag(colours, 4)})


def scanner_profile():
    """An RGB profile that is a table and goes one way only."""
    colours = []
    for corner in range(8):
        r, g, b = (corner >> (2 - place) & 1 for place in range(3))
        colours.append((30 * r + 55 * g + 15 * b, 50 * r - 60 * g + 30 * b, 45 * r + 50 * g - 80 * b))
    return profile_file(b"RGB ", b"scnr", {b"wtpt": white_tag(), b"A2B0": table_tag(colours, 3)})


def white_tag():
    return b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)


PLACE = b"Lane of the Test 7"
NOTE = b"MAKER" + bytes(range(200))


def exif_block(order="<", orientation=6, thumbnail=True):
    """An EXIF block as cameras write it: camera, maker's note, GPS, and a small picture at its end."""
    small = BytesIO()
    Image.new("RGB", (16, 12), (200, 10, 10)).save(small, "JPEG")
    small = small.getvalue()
    start = b"II*\0" if order == "<" else b"MM\0*"
    first, inner, place, second = 8, 200, 600, 800

    def table(entries, following=0):
        rows = b"".join(
            struct.pack(f"{order}HHI", tag, kind, count) + value.ljust(4, b"\0") for tag, kind, count, value in entries
        )
        return struct.pack(f"{order}H", len(entries)) + rows + struct.pack(f"{order}I", following)

    def word(value):
        return struct.pack(f"{order}I", value)

    def half(value):
        return struct.pack(f"{order}H", value)

    block = bytearray(1000 + len(small))
    block[:8] = start + word(first)
    entries = [
        (0x010F, 2, 13, word(150)),
        (0x0112, 3, 1, half(orientation)),
        (0x011A, 5, 1, word(170)),
        (0x011B, 5, 1, word(178)),
        (0x0128, 3, 1, half(2)),
        (0x8769, 4, 1, word(inner)),
        (0x8825, 4, 1, word(place)),
    ]
    directory = table(entries, second if thumbnail else 0)
    block[first : first + len(directory)] = directory
    block[150:163] = b"Camera Works\0"
    block[170:186] = struct.pack(f"{order}4I", 240, 1, 240, 1)
    directory = table([(0x927C, 7, len(NOTE), word(300)), (0xA002, 4, 1, word(48)), (0xA003, 4, 1, word(32))])
    block[inner : inner + len(directory)] = directory
    block[300 : 300 + len(NOTE)] = NOTE
    directory = table([(1, 2, 2, b"N\0"), (2, 5, 3, word(700)), (0x1B, 7, len(PLACE), word(740))])
    block[place : place + len(directory)] = directory
    block[700:724] = struct.pack(f"{order}6I", 48, 1, 51, 1, 29, 1)
    block[740 : 740 + len(PLACE)] = PLACE
    directory = table([(0x0103, 3, 1, half(6)), (0x0201, 4, 1, word(1000)), (0x0202, 4, 1, word(len(small)))])
    block[second : second + len(directory)] = directory
    block[1000:] = small
    return bytes(block)


def iptc_block():
    """An IPTC block with a caption, a city and a creator."""
    records = (
        (2, 120, b"Grandmother, 1931"),
        (2, 90, b"Teststadt"),
        (2, 101, b"Testland"),
        (2, 80, b"A. Photographer"),
    )
    return b"".join(
        b"\x1c" + bytes([record, number]) + struct.pack(">H", len(text)) + text for record, number, text in records
    )


def xmp_packet():
    """An XMP packet with a description, ratings, coordinates, places and a small picture."""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""'
        ' xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
        ' xmlns:exif="http://ns.adobe.com/exif/1.0/" xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/"'
        ' xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:odd="http://example.org/odd/"'
        ' xmp:Rating="4" exif:GPSLatitude="48,51.5N" photoshop:City="Teststadt" tiff:Orientation="6"'
        ' odd:kept="yes">'
        '<dc:description><rdf:Alt><rdf:li xml:lang="x-default">Großmutter &amp; 祖母</rdf:li>'
        "</rdf:Alt></dc:description>"
        "<exif:GPSLongitude>2,21.1E</exif:GPSLongitude>"
        "<xmp:Thumbnails><rdf:Alt><rdf:li>c21hbGwgcGljdHVyZQ</rdf:li></rdf:Alt></xmp:Thumbnails>"
        '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def with_chunks(png, *chunks):
    """A PNG with chunks put in behind its header."""
    return png[:33] + b"".join(chunks) + png[33:]


def encoded(samples, kind, **options):
    """The bytes of a file that Pillow writes."""
    data = BytesIO()
    Image.fromarray(samples).save(data, kind, **options)
    return data.getvalue()


def tiff_file(samples, **options):
    """The bytes of a file that tifffile writes."""
    data = BytesIO()
    tifffile.imwrite(data, samples, metadata=None, **options)
    return data.getvalue()


def eight(samples):
    return (samples >> 8).astype(np.uint8)


def every_kind():
    """Name and bytes of a small file of each kind that is read, but HEIC."""
    deep = deep_waves()
    flat = eight(deep)
    return {
        "grey.jpg": encoded(flat[..., 0], "JPEG", quality=90),
        "rgb.jpg": encoded(flat, "JPEG", quality=90),
        "progressive.jpg": encoded(flat, "JPEG", quality=90, progressive=True),
        "inks.jpg": inks_file(flat, "JPEG"),
        "rgb.png": encoded(flat, "PNG"),
        "deep.png": bytes(imagecodecs.png_encode(deep)),
        "rgb.webp": encoded(flat, "WEBP", quality=90),
        "plain.webp": encoded(flat, "WEBP", lossless=True),
        "flat.tif": encoded(flat, "TIFF"),
        "deflate8.tif": encoded(flat, "TIFF", compression="tiff_adobe_deflate"),
        "deep.tif": tiff_file(deep, photometric="rgb"),
        "lzw.tif": tiff_file(deep, photometric="rgb", compression="lzw", predictor=True),
        "deflate.tif": tiff_file(deep, photometric="rgb", compression="zlib"),
        "planes.tif": tiff_file(np.moveaxis(deep, 2, 0), photometric="rgb", planarconfig="separate"),
        "rgb.bmp": encoded(flat, "BMP"),
        "rgb.avif": encoded(flat, "AVIF", quality=90),
        "deep.jp2": bytes(imagecodecs.jpeg2k_encode(deep, level=0, reversible=True, codecformat="jp2")),
        "bare.j2k": bytes(imagecodecs.jpeg2k_encode(flat, level=0, reversible=True, codecformat="j2k")),
    }


def inks_file(samples, kind, **options):
    data = BytesIO()
    Image.fromarray(samples).convert("CMYK").save(data, kind, **options)
    return data.getvalue()
