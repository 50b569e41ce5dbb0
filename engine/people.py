"""People and the photos of them that are good enough to learn from, and why the others are not.

A person is a folder of the workspace: `person.json`, `photos/` (each file as it was given, named by its content) and
`references/` (one file for each face, with what was measured on it). What is measured is kept; verdicts are not: they
follow from all of a person's faces together and are found anew each time, by `judge`. What the user overruled stays.

Nothing here knows about tuning or restoring. What other rooms keep of a person lies in the same folder, so that it goes
with the person.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import re
import secrets
import threading
import unicodedata
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from engine import images
from engine.errors import EngineError
from engine.faces import (
    LOOK_SIZE,
    Embedding,
    Face,
    FaceDetector,
    FaceQuality,
    Look,
    alike,
    cut,
    distance,
    embed,
    face_from_json,
    look,
    measure,
    quality_from_json,
)
from engine.images import Pixels
from engine.progress import Report, SilentReport
from engine.workspace import PRIVATE_FOLDER, Workspace, fingerprint, read_json, trash, write_bytes, write_json

log = logging.getLogger(__name__)

Verdict = Literal["accepted", "rejected"]
Overruled = Literal["keep", "reject"]

SUBJECTS = ("person", "man", "woman", "child")
"""What a person can be called in a prompt."""
TOKEN = "sks"
"""The rare word that stands for the person: no word of any language, and one token to every prior."""
LONGEST_NAME = 200
"""Characters."""

TOO_SMALL_PX = 24.0
"""Eye distance below which a face has too little detail; a face some 60 px wide."""
BLURRED = 0.3
"""`FaceQuality.sharpness` below which a face is blurred. 290 plain photos of 14 people have 0.40 to 0.58; blurred by a
Gaussian of 3 % of the eye distance 0.28 to 0.45, of 5 % 0.20 to 0.32, of 8 % below 0.20."""
TURNED_AWAY = 0.55
"""`FaceQuality.yaw` beyond which one side of the face is hardly seen, some 40 degrees. Plain photos: 0.37 at most."""
SOMEBODY_ELSE = 0.55
"""Distance to the face in the middle of all the others beyond which it is not the same person. On 14 people: 0.54 at
most for their own faces, and below 0.55 for 0.7 % of other people's."""
NEEDED_TO_COMPARE = 3
"""Faces from which on one of them can be told to be the odd one out."""
SAME_PICTURE = 0.93
"""`faces.alike` from which two pictures are one; see there."""
SAME_MOMENT = 0.25
"""Distance within which two pictures that look alike are taken for one. A recompressed copy lies at 0.06 to 0.16, a
grey one at 0.25 at most."""
IDENTITY_SIZE = 256
"""Side in px of the crop that a face is recognised by."""
ENOUGH_EYES_PX = 128.0
"""Eye distance beyond which a larger face is no better: that of a crop of 512 px."""

_VERSION = 1


class NameRefused(EngineError):
    """A person cannot have this name or be this subject."""


class NoSuchPerson(EngineError):
    """There is no person, or more than one, of this name."""


class NoSuchReference(EngineError):
    """A person has no such reference."""


class PersonDamaged(EngineError):
    """A file of a person does not hold what it should."""


