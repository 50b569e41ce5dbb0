"""Faces: found, cut out aligned, measured, told apart, and pasted back.

Knows pixels and points. Does not know people, restorers or diffusion. Nothing heavy is imported before it is used.
"""

from __future__ import annotations

from engine.faces.crop import TEMPLATES, FaceCrop, cut, template
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
from engine.faces.mask import head_mask
from engine.faces.place import Patch, blend, keep_detail, paste, place
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
    "Patch",
    "UnknownDetector",
    "alike",
    "blend",
    "cut",
    "detector",
    "distance",
    "embed",
    "face_from_json",
    "head_mask",
    "keep_detail",
    "look",
    "measure",
    "paste",
    "place",
    "quality_from_json",
    "template",
]
