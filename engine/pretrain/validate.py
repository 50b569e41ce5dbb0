"""How good a prior is on people whom no training saw, in figures and to look at."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from engine import metrics
from engine.pretrain.data import FaceFolder, held_out_pairs
from engine.prior.bundle import Prior
from engine.prior.settings import Sampling
from engine.progress import Tick, silent
from engine.restore import Settings, restore_face


@dataclass(frozen=True)
class Figures:
    """Means over the held-out pairs; decibels against the good picture."""

    pairs: int
    psnr_damaged: float
    psnr_cleaned: float
    psnr_sampled: float
    gmsd_damaged: float
    gmsd_cleaned: float
    gmsd_sampled: float
    sharpness_cleaned: float
    """Mean squared Laplacian, cleaned over good; 1 is as sharp as the truth."""
    sharpness_sampled: float

    def as_json(self) -> dict[str, float]:
        """Give all figures."""
        return asdict(self)


def validate(
    prior: Prior, faces: FaceFolder, *, count: int = 24, sampling: Sampling | None = None, tick: Tick = silent
) -> tuple[Figures, NDArray[np.float32]]:
    """Restore held-out faces with fixed damage and fixed seeds.

    Returns:
        The figures, and a sheet `(H, W, 3)`, 0 to 1, of damaged, cleaned, sampled and good faces in rows.
    """
    rows: list[list[NDArray[np.float32]]] = []
    found: list[tuple[float, ...]] = []
    settings = Settings(sampling=sampling or Sampling(), prompt="a photo of a person")
    everywhere = np.ones((prior.size, prior.size), np.float32)
    for n, pair in enumerate(held_out_pairs(faces, size=prior.size, count=count)):
        made = restore_face(prior, pair.bad, settings, seed=n)
        pictures = (pair.bad, made.cleaned, made.pixels)
        found.append(
            (
                *(metrics.psnr(p, pair.good) for p in pictures),
                *(metrics.gmsd(p, pair.good) for p in pictures),
                *(metrics.sharpness(p, pair.good, everywhere) for p in pictures[1:]),
            )
        )
        rows.append([*pictures, pair.good])
        tick(n + 1, count)
    mean = np.mean(np.array(found), axis=0)
    shown = rows[:12]
    sheet = np.concatenate([np.concatenate([row[k] for row in shown], axis=1) for k in range(4)], axis=0)
    return Figures(len(found), *(round(float(m), 4) for m in mean)), sheet
