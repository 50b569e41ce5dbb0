"""The central value: a prior with all its parts, and the two ways between pixels and its latents."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn


class Autoencoder(Protocol):
    """Between pictures and what the denoiser works on."""

    @property
    def scaling(self) -> float:
        """Latents over pixels where latents are pixels, so that an error over it is one of pixels; else 1."""
        ...

    def encode(self, pixels: Tensor) -> Tensor:
        """Take `(N, 3, H, W)`, -1 to 1, to latents."""
        ...

    def decode(self, latents: Tensor) -> Tensor:
        """Take latents back to `(N, 3, H, W)`, about -1 to 1."""
        ...


@dataclass(frozen=True)
class PatchAutoencoder:
    """Latents that are the pixels of a patch side by side: exact both ways, nothing to train.

    `(N, 3, H, W)` becomes `(N, 3 * patch * patch, H / patch, W / patch)`.
    """

    patch: int = 4
    scaling: float = 1.0
    """Latents over pixels, as a learned autoencoder's scaling factor: the noise schedule is made for what is drawn to
    have a spread of about 1."""

    def encode(self, pixels: Tensor) -> Tensor:
        """See `Autoencoder.encode`."""
        return nn.functional.pixel_unshuffle(pixels, self.patch) * self.scaling

    def decode(self, latents: Tensor) -> Tensor:
        """See `Autoencoder.decode`."""
        return nn.functional.pixel_shuffle(latents / self.scaling, self.patch)


class TextEncoder(Protocol):
    """Prompts to what the denoiser's cross-attention reads."""

    words: tuple[str, ...]

    def check(self, prompt: str) -> None:
        """Raise an `EngineError` when the prompt cannot be read."""
        ...

    def encode(self, prompts: list[str]) -> Tensor:
        """Take prompts to `(N, tokens, width)`."""
        ...


@dataclass(frozen=True)
class Prior:
    """A diffusion restorer that is nobody's in particular. Never changed; `dataclasses.replace` makes a variant."""

    name: str
    """The prior's id, such as `pocket`."""
    size: int
    """Side in px of the face crops it works on."""
    denoiser: nn.Module
    """diffusers `UNet2DConditionModel`: G of the paper."""
    guide: nn.Module
    """diffusers `ControlNetModel` whose condition enters at its first convolution: E of the paper."""
    cleaner: nn.Module
    """Stage-1 regression network: damaged `(N, 3, size, size)`, -1 to 1, to its best guess, like its input."""
    text: TextEncoder
    autoencoder: Autoencoder
    schedule: Mapping[str, Any]
    """Configuration of the diffusers schedulers: betas and prediction type."""
    from_condition: bool = False
    """Whether the denoiser says what to add to the cleaned picture instead of the whole clean picture. A small prior
    learns the missing detail so, and does not have to learn first to pass the picture on."""
    sha256: Mapping[str, str] = field(default_factory=dict[str, str])
    """Of each weights file, by part."""
    guide_reads_prompt: bool = False
    """Whether the guide reads the prompt as the denoiser does. The paper's own is DiffBIR v1's, which never does."""
    start_levels: tuple[tuple[float, float], ...] | None = None
    """Severity of the damage and the start level that it asks for, straight lines between; None for the usual ones."""
    exact: bool = False
    """Whether the networks are to run in float32 even where the device has a faster precision."""
    smaller: Callable[[], Prior] | None = None
    """Gives the same prior held so that it needs less memory; None where there is no such way."""

    @property
    def device(self) -> torch.device:
        """Where denoiser and guide are, and so what is sampled."""
        return next(self.denoiser.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """The parts' precision."""
        return next(self.denoiser.parameters()).dtype


@dataclass(frozen=True)
class Condition:
    """What steers every step of one sampling."""

    latents: Tensor
    """`(N, C, h, w)`: the encoded cleaned face, read by the guide."""
    text: Tensor
    """`(N, tokens, width)`: the prompt, read by the denoiser."""
    empty_text: Tensor
    """Like `text`, for "": read by the guide, and by the denoiser in the unguided half of classifier-free guidance."""
    guide_strength: float = 1.0
    """Scale on all of the guide's residuals; 1 as trained."""
    guidance: float = 1.0
    """Classifier-free guidance in the convention where 1 is off: `empty + guidance * (text - empty)`."""
    against: Tensor | None = None
    """Like `text`, for what must not be seen: read in the unguided half in the place of `empty_text`."""
    pixels: Tensor | None = None
    """`(N, 3, H, W)`, -1 to 1: the cleaned face, for a pull that compares pixels."""
    start: Tensor | None = None
    """Like `latents`: what is noised at the start, and what a pull draws to; the latents themselves unless noise was
    added to those."""


def predict(prior: Prior, noisy: Tensor, t: Tensor, condition: Condition) -> Tensor:
    """Run guide and denoiser once; both halves of classifier-free guidance go through as one batch.

    The guide's own text is always empty (arXiv 2312.17234, method figure; personalized-restoration@4d88c10
    model/cldm.py), so what is tuned round the person's phrase is the denoiser alone. DiffBIR v2 and later give both the
    same text.

    Args:
        prior: whose networks.
        noisy: `(N, C, h, w)`, latents at step `t`.
        t: `(N,)` or scalar, int64, 0 (least noise) to 999.
        condition: see there.

    Returns:
        Like `noisy`: the prediction in the prior's own prediction type.
    """
    n, latents, text, empty = len(noisy), condition.latents, condition.text, condition.empty_text
    guided = condition.guidance != 1.0
    if guided:
        without = empty if condition.against is None else condition.against
        noisy, text = torch.cat([noisy, noisy]), torch.cat([without.expand(text.shape), text])
        t = torch.cat([t, t]) if t.ndim else t
    if guided and prior.guide_reads_prompt:
        latents = torch.cat([latents, latents])
    alone = len(latents)  # what the guide reads is the same for both halves unless it reads the prompt
    down, mid = prior.guide(
        noisy[:alone],
        t[:alone] if t.ndim else t,
        text if prior.guide_reads_prompt else empty,
        latents,
        conditioning_scale=condition.guide_strength,
        return_dict=False,
    )
    if len(noisy) != alone:
        down, mid = [torch.cat([made, made]) for made in down], torch.cat([mid, mid])
    made: Tensor = prior.denoiser(
        noisy, t, text, down_block_additional_residuals=down, mid_block_additional_residual=mid, return_dict=False
    )[0]
    if guided:
        made = made[:n] + condition.guidance * (made[n:] - made[:n])
    return made + condition.latents if prior.from_condition else made
