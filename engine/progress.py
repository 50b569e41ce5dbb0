"""How work reports and how it is stopped: one seam, no threads, no screens.

Work gets a `Report`. It calls `tick` at each step; a tick raises `Cancelled` once a stop was asked for.
A function that knows only its own steps takes a `Tick`, a report with the stage's name already bound.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, Protocol


class Cancelled(Exception):
    """The user asked the work to stop; raised by a tick, so that every `finally` runs."""


Tick = Callable[[int, int], None]
"""`tick(done, total)`; raises `Cancelled` when the work is to stop."""


Look = Callable[[int, int, Callable[[], Any]], None]
"""`look(done, total, picture)`, called after each step of sampling by a restorer that can show what comes. `picture()`
computes the face as it is by then, (size, size, 3), 0 to 1; who does not look pays nothing."""


FileState = Literal["done", "skipped", "failed"]
"""What became of one file of many."""


class Report(Protocol):
    """Where work says how far it is."""

    def tick(self, stage: str, done: int, total: int) -> None:
        """Say that `done` of `total` steps of `stage` are over. Raises `Cancelled` when a stop was asked for."""
        ...

    def measure(self, step: int, values: Mapping[str, float]) -> None:
        """Give numbers for a chart at a step, such as the loss or an identity distance."""
        ...

    def preview(self, name: str, path: Path) -> None:
        """Name a finished picture file worth showing now."""
        ...

    def file(self, name: str, state: FileState, sentence: str, result: str) -> None:
        """Say what became of one file of many: why, where it was not done, and the path of its result, or ""."""
        ...

    def note(self, sentence: str) -> None:
        """Say something that the user should know and that ends nothing."""
        ...


class SilentReport:
    """A report that nobody reads and that never stops the work."""

    def tick(self, stage: str, done: int, total: int) -> None:
        """See `Report.tick`."""

    def measure(self, step: int, values: Mapping[str, float]) -> None:
        """See `Report.measure`."""

    def preview(self, name: str, path: Path) -> None:
        """See `Report.preview`."""

    def file(self, name: str, state: FileState, sentence: str, result: str) -> None:
        """See `Report.file`."""

    def note(self, sentence: str) -> None:
        """See `Report.note`."""


def silent(done: int, total: int) -> None:
    """Be the tick of work that nobody follows."""


def stage(report: Report, name: str) -> Tick:
    """Bind a stage's name to a report."""

    def tick(done: int, total: int) -> None:
        report.tick(name, done, total)

    return tick
