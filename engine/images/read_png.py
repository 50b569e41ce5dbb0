"""PNG, of up to 16 bits. Only the picture reaches a decoder, so a text that unfolds to gigabytes is not unfolded."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import BinaryIO

import numpy as np

from engine.images import iptc
from engine.images.decode import Decoded, Header, first_of, of_pillow, parts_of, resolution
from engine.images.profile import LARGEST_PROFILE

_XMP_KEYWORD = b"XML:com.adobe.xmp"
_IPTC_KEYWORD = b"Raw profile type iptc"
_LARGEST_TEXT = 4 << 20


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
    samples, alpha = parts_of(values)
    if alpha is None and clear is not None and len(clear) == (2 if colour == 0 else 6):
        key = np.frombuffer(clear, ">u2").astype(np.uint16)
        same = samples == key if samples.ndim == 2 else (samples == key).all(axis=2)
        alpha = np.where(same, 0, 65535).astype(np.uint16)
    return Decoded(samples, alpha)


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


def _unfolded(data: bytes, limit: int) -> bytes | None:
    """Decompress at most `limit` bytes; None when there are more, or it is broken."""
    unfold = zlib.decompressobj()
    try:
        made = unfold.decompress(data, limit)
    except zlib.error:
        return None
    return made if unfold.eof else None
