"""Reading photos: JPEG, PNG, WebP, TIFF and BMP of 8 bits a sample, upright, with a sentence for all that is not one.

The size is judged from the file's header, before a pixel is decoded. Of a file with several pictures (TIFF pages, an
animation) the first is read.
"""

from __future__ import annotations

import os
import stat
import struct
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NoReturn

import numpy as np

from engine.images.convert import Samples
from engine.images.faults import (
    DepthNotReadable,
    FolderUnreadable,
    NoPhotosFound,
    NotAPhoto,
    PhotoDamaged,
    PhotoTooLarge,
    PhotoUnreadable,
    reason,
    shown,
)
from engine.images.photo import Photo, fitting_profile

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

MAX_PIXELS = 200_000_000
"""Larger pictures are refused: as float32 RGB this many take 2.4 GB, and each step of a restoration holds a few."""

PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".tif", ".tiff", ".bmp"})

KINDS = "JPEG, PNG, WebP, TIFF or BMP"

_OTHERS = (
    (0, b"GIF8", "a GIF"),
    (4, b"ftyphei", "a HEIC picture"),
    (4, b"ftypmif1", "a HEIC picture"),
    (4, b"ftypavif", "an AVIF picture"),
    (0, b"%PDF", "a PDF document"),
    (0, b"PK\x03\x04", "a ZIP archive or office document"),
    (0, b"<svg", "an SVG drawing"),
    (0, b"8BPS", "a Photoshop document"),
)
"""Offset, first bytes and name of what people take for a photo, so that the sentence can say what was found."""

_UNDECODABLE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    OverflowError,
    struct.error,
    zlib.error,
)
"""What Pillow's decoders raise on broken data; `OSError` stands for a cut-off file as well as for a broken one."""

_ORIENTATION = 0x0112
_SHORT, _LONG = 3, 4


def is_photo_name(path: str | os.PathLike[str]) -> bool:
    """Say whether a name ends like a photo's. Hidden files, such as the `._` ones of macOS, are none."""
    path = Path(path)
    return path.suffix.lower() in PHOTO_SUFFIXES and not path.name.startswith(".")


def list_photos(folder: str | os.PathLike[str]) -> list[Path]:
    """Give all files named like photos in a folder and the folders in it, sorted; never an empty list.

    What is hidden (a leading dot) is left out, and links to folders are not followed.

    Raises:
        FolderUnreadable: the folder, or one in it, is missing, is a file or may not be listed.
        NoPhotosFound: there is none.
    """
    top = Path(folder)

    def refuse(error: OSError) -> NoReturn:
        place = Path(os.fsdecode(error.filename)) if error.filename else top
        if isinstance(error, FileNotFoundError):
            raise FolderUnreadable(f"There is no folder {place}. Check its name.") from error
        if isinstance(error, NotADirectoryError):
            raise FolderUnreadable(f"{place} is a file, not a folder. Name the folder that it is in.") from error
        raise FolderUnreadable(
            f"The folder {place} cannot be listed: {reason(error)}. Check that you may open it."
        ) from error

    found: list[Path] = []
    try:
        for place, folders, files in os.walk(top, onerror=refuse):
            folders[:] = [name for name in folders if not name.startswith(".")]
            found += [Path(place, name) for name in files if is_photo_name(name)]
    except ValueError as error:  # a NUL character in the name
        raise FolderUnreadable(f"The folder {shown(top)} cannot be listed: {error}. Check its name.") from error
    if not found:
        raise NoPhotosFound(f"The folder {top} holds no photos. Choose one with {KINDS} files.")
    return sorted(found)


