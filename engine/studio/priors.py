"""Which priors are ready to be used on this machine, without loading one."""

from __future__ import annotations

from pathlib import Path
from threading import Lock

from engine.errors import EngineError
from engine.prior.diffbir.kinds import KINDS, Kind

POCKET = ("pocket", "Pocket (comes along)")


class ReadyPriors:
    """Looks for priors whose files are all there, anew only when the folder of weights has changed. For any thread."""

    def __init__(self, weights: Path) -> None:
        """Take the folder of the user's weights, which is there."""
        self._weights = weights
        self._lock = Lock()
        self._seen = -1
        self._found: tuple[tuple[str, str], ...] = (POCKET,)

    def __call__(self) -> tuple[tuple[str, str], ...]:
        """Give the priors that can be loaded, each with its name and title, the pocket one first."""
        with self._lock:
            changed = self._weights.stat().st_mtime_ns
            if changed != self._seen:
                ready = [(kind.id, kind.title) for kind in KINDS.values() if self._is_ready(kind)]
                self._found, self._seen = (POCKET, *ready), changed
            return self._found

    def _is_ready(self, kind: Kind) -> bool:
        cleaner = any(self._has(name) for name in kind.cleaners)
        whole = kind.full is not None and self._has(kind.full)
        return whole or (cleaner and self._has(kind.base) and self._has(kind.guide))

    def _has(self, name: str) -> bool:
        from engine.weights import locate

        stored = self._weights / "stored" / f"{name}.json"
        if stored.is_file() or (self._weights / name / "unet").is_dir():
            return True
        try:
            locate(name, self._weights)
        except EngineError:  # not there, not whole, or its licence is not accepted yet
            return False
        return True
