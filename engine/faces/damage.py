"""How damaged a face is, estimated from its crop alone: softness, noise, compression; in numbers and in a sentence.

The estimate is a linear one, on logarithms of how strong each octave of detail is in flat, middling and busy places,
and of what stands out on a grid. Its weights are `damage_table`'s, which `engine.evaluation.damage_table` makes from
faces damaged in known ways.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.faces import damage_table as table
from engine.images import Pixels, resize

MEASURED_SIZE = 256
"""Side in px of the crop on which damage is measured; lengths are counted in its pixels."""
LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in luma, ITU-R BT.601."""
SHARP_BLUR = 0.68
"""Standard deviation in px of the Gaussian blur that leaves a tenth of the contrast at the finest detail a picture can
hold: exp(-2 (pi s / 2)^2) = 0.1. A blur `b` leaves what a picture `b / SHARP_BLUR` times smaller can hold."""
EYES_APART = 125.92 / 512
"""Eye distance over the side of the crop, by the FFHQ template."""
OCTAVES = 3.0
"""Lost octaves of detail that count as wholly damaged: an eighth of the resolution, the method's worst."""
WORST_NOISE = 34.0
"""Noise that counts as wholly damaged: of the method's worst, 20, `engine.degrade` says 0.6."""
UNSEEN_BLUR = 1.1
"""Estimated blur up to which a face counts as sharp: 99 % of sharp faces have up to 0.74."""
UNSEEN_NOISE = 3.0
"""Estimated noise up to which a face counts as clean: camera photos have 2.8 to 4.2."""
UNSEEN_JPEG = 85
"""Estimated JPEG quality from which compression does not count as seen: of the faces that ship, saved at quality 92 or
so, 95 % have 85 and more."""
UNSEEN_CLIPPED = 0.35
"""Share of the face without drawing up to which nobody would call it washed out: 27 of 28 plain photos have 0.013 at
most, a very dark one 0.24; of 48 scans of old photos three have 0.49 to 0.71."""
UNSEEN_CONTRAST = 0.3
"""Contrast from which on nobody would call a face faded; 28 plain photos have 0.36 and more."""
WHITE = 0.985
WORN = 0.15
"""Severity of a face that is washed out or faded and has no other damage."""

OUTSIDE_NOTE = "Only faces are restored: scratches, tears and stains outside them stay as they are."
"""Shown beside every result."""

_RING_EDGES = (0.02, 0.03, 0.045, 0.065, 0.09, 0.125, 0.17, 0.23, 0.3, 0.4, 0.5)  # cycles per px
_AXIS_EDGES = ((0.05, 0.12), (0.12, 0.25), (0.25, 0.5))
_PERIODS = np.exp(np.linspace(np.log(8), np.log(34), 60))  # px: JPEG's 8, and that enlarged up to four times


@dataclass(frozen=True)
class SeenDamage:
    """What was seen of a face's damage."""

    blur: float
    """Softness from any cause as the standard deviation of a Gaussian, px of a crop of `MEASURED_SIZE`; 0.4 to about 6.
    Up to `UNSEEN_BLUR` the face is sharp."""
    noise: float
    """Standard deviation of noise or grain, of 255, in the pixels that the photo had before it was enlarged."""
    jpeg: int | None
    """JPEG quality, 1 to 100; None when no compression shows."""
    resolution_px: float
    """Side of the smallest crop that could hold all detail there is; at most the crop's own and the photo's own."""
    severity: float
    """0 nothing to restore to 1 the worst that restorers are trained for."""
    clipped: float = 0.0
    """Share of the middle of the face that is as bright as white or as dark as black, without any drawing."""
    contrast: float = 1.0
    """Brightness from the darkest to the lightest fiftieth of the middle of the face, 0 to 1."""

    @property
    def eye_distance_px(self) -> float:
        """Eye distance in a crop of `resolution_px`: how large a sharp face with as much detail would be."""
        return self.resolution_px * EYES_APART

    @property
    def words(self) -> str:
        """What was seen, as one sentence for a screen."""
        seen: list[str] = []
        if self.blur > UNSEEN_BLUR:
            seen.append(f"blurred (about {self.blur:.0f} px)" if self.blur >= 1.5 else "slightly soft")
        if self.noise > UNSEEN_NOISE:
            seen.append(f"noisy (about {self.noise:.0f} of 255)" if self.noise >= 6 else "slightly noisy")
        if self.jpeg is not None:
            seen.append(f"JPEG blocks (about quality {self.jpeg})")
        if self.clipped > UNSEEN_CLIPPED:
            seen.append(f"washed out ({self.clipped:.0%} of the face without drawing)")
        if self.contrast < UNSEEN_CONTRAST:
            seen.append(f"faded ({self.contrast:.0%} of the range from black to white)")
        if not seen and self.severity > 0:
            seen.append(f"small (detail for {self.eye_distance_px:.0f} px between the eyes)")
        if not seen:
            return "No damage seen: sharp and clean."
        told = seen[0] if len(seen) == 1 else f"{', '.join(seen[:-1])} and {seen[-1]}"
        return f"{told[0].upper()}{told[1:]}."

    def to_json(self) -> dict[str, Any]:
        """Give the numbers and the sentence as JSON has them."""
        return {**asdict(self), "words": self.words}


