"""Whose face it might be: a vector for each face, near for pictures of one person, and far for those of two.

The distance is no proof of who somebody is.
"""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.faces.crop import TEMPLATE_SIZE, FaceCrop
from engine.faces.detect import import_dlib, model_file
from engine.images import Pixels, to_uint8

Embedding = NDArray[np.float64]

RECOGNISER = "dlib ResNet v1 (face_recognition_models)"
"""Named beside every identity number."""

SAME_PERSON = 0.6
"""Distance below which dlib's authors call two faces the same person: 99.38 % right on Labeled Faces in the Wild."""

FACE_BOX = (114.4, 150.6, 407.6, 443.7)
"""x0, y0, x1, y1 in a crop of `TEMPLATE_SIZE`: mean box of the HOG detector in the pictures that `crop.DLIB5` was
measured on."""

_ONE_AT_A_TIME = threading.Lock()  # the network keeps its layers' outputs inside itself


def embed(face: FaceCrop | Pixels) -> Embedding:
    """Give the vector of an aligned face, `(128,)`, of about unit length.

    The five points are placed anew, in the box where a face has to be in an aligned crop. So every crop gets a vector,
    however damaged: nothing has to be detected. A crop with no face in it gets one too, which means nothing.

    Args:
        face: a crop, or its pixels: `(size, size, 3)`, 0 to 1, aligned as `crop.TEMPLATES` say; not changed.

    Raises:
        ValueError: the pixels are not square.
        FaceModelsMissing: dlib or its files are not installed.
    """
    pixels = face.pixels if isinstance(face, FaceCrop) else face
    if pixels.ndim != 3 or pixels.shape[0] != pixels.shape[1] or pixels.shape[2] != 3:
        raise ValueError(f"an aligned face must be (size, size, 3), got {pixels.shape}")
    dlib, predictor, network = _models()
    samples = np.ascontiguousarray(to_uint8(pixels))
    box = ((np.array(FACE_BOX) + 0.5) * (pixels.shape[0] / TEMPLATE_SIZE) - 0.5).round().astype(int)
    with _ONE_AT_A_TIME:
        placed = predictor(samples, dlib.rectangle(*box.tolist()))
        return np.array(network.compute_face_descriptor(samples, placed), np.float64)


def distance(a: Embedding, b: Embedding) -> float:
    """Give how far apart two faces are, 0 to about 1.4; lower is nearer. See `SAME_PERSON`."""
    return float(np.linalg.norm(a - b))


@lru_cache(maxsize=1)
def _models() -> tuple[Any, Any, Any]:
    """Load dlib, its 5-point predictor and its network, once."""
    dlib = import_dlib()
    predictor = dlib.shape_predictor(str(model_file("shape_predictor_5_face_landmarks.dat")))
    network = dlib.face_recognition_model_v1(str(model_file("dlib_face_recognition_resnet_model_v1.dat")))
    return dlib, predictor, network
