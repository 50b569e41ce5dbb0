"""The cleaner pivot: stage 1 learns the person before the prior does.

The prior begins at the cleaned face and the guide sees nothing else, so what the cleaner takes from a face no later
stage can give back: a cleaner that knows a thousand people alike draws the mean of all who fit. Here it goes on with
its own training (see `engine.pretrain.train.cleaner_loss`) on damaged photos of the person, with generic faces beside
them. Neither arXiv 2312.17234 nor its release tunes it; what it is worth stands in this folder's README.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engine import degrade, images
from engine.prior.bundle import Prior
from engine.prior.device import autocast
from engine.tuning import adapters
from engine.tuning.adapters import Delta
from engine.tuning.losses import picture_errors
from engine.tuning.recipe import CleanerPivot
from engine.tuning.steps import Drawn, enable_checkpointing, named, of_network
from engine.tuning.views import face_shape, vary_with

Pixels = NDArray[np.float32]

PERSON, ANYBODY = 0, 1
"""Kinds of pictures: the person, and generic faces."""
FLOOR = 1e-5
"""Added to a squared error before its logarithm, as when the cleaner was trained."""


@dataclass(frozen=True)
class Faces:
    """What the cleaner pivot learns from, `(size, size, 3)` each, 0 to 1."""

    mine: Sequence[Pixels]
    """The person's references."""
    others: Sequence[Pixels]
    """Generic faces; none without `class_batch`."""
    drawn: Sequence[float]
    """How often each reference is drawn, in any unit."""


class CleanerStage:
    """The cleaner pivot under way; see `steps.Stage`."""

    name = "cleaner"
    title = "learning the face"

    def __init__(self, prior: Prior, pivot: CleanerPivot, faces: Faces, *, seed: int) -> None:
        """Begin; nothing of `prior` is changed.

        Raises:
            NoSuchPart: the pivot names layers that the cleaner does not have.
        """
        self.prior, self.pivot, self.faces, self.seed = prior, pivot, faces, seed
        self.cleaner = adapters.trainable(prior.cleaner, pivot)
        if pivot.checkpointing:
            enable_checkpointing(self.cleaner)
        self._chances = np.asarray(faces.drawn, np.float64) / np.sum(faces.drawn)
        self._shape = face_shape(prior.size)

    def draw(self, step: int, retry: int) -> Drawn:
        """See `steps.Stage.draw`. Pictures are `(N, 3, H, W)`, -1 to 1; `cleaned` are the damaged ones."""
        pivot, rng = self.pivot, np.random.default_rng([self.seed, 700, retry, step])
        good, bad, masks, kinds = list[Tensor](), list[Tensor](), list[Tensor](), list[int]()
        others = pivot.class_batch * pivot.accumulate if self.faces.others else 0
        for n in range(pivot.batch * pivot.accumulate + others):
            kind = PERSON if n < pivot.batch * pivot.accumulate else ANYBODY
            if kind == PERSON:
                face = self.faces.mine[int(rng.choice(len(self.faces.mine), p=self._chances))]
            else:
                face = self.faces.others[int(rng.integers(len(self.faces.others)))]
            target, mask = vary_with(face, self._shape, rng)
            good.append(images.to_tensor(target))
            bad.append(images.to_tensor(degrade.degrade(target, rng)))
            masks.append(torch.from_numpy(mask)[None, None])
            kinds.append(kind)
        device, count = self.prior.device, len(good)
        nothing = torch.zeros(count, dtype=torch.int64)
        whole, broken = torch.cat(good).to(device), torch.cat(bad).to(device)
        return Drawn(whole, broken, torch.cat(masks).to(device), nothing, nothing, torch.tensor(kinds), step)

    def losses(self, drawn: Drawn) -> Tensor:
        """See `steps.Stage.losses`: the logarithm of the squared error, so lightly damaged faces count as much."""
        with autocast(self.prior.device):
            made: Tensor = self.cleaner.train()(drawn.cleaned)
        share = torch.where(drawn.kind == PERSON, 1.0, self.pivot.class_weight).to(made.device)
        errors = picture_errors(made, drawn.target, drawn.mask, self.pivot.outside_weight)
        return share * errors.add(FLOOR).log()

    def groups(self) -> list[dict[str, Any]]:
        """See `steps.Stage.groups`."""
        return [{"params": list(self.parameters().values()), "share": 1.0}]

    def parameters(self) -> dict[str, nn.Parameter]:
        """See `steps.Stage.parameters`."""
        return {f"cleaner.{n}": p for n, p in adapters.trained_of(self.cleaner, self.prior.cleaner).items()}

    def variant(self) -> Prior:
        """See `steps.Stage.variant`."""
        return replace(self.prior, cleaner=self.cleaner.eval())

    def save_memory(self) -> bool:
        """See `steps.Stage.save_memory`."""
        return enable_checkpointing(self.cleaner)

    def delta(self) -> Delta:
        """See `steps.Stage.delta`."""
        return named("cleaner", adapters.delta_of(self.cleaner, self.prior.cleaner, self.pivot))

    def load(self, delta: Delta) -> None:
        """See `steps.Stage.load`."""
        adapters.load_delta(self.cleaner, self.prior.cleaner, of_network("cleaner", delta))
