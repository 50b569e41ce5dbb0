"""An amortised guide: tuned once against many personalized priors, so that a person needs few steps of it or none.

Each person's text pivot is done once. Then the shared guide is trained on generic faces, and at each picture one of the
personalized priors is in the loop, by chance: what the guide learns is to steer any of them. (The paper tunes the guide
"generically" for each person anew; to do it once for all is this project's own.)
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from engine.errors import EngineError
from engine.people import Gallery
from engine.prior import load
from engine.prior.bundle import Prior
from engine.progress import Cancelled, Report, stage
from engine.tuning import adapters, checkpoint
from engine.tuning.guide_pivot import GuideStage, Personalized
from engine.tuning.machine import exact
from engine.tuning.optimisers import optimiser_of, set_rate
from engine.tuning.recipe import BadRecipe, GuidePivot, Recipe, check
from engine.tuning.run import LossNoNumber, tune
from engine.tuning.tuned import TunedModel, fingerprint_of, read_tuned
from engine.tuning.views import NoFaces, make_views
from engine.workspace import fingerprint

Pixels = NDArray[np.float32]

SAVE_EVERY_SECONDS = 60.0


class NobodyToAmortise(EngineError):
    """There are too few people to tune a guide against."""


@dataclass(frozen=True)
class Amortised:
    """What came of it."""

    prior: Prior
    """The prior with the new guide; its hashes are the old ones until it is saved."""
    losses: tuple[float, ...]
    people: int
    seconds: float


def amortise(
    prior: Prior,
    galleries: Sequence[Gallery],
    faces: tuple[Pixels, ...],
    recipe: Recipe,
    folder: Path,
    report: Report,
) -> Amortised:
    """Tune a prior's guide against the priors of several people, or go on where that was stopped.

    Args:
        prior: shared; not changed.
        galleries: at least two people's; each gets the recipe's text pivot once.
        faces: generic, `(size, size, 3)`, 0 to 1, of none of these people.
        recipe: with both pivots; its guide pivot says how long, how fast and which layers.
        folder: where the personalized priors and the checkpoint lie.
        report: followed; its tick stops the work after a step, and the same call goes on.

    Raises:
        NobodyToAmortise: fewer than two people.
        BadRecipe: a value is outside its range, or a pivot is missing.
        NoFaces: there are no generic faces.
        LossNoNumber: the guide's loss became infinite or NaN; the state before that step is saved.
        Cancelled: from the report; the state so far is saved.
    """
    pivot = check(recipe).guide
    if pivot is None or recipe.text is None or pivot.faces != "generic":
        raise BadRecipe(f"Recipe {recipe.name} cannot amortise: it needs both pivots, the guide's on generic faces.")
    if len(galleries) < 2:
        raise NobodyToAmortise(f"A guide is amortised against at least two people; {len(galleries)} were given.")
    if not faces:
        raise NoFaces("There are no generic faces to train the guide on. Name a folder of faces.")
    own = Recipe(f"{recipe.name}-text"[:40], "", recipe.text, None, recipe.seed)
    tuned = [_person(prior, gallery, own, folder / "people", report) for gallery in galleries]
    priors = [Personalized(model.applied_to(prior), model.prompt) for model in tuned]
    views = make_views(prior, faces, each=pivot.views, seed=recipe.seed + 2, tick=stage(report, "preparing faces"))
    mark = fingerprint({"tuned": [t.fingerprint for t in tuned], "recipe": recipe.as_json(), "faces": _contents(faces)})
    return _Training(prior, priors, pivot, recipe.seed, views, folder / "guide.pt", mark).run(report)


def _contents(faces: Sequence[Pixels]) -> str:
    """Hash faces, so that the training on these is not gone on with by that on others."""
    whole = hashlib.sha256()
    for face in faces:
        whole.update(face.tobytes())
    return whole.hexdigest()


def save(made: Amortised, old: Mapping[str, Any], folder: Path) -> Path:
    """Write the prior with its amortised guide as one of its own, to be used instead of the old.

    Args:
        made: see there.
        old: the old prior's card; what is known of its training stays in it.
        folder: of the new prior.
    """
    told = {"people": made.people, "steps": len(made.losses), "seconds": round(made.seconds)}
    return load.save(made.prior, folder, {**old, "amortised": told})


def _person(prior: Prior, gallery: Gallery, recipe: Recipe, folder: Path, report: Report) -> TunedModel:
    """Give a person's text pivot, done now unless it was done before."""
    place = folder / fingerprint_of(prior, gallery, recipe)[:12]
    if (place / "manifest.json").is_file():
        return read_tuned(place)
    return tune(prior, gallery, recipe, place, report)


