"""What a recipe tunes, and the same recipe with its text pivot in the other context: what an ablation is made of."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from engine.tuning.recipe import Recipe

PIVOTS = ("text", "guide")
"""In the order in which they are tuned."""


def pivots_of(recipe: Recipe) -> tuple[str, ...]:
    """Give those of `PIVOTS` that a recipe tunes."""
    return tuple(pivot for pivot in PIVOTS if getattr(recipe, pivot, None) is not None)


def context_of(recipe: Recipe) -> str:
    """Say whether a recipe tunes the text "in context" or "out of context"; "" where it does not tune the text."""
    text: Any = getattr(recipe, "text", None)
    if text is None:
        return ""
    return "out of context" if getattr(text, "context", "in") == "out" else "in context"


def in_other_context(recipe: Recipe) -> Recipe | None:
    """Give a recipe that tunes the text out of context if the given one does so in context, else in context.

    None where a recipe has no such choice: then it tunes in context alone, or no text at all.
    """
    text: Any = getattr(recipe, "text", None)
    if text is None or all(field.name != "context" for field in fields(text)):
        return None
    change: dict[str, Any] = {"context": "out" if text.context == "in" else "in"}
    return replace(recipe, text=replace(text, **change))
