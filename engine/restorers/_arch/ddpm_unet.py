"""The U-Net of improved diffusion with a number of blocks of its own at each level, as in DifFace's model of faces.

Tensors have the names of the published files. The U-Nets of libraries have one number of blocks for all levels.
Source: Nichol and Dhariwal 2021. Checked against zsyOAOA/DifFace@5c9ab80 models/unet.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

GROUPS = 32
"""Of each group normalisation; every width is a multiple of it."""


@dataclass(frozen=True)
class Plan:
    """The size of a U-Net."""

    side: int
    """Of the pictures, px."""
    width: int
    """Channels at the first level, before its factor."""
    factors: tuple[int, ...]
    """Channels of each level over `width`; each level is half as wide and high as the one before."""
    blocks: tuple[int, ...]
    """Residual blocks of each level on the way down; on the way up there is one more."""
    attention: tuple[int, ...]
    """Sides in px at which pixels attend to each other."""
    head: int
    """Channels of an attention head."""


FFHQ512 = Plan(512, 32, (1, 2, 4, 8, 8, 16, 16), (1, 2, 2, 2, 2, 3, 4), (32, 16, 8), 64)
"""Source: configs/sample/iddpm_ffhq512_swinir.yaml of DifFace; 159,788,454 weights."""


class Residual(nn.Module):
    """Two convolutions round a skip; the step scales and shifts what is between them."""

    def __init__(self, inner: int, outer: int, step_width: int) -> None:
        super().__init__()
        self.in_layers = nn.Sequential(
            nn.GroupNorm(GROUPS, inner), nn.SiLU(inplace=True), nn.Conv2d(inner, outer, 3, padding=1)
        )
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(step_width, 2 * outer))
        # The third does nothing; it keeps the place of the dropout, and so the names.
        self.out_layers = nn.Sequential(
            nn.GroupNorm(GROUPS, outer), nn.SiLU(inplace=True), nn.Identity(), nn.Conv2d(outer, outer, 3, padding=1)
        )
        self.skip_connection = nn.Identity() if inner == outer else nn.Conv2d(inner, outer, 1)

    def forward(self, x: Tensor, step: Tensor) -> Tensor:
        """Give `(N, outer, H, W)` of `(N, inner, H, W)` and `(N, step_width)`."""
        scale, shift = self.emb_layers(step)[..., None, None].chunk(2, dim=1)
        # In place where nothing else holds the numbers: new memory costs more than the sums.
        h = self.out_layers[0](self.in_layers(x)).mul_(1 + scale).add_(shift)
        return self.out_layers[1:](h).add_(self.skip_connection(x))


class Attention(nn.Module):
    """Every pixel looks at every other; `qkv` holds query, key and value of a head side by side."""

    def __init__(self, channels: int, head: int) -> None:
        super().__init__()
        self.heads = channels // head
        self.norm = nn.GroupNorm(GROUPS, channels)
        self.qkv = nn.Conv1d(channels, 3 * channels, 1)
        self.proj_out = nn.Conv1d(channels, channels, 1)

    def forward(self, x: Tensor, step: Tensor) -> Tensor:
        """Give `(N, C, H, W)` of the same; the step is not used."""
        del step
        n, channels, height, width = x.shape
        flat = x.flatten(2)
        query, key, value = self.qkv(self.norm(flat)).reshape(n * self.heads, -1, height * width).chunk(3, dim=1)
        # Written out: torch's own attention takes twice as long with pixels side by side as they are here, and its fast
        # way, which wants them copied, is 1e-5 off. Half of the scale on either side, as the authors have it.
        half = query.shape[1] ** -0.25
        shares = ((query * half).transpose(1, 2) @ (key * half)).softmax(dim=2)
        seen = (value @ shares.transpose(1, 2)).reshape(n, channels, -1)
        return self.proj_out(seen).add_(flat).reshape(x.shape)


class Half(nn.Module):
    """Half as wide and high, by a convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.op = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x: Tensor, step: Tensor) -> Tensor:
        """Give `(N, C, H / 2, W / 2)`; the step is not used."""
        del step
        return self.op(x)


