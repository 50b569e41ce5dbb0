"""What each tensor of our networks is called in a published file, by rule.

A rule takes a name of diffusers or transformers to the name in the file. The other way round is the same table read
backwards, so a tensor of the file that no name leads to is known too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from engine.prior.diffbir.widths import Widths, shapes

Shape = tuple[int, ...]

CONDITION = "controlnet_cond_embedding.weight"
"""Of the guide: the half of its first convolution that reads the cleaned face."""


@dataclass(frozen=True)
class Source:
    """Where a tensor comes from."""

    name: str
    """In the published file, without the prefix of its network."""
    shape: Shape
    """Of the whole tensor there."""
    cut: tuple[int, int, int] | None = None
    """Axis, first and last + 1 of what is ours, where the published tensor holds more."""


def published(part: str, widths: Widths) -> dict[str, Source]:
    """Give, for each tensor of a network, where it stands in a published file.

    Args:
        part: `denoiser`, `guide`, `autoencoder` or `text`.
        widths: of the networks.
    """
    rules: Mapping[str, Callable[[str, Shape], Source]] = {
        "denoiser": lambda name, shape: Source(_unet(name), shape),
        "guide": _guide,
        "autoencoder": lambda name, shape: _autoencoder(name, shape, len(widths.autoencoder)),
        "text": lambda name, shape: _text(name, shape, widths.text),
    }
    return {name: rules[part](name, shape) for name, shape in shapes(part, widths).items()}


def not_used(part: str, widths: Widths) -> dict[str, Shape]:
    """Give the tensors that a published network has and ours does not need, with their shapes.

    They are OpenCLIP's last layer, which Stable Diffusion 2 does not read, and what maps texts to pictures.
    """
    if part != "text":
        return {}
    w, last = widths.text, f"transformer.resblocks.{widths.text_layers}."
    one = f"transformer.resblocks.{widths.text_layers - 1}."
    layer = {
        source.name.replace(one, last): source.shape
        for source in published(part, widths).values()
        if source.name.startswith(one)
    }
    return {**layer, "text_projection": (w, w), "logit_scale": ()}


def may_be_there(part: str, widths: Widths) -> dict[str, Shape]:
    """Give the tensors, with their shapes, that a published network may hold and ours does not need.

    What was brought from diffusers' form into CompVis' by diffusers' `convert_diffusers_to_original_stable_diffusion`,
    as DiffBIR v2.1's base was, lacks what is not used, and has the numbers 0 to 76, which transformers once stored,
    under a name that the script does not know.
    """
    positions = {"transformer.text_model.embeddings.position_ids": (1, widths.tokens)} if part == "text" else {}
    return not_used(part, widths) | positions


PREFIXES: Mapping[str, str] = {
    "denoiser": "model.diffusion_model.",
    "guide": "control_model.",
    "autoencoder": "first_stage_model.",
    "text": "cond_stage_model.model.",
    "cleaner": "preprocess_model.",
}
"""Before the names of a network, in a file that holds several."""

CONDITION_ENCODER = "cond_encoder."
"""Before the names of version 1's copy of the autoencoder's first half."""

_BUFFERS = (
    *("betas", "alphas_cumprod", "alphas_cumprod_prev", "sqrt_alphas_cumprod", "sqrt_one_minus_alphas_cumprod"),
    *("log_one_minus_alphas_cumprod", "sqrt_recip_alphas_cumprod", "sqrt_recipm1_alphas_cumprod", "lvlb_weights"),
    *("posterior_variance", "posterior_log_variance_clipped", "posterior_mean_coef1", "posterior_mean_coef2"),
)
BOOKKEEPING = frozenset({*_BUFFERS, "logvar", "scale_factor", "model_ema.decay", "model_ema.num_updates"})
"""Of the noise schedule and of the training; a prior computes its own schedule."""


def condition_encoder(names: Iterable[str]) -> dict[str, str]:
    """Give the name of each tensor of version 1's condition encoder in the autoencoder that it is a copy of."""
    moved = {"cond_encoder.0.": "encoder.", "cond_encoder.1.": "quant_conv."}
    table: dict[str, str] = {}
    for name in names:
        for start, own in moved.items():
            if name.startswith(start):
                table[name] = own + name.removeprefix(start)
    return table


_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_OUTSIDE = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}


