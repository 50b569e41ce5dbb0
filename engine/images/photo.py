"""A photo as its file had it, and how restored pixels come back into it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from engine.images.convert import Mask, Pixels, Samples, from_uint8, to_uint8

GREY_SPREAD = 1 / 255
"""Restored pixels whose channels lie nearer together than one level everywhere are grey."""


@dataclass(frozen=True, eq=False)
class Photo:
    """One photo, upright. Arrays are shared, so they are never changed in place."""

    samples: Samples
    """(H, W) when the file is grey, else (H, W, 3) RGB, as decoded."""
    alpha: Samples | None
    """(H, W), 0 transparent to 255 opaque; None when the file has none."""
    icc: bytes | None
    """The file's colour profile, carried to the result and not applied."""
    exif: bytes | None
    """The file's EXIF block, its orientation set to upright since `samples` are."""
    name: str
    """The file's name, without its folder."""

    @property
    def pixels(self) -> Pixels:
        """The photo in the engine's convention, float32 (H, W, 3); a new array each time."""
        colour = self.samples if self.samples.ndim == 3 else np.repeat(self.samples[..., None], 3, axis=2)
        return from_uint8(colour)

    @property
    def width(self) -> int:
        """Width in px."""
        return int(self.samples.shape[1])

    @property
    def height(self) -> int:
        """Height in px."""
        return int(self.samples.shape[0])


def merge(photo: Photo, restored: Pixels, mask: Mask) -> Photo:
    """Give the photo with restored pixels where the mask is above 0, and its very own samples where it is 0.

    The mask only says where something may change: `restored` is the whole picture, blended already, so it is quantised
    once and not blended again. A grey photo stays grey when the restored part is grey; else the result is RGB, its
    untouched part the grey samples three times.

    Args:
        photo: where the pixels belong.
        restored: (H, W, 3), of the photo's size.
        mask: (H, W), of the photo's size.

    Raises:
        ValueError: a shape does not fit the photo, or a restored pixel is not a number.
    """
    shape = photo.samples.shape[:2]
    if restored.shape != (*shape, 3):
        raise ValueError(f"restored must be {(*shape, 3)}, got {restored.shape}")
    if mask.shape != shape:
        raise ValueError(f"mask must be {shape}, got {mask.shape}")
    touched = mask > 0
    fresh = restored[touched]
    samples = photo.samples
    if samples.ndim == 2:
        if fresh.size == 0 or float(np.ptp(fresh, axis=1).max()) < GREY_SPREAD:
            fresh = fresh.mean(axis=1, dtype=np.float32)
        else:
            samples = np.repeat(samples[..., None], 3, axis=2)
    merged = samples.copy()
    merged[touched] = to_uint8(fresh)
    return replace(photo, samples=merged, icc=fitting_profile(photo.icc, merged))


def fitting_profile(icc: bytes | None, samples: Samples) -> bytes | None:
    """Give the profile if it speaks of samples of this kind, grey or RGB; a wrong one would spoil every viewer's tones.

    Source: ICC.1:2022, 7.2.6: bytes 16 to 19 of the header name the colour space.
    """
    if not icc:
        return None
    return icc if icc[16:20] == (b"GRAY" if samples.ndim == 2 else b"RGB ") else None
