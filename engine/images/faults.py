"""What can be wrong with a photo's file, each fact its own error, and how a file is named in a sentence."""

from __future__ import annotations

from pathlib import Path

from engine.errors import EngineError


class PhotoUnreadable(EngineError):
    """The file is missing, is no plain file, or the system refuses to give it."""


class NotAPhoto(EngineError):
    """The file is empty or holds something other than a picture of a kind that is read here."""


class PhotoDamaged(EngineError):
    """The file begins like a photo, but its picture is cut off or cannot be decoded."""


class PhotoTooLarge(EngineError):
    """The picture has more pixels than are read, or than memory holds."""


class DepthNotReadable(EngineError):
    """The samples are of a kind or colour model that is not read here, such as floating point or Lab."""


class FolderUnreadable(EngineError):
    """The folder is missing, is a file, or the system refuses to list it."""


class NoPhotosFound(EngineError):
    """The folder holds no file with a photo's suffix."""


class AlreadyThere(EngineError):
    """A file of that name exists, and nothing is ever saved over a file."""


class NotSaved(EngineError):
    """The picture could not be written; nothing was left behind."""


SHOWN_LENGTH = 80
"""Characters of a file's name that a sentence carries; a name of 300 would bury what is wrong."""


def shown(path: Path) -> str:
    """Give a file's name as it is shown in a sentence: long ones shortened in the middle, always printable."""
    return shown_name(path.name or str(path))


def shown_name(name: str) -> str:
    """Give a name as it is shown in a sentence: long ones shortened in the middle, always printable."""
    if len(name) > SHOWN_LENGTH:
        half = SHOWN_LENGTH // 2
        name = f"{name[:half]}…{name[-half + 1 :]}"
    return "".join(letter if letter.isprintable() else "?" for letter in name)


def reason(error: Exception) -> str:
    """Give the system's own words for a failure, without its number and path."""
    if isinstance(error, ValueError) and "embedded null" in str(error):
        return "its name holds a NUL character"  # which each version of Python says otherwise
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
