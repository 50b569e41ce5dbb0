"""Which pixels of an aligned crop are the head, as a network sees it: hair and ears of this head, not of any head."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.faces.networks import PARSENET, network
from engine.images import Mask, Pixels, resize, to_tensor
from engine.weights import by_name

NETWORK_SIDE = 512
"""Side in px of the crops that ParseNet knows."""
CLASSES = (
    *("background", "skin", "nose", "glasses", "left eye", "right eye", "left brow", "right brow"),
    *("left ear", "right ear", "mouth", "upper lip", "lower lip", "hair", "hat", "earring", "necklace"),
    *("neck", "clothes"),
)
"""What ParseNet tells apart, in its order, which is that of CelebAMask-HQ."""
HEAD = tuple(n for n, name in enumerate(CLASSES) if name not in {"background", "hat", "necklace", "neck", "clothes"})
"""What may be changed: skin, features, glasses, ears, earrings and hair. A hat stays the photo's: the restorers hardly
know hats. As facexlib does it: classes 1 to 13 and 15."""
SOFT = 15.6 / 512
"""Standard deviation of the blur that softens the mask's edge, over the crop's side. facexlib blurs by 11 px twice at
512 px, which is the same."""
MARGIN = (0.032, 0.08)
"""Shares of the side: at each edge of the crop the mask is exactly 0 up to the first, and whole from the second on.
facexlib cuts it off at 10 px, which leaves an edge where hair reaches beyond the crop."""


class HeadMasker(Protocol):
    """Whatever tells the head in a crop from what is round it."""

    def mask(self, pixels: Pixels) -> Mask:
        """Give a soft mask of the head.

        Args:
            pixels: `(size, size, 3)`, 0 to 1, aligned as `crop.TEMPLATES` say; not changed.

        Returns:
            `(size, size)`, 0 to 1; exactly 0 on the outer 3 % of each side.

        Raises:
            ValueError: the pixels are not square.
        """
        ...


class ParseNetMasker:
    """facexlib's ParseNet, loaded; may be used from several threads.

    Where it sees no head, the mask is empty: compare its mean with that of `head_mask` before it is used.
    """

    name = "ParseNet"

    def __init__(self, path: Path) -> None:
        """Load the file of its weights. Raises as `networks.network`."""
        self._network = network(path, PARSENET)

    def mask(self, pixels: Pixels) -> Mask:
        """See `HeadMasker.mask`."""
        import cv2

        if pixels.ndim != 3 or pixels.shape[0] != pixels.shape[1] or pixels.shape[2] != 3:
            raise ValueError(f"an aligned face must be (size, size, 3), got {pixels.shape}")
        head = np.isin(self.classes(pixels), HEAD).astype(np.float32)
        soft = np.asarray(cv2.GaussianBlur(head, (0, 0), SOFT * NETWORK_SIDE), np.float32)
        size = pixels.shape[0]
        return np.asarray(resize(soft, (size, size)) * _inside(size), np.float32)

    def classes(self, pixels: Pixels) -> NDArray[np.int64]:
        """Give the place in `CLASSES` of what each pixel shows, `(512, 512)`, for a crop as in `mask`."""
        import torch

        batch = to_tensor(resize(pixels, (NETWORK_SIDE, NETWORK_SIDE)))  # red first, -1 to 1
        with torch.inference_mode(), torch.autocast("cpu", enabled=False):
            scores = self._network(batch)[0]
        return scores[0].argmax(dim=0).numpy()


def masker(weights: Path | None) -> HeadMasker | None:
    """Give the masker whose file is in a folder of weights, or None: then there is `mask.head_mask`.

    Raises:
        FaceModelsMissing: the file is there and facexlib is not installed.
        WeightsDamaged: the file is not ParseNet's.
    """
    path = by_name(weights, PARSENET) if weights else None
    return ParseNetMasker(path) if path and path.is_file() else None


def _inside(size: int) -> Mask:
    """Give 1 well inside a crop and 0 at its edges, smooth between."""
    from_edge = np.minimum(np.arange(size), np.arange(size)[::-1]) / size
    rise = np.clip((from_edge - MARGIN[0]) / (MARGIN[1] - MARGIN[0]), 0.0, 1.0)
    rise = rise * rise * (3 - 2 * rise)
    return (rise[None, :] * rise[:, None]).astype(np.float32)
