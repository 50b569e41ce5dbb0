"""Recognisers behind one shape: dlib's, which every install has, and ArcFace, when its file is there.

Vectors of two recognisers cannot be compared: name the recogniser beside whatever is kept.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np

from engine.faces import identity
from engine.faces.crop import FFHQ5, TEMPLATE_SIZE, FaceCrop
from engine.faces.detect import FaceModelsMissing, UnknownDetector
from engine.faces.geometry import similarity, warp
from engine.faces.identity import Embedding
from engine.faces.networks import ARCFACE, network
from engine.images import Pixels
from engine.weights import by_name

RECOGNISERS = ("dlib", "arcface")

ARCFACE_SIZE = 112
"""Side in px of the crop that ArcFace knows."""
ARCFACE5 = ((38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041))
"""Where its five points lie in that crop, in the order of `ffhq5`. Source: InsightFace."""
ARCFACE_SAME = 1.22
"""Distance below which two faces count as one person: the square root of 1.5, which the authors of these weights set as
limit for the squared distance (InsightFace_Pytorch config.py)."""


class Recogniser(Protocol):
    """Whatever gives faces vectors that are near for one person and far for two."""

    @property
    def name(self) -> str:
        """Named beside every number."""
        ...

    @property
    def same_person(self) -> float:
        """Distance below which its authors call two faces the same person."""
        ...

    @property
    def direction(self) -> str:
        """Which distance is nearer: "lower"."""
        ...

    def embed(self, face: FaceCrop | Pixels) -> Embedding:
        """Give the vector of an aligned face; every crop gets one, whatever it shows.

        Args:
            face: a crop, or its pixels: `(size, size, 3)`, 0 to 1, aligned as `crop.TEMPLATES` say; not changed.

        Raises:
            ValueError: the pixels are not square.
        """
        ...

    def distance(self, a: Embedding, b: Embedding) -> float:
        """Give how far apart two faces are."""
        ...


class DlibRecogniser:
    """The functions of `identity`, as a recogniser; vectors are `(128,)`."""

    name = identity.RECOGNISER
    same_person = identity.SAME_PERSON
    direction = "lower"

    def embed(self, face: FaceCrop | Pixels) -> Embedding:
        """See `Recogniser.embed`."""
        return identity.embed(face)

    def distance(self, a: Embedding, b: Embedding) -> float:
        """Give the Euclidean distance, 0 to about 1.4."""
        return identity.distance(a, b)


class ArcFaceRecogniser:
    """ArcFace with an IR-SE50 backbone, loaded; vectors are `(512,)`, of unit length."""

    name = "ArcFace IR-SE50 (facexlib)"
    same_person = ARCFACE_SAME
    direction = "lower"

    def __init__(self, path: Path) -> None:
        """Load the file of its weights. Raises as `networks.network`."""
        self._network = network(path, ARCFACE)

    def embed(self, face: FaceCrop | Pixels) -> Embedding:
        """See `Recogniser.embed`."""
        import torch

        pixels = face.pixels if isinstance(face, FaceCrop) else face
        batch = torch.from_numpy(as_input(pixels))
        with torch.inference_mode(), torch.autocast("cpu", enabled=False):
            return np.asarray(self._network(batch)[0].double().numpy(), np.float64)

    def distance(self, a: Embedding, b: Embedding) -> float:
        """Give the Euclidean distance, 0 to 2."""
        return float(np.linalg.norm(a - b))


def as_input(pixels: Pixels) -> Pixels:
    """Give an aligned face as ArcFace takes it: `(1, 3, 112, 112)`, blue first, -1 to 1.

    Blue first, since the authors trained on pictures as OpenCV reads them (InsightFace_Pytorch data/data_pipe.py).

    Raises:
        ValueError: the pixels are not square.
    """
    if pixels.ndim != 3 or pixels.shape[0] != pixels.shape[1] or pixels.shape[2] != 3:
        raise ValueError(f"an aligned face must be (size, size, 3), got {pixels.shape}")
    ours = (np.array(FFHQ5) + 0.5) * (pixels.shape[0] / TEMPLATE_SIZE) - 0.5
    seen = warp(pixels, similarity(ours, np.array(ARCFACE5)), (ARCFACE_SIZE, ARCFACE_SIZE))
    return np.ascontiguousarray((seen[..., ::-1] * np.float32(2) - np.float32(1)).transpose(2, 0, 1)[None])


def recogniser(name: str = "dlib", weights: Path | None = None) -> Recogniser:
    """Give a recogniser, loaded.

    Args:
        name: one of `RECOGNISERS`. There is no "auto": distances of two recognisers would be mixed up.
        weights: folder of the files that the user provides.

    Raises:
        UnknownDetector: there is none of that name.
        FaceModelsMissing: its file or library is not there.
        WeightsDamaged: the file is not that network's.
    """
    if name == "dlib":
        return DlibRecogniser()
    if name != "arcface":
        raise UnknownDetector(f"There is no recogniser {name!r}. The recognisers are: {', '.join(RECOGNISERS)}.")
    path = by_name(weights, ARCFACE) if weights else None
    if path is None or not path.is_file():
        place = f"in {weights}" if weights else "because no folder of weights is named"
        raise FaceModelsMissing(f"ArcFace needs {ARCFACE}, which is not there {place}. Put it there, or choose dlib.")
    return ArcFaceRecogniser(path)
