"""Which restorers stay loaded: as many as fit, the one used longest ago let go of first, and never without a word."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from engine.restorers import Context, Restorer, RestorerInfo

RESERVE = 500_000_000
"""Bytes that are left to the system and to the rest of the app."""


@dataclass(frozen=True)
class _Key:
    id: str
    device: str
    weights: Path | None
    prior: str
    """Name of the prior that the restorer holds; empty where it has networks of its own."""


@dataclass
class Shelf:
    """Holds loaded restorers."""

    free: Callable[[str], int]
    """Gives the bytes that are free on a device."""
    _held: dict[_Key, tuple[RestorerInfo, Restorer]] = field(default_factory=lambda: {})
    """The one used last stands last."""

    def get(self, info: RestorerInfo, context: Context) -> tuple[Restorer, tuple[str, ...]]:
        """Give a restorer, loading it unless it is held.

        Args:
            info: which.
            context: what it is loaded with.

        Returns:
            The restorer, and which others were let go of for want of memory, in sentences.

        Raises:
            EngineError: it cannot be loaded; what had to go for it is gone.
        """
        key = _Key(info.id, context.device, context.weights, "" if info.memory else context.prior_name)
        known = self._held.pop(key, None)
        told: list[str] = []
        if known is None:
            told = self._make_room(info, context.device)
            known = (info, info.load(context))
        self._held[key] = known
        return known[1], tuple(told)

    def holds(self) -> list[str]:
        """Give the ids of what is loaded, the one used last at the end."""
        return [key.id for key in self._held]

    def _make_room(self, info: RestorerInfo, device: str) -> list[str]:
        if not info.memory:
            # They hold the same prior, and the last one what it made of that for the last person.
            self._held = {key: held for key, held in self._held.items() if held[0].memory}
            return []
        told: list[str] = []
        while (free := self.free(device) - RESERVE) < info.memory:
            oldest = next((key for key, (other, _) in self._held.items() if other.memory), None)
            if oldest is None:
                break
            other = self._held.pop(oldest)[0]  # and no name for the restorer, which would keep it
            _collect()
            told.append(
                f"{other.title} was unloaded: {info.title} needs about {_gb(info.memory)}, and {_gb(max(free, 0))} "
                "were left."
            )
        return told


@lru_cache(maxsize=1)
def shelf() -> Shelf:
    """Give the shelf of this process."""
    return Shelf(free_bytes)


def free_bytes(device: str) -> int:
    """Give the memory that is free on a device, bytes."""
    import psutil

    from engine.prior.device import choose

    chosen = choose(device)
    if chosen.type == "cuda":
        import torch

        return int(torch.cuda.mem_get_info(chosen)[0])
    return int(psutil.virtual_memory().available)


def _collect() -> None:
    """Give memory back at once, on a card too."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _gb(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
