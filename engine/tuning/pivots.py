"""What a recipe tunes, and the same recipe with its text pivot in the other context: what an ablation is made of."""

from __future__ import annotations

from dataclasses import replace

from engine.tuning.recipe import Recipe


def pivots_of(recipe: Recipe) -> tuple[str, ...]:
    """Give those of `recipe.PARTS` that a recipe tunes."""
    return tuple(recipe.pivots)


def context_of(recipe: Recipe) -> str:
    """Say whether a recipe tunes the text "in context" or "out of context"; "" where it does not tune the text."""
    if recipe.text is None:
        return ""
    return "out of context" if recipe.text.context == "out" else "in context"


def in_other_context(recipe: Recipe) -> Recipe | None:
    """Give a recipe that tunes the text out of context if the given one does so in context, else in context.

    None where a recipe does not tune the text.
    """
    if recipe.text is None:
        return None
    return replace(recipe, text=replace(recipe.text, context="out" if recipe.text.context == "in" else "in"))
