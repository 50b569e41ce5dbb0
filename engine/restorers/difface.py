"""DifFace: a cleaned face is noised a good way and drawn anew by a diffusion model of faces (Yue and Loy 2022)."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.progress import Tick
from engine.restorers import _peer
from engine.restorers._contract import Context, Pixels, RestorerInfo, Subject, option
from engine.weights import fill

if TYPE_CHECKING:
    from torch import Generator, Tensor
    from torch.nn import Module

CLEANER = "difface-swinir"
MODEL = "difface-ffhq512"

STEPS = 250
"""Of the 1000 of training that sampling uses, each fourth. Source: `ddim250` in inference_difface.py."""


@dataclass(frozen=True)
class DifFaceOptions(_peer.FastOptions):
    """What a user may change."""

    eta: float = option(
        0.5,
        "Realness",
        "How much fresh noise comes in at each step: 0 keeps to the cleaned face, 1 draws most anew.",
        low=0.0,
        high=1.0,
        step=0.05,
        original="--eta",
    )
    start: int = option(
        100,
        "Start step",
        "How far the cleaned face is noised, of 250 steps; each is a pass of the network, so more takes longer and "
        "keeps less.",
        low=1,
        high=249,
        step=1,
        advanced=True,
        original="start_timesteps (100, fixed in their program)",
    )


@dataclass(frozen=True)
class DifFace:
    """Holds both networks."""

    cleaner: Module
    """`(1, 3, size, size)`, 0 to 1, to the same."""
    model: Module
    """Noisy faces and steps to noise and variance; see `_arch.ddpm_unet`."""
    size: int = _peer.SIZE

    def restore(self, face: Pixels, subject: Subject, options: DifFaceOptions, *, seed: int, tick: Tick) -> Pixels:
        """See `Restorer.restore`. On a CPU the noise is that of the authors' program for the same seed."""
        import torch

        del subject
        noise = torch.Generator("cpu").manual_seed(seed)
        tick(0, options.start)
        with _peer.running(self.model, options) as device:
            seen = (_peer.as_batch(face, self.size, device) + 1) / 2
            cleaned = self.cleaner(seen).float().clamp(0, 1) * 2 - 1
            made = denoised(self.model, cleaned, options, draw=lambda: _drawn(cleaned, noise), tick=tick)
        return _peer.as_face(made)


def denoised(
    model: Module, cleaned: Tensor, options: DifFaceOptions, *, draw: Callable[[], Tensor], tick: Tick
) -> Tensor:
    """Noise a cleaned face up to a step and take the noise away again.

    Args:
        model: see `DifFace.model`.
        cleaned: `(N, 3, H, W)`, -1 to 1.
        options: where to start, and how much noise each step adds.
        draw: gives unit normal noise like `cleaned`: first that of the start, then that of each step, as the authors
            draw it.
        tick: called after each step.

    Returns:
        Like `cleaned`; may lie a little beyond -1 to 1.

    Source: Song et al. 2021, eq. 12, with the clean picture clipped. Checked against zsyOAOA/DifFace@5c9ab80 sampler.py
    and models/gaussian_diffusion.py.
    """
    import torch
    from diffusers import DDIMScheduler

    schedule: Any = DDIMScheduler(
        num_train_timesteps=1000,
        beta_start=0.0001,
        beta_end=0.02,
        beta_schedule="linear",
        clip_sample=True,
        set_alpha_to_one=True,
        timestep_spacing="leading",
    )
    schedule.set_timesteps(STEPS)
    steps = schedule.timesteps[STEPS - options.start :]
    start = torch.full((len(cleaned),), options.start * 1000 // STEPS)
    x = schedule.add_noise(cleaned, draw(), start)
    for n, step in enumerate(steps):
        here = step.to(cleaned.device).expand(len(cleaned))
        predicted = model(x, here)[:, :3].float()  # the rest is the variance, which DDIM does not use
        x = schedule.step(predicted, step, x, eta=options.eta, variance_noise=draw()).prev_sample
        tick(n + 1, options.start)
    return x


def _drawn(like: Tensor, noise: Generator) -> Tensor:
    import torch

    return torch.randn(like.shape, generator=noise).to(like.device)


def empty_cleaner() -> Module:
    """Give the cleaner's network, not filled yet; 15,792,587 weights. Source: as `ddpm_unet.FFHQ512`."""
    from spandrel.architectures.SwinIR import SwinIR

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "torch.meshgrid", UserWarning)  # spandrel uses its old form
        return SwinIR(
            img_size=64,
            in_chans=3,
            embed_dim=180,
            depths=[6] * 8,
            num_heads=[6] * 8,
            window_size=8,
            mlp_ratio=2,
            upscale=8,
            img_range=1.0,
            upsampler="nearest+conv",
            resi_connection="1conv",
            start_unshuffle=8,
        )


def cleaner_name(own: str) -> str:
    """Give the name that the published file has for one of the cleaner's tensors, by spandrel's name for it."""
    return own.replace("conv_first.", "conv_first.1.") if own.startswith("conv_first.") else own


def load(context: Context) -> DifFace:
    """Load both networks.

    Raises:
        EngineError: a file is missing, damaged or not to be used; see `_peer.weights_file`.
    """
    from engine.restorers._arch.ddpm_unet import FFHQ512, DdpmUNet

    files = _peer.weights_file(context, CLEANER), _peer.weights_file(context, MODEL)
    cleaner = empty_cleaner()
    fill(cleaner, files[0], within=("state_dict", "params_ema", ""), published=cleaner_name)
    model = DdpmUNet(FFHQ512)
    fill(model, files[1], within=("state_dict", ""))
    return DifFace(_peer.ready(cleaner, context.device), _peer.ready(model, context.device))


def untrained(device: str) -> DifFace:
    """Give the restorer with networks that have learnt nothing."""
    from engine.restorers._arch.ddpm_unet import FFHQ512, DdpmUNet

    return DifFace(_peer.ready(empty_cleaner(), device), _peer.ready(DdpmUNet(FFHQ512), device))


RESTORER = RestorerInfo(
    id="difface",
    title="DifFace",
    summary="A cleaned face drawn anew by a diffusion model of faces, in many steps; slow without a card.",
    paper="https://arxiv.org/abs/2212.06512",
    source="zsyOAOA/DifFace@5c9ab801b2872544b221d4bfdeead7d430af4ed2",
    license="S-Lab License 1.0, code and weights: no commercial use",
    load=load,
    options=DifFaceOptions,
    size=_peer.SIZE,
    weights=(CLEANER, MODEL),
    untrained=untrained,
    memory=2_500_000_000,
    left_out=(
        f"--aligned, --bs, --draw_box: {_peer.DONE_HERE}",
        "--task inpainting: another model, for pictures with holes.",
        "gamma, num_update: the authors' program leaves them at 0 and 1 for restoring, where they do nothing.",
        "--use_fp16: see fast.",
    ),
)
