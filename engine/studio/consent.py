"""That a person's photos may be used: said once a person, and gone with them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from engine.workspace import write_json

FILE = "consent.json"


def given(person: Path) -> bool:
    """Say whether it was said; `person` is the folder of a person."""
    return (person / FILE).exists()


def give(person: Path) -> None:
    """Note that it was said, with the date; once said, it stays as it was."""
    if not given(person):
        write_json(person / FILE, {"version": 1, "date": datetime.now(UTC).isoformat(timespec="seconds")})
