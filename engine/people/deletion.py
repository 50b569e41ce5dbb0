"""Deleting a person so that nothing of them is left in the data folder, and searching it afterwards to be sure.

What belongs to a person lies in their folder. Other rooms leave traces beside it: jobs that name them, logs, pictures
for the browser. They are known by marks that nobody else has: the person's id, and hashes of their photos.
"""

from __future__ import annotations

import json
import logging
import os
import re
import traceback
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from engine.people.library import Library
from engine.people.reference import Person
from engine.progress import Report, stage
from engine.workspace import FileMissing, Workspace, sha256_file, trash

DIGITS = 16
"""Of a photo's SHA-256 that other rooms name what they make of it by, at least."""
MOST_READ = 20_000_000
"""Bytes of a file that are searched."""
READ = frozenset({".json", ".jsonl", ".log", ".txt"})
TRACES = ("jobs", "logs", "runs", "cache")
"""Folders in which whatever bears a mark goes with the person."""


class NothingOfTheDeleted(logging.Filter):
    """Keeps out of a log what is said of a folder of somebody who was deleted meanwhile.

    Work in the background may find a face gone after the search for what is left, and would put its name there again.
    """

    def __init__(self, people: Path) -> None:
        """Watch over that folder of people's folders."""
        super().__init__()
        self._people = people
        self._named = re.compile(re.escape(str(people)) + r"[/\\]([\w-]+)")

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether a record may be written."""
        text = record.getMessage()
        if record.exc_info:
            text += "".join(traceback.format_exception(*record.exc_info))
        return all((self._people / name).exists() for name in self._named.findall(text))


@dataclass(frozen=True)
class Deleted:
    """What became of a person."""

    name: str
    files: int
    size: int
    """Bytes of all of them."""
    left: tuple[Path, ...]
    """What still bears a mark of the person, after all; empty when nothing does."""


def delete_everything(workspace: Workspace, people: Library, person: Person, report: Report) -> Deleted:
    """Delete a person, and whoever was merged into them, with all that the data folder holds of them.

    That are copies of photos, faces, tunings, restored faces, results, jobs, previews, what the undo log and its bin
    hold of them, and lines in logs. Afterwards the folder is searched for what is left. It cannot be undone.

    Args:
        workspace: searched.
        people: that the person is among.
        person: who goes.
        report: followed; a stop leaves the person as they were, until the deletion itself begins.

    Raises:
        FileRefused: the system refuses to delete something; the sentence says what is still there.
        Cancelled: from the report.
    """
    gone = people.with_merged(person)
    homes = [people.folder(one) for one in gone]
    marks = _marks(people, gone, report)
    own = [file for home in homes for file in home.rglob("*") if file.is_file() and not file.is_symlink()]
    traces = [path for name in TRACES for path in _bearing(workspace.root / name, marks)]
    places = _outermost(workspace, traces)
    inside = [file for place in places for file in ([place] if place.is_file() else place.rglob("*")) if file.is_file()]
    size = sum(_size(file) for file in (*own, *inside))
    people.remove(person.id)
    for place in places:
        with suppress(FileMissing):  # gone meanwhile
            trash(place)
    told = marks | _quoted(gone, {one.name for one in people.list()})
    _clear_logs(workspace.logs, told)
    left = tuple(_bearing(workspace.root, told))
    return Deleted(person.name, len(own) + len(inside), size, left)


def _marks(people: Library, gone: Collection[Person], report: Report) -> frozenset[str]:
    """Give what the files of some people are known by, but for photos that somebody else has too."""
    homes = [people.folder(one) for one in gone]
    found = {one.id for one in gone} | {file.name for home in homes for file in (home / "tuned").glob("[!.]*")}
    others = {name.rsplit("-", 1)[0] for name in people.places.all_ids(o.id for o in people.list() if o not in gone)}
    digests = {name for home in homes for name in _named(home)}
    pictures = [
        file for home in homes for name in ("photos", "runs") for file in (home / name).rglob("*") if file.is_file()
    ]
    tick = stage(report, "looking for traces")
    for done, file in enumerate(pictures, 1):
        digests.add(sha256_file(file)[:DIGITS])
        tick(done, len(pictures))
    return frozenset(found | (digests - others))


def _quoted(gone: Collection[Person], others: Collection[str]) -> frozenset[str]:
    """Give people's names as JSON has them, between quotes, unless somebody else has the name too."""
    names = {one.name for one in gone} - set(others)
    return frozenset(json.dumps(name, ensure_ascii=plain) for name in names for plain in (True, False))


def _clear_logs(logs: Path, marks: Collection[str]) -> None:
    """Take every line that speaks of somebody out of the logs; one is written to meanwhile, so none is replaced."""
    wanted = [mark.encode() for mark in marks]
    for file in logs.glob("*.log*"):
        with file.open("r+b") as held:
            lines = held.readlines()
            left = [line for line in lines if not any(mark in line for mark in wanted)]
            if len(left) < len(lines):
                held.seek(0)
                held.truncate()
                held.writelines(left)


def _named(home: Path) -> Iterator[str]:
    for file in (home / "references").glob("[!.]*.json"):
        yield file.stem.rsplit("-", 1)[0]


def _bearing(folder: Path, marks: Collection[str]) -> Iterator[Path]:
    """Give the files under a folder whose name, or whose text, bears a mark."""
    raw = [mark.encode() for mark in marks]
    for place, folders, files in os.walk(folder):
        for name in [name for name in folders if any(mark in name for mark in marks)]:
            folders.remove(name)
            yield Path(place, name)
        for name in files:
            path = Path(place, name)
            if any(mark in name for mark in marks) or (path.suffix in READ and _says(path, raw)):
                yield path


def _says(path: Path, marks: Collection[bytes]) -> bool:
    try:
        with path.open("rb") as file:
            text = file.read(MOST_READ)
    except OSError:  # held by another process, or gone
        return False
    return any(mark in text for mark in marks)


def _outermost(workspace: Workspace, paths: Collection[Path]) -> list[Path]:
    """Give what is deleted because of files that bear a mark: of a job its whole folder and its log."""
    found: dict[Path, None] = {}
    for path in paths:
        within = list(path.relative_to(workspace.root).parts)
        if within[:1] == ["jobs"] and len(within) > 2:
            found[workspace.jobs / within[1]] = None
            log = workspace.logs / f"{within[1]}.log"
            if log.exists():
                found[log] = None
            for shown in workspace.cache.glob(f"previews/{within[1]}-*"):
                found[shown] = None
        elif within[:1] != ["logs"] or path.name.startswith("job-"):
            found[path] = None
    return [path for path in found if not any(above in found for above in path.parents)]


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0
