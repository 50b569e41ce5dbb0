"""Setting one inner face into another head: its shape, its skin, its expression, the head's turn and its light.

All of it happens over the mean shape of a `Group`, through one map from the output, so that each portrait is
interpolated once. Sizes are px of a portrait of `SIDE`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.evaluation import morph
from engine.evaluation.morph import Flow, Map, Pixels
from engine.evaluation.portraits import Group, ellipse, seen

HEAD_CENTRE = (192.0, 218.0)
HEAD_RADII = (122.0, 178.0)
"""Half the width and height of the head that turns; hair and neck included."""
HEAD_DEPTH = 98.0
"""How far the middle of the face stands before the ears."""
NOSE = (192.0, 238.0)
NOSE_DEPTH = 20.0
"""How far the tip of the nose stands before the face."""


@dataclass(frozen=True)
class Inner:
    """Three portraits whose morph is a face."""

    names: tuple[str, ...]
    low: tuple[float, ...]
    """Share of each in tones and shape; sum 1."""
    high: tuple[float, ...]
    """Share of each in detail; sum 1."""
    drawn_out: float = 1.0
    """How far the shape goes beyond the three's mean, seen from the mean shape of the group; 1 would not go."""

    def shape(self, faces: Group) -> Flow:
        """Return the face's shape, a flow over the mean shape."""
        mixed = np.sum([w * faces.flows[n] for w, n in zip(self.low, self.names, strict=True)], axis=0)
        return np.asarray(mixed * self.drawn_out, dtype=np.float32)

    def skin(self, faces: Group, place: Map, *, scale: float) -> Pixels:
        """Return the face's pixels.

        Args:
            faces: where the three are.
            place: map from the output to the mean shape.
            scale: output px per px of a portrait.
        """
        three = [seen(faces, name, place) for name in self.names]
        return morph.blend(three, self.low, self.high, sigma=4 * scale, gain=1.2)


def set_in(head: Pixels, inner: Pixels, mask: NDArray[np.float32], *, sigma: float, strength: float = 0.9) -> Pixels:
    """Set an inner face into a head, in the head's light.

    Args:
        head: `(H, W, 3)`.
        inner: like `head`.
        mask: `(H, W)`, 1 where the inner face is, soft at its rim.
        sigma: px; what is coarser than this is light and comes from the head.
        strength: how much of the head's light is taken, 0 to 1.
    """
    lit = morph.relight(inner, head, mask, sigma=sigma, strength=strength)
    return np.asarray(head + (lit - head) * mask[..., None], dtype=np.float32)


def opened(inner: Pixels, mouths: Sequence[Pixels], place: Map, *, scale: float) -> Pixels:
    """Return an inner face with another mouth, as one that shows its teeth, toned like the skin round it.

    Args:
        inner: `(H, W, 3)`.
        mouths: pictures of the other mouths, like `inner`, in one shape with it; the first leads in the detail.
        place: map from the output to the mean shape.
        scale: output px per px of a portrait.
    """
    rest = (len(mouths) - 1) or 1
    low = [0.5, *[0.5 / rest] * rest][: len(mouths)]
    high = [0.8, *[0.2 / rest] * rest][: len(mouths)]
    mouth = morph.blend(mouths, low, high, sigma=3 * scale, gain=1.1)
    mask = np.clip(morph.sample(ellipse((192, 284), (54, 34), 6), place, smooth=False), 0, 1)
    wide = np.clip(morph.sample(ellipse((192, 284), (64, 44), 4), place, smooth=False), 0, 1)
    # Teeth and lips have tones of their own: only the skin round them says how the light differs.
    rim = np.asarray(np.clip(wide - mask, 0, 1), np.float32)
    toned = mouth + morph.blur_within(inner - mouth, rim, 14 * scale)
    return np.asarray(inner + (toned - inner) * mask[..., None], dtype=np.float32)


def turned(place: Map, *, yaw: float, pitch: float) -> Map:
    """Turn the head in a map to the template, as a shallow half ellipsoid with a nose turns.

    Args:
        place: map from the output to the template.
        yaw: degrees to the right of the picture; up to some 20 look right.
        pitch: degrees down.

    Returns:
        Like `place`; far from the head nothing moves.
    """
    start = place
    right, down = np.deg2rad(yaw), np.deg2rad(pitch)
    source = start
    for _ in range(12):
        offset = source - np.array(HEAD_CENTRE)
        depth = head_depth(source)[..., None]
        near = np.clip(1.6 - np.hypot(*np.moveaxis(offset / np.array(HEAD_RADII), -1, 0)), 0, 0.6)[..., None] / 0.6
        flat = offset * np.array([np.cos(right) - 1, np.cos(down) - 1])
        moved = flat * near + depth * np.array([np.sin(right), np.sin(down)])
        source = start - moved
    return np.asarray(source, dtype=np.float32)


def head_depth(places: Map) -> NDArray[np.float32]:
    """Return how far a head stands out before its outline, px, at places `(..., 2)` of the template."""
    across = (places - np.array(HEAD_CENTRE)) / np.array(HEAD_RADII)
    ball = np.clip(1 - (across**2).sum(-1), 0, 1)
    nose = (places - np.array(NOSE)) / np.array([17.0, 24.0])
    return np.asarray(HEAD_DEPTH * ball + NOSE_DEPTH * np.exp(-(nose**2).sum(-1) / 2), dtype=np.float32)


def shade(places: Map, towards: tuple[float, float], *, scale: float) -> NDArray[np.float32]:
    """Return the gain that light from one side gives a head, `(H, W, 1)`, about 1 straight before it.

    Args:
        places: map from the output to the template, as the head is turned.
        towards: where the light comes from, right and down, tangents; (0, 0) changes nothing.
        scale: output px per px of a portrait.
    """
    depth = morph.blur(head_depth(places), 5 * scale) * np.float32(scale)
    down, right = np.gradient(depth)
    straight_on = np.sqrt(right**2 + down**2 + 1) * np.sqrt(1 + towards[0] ** 2 + towards[1] ** 2)
    gain = 1 - (right * towards[0] + down * towards[1]) / straight_on
    return np.asarray(np.clip(gain, 0.35, 1.6)[..., None], dtype=np.float32)
