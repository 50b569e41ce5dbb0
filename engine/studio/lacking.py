"""Which restorers cannot work yet, and what each of them lacks, for screens that list them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from engine.restorers import find_all, lacking


@dataclass(frozen=True)
class Unready:
    """A restorer that cannot work yet."""

    id: str
    title: str
    why: str
    """A sentence with what is missing and how to get it."""


class Lacking:
    """Looks for what restorers lack, anew only when the folder of weights has changed. For any thread."""

    def __init__(self, weights: Path) -> None:
        """Take the folder of the user's weights, which is there."""
        self._weights = weights
        self._lock = Lock()
        self._seen = -1
        self._found: tuple[Unready, ...] = ()

    def __call__(self) -> tuple[Unready, ...]:
        """Give the restorers that cannot work with their usual options, in the order of `find_all`."""
        with self._lock:
            changed = self._weights.stat().st_mtime_ns
            if changed != self._seen:
                told = [Unready(info.id, info.title, lacking(info, self._weights)) for info in find_all()]
                self._found, self._seen = tuple(one for one in told if one.why), changed
            return self._found
