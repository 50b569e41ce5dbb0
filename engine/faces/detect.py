"""Faces found in a photo: where they are and where their eyes and nose are.

The detector at hand is dlib's, from a plain install and with no download: histograms of gradients find upright faces
that look at the camera, give or take some 40 degrees, and a predictor places five points. Whose face it is, nobody here
knows.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from engine.errors import EngineError
from engine.faces.geometry import Points, inverse, moved, warp
from engine.images import Pixels, resize, to_uint8

FIRST_SIDE = 1600
"""Long side in px at which a photo is searched first: faces from 80 px of it are found, in about half a second."""
LARGEST_SIDE = 4096
"""Long side in px beyond which no photo is enlarged or kept for the search; 4096 x 3072 takes some four seconds."""
LEVELS = 3
"""The first search and two more, each twice as fine, while nothing is found."""
WEAK = -0.2
"""Score down to which a face counts when none of 0 or more, dlib's own limit, is found at any size: harsh light and
damage cost that much. 14 photos whose faces were painted over gave -0.41 and less."""
POINTS_SIDE = 288
"""Side in px to which a found box is brought before its points are placed. The predictor answers in whole pixels, so
in a small face it would be out by a fiftieth of the eye distance; and the template was measured at this size."""


class FaceModelsMissing(EngineError):
    """dlib or the package with its files is not installed."""


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
    left and right corner of the mouth. Left is always the left of the picture."""
    score: float
    """The detector's own confidence, higher is surer; comparable only within one detector. dlib: -0.2 to about 3."""
    detector: str
    """Which detector found it."""

    @property
    def eyes(self) -> Points:
        """Centres of both eyes, `(2, 2)`, the left of the picture first."""
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
            pixels: `(H, W, 3)`, 0 to 1, upright; not changed.
        """
        ...


class DlibDetector:
    """dlib's frontal face detector and its 5-point predictor, loaded; may be used from several threads."""

    name = "dlib HOG"

    def __init__(self) -> None:
        dlib = import_dlib()
        self._boxes: Any = dlib.get_frontal_face_detector()
        self._points: Any = dlib.shape_predictor(str(model_file("shape_predictor_5_face_landmarks.dat")))
        self._rectangle: Any = dlib.rectangle
        self._lock = threading.Lock()  # the detector keeps its image pyramid inside itself

    def find(self, pixels: Pixels) -> tuple[Face, ...]:
        """See `FaceDetector.find`.

        The photo is searched at no more than `FIRST_SIDE`; only when nothing is found, finer. So small faces beside a
        large one are left out.
        """
        weak: tuple[Face, ...] = ()
        height, width = pixels.shape[:2]
        for side_width, side_height in _sizes(width, height):
            seen = to_uint8(resize(pixels, (side_width, side_height)))
            with self._lock:
                boxes, scores, _ = self._boxes.run(seen, 0, WEAK)
            scale = np.array([side_width / width, side_height / height] * 2)
            faces = [
                self._face(pixels, (np.array([b.left(), b.top(), b.right(), b.bottom()]) + 0.5) / scale - 0.5, score)
                for b, score in zip(boxes, scores, strict=True)
            ]
            faces.sort(key=lambda face: -face.eye_distance)
            sure = tuple(face for face in faces if face.score >= 0)
            if sure:
                return sure
            weak = weak or tuple(faces)
        return weak

    def _face(self, pixels: Pixels, box: NDArray[np.float64], score: float) -> Face:
        x0, y0, x1, y1 = (float(v) for v in box)
        zoom = POINTS_SIDE / (x1 - x0)
        # Half a box is left round it: the predictor looks at places outside.
        corner = np.array([x0, y0]) - (x1 - x0) / 2
        from_photo = np.array([[zoom, 0, -corner[0] * zoom], [0, zoom, -corner[1] * zoom]])
        seen = to_uint8(warp(pixels, from_photo, (2 * POINTS_SIDE, 2 * POINTS_SIDE)))
        low, high = POINTS_SIDE // 2, POINTS_SIDE // 2 + POINTS_SIDE
        points = predicted_points(self._points, seen, self._rectangle(low, low, high, high))
        return Face((x0, y0, x1, y1), moved(points, inverse(from_photo)), "dlib5", float(score), self.name)


def predicted_points(predictor: Any, samples: NDArray[np.uint8], box: Any) -> Points:
    """Give the five points that a dlib predictor places in a box, in our order: dlib's own begins at the right."""
    parts = predictor(np.ascontiguousarray(samples), box).parts()
    return np.array([(parts[i].x, parts[i].y) for i in (2, 3, 1, 0, 4)], np.float64)


@lru_cache(maxsize=2)
def detector(name: str = "dlib") -> FaceDetector:
    """Give a loaded detector, the same one each time.

    Raises:
        UnknownDetector: there is none of that name.
        FaceModelsMissing: its files are not installed.
    """
    if name != "dlib":
        raise UnknownDetector(f"There is no face detector {name!r}. The detectors are: dlib.")
    return DlibDetector()


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


def _sizes(width: int, height: int) -> Iterator[tuple[int, int]]:
    """Give the sizes at which to search, coarse to fine."""
    long_side = max(width, height)
    scale = min(1.0, FIRST_SIDE / long_side)
    for level in range(LEVELS):
        if level and long_side * scale > LARGEST_SIDE:
            return
        yield max(1, round(width * scale)), max(1, round(height * scale))
        scale *= 2
