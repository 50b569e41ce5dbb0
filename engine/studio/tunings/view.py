"""The tunings of a workspace at one moment, as values that a page can show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from engine.jobs import Job

State = Literal["running", "finished", "stopped", "interrupted", "failed"]
"""How a tuning stands. One that is stopped, interrupted or failed has a checkpoint and can go on from it."""


@dataclass(frozen=True)
class Wanted:
    """A tuning that was asked for."""

    id: str
    """Its own, while it waits."""
    person: str
    """Id."""
    name: str
    """What the person is called."""
    recipe: str
    more: int = 0
    """More steps of the text pivot of a finished model; 0 where a tuning begins or goes on."""
    more_guide: int = 0
    tuned: str = ""
    """Folder of the model that is tuned further."""


@dataclass(frozen=True)
class Sample:
    """The held-out photo at one step."""

    step: int
    picture: str
    """Place among the previews: three squares beside each other, damaged, restored and true."""
    identity: float | None
    """dlib distance to the true one, lower is nearer."""


@dataclass(frozen=True)
class Course:
    """What is known of a tuning from its first step on, for a chart and a viewer."""

    losses: tuple[tuple[int, float], ...]
    """Step and loss, thinned out to what a chart can show."""
    identity: tuple[tuple[int, float], ...]
    """Step and dlib distance of the held-out photo, lower is nearer."""
    samples: tuple[Sample, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Entry:
    """One tuning: running, finished or broken off."""

    id: str
    """`<person's id>/<folder>`."""
    person: str
    """Id."""
    name: str
    """What the person is called."""
    recipe: str
    """Name, "" where nothing says it."""
    state: State
    when: float
    """When it was last worked on, seconds since 1970."""
    step: int
    of: int
    finished: bool
    """Whether there is a tuned model, also while it is tuned further."""
    manifest: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Of the tuned model; empty while there is none."""
    error: str = ""
    """Why it broke off, a sentence; "" where the user stopped it."""
    guided: bool = False
    """Whether it has a guide pivot."""


@dataclass(frozen=True)
class Running:
    """The tuning under way."""

    entry: str
    """Its `Entry.id`; "" until the worker knows it."""
    job: Job
    wanted: Wanted
    stage: str
    done: int
    total: int
    step: int
    """Of the whole tuning, all pivots."""
    of: int
    speed: float | None
    """Steps a second over the last minute or so; None while unknown."""
    left: float | None
    """Seconds to the end of all steps at that speed."""
    end: float | None
    """When that will be, seconds since 1970."""


@dataclass(frozen=True)
class Ended:
    """The tuning that ended last."""

    job: str
    """Id."""
    name: str
    """What the person is called."""
    recipe: str
    state: State
    """Never `running`."""


@dataclass(frozen=True)
class Estimated:
    """What a tuning would take here."""

    seconds: float
    memory: int
    """Bytes beside the prior."""
    disk: int
    """Bytes while it runs."""
    kept: int
    """Bytes that stay."""
    free_memory: int
    """Bytes that no program uses: of the card where the prior lies on one, else of this machine."""
    free_disk: int


@dataclass(frozen=True)
class TuningsView:
    """All of it."""

    consented: bool
    """Whether somebody said that the chosen person's photos may be used."""
    recipe: str
    """The one that was chosen last."""
    estimate: Estimated | None
    estimating: bool
    estimate_error: str
    """Why there is none, a sentence; "" where there is one, or nobody has tried."""
    running: Running | None
    waiting: tuple[Wanted, ...]
    held: bool
    """Whether those that wait do so until somebody says so: the app was closed before they began."""
    ended: Ended | None
    """None where none has, or its person was deleted."""
    other: str
    """Kind of the job that is no tuning and must end first; "" for none."""
    entries: tuple[Entry, ...]
    """Newest first."""
    shown: str
    """`Entry.id` of the one that is looked at; "" for none."""
    course: Course | None
    """Of that one."""
    beside: str
    """`Entry.id` of the one that is held beside it; "" for none."""
    beside_course: Course | None
    notices: tuple[str, ...]
