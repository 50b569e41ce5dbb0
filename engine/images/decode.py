"""What each kind of file holds, but TIFF: size from its header first, then samples, alpha and what stands beside them.

Ancillary parts of a file never reach a decoder where that can be avoided: a PNG is cut down to its picture first, so a
compressed text that unfolds to gigabytes is not unfolded.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import re
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from engine.images import iptc
from engine.images.convert import Samples
from engine.images.faults import DepthNotReadable
from engine.images.photo import Resolution
from engine.images.profile import LARGEST_PROFILE

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

DECODE_SECONDS = 180.0
"""How long a decoder is waited for; 200 million pixels take some 20 s on one slow core."""

MOST_SCANS = 200
"""Scans of a JPEG; cameras write 1, progressive files some 10, and a file of thousands is made to keep readers busy."""

_ORIENTATION = 0x0112
_XMP_KEYWORD = b"XML:com.adobe.xmp"
_IPTC_KEYWORD = b"Raw profile type iptc"
_LARGEST_TEXT = 4 << 20
_JP2_XMP = bytes.fromhex("BE7ACFCB97A942E89C71999491E3AFAC")
_JP2_EXIF = b"JpgTiffExif->JP2"
_LARGEST_BOX = 32 << 20
_HEIF_HEAD = 1 << 20
"""Bytes at a HEIC's start in which sizes are looked for; phones' have some 4 kB of them."""


@dataclass
class Decoded:
    """What a decoder gave, not yet checked and not yet upright."""

    samples: Samples
    """(H, W), (H, W, 3), or (H, W, 4) of inks when `inks`."""
    alpha: Samples | None = None
    inks: bool = False
    orientation: int | None = None
    """None: as the EXIF block says."""
    icc: bytes | None = None
    exif: bytes | None = None
    iptc: bytes | None = None
    xmp: bytes | None = None
    resolution: Resolution | None = None
    notes: list[str] = field(default_factory=list[str])


@dataclass(frozen=True)
class Header:
    """A file whose header was read, and nothing more."""

    kind: str
    width: int
    height: int
    decode: Callable[[], Decoded]


def jpeg(file: BinaryIO, name: str) -> Header:
    """Read a JPEG's header."""
    del name
    from PIL import JpegImagePlugin

    image = JpegImagePlugin.jpeg_factory(file)

    def decode() -> Decoded:
        _refuse_scans(file, image.width * image.height)
        image.load()
        made = _of_pillow(image)
        info = image.info
        resources: Any = info.get("photoshop") or {}
        made.iptc = resources.get(0x0404) or None
        unit = info.get("jfif_unit")
        if unit in (1, 2):
            x, y = info.get("jfif_density", (0, 0))
            made.resolution = resolution(x, y, "inch" if unit == 1 else "cm")
        return made

    return Header("JPEG", image.width, image.height, decode)


def webp(file: BinaryIO, name: str) -> Header:
    """Read a WebP's header."""
    del name
    from PIL import WebPImagePlugin

    image = WebPImagePlugin.WebPImageFile(file)
    return Header("WebP", image.width, image.height, lambda: _loaded(image))


def bmp(file: BinaryIO, name: str) -> Header:
    """Read a BMP's header."""
    del name
    from PIL import BmpImagePlugin

    image = BmpImagePlugin.BmpImageFile(file)

    def decode() -> Decoded:
        made = _loaded(image)
        x, y = image.info.get("dpi", (0, 0))
        made.resolution = resolution(x, y)
        return made

    return Header("BMP", image.width, image.height, decode)


def avif(file: BinaryIO, name: str) -> Header:
    """Read an AVIF's header."""
    del name
    from PIL import AvifImagePlugin

    data = file.read()
    image = AvifImagePlugin.AvifImageFile(BytesIO(data))

    def decode() -> Decoded:
        made = _loaded(image)
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


def png(file: BinaryIO, name: str) -> Header:
    """Read a PNG's header. Source: PNG third edition, 5 and 11."""
    del name
    data = file.read()
    if data[12:16] != b"IHDR" or len(data) < 33:
        raise SyntaxError("the header is missing")
    width, height, bits, colour = struct.unpack_from(">IIBB", data, 16)
    if width == 0 or height == 0:
        raise SyntaxError("the header gives no size")
    return Header("PNG", width, height, lambda: _png(data, bits, colour))


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
            timeout=DECODE_SECONDS,
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
    made = Decoded(*_parts(values), orientation=1)
    made.icc, made.exif, made.xmp = (_bytes(rest[start:end]) for start, end in itertools.pairwise(ends))
    if told["pictures"] > 1:
        made.notes.append(first_of(told["pictures"]))
    return made


