"""The worker's side of a report: what the work says goes to the disk, and a stop comes back at the next tick."""

from __future__ import annotations

import json
import logging
import math
import os
import time
from collections.abc import Mapping
from pathlib import Path
from threading import Event as Flag
from typing import Any

from engine.jobs.record import now
from engine.progress import Cancelled, FileState

log = logging.getLogger(__name__)

PAUSE_LOOK_SECONDS = 0.1
"""Between two looks whether a pause is over."""
LEAST_SECONDS = 0.2
"""Between two progress events of a stage on the disk: smooth to the eye, and 18,000 lines in an hour."""


class Pace:
    """How fast the present stage goes."""

    def __init__(self) -> None:
        self.stage = ""
        self._total = 0
        self._first = (0, 0.0)
        self._done = 0

    def seconds_left(self, stage: str, done: int, total: int, moment: float) -> float | None:
        """Give the time to the end of the stage at its mean rate since its first tick; None while that is unknown.

        A stage that was resumed starts at its first `done`; one that starts over, or changes its total, is measured
        anew.
        """
        if stage != self.stage or total != self._total or done < self._done:
            self.stage, self._total, self._first = stage, total, (done, moment)
        self._done = done
        steps, seconds = done - self._first[0], moment - self._first[1]
        if done >= total:
            return 0.0
        return round(seconds / steps * (total - done), 1) if steps else None

    def leave_out(self, seconds: float) -> None:
        """Do not count some time that has passed, such as a pause."""
        self._first = (self._first[0], self._first[1] + seconds)


class JobReport:
    """An `engine.progress.Report` that writes to a job's folder. Not for several threads."""

    def __init__(self, folder: Path, closing: Flag) -> None:
        """Report on the job in a folder; `closing` is set when the worker is to end whatever it does."""
        self.stage = ""
        self._stop = folder / "stop"
        self._pause = folder / "pause"
        self._closing = closing
        self._file = (folder / "events.jsonl").open("ab", buffering=0)
        self._size = self._file.tell()
        self._n = 0
        self._pace = Pace()
        self._held: dict[str, Any] | None = None
        self._shown = ("", 0, 0)
        self._shown_at = -math.inf

    @property
    def stop_asked(self) -> bool:
        """True once somebody asked this job to stop."""
        return self._stop.exists()

    def check(self) -> None:
        """Raise `Cancelled` when the work is to stop; come back only when it is not paused."""
        begun = 0.0
        while not (self.stop_asked or self._closing.is_set()):
            if not self._pause.exists():
                if begun:
                    self._pace.leave_out(time.monotonic() - begun)
                    self._append({"event": "resumed"})
                return
            if not begun:
                begun = time.monotonic()
                self._write_held()
                self._append({"event": "paused"})
            self._closing.wait(PAUSE_LOOK_SECONDS)
        raise Cancelled

    def tick(self, stage: str, done: int, total: int) -> None:
        """See `engine.progress.Report.tick`.

        The first and the last event of a stage are always written; those between, at most one in `LEAST_SECONDS`.
        """
        done, total, moment = int(done), int(total), time.monotonic()
        if stage != self.stage:
            self._write_held()
        eta = self._pace.seconds_left(stage, done, total, moment)
        new = stage != self.stage
        self.stage = stage
        event = {"event": "progress", "stage": stage, "done": done, "total": total, "eta": eta}
        if not new and self._shown == (stage, done, total):
            self._held = None
        elif new or done >= total or moment - self._shown_at >= LEAST_SECONDS:
            self._show(event)
        else:
            self._held = {**event, "time": now()}
        self.check()

    def measure(self, step: int, values: Mapping[str, float]) -> None:
        """See `engine.progress.Report.measure`."""
        self._write_held()
        numbers = {name: float(value) for name, value in values.items()}
        plain = {name: value if math.isfinite(value) else None for name, value in numbers.items()}
        self._append({"event": "measure", "step": int(step), "values": plain})

    def preview(self, name: str, path: Path) -> None:
        """See `engine.progress.Report.preview`."""
        self._write_held()
        self._append({"event": "preview", "name": name, "path": str(path)})

    def file(self, name: str, state: FileState, sentence: str, result: str) -> None:
        """See `engine.progress.Report.file`."""
        self._write_held()
        self._append({"event": "file", "name": name, "state": state, "sentence": sentence, "result": result})

    def note(self, sentence: str) -> None:
        """See `engine.progress.Report.note`."""
        self._write_held()
        self._append({"event": "note", "sentence": sentence})

    def close(self) -> None:
        """Write what was held back, and let the file go."""
        self._write_held()
        self._file.close()

    def _write_held(self) -> None:
        if self._held is not None:
            self._show(self._held)

    def _show(self, event: dict[str, Any]) -> None:
        self._held = None
        self._shown = (event["stage"], event["done"], event["total"])
        self._shown_at = time.monotonic()
        self._append(event)

    def _append(self, event: dict[str, Any]) -> None:
        """Write one line in one call, so that it is whole or, at the end of the file alone, torn.

        Work does not end because its progress could not be written: the line is left out and the log says so.
        """
        named = {"n": self._n + 1, "time": now(), **event}
        line = json.dumps(named, allow_nan=False).encode() + b"\n"
        try:
            written = self._file.write(line)
            if written != len(line):  # what a disk does that is full in the middle of it
                raise OSError(f"{written} of {len(line)} bytes were written")
        except OSError as error:
            log.warning("an event of this job was not written: %s", error)
            os.ftruncate(self._file.fileno(), self._size)
        else:
            self._n += 1
            self._size += len(line)
