"""What the two pivots have in common: the pictures of a step, and what the run asks of a pivot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from engine.prior.bundle import Prior
from engine.tuning.adapters import Delta
from engine.tuning.recipe import Pivot, PriorPivot
from engine.tuning.views import Views


@dataclass(frozen=True)
class Drawn:
    """All pictures of one step. It depends on seed and step alone, so a resumed run sees the same."""

    target: Tensor
    """`(N, C, h, w)`, latents of good faces."""
    cleaned: Tensor
    """Like `target`, of the damaged faces that were cleaned."""
    mask: Tensor
    """`(N, 1, h, w)`, 1 in the face."""
    noise: Tensor
    t: Tensor
    """`(N,)`, int64, on the device."""
    kind: Tensor
    """`(N,)`, int64: which phrase belongs to each picture; what the numbers mean, the pivot says."""
    step: int

    def __len__(self) -> int:
        """How many pictures."""
        return len(self.target)

    def part(self, rows: slice) -> Drawn:
        """Give some of the pictures."""
        target, cleaned, mask = self.target[rows], self.cleaned[rows], self.mask[rows]
        return Drawn(target, cleaned, mask, self.noise[rows], self.t[rows], self.kind[rows], self.step)


class Stage(Protocol):
    """One pivot under way."""

    name: str
    """`text` or `guide`: the part of the tuned model that it makes."""
    title: str
    """What the report calls it."""

    @property
    def pivot(self) -> Pivot:
        """How."""
        ...

    def draw(self, step: int, retry: int) -> Drawn:
        """Draw the pictures of a step; another `retry` draws others."""
        ...

    def losses(self, drawn: Drawn) -> Tensor:
        """Give the weighted loss of each picture, `(N,)`, with gradients."""
        ...

    def groups(self) -> list[dict[str, Any]]:
        """Give the parameters that are trained, in groups with their `share` of the rate."""
        ...

    def parameters(self) -> dict[str, nn.Parameter]:
        """Give the parameters that are trained, by name."""
        ...

    def variant(self) -> Prior:
        """Give the prior as it is now, for restoring."""
        ...

    def save_memory(self) -> bool:
        """Compute activations again instead of keeping them, from now on; False where that cannot be done."""
        ...

    def delta(self) -> Delta:
        """Give what is stored of it, names beginning with the network's."""
        ...

    def load(self, delta: Delta) -> None:
        """Go on from a stored delta."""
        ...


def generator(seed: int, step: int, retry: int) -> torch.Generator:
    """Give the source of everything random in a step."""
    return torch.Generator().manual_seed((seed + 7919 * retry) * 1_000_003 + step)


def drawn_from(
    views: Sequence[Views],
    picks: Sequence[Tensor],
    pivot: PriorPivot,
    draw: torch.Generator,
    *,
    kind: Tensor,
    step: int,
) -> Drawn:
    """Put the picked views of several sets together, with their noise and its levels.

    Args:
        views: sets of views.
        picks: of each set, which; int64.
        pivot: up to which level.
        draw: source of levels and noise.
        kind: `(N,)`, see `Drawn.kind`.
        step: of the pivot.
    """
    pairs = [(v, p) for v, p in zip(views, picks, strict=True) if len(p)]
    target = torch.cat([v.good[p] for v, p in pairs])
    cleaned = torch.cat([v.cleaned[p] for v, p in pairs])
    mask = torch.cat([v.mask[p] for v, p in pairs])
    t = (torch.rand(len(target), generator=draw) * pivot.top_level * 1000).long()
    noise = torch.randn(target.shape, generator=draw).to(target)
    return Drawn(target, cleaned, mask, noise, t.to(target.device), kind, step)


LARGE = 300_000_000
"""Numbers of a denoiser from which memory counts more than time: activations are always computed again, and pictures
one at a time, so that Stable Diffusion's can be tuned within 8 GB. The steps are the same either way."""


def is_large(prior: Prior) -> bool:
    """Say whether a prior is so large that its tuning saves memory from the first step on."""
    return sum(weight.numel() for weight in prior.denoiser.parameters()) >= LARGE


def enable_checkpointing(network: nn.Module) -> bool:
    """Let a diffusers network compute activations again instead of keeping them; False where it cannot."""
    if getattr(network, "_supports_gradient_checkpointing", False):
        whole: Any = network
        whole.enable_gradient_checkpointing()
        return True
    return False


def named(prefix: str, delta: Delta) -> Delta:
    """Give a delta with the network's name before each of its own."""
    return {f"{prefix}.{name}": tensor for name, tensor in delta.items()}


def of_network(prefix: str, delta: Delta) -> Delta:
    """Give the part of a delta that belongs to a network."""
    return {name.removeprefix(f"{prefix}."): t for name, t in delta.items() if name.startswith(f"{prefix}.")}
