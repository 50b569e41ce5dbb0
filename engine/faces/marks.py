"""Where a user sees a face: both eyes and the mouth, whatever points a detector placed."""

from __future__ import annotations

import numpy as np

from engine.faces.crop import FFHQ5, TEMPLATE_SIZE, template
from engine.faces.detect import Face
from engine.faces.geometry import Points, inverse, moved, similarity


def marks_of(face: Face) -> Points:
    """Give eye centres, the left of the picture first, and the middle of the mouth, `(3, 2)`, in px of the photo.

    A scheme without a mouth has it where the aligned crop has it.
    """
    if face.scheme == "ffhq5":
        return np.stack([*face.points[:2], face.points[3:5].mean(axis=0)])
    to_photo = inverse(similarity(face.points, template(face.scheme, TEMPLATE_SIZE)))
    mouth = np.mean(np.array(FFHQ5[3:5], np.float64), axis=0)[None]
    return np.concatenate([face.eyes, moved(mouth, to_photo)])
