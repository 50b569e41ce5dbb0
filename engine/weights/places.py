"""Where published files lie."""

from __future__ import annotations

from pathlib import Path

from engine.errors import EngineError
from engine.weights.catalogue import CATALOGUE, PublishedFile
from engine.weights.files import WeightsMissing


class UnknownWeights(EngineError):
    """The list has no file of that id."""


class LicenceNotAccepted(EngineError):
    """A file is there whose licence forbids commercial use, and nobody has accepted that licence yet."""


def listed(file_id: str) -> PublishedFile:
    """Give a file of the list by its id."""
    if file_id not in CATALOGUE:
        raise UnknownWeights(f"There is no file '{file_id}' in the list of weights. See: python app.py weights list")
    return CATALOGUE[file_id]


def locate(file_id: str, root: Path) -> Path:
    """Give the path of a published file that is there.

    Args:
        file_id: its id in the list.
        root: folder of the user's weights, `Workspace.weights`.

    Raises:
        UnknownWeights: the list has no such file.
        WeightsMissing: it is nowhere; the sentence says its size, its licence and the command that gets it.
        WeightsDamaged: it is there, and is not the published one.
        LicenceNotAccepted: it is there, and its licence must be accepted first.
    """
    file = listed(file_id)
    path = root / file.file
    if not path.is_file():
        raise WeightsMissing(f"{file.file} is not there. Get it with: python app.py weights get {file.id}")
    return path
