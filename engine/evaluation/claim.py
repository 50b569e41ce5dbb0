"""The paper's claim in numbers: nearer to the person, and no less faithful to the photo.

People are what is counted: each is one, whatever the number of their photos and seeds. Nothing is assumed of how the
figures are spread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import NDArray

Means = NDArray[np.float64]
"""One figure for each person, in the same order."""

RESAMPLES = 10_000
SEED = 0
"""Of the bootstrap."""
INTERVAL = 0.95

SIGNIFICANT = 0.01
"""Of the sign test; 12 of 14 people reach it, and so do 7 of 7, the fewest that can."""
PSNR_LOSS = 0.1
"""dB that the result may be farther from the truth than blind."""


@dataclass(frozen=True)
class Difference:
    """Mean of one arm minus another over people."""

    mean: float
    low: float
    high: float
    """Ends of the 95 % bootstrap interval over people."""


@dataclass(frozen=True)
class Half:
    """One half of the claim."""

    claim: str
    """In a sentence."""
    reached: bool
    found: str
    """In a sentence, with the figures that decide."""


def sign_test(better: int, of: int) -> float:
    """Give how likely `better` or more of `of` fair coins show heads: the one-sided p of the sign test, 0 to 1."""
    return sum(comb(of, n) for n in range(better, of + 1)) / 2**of


def difference(ours: Means, theirs: Means) -> Difference:
    """Give the mean difference of two arms and its bootstrap interval over people, percentile method, fixed seed."""
    apart = ours - theirs
    low, high = interval(apart)
    return Difference(float(apart.mean()), low, high)


def interval(values: Means) -> tuple[float, float]:
    """Give the 95 % bootstrap interval of a mean over people."""
    picked = np.random.default_rng(SEED).integers(len(values), size=(RESAMPLES, len(values)))
    rest = (1 - INTERVAL) / 2
    low, high = np.quantile(values[picked].mean(axis=1), [rest, 1 - rest])
    return float(low), float(high)


def nearer(ours: Means, *theirs: Means) -> int:
    """Count the people of whom an arm is nearer than all the others; as near does not count."""
    return int(np.all([ours < other for other in theirs], axis=0).sum())


def identity_half(ours: Means, blind: Means, wrong: Means) -> Half:
    """Judge the first half: nearer to the person than blind and than the wrong person's model.

    Args:
        ours: mean dlib distance to the truth by person.
        blind: the same of the blind prior.
        wrong: the same of somebody else's tuned model.
    """
    people, better = len(ours), nearer(ours, blind, wrong)
    p = sign_test(better, people)
    against = difference(ours, blind), difference(ours, wrong)
    reached = p < SIGNIFICANT and all(one.high < 0 for one in against)
    few = "" if sign_test(people, people) < SIGNIFICANT else " So few people cannot reach it: 7 are needed."
    return Half(
        "The person's own tuning comes nearer to the person than blind and than the wrong person's.",
        reached,
        f"nearer than both for {better} of {people} people (one-sided sign test p = {p:.4f}, below {SIGNIFICANT} is "
        f"wanted); against blind {_told(against[0])}, against the wrong person {_told(against[1])} "
        f"(both intervals below 0 are wanted).{few}",
    )


def faithful_half(psnr: tuple[Means, Means], gmsd: tuple[Means, Means]) -> Half:
    """Judge the second half: no less faithful to the photo than blind.

    Args:
        psnr: of the arm and of blind, dB by person.
        gmsd: the same for GMSD.
    """
    loss, edges = difference(*psnr), difference(*gmsd)
    return Half(
        f"PSNR falls by at most {PSNR_LOSS} dB against blind, and GMSD does not get worse.",
        loss.mean >= -PSNR_LOSS and edges.mean <= 0,
        f"PSNR {_told(loss, 2)} dB, GMSD {_told(edges, 4)}.",
    )


def share_nearer(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Give the share of photos of which an arm is nearer, 0 to 1."""
    return float(np.mean([a < b for a, b in zip(ours, theirs, strict=True)]))


def _told(one: Difference, digits: int = 3) -> str:
    return f"{one.mean:+.{digits}f} ({one.low:+.{digits}f} to {one.high:+.{digits}f})"
