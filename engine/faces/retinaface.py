"""RetinaFace: finds small, turned and damaged faces, and eyes, nose and mouth of each, once its weights are there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.faces.detect import Face, distinct
from engine.faces.networks import MOBILE, RESNET50, network
from engine.images import Pixels, resize

BACKBONES = {"retinaface-resnet50": RESNET50, "retinaface-mobile": MOBILE}
"""Name of the detector and of its weights, the better first."""

STEPS = (8, 16, 32)
"""Pixels from anchor to anchor, on the three levels of the pyramid."""
ANCHORS = ((16.0, 32.0), (64.0, 128.0), (256.0, 512.0))
"""Sides of the two square anchors at each place of a level, px."""
VARIANCES = (0.1, 0.2)
"""Of places and of sizes: what the network's answers are multiplied by.
Source of the three: facexlib 0.3.0 detection/retinaface.py, equal for both backbones."""
MEANS = (104.0, 117.0, 123.0)
"""Taken off blue, green and red, of 255: the means of ImageNet in Caffe's order."""

SURE = 0.8
"""Least probability of a face; facexlib's own default."""
MOST = 2000
"""Anchors that are looked at, the surest first; one face has some ten."""
SIDES = (640, 1920)
"""Long sides in px at which a photo is searched. At the first a face that fills the photo is no larger than the largest
anchor, at the second those from 16 px of it are found. No photo is enlarged beyond the first."""


class RetinaFaceDetector:
    """RetinaFace with one of its backbones, loaded; may be used from several threads."""

    def __init__(self, name: str, path: Path) -> None:
        """Load it.

        Args:
            name: one of `BACKBONES`.
            path: file of the weights.

        Raises:
            FaceModelsMissing: facexlib is not installed.
            WeightsMissing, WeightsDamaged: the file is not there, or is not that network's.
        """
        self.name = {RESNET50: "RetinaFace ResNet-50", MOBILE: "RetinaFace MobileNet-0.25"}[BACKBONES[name]]
        self._network = network(path, BACKBONES[name])

    def find(self, pixels: Pixels) -> tuple[Face, ...]:
        """See `FaceDetector.find`. Small faces beside large ones are found too."""
        long_side = max(pixels.shape[:2])
        sides = [SIDES[0], *(min(side, long_side) for side in SIDES[1:] if long_side > SIDES[0])]
        return distinct(face for side in sides for face in self._at(pixels, side))

    def _at(self, pixels: Pixels, side: int) -> list[Face]:
        """Give the faces seen when the long side has `side` px; one face may come several times."""
        height, width = pixels.shape[:2]
        scale = side / max(width, height)
        seen = resize(pixels, (max(1, round(width * scale)), max(1, round(height * scale))))
        scores, boxes, points = self._ask(seen)
        back = np.array([width / seen.shape[1], height / seen.shape[0]])
        sure = np.argsort(-scores)[:MOST]
        sure = sure[scores[sure] > SURE]
        # Corners of pixels are whole numbers in the network's frame, and centres in ours.
        boxes = boxes[sure].reshape(-1, 2, 2) * back - 0.5
        points = points[sure] * back - 0.5
        return [
            Face((float(b[0, 0]), float(b[0, 1]), float(b[1, 0]), float(b[1, 1])), p, "ffhq5", float(s), self.name)
            for s, b, p in zip(scores[sure], boxes, points, strict=True)
        ]

    def _ask(self, seen: Pixels) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Give scores `(A,)`, boxes `(A, 4)` and points `(A, 5, 2)` in px of the picture seen, for every anchor."""
        import torch

        batch = as_input(seen)
        # A caller may compute in half precision; places in px would lose their fractions.
        with torch.inference_mode(), torch.autocast("cpu", enabled=False):
            logits, places, points = self._network(batch)
            scores = torch.softmax(logits.double(), dim=-1)[0, :, 1]
        around = anchors(batch.shape[3], batch.shape[2])
        return scores.numpy(), *decoded(places[0].double().numpy(), points[0].double().numpy(), around)


def as_input(pixels: Pixels) -> Any:
    """Give a picture as RetinaFace takes it: `(1, 3, H, W)`, blue first, 0 to 255 without `MEANS`.

    The sides are filled up to multiples of the largest step with the mean, so that each level is exactly half as large
    as the one before.
    """
    import torch

    height, width = pixels.shape[:2]
    step = STEPS[-1]
    batch = np.zeros((1, 3, -(-height // step) * step, -(-width // step) * step), np.float32)
    bgr = pixels[..., ::-1] * np.float32(255) - np.array(MEANS, np.float32)
    batch[0, :, :height, :width] = bgr.transpose(2, 0, 1)
    return torch.from_numpy(batch)


def anchors(width: int, height: int) -> NDArray[np.float64]:
    """Give centre and side of every anchor, `(A, 3)`, px; row by row, level by level, the small of a place first."""
    levels: list[NDArray[np.float64]] = []
    for step, sides in zip(STEPS, ANCHORS, strict=True):
        rows, columns = np.mgrid[0 : -(-height // step), 0 : -(-width // step)]
        places = np.repeat((np.stack([columns.ravel(), rows.ravel()], axis=1) + 0.5) * step, len(sides), axis=0)
        levels.append(np.column_stack([places, np.tile(sides, rows.size)]))
    return np.concatenate(levels).astype(np.float64)


def decoded(
    places: NDArray[np.float64], points: NDArray[np.float64], around: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give boxes `(A, 4)` and points `(A, 5, 2)` in px, of the network's answers `(A, 4)` and `(A, 10)`."""
    side = around[:, 2:3]
    centre = around[:, :2] + places[:, :2] * VARIANCES[0] * side
    # The exponent is bounded: a network that was never trained would overflow.
    half = side * np.exp(np.clip(places[:, 2:] * VARIANCES[1], -10.0, 10.0)) / 2
    marks = around[:, None, :2] + points.reshape(-1, 5, 2) * VARIANCES[0] * side[..., None]
    return np.concatenate([centre - half, centre + half], axis=1), marks
