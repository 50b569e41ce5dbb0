"""What a tuning and those who watch it say to each other through the folder of its job.

The worker notes which tuned model it makes, since only it knows the prior's fingerprint, and with that the folder; a
screen asks for a look at the held-out photo.
"""

from __future__ import annotations

from pathlib import Path

from engine.errors import EngineError
from engine.workspace import read_json, write_json

NOTE = "tuning.json"
LOOK = "look"
"""Name of the file that asks for a look; see `engine.jobs.Runner.ask`."""


def note(job: Path, tuned: Path) -> None:
    """Note in a job's folder in which folder of a person the tuned model comes about."""
    write_json(job / NOTE, {"version": 1, "tuned": f"{tuned.parent.parent.name}/{tuned.name}"})


def noted(job: Path) -> str:
    """Give the tuned model that a job makes, as `<person's id>/<folder>`; "" while that is not known."""
    try:
        return str(read_json(job / NOTE)["tuned"])
    except (EngineError, KeyError, TypeError):
        return ""


def look_asked(job: Path) -> bool:
    """Say whether a look was asked for since this was last said."""
    try:
        (job / LOOK).unlink()
    except OSError:  # most often because nobody asked
        return False
    return True
