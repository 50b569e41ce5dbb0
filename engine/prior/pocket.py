"""The networks of the embedded prior: the classes of the big one at a size that a laptop's CPU runs.

256 px faces, 4 x 4 pixel patches instead of a learned autoencoder, clean-picture prediction: with 48 numbers a patch,
predicting noise or velocity leaves noise in every patch (12.0 dB against 20.8 dB after the same training at 128 px).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from engine.prior import words as vocab
from engine.prior.bundle import PatchAutoencoder, Prior

SIZE = 256
PATCH = 4
SCHEDULE: Mapping[str, Any] = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "sample",
}
"""Stable Diffusion's betas, so that a start level means the same for both priors; the clean picture is predicted."""


@dataclass(frozen=True)
class Widths:
    """How large the networks are, and what they see."""

    denoiser: tuple[int, ...] = (48, 80, 112, 128)
    """Channels of the four resolutions; 48 is the first that carries a whole 4 x 4 patch."""
    cleaner: tuple[int, ...] = (32, 48, 64, 80)
    text: int = 96
    groups: int = 16
    scaling: float = 1.0
    """See `PatchAutoencoder.scaling`."""
    worded: bool = False
    """Whether the text also reaches the denoiser's time embedding, and so all of its layers. By cross-attention at
    8 x 8 alone words were hardly learnt: another phrase changed a sampled face of the second generation by 1e-4."""


TOY = Widths(denoiser=(16, 16, 32, 32), cleaner=(16, 16, 16, 32), text=16, groups=8)
"""For tests: the real classes, a few hundred thousand weights."""

WIDE = Widths(denoiser=(96, 96, 96, 96), cleaner=(64, 64, 64, 80), scaling=6.0)
"""A 4 x 4 patch is 48 numbers: 96 channels carry a noisy and a cleaned one, for hardly more time and no more weights.

What the prior adds to a cleaned face has a standard deviation of 0.088 (24 held-out faces, -1 to 1). Without scaling,
noise of that strength is level 8 of 1000: nearly all steps of a sampling and nearly all of a training were spent where
there is nothing to be seen, and the last step, from level 30, had to draw everything at once."""

WORDED = replace(WIDE, worded=True)
"""`WIDE`, with words that reach further; a training of it can begin from one of `WIDE`."""

WIDTHS: Mapping[str, Widths] = {"full": Widths(), "wide": WIDE, "worded": WORDED, "toy": TOY}
"""By the name that a stored prior and a plan give."""


class Cleaner(nn.Module):
    """A small U-Net on patches that predicts what to add to the damaged picture.

    Its job is fidelity, trained by regression; what regression cannot know, the prior adds (DiffBIR's two stages).
    """

    def __init__(self, widths: Widths) -> None:
        super().__init__()
        from diffusers import UNet2DModel

        channels = 3 * PATCH * PATCH
        n = len(widths.cleaner)
        self.net = UNet2DModel(
            in_channels=channels,
            out_channels=channels,
            block_out_channels=widths.cleaner,
            layers_per_block=1,
            down_block_types=("DownBlock2D",) * n,
            up_block_types=("UpBlock2D",) * n,
            norm_num_groups=widths.groups,
            add_attention=False,
        )
        for parameter in self.net.conv_out.parameters():
            nn.init.zeros_(parameter)

    def forward(self, pixels: Tensor) -> Tensor:
        """Clean `(N, 3, H, W)`, -1 to 1, H and W multiples of 32; the same shape and range come back, not clamped."""
        codec = PatchAutoencoder(PATCH)
        added: Tensor = self.net(codec.encode(pixels), 0).sample
        return pixels + codec.decode(added)


class SmallText(nn.Module):
    """A small CLIP text tower over the pocket vocabulary; see `TextEncoder`."""

    def __init__(self, widths: Widths, words: tuple[str, ...]) -> None:
        super().__init__()
        from transformers import CLIPTextConfig, CLIPTextModel

        self.words = words
        self._tokenizer = vocab.tokenizer(words)
        self.tower = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=len(words),
                hidden_size=widths.text,
                intermediate_size=2 * widths.text,
                projection_dim=widths.text,
                num_hidden_layers=2,
                num_attention_heads=max(1, widths.text // 32),
                max_position_embeddings=vocab.LENGTH,
                pad_token_id=0,
                bos_token_id=1,
                eos_token_id=2,
            )
        )

    def check(self, prompt: str) -> None:
        """Raise `UnknownWord` for a prompt this tower cannot read."""
        vocab.check(prompt, self.words)

    def encode(self, prompts: list[str]) -> Tensor:
        """Take prompts to `(N, 16, width)`."""
        ids = torch.tensor([self._tokenizer.encode(p).ids for p in prompts], device=self.device)
        made: Tensor = self.tower(input_ids=ids).last_hidden_state
        return made

    @property
    def device(self) -> torch.device:
        """Where the tower is."""
        return next(self.tower.parameters()).device


def build(widths: Widths | None = None, words: tuple[str, ...] | None = None) -> Prior:
    """Make an untrained pocket prior on the CPU in float32 from torch's current random state."""
    from diffusers import ControlNetModel, UNet2DConditionModel

    widths = widths or Widths()
    channels = 3 * PATCH * PATCH
    n = len(widths.denoiser)
    denoiser = UNet2DConditionModel(
        sample_size=SIZE // PATCH,
        in_channels=channels,
        out_channels=channels,
        block_out_channels=widths.denoiser,
        layers_per_block=1,
        # Attention only where 8 x 8 patches of patches see the whole face: above that it costs more than it gives.
        down_block_types=("DownBlock2D",) * (n - 1) + ("CrossAttnDownBlock2D",),
        up_block_types=("CrossAttnUpBlock2D",) + ("UpBlock2D",) * (n - 1),
        cross_attention_dim=widths.text,
        # diffusers reads this number as the count of heads
        attention_head_dim=tuple(max(1, c // 16) for c in widths.denoiser),  # pyright: ignore[reportArgumentType]
        use_linear_projection=True,
        norm_num_groups=widths.groups,
        addition_embed_type="text" if widths.worded else None,
        addition_embed_type_num_heads=max(1, widths.text // 32),
    )
    if widths.worded:
        further: Any = denoiser.add_embedding
        for parameter in further.norm2.parameters():
            nn.init.zeros_(parameter)  # words say nothing until they have learnt to
    for parameter in denoiser.conv_out.parameters():
        nn.init.zeros_(parameter)  # an untrained prior leaves the cleaned picture as it is
    guide: Any = ControlNetModel.from_unet(denoiser)
    if widths.worded:
        # Its text is always empty.
        guide.register_to_config(addition_embed_type=None)
        guide.add_embedding = None
    guide.controlnet_cond_embedding = nn.Conv2d(channels, widths.denoiser[0], 3, padding=1)
    return Prior(
        name="pocket",
        size=SIZE,
        denoiser=denoiser,
        guide=guide,
        cleaner=Cleaner(widths),
        text=SmallText(widths, words or vocab.vocabulary()),
        autoencoder=PatchAutoencoder(PATCH, widths.scaling),
        schedule=SCHEDULE,
        from_condition=True,
    )
