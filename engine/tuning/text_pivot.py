"""The text pivot: the prior is tuned round the person's phrase.

In context (arXiv 2312.17234, step 1 of the method figure) the guide is in the loop, frozen, and is fed damaged photos
of the person; out of context (what the release does) it is plain DreamBooth (arXiv 2208.12242), without the guide.
Prior preservation: generic faces under the class phrase keep what the prior knows of everybody else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from engine.people import Person
from engine.prior.bundle import Condition, Prior, predict
from engine.prior.device import autocast
from engine.prior.sample import noising
from engine.tuning import adapters
from engine.tuning.adapters import Delta, NoSuchPart
from engine.tuning.identity_loss import IdentityLoss
from engine.tuning.losses import (
    alpha_bar_at,
    clean_of,
    level_weights,
    picture_errors,
    predict_without_guide,
    target_of,
)
from engine.tuning.recipe import TextPivot
from engine.tuning.steps import Drawn, drawn_from, enable_checkpointing, generator, is_large, named, of_network
from engine.tuning.views import Views

PERSON, ANYBODY = 0, 1
"""Kinds of pictures: the person under their phrase, and generic faces under the class phrase."""


@dataclass(frozen=True)
class Shown:
    """What the text pivot learns from."""

    mine: Views
    """Of the person's references."""
    others: Views | None
    """Of generic faces; None without prior preservation."""
    drawn: Sequence[float]
    """How often each reference is drawn, in any unit."""
    identity: IdentityLoss | None = None


