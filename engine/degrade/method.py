"""The method's damage: blur, shrinking, noise and JPEG, in the order and the ranges of the paper's release.

It is described in units of a 512 px face crop, as the released configuration does, and applied at whatever size the
crop has: half the size, half the blur.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.float32]

REFERENCE_SIZE = 512
"""Side in px of the face crop whose pixels `Damage` counts in."""


@dataclass(frozen=True)
class Ranges:
    """Where each kind of damage is drawn from, uniformly.

    Source: personalized-restoration@4d88c10 configs/dataset/face_train.yml, equal to DiffBIR v1's face training.
    """

    blur: tuple[float, float] = (0.1, 10.0)
    """Standard deviation of the Gaussian blur, px of a 512 px crop."""
    shrink: tuple[float, float] = (0.8, 8.0)
    """How many times smaller the picture becomes before it is enlarged again; below 1 it is enlarged first."""
    noise: tuple[float, float] = (0.0, 20.0)
    """Standard deviation of Gaussian colour noise, of 255."""
    jpeg: tuple[int, int] = (60, 100)
    """JPEG quality."""


METHOD = Ranges()


@dataclass(frozen=True)
class Damage:
    """One drawn damage of the method's kind; units as in `Ranges`."""

    blur_x: float
    blur_y: float
    angle: float
    """Direction of the first blur axis, radians."""
    shrink: float
    noise: float
    jpeg: int

    @property
    def strength(self) -> float:
        """How heavy the damage is, 0 (none) to about 1 (the worst of the method's ranges)."""
        blur = max(self.blur_x, self.blur_y) / METHOD.blur[1]
        shrink = max(0.0, self.shrink - 1) / (METHOD.shrink[1] - 1)
        return float(max(blur, shrink, self.noise / METHOD.noise[1] * 0.6))


def draw(rng: np.random.Generator, ranges: Ranges = METHOD) -> Damage:
    """Draw one damage; half of the blurs are round, half stretched in a random direction."""
    blur_x = float(rng.uniform(*ranges.blur))
    stretched = rng.random() < 0.5
    blur_y, angle = float(rng.uniform(*ranges.blur)), float(rng.uniform(-np.pi, np.pi))
    return Damage(
        blur_x=blur_x,
        blur_y=blur_y if stretched else blur_x,
        angle=angle if stretched else 0.0,
        shrink=float(rng.uniform(*ranges.shrink)),
        noise=float(rng.uniform(*ranges.noise)),
        jpeg=int(rng.uniform(*ranges.jpeg)),
    )


def apply(pixels: Pixels, damage: Damage, rng: np.random.Generator, *, face_size: float | None = None) -> Pixels:
    """Damage a picture.

    Args:
        pixels: `(H, W, 3)`, 0 to 1; not changed.
        damage: what to do.
        rng: source of the noise.
        face_size: side in px that the whole face crop has in this picture; the picture's height if not given. A cut-out
            of a crop passes the crop's own side.

    Returns:
        Like `pixels`.
    """
    import cv2

    h, w = pixels.shape[:2]
    unit = (face_size or h) / REFERENCE_SIZE
    out: Any = cv2.filter2D(pixels, -1, _kernel(damage, unit), borderType=cv2.BORDER_REFLECT_101)
    small = max(8, round(w / max(damage.shrink * unit, 1e-6))), max(8, round(h / max(damage.shrink * unit, 1e-6)))
    # A crop below 512 px already holds fewer pixels than the shrunk 512 px one would at the mild end of the range;
    # enlarging it there would only cost time.
    small = min(small[0], w), min(small[1], h)
    out = cv2.resize(out, small, interpolation=cv2.INTER_LINEAR)
    out = out + rng.standard_normal(out.shape, dtype=np.float32) * (damage.noise / 255)
    out = compressed(out, damage.jpeg)
    out = cv2.resize(out, (w, h), interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.clip(out, 0, 1), dtype=np.float32)


def degrade(
    pixels: Pixels, rng: np.random.Generator, *, ranges: Ranges = METHOD, face_size: float | None = None
) -> Pixels:
    """Draw a damage of the method's kind and apply it; arguments as in `apply`."""
    return apply(pixels, draw(rng, ranges), rng, face_size=face_size)


def _kernel(damage: Damage, unit: float) -> Pixels:
    sx, sy = max(damage.blur_x * unit, 1e-3), max(damage.blur_y * unit, 1e-3)
    half = max(1, round(20 * unit))  # the release's kernel is 41 px wide at 512
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float32)
    c, s = np.cos(damage.angle), np.sin(damage.angle)
    u, v = c * x + s * y, -s * x + c * y
    k = np.exp(-0.5 * ((u / sx) ** 2 + (v / sy) ** 2))
    return np.asarray(k / k.sum(), dtype=np.float32)


def compressed(pixels: Pixels, quality: int) -> Pixels:
    """Give a picture after JPEG of a quality, 1 to 100; `(H, W, 3)`, 0 to 1."""
    import cv2

    bgr = (np.clip(pixels, 0, 1) * 255 + 0.5).astype(np.uint8)[..., ::-1]
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    back: Any = cv2.imdecode(data, cv2.IMREAD_COLOR)
    return np.asarray(back[..., ::-1], dtype=np.float32) / np.float32(255)
