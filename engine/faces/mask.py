"""Which part of an aligned crop is the head: what a restored crop may change in its photo."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from engine.images import Mask

if TYPE_CHECKING:
    from engine.faces.crop import FaceCrop

REACH = 0.468
"""Half the mask's width over the crop's: the mask is exactly 0 on the outer 3.2 % of each side. Hair ends at about 4 %
of the crop's height in the mean of faces in this alignment, so there is no more to give away."""
SOLID = 0.80
"""Share of the reach within which the mask is 1. Ears end at 0.75 of it."""
SQUARENESS = 3.0
"""Exponent of the superellipse; 2 is an ellipse. 3 holds hair at the temples and leaves out the corners, where only
background and shoulders are."""


def head_mask(crop: FaceCrop) -> Mask:
    """Give a soft mask of face, hair and ears in a crop.

    It comes from the alignment alone: in the template every head has about the same place.

    Returns:
        `(size, size)`, 0 to 1; exactly 0 on the outer 3 % of each side, smooth in between.
    """
    half = crop.size / 2
    away = np.abs((np.arange(crop.size) + 0.5 - half) / half) / (2 * REACH)
    radius = (away[None, :] ** SQUARENESS + away[:, None] ** SQUARENESS) ** (1 / SQUARENESS)
    inside = np.clip((1.0 - radius) / (1.0 - SOLID), 0.0, 1.0)
    # Perlin's fade: its slope and bend are 0 at both ends, so no edge shows.
    return (inside**3 * (inside * (inside * 6 - 15) + 10)).astype(np.float32)
