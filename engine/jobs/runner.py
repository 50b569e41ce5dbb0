"""The parent's side: starts jobs in the worker, sees how they end, and answers whoever follows them."""

from __future__ import annotations

import atexit
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from multiprocessing import connection
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from engine.errors import EngineError
from engine.jobs.record import Event, Job, ids_in, new_job, now, place_of, read_events, read_job, write_job
from engine.jobs.worker import CLOSED, WORKER_LOCK, find_work, serve
from engine.progress import Report

log = logging.getLogger(__name__)

Work = Callable[[str, dict[str, Any], Path, Report], dict[str, Any]]
"""`work(kind, arguments, folder of the job, report)` gives a result that JSON has.

It lives at the top of a module, since the worker finds it by name. An `EngineError` it raises is shown as it stands."""

OWNER_LOCK = ".owner.lock"
LEFTOVER_SECONDS = 5.0
"""How long a new owner waits for the worker of one that was killed; it takes at most about a second to notice."""
LOOK_SECONDS = 0.2

LEFT = "Likeness ended while this was running. Start it again; what it had saved is used."
KILLED = (
    "The worker process was ended from outside while it did this; the system does so when memory runs out. "
    "Close other programs and start it again; what it had saved is used."
)

FROM_OUTSIDE = frozenset(-number for number in (signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)))
"""Exit codes of a process that somebody else ended. Windows does not tell."""


class Busy(EngineError):
    """A job cannot start now because another one, or another process, is at work."""


class JobsUnusable(EngineError):
    """The folder of jobs cannot be written."""


@dataclass
class _Worker:
    """A worker process that was started."""

    process: SpawnProcess
    pipe: Connection[Any, Any]
    watch: threading.Thread = field(init=False)