def read_photo(path: str | os.PathLike[str]) -> Photo:
    """Give the photo in a file, upright, grey left grey, alpha kept aside; palettes and CMYK become RGB.

    Raises:
        PhotoUnreadable: missing, a folder, no plain file, or refused by the system.
        NotAPhoto: empty, or not of a kind that is read here.
        PhotoTooLarge: more than `MAX_PIXELS`, or more than memory holds.
        DepthNotReadable: more than 8 bits a sample.
        PhotoDamaged: cut off or broken.
    """
    path = Path(path)
    with _opened(path) as file:
        image = _begun(file, path)
        pixels = image.width * image.height
        if pixels > MAX_PIXELS:
            raise PhotoTooLarge(
                f"{shown(path)} is {image.width} x {image.height} px, {pixels / 1e6:.0f} million pixels; "
                f"at most {MAX_PIXELS // 1_000_000} million can be read. Make it smaller first."
            )
        _refuse_depth(image, path)
        try:
            image.load()
            _refuse_padding(file, image)
            samples, alpha = _samples(image)
            orientation, exif = _upright_exif(image)
        except MemoryError as error:
            raise PhotoTooLarge(
                f"{shown(path)} is {image.width} x {image.height} px, more than fits into the memory that is free. "
                "Close other programs or make it smaller first."
            ) from error
        except _UNDECODABLE as error:
            raise PhotoDamaged(
                f"{shown(path)} is damaged or cut off: {_lowered(reason(error))}. "
                "Copy it again from where it came from."
            ) from error
    return Photo(
        samples=_turned(samples, orientation),
        alpha=None if alpha is None else _turned(alpha, orientation),
        icc=fitting_profile(image.info.get("icc_profile"), samples),
        exif=exif,
        name=path.name,
    )


@contextmanager
def _opened(path: Path) -> Generator[BinaryIO]:
    """Open a plain file. Asking first what it is keeps a pipe from being waited on for ever."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise PhotoUnreadable(f"{shown(path)} is a folder, not a photo. Choose the photos in it.")
        if not stat.S_ISREG(mode):
            raise PhotoUnreadable(f"{shown(path)} is not a plain file. Choose a photo.")
        file = path.open("rb")
    except FileNotFoundError as error:
        if path.is_symlink():
            raise PhotoUnreadable(f"{shown(path)} is a link to a file that is gone. Choose a photo.") from error
        raise PhotoUnreadable(f"There is no file {shown(path)}. Check its name and folder.") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the name
        raise PhotoUnreadable(
            f"{shown(path)} cannot be opened: {_lowered(reason(error))}. Check its name and that you may read it."
        ) from error
    with file:
        yield file


def _begun(file: BinaryIO, path: Path) -> ImageFile:
    """Read the header only. Pillow's own size limit is passed by: it warns far below ours, and is set per process."""
    from PIL import BmpImagePlugin, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin

    try:
        head = file.read(32)
        file.seek(0)
        if not head:
            raise NotAPhoto(f"{shown(path)} is empty (0 bytes). Copy it again from where it came from.")
        if head.startswith(b"\xff\xd8\xff"):
            return JpegImagePlugin.jpeg_factory(file)
        if head.startswith(b"\x89PNG\r\n\x1a\n"):
            return PngImagePlugin.PngImageFile(file)
        if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
            return WebPImagePlugin.WebPImageFile(file)
        if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            return TiffImagePlugin.TiffImageFile(file)
        if head.startswith(b"BM"):
            return BmpImagePlugin.BmpImageFile(file)
    except MemoryError as error:
        raise PhotoTooLarge(f"{shown(path)} needs more memory than is free. Close other programs first.") from error
    except _UNDECODABLE as error:
        raise PhotoDamaged(
            f"{shown(path)} begins like a photo, but is damaged or cut off: {_lowered(reason(error))}. "
            "Copy it again from where it came from."
        ) from error
    found = next((name for at, sign, name in _OTHERS if head[at:].startswith(sign)), "something else")
    raise NotAPhoto(f"{shown(path)} is not a photo that can be read: found {found}. Save it as {KINDS} first.")


def _refuse_depth(image: ImageFile, path: Path) -> None:
    """Refuse what Pillow would cut down to 8 bits without a word."""
    from PIL.PngImagePlugin import PngImageFile
    from PIL.TiffImagePlugin import TiffImageFile

    bits = 8
    if isinstance(image, PngImageFile) and image.tile:
        # Pillow's raw mode is the one trace of the file's depth: "RGB;16B" is decoded into mode RGB.
        bits = 16 if "16" in str(image.tile[0].args) else 8
    elif isinstance(image, TiffImageFile):
        bits = max(image.tag_v2.get(258, (1,)))
    if bits > 8 or image.mode.startswith(("I", "F")):
        raise DepthNotReadable(
            f"{shown(path)} has {max(bits, 16)} bits a sample; only 8 can be read. Save it with 8 bits first."
        )
    if image.mode in ("LAB", "HSV"):
        raise DepthNotReadable(f"{shown(path)} is in the colour model {image.mode}. Save it as RGB first.")


