"""The only place where pixels change their type, range or size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

Bytes = NDArray[np.uint8]
"""Samples of 8 bits: 0 to 255, (H, W) grey or (H, W, 3) RGB."""
Samples = NDArray[np.uint8 | np.uint16]
"""As in a file: 0 to 255, or 0 to 65535 where it is deeper; (H, W) grey or (H, W, 3) RGB."""
Pixels = NDArray[np.float32]
"""Outside networks: sRGB, 0 to 1, (H, W, 3), RGB."""
Mask = NDArray[np.float32]
"""0 (not at all) to 1 (wholly), (H, W)."""


ROWS_AT_ONCE = 1 << 20
"""Pixels of one block of rows; a block's temporaries as float32 RGB take some 12 MB each."""


def to_uint8(pixels: Pixels) -> Bytes:
    """Quantise pixels, rounded to the nearest of 256 levels; what lies outside 0 to 1 is clipped.

    Raises:
        ValueError: a pixel is not a number, which a network gives when its numbers overflow.
    """
    return _quantised(pixels, 255).astype(np.uint8)


def from_uint8(samples: Bytes) -> Pixels:
    """Give pixels of the same shape, 0 to 1; `to_uint8` gives the samples back exactly."""
    return samples.astype(np.float32) / np.float32(255)


def to_uint16(pixels: Pixels) -> NDArray[np.uint16]:
    """Quantise pixels, rounded to the nearest of 65536 levels; what lies outside 0 to 1 is clipped.

    Raises:
        ValueError: a pixel is not a number.
    """
    return _quantised(pixels, 65535).astype(np.uint16)


def from_samples(samples: Samples) -> Pixels:
    """Give samples of either depth as numbers of the same shape, 0 to 1; `to_samples` gives them back exactly."""
    return samples.astype(np.float32) / np.float32(most(samples))


def to_samples(values: Pixels, like: Samples) -> Samples:
    """Quantise numbers of 0 to 1 to the depth of other samples.

    Raises:
        ValueError: one is not a number.
    """
    return to_uint16(values) if like.dtype == np.uint16 else to_uint8(values)


def most(samples: Samples) -> int:
    """Give the level that means white: 255 or 65535."""
    return 65535 if samples.dtype == np.uint16 else 255


def at_depth(samples: Samples, bits: int) -> Samples:
    """Give samples with 8 or 16 bits: deeper ones exactly (times 257), shallower ones rounded, without dither."""
    if samples.dtype == np.uint8:
        return samples if bits == 8 else samples.astype(np.uint16) * np.uint16(257)
    if bits == 16:
        return samples
    made = np.empty(samples.shape, np.uint8)
    for rows in row_blocks(samples.shape):
        made[rows] = (samples[rows].astype(np.uint32) + 128) // 257
    return made


def row_blocks(shape: tuple[int, ...]) -> Iterator[slice]:
    """Give the rows of a picture (H, W, ...) in blocks of about `ROWS_AT_ONCE` pixels."""
    step = max(1, ROWS_AT_ONCE // max(1, shape[1]))
    for start in range(0, shape[0], step):
        yield slice(start, min(start + step, shape[0]))


def _quantised(pixels: Pixels, levels: int) -> Pixels:
    if not np.isfinite(pixels).all():
        raise ValueError("pixels must be finite numbers, found NaN or infinity")
    return np.rint(np.clip(pixels, 0.0, 1.0) * np.float32(levels))


def to_tensor(pixels: Pixels) -> torch.Tensor:
    """Give pixels (H, W, 3) as a network takes them: float32 (1, 3, H, W), -1 to 1, on the CPU."""
    import torch

    if pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ValueError(f"pixels must be (H, W, 3), got {pixels.shape}")
    scaled = pixels.astype(np.float32) * np.float32(2) - np.float32(1)
    return torch.from_numpy(np.ascontiguousarray(scaled.transpose(2, 0, 1)[None]))


def from_tensor(tensor: torch.Tensor) -> Pixels:
    """Give pixels (H, W, 3) of a tensor (1, 3, H, W) in -1 to 1, from any device and precision; clipped to 0 to 1."""
    import torch

    if tensor.ndim != 4 or tuple(tensor.shape[:2]) != (1, 3):
        raise ValueError(f"tensor must be (1, 3, H, W), got {tuple(tensor.shape)}")
    values: Pixels = tensor.detach()[0].permute(1, 2, 0).to("cpu", torch.float32).numpy()
    return np.ascontiguousarray(np.clip(values * np.float32(0.5) + np.float32(0.5), 0.0, 1.0))


def resize(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Give pixels or a mask at another size: the mean over the area where it shrinks, bicubic where it grows.

    Args:
        pixels: (H, W, 3) or (H, W), 0 to 1.
        size: (width, height) in px; each side is shrunk or enlarged on its own.

    Returns:
        A new array, clipped to 0 to 1, since bicubic overshoots at edges. The picture's borders stay its borders, so
        nothing shifts.
    """
    import cv2

    if min(size) < 1:
        raise ValueError(f"size must be at least 1 x 1 px, got {size}")
    height, width = pixels.shape[:2]
    shrunk = (min(width, size[0]), min(height, size[1]))
    result = pixels.astype(np.float32)
    # Shrinking first: bicubic would skip pixels on the side that shrinks, and area averaging would draw blocks on the
    # side that grows.
    if shrunk != (width, height):
        result = np.asarray(cv2.resize(result, shrunk, interpolation=cv2.INTER_AREA), np.float32)
    if shrunk != size:
        result = np.asarray(cv2.resize(result, size, interpolation=cv2.INTER_CUBIC), np.float32)
    return np.clip(result, 0.0, 1.0)
