"""Where faces lie: with a person, with nobody yet, or in the bin; and how they go from one place to another.

A place is a folder with `references/` (a file for each face), `photos/` (what they were found in) and `crops/` (a small
picture of each). It goes by a short name: a person's id, `unsorted`, or `bin/` and a few digits. A photo lies wherever
one of its faces does, as a second name of the same file where the disk allows that.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path

from engine.errors import EngineError
from engine.workspace import PRIVATE_FOLDER, Workspace, trash

UNSORTED = "unsorted"
BIN = "bin/"

PARTS = ("photos", "references", "crops")


class FaceNotMoved(EngineError):
    """The system refuses to move a face from one place to another."""


class Places:
    """The places of a workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def folder(self, place: str) -> Path:
        """Give the folder of a place; it need not be there."""
        if place == UNSORTED:
            return self._workspace.unsorted
        if place.startswith(BIN):
            return self._workspace.undo / place
        return self._workspace.people / place

    def make(self, place: str) -> Path:
        """Give the folder of a place, made if it is not there, with its parts."""
        folder = self.folder(place)
        for part in PARTS:
            (folder / part).mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        return folder

    def ids(self, place: str) -> frozenset[str]:
        """Give the ids of all faces that lie in a place."""
        try:
            with os.scandir(self.folder(place) / "references") as entries:
                names = [entry.name for entry in entries]
        except FileNotFoundError:
            return frozenset()
        return frozenset(name[: -len(".json")] for name in names if name.endswith(".json") and name[0] != ".")

    def all_ids(self, people: Iterable[str]) -> frozenset[str]:
        """Give the ids of all faces that lie with nobody yet or with some people."""
        return frozenset[str]().union(*(self.ids(place) for place in (UNSORTED, *people)))

    def move(self, ids: Collection[str], source: str, target: str) -> None:
        """Bring faces from one place to another, with their photos; a face that is not there is passed over.

        Broken off at any moment, each face lies in one place or the other, whole.

        Raises:
            FaceNotMoved: the system refuses; the faces before that one are moved.
        """
        start, end = self.folder(source), self.make(target)
        photos = {file.name.split(".")[0]: file for file in (start / "photos").glob("[!.]*")}
        try:
            for name in ids:
                file = start / "references" / f"{name}.json"
                if not file.exists():
                    continue
                photo = photos.get(name.rsplit("-", 1)[0])
                if photo is not None:
                    _linked(photo, end / "photos" / photo.name)
                with suppress(FileNotFoundError):
                    (start / "crops" / f"{name}.jpg").replace(end / "crops" / f"{name}.jpg")
                file.replace(end / "references" / file.name)
        except OSError as error:
            raise FaceNotMoved(
                f"A face could not be moved: {error.strerror or error}. Make room on the disk of "
                f"{self._workspace.root}, or check your rights to it."
            ) from error
        self.drop_unused(source)

    def drop_unused(self, place: str) -> None:
        """Delete copies of photos and crops in a place that no face there speaks of."""
        folder, ids = self.folder(place), self.ids(place)
        used = {name.rsplit("-", 1)[0] for name in ids}
        for photo in (folder / "photos").glob("[!.]*"):
            if photo.name.split(".")[0] not in used:
                trash(photo)
        for crop in (folder / "crops").glob("[!.]*.jpg"):
            if crop.stem not in ids:
                trash(crop)

    def empty(self, place: str) -> None:
        """Delete a place of the bin with all that is in it."""
        folder = self.folder(place)
        if place.startswith(BIN) and folder.exists():
            trash(folder)


def _linked(photo: Path, place: Path) -> None:
    """Give a file a second name, or copy it where the disk has no second names."""
    if place.exists():
        return
    try:
        os.link(photo, place)
    except OSError:
        # Under a passing name first, so that no half of it is taken for the photo.
        passing = place.with_name(f".{place.name}-{secrets.token_hex(6)}.part")
        shutil.copyfile(photo, passing)
        passing.replace(place)
