"""Exporting: a finished result, with its provenance, into a folder of the user's; never over a file that is there."""

from __future__ import annotations

import shutil
from pathlib import Path

from engine import images
from engine.errors import EngineError
from engine.results import path_beside


class NotExported(EngineError):
    """A result could not be put where it was wanted."""


def named(text: str) -> Path:
    """Give the path that a user wrote; quotes round it, as some systems copy paths, and ~ are understood."""
    path = Path(text.strip().strip("\"'"))
    try:
        return path.expanduser()
    except RuntimeError:  # ~ of somebody who is not here
        return path


def export(result: Path, provenance: Path, folder: Path) -> Path:
    """Copy a result and its provenance into a folder.

    Args:
        result: the finished file.
        provenance: beside it or elsewhere.
        folder: which is there; a path of the user's.

    Returns:
        The copy, under the result's own name or the next free one.

    Raises:
        NotExported: the folder is not there, or cannot be written to; nothing is left half written.
    """
    place = named(str(folder))
    if not place.is_absolute():
        raise NotExported(f"{folder} does not say where it lies. Write the whole path of the folder.")
    if not place.is_dir():
        found = "is a file" if place.exists() else "is not there"
        raise NotExported(f"The folder {place} {found}. Choose one that is there.")
    target = images.free_name(place, result.stem, result.suffix)
    number = 2
    while path_beside(target).exists():  # of a result that was taken away
        target = images.free_name(place, f"{result.stem}-{number}", result.suffix)
        number += 1
    written: list[Path] = []
    try:
        for source, copy in ((result, target), (provenance, path_beside(target))):
            with source.open("rb") as given, copy.open("xb") as taken:
                written.append(copy)
                shutil.copyfileobj(given, taken)
    except OSError as error:
        for copy in written:
            copy.unlink(missing_ok=True)
        raise NotExported(
            f"The result was not saved to {place}: {error.strerror or error}. Choose a folder that you may write to."
        ) from error
    return target
