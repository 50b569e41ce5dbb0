"""TIFF files: up to 8 bits through Pillow, which knows every way they were ever packed; deeper ones by tifffile."""

from __future__ import annotations

import logging
import math
import mmap
import struct
from contextlib import closing
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from engine.images import exif, iptc
from engine.images.convert import Samples
from engine.images.decode import Decoded, Header, of_pillow, resolution
from engine.images.faults import DepthNotReadable, NotAPhoto

_BITS, _COLOUR, _ICC, _XMP, _IPTC, _PHOTOSHOP, _KIND = 258, 262, 34675, 700, 33723, 34377, 254
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _INKS = 0, 1, 2, 5
_RAW = (32803, 34892)
"""Colour kinds of camera raw files, which are TIFF too."""
_MOST_PAGES = 10_000


def tiff(file: BinaryIO, name: str) -> Header:
    """Read a TIFF's header, of the classic or the big kind."""
    head = file.read(4)
    file.seek(0)
    big = head in (b"II+\0", b"MM\0+")
    bits = 16 if big else _bits(file)
    file.seek(0)
    if bits > 8:
        return _deep(file, name, big=big)
    from PIL import TiffImagePlugin

    image = TiffImagePlugin.TiffImageFile(file)
    if image.mode in ("LAB", "HSV"):
        raise DepthNotReadable(f"{name} is in the colour model {image.mode}. Save it as RGB first.")
    if image.mode.startswith(("I", "F")):
        raise DepthNotReadable(f"{name} has 32 bits a sample; at most 16 can be read. Save it with 16 bits first.")

    def decode() -> Decoded:
        image.load()
        made = of_pillow(image)
        made.orientation = 1  # obeyed by Pillow while it was loaded
        with closing(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)) as data:
            _beside(data, made)
        return made

    return Header("TIFF", image.width, image.height, decode)


def _bits(file: BinaryIO) -> int:
    """Give the bits a sample of the first page, 8 when it cannot be known."""
    with closing(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)) as data:
        try:
            entry = exif.directory(data).find(_BITS)
        except exif.BrokenExif:
            return 8
        if entry is None or entry.kind != exif.SHORT:
            return 8
        return max(struct.unpack_from(f"{exif.order_of(data)}{min(entry.count, 64)}H", data, entry.at))


def _deep(file: BinaryIO, name: str, *, big: bool) -> Header:
    import tifffile

    # What it says of broken files in passing would stand on the user's terminal beside our sentence.
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    try:
        opened = tifffile.TiffFile(file)
        page: Any = opened.pages.first
        width, height, channels = int(page.imagewidth), int(page.imagelength), int(page.samplesperpixel)
        colour, bits, numbers = int(page.photometric), int(page.bitspersample), int(page.sampleformat)
    except (tifffile.TiffFileError, AttributeError, AssertionError) as error:
        raise SyntaxError("its first directory cannot be read") from error
    if colour in _RAW:
        raise NotAPhoto(f"{name} is a camera's raw file. Develop it and save it as TIFF or JPEG first.")
    if numbers != 1 or bits > 16:
        what = "floating point" if numbers == 3 else "signed numbers" if numbers == 2 else "whole numbers"
        raise DepthNotReadable(
            f"{name} has {bits} bits a sample, as {what}; at most 16 without sign can be read. "
            "Save it with 16 bits first."
        )
    if colour not in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _INKS):
        named = {3: "palette", 6: "YCbCr", 8: "LAB", 9: "LAB", 10: "LAB"}.get(colour, str(colour))
        raise DepthNotReadable(f"{name} is in the colour model {named} with {bits} bits. Save it as RGB first.")
    wanted = {_RGB: 3, _INKS: 4}.get(colour, 1)
    if width < 1 or height < 1 or channels < wanted or int(page.imagedepth) != 1:
        raise SyntaxError("the header is absurd")

    def decode() -> Decoded:
        _refuse_missing(file, page)
        try:
            values: NDArray[Any] = page.asarray()
        except (tifffile.TiffFileError, AttributeError, AssertionError, RuntimeError) as error:
            raise ValueError("the picture cannot be decoded") from error
        if int(page.planarconfig) == 2 and channels > 1:
            values = np.moveaxis(values.reshape(channels, height, width), 0, 2)
        values = values.reshape(height, width, channels)
        made = _sorted(_full_range(values, bits), colour, wanted, tuple(int(kind) for kind in page.extrasamples))
        made.orientation = 1
        if not big:
            with closing(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)) as data:
                _beside(data, made)
                entry = exif.directory(data).find(exif.ORIENTATION)
                made.orientation = exif.number_of(data, entry) or 1
        else:
            made.icc = page.iccprofile if isinstance(page.iccprofile, bytes) else None
            pages = len(opened.pages)
            if pages > 1:
                made.notes.append(f"Only the first of {pages} pages was read.")
        return made

    return Header("TIFF", width, height, decode)


