"""Similarities between a photo and a crop, and pixels moved through them without aliasing.

Matrices are `(2, 3)`, float64, and named from where to where. Points are `(N, 2)`, `(x, y)`; the centre of the first
pixel is `(0, 0)`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
Matrix = NDArray[np.float64]
Floats = NDArray[np.float32]

MARGIN = 4
"""Pixels round a place that interpolation reads: Lanczos reads four to each side."""


def similarity(points: Points, onto: Points) -> Matrix:
    """Give the rotation, one scale and shift that bring `points` nearest to `onto`, without mirroring.

    Raises:
        ValueError: the points are not `(N, 2)` each, or all in one place.

    Source: Umeyama 1991, for two dimensions, where complex numbers make it a single division.
    """
    if points.ndim != 2 or points.shape[1] != 2 or points.shape != onto.shape:
        raise ValueError(f"points must be (N, 2) on both sides, got {points.shape} and {onto.shape}")
    source = points[:, 0] + 1j * points[:, 1]
    target = onto[:, 0] + 1j * onto[:, 1]
    spread = source - source.mean()
    size = float((np.abs(spread) ** 2).sum())
    if size < 1e-9:
        raise ValueError(f"points must not lie all in one place, got {points.tolist()}")
    turn = complex((np.conj(spread) * (target - target.mean())).sum() / size)
    shift = complex(target.mean() - turn * source.mean())
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


def inverse(matrix: Matrix) -> Matrix:
    """Give the matrix that leads back."""
    back = np.linalg.inv(matrix[:, :2])
    return np.hstack([back, -back @ matrix[:, 2:]]).astype(np.float64)


def moved(points: Points, matrix: Matrix) -> Points:
    """Give where points come to lie."""
    return points @ matrix[:, :2].T + matrix[:, 2]


def scale_of(matrix: Matrix) -> float:
    """Give how many pixels there one pixel here becomes."""
    return float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))


def square(size: int) -> Points:
    """Give the outer corners of a square of `size` pixels: half a pixel beyond the centres of its first and last."""
    low, high = -0.5, size - 0.5
    return np.array([[low, low], [high, low], [high, high], [low, high]])


def region(corners: Points, width: int, height: int, margin: float = 0.0) -> tuple[int, int, int, int]:
    """Give the whole pixels `(x0, y0, x1, y1)`, ends excluded, that hold the corners inside a picture; never empty."""
    low = np.floor(corners.min(axis=0) - margin).astype(int)
    high = np.ceil(corners.max(axis=0) + margin).astype(int) + 1
    x0, y0 = min(max(int(low[0]), 0), width - 1), min(max(int(low[1]), 0), height - 1)
    return x0, y0, max(min(int(high[0]), width), x0 + 1), max(min(int(high[1]), height), y0 + 1)


def warp(pixels: Floats, matrix: Matrix, size: tuple[int, int], *, outside: str = "reflect") -> Floats:
    """Give `pixels` as seen through `matrix`, without aliasing and nearly without loss.

    OpenCV's `warpAffine` only ever reads the few pixels round a place, so where the matrix shrinks, the result is drawn
    several times as fine and then brought down by a filter that knows all of it.

    Args:
        pixels: `(H, W, 3)`, or a mask `(H, W)`, 0 to 1.
        matrix: from `pixels` to the result.
        size: `(width, height)` of the result.
        outside: what lies beyond the border of `pixels`: "reflect" or "zero".

    Returns:
        `(height, width, 3)` or `(height, width)`, 0 to 1.
    """
    import cv2

    x0, y0, x1, y1 = _read_by(matrix, size, pixels.shape[1], pixels.shape[0])
    part = np.ascontiguousarray(pixels[y0:y1, x0:x1])
    from_part = matrix.copy()
    from_part[:, 2] = moved(np.array([[x0, y0]], float), matrix)[0]
    coarse = int(0.5 / scale_of(matrix))
    if coarse >= 2:
        # A first step by plain averaging, to at least twice the size wanted, spares most of the work and no detail.
        part, from_part = _averaged(part, from_part, coarse)
    fine = max(1, int(np.ceil(1 / scale_of(from_part) - 0.01)))
    mask = pixels.ndim == 2
    drawn = cv2.warpAffine(
        part,
        enlarged(from_part, fine),
        (size[0] * fine, size[1] * fine),
        # A mask must not ring: what is 0 stays 0.
        flags=cv2.INTER_LINEAR if mask else cv2.INTER_LANCZOS4,
        borderMode=cv2.BORDER_CONSTANT if outside == "zero" else cv2.BORDER_REFLECT,
        borderValue=0.0 if mask else (0.0, 0.0, 0.0),
    )
    seen = np.asarray(drawn, np.float32)
    if fine > 1:
        seen = (
            np.asarray(cv2.resize(seen, size, interpolation=cv2.INTER_AREA), np.float32)
            if mask
            else _reduced(seen, size)
        )
    return np.asarray(np.clip(seen, 0.0, 1.0), np.float32)


def enlarged(matrix: Matrix, factor: float) -> Matrix:
    """Give the matrix to a result with `factor` times as many pixels to a side; its borders stay its borders."""
    result = matrix * factor
    result[:, 2] += (factor - 1) / 2
    return result


def _read_by(matrix: Matrix, size: tuple[int, int], width: int, height: int) -> tuple[int, int, int, int]:
    """Give the part of a picture that a warp reads, reflections at its border included."""
    last = np.array([width - 1, height - 1])
    frame = np.array([[0, 0], [size[0] - 1, 0], [size[0] - 1, size[1] - 1], [0, size[1] - 1]], float)
    wanted = moved(frame, inverse(matrix))
    # What a reflection shows lies as far inside the border as the wanted place lies outside it.
    mirrored = np.abs(np.clip(wanted, -last, 2 * last))
    mirrored = last - np.abs(last - mirrored)
    return region(np.vstack([wanted, mirrored]), width, height, margin=MARGIN / min(scale_of(matrix), 1.0))


def _averaged(part: Floats, matrix: Matrix, factor: int) -> tuple[Floats, Matrix]:
    """Give a picture averaged over blocks of `factor` x `factor` pixels, and the matrix from it to the same result."""
    import cv2

    height, width = part.shape[:2]
    small = (-(-width // factor), -(-height // factor))
    padded = cv2.copyMakeBorder(
        part, 0, small[1] * factor - height, 0, small[0] * factor - width, borderType=cv2.BORDER_REPLICATE
    )
    result = np.asarray(cv2.resize(padded, small, interpolation=cv2.INTER_AREA), np.float32)
    # A pixel's centre x in the result lies at factor * x + (factor - 1) / 2 in the picture.
    from_result = matrix.copy()
    from_result[:, 2] = moved(np.full((1, 2), (factor - 1) / 2), matrix)[0]
    from_result[:, :2] *= factor
    return result, from_result


def _reduced(pixels: Floats, size: tuple[int, int]) -> Floats:
    """Give a picture at a smaller size, by a Lanczos filter as wide as the reduction asks for."""
    from PIL import Image

    channels = [
        np.asarray(Image.fromarray(np.ascontiguousarray(pixels[..., i])).resize(size, Image.Resampling.LANCZOS))
        for i in range(pixels.shape[2])
    ]
    return np.stack(channels, axis=2)
