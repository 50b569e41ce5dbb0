"""What is round the face drawn anew by a prior for photos, at the size of the result, and never without saying so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from engine import images
from engine.errors import EngineError
from engine.progress import Tick, silent
from engine.studio.enlarging import Enlarged


class NoPhotoPrior(EngineError):
    """A photo cannot be drawn anew without the user's own networks."""


STEPS = 10
GUIDANCE, AGAINST = 4.0, "blurred, noisy, low quality"
"""Text guidance of the priors that were trained with words. Source: DiffBIR@3f8b530 README takes 4 for version 2."""


def redrawn(
    photo: images.Photo,
    scale: int,
    name: str,
    weights: Path | None,
    *,
    seed: int = 0,
    device: str = "auto",
    tick: Tick = silent,
) -> Enlarged:
    """Give a photo `scale` times as wide and high, drawn anew by a prior, at its own depth and in its own colours.

    Args:
        photo: as it was read.
        scale: 1, 2 or 4.
        name: one of `PHOTO_PRIORS`.
        weights: folder with the prior's files.
        seed: of the noise.
        device: where the prior runs, as everywhere.
        tick: called after each tile of its cleaner and each of its steps.

    Raises:
        NoPhotoPrior: there is no folder of weights.
        PriorMissing, WrongFile, WeightsDamaged, TooSmall: see `engine.prior.diffbir.load`.
        PhotoTooLarge: see `images.enlarged`.
        NoSuchDevice: see `prior.device.choose`.
        Cancelled: from the tick.
    """
    from engine.prior.diffbir import load as published
    from engine.prior.diffbir.kinds import Wanted
    from engine.prior.diffbir.networks import LatentAutoencoder
    from engine.prior.settings import Sampling
    from engine.restore import Settings, restore_photo

    if weights is None:
        raise NoPhotoPrior(f"{name} needs a folder of weights. Name a data folder, or choose another background.")
    plain = images.enlarged(photo, scale) if scale > 1 else photo
    prior = published.load(name, weights, device=device, wanted=Wanted(photos=True))
    if isinstance(prior.autoencoder, LatentAutoencoder):
        prior.autoencoder.tile(prior.size)  # a smaller setting of `fit` is for one crop
    settings = Settings(sampling=Sampling(steps=STEPS, start=1.0))
    if prior.guide_reads_prompt:
        settings = replace(settings, guidance=GUIDANCE, against=AGAINST)
    made = restore_photo(prior, plain.pixels, settings, seed=seed, tick=tick)
    whole = images.merge(plain, made, np.broadcast_to(np.float32(1), made.shape[:2]))
    larger = f", {scale} times as large" if scale > 1 else ""
    note = f"What is round the face was drawn anew by {name}{larger}, so the photo is changed everywhere."
    return Enlarged(whole, plain, f"{name} (sha256 {prior.sha256['guide'][:8]})", (note,))
