"""The people of an evaluation: which photos of each are the truth, which are references, and what is left out and why.

A folder of people holds a folder for each. Either the photos lie in it, and the last four in which a face is found are
the truth and all others references; or in `references/` and `truth/` of it, and where there is `damaged/` too, a file
there is a damaged version of the truth of the same name. Looking at photos is slow, so what was seen is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from engine import images
from engine.errors import EngineError
from engine.faces import Face, detector, distance
from engine.people import Gallery, Person, Reference, judge, measured
from engine.people.reference import TOKEN, read_reference, reference_json
from engine.people.verdicts import is_copy
from engine.progress import Report
from engine.workspace import read_json, sha256_file, write_json

TESTED = 4
"""Truths of a person whose photos are not sorted into folders."""
LEAST_PEOPLE = 2
"""A person and somebody else, whose tuned model is the wrong one."""
PARTS = ("references", "truth", "damaged")
SHAPES_ALIKE = 0.01
"""How far the proportions of a damaged photo and its truth may differ, as a share."""

VERSION = 1
"""Of what is kept of a photo; another one has it looked at again."""


class NoPeople(EngineError):
    """The folder is not one of people who can be measured."""


@dataclass(frozen=True)
class Truth:
    """A good photo that is damaged, restored, and compared with the result."""

    name: str
    """Of the photo, below the folder of the truths."""
    path: Path
    sha256: str
    """Of the file."""
    seen: Reference
    """The person's face in it."""
    damaged: Path | None = None
    """A damaged version of it, where there is one."""


@dataclass(frozen=True)
class Tested:
    """A person who is measured."""

    name: str
    """Of the folder."""
    gallery: Gallery
    """All references that are used."""
    truths: tuple[Truth, ...]
    notes: tuple[str, ...]
    """What was left out, in sentences."""


def read_cohort(folder: Path, kept: Path, report: Report) -> list[Tested]:
    """Read a folder of people.

    Args:
        folder: see the top of this file.
        kept: folder for what was seen on photos; filled and read.
        report: told after every photo.

    Returns:
        The people, by the names of their folders.

    Raises:
        NoPeople: fewer than two people, or one of them has no truth or no reference.
        EngineError: a folder cannot be listed.
        Cancelled: from the report.
    """
    homes = _homes(folder)
    sorted_out = [_sort(home) for home in homes]
    photos = [photo for refs, truths, _ in sorted_out for photo in (*refs, *truths)]
    kept.mkdir(parents=True, exist_ok=True)
    seen: dict[Path, _Seen | str] = {}
    for done, photo in enumerate(photos, start=1):
        seen[photo] = _look_at(photo, kept)
        report.tick("looking at photos", done, len(photos))
    return [_tested(home, *parts, seen) for home, parts in zip(homes, sorted_out, strict=True)]


