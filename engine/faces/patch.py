"""Restored crops put back into their photo: brought to its pixels, with its own finer detail kept, and blended in.

A `Patch` is what lies between: the restored face in pixels of the photo, not yet blended, so that grain and sharpness
can be given to it there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from engine.faces.crop import FaceCrop
from engine.faces.geometry import Matrix, inverse, moved, region, scale_of, square, warp
from engine.faces.mask import head_mask
from engine.images import Mask, Pixels

OWN = 0.04
"""Width of the change from one face to its neighbour where two masks overlap, in shares of half a crop's side."""
FLAT_SHARE = 0.25
"""Share of the blocks of a face, the flattest, whose high band is taken for noise: forehead and cheeks of a sharp face
hold little above a crop's resolution."""
BLOCK = 8
"""Side in px of those blocks."""
FAR = 3.0
"""Enlargement from which bringing a crop back loses nothing worth a second way."""
WIDE = 6.0
"""Standard deviation in px of the crop of the blur that tells a change of light from a change of what is shown."""
DISAGREEMENT = 25.0 / 255
"""Difference between the restored face and the photo at which half of the photo's own detail is kept. A scratch taken
away makes 100 levels and more, a sound face put through the pocket prior some 6."""
QUIET = 1.0 / 255
"""Noise in the high band up to which a photo counts as clean and its detail is kept whole: half of it is the rounding
of the file to 256 levels and its compression."""


@dataclass(frozen=True, eq=False)
class Patch:
    """A restored face in pixels of its photo."""

    pixels: Pixels
    """`(h, w, 3)`, 0 to 1."""
    mask: Mask
    """`(h, w)`, 0 to 1: how much of it to take."""
    corner: tuple[int, int]
    """`(x, y)` in the photo of its first pixel."""
    nearness: Mask
    """`(h, w)`, 0 at the middle of the crop, 1 half its side away: whose face a place is where two overlap."""

    @property
    def place(self) -> tuple[slice, slice]:
        """Where in the photo it lies: rows, columns."""
        (x, y), (height, width) = self.corner, self.mask.shape
        return slice(y, y + height), slice(x, x + width)


def place(pixels: Pixels, crop: FaceCrop, restored: Pixels, mask: Mask | None = None) -> Patch:
    """Bring a restored crop to the pixels of its photo.

    Args:
        pixels: the photo, `(H, W, 3)`, 0 to 1; only its size is read.
        crop: what was cut from it.
        restored: like `crop.pixels`.
        mask: `(size, size)`, 0 to 1, how much of the restored crop to take; `head_mask(crop)` when not given.

    Raises:
        ValueError: a shape does not fit the crop.
    """
    if restored.shape != crop.pixels.shape:
        raise ValueError(f"restored must be {crop.pixels.shape}, got {restored.shape}")
    inside = head_mask(crop) if mask is None else mask
    if inside.shape != (crop.size, crop.size):
        raise ValueError(f"mask must be {(crop.size, crop.size)}, got {inside.shape}")
    to_photo = inverse(crop.from_photo)
    x0, y0, x1, y1 = region(moved(square(crop.size), to_photo), pixels.shape[1], pixels.shape[0])
    to_region = to_photo.copy()
    to_region[:, 2] -= (x0, y0)
    size = (x1 - x0, y1 - y0)
    share = warp(inside, to_region, size, outside="zero")
    return Patch(_brought_back(restored, to_region, size), share, (x0, y0), _nearness(crop, (x0, y0), size))