class Runner:
    """A folder of jobs, and the worker that does them one at a time.

    Any number of runners may read one folder, in one process or several, and ask its jobs to stop. The first one owns
    it: it alone starts jobs, and says of jobs whose process is gone that they were interrupted. A runner becomes the
    owner when it is made, or later when it starts a job and the owner has gone.

    The worker is started with the first job and stays for the next ones, with all that the work has loaded. It is
    spawned, so the program's main module must keep what it does under `if __name__ == "__main__":`.

    All methods may be called from any thread.
    """

    def __init__(
        self, folder: Path, work: Work, *, logs: Path | None = None, titles: Mapping[str, str] | None = None
    ) -> None:
        """Open a folder of jobs, made if it is not there.

        Args:
            folder: of the jobs.
            work: does them, in the worker.
            logs: folder of the logs; None takes `logs` beside the folder.
            titles: what a job of a kind is called in a sentence, such as "A tuning".

        Raises:
            ValueError: `work` cannot be found by the name of its module.
            JobsUnusable: the folder cannot be written.
        """
        self._folder = folder.absolute()
        self._logs = (logs or folder.parent / "logs").absolute()
        self._work = _name_of(work)
        self._titles = dict(titles or {})
        self._changed = threading.Condition()
        self._busy: str | None = None
        self._tried_again = False
        self._worker: _Worker | None = None
        self._unsaved: dict[str, Job] = {}
        self._closed = False
        self._owner = FileLock(self._folder / OWNER_LOCK, timeout=0, thread_local=False)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._logs.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._own()
        except OSError as error:
            raise JobsUnusable(
                f"The folder {self._folder} cannot be used for jobs: {error.strerror or error}. "
                "Check your rights to it, or choose another data folder."
            ) from error

    def start(self, kind: str, arguments: Mapping[str, Any]) -> Job:
        """Begin a job and give it, queued; the worker takes it up at once, or when it has started.

        Args:
            kind: for the work function.
            arguments: for the work function, plain values as JSON has them.

        Raises:
            Busy: a job is under way, or another process owns the folder.
            DiskFull, FileRefused: the job cannot be written; nothing of it is left.
            TypeError, ValueError: the arguments are nothing that JSON has.
        """
        job = new_job(self._folder, self._logs, kind, arguments)
        with self._changed:
            if self._busy is not None and self._seen(self._busy).over:
                # Its end stands on the disk, and word of it is on its way; a worker may need a moment to end itself.
                self._changed.wait_for(lambda: self._busy is None, timeout=LEFTOVER_SECONDS * 2)
            if self._closed:
                raise RuntimeError("this runner was closed")
            if not self._own():
                raise Busy(
                    f"Another Likeness is at work in {self._folder.parent}, or one that was killed is still ending. "
                    "Close the other one, or try again in a moment."
                )
            if self._busy is not None:
                kind = self._seen(self._busy).kind
                title = self._titles.get(kind, f"Another job ({kind})")
                raise Busy(f"{title} is still running. Wait until it is done, or stop it first.")
            self._write_new(job)
            self._busy, self._tried_again = job.id, False
            self._hand_over(job)
        return job

    def job(self, job: str) -> Job:
        """Give the job of an id, as it stands now.

        Raises:
            NoSuchJob: there is none.
            FileCorrupt, FileRefused: its file cannot be read.
        """
        return self._unsaved.get(job) or read_job(place_of(self._folder, job))

    def jobs(self) -> list[Job]:
        """Give all jobs, newest first. One that cannot be read is left out, and the log says so."""
        found: list[Job] = []
        for name in ids_in(self._folder):
            try:
                found.append(self.job(name))
            except EngineError as error:
                log.warning("%s", error)
        return found

    def current(self) -> Job | None:
        """Give the job that is queued or running, or None."""
        if self._owner.is_locked:
            busy = self._busy
            seen = self._seen(busy) if busy is not None else None
            return seen if seen is not None and not seen.over else None
        return next((job for job in self.jobs() if not job.over), None)

    def events(self, job: str, after: int = 0) -> list[Event]:
        """Give the events of a job whose number is above `after`; a reader who comes late gets all with 0.

        When the job is over, the last event is its end. Raises as `job`.
        """
        return read_events(self.job(job), after)

    def stop(self, job: str) -> None:
        """Ask a job to stop, which it does at its next tick; nothing happens to one that is over.

        Raises:
            NoSuchJob: there is none.
            JobsUnusable: the wish cannot be written.
        """
        self.ask(job, "stop")

    def pause(self, job: str) -> None:
        """Ask a job to wait, which it does at its next tick, keeping all it holds; nothing happens to one that is over.

        A paused job can be stopped. Raises as `stop`.
        """
        self.ask(job, "pause")

    def ask(self, job: str, word: str) -> None:
        """Leave a word for a job: an empty file of that name in its folder, for the work to find and to take away.

        Nothing happens to a job that is over. Raises as `stop`.
        """
        if self.job(job).over:
            return
        flag = self._folder / job / word
        try:
            flag.touch(mode=0o600)
        except OSError as error:
            raise JobsUnusable(f"{flag} cannot be written: {error.strerror or error}. Check the disk.") from error

    def resume(self, job: str) -> None:
        """Let a paused job go on; nothing happens to any other. Raises as `stop`."""
        flag = self.job(job).folder / "pause"
        try:
            flag.unlink(missing_ok=True)
        except OSError as error:
            raise JobsUnusable(f"{flag} cannot be removed: {error.strerror or error}. Check the disk.") from error

    def wait(self, job: str, timeout: float | None = None) -> Job:
        """Wait until a job is over and give it.

        Args:
            job: id.
            timeout: seconds, or None for ever.

        Raises:
            TimeoutError: it was not over in time.
            NoSuchJob: there is none.
        """
        end = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            while not (seen := self.job(job)).over:
                left = LOOK_SECONDS if end is None else min(LOOK_SECONDS, end - time.monotonic())
                if left <= 0:
                    raise TimeoutError(f"{job} was still {seen.state} after {timeout} seconds")
                # In slices: another process may own the job, and on Windows Ctrl-C does not break a longer wait.
                self._changed.wait(left)
        return seen

    def close(self, grace: float = 5.0) -> None:
        """End the worker and let the folder go. Jobs can still be read afterwards, not started.

        A job that runs is asked to stop and becomes interrupted. When it has not ended after `grace` seconds, the
        worker is killed.
        """
        with self._changed:
            if self._closed:
                return
            self._closed = True
            worker = self._worker
            if worker is not None:
                with suppress(OSError):  # it died; its watch sees to the rest
                    worker.pipe.send(None)
        if worker is not None:
            try:
                worker.watch.join(grace)
            finally:  # also when Ctrl-C breaks the wait
                if worker.watch.is_alive():
                    worker.process.kill()
                    worker.watch.join()
        atexit.unregister(self.close)
        self._owner.release()

    def _own(self) -> bool:
        """Become the owner if nobody is; True when this runner is it. A new owner settles what the last one left."""
        if self._owner.is_locked:
            return True
        try:
            self._owner.acquire()
        except Timeout:
            return False
        try:
            with FileLock(self._folder / WORKER_LOCK, timeout=LEFTOVER_SECONDS):
                pass
        except Timeout:
            log.warning("the worker of a Likeness that was killed has not ended yet")
            self._owner.release()
            return False
        for left in self.jobs():
            if not left.over:
                self._settle(replace(left, state="interrupted", error=LEFT, ended=now()))
        return True

    def _write_new(self, job: Job) -> None:
        """Make the folder and the files of a job, or nothing."""
        try:
            job.folder.mkdir(mode=0o700)
            job.log.touch(mode=0o600)
            write_job(job)
        except (OSError, EngineError) as error:
            for leave in (job.log.unlink, job.folder.rmdir):
                with suppress(OSError):
                    leave()
            if isinstance(error, EngineError):
                raise
            raise JobsUnusable(
                f"The job cannot be written to {job.folder}: {error.strerror or error}. Check the disk and your rights."
            ) from error

    def _hand_over(self, job: Job) -> None:
        if self._worker is None:
            self._worker = self._started()
            atexit.register(self.close)  # before multiprocessing's own, which waits for the worker for ever
        with suppress(OSError):  # it has just died: its watch gives the job to a new one
            self._worker.pipe.send(str(job.folder))

    def _started(self) -> _Worker:
        spawn = multiprocessing.get_context("spawn")
        ours, theirs = spawn.Pipe()
        process = spawn.Process(
            target=serve, args=(self._work, self._folder, theirs, os.getpid()), name="likeness-worker", daemon=False
        )
        with _interrupts_held_back():
            process.start()
        theirs.close()
        worker = _Worker(process, ours)
        worker.watch = threading.Thread(target=self._look_after, args=(worker,), name="likeness-watch", daemon=True)
        worker.watch.start()
        return worker

    def _look_after(self, worker: _Worker) -> None:
        """Take word from a worker until it is gone; then settle what it left, and leave no zombie."""
        process, pipe = worker.process, worker.pipe
        alive = True
        while alive:
            # The pipe first: what it still holds was said before the end. With a limit, since a process that the
            # worker had forked may hold both ends open.
            if pipe in connection.wait([pipe, process.sentinel], timeout=1.0):
                try:
                    over, spent = pipe.recv()
                except (EOFError, OSError):
                    break
                alive = not spent
                self._hear(over, free=alive)
            else:
                alive = process.is_alive()
        process.join(LEFTOVER_SECONDS)
        if process.exitcode is None:
            process.kill()
            process.join()
        pipe.close()
        with self._changed:
            self._worker = None
            if self._busy is not None:
                self._see_to(self._seen(self._busy), process.exitcode)
            self._changed.notify_all()

    def _hear(self, over: Job, *, free: bool) -> None:
        """Take a worker's word that a job is over; `free` when the next one may start."""
        with self._changed:
            if not self._seen(over.id).over:
                self._settle(over)
            if free:
                self._busy = None
            self._changed.notify_all()

    def _see_to(self, job: Job, exitcode: int | None) -> None:
        """Settle a job whose worker is gone, or give it to a new one if the worker had not even begun with it."""
        if not job.over and job.state == "queued" and not self._closed and not self._tried_again:
            self._tried_again = True
            self._hand_over(job)
            return
        self._busy = None
        if job.over:
            return
        job = replace(job, ended=now())
        if self._closed:
            self._settle(replace(job, state="interrupted", error=CLOSED))
        elif exitcode in FROM_OUTSIDE:
            self._settle(replace(job, state="interrupted", error=KILLED))
        else:
            did = "could not start" if job.state == "queued" else "broke off"
            sentence = f"The worker process {did} (exit code {exitcode}). The log is at {job.log}."
            self._settle(replace(job, state="failed", error=sentence, bug=True))

    def _settle(self, job: Job) -> None:
        """Write how a job ended; when the disk does not take it, keep it in mind, so that readers here know.

        A job whose folder was removed meanwhile is gone.
        """
        try:
            write_job(job)
        except EngineError as error:
            log.warning("%s", error)
            if job.folder.is_dir():
                self._unsaved[job.id] = job

    def _seen(self, job: str) -> Job:
        """Give a job of ours, even when somebody has removed its folder meanwhile."""
        try:
            return self.job(job)
        except EngineError as error:
            log.warning("%s", error)
            gone = Job(job, "", {}, self._folder / job, self._logs / f"{job}.log", created=now())
            return replace(gone, state="running", started=gone.created)


def _name_of(work: Work) -> str:
    """Give the name by which another process finds a function."""
    module = getattr(work, "__module__", None)
    name = f"{module}:{getattr(work, '__qualname__', repr(work))}"
    try:
        found = find_work(name)
    except (ImportError, AttributeError):
        found = None
    if module == "__main__" or found is not work:  # the worker's main module is another one
        raise ValueError(f"work must stand at the top of a module that can be imported, got {name}")
    return name


@contextmanager
def _interrupts_held_back() -> Generator[None]:
    """Keep Ctrl-C from a process that is started in the block, until that process says otherwise."""
    if sys.platform == "win32":
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # started with the first process, it would let Ctrl-C through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