class PersonNotSaved(EngineError):
    """The folder of a new person cannot be made."""


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
            EngineError: a photo is gone or cannot be read.
        """
        return tuple(cut(images.read_photo(self.photos / r.photo).pixels, r.face, size).pixels for r in self.references)


# Inside `Library`, `list` is the method of that name.
People = list[Person]
References = list[Reference]
Outcomes = list[AddOutcome]


class Library:
    """The people of a workspace."""

    def __init__(self, workspace: Workspace, detector: FaceDetector) -> None:
        self._workspace = workspace
        self._detector = detector
        self._one_at_a_time = threading.RLock()

    def create(self, name: str, subject: str = "person") -> Person:
        """Make a person.

        Raises:
            NameRefused: the name is empty, too long, holds control characters or is taken; or no such subject.
        """
        name = name.strip()
        _check_name(name)
        if subject not in SUBJECTS:
            raise NameRefused(f"A person is one of {', '.join(SUBJECTS)}; {subject!r} was given. Choose one of them.")
        with self._one_at_a_time:
            if any(_same_name(known.name, name) for known in self.list()):
                raise NameRefused(f"There is somebody called {name} already. Choose another name, such as with a year.")
            person = Person(f"{_slug(name)}-{secrets.token_hex(3)}", name, subject, TOKEN, _now())
            # Made under a passing name, one that the workspace sweeps away if this process is killed here.
            passing = self._workspace.people / f".{person.id}-{secrets.token_hex(6)}.part"
            with ExitStack() as undo:
                try:
                    for place in (passing, passing / "photos", passing / "references"):
                        place.mkdir(mode=PRIVATE_FOLDER)
                        if place == passing:
                            undo.callback(trash, passing)
                    write_json(passing / "person.json", {"version": _VERSION, **asdict(person)})
                    passing.rename(self.folder(person))
                except OSError as error:
                    raise PersonNotSaved(
                        f"No folder could be made for {name}: {error.strerror}. Make room on the disk of "
                        f"{self._workspace.root}, or check your rights to it."
                    ) from error
                undo.pop_all()
        return person

    def list(self) -> People:
        """Give everybody, by name. A folder that cannot be read is left out, and the log says so."""
        people: People = []
        for folder in self._workspace.people.iterdir():
            if folder.name.startswith(".") or not folder.is_dir():
                continue
            try:
                people.append(_read_person(folder))
            except EngineError as error:
                log.warning("%s is left out of the people: %s", folder.name, error)
        return sorted(people, key=lambda person: (person.name.casefold(), person.id))

    def get(self, person: str) -> Person:
        """Give a person by id or by name, capitals or not.

        Raises:
            NoSuchPerson: there is none, or more than one of that name.
        """
        everybody = self.list()
        found = [p for p in everybody if p.id == person] or [p for p in everybody if _same_name(p.name, person.strip())]
        if len(found) == 1:
            return found[0]
        if found:
            raise NoSuchPerson(f"There are {len(found)} people called {person}. Use one of {_named(found)}.")
        if not everybody:
            raise NoSuchPerson(f"There is nobody called {person}: no people have been added yet.")
        raise NoSuchPerson(f"There is nobody called {person}. The people are {_named(everybody)}.")

    def remove(self, person: str) -> None:
        """Delete a person by id or name, with photos, references, tuned models and all that lies in their folder.

        Raises:
            NoSuchPerson: as `get`.
            EngineError: the system refuses.
        """
        with self._one_at_a_time:
            trash(self.folder(self.get(person)))

    def folder(self, person: Person) -> Path:
        """Give the folder of a person."""
        return self._workspace.people / person.id

    def add(self, person: Person, paths: Iterable[Path], report: Report | None = None) -> Outcomes:
        """Add photos, or all photos in folders, to a person; a bad file never stops the others.

        In a photo of several people, the face nearest to those known of the person is taken; when none is known, the
        largest.

        Args:
            person: whose photos these are.
            paths: files and folders.
            report: told after every photo.

        Returns:
            One outcome for each file, and one for each folder that gave none, in the order given.

        Raises:
            Cancelled: from the report; then nothing of these was added.
            EngineError: the workspace cannot be written or the face models are missing; then nothing was added.
        """
        told = report or SilentReport()
        with self._one_at_a_time:
            known = self.references(person)
            files, outcomes = _files(paths)
            seen: _AllSeen = []
            told.tick("reading photos", 0, len(files))
            for done, file in enumerate(files, start=1):
                result = self._look_at(file)
                if isinstance(result, AddOutcome):
                    outcomes[file] = result
                else:
                    seen.append(result)
                told.tick("reading photos", done, len(files))
            fresh = self._keep(person, seen, known, outcomes)
            judged = {r.id: r for r in self.references(person)} if fresh else {}
            for file, made in fresh.items():
                stored = judged[made]
                outcomes[file] = AddOutcome(file, stored.verdict, stored.reason, stored)
            return [outcome for outcome in outcomes.values() if outcome is not None]

    def references(self, person: Person) -> References:
        """Give all faces of a person with their verdicts, in the order they were added.

        Raises:
            PersonDamaged: a file of a reference cannot be used.
        """
        folder = self.folder(person) / "references"
        found = [_read_reference(file) for file in folder.glob("[!.]*.json")]
        return judge(sorted(found, key=lambda r: (r.added, r.id)))

    def overrule(self, person: Person, reference: str, word: Overruled | None) -> Reference:
        """Keep or reject a reference against its verdict; None takes that back.

        What the user keeps also says who the person is, for the verdicts on the others.

        Returns:
            The reference as it is now.

        Raises:
            NoSuchReference: the person has none of that id.
        """
        if word not in ("keep", "reject", None):
            raise ValueError(f"word must be keep, reject or None, got {word!r}")
        with self._one_at_a_time:
            self._stored(person, reference)
            file = self.folder(person) / "references" / f"{reference}.json"
            write_json(file, {**cast("dict[str, Any]", read_json(file)), "overruled": word})
            return self._stored(person, reference)

    def remove_reference(self, person: Person, reference: str) -> None:
        """Delete a reference and, when it was the last of its photo, the copy of the photo.

        Raises:
            NoSuchReference: the person has none of that id.
        """
        with self._one_at_a_time:
            self._stored(person, reference)
            trash(self.folder(person) / "references" / f"{reference}.json")
            self._drop_unused_photos(person)

    def gallery(self, person: Person) -> Gallery:
        """Give the references that are used, ordered by id, so that the same choice is always the same gallery."""
        used = sorted((r for r in self.references(person) if r.used), key=lambda r: r.id)
        return Gallery(person, tuple(used), self.folder(person) / "photos")

    def _stored(self, person: Person, reference: str) -> Reference:
        for known in self.references(person):
            if known.id == reference:
                return known
        raise NoSuchReference(f"{person.name} has no reference {reference}. It may have been removed already.")

    def _look_at(self, file: Path) -> _Seen | AddOutcome:
        """Read one file and measure all its faces; give an outcome when there is nothing to measure."""
        try:
            photo = images.read_photo(file)
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
        except EngineError as error:
            return _refused(file, "unreadable", str(error))
        except OSError as error:
            return _refused(file, "unreadable", f"{file.name} cannot be read: {error.strerror}. Copy it again.")
        faces = self._detector.find(photo.pixels)
        if not faces:
            return _refused(
                file,
                "no-face",
                f"No face found in {file.name} ({photo.width} x {photo.height} px). "
                "Use a photo in which the face is upright, looks at the camera and is at least 60 px wide.",
            )
        pixels = photo.pixels
        return _Seen(file, digest, tuple(_measured(pixels, face) for face in faces))

    def _keep(
        self,
        person: Person,
        seen: Sequence[_Seen],
        known: Sequence[Reference],
        outcomes: dict[Path, AddOutcome | None],
    ) -> dict[Path, str]:
        """Store the face of the person in each photo; give the ids of what is new."""
        folder = self.folder(person)
        have = {r.photo.split(".")[0] for r in known}
        belongs = [r.embedding for r in known if r.used] or [s.faces[0].embedding for s in seen if len(s.faces) == 1]
        middle = belongs[_middle(belongs)] if belongs else None
        fresh: dict[Path, str] = {}
        self._drop_unused_photos(person)  # left by a process that was killed
        with ExitStack() as undo:
            undo.callback(self._drop_unused_photos, person)
            for one in seen:
                name = one.digest[:16]
                if name in have:
                    sentence = f"{one.file.name} is among the photos of {person.name} already. Nothing was changed."
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
                write_json(folder / "references" / f"{made}.json", _reference_json(one, which, made, stored))
                undo.callback(trash, folder / "references" / f"{made}.json")
                have.add(name)
                fresh[one.file] = made
            undo.pop_all()
        return fresh

    def _drop_unused_photos(self, person: Person) -> None:
        """Delete copies of photos that no reference speaks of."""
        folder = self.folder(person)
        used = {file.name.rsplit("-", 1)[0] for file in (folder / "references").glob("[!.]*.json")}
        for photo in (folder / "photos").glob("[!.]*"):
            if photo.name.split(".")[0] not in used:
                trash(photo)


def judge(references: Sequence[Reference]) -> list[Reference]:
    """Give the references of one person with the verdicts that follow from all of them together, in the same order.

    First each face for itself: its size, sharpness and turn. Then from `NEEDED_TO_COMPARE` faces on, who they show: the
    face whose distances to all the others are the least is taken for the person, of those that the user kept if there
    are any. Then which pictures are one; the better one stays.
    """
    reasons = [_poor(r) for r in references]
    trusted = [i for i, r in enumerate(references) if r.overruled != "reject" and (r.overruled or reasons[i] is None)]
    if len(trusted) < NEEDED_TO_COMPARE:
        trusted = [i for i, r in enumerate(references) if r.overruled != "reject"]
    if len(trusted) >= NEEDED_TO_COMPARE:
        kept = [i for i in trusted if references[i].overruled == "keep"]
        who = references[_person_among(references, kept or trusted, trusted)]
        reasons = [reason or _odd_one(r, who) for r, reason in zip(references, reasons, strict=True)]
    best_first = sorted(
        (i for i, r in enumerate(references) if r.overruled == "keep" or (not r.overruled and reasons[i] is None)),
        key=lambda i: (references[i].overruled != "keep", -_goodness(references[i].quality), references[i].id),
    )
    stay: list[Reference] = []
    for i in best_first:
        reasons[i] = reasons[i] or _copy_of(references[i], stay)
        if reasons[i] is None or references[i].overruled == "keep":
            stay.append(references[i])
    return [
        replace(r, verdict="rejected" if reason else "accepted", reason=reason)
        for r, reason in zip(references, reasons, strict=True)
    ]


@dataclass(frozen=True, eq=False)
class _Measured:
    """What is known of one face when its photo is put away again."""

    face: Face
    quality: FaceQuality
    embedding: Embedding
    look: Look


@dataclass(frozen=True, eq=False)
class _Seen:
    """One readable photo with at least one face."""

    file: Path
    digest: str
    faces: tuple[_Measured, ...]


_AllSeen = list[_Seen]


def _measured(pixels: Pixels, face: Face) -> _Measured:
    return _Measured(face, measure(pixels, face), embed(cut(pixels, face, IDENTITY_SIZE)), look(pixels, face))


def _poor(reference: Reference) -> Reason | None:
    """Say what is wrong with a face by itself."""
    quality, name = reference.quality, reference.name
    if quality.eye_distance_px < TOO_SMALL_PX:
        return Reason(
            "too-small",
            f"The face in {name} is too small: {quality.eye_distance_px:.0f} px from eye to eye, "
            f"and at least {TOO_SMALL_PX:.0f} are needed. Use a larger or closer photo.",
        )
    if quality.sharpness < BLURRED:
        return Reason(
            "blurred",
            f"The face in {name} is blurred: its sharpness is {quality.sharpness:.2f}, "
            f"and at least {BLURRED:.2f} is needed. Use a sharper photo.",
        )
    if abs(quality.yaw) > TURNED_AWAY:
        return Reason(
            "turned-away",
            f"The face in {name} is turned too far to the side: {abs(quality.yaw):.2f}, where 0 looks straight on "
            f"and {TURNED_AWAY:.2f} is the limit. Use a photo that shows both eyes.",
        )
    return None


def _odd_one(reference: Reference, who: Reference) -> Reason | None:
    """Say that a face is not the person, if it is not."""
    away = distance(reference.embedding, who.embedding)
    if away <= SOMEBODY_ELSE:
        return None
    return Reason(
        "somebody-else",
        f"The face in {reference.name} seems to be somebody else: its distance to the others is {away:.2f}, "
        f"and at most {SOMEBODY_ELSE:.2f} is usual for one person. Keep it if you know better.",
    )


def _copy_of(reference: Reference, stay: Sequence[Reference]) -> Reason | None:
    """Say that a picture is one of those that stay, if it is."""
    for other in stay:
        near = distance(reference.embedding, other.embedding) < SAME_MOMENT
        if near and alike(reference.look, other.look) > SAME_PICTURE:
            return Reason(
                "near-duplicate",
                f"{reference.name} shows nearly the same picture as {other.name}, which is the better one. "
                "Nothing is lost without it.",
            )
    return None


def _goodness(quality: FaceQuality) -> float:
    return min(quality.eye_distance_px, ENOUGH_EYES_PX) * quality.sharpness


def _middle(embeddings: Sequence[Embedding]) -> int:
    """Give which of some faces has the least distances to all."""
    return int(np.argmin([sum(distance(one, other) for other in embeddings) for one in embeddings]))


def _person_among(references: Sequence[Reference], candidates: Sequence[int], everybody: Sequence[int]) -> int:
    """Give which of the candidates has the least distances to everybody."""

    def away(i: int) -> tuple[float, str]:
        here = references[i]
        return sum(distance(here.embedding, references[j].embedding) for j in everybody), here.id

    return min(candidates, key=away)


def _files(paths: Iterable[Path]) -> tuple[list[Path], dict[Path, AddOutcome | None]]:
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


def _unchanged(one: _Seen) -> bytes | None:
    """Give the bytes that were looked at, or None if the file no longer has them."""
    try:
        data = one.file.read_bytes()
    except OSError:
        return None
    return data if hashlib.sha256(data).hexdigest() == one.digest else None


def _refused(file: Path, code: str, sentence: str) -> AddOutcome:
    return AddOutcome(file, "rejected", Reason(code, sentence), None)


def _check_name(name: str) -> None:
    if not name:
        raise NameRefused("A person needs a name. Give one.")
    if len(name) > LONGEST_NAME:
        raise NameRefused(
            f"The name is {len(name)} characters long and may have at most {LONGEST_NAME}. Give a shorter one."
        )
    if any(unicodedata.category(letter) in {"Cc", "Cs", "Zl", "Zp"} for letter in name):
        raise NameRefused(f"The name {name!r} holds characters that cannot be shown. Write it on one line.")


def _same_name(one: str, other: str) -> bool:
    return unicodedata.normalize("NFC", one).casefold() == unicodedata.normalize("NFC", other).casefold()


def _slug(name: str) -> str:
    """Give a short form of a name that every file system takes: letters a to z, digits and dashes."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40].strip("-") or "person"