def resolution(x: Any, y: Any, unit: str = "inch") -> Resolution | None:
    """Give a resolution when it is one that a print can have."""
    try:
        across, down = float(x), float(y)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    if not (0 < across < 1e6 and 0 < down < 1e6):
        return None
    return Resolution(across, down, unit)


def first_of(count: int) -> str:
    """Say that further pictures were left out."""
    return f"Only the first of {count} pictures was read."


def _loaded(image: ImageFile) -> Decoded:
    image.load()
    return _of_pillow(image)


def _of_pillow(image: ImageFile) -> Decoded:
    info = image.info
    made = of_pillow(image)
    made.icc, made.exif, made.xmp = (_bytes(info.get(key)) for key in ("icc_profile", "exif", "xmp"))
    frames = int(getattr(image, "n_frames", 1))
    if frames > 1 and image.format != "MPO":
        made.notes.append(first_of(frames))
    if not made.exif:
        made.orientation = int(image.getexif().get(_ORIENTATION, 1))
    return made


def of_pillow(image: ImageFile) -> Decoded:
    """Give a decoded picture's samples: grey, RGB or inks, and alpha."""
    if image.mode == "CMYK":
        return Decoded(np.array(image, np.uint8), inks=True)
    return Decoded(*_samples(image))


def _samples(image: ImageFile) -> tuple[Samples, Samples | None]:
    grey = image.mode in ("1", "L", "LA", "La")
    if not image.has_transparency_data:
        return np.array(image.convert("L" if grey else "RGB"), np.uint8), None
    both = np.array(image.convert("LA" if grey else "RGBA"), np.uint8)
    samples = both[..., 0] if grey else both[..., :3]
    return np.ascontiguousarray(samples), np.ascontiguousarray(both[..., -1])


def _bytes(value: Any) -> bytes | None:
    return value if isinstance(value, bytes) and value else None


def _parts(values: NDArray[Any]) -> tuple[Samples, Samples | None]:
    """Split (H, W), (H, W, 1 to 4) into samples and alpha."""
    if values.ndim == 2:
        return np.ascontiguousarray(values), None
    channels = values.shape[2]
    samples = values[..., 0] if channels <= 2 else values[..., :3]
    alpha = np.ascontiguousarray(values[..., -1]) if channels in (2, 4) else None
    return np.ascontiguousarray(samples), alpha


def _refuse_scans(file: BinaryIO, pixels: int) -> None:
    """Refuse a JPEG whose picture never ends or cannot be all there, or that comes in absurdly many scans.

    A broken-off download that was filled up decodes to flat grey, and so does what a lying header adds.

    Source: ITU-T T.81, B.1: in a scan 0xFF is followed by 0 or a marker, so 0xFFD9 after its start is the end; F.1.2
    and G.1.2: each block of 64 px has a code of at least one bit.
    """
    file.seek(0)
    data = file.read()
    at = 2
    while data[at : at + 1] == b"\xff" and at + 1 < len(data) and data[at + 1] != 0xDA:
        # Fill bytes may stand before a marker; every other segment before the scan says its length.
        at += 1 if data[at + 1] == 0xFF else 2 + int.from_bytes(data[at + 2 : at + 4])
    if data.find(b"\xff\xd9", at) < 0:
        raise EOFError("the picture has no end")
    if 8 * (len(data) - at) < pixels // 64:
        raise EOFError("the picture is not all there")
    scans = data.count(b"\xff\xda", at)
    if scans > MOST_SCANS:
        raise ValueError(f"it has {scans} scans")
    file.seek(0)


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Give name, start and end of each chunk's data; stops where the file is cut off."""
    at = 8
    while at + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        end = at + 8 + size
        if end + 4 > len(data):
            return
        yield name, at + 8, end
        at = end + 4


