"""What can be chosen about sampling, readable without loading torch."""

from __future__ import annotations

from dataclasses import dataclass

from engine.errors import EngineError

SAMPLERS = {"ddim": "DDIM", "dpmpp-2m": "DPM-Solver++ 2M", "unipc": "UniPC", "ddpm": "Spaced DDPM"}
"""Id and name of each sampler."""


@dataclass(frozen=True)
class Sampling:
    """How to go from noise to a picture."""

    sampler: str = "dpmpp-2m"
    """One of `SAMPLERS`."""
    steps: int = 10
    """Times that guide and denoiser run, 1 to 100."""
    start: float | None = 0.15
    """Share of the noise schedule at which sampling starts, 0 to 1: 1 starts from noise alone, 0.5 from the clean start
    noised half-way along the schedule, 0 leaves the clean start as it is. None lets the damage of the face decide,
    which whoever knows the face does before sampling. Source: CCDF, arXiv 2112.05146; DiffBIR's `start_point_type
    cond`."""


class BadSampling(EngineError):
    """A sampler, step count or start level that does not exist."""


def check(sampling: Sampling) -> None:
    """Raise `BadSampling` with the allowed values when a setting is outside them."""
    if sampling.sampler not in SAMPLERS:
        raise BadSampling(f"There is no sampler {sampling.sampler!r}. Choose one of: {', '.join(SAMPLERS)}.")
    if not 1 <= sampling.steps <= 100:
        raise BadSampling(f"steps must be 1 to 100, got {sampling.steps}.")
    if sampling.start is not None and not 0 <= sampling.start <= 1:
        raise BadSampling(f"start must be 0 to 1, or none to follow the damage, got {sampling.start}.")
