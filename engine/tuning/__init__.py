"""Dual-Pivot Tuning (arXiv 2312.17234): a prior is tuned round one person's phrase, then its guide to that prior.

`run.tune` does a recipe: the cleaner pivot, which is ours; the text pivot, in context (the guide in the loop, frozen,
fed damaged versions of the person's photos) or out of context; and the guide pivot on generic faces. Nothing here knows
restorers or screens, and no shared prior is ever changed. What each field of a recipe does stands in README.md beside
this file.
"""

from engine.tuning.recipe import PARTS, BadRecipe, CleanerPivot, GuidePivot, NoSuchRecipe, Recipe, TextPivot
from engine.tuning.recipe_files import RECIPES, recipe
from engine.tuning.tuned import BadTunedModel, TunedModel, fingerprint_of, read_tuned

__all__ = [
    "PARTS",
    "RECIPES",
    "BadRecipe",
    "BadTunedModel",
    "CleanerPivot",
    "GuidePivot",
    "NoSuchRecipe",
    "Recipe",
    "TextPivot",
    "TunedModel",
    "fingerprint_of",
    "read_tuned",
    "recipe",
]
