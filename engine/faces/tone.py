"""The tone of a photo without colours of its own: grey, sepia, blue. What is restored in it gets the same tone.

In such a photo colour follows brightness: one curve from luma to the offsets of red, green and blue from it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.images import Mask, Pixels

LUMA = (0.2989, 0.5870, 0.1140)
"""Weights of red, green and blue in luma, ITU-R BT.601, the one that JPEG stores."""
NODES = 17
"""Places on the scale of luma at which a tone is measured."""
CELL = 8
"""Side in px of the cells whose means are looked at, so that grain and the coarse colour of JPEG average out."""
LEAST_CELLS = 12
"""Cells a place on the scale needs before it counts."""
GREY = 0.75 / 255
"""Mean offset below which a photo is grey: less than a level, as rounding leaves it."""
ONE_TONE = 3.0 / 255
"""Spread of the cells round the curve (root mean square of the worst channel over the best 95 %) up to which a photo
has one tone. Measured in levels: 46 of 48 scanned old portraits 0 to 2.7 and two 3.3; sepia and blue copies of the
sample person 0.4, with noise of 6 levels and JPEG quality 60 up to 1.7; 25 camera photos 3.7 and more, the sample
person in colour 11 and more."""


@dataclass(frozen=True, eq=False)
class Tone:
    """How a photo without colours is toned."""

    offsets: NDArray[np.float32]
    """`(NODES, 3)`: red, green and blue less luma, at `NODES` even steps of luma from 0 to 1."""

    @property
    def grey(self) -> bool:
        """Whether there is no tint at all."""
        return not self.offsets.any()


def photo_tone(pixels: Pixels, region: Mask | None = None) -> Tone | None:
    """Give the tone of a photo, None when it has colours.

    Args:
        pixels: `(H, W, 3)`, 0 to 1; not changed.
        region: `(H, W)`; where it is 0 nothing is looked at. The whole photo when not given.

    Raises:
        ValueError: the region does not fit the photo.
    """
    if region is not None and region.shape != pixels.shape[:2]:
        raise ValueError(f"region must be {pixels.shape[:2]}, got {region.shape}")
    luma = _luma(pixels)
    offsets = pixels - luma[..., None]
    if region is None and not offsets.any():
        return Tone(np.zeros((NODES, 3), np.float32))
    looked_at = np.ones(luma.shape, np.float32) if region is None else (region > 0).astype(np.float32)
    weight = _cells(looked_at)
    enough = weight > 0.5
    if enough.sum() < LEAST_CELLS:
        return None
    light = _cells(luma * looked_at)[enough] / weight[enough]
    tint = np.stack([_cells(offsets[..., i] * looked_at)[enough] / weight[enough] for i in range(3)], axis=1)
    if float(np.quantile(np.abs(tint).max(axis=1), 0.95)) < GREY:
        return Tone(np.zeros((NODES, 3), np.float32))
    curve = _curve(light, tint)
    if curve is None:
        return None
    away = np.abs(tint - _read(curve, light)).max(axis=1)
    kept = np.sort(away)[: max(1, int(len(away) * 0.95))]
    return Tone(curve) if float(np.sqrt(np.mean(kept**2))) < ONE_TONE else None


def apply_tone(restored: Pixels, tone: Tone) -> Pixels:
    """Give a picture its luma in a photo's tone; with a grey tone all three channels come out equal to the last bit.

    Args:
        restored: `(H, W, 3)`, 0 to 1; not changed.
        tone: from `photo_tone`.
    """
    luma = _luma(restored)
    grey = np.repeat(luma[..., None], 3, axis=2)
    return grey if tone.grey else np.asarray(np.clip(grey + _read(tone.offsets, luma), 0.0, 1.0), np.float32)


def _luma(pixels: Pixels) -> Mask:
    # From green, so that equal channels give exactly their own value whatever rounding does to the weights.
    red, green, blue = pixels[..., 0], pixels[..., 1], pixels[..., 2]
    return np.asarray(green + np.float32(LUMA[0]) * (red - green) + np.float32(LUMA[2]) * (blue - green), np.float32)


def _cells(plane: Mask) -> Mask:
    """Give the means of cells of `CELL` px; what does not fill a cell is left out, in a picture with any whole cell."""
    cell = max(1, min(CELL, *plane.shape))
    height, width = (side // cell for side in plane.shape)
    whole = plane[: height * cell, : width * cell].reshape(height, cell, width, cell)
    return np.asarray(whole.mean(axis=(1, 3)), np.float32)


def _curve(light: Mask, tint: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """Give the median tint at each node of luma, or None when no node has cells enough."""
    nodes = np.linspace(0, 1, NODES)
    nearest = np.clip(np.rint(light * (NODES - 1)).astype(int), 0, NODES - 1)
    known = [i for i in range(NODES) if int((nearest == i).sum()) >= LEAST_CELLS]
    if not known:
        return None
    # A node's cells lie round their own mean luma, not exactly at the node.
    at = np.array([float(light[nearest == i].mean()) for i in known])
    median = np.array([np.median(tint[nearest == i], axis=0) for i in known])
    return np.stack([np.interp(nodes, at, median[:, c]) for c in range(3)], axis=1).astype(np.float32)


def _read(offsets: NDArray[np.float32], luma: Mask) -> NDArray[np.float32]:
    nodes = np.linspace(0, 1, NODES)
    return np.stack([np.interp(luma, nodes, offsets[:, c]) for c in range(3)], axis=-1).astype(np.float32)