def keep_detail(pixels: Pixels, crop: FaceCrop, patch: Patch, share: float = 1.0, low: Pixels | None = None) -> Patch:
    """Give a patch the photo's own detail above the crop's resolution.

    What the crop could not hold is the photo less the crop brought back. That high band is added to the restored face,
    which so becomes the low band. With the crop itself in place of the restored one the photo comes out again. Noise
    must not come back with it: its strength is the spread (by the median) of the high band in the flattest blocks of
    the face, and where the high band is no stronger than that, it is left out (Wiener's rule, block by block). Nor must
    scratches: where the restorer drew something else than the photo shows, the photo's detail is of the wrong thing.
    Where it drew the very same, noise and all, its finest part stays with the rest of it, whatever the share.

    Args:
        pixels: the photo that `crop` was cut from, `(H, W, 3)`, 0 to 1; not changed.
        crop: what was cut.
        patch: from `place`.
        share: 0 nothing to 1 all of the high band; see `damage.detail_share`.
        low: the crop itself brought back, where that was done before.

    Raises:
        ValueError: the share is outside 0 to 1.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share must be 0 to 1, got {share}")
    low = place(pixels, crop, crop.pixels).pixels if low is None else low
    high, changed = pixels[patch.place] - low, _changed(patch.pixels - low, crop.scale)
    grain = max(_flat_spread(_changed(low, crop.scale)[..., 0], patch.mask), QUIET)
    untouched = np.clip(1 - (2 / grain) ** 2 * changed, 0.0, 1.0)
    agreed = 1 / (1 + changed / DISAGREEMENT**2)
    kept = high * np.maximum(detail_worth(high, patch.mask) * agreed * np.float32(share), untouched)
    return replace(patch, pixels=np.asarray(np.clip(patch.pixels + kept, 0.0, 1.0), np.float32))


def high_noise(high: Pixels, mask: Mask) -> float:
    """Give the noise in a high band, 0 to 1: its spread in the flattest blocks where the mask is above a half.

    Args:
        high: `(h, w, 3)`, about 0.
        mask: `(h, w)`, 0 to 1.
    """
    return _flat_spread(np.asarray((high**2).mean(axis=2), np.float32), mask)


def _flat_spread(squares: Mask, mask: Mask) -> float:
    """Give the root mean square in the flattest blocks where the mask is above a half."""
    blocks = _block_means(squares)
    there = _block_means(mask) > 0.5
    if there.sum() < 4:
        return 0.0
    return float(np.sqrt(np.quantile(blocks[there], FLAT_SHARE / 2)))


def detail_worth(high: Pixels, mask: Mask) -> Pixels:
    """Give how much of a high band is detail and no noise, `(h, w, 1)`, 0 to 1; arguments as in `high_noise`."""
    import cv2

    noise = high_noise(high, mask)
    if noise <= QUIET:
        return np.ones((*high.shape[:2], 1), np.float32)
    strength = np.asarray(cv2.GaussianBlur((high**2).mean(axis=2), (0, 0), BLOCK / 2), np.float32)
    # Twice the noise's variance: a block's own variance scatters round it, and detail has to stand clear of that.
    return np.clip(1.0 - 2.0 * noise**2 / np.maximum(strength, 1e-12), 0.0, 1.0).astype(np.float32)[..., None]


def blend(pixels: Pixels, patches: Sequence[Patch]) -> tuple[Pixels, Mask]:
    """Blend patches into their photo.

    All of them are taken as cut from this photo as it is, so where masks overlap, a place belongs to the face whose
    middle is nearer (counted in its own size) and the other one, which shows the old state of it, has no say.

    Args:
        pixels: the photo, `(H, W, 3)`, 0 to 1; not changed.
        patches: one a face, in any order.

    Returns:
        The photo with the faces in it, and how much of each of its pixels was replaced, `(H, W)`, 0 to 1. Pixels where
        that is 0 are bit for bit those of the photo.
    """
    result, replaced = pixels.copy(), np.zeros(pixels.shape[:2], np.float32)
    for number, patch in enumerate(patches):
        here = patch.place
        replaced[here] = np.maximum(replaced[here], patch.mask)
        share = patch.mask.copy()
        for other_number, other in enumerate(patches):
            if other_number != number:
                share *= _own_share(patch, other)
        mine = share[..., None]
        old = pixels[here]
        result[here] += np.where(mine > 0, (patch.pixels - old) * mine, 0)
    return np.asarray(np.clip(result, 0.0, 1.0), np.float32), replaced


def paste(pixels: Pixels, crop: FaceCrop, restored: Pixels, mask: Mask | None = None) -> tuple[Pixels, Mask]:
    """Put a restored crop back into its photo; arguments as in `place`, result as in `blend`.

    Of the photo's detail above the crop's resolution that is kept which `keep_detail` keeps of an untouched face, so
    pasting the crop itself gives the photo again.
    """
    return blend(pixels, [keep_detail(pixels, crop, place(pixels, crop, restored, mask), 0.0)])


def _own_share(patch: Patch, other: Patch) -> Mask:
    """Give how much of each place of `patch` is its own beside `other`, 0 to 1."""
    share = np.ones(patch.mask.shape, np.float32)
    (x0, y0), (height, width) = patch.corner, patch.mask.shape
    (u0, v0), (tall, wide) = other.corner, other.mask.shape
    left, top, right, bottom = max(x0, u0), max(y0, v0), min(x0 + width, u0 + wide), min(y0 + height, v0 + tall)
    if left >= right or top >= bottom:
        return share
    mine = slice(top - y0, bottom - y0), slice(left - x0, right - x0)
    theirs = slice(top - v0, bottom - v0), slice(left - u0, right - u0)
    steepness = np.clip((patch.nearness[mine] - other.nearness[theirs]) / OWN, -30.0, 30.0)
    weight = patch.mask[mine]
    rival = other.mask[theirs] * np.exp(steepness)
    share[mine] = np.where(rival > 0, weight / np.maximum(weight + rival, 1e-12), 1.0)
    return share


def _nearness(crop: FaceCrop, corner: tuple[int, int], size: tuple[int, int]) -> Mask:
    """Give the distance of a region's pixels from the crop's middle, in halves of its side."""
    columns = np.arange(size[0], dtype=np.float64) + corner[0]
    rows = np.arange(size[1], dtype=np.float64) + corner[1]
    (a, b, c), (d, e, f) = crop.from_photo
    middle, half = (crop.size - 1) / 2, crop.size / 2
    across = (a * columns[None, :] + b * rows[:, None] + c - middle) / half
    down = (d * columns[None, :] + e * rows[:, None] + f - middle) / half
    return np.hypot(across, down).astype(np.float32)


def _changed(difference: Pixels, scale: float) -> Pixels:
    """Give how much a restored face shows something else than its photo, mean square round a place, `(h, w, 1)`.

    Light and colour that change over more than some pixels of the crop do not count.

    Args:
        difference: restored less photo, `(h, w, 3)`; of a face itself, it tells the grain in it.
        scale: pixels of the crop per pixel of the photo.
    """
    import cv2

    height, width = difference.shape[:2]
    seen: Any = difference
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        seen = cv2.resize(difference, size, interpolation=cv2.INTER_AREA)
    fine = seen - cv2.GaussianBlur(seen, (0, 0), WIDE)
    power = cv2.GaussianBlur((fine**2).mean(axis=2), (0, 0), WIDE / 4)
    spread = cv2.resize(power, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(spread, np.float32)[..., None]


def _block_means(plane: Mask) -> Mask:
    """Give the means of blocks of `BLOCK` px; what does not fill a block is left out."""
    height, width = (side // BLOCK for side in plane.shape)
    if not height or not width:
        return np.full((1, 1), plane.mean(), np.float32)
    whole = plane[: height * BLOCK, : width * BLOCK].reshape(height, BLOCK, width, BLOCK)
    return np.asarray(whole.mean(axis=(1, 3)), np.float32)


def _brought_back(restored: Pixels, matrix: Matrix, size: tuple[int, int]) -> Pixels:
    """Give a crop as seen through `matrix`, sharpened by what the way to the crop and back takes away.

    Each resampling dims the finest detail a little. Sending the result round once more shows how much, and adding that
    (one step of Van Cittert's iteration) halves the loss and more. Where the face is much larger than the crop there is
    next to no loss, and large pictures take long.
    """
    back = warp(restored, matrix, size)
    if scale_of(matrix) >= FAR:
        return back
    there = warp(back, inverse(matrix), (restored.shape[1], restored.shape[0]))
    return np.asarray(np.clip(back + (back - warp(there, matrix, size)), 0.0, 1.0), np.float32)
