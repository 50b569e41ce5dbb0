"""The pivots at their beginning: what each of them learns from, made anew alike when a run goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from engine.people import Gallery
from engine.prior.bundle import Prior
from engine.progress import Report, stage
from engine.tuning.guide_pivot import GuideStage, Personalized
from engine.tuning.identity_loss import identity_loss
from engine.tuning.recipe import Recipe
from engine.tuning.references import Chosen
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


def text_stage(inputs: Inputs, chosen: Chosen, report: Report, note: Callable[[str], None]) -> TextStage:
    """Make the text pivot's pictures, and the pivot.

    Args:
        inputs: of the run; its recipe has a text pivot.
        chosen: what the gallery gives.
        report: followed.
        note: gets what the user should know of it, a sentence at a time.

    Raises:
        NoFaces, NoSuchPart, NoRecogniser: see `make_views`, `TextStage` and `identity_loss`.
        Cancelled: from the report.
    """
    prior, recipe, pivot = inputs.prior, inputs.recipe, inputs.recipe.text
    assert pivot is not None
    mine = make_views(
        prior, chosen.tuned_on, each=pivot.views, seed=recipe.seed, tick=stage(report, "preparing photos")
    )
    others = None
    if pivot.class_batch:
        generic = read_generic(prior.size, count=pivot.class_faces)
        if len(generic) < pivot.class_faces:
            note(f"The recipe asks for {pivot.class_faces} generic faces; {len(generic)} ship and are used.")
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
        faces, said = read_generic(inputs.prior.size, count=pivot.face_count), "preparing generic faces"
    views = make_views(inputs.prior, faces, each=pivot.views, seed=recipe.seed + 2, tick=stage(report, said))
    mine = Personalized(steered, inputs.gallery.person.prompt)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed + 1)
        return GuideStage([mine], pivot, views, seed=recipe.seed, base=inputs.prior.guide)


def personalized(inputs: Inputs, text: WeightFile | None) -> Prior:
    """Give the prior as the text pivot has left it on the disk, which is what the user restores with.

    Args:
        inputs: of the run.
        text: what the text pivot wrote; None leaves the prior as it is.
    """
    if text is None:
        return inputs.prior
    known = {"prior": dict(inputs.prior.sha256), "prior_name": inputs.prior.name}
    return TunedModel(inputs.folder, {**known, "files": {"text": asdict(text)}}).applied_to(inputs.prior)
