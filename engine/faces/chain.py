"""Detectors by name, and one after the other until a face is found."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from engine.errors import EngineError
from engine.faces.detect import Face, FaceDetector, FaceModelsMissing, UnknownDetector
from engine.faces.dlib_search import LISTED_SIDE, DlibCnnDetector, DlibDetector
from engine.faces.geometry import Matrix, moved
from engine.faces.retinaface import BACKBONES, RetinaFaceDetector
from engine.images import Pixels, resize
from engine.weights import by_name

log = logging.getLogger(__name__)

Clean = Callable[[Pixels], Pixels]
"""Makes a photo, or whatever of it has to be cleaned, fit for a search: `(H, W, 3)`, 0 to 1, to the like, of any size,
showing the same from border to border."""

DETECTORS = ("auto", "dlib", "dlib-cnn", *BACKBONES)
"""`auto`: RetinaFace where its file is there, then dlib's two. The others are one model alone."""

TURNED_SIDE = 1024
"""Long side in px at which a photo is searched when it is turned: large enough for the photo's main faces."""
TURNED_CNN_SIDE = 400
"""The same for dlib's network, which is slow."""
HOG_UPRIGHT = 0.6
"""Score from which dlib's HOG detector leaves no doubt of that: 41 plain photos gave 1.17 and more, the same upside
down at most 0.18."""
RETINAFACE_UPRIGHT = 0.995
"""Probability from which RetinaFace leaves no doubt. It finds faces lying on their side or
standing on their head too, with 0.90 to 0.99, but places their eyes up to an eye distance away."""


@dataclass(frozen=True, eq=False)
class AnyWayUp:
    """A detector for upright faces that is asked about the turned photo too, when the upright one leaves a doubt."""

    upright: FaceDetector
    """For the photo as it is."""
    turned: FaceDetector
    """For the photo turned by 90, 270 and 180 degrees and shrunk to `TURNED_SIDE`."""
    sure: float = -np.inf
    """Score from which a face leaves no doubt that the photo stands the right way up, if its eyes are about level."""
    least: float = 0.0
    """Score that a face in the turned photo must have."""

    def find(self, pixels: Pixels) -> tuple[Face, ...]:
        """See `FaceDetector.find`. All faces of one answer stand the same way up."""
        faces = self.upright.find(pixels)
        if faces and _surest(faces) >= self.sure and _is_level(faces[0]):
            return faces
        height, width = pixels.shape[:2]
        scale = min(1.0, TURNED_SIDE / max(width, height))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        small = pixels if size == (width, height) else resize(pixels, size)
        back = _from_size(size, (width, height))
        best = faces
        for turns in (1, 3, 2):
            found = self.turned.find(np.ascontiguousarray(np.rot90(small, turns)))
            if found and _surest(found) >= self.least and (not best or _surest(found) > _surest(best)):
                how = f"turned by {90 * turns} degrees"
                best = tuple(_seen_through(_turned_back(face, turns, size), back, how) for face in found)
        return best


@dataclass(frozen=True, eq=False)
class Chain:
    """Detectors asked in turn until one finds a face: about the photo as it is, then about the cleaned one.

    So a photo in which a face is found at once costs what the first detector costs, and only one without any costs all
    of it.
    """

    detectors: tuple[FaceDetector, ...]
    """In this order. One that takes a turned face for an upright one, as dlib's network does, comes after one that
    would have found it turned."""
    clean: Clean | None = None
    """Applied when nothing else helped; None for never."""
    notes: tuple[str, ...] = ()
    """What the user should know, in sentences: a file that could not be used."""

    def find(self, pixels: Pixels) -> tuple[Face, ...]:
        """See `FaceDetector.find`."""
        found = self._as_it_is(pixels)
        if found or self.clean is None:
            return found
        cleaned = self.clean(pixels)
        height, width = pixels.shape[:2]
        back = _from_size((cleaned.shape[1], cleaned.shape[0]), (width, height))
        return tuple(_seen_through(face, back, "cleaned") for face in self._as_it_is(cleaned))

    def _as_it_is(self, pixels: Pixels) -> tuple[Face, ...]:
        return next((faces for faces in (search.find(pixels) for search in self.detectors) if faces), ())


