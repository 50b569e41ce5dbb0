"""How large the networks are, and the networks themselves, empty."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

PARTS = ("denoiser", "guide", "autoencoder", "text", "cleaner")
"""Networks of a prior, in the order of their size."""

SCALING = 0.18215
"""Latents over what the autoencoder gives: Stable Diffusion's own factor."""


@dataclass(frozen=True)
class Widths:
    """Channels of Stable Diffusion 2.1's networks; the layout is the same for every width."""

    denoiser: tuple[int, ...] = (320, 640, 1280, 1280)
    heads: tuple[int, ...] = (5, 10, 20, 20)
    """Attention heads of the denoiser's four resolutions; 64 channels each in the published one."""
    autoencoder: tuple[int, ...] = (128, 256, 512, 512)
    text: int = 1024
    text_heads: int = 16
    text_layers: int = 23
    """Layers that are used: OpenCLIP's ViT-H has one more, and Stable Diffusion 2 reads the one before the last."""
    vocabulary: int = 49408
    tokens: int = 77


FULL = Widths()
TOY = Widths(denoiser=(32, 32, 64, 64), heads=(2, 2, 4, 4), autoencoder=(32, 32, 64, 64), text=32, text_heads=2,
             text_layers=2)  # fmt: skip
"""For tests: the real classes at a size that a page of numbers can check."""


def empty(widths: Widths = FULL, parts: tuple[str, ...] = PARTS[:4]) -> dict[str, nn.Module]:
    """Make networks without memory for their numbers (on torch's meta device), by part; the cleaner is not among them.

    The guide's condition enters at its first convolution: diffusers adds what `controlnet_cond_embedding` makes of it
    to what the first convolution makes of the noisy latents, and a convolution of two inputs side by side is the sum
    of two convolutions.
    """
    import torch

    makers = {"denoiser": _denoiser, "guide": _guide, "autoencoder": _autoencoder, "text": _text}
    with torch.device("meta"):
        return {part: makers[part](widths) for part in parts}


@cache
def shapes(part: str, widths: Widths = FULL) -> Mapping[str, tuple[int, ...]]:
    """Give the shape of each tensor of a network by its name in diffusers or transformers."""
    return {name: tuple(t.shape) for name, t in empty(widths, (part,))[part].state_dict().items()}


def _shared(widths: Widths) -> Mapping[str, Any]:
    n = len(widths.denoiser)
    return {
        "in_channels": 4,
        "down_block_types": ("CrossAttnDownBlock2D",) * (n - 1) + ("DownBlock2D",),
        "block_out_channels": widths.denoiser,
        "layers_per_block": 2,
        "cross_attention_dim": widths.text,
        "attention_head_dim": widths.heads,
        "use_linear_projection": True,
    }


def _denoiser(widths: Widths) -> nn.Module:
    from diffusers import UNet2DConditionModel

    ups = ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * (len(widths.denoiser) - 1)
    return UNet2DConditionModel(sample_size=64, out_channels=4, up_block_types=ups, **_shared(widths))


def _guide(widths: Widths) -> nn.Module:
    from diffusers import ControlNetModel
    from torch import nn

    made: Any = ControlNetModel(**_shared(widths), conditioning_embedding_out_channels=(16,))
    made.controlnet_cond_embedding = nn.Conv2d(4, widths.denoiser[0], 3, padding=1, bias=False)
    return made


def _autoencoder(widths: Widths) -> nn.Module:
    from diffusers import AutoencoderKL

    n = len(widths.autoencoder)
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * n,  # pyright: ignore[reportArgumentType]
        up_block_types=("UpDecoderBlock2D",) * n,  # pyright: ignore[reportArgumentType]
        block_out_channels=widths.autoencoder,  # pyright: ignore[reportArgumentType]
        layers_per_block=2,
        latent_channels=4,
        sample_size=512,
        scaling_factor=SCALING,
    )


def _text(widths: Widths) -> nn.Module:
    from transformers import CLIPTextConfig, CLIPTextModel

    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=widths.vocabulary,
            hidden_size=widths.text,
            intermediate_size=4 * widths.text,
            projection_dim=widths.text,
            num_hidden_layers=widths.text_layers,
            num_attention_heads=widths.text_heads,
            max_position_embeddings=widths.tokens,
            hidden_act="gelu",
            pad_token_id=0,
            bos_token_id=widths.vocabulary - 2,
            eos_token_id=widths.vocabulary - 1,
        )
    )