def few(gallery: Gallery, count: int) -> Gallery:
    """Give `count` references of a gallery, taken evenly over their names, or all where there are no more."""
    of = len(gallery.references)
    taken = min(count, of)
    return replace(gallery, references=tuple(gallery.references[n * of // taken] for n in range(taken)))


def stand_in(name: str, photos: Path, faces: Sequence[tuple[str, Face]]) -> Gallery:
    """Make a gallery of aligned faces of different people, as though they were one person.

    Args:
        name: of that person, who does not exist.
        photos: the folder of the faces.
        faces: name of a file in it, and where the face is in it.
    """
    found: list[Reference] = []
    for file, face in faces:
        digest = sha256_file(photos / file)
        saw = measured(images.read_photo(photos / file).pixels, face)
        made = f"{digest[:16]}-0"
        found.append(
            Reference(made, file, file, "", face, 0, saw.quality, saw.embedding, saw.look, "accepted", None, None)
        )
    return Gallery(_person(name), tuple(found), photos)


@dataclass(frozen=True)
class _Seen:
    """A photo in which at least one face was found."""

    path: Path
    sha256: str
    faces: tuple[Reference, ...]
    """The largest first."""


def _homes(folder: Path) -> list[Path]:
    if not folder.is_dir():
        found = "is a file" if folder.exists() else "is not there"
        raise NoPeople(f"{folder} {found}. Name a folder with a folder of photos for each person.")
    homes = sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if {home.name for home in homes} & {"references", "truth"}:
        raise NoPeople(
            f"{folder} holds {' and '.join(home.name for home in homes)}, so it is one person's folder, and "
            f"{LEAST_PEOPLE} people are needed at least. Name the folder in which the people's folders are."
        )
    if len(homes) < LEAST_PEOPLE:
        loose = sum(1 for entry in folder.iterdir() if images.is_photo_name(entry))
        beside = f" and {loose} photos beside them" if loose else ""
        raise NoPeople(
            f"{folder} holds {len(homes)} folder(s){beside}, and {LEAST_PEOPLE} people are needed at least, since "
            "everybody is restored as somebody else too. Name a folder with a folder of photos for each person."
        )
    return homes


def _sort(home: Path) -> tuple[list[Path], list[Path], dict[str, Path]]:
    """Give the photos that may be references, the truths, none where they are still to be chosen, and the damaged."""
    there = [part for part in PARTS if (home / part).is_dir()]
    if not there:
        return images.list_photos(home), [], {}
    missing = [part for part in ("references", "truth") if part not in there]
    if missing:
        raise NoPeople(
            f"{home} holds {' and '.join(f'{part}/' for part in there)} and no {' and no '.join(missing)}/. "
            "Add that folder, or put all good photos straight into the person's folder."
        )
    truths = images.list_photos(home / "truth")
    damaged = {p.stem: p for p in images.list_photos(home / "damaged")} if "damaged" in there else {}
    strays = sorted(damaged.keys() - {p.stem for p in truths})
    if strays:
        raise NoPeople(
            f"{damaged[strays[0]]} has no truth: there is no {strays[0]} in {home / 'truth'}. "
            "Give the good photo the same name, or take the damaged one away."
        )
    return images.list_photos(home / "references"), truths, damaged


def _look_at(photo: Path, kept: Path) -> _Seen | str:
    """Give the faces of a photo, or a sentence on why there are none; measured once for each content."""
    digest = sha256_file(photo)
    note = kept / f"{digest[:16]}.json"
    if not note.is_file() or read_json(note).get("version") != VERSION:
        try:
            pixels = images.read_photo(photo).pixels
        except EngineError as error:
            return str(error)
        # Small faces beside a large one are nobody's reference, and looking for them takes as long again.
        found = detector("auto", small=False).find(pixels)
        for n, face in enumerate(found):
            made = f"{digest[:16]}-{n}"
            saw = reference_json(measured(pixels, face), photo.name, made, photo.name, len(found) - 1, "")
            write_json(kept / f"{made}.json", saw)
        write_json(note, {"version": VERSION, "faces": len(found)})
    count = int(read_json(note)["faces"])
    if not count:
        return f"No face is found in {photo.name}."
    return _Seen(photo, digest, tuple(read_reference(kept / f"{digest[:16]}-{n}.json") for n in range(count)))


def _tested(
    home: Path, refs: list[Path], truths: list[Path], damaged: dict[str, Path], seen: dict[Path, _Seen | str]
) -> Tested:
    """Choose a person's truths and references among what was seen."""
    notes: list[str] = []
    good = {path: saw for path in (*refs, *truths) if isinstance(saw := seen[path], _Seen)}
    for path in (*refs, *truths):
        if isinstance(why := seen[path], str):
            notes.append(f"{home.name}: {path.relative_to(home)} is left out: {why}")
    if not truths:
        with_face = [path for path in refs if path in good]
        if len(with_face) <= TESTED:
            raise NoPeople(
                f"{home} holds {len(refs)} photos, {len(with_face)} with a face found, and {TESTED + 1} are needed at "
                f"least: {TESTED} to restore and one to learn from. Add some."
            )
        truths = with_face[-TESTED:]
        refs = with_face[:-TESTED]
    tested = [good[path] for path in truths if path in good]
    if not tested:
        raise NoPeople(f"No face is found in the photos of {home / 'truth'}. Use clearer photos.")
    middle = _middle([saw.faces[0] for saw in good.values()])
    place = home / "truth" if (home / "truth").is_dir() else home
    chosen = tuple(
        Truth(
            saw.path.relative_to(place).as_posix(),
            saw.path,
            saw.sha256,
            _face(saw, middle, saw.path.name),
            _checked(saw.path, damaged.get(saw.path.stem)),
        )
        for saw in tested
    )
    fresh: list[Reference] = []
    for path in (path for path in refs if path in good):
        reference = _face(good[path], middle, str(path.relative_to(home)))
        same = _truth_in(reference, chosen)
        if same:
            notes.append(f"{home.name}: {same}")
        else:
            fresh.append(reference)
    judged = judge(fresh)
    notes += [f"{home.name}: left out: {r.reason.sentence}" for r in judged if not r.used and r.reason]
    used = tuple(r for r in judged if r.used)
    if not used:
        raise NoPeople(
            f"No reference of {home.name} is left of {len(refs)} photos. {' '.join(notes[-2:])} "
            "Add good photos of them."
        )
    return Tested(home.name, Gallery(_person(home.name), used, home), chosen, tuple(notes))


def _truth_in(reference: Reference, truths: Sequence[Truth]) -> str:
    """Say that a reference is a photo that is to be restored, if it is: learnt by heart, it would prove nothing."""
    for truth in truths:
        if is_copy(reference, truth.sha256, None):
            return f"{reference.name} is the very photo {truth.name} that is to be restored, so it is left out."
        if is_copy(reference, truth.sha256, truth.seen.look):
            return (
                f"{reference.name} shows nearly the same picture as {truth.name}, which is to be restored, so it "
                "is left out."
            )
    return ""


def _checked(truth: Path, damaged: Path | None) -> Path | None:
    """Give a damaged photo back if it has the proportions of its truth."""
    if damaged is None:
        return None
    shapes = [images.read_photo(path).pixels.shape[:2] for path in (truth, damaged)]
    (height, width), (other_height, other_width) = shapes
    if abs(other_width / other_height / (width / height) - 1) > SHAPES_ALIKE:
        raise NoPeople(
            f"{damaged} is {other_width} x {other_height} px and its truth {width} x {height} px, so they do not show "
            "the same. Use a damaged version that is not cut."
        )
    return damaged


def _middle(faces: Sequence[Reference]) -> Reference:
    """Give the face that has the least distances to all."""
    return min(faces, key=lambda face: sum(distance(face.embedding, other.embedding) for other in faces))


def _face(saw: _Seen, middle: Reference, photo: str) -> Reference:
    """Give the face of a photo that is the person's, if there are several the one nearest to the person."""
    nearest = saw.faces[int(np.argmin([distance(face.embedding, middle.embedding) for face in saw.faces]))]
    return replace(nearest, photo=photo, name=saw.path.name)


def _person(name: str) -> Person:
    return Person(name, name, "person", TOKEN, "")