def detector(
    name: str = "auto", weights: Path | None = None, *, clean: Clean | None = None, small: bool = True
) -> Chain:
    """Give a detector, its models loaded once.

    Args:
        name: one of `DETECTORS`.
        weights: folder of the files that the user provides, by the names that facexlib publishes; see `networks`.
        clean: see `Chain.clean`.
        small: whether dlib also looks for small faces beside a large one, which costs up to half a second a photo.

    Raises:
        UnknownDetector: there is none of that name.
        FaceModelsMissing: its file or library is not there; with `auto`, dlib's.
        WeightsDamaged: a file is not the one of its network; with `auto` that is a note, and dlib goes on alone.
    """
    if name == "dlib":
        return Chain((_hog(small),), clean)
    if name == "dlib-cnn":
        return Chain((_cnn(),), clean)
    if name in BACKBONES:
        return Chain((_retinaface(name, weights),), clean)
    if name != "auto":
        raise UnknownDetector(f"There is no face detector {name!r}. The detectors are: {', '.join(DETECTORS)}.")
    first, notes = _provided(weights)
    return Chain((*first, _hog(small), _cnn()), clean, notes)


def _provided(weights: Path | None) -> tuple[tuple[FaceDetector, ...], tuple[str, ...]]:
    """Give the best RetinaFace whose file is there and good, and what to say of files that are not."""
    notes: list[str] = []
    for name, file in BACKBONES.items():
        if weights is None or not by_name(weights, file).is_file():
            continue
        try:
            return (_retinaface(name, weights),), tuple(notes)
        except EngineError as error:
            log.warning("%s is not used: %s", name, error)
            notes.append(f"{error} Faces are searched without it.")
    return (), tuple(notes)


def _retinaface(name: str, weights: Path | None) -> FaceDetector:
    path = by_name(weights, BACKBONES[name]) if weights else None
    if path is None or not path.is_file():
        place = f"in {weights}" if weights else "because no folder of weights is named"
        raise FaceModelsMissing(
            f"{name} needs {BACKBONES[name]}, which is not there {place}. Put it there, or choose another detector."
        )
    stamp = path.stat()
    return _retinaface_of(name, path, stamp.st_mtime_ns, stamp.st_size)


@lru_cache(maxsize=2)
def _retinaface_of(name: str, path: Path, changed_ns: int, size: int) -> FaceDetector:
    """Load a file once, and anew when it was exchanged."""
    del changed_ns, size
    found = RetinaFaceDetector(name, path)
    return AnyWayUp(found, found, sure=RETINAFACE_UPRIGHT)


@lru_cache(maxsize=2)
def _hog(small: bool) -> FaceDetector:
    upright = DlibDetector(listed_side=LISTED_SIDE if small else 0)
    return AnyWayUp(upright, DlibDetector(levels=1, listed_side=0), sure=HOG_UPRIGHT)


@lru_cache(maxsize=1)
def _cnn() -> FaceDetector:
    return AnyWayUp(DlibCnnDetector(), DlibCnnDetector(TURNED_CNN_SIDE))


def _surest(faces: tuple[Face, ...]) -> float:
    return max(face.score for face in faces)


def _is_level(face: Face) -> bool:
    """Whether the line through the eyes is nearer to level than to upright, the left eye at the left."""
    across = face.eyes[1] - face.eyes[0]
    return bool(across[0] > abs(across[1]))


def _turned_back(face: Face, turns: int, size: tuple[int, int]) -> Face:
    """Give a face found in a picture that `np.rot90` turned, in the picture of `size` that it was before."""
    width, height = size
    to_before: dict[int, Matrix] = {
        1: np.array([[0.0, -1.0, width - 1], [1.0, 0.0, 0.0]]),
        2: np.array([[-1.0, 0.0, width - 1], [0.0, -1.0, height - 1]]),
        3: np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, height - 1]]),
    }
    return _moved(face, to_before[turns])


def _from_size(size: tuple[int, int], onto: tuple[int, int]) -> Matrix:
    """Give the matrix from a picture of one size to the same at another, borders on borders."""
    x, y = onto[0] / size[0], onto[1] / size[1]
    return np.array([[x, 0.0, (x - 1) / 2], [0.0, y, (y - 1) / 2]])


def _seen_through(face: Face, to_photo: Matrix, how: str) -> Face:
    return replace(_moved(face, to_photo), detector=f"{face.detector}, {how}")


def _moved(face: Face, matrix: Matrix) -> Face:
    corners = moved(np.array(face.box).reshape(2, 2), matrix)
    (x0, y0), (x1, y1) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
    return replace(face, box=(x0, y0, x1, y1), points=moved(face.points, matrix))