def _png(data: bytes, bits: int, colour: int) -> Decoded:
    from PIL import PngImagePlugin

    core = bytearray(data[:8])
    beside: dict[bytes, bytes] = {}
    whole = False
    for name, start, end in _chunks(data):
        if name in (b"IHDR", b"PLTE", b"IDAT", b"IEND") or (name == b"tRNS" and bits < 16):
            core += data[start - 8 : end + 4]
        elif name in (b"iTXt", b"zTXt"):
            keyword = data[start : min(end, start + 80)].split(b"\0")[0]
            beside.setdefault(keyword, data[start:end])
        elif name in (b"iCCP", b"eXIf", b"pHYs", b"acTL", b"tRNS"):
            beside.setdefault(name, data[start:end])
        if name == b"IEND":
            whole = True
            break
    if not whole:
        raise EOFError("the picture has no end")
    if bits == 16:
        made = _deep_png(bytes(core), colour, beside.get(b"tRNS"))
    else:
        image = PngImagePlugin.PngImageFile(BytesIO(bytes(core)))
        image.load()
        made = of_pillow(image)
    made.exif = beside.get(b"eXIf")
    made.icc = _unfolded_profile(beside.get(b"iCCP"))
    if b"iCCP" in beside and made.icc is None:
        made.notes.append("Its colour profile is broken and was left out.")
    if _XMP_KEYWORD in beside:
        made.xmp = _international_text(beside[_XMP_KEYWORD])
    if _IPTC_KEYWORD in beside:
        made.iptc = _raw_profile(beside[_IPTC_KEYWORD])
    if len(beside.get(b"pHYs", b"")) == 9:
        x, y, unit = struct.unpack(">IIB", beside[b"pHYs"])
        if unit == 1:
            # In samples a metre, which says 300 to the inch as 11811.
            made.resolution = resolution(round(x * 0.0254, 1), round(y * 0.0254, 1))
    if len(beside.get(b"acTL", b"")) == 8:
        frames = struct.unpack(">II", beside[b"acTL"])[0]
        if frames > 1:
            made.notes.append(first_of(frames))
    return made


def _deep_png(core: bytes, colour: int, clear: bytes | None) -> Decoded:
    import imagecodecs

    try:
        values = np.asarray(imagecodecs.png_decode(core))
    except imagecodecs.PngError as error:
        raise ValueError("the picture cannot be decoded") from error
    if values.dtype != np.uint16:
        raise ValueError("the picture is not as its header says")
    samples, alpha = _parts(values)
    if alpha is None and clear is not None and len(clear) == (2 if colour == 0 else 6):
        key = np.frombuffer(clear, ">u2").astype(np.uint16)
        same = samples == key if samples.ndim == 2 else (samples == key).all(axis=2)
        alpha = np.where(same, 0, 65535).astype(np.uint16)
    return Decoded(samples, alpha)


def _unfolded(data: bytes, limit: int) -> bytes | None:
    """Decompress at most `limit` bytes; None when there are more, or it is broken."""
    unfold = zlib.decompressobj()
    try:
        made = unfold.decompress(data, limit)
    except zlib.error:
        return None
    return made if unfold.eof else None


def _unfolded_profile(chunk: bytes | None) -> bytes | None:
    name, _, rest = (chunk or b"").partition(b"\0")
    return _unfolded(rest[1:], LARGEST_PROFILE) if name and rest[:1] == b"\0" else None


def _international_text(chunk: bytes) -> bytes | None:
    parts = chunk.split(b"\0", 1)[1]
    packed = parts[:1] == b"\1"
    try:
        text = parts[2:].split(b"\0", 2)[2]
    except IndexError:
        return None
    return _unfolded(text, _LARGEST_TEXT) if packed else text


def _raw_profile(chunk: bytes) -> bytes | None:
    """Give the IPTC block that ImageMagick and others write into a PNG as text of hexadecimal digits."""
    text = _unfolded(chunk.partition(b"\0")[2][1:], _LARGEST_TEXT)
    lines = (text or b"").strip().split(b"\n")
    try:
        block = bytes.fromhex(b"".join(lines[2:]).decode("ascii"))
    except ValueError:
        return None
    return iptc.from_resources(block) if block.startswith(b"8BIM") else block or None


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
    samples, alpha = _parts(values.astype(np.uint8 if largest == 255 else np.uint16))
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
