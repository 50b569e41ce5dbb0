"""The worker process: takes jobs one after the other and does them, and ends itself when its parent is gone."""

from __future__ import annotations

import faulthandler
import importlib
import io
import json
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from threading import Event as Flag
from threading import Thread
from typing import Any

from engine.errors import EngineError
from engine.jobs.record import Job, now, read_job, write_job
from engine.jobs.report import JobReport
from engine.progress import Cancelled

log = logging.getLogger(__name__)

WORKER_LOCK = ".worker.lock"
"""Held by a worker while it lives, so that a new owner of the folder knows when an orphan of the last one is gone."""

LOCK_SECONDS = 20.0

CLOSED = "Likeness was closed before this was done. Start it again; what it had saved is used."


def serve(work: str, folder: Path, pipe: Connection[Any, Any], parent: int) -> None:
    """Do jobs until told to end; the body of the worker process.

    Args:
        work: the work function, `module:name`.
        folder: of all jobs.
        pipe: brings the folder of each job to do, or None to end; takes, when a job is over, the job and whether this
            process ends after it.
        parent: process id.
    """
    _ignore_interrupts()
    closing = Flag()
    orders: SimpleQueue[str | None] = SimpleQueue()
    Thread(target=_listen, args=(pipe, orders, closing, parent), daemon=True).start()

    from filelock import FileLock

    lock = FileLock(folder / WORKER_LOCK)
    while (order := orders.get()) is not None:
        job = read_job(Path(order))
        _write_output_to(job.log)
        if not lock.is_locked:
            lock.acquire(timeout=LOCK_SECONDS)
        job, spent = _do(job, work, closing)
        pipe.send((job, spent))
        if spent:
            break


def _ignore_interrupts() -> None:
    """Leave Ctrl-C, which a terminal sends to all processes, to the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # held back since before this process began


def _listen(pipe: Connection[Any, Any], orders: SimpleQueue[str | None], closing: Flag, parent: int) -> None:
    """Pass orders on. When the parent is gone, end this process at once, whatever it does.

    The pipe says so first. The parent's number is asked too, since a process that the parent had forked may hold the
    pipe open; Windows has no forks, and there the number says nothing.
    """
    try:
        while sys.platform == "win32" or os.getppid() == parent:
            if pipe.poll(1.0):
                order: str | None = pipe.recv()
                if order is None:
                    closing.set()
                orders.put(order)
    except (EOFError, OSError):
        pass
    os._exit(1)


def _write_output_to(path: Path) -> None:
    """Send all that this process writes, libraries in C included, to the end of a file."""
    target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream, number in ((sys.stdout, 1), (sys.stderr, 2)):
        if isinstance(stream, io.TextIOWrapper):
            stream.flush()
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
        os.dup2(target, number)
    os.close(target)
    faulthandler.enable(2)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")


def _do(job: Job, work: str, closing: Flag) -> tuple[Job, bool]:
    """Do one job and write how it ended; gives that, and whether this process should end to give memory back."""
    report = JobReport(job.folder, closing)
    spent = False
    try:
        report.check()
        job = replace(job, state="running", started=now())
        write_job(job)
        result = find_work(work)(job.kind, dict(job.arguments), job.folder, report)
        over = replace(job, state="finished", result=_plain(result))
    except Cancelled:
        by_user = report.stop_asked or not closing.is_set()
        over = replace(job, state="stopped") if by_user else replace(job, state="interrupted", error=CLOSED)
    except EngineError as error:
        over = replace(job, state="failed", error=str(error))
    except BaseException as error:  # whatever the work raises, sys.exit included, ends the job and not the worker
        _write_traceback(error, job.log)
        spent = _is_out_of_memory(error)
        sentence = _out_of_memory(report.stage) if spent else _broke(error, job.log)
        over = replace(job, state="failed", error=sentence, bug=not spent)
    report.close()
    over = replace(over, ended=now())
    try:
        write_job(over)
    except EngineError:
        log.exception("the end of %s was not written", job.id)  # the parent gets it and tries again
    return over, spent


def find_work(name: str) -> Callable[..., Any]:
    """Give the function called `module:name`. Raises ImportError or AttributeError when there is none."""
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function)


def _plain(result: Any) -> dict[str, Any]:
    """Give a result as a reader of its JSON will see it. Raises TypeError or ValueError when it has no JSON."""
    if not isinstance(result, dict):
        raise TypeError(f"work must give a dict, got {type(result).__name__}")
    return json.loads(json.dumps(result, allow_nan=False))


def _write_traceback(error: BaseException, path: Path) -> None:
    """Write it to the file itself: the work may have changed what stderr and logging do."""
    with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
        traceback.print_exception(error, file=file)


def _broke(error: BaseException, path: Path) -> str:
    said = " ".join(str(error).split())[:300]
    return f"Something broke ({type(error).__name__}{': ' if said else ''}{said}). The log is at {path}."


def _is_out_of_memory(error: BaseException) -> bool:
    """Know a lack of memory by the names and words that Python, numpy and torch give it, without importing them."""
    names = {kind.__name__ for kind in type(error).__mro__}
    words = str(error).lower()
    return bool(names & {"MemoryError", "OutOfMemoryError"}) or (
        "RuntimeError" in names and ("out of memory" in words or "defaultcpuallocator" in words)
    )


def _out_of_memory(stage: str) -> str:
    return (
        f"There was not enough memory{' while ' + stage if stage else ''}. Close other programs that use much of it or "
        "use the graphics card, or choose a smaller setting or another device, and start again."
    )
