"""Which knobs do something with a prior, as `bench-sliders` measured it; a screen leaves out those that do not."""

from __future__ import annotations

import json
import logging
from dataclasses import fields
from pathlib import Path
from typing import Any

from engine.prior.places import MANIFEST, SHIPPED
from engine.restorers import RestorerInfo, find

log = logging.getLogger(__name__)

FILE = "sliders.json"
MEASURED = "dual-pivot"
"""The restorer whose knobs are measured."""
UNSEEN = 0.25
"""Mean change of a face, of 255, below which nobody sees that a knob was moved: half of what eight bits round off."""


def stored(prior: str, weights: Path) -> Path:
    """Give where it stands what was measured of a prior's knobs.

    Args:
        prior: its name; what stands after a colon says how it is loaded and does not count.
        weights: folder of the user's networks, for priors that do not come along.
    """
    name = prior.partition(":")[0]
    return (SHIPPED if name == "pocket" else weights / "measured" / name) / FILE


def without_effect(prior: str, weights: Path) -> frozenset[str]:
    """Give the names of the knobs that do nothing that can be seen with a prior.

    None where nothing was measured, or where it was measured on other weights than those that ship now.
    """
    file = stored(prior, weights)
    try:
        told: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        known = {row["knob"] for row in told["rows"] if not row["works"] and not row["finish"]}
        of = told["prior"]["sha256"]
    except FileNotFoundError:
        return frozenset()
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("%s cannot be read, so all knobs are shown: %s", file, error)
        return frozenset()
    return frozenset(known) if file.parent != SHIPPED or of == _shipped() else frozenset()


def shared(info: RestorerInfo) -> frozenset[str]:
    """Give the names of the knobs of a restorer for which it counts what was measured.

    Those are the very same knobs as of the restorer that was measured; other networks have knobs of the same names.
    """
    measured = {field.name: field for field in fields(find(MEASURED).options)}
    return frozenset(field.name for field in fields(info.options) if measured.get(field.name) is field)


def _shipped() -> dict[str, str]:
    manifest: dict[str, Any] = json.loads((SHIPPED / MANIFEST).read_text(encoding="utf-8"))
    return {part: str(file["sha256"]) for part, file in manifest["files"].items()}
