"""HEIC, AVIF and JPEG 2000: files that are made of boxes."""

from __future__ import annotations

import itertools
import json
import math
import os
import re
import struct
import subprocess
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np

from engine.images import decode
from engine.images.decode import Decoded, Header, filled, first_of, loaded, parts_of
from engine.images.faults import DepthNotReadable

_JP2_XMP = bytes.fromhex("BE7ACFCB97A942E89C71999491E3AFAC")
_JP2_EXIF = b"JpgTiffExif->JP2"
_LARGEST_BOX = 32 << 20
_HEIF_HEAD = 1 << 20
"""Bytes at a HEIC's start in which sizes are looked for; phones' have some 4 kB of them."""


def avif(file: BinaryIO, name: str) -> Header:
    """Read an AVIF's header."""
    del name
    from PIL import AvifImagePlugin

    data = file.read()
    image = AvifImagePlugin.AvifImageFile(BytesIO(data))

    def decode() -> Decoded:
        made = loaded(image)
        found = data.find(b"av1C", 0, 4096)
        # The seventh bit of its third byte: more than 8 bits. Source: AV1-ISOBMFF 1.2.0, 2.3.3.
        if found >= 0 and data[found + 6] & 0x40:
            made.notes.append("It has more than 8 bits a sample, and was read with 8.")
        return made

    return Header("AVIF", image.width, image.height, decode)


def heif(file: BinaryIO, name: str) -> Header:
    """Read a HEIC's header.

    libheif turns the picture upright itself, so its EXIF has no say. It crashes on some damaged files, so it works in a
    process of its own, which is ended when it takes too long.
    """
    del name
    head = file.read(_HEIF_HEAD)
    # Each item has its size, of which a picture made of tiles has the largest. Source: ISO/IEC 23008-12, 6.5.3.
    sizes = [
        struct.unpack_from(">II", head, found.end() + 4)
        for found in re.finditer(b"ispe", head)
        if found.end() + 12 <= len(head)
    ]
    if not sizes:
        raise SyntaxError("the header gives no size")
    width, height = max(sizes, key=math.prod)
    if width == 0 or height == 0:
        raise SyntaxError("the header gives no size")
    return Header("HEIC", width, height, lambda: _heif(file))


def jpeg2000(file: BinaryIO, name: str) -> Header:
    """Read the header of a JPEG 2000, boxed or bare. Source: ITU-T T.800, A.5.1 and I.5."""
    data = file.read()
    at = data.find(b"\xff\x4f\xff\x51")
    if at < 0 or at + 40 > len(data):
        raise SyntaxError("the codestream is missing")
    right, lower, left, upper = struct.unpack_from(">4I", data, at + 8)
    across, down = struct.unpack_from(">2I", data, at + 24)
    (count,) = struct.unpack_from(">H", data, at + 40)
    width, height = right - left, lower - upper
    if width <= 0 or height <= 0 or not across or not down:
        raise SyntaxError("the header gives no size")
    if math.ceil(width / across) * math.ceil(height / down) > 65535 or not 1 <= count <= 5:
        raise SyntaxError("the header is absurd")
    kinds = data[at + 42 : at + 42 + 3 * count : 3]
    bits = max((kind & 0x7F) + 1 for kind in kinds)
    if bits > 16 or any(kind & 0x80 for kind in kinds):
        raise DepthNotReadable(
            f"{name} has {bits} bits a sample{' with signs' if bits <= 16 else ''}; "
            "at most 16 without can be read. Save it with 16 bits first."
        )
    return Header("JPEG 2000", width, height, lambda: _jpeg2000(data, bits))


def _heif(file: BinaryIO) -> Decoded:
    file.seek(0)
    os.lseek(file.fileno(), 0, os.SEEK_SET)  # where the other process begins to read
    worker = Path(__file__).with_name("heif_worker.py")
    try:
        done = subprocess.run(
            [sys.executable, "-I", str(worker)],
            stdin=file,
            capture_output=True,
            timeout=decode.DECODE_SECONDS,
            check=False,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except subprocess.TimeoutExpired:
        raise TimeoutError from None
    line, _, rest = done.stdout.partition(b"\n")
    if done.returncode or not line:
        raise ValueError("its decoder broke down over it")
    told = json.loads(line)
    if "error" in told:
        raise ValueError(str(told["error"]))
    ends = np.cumsum(told["sizes"]).tolist()
    if ends[-1] != len(rest):
        raise ValueError("its decoder broke down over it")
    values = np.frombuffer(rest[: ends[0]], told["type"]).reshape(told["shape"])
    if values.dtype.itemsize == 2:
        # 10 and 12 bits come shifted to the left, so that white falls short of 65535.
        bits = int(told["bits"])
        largest = ((1 << bits) - 1) << (16 - bits)
        values = ((values.astype(np.uint32) * 65535 + largest // 2) // largest).clip(0, 65535).astype(np.uint16)
    made = Decoded(*parts_of(values), orientation=1)
    made.icc, made.exif, made.xmp = (filled(rest[start:end]) for start, end in itertools.pairwise(ends))
    if told["pictures"] > 1:
        made.notes.append(first_of(told["pictures"]))
    return made


def _jpeg2000(data: bytes, bits: int) -> Decoded:
    import imagecodecs

    try:
        values = np.asarray(imagecodecs.jpeg2k_decode(data))
    except imagecodecs.Jpeg2kError as error:
        raise ValueError("the picture cannot be decoded") from error
    if values.ndim not in (2, 3) or str(values.dtype) not in ("uint8", "uint16"):
        raise ValueError("the picture is not as its header says")
    largest = 255 if bits <= 8 else 65535
    if bits not in (8, 16):
        most = (1 << bits) - 1
        values = ((values.astype(np.uint32) * largest + most // 2) // most).clip(0, largest)
    samples, alpha = parts_of(values.astype(np.uint8 if largest == 255 else np.uint16))
    made = Decoded(samples, alpha, orientation=None)
    for name, start, end in _boxes(data, 0, len(data)):
        if name == b"jp2h":
            for inner, begin, stop in _boxes(data, start, end):
                if inner == b"colr" and data[begin : begin + 1] in (b"\2", b"\3"):
                    made.icc = data[begin + 3 : stop]
        elif name == b"uuid" and end - start < _LARGEST_BOX:
            mark, rest = data[start : start + 16], data[start + 16 : end]
            if mark == _JP2_XMP:
                made.xmp = rest
            elif mark == _JP2_EXIF:
                made.exif = rest
    return made


def _boxes(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Give name, start and end of each box between two offsets. Source: ITU-T T.800, I.4."""
    if data[at : at + 4] == b"\xff\x4f\xff\x51":
        return
    while at + 8 <= end:
        size, name = struct.unpack_from(">I4s", data, at)
        start = at + 8
        if size == 1 and at + 16 <= end:
            (size,) = struct.unpack_from(">Q", data, at + 8)
            start += 8
        stop = end if size == 0 else at + size
        if stop < start or stop > end:
            return
        yield name, start, stop
        at = stop
