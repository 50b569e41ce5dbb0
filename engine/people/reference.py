"""A person and the faces in their photos, as values and as they lie on the disk."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from engine import images
from engine.errors import EngineError
from engine.faces import (
    LOOK_SIZE,
    Embedding,
    Face,
    FaceQuality,
    Look,
    cut,
    embed,
    face_from_json,
    look,
    measure,
    quality_from_json,
)
from engine.images import Pixels
from engine.workspace import fingerprint, read_json, sha256_file

Verdict = Literal["accepted", "rejected"]
Overruled = Literal["keep", "reject"]

SUBJECTS = ("person", "man", "woman", "child")
"""What a person can be called in a prompt."""
TOKEN = "sks"
"""The rare word that stands for the person: no word of any language, and one token to every prior."""
IDENTITY_SIZE = 256
"""Side in px of the crop that a face is recognised by."""

VERSION = 1
"""Of `person.json` and of a reference's file."""


class PersonDamaged(EngineError):
    """A file of a person does not hold what it should."""


class PhotoChanged(EngineError):
    """The stored copy of a photo is gone, or is not the photo any more that was added."""


@dataclass(frozen=True)
class Person:
    """Somebody whose photos are to be restored."""

    id: str
    """Name of the folder: a short form of the name and a few random digits."""
    name: str
    """As the user wrote it."""
    subject: str
    """One of `SUBJECTS`."""
    token: str
    """See `TOKEN`."""
    created: str
    """ISO 8601, UTC."""
    cover: str = ""
    """Id of the reference that stands for them on screens; "" for the best one."""
    hidden: str = ""
    """Why they are not listed: `undone`, or the id of the person that they were merged into; "" for who is listed."""

    @property
    def prompt(self) -> str:
        """The phrase that stands for this very person."""
        return f"a photo of a {self.token} {self.subject}"

    @property
    def class_prompt(self) -> str:
        """The phrase that stands for anybody of their kind."""
        return f"a photo of a {self.subject}"


@dataclass(frozen=True)
class Reason:
    """Why a face is not used."""

    code: str
    """too-small, blurred, turned-away, somebody-else, near-duplicate, already-there, no-face or unreadable."""
    sentence: str
    """What was found and what to do, for the user."""


@dataclass(frozen=True, eq=False)
class Reference:
    """One face in one photo of a person."""

    id: str
    """First 16 digits of the photo's SHA-256, a dash and which of its faces this is, from 0, the largest first."""
    photo: str
    """Name of the copy in the person's `photos`."""
    name: str
    """What the file was called."""
    added: str
    """ISO 8601, UTC."""
    face: Face
    """In pixels of the photo, upright."""
    others: int
    """How many other faces the photo shows."""
    quality: FaceQuality
    embedding: Embedding
    look: Look
    verdict: Verdict
    """What the measured facts say."""
    reason: Reason | None
    """Why it is rejected; None when it is accepted."""
    overruled: Overruled | None
    """What the user said instead."""
    taken: int | None = None
    """The year in which the photo was taken, as its camera had it; None where it does not say."""
    year: int | None = None
    """The same, as the user said."""
    age: int | None = None
    """How old the person is in it, in years, as the user said."""

    @property
    def used(self) -> bool:
        """Whether it belongs to the gallery: the user's word, else the verdict."""
        return self.overruled == "keep" if self.overruled else self.verdict == "accepted"


@dataclass(frozen=True)
class AddOutcome:
    """What became of one file that was added."""

    file: Path
    verdict: Verdict
    reason: Reason | None
    """None when it is accepted."""
    reference: Reference | None
    """What was stored; None when nothing was."""


