"""A workspace with thousands of faces, made of some dozen real ones: as many files, as much to compare, on no camera.

Every face has its own file, small picture, embedding and look, all of them near those of a real face. Photos and small
pictures are second names of the real ones', so that thousands of them take little room.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from engine.faces import detector
from engine.people import UNSORTED, Library, Measured, Person, Reference, take_in
from engine.people.reference import reference_json
from engine.workspace import Workspace

APART = 0.25
"""Distance from a face to those made of it: photos of one person lie 0.22 to 0.40 apart."""
OF_ITS_OWN = 0.8
"""How much of a look is the face's own; with less, faces made of one would be taken for one picture."""


def make(home: Path, photos: Sequence[Path], count: int, *, person: str = "", seed: int = 0) -> Person | None:
    """Make faces in a workspace that no app holds.

    Args:
        home: of the workspace.
        photos: of real faces, of which the others are made by turns.
        count: how many faces there are then.
        person: name of somebody new whose all of them are; "" leaves them nobody's.
        seed: of what differs.
    """
    library = Library(Workspace(home), detector())
    staging = library.journal.new_bin()
    known = library.places.all_ids(one.id for one in library.list())
    real = [name for taken in take_in(photos, library.places.make(staging), known) for name in taken.ids]
    owner = library.create(person) if person else None
    place = owner.id if owner is not None else UNSORTED
    library.places.make(place)
    library.places.move(real, staging, place)
    library.places.empty(staging)
    rng = np.random.default_rng(seed)
    faces = [face for face in library.faces(place) if face.id in set(real)]
    for number in range(count - len(faces)):
        _another(library.places.folder(place), faces[number % len(faces)], number, rng)
    return owner


def _another(folder: Path, face: Reference, number: int, rng: np.random.Generator) -> None:
    digest = hashlib.sha256(f"{face.id} {number}".encode()).hexdigest()[:16]
    made, photo = f"{digest}-0", f"{digest}{Path(face.photo).suffix}"
    _named(folder / "photos" / face.photo, folder / "photos" / photo)
    _named(folder / "crops" / f"{face.id}.jpg", folder / "crops" / f"{made}.jpg")
    away = rng.normal(size=128)
    own = rng.normal(0, face.look.std(), face.look.shape)
    look = np.sqrt(1 - OF_ITS_OWN**2) * face.look + OF_ITS_OWN * own
    measured = Measured(
        face.face,
        replace(face.quality, eye_distance_px=float(face.quality.eye_distance_px * rng.uniform(0.7, 1.3))),
        face.embedding + away * APART / np.linalg.norm(away),
        np.clip(np.rint(look), -127, 127).astype(np.int8),
    )
    stored = reference_json(measured, f"{Path(face.name).stem}-{number}.jpg", made, photo, 0, face.added)
    # Not as the app writes it, which waits for the disk each time.
    (folder / "references" / f"{made}.json").write_text(json.dumps(stored), encoding="utf-8")


def _named(file: Path, name: Path) -> None:
    """Give a file a second name, or copy it where the disk has no second names."""
    try:
        os.link(file, name)
    except OSError:
        shutil.copyfile(file, name)
