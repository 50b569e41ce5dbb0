"""Faces: found, cut out aligned, measured, told apart, and pasted back.

Knows pixels and points. Does not know people, restorers or diffusion. Nothing heavy is imported before it is used.
"""

from __future__ import annotations

from engine.faces.chain import DETECTORS, Chain, Clean, detector
from engine.faces.crop import TEMPLATES, FaceCrop, crop_matrix, cut, template
from engine.faces.damage import OUTSIDE_NOTE, SeenDamage, detail_share, estimate_damage
from engine.faces.detect import Face, FaceDetector, FaceModelsMissing, UnknownDetector, face_from_json
from engine.faces.dlib_search import DlibCnnDetector, DlibDetector
from engine.faces.enlarging import SCALES, BadScale, choose_scale, enlarged_crop, enlarged_photo
from engine.faces.fitting import Fitter, Fitting, fit
from engine.faces.grain import Grain, add_grain, match_sharpness, measure_blur, measure_grain, round_blur
from engine.faces.identity import RECOGNISER, SAME_PERSON, Embedding, distance, embed
from engine.faces.mask import head_mask
from engine.faces.parsing import HeadMasker, ParseNetMasker, masker
from engine.faces.patch import Patch, blend, keep_detail, paste, place
from engine.faces.points import BadPoints, face_from_points, marks, moved_points, parse_points
from engine.faces.quality import LOOK_SIZE, FaceQuality, Look, alike, look, measure, quality_from_json
from engine.faces.recognise import RECOGNISERS, ArcFaceRecogniser, DlibRecogniser, Recogniser, recogniser
from engine.faces.retinaface import RetinaFaceDetector
from engine.faces.softness import Softness, softer_than_input, with_detail
from engine.faces.source import IdentitySource, identity_source
from engine.faces.tone import Tone, apply_tone, photo_tone

__all__ = [
    "DETECTORS",
    "LOOK_SIZE",
    "OUTSIDE_NOTE",
    "RECOGNISER",
    "RECOGNISERS",
    "SAME_PERSON",
    "SCALES",
    "TEMPLATES",
    "ArcFaceRecogniser",
    "BadPoints",
    "BadScale",
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
    "Fitter",
    "Fitting",
    "Grain",
    "HeadMasker",
    "IdentitySource",
    "Look",
    "ParseNetMasker",
    "Patch",
    "Recogniser",
    "RetinaFaceDetector",
    "SeenDamage",
    "Softness",
    "Tone",
    "UnknownDetector",
    "add_grain",
    "alike",
    "apply_tone",
    "blend",
    "choose_scale",
    "crop_matrix",
    "cut",
    "detail_share",
    "detector",
    "distance",
    "embed",
    "enlarged_crop",
    "enlarged_photo",
    "estimate_damage",
    "face_from_json",
    "face_from_points",
    "fit",
    "head_mask",
    "identity_source",
    "keep_detail",
    "look",
    "marks",
    "masker",
    "match_sharpness",
    "measure",
    "measure_blur",
    "measure_grain",
    "moved_points",
    "parse_points",
    "paste",
    "photo_tone",
    "place",
    "quality_from_json",
    "recogniser",
    "round_blur",
    "softer_than_input",
    "template",
    "with_detail",
]
