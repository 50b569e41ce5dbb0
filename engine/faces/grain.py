"""Grain and sharpness of a photo, measured round a face and given to the restored face, so that it does not stand out.

Everything here is counted in pixels of the photo. Grain is Gaussian noise blurred to a size, as strong as it was found
at each brightness; what is added depends on the seed alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.faces.patch import Patch
from engine.images import Mask, Pixels, resize

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in luma, ITU-R BT.601."""
NODES = 5
"""Places on the scale of luma at which grain is measured."""
BLOCK = 16
"""Side in px of the blocks in which grain is measured."""
FLATTEST = 0.35
"""Share of the blocks, those with the least slope under the grain, that are looked at."""
CALM = 0.35
"""Quantile of those blocks' variance that is taken for the grain's: hair and weave are flat in the large and rough in
the small, and above it. White grain measures 4 % too weak by it."""
LEAST_BLOCKS = 6
"""Blocks a place on the scale needs before it counts."""
ROUNDING = 0.4 / 255
"""Noise that a file's 256 levels leave in a photo without any."""
STRONGEST = 25.0 / 255
"""What is stronger is no grain but a printer's screen or a weave."""
COARSE = 0.75
"""Likeness of neighbouring pixels above which grain is looked at in a photo half as large."""
EDGES = 0.04
"""Share of the pixels, those with the steepest slope, that count as edges."""
LEAST_EDGES = 60
"""Edge pixels needed before a sharpness is believed."""
LOUD = 6.0
"""Grain, of 255, up to which the default gives a face all of it; of stronger noise this much, since it hides the face
that somebody wanted to see."""
HALF_AS_SOFT = 0.5
"""Default of `match_sharpness`: a face at most twice as sharp as what is round it."""


@dataclass(frozen=True)
class Grain:
    """The grain of a photo in the neighbourhood of a face."""

    strength: tuple[float, ...]
    """Standard deviation in luma, of 255, at `NODES` even steps of luma from black to white."""
    size: float
    """Standard deviation in px of the Gaussian that white noise has to be blurred by to clump like this; 0 is white."""
    colour: float
    """Standard deviation of red and blue less luma, over that of luma; 0 is grey grain."""

    @property
    def mean(self) -> float:
        """Mean strength, of 255."""
        return float(np.mean(self.strength))

    @property
    def default_amount(self) -> float:
        """Amount that `add_grain` uses when none is chosen, 0 to 1: all of it unless it is very strong."""
        return 1.0 if self.mean <= LOUD else LOUD / self.mean


