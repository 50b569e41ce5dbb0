"""Layers whose numbers lie in memory as the CPU's matrix units want them, and networks that keep one layout throughout.

oneDNN wants a weight in blocks. torch puts each weight into them anew at every call, and reading, writing and reading
it again takes longer than the layer's own work wherever a network is wide and a picture small: of 2.4 s of a step of
Stable Diffusion 2.1 at 512 px in bfloat16 on two cores 0.7 s went there, and 0.3 s into turning pictures from one
layout into the other. A packed layer is its plain self in all else: it is trained, copied, moved and stored as before,
and falls back to it whenever a gradient is wanted or its weight is no longer the one that was packed. Only for
bfloat16 on CPUs that compute in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from diffusers.models.activations import GEGLU
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from torch import Tensor, nn

from engine.prior.attention import is_worthwhile, use_pieces

ROOM = 1 << 30
"""Bytes that `refresh` leaves to all else."""


class Pack:
    """A weight in blocks, and which weight it is. Shared by copies of a layer as the weight itself is."""

    def __init__(self, weight: Tensor, *blocks: Tensor) -> None:
        self.weight, self.state, self.blocks = weight, _state(weight), blocks

    def seen_again(self) -> None:
        """Take the weight as it is now for what was packed."""
        self.state = _state(self.weight)

    def of(self, weight: Tensor) -> bool:
        """Say whether this is that weight, and as it is now."""
        return weight is self.weight and _state(weight) == self.state

    def __deepcopy__(self, memo: dict[int, Any]) -> Pack:
        """Give itself."""
        return self


def _state(weight: Tensor) -> tuple[Any, ...]:
    version = -1 if weight.is_inference() else weight._version  # pyright: ignore[reportPrivateUsage]
    return version, weight.data_ptr(), weight.dtype, weight.device


class PackedLinear(nn.Linear):
    """A linear layer that may have been packed."""

    pack: Pack | None = None

    def forward(self, input: Tensor) -> Tensor:
        """Do what the plain layer does."""
        blocks = _blocks(self, input)
        if blocks is None:
            return super().forward(input)
        made: Tensor = torch.ops.mkldnn._linear_pointwise(input, *blocks, self.bias, "none", [], "")
        return made


class PackedConv(nn.Conv2d):
    """A convolution that may have been packed."""

    pack: Pack | None = None

    def forward(self, input: Tensor) -> Tensor:
        """Do what the plain layer does."""
        blocks = _blocks(self, input)
        if blocks is None:
            return super().forward(input)
        made: Tensor = torch.ops.mkldnn._convolution_pointwise(
            input, *blocks, self.bias, self.padding, self.stride, self.dilation, self.groups, "none", [], ""
        )
        return made


class PackedGEGLU(GEGLU):
    """A gated layer that may have been packed: what its gate does is done where its two halves are multiplied."""

    pack: Pack | None = None

    @property
    def weight(self) -> Tensor:
        """Give the weight of both halves, `(2 * out, in)`."""
        return self.proj.weight

    def forward(self, hidden_states: Tensor, *given: Any, **named: Any) -> Tensor:
        """Do what the plain layer does."""
        blocks = _blocks(self, hidden_states)
        if blocks is None:
            return super().forward(hidden_states, *given, **named)
        both: Tensor | None = getattr(self.proj, "bias", None)
        bias, gate_bias = (None, None) if both is None else both.chunk(2)
        gate = torch.ops.mkldnn._linear_pointwise(hidden_states, blocks[1], gate_bias, "gelu", [], "none")
        made: Tensor = torch.ops.mkldnn._linear_pointwise.binary(hidden_states, gate, blocks[0], bias, "mul")
        return made


class OneLayout(Transformer2DModel):
    """A transformer over a picture that gives it back in the layout in which it came, colours together.

    diffusers' own puts the picture's rows together in the end, and every layer after it has to turn it round again.
    """

    def _get_output_for_continuous_inputs(
        self, hidden_states: Tensor, residual: Tensor, batch_size: int, height: int, width: int, inner_dim: int
    ) -> Tensor:
        made = hidden_states if self.use_linear_projection else self._square(hidden_states, residual)
        made = self.proj_out(made)
        return (self._square(made, residual) if self.use_linear_projection else made) + residual

    @staticmethod
    def _square(rows: Tensor, like: Tensor) -> Tensor:
        batch, _, height, width = like.shape
        return rows.reshape(batch, height, width, -1).permute(0, 3, 1, 2)


def keep_layout(network: nn.Module) -> None:
    """Hold a network's pictures with their colours together from its beginning to its end. Results stay the same."""
    network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    for module in network.modules():
        if type(module) is Transformer2DModel:
            module.__class__ = OneLayout