def _unet(name: str) -> str:
    """Name a tensor of Stable Diffusion's U-Net as CompVis' code does: blocks counted through, two layers a level."""
    for ours, theirs in _OUTSIDE.items():
        if name.startswith(f"{ours}."):
            return theirs + name.removeprefix(ours)
    where, _, rest = name.partition(".")
    if where == "mid_block":
        kind, number, inner = rest.split(".", 2)
        place = f"middle_block.{1 if kind == 'attentions' else 2 * int(number)}"
        return f"{place}.{_inside(kind, inner)}"
    level, kind, number, inner = rest.split(".", 3)
    if where == "down_blocks":
        if kind == "downsamplers":
            return f"input_blocks.{3 * int(level) + 3}.0.op.{inner.removeprefix('conv.')}"
        block = f"input_blocks.{3 * int(level) + int(number) + 1}"
    elif kind == "upsamplers":
        # The highest level has no attention, so what follows it moves up by one.
        return f"output_blocks.{3 * int(level) + 2}.{1 if level == '0' else 2}.{inner}"
    else:
        block = f"output_blocks.{3 * int(level) + int(number)}"
    return f"{block}.{1 if kind == 'attentions' else 0}.{_inside(kind, inner)}"


def _inside(kind: str, inner: str) -> str:
    if kind == "attentions":
        return inner
    layer, _, last = inner.rpartition(".")
    return f"{_RESNET[layer]}.{last}"


def _guide(name: str, shape: Shape) -> Source:
    if name in ("conv_in.weight", CONDITION):
        out, own = shape[0], shape[1]
        first = 0 if name == "conv_in.weight" else own
        return Source("input_blocks.0.0.weight", (out, 2 * own, *shape[2:]), (1, first, first + own))
    if name.startswith("controlnet_down_blocks."):
        _, number, last = name.split(".")
        return Source(f"zero_convs.{number}.0.{last}", shape)
    if name.startswith("controlnet_mid_block."):
        return Source(f"middle_block_out.0.{name.rpartition('.')[2]}", shape)
    return Source(_unet(name), shape)


_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}


def _autoencoder(name: str, shape: Shape, levels: int) -> Source:
    """Name a tensor of the autoencoder; its attention is of 1 x 1 convolutions there and of matrices here."""
    half, _, rest = name.partition(".")
    if half in ("quant_conv", "post_quant_conv"):
        return Source(name, shape)
    if rest.startswith("conv_norm_out."):
        return Source(f"{half}.norm_out.{rest.rpartition('.')[2]}", shape)
    if rest.startswith(("conv_in.", "conv_out.")):
        return Source(name, shape)
    where, _, rest = rest.partition(".")
    if where == "mid_block":
        kind, number, inner = rest.split(".", 2)
        if kind == "attentions":
            layer, _, last = inner.rpartition(".")
            whole = (*shape, 1, 1) if len(shape) == 2 else shape
            return Source(f"{half}.mid.attn_1.{_ATTENTION[layer]}.{last}", whole)
        return Source(f"{half}.mid.block_{int(number) + 1}.{inner}", shape)
    level, kind, number, inner = rest.split(".", 3)
    if half == "decoder":
        level, where = str(levels - 1 - int(level)), "up"
    else:
        where = "down"
    if kind == "resnets":
        return Source(f"{half}.{where}.{level}.block.{number}.{inner.replace('conv_shortcut', 'nin_shortcut')}", shape)
    return Source(f"{half}.{where}.{level}.{where}sample.{inner}", shape)


_LAYER = {
    "self_attn.out_proj": "attn.out_proj",
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
}


def _text(name: str, shape: Shape, width: int) -> Source:
    """Name a tensor of the text encoder as OpenCLIP does, which keeps query, key and value in one matrix."""
    outside = {
        "embeddings.token_embedding.weight": "token_embedding.weight",
        "embeddings.position_embedding.weight": "positional_embedding",
        "final_layer_norm.weight": "ln_final.weight",
        "final_layer_norm.bias": "ln_final.bias",
    }
    if name in outside:
        return Source(outside[name], shape)
    _, _, number, rest = name.split(".", 3)
    layer, _, last = rest.rpartition(".")
    place = f"transformer.resblocks.{number}"
    if layer in _LAYER:
        return Source(f"{place}.{_LAYER[layer]}.{last}", shape)
    first = ("q_proj", "k_proj", "v_proj").index(layer.rpartition(".")[2]) * width
    whole = (3 * width, *shape[1:])
    return Source(f"{place}.attn.in_proj_{last}", whole, (0, first, first + width))