def _refuse_padding(file: BinaryIO, image: ImageFile) -> None:
    """Refuse a JPEG whose picture never ends: a broken-off download that was filled up, which decodes to flat grey.

    Source: ITU-T T.81, B.1: in a scan 0xFF is followed by 0 or a marker, so 0xFFD9 after its start is the end.
    """
    if not (image.format or "").startswith(("JPEG", "MPO")):
        return
    file.seek(0)
    data = file.read()
    at = 2
    while data[at : at + 1] == b"\xff" and data[at + 1] != 0xDA:
        # Fill bytes may stand before a marker; every other segment before the scan says its length.
        at += 1 if data[at + 1] == 0xFF else 2 + int.from_bytes(data[at + 2 : at + 4])
    if data.find(b"\xff\xd9", at) < 0:
        raise EOFError("the picture has no end")


def _samples(image: ImageFile) -> tuple[Samples, Samples | None]:
    """Give a decoded picture's grey or RGB samples, and its alpha."""
    grey = image.mode in ("1", "L", "LA", "La")
    if not image.has_transparency_data:
        return np.array(image.convert("L" if grey else "RGB"), np.uint8), None
    both = np.array(image.convert("LA" if grey else "RGBA"), np.uint8)
    samples = both[..., 0] if grey else both[..., :3]
    return np.ascontiguousarray(samples), np.ascontiguousarray(both[..., -1])


def _upright_exif(image: ImageFile) -> tuple[int, bytes | None]:
    """Give the orientation, 1 to 8, and the EXIF block with its orientation set to 1, all else as it was."""
    exif = image.info.get("exif")
    if not isinstance(exif, bytes) or not exif:
        # Orientation can stand elsewhere, in PNG text or XMP; a TIFF's has been obeyed by Pillow while it was loaded.
        return int(image.getexif().get(_ORIENTATION, 1)), None
    found = _orientation_entry(exif)
    if found is None:
        return 1, exif
    value, at, layout = found
    upright = bytearray(exif)
    struct.pack_into(layout, upright, at, 1)
    return value, bytes(upright)


def _orientation_entry(exif: bytes) -> tuple[int, int, str] | None:
    """Find the orientation in an EXIF block: its value, its offset, its layout; None when there is none to be read.

    Source: Exif 2.32, 4.5.2 and 4.6.2. Written out here because re-encoding the block would lose makers' notes.
    """
    start = 6 if exif.startswith(b"Exif\0\0") else 0
    order = {b"II": "<", b"MM": ">"}.get(exif[start : start + 2])
    if order is None:
        return None
    try:
        (first,) = struct.unpack_from(f"{order}I", exif, start + 4)
        (count,) = struct.unpack_from(f"{order}H", exif, start + first)
        for entry in range(start + first + 2, start + first + 2 + 12 * count, 12):
            tag, kind = struct.unpack_from(f"{order}HH", exif, entry)
            if tag == _ORIENTATION and kind in (_SHORT, _LONG):
                layout = f"{order}{'H' if kind == _SHORT else 'I'}"
                return struct.unpack_from(layout, exif, entry + 8)[0], entry + 8, layout
    except struct.error:
        return None  # a broken EXIF block says nothing; the picture itself is whole
    return None


def _turned(samples: Samples, orientation: int) -> Samples:
    """Give samples upright, from an EXIF orientation; values outside 2 to 8 mean that they are."""
    match orientation:
        case 2:
            turned = samples[:, ::-1]
        case 3:
            turned = samples[::-1, ::-1]
        case 4:
            turned = samples[::-1]
        case 5:
            turned = samples.swapaxes(0, 1)
        case 6:
            turned = np.rot90(samples, -1)
        case 7:
            turned = samples[::-1, ::-1].swapaxes(0, 1)
        case 8:
            turned = np.rot90(samples)
        case _:
            turned = samples
    return np.ascontiguousarray(turned)


def _lowered(words: str) -> str:
    """Give the system's words as the second half of a sentence."""
    return (words[:1].lower() + words[1:]).rstrip(".")
