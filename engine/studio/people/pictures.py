"""Pictures of faces for the People screen: small ones for the grid, and a whole photo with the face in it."""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import wait
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from engine import images
from engine.errors import EngineError
from engine.people import Reference
from engine.people.intake import CROP_QUALITY, CROP_SIZE
from engine.studio.people.background import Background
from engine.studio.people.view import Looked
from engine.studio.proxies import make_proxy
from engine.workspace import sha256_file

if TYPE_CHECKING:
    from engine.studio import Studio

log = logging.getLogger(__name__)

SHOWN_SECONDS = 1.5
"""How often those that were cut meanwhile are shown."""
LOOK_WAIT_SECONDS = 0.6
"""How long an answer to `look` may wait for the photo."""
CLOSE_SIDE = 900
"""Longest side in px of the cutting that shows a face's own pixels."""


class Pictures:
    """The pictures of a library's faces, in the folder that a page may read. For any thread."""

    def __init__(self, studio: Studio, previews: Path, background: Background, changed: Callable[[], None]) -> None:
        """Take where they lie.

        Args:
            studio: whose people they are.
            previews: the folder of the pictures that a page is shown.
            background: makes what is missing.
            changed: called when pictures were made.
        """
        self._studio, self._previews = studio, previews
        self._background, self._changed = background, changed
        self._lock = Lock()
        self._looked: Looked | None = None

    @property
    def looked(self) -> Looked | None:
        """The photo that is looked at."""
        return self._looked

    def linked(self, place: str, faces: Iterable[Reference]) -> dict[str, str]:
        """Give the names of the previews of faces; those that are missing are made in the background."""
        folder = self._studio.people.places.folder(place) if place else None
        have = {entry.name for entry in os.scandir(self._previews)}
        found: dict[str, str] = {}
        missing: list[Reference] = []
        for face in faces:
            name = f"face-{face.id}.jpg"
            if name not in have and folder is not None:
                crop = folder / "crops" / f"{face.id}.jpg"
                try:
                    os.link(crop, self._previews / name)
                except FileExistsError:
                    pass
                except FileNotFoundError:
                    missing.append(face)
                    continue
                except OSError:  # a disk without second names
                    with suppress(FileNotFoundError):
                        shutil.copyfile(crop, self._previews / name)
            found[face.id] = name
        if missing and place:
            self._background.do("pictures", self._cut, place, missing)
        return found

    def look(self, place: str, reference: str) -> None:
        """Show the whole photo of a face of a place; "" closes it."""
        with self._lock:
            self._looked = Looked(reference, None, (0, 0, 1, 1), "", (0, 0), "") if reference else None
        if reference:
            # Mostly it is there in a moment; a large photo follows with a later look of the page.
            made = self._background.do("pictures", self._look, place, reference)
            if made is not None:
                wait([made], timeout=LOOK_WAIT_SECONDS)

    def _cut(self, place: str, faces: Sequence[Reference]) -> None:
        """Cut the small pictures of faces out of their photos, which is done once for each."""
        from engine.faces import cut

        folder = self._studio.people.places.folder(place)
        with suppress(FileNotFoundError):  # who was deleted meanwhile needs none
            (folder / "crops").mkdir(mode=0o700, exist_ok=True)
        made, began = 0, time.monotonic()
        for face in faces:
            crop = folder / "crops" / f"{face.id}.jpg"
            if crop.exists() or not (folder / "references" / f"{face.id}.json").exists():
                continue
            try:
                pixels = images.read_photo(folder / "photos" / face.photo).pixels
                with suppress(images.AlreadyThere):
                    images.save_photo(cut(pixels, face.face, CROP_SIZE).pixels, crop, quality=CROP_QUALITY)
                made += 1
            except EngineError as error:
                log.warning("face %s has no picture: %s", face.id, error)
            if self._background.closed:
                return
            if time.monotonic() - began > SHOWN_SECONDS:
                self._changed()
                began = time.monotonic()
        if made:
            self._changed()

    def _look(self, place: str, reference: str) -> None:
        face = next((face for face in self._studio.people.faces(place) if face.id == reference), None)
        if face is None:
            return
        file = self._studio.people.places.folder(place) / "photos" / face.photo
        try:
            photo = images.read_photo(file)
            looked = self._whole(photo, file, face)
        except EngineError as error:
            looked = Looked(reference, None, (0, 0, 1, 1), "", (0, 0), str(error))
        with self._lock:
            if self._looked is not None and self._looked.id == reference:
                self._looked = looked

    def _whole(self, photo: images.Photo, file: Path, face: Reference) -> Looked:
        """Make the pictures of a whole photo and of a face's own pixels in it."""
        proxy = make_proxy(photo, sha256_file(file), self._previews)
        left, top, right, bottom = face.face.box
        margin = 0.35 * (right - left)
        wide = min(CLOSE_SIDE / 2, (right - left) / 2 + margin)
        x, y = (left + right) / 2, (top + bottom) / 2
        x0, x1 = max(0, round(x - wide)), min(photo.width, round(x + wide))
        y0, y1 = max(0, round(y - wide)), min(photo.height, round(y + wide))
        close = f"close-{face.id}.png"
        with suppress(images.AlreadyThere):
            images.save_photo(photo.pixels[y0:y1, x0:x1], self._previews / close)
        shares = tuple(
            round(min(1.0, max(0.0, at / side)), 4)
            for at, side in zip(face.face.box, (photo.width, photo.height) * 2, strict=True)
        )
        return Looked(face.id, proxy, (shares[0], shares[1], shares[2], shares[3]), close, (x1 - x0, y1 - y0), "")
