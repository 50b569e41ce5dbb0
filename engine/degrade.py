"""Making a damaged face from a good one, with a given random source.

The method's damage (blur, shrinking, noise, JPEG) is described in units of a 512 px face crop, as the paper's
released configuration does, and applied at whatever size the crop has: half the size, half the blur. Old-photo damage
(fading, scratches, grain) comes on top where asked for. Nothing here knows what the damage is for.
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
    out = _jpeg(out, damage.jpeg)
    out = cv2.resize(out, (w, h), interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.clip(out, 0, 1), dtype=np.float32)


def degrade(
    pixels: Pixels, rng: np.random.Generator, *, ranges: Ranges = METHOD, face_size: float | None = None
) -> Pixels:
    """Draw a damage of the method's kind and apply it; arguments as in `apply`."""
    return apply(pixels, draw(rng, ranges), rng, face_size=face_size)


def age(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Make a picture look like a print that lay in a drawer: faded, scratched, dusty, grainy.

    Args:
        pixels: `(H, W, 3)`, 0 to 1; not changed.
        rng: draws which of the four happen and how strongly.
    """
    out = pixels
    if rng.random() < 0.6:
        # Dyes fade unevenly: each channel loses contrast towards a light grey of its own.
        low, high = rng.uniform(0.0, 0.22, 3), rng.uniform(0.8, 1.0, 3)
        shared = rng.uniform(0.3, 1.0)
        low = low * (1 - shared) + low.mean() * shared
        high = high * (1 - shared) + high.mean() * shared
        out = np.asarray(low + out * (high - low), dtype=np.float32)
    if rng.random() < 0.5:
        out = _scratch(out, rng)
    if rng.random() < 0.6:
        out = _grain(out, rng)
    return np.asarray(np.clip(out, 0, 1), dtype=np.float32)


def _kernel(damage: Damage, unit: float) -> Pixels:
    sx, sy = max(damage.blur_x * unit, 1e-3), max(damage.blur_y * unit, 1e-3)
    half = max(1, round(20 * unit))  # the release's kernel is 41 px wide at 512
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float32)
    c, s = np.cos(damage.angle), np.sin(damage.angle)
    u, v = c * x + s * y, -s * x + c * y
    k = np.exp(-0.5 * ((u / sx) ** 2 + (v / sy) ** 2))
    return np.asarray(k / k.sum(), dtype=np.float32)


def _jpeg(pixels: Pixels, quality: int) -> Pixels:
    import cv2

    bgr = (np.clip(pixels, 0, 1) * 255 + 0.5).astype(np.uint8)[..., ::-1]
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    back: Any = cv2.imdecode(data, cv2.IMREAD_COLOR)
    return np.asarray(back[..., ::-1], dtype=np.float32) / np.float32(255)


def _scratch(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    import cv2

    h, w = pixels.shape[:2]
    veil: Any = np.zeros((h, w), np.float32)
    for _ in range(int(rng.integers(1, 5))):
        start, end = rng.uniform(-0.2, 1.2, 2) * w, rng.uniform(-0.2, 1.2, 2) * w
        bend = rng.normal(0, 0.06 * w, 2)
        t = np.linspace(0, 1, 40)[:, None]
        line = (1 - t) * start + t * end + np.sin(t * np.pi) * bend
        thick = max(1, round(float(rng.uniform(0.5, 2.5)) * h / 256))
        cv2.polylines(veil, [np.round(line * 16).astype(np.int32)], False, 1.0, thick, cv2.LINE_AA, 4)
    for _ in range(int(rng.integers(0, 12))):
        x, y = rng.uniform(0, w), rng.uniform(0, h)
        cv2.circle(
            veil, (round(x * 16), round(y * 16)), round(float(rng.uniform(0.4, 2.0)) * h / 256 * 16), 1.0, -1, 8, 4
        )
    tone = np.float32(rng.choice([rng.uniform(0.75, 1.0), rng.uniform(0.0, 0.2)], p=[0.75, 0.25]))
    veil = np.clip(veil, 0, 1)[..., None] * np.float32(rng.uniform(0.5, 1.0))
    return np.asarray(pixels * (1 - veil) + tone * veil, dtype=np.float32)


def _grain(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    import cv2

    h, w = pixels.shape[:2]
    grain: Any = cv2.GaussianBlur(
        rng.standard_normal((h, w), dtype=np.float32), (0, 0), float(rng.uniform(0.4, 1.2)) * h / 256
    )
    grain = grain / (grain.std() + 1e-6) * float(rng.uniform(0.01, 0.06))
    return np.asarray(pixels + grain[..., None], dtype=np.float32)
