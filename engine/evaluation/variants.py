"""The arms of an evaluation, as data: what restores the damaged faces, and of which prior it is made.

An arm without a person restores everybody's faces alike; all others use a prior that was tuned, in whole or in part,
to the photos that the arm names.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from engine.tuning import Recipe
from engine.tuning.pivots import context_of, in_other_context, pivots_of

Whose = Literal["", "own", "next", "nobody"]
"""Photos that a prior is tuned to: none, the person's, the next person's, or as many of people who are nobody."""

NAMES = {"cleaner": "cleaner pivot", "text": "text pivot", "guide": "guide pivot"}
BOTH, ALL = "both pivots", "all pivots"
BLIND, WRONG, EQUAL_STEPS = "blind", "wrong person", "equal steps"
TRUTH = "truth"
"""No arm: the truth itself, how far it lies from the references is the nearest that a result can be asked to come."""


@dataclass(frozen=True)
class Variant:
    """One arm."""

    name: str
    what: str
    """How the faces are made, without a full stop."""
    restorer: str
    """Id of the restorer that the faces go through."""
    whose: Whose = ""
    recipe: Recipe | None = None
    """How the prior is tuned; None where it is not."""
    parts: tuple[str, ...] = ()
    """Which pivots of the tuning are used."""
    references: int = 0
    """How many references it is tuned to, at most."""


def standing(recipe: Recipe, references: int) -> list[Variant]:
    """Give the arms that everybody is restored by.

    The pivots alone cost no tuning of their own: each is tuned with those before it fixed, so one tuning holds all, and
    an arm uses one part of it.

    Args:
        recipe: that is measured.
        references: how many each prior is tuned to.
    """
    whole = pivots_of(recipe)
    made = [
        Variant("damaged", "the damaged face as it is", "enlarge"),
        Variant("cleaner", "stage 1 alone", "cleaner"),
        Variant(BLIND, "the prior, tuned to nobody", "diffbir"),
        Variant(
            EQUAL_STEPS,
            "tuned by the same recipe to faces that are nobody",
            "diffbir",
            "nobody",
            recipe,
            whole,
            references,
        ),
        Variant(WRONG, "tuned by the same recipe to the next person", "diffbir", "next", recipe, whole, references),
    ]
    made += [
        Variant(NAMES[part], f"tuned to the person, the {part} alone", "diffbir", "own", recipe, (part,), references)
        for part in whole
    ]
    if len(whole) > 1:
        made.append(
            Variant(
                _whole(whole), "tuned to the person, all of the recipe", "diffbir", "own", recipe, whole, references
            )
        )
    return made


def main_of(variants: list[Variant]) -> Variant:
    """Give the arm that a recipe is judged by: the whole of it, on the person's own photos."""
    return next(v for v in reversed(variants) if v.whose == "own" and v.recipe and v.parts == pivots_of(v.recipe))


def contexts(recipe: Recipe, references: int) -> list[Variant]:
    """Give the own arms once more with the text tuned in the other context; none where a recipe has no such choice."""
    other = in_other_context(recipe)
    if other is None:
        return []
    context, whole = context_of(other), pivots_of(other)
    alone = Variant(
        f"text pivot, {context}", f"the text tuned {context}, alone", "diffbir", "own", other, ("text",), references
    )
    both = Variant(
        f"{_whole(whole)}, {context}",
        f"all of the recipe, the text tuned {context}",
        "diffbir",
        "own",
        other,
        whole,
        references,
    )
    return [alone, both] if len(whole) > 1 else [alone]


def _whole(parts: tuple[str, ...]) -> str:
    """Name an arm with several pivots."""
    return BOTH if parts == ("text", "guide") else ALL


def counted(winner: Variant, counts: tuple[int, ...]) -> list[Variant]:
    """Give an arm with other numbers of references."""
    return [replace(winner, name=f"{winner.name}, {n} reference{'s' if n > 1 else ''}", references=n) for n in counts]