def _full_range(values: NDArray[Any], bits: int) -> Samples:
    if bits == 16:
        return values.astype(np.uint16, copy=False)
    if bits == 8:
        return values.astype(np.uint8, copy=False)
    largest = 255 if bits < 8 else 65535
    most = (1 << bits) - 1
    made = (values.astype(np.uint32) * largest + most // 2) // most
    return made.astype(np.uint8 if bits < 8 else np.uint16)


def _sorted(values: Samples, colour: int, wanted: int, extras: tuple[int, ...]) -> Decoded:
    """Tell colour, alpha and further channels apart. Source: TIFF 6.0, ExtraSamples."""
    most = np.iinfo(values.dtype).max
    samples = np.ascontiguousarray(values[..., 0] if wanted == 1 else values[..., :wanted])
    if colour == _WHITE_IS_ZERO:
        samples = most - samples
    made = Decoded(samples, inks=colour == _INKS)
    rest = values.shape[2] - wanted
    which = next((k for k in range(rest) if k < len(extras) and extras[k] in (1, 2)), None)
    if which is not None:
        made.alpha = np.ascontiguousarray(values[..., wanted + which])
        if extras[which] == 1:
            made.samples = _unmultiplied(samples, made.alpha)
            made.notes.append("Its colours were stored multiplied with its alpha, and were divided by it.")
    if rest > (which is not None):
        made.notes.append("Further channels beside colour and alpha were left out.")
    return made


def _unmultiplied(samples: Samples, alpha: Samples) -> Samples:
    most = np.iinfo(samples.dtype).max
    below = np.maximum(alpha, 1).astype(np.float64)
    if samples.ndim == 3:
        below = below[..., None]
    return np.rint(np.minimum(samples * (most / below), most)).astype(samples.dtype)


def _refuse_missing(file: BinaryIO, page: Any) -> None:
    """Refuse a picture of which parts lie beyond the file's end or nowhere; tifffile would fill them with black."""
    file.seek(0, 2)
    size = file.tell()
    file.seek(0)
    parts = list(zip(page.dataoffsets, page.databytecounts, strict=False))
    if not parts or any(count <= 0 or start <= 0 or start + count > size for start, count in parts):
        raise EOFError("the file ends before its picture does")
    if int(page.compression) == 1:
        row = -(-int(page.imagewidth) * int(page.samplesperpixel) * int(page.bitspersample) // 8)
        whole = sum(page.databytecounts) >= row * int(page.imagelength)
    else:
        whole = len(parts) >= math.prod(page.chunked)
    if not whole:
        raise EOFError("parts of the picture are missing")


def _beside(data: exif.Buffer, made: Decoded) -> None:
    """Take what stands beside the picture out of the first directory, and say what was left out."""
    try:
        first = exif.directory(data)
    except exif.BrokenExif:
        return
    found = {
        entry.tag: bytes(data[entry.at : entry.at + entry.size])
        for entry in first.entries
        if entry.tag in (_ICC, _XMP, _IPTC, _PHOTOSHOP) and entry.size <= exif.LARGEST_BLOCK
    }
    made.icc, made.xmp, made.iptc = found.get(_ICC), found.get(_XMP), found.get(_IPTC)
    if made.iptc is None and _PHOTOSHOP in found:
        made.iptc = iptc.from_resources(found[_PHOTOSHOP])
    unit = exif.number_of(data, first.find(exif.RESOLUTION_UNIT)) or 2
    if unit in (2, 3):
        x, y = (exif.ratio_of(data, first.find(tag)) for tag in (exif.X_RESOLUTION, exif.Y_RESOLUTION))
        made.resolution = resolution(x, y, "inch" if unit == 2 else "cm")
    try:
        made.exif = exif.from_tiff(data)
    except (exif.BrokenExif, struct.error):
        made.notes.append("Its EXIF is broken and was left out.")
    pages = _pages(data, first)
    if pages > 1:
        made.notes.append(f"Only the first of {pages} pages was read.")


def _pages(data: exif.Buffer, first: exif.Directory) -> int:
    """Count the pages that are no small pictures of others; a chain that leads back is cut."""
    count, seen, following = 1, {first.at}, first.following
    while following and following not in seen and len(seen) < _MOST_PAGES:
        seen.add(following)
        try:
            page = exif.directory(data, following)
        except exif.BrokenExif:
            break
        kind = exif.number_of(data, page.find(_KIND)) or 0
        count += not kind & 1
        following = page.following
    return count
