"""Adding photos to a person: each is read and measured, and the face of the person in it is stored."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine import images
from engine.errors import EngineError
from engine.faces import Embedding, FaceDetector, distance
from engine.people.journal import Done, Journal, Move
from engine.people.places import Places
from engine.people.reference import AddOutcome, Measured, Person, Reason, Reference, measured, now, reference_json
from engine.people.verdicts import mean_distances
from engine.workspace import trash, write_bytes, write_json


@dataclass(frozen=True, eq=False)
class Seen:
    """One readable photo with at least one face."""

    file: Path
    digest: str
    faces: tuple[Measured, ...]
    taken: int | None
    """Year, where the file says so."""


def look_at(detector: FaceDetector, file: Path) -> Seen | AddOutcome:
    """Read one file and measure all its faces; give an outcome when there is nothing to measure."""
    try:
        photo = images.read_photo(file)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
    except EngineError as error:
        return _refused(file, "unreadable", str(error))
    except OSError as error:
        return _refused(file, "unreadable", f"{file.name} cannot be read: {error.strerror}. Copy it again.")
    pixels = photo.pixels  # made anew at each call
    faces = detector.find(pixels)
    if not faces:
        return _refused(
            file,
            "no-face",
            f"No face found in {file.name} ({photo.width} x {photo.height} px). "
            "Use a photo in which the face is upright, looks at the camera and is at least 60 px wide.",
        )
    taken = images.year_of(photo.exif) if photo.exif is not None else None
    return Seen(file, digest, tuple(measured(pixels, face) for face in faces), taken)


def keep(
    places: Places,
    journal: Journal,
    person: Person,
    seen: Sequence[Seen],
    known: Sequence[Reference],
    outcomes: dict[Path, AddOutcome | None],
) -> dict[Path, str]:
    """Store the face of the person in each photo, so that it can be undone.

    Args:
        places: of the workspace.
        journal: of the workspace.
        person: whose photos these are.
        seen: what was seen in them.
        known: the person's faces, judged.
        outcomes: gets what became of a photo of which nothing is stored.

    Returns:
        The ids of what is new, by file.

    Raises:
        EngineError: the workspace cannot be written; then nothing was stored.
    """
    folder = places.folder(person.id)
    have = {r.photo.split(".")[0] for r in known}
    belongs = [r.embedding for r in known if r.used] or [s.faces[0].embedding for s in seen if len(s.faces) == 1]
    middle = belongs[_middle(belongs)] if belongs else None
    fresh: dict[Path, str] = {}
    places.drop_unused(person.id)  # left by a process that was killed
    with ExitStack() as undo:
        undo.callback(places.drop_unused, person.id)
        for one in seen:
            name = one.digest[:16]
            if name in have:
                sentence = (
                    f"{one.file.name} is among the photos of {person.name} already. Nothing was changed; add others."
                )
                outcomes[one.file] = _refused(one.file, "already-there", sentence)
                continue
            data = _unchanged(one)
            if data is None:
                sentence = f"{one.file.name} was changed or taken away while it was read. Add it again."
                outcomes[one.file] = _refused(one.file, "unreadable", sentence)
                continue
            which = 0 if middle is None else int(np.argmin([distance(f.embedding, middle) for f in one.faces]))
            made = f"{name}-{which}"
            stored = name + (one.file.suffix.lower() if images.is_photo_name(one.file) else "")
            write_bytes(folder / "photos" / stored, data)
            write_json(
                folder / "references" / f"{made}.json",
                reference_json(one.faces[which], one.file.name, made, stored, len(one.faces) - 1, now(), one.taken),
            )
            undo.callback(trash, folder / "references" / f"{made}.json")
            have.add(name)
            fresh[one.file] = made
        if fresh:
            gone = journal.new_bin()
            done = Done("added", len(fresh), person.name, (person.id,))
            journal.note(done, [Move(tuple(fresh.values()), gone, person.id)], bin=gone)
        undo.pop_all()
    return fresh


def _middle(embeddings: Sequence[Embedding]) -> int:
    """Give which of some faces has the least distances to all."""
    return int(np.argmin(mean_distances(embeddings, embeddings)))


def listed(paths: Iterable[Path]) -> tuple[list[Path], dict[Path, AddOutcome | None]]:
    """Give every file once, and a place for its outcome in the order given; folders without photos have theirs."""
    outcomes: dict[Path, AddOutcome | None] = {}
    for path in paths:
        if not _is_folder(path):
            outcomes.setdefault(path, None)
            continue
        try:
            for file in images.list_photos(path):
                outcomes.setdefault(file, None)
        except EngineError as error:
            outcomes[path] = _refused(path, "unreadable", str(error))
    return [path for path, outcome in outcomes.items() if outcome is None], outcomes


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # in a folder that may not be entered; reading it as a photo says so
        return False


def _unchanged(one: Seen) -> bytes | None:
    """Give the bytes that were looked at, or None if the file no longer has them."""
    try:
        data = one.file.read_bytes()
    except OSError:
        return None
    return data if hashlib.sha256(data).hexdigest() == one.digest else None


def _refused(file: Path, code: str, sentence: str) -> AddOutcome:
    return AddOutcome(file, "rejected", Reason(code, sentence), None)
