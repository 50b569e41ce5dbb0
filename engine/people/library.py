"""The people of a workspace and their photos: added, overruled, removed; a bad file never stops the others."""

from __future__ import annotations

import logging
import os
import secrets
import threading
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from engine.errors import EngineError
from engine.faces import FaceDetector
from engine.people import adding
from engine.people.journal import UNDONE, Done, Journal, Move, Put
from engine.people.names import NameRefused, called, check_name, listed, same_name, slug
from engine.people.places import UNSORTED, Places
from engine.people.reference import (
    SUBJECTS,
    TOKEN,
    VERSION,
    AddOutcome,
    Gallery,
    Overruled,
    Person,
    Reference,
    now,
    read_person,
    read_reference,
)
from engine.people.verdicts import Copies, find_copies, judge
from engine.progress import Report, SilentReport
from engine.workspace import PRIVATE_FOLDER, Workspace, trash, write_json

log = logging.getLogger(__name__)


class NoSuchPerson(EngineError):
    """There is no person, or more than one, of this name."""


class NoSuchReference(EngineError):
    """A person has no such reference."""


class PersonNotSaved(EngineError):
    """The folder of a new person cannot be made."""


# Inside `Library`, `list` is the method of that name.
People = list[Person]
References = list[Reference]
Stamp = tuple[tuple[str, int, int, int], ...]
"""Name, time of the last change, size and number on the disk of each file of a place."""
Outcomes = list[AddOutcome]
AllSeen = list[adding.Seen]


