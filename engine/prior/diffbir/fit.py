"""What a published prior needs, what the machine has, and the setting that fits."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from engine.errors import EngineError
from engine.prior.device import native_bfloat16

if TYPE_CHECKING:
    from collections.abc import Iterable

log = logging.getLogger(__name__)

GIB = 1 << 30
DENOISING = 865_910_724 + 363_153_280
"""Numbers of denoiser and guide, which run in turn at every step (counted in the published networks)."""
BESIDE = 83_653_863 + 340_387_840 + 15_792_587
"""Numbers of autoencoder, text encoder and cleaner, which run once a face."""
STEP_GIB = 1.1
"""Working memory of a step at 512 px and fp16, GiB; double in fp32. An estimate: no such card was at hand."""
DECODE_GIB = {None: 2.6, 256: 0.8}
"""Working memory of decoding 512 px in fp16, whole and in tiles; double in fp32. An estimate, as above."""


class TooSmall(EngineError):
    """The machine's memory cannot hold the prior."""


@dataclass(frozen=True)
class Fit:
    """How the prior is held."""

    precision: str
    """`fp32`, `bf16` or `fp16`."""
    tile: int | None
    """Side in px of the autoencoder's tiles, None for whole pictures."""
    offload: bool
    """Whether autoencoder, text encoder and cleaner stay in the machine's memory and run there."""

    @property
    def dtype(self) -> torch.dtype:
        """The same for torch."""
        return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[self.precision]

    @property
    def needs_gib(self) -> float:
        """Estimated memory on the device, GiB."""
        wide = 4 if self.precision == "fp32" else 2
        held = DENOISING if self.offload else DENOISING + BESIDE
        decoding = 0.0 if self.offload else DECODE_GIB[self.tile]
        return round(held * wide / GIB + max(STEP_GIB, decoding) * wide / 2, 1)

    def __str__(self) -> str:
        """Say it to the user."""
        tiles = f", tiles of {self.tile} px" if self.tile else ""
        beside = ", autoencoder and text encoder in the machine's memory" if self.offload else ""
        return f"{self.precision}{tiles}{beside}: about {self.needs_gib} GiB"


def settings(precision: str) -> list[Fit]:
    """Give the settings of a precision, from what needs most memory to what needs least."""
    return [Fit(precision, None, False), Fit(precision, 256, False), Fit(precision, 256, True)]


def has_gib(device: torch.device) -> float:
    """Give the memory that is free on a device, GiB."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] / GIB
    import psutil

    return psutil.virtual_memory().available / GIB


def precisions(device: torch.device, wanted: str) -> list[str]:
    """Give the precisions to try on a device: the wanted one, or what it computes natively and nothing slower."""
    if wanted != "auto":
        if wanted not in ("fp32", "bf16", "fp16"):
            raise TooSmall(f"There is no precision {wanted!r}. Choose auto, fp32, bf16 or fp16.")
        return [wanted]
    if device.type == "cuda":
        return ["bf16" if native_bfloat16(device) else "fp16"]
    if device.type == "mps":
        return ["fp16"]
    # Without native support bf16 is slow on a CPU, but it halves what must be held.
    return ["bf16"] if native_bfloat16(device) else ["fp32", "bf16"]


def fit(device: torch.device, wanted: str = "auto", *, free_gib: float | None = None) -> Fit:
    """Choose how the prior is held on a device, before anything is loaded, and say so in the log.

    Args:
        device: where it will run.
        wanted: precision, or `auto`.
        free_gib: memory to reckon with; what is free now unless given.

    Raises:
        TooSmall: nothing fits, with what is needed and what is there.
    """
    free = has_gib(device) if free_gib is None else free_gib
    tried: list[Fit] = [one for name in precisions(device, wanted) for one in _of(device, name)]
    for one in tried:
        if one.needs_gib <= free:
            log.info("%s, of %.1f GiB that are free on %s", one, free, device)
            return one
    least = min(tried, key=lambda one: one.needs_gib)
    raise TooSmall(
        f"The prior needs {least.needs_gib} GiB at least ({least.precision}) and {free:.1f} GiB are free on {device}. "
        "Close other programs, choose another device, or use the pocket prior."
    )


def _of(device: torch.device, precision: str) -> Iterable[Fit]:
    # On a CPU there is nowhere to move parts to.
    return [one for one in settings(precision) if device.type != "cpu" or not one.offload]


def smaller(now: Fit, device: torch.device) -> Fit | None:
    """Give the next setting, which needs less memory; None when there is none."""
    rest = [one for one in _of(device, now.precision) if one.needs_gib < now.needs_gib]
    return rest[0] if rest else None
