"""What a step is judged by: the prior's error, weighted by noise level and by place, whatever the prior predicts."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from engine.prior.bundle import Prior
from engine.tuning.recipe import PriorPivot


def target_of(prior: Prior, levels: Any, clean: Tensor, noise: Tensor, t: Tensor) -> Tensor:
    """Give what the prior should predict, in its own prediction type.

    Args:
        prior: whose schedule says which type.
        levels: of `engine.prior.sample.noising`.
        clean: `(N, C, h, w)`, latents.
        noise: like `clean`, unit normal.
        t: `(N,)`, int64, 0 to 999.
    """
    kind = prior.schedule["prediction_type"]
    if kind == "sample":
        return clean
    if kind == "epsilon":
        return noise
    alpha_bar = alpha_bar_at(levels, t, clean)
    return alpha_bar.sqrt() * noise - (1 - alpha_bar).sqrt() * clean


def clean_of(prior: Prior, levels: Any, made: Tensor, noisy: Tensor, t: Tensor) -> Tensor:
    """Give the clean latents that a prediction means; arguments as in `target_of`, `noisy` at level `t`."""
    kind = prior.schedule["prediction_type"]
    if kind == "sample":
        return made
    alpha_bar = alpha_bar_at(levels, t, made)
    if kind == "epsilon":
        return (noisy - (1 - alpha_bar).sqrt() * made) / alpha_bar.sqrt().clamp_min(1e-4)
    return alpha_bar.sqrt() * noisy - (1 - alpha_bar).sqrt() * made


def alpha_bar_at(levels: Any, t: Tensor, like: Tensor) -> Tensor:
    """Give the share of the clean picture's variance at each level, `(N, 1, 1, 1)`."""
    return levels.alphas_cumprod[t.cpu()].to(like.device, torch.float32).view(-1, 1, 1, 1)


def level_weights(prior: Prior, levels: Any, t: Tensor, pivot: PriorPivot) -> Tensor:
    """Give the weight of each picture's error by its noise level, `(N,)`.

    `prior` weights as the prior was trained: the pocket prior by the square root of the signal-to-noise ratio held
    between 0.1 and 5, others not at all. `min-snr` counts the ratio up to gamma in terms of the clean picture (arXiv
    2303.09556, section 3.4), whatever is predicted. Where latents are pixels times a scaling, the error counts in
    pixels, so that a limit on gradients means the same for every scaling.
    """
    alpha_bar = levels.alphas_cumprod[t.cpu()]
    ratio = (alpha_bar / (1 - alpha_bar)).float()
    kind = prior.schedule["prediction_type"]
    if pivot.weighting == "prior":
        weight = ratio.clamp(0.1, 5).sqrt() if kind == "sample" else torch.ones_like(ratio)
    else:
        over = {"sample": torch.ones_like(ratio), "epsilon": ratio}.get(kind, ratio + 1)
        weight = ratio.clamp(max=pivot.snr_gamma) / over.clamp_min(1e-8)
    return weight.to(t.device) / prior.autoencoder.scaling**2


def picture_errors(made: Tensor, target: Tensor, mask: Tensor, outside: float) -> Tensor:
    """Give the mean squared error of each picture, `(N,)`.

    Args:
        made: `(N, C, h, w)`.
        target: like `made`.
        mask: `(N, 1, h, w)`, 0 to 1, 1 in the face.
        outside: weight where the mask is 0; where it is 1 it is 1. The mean weight is 1, whatever `outside` is.
    """
    error = (made.float() - target.float()) ** 2
    if outside < 1:
        weight = outside + (1 - outside) * mask.to(error)
        error = error * (weight / weight.mean(dim=(1, 2, 3), keepdim=True).clamp_min(1e-6))
    return error.mean(dim=(1, 2, 3))


def predict_without_guide(prior: Prior, noisy: Tensor, t: Tensor, text: Tensor, latents: Tensor) -> Tensor:
    """Run the denoiser alone, as in plain DreamBooth: nothing of a damaged face reaches it.

    A prior that says what to add to a cleaned picture still adds it to that one: that is the form of its answer, and
    its denoiser was trained so where the guide was dropped.

    Args:
        prior: whose denoiser.
        noisy: `(N, C, h, w)`, latents at level `t`.
        t: `(N,)`, int64.
        text: `(N, tokens, width)`.
        latents: like `noisy`, the cleaned faces.
    """
    made: Tensor = prior.denoiser(noisy, t, text, return_dict=False)[0]
    return made + latents if prior.from_condition else made
