"""What every kind of file gives: size from its header first, then samples, alpha and what stands beside them.

The kinds that Pillow reads wholly (JPEG, WebP, BMP) are here, the others beside this module.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from engine.images.convert import Samples
from engine.images.photo import Resolution

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

DECODE_SECONDS = 180.0
"""How long a decoder is waited for; 200 million pixels take some 20 s on one slow core."""

MOST_SCANS = 200
"""Scans of a JPEG; cameras write 1, progressive files some 10, and a file of thousands is made to keep readers busy."""

_ORIENTATION = 0x0112


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
        made = _with_beside(image)
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
    return Header("WebP", image.width, image.height, lambda: loaded(image))


def bmp(file: BinaryIO, name: str) -> Header:
    """Read a BMP's header."""
    del name
    from PIL import BmpImagePlugin

    image = BmpImagePlugin.BmpImageFile(file)

    def decode() -> Decoded:
        made = loaded(image)
        x, y = image.info.get("dpi", (0, 0))
        made.resolution = resolution(x, y)
        return made

    return Header("BMP", image.width, image.height, decode)


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


def loaded(image: ImageFile) -> Decoded:
    """Decode with Pillow, and take what stands beside the samples."""
    image.load()
    return _with_beside(image)


def _with_beside(image: ImageFile) -> Decoded:
    info = image.info
    made = of_pillow(image)
    made.icc, made.exif, made.xmp = (filled(info.get(key)) for key in ("icc_profile", "exif", "xmp"))
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


def filled(value: Any) -> bytes | None:
    """Give bytes, None when there are none."""
    return value if isinstance(value, bytes) and value else None


def parts_of(values: NDArray[Any]) -> tuple[Samples, Samples | None]:
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
