"""Aligned crops: one cut and one paste for every restorer, so that what they make of a face can be compared.

The alignment is that of FFHQ at 512 px, scaled: eyes level, at 47 % of the height, a quarter of the width apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from engine.faces.detect import Face
from engine.faces.geometry import Matrix, Points, inverse, moved, scale_of, similarity, warp
from engine.images import Pixels

TEMPLATE_SIZE = 512
"""Side in px of the crop that the templates below belong to."""

FFHQ5 = (
    (192.98138, 239.94708),
    (318.90277, 240.1936),
    (256.63416, 314.01935),
    (201.26117, 371.41043),
    (313.08905, 371.15118),
)
"""Source: the facexlib template for 512 px, which GFPGAN, CodeFormer and DiffBIR share."""

DLIB5 = (
    (171.67, 243.38),
    (219.37, 244.74),
    (292.94, 244.41),
    (340.45, 242.71),
    (257.25, 336.41),
)
"""Mean of dlib's five points in 338 pictures aligned by FFHQ5 (every third of 1,013 people, 384 px, all found by the
HOG detector). Standard deviation 3.6 to 6.8 px across, 4.0 to 5.1 px down. An alignment by these points is off from
one by FFHQ5 by 3.6 % in scale, 1.9 degrees, 2.0 px across and 3.5 px down (standard deviations at 512 px, at the centre
of the face): the mouth is not among the points."""

TEMPLATES = MappingProxyType({"ffhq5": FFHQ5, "dlib5": DLIB5})
"""Where each scheme's points lie in a crop of `TEMPLATE_SIZE`; its outer corner is (-0.5, -0.5)."""

FADE = 0.08
"""Share of the crop's side over which what lies beyond the photo's border fades into a blur."""


@dataclass(frozen=True, eq=False)
class FaceCrop:
    """One face cut out of a photo, turned upright and brought to one size."""

    pixels: Pixels
    """`(size, size, 3)`, 0 to 1."""
    from_photo: Matrix
    """`(2, 3)`: from pixels of the photo to pixels of the crop."""
    size: int
    """Side in px."""
    face: Face
    """The face, in pixels of the photo."""

    @property
    def scale(self) -> float:
        """How many pixels of the crop one pixel of the photo became; below 1 the photo knows more than the crop."""
        return scale_of(self.from_photo)


def template(scheme: str, size: int) -> Points:
    """Give where a scheme's points belong in a crop of `size` px, `(5, 2)`.

    Raises:
        ValueError: there is no such scheme.
    """
    if scheme not in TEMPLATES:
        raise ValueError(f"scheme must be one of {', '.join(TEMPLATES)}, got {scheme!r}")
    return (np.array(TEMPLATES[scheme], np.float64) + 0.5) * (size / TEMPLATE_SIZE) - 0.5


def cut(pixels: Pixels, face: Face, size: int) -> FaceCrop:
    """Cut one face out of a photo, aligned.

    A face larger than the crop is averaged down, not skipped over. Where the crop reaches beyond the photo it shows the
    photo mirrored, blurred more and more with the distance, as FFHQ's own crops do.

    Args:
        pixels: `(H, W, 3)`, 0 to 1; not changed.
        face: in pixels of that photo.
        size: side of the crop in px.
    """
    from_photo = crop_matrix(face, size)
    seen = warp(pixels, from_photo, (size, size))
    return FaceCrop(_blurred_outside(seen, pixels.shape[1], pixels.shape[0], from_photo), from_photo, size, face)


def crop_matrix(face: Face, size: int) -> Matrix:
    """Give the way from pixels of the photo to pixels of the face's aligned crop of `size` px, `(2, 3)`."""
    return similarity(face.points, template(face.scheme, size))


def _blurred_outside(seen: Pixels, width: int, height: int, from_photo: Matrix) -> Pixels:
    """Blur a crop where it lies beyond a photo of `width` x `height` px."""
    import cv2

    size = seen.shape[0]
    rows, columns = np.mgrid[0:size, 0:size]
    places = moved(np.stack([columns.ravel(), rows.ravel()], axis=1).astype(np.float64), inverse(from_photo))
    beyond = np.maximum(np.maximum(-0.5 - places, places - [width - 0.5, height - 0.5]), 0.0)
    distance = np.hypot(beyond[:, 0], beyond[:, 1]).reshape(size, size) * scale_of(from_photo)
    if not distance.any():
        return seen
    share = np.clip(distance / (FADE * size), 0.0, 1.0).astype(np.float32)[..., None]
    blurred = np.asarray(cv2.GaussianBlur(seen, (0, 0), FADE * size / 2), np.float32)
    return seen + (blurred - seen) * share
