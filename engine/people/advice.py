"""How good a gallery is and what would help, from what was measured on its faces and from nothing else.

Whether somebody wears glasses, smiles, or stands in the light of a window, nobody here measures, so nothing is said of
it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from engine.people.reference import Reference

ENOUGH, PLENTY = 5, 12
"""Used faces from which a gallery is enough, and from which more add little. From four on, tuning holds one out and
says how near a face comes that it has not seen."""
TURNED = 0.12
"""`FaceQuality.yaw` beyond which a head counts as turned to that side."""
LARGE_PX = 64.0
"""Eye distance that fills a crop of 256 px, which the pocket prior learns from."""
SOFT = 0.36
"""`FaceQuality.sharpness` below which a face is not sharp, though not blurred; see `verdicts.BLURRED`."""
DARK, BRIGHT = 0.25, 0.75
"""`FaceQuality.exposure` beyond which a face is dark or bright."""


@dataclass(frozen=True)
class Advice:
    """What there is to say of a gallery."""

    level: str
    """`empty`, `unclear` (nobody can tell who is meant), `none` (no face is used), `few`, `enough` or `good`."""
    used: int
    all: int
    wants: tuple[str, ...]
    """What would help, the most helpful first: `more`, `left`, `right`, `straight` (heads turned to that side of the
    picture), `larger`, `sharper`, `lighter`, `darker`."""
    waiting: int
    """Faces that the program left out and the user has not judged."""


def advise(references: Sequence[Reference]) -> Advice:
    """Say how good a gallery is; the references as `judge` gives them."""
    used = [r for r in references if r.used]
    waiting = sum(r.reason is not None and r.overruled is None for r in references)
    if not used:
        unclear = any(r.reason is not None and r.reason.code == "two-people" for r in references)
        level = "empty" if not references else "unclear" if unclear else "none"
        return Advice(level, 0, len(references), (), waiting)
    level = "few" if len(used) < ENOUGH else "enough" if len(used) < PLENTY else "good"
    return Advice(level, len(used), len(references), tuple(_wants(used)), waiting)


def _wants(used: Sequence[Reference]) -> list[str]:
    qualities = [r.quality for r in used]
    wants = ["more"] if len(used) < ENOUGH else []
    sides = {
        "left": any(q.yaw < -TURNED for q in qualities),
        "right": any(q.yaw > TURNED for q in qualities),
        "straight": any(abs(q.yaw) <= TURNED for q in qualities),
    }
    wants += [side for side, there in sides.items() if not there]
    if median(q.eye_distance_px for q in qualities) < LARGE_PX:
        wants.append("larger")
    if median(q.sharpness for q in qualities) < SOFT:
        wants.append("sharper")
    if all(q.exposure < DARK for q in qualities):
        wants.append("lighter")
    if all(q.exposure > BRIGHT for q in qualities):
        wants.append("darker")
    return wants
