"""The arms of a comparison: the same damaged faces through several restorers, with the same figures for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine import metrics
from engine.faces import identity
from engine.prior.bundle import Prior
from engine.progress import Tick, silent
from engine.restorers import Context, Subject, find, read_options

Pixels = NDArray[np.float32]


@dataclass(frozen=True)
class Case:
    """One damaged face whose good version is known."""

    photo: str
    damaged: Pixels
    """`(size, size, 3)`, 0 to 1."""
    truth: Pixels
    """Like `damaged`."""
    mask: NDArray[np.float32]
    """`(size, size)`: the head, in which sharpness is measured."""


@dataclass(frozen=True)
class Arm:
    """One way to restore."""

    name: str
    restorer: str
    subject: Subject = field(default_factory=Subject)
    options: Mapping[str, Any] | None = None


def run_arms(
    prior: Prior, cases: list[Case], arms: list[Arm], references: list[NDArray[np.float64]], *, tick: Tick = silent
) -> tuple[list[dict[str, Any]], dict[tuple[str, str], Pixels]]:
    """Restore every case by every arm, seed 0, and measure.

    Args:
        prior: shared by all arms.
        cases: what to restore.
        arms: how.
        references: identity vectors of the person's good photos; without any, rows have no identity_references.
        tick: called after each restoration.

    Returns:
        A row for each case and arm (photo, arm, psnr, ssim, gmsd, sharpness, identity_truth, identity_references), and
        the restored faces by photo and arm.
    """
    rows: list[dict[str, Any]] = []
    made: dict[tuple[str, str], Pixels] = {}
    loaded = {arm.name: find(arm.restorer).load(Context(lambda: prior)) for arm in arms}
    for n, case in enumerate(cases):
        truth = identity.embed(case.truth)
        for k, arm in enumerate(arms):
            options = read_options(find(arm.restorer).options, arm.options or {})
            face = loaded[arm.name].restore(case.damaged, arm.subject, options, seed=0, tick=silent)
            made[case.photo, arm.name] = face
            who = identity.embed(face)
            rows.append(
                {
                    "photo": case.photo,
                    "arm": arm.name,
                    "psnr": round(metrics.psnr(face, case.truth), 2),
                    "ssim": round(metrics.ssim(face, case.truth), 4),
                    "gmsd": round(metrics.gmsd(face, case.truth), 4),
                    "sharpness": round(metrics.sharpness(face, case.truth, case.mask), 3),
                    "identity_truth": round(identity.distance(who, truth), 4),
                }
            )
            if references:
                away = np.mean([identity.distance(who, known) for known in references])
                rows[-1]["identity_references"] = round(float(away), 4)
            tick(n * len(arms) + k + 1, len(cases) * len(arms))
    return rows, made


def means(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give the mean row of each arm, in the order in which arms first stand."""
    out: list[dict[str, Any]] = []
    for arm in dict.fromkeys(row["arm"] for row in rows):
        mine = [row for row in rows if row["arm"] == arm]
        numbers = {
            key: round(float(np.mean([row[key] for row in mine])), 4)
            for key, value in mine[0].items()
            if isinstance(value, float)
        }
        out.append({"photo": "mean", "arm": arm, **numbers})
    return out
