"""Deleting all that the workspace holds of a person, and searching it for what is left."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import EngineError
from engine.workspace import sha256_file, trash

if TYPE_CHECKING:
    from engine.jobs import Job
    from engine.people import Person
    from engine.studio.desk import Desk

log = logging.getLogger(__name__)

SEARCHED_BYTES = 50_000_000
"""Files of words larger than this are not read through."""
WORDS = frozenset({".json", ".jsonl", ".log", ".txt", ".md", ".html", ".csv", ".toml"})


class PersonBusy(EngineError):
    """A person cannot be deleted while a job is at work on them."""


@dataclass(frozen=True)
class Forgotten:
    """What was deleted."""

    name: str
    files: int
    remains: tuple[Path, ...]
    """What a search of the whole workspace still finds; nothing, unless the system refused something."""


def forget(desk: Desk, person: str) -> Forgotten:
    """Delete a person with everything of them, on the disk and on the desk, and search the workspace for what is left.

    That are copies of photos, faces, tunings, restored faces, results, jobs, what the undo log and its bin hold of
    them, previews, and lines in logs. Photos outside the workspace are not touched. It cannot be undone.

    Args:
        desk: of the workspace.
        person: id.

    Raises:
        NoSuchPerson: there is nobody of that id.
        PersonBusy: a job of theirs runs or waits; nothing was deleted.
    """
    studio = desk.studio
    people = studio.people
    gone = people.with_merged(people.get(person))
    ids = frozenset(one.id for one in gone)
    jobs = [job for job in studio.runner.jobs() if _is_about(job, ids)]
    for job in jobs:
        if not job.over:
            raise PersonBusy(
                f"{gone[0].name} cannot be deleted while a job is at work on them ({job.kind}). Stop it first, or wait "
                "until it is done."
            )
    marks = ids | _digests(desk, gone)
    files = sum(1 for one in gone for file in people.folder(one).rglob("*") if file.is_file())
    pictures = {sha256_file(file)[:16] for one in gone for file in _results(people.folder(one))}
    desk.forget_person(names=[one.name for one in gone], jobs=[job.id for job in jobs])
    people.remove(person)
    for job in jobs:
        trash(job.folder)
        job.log.unlink(missing_ok=True)
    _clear_previews(desk.previews, marks | pictures | {job.id for job in jobs})
    others = {one.name for one in people.list()}
    needles = marks | _quoted(gone, others)
    _clear_logs(studio.workspace.logs, needles)
    return Forgotten(gone[0].name, files, tuple(search(studio.workspace.root, needles)))


def search(root: Path, needles: Iterable[str]) -> Iterator[Path]:
    """Give every file and folder under a folder whose name holds one of some texts, or whose words do."""
    wanted = [needle.encode() for needle in needles]
    for place, folders, files in os.walk(root):
        for name in (*folders, *files):
            path = Path(place, name)
            if any(needle in os.fsencode(name) for needle in wanted) or _holds(path, wanted):
                yield path


def _holds(path: Path, wanted: list[bytes]) -> bool:
    try:
        if path.suffix not in WORDS or not path.is_file() or path.stat().st_size > SEARCHED_BYTES:
            return False
        data = path.read_bytes()
    except OSError as error:
        log.warning("a file could not be searched: %s", error.strerror)
        return False
    return any(needle in data for needle in wanted)


def _is_about(job: Job, ids: frozenset[str]) -> bool:
    told = json.dumps([dict(job.arguments), dict(job.result or {})])
    return any(one in told for one in ids)


def _digests(desk: Desk, gone: Iterable[Person]) -> frozenset[str]:
    """Give the first digits of the photos of some people, those left out that somebody else has too."""
    people = desk.studio.people
    gone = list(gone)
    theirs = {name.rsplit("-", 1)[0] for one in gone for name in people.places.ids(one.id)}
    others = [one.id for one in people.list() if one not in gone]
    kept = {name.rsplit("-", 1)[0] for name in people.places.all_ids(others)}
    return frozenset(theirs - kept)


def _results(folder: Path) -> Iterator[Path]:
    """Give the pictures in a person's runs."""
    return (file for file in (folder / "runs").rglob("*") if file.is_file() and file.suffix not in WORDS)


def _clear_previews(previews: Path, marks: Iterable[str]) -> None:
    for entry in list(previews.iterdir()):
        if any(mark in entry.name for mark in marks):
            trash(entry)


def _quoted(gone: Iterable[Person], others: set[str]) -> frozenset[str]:
    """Give the people's names as JSON has them, between quotes, unless somebody else has the name too."""
    names = {one.name for one in gone} - others
    return frozenset(json.dumps(name, ensure_ascii=plain) for name in names for plain in (True, False))


def _clear_logs(logs: Path, needles: Iterable[str]) -> None:
    """Take every line that speaks of somebody out of the logs; one is written to meanwhile, so none is replaced."""
    wanted = [needle.encode() for needle in needles]
    for file in logs.glob("*.log*"):
        with file.open("r+b") as held:
            lines = held.readlines()
            left = [line for line in lines if not any(needle in line for needle in wanted)]
            if len(left) < len(lines):
                held.seek(0)
                held.truncate()
                held.writelines(left)
