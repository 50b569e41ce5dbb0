"""Photos whose face is smaller than the restored crop, made larger so that what was restored is not thrown away."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from engine.errors import EngineError
from engine.faces.crop import FaceCrop
from engine.faces.geometry import enlarged, inverse, moved, warp
from engine.images import Pixels

SCALES = (1, 2, 4)
"""How many times larger a photo can be written."""
LARGEST_OUTPUT = 100_000_000
"""Pixels of a result beyond which "auto" does not enlarge: 300 MB in 8 bits, which viewers still open."""
SPARED = 1.15
"""A face up to this many times smaller than its crop is not worth a photo four times as heavy: at 1.15 only detail in
the last 13 % below the crop's own limit is lost, and no restorer draws much there."""


class BadScale(EngineError):
    """An output scale that does not exist or makes the photo too large."""


def choose_scale(crop: FaceCrop, size: tuple[int, int], wanted: str | int = "auto") -> int:
    """Give how many times larger a photo is to be written so that the restored face keeps its detail.

    Args:
        crop: of the face that is restored.
        size: `(width, height)` of the photo in px.
        wanted: "auto", or one of `SCALES`. "auto" is the smallest scale at which the face has about as many pixels as
            its crop, and never one that makes the photo larger than `LARGEST_OUTPUT`.

    Raises:
        BadScale: no such scale, or the photo would become larger than can be read again.
    """
    pixels = size[0] * size[1]
    if wanted == "auto":
        fitting = [scale for scale in SCALES if scale == 1 or pixels * scale**2 <= LARGEST_OUTPUT]
        return next((scale for scale in fitting if scale * SPARED >= crop.scale), fitting[-1])
    if isinstance(wanted, str) or wanted not in SCALES:
        raise BadScale(f"The output scale must be auto, {', '.join(map(str, SCALES))}, got {wanted!r}.")
    if wanted > 1 and pixels * wanted**2 > 2 * LARGEST_OUTPUT:
        raise BadScale(
            f"At {wanted} times its size the photo would have {pixels * wanted**2 / 1e6:.0f} million pixels; "
            f"at most {2 * LARGEST_OUTPUT // 1_000_000} million are written. Choose a smaller output scale."
        )
    return int(wanted)


def enlarged_photo(pixels: Pixels, factor: int) -> Pixels:
    """Give a photo `factor` times as large to a side, by Lanczos; its borders stay its borders.

    Args:
        pixels: `(H, W, 3)`, 0 to 1; not changed.
        factor: one of `SCALES`.
    """
    if factor == 1:
        return pixels
    size = (pixels.shape[1] * factor, pixels.shape[0] * factor)
    return warp(pixels, enlarged(np.array([[1.0, 0, 0], [0, 1.0, 0]]), factor), size)


def enlarged_crop(crop: FaceCrop, factor: int) -> FaceCrop:
    """Give the same crop as one of the photo that `enlarged_photo` made: the pixels stay, the way to the photo changes.

    Args:
        crop: cut from the photo as it was.
        factor: as given to `enlarged_photo`.
    """
    if factor == 1:
        return crop
    to_larger = enlarged(np.array([[1.0, 0, 0], [0, 1.0, 0]]), factor)
    to_smaller = inverse(to_larger)
    turn = crop.from_photo[:, :2] @ to_smaller[:, :2]
    shift = crop.from_photo[:, :2] @ to_smaller[:, 2] + crop.from_photo[:, 2]
    x0, y0, x1, y1 = (float(v) for v in moved(np.array(crop.face.box).reshape(2, 2), to_larger).ravel())
    face = replace(crop.face, box=(x0, y0, x1, y1), points=moved(crop.face.points, to_larger))
    return replace(crop, from_photo=np.column_stack([turn, shift]), face=face)
