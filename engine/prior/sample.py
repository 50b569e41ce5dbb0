"""Samplers with one face: from a noised clean start down to a picture, by diffusers' schedulers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine.prior.bundle import Condition, Prior
from engine.prior.pull import pull, signal, to_clean
from engine.prior.settings import BadSampling, Sampling, check
from engine.prior.tiles import predict_in_tiles
from engine.progress import Look, Tick, silent


def noising(prior: Prior) -> Any:
    """Build the diffusers scheduler that only adds noise: `add_noise` and `alphas_cumprod` over all 1000 levels."""
    from diffusers import DDPMScheduler

    return DDPMScheduler(**prior.schedule)


def scheduler(prior: Prior, name: str) -> Any:
    """Build the diffusers scheduler of a sampler over the prior's own noise schedule.

    DDIM is the first-order DPM-Solver++ (arXiv 2211.01095, section 4), and the ancestral sampling of DDPM over spaced
    levels is the first order of its SDE form; so are Euler's method and its ancestral form in the variables of EDM.
    diffusers' own DDIMScheduler takes 1000 // steps as the distance of two steps, which ends above the last level when
    steps do not divide 1000 and leaves noise.
    """
    from diffusers import DPMSolverMultistepScheduler, UniPCMultistepScheduler

    from engine.prior.solvers import Spaced, ThirdOrder

    if name == "spaced":
        return Spaced(noising(prior).alphas_cumprod.double(), prior.schedule["prediction_type"])
    if name == "unipc":
        # Its corrector would use the prediction of a level that the picture has left; order 2 is its authors' choice
        # for guided sampling.
        return UniPCMultistepScheduler(
            **prior.schedule, timestep_spacing="trailing", solver_order=2, predict_x0=True, solver_type="bh2"
        )
    form = "sde-dpmsolver++" if name in ADDING_NOISE else "dpmsolver++"
    if name.startswith("edm-"):
        # DiffBIR's keep their order to the last step but one; the last gives the prediction as it is.
        order = {"edm-2m": 2, "edm-2m-sde": 2, "edm-3m-sde": 3}.get(name, 1)
        edm = ThirdOrder if order == 3 else DPMSolverMultistepScheduler
        return edm(
            **prior.schedule,
            algorithm_type=form,
            solver_order=order,
            solver_type="heun" if order == 3 else "midpoint",
            lower_order_final=False,
            euler_at_final=True,
        )
    return DPMSolverMultistepScheduler(
        **prior.schedule,
        timestep_spacing="trailing",
        algorithm_type=form,
        solver_order=2 if name == "dpmpp-2m" else 1,
    )


ADDING_NOISE = ("ddpm", "spaced", "edm-euler-a", "edm-2m-sde", "edm-3m-sde")
"""Samplers that add noise at each step."""

EDM_FIRST = 1e4
"""Noise over signal at the first of DiffBIR's EDM levels, whatever the schedule says (sampler/edm_sampler.py)."""


def set_steps(steps: Any, name: str, whole: int) -> None:
    """Set the levels of a whole sampling of so many steps."""
    if not name.startswith("edm-"):
        steps.set_timesteps(whole)
        if len(steps.timesteps) > whole:
            # For 62 of the numbers up to 1000, such as 61, the length of a step is rounded so that one more step, to a
            # level below the last, fits in.
            steps.timesteps = steps.timesteps[:whole]
            steps.sigmas = torch.cat([steps.sigmas[:whole], steps.sigmas[-1:]])
            steps.num_inference_steps = whole
        return
    levels = np.linspace(999, 0, whole, endpoint=False).astype(int)
    steps.set_timesteps(timesteps=levels.tolist())
    steps.sigmas[0] = EDM_FIRST


def noise_like(latents: Tensor, seed: int) -> Tensor:
    """Draw the noise of a seed: on the CPU in float32, then cast, so that a seed means one picture on every device.

    Each picture of the batch gets the same noise, so a picture does not depend on what it is restored beside.
    """
    generator = torch.Generator("cpu").manual_seed(seed)
    one = torch.randn(latents.shape[1:], generator=generator, dtype=torch.float32)
    return one.expand(latents.shape).to(latents)


def guidance_at(sampling: Sampling, guidance: float, t: int) -> float:
    """Give the text guidance of a level: one number, or DiffBIR's rise from 1 (sampler/sampler.py)."""
    if not sampling.rescale_guidance or guidance <= 1:
        return guidance
    return 1 + guidance * (1 - math.cos(math.pi * ((1000 - t) / 1000) ** 5)) / 2


Noise = Callable[[int], Tensor]
"""Gives a step's noise, like the latents; 0 is the noise of the start, 1 that of the first step."""


def _seeded(like: Tensor, seed: int) -> Noise:
    # Another stream than the first noise, so that a sampler which adds noise does not add the same again.
    stream = torch.Generator("cpu").manual_seed(seed + 1)
    return lambda step: (
        noise_like(like, seed) if step == 0 else torch.randn(like.shape, generator=stream, dtype=torch.float32)
    )


@torch.no_grad()
def sample(
    prior: Prior,
    condition: Condition,
    sampling: Sampling,
    *,
    seed: int,
    start_from: Tensor,
    tick: Tick = silent,
    noise: Noise | None = None,
    look: Look | None = None,
) -> Tensor:
    """Sample latents.

    Args:
        prior: whose networks and schedule.
        condition: what steers every step.
        sampling: sampler, steps and start level.
        seed: of the noise.
        start_from: `(N, C, h, w)`, the clean start that is noised to the start level.
        tick: called after each step with steps done and all steps.
        noise: in the place of the seed's.
        look: called after each step; its picture is the clean latents, like `start_from`, that the step expects.

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
    # Between a low start and nothing lie fewer levels than steps may be asked for, and no level is taken twice.
    levels = int(prior.schedule["num_train_timesteps"])
    count = min(sampling.steps, max(1, round(sampling.start * levels)))
    whole = min(levels, max(count, round(count / sampling.start)))
    set_steps(steps, sampling.sampler, whole)
    times = steps.timesteps[whole - count :]
    steps.set_begin_index(whole - count)
    noise = noise or _seeded(start_from, seed)
    first = noise(0).float().cpu()
    alone = sampling.start == 1 and sampling.start_point == "noise"
    x = first if alone else steps.add_noise(start_from.float().cpu(), first, times[:1])
    x = x.to(start_from.device, torch.float32)
    if sampling.noise_aug:
        level = torch.tensor([sampling.noise_aug])
        noised = noising(prior).add_noise(condition.latents.float().cpu(), noise(-1).float().cpu(), level)
        condition = replace(condition, latents=noised.to(condition.latents), start=condition.latents)
    for done, t in enumerate(times):
        now = replace(condition, guidance=guidance_at(sampling, condition.guidance, int(t)))
        made = predict_in_tiles(prior, x.to(start_from), t.to(x.device), now, sampling.tile).float()
        added: dict[str, Any] = {}
        if sampling.sampler in ADDING_NOISE:
            added = {"variance_noise": noise(done + 1).to(x.device, torch.float32)}
        if sampling.pull.convention != "none" and sampling.pull.scale:
            pulled = pull(prior, sampling.pull, steps, (made, t, x), condition)
            made = pulled.prediction
            added |= {"moved": pulled.moved} if sampling.sampler == "spaced" else {}
        if look is not None:
            at = made, x, signal(steps, t, x), steps.config.prediction_type
            look(done + 1, count, lambda at=at: to_clean(*at).to(start_from))
        x = steps.step(made, t, x, return_dict=False, **added)[0].float()
        tick(done + 1, count)
    return x.to(start_from)
