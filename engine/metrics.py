"""How near a restored face is to the truth, in numbers; each with its direction.

Pictures are `(H, W, 3)`, 0 to 1, of the same size. What a number is good for stands in `METRICS`. Whether it is still
the same person is another question: `engine.faces.distance`.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from engine.faces import RECOGNISER, SeenDamage
from engine.images import Mask, Pixels, resize

Plane = NDArray[np.float64]

LUMA = (0.2989, 0.5870, 0.1140)
"""Weights of red, green and blue in the grey that GMSD is defined on (MATLAB's `rgb2gray`, ITU-R BT.601)."""
GMSD_CONSTANT = 170 / 255**2
"""The authors' T = 170 for pictures of 0 to 255."""
SMALLEST_SIDE = 11
"""Side in px of the window of SSIM."""


@dataclass(frozen=True)
class Metric:
    """What is known of a number that is shown."""

    name: str
    """Short title."""
    direction: Literal["higher", "lower", "one"]
    """Which is better; `one`: the nearer to 1 the better."""
    unit: str
    """Empty for a bare number."""
    what: str
    """One sentence on what it tells."""


METRICS = MappingProxyType(
    {
        "psnr": Metric("PSNR", "higher", "dB", "How near every pixel is to the truth; blurred faces score well."),
        "ssim": Metric("SSIM", "higher", "", "How alike the structure is to the truth's, at most 1."),
        "gmsd": Metric("GMSD", "lower", "", "How unevenly edges differ from the truth's; 0 is no difference."),
        "sharpness": Metric("Sharpness", "one", "", "Fine detail over the truth's: below 1 softer, above 1 harsher."),
        "faithful": Metric(
            "Faithful to the photo", "higher", "dB", "How near the result is to the photo in what the photo can show."
        ),
        "identity": Metric(
            "Identity", "lower", "", f"Distance to the person's references by {RECOGNISER}; no proof of identity."
        ),
    }
)
"""By the key under which a number stands in tables and files."""


def psnr(a: Pixels, b: Pixels) -> float:
    """Give the peak signal-to-noise ratio in dB, of a peak of 1; infinity for equal pictures.

    Raises:
        ValueError: the shapes differ.
    """
    _same_shape(a, b)
    error = float(np.mean((a.astype(np.float64) - b.astype(np.float64)) ** 2))
    return float("inf") if error == 0 else float(-10 * np.log10(error))


def ssim(a: Pixels, b: Pixels) -> float:
    """Give the structural similarity, -1 to 1, the mean over the channels.

    Raises:
        ValueError: the shapes differ, or a side is below `SMALLEST_SIDE`.

    Source: Wang et al. 2004, with their Gaussian window of 1.5 px; computed by scikit-image.
    """
    _same_shape(a, b)
    if min(a.shape[:2]) < SMALLEST_SIDE:
        raise ValueError(f"pictures must be at least {SMALLEST_SIDE} px to a side, got {a.shape[1]} x {a.shape[0]}")
    from skimage.metrics import structural_similarity

    found: Any = structural_similarity(
        a.astype(np.float64),
        b.astype(np.float64),
        channel_axis=2,
        data_range=1.0,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    return float(found)


def gmsd(a: Pixels, b: Pixels) -> float:
    """Give the gradient magnitude similarity deviation, 0 for equal pictures; symmetric.

    Raises:
        ValueError: the shapes differ, or a side is below 2 px.

    Source: Xue et al. 2014, equations 2 to 5, with the borders of the authors' MATLAB code.
    """
    _same_shape(a, b)
    if min(a.shape[:2]) < 2:
        raise ValueError(f"pictures must be at least 2 px to a side, got {a.shape[1]} x {a.shape[0]}")
    slope_a, slope_b = _slope(_halved(_grey(a))), _slope(_halved(_grey(b)))
    alike = (2 * slope_a * slope_b + GMSD_CONSTANT) / (slope_a**2 + slope_b**2 + GMSD_CONSTANT)
    return float(alike.std(ddof=1)) if alike.size > 1 else 0.0


def sharpness(result: Pixels, truth: Pixels, mask: Mask) -> float:
    """Give the fine detail of `result` over that of `truth`: their mean squared Laplacians, weighed by the mask.

    1 is as sharp as the truth, below is softer, above is harsher or noisier. 0 over 0 is 1.

    Args:
        result: the picture to judge.
        truth: what it should be.
        mask: `(H, W)`, 0 to 1, where to look; not 0 everywhere.

    Raises:
        ValueError: the shapes differ, or the mask is empty.
    """
    _same_shape(result, truth)
    if mask.shape != result.shape[:2]:
        raise ValueError(f"mask must be {result.shape[:2]}, got {mask.shape}")
    if not mask.any():
        raise ValueError("mask must be above 0 somewhere, got 0 everywhere")
    weight = mask.astype(np.float64)
    of_result, of_truth = (float((_laplacian(_grey(p)) ** 2 * weight).sum()) for p in (result, truth))
    if of_truth == 0:
        return 1.0 if of_result == 0 else float("inf")
    return of_result / of_truth


def faithful(result: Pixels, given: Pixels, damage: SeenDamage) -> float:
    """Give how near a restored face is to the damaged one in what that one can show, in dB of a peak of 1.

    Both are brought to the resolution that the damaged face was estimated to have, so what was added above it does not
    count; then it is `psnr`. Noise and blocks of the photo do count against it: about 25 dB is as near as a very noisy
    face lets any result come.

    Args:
        result: the restored crop, `(size, size, 3)`, 0 to 1.
        given: the crop it was made from.
        damage: what was seen on `given`.

    Raises:
        ValueError: the shapes differ.
    """
    _same_shape(result, given)
    side = max(1, min(round(damage.resolution_px), *given.shape[:2]))
    return psnr(resize(result, (side, side)), resize(given, (side, side)))


def _same_shape(a: Pixels, b: Pixels) -> None:
    if a.shape != b.shape or a.ndim != 3 or a.shape[2] != 3:
        raise ValueError(f"pictures must be (H, W, 3) and alike in shape, got {a.shape} and {b.shape}")


def _grey(pixels: Pixels) -> Plane:
    return pixels.astype(np.float64) @ np.array(LUMA)


def _halved(plane: Plane) -> Plane:
    """Give the means of blocks of 2 x 2; what lies beyond an odd side counts as 0."""
    height, width = plane.shape
    even = np.pad(plane, ((0, height % 2), (0, width % 2)))
    return even.reshape(even.shape[0] // 2, 2, even.shape[1] // 2, 2).mean(axis=(1, 3))


def _slope(plane: Plane) -> Plane:
    """Give the gradient's magnitude by Prewitt's filters; what lies beyond the border counts as 0."""
    p = np.pad(plane, 1)
    across = (p[:-2, :-2] + p[1:-1, :-2] + p[2:, :-2] - p[:-2, 2:] - p[1:-1, 2:] - p[2:, 2:]) / 3
    down = (p[:-2, :-2] + p[:-2, 1:-1] + p[:-2, 2:] - p[2:, :-2] - p[2:, 1:-1] - p[2:, 2:]) / 3
    return np.hypot(across, down)


def _laplacian(plane: Plane) -> Plane:
    p = np.pad(plane, 1, mode="edge")
    return p[:-2, 1:-1] + p[2:, 1:-1] + p[1:-1, :-2] + p[1:-1, 2:] - 4 * plane
