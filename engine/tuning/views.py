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
    import cv2

    size = face.shape[0]
    middle = (size - 1) / 2
    matrix = cv2.getRotationMatrix2D((middle, middle), float(rng.normal(0, 1.5)), float(np.exp(rng.normal(0, 0.025))))
    matrix[:, 2] += rng.normal(0, 0.012 * size, 2)
    out: Any = cv2.warpAffine(face, matrix, (size, size), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    out = np.clip(out, 0, 1) ** float(np.exp(rng.normal(0, 0.08)))
    if rng.random() < 0.15:  # old photos are often grey, the person's new ones seldom
        out = np.repeat(out @ np.array([[0.299], [0.587], [0.114]], np.float32), 3, axis=2)
    return np.asarray(np.clip(out * (1 + rng.normal(0, 0.03)), 0, 1), dtype=np.float32)


def make_views(prior: Prior, faces: tuple[Pixels, ...], *, each: int, seed: int, tick: Tick = silent) -> Views:
    """Make `each` views of each face, cleaned by the prior's cleaner and encoded.

    Args:
        prior: whose cleaner and autoencoder.
        faces: `(size, size, 3)` each, 0 to 1.
        each: views a face.
        seed: draws all of it; the same seed gives the same views.
        tick: called after each face.
    """
    import torch

    from engine.prior.device import dtype_of

    if not faces:
        raise NoFaces("There is no face to tune on. Add good photos of the person first.")
    good: list[Tensor] = []
    cleaned: list[Tensor] = []
    for n, face in enumerate(faces):
        rng = np.random.default_rng([seed, n])
        for _ in range(each):
            target = vary(face, rng)
            damaged = degrade.age(target, rng) if rng.random() < 0.2 else target
            damaged = degrade.degrade(damaged, rng)
            with torch.no_grad():
                made = prior.cleaner(images.to_tensor(damaged).to(prior.device, dtype_of(prior.cleaner))).clamp(-1, 1)
                cleaned.append(prior.autoencoder.encode(made.to(prior.dtype)))
                good.append(prior.autoencoder.encode(images.to_tensor(target).to(prior.device, prior.dtype)))
        tick(n + 1, len(faces))
    return Views(torch.cat(good), torch.cat(cleaned))