class Double(nn.Module):
    """Twice as wide and high, by repeating pixels and a convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, step: Tensor) -> Tensor:
        """Give `(N, C, 2 H, 2 W)`; the step is not used."""
        del step
        return self.conv(functional.interpolate(x, scale_factor=2.0, mode="nearest"))


class DdpmUNet(nn.Module):
    """Predicts noise and the share of the variance: `(N, 3, side, side)` and `(N,)` to `(N, 6, side, side)`."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.width = plan.width
        step_width = 4 * plan.width
        self.time_embed = nn.Sequential(nn.Linear(plan.width, step_width), nn.SiLU(), nn.Linear(step_width, step_width))
        channels, side = plan.factors[0] * plan.width, plan.side
        last = len(plan.factors) - 1
        first = channels
        down: list[nn.ModuleList] = [nn.ModuleList([nn.Conv2d(3, channels, 3, padding=1)])]
        skips = [channels]
        for level, (factor, count) in enumerate(zip(plan.factors, plan.blocks, strict=True)):
            for _ in range(count):
                down.append(self._block(channels, factor * plan.width, side, plan))
                channels = factor * plan.width
                skips.append(channels)
            if level < last:
                down.append(nn.ModuleList([Half(channels)]))
                skips.append(channels)
                side //= 2
        self.input_blocks = nn.ModuleList(down)
        self.middle_block = nn.ModuleList(
            [
                Residual(channels, channels, step_width),
                Attention(channels, plan.head),
                Residual(channels, channels, step_width),
            ]
        )
        up: list[nn.ModuleList] = []
        for level in range(last, -1, -1):
            for n in range(plan.blocks[level] + 1):
                wide = plan.factors[level] * plan.width
                block = self._block(channels + skips.pop(), wide, side, plan)
                channels = wide
                if level and n == plan.blocks[level]:
                    block.append(Double(channels))
                    side *= 2
                up.append(block)
        self.output_blocks = nn.ModuleList(up)
        self.out = nn.Sequential(
            nn.GroupNorm(GROUPS, channels), nn.SiLU(inplace=True), nn.Conv2d(first, 6, 3, padding=1)
        )

    def forward(self, x: Tensor, steps: Tensor) -> Tensor:
        """See the class.

        Args:
            x: noisy pictures, -1 to 1 where there is no noise.
            steps: of the full schedule, 0 (least noise) to 999.
        """
        step = self.time_embed(waves(steps, self.width))
        skips: list[Tensor] = []
        for block in self.input_blocks:
            x = _through(block, x, step)
            skips.append(x)
        x = _through(self.middle_block, x, step)
        for block in self.output_blocks:
            x = _through(block, torch.cat([x, skips.pop()], dim=1), step)
        return self.out(x)

    @staticmethod
    def _block(inner: int, outer: int, side: int, plan: Plan) -> nn.ModuleList:
        layers: list[nn.Module] = [Residual(inner, outer, 4 * plan.width)]
        if side in plan.attention:
            layers.append(Attention(outer, plan.head))
        return nn.ModuleList(layers)


def waves(steps: Tensor, width: int) -> Tensor:
    """Give steps as cosines and sines of falling frequency, `(N, width)`, for `(N,)`."""
    half = width // 2
    falling = torch.exp(-math.log(10_000) * torch.arange(half, dtype=torch.float32, device=steps.device) / half)
    angles = steps[:, None].float() * falling[None]
    return torch.cat([angles.cos(), angles.sin()], dim=1)


def _through(block: nn.Module, x: Tensor, step: Tensor) -> Tensor:
    for layer in block.children():
        x = layer(x) if isinstance(layer, nn.Conv2d) else layer(x, step)
    return x