@dataclass(frozen=True)
class Gallery:
    """The references of a person that are used, the same ones always in the same order."""

    person: Person
    references: tuple[Reference, ...]
    photos: Path
    """The folder of the photos."""

    @property
    def embeddings(self) -> NDArray[np.float64]:
        """One row for each reference, `(N, 128)`."""
        return np.stack([r.embedding for r in self.references]) if self.references else np.zeros((0, 128))

    @property
    def fingerprint(self) -> str:
        """64 hexadecimal digits that change with the prompt and with the choice of references."""
        return fingerprint({"prompt": self.person.prompt, "references": sorted(r.id for r in self.references)})

    def crops(self, size: int) -> tuple[Pixels, ...]:
        """Cut every reference out of its photo: `(size, size, 3)` each, 0 to 1, aligned.

        Raises:
            PhotoChanged: a photo is gone, or another one lies in its place, in which the face would be elsewhere.
            EngineError: a photo cannot be read.
        """
        return tuple(cut(self._photo(r), r.face, size).pixels for r in self.references)

    def _photo(self, reference: Reference) -> Pixels:
        file = self.photos / reference.photo
        if not file.exists():
            found = f"The copy of {reference.name} is not in {self.photos} any more"
        elif not sha256_file(file).startswith(reference.id.rpartition("-")[0]):
            found = f"The copy of {reference.name} in {self.photos} was changed since it was added"
        else:
            return images.read_photo(file).pixels
        raise PhotoChanged(
            f"{found}. Put {reference.photo} back as it was, or remove this face on the People screen and add the "
            "photo again."
        )


@dataclass(frozen=True, eq=False)
class Measured:
    """What is known of one face when its photo is put away again."""

    face: Face
    quality: FaceQuality
    embedding: Embedding
    look: Look


def measured(pixels: Pixels, face: Face) -> Measured:
    """Measure one face in a photo `(H, W, 3)`, 0 to 1."""
    return Measured(face, measure(pixels, face), embed(cut(pixels, face, IDENTITY_SIZE)), look(pixels, face))


def reference_json(
    face: Measured, name: str, made: str, stored: str, others: int, added: str, taken: int | None = None
) -> Mapping[str, Any]:
    """Give a new reference as it is stored.

    Args:
        face: what was measured.
        name: of the file, as the user had it.
        made: id of the reference.
        stored: name of the photo's copy.
        others: how many other faces the photo shows.
        added: ISO 8601, UTC.
        taken: the year in which the photo was taken, where its file says so.
    """
    return {
        "version": VERSION,
        "id": made,
        "photo": stored,
        "name": name,
        "added": added,
        "face": face.face.to_json(),
        "others": others,
        "quality": face.quality.to_json(),
        "embedding": face.embedding.round(8).tolist(),
        "look": base64.b64encode(face.look.tobytes()).decode("ascii"),
        "overruled": None,
        "taken": taken,
        "year": None,
        "age": None,
    }


def now() -> str:
    """Give the moment as it is stored: ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def read_person(folder: Path) -> Person:
    """Read the person of a folder.

    Raises:
        PersonDamaged: the file says nothing usable.
        EngineError: it cannot be read.
    """
    file = folder / "person.json"
    value = read_json(file)
    try:
        known = (str(value[key]) for key in ("id", "name", "subject", "token", "created"))
        person = Person(*known, cover=str(value.get("cover", "")), hidden=str(value.get("hidden", "")))
    except (KeyError, TypeError) as error:
        raise PersonDamaged(f"{file} lacks {error}. Put back a good copy of it.") from error
    if person.id != folder.name:
        raise PersonDamaged(f"{file} says that it is {person.id}. Give the folder that name again.")
    return person


def read_reference(file: Path) -> Reference:
    """Read a reference, not judged yet. Raises as `read_person`."""
    value = read_json(file)
    try:
        word = value["overruled"]
        embedding = np.array(value["embedding"], np.float64)
        seen = np.frombuffer(base64.b64decode(value["look"], validate=True), np.int8)
        if word not in ("keep", "reject", None) or embedding.shape != (128,) or seen.size != LOOK_SIZE**2:
            raise ValueError("unusable values")
        return Reference(
            id=str(value["id"]),
            photo=str(value["photo"]),
            name=str(value["name"]),
            added=str(value["added"]),
            face=face_from_json(value["face"]),
            others=int(value["others"]),
            quality=quality_from_json(value["quality"]),
            embedding=embedding,
            look=seen.reshape(LOOK_SIZE, LOOK_SIZE),
            verdict="accepted",
            reason=None,
            overruled=word,
            **{key: _whole(value.get(key)) for key in ("taken", "year", "age")},
        )
    except (KeyError, TypeError, ValueError) as error:  # binascii's errors are ValueErrors
        raise PersonDamaged(
            f"{file} is damaged ({error}). Put back a good copy, or delete it and add {file.stem.split('-')[0]} again."
        ) from error


def _whole(value: object) -> int | None:
    """Give a whole number or nothing; references from before there were years have none."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{value!r} is no whole number")
    return value