class _Training:
    def __init__(
        self,
        prior: Prior,
        priors: list[Personalized],
        pivot: GuidePivot,
        seed: int,
        views: Any,
        place: Path,
        mark: str,
    ) -> None:
        self.prior, self.pivot, self.checkpoint, self.mark = prior, pivot, place, mark
        self.people = len(priors)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.stage = GuideStage(priors, pivot, views, seed=seed, base=prior.guide)
        self.optimiser = optimiser_of(self.stage.groups(), pivot)
        self.losses: list[float] = []
        self.seconds = 0.0
        self._load()

    def run(self, report: Report) -> Amortised:
        saved = time.monotonic()
        try:
            with exact(self.prior.device):
                while len(self.losses) < self.pivot.steps:
                    begun = time.monotonic()
                    loss = self._step(len(self.losses))
                    self.losses.append(round(loss, 6))
                    self.seconds += time.monotonic() - begun
                    report.measure(len(self.losses), {"loss": loss})
                    if time.monotonic() - saved > SAVE_EVERY_SECONDS:
                        self._save()
                        saved = time.monotonic()
                    report.tick("amortising the guide", len(self.losses), self.pivot.steps)
        except (Cancelled, EngineError):  # raised between two steps; in the midst of one the state is neither's
            self._save()
            raise
        delta = {name.removeprefix("guide."): t for name, t in self.stage.delta().items()}
        guide = adapters.with_delta(self.prior.guide, delta, 1.0)
        self._save()
        return Amortised(replace(self.prior, guide=guide), tuple(self.losses), self.people, self.seconds)

    def _step(self, step: int) -> float:
        set_rate(self.optimiser, self.pivot, step)
        drawn = self.stage.draw(step, 0)
        self.optimiser.zero_grad(set_to_none=True)
        total = 0.0
        for begin in range(0, len(drawn), self.pivot.batch):
            loss = self.stage.losses(drawn.part(slice(begin, begin + self.pivot.batch))).sum() / len(drawn)
            loss.backward()
            total += float(loss.detach())
        length = float(torch.nn.utils.clip_grad_norm_(list(self.stage.parameters().values()), 1.0))
        if not math.isfinite(total) or not math.isfinite(length):
            raise LossNoNumber(
                f"The loss was no number at step {step + 1} of the guide. Choose a lower rate than "
                f"{self.pivot.rate:g} in the recipe; the state before it is kept."
            )
        self.optimiser.step()
        return total

    def _save(self) -> None:
        state = {
            "seconds": self.seconds,
            "losses": self.losses,
            "trained": {name: p.detach() for name, p in self.stage.parameters().items()},
            "optimiser": self.optimiser.state_dict(),
        }
        self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        checkpoint.write(self.checkpoint, self.mark, state)

    def _load(self) -> None:
        state = checkpoint.read(self.checkpoint, self.mark, self.prior.device)
        if state is None:
            return
        self.losses, self.seconds = list(state["losses"]), float(state["seconds"])
        with torch.no_grad():
            for name, weight in self.stage.parameters().items():
                weight.copy_(state["trained"][name])
        self.optimiser.load_state_dict(state["optimiser"])
