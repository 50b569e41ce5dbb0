"""Items: the results of a job one by one, whether it made one, several variations, or a folder full.

To whoever shows, fits or exports a result each of them is a job that restored one photo. One of many is named after its
job and its place among the files that the job has told of: `job-... .3`, without the space.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from engine.jobs import Event, Job, NoSuchJob, Runner
from engine.results import path_beside

MANY = frozenset({"vary", "batch"})
"""Kinds of jobs that tell of each result as a file."""


def items_of(runner: Runner, job: Job) -> list[Job]:
    """Give the results that a job has so far, in the order in which they were made."""
    if job.kind in MANY:
        return items_in(job, runner.events(job.id))
    return [job] if job.kind == "restore" and job.state == "finished" else []


def items_in(job: Job, events: Iterable[Event]) -> list[Job]:
    """Give the results of a job that makes many, from its events."""
    files = [event for event in events if event.event == "file"]
    return [_item(job, n, event) for n, event in enumerate(files, 1) if event.data["result"]]


def find(runner: Runner, name: str) -> Job:
    """Give the result of a name.

    Raises:
        NoSuchJob: there is none, or not any more.
    """
    whole, dot, _ = name.partition(".")
    job = runner.job(whole)
    if not dot:
        return job
    found = next((item for item in items_of(runner, job) if item.id == name), None)
    if found is None:
        raise NoSuchJob(f"There is no result {name!r}. It may have been removed.")
    return found


def item_id(job: str, number: int) -> str:
    """Give the name of a result by its job and its place among the job's files, from 1."""
    return f"{job}.{number}"


def _item(job: Job, number: int, event: Event) -> Job:
    result = Path(str(event.data["result"]))
    photo = Path(str(job.arguments["photo"]))
    if job.kind == "batch":
        photo = photo / str(event.data["name"])
    told = {"result": str(result), "provenance": str(path_beside(result)), "person": str(job.arguments.get("who", ""))}
    return replace(
        job,
        id=item_id(job.id, number),
        kind="restore",
        state="finished",
        arguments={**job.arguments, "photo": str(photo), "out": str(result.parent), "of": job.kind},
        result=told,
    )
