"""What the People screen's desk does beside the page: a thread for each kind of work, and what went wrong there."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import RLock
from typing import Any, Literal

from engine.errors import EngineError

log = logging.getLogger(__name__)

Kind = Literal["verdicts", "pictures", "intake"]
"""Each waits for its own kind alone: a photo is shown while thousands of faces are compared."""


class Background:
    """The threads and the notices. For any thread."""

    def __init__(self, logs: Path) -> None:
        """Start them; `logs` is where a user finds the log."""
        self.closed = False
        self._logs, self._lock = logs, RLock()
        self._notices: list[str] = []
        self._threads = {
            kind: ThreadPoolExecutor(1, thread_name_prefix=kind) for kind in ("intake", "pictures", "verdicts")
        }

    def close(self) -> None:
        """End each after what it is at."""
        self.closed = True
        for thread in self._threads.values():
            thread.shutdown(wait=True, cancel_futures=True)

    def do(self, kind: Kind, work: Callable[..., None], *given: Any) -> Future[None] | None:
        """Let a thread do something; what goes wrong there becomes a notice. None when all is closed."""
        try:
            done = self._threads[kind].submit(work, *given)
        except RuntimeError:  # it was closed meanwhile
            return None
        done.add_done_callback(self._note_failure)
        return done

    def settle(self) -> None:
        """Wait until all that was begun is done, a minute at most."""
        with suppress(RuntimeError, TimeoutError):  # it was closed meanwhile, or it takes too long
            for waiting in [thread.submit(int) for thread in self._threads.values()]:
                waiting.result(timeout=60)

    def notices(self) -> tuple[str, ...]:
        """Give the sentences that stand there, oldest first."""
        with self._lock:
            return tuple(self._notices)

    def tell(self, sentence: str) -> None:
        """Leave a notice; one that already stands there is not repeated."""
        with self._lock:
            if sentence not in self._notices:
                self._notices.append(sentence)

    def forget(self, index: int) -> None:
        """Take a notice away; a number beyond them takes none."""
        with self._lock:
            if 0 <= index < len(self._notices):
                del self._notices[index]

    def _note_failure(self, future: Future[None]) -> None:
        error = None if future.cancelled() else future.exception()
        if isinstance(error, EngineError):
            self.tell(str(error))
        elif error is not None:
            log.error("the people's desk could not finish", exc_info=error)
            self.tell(f"Something broke ({type(error).__name__}); the log is in {self._logs}")
