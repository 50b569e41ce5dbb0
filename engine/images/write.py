"""Saving photos: PNG or JPEG, whole or not at all, and never over a file that is there."""

from __future__ import annotations

import errno
import os
import secrets
import unicodedata
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import numpy as np

from engine.images.convert import Pixels, to_uint8
from engine.images.faults import AlreadyThere, NotSaved, reason, shown
from engine.images.photo import Photo, fitting_profile

NAME_BYTES = 200
"""Longest name that `free_name` makes, in UTF-8; file systems take 255, and others add their own endings."""

_JPEG_SIDE = 65_500
"""Longest side in px of a JPEG (libjpeg's JPEG_MAX_DIMENSION)."""
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
"""What systems without hard links (FAT, some shares) answer to one."""
_RESERVED = frozenset({"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))})
"""Names that Windows keeps for devices."""


def save_photo(picture: Photo | Pixels, path: str | os.PathLike[str], *, quality: int = 95) -> Path:
    """Save a photo, or pixels (H, W, 3), as PNG or JPEG by the name's suffix, and give the path.

    The file appears whole under its name or not at all. The colour profile is kept. Alpha is kept in a PNG; a JPEG
    cannot hold it. EXIF is not written: its thumbnail would still show the picture as it was before.

    Args:
        picture: what to save; pixels are quantised here.
        path: a name that is free, in a folder that is there.
        quality: of a JPEG, 1 to 100.

    Raises:
        AlreadyThere: the name is taken, also when another process was quicker.
        NotSaved: the suffix, the folder, the disk or the picture's size does not allow it.
        ValueError: quality is outside 1 to 100, or a pixel is not a number.
    """
    target = Path(path)
    if not 1 <= quality <= 100:
        raise ValueError(f"quality must be 1 to 100, got {quality}")
    _refuse_target(target)
    data = _encoded(picture, target, quality)
    part = target.parent / f".likeness-{secrets.token_hex(8)}.part"
    try:
        try:
            with part.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            _give_name(part, target)
        finally:
            part.unlink(missing_ok=True)
    except FileExistsError as error:
        raise _already(target) from error
    except OSError as error:
        raise _not_saved(target, error, len(data)) from error
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


def _refuse_target(target: Path) -> None:
    """Refuse a target that cannot work, before time is spent on encoding."""
    if target.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise NotSaved(f"{shown(target)} was not saved: its name must end in .png or .jpg.")
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


def _encoded(picture: Photo | Pixels, target: Path, quality: int) -> bytes:
    """Encode in memory: while Pillow writes to a disk itself, it hides why that failed."""
    from PIL import Image

    photo = picture if isinstance(picture, Photo) else Photo(to_uint8(picture), None, None, None, target.name)
    samples = photo.samples
    icc = fitting_profile(photo.icc, samples)
    data = BytesIO()
    if target.suffix.lower() == ".png":
        if photo.alpha is not None:
            samples = np.dstack((samples, photo.alpha))
        Image.fromarray(samples).save(data, "PNG", icc_profile=icc)
        return data.getvalue()
    if max(photo.width, photo.height) > _JPEG_SIDE:
        raise NotSaved(
            f"{shown(target)} was not saved: the picture is {photo.width} x {photo.height} px, and a JPEG's sides have "
            f"at most {_JPEG_SIDE}. Save it as PNG."
        )
    # Full-size colour (subsampling 0): halved colour smears lips and irises.
    Image.fromarray(samples).save(data, "JPEG", quality=quality, subsampling=0, icc_profile=icc)
    return data.getvalue()


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
