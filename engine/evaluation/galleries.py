"""Galleries measured: are strangers among a person's photos named, are own photos left alone, are copies found?

Everybody in a folder of people gets strangers put among their photos by fixed rules, and the verdicts of
`people.judge` are counted. Nothing is drawn at random, and nobody is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine import images
from engine.errors import EngineError
from engine.people import Measured, Reference, judge, measured
from engine.progress import Report

if TYPE_CHECKING:
    from engine.images import Pixels

LEAST_PEOPLE = 4
"""A person and the next three, whose photos are put among theirs."""
LEAST_PHOTOS = 6
COPIED = 5
"""Photos of each person, the first ones, of which copies are made."""
FEW = 3
"""Own photos in a small gallery."""

COPIES = ("recompressed", "shrunk", "cropped", "brightened")
"""JPEG of quality 50; half as wide; a twentieth cut off at each side; a third brighter, clipped at white."""

STRANGERS_NAMED = 0.95
OWN_REJECTED = 0.05
COPIES_FOUND = 0.95
"""What is wanted: at least, at most and at least."""


class NoGalleries(EngineError):
    """The folder is not one of enough people with enough photos."""


@dataclass(frozen=True)
class GalleryRow:
    """What was counted over all galleries of one kind."""

    gallery: str
    galleries: int
    strangers: int
    """Photos of others in them."""
    named: int
    """Of these, told to be somebody else."""
    own: int
    rejected: int
    """Own photos told to be somebody else."""
    unclear: int
    """Galleries of which was said that nobody can tell who is meant."""


@dataclass(frozen=True)
class CopyRow:
    """What was counted over all copies of one kind."""

    copy: str
    copies: int
    found: int
    """Of these, told to be nearly the same picture as their original."""


_Gallery = tuple[Sequence[Reference], Sequence[Reference]]
"""Own photos, and those of strangers."""


def run(folder: Path, report: Report) -> dict[str, Any]:
    """Measure the galleries of a folder of folders of photos, one a person.

    Args:
        folder: at least four people with six photos each in which a face is found.
        report: followed.

    Returns:
        `rows` and `copies`, lists of `GalleryRow` and `CopyRow` as plain values; `people`; `photos` with a face; `own`:
        how many plain photos are taken for copies of each other, `alike`; `reached`: whether all is as wanted.

    Raises:
        NoGalleries: there is less.
        Cancelled: from the report.
    """
    homes = sorted(f for f in folder.iterdir() if f.is_dir()) if folder.is_dir() else []
    if len(homes) < LEAST_PEOPLE:
        raise NoGalleries(
            f"{folder} holds {len(homes)} folder(s), and {LEAST_PEOPLE} are needed. "
            "Name a folder with a folder of photos for each person."
        )
    people: dict[str, list[Reference]] = {}
    made: list[tuple[str, str, str, Reference | None]] = []
    for done, home in enumerate(homes):
        report.tick("measuring photos", done, len(homes))
        people[home.name] = []
        for photo in images.list_photos(home):
            try:
                pixels = images.read_photo(photo).pixels
            except EngineError:
                continue  # a gallery takes it no more than this does
            own = _reference(home.name, photo.stem, pixels)
            if own is None:
                continue
            people[home.name].append(own)
            if len(people[home.name]) <= COPIED:
                made += [
                    (kind, home.name, own.id, _reference(home.name, f"{photo.stem}-{kind}", changed))
                    for kind, changed in copies_of(pixels)
                ]
            report.tick("measuring photos", done, len(homes))
        if len(people[home.name]) < LEAST_PHOTOS:
            raise NoGalleries(
                f"{home} has {len(people[home.name])} photos with a face, and {LEAST_PHOTOS} are needed. Add some."
            )
    report.tick("measuring photos", len(homes), len(homes))
    rows = [_counted(name, galleries) for name, galleries in _kinds(people)]
    found = [_copies(kind, [m for m in made if m[0] == kind], people) for kind in COPIES]
    alike = sum(_code(r) == "near-duplicate" for own in people.values() for r in judge(own))
    return {
        "people": len(people),
        "photos": sum(len(own) for own in people.values()),
        "alike": alike,
        "rows": [asdict(row) for row in rows],
        "copies": [asdict(row) for row in found],
        "reached": _reached(rows, found),
    }


def copies_of(pixels: Pixels) -> Iterator[tuple[str, Pixels]]:
    """Give copies of a photo `(H, W, 3)`, 0 to 1, as `COPIES` says, each with its kind."""
    from PIL import Image

    height, width = pixels.shape[:2]
    coded = BytesIO()
    Image.fromarray(images.to_uint8(pixels)).save(coded, "JPEG", quality=50)
    with Image.open(coded) as opened:
        yield "recompressed", images.from_uint8(np.asarray(opened.convert("RGB")))
    yield "shrunk", images.resize(pixels, (max(1, width // 2), max(1, height // 2)))
    yield "cropped", pixels[height // 20 : height - height // 20, width // 20 : width - width // 20].copy()
    yield "brightened", np.clip(pixels * np.float32(1.3), 0.0, 1.0)


def table(answer: Mapping[str, Any]) -> list[str]:
    """Write what `run` gave as Markdown tables."""
    lines = [
        "| gallery | galleries | strangers named | own photos rejected | told that nobody can say |",
        "|---|---|---|---|---|",
    ]
    for row in answer["rows"]:
        named = f"{row['named']} of {row['strangers']} ({_share(row['named'], row['strangers'])})"
        rejected = f"{row['rejected']} of {row['own']} ({_share(row['rejected'], row['own'])})"
        lines.append(
            f"| {row['gallery']} | {row['galleries']} | {named if row['strangers'] else ''} | {rejected} "
            f"| {row['unclear']} |"
        )
    lines += ["", "| copy | found |", "|---|---|"]
    for row in answer["copies"]:
        share = _share(row["found"], row["copies"])
        lines.append(f"| {row['copy']} | {row['found']} of {row['copies']} ({share}) |")
    lines.append("")
    lines.append(
        f"{answer['people']} people, {answer['photos']} photos with a face. {answer['alike']} of these, untouched, are "
        "taken for nearly the same picture as another one."
    )
    return lines


def _kinds(people: Mapping[str, Sequence[Reference]]) -> Iterator[tuple[str, list[_Gallery]]]:
    """Give every kind of gallery with its galleries."""
    names = list(people)

    def after(n: int, k: int) -> Sequence[Reference]:
        return people[names[(n + k) % len(names)]]

    def nearest(n: int) -> list[Sequence[Reference]]:
        middles = [np.mean([r.embedding for r in people[name]], axis=0) for name in names]
        order = np.argsort([float(np.linalg.norm(middle - middles[n])) for middle in middles], kind="stable")
        return [people[names[k]] for k in order if k != n]

    everybody = range(len(names))
    few = [(n, people[names[n]][k : k + FEW]) for n in everybody for k in range(0, len(people[names[n]]) - 2, FEW)]
    half = {n: min(len(people[names[n]]), len(after(n, 1))) for n in everybody}
    yield "all photos, no stranger", [(people[name], ()) for name in names]
    yield (
        "all photos, first photo of each of the next three people",
        [(people[names[n]], [after(n, k)[0] for k in (1, 2, 3)]) for n in everybody],
    )
    yield (
        "all photos, first photo of each of the three most alike people",
        [(people[names[n]], [other[0] for other in nearest(n)[:3]]) for n in everybody],
    )
    yield (
        "all photos, two photos of the next person",
        [(people[names[n]], after(n, 1)[:2]) for n in everybody],
    )
    yield "3 photos, first photo of each of the next two", [(own, [after(n, k)[0] for k in (1, 2)]) for n, own in few]
    yield "3 photos, two photos of the next person", [(own, after(n, 1)[:2]) for n, own in few]
    yield "3 photos, two photos of the most alike person", [(own, nearest(n)[0][:2]) for n, own in few]
    yield "3 photos, 3 photos of the next person", [(own, after(n, 1)[:FEW]) for n, own in few]
    yield (
        "as many photos of the next person as own ones",
        [(people[names[n]][: half[n]], after(n, 1)[: half[n]]) for n in everybody],
    )


def _counted(name: str, galleries: Iterable[_Gallery]) -> GalleryRow:
    row = GalleryRow(name, 0, 0, 0, 0, 0, 0)
    for own, strangers in galleries:
        codes = [_code(r) for r in judge([*own, *strangers])]
        row = GalleryRow(
            name,
            row.galleries + 1,
            row.strangers + len(strangers),
            row.named + codes[len(own) :].count("somebody-else"),
            row.own + len(own),
            row.rejected + codes[: len(own)].count("somebody-else"),
            row.unclear + ("two-people" in codes),
        )
    return row


def _copies(
    kind: str,
    made: Sequence[tuple[str, str, str, Reference | None]],
    people: Mapping[str, Sequence[Reference]],
) -> CopyRow:
    """Count which copies are found, each put alone among all photos of its person."""
    found = 0
    for _, name, original, copy in made:
        if copy is not None:
            codes = {r.id: _code(r) for r in judge([*people[name], copy])}
            found += "near-duplicate" in (codes[copy.id], codes[original])
    return CopyRow(kind, len(made), found)


def _reached(rows: Sequence[GalleryRow], found: Sequence[CopyRow]) -> bool:
    """Say whether all that can be decided is decided as wanted, and the rest is told to be undecidable."""
    decided = [row for row in rows if not row.unclear]
    return (
        all(row.named >= STRANGERS_NAMED * row.strangers for row in decided)
        and all(row.rejected <= OWN_REJECTED * row.own for row in rows)
        and all(row.unclear in (0, row.galleries) for row in rows)
        and all(row.found >= COPIES_FOUND * row.copies for row in found)
    )


def _reference(person: str, name: str, pixels: Pixels) -> Reference | None:
    """Measure the largest face of a photo as a gallery does; None where no face is found."""
    from engine.faces import detector

    faces = detector().find(pixels)
    return _unjudged(f"{person}/{name}", measured(pixels, faces[0]), len(faces) - 1) if faces else None


def _unjudged(name: str, face: Measured, others: int) -> Reference:
    return Reference(
        id=name,
        photo=name,
        name=name,
        added=name,
        face=face.face,
        others=others,
        quality=face.quality,
        embedding=face.embedding,
        look=face.look,
        verdict="accepted",
        reason=None,
        overruled=None,
    )


def _code(reference: Reference) -> str:
    return reference.reason.code if reference.reason else ""


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "none"
