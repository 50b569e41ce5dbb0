"""Which references are tuned on and how often, and what the user should know of them."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine import images
from engine.people import Gallery, Reference
from engine.people.verdicts import groups
from engine.tuning.recipe import TextPivot

Pixels = NDArray[np.float32]

HELD_OUT_FROM = 4
"""References from which on one is kept out of the tuning to watch the person arrive."""

_DATE = re.compile(rb"(1[89]\d\d|20\d\d|21\d\d):[01]\d:[0-3]\d [0-2]\d:[0-5]\d:[0-5]\d")
"""A date as EXIF writes it."""


@dataclass(frozen=True)
class Chosen:
    """What a tuning gets of a gallery."""

    tuned_on: tuple[Pixels, ...]
    """Crops `(size, size, 3)`, 0 to 1."""
    chances: tuple[float, ...]
    """How often each of them is drawn, in any unit; the mean is 1."""
    held_out: Pixels | None
    """Like the others; None where there are too few references."""
    notes: tuple[str, ...]
    """Sentences for the user."""


def choose(gallery: Gallery, size: int, pivot: TextPivot | None) -> Chosen:
    """Cut the references and decide what becomes of each.

    Args:
        gallery: the person's references.
        size: side of the crops, px.
        pivot: says how often which reference is drawn; None draws all alike.

    Raises:
        EngineError: a photo is gone or cannot be read.
    """
    crops = gallery.crops(size)
    held_out = crops[-1] if len(crops) >= HELD_OUT_FROM else None
    tuned_on = crops[:-1] if held_out is not None else crops
    references = gallery.references[: len(tuned_on)]
    chances = np.ones(len(tuned_on))
    notes: list[str] = []
    if pivot is not None and len(tuned_on):
        chances = chances * quality_chances(references, pivot.quality_weight)
        if pivot.year:
            years = [year_of(gallery, reference) for reference in references]
            chances = chances * year_chances(years, pivot)
            if not any(years):
                notes.append("None of the references says when it was taken, so the year changes nothing.")
    if held_out is None and len(crops):
        notes.append(
            f"There are {len(crops)} reference(s): none is held out to watch, and all {_steps(pivot)}steps are done. "
            f"With {HELD_OUT_FROM} or more the run shows how near it comes."
        )
    notes += several_people(gallery)
    mean = chances.mean() if len(chances) else 1.0
    return Chosen(tuned_on, tuple(float(c) for c in chances / mean), held_out, tuple(notes))


def _steps(pivot: TextPivot | None) -> str:
    return f"{pivot.steps} " if pivot is not None else ""


def several_people(gallery: Gallery) -> list[str]:
    """Say, in at most one sentence, that the references in use show more than one person, and which do.

    The verdicts of the people room leave such faces out; here are those that the user has kept all the same.
    """
    if len(gallery.references) < 2:
        return []
    found = groups([r.embedding for r in gallery.references])
    if len(found) < 2:
        return []
    others = [gallery.references[n].name for group in found[1:] for n in group]
    shown = ", ".join(others[:3]) + (f" and {len(others) - 3} more" if len(others) > 3 else "")
    return [
        f"The references seem to show {len(found)} people: {shown} differ(s) from the rest. They were kept, so they "
        "are tuned on; reject them if that is wrong."
    ]


def quality_chances(references: tuple[Reference, ...], weight: float) -> NDArray[np.float64]:
    """Give how often each reference is drawn by its quality, `(N,)`: 1 for all with a weight of 0."""
    goodness = [
        r.quality.sharpness * min(1.0, r.quality.eye_distance_px / 90) * (1 - 0.5 * abs(r.quality.yaw))
        for r in references
    ]
    return np.maximum(np.array(goodness, np.float64), 1e-3) ** weight


def year_chances(years: list[int], pivot: TextPivot) -> NDArray[np.float64]:
    """Give how often each reference is drawn by its year, `(N,)`; one of an unknown year counts like the mean."""
    known = {n: np.exp(-0.5 * ((year - pivot.year) / pivot.year_spread) ** 2) for n, year in enumerate(years) if year}
    usual = float(np.mean(list(known.values()))) if known else 1.0
    return np.maximum([float(known.get(n, usual)) for n in range(len(years))], 1e-3)


def year_of(gallery: Gallery, reference: Reference) -> int:
    """Give the year in which a reference's photo was taken, by its EXIF; 0 where it does not say.

    The earliest date in the block is taken: a later one says when the file was changed or scanned again.
    """
    exif = images.read_photo(gallery.photos / reference.photo).exif or b""
    return min((int(match.group(1)) for match in _DATE.finditer(exif)), default=0)
