"""The text encoder and the autoencoder as a prior uses them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from engine.prior.diffbir import words
from engine.prior.diffbir.widths import SCALING

KEPT_PROMPTS = 32
"""Encoded prompts that are remembered: the same few are read for every face."""


class ClipText(nn.Module):
    """Stable Diffusion 2's text encoder; see `TextEncoder`. Any words may be used."""

    words: tuple[str, ...] = ()

    def __init__(self, tower: nn.Module) -> None:
        super().__init__()
        self.tower = tower
        self._kept: dict[str, Tensor] = {}

    def check(self, prompt: str) -> None:
        """Raise `PromptTooLong` for a prompt that would be cut off."""
        words.numbers(prompt)

    def encode(self, prompts: list[str]) -> Tensor:
        """Take prompts to `(N, 77, width)`."""
        missing = [prompt for prompt in dict.fromkeys(prompts) if prompt not in self._kept]
        if missing:
            weight = next(self.tower.parameters())
            ids = torch.tensor([words.numbers(prompt) for prompt in missing], device=weight.device)
            with torch.no_grad():
                made: Tensor = self.tower(input_ids=ids).last_hidden_state
            if len(self._kept) + len(missing) > KEPT_PROMPTS:
                self._kept = {prompt: self._kept[prompt] for prompt in prompts if prompt in self._kept}
            self._kept.update(zip(missing, made.clone().unbind(), strict=True))
        return torch.stack([self._kept[prompt] for prompt in prompts])

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        """Forget what was encoded when the numbers move to another device or precision."""
        self._kept = {}
        return super()._apply(fn, recurse)


class LatentAutoencoder(nn.Module):
    """Stable Diffusion's autoencoder; see `Autoencoder`. `(N, 3, H, W)` and `(N, 4, H / 8, W / 8)`, H and W by 8."""

    scaling = 1.0
    """Its latents are no pixels; `SCALING`, which gives them a spread of 1, is a part of what they are."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network: Any = network

    def tile(self, side: int | None) -> None:
        """Work in tiles of that many px, blended where they overlap; None works on the whole picture."""
        if side is None:
            self.network.disable_tiling()
            return
        self.network.enable_tiling()
        self.network.tile_sample_min_size = side
        self.network.tile_latent_min_size = side // 8

    def encode(self, pixels: Tensor) -> Tensor:
        """Give the likeliest latents, not a drawn one: the same picture has the same latents."""
        made: Tensor = self.network.encode(self._here(pixels)).latent_dist.mode()
        return (made * SCALING).to(pixels)

    def decode(self, latents: Tensor) -> Tensor:
        """See `Autoencoder.decode`."""
        made: Tensor = self.network.decode(self._here(latents) / SCALING, return_dict=False)[0]
        return made.to(latents)

    def _here(self, given: Tensor) -> Tensor:
        """Bring what is given to where the network is, which need not be where the denoiser is."""
        return given.to(next(self.network.parameters()))
