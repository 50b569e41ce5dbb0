"""Self-attention of many tokens in bfloat16 on CPUs without a matrix unit, by the matrix product that is fast there.

torch's own attention multiplies small tiles by a routine that gains nothing from bfloat16 without AMX: on two cores of
an AMD EPYC the 4,096 tokens of a 512 px picture took 145 ms a layer, a third of a whole step of Stable Diffusion 2.1,
where oneDNN's product takes 50 ms for as much arithmetic. Here the scores come from that product, which also takes the
exponential of them before anything is rounded, and a layer takes 82 ms:

    sigmoid(s - b) = exp(s - b) to within exp(s - b) itself, so with b at least `FAR` above every score of a row the
    sigmoid is the exponential to less than bfloat16's own rounding, and the row's sum divides any b out again.

The bound is the length of the longest query of a head times that of its longest key (Cauchy and Schwarz), and goes into
the product as its bias. The keys are moved by their mean first: that moves all scores of a row alike, which changes no
share of it, and puts the greatest of them at zero or above, so that it never vanishes below the bound.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from diffusers.models.attention_processor import Attention, AttnProcessor2_0
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

FAR = 6.0
"""How far every score is kept below zero: exp(-6) is 0.0025, bfloat16 rounds by 0.0039."""
HIGHEST = 70.0
"""Bound up to which the greatest share of a row stays far from what float32 flushes to zero, exp(-87)."""
FEWEST = 2048
"""Tokens from which it is faster than torch's own."""
ROWS = 512
"""Queries at a time, so that their scores stay in the processor's cache."""


def is_worthwhile() -> bool:
    """Say whether oneDNN multiplies in bfloat16 here, and no matrix unit (AMX) does, by which torch's own is fast."""
    if not torch.backends.mkldnn.is_available() or torch.cpu._is_amx_tile_supported():  # pyright: ignore[reportPrivateUsage]
        return False
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Give `softmax(query key' / sqrt(D)) value`, head by head.

    A head with scores that could lie beyond `HIGHEST` is computed by torch's own attention.

    Args:
        query, key, value: `(N, heads, tokens, D)`, bfloat16 on the CPU, without gradient.

    Returns:
        `(N, tokens, heads, D)`.
    """
    count, heads, tokens, width = query.shape
    query = query * (1 / math.sqrt(width))
    moved = key - key.mean(2, keepdim=True)
    bounds = (_longest(query) * _longest(moved)).tolist()
    made = query.new_empty(count, tokens, heads, width)
    for n in range(count):
        for head in range(heads):
            q, v = query[n, head], value[n, head]
            if bounds[n][head] <= HIGHEST:
                _head(q, moved[n, head], v, bounds[n][head], made[n, :, head])
            else:
                alone = q[None, None], key[n, head][None, None], v[None, None]
                made[n, :, head] = scaled_dot_product_attention(*alone, scale=1.0)[0, 0]
    return made


def _longest(rows: Tensor) -> Tensor:
    return torch.linalg.vector_norm(rows, dim=3, dtype=torch.float32).amax(2)


def _head(query: Tensor, key: Tensor, value: Tensor, bound: float, made: Tensor) -> None:
    keys, values = _blocks(key), _blocks(value.T)
    below = key.new_full((len(key),), -(bound + FAR))
    for row in range(0, len(query), ROWS):
        shares = _multiplied(query[row : row + ROWS], keys, below, "sigmoid")
        torch.div(_multiplied(shares, values, None, "none"), shares.sum(1, keepdim=True), out=made[row : row + ROWS])


def _blocks(weight: Tensor) -> Tensor:
    return torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), None)


def _multiplied(given: Tensor, blocks: Tensor, bias: Tensor | None, then: str) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(given, blocks, bias, then, [], "")


class InPieces(AttnProcessor2_0):
    """diffusers' attention, computed by `attend` where that is possible and faster."""

    def __call__(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        *given: Any,
        **named: Any,
    ) -> Tensor:
        """Do what the plain processor does."""
        if not _suits(attn, hidden_states, encoder_hidden_states, attention_mask):
            return super().__call__(attn, hidden_states, encoder_hidden_states, attention_mask, *given, **named)
        layers: Any = attn
        split = (len(hidden_states), -1, attn.heads, layers.to_q.weight.shape[0] // attn.heads)
        query, key, value = (
            made(hidden_states).view(split).transpose(1, 2) for made in (layers.to_q, layers.to_k, layers.to_v)
        )
        if torch.is_grad_enabled() and (query.requires_grad or key.requires_grad or value.requires_grad):
            attended = scaled_dot_product_attention(query, key, value).transpose(1, 2)
        else:
            attended = attend(query, key, value)
        out: Tensor = layers.to_out[0](attended.flatten(2))
        return out


def _suits(attn: Attention, hidden: Tensor, other: Tensor | None, mask: Tensor | None) -> bool:
    if other is not None or mask is not None or hidden.ndim != 3 or hidden.shape[1] < FEWEST:
        return False
    if hidden.dtype != torch.bfloat16 or hidden.device.type != "cpu":
        return False
    plain = attn.spatial_norm is None and attn.group_norm is None and attn.norm_q is None and attn.norm_k is None
    return plain and not attn.residual_connection and attn.rescale_output_factor == 1


def use_pieces(network: nn.Module, *, on: bool = True) -> None:
    """Let a network's attention be computed by `InPieces`, or by diffusers' own again."""
    for module in network.modules():
        if isinstance(module, Attention):
            processor: Any = InPieces() if on else AttnProcessor2_0()
            module.set_processor(processor)