class Library:
    """The people of a workspace."""

    def __init__(self, workspace: Workspace, detector: FaceDetector) -> None:
        self._workspace = workspace
        self._detector = detector
        self._one_at_a_time = threading.RLock()
        self.places = Places(workspace)
        self.journal = Journal(workspace, self.places)
        self._read: dict[tuple[str, int, int, int], Reference] = {}
        self._judged: dict[Path, tuple[Stamp, References]] = {}
        self._copies: tuple[frozenset[str], Copies] = (frozenset(), {})

    def create(self, name: str, subject: str = "person", *, noted: bool = True) -> Person:
        """Make a person.

        Args:
            name: as the user wrote it.
            subject: one of `SUBJECTS`.
            noted: whether that can be undone by itself; else whoever asks notes it with what else they do.

        Raises:
            NameRefused: the name is empty, too long, holds control characters or is taken; or no such subject.
        """
        name = name.strip()
        check_name(name)
        if subject not in SUBJECTS:
            raise NameRefused(f"A person is one of {', '.join(SUBJECTS)}; {subject!r} was given. Choose one of them.")
        with self._one_at_a_time:
            if any(same_name(known.name, name) for known in self.list()):
                raise NameRefused(f"There is somebody called {name} already. Choose another name, such as with a year.")
            person = Person(f"{slug(name)}-{secrets.token_hex(3)}", name, subject, TOKEN, now())
            # Made under a passing name, one that the workspace sweeps away if this process is killed here.
            passing = self._workspace.people / f".{person.id}-{secrets.token_hex(6)}.part"
            with ExitStack() as undo:
                try:
                    for place in (passing, passing / "photos", passing / "references"):
                        place.mkdir(mode=PRIVATE_FOLDER)
                        if place == passing:
                            undo.callback(_gone, passing)
                    write_json(passing / "person.json", {"version": VERSION, **asdict(person)})
                    passing.rename(self.folder(person))
                    undo.callback(trash, self.folder(person))
                    if noted:
                        self.journal.note(Done("new", 0, name, (person.id,)), [shown(person)])
                    undo.pop_all()
                except OSError as error:
                    raise PersonNotSaved(
                        f"No folder could be made for {name}: {error.strerror}. Make room on the disk of "
                        f"{self._workspace.root}, or check your rights to it."
                    ) from error
        return person

    def list(self) -> People:
        """Give everybody, by name. A folder that cannot be read is left out, and the log says so.

        Who was merged into somebody else is not listed, nor whose making was undone.
        """
        return [person for person in self._all() if not person.hidden]

    def _all(self) -> People:
        people: People = []
        for folder in self._workspace.people.iterdir():
            if folder.name.startswith(".") or not folder.is_dir():
                continue
            try:
                people.append(read_person(folder))
            except EngineError as error:
                log.warning("%s is left out of the people: %s", folder.name, error)
        return sorted(people, key=lambda person: (person.name.casefold(), person.id))

    def get(self, person: str) -> Person:
        """Give a person by id, by name, capitals or not, or as `called` tells them from a namesake.

        Raises:
            NoSuchPerson: there is none, or more than one of that name.
        """
        everybody = self.list()
        found = (
            [p for p in everybody if p.id == person]
            or [p for p in everybody if same_name(p.name, person.strip())]
            or [p for p in everybody if same_name(called(p, everybody), person.strip())]
        )
        if len(found) == 1:
            return found[0]
        if found:
            raise NoSuchPerson(f"There are {len(found)} people called {person}. Use one of {listed(found)}.")
        if not everybody:
            raise NoSuchPerson(f"There is nobody called {person}: no people have been added yet.")
        raise NoSuchPerson(f"There is nobody called {person}. The people are {listed(everybody)}.")

    def remove(self, person: str) -> tuple[Person, ...]:
        """Delete a person by id or name, with photos, references, tuned models and all that lies in their folder.

        So is whoever was merged into them, and what the undo log and its bin know of them. That cannot be undone.

        Returns:
            The person and those who were merged into them.

        Raises:
            NoSuchPerson: as `get`.
            EngineError: the system refuses.
        """
        with self._one_at_a_time:
            gone = self.with_merged(self.get(person))
            ids = frozenset(one.id for one in gone)
            theirs = frozenset[str]().union(*(self.places.ids(one) for one in ids))
            for one in gone:
                trash(self.folder(one))
            self.journal.forget(ids, theirs, self.places.all_ids(one.id for one in self._all()))
            return gone

    def with_merged(self, person: Person) -> tuple[Person, ...]:
        """Give a person and those who were merged into them, or into one of these."""
        found, everybody = [person], self._all()
        for one in found:
            found += [other for other in everybody if other.hidden == one.id and other not in found]
        return tuple(found)

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
            files, outcomes = adding.listed(paths)
            seen: AllSeen = []
            told.tick("reading photos", 0, len(files))
            for done, file in enumerate(files, start=1):
                result = adding.look_at(self._detector, file)
                if isinstance(result, AddOutcome):
                    outcomes[file] = result
                else:
                    seen.append(result)
                told.tick("reading photos", done, len(files))
            fresh = adding.keep(self.places, self.journal, person, seen, known, outcomes)
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
        stamp = _stamp(folder)
        known = self._judged.get(folder)
        if known is not None and known[0] == stamp:
            return list(known[1])
        found = self._found(folder, stamp)
        judged = judge(found, self._copies_among(found))
        self._judged[folder] = (stamp, judged)
        return list(judged)

    def is_judged(self, person: str) -> bool:
        """Say whether the verdicts on a person's faces, by id, are known, so that `references` gives them at once."""
        folder = self.places.folder(person) / "references"
        known = self._judged.get(folder)
        return known is not None and known[0] == _stamp(folder)

    def unsorted(self) -> References:
        """Give all faces that are nobody's yet, in the order they were added, not judged. Raises as `references`."""
        return self.faces(UNSORTED)

    def faces(self, place: str) -> References:
        """Give all faces of a place, in the order they were added, not judged. Raises as `references`."""
        folder = self.places.folder(place) / "references"
        return self._found(folder, _stamp(folder))

    def _found(self, folder: Path, stamp: Stamp) -> References:
        """Read the faces of a place; a file is read once, wherever it goes."""
        found: References = []
        for key in stamp:
            if key not in self._read:
                self._read[key] = read_reference(folder / key[0])
            found.append(self._read[key])
        return sorted(found, key=lambda r: (r.added, r.id))

    def _copies_among(self, references: References) -> Copies:
        """Give which of some faces are one picture; for the same faces as last time without looking again."""
        ids = frozenset(r.id for r in references)
        if references and not ids <= self._copies[0]:
            self._copies = (ids, find_copies(references))
        return self._copies[1]

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
            before = self._stored(person, reference).overruled
            done = Done(word or "verdict", 1, person.name, (person.id,))
            self.journal.do(done, [Put(person.id, reference, "overruled", before, word)])
            return self._stored(person, reference)

    def remove_reference(self, person: Person, reference: str) -> None:
        """Take a reference out and, when it was the last of its photo, the copy of the photo; that can be undone.

        Raises:
            NoSuchReference: the person has none of that id.
        """
        with self._one_at_a_time:
            self._stored(person, reference)
            gone = self.journal.new_bin()
            done = Done("removed", 1, person.name, (person.id,))
            self.journal.do(done, [Move((reference,), person.id, gone)], bin=gone)

    def gallery(self, person: Person) -> Gallery:
        """Give the references that are used, ordered by id, so that the same choice is always the same gallery."""
        used = sorted((r for r in self.references(person) if r.used), key=lambda r: r.id)
        return Gallery(person, tuple(used), self.folder(person) / "photos")

    def _stored(self, person: Person, reference: str) -> Reference:
        for known in self.references(person):
            if known.id == reference:
                return known
        raise NoSuchReference(f"{person.name} has no reference {reference}. It may have been removed already.")


def shown(person: Person) -> Put:
    """Give the change by which somebody new is listed."""
    return Put(person.id, "", "hidden", UNDONE, "")


def _stamp(folder: Path) -> Stamp:
    """Give what tells whether the files of a place have changed."""
    try:
        with os.scandir(folder) as entries:
            files = [entry for entry in entries if entry.name.endswith(".json") and not entry.name.startswith(".")]
            stats = [(entry.name, entry.stat()) for entry in files]
    except FileNotFoundError:
        return ()
    return tuple(sorted((name, stat.st_mtime_ns, stat.st_size, stat.st_ino) for name, stat in stats))


def _gone(folder: Path) -> None:
    """Delete a folder if it is still there."""
    if folder.exists():
        trash(folder)
