"""What was done to people and their faces, on the disk, so that all of it can be undone, and done again, even after a
restart.

An entry is written before anything is changed, and `state.json` says up to which entry all is done. A process that is
killed in between leaves an entry that is not counted; the next one takes back what had been done of it.

What an entry changes are places of faces (`Move`) and single fields of their files (`Put`). Nothing is deleted: what is
taken out of a gallery lies in the entry's own bin, until the entry itself is let go of: the oldest one when there are
more than `MOST`, an undone one when something else is done instead.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engine.errors import EngineError
from engine.people.places import BIN, PARTS, Places
from engine.workspace import Workspace, read_json, trash, write_json

log = logging.getLogger(__name__)

MOST = 500
"""Entries that are kept."""
UNDONE = "undone"
"""What `hidden` of a person says whose making was undone."""


@dataclass(frozen=True)
class Move:
    """Faces that go from one place to another."""

    ids: tuple[str, ...]
    source: str
    target: str


@dataclass(frozen=True)
class Put:
    """One field of a person's file or of a face's."""

    place: str
    reference: str
    """"" for the person's own file."""
    field: str
    before: Any
    after: Any


Change = Move | Put


@dataclass(frozen=True)
class Done:
    """What was done, for saying it."""

    verb: str
    """added, keep, reject, verdict, moved, new, removed, rename, cover, subject, dated or merged."""
    count: int = 0
    """Of faces."""
    name: str = ""
    """Of the person; "" for nobody, or for somebody who was deleted since."""
    people: tuple[str, ...] = ()
    """Ids of all people it is about."""


@dataclass(frozen=True)
class Entry:
    """One thing that was done."""

    n: int
    done: Done
    changes: tuple[Change, ...]
    bin: str
    """Name of the place for what it took out of all galleries."""
    group: str
    """Entries of one group that follow each other are undone together; "" is none."""


