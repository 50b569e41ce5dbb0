"""Small real work for the tests of jobs: each function does one thing that real work may do, or that may befall it."""

from __future__ import annotations

import ctypes
import logging
import math
import os
import shutil
import signal
import sys
import time
from pathlib import Path

from engine.errors import EngineError
from engine.jobs import Runner
from engine.progress import Cancelled


class LensCapOn(EngineError):
    pass


class OutOfMemoryError(RuntimeError):
    """Named as torch names its own."""


def work(kind, arguments, folder, report):
    return KINDS[kind](arguments, folder, report)


def count(arguments, folder, report):
    """Tick so often that most ticks are not written."""
    for done in range(arguments["to"] + 1):
        report.tick("counting", done, arguments["to"])
    return {"counted": arguments["to"], "pid": os.getpid()}


def break_off(arguments, folder, report):
    """Leave a stage in its middle, right after a tick."""
    for done in range(50):
        report.tick("searching", done, 1000)
    report.tick("resting", 0, 3)
    report.tick("resting", 1, 3)
    report.tick("resting", 2, 3)
    return {}


def show(arguments, folder, report):
    report.tick("tuning", 0, 2)
    report.measure(1, {"loss": 0.5, "identity": math.nan})
    report.tick("tuning", 1, 2)
    report.preview("held-out", folder / "held-out.png")
    report.tick("tuning", 2, 2)
    return {"picture": "Zoë 写真.png"}


def tick_on(arguments, folder, report):
    """Go on until stopped, then clear up."""
    report.measure(0, {"pid": os.getpid()})
    try:
        for done in range(100_000):
            report.tick("walking", done, 100_000)
            time.sleep(0.002)
    finally:
        (folder / "cleared-up").touch()
    return {}


def hang(arguments, folder, report):
    """Never tick again."""
    report.measure(0, {"pid": os.getpid()})
    while True:
        time.sleep(60)


def tear(arguments, folder, report):
    """Be killed in the middle of a line."""
    report.measure(1, {"loss": 0.5})
    with (folder / "events.jsonl").open("ab") as file:
        file.write(b'{"n": 2, "time": 17')
    os.kill(os.getpid(), signal.SIGKILL)


def err(arguments, folder, report):
    raise LensCapOn("IMG_3.jpg is black. Take the cap off the lens and take the photo again.")


def break_down(arguments, folder, report):
    return {"share": 1 / arguments["people"]}


def leave(arguments, folder, report):
    sys.exit("had enough")


def want_too_much(arguments, folder, report):
    report.tick("enlarging", 0, 1)
    return {"size": len(bytearray(1 << 62))}


def want_too_much_of_the_card(arguments, folder, report):
    raise OutOfMemoryError("CUDA out of memory. Tried to allocate 44.00 GiB.")


def give_no_json(arguments, folder, report):
    return {"result": folder}


def give_no_number(arguments, folder, report):
    return {"loss": math.nan}


def crash(arguments, folder, report):
    report.tick("drawing", 0, 1)
    ctypes.string_at(0)


def speak(arguments, folder, report):
    sys.stdout.write("from stdout: Zoë\n")
    sys.stderr.write("from stderr\n")
    logging.getLogger("some.library").info("from logging")
    os.write(1, b"from C\n")
    return {}


def interrupt(arguments, folder, report):
    os.kill(os.getpid(), signal.SIGINT)
    return {"went": "on"}


def cancel_itself(arguments, folder, report):
    raise Cancelled


def fill_the_disk(arguments, folder, report):
    """From the first measure on, the system refuses this process every byte it writes to a file."""
    import resource  # not on Windows

    report.measure(1, {"loss": 0.5})
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    report.measure(2, {"loss": 0.25})
    return {"kept": "all"}


def remove_itself(arguments, folder, report):
    shutil.rmtree(folder)
    return {"gone": folder.name}


KINDS = {
    function.__name__: function
    for function in (
        *(count, break_off, show, tick_on, hang, tear, err, break_down, leave, want_too_much),
        *(want_too_much_of_the_card, give_no_json, give_no_number, crash, speak, interrupt, cancel_itself),
        *(fill_the_disk, remove_itself),
    )
}


def be_a_parent(folder, kind):
    """Own a folder, start a job, tell its id, and wait for it; then end as a program does that forgot to close."""
    runner = Runner(Path(folder), work)
    job = runner.start(kind, {"to": 10})
    sys.stdout.write(f"{job.id}\n")
    sys.stdout.flush()
    runner.wait(job.id)
