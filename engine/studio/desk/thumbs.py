"""Thumbnails of results: the face alone, small, made by the desk's thread as they are first asked for."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from engine import images
from engine.errors import EngineError
from engine.studio.desk.clerk import Clerk
from engine.studio.history import Kept
from engine.workspace import fingerprint

log = logging.getLogger(__name__)

SIDE = 160
"""In px: twice what the page shows, for fine screens."""
MARGIN = 0.25
"""Of the face's box, shown round it."""


class Thumbs:
    """The thumbnails of a desk, by result. For any thread that holds the clerk's lock."""

    def __init__(self, clerk: Clerk, previews: Path, newest: Callable[[Kept], Path]) -> None:
        """Take the folder of the previews, and what gives the file that a result lies in now."""
        self._clerk, self._previews, self._newest = clerk, previews, newest
        self._names: dict[str, str] = {}

    def of(self, result: Kept) -> str:
        """Give the name of a result's thumbnail; "" while there is none."""
        if result.id not in self._names:
            self._names[result.id] = ""
            self._clerk.hand_over("photo", self._make, result)
        return self._names[result.id]

    def forget(self, result: str) -> None:
        """Make a result's thumbnail anew when it is next asked for; until then the old one stays."""
        if result in self._names:
            known = self._names.pop(result)
            log.debug("the thumbnail %s is made anew", known)

    def _make(self, result: Kept) -> None:
        try:
            file = self._newest(result)
            photo = images.read_photo(file)
            scale = int(result.told["seen"].get("scale", 1)) if result.told["seen"] else 1
            left, top, right, bottom = (float(at) * scale for at in result.told["face"]["box"])
            half = max(right - left, bottom - top) * (0.5 + MARGIN)
            across, down = (left + right) / 2, (top + bottom) / 2
            rows = slice(max(0, round(down - half)), min(photo.height, round(down + half)))
            columns = slice(max(0, round(across - half)), min(photo.width, round(across + half)))
            face = photo.pixels[rows, columns]
            shrink = SIDE / max(face.shape[:2])
            size = (max(1, round(face.shape[1] * shrink)), max(1, round(face.shape[0] * shrink)))
            name = f"thumb-{fingerprint([result.id, str(file)])[:32]}.jpg"
            if not (self._previews / name).exists():
                images.save_photo(images.resize(face, size), self._previews / name)
        except (EngineError, ValueError, KeyError) as error:
            log.warning("no thumbnail of %s: %s", result.id, error)
            return
        with self._clerk.lock:
            self._names[result.id] = name
