"""Which files are photos: the suffixes, and all photos of a folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

from engine.images.faults import FolderUnreadable, NoPhotosFound, reason, shown

PHOTO_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".tif", ".tiff", ".bmp"}
    | {".heic", ".heif", ".hif", ".avif", ".jp2", ".jpx", ".jpf", ".j2k"}
)

KINDS = "JPEG, PNG, WebP, TIFF, BMP, HEIC, AVIF or JPEG 2000"


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
        raise FolderUnreadable(f"The folder {shown(top)} cannot be listed: {reason(error)}. Check its name.") from error
    if not found:
        raise NoPhotosFound(f"The folder {top} holds no photos. Choose one with {KINDS} files.")
    return sorted(found)
