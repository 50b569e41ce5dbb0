"""dlib's two face detectors, from a plain install and with no download, and the five points of its predictor.

Histograms of gradients (HOG) find upright faces that look at the camera, give or take some 40 degrees, in a tenth of a
second for a megapixel. The network (CNN) finds turned, covered and damaged ones too, at fifty times the cost.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.faces.detect import Face, distinct, import_dlib, model_file
from engine.faces.geometry import Points, inverse, moved, warp
from engine.images import Pixels, Samples, resize, to_uint8

FIRST_SIDE = 1600
"""Long side in px at which a photo is searched first: faces from 80 px of it are found, in about a quarter second."""
LARGEST_SIDE = 4096
"""Long side in px beyond which no photo is enlarged or kept for the search; 4096 x 3072 takes some two seconds."""
LEVELS = 3
"""The first search and two more, each twice as fine, while nothing is found."""
LISTED_SIDE = 2400
"""Long side in px up to which a photo is searched once more, finer, after faces were found: for small ones beside a
large one, from a thirtieth of the long side. It costs half a second at most."""
LISTED_SCORE = 0.5
"""Score that a small face beside others must have: where one is found, a doubtful second is worth little."""
WEAK = -0.2
"""Score down to which a face counts when none of 0 or more, dlib's own limit, is found at any size: harsh light and
damage cost that much. 14 photos whose faces were painted over gave -0.41 and less."""
CNN_SIDE = 640
"""Long side in px at which the network searches: faces from an eighth of it are found. It takes 5 s of one core for a
megapixel, so 1.4 s for a photo of 3 : 2."""
CNN_ENLARGED = 4
"""How many times a photo is enlarged for it at most."""
CNN_LEAST = 24
"""Short side in px below which the network cannot compute its layers; a face has 80 px in it."""
POINTS_SIDE = 288
"""Side in px to which a found box is brought before its points are placed. The predictor answers in whole pixels, so
in a small face it would be out by a fiftieth of the eye distance; and the template was measured at this size."""


class DlibDetector:
    """dlib's frontal face detector and its 5-point predictor, loaded; may be used from several threads."""

    name = "dlib HOG"

    def __init__(self, *, levels: int = LEVELS, listed_side: int = LISTED_SIDE) -> None:
        """Load it.

        Args:
            levels: how often to search, each time twice as fine, while nothing is found.
            listed_side: see `LISTED_SIDE`; 0 never looks for small faces beside a large one.
        """
        dlib = import_dlib()
        self._levels, self._listed_side = levels, listed_side
        self._boxes: Any = dlib.get_frontal_face_detector()
        self._place = _Placing(self.name)
        self._lock = threading.Lock()  # the detector keeps its image pyramid inside itself

    def find(self, pixels: Pixels) -> tuple[Face, ...]:
        """See `FaceDetector.find`.

        The photo is searched at no more than `FIRST_SIDE`; when nothing is found, finer and finer; when something is,
        once more at up to `LISTED_SIDE` for smaller faces.
        """
        weak: tuple[Face, ...] = ()
        long_side = max(pixels.shape[:2])
        for side in _sides(long_side, self._levels):
            faces = self._at(pixels, side, WEAK)
            sure = [face for face in faces if face.score >= 0]
            if sure:
                finer = min(2 * side, self._listed_side)
                return distinct([*sure, *(self._at(pixels, finer, LISTED_SCORE) if finer > 1.2 * side else [])])
            weak = weak or distinct(faces)
        return weak

    def _at(self, pixels: Pixels, side: int, least: float) -> list[Face]:
        """Give the faces seen when the long side has `side` px."""
        seen = _at_side(pixels, side)
        with self._lock:
            boxes, scores, _ = self._boxes.run(seen, 0, least)
        return [self._place(pixels, seen, box, float(score)) for box, score in zip(boxes, scores, strict=True)]


class DlibCnnDetector:
    """dlib's max-margin network and its 5-point predictor, loaded; may be used from several threads."""

    name = "dlib CNN"

    def __init__(self, side: int = CNN_SIDE) -> None:
        self._side = side
        dlib = import_dlib()
        self._boxes: Any = dlib.cnn_face_detection_model_v1(str(model_file("mmod_human_face_detector.dat")))
        self._place = _Placing(self.name)
        self._lock = threading.Lock()  # the network keeps its layers' outputs inside itself

    def find(self, pixels: Pixels) -> tuple[Face, ...]:
        """See `FaceDetector.find`. The photo is searched once, its long side brought to the side given."""
        seen = _at_side(pixels, min(self._side, CNN_ENLARGED * max(pixels.shape[:2])))
        if min(seen.shape[:2]) < CNN_LEAST:
            return ()
        with self._lock:
            boxes = list(self._boxes(seen, 0))
        return distinct(self._place(pixels, seen, box.rect, float(box.confidence)) for box in boxes)


class _Placing:
    """dlib's 5-point predictor, for boxes that a search found."""

    def __init__(self, name: str) -> None:
        dlib = import_dlib()
        self._name = name
        self._predictor = _predictor()
        self._rectangle: Any = dlib.rectangle

    def __call__(self, pixels: Pixels, seen: Samples, box: Any, score: float) -> Face:
        """Give the face of a box in `seen`, which is `pixels` at another size."""
        scale = np.array([seen.shape[1] / pixels.shape[1], seen.shape[0] / pixels.shape[0]] * 2)
        corners = (np.array([box.left(), box.top(), box.right(), box.bottom()]) + 0.5) / scale - 0.5
        x0, y0, x1, y1 = (float(v) for v in corners)
        zoom = POINTS_SIDE / (x1 - x0)
        # Half a box is left round it: the predictor looks at places outside.
        corner = np.array([x0, y0]) - (x1 - x0) / 2
        from_photo = np.array([[zoom, 0, -corner[0] * zoom], [0, zoom, -corner[1] * zoom]])
        shown = to_uint8(warp(pixels, from_photo, (2 * POINTS_SIDE, 2 * POINTS_SIDE)))
        low, high = POINTS_SIDE // 2, POINTS_SIDE // 2 + POINTS_SIDE
        points = predicted_points(self._predictor, shown, self._rectangle(low, low, high, high))
        return Face((x0, y0, x1, y1), moved(points, inverse(from_photo)), "dlib5", score, self._name)


@lru_cache(maxsize=1)
def _predictor() -> Any:
    """Load the predictor once for all searches: it keeps nothing inside itself."""
    return import_dlib().shape_predictor(str(model_file("shape_predictor_5_face_landmarks.dat")))


def predicted_points(predictor: Any, samples: NDArray[np.uint8], box: Any) -> Points:
    """Give the five points that a dlib predictor places in a box, in our order: dlib's own begins at the right."""
    parts = predictor(np.ascontiguousarray(samples), box).parts()
    return np.array([(parts[i].x, parts[i].y) for i in (2, 3, 1, 0, 4)], np.float64)


def _at_side(pixels: Pixels, side: int) -> Samples:
    """Give a photo whose long side has `side` px."""
    height, width = pixels.shape[:2]
    scale = side / max(width, height)
    return to_uint8(resize(pixels, (max(1, round(width * scale)), max(1, round(height * scale)))))


def _sides(long_side: int, levels: int) -> Iterator[int]:
    """Give the long sides at which to search, coarse to fine."""
    side = min(long_side, FIRST_SIDE)
    for level in range(levels):
        if level and side > LARGEST_SIDE:
            return
        yield side
        side *= 2
