"""Dual-Pivot Tuning (arXiv 2312.17234): a prior is tuned round one person's phrase.

So far the text pivot, in context: the guide is in the loop, frozen, and fed damaged versions of the person's photos;
the target is the good photo. Nothing here knows restorers or screens, and no shared prior is ever changed.
"""

from engine.tuning.recipe import RECIPES, Recipe, TextPivot, recipe
from engine.tuning.tuned import BadTunedModel, TunedModel, read_tuned

__all__ = ["RECIPES", "BadTunedModel", "Recipe", "TextPivot", "TunedModel", "read_tuned", "recipe"]
