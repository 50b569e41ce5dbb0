"""A stored network once more in bfloat16, in the layout in which a CPU runs it: made once, and mapped ever after.

Nothing is then turned or rounded when a prior is loaded, and what the machine needs elsewhere it can forget and read
again. The network as published stays beside it and is what everything else is made of.
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

from engine.prior.diffbir.storing import NoRoom, mapped, store
from engine.weights import WeightFile, WeightsDamaged, WeightsMissing, mark, verify
from engine.workspace import write_json

log = logging.getLogger(__name__)


def halved(folder: Path, part: str, file: WeightFile) -> Path | None:
    """Give the file of a stored network in bfloat16, writing it where it is not there or not as it was.

    Args:
        folder: of the stored networks.
        part: which network.
        file: of the network as published, verified.

    Returns:
        The file, to be read by `mapped_half`; None where the disk has no room for it or may not be written to.
    """
    there = _known(folder, _note(folder, file))
    if there is not None:
        return there
    try:
        return keep(folder, file, store(folder, f"{part}-bf16", mapped(folder / file.name), half=True))
    except (NoRoom, OSError) as error:
        log.info("%s is not kept in bfloat16 (%s) and is rounded at each start", file.name, error)
        return None


def keep(folder: Path, file: WeightFile, half: WeightFile) -> Path:
    """Note that `half` is `file` in bfloat16, and give its path."""
    path = folder / half.name
    write_json(_note(folder, file), {"version": 1, "file": asdict(half), "seen": mark(path)})
    return path


def _note(folder: Path, file: WeightFile) -> Path:
    return folder / f"{Path(file.name).stem}.bf16.json"


def _known(folder: Path, note: Path) -> Path | None:
    """Give the file that a note names, as it was written; None where it has to be written anew."""
    try:
        told: dict[str, Any] = json.loads(note.read_text(encoding="utf-8"))
        file = WeightFile(**told["file"])
        path = folder / file.name
        seen = mark(path)
        if told["seen"] != seen:
            verify(folder, file)
            write_json(note, {**told, "seen": seen})
    except (OSError, ValueError, KeyError, TypeError, WeightsMissing, WeightsDamaged):
        return None
    return path
