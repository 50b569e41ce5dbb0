"""The guide pivot: the guide learns to steer a personalized prior, which stays as it is.

Generic faces are damaged and restored with the personalized prior in the loop; the guide's own text is empty, and no
picture of the person is used (arXiv 2312.17234, step 2 of the method figure). The release differs: it shows the
person's own photos and trains a part of the guide; the recipe `paper-release` does that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from engine.prior.bundle import Condition, Prior, predict
from engine.prior.device import autocast
from engine.prior.sample import noising
from engine.tuning import adapters
from engine.tuning.adapters import Delta
from engine.tuning.losses import level_weights, picture_errors, target_of
from engine.tuning.recipe import GuidePivot
from engine.tuning.steps import Drawn, drawn_from, enable_checkpointing, generator, is_large, named, of_network
from engine.tuning.views import Views


@dataclass(frozen=True)
class Personalized:
    """A prior that was tuned to a person, and the phrase that it was tuned round."""

    prior: Prior
    prompt: str


def _sparing(known: Personalized) -> Personalized:
    """Give a large prior whose denoiser keeps no activations: the guide's gradient comes through all of its decoder."""
    if not is_large(known.prior):
        return known
    denoiser = adapters.shared_copy(known.prior.denoiser)
    enable_checkpointing(denoiser)
    return replace(known, prior=replace(known.prior, denoiser=denoiser))


class GuideStage:
    """The guide pivot under way; see `steps.Stage`."""

    name = "guide"
    title = "steadying the guide"

    def __init__(
        self,
        priors: Sequence[Personalized],
        pivot: GuidePivot,
        views: Views,
        *,
        seed: int,
        base: nn.Module | None = None,
    ) -> None:
        """Begin with the guide that the priors share; nothing of them is changed.

        Args:
            priors: one, or several of which each picture gets one by chance, so that the guide learns to steer any.
            pivot: how.
            views: of the faces to learn from.
            seed: draws all of it.
            base: the guide to begin from; the first prior's unless given.

        Raises:
            NoSuchPart: the pivot names layers that the guide does not have.
        """
        self.priors, self.pivot, self.views, self.seed = list(map(_sparing, priors)), pivot, views, seed + 500
        self.base = base or priors[0].prior.guide
        self.guide = adapters.trainable(self.base, pivot)
        if pivot.checkpointing or is_large(priors[0].prior):
            enable_checkpointing(self.guide)
        self._levels = noising(priors[0].prior)
        with torch.no_grad():
            self._encoded = [known.prior.text.encode([known.prompt, ""]) for known in priors]

    def draw(self, step: int, retry: int) -> Drawn:
        """See `steps.Stage.draw`. A kind is twice the number of the prior, and one more where it reads no phrase."""
        pivot, draw = self.pivot, generator(self.seed, step, retry)
        count = pivot.batch * pivot.accumulate
        pick = torch.randint(len(self.views.good), (count,), generator=draw)
        whose = torch.randint(len(self.priors), (count,), generator=draw)
        silent = (torch.rand(count, generator=draw) >= pivot.phrase_share).long()
        return drawn_from([self.views], [pick], pivot, draw, kind=2 * whose + silent, step=step)

    def losses(self, drawn: Drawn) -> Tensor:
        """See `steps.Stage.losses`."""
        out = torch.zeros(len(drawn), device=drawn.target.device)
        for whose in sorted(set((drawn.kind // 2).tolist())):
            rows = ((drawn.kind // 2) == whose).nonzero().flatten()
            out = out.index_put((rows.to(out.device),), self._losses_with(whose, drawn, rows))
        return out

    def _losses_with(self, whose: int, drawn: Drawn, rows: Tensor) -> Tensor:
        """Give the losses of the pictures that one personalized prior gets."""
        prior, encoded = self.priors[whose].prior, self._encoded[whose]
        clean, cleaned, noise, t = drawn.target[rows], drawn.cleaned[rows], drawn.noise[rows], drawn.t[rows]
        noisy = self._levels.add_noise(clean, noise, t)
        text, empty = encoded[drawn.kind[rows] % 2], encoded[1:2].expand(len(rows), -1, -1)
        tuned = replace(prior, guide=self.guide.train())
        with autocast(prior.device):
            made = predict(tuned, noisy, t, Condition(cleaned, text, empty))
        target = target_of(prior, self._levels, clean, noise, t)
        weight = level_weights(prior, self._levels, t, self.pivot)
        return weight * picture_errors(made, target, drawn.mask[rows], self.pivot.outside_weight)

    def charted(self, loss: float) -> float:
        """See `steps.Stage.charted`."""
        return loss

    def groups(self) -> list[dict[str, Any]]:
        """See `steps.Stage.groups`."""
        return [{"params": list(self.parameters().values()), "share": 1.0}]

    def parameters(self) -> dict[str, nn.Parameter]:
        """See `steps.Stage.parameters`."""
        return {f"guide.{n}": p for n, p in adapters.trained_of(self.guide, self.base).items()}

    def variant(self) -> Prior:
        """See `steps.Stage.variant`; of the first prior."""
        return replace(self.priors[0].prior, guide=self.guide.eval())

    def save_memory(self) -> bool:
        """See `steps.Stage.save_memory`."""
        return enable_checkpointing(self.guide)

    def delta(self) -> Delta:
        """See `steps.Stage.delta`."""
        return named("guide", adapters.delta_of(self.guide, self.base, self.pivot))

    def load(self, delta: Delta) -> None:
        """See `steps.Stage.load`."""
        adapters.load_delta(self.guide, self.base, of_network("guide", delta))
