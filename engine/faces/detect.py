"""Faces found in a photo: what is known of one, and what whatever finds them offers.

Whose face it is, nobody here knows. The searches themselves: `dlib_search`, `retinaface`, and both in turn in `chain`;
`points` makes a face of what a user marked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from engine.errors import EngineError
from engine.faces.geometry import Points
from engine.images import Pixels

SAME_FACE = 0.5
"""Share of the smaller of two boxes that the larger covers, above which both are of one face."""


class FaceModelsMissing(EngineError):
    """A library that finds faces, or a file of its weights, is not there."""


class UnknownDetector(EngineError):
    """A detector was asked for that does not exist."""


@dataclass(frozen=True, eq=False)
class Face:
    """One face in one photo, in pixels of that photo."""

    box: tuple[float, float, float, float]
    """x0, y0, x1, y1; brows to chin. It may reach beyond the photo."""
    points: Points
    """`(5, 2)`, `(x, y)`, in the order of `scheme`."""
    scheme: str
    """`dlib5`: outer and inner corner of the eye at the left of the picture, inner and outer corner of the eye at its
    right, base of the nose between the nostrils. `ffhq5`: centre of the left eye, of the right eye, tip of the nose,
    left and right corner of the mouth. Left is the left of the picture once the face is turned upright."""
    score: float
    """The detector's own confidence, higher is surer; comparable only within one detector. dlib HOG: -0.2 to about 3;
    dlib CNN: 0 to about 1.1; RetinaFace: 0.8 to 1; 1 for points that the user set."""
    detector: str
    """Which detector found it, in words, and what had been done to the picture before."""

    @property
    def eyes(self) -> Points:
        """Centres of both eyes, `(2, 2)`, the left first as `scheme` has it."""
        if self.scheme == "dlib5":
            return np.stack([self.points[0:2].mean(axis=0), self.points[2:4].mean(axis=0)])
        return self.points[0:2].copy()

    @property
    def nose(self) -> Points:
        """Base or tip of the nose, `(2,)`."""
        return self.points[4 if self.scheme == "dlib5" else 2].copy()

    @property
    def eye_distance(self) -> float:
        """Pixels of the photo from eye centre to eye centre: how large the face is."""
        left, right = self.eyes
        return float(np.hypot(*(right - left)))

    def to_json(self) -> dict[str, Any]:
        """Give the face as JSON has it; `face_from_json` reads it back."""
        return {
            "box": [round(v, 3) for v in self.box],
            "points": self.points.round(3).tolist(),
            "scheme": self.scheme,
            "score": round(self.score, 4),
            "detector": self.detector,
        }


def face_from_json(value: Mapping[str, Any]) -> Face:
    """Give the face that `Face.to_json` wrote.

    Raises:
        KeyError, TypeError, ValueError: the value is not what `to_json` writes.
    """
    x0, y0, x1, y1 = (float(v) for v in value["box"])
    points = np.array(value["points"], np.float64)
    if points.shape != (5, 2):
        raise ValueError(f"points must be (5, 2), got {points.shape}")
    return Face((x0, y0, x1, y1), points, str(value["scheme"]), float(value["score"]), str(value["detector"]))


class FaceDetector(Protocol):
    """Whatever finds faces."""

    def find(self, pixels: Pixels) -> tuple[Face, ...]:
        """Give the faces in a photo, the largest first; none is no error.

        Args:
            pixels: `(H, W, 3)`, 0 to 1; not changed.
        """
        ...


def distinct(faces: Iterable[Face]) -> tuple[Face, ...]:
    """Give the faces without those that a surer one already shows, the largest first.

    Args:
        faces: of one detector, since scores of two cannot be compared.
    """
    ranked = sorted(faces, key=lambda face: -face.score)
    boxes = np.array([face.box for face in ranked], np.float64).reshape(-1, 4)
    kept: list[Face] = []
    left = np.ones(len(ranked), bool)
    for n, face in enumerate(ranked):
        if left[n]:
            kept.append(face)
            left &= _covered(boxes, boxes[n]) <= SAME_FACE
    return tuple(sorted(kept, key=lambda face: -face.eye_distance))


def _covered(boxes: NDArray[np.float64], box: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give, for each of some boxes, the share of it or of `box`, whichever is smaller, that lies in the other."""
    shared = np.minimum(boxes[:, 2:], box[2:]) - np.maximum(boxes[:, :2], box[:2])
    areas = np.minimum(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1), np.prod(box[2:] - box[:2]))
    return np.prod(np.maximum(shared, 0.0), axis=1) / np.maximum(areas, 1e-9)


@lru_cache(maxsize=1)
def import_dlib() -> Any:
    """Give the module dlib.

    Raises:
        FaceModelsMissing: it is not installed.
    """
    try:
        import dlib
    except ImportError as error:
        raise FaceModelsMissing(
            f"Faces cannot be found because dlib does not load ({error}). Run: pip install -r requirements.txt"
        ) from error
    return dlib


def model_file(name: str) -> Path:
    """Give the path of one of dlib's files in the package face_recognition_models.

    The package itself is not imported: its first lines need `pkg_resources`, which newer installs do not have.

    Raises:
        FaceModelsMissing: the package or the file is not there.
    """
    from importlib.util import find_spec

    spec = find_spec("face_recognition_models")
    places = list(spec.submodule_search_locations or ()) if spec else []
    for place in places:
        path = Path(place, "models", name)
        if path.is_file():
            return path
    found = f"no {name} in {places[0]}" if places else "no package face_recognition_models"
    raise FaceModelsMissing(f"Faces cannot be found: there is {found}. Run: pip install -r requirements.txt")
