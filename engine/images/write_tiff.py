"""TIFF files of 8 and 16 bits, written here: no library puts 16 bits, EXIF with makers' notes and layers into one.

An EXIF block is itself laid out as a TIFF file. So it comes first, byte for byte, and every offset in it stays true;
the samples follow it, and the file's directory, which takes over the block's entries, ends the file.

Source: TIFF 6.0; Adobe Photoshop TIFF Technical Notes (2002), for Deflate.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from engine.images import exif
from engine.images.convert import Samples
from engine.images.metadata import Beside
from engine.images.photo import Resolution

LARGEST_FILE = 2**32 - 1
"""Bytes that a classic TIFF's offsets reach."""

_STRIP_BYTES = 1 << 19
_LEVEL = 2
"""Of Deflate: higher ones gain 1 % on photos and take twice the time."""
_WORKERS = 4
_STORAGE = frozenset(
    {254, 255, 256, 257, 258, 259, 262, 263, 266, 273, 277, 278, 279, 280, 281, 284, 292, 293, 301, 317, 320, 322, 323}
    | {324, 325, 330, 338, 339, 340, 341, 347, 512, 513, 514, 519, 520, 521, 529, 530, 531, 532, 700, 33723, 34377}
    | {34675, 37724}
)
"""Entries that say how samples are stored, or that are written anew."""
_BYTE, _SHORT, _LONG, _RATIONAL, _UNDEFINED = 1, 3, 4, 5, 7


def tiff_parts(
    samples: Samples,
    alpha: Samples | None,
    icc: bytes | None,
    beside: Beside,
    resolution: Resolution | None,
    *,
    layers: Mapping[int, bytes] | None = None,
) -> list[bytes]:
    """Give the parts of a TIFF file in their order: Deflate with differences along rows, unassociated alpha.

    Args:
        samples: (H, W) or (H, W, 3).
        alpha: (H, W), of the same depth.
        icc: the profile that fits the samples.
        beside: blocks that are ready to be written.
        resolution: None leaves it out.
        layers: further tags and their bytes, in the byte order that `byte_order` gives.
    """
    order = byte_order(beside)
    block = beside.exif
    head = bytearray(block if block is not None else (b"II*\0" if order == "<" else b"MM\0*") + bytes(4))
    head += bytes(len(head) % 2)
    # The block's own first directory is what the file's directory takes over.
    rows = {} if block is None else exif.rows_of(block, exif.directory(block))
    rows = {tag: row for tag, row in rows.items() if tag not in _STORAGE}
    height, width = samples.shape[:2]
    channels = (1 if samples.ndim == 2 else 3) + (alpha is not None)
    row_bytes = width * channels * samples.itemsize
    step = max(1, _STRIP_BYTES // row_bytes)

    def strip(start: int) -> bytes:
        import imagecodecs

        part = samples[start : start + step]
        if alpha is not None:
            part = np.dstack((part, alpha[start : start + step]))
        packed = bytes(imagecodecs.deflate_encode(_differences(part, order).tobytes(), _LEVEL))
        return packed + bytes(len(packed) % 2)

    with ThreadPoolExecutor(_WORKERS) as pool:
        strips = list(pool.map(strip, range(0, height, step)))
    sizes = [len(packed) for packed in strips]
    starts = [len(head) + sum_ for sum_ in np.cumsum([0, *sizes], dtype=np.int64).tolist()]

    def short(*values: int) -> exif.Value:
        return _SHORT, len(values), struct.pack(f"{order}{len(values)}H", *values)

    def long(*values: int) -> exif.Value:
        return _LONG, len(values), struct.pack(f"{order}{len(values)}I", *values)

    bits = 8 * samples.itemsize
    made: dict[int, exif.Value] = {
        256: long(width),
        257: long(height),
        258: short(*[bits] * channels),
        259: short(8),
        262: short(1 if samples.ndim == 2 else 2),
        273: long(*[start % 2**32 for start in starts[:-1]]),
        277: short(channels),
        278: long(step),
        279: long(*sizes),
        284: short(1),
        317: short(2),
    }
    if alpha is not None:
        made[338] = short(2)
    if resolution is not None:
        for tag, value in ((282, resolution.x), (283, resolution.y)):
            made[tag] = (_RATIONAL, 1, struct.pack(f"{order}II", round(value * 1000), 1000))
        made[296] = short(2 if resolution.unit == "inch" else 3)
    if beside.xmp is not None:
        made[700] = (_BYTE, len(beside.xmp), beside.xmp)
    if beside.iptc is not None:
        made[33723] = (_UNDEFINED, len(beside.iptc), beside.iptc)
    if icc is not None:
        made[34675] = (_UNDEFINED, len(icc), icc)
    for tag, value in (layers or {}).items():
        made[tag] = (_UNDEFINED, len(value), value)
    end = starts[-1]
    struct.pack_into(f"{order}I", head, 4, end % 2**32)
    return [bytes(head), *strips, exif.written(order, end, rows, made)]


def byte_order(beside: Beside) -> str:
    """Give the byte order that a file with these blocks has, as `struct` writes it."""
    return "<" if beside.exif is None else exif.order_of(beside.exif)


def _differences(part: Samples, order: str) -> Samples:
    """Give each sample less its neighbour on the left, in the file's byte order. Source: TIFF 6.0, 14."""
    made = part.copy()
    # Whole numbers wrap round, as the format wants.
    made[:, 1:] = part[:, 1:] - part[:, :-1]
    return np.ascontiguousarray(made.astype(f"{order}u{made.itemsize}"))
