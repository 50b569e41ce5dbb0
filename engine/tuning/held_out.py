"""The reference that is kept out of a tuning, damaged in a fixed way and restored, to watch the person arrive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine import degrade, metrics
from engine.faces import identity
from engine.prior.bundle import Prior
from engine.restore import Settings, restore_face

Pixels = NDArray[np.float32]

HARD = degrade.Damage(blur_x=5.0, blur_y=5.0, angle=0.0, shrink=6.0, noise=8.0, jpeg=70)
"""The fixed damage: heavy enough that a blind prior has to guess."""


@dataclass(frozen=True)
class HeldOut:
    """How near the held-out photo comes."""

    sheet: Pixels
    """`(size, 3 * size, 3)`: damaged, restored and true."""
    figures: Mapping[str, float]
    """`identity`, the dlib distance to the true one, and `gmsd`; both lower is nearer."""


def restored(prior: Prior, truth: Pixels, prompt: str) -> HeldOut:
    """Damage and restore the held-out photo; the same each time but for the prior.

    Args:
        prior: as it is at this step.
        truth: `(size, size, 3)`, 0 to 1, aligned.
        prompt: the person's phrase.
    """
    damaged = degrade.apply(truth, HARD, np.random.default_rng(7))
    made = restore_face(prior, damaged, Settings(prompt=prompt), seed=7).pixels
    away = identity.distance(identity.embed(made), identity.embed(truth))
    figures = {"identity": round(away, 4), "gmsd": round(metrics.gmsd(made, truth), 5)}
    return HeldOut(np.concatenate([damaged, made, truth], axis=1), figures)


def score(figures: Mapping[str, float], first: Mapping[str, Any]) -> float:
    """Give identity and GMSD together, each over what it was at first; lower is better, 2 is as at first."""
    return sum(figures[name] / max(float(first[name]), 1e-6) for name in ("identity", "gmsd"))
