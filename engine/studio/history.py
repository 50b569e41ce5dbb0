"""The history of a photo: every result of it that is still there, oldest first, to be looked at again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.errors import EngineError
from engine.jobs import Runner
from engine.workspace import read_json


class History:
    """Finds the finished restorations of photos; each is read from disk once. Not for several threads."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._photos: dict[str, str] = {}
        self._key: tuple[str, str] = ("", "")
        self._found: tuple[str, ...] = ()

    def of(self, digest: str, newest: str) -> tuple[str, ...]:
        """Give the jobs whose results show a photo, oldest first.

        Args:
            digest: the first digits of the photo's SHA-256.
            newest: the last job that finished; the jobs are gone through again when it changes.
        """
        if self._key != (digest, newest):
            jobs = [job for job in self._runner.jobs() if job.kind == "restore" and job.state == "finished"]
            jobs.sort(key=lambda job: job.created)
            for job in jobs:
                if job.id not in self._photos:
                    self._photos[job.id] = _photo_of(job.result or {})
            self._found = tuple(job.id for job in jobs if self._photos[job.id].startswith(digest))
            self._key = (digest, newest)
        return self._found


def _photo_of(result: dict[str, Any] | Any) -> str:
    """Give the SHA-256 of the photo of a result; "-" where the result is gone."""
    try:
        if not Path(result["result"]).exists():
            return "-"
        return str(read_json(Path(result["provenance"]))["photo_sha256"])
    except (EngineError, KeyError, TypeError):
        return "-"
