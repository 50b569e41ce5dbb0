"""Glimpses: small pictures of a face while it is sampled, written where its result will lie, for whoever looks on.

The newest look stands in a small file; a restoration that nobody follows on a page writes none.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine import images
from engine.errors import EngineError
from engine.progress import Report
from engine.workspace import read_json, write_json

if TYPE_CHECKING:
    from engine.faces import FaceCrop

FILE = "glimpse.json"
EVERY = 2
"""Steps from one to the next."""
SIDE = 320
"""Longest side in px: enough to see who it becomes."""
SHARE = 0.15
"""Of the time of sampling that looking may take; an autoencoder that is slow to decode is asked less often."""


@dataclass(frozen=True)
class Glimpse:
    """One look."""

    file: Path
    done: int
    """Steps by then."""
    total: int
    side: int
    """Of the picture, in px."""
    to_photo: tuple[float, ...]
    """a, b, c, d, e, f as CSS has them: where its px lie in the upright photo."""


class Glimpses:
    """Writes looks at one face; give it to a restorer as its `Look`."""

    def __init__(self, folder: Path, crop: FaceCrop, report: Report) -> None:
        """Take the folder to write to, which is there, and the crop that is restored."""
        self._folder, self._crop, self._report = folder, crop, report
        self._begun = time.monotonic()
        self._spent = 0.0
        self._written: list[Path] = []

    def __call__(self, done: int, total: int, picture: Callable[[], Any]) -> None:
        """See `engine.progress.Look`."""
        begun = time.monotonic()
        if done % EVERY or done >= total or self._spent > SHARE * (begun - self._begun):
            return
        pixels = picture()
        side = min(SIDE, pixels.shape[0])
        file = self._folder / f"glimpse-{time.monotonic_ns()}.jpg"
        try:
            images.save_photo(images.resize(pixels, (side, side)), file)
            place = to_photo(self._crop, side)
            told = {"file": file.name, "done": done, "total": total, "side": side, "to_photo": list(place)}
            write_json(self._folder / FILE, told)
        except EngineError:  # a disk that is full ends no restoration for the want of a look
            return
        self._report.preview("glimpse", file)
        self._written.append(file)
        while len(self._written) > 2:  # somebody may just be reading the last but one
            self._written.pop(0).unlink(missing_ok=True)
        self._spent += time.monotonic() - begun


def clear(folder: Path) -> None:
    """Take the looks in a folder away: pictures of a face are not left lying about."""
    for file in (folder / FILE, *folder.glob("glimpse-*.jpg")):
        with suppress(OSError):
            file.unlink(missing_ok=True)


def to_photo(crop: FaceCrop, side: int) -> tuple[float, ...]:
    """Give where the px of a picture of a crop lie in the photo, as CSS's `matrix` has it, from corners of pixels."""
    turn, shift = np.asarray(crop.from_photo, np.float64)[:, :2], np.asarray(crop.from_photo, np.float64)[:, 2]
    back = np.linalg.inv(turn)
    scale = crop.size / side
    # A pixel's middle lies half a px from its corner, in the crop and in the photo.
    origin = back @ (-0.5 - shift) + 0.5
    a = back * scale
    return tuple(round(float(v), 5) for v in (a[0, 0], a[1, 0], a[0, 1], a[1, 1], origin[0], origin[1]))


def newest(folder: Path) -> Glimpse | None:
    """Give the newest look in a folder; None where there is none."""
    try:
        told: Any = read_json(folder / FILE)
        file = folder / Path(str(told["file"])).name
        place = tuple(float(value) for value in told["to_photo"])
        if not file.is_file() or len(place) != 6:
            return None
        return Glimpse(file, int(told["done"]), int(told["total"]), int(told["side"]), place)
    except (EngineError, KeyError, TypeError, ValueError):
        return None
