"""Photos that are being taken in on the People screen, a batch after the other, and what became of the last one."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING

from engine.people import BIN, UNSORTED, Done, Move, Taken, take_in
from engine.studio.people.background import Background
from engine.studio.people.view import Came, Coming

if TYPE_CHECKING:
    from engine.studio import Studio

TOGETHER = 16
"""Photos that are shown together while many are taken in."""
REST = 4
"""How many times as long as it takes to show new faces nothing new is shown: grouping thousands takes seconds."""


@dataclass
class _Batch:
    """Photos that are being taken in."""

    files: list[Path]
    dropped: bool
    """Whether they are copies of ours, to be deleted then."""
    began: float = 0.0
    done: int = 0
    faces: int = 0
    stopped: bool = False
    over: bool = False


class Arrivals:
    """What comes in. For any thread."""

    def __init__(self, studio: Studio, background: Background, changed: Callable[[], None]) -> None:
        """Take where it goes.

        Args:
            studio: whose people they are.
            background: reads the photos.
            changed: called when there are new faces.
        """
        self._studio, self._background, self._changed = studio, background, changed
        self._lock = RLock()
        self._coming: list[_Batch] = []
        self._came: Came | None = None

    @property
    def came(self) -> Came | None:
        """What became of the last batch, until it was read."""
        return self._came

    def add(self, files: list[Path], *, dropped: bool) -> None:
        """Take files in; dropped ones are copies of ours and are deleted then."""
        with self._lock:
            last = self._coming[-1] if self._coming else None
            if last is not None and last.dropped == dropped and not (last.over or last.stopped):
                last.files += files  # the page hands over many files a few at a time
                return
            batch = _Batch(files, dropped)
            self._coming.append(batch)
            self._came = None
        self._background.do("intake", self._take_in, batch)

    def stop(self) -> None:
        """Stop after the photos that are being read; what was taken in stays."""
        with self._lock:
            for batch in self._coming:
                batch.stopped = True

    def forget(self) -> None:
        """Take away what became of the last batch, once it was read."""
        with self._lock:
            self._came = None

    def coming(self) -> Coming | None:
        """Give how far it is; None when nothing is coming."""
        with self._lock:
            if not self._coming:
                return None
            now = self._coming[0]
            done, of = now.done, sum(len(batch.files) for batch in self._coming)
        spent = time.monotonic() - now.began if now.began else 0.0
        left = spent / done * (of - done) if done >= 3 else None
        return Coming(done, of, now.faces, left)

    def _take_in(self, batch: _Batch) -> None:
        batch.began = time.monotonic()
        told: list[Taken] = []
        places, group = self._studio.people.places, secrets.token_hex(6)
        staging = f"{BIN}{secrets.token_hex(6)}"
        try:
            known = places.all_ids(person.id for person in self._studio.people.list())
            places.make(staging)
            while not batch.over:
                self._read(batch, told, staging, group, known)
                with self._lock:
                    batch.over = batch.stopped or self._background.closed or len(told) == len(batch.files)
        finally:
            places.empty(staging)
            with self._lock:
                batch.over = True
                self._coming.remove(batch)
                self._came = _came(told, batch)
            if batch.dropped:
                for file in batch.files:
                    file.unlink(missing_ok=True)
            if not self._background.closed:
                self._changed()

    def _read(self, batch: _Batch, told: list[Taken], staging: str, group: str, known: frozenset[str]) -> None:
        """Take in what is left of a batch."""
        fresh: list[str] = []
        shown_at, cost, start = time.monotonic(), 0.0, len(told)
        taken_in = take_in(
            batch.files if not start else batch.files[start:], self._studio.people.places.folder(staging), known
        )
        try:
            for taken in taken_in:
                told.append(taken)
                new = [name for name in taken.ids if name not in fresh]
                fresh += new
                with self._lock:
                    batch.done, batch.faces = len(told), batch.faces + len(new)
                if batch.dropped:
                    taken.file.unlink(missing_ok=True)  # it was a copy, and photos are not left lying about
                if len(fresh) >= TOGETHER and time.monotonic() - shown_at > max(1.0, REST * cost):
                    shown_at = time.monotonic()
                    self._keep(staging, fresh, group)
                    fresh = []
                    cost = time.monotonic() - shown_at
                if batch.stopped or self._background.closed:
                    break
        finally:
            taken_in.close()
            self._keep(staging, fresh, group)

    def _keep(self, staging: str, ids: list[str], group: str) -> None:
        """Lay new faces beside those that are nobody's yet, so that it can be undone."""
        places, journal = self._studio.people.places, self._studio.people.journal
        ids = sorted(places.ids(staging) & set(ids))
        if not ids:
            return
        places.move(ids, staging, UNSORTED)
        gone = journal.new_bin()
        journal.note(Done("added", len(ids)), [Move(tuple(ids), gone, UNSORTED)], group=group, bin=gone)
        if not self._background.closed:
            self._changed()


def _came(told: Sequence[Taken], batch: _Batch) -> Came:
    return Came(
        photos=len({taken.file for taken in told}),
        faces=batch.faces,
        already=sum(taken.code == "already-there" for taken in told),
        no_face=tuple(taken.file.name for taken in told if taken.code == "no-face"),
        unreadable=tuple(taken.sentence for taken in told if taken.code == "unreadable"),
        stopped=batch.stopped,
    )
