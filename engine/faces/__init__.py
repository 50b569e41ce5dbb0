"""Faces: found, cut out aligned, measured, told apart, and pasted back.

Knows pixels and points. Does not know people, restorers or diffusion. Nothing heavy is imported before it is used.
"""

from __future__ import annotations

from engine.faces.chain import DETECTORS, Chain, Clean, detector
from engine.faces.crop import TEMPLATES, FaceCrop, cut, paste, template
from engine.faces.detect import Face, FaceDetector, FaceModelsMissing, UnknownDetector, face_from_json
from engine.faces.dlib_search import DlibCnnDetector, DlibDetector
from engine.faces.identity import RECOGNISER, SAME_PERSON, Embedding, distance, embed
from engine.faces.mask import head_mask
from engine.faces.parsing import HeadMasker, ParseNetMasker, masker
from engine.faces.points import BadPoints, face_from_points, marks, moved_points, parse_points
from engine.faces.quality import LOOK_SIZE, FaceQuality, Look, alike, look, measure, quality_from_json
from engine.faces.recognise import RECOGNISERS, ArcFaceRecogniser, DlibRecogniser, Recogniser, recogniser
from engine.faces.retinaface import RetinaFaceDetector

__all__ = [
    "DETECTORS",
    "LOOK_SIZE",
    "RECOGNISER",
    "RECOGNISERS",
    "SAME_PERSON",
    "TEMPLATES",
    "ArcFaceRecogniser",
    "BadPoints",
    "Chain",
    "Clean",
    "DlibCnnDetector",
    "DlibDetector",
    "DlibRecogniser",
    "Embedding",
    "Face",
    "FaceCrop",
    "FaceDetector",
    "FaceModelsMissing",
    "FaceQuality",
    "HeadMasker",
    "Look",
    "ParseNetMasker",
    "Recogniser",
    "RetinaFaceDetector",
    "UnknownDetector",
    "alike",
    "cut",
    "detector",
    "distance",
    "embed",
    "face_from_json",
    "face_from_points",
    "head_mask",
    "look",
    "marks",
    "masker",
    "measure",
    "moved_points",
    "parse_points",
    "paste",
    "quality_from_json",
    "recogniser",
    "template",
]
