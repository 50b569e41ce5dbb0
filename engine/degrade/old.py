"""What decades, printing presses, dim rooms and bad scans do to a photo of a face.

Sizes are in px of a 256 px face crop and grow with the face, so that a cut-out of a crop is damaged like the crop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.degrade.method import Pixels, compressed

FACE_SIZE = 256
"""Side in px of the face crop that sizes here count in."""

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of red, green and blue in brightness, ITU-R BT.601."""

CHANCE = MappingProxyType(
    {
        "fading": 0.45,
        "low light": 0.15,
        "grain": 0.4,
        "copying": 0.1,
        "halftone": 0.12,
        "scratches": 0.35,
        "dust": 0.35,
        "jpeg": 0.25,
    }
)
"""How often `age` draws each kind, in the order in which they happen to a photo."""


def age(pixels: Pixels, rng: np.random.Generator, *, face_size: float | None = None) -> Pixels:
    """Make a picture look like a print that lay in a drawer and was scanned: one or more kinds, drawn by `CHANCE`.

    Args:
        pixels: `(H, W, 3)`, 0 to 1; not changed.
        rng: draws which kinds happen and how strongly.
        face_size: side in px that the whole face crop has in this picture; the picture's height if not given.

    Returns:
        Like `pixels`.
    """
    drawn = [kind for kind, chance in CHANCE.items() if rng.random() < chance]
    out = pixels
    for kind in drawn or [str(rng.choice(list(CHANCE)))]:
        out = aged(out, kind, rng, face_size=face_size)
    return out


def aged(pixels: Pixels, kind: str, rng: np.random.Generator, *, face_size: float | None = None) -> Pixels:
    """Apply one of `KINDS`, drawn within its range; arguments else as in `age`.

    Raises:
        KeyError: there is no such kind.
    """
    made = KINDS[kind](pixels, rng, (face_size or pixels.shape[0]) / FACE_SIZE)
    return np.asarray(np.clip(made, 0, 1), np.float32)


