"""Pictures as the bytes of a file: PNG, JPEG and TIFF, with their profile, resolution and metadata.

All is encoded in memory: while a library writes to a disk itself, it hides why that failed.
"""

from __future__ import annotations

import struct
import zlib
from io import BytesIO

import numpy as np

from engine.images import exif, iptc
from engine.images.convert import Samples, at_depth
from engine.images.metadata import Beside
from engine.images.photo import Photo, Resolution, fitting_profile
from engine.images.write_tiff import tiff_parts

JPEG_SIDE = 65_500
"""Longest side in px of a JPEG (libjpeg's JPEG_MAX_DIMENSION)."""
SEGMENT = 65_533
"""Bytes that a segment of a JPEG holds."""

_PNG_LEVEL = 1
"""Of Deflate in 16 bits, whose lower halves are noise: higher levels gain nothing and take twice the time, and so does
looking for more than runs."""


def tiff(photo: Photo, beside: Beside) -> list[bytes]:
    """Give a TIFF of the photo's depth, in parts."""
    icc = fitting_profile(photo.icc, photo.samples)
    return tiff_parts(photo.samples, photo.alpha, icc, beside, photo.resolution)


def png(photo: Photo, beside: Beside, *, offset: tuple[int, int] | None = None) -> list[bytes]:
    """Give a PNG of the photo's depth, in parts; `offset` (left, top) is where it lies on a larger picture, in px.

    Source: PNG third edition, 11.3; extensions 1.5 for oFFs; ImageMagick's "Raw profile" for IPTC, which PNG lacks.
    """
    from PIL import Image

    samples = photo.samples if photo.alpha is None else np.dstack((photo.samples, photo.alpha))
    if samples.dtype == np.uint16:
        import imagecodecs

        kinds = imagecodecs.PNG
        whole = bytes(
            imagecodecs.png_encode(
                np.ascontiguousarray(samples), _PNG_LEVEL, strategy=kinds.STRATEGY.RLE, filter=kinds.FILTER.SUB
            )
        )
    else:
        data = BytesIO()
        Image.fromarray(samples).save(data, "PNG")
        whole = data.getvalue()
    icc = fitting_profile(photo.icc, photo.samples)
    chunks: list[bytes] = []
    if icc is not None:
        chunks.append(_chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(icc)))
    if photo.resolution is not None:
        x, y = (round(value / (0.0254 if photo.resolution.unit == "inch" else 0.01)) for value in _both(photo))
        chunks.append(_chunk(b"pHYs", struct.pack(">IIB", x, y, 1)))
    if offset is not None:
        chunks.append(_chunk(b"oFFs", struct.pack(">iiB", *offset, 0)))
    if beside.exif is not None:
        chunks.append(_chunk(b"eXIf", beside.exif))
    if beside.xmp is not None:
        chunks.append(_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + beside.xmp))
    if beside.iptc is not None:
        resource = iptc.as_resource(beside.iptc)
        digits = resource.hex()
        lines = "\n".join(digits[at : at + 72] for at in range(0, len(digits), 72))
        text = f"\niptc\n{len(resource):8d}\n{lines}\n".encode("ascii")
        chunks.append(_chunk(b"zTXt", b"Raw profile type iptc\0\0" + zlib.compress(text)))
    # The header is 8 bytes of signature and a chunk of 25.
    return [whole[:33], *chunks, whole[33:]]


def jpeg(photo: Photo, beside: Beside, quality: int) -> list[bytes]:
    """Give a JPEG of 8 bits; what is too large for one of its segments is left out (see `fitting_exif`)."""
    from PIL import Image

    options: dict[str, object] = {"icc_profile": fitting_profile(photo.icc, photo.samples)}
    block = fitting_exif(beside.exif)
    if block is not None:
        options["exif"] = b"Exif\0\0" + block
    if beside.xmp is not None and xmp_fits(beside.xmp):
        options["xmp"] = beside.xmp
    if photo.resolution is not None:
        scale = 1.0 if photo.resolution.unit == "inch" else 2.54
        options["dpi"] = tuple(min(65535, max(1, round(value * scale))) for value in _both(photo))
    if beside.iptc is not None and iptc_fits(beside.iptc):
        body = b"Photoshop 3.0\0" + iptc.as_resource(beside.iptc)
        options["extra"] = b"\xff\xed" + (len(body) + 2).to_bytes(2) + body
    data = BytesIO()
    # Full-size colour (subsampling 0): halved colour smears lips and irises.
    Image.fromarray(at_depth(photo.samples, 8)).save(data, "JPEG", quality=quality, subsampling=0, **options)
    return [data.getvalue()]


def fitting_exif(block: bytes | None) -> bytes | None:
    """Give a block that a JPEG's segment holds: as it is, else without makers' notes, else none."""
    if block is None or len(block) + 6 <= SEGMENT:
        return block
    try:
        small = exif.from_tiff(block, makers=False)
    except exif.BrokenExif:
        return None
    return small if small is not None and len(small) + 6 <= SEGMENT else None


def xmp_fits(packet: bytes) -> bool:
    """Say whether a JPEG's segment holds a packet."""
    return len(packet) + 29 <= SEGMENT


def iptc_fits(block: bytes) -> bool:
    """Say whether a JPEG's segment holds an IPTC block."""
    return len(block) + 40 <= SEGMENT


def with_depth(photo_samples: Samples, alpha: Samples | None, bits: int) -> tuple[Samples, Samples | None]:
    """Give samples and alpha with 8 or 16 bits."""
    return at_depth(photo_samples, bits), None if alpha is None else at_depth(alpha, bits)


def _both(photo: Photo) -> tuple[float, float]:
    found: Resolution | None = photo.resolution
    return (0, 0) if found is None else (found.x, found.y)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
