"""The rows of an evaluation brought together: means by person and arm, differences to blind, and the claim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from engine.evaluation import claim
from engine.evaluation.claim import Difference, Half, Means
from engine.evaluation.variants import BLIND, WRONG

FIGURES = ("psnr", "ssim", "gmsd", "sharpness", "identity_truth", "identity_references")


@dataclass(frozen=True, eq=False)
class Row:
    """One restored face."""

    person: str
    damage: str
    photo: str
    seed: int
    arm: str
    psnr: float
    """dB against the truth."""
    ssim: float
    gmsd: float
    sharpness: float
    """Over the truth's."""
    identity_truth: float
    """dlib distance to the truth."""
    identity_references: float
    """Mean dlib distance to the references."""

    def as_json(self) -> dict[str, Any]:
        """Give the fields by name."""
        return asdict(self)


@dataclass(frozen=True)
class ArmSummary:
    """One arm over people, for one kind of damage."""

    damage: str
    arm: str
    people: int
    photos: int
    means: dict[str, float]
    """By `FIGURES`, the mean over people of their means over photos and seeds."""
    identity_interval: tuple[float, float]
    """95 % bootstrap interval over people of the mean distance to the truth."""
    to_blind: dict[str, Difference]
    """This arm minus blind, over the same people, for identity_truth, psnr and gmsd."""
    people_nearer: int
    """People of whom it is nearer to the truth than blind."""
    photos_nearer: float
    """Share of photos of which it is, 0 to 1, each the mean over its seeds."""


@dataclass(frozen=True)
class Verdict:
    """Whether one half of the claim holds for one kind of damage."""

    damage: str
    half: Half


def people_of(rows: Sequence[Row], damage: str, arm: str) -> list[str]:
    """Give the people that an arm was measured on, in the order of the rows."""
    return list(dict.fromkeys(row.person for row in rows if row.damage == damage and row.arm == arm))


def by_person(rows: Sequence[Row], damage: str, arm: str, figure: str, people: Sequence[str]) -> Means:
    """Give the mean of a figure over photos and seeds for each person."""
    values: dict[str, list[float]] = {name: [] for name in people}
    for row in rows:
        if row.damage == damage and row.arm == arm and row.person in values:
            values[row.person].append(getattr(row, figure))
    return np.array([np.mean(values[name]) for name in people], np.float64)


def by_photo(rows: Sequence[Row], damage: str, arm: str, people: Sequence[str]) -> list[float]:
    """Give the distance to the truth of each photo of some people, the mean over its seeds."""
    values: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        if row.damage == damage and row.arm == arm and row.person in people:
            values.setdefault((row.person, row.photo), []).append(row.identity_truth)
    return [float(np.mean(found)) for _, found in sorted(values.items())]


def summarise(rows: Sequence[Row], damage: str, arm: str, people: Sequence[str] | None = None) -> ArmSummary:
    """Bring one arm together.

    Args:
        rows: of all arms; blind is among them.
        damage: kind.
        arm: name.
        people: over whom; those that it was measured on when not given.
    """
    people = people or people_of(rows, damage, arm)

    def of(name: str, figure: str) -> Means:
        return by_person(rows, damage, name, figure, people)

    ours, blind = of(arm, "identity_truth"), of(BLIND, "identity_truth")
    photos = by_photo(rows, damage, arm, people)
    return ArmSummary(
        damage,
        arm,
        len(people),
        len(photos),
        {figure: round(float(of(arm, figure).mean()), 4) for figure in FIGURES},
        claim.interval(ours),
        {figure: claim.difference(of(arm, figure), of(BLIND, figure)) for figure in ("identity_truth", "psnr", "gmsd")},
        claim.nearer(ours, blind),
        claim.share_nearer(photos, by_photo(rows, damage, BLIND, people)),
    )


def judge(rows: Sequence[Row], damage: str, arm: str) -> list[Verdict]:
    """Judge both halves of the claim for an arm under one kind of damage."""
    people = people_of(rows, damage, arm)
    ours, blind, wrong = (by_person(rows, damage, name, "identity_truth", people) for name in (arm, BLIND, WRONG))
    pairs = [
        (by_person(rows, damage, arm, figure, people), by_person(rows, damage, BLIND, figure, people))
        for figure in ("psnr", "gmsd")
    ]
    return [
        Verdict(damage, claim.identity_half(ours, blind, wrong)),
        Verdict(damage, claim.faithful_half(pairs[0], pairs[1])),
    ]


def best(rows: Sequence[Row], damage: str, arms: Sequence[str], people: Sequence[str]) -> str:
    """Give the arm that comes nearest to the truth on average over people."""
    return min(arms, key=lambda arm: float(by_person(rows, damage, arm, "identity_truth", people).mean()))
