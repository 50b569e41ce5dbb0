"""Guide and denoiser over a picture that is larger than they were trained for, tile by tile."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from engine.prior.bundle import Condition, Prior, predict

SPREAD = 0.01
"""Variance of a tile's weights, its side being 1: hardly more than the middle counts where tiles overlap. Source:
DiffBIR@3f8b530 utils/common.py."""


def places(length: int, tile: int, stride: int) -> list[int]:
    """Give where tiles begin that cover a length: every stride, and one that ends at the end."""
    if length <= tile:
        return [0]
    return sorted({*range(0, length - tile + 1, stride), length - tile})


def weights(tile: int) -> Tensor:
    """Give what each place of a tile counts, `(tile, tile)`, float32, above 0."""
    across = (torch.arange(tile, dtype=torch.float64) - (tile - 1) / 2) / tile
    down = (torch.arange(tile, dtype=torch.float64) - tile / 2) / tile  # half a place lower, as the official code
    rise = [torch.exp(-(line**2) / (2 * SPREAD)) for line in (down, across)]
    return torch.outer(*rise).float()


def predict_in_tiles(prior: Prior, noisy: Tensor, t: Tensor, condition: Condition, tile: int) -> Tensor:
    """Do what `predict` does, in tiles of that many px that overlap by half; 0 or a small picture is one tile."""
    if not tile:
        return predict(prior, noisy, t, condition)
    denoiser: Any = prior.denoiser
    side = tile // (prior.size // int(denoiser.config.sample_size))
    height, width = noisy.shape[-2:]
    if height <= side and width <= side:
        return predict(prior, noisy, t, condition)
    total, share = torch.zeros_like(noisy, dtype=torch.float32), torch.zeros_like(noisy, dtype=torch.float32)
    for y in places(height, side, side // 2):
        for x in places(width, side, side // 2):
            here = (..., slice(y, y + side), slice(x, x + side))
            made = predict(prior, noisy[here], t, replace(condition, latents=condition.latents[here]))
            weight = weights(side)[: made.shape[-2], : made.shape[-1]].to(total)
            total[here] += made.float() * weight
            share[here] += weight
    return (total / share).to(noisy)
