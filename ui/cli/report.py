"""Progress on a console, and Ctrl-C as a wish that work fulfils at its next step."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, TextIO

from engine.progress import Cancelled, FileState

PLAIN_EVERY_SECONDS = 10.0
"""How often a stage is told where lines cannot be drawn over, such as in a file."""
DRAWN_EVERY_SECONDS = 0.1
FIRST_GUESS_SECONDS = 1.0
"""How long a stage must have run before the time left is guessed from its speed."""

STOPPING = b"\nlikeness: stopping at the next step; Ctrl-C again ends at once\n"


class ConsoleReport:
    """One line that says stage, step and time left. While entered, Ctrl-C makes the next tick raise `Cancelled`."""

    def __init__(self, stream: TextIO, *, quiet: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        """Write to `stream`: a line drawn over and over on a terminal, plain lines elsewhere, nothing when quiet."""
        self._stream, self._quiet, self._clock = stream, quiet, clock
        self._drawing = stream.isatty()
        self._stop = False
        self._stage = ""
        self._from: tuple[float, int] = (0.0, 0)
        self._told = 0.0
        self._line_told = ""
        self._former: Any = None

    def __enter__(self) -> ConsoleReport:
        """Take Ctrl-C over."""
        self._former = signal.signal(signal.SIGINT, self._interrupted)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give Ctrl-C back and end the line."""
        signal.signal(signal.SIGINT, self._former)
        self._clear()

    def tick(self, stage: str, done: int, total: int) -> None:
        """See `Report.tick`."""
        if self._stop:
            raise Cancelled
        if self._quiet:
            return
        now = self._clock()
        fresh = stage != self._stage or done < self._from[1]  # the same stage again counts anew
        if fresh:
            self._stage, self._from = stage, (now, done)
        every = DRAWN_EVERY_SECONDS if self._drawing else PLAIN_EVERY_SECONDS
        ended = done == total and total > 1
        if fresh or ended or now - self._told >= every:
            self._tell(self._line(stage, done, total, now), now)

    def measure(self, step: int, values: Mapping[str, float]) -> None:
        """See `Report.measure`: a console has no chart."""

    def preview(self, name: str, path: Path) -> None:
        """See `Report.preview`."""
        if not self._quiet:
            self._clear()
            self._stream.write(f"{name}: {path}\n")
            self._stream.flush()

    def file(self, name: str, state: FileState, sentence: str, result: str) -> None:
        """See `Report.file`: what failed is told at once; the rest stands in the answer."""
        if state == "failed" and not self._quiet:
            self._clear()
            self._stream.write(f"{name}: {sentence}\n")
            self._stream.flush()

    def note(self, sentence: str) -> None:
        """See `Report.note`."""
        if not self._quiet:
            self._clear()
            self._stream.write(f"{sentence}\n")
            self._stream.flush()

    def _line(self, stage: str, done: int, total: int, now: float) -> str:
        if total <= 1:
            return stage
        begun, first = self._from
        passed = now - begun
        guess = ""
        if done > first and passed >= FIRST_GUESS_SECONDS and done < total:
            guess = f", {time_left(passed / (done - first) * (total - done))} left"
        return f"{stage}: {done} of {total}{guess}"

    def _tell(self, line: str, now: float) -> None:
        if line == self._line_told:
            return
        self._line_told, self._told = line, now
        if self._drawing:
            room = shutil.get_terminal_size().columns - 1
            self._stream.write(f"\r\x1b[K{line[:room]}")
        else:
            self._stream.write(f"{line}\n")
        self._stream.flush()

    def _clear(self) -> None:
        if self._drawing and self._stage:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def _interrupted(self, number: int, frame: FrameType | None) -> None:
        if self._stop:
            raise KeyboardInterrupt
        self._stop = True
        # Not through the stream: the signal may have come while that one is writing.
        with suppress(OSError):
            os.write(2, STOPPING)


def time_left(seconds: float) -> str:
    """Give a duration as people say it: "about 40 s", "about 3 min", "about 2 h 10 min"."""
    if seconds < 90:
        return f"about {max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"about {minutes} min"
    hours, rest = divmod(round(minutes / 10) * 10, 60)
    return f"about {hours} h {rest} min" if rest else f"about {hours} h"
