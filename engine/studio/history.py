"""The history of a photo: every result of it that is still there, oldest first, to be looked at again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import EngineError
from engine.jobs import Job, Runner
from engine.results import read_provenance
from engine.studio.items import MANY, items_of


@dataclass(frozen=True)
class Kept:
    """One result."""

    id: str
    """See `engine.studio.items`."""
    job: Job
    """As `items.find` gives it."""
    told: Mapping[str, Any]
    """Its provenance, as it was first made."""


class History:
    """Finds the results of photos; each is read from disk once. Not for several threads."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._known: dict[str, Kept | None] = {}
        self._over: dict[str, tuple[Job, ...]] = {}
        """The results of jobs that will make no more."""
        self._key: tuple[str, object] = ("", None)
        self._found: tuple[Kept, ...] = ()

    def of(self, digest: str, newest: object) -> tuple[Kept, ...]:
        """Give the results that show a photo, oldest first.

        Args:
            digest: the first digits of the photo's SHA-256.
            newest: changes when there may be results more; the jobs are gone through again then.
        """
        if self._key != (digest, newest):
            jobs = sorted(self._runner.jobs(), key=lambda job: job.created)
            items = [item for job in jobs for item in self._items(job)]
            kept = [self._kept(item) for item in items]
            self._found = tuple(
                one for one in kept if one is not None and str(one.told["photo_sha256"]).startswith(digest)
            )
            self._key = (digest, newest)
        return self._found

    def forget(self) -> None:
        """Look again for what is there."""
        self._key, self._known = ("", None), {}

    def _items(self, job: Job) -> tuple[Job, ...]:
        if job.id in self._over:
            return self._over[job.id]
        if job.kind not in (*MANY, "restore"):
            return ()
        items = tuple(items_of(self._runner, job))
        if job.over:
            self._over[job.id] = items
        return items

    def _kept(self, item: Job) -> Kept | None:
        """Read a result's provenance; None where the result is gone."""
        if item.id not in self._known:
            known: Kept | None = None
            try:
                result: Mapping[str, Any] = item.result or {}
                if Path(result["result"]).exists():
                    known = Kept(item.id, item, read_provenance(Path(result["provenance"])))
            except (EngineError, KeyError, TypeError):
                known = None
            self._known[item.id] = known
        return self._known[item.id]