def can_pack() -> bool:
    """Say whether this torch can put bfloat16 weights into blocks on this CPU."""
    if not torch.backends.mkldnn.is_available():
        return False
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def pack(network: nn.Module) -> None:
    """Pack a network's layers that are in bfloat16; `can_pack` says whether it may be done.

    The weights stay what they are, beside their blocks. A layer whose blocks are up to date is passed by. Attention
    is computed by `engine.prior.attention` where that is faster.
    """
    if is_worthwhile():
        use_pieces(network)
    layer: Any
    gated = {id(layer.proj) for layer in network.modules() if isinstance(layer, GEGLU)}
    with torch.no_grad():
        for layer in network.modules():
            kind = _KINDS.get(type(layer)) if id(layer) not in gated else None
            if kind is None or not _is_packable(layer):
                continue
            layer.__class__ = kind
            if layer.pack is None or not layer.pack.of(layer.weight):
                layer.pack = Pack(layer.weight, *_in_blocks(layer))


_KINDS: dict[type, type] = {
    nn.Linear: PackedLinear,
    PackedLinear: PackedLinear,
    nn.Conv2d: PackedConv,
    PackedConv: PackedConv,
    GEGLU: PackedGEGLU,
    PackedGEGLU: PackedGEGLU,
}


def refresh(network: nn.Module) -> None:
    """Pack the weights that were put in place of packed ones, where the machine has room for their blocks too.

    Where it has none, those layers are computed plainly, which takes a seventh longer and comes to the same.
    """
    import psutil

    layers: list[Any] = [layer for layer in network.modules() if getattr(layer, "pack", None) is not None]
    needed = sum(layer.weight.nbytes for layer in layers if not layer.pack.of(layer.weight))
    if needed and psutil.virtual_memory().available > 2 * needed + ROOM:
        pack(network)


def unpack(network: nn.Module) -> None:
    """Make a network's packed layers plain ones again; their weights never were anything else."""
    use_pieces(network, on=False)
    plain: dict[type, type] = {PackedLinear: nn.Linear, PackedConv: nn.Conv2d, PackedGEGLU: GEGLU}
    layer: Any
    for layer in network.modules():
        if type(layer) in plain:
            del layer.pack
            layer.__class__ = plain[type(layer)]


def is_packed(network: nn.Module) -> bool:
    """Say whether some layer of a network has been packed."""
    return any(getattr(layer, "pack", None) is not None for layer in network.modules())


def held_by(network: nn.Module, fresh: Mapping[str, Tensor]) -> None:
    """Let a network hold other tensors of the very same numbers, so that the memory of its former ones is free.

    Args:
        network: packed or not; its results do not change.
        fresh: each of its parameters by name.
    """
    for name, weight in network.named_parameters():
        weight.data = fresh[name]
    for layer in network.modules():
        known = getattr(layer, "pack", None)
        if isinstance(known, Pack):
            known.seen_again()


def _is_packable(layer: Any) -> bool:
    if isinstance(layer, GEGLU):
        return type(layer.proj) is nn.Linear and _is_packable(layer.proj)
    if layer.weight.dtype != torch.bfloat16 or layer.weight.device.type != "cpu":
        return False
    return isinstance(layer, nn.Linear) or (layer.padding_mode == "zeros" and not isinstance(layer.padding, str))


def _in_blocks(layer: Any) -> tuple[Tensor, ...]:
    weight: Tensor = layer.weight.detach()
    if isinstance(layer, GEGLU):
        return tuple(torch.ops.mkldnn._reorder_linear_weight(half.contiguous(), None) for half in weight.chunk(2))
    if isinstance(layer, nn.Linear):
        return (torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), None),)
    # A picture of that size is only a hint; others work as well.
    shape = [1, weight.shape[1] * layer.groups, 32, 32]
    how = layer.padding, layer.stride, layer.dilation, layer.groups, shape
    return (torch.ops.mkldnn._reorder_convolution_weight(weight, *how),)


def _blocks(layer: PackedLinear | PackedConv | PackedGEGLU, given: Tensor) -> tuple[Tensor, ...] | None:
    """Give a layer's blocks where they may be used, else None."""
    known = layer.pack
    if known is None or given.dtype != torch.bfloat16 or not known.of(layer.weight):
        return None
    if torch.is_grad_enabled() and (given.requires_grad or layer.weight.requires_grad):
        return None
    return known.blocks
