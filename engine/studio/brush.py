"""The brush: where somebody painted on the photo, it stays as it was.

What is kept is what the hand did, in pixels of the photo, and not a picture of it: so it fits any output scale, takes a
few kilobytes of a result's provenance, and makes the same result again from it alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.errors import EngineError
from engine.images import Mask

HOWS = ("keep", "guard", "erase")
"""`keep`: the photo shows, with a soft edge. `guard`: the photo is not touched, up to a hard edge. `erase`: neither."""

MOST_STROKES = 500
MOST_POINTS = 20_000
"""Of all strokes together."""

RADIUS = (0.5, 5000.0)
"""Smallest and largest, px of the photo."""

FARTHEST = 1e6
"""Px from the photo's corner, beyond which a place is no place."""

SOFTNESS = 0.25
"""Standard deviation of a soft edge, in radii."""

COARSE = 12.0
"""Px that the radius of a soft stroke has where it is drawn: a soft edge needs no more, and a large one is cheap."""


class BadStroke(EngineError):
    """A stroke of the brush that cannot be."""


@dataclass(frozen=True)
class Stroke:
    """One stroke, from where the brush was put down to where it was lifted."""

    how: str
    """One of `HOWS`."""
    radius: float
    """Of the brush, in px of the upright photo."""
    points: tuple[tuple[float, float], ...]
    """Where it went, across and down from the upper left corner, in px of the upright photo."""


def read_strokes(values: Any) -> tuple[Stroke, ...]:
    """Read strokes as JSON has them: `how`, `radius` and `points`.

    Raises:
        BadStroke: they are none, or too many.
    """
    if not isinstance(values, list | tuple):
        raise BadStroke(f"The painted mask must be a list of strokes, got {type(values).__name__}.")
    given: Sequence[Any] = values
    if len(given) > MOST_STROKES:
        raise BadStroke(f"At most {MOST_STROKES} strokes are taken, got {len(given)}. Clear the mask and paint again.")
    read = tuple(value if isinstance(value, Stroke) else _stroke(value) for value in given)
    count = sum(len(stroke.points) for stroke in read)
    if count > MOST_POINTS:
        raise BadStroke(f"The strokes have {count} points, and {MOST_POINTS} are taken. Paint with a larger brush.")
    return read


def strokes_json(strokes: Sequence[Stroke]) -> list[dict[str, Any]]:
    """Give strokes as JSON has them, to a tenth of a px."""
    return [
        {
            "how": stroke.how,
            "radius": round(stroke.radius, 1),
            "points": [[round(x, 1), round(y, 1)] for x, y in stroke.points],
        }
        for stroke in strokes
    ]


class Painted:
    """Turns strokes into a mask; the last one is held, so that one stroke more costs one stroke. Not for threads."""

    def __init__(self) -> None:
        self._of: tuple[Any, tuple[Stroke, ...]] = (None, ())
        self._mask: Mask | None = None

    def over(self, strokes: Sequence[Stroke], place: tuple[slice, slice], scale: int = 1) -> Mask:
        """Give how much of the photo stays in a part of a result.

        Args:
            strokes: in the order in which they were painted.
            place: rows and columns of the result.
            scale: how many times larger than the photo the result is.

        Returns:
            `(rows, columns)`, 0 to 1; not to be changed.
        """
        strokes = tuple(strokes)
        where = (place[0].start, place[0].stop, place[1].start, place[1].stop, scale)
        known, before = self._of
        if known == where and self._mask is not None and strokes[: len(before)] == before:
            mask, new = self._mask, strokes[len(before) :]
        else:
            mask, new = np.zeros((where[1] - where[0], where[3] - where[2]), np.float32), strokes
        for stroke in new:
            drawn = _drawn(stroke, (where[2], where[0]), mask.shape, scale)
            mask = mask * (1 - drawn) if stroke.how == "erase" else np.maximum(mask, drawn)
        self._of, self._mask = (where, strokes), mask
        return mask


def _stroke(value: Any) -> Stroke:
    try:
        known: Mapping[str, Any] = value
        how, radius = str(known["how"]), float(known["radius"])
        points = tuple((float(x), float(y)) for x, y in known["points"])
    except (KeyError, TypeError, ValueError) as error:
        raise BadStroke("A stroke of the painted mask cannot be read. Clear the mask and paint it anew.") from error
    if how not in HOWS:
        raise BadStroke(f"A brush must be {', '.join(HOWS)}, got {how!r}.")
    if not RADIUS[0] <= radius <= RADIUS[1]:
        raise BadStroke(f"The radius of a brush must be {RADIUS[0]:g} to {RADIUS[1]:g} px, got {radius:g}.")
    if not points or not (np.abs(np.asarray(points)) <= FARTHEST).all():
        raise BadStroke("A stroke of the painted mask lies nowhere. Clear the mask and paint it anew.")
    return Stroke(how, round(radius, 1), tuple((round(x, 1), round(y, 1)) for x, y in points))


def _drawn(stroke: Stroke, corner: tuple[int, int], shape: tuple[int, ...], scale: int) -> Mask:
    """Draw one stroke, 0 to 1, into a part of the result whose upper left corner is given."""
    soft = stroke.how == "keep"
    radius = stroke.radius * scale
    zoom = min(1.0, COARSE / radius) if soft else 1.0
    points = (np.asarray(stroke.points) * scale - np.asarray(corner)) * zoom - 0.5
    height, width = (max(1, round(side * zoom)) for side in shape)
    drawn = _line(points, radius * zoom * (1 - SOFTNESS if soft else 1.0), (height, width))
    if soft:
        import cv2

        sigma = radius * zoom * SOFTNESS
        drawn = np.asarray(cv2.GaussianBlur(drawn, (0, 0), max(0.3, sigma)), np.float32)
        drawn = np.asarray(cv2.resize(drawn, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR), np.float32)
    return drawn


def _line(points: Any, radius: float, shape: tuple[int, int]) -> Mask:
    """Draw a line with round ends, its edge smoothed over one px."""
    import cv2

    bits = 4  # OpenCV's way to name places between pixels
    drawn = np.zeros(shape, np.uint8)
    fixed = np.round(points * 2**bits).astype(np.int32)
    cv2.polylines(drawn, [fixed.reshape(-1, 1, 2)], False, 255, max(1, round(2 * radius)), cv2.LINE_AA, bits)
    for x, y in (fixed[0], fixed[-1]):
        cv2.circle(drawn, (int(x), int(y)), max(1, round(radius * 2**bits)), 255, -1, cv2.LINE_AA, bits)
    return np.asarray(drawn, np.float32) / np.float32(255)
