"""Faces: found, cut out aligned, measured, told apart, and pasted back.

Knows pixels and points. Does not know people, restorers or diffusion. Nothing heavy is imported before it is used.
"""

from __future__ import annotations

from engine.faces.crop import TEMPLATES, FaceCrop, cut, paste, template
from engine.faces.detect import (
    DlibDetector,
    Face,
    FaceDetector,
    FaceModelsMissing,
    UnknownDetector,
    detector,
    face_from_json,
)
from engine.faces.identity import RECOGNISER, SAME_PERSON, Embedding, distance, embed
from engine.faces.marks import marks_of
from engine.faces.mask import head_mask
from engine.faces.quality import LOOK_SIZE, FaceQuality, Look, alike, look, measure, quality_from_json

__all__ = [
    "LOOK_SIZE",
    "RECOGNISER",
    "SAME_PERSON",
    "TEMPLATES",
    "DlibDetector",
    "Embedding",
    "Face",
    "FaceCrop",
    "FaceDetector",
    "FaceModelsMissing",
    "FaceQuality",
    "Look",
    "UnknownDetector",
    "alike",
    "cut",
    "detector",
    "distance",
    "embed",
    "face_from_json",
    "head_mask",
    "look",
    "marks_of",
    "measure",
    "paste",
    "quality_from_json",
    "template",
]
