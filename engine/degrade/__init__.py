"""Making a damaged face from a good one, with a given random source. Nothing here knows what the damage is for.

`degrade` is the method's damage, `age` what decades and bad scans do besides; `toned` is no damage but a look that a
restoration keeps, so a training pair has it on both sides.
"""

from __future__ import annotations

from engine.degrade.method import METHOD, REFERENCE_SIZE, Damage, Pixels, Ranges, apply, degrade, draw
from engine.degrade.old import KINDS, age, aged, toned

__all__ = [
    "KINDS",
    "METHOD",
    "REFERENCE_SIZE",
    "Damage",
    "Pixels",
    "Ranges",
    "age",
    "aged",
    "apply",
    "degrade",
    "draw",
    "toned",
]