def toned(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Give a picture grey in one tone, as sepia, selenium or blue toning make it: shadows and lights lean apart.

    Args:
        pixels: `(H, W, 3)`, 0 to 1; not changed.
        rng: draws the tone; four of five are warm.
    """
    grey = (pixels @ LUMA)[..., None]
    lean = np.array([1.0, 0.25, -1.0] if rng.random() < 0.8 else [-0.6, 0.0, 1.0], np.float32)
    strength = float(rng.uniform(0.02, 0.12))
    # No lean in pure black and white, where there is no room for one.
    return np.asarray(np.clip(grey + lean * strength * 4 * grey * (1 - grey), 0, 1), np.float32)


def _fading(pixels: Pixels, rng: np.random.Generator, scale: float) -> Pixels:
    """Dyes bleach each at its own pace: every channel loses contrast and bends along a curve of its own."""
    del scale
    shared = float(rng.uniform(0.3, 1.0))

    def drawn(low: float, high: float) -> NDArray[np.float32]:
        each = rng.uniform(low, high, 3)
        return np.asarray(each * (1 - shared) + each.mean() * shared, np.float32)

    black, white, bend = drawn(0.0, 0.25), drawn(0.78, 1.0), np.exp(drawn(-0.35, 0.35))
    return np.asarray(black + np.clip(pixels, 0, 1) ** bend * (white - black), np.float32)


def _low_light(pixels: Pixels, rng: np.random.Generator, scale: float) -> Pixels:
    """Too little light on the film or sensor: darker, a warm cast, noise that grows with the light (Poisson)."""
    del scale
    gain = float(rng.uniform(0.25, 0.7)) * np.array([1.0, rng.uniform(0.85, 1.0), rng.uniform(0.65, 1.0)], np.float32)
    linear = np.clip(pixels, 0, 1) ** np.float32(2.2) * gain
    photons = float(np.exp(rng.uniform(np.log(60), np.log(1500))))
    noisy = linear + rng.standard_normal(pixels.shape, dtype=np.float32) * np.sqrt(linear / photons + 1e-6)
    lifted = np.clip(noisy * float(rng.uniform(1.0, 1.8)), 0, 1)
    return np.asarray(lifted ** np.float32(1 / 2.2), np.float32)


def _grain(pixels: Pixels, rng: np.random.Generator, scale: float) -> Pixels:
    """Silver or dye clumps: soft-edged, seen most in the middle tones; three layers in a third of the films."""
    import cv2

    height, width = pixels.shape[:2]
    layers = 3 if rng.random() < 0.33 else 1
    size = float(rng.uniform(0.4, 1.3)) * scale
    # OpenCV drops a last axis of one.
    clumps: Any = cv2.GaussianBlur(rng.standard_normal((height, width, layers), dtype=np.float32), (0, 0), size)
    clumps = clumps.reshape(height, width, layers)
    clumps = clumps / (clumps.std() + 1e-6) * float(rng.uniform(0.015, 0.075))
    tone = np.clip(pixels @ LUMA, 0, 1)[..., None]
    return np.asarray(pixels + clumps * (0.35 + 2.6 * tone * (1 - tone)), np.float32)


def _copying(pixels: Pixels, rng: np.random.Generator, scale: float) -> Pixels:
    """A copy of a copy: lights and shadows run out, and the shadows break up into specks."""
    import cv2

    gain, middle = float(rng.uniform(1.25, 2.2)), float(rng.uniform(0.3, 0.55))
    specks: Any = cv2.GaussianBlur(rng.standard_normal(pixels.shape[:2], dtype=np.float32), (0, 0), 0.5 * scale)
    specks = specks / (specks.std() + 1e-6) * float(rng.uniform(0.0, 0.12))
    dark = np.clip(1 - (pixels @ LUMA) / 0.6, 0, 1)
    return np.asarray(0.5 + (pixels - middle) * gain + (specks * dark)[..., None], np.float32)


def _halftone(pixels: Pixels, rng: np.random.Generator, scale: float) -> Pixels:
    """Print in dots: one screen at 45 degrees for grey, one for each ink at its own angle for colour; then scan it.

    The dots of a screen are the level lines of two crossed cosines; their share of the area is made to equal the tone
    by ranking the cosines' values.
    """
    import cv2

    height, width = pixels.shape[:2]
    pitch = float(rng.uniform(2.2, 4.5)) * scale
    grey = float(np.ptp(pixels, axis=2).mean()) < 0.02  # a colour photo keeps its colour: that would be no damage
    turn = float(rng.uniform(-0.08, 0.08))
    angles = [np.pi / 4] if grey else [np.deg2rad(a) for a in (15, 75, 0)]
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    inks = (pixels @ LUMA)[..., None] if grey else pixels
    steps = np.linspace(0, np.pi, 64)
    levels = np.sort((np.cos(steps)[:, None] + np.cos(steps)[None]).ravel())
    edge = float(rng.uniform(0.12, 0.3))
    printed: list[NDArray[np.float32]] = []
    for ink, angle in enumerate(angles):
        along, across = np.cos(angle + turn), np.sin(angle + turn)
        u = (columns * along + rows * across) * (2 * np.pi / pitch)
        v = (rows * along - columns * across) * (2 * np.pi / pitch)
        rank = np.interp(np.cos(u) + np.cos(v), levels, np.linspace(0, 1, levels.size)).astype(np.float32)
        printed.append(np.clip(0.5 + (inks[..., ink] - rank) / (2 * edge), 0, 1))
    dots: Any = cv2.GaussianBlur(np.stack(printed, axis=2), (0, 0), float(rng.uniform(0.22, 0.4)) * pitch)
    dots = dots.reshape(height, width, len(angles))
    paper = np.array([1.0, rng.uniform(0.94, 1.0), rng.uniform(0.85, 1.0)], np.float32) * float(rng.uniform(0.85, 1.0))
    ink_tone = float(rng.uniform(0.02, 0.18))
    return np.asarray(ink_tone + dots * (paper - ink_tone), np.float32)


def _scratches(pixels: Pixels, rng: np.random.Generator, scale: float) -> Pixels:
    """Lines of varying width and curvature, most of them down to the white of the paper, a few as dark creases."""
    import cv2

    height, width = pixels.shape[:2]
    out = pixels
    for _ in range(int(rng.integers(1, 6))):
        veil: Any = np.zeros((height, width), np.float32)
        start, end = rng.uniform(-0.2, 1.2, 2) * width, rng.uniform(-0.2, 1.2, 2) * height
        ends = np.array([[start[0], end[0]], [start[1], end[1]]])
        t = np.linspace(0.0, 1.0, 60)
        line = ends[0] + t[:, None] * (ends[1] - ends[0])
        normal = (ends[1] - ends[0])[::-1] * np.array([1, -1]) / (np.linalg.norm(ends[1] - ends[0]) + 1e-6)
        sway = np.zeros(60)
        for wave in (1, 2, 4):
            sway += rng.normal(0, 0.05 * width / wave) * np.sin(wave * np.pi * t + rng.uniform(0, np.pi))
        points: NDArray[np.int32] = np.round((line + sway[:, None] * normal) * 16).astype(np.int32)
        thick = float(rng.uniform(0.5, 2.6)) * scale
        swell = 1 + 0.6 * np.sin(np.linspace(0, float(rng.uniform(2, 9)), 59) + float(rng.uniform(0, 6)))
        for piece in range(59):
            wide = max(1, round(thick * float(swell[piece])))
            cv2.line(veil, points[piece].tolist(), points[piece + 1].tolist(), 1.0, wide, cv2.LINE_AA, 4)
        veil = cv2.GaussianBlur(veil, (0, 0), 0.5 * scale)[..., None] * np.float32(rng.uniform(0.4, 1.0))
        tone = np.float32(rng.uniform(0.75, 1.0) if rng.random() < 0.75 else rng.uniform(0.0, 0.25))
        out = out * (1 - veil) + tone * veil
    return np.asarray(out, np.float32)


def _dust(pixels: Pixels, rng: np.random.Generator, scale: float) -> Pixels:
    """Specks and short hairs that lay on the print or the glass, light or dark."""
    import cv2

    height, width = pixels.shape[:2]
    out = pixels
    for tone in (np.float32(rng.uniform(0.8, 1.0)), np.float32(rng.uniform(0.0, 0.2))):
        veil: Any = np.zeros((height, width), np.float32)
        for _ in range(int(rng.integers(0, 14))):
            x, y = round(float(rng.uniform(0, width)) * 16), round(float(rng.uniform(0, height)) * 16)
            size = max(8, round(float(np.exp(rng.uniform(np.log(0.4), np.log(2.2)))) * scale * 16))
            cv2.ellipse(veil, (x, y), (size, max(8, size // int(rng.integers(1, 4)))),
                        float(rng.uniform(0, 180)), 0.0, 360.0, 1.0, -1, cv2.LINE_AA, 4)  # fmt: skip
        for _ in range(int(rng.integers(0, 3))):
            at, heading = rng.uniform(0, [width, height]), float(rng.uniform(0, 2 * np.pi))
            bend = np.cumsum(rng.normal(0, 0.25, 14)) + heading
            hair = at + np.cumsum(np.stack([np.cos(bend), np.sin(bend)], 1) * 1.6 * scale, axis=0)
            cv2.polylines(veil, [np.round(hair * 16).astype(np.int32)], False, 1.0, max(1, round(0.8 * scale)),
                          cv2.LINE_AA, 4)  # fmt: skip
        veil = cv2.GaussianBlur(veil, (0, 0), 0.4 * scale)[..., None] * np.float32(rng.uniform(0.5, 1.0))
        out = out * (1 - veil) + tone * veil
    return np.asarray(out, np.float32)


def _strong_jpeg(pixels: Pixels, rng: np.random.Generator, scale: float) -> Pixels:
    """JPEG far below the method's range, as sent through old phones and chats, often twice and at another size."""
    import cv2

    height, width = pixels.shape[:2]
    shrink = float(rng.uniform(1.0, 2.0)) if rng.random() < 0.5 else 1.0
    small = max(16, round(width / shrink)), max(16, round(height / shrink))
    del scale
    out = np.asarray(cv2.resize(pixels, small, interpolation=cv2.INTER_AREA), np.float32)
    out = compressed(out, int(rng.integers(12, 45)))
    out = np.asarray(cv2.resize(out, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    return compressed(out, int(rng.integers(40, 80))) if rng.random() < 0.4 else out


KINDS: Mapping[str, Callable[[Pixels, np.random.Generator, float], Pixels]] = MappingProxyType(
    {
        "fading": _fading,
        "low light": _low_light,
        "grain": _grain,
        "copying": _copying,
        "halftone": _halftone,
        "scratches": _scratches,
        "dust": _dust,
        "jpeg": _strong_jpeg,
    }
)
"""What each kind does: takes pixels `(H, W, 3)`, 0 to 1, a random source and the face's size over `FACE_SIZE`."""
