"""The pivots at their beginning: what each of them learns from, made anew alike when a run goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from engine.people import Gallery
from engine.prior.bundle import Prior
from engine.progress import Report, stage
from engine.tuning.cleaner_pivot import CleanerStage, Faces
from engine.tuning.guide_pivot import GuideStage, Personalized
from engine.tuning.identity_loss import identity_loss
from engine.tuning.recipe import Recipe
from engine.tuning.references import Chosen, Pixels
from engine.tuning.text_pivot import Shown, TextStage
from engine.tuning.tuned import TunedModel
from engine.tuning.views import make_views, read_generic
from engine.weights import WeightFile


@dataclass(frozen=True)
class Inputs:
    """All that decides a run."""

    prior: Prior
    gallery: Gallery
    recipe: Recipe
    folder: Path
    weights: Path | None
    fingerprint: str
    begun: TunedModel | None = None
    """The finished model that is tuned further."""


def cleaner_stage(inputs: Inputs, chosen: Chosen, note: Callable[[str], None]) -> CleanerStage:
    """Make the cleaner pivot, which draws its pictures as it goes. Arguments and errors as `text_stage`."""
    prior, recipe, pivot = inputs.prior, inputs.recipe, inputs.recipe.cleaner
    assert pivot is not None
    others = _generic(prior, pivot.class_faces, note) if pivot.class_batch else ()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed + 3)
        return CleanerStage(prior, pivot, Faces(chosen.tuned_on, others, chosen.chances), seed=recipe.seed)


def text_stage(inputs: Inputs, chosen: Chosen, report: Report, note: Callable[[str], None], prior: Prior) -> TextStage:
    """Make the text pivot's pictures, and the pivot.

    Args:
        inputs: of the run; its recipe has a text pivot.
        chosen: what the gallery gives.
        report: followed.
        note: gets what the user should know of it, a sentence at a time.
        prior: as the pivot before has left it.

    Raises:
        NoFaces, NoSuchPart, NoRecogniser: see `make_views`, `TextStage` and `identity_loss`.
        Cancelled: from the report.
    """
    recipe, pivot = inputs.recipe, inputs.recipe.text
    assert pivot is not None
    mine = make_views(
        prior, chosen.tuned_on, each=pivot.views, seed=recipe.seed, tick=stage(report, "preparing photos")
    )
    others = None
    if pivot.class_batch:
        generic = _generic(prior, pivot.class_faces, note)
        tick = stage(report, "preparing generic faces")
        others = make_views(prior, generic, each=1, seed=recipe.seed + 1, tick=tick)
    away = identity_loss(inputs.weights, chosen.tuned_on, prior.device) if pivot.identity_weight else None
    shown = Shown(mine, others, chosen.chances, away)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        return TextStage(prior, inputs.gallery.person, pivot, shown, seed=recipe.seed)


def guide_stage(inputs: Inputs, chosen: Chosen, report: Report, steered: Prior) -> GuideStage:
    """Make the guide pivot's pictures, and the pivot that steers a personalized prior. Raises as `text_stage`."""
    recipe, pivot = inputs.recipe, inputs.recipe.guide
    assert pivot is not None
    if pivot.faces == "person":
        faces, said = chosen.tuned_on, "preparing photos"
    else:
        faces, said = read_generic(steered.size, count=pivot.face_count), "preparing generic faces"
    views = make_views(steered, faces, each=pivot.views, seed=recipe.seed + 2, tick=stage(report, said))
    mine = Personalized(steered, inputs.gallery.person.prompt)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed + 1)
        return GuideStage([mine], pivot, views, seed=recipe.seed, base=inputs.prior.guide)


def personalized(inputs: Inputs, files: Mapping[str, WeightFile], parts: tuple[str, ...]) -> Prior:
    """Give the prior as earlier pivots have left it on the disk, which is what the user restores with.

    Args:
        inputs: of the run.
        files: what the pivots wrote, by `recipe.PARTS`.
        parts: which of them to take; those without a file leave the prior as it is.
    """
    made = {part: asdict(files[part]) for part in parts if part in files}
    if not made:
        return inputs.prior
    known = {"prior": dict(inputs.prior.sha256), "prior_name": inputs.prior.name}
    return TunedModel(inputs.folder, {**known, "files": made}).applied_to(inputs.prior)


def _generic(prior: Prior, count: int, note: Callable[[str], None]) -> tuple[Pixels, ...]:
    found = read_generic(prior.size, count=count)
    if len(found) < count:
        note(f"The recipe asks for {count} generic faces; {len(found)} ship and are used.")
    return found
