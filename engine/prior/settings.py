"""What can be chosen about sampling, readable without loading torch."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.errors import EngineError

SAMPLERS = {
    "ddim": "DDIM",
    "dpmpp-2m": "DPM-Solver++ 2M",
    "unipc": "UniPC",
    "ddpm": "Ancestral DDPM",
    "spaced": "Spaced DDPM, as DiffBIR's",
    "edm-euler": "Euler, on DiffBIR's EDM levels",
    "edm-euler-a": "Euler ancestral, on DiffBIR's EDM levels",
    "edm-2m": "DPM++ 2M, on DiffBIR's EDM levels",
    "edm-2m-sde": "DPM++ 2M SDE, on DiffBIR's EDM levels",
    "edm-3m-sde": "DPM++ 3M SDE, on DiffBIR's EDM levels",
}
"""Id and name of each sampler."""

START_POINTS = ("cleaned", "noise")
PULLS = ("none", "v1", "v2")


@dataclass(frozen=True)
class Pull:
    """Restoration guidance: at each step, what is predicted is drawn towards the cleaned face by gradient descent.

    Source: arXiv 2308.15070, section 3.3. DiffBIR's two versions count its strength differently, so the convention has
    a name: `v1` is DiffBIR@ea13481, `v2` the code before DiffBIR@7a332cc, whose scale is 3000 times as strong. Version
    2.1 has none.
    """

    convention: str = "none"
    """One of `PULLS`."""
    scale: float = 0.0
    """Strength in the convention's own counting; DiffBIR v1's example is 400, v2's 0.5."""
    begin: int = 1001
    """It works at levels below this one, 0 to 1001."""
    end: int = -1
    """It works at levels above this one, -1 to 1000."""
    repeat: int = 5
    """Descents a step, 1 to 20."""
    pixels: bool = False
    """Whether pixels are compared instead of latents, at the cost of decoding and going back at every descent."""
    flat_only: bool = False
    """Whether edges are left out, so that flat areas follow and detail stays; of `v2`, and only with pixels."""


@dataclass(frozen=True)
class Sampling:
    """How to go from noise to a picture."""

    sampler: str = "dpmpp-2m"
    """One of `SAMPLERS`."""
    steps: int = 10
    """Times that guide and denoiser run, 1 to 100."""
    start: float | None = 0.2
    """Share of the noise schedule at which sampling starts, 0 to 1: 1 starts from noise alone, 0.5 from the clean start
    noised half-way along the schedule, 0 leaves the clean start as it is. None lets the damage of the face decide,
    which whoever knows the face does before sampling. Source: CCDF, arXiv 2112.05146; DiffBIR's `start_point_type
    cond`."""
    start_point: str = "cleaned"
    """What a start of 1 begins with: the noised `cleaned` face, or `noise` alone as DiffBIR does by default."""
    noise_aug: int = 0
    """Level of the noise that is added to what the guide reads, 0 (none) to 999; DiffBIR's own range ends at 199. More
    leaves the guide less to hold on to, and the prior draws more anew."""
    rescale_guidance: bool = False
    """Whether text guidance rises from 1 by DiffBIR's curve as the noise falls, instead of being one number."""
    pull: Pull = field(default_factory=Pull)
    tile: int = 0
    """Side in px of the tiles in which guide and denoiser see a picture that is larger, 0 for all at once."""


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
    if sampling.start_point not in START_POINTS:
        raise BadSampling(f"start_point must be one of {', '.join(START_POINTS)}, got {sampling.start_point!r}.")
    if not 0 <= sampling.noise_aug <= 999:
        raise BadSampling(f"noise_aug must be 0 to 999, got {sampling.noise_aug}.")
    if sampling.tile != 0 and (sampling.tile < 64 or sampling.tile % 64):
        raise BadSampling(f"tile must be 0 or a multiple of 64, got {sampling.tile}.")
    _check_pull(sampling)


def _check_pull(sampling: Sampling) -> None:
    pull = sampling.pull
    if pull.convention not in PULLS:
        raise BadSampling(f"The pull's convention must be one of {', '.join(PULLS)}, got {pull.convention!r}.")
    if pull.scale < 0 or not 1 <= pull.repeat <= 20:
        raise BadSampling(
            f"The pull's scale must be 0 or more and its repeat 1 to 20, got {pull.scale} and {pull.repeat}."
        )
    if pull.flat_only and not (pull.convention == "v2" and pull.pixels):
        raise BadSampling("Leaving out edges is a part of v2's pull on pixels. Choose v2 and pixels, or leave it off.")
    if pull.convention != "none" and sampling.tile:
        raise BadSampling("A pull works on the whole picture. Leave tiles off, or the pull.")
