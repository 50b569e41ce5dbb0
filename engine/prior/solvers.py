"""Two samplers that diffusers does not have as DiffBIR has them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from diffusers import DPMSolverMultistepScheduler
from torch import Tensor

from engine.prior.pull import to_clean


class Spaced:
    """Ancestral sampling over levels spread from the first to the last one, both included.

    Source: arXiv 2102.09672, as in DiffBIR@3f8b530 sampler/spaced_sampler.py. diffusers' DDPMScheduler takes the same
    steps, but neither the noise of a step from outside nor what a pull adds to its mean.
    """

    def __init__(self, alphas_cumprod: Tensor, prediction_type: str) -> None:
        self.alphas_cumprod = alphas_cumprod
        self.config = SimpleNamespace(prediction_type=prediction_type)
        self.timesteps = torch.arange(0)

    def set_timesteps(self, count: int) -> None:
        """Spread so many steps over the levels; one step is the first level, as there."""
        last = len(self.alphas_cumprod) - 1
        spread = last / (count - 1) if count > 1 else 1.0
        # Rounded half to even, as Python does and the official code with it.
        self.timesteps = torch.tensor([round(n * spread) for n in range(count)][::-1])

    def set_begin_index(self, index: int) -> None:
        """Do nothing: a step is told its level."""

    def add_noise(self, clean: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """Noise latents to a level."""
        kept = self.alphas_cumprod[t].view(-1, *([1] * (clean.ndim - 1))).float()
        return kept.sqrt() * clean + (1 - kept).sqrt() * noise

    def _around(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """Give the signal at a level and at the next one below."""
        below = self.timesteps[self.timesteps < t]
        before = self.alphas_cumprod[below.max()] if len(below) else torch.ones_like(self.alphas_cumprod[0])
        return self.alphas_cumprod[t], before

    def share_of_clean(self, t: Tensor) -> float:
        """Give what of a step's mean is the predicted clean picture."""
        kept, before = self._around(t)
        return float((1 - kept / before) * before.sqrt() / (1 - kept))

    def step(
        self,
        made: Tensor,
        t: Tensor,
        x: Tensor,
        *,
        variance_noise: Tensor,
        moved: Tensor | None = None,
        return_dict: bool = False,
    ) -> tuple[Tensor]:
        """Take one step: mean and spread of the posterior (arXiv 2006.11239, equations 6 and 7)."""
        del return_dict
        kept, before = self._around(t)
        clean = to_clean(made, x, kept.float(), self.config.prediction_type)
        ratio = kept / before
        of_x = ratio.sqrt() * (1 - before) / (1 - kept)
        mean = self.share_of_clean(t) * clean + float(of_x) * x
        spread = float(((1 - before) / (1 - kept) * (1 - ratio)).sqrt())
        return (mean + (0 if moved is None else moved) + spread * variance_noise,)


class ThirdOrder(DPMSolverMultistepScheduler):
    """DPM-Solver++ with the third order of its SDE form put right.

    diffusers 0.42 adds the second difference with a factor that is lower by 1 than what the integral gives
    (arXiv 2211.01095, and k-diffusion's `sample_dpmpp_3m_sde`).
    """

    def multistep_dpm_solver_third_order_update(self, model_output_list: Any, *args: Any, **named: Any) -> Tensor:
        """Take a step from the last three predictions."""
        sample: Tensor = named["sample"]
        noise: Tensor = named["noise"]
        index: Any = self.step_index
        sigmas: Any = self.sigmas
        pairs = [self._sigma_to_alpha_sigma_t(sigmas[index + n]) for n in (1, 0, -1, -2)]
        alpha, spread = pairs[0]
        depth = [torch.log(a) - torch.log(s) for a, s in pairs]
        h, h_0, h_1 = depth[0] - depth[1], depth[1] - depth[2], depth[2] - depth[3]
        newest, older, oldest = model_output_list[-1], model_output_list[-2], model_output_list[-3]
        slope, slope_before = (newest - older) * h / h_0, (older - oldest) * h / h_1
        bend = (slope - slope_before) * h / (h_0 + h_1)
        slope = slope + bend * h_0 / h
        second = torch.expm1(-2 * h) / (2 * h) + 1
        third = second / (2 * h) - 0.5
        return (
            spread / pairs[1][1] * torch.exp(-h) * sample
            - alpha * torch.expm1(-2 * h) * newest
            + alpha * second * slope
            - alpha * third * bend
            + spread * torch.sqrt(-torch.expm1(-2 * h)) * noise
        )
