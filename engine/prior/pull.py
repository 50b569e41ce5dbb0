"""Restoration guidance: what is predicted at a step is drawn towards the cleaned face. See `Pull`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from engine.prior.bundle import Condition, Prior
from engine.prior.settings import BadSampling, Pull

V2_TIMES = 3000
"""How many times as strong version 2 counts a scale."""
SHARE_OF_MEAN = 0.5
"""Version 1 leaves the step's mean as it was and adds this much of what the prediction moved by."""


@dataclass(frozen=True)
class Pulled:
    """What a pull makes of a step; both like the latents."""

    prediction: Tensor
    """In the prior's own prediction type, for any sampler: the pulled clean picture, said in it."""
    moved: Tensor
    """What the spaced sampler's mean is to move by beyond what the prediction says."""


def pull(prior: Prior, how: Pull, steps: Any, at: tuple[Tensor, Tensor, Tensor], condition: Condition) -> Pulled:
    """Draw a prediction to the cleaned face.

    Args:
        prior: whose autoencoder, where pixels are compared.
        how: convention and strength.
        steps: the sampler's scheduler.
        at: prediction, level and latents of the step.
        condition: with the cleaned face.

    Raises:
        BadSampling: pixels are to be compared and the condition has none.
    """
    made, t, x = at
    kept = signal(steps, t, x)
    clean = to_clean(made, x, kept, steps.config.prediction_type)
    still = torch.zeros_like(clean)
    if not how.end < int(t) + 1 < how.begin:
        return Pulled(made, still)
    first = clean
    again = 1.0
    if how.convention == "v2" and hasattr(steps, "share_of_clean"):
        again = 1 / steps.share_of_clean(t)  # so that the mean moves by the gradient itself, whatever the level
    strength = how.scale * (V2_TIMES if how.convention == "v2" else 1)
    for _ in range(how.repeat):
        clean = clean + strength * again * _downhill(prior, how, clean, condition)
    if how.convention == "v1" and hasattr(steps, "share_of_clean"):
        return Pulled(made, SHARE_OF_MEAN * (clean - first))
    return Pulled(from_clean(clean, x, kept, steps.config.prediction_type), still)


def _downhill(prior: Prior, how: Pull, clean: Tensor, condition: Condition) -> Tensor:
    """Give the direction in which the mean squared difference to the cleaned face falls."""
    if not how.pixels:
        target = condition.latents if condition.start is None else condition.start
        return -2 * (clean - target.float()) / clean[0].numel()
    if condition.pixels is None:
        raise BadSampling("A pull on pixels needs the cleaned face. Compare latents instead.")
    target = condition.pixels.float()
    # What inference mode made cannot be differentiated; a copy made outside of it can.
    with torch.inference_mode(False), torch.enable_grad():
        start = clean.clone().requires_grad_(True)
        seen = prior.autoencoder.decode(start.to(prior.dtype)).float()
        away = -2 * (seen.detach() - target.clone()) / target[0].numel()
        if how.flat_only:
            away = away * flatness(target.clone())
        (gradient,) = torch.autograd.grad(seen, start, away)
    return gradient


def flatness(pixels: Tensor) -> Tensor:
    """Give how flat a picture is, `(N, 1, H, W)`, 0 at edges to 1: Sobel's magnitude over 2 x 2 px, brought to a range.

    Args:
        pixels: `(N, 3, H, W)`, -1 to 1; H and W even.

    Source: DiffBIR@3f8b530 utils/cond_fn.py.
    """
    grey = ((pixels + 1) / 2 * pixels.new_tensor([0.2989, 0.5870, 0.1140]).view(1, 3, 1, 1)).sum(1, keepdim=True)
    across = grey.new_tensor([[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]])
    both = torch.stack([across, across.T])[:, None]
    slope = nn.functional.conv2d(nn.functional.pad(grey, (1, 1, 1, 1), mode="replicate"), both)
    steep = slope.pow(2).sum(1, keepdim=True).sqrt()
    blocks = nn.functional.avg_pool2d(steep, 2) * 4
    return 1 - nn.functional.interpolate(blocks.tanh(), scale_factor=2, mode="nearest")


def signal(steps: Any, t: Tensor, x: Tensor) -> Tensor:
    """Give the share of the signal at a level, squared: alpha-bar."""
    return steps.alphas_cumprod[int(t)].to(x.device, torch.float32)


def to_clean(made: Tensor, x: Tensor, kept: Tensor, kind: str) -> Tensor:
    """Give the clean picture that a prediction means."""
    if kind == "sample":
        return made
    if kind == "v_prediction":
        return kept.sqrt() * x - (1 - kept).sqrt() * made
    return (x - (1 - kept).sqrt() * made) / kept.sqrt()


def from_clean(clean: Tensor, x: Tensor, kept: Tensor, kind: str) -> Tensor:
    """Give the prediction that means a clean picture; the other way round."""
    if kind == "sample":
        return clean
    noise = (x - kept.sqrt() * clean) / (1 - kept).sqrt()
    return kept.sqrt() * noise - (1 - kept).sqrt() * clean if kind == "v_prediction" else noise
