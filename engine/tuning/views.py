"""Views: differently cut, toned and damaged versions of good faces, made once before tuning."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engine import degrade, images
from engine.errors import EngineError
from engine.progress import Tick, silent

if TYPE_CHECKING:
    from torch import Tensor

    from engine.prior.bundle import Prior

Pixels = NDArray[np.float32]

GENERIC = Path(__file__).resolve().parents[2] / "assets" / "faces"
"""Faces that are nobody, shipped for prior preservation and for the guide pivot."""


class NoFaces(EngineError):
    """There is nothing to tune on."""


@dataclass(frozen=True)
class Views:
    """Pairs in latents, `(N, C, h, w)` each."""

    good: Tensor
    cleaned: Tensor
    mask: Tensor
    """`(N, 1, h, w)`, 0 to 1, 1 in the face."""
    which: Tensor
    """`(N,)`, int64: of which face each is a view."""


def read_generic(size: int, folder: Path = GENERIC, *, count: int | None = None) -> tuple[Pixels, ...]:
    """Read shipped generic faces at a size: all, or `count` of them taken evenly over the order of their names.

    Raises:
        NoFaces: the folder is missing or empty.
    """
    files = images.list_photos(folder) if folder.is_dir() else []
    if not files:
        raise NoFaces(f"The generic faces in {folder} are missing. Get the project's files again.")
    if count is not None:
        files = [files[n * len(files) // count] for n in range(min(count, len(files)))]
    return tuple(images.resize(images.read_photo(f).pixels, (size, size)) for f in files)


def vary(face: Pixels, rng: np.random.Generator) -> Pixels:
    """Move, scale, turn and tone a face slightly. Never mirrored: faces are not symmetric."""
    return vary_with(face, face_shape(face.shape[0]), rng)[0]


def vary_with(face: Pixels, mask: Pixels, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
    """Do what `vary` does, and move a mask `(size, size)`, 0 to 1, with the face; give both."""
    import cv2

    size = face.shape[0]
    middle = (size - 1) / 2
    matrix = cv2.getRotationMatrix2D((middle, middle), float(rng.normal(0, 1.5)), float(np.exp(rng.normal(0, 0.025))))
    matrix[:, 2] += rng.normal(0, 0.012 * size, 2)
    out: Any = cv2.warpAffine(face, matrix, (size, size), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    out = np.clip(out, 0, 1) ** float(np.exp(rng.normal(0, 0.08)))
    if rng.random() < 0.15:  # old photos are often grey, the person's new ones seldom
        out = np.repeat(out @ np.array([[0.299], [0.587], [0.114]], np.float32), 3, axis=2)
    moved: Any = cv2.warpAffine(mask, matrix, (size, size))
    out = np.clip(out * (1 + rng.normal(0, 0.03)), 0, 1)
    return np.asarray(out, dtype=np.float32), np.asarray(moved, dtype=np.float32)


def make_views(prior: Prior, faces: tuple[Pixels, ...], *, each: int, seed: int, tick: Tick = silent) -> Views:
    """Make `each` views of each face, cleaned by the prior's cleaner and encoded.

    Args:
        prior: whose cleaner and autoencoder.
        faces: `(size, size, 3)` each, 0 to 1.
        each: views a face.
        seed: draws all of it; the same seed gives the same views.
        tick: called after each face.

    Raises:
        NoFaces: there is none.
        Cancelled: from the tick.
    """
    import cv2
    import torch

    from engine.prior.device import dtype_of

    if not faces:
        raise NoFaces("There is no face to tune on. Add good photos of the person first.")
    good: list[Tensor] = []
    cleaned: list[Tensor] = []
    masks: list[Tensor] = []
    whole = face_shape(prior.size)
    for n, face in enumerate(faces):
        rng = np.random.default_rng([seed, n])
        for _ in range(each):
            target, mask = vary_with(face, whole, rng)
            damaged = degrade.age(target, rng) if rng.random() < 0.2 else target
            damaged = degrade.degrade(damaged, rng)
            with torch.no_grad():
                made = prior.cleaner(images.to_tensor(damaged).to(prior.device, dtype_of(prior.cleaner))).clamp(-1, 1)
                cleaned.append(prior.autoencoder.encode(made.to(prior.dtype)))
                good.append(prior.autoencoder.encode(images.to_tensor(target).to(prior.device, prior.dtype)))
            side = good[-1].shape[-1]
            small: Any = cv2.resize(mask, (side, side), interpolation=cv2.INTER_AREA)
            masks.append(torch.from_numpy(np.asarray(small, np.float32))[None, None].to(prior.device))
        tick(n + 1, len(faces))
    which = torch.arange(len(faces)).repeat_interleave(each)
    return Views(torch.cat(good), torch.cat(cleaned), torch.cat(masks), which)


FACE_CENTRE = (0.5, 0.56)
"""Middle of the face in an aligned crop, shares of its side: between the eyes and the mouth of `faces.crop.FFHQ5`."""
FACE_HALF = (0.27, 0.36)
"""Half width and height of the face, shares of the side: from ear to ear and from the hairline to the chin."""


def face_shape(size: int) -> Pixels:
    """Give where the face is in an aligned crop, `(size, size)`, 1 inside and falling to 0 over a fifth of its half."""
    y, x = (np.mgrid[0:size, 0:size] + 0.5) / size
    radius = np.hypot((x - FACE_CENTRE[0]) / FACE_HALF[0], (y - FACE_CENTRE[1]) / FACE_HALF[1])
    rise = np.clip((1.2 - radius) / 0.2, 0, 1)
    return (rise * rise * (3 - 2 * rise)).astype(np.float32)
