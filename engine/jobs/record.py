"""A job as it lies on the disk: what both sides, the one that runs it and those that follow it, read and write."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeVar, get_args

from engine.errors import EngineError
from engine.workspace import FileCorrupt, FileRefused, new_id, read_json, write_json

VERSION = 1

State = Literal["queued", "running", "finished", "failed", "stopped", "interrupted"]
ENDS: Final[frozenset[str]] = frozenset({"finished", "failed", "stopped", "interrupted"})
"""States that a job never leaves."""

_ID = re.compile(r"job-[0-9]{8}-[0-9]{6}-[0-9]{6}-[0-9a-f]{4}")
_Read = TypeVar("_Read")


class NoSuchJob(EngineError):
    """There is no job of that id in the folder."""


@dataclass(frozen=True)
class Job:
    """One piece of work: what was asked, how it stands, how it ended."""

    id: str
    """Unique; ids sort by the time the jobs were made."""
    kind: str
    """What the work function takes as its first argument."""
    arguments: Mapping[str, Any]
    """Plain values, as JSON has them."""
    folder: Path
    log: Path
    """What the worker wrote while it did this job."""
    created: float
    """Seconds since 1970."""
    started: float | None = None
    ended: float | None = None
    state: State = "queued"
    error: str = ""
    """One sentence when the job failed or was interrupted, else empty."""
    bug: bool = False
    """True when the job failed by something that is no mistake of the user; the log says more."""
    result: Mapping[str, Any] | None = None
    """What the work gave; None unless the job is finished."""

    @property
    def over(self) -> bool:
        """True once the state will not change any more."""
        return self.state in ENDS

    @property
    def stopping(self) -> bool:
        """True while somebody wants it to stop; it does so at its next tick."""
        return not self.over and (self.folder / "stop").exists()

    @property
    def paused(self) -> bool:
        """True while somebody wants it to wait; it does so from its next tick on."""
        return not self.over and (self.folder / "pause").exists()


@dataclass(frozen=True)
class Event:
    """One thing that happened in a job."""

    n: int
    """Counts from 1 without gaps."""
    time: float
    """Seconds since 1970."""
    event: str
    """`progress`, `measure`, `preview`, `file`, `note`, `paused`, `resumed`, or the state the job
    ended in, which is always the last."""
    data: Mapping[str, Any]
    """progress: stage, done, total, eta (seconds left in this stage, or None while unknown); measure: step, values (a
    number that is not finite is None); preview: name, path; file: name, state (done, skipped or failed),
    sentence, result (path or ""); note: sentence; finished: result; any other end: error, bug, log."""


def now() -> float:
    """Give the time as jobs write it: seconds since 1970, to the millisecond."""
    return round(time.time(), 3)


def new_job(folder: Path, logs: Path, kind: str, arguments: Mapping[str, Any]) -> Job:
    """Give a job with a new id in a folder of jobs. Nothing is written.

    Raises:
        TypeError, ValueError: the arguments are nothing that JSON has.
    """
    plain: dict[str, Any] = json.loads(json.dumps(dict(arguments), allow_nan=False))
    made = new_id("job")
    return Job(made, kind, plain, folder=folder / made, log=logs / f"{made}.log", created=now())


def place_of(folder: Path, job: str) -> Path:
    """Give the folder of the job with an id.

    Raises:
        NoSuchJob: there is none; also for text that is no id, such as a path.
    """
    place = folder / job
    if not _ID.fullmatch(job) or not (place / "job.json").is_file():
        raise NoSuchJob(f"There is no job {job[:80]!r} in {folder}. It may have been removed.")
    return place


def ids_in(folder: Path) -> list[str]:
    """Give the ids of all jobs in a folder, newest first."""
    return sorted(entry.parent.name for entry in folder.glob("*/job.json") if _ID.fullmatch(entry.parent.name))[::-1]


def write_job(job: Job) -> None:
    """Write how a job stands, whole or not at all. Raises as `engine.workspace.write_json`."""
    values = {name: value for name, value in asdict(job).items() if name != "folder"}
    whole = {"version": VERSION, **values, "log": str(job.log)}
    _again_if_refused(lambda: write_json(job.folder / "job.json", whole))


def read_job(place: Path) -> Job:
    """Give the job that lies in its folder.

    Raises:
        FileMissing, FileRefused: as `engine.workspace.read_json`.
        FileCorrupt: the file is not JSON, or not of a job.
    """
    path = place / "job.json"
    found = _again_if_refused(lambda: read_json(path))
    try:
        values: dict[str, Any] = {**found, "folder": place, "log": Path(found["log"])}
        version = values.pop("version")
        job = Job(**values)
    except (KeyError, TypeError, ValueError) as error:
        raise FileCorrupt(f"{path} does not describe a job. Delete the folder {place} if you can spare it.") from error
    if version != VERSION or job.state not in get_args(State):
        raise FileCorrupt(
            f"{path} is of version {version!r} with state {job.state!r}, which this Likeness does not know. "
            "Use the Likeness that wrote it, or delete its folder."
        )
    return job


def read_events(job: Job, after: int = 0) -> list[Event]:
    """Give the events of a job after number `after`, the job's end among them.

    `job` must have been read before: all lines are written before a job is over, so an end is never given too early.
    """
    lines = _lines_of(job.folder / "events.jsonl")
    events = [event for n, line in enumerate(lines[after:], after + 1) if (event := _event_of(line, n)) is not None]
    if job.over and after <= len(lines):
        events.append(Event(len(lines) + 1, job.ended or job.created, job.state, _end_of(job)))
    return events


def _lines_of(path: Path) -> list[bytes]:
    """Give the whole lines of a file; what follows the last newline was torn off when its writer was killed."""
    try:
        return _again_if_refused(path.read_bytes).split(b"\n")[:-1]
    except FileNotFoundError:
        return []


def _event_of(line: bytes, n: int) -> Event | None:
    """Give the event that a line holds; None for what a failing disk has left of one, so that the others are seen."""
    try:
        data: dict[str, Any] = json.loads(line)
        return Event(n, data.pop("time"), data.pop("event"), {k: v for k, v in data.items() if k != "n"})
    except (ValueError, KeyError, AttributeError, TypeError):
        return None


def _end_of(job: Job) -> dict[str, Any]:
    if job.state == "finished":
        return {"result": job.result}
    return {"error": job.error, "bug": job.bug, "log": str(job.log)}


def _again_if_refused(act: Callable[[], _Read]) -> _Read:
    """Do something with a file, and again a little later when the system refuses.

    Windows refuses to replace a file in the very moment in which another process reads it, and the other way round.
    """
    for _ in range(10):
        try:
            return act()
        except (FileRefused, PermissionError):
            time.sleep(0.02)
    return act()