class Journal:
    """The journal of a workspace, for any thread."""

    def __init__(self, workspace: Workspace, places: Places) -> None:
        self._workspace, self._places = workspace, places
        self._lock = threading.RLock()
        self._settled = False

    def new_bin(self) -> str:
        """Give a place of the bin for an entry to come."""
        return f"{BIN}{secrets.token_hex(6)}"

    def do(self, done: Done, changes: Sequence[Change], *, group: str = "", bin: str = "") -> None:
        """Change something, so that it can be undone.

        Raises:
            EngineError: the disk refuses; what had been changed is as it was.
        """
        with self._lock:
            entry = self._written(done, changes, group, bin)
            try:
                for change in entry.changes:
                    self._apply(change)
                self._set(entry.n)
            except BaseException:
                self._take_back(entry)
                raise

    def note(self, done: Done, changes: Sequence[Change], *, group: str = "", bin: str = "") -> None:
        """Write down what was changed already."""
        with self._lock:
            self._set(self._written(done, changes, group, bin).n)

    def undo(self) -> Done | None:
        """Undo what was done last; None when nothing is left. Of a group, what was done first is given."""
        with self._lock:
            entry = self._last()
            while entry is not None:
                for change in reversed(entry.changes):
                    self._apply(_back(change))
                before = self._before(entry.n)
                self._set(before.n if before is not None else entry.n - 1)
                if before is None or not entry.group or before.group != entry.group:
                    return entry.done
                entry = before
            return None

    def redo(self) -> Done | None:
        """Do again what was undone last; None when there is nothing."""
        with self._lock:
            entry = self._next()
            while entry is not None:
                for change in entry.changes:
                    self._apply(change)
                self._set(entry.n)
                after = self._next()
                if after is None or not entry.group or after.group != entry.group:
                    return entry.done
                entry = after
            return None

    def undoable(self) -> Done | None:
        """Say what `undo` would undo."""
        with self._lock:
            entry = self._last()
            return self._whole(entry) if entry is not None else None

    def redoable(self) -> Done | None:
        """Say what `redo` would do."""
        with self._lock:
            entry = self._next()
            return entry.done if entry is not None else None

    def binned(self) -> frozenset[str]:
        """Give the ids of all faces in the bin."""
        with self._lock:
            bins = (self._workspace.undo / "bin").glob("[!.]*")
            return frozenset[str]().union(*(self._places.ids(f"{BIN}{folder.name}") for folder in bins))

    def forget(self, people: frozenset[str], theirs: frozenset[str], live: frozenset[str]) -> None:
        """Take all that concerns some people out of the journal and the bin, for good.

        Args:
            people: their ids.
            theirs: ids of the faces that lay with them.
            live: ids of the faces that lie with somebody else, or with nobody yet, which are not forgotten.
        """
        with self._lock:
            entries = {n: self._read(n) for n in self._numbers()}
            moves = [c for entry in entries.values() if entry for c in entry.changes if isinstance(c, Move)]
            were = {name for move in moves if {move.source, move.target} & people for name in move.ids}
            references = (theirs | were) - live
            for n, entry in entries.items():
                if entry is None:
                    trash(self._file(n))
                    continue
                left, gone = _without(entry, people, references)
                if gone:
                    for part in PARTS:
                        for name in gone:
                            (self._places.folder(entry.bin) / part / _file_in(part, name)).unlink(missing_ok=True)
                    self._places.drop_unused(entry.bin)
                if left != entry and left.changes:
                    self._write(left)
                elif left != entry:
                    trash(self._file(n))
                    self._places.empty(entry.bin)

    # The files.

    def _apply(self, change: Change) -> None:
        if isinstance(change, Move):
            self._places.move(change.ids, change.source, change.target)
            return
        folder = self._places.folder(change.place)
        file = folder / "references" / f"{change.reference}.json" if change.reference else folder / "person.json"
        if file.exists():
            write_json(file, {**read_json(file), change.field: change.after})

    def _take_back(self, entry: Entry) -> None:
        """Take back what was done of an entry that is not counted."""
        try:
            for change in reversed(entry.changes):
                self._apply(_back(change))
        except EngineError as error:
            log.warning("entry %d is taken back later: %s", entry.n, error)
            self._settled = False
            return
        self._file(entry.n).unlink(missing_ok=True)
        with_bin = self._places.folder(entry.bin)
        if with_bin.exists() and not self._places.ids(entry.bin):
            self._places.empty(entry.bin)

    def _written(self, done: Done, changes: Sequence[Change], group: str, bin: str) -> Entry:
        """Write a new entry, not counted yet, in place of all that were undone."""
        at = self._at()
        undone = [n for n in self._numbers() if n > at]
        for n in undone:
            self._let_go(n)
        if undone:
            self._set(at)
        for n in self._numbers()[: max(0, len(self._numbers()) - MOST + 1)]:
            self._let_go(n)
        entry = Entry(at + 1, done, tuple(changes), bin or self.new_bin(), group)
        self._write(entry)
        return entry

    def _let_go(self, n: int) -> None:
        entry = self._read(n)
        trash(self._file(n))
        if entry is None:
            return
        self._places.empty(entry.bin)
        for change in entry.changes:
            if isinstance(change, Put) and change.field == "hidden" and change.before == UNDONE:
                folder = self._places.folder(change.place)
                if folder.exists() and read_json(folder / "person.json").get("hidden") == UNDONE:
                    trash(folder)

    def _last(self) -> Entry | None:
        return self._before(self._at() + 1)

    def _before(self, n: int) -> Entry | None:
        earlier = [known for known in self._numbers() if known < n]
        return self._read(earlier[-1]) if earlier else None

    def _next(self) -> Entry | None:
        at = self._at()
        later = [known for known in self._numbers() if known > at]
        return self._read(later[0]) if later else None

    def _whole(self, entry: Entry) -> Done:
        """Give what was done with all of an entry's group."""
        count, before = entry.done.count, self._before(entry.n)
        while entry.group and before is not None and before.group == entry.group:
            count, before = count + before.done.count, self._before(before.n)
        return replace(entry.done, count=count)

    def _at(self) -> int:
        state = self._workspace.undo / "state.json"
        at = int(read_json(state)["at"]) if state.exists() else 0
        if not self._settled:
            self._settled = True
            for n in [n for n in self._numbers() if n > at][:1]:
                entry = self._read(n)
                if entry is not None and entry.changes and not _was_undone(state, n):
                    self._take_back(entry)
        return at

    def _set(self, n: int) -> None:
        highest = max([n, *self._numbers()])
        write_json(self._workspace.undo / "state.json", {"version": 1, "at": n, "highest": highest})

    def _numbers(self) -> list[int]:
        return sorted(int(file.stem) for file in (self._workspace.undo / "log").glob("[0-9]*.json"))

    def _file(self, n: int) -> Path:
        return self._workspace.undo / "log" / f"{n:08d}.json"

    def _write(self, entry: Entry) -> None:
        folder = self._workspace.undo / "log"
        folder.mkdir(mode=0o700, exist_ok=True)
        done = entry.done
        write_json(
            self._file(entry.n),
            {
                "version": 1,
                "n": entry.n,
                "done": {"verb": done.verb, "count": done.count, "name": done.name, "people": list(done.people)},
                "bin": entry.bin,
                "group": entry.group,
                "changes": [_change_json(change) for change in entry.changes],
            },
        )

    def _read(self, n: int) -> Entry | None:
        """Read an entry; None where it is damaged, which the log says."""
        try:
            value: dict[str, Any] = read_json(self._file(n))
            told: Mapping[str, Any] = value["done"]
            done = Done(str(told["verb"]), int(told["count"]), str(told["name"]), tuple(map(str, told["people"])))
            changes = tuple(_read_change(change) for change in value["changes"])
            return Entry(n, done, changes, str(value["bin"]), str(value["group"]))
        except (EngineError, KeyError, TypeError, ValueError) as error:
            log.warning("entry %d of the undo log cannot be used: %s", n, error)
            return None


