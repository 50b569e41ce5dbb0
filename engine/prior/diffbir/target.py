"""What a denoiser was trained to predict, asked of itself: files say it nowhere, and their tensors look alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from engine.prior.diffbir.widths import Widths, empty

if TYPE_CHECKING:
    from torch import Tensor

SIDE = 32
"""Of the latents that are asked about: a quarter of the work of a picture of 512 px."""
LAST = 999
"""Level with the most noise."""
LEARNED_NOISE = 0.5
"""Noise's share of the answer above which noise is what was learned; see `noise_share`."""


def noise_share(denoiser: Mapping[str, Tensor], widths: Widths) -> float:
    """Give the correlation of noise at the last level with what a denoiser answers to it, without a prompt.

    The right answer of one that learned the noise is the noise itself, of which the level is made but for 0.0047 of its
    variance: 1 but for what it misses. One that learned velocity (arXiv 2202.00512 appendix D) has to answer with the
    picture, which has nothing to do with the noise: 0 with a schedule that ends without signal (arXiv 2305.08891), 0.07
    with Stable Diffusion 2.1's.

    Args:
        denoiser: its tensors by diffusers' names; not changed, and read where they lie if they are float32.
        widths: of the network.

    Returns:
        -1 to 1; not a number where the tensors hold such.
    """
    import torch

    network = empty(widths, ("denoiser",))["denoiser"]
    network.load_state_dict(denoiser, assign=True)
    network.eval().float()
    noise = torch.randn(1, 4, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    text = torch.zeros(1, widths.tokens, widths.text)
    with torch.inference_mode():
        made: Tensor = network(noise, torch.tensor(LAST), text, return_dict=False)[0]
    first, second = (t.double().flatten() - t.double().mean() for t in (noise, made))
    return float(first @ second / (first.norm() * second.norm()))