class TextStage:
    """The text pivot under way; see `steps.Stage`."""

    name = "text"
    title = "personalizing"

    def __init__(self, prior: Prior, person: Person, pivot: TextPivot, shown: Shown, *, seed: int) -> None:
        """Begin; nothing of `prior` is changed.

        Raises:
            NoSuchPart: the pivot names layers that the prior does not have, or its text encoder cannot be trained.
        """
        self.prior, self.person, self.pivot, self.shown, self.seed = prior, person, pivot, shown, seed
        self._levels = noising(prior)
        self.denoiser = adapters.trainable(prior.denoiser, pivot)
        self.text: Any = self._trained_text()
        if pivot.checkpointing or is_large(prior):
            enable_checkpointing(self.denoiser)
        self._prompts = [person.prompt, person.class_prompt, ""]
        with torch.no_grad():
            self._encoded = prior.text.encode(self._prompts)
        chances = torch.tensor(shown.drawn, dtype=torch.float64)
        self._even = bool((chances == chances[0]).all())
        self._chances = chances[shown.mine.which]

    def _trained_text(self) -> Any:
        """Give the text encoder, or a copy of it of which a part is trained."""
        wanted, text = self.pivot.text_encoder, self.prior.text
        if wanted == "frozen":
            return text
        if not isinstance(text, nn.Module):
            raise NoSuchPart(
                f"The text encoder of {self.prior.name} cannot be trained. Choose text_encoder frozen in the recipe."
            )
        if wanted == "lora":
            return adapters.with_text_lora(text, self.pivot)
        self._rows = adapters.token_rows(text, self.person.prompt, self.person.class_prompt)
        made = adapters.shared_copy(text)
        name = adapters.embedding_name(made)
        table = nn.Parameter(made.get_parameter(name).detach().clone())
        only = torch.zeros(len(table), 1, device=table.device)
        only[self._rows] = 1

        def of_the_token(gradient: Tensor) -> Tensor:
            return gradient * only

        table.register_hook(of_the_token)
        adapters.set_weight(made, name, table)
        return made

    def draw(self, step: int, retry: int) -> Drawn:
        """See `steps.Stage.draw`."""
        pivot, draw = self.pivot, generator(self.seed, step, retry)
        mine, others = self.shown.mine, self.shown.others
        count = pivot.batch * pivot.accumulate
        if self._even:
            pick = torch.randint(len(mine.good), (count,), generator=draw)
        else:
            pick = torch.multinomial(self._chances, count, replacement=True, generator=draw)
        views, picks = [mine], [pick]
        if others is not None:
            views.append(others)
            picks.append(torch.randint(len(others.good), (pivot.class_batch * pivot.accumulate,), generator=draw))
        kind = torch.cat([torch.full((len(p),), n) for n, p in enumerate(picks)])
        return drawn_from(views, picks, pivot, draw, kind=kind, step=step)

    def losses(self, drawn: Drawn) -> Tensor:
        """See `steps.Stage.losses`."""
        pivot, n = self.pivot, len(drawn)
        noisy = self._levels.add_noise(drawn.target, drawn.noise, drawn.t)
        target = target_of(self.prior, self._levels, drawn.target, drawn.noise, drawn.t)
        with autocast(self.prior.device):
            encoded = self._encoded if pivot.text_encoder == "frozen" else self.text.encode(self._prompts)
            text = encoded[drawn.kind]
            tuned = replace(self.prior, denoiser=self.denoiser.train())
            if pivot.context == "out":
                made = predict_without_guide(tuned, noisy, drawn.t, text, drawn.cleaned)
            else:
                empty = encoded[2:3].detach().expand(n, -1, -1)
                made = predict(tuned, noisy, drawn.t, Condition(drawn.cleaned, text, empty))
        weight = level_weights(self.prior, self._levels, drawn.t, pivot)
        share = torch.where(drawn.kind == PERSON, 1.0, pivot.class_weight).to(weight)
        losses = share * weight * picture_errors(made, target, drawn.mask, pivot.outside_weight)
        if self.shown.identity is not None and drawn.step % pivot.identity_every == 0:
            losses = losses + self._identity(drawn, made.float(), noisy.float())
        return losses

    def _identity(self, drawn: Drawn, made: Tensor, noisy: Tensor) -> Tensor:
        """Give the identity loss of each picture: 0 for generic faces and above the pivot's level."""
        assert self.shown.identity is not None
        chosen = (drawn.kind.to(drawn.t.device) == PERSON) & (drawn.t < self.pivot.identity_level * 1000)
        out = torch.zeros(len(drawn), device=made.device)
        rows = chosen.nonzero().flatten()
        if not len(rows):
            return out
        clean = clean_of(self.prior, self._levels, made[rows], noisy[rows], drawn.t[rows])
        away = self.shown.identity.distances(self.prior.autoencoder.decode(clean))
        share = alpha_bar_at(self._levels, drawn.t[rows], made).sqrt().flatten()
        return out.index_put((rows,), self.pivot.identity_weight * share * away)

    def charted(self, loss: float) -> float:
        """See `steps.Stage.charted`."""
        return loss

    def groups(self) -> list[dict[str, Any]]:
        """See `steps.Stage.groups`."""
        made = [{"params": list(adapters.trained_of(self.denoiser, self.prior.denoiser).values()), "share": 1.0}]
        if self.pivot.text_encoder != "frozen":
            own = list(adapters.trained_of(self.text, self._base_text).values())
            # A learned token must not shrink, nor the rows beside it.
            decay = {"weight_decay": 0.0} if self.pivot.text_encoder == "token" else {}
            made.append({"params": own, "share": self.pivot.text_rate, **decay})
        return made

    @property
    def _base_text(self) -> nn.Module:
        assert isinstance(self.prior.text, nn.Module)
        return self.prior.text

    def parameters(self) -> dict[str, nn.Parameter]:
        """See `steps.Stage.parameters`."""
        made = {f"denoiser.{n}": p for n, p in adapters.trained_of(self.denoiser, self.prior.denoiser).items()}
        if self.pivot.text_encoder != "frozen":
            made.update({f"text.{n}": p for n, p in adapters.trained_of(self.text, self._base_text).items()})
        return made

    def variant(self) -> Prior:
        """See `steps.Stage.variant`."""
        return replace(self.prior, denoiser=self.denoiser.eval(), text=self.text)

    def save_memory(self) -> bool:
        """See `steps.Stage.save_memory`."""
        return enable_checkpointing(self.denoiser)

    def delta(self) -> Delta:
        """See `steps.Stage.delta`."""
        made = named("denoiser", adapters.delta_of(self.denoiser, self.prior.denoiser, self.pivot))
        if self.pivot.text_encoder == "lora":
            made.update(named("text", adapters.delta_of(self.text, self._base_text, self.pivot)))
        elif self.pivot.text_encoder == "token":
            name = adapters.embedding_name(self.text)
            table = self.text.get_parameter(name).detach() - self._base_text.get_parameter(name)
            made[f"text.{name}.rows"] = table[self._rows].float().cpu()
            made[f"text.{name}.rows_at"] = torch.tensor(self._rows)
        return made

    def load(self, delta: Delta) -> None:
        """See `steps.Stage.load`."""
        adapters.load_delta(self.denoiser, self.prior.denoiser, of_network("denoiser", delta))
        held = of_network("text", delta)
        if self.pivot.text_encoder == "lora":
            adapters.load_delta(self.text, self._base_text, held)
        elif self.pivot.text_encoder == "token":
            name = adapters.embedding_name(self.text)
            with torch.no_grad():
                table = self.text.get_parameter(name)
                table[held[f"{name}.rows_at"].to(table.device)] += held[f"{name}.rows"].to(table)
