"""Deleting a person while the app is open: what runs for them is stopped, the desk is cleared, the disk is searched."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import RLock
from typing import TYPE_CHECKING

from engine.errors import EngineError
from engine.people import Deleted, Person
from engine.studio.forgetting import forget

if TYPE_CHECKING:
    from engine.studio.desk import Desk
    from engine.studio.tunings import Tunings

log = logging.getLogger(__name__)

STOP_SECONDS = 120.0
"""How long a job of the person may take to come to its next step."""


@dataclass(frozen=True)
class Removed:
    """What became of somebody who was to be deleted."""

    name: str
    deleted: Deleted | None
    """None while it is being done, or where it could not be done."""
    error: str
    """Why it could not be done; "" else."""

    @property
    def over(self) -> bool:
        """Whether it is done, or has failed."""
        return self.deleted is not None or bool(self.error)


class Removal:
    """Deletes people, one after the other. Every method may be called from any thread and returns at once."""

    def __init__(self, desk: Desk, tunings: Tunings) -> None:
        self._desk, self._tunings = desk, tunings
        self._studio = desk.studio
        self._lock = RLock()
        self._last: Removed | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="removal")

    def close(self) -> None:
        """End the thread after the person that it is at."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    @property
    def last(self) -> Removed | None:
        """What became of the one who was deleted last; None when nobody was, or that was read."""
        return self._last

    def forget_notice(self) -> None:
        """Take away what there was to say, once it was read."""
        with self._lock:
            if self._last is not None and self._last.over:
                self._last = None

    def remove(self, name: str) -> None:
        """Begin to delete everything of a person.

        Args:
            name: what they are called, or their id.

        Raises:
            NoSuchPerson: there is nobody of that name.
        """
        person = self._studio.people.get(name)
        with self._lock:
            self._last = Removed(person.name, None, "")
        self._thread.submit(self._do, person)

    def _do(self, person: Person) -> None:
        try:
            self._tunings.let_go(frozenset({person.id}))  # or the next one would begin as soon as this one has stopped
            tuned = self._end_work(person)
            made = Removed(person.name, forget(self._desk, person.id), "")
            if tuned:
                self._tunings.tell_deleted(person.name)
        except (EngineError, TimeoutError) as error:
            made = Removed(person.name, None, str(error))
        except Exception as error:  # a bug; its traceback goes into the log
            log.exception("a person could not be deleted")
            made = Removed(person.name, None, f"Something broke ({type(error).__name__}); the log has more.")
        with self._lock:
            self._last = made
        self._desk.look_again()

    def _end_work(self, person: Person) -> bool:
        """Stop what the worker does for the person, wait until it has, and say whether it was a tuning."""
        runner = self._studio.runner
        job = runner.current()
        if job is None or job.arguments.get("person") not in (person.id, person.name):
            return False
        runner.stop(job.id)
        runner.wait(job.id, STOP_SECONDS)
        return job.kind == "tune"
