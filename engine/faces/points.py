"""A face from what a user marked: eyes and mouth, in a photo where no detector finds them or one finds them badly."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from engine.errors import EngineError
from engine.faces.crop import DLIB5, FFHQ5
from engine.faces.detect import Face
from engine.faces.geometry import Points, moved, similarity
from engine.faces.identity import FACE_BOX

BY_HAND = "by hand"
"""`Face.detector` of a face whose points the user set."""

NEAREST_EYES_PX = 4.0
"""Eye distance below which marked eyes count as one place; nothing could be restored from such a face anyway."""
MOUTH_BELOW = (0.35, 4.0)
"""Least and greatest distance of the mouth from the line through the eyes, in eye distances; 1.04 for a face seen from
the front. Turned by 75 degrees, the eyes come four times as near."""
MOUTH_BESIDE = 2.0
"""Greatest distance of the mouth, along that line, from the middle between the eyes, in eye distances."""

FORMS = "3 points (one eye, the other eye, mouth), 4 (eyes, corners of the mouth) or 5 (eyes, tip of the nose, corners)"

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)"
_POINT = re.compile(rf"\s*({_NUMBER})\s*,\s*({_NUMBER})\s*")


class BadPoints(EngineError):
    """Points that were marked are not those of a face."""


def parse_points(text: str) -> Points:
    """Read points as a command line has them, `x,y x,y x,y`: `(N, 2)`, px, the centre of the first pixel is `0,0`.

    Raises:
        BadPoints: the text is no such list; whether the points are those of a face is not looked at.
    """
    found = [_POINT.fullmatch(part) for part in re.split(r"[;\s]+", re.sub(r"\s*,\s*", ",", text.strip()))]
    pairs = [(float(match[1]), float(match[2])) for match in found if match]
    if len(pairs) != len(found):
        raise BadPoints(f'Points are written "x,y x,y x,y" in pixels of the photo, got {text!r}. Give {FORMS}.')
    return np.array(pairs, np.float64)


def face_from_points(points: Points | Sequence[tuple[float, float]], size: tuple[int, int] | None = None) -> Face:
    """Give the face whose eyes and mouth were marked.

    Which eye comes first does not matter, nor which corner of the mouth; the face may be turned any way.

    Args:
        points: `(3, 2)`: eyes and middle of the mouth; `(4, 2)`: eyes and corners of the mouth; `(5, 2)`: eyes, tip of
            the nose, corners of the mouth. Pixels of the photo.
        size: `(width, height)` of the photo, when points outside it are to be refused.

    Returns:
        A face of the scheme `ffhq5`.

    Raises:
        BadPoints: another count, points outside the photo, or not placed as eyes and mouth are.
    """
    marked = np.array(points, np.float64)
    if marked.ndim != 2 or marked.shape[1:] != (2,) or len(marked) not in (3, 4, 5):
        raise BadPoints(f"A face is marked by {FORMS}, got {len(marked)}. Mark the points again.")
    _refuse_outside(marked, size)
    eyes, mouth = marked[:2], (marked[2:] if len(marked) < 5 else marked[3:])
    across = eyes[1] - eyes[0]
    down = mouth.mean(axis=0) - eyes.mean(axis=0)
    if across[0] * down[1] - across[1] * down[0] < 0:  # seen upright, the left eye came second
        eyes, across = eyes[::-1], -across
    if len(mouth) == 2 and float((mouth[1] - mouth[0]) @ across) < 0:
        mouth = mouth[::-1]
    _refuse_misplaced(eyes, mouth.mean(axis=0))
    known = np.array(FFHQ5)
    middle = known[3:].mean(axis=0)
    from_template = similarity(np.vstack([known[:2], middle]), np.vstack([eyes, mouth.mean(axis=0)]))
    typical = moved(known, from_template)
    nose = marked[2] if len(marked) == 5 else typical[2]
    corners = mouth if len(mouth) == 2 else mouth + typical[3:] - typical[3:].mean(axis=0)
    return _by_hand(np.vstack([eyes, nose, corners]), "ffhq5")


def moved_points(
    face: Face, points: Points | Sequence[tuple[float, float]], size: tuple[int, int] | None = None
) -> Face:
    """Give a face with its points corrected by the user.

    Args:
        face: as it was found, or corrected before; not changed.
        points: `(5, 2)`: in the face's own scheme and order; 3 or 4: as in `face_from_points`.
        size: as there.

    Raises:
        BadPoints: as there.
    """
    marked = np.array(points, np.float64)
    if face.scheme != "dlib5" or marked.shape != (5, 2):
        return face_from_points(marked, size)
    _refuse_outside(marked, size)
    moved_face = replace(face, points=marked)
    eyes = moved_face.eyes
    across, down = eyes[1] - eyes[0], marked[4] - eyes.mean(axis=0)
    # The base of the nose lies some three quarters of an eye distance below the eyes, the mouth a whole one.
    _refuse_misplaced(eyes, eyes.mean(axis=0) + down * 4 / 3)
    if across[0] * down[1] - across[1] * down[0] < 0:
        marked = marked[[3, 2, 1, 0, 4]]
    return _by_hand(marked, "dlib5")


def marks(face: Face) -> Points:
    """Give what a user would mark of a face: left eye, right eye, middle of the mouth, `(3, 2)`.

    The mouth of a face found by dlib, which places none, is where it usually is.
    """
    if face.scheme == "dlib5":
        to_photo = similarity(np.array(DLIB5), face.points)
        return np.vstack([face.eyes, moved(np.array(FFHQ5[3:]), to_photo).mean(axis=0)])
    return np.vstack([face.eyes, face.points[3:].mean(axis=0)])


def _refuse_outside(points: Points, size: tuple[int, int] | None) -> None:
    if not np.isfinite(points).all():
        raise BadPoints("A point is not a number. Mark the points again.")
    if size is None:
        return
    for x, y in points:
        if not (-0.5 <= x <= size[0] - 0.5 and -0.5 <= y <= size[1] - 0.5):
            raise BadPoints(
                f"The point {x:g},{y:g} lies outside the photo, which has {size[0]} x {size[1]} px. Mark it inside."
            )


def _refuse_misplaced(eyes: Points, mouth: Points) -> None:
    """Refuse eyes and a mouth that no face can have."""
    across = eyes[1] - eyes[0]
    apart = float(np.hypot(*across))
    if apart < NEAREST_EYES_PX:
        raise BadPoints(f"The two eyes are marked {apart:.1f} px apart: that is one place. Mark the first two points.")
    from_middle = mouth - eyes.mean(axis=0)
    beside = abs(float(from_middle @ across)) / apart**2
    below = abs(float(across[0] * from_middle[1] - across[1] * from_middle[0])) / apart**2
    if not MOUTH_BELOW[0] <= below <= MOUTH_BELOW[1] or beside > MOUTH_BESIDE:
        raise BadPoints(
            f"The mouth is marked {below:.1f} eye distances off the line through the eyes and {beside:.1f} beside "
            "their middle; no face is like that. The first two points must be the eyes, the mouth comes last."
        )


def _by_hand(points: Points, scheme: str) -> Face:
    """Give a face of points; its box is where the HOG detector would draw it."""
    from_template = similarity(np.array(DLIB5 if scheme == "dlib5" else FFHQ5), points)
    corners = np.array(FACE_BOX).reshape(2, 2)
    centre = moved(corners.mean(axis=0, keepdims=True), from_template)[0]
    half = float(np.hypot(*from_template[:, 0])) * (corners[1] - corners[0]) / 2
    low, high = centre - half, centre + half
    return Face((float(low[0]), float(low[1]), float(high[0]), float(high[1])), points, scheme, 1.0, BY_HAND)
