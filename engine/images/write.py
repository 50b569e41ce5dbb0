"""Saving photos: PNG, TIFF or JPEG, whole or not at all, and never over a file that is there."""

from __future__ import annotations

import errno
import os
import secrets
import unicodedata
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Literal

from engine.images import encode
from engine.images.convert import Pixels, at_depth, to_uint8, to_uint16
from engine.images.faults import AlreadyThere, NotSaved, reason, shown
from engine.images.metadata import Beside, Made, Metadata, beside
from engine.images.photo import Photo
from engine.images.write_tiff import LARGEST_FILE

Depth = Literal["source", 8, 16]
"""Bits a sample of a saved file, or those of the photo."""

SAVED_SUFFIXES = (".png", ".tif", ".tiff", ".jpg", ".jpeg")

NAME_BYTES = 200
"""Longest name that `free_name` makes, in UTF-8; file systems take 255, and others add their own endings."""

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
"""What systems without hard links (FAT, some shares) answer to one."""
_RESERVED = frozenset({"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))})
"""Names that Windows keeps for devices."""


def save_photo(
    picture: Photo | Pixels,
    path: str | os.PathLike[str],
    *,
    quality: int = 95,
    depth: Depth = "source",
    metadata: Metadata = Metadata.KEEP,
    made: Made | None = None,
) -> Path:
    """Save a photo, or sRGB pixels (H, W, 3), as PNG, TIFF or JPEG by the name's suffix, and give the path.

    The file appears whole under its name or not at all. The photo's colour profile and resolution are kept, and its
    EXIF, IPTC and XMP as `metadata` says (see `engine.images.metadata.beside`). A JPEG has 8 bits and no alpha;
    `losses` says what else a format cannot hold. 16 bits become 8 by rounding, without dither, so that the same
    photo always gives the same file; 8 become 16 exactly.

    Args:
        picture: what to save; pixels are quantised here, with 8 bits unless `depth` is 16.
        path: a name that is free, in a folder that is there.
        quality: of a JPEG, 1 to 100.
        depth: bits a sample in a PNG or TIFF.
        metadata: what is kept of the source's metadata.
        made: how the picture was made, which is then written into it.

    Raises:
        AlreadyThere: the name is taken, also when another process was quicker.
        NotSaved: the suffix, the folder, the disk or the picture's size does not allow it.
        ValueError: quality is outside 1 to 100, or a pixel is not a number.
    """
    target = Path(path)
    if not 1 <= quality <= 100:
        raise ValueError(f"quality must be 1 to 100, got {quality}")
    refuse_target(target, SAVED_SUFFIXES)
    if isinstance(picture, Photo):
        photo = picture
    else:
        photo = Photo(to_uint16(picture) if depth == 16 else to_uint8(picture), None, None, None, target.name)
    return write_whole(target, _encoded(of_depth(photo, depth), target, quality, beside(photo, metadata, made)))


def of_depth(photo: Photo, depth: Depth) -> Photo:
    """Give a photo whose samples and alpha have a number of bits."""
    if depth == "source" or depth == photo.depth:
        return photo
    alpha = None if photo.alpha is None else at_depth(photo.alpha, depth)
    return replace(photo, samples=at_depth(photo.samples, depth), alpha=alpha)


def losses(photo: Photo, path: str | os.PathLike[str], *, metadata: Metadata = Metadata.KEEP) -> tuple[str, ...]:
    """Say in sentences what a file of that suffix cannot hold of a photo; empty when it holds all."""
    if Path(path).suffix.lower() not in (".jpg", ".jpeg"):
        return ()
    kept = beside(photo, metadata, None)
    found: list[str] = []
    if photo.depth == 16:
        found.append("A JPEG holds 8 bits a sample, so the photo's 16 were rounded.")
    if photo.alpha is not None:
        found.append("A JPEG holds no transparency, so it was left out.")
    if kept.exif is not None and encode.fitting_exif(kept.exif) is not kept.exif:
        less = "its makers' notes were" if encode.fitting_exif(kept.exif) is not None else "it was"
        found.append(f"The EXIF block of {len(kept.exif) / 1e3:.0f} kB is too large for a JPEG, so {less} left out.")
    if kept.xmp is not None and not encode.xmp_fits(kept.xmp):
        found.append(f"The XMP packet of {len(kept.xmp) / 1e3:.0f} kB is too large for a JPEG, so it was left out.")
    if kept.iptc is not None and not encode.iptc_fits(kept.iptc):
        found.append(f"The IPTC block of {len(kept.iptc) / 1e3:.0f} kB is too large for a JPEG, so it was left out.")
    return tuple(found)


def write_whole(target: Path, parts: Iterable[bytes]) -> Path:
    """Write parts into a file that appears whole under its name or not at all.

    Raises:
        AlreadyThere, NotSaved: as `save_photo` does.
    """
    parts = list(parts)
    size = sum(map(len, parts))
    part = target.parent / f".likeness-{secrets.token_hex(8)}.part"
    try:
        try:
            with part.open("xb") as file:
                file.writelines(parts)
                file.flush()
                os.fsync(file.fileno())
            _give_name(part, target)
        finally:
            part.unlink(missing_ok=True)
    except FileExistsError as error:
        raise _already(target) from error
    except OSError as error:
        raise _not_saved(target, error, size) from error
    return target


def free_name(folder: str | os.PathLike[str], stem: str, suffix: str) -> Path:
    """Give a path in a folder that no file has yet: `stem.png`, then `stem-2.png`, `stem-3.png` and so on.

    Characters that a file system refuses or that would hide the file are replaced, and the stem is cut so that the
    whole name has at most `NAME_BYTES` bytes. Another process may take the name before it is used; `save_photo` then
    says so.

    Args:
        folder: where the file will lie.
        stem: any text, such as a person's name.
        suffix: with its dot, such as ".png".
    """
    clean = _clean(stem)
    number = 1
    while True:
        ending = suffix if number == 1 else f"-{number}{suffix}"
        path = Path(folder) / f"{_cut(clean, NAME_BYTES - len(ending.encode()))}{ending}"
        if not os.path.lexists(path):
            return path
        number += 1


def result_name(photo: Photo, source: str | os.PathLike[str], ending: str = "-restored") -> tuple[str, str]:
    """Give stem and suffix of the result that is made of a photo: the source's name, an ending, the fitting format.

    PNG and TIFF stay what they are, with their suffix as it is written. All else becomes TIFF at 16 bits and PNG at 8:
    a second JPEG would change every pixel that was to stay as it was.
    """
    path = Path(source)
    written = {"PNG": (".png",), "TIFF": (".tif", ".tiff")}
    allowed = written.get(photo.source, (".tif",) if photo.depth == 16 else (".png",))
    suffix = path.suffix if path.suffix.lower() in allowed else allowed[0]
    return f"{path.stem}{ending}", suffix


def result_path(
    photo: Photo, source: str | os.PathLike[str], folder: str | os.PathLike[str], *, suffix: str | None = None
) -> Path:
    """Give a free path for a photo's result in a folder: `IMG_1.tif` becomes `IMG_1-restored.tif`.

    Args:
        photo: as it was read.
        source: the path that it was read from.
        folder: where the result will lie.
        suffix: asks for a format; None chooses as `result_name` says.
    """
    stem, chosen = result_name(photo, source)
    return free_name(folder, stem, suffix or chosen)


def refuse_target(target: Path, suffixes: tuple[str, ...]) -> None:
    """Refuse a target that cannot work, before time is spent on encoding.

    Raises:
        AlreadyThere, NotSaved: as `save_photo` does.
    """
    if target.suffix.lower() not in suffixes:
        shorter = [suffix for suffix in suffixes if suffix not in (".tiff", ".jpeg")]
        words = " or ".join((", ".join(shorter[:-1]), shorter[-1])) if shorter[1:] else shorter[0]
        raise NotSaved(f"{shown(target)} was not saved: its name must end in {words}.")
    if "\0" in str(target):
        raise NotSaved(f"{shown(target)} was not saved: its name holds a NUL character. Choose another name.")
    if os.path.lexists(target):
        raise _already(target)
    folder = target.parent.absolute()
    try:
        found = target.parent.is_dir()
    except OSError as error:  # a folder on the way is closed, or a name is too long
        raise NotSaved(
            f"{shown(target)} was not saved: {reason(error)} for {shown(folder)}. Choose another folder."
        ) from error
    if not found:
        raise NotSaved(f"{shown(target)} was not saved: there is no folder {folder}. Make it first or choose another.")


def _encoded(photo: Photo, target: Path, quality: int, kept: Beside) -> list[bytes]:
    match target.suffix.lower():
        case ".png":
            return encode.png(photo, kept)
        case ".tif" | ".tiff":
            return within_reach(encode.tiff(photo, kept), target)
        case _:
            pass
    if max(photo.width, photo.height) > encode.JPEG_SIDE:
        raise NotSaved(
            f"{shown(target)} was not saved: the picture is {photo.width} x {photo.height} px, and a JPEG's sides have "
            f"at most {encode.JPEG_SIDE}. Save it as PNG."
        )
    return encode.jpeg(photo, kept, quality)


def within_reach(parts: list[bytes], target: Path) -> list[bytes]:
    """Give the parts of a TIFF back, unless its offsets cannot reach its end.

    Raises:
        NotSaved: it is too large.
    """
    size = sum(map(len, parts))
    if size > LARGEST_FILE:
        raise NotSaved(
            f"{shown(target)} was not saved: it would have {size / 1e9:.1f} GB, and a TIFF has at most 4.2. "
            "Save it as PNG or with 8 bits."
        )
    return parts


def _give_name(part: Path, target: Path) -> None:
    """Give the finished file its name, unless something has that name: then `FileExistsError`, and it is left alone."""
    if os.name == "nt":
        part.rename(target)  # on Windows a rename never replaces
        return
    try:
        os.link(part, target)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # No hard links here. Take the name with an empty file, which only one process can, then replace that.
        target.open("xb").close()
        try:
            part.replace(target)
        except BaseException:
            with suppress(OSError):
                target.unlink()
            raise


def _already(target: Path) -> AlreadyThere:
    return AlreadyThere(f"{shown(target)} was not saved: there is already something of that name. Choose another name.")


def _not_saved(target: Path, error: OSError, size: int) -> NotSaved:
    start = f"{shown(target)} was not saved: "
    if error.errno in _FULL:
        return NotSaved(
            f"{start}the disk is full, the picture needs {size / 1e6:.1f} MB. Make room or choose another folder."
        )
    if error.errno == errno.ENAMETOOLONG:
        return NotSaved(f"{start}its name is too long. Choose a shorter one.")
    return NotSaved(f"{start}{reason(error)} in {target.parent.absolute()}. Choose a folder that you may write to.")


def _clean(stem: str) -> str:
    """Replace what some file system refuses: separators, wildcards, control characters, halves of surrogate pairs."""
    refused = {letter for letter in stem if letter in '/\\:*?"<>|' or unicodedata.category(letter) in ("Cc", "Cs")}
    clean = "".join("-" if letter in refused else letter for letter in stem).strip(" .")
    if clean.split(".")[0].rstrip().lower() in _RESERVED:
        clean = f"_{clean}"
    return clean or "photo"


def _cut(text: str, size: int) -> str:
    """Give the beginning of a text that takes at most `size` bytes, whole characters only."""
    return text.encode()[:size].decode(errors="ignore").rstrip(" .")