def estimate_damage(crop_pixels: Pixels, native_scale: float = 1.0) -> SeenDamage:
    """Estimate how damaged a face is.

    Args:
        crop_pixels: an aligned crop, `(size, size, 3)`, 0 to 1; not changed.
        native_scale: `FaceCrop.scale`: pixels of the crop per pixel of the photo.

    Raises:
        ValueError: the crop is not square.
    """
    if crop_pixels.ndim != 3 or crop_pixels.shape[0] != crop_pixels.shape[1] or crop_pixels.shape[2] != 3:
        raise ValueError(f"an aligned face must be (size, size, 3), got {crop_pixels.shape}")
    size = crop_pixels.shape[0]
    seen = features(resize(crop_pixels, (MEASURED_SIZE, MEASURED_SIZE)))
    scores = np.array(table.WEIGHTS) @ np.clip(seen, table.LOW, table.HIGH) + np.array(table.BIAS)
    blur = float(np.clip(np.exp(scores[0]) - table.BLUR_SHIFT, 0.4, 10.0))
    noise = float(np.clip(np.exp(scores[1]) - table.NOISE_SHIFT, 0.0, 60.0))
    quality = round(float(np.clip(table.JPEG_TOP - np.exp(scores[2]), 1.0, 100.0)))
    jpeg = quality if quality < UNSEEN_JPEG else None
    held = MEASURED_SIZE * min(1.0, SHARP_BLUR / blur) if blur > UNSEEN_BLUR else float(max(size, MEASURED_SIZE))
    resolution = min(held, size / max(native_scale, 1e-6), float(size))
    lost = float(np.log2(max(blur / SHARP_BLUR, native_scale, 1.0)))
    clipped, contrast = _light(crop_pixels)
    severity = _severity(lost, noise, jpeg)
    if clipped > UNSEEN_CLIPPED or contrast < UNSEEN_CONTRAST:
        severity = max(severity, WORN)
    return SeenDamage(round(blur, 2), round(noise, 1), jpeg, round(resolution, 1), severity, clipped, contrast)


def detail_share(damage: SeenDamage) -> float:
    """Give how much of a photo's own fine detail deserves to be kept: 1 in a clean face, 0 in a damaged one.

    For `patch.keep_detail` and `softness.with_detail`, which besides measure the noise in that detail themselves.
    """
    noisy = (damage.noise - UNSEEN_NOISE) / 9.0
    blocky = 0.0 if damage.jpeg is None else (UNSEEN_JPEG - damage.jpeg) / 40.0
    return float(np.clip(1.0 - max(noisy, blocky), 0.0, 1.0))


def features(pixels: Pixels) -> NDArray[np.float64]:
    """Give what the estimate looks at in a crop of `MEASURED_SIZE`, `(55,)`; the outer eighth of it is not looked at.

    Args:
        pixels: `(MEASURED_SIZE, MEASURED_SIZE, 3)`, 0 to 1.
    """
    import cv2

    scaled = pixels * np.float32(255)
    luma = scaled @ np.array(LUMA, np.float32)
    blue, red = (scaled[..., 2] - luma) * np.float32(0.564), (scaled[..., 0] - luma) * np.float32(0.713)
    edge = MEASURED_SIZE // 8
    middle = slice(edge, MEASURED_SIZE - edge), slice(edge, MEASURED_SIZE - edge)
    found: list[float] = []
    for plane, octaves in ((luma, 5), (blue, 4), (red, 4)):
        for band in _octaves(plane, octaves):
            strength = np.asarray(cv2.blur(band * band, (16, 16)))[middle][::8, ::8]
            found += np.log(np.percentile(strength, [10, 50, 90]) + 1e-2).tolist()
    return np.array(found + _spectrum(luma[middle]) + _grid(luma), np.float64)


