"""Whether a result is softer than what it was made from, and the remedy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.faces.patch import detail_worth
from engine.images import Mask, Pixels

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in luma, ITU-R BT.601."""
OCTAVES = 3
"""The finest octaves of the photo's own pixels are looked at; softness seen by eye is in them."""
BUSY = 0.1
"""Share of the face, the busiest, whose detail is compared: lashes, brows, lips, hair."""
STILL = 0.2
"""Share of the face, the stillest, that tells the noise."""
CLEAR = 4.0
"""How many times the noise's power the busiest places need for an octave to count as holding detail."""
FAINT = 0.6 / 255
"""Spread below which an octave holds no detail but rounding."""
OTHER = 10.0 / 255
"""Difference of the coarse pictures at which half of the detail is given back: a scratch two pixels wide makes some 20
levels, a blur that goes with a strong edge 6."""
SOFTER = 0.85
"""Share of the detail below which a result counts as softer: less than that is seen side by side."""


@dataclass(frozen=True)
class Softness:
    """How much of a photo's fine detail a result has in the face."""

    ratio: float
    """Detail of the result over that of the photo, in the octave that lost most; above 1 sharper. 1 where the photo has
    no fine detail to lose."""

    @property
    def softer(self) -> bool:
        """Whether the result is softer than the photo, so that it must not be written without a word."""
        return self.ratio < SOFTER

    @property
    def words(self) -> str:
        """The finding as one sentence for a screen."""
        if self.softer:
            return f"The face is softer than in the photo: it has {self.ratio:.0%} of its fine detail."
        return "The face is no softer than in the photo."


def softer_than_input(before: Pixels, after: Pixels, mask: Mask) -> Softness:
    """Compare the fine detail of a face before and after, leaving noise aside.

    An octave's detail is its power in the busiest tenth of the face less its power in the stillest fifth, which is the
    noise. Octaves in which the photo has no detail above the noise are left out.

    Args:
        before: the photo, or a part of it, `(H, W, 3)`, 0 to 1.
        after: the result, like `before`.
        mask: `(H, W)`, 0 to 1; the face is where it is above a half.

    Raises:
        ValueError: the shapes differ.
    """
    if before.shape != after.shape or mask.shape != before.shape[:2]:
        raise ValueError(f"pictures and mask must fit, got {before.shape}, {after.shape} and {mask.shape}")
    there = mask > 0.5
    if not there.any():
        return Softness(1.0)
    ratios = [1.0]
    held = False
    for old, new in zip(_octaves(before), _octaves(after), strict=True):
        busy, still = _power(old, there)
        if busy < CLEAR * still or busy - still < FAINT**2:
            continue
        new_busy, new_still = _power(new, there)
        ratios = [*(ratios if held else []), float(np.sqrt(max(new_busy - new_still, 0.0) / (busy - still)))]
        held = True
    return Softness(round(min(ratios), 3))


def with_detail(before: Pixels, after: Pixels, mask: Mask, share: float = 1.0) -> Pixels:
    """Give a result the photo's own fine detail back, where it lost that and where that is detail and no noise.

    Args:
        before: the photo, `(H, W, 3)`, 0 to 1; not changed.
        after: the result, like `before`; not changed.
        mask: `(H, W)`, 0 to 1, where the result differs from the photo.
        share: 0 to 1, how much of it; see `damage.detail_share`: 1 in an undamaged face.

    Raises:
        ValueError: the shapes differ, or the share is outside 0 to 1.
    """
    if before.shape != after.shape or mask.shape != before.shape[:2]:
        raise ValueError(f"pictures and mask must fit, got {before.shape}, {after.shape} and {mask.shape}")
    if not 0 <= share <= 1:
        raise ValueError(f"share must be 0 to 1, got {share}")
    low, new_low = _smooth(before), _smooth(after)
    high, new_high = before - low, after - new_low
    missing = high - new_high
    # Where even the coarse picture is another one, a scratch was taken away, and its detail must not come back.
    agreed = 1 / (1 + ((new_low - low) ** 2).mean(axis=2) / OTHER**2)
    worth = detail_worth(high, mask) * _lost(high, new_high) * (agreed * mask)[..., None] * np.float32(share)
    return np.asarray(np.clip(np.where(worth > 0, after + missing * worth, after), 0.0, 1.0), np.float32)


def _lost(high: Pixels, new_high: Pixels) -> Pixels:
    """Give where detail was lost, `(H, W, 1)`: 0 where the result has as much power, 1 where it has at most half."""
    import cv2

    old, new = (np.asarray(cv2.blur((band**2).mean(axis=2), (9, 9)), np.float32) for band in (high, new_high))
    return np.clip(2.0 - 2.0 * new / np.maximum(old, 1e-9), 0.0, 1.0).astype(np.float32)[..., None]


def _smooth(pixels: Any) -> Pixels:
    import cv2

    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), 2.0 ** (OCTAVES - 1)), np.float32)


def _octaves(pixels: Pixels) -> list[NDArray[np.float32]]:
    import cv2

    plane: Any = pixels @ np.array(LUMA, np.float32)
    blurred = [plane, *(cv2.GaussianBlur(plane, (0, 0), 0.7 * 2**i) for i in range(OCTAVES))]
    return [np.asarray(blurred[i] - blurred[i + 1], np.float32) for i in range(OCTAVES)]


def _power(octave: Any, there: NDArray[np.bool_]) -> tuple[float, float]:
    """Give the mean power in the busiest and in the stillest places of a face."""
    import cv2

    power = np.asarray(cv2.blur(octave * octave, (9, 9)))[there].astype(np.float64)
    busy, still = max(1, int(len(power) * BUSY)), max(1, int(len(power) * STILL))
    power.partition((still - 1, len(power) - busy))
    return float(power[-busy:].mean()), float(power[:still].mean())