def _was_undone(state: Path, n: int) -> bool:
    """Say whether an entry beyond the last one was undone, and not broken off while it was done for the first time."""
    return state.exists() and int(read_json(state).get("highest", 0)) >= n


def _back(change: Change) -> Change:
    if isinstance(change, Move):
        return Move(change.ids, change.target, change.source)
    return replace(change, before=change.after, after=change.before)


def _without(entry: Entry, people: frozenset[str], references: frozenset[str]) -> tuple[Entry, frozenset[str]]:
    """Give an entry without some people and faces, and which of these may lie in its bin."""
    left: list[Change] = []
    gone: set[str] = set()
    for change in entry.changes:
        if isinstance(change, Put):
            if change.place not in people and change.reference not in references and change.after not in people:
                left.append(change)
            continue
        ours = bool({change.source, change.target} & people)
        out = set(change.ids) if ours else set(change.ids) & references
        if entry.bin in (change.source, change.target):
            gone |= out
        if len(out) < len(change.ids):
            left.append(replace(change, ids=tuple(name for name in change.ids if name not in out)))
    done = entry.done
    if people & set(done.people):
        done = replace(done, name="", people=tuple(name for name in done.people if name not in people))
    if left == list(entry.changes) and done == entry.done:
        return entry, frozenset()
    return replace(entry, changes=tuple(left), done=done), frozenset(gone)


def _file_in(part: str, name: str) -> str:
    return {"references": f"{name}.json", "crops": f"{name}.jpg"}.get(part, name)


def _change_json(change: Change) -> dict[str, Any]:
    if isinstance(change, Move):
        return {"move": list(change.ids), "source": change.source, "target": change.target}
    return {
        "put": change.field,
        "place": change.place,
        "reference": change.reference,
        "before": change.before,
        "after": change.after,
    }


def _read_change(value: Mapping[str, Any]) -> Change:
    if "move" in value:
        return Move(tuple(map(str, value["move"])), str(value["source"]), str(value["target"]))
    return Put(str(value["place"]), str(value["reference"]), str(value["put"]), value["before"], value["after"])