def measure_grain(pixels: Pixels, patch: Patch | None = None) -> Grain:
    """Measure the grain of a photo, in the neighbourhood of a face when one is given.

    Looked at are the flattest blocks, each less the plane through it: their spread is the strength, and how alike
    neighbouring pixels are tells the size. Coarse grain is measured in a photo made smaller.

    Args:
        pixels: the photo as it was, `(H, W, 3)`, 0 to 1; not changed.
        patch: where the face lies; half its size more is looked at on each side.
    """
    seen = pixels if patch is None else pixels[_neighbourhood(patch, pixels.shape)]
    factor = 1
    blocks = _flat_blocks(seen)
    while blocks.likeness > COARSE and factor < 4 and min(seen.shape[:2]) >= 4 * BLOCK:
        seen = resize(seen, (seen.shape[1] // 2, seen.shape[0] // 2))
        factor *= 2
        blocks = _flat_blocks(seen)
    if not len(blocks.luma):
        return Grain((0.0,) * NODES, 0.0, 0.0)
    strength = _by_luma(blocks.luma, blocks.variance)
    spread = float(np.quantile(blocks.variance, CALM))
    colour = float(np.sqrt(np.quantile(blocks.colour, CALM) / spread)) if spread > ROUNDING**2 else 0.0
    # White noise blurred by s has the likeness exp(-1 / (4 s^2)) one pixel away.
    size = 1 / (2 * np.sqrt(-np.log(blocks.likeness))) if 0.05 < blocks.likeness < 0.98 else 0.0
    return Grain(tuple(round(float(v) * 255, 3) for v in strength), round(float(size) * factor, 3), round(colour, 3))


def add_grain(patch: Patch, grain: Grain, amount: float | None = None, seed: int = 0) -> Patch:
    """Give a restored face the grain of its photo.

    Only what is missing is added: the patch's own grain is measured and counts. Where the mask fades, somewhat more,
    as two half shares of independent grain are less than one whole.

    Args:
        patch: a restored face in pixels of the photo; not changed.
        grain: of the photo, from `measure_grain`.
        amount: 0 none, 1 as much as round the face, up to 1.5; `grain.default_amount` when not given.
        seed: of the noise; the same seed gives the same picture.

    Raises:
        ValueError: the amount is outside 0 to 1.5.
    """
    wanted = grain.default_amount if amount is None else amount
    if not 0 <= wanted <= 1.5:
        raise ValueError(f"amount must be 0 to 1.5, got {wanted}")
    target = np.array(grain.strength) * wanted
    own = np.array(measure_grain(patch.pixels).strength)
    missing = np.sqrt(np.maximum(target**2 - own**2, 0.0)) / 255
    if not missing.any():
        return patch
    rng = np.random.default_rng(seed)
    noise = _noise(rng, patch.mask.shape, grain.size)[..., None]
    if grain.colour > 0.02:
        tint = np.stack([_noise(rng, patch.mask.shape, grain.size) for _ in range(3)], axis=2)
        tint -= (tint @ np.array(LUMA, np.float32))[..., None]
        noise = noise + tint * np.float32(grain.colour / max(float(tint[..., (0, 2)].std()), 1e-6))
    luma = patch.pixels @ np.array(LUMA, np.float32)
    level = np.interp(luma, np.linspace(0, 1, NODES), missing).astype(np.float32)
    mask = np.maximum(patch.mask, 0.05)
    level *= np.sqrt((2 - mask) / mask)
    return replace(patch, pixels=np.asarray(np.clip(patch.pixels + noise * level[..., None], 0.0, 1.0), np.float32))


def measure_blur(pixels: Pixels, where: Mask) -> float | None:
    """Give how soft the sharpest edges of a picture are: the standard deviation in px of the blur of a step.

    The slope of a step blurred by `s` shrinks with any further blur by a factor that gives `s` away.

    Args:
        pixels: `(H, W, 3)`, 0 to 1; not changed.
        where: `(H, W)`; edges count where it is above a half.

    Returns:
        0 to some 12 px, or None where there are too few edges to tell.

    Source: Zhuo and Sim 2011, "Defocus map estimation from a single image", equation 6.
    """
    luma: Any = pixels @ np.array(LUMA, np.float32)
    there = where > 0.5
    factor = 1
    while True:
        blur = _step_blur(luma, there)
        if blur is None or blur < 3 or factor == 4 or min(luma.shape) < 64:
            return None if blur is None else round(blur * factor, 3)
        factor *= 2
        small = (luma.shape[1] // 2, luma.shape[0] // 2)
        luma, there = resize(luma, small), resize(there.astype(np.float32), small) > 0.5


def round_blur(pixels: Pixels, patch: Patch) -> float | None:
    """Give how soft a photo is round a face: `measure_blur` of hair, neck, shoulders and ground, where the mask fades.

    Args:
        pixels: the photo as it was, `(H, W, 3)`, 0 to 1; not changed.
        patch: where the face lies.
    """
    place = _neighbourhood(patch, pixels.shape)
    inside = np.zeros(pixels.shape[:2], np.float32)
    inside[patch.place] = patch.mask
    return measure_blur(pixels[place], 1.0 - inside[place])


def match_sharpness(patch: Patch, blur: float | None, amount: float = HALF_AS_SOFT) -> Patch:
    """Soften a restored face towards what is round it, never sharpening.

    Args:
        patch: a restored face in pixels of the photo; not changed.
        blur: of the photo, from `round_blur`; with None nothing is done.
        amount: 0 leaves the face alone, 1 makes it as soft as the sharpest round it.

    Raises:
        ValueError: the amount is outside 0 to 1.
    """
    import cv2

    if not 0 <= amount <= 1:
        raise ValueError(f"amount must be 0 to 1, got {amount}")
    own = measure_blur(patch.pixels, patch.mask)
    if blur is None or own is None or own >= blur * amount:
        return patch
    sigma = float(np.sqrt((blur * amount) ** 2 - own**2))
    if sigma < 0.2:
        return patch
    return replace(patch, pixels=np.asarray(cv2.GaussianBlur(patch.pixels, (0, 0), sigma), np.float32))


@dataclass(frozen=True, eq=False)
class _Blocks:
    """What was measured in the flattest blocks."""

    luma: NDArray[np.float64]
    variance: NDArray[np.float64]
    colour: NDArray[np.float64]
    likeness: float


def _flat_blocks(pixels: Pixels) -> _Blocks:
    import cv2

    luma: Any = pixels @ np.array(LUMA, np.float32)
    empty = np.zeros(0)
    if min(luma.shape) < BLOCK:
        return _Blocks(empty, empty, empty, 0.0)
    smooth = cv2.GaussianBlur(luma, (0, 0), 4.0)
    slope = np.hypot(cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1))
    blocks = _cut_up(luma)
    means = blocks.mean(axis=(1, 2))
    usable = (means > 0.02) & (means < 0.98)  # what is clipped has lost its grain
    if int(usable.sum()) < LEAST_BLOCKS:
        return _Blocks(empty, empty, empty, 0.0)
    steepness = _cut_up(slope).max(axis=(1, 2))
    kept = usable & (steepness <= np.quantile(steepness[usable], FLATTEST))
    rough = _less_plane(blocks[kept])
    variance = (rough**2).mean(axis=(1, 2))
    calm = rough[variance <= np.median(variance)]
    tints = [_less_plane(_cut_up(pixels[..., i] - luma)[kept]) for i in (0, 2)]
    beside = ((calm[:, :, 1:] * calm[:, :, :-1]).mean() + (calm[:, 1:] * calm[:, :-1]).mean()) / 2
    whole = float((calm**2).mean())
    return _Blocks(
        means[kept],
        variance,
        np.mean([(tint**2).mean(axis=(1, 2)) for tint in tints], axis=0),
        float(beside) / whole if whole > ROUNDING**2 else 0.0,
    )


def _cut_up(plane: Any) -> NDArray[np.float64]:
    """Give the blocks of a plane, `(N, BLOCK, BLOCK)`; what does not fill one is left out."""
    rows, columns = (side // BLOCK for side in plane.shape)
    whole = plane[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK)
    return whole.swapaxes(1, 2).reshape(-1, BLOCK, BLOCK).astype(np.float64)


def _less_plane(blocks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give blocks less the plane that fits each best."""
    ramp = np.arange(BLOCK) - (BLOCK - 1) / 2
    unit = ramp / (ramp**2).sum()
    across = (blocks.mean(axis=1) @ unit)[:, None, None] * ramp[None, None, :]
    down = (blocks.mean(axis=2) @ unit)[:, None, None] * ramp[None, :, None]
    return blocks - blocks.mean(axis=(1, 2), keepdims=True) - across - down


def _by_luma(luma: NDArray[np.float64], variance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the strength of grain at each node of luma, 0 to 1; nodes without blocks take the nearest ones' value."""
    nodes = np.linspace(0, 1, NODES)
    nearest = np.rint(luma * (NODES - 1)).astype(int)
    known = [i for i in range(NODES) if int((nearest == i).sum()) >= LEAST_BLOCKS]
    if known:
        at = [float(np.median(luma[nearest == i])) for i in known]
        found = np.interp(nodes, at, [float(np.quantile(variance[nearest == i], CALM)) for i in known])
    else:
        found = np.full(NODES, float(np.quantile(variance, CALM)))
    return np.minimum(np.sqrt(np.maximum(found - ROUNDING**2, 0.0)), STRONGEST)


def _noise(rng: np.random.Generator, shape: tuple[int, ...], size: float) -> Mask:
    """Give noise of unit spread that clumps as `Grain.size` says."""
    import cv2

    white = rng.standard_normal(shape, dtype=np.float32)
    if size < 0.25:  # a narrower Gaussian falls between the pixels
        return white
    clumped = np.asarray(cv2.GaussianBlur(white, (0, 0), size), np.float32)
    return clumped / max(float(clumped.std()), 1e-6)


def _neighbourhood(patch: Patch, shape: tuple[int, ...]) -> tuple[slice, slice]:
    (x, y), (height, width) = patch.corner, patch.mask.shape
    return (
        slice(max(0, y - height // 2), min(shape[0], y + height + height // 2)),
        slice(max(0, x - width // 2), min(shape[1], x + width + width // 2)),
    )


def _step_blur(luma: Any, there: NDArray[np.bool_]) -> float | None:
    import cv2

    fine, coarse = 1.0, 2.0
    slopes: list[Any] = []
    for sigma in (fine, coarse):
        smooth = cv2.GaussianBlur(luma, (0, 0), sigma)
        slopes.append(np.hypot(cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)))
    if int(there.sum()) * EDGES < LEAST_EDGES:
        return None
    steep = np.asarray(slopes[0] >= np.quantile(slopes[0][there], 1 - EDGES)) & there
    ratio = (slopes[0][steep] / np.maximum(slopes[1][steep], 1e-6)).astype(np.float64)
    ratio = np.clip(ratio, 1.01, coarse / fine - 1e-3)
    # ratio^2 = (s^2 + coarse^2) / (s^2 + fine^2); the median over the edges, many of which are lines and look sharper.
    return float(np.sqrt(np.median(np.maximum((coarse**2 - ratio**2 * fine**2) / (ratio**2 - 1), 0.0))))
