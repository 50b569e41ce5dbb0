"""Recipes: how a person is tuned, in numbers, each with its unit, default and source."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any

from engine.errors import EngineError


class NoSuchRecipe(EngineError):
    """A recipe was asked for that is not there."""


def _field(default: Any, unit: str, what: str, source: str = "measured with the pocket prior") -> Any:
    return field(default=default, metadata={"unit": unit, "what": what, "source": source})


@dataclass(frozen=True)
class TextPivot:
    """Tuning the prior round the person's phrase, in context, by LoRA."""

    steps: int = _field(80, "steps", "Optimiser steps.")
    rate: float = _field(1e-3, "per step", "Learning rate of AdamW; falls to a tenth over the last third.")
    batch: int = _field(3, "pictures", "Views of the person in a step.")
    class_batch: int = _field(
        1, "pictures", "Generic faces in a step, under the class phrase.", "prior preservation, arXiv 2208.12242"
    )
    class_faces: int = _field(40, "pictures", "Generic faces to draw from, of the 120 that ship.")
    class_weight: float = _field(
        1.0, "", "Weight of the generic faces' loss.", "personalized-restoration@4d88c10 README"
    )
    rank: int = _field(16, "", "Rank of the LoRA matrices.", "arXiv 2106.09685")
    alpha: float = _field(16.0, "", "LoRA scale times rank.")
    targets: tuple[str, ...] = _field(
        ("to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2", "conv1", "conv2"),
        "module names",
        "Layers of the denoiser that get LoRA matrices, by the end of their names.",
    )
    views: int = _field(12, "per photo", "Differently cut and damaged versions made of each photo beforehand.")
    top_level: float = _field(0.65, "of the schedule", "Highest noise level trained at.")
    checks: int = _field(4, "times", "How often the held-out photo is restored during the run.")


@dataclass(frozen=True)
class Recipe:
    """A whole tuning."""

    name: str
    summary: str
    """One sentence for the user."""
    text: TextPivot
    seed: int = 0

    def as_json(self) -> dict[str, Any]:
        """Give all fields as plain values."""
        made = asdict(self)
        made["text"]["targets"] = list(self.text.targets)  # as JSON gives it back
        return made


RECIPES: dict[str, Recipe] = {
    "quick": Recipe("quick", "About a minute on a laptop: enough to see the person arrive.", TextPivot()),
    "toy": Recipe(
        "toy",
        "A few steps that only show that everything runs.",
        TextPivot(steps=4, batch=1, class_faces=2, views=2, rank=4, alpha=4.0, checks=1),
    ),
}


def recipe(name: str) -> Recipe:
    """Give the recipe of a name, or raise `NoSuchRecipe` with the names there are."""
    if name not in RECIPES:
        raise NoSuchRecipe(f"There is no recipe {name!r}. Choose one of: {', '.join(RECIPES)}.")
    return RECIPES[name]


def explain(kind: type[Any]) -> list[dict[str, str]]:
    """List the fields of a recipe part with what they mean, their unit, default and source."""
    return [
        {"name": f.name, "default": str(f.default), **{k: str(v) for k, v in f.metadata.items()}} for f in fields(kind)
    ]