def _light(pixels: Pixels) -> tuple[float, float]:
    """Give how much of the middle of a face is clipped, and its contrast."""
    edge = pixels.shape[0] // 4
    middle = pixels[edge:-edge, edge:-edge] @ np.array(LUMA, np.float32)
    clipped = float(((middle > WHITE) | (middle < 1 - WHITE)).mean())
    dark, light = (float(v) for v in np.percentile(middle, [2, 98]))
    return round(clipped, 3), round(light - dark, 3)


def _severity(lost_octaves: float, noise: float, jpeg: int | None) -> float:
    unseen = float(np.log2(UNSEEN_BLUR / SHARP_BLUR))
    soft = (lost_octaves - unseen) / (OCTAVES - unseen)
    noisy = (noise - UNSEEN_NOISE) / (WORST_NOISE - UNSEEN_NOISE)
    blocky = 0.0 if jpeg is None else (UNSEEN_JPEG - jpeg) / 100
    return round(float(np.clip(max(soft, noisy, blocky), 0.0, 1.0)), 3)


def _octaves(plane: Any, count: int) -> list[Any]:
    """Give the finest octaves of a plane: an undecimated wavelet of 3-tap binomials."""
    import cv2

    bands: list[Any] = []
    for level in range(count):
        gap = 2**level
        taps = np.zeros(2 * gap + 1, np.float32)
        taps[[0, gap, 2 * gap]] = 0.25, 0.5, 0.25
        smoother = cv2.sepFilter2D(plane, -1, taps, taps, borderType=cv2.BORDER_REFLECT)
        bands.append(plane - smoother)
        plane = smoother
    return bands


def _spectrum(plane: Any) -> list[float]:
    """Give how strong each ring of frequencies is, and how much more on the axes, where blocks and stretching lie."""
    side = plane.shape[0]
    window = np.hanning(side)[:, None] * np.hanning(side)[None, :]
    power = np.abs(np.fft.fft2((plane - plane.mean()) * window)) ** 2 / (window**2).sum()
    down, across = np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side)[None, :]
    radius = np.hypot(down, across)
    on_axis = (np.abs(down) < 2 / side) | (np.abs(across) < 2 / side)
    rings = [
        float(np.log(power[(radius >= low) & (radius < high)].mean() + 1e-3)) for low, high in pairwise(_RING_EDGES)
    ]
    for low, high in _AXIS_EDGES:
        ring = (radius >= low) & (radius < high)
        rings.append(float(np.log((power[ring & on_axis].mean() + 1e-3) / (power[ring & ~on_axis].mean() + 1e-3))))
    return rings


def _grid(luma: Any) -> list[float]:
    """Give how much bends of brightness gather on a grid: the strongest period, over the usual, and period 8."""
    import cv2

    fine = 1024
    harmonics = np.rint(np.arange(1, 5)[None, :] * fine / _PERIODS[:, None]).astype(int)
    strengths = np.zeros(len(_PERIODS))
    for plane in (luma, luma.T):
        bend = np.abs(2 * plane[:, 1:-1] - plane[:, :-2] - plane[:, 2:])
        bend = np.minimum(bend, np.percentile(bend, 90))  # the face's own edges are no grid
        profile = np.asarray(bend.mean(axis=0), np.float32)
        level = np.asarray(cv2.blur(profile[None], (33, 1)))[0]
        standing_out = (profile - level) / (bend.mean() + 0.05)
        wave = np.abs(np.fft.rfft(standing_out * np.hanning(len(standing_out)), fine))
        strengths += np.where(harmonics < len(wave), wave[np.minimum(harmonics, len(wave) - 1)], 0).mean(axis=1) / 2
    strongest = float(strengths.max())
    return [strongest, float(np.log((strongest + 1e-3) / (np.median(strengths) + 1e-3))), float(strengths[0])]
