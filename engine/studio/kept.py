"""Restored faces that are kept: the same face with the same settings is found again instead of sampled again.

A restored crop lies as it came out of the restorer, in float32, so that what is fitted of it into the photo later is
bit for bit what would have been fitted at once. It lies with the person whose photo it is, and goes with them.
"""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import EngineError
from engine.images import Mask, Pixels
from engine.workspace import Workspace, fingerprint, write_bytes

log = logging.getLogger(__name__)

MOST = 100
"""Faces kept in one folder, the last used ones: at 512 px 3 MB each."""

FIELDS = (
    "photo_sha256",
    "restorer",
    "options",
    "seed",
    "prior",
    "prior_name",
    "tuned",
    "tuned_sha256",
    "prompt",
    "device",
    "precision",
    "engine",
)
"""Fields of a provenance that with the face's matrix decide what a restorer makes of it."""


@dataclass(frozen=True, eq=False)
class KeptFace:
    """What a restorer made of one face."""

    pixels: Pixels
    """`(size, size, 3)`, 0 to 1."""
    seconds: float
    """How long that took."""
    head: Mask | None
    """`(size, size)`, 0 to 1: what a network took for the head; None for the mask that needs none."""


def folder(workspace: Workspace, person: str | None) -> Path:
    """Give where the faces of a person's photos are kept; `person` is an id, None for photos of nobody known."""
    home = workspace.runs if person is None else workspace.people / person
    return home / "restored"


def key_of(told: Mapping[str, Any]) -> str:
    """Give the key of a restored face by the provenance of its result, or by as much of it as `FIELDS` names."""
    return fingerprint({**{name: told[name] for name in FIELDS}, "from_photo": told["face"]["from_photo"]})


def keep(place: Path, key: str, face: KeptFace) -> None:
    """Keep a face, and let those go that were not used for longest. A disk that refuses is only noted in the log."""
    held = io.BytesIO()
    if face.head is None:
        np.savez(held, pixels=face.pixels, seconds=face.seconds)
    else:
        np.savez(held, pixels=face.pixels, seconds=face.seconds, head=face.head)
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_bytes(place / f"{key}.npz", held.getvalue())
        by_use = sorted(place.glob("*.npz"), key=lambda file: file.stat().st_mtime, reverse=True)
        for old in by_use[MOST:]:
            old.unlink(missing_ok=True)
    except (EngineError, OSError) as error:
        log.warning("a restored face was not kept: %s", error)


def find(place: Path, key: str, size: int | None = None) -> KeptFace | None:
    """Give the face of a key; None where there is none of that side in px (of any, if not given) or it is damaged."""
    file = place / f"{key}.npz"
    try:
        with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as held:
            pixels = np.asarray(held["pixels"], np.float32)
            head = np.asarray(held["head"], np.float32) if "head" in held else None
            face = KeptFace(pixels, float(held["seconds"]), head)
    except FileNotFoundError:
        return None
    except Exception as error:  # whatever a damaged archive makes numpy say
        log.warning("%s is damaged and is not used: %s", file, error)
        return None
    size = pixels.shape[0] if size is None else size
    if pixels.shape != (size, size, 3) or not np.isfinite(pixels).all():
        return None
    if head is not None and head.shape != (size, size):
        return None
    with suppress(OSError):
        os.utime(file)
    return face
