"""What a tuning will take, measured on a trial step before it starts: time, memory and room on the disk."""

from __future__ import annotations

import math
import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engine.people import Gallery
from engine.prior.bundle import Prior
from engine.restore import Settings, restore_face
from engine.tuning.cleaner_pivot import CleanerStage, Faces
from engine.tuning.guide_pivot import GuideStage, Personalized
from engine.tuning.recipe import Pivot, PriorPivot, Recipe, check
from engine.tuning.references import HELD_OUT_FROM
from engine.tuning.steps import Stage
from engine.tuning.text_pivot import Shown, TextStage
from engine.tuning.views import Views, make_views

MOMENTS = 2
"""Numbers that an optimiser keeps for each weight it trains; 8-bit Adam keeps a quarter of the bytes, Prodigy twice."""

HEADER = 120
"""Bytes that a safetensors file needs to name a tensor."""


@dataclass(frozen=True)
class Estimate:
    """What a tuning will take on this machine as busy as it is now."""

    seconds: float
    """All of it: views, steps and the held-out photo."""
    memory: int
    """Bytes beside the prior: copies, gradients, moments, and activations kept for a step."""
    disk: int
    """Bytes while it runs: checkpoint, tuned model and pictures."""
    kept: int
    """Bytes of the finished tuned model."""

    @property
    def sentence(self) -> str:
        """Say it to the user."""
        time_ = f"{self.seconds:.0f} s" if self.seconds < 90 else f"{self.seconds / 60:.0f} min"
        return (
            f"About {time_}, {_amount(self.memory)} of memory beside the prior and {_amount(self.disk)} on the disk, "
            f"of which {_amount(self.kept)} stay."
        )


def estimate(prior: Prior, gallery: Gallery, recipe: Recipe) -> Estimate:
    """Do one step of each pivot on a drawn face, and reckon with what it took; nothing is changed and nothing written.

    Args:
        prior: shared; not changed.
        gallery: how many references there are decides how many views are made.
        recipe: how.

    Raises:
        BadRecipe, NoSuchPart, OptimiserMissing: the recipe cannot be done with this prior or on this machine.
    """
    check(recipe)
    face = (np.full((prior.size, prior.size, 3), 0.5, np.float32),)
    begun = time.monotonic()
    views = make_views(prior, face, each=1, seed=0)
    a_view = time.monotonic() - begun
    held_out = len(gallery.references) >= HELD_OUT_FROM
    tuned_on = len(gallery.references) - held_out
    begun = time.monotonic()
    restore_face(prior, face[0], replace(Settings(), sampling=replace(Settings().sampling, steps=1, start=0.2)))
    a_check = 10 * (time.monotonic() - begun) if held_out else 0.0

    seconds, memory, kept, checkpoint = 0.0, 0, 0, 0
    if recipe.cleaner is not None:
        pivot = recipe.cleaner
        once = replace(pivot, batch=1, accumulate=1, class_batch=0)
        stage = CleanerStage(prior, once, Faces(face, (), (1.0,)), seed=0)
        made = _Trial.of(stage, pivot, pivot.batch + pivot.class_batch)
        seconds += made.seconds + a_check * (pivot.checks + 1 if pivot.checks else 0)
        memory, kept, checkpoint = made.memory, made.kept, made.checkpoint
    if recipe.text is not None:
        pivot = recipe.text
        once = replace(pivot, batch=1, accumulate=1, class_batch=0, year=0)
        stage = TextStage(prior, gallery.person, once, Shown(views, None, (1.0,)), seed=0)
        made = _Trial.of(stage, pivot, pivot.batch + pivot.class_batch, _memory_of(pivot, views))
        views_made = pivot.views * tuned_on + (pivot.class_faces if pivot.class_batch else 0)
        checks = pivot.checks + (recipe.cleaner is None) if pivot.checks else 0
        seconds += made.seconds + a_view * views_made + a_check * checks
        memory, checkpoint = max(memory, made.memory), max(checkpoint, made.checkpoint)
        kept += made.kept
    if recipe.guide is not None:
        pivot = recipe.guide
        once = replace(pivot, batch=1, accumulate=1)
        stage = GuideStage([Personalized(prior, gallery.person.prompt)], once, views, seed=0)
        made = _Trial.of(stage, pivot, pivot.batch, _memory_of(pivot, views))
        faces = tuned_on if pivot.faces == "person" else pivot.face_count
        seconds += made.seconds + a_view * pivot.views * faces + a_check * pivot.checks
        memory, checkpoint = max(memory, made.memory), max(checkpoint, made.checkpoint)
        kept += made.kept
    pictures = 20 * 3 * prior.size**2
    return Estimate(seconds, memory, checkpoint + kept + pictures, kept)


def room_for(found: Estimate, folder: Path) -> str:
    """Give a sentence where a disk has too little room for a tuning, else ""."""
    place = next(p for p in (folder, *folder.parents) if p.exists())
    free = shutil.disk_usage(place).free
    if found.disk <= free:
        return ""
    return (
        f"The tuning needs about {_amount(found.disk)} on the disk of {place}, and {_amount(free)} are free. Make "
        "room, or choose a recipe with method lora or a smaller rank."
    )


@dataclass(frozen=True)
class _Trial:
    seconds: float
    memory: int
    kept: int
    checkpoint: int

    @staticmethod
    def of(stage: Stage, pivot: Pivot, at_a_time: int, pictures: int = 0) -> _Trial:
        """Do a step with one picture, twice, so that the second says how long one takes; `pictures` are held, bytes."""
        activations, seconds = 0, 0.0
        for n in range(2):
            begun = time.monotonic()
            drawn = stage.draw(n, 0)
            seen: dict[int, int] = {}

            def note(tensor: Tensor, seen: dict[int, int] = seen) -> Tensor:
                if not isinstance(tensor, torch.nn.Parameter):
                    seen[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
                return tensor

            with torch.autograd.graph.saved_tensors_hooks(note, lambda kept: kept):
                loss = stage.losses(drawn).sum()
            loss.backward()
            seconds, activations = time.monotonic() - begun, sum(seen.values())
        trained = sum(p.numel() for p in stage.parameters().values())
        copies = trained * 4 * (2 + _moments(pivot))
        delta = sum(2 * t.numel() + HEADER for t in stage.delta().values())
        whole = pivot.steps * pivot.accumulate * at_a_time * seconds
        memory = math.ceil(copies + activations * at_a_time + pictures)
        return _Trial(whole, memory, delta, math.ceil(trained * 4 * (1 + _moments(pivot))))


def _memory_of(pivot: PriorPivot, views: Views) -> int:
    """Give the bytes of all views of ten faces, from those of one view."""
    return pivot.views * 10 * sum(t.numel() * t.element_size() for t in (views.good, views.cleaned, views.mask))


def _moments(pivot: Pivot) -> float:
    return {"adamw": MOMENTS, "prodigy": 2 * MOMENTS, "adam8bit": MOMENTS / 4}[pivot.optimiser]


def _amount(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{max(1, round(size / 1e6))} MB"
