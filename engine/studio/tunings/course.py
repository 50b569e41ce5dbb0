"""How tunings went and go: read from the events of their jobs, and from the manifests of those that are finished."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.jobs import Event, Job, Runner
from engine.studio.proxies import link
from engine.studio.tunings.view import Course, Sample
from engine.tuning.recipe import PARTS

MOST_POINTS = 400
"""Points of the loss that a chart is given."""
SPEED_STEPS = 40
"""Steps that the speed is measured over."""


@dataclass
class Told:
    """What the events of one job said so far."""

    read: int = 0
    losses: dict[int, float] = field(default_factory=dict[int, float])
    identity: dict[int, float] = field(default_factory=dict[int, float])
    notes: list[str] = field(default_factory=list[str])
    stage: str = ""
    done: int = 0
    total: int = 0
    lately: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=SPEED_STEPS))
    """Time and step of the last steps, with no pause among them."""

    @property
    def speed(self) -> float | None:
        """Steps a second; None while unknown."""
        if len(self.lately) < 2:
            return None
        (begun, first), (now, last) = self.lately[0], self.lately[-1]
        return (last - first) / (now - begun) if now > begun and last > first else None

    def hear(self, event: Event) -> None:
        """Take in an event."""
        self.read, data = event.n, event.data
        if event.event == "measure":
            step, values = int(data["step"]), data["values"]
            if values.get("loss") is not None:
                self.losses[step] = float(values["loss"])
                self.lately.append((event.time, step))
            if values.get("identity") is not None:
                self.identity[step] = float(values["identity"])
        elif event.event == "progress":
            self.stage, self.done, self.total = str(data["stage"]), int(data["done"]), int(data["total"])
        elif event.event == "note" and data["sentence"] not in self.notes:
            self.notes.append(str(data["sentence"]))
        elif event.event in ("paused", "resumed"):
            self.lately.clear()


class Courses:
    """Reads each event of each job once. Not for several threads."""

    def __init__(self, runner: Runner, people: Path, previews: Path) -> None:
        self._runner, self._people, self._previews = runner, people, previews
        self._told: dict[str, Told] = {}
        self._links: dict[tuple[str, int], str] = {}

    def told(self, job: Job) -> Told:
        """Give what a job said so far."""
        told = self._told.setdefault(job.id, Told())
        for event in self._runner.events(job.id, told.read):
            told.hear(event)
        return told

    def course(self, entry: str, manifest: Mapping[str, Any], jobs: Iterable[Job]) -> Course:
        """Give how a tuning went.

        Args:
            entry: `<person's id>/<folder>`.
            manifest: of the finished model, or nothing.
            jobs: those that worked on it and whose steps the manifest may not have, the oldest first.
        """
        losses: dict[int, float] = {}
        identity: dict[int, float] = {}
        notes = [str(note) for note in manifest.get("notes", ())]
        if manifest:
            whole = [float(loss) for part in PARTS for loss in manifest["losses"].get(part, ())]
            losses = dict(enumerate(whole, 1))
            identity = {int(check["step"]): float(check["identity"]) for check in manifest["checks"]}
        for job in jobs:
            told = self.told(job)
            losses |= told.losses
            identity |= told.identity
            notes += [note for note in told.notes if note not in notes]
        looks = sorted(identity.items())
        return Course(thinned(losses), tuple(looks), self._samples(entry, identity), tuple(notes))

    def forget(self, entry: str) -> None:
        """Take away what lies among the previews of a tuning that is deleted."""
        for (path, _), place in list(self._links.items()):
            if Path(path).is_relative_to(self._people / entry.partition("/")[0] / "tuned" / entry.partition("/")[2]):
                shown = self._previews / place
                shown.unlink(missing_ok=True)
                if shown.parent.is_dir():
                    shown.parent.rmdir()
                del self._links[path, _]

    def _samples(self, entry: str, identity: Mapping[int, float]) -> tuple[Sample, ...]:
        person, _, tuned = entry.partition("/")
        found: list[Sample] = []
        for file in sorted((self._people / person / "tuned" / tuned / "samples").glob("step-*.png")):
            step = file.stem.removeprefix("step-")
            if not step.isdecimal():
                continue
            try:
                mark = file.stat().st_mtime_ns
                key = (str(file), mark)
                if key not in self._links:
                    self._links[key] = link(file, self._previews, f"{tuned}-{int(step)}-{mark:x}")
            except OSError:  # it is being written anew, or deleted
                continue
            found.append(Sample(int(step), self._links[key], identity.get(int(step))))
        return tuple(found)


def thinned(losses: Mapping[int, float]) -> tuple[tuple[int, float], ...]:
    """Give losses by step in order; where there are too many, the means of as many neighbours as it takes."""
    rows = sorted(losses.items())
    each = -(-len(rows) // MOST_POINTS) or 1
    parts = [rows[n : n + each] for n in range(0, len(rows), each)]
    return tuple((part[-1][0], round(sum(loss for _, loss in part) / len(part), 6)) for part in parts)


def left_of(told: Told, step: int, of: int) -> tuple[float | None, float | None]:
    """Give the seconds that the steps left will take, and when that will be; None while unknown."""
    speed = told.speed
    if speed is None or of <= step:
        return None, None
    left = (of - step) / speed
    return left, time.time() + left