def _named(people: Sequence[Person]) -> str:
    shown = [f"{p.name} ({p.id})" for p in people[:8]]
    return ", ".join(shown) + (f" and {len(people) - 8} more" if len(people) > 8 else "")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")


def _read_person(folder: Path) -> Person:
    file = folder / "person.json"
    value = read_json(file)
    try:
        person = Person(*(str(value[key]) for key in ("id", "name", "subject", "token", "created")))
    except (KeyError, TypeError) as error:
        raise PersonDamaged(f"{file} lacks {error}. Put back a good copy of it.") from error
    if person.id != folder.name:
        raise PersonDamaged(f"{file} says that it is {person.id}. Give the folder that name again.")
    return person


def _reference_json(one: _Seen, which: int, made: str, stored: str) -> dict[str, Any]:
    face = one.faces[which]
    return {
        "version": _VERSION,
        "id": made,
        "photo": stored,
        "name": one.file.name,
        "added": _now(),
        "face": face.face.to_json(),
        "others": len(one.faces) - 1,
        "quality": face.quality.to_json(),
        "embedding": face.embedding.round(8).tolist(),
        "look": base64.b64encode(face.look.tobytes()).decode("ascii"),
        "overruled": None,
    }


def _read_reference(file: Path) -> Reference:
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
        )
    except (KeyError, TypeError, ValueError) as error:  # binascii's errors are ValueErrors
        raise PersonDamaged(
            f"{file} is damaged ({error}). Put back a good copy, or delete it and add {file.stem.split('-')[0]} again."
        ) from error
