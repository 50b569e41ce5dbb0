"""Samplers with one face: from a noised clean start down to a picture, by diffusers' schedulers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from engine.prior.bundle import Condition, Prior, predict
from engine.prior.settings import BadSampling, Sampling, check
from engine.progress import Tick, silent


def noising(prior: Prior) -> Any:
    """Build the diffusers scheduler that only adds noise: `add_noise` and `alphas_cumprod` over all 1000 levels."""
    from diffusers import DDPMScheduler

    return DDPMScheduler(**prior.schedule)


def scheduler(prior: Prior, name: str) -> Any:
    """Build the diffusers scheduler of a sampler over the prior's own noise schedule.

    DDIM is the first-order DPM-Solver++ (arXiv 2211.01095, section 4), and the ancestral sampling of DDPM over spaced
    levels is the first order of its SDE form. diffusers' own DDIMScheduler takes 1000 // steps as the distance of two
    steps, which ends above the last level when steps do not divide 1000 and leaves noise.
    """
    from diffusers import DPMSolverMultistepScheduler, UniPCMultistepScheduler

    if name == "unipc":
        # Its corrector would use the prediction of a level that the picture has left; order 2 is its authors' choice
        # for guided sampling.
        return UniPCMultistepScheduler(
            **prior.schedule, timestep_spacing="trailing", solver_order=2, predict_x0=True, solver_type="bh2"
        )
    return DPMSolverMultistepScheduler(
        **prior.schedule,
        timestep_spacing="trailing",
        algorithm_type="sde-dpmsolver++" if name == "ddpm" else "dpmsolver++",
        solver_order=2 if name == "dpmpp-2m" else 1,
    )


def noise_like(latents: Tensor, seed: int) -> Tensor:
    """Draw the noise of a seed: on the CPU in float32, then cast, so that a seed means one picture on every device.

    Each picture of the batch gets the same noise, so a picture does not depend on what it is restored beside.
    """
    generator = torch.Generator("cpu").manual_seed(seed)
    one = torch.randn(latents.shape[1:], generator=generator, dtype=torch.float32)
    return one.expand(latents.shape).to(latents)


@torch.no_grad()
def sample(
    prior: Prior, condition: Condition, sampling: Sampling, *, seed: int, start_from: Tensor, tick: Tick = silent
) -> Tensor:
    """Sample latents.

    Args:
        prior: whose networks and schedule.
        condition: what steers every step.
        sampling: sampler, steps and start level.
        seed: of the noise.
        start_from: `(N, C, h, w)`, the clean start that is noised to the start level.
        tick: called after each step with steps done and all steps.

    Returns:
        Latents like `start_from`; the very same for a start of 0.

    Raises:
        BadSampling: a setting outside its range, or a start that nobody has decided.
        Cancelled: from the tick.
    """
    check(sampling)
    if sampling.start is None:
        raise BadSampling("The start level is left to the damage of a face, and here is none. Choose 0 to 1.")
    if sampling.start == 0:
        tick(sampling.steps, sampling.steps)
        return start_from
    steps = scheduler(prior, sampling.sampler)
    whole = max(sampling.steps, round(sampling.steps / sampling.start))
    steps.set_timesteps(whole)
    times = steps.timesteps[whole - sampling.steps :]
    steps.set_begin_index(whole - sampling.steps)
    x = steps.add_noise(start_from.float().cpu(), noise_like(start_from, seed).float().cpu(), times[:1])
    x = x.to(start_from)
    # Another stream than the first noise, so that a sampler which adds noise does not add the same again.
    added = {"generator": torch.Generator("cpu").manual_seed(seed + 1)} if sampling.sampler == "ddpm" else {}
    for done, t in enumerate(times):
        made = predict(prior, x, t.to(x.device), condition)
        x = steps.step(made.float(), t, x.float(), return_dict=False, **added)[0].to(start_from)
        tick(done + 1, sampling.steps)
    return x
