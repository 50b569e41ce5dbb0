"""Deleting a person while the app is open: refused while a job is at work on them, and the desk is cleared too."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from engine.errors import EngineError
from engine.people import Deleted, delete_everything
from engine.progress import SilentReport

if TYPE_CHECKING:
    from engine.jobs import Job
    from engine.studio.desk import Desk


class PersonBusy(EngineError):
    """A person cannot be deleted while a job is at work on them."""


def forget(desk: Desk, person: str) -> Deleted:
    """Delete a person with everything of them, on the disk and on the desk; see `people.delete_everything`.

    Photos outside the workspace are not touched.

    Args:
        desk: of the workspace.
        person: id or name.

    Raises:
        NoSuchPerson: there is nobody of that id.
        PersonBusy: a job of theirs runs or waits; nothing was deleted.
    """
    studio = desk.studio
    gone = studio.people.with_merged(studio.people.get(person))
    ids = frozenset(one.id for one in gone)
    jobs = [job for job in studio.runner.jobs() if _is_about(job, ids)]
    for job in jobs:
        if not job.over:
            raise PersonBusy(
                f"{gone[0].name} cannot be deleted while a job is at work on them ({job.kind}). Stop it first, or wait "
                "until it is done."
            )
    desk.forget_people(gone, jobs=[job.id for job in jobs])
    return delete_everything(studio.workspace, studio.people, gone[0], SilentReport())


def _is_about(job: Job, ids: frozenset[str]) -> bool:
    told = json.dumps([dict(job.arguments), dict(job.result or {})])
    return any(one in told for one in ids)
