"""Our networks at the sizes that the official numbers were taken at, and restorers made of the small ones."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import torch
from torch.nn import Module

from engine.restorers import _peer, codeformer, difface, gfpgan, realesrgan, restoreformer
from engine.restorers._arch.ddpm_unet import FFHQ512, DdpmUNet, Plan
from tests.parity import rule


@dataclass(frozen=True)
class Port:
    """One of our networks."""

    id: str
    numbers: str
    """Whose official numbers: `<numbers>.json`."""
    config: str
    """Where a case has its official settings; "config" or a part's name."""
    form: str
    """Where a case has the fingerprint of its file."""
    small: Callable[[Mapping[str, Any]], Module]
    """Makes the small one of the official settings."""
    full: Callable[[], Module]
    """Makes it at its official size, as the app does."""
    within: tuple[str, ...]
    """Names under which published files hold the tensors."""
    swaps: tuple[tuple[str, str], ...]
    """Tensors of one shape, as the small network names them."""
    published: Callable[[str], str] = str

    def network(self, size: str) -> Module:
        """Make and fill one by the rule."""
        made = self.small(rule.read(self.numbers)[size]) if size == "small" else self.full()
        state = rule.official_state(made, self.published)
        made.load_state_dict({name: state[self.published(name)] for name in made.state_dict()})
        return made.eval().requires_grad_(False)


def _gfpgan(case: Mapping[str, Any]) -> Module:
    from spandrel.architectures.GFPGAN import GFPGAN

    return GFPGAN(**case["config"])


def _restoreformer(case: Mapping[str, Any]) -> Module:
    from spandrel.architectures.RestoreFormer import RestoreFormer

    return RestoreFormer(**case["config"])


def _codeformer(case: Mapping[str, Any]) -> Module:
    module = codeformer.architecture()
    return rule.narrowed_codeformer(module, partial(module.CodeFormer, **case["config"]), case["width"])


def _swinir(case: Mapping[str, Any]) -> Module:
    from spandrel.architectures.SwinIR import SwinIR

    known = {k: v for k, v in case["swinir"].items() if k not in ("sf", "unshuffle", "unshuffle_scale")}
    return quiet(
        lambda: SwinIR(**known, upscale=case["swinir"]["sf"], start_unshuffle=case["swinir"]["unshuffle_scale"])
    )


def _rrdb(case: Mapping[str, Any], model: str) -> Module:
    from spandrel.architectures.ESRGAN import ESRGAN

    known = case["config"][model]
    sees = {"in_nc": 12, "shuffle_factor": 2} if known["scale"] == 2 else {"in_nc": 3}
    return ESRGAN(**sees, out_nc=3, num_filters=known["num_feat"], num_blocks=known["num_block"], scale=4)


def _compact(case: Mapping[str, Any]) -> Module:
    from spandrel.architectures.Compact import Compact

    return Compact(**case["config"]["x4v3"])


def _unet(case: Mapping[str, Any]) -> Module:
    known = case["unet"]
    return DdpmUNet(
        Plan(
            known["image_size"],
            known["model_channels"],
            tuple(known["channel_mult"]),
            tuple(known["num_res_blocks"]),
            tuple(known["attention_resolutions"]),
            known["num_head_channels"],
        )
    )


def quiet(make: Callable[[], Module]) -> Module:
    """Make a network whose library uses torch in a way that torch warns of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return make()


PORTS = (
    Port(
        "gfpgan",
        "gfpgan",
        "config",
        "form",
        _gfpgan,
        gfpgan.empty_network,
        ("params_ema", "params"),
        (
            ("conv_body_down.0.conv1.weight", "conv_body_down.1.conv1.weight"),
            (
                "stylegan_decoder.style_convs.0.modulated_conv.weight",
                "stylegan_decoder.style_convs.1.modulated_conv.weight",
            ),
            ("condition_scale.0.2.weight", "condition_shift.0.2.weight"),
            ("stylegan_decoder.noises.noise1", "stylegan_decoder.noises.noise2"),
        ),
    ),
    Port(
        "restoreformer",
        "restoreformer",
        "config",
        "form",
        _restoreformer,
        restoreformer.empty_network,
        ("params", "params_ema", "state_dict"),
        (
            ("decoder.mid.attn_1.q.weight", "decoder.mid.attn_1.k.weight"),
            ("decoder.mid.attn_1.norm1.weight", "decoder.mid.attn_1.norm2.weight"),
            ("encoder.down.0.block.0.conv1.weight", "encoder.down.0.block.0.conv2.weight"),
        ),
    ),
    Port(
        "codeformer",
        "codeformer",
        "config",
        "form",
        _codeformer,
        codeformer.empty_network,
        ("params_ema",),
        (
            ("fuse_convs_dict.64.scale.0.weight", "fuse_convs_dict.64.shift.0.weight"),
            ("ft_layers.0.linear1.weight", "ft_layers.1.linear1.weight"),
        ),
    ),
    Port(
        "difface-unet",
        "difface",
        "unet",
        "unet_form",
        _unet,
        lambda: DdpmUNet(FFHQ512),
        ("state_dict", ""),
        (
            ("input_blocks.3.0.out_layers.3.weight", "input_blocks.4.0.out_layers.3.weight"),
            ("middle_block.0.emb_layers.1.weight", "middle_block.2.emb_layers.1.weight"),
            ("middle_block.1.norm.weight", "middle_block.1.norm.bias"),
        ),
    ),
    Port(
        "difface-swinir",
        "difface",
        "swinir",
        "swinir_form",
        _swinir,
        difface.empty_cleaner,
        ("state_dict", "params_ema", ""),
        (
            ("layers.0.residual_group.blocks.0.norm1.weight", "layers.0.residual_group.blocks.0.norm2.weight"),
            ("layers.0.conv.weight", "layers.1.conv.weight"),
        ),
        difface.cleaner_name,
    ),
    *(
        Port(
            f"realesrgan-{model}",
            "realesrgan",
            "config",
            f"form_{model}",
            partial(_rrdb, model=model),
            partial(realesrgan.empty_network, file),
            ("params_ema", "params"),
            (
                ("model.1.sub.0.RDB1.conv1.0.weight", "model.1.sub.0.RDB2.conv1.0.weight"),
                ("model.3.weight", "model.6.weight"),
            ),
            realesrgan.published_name,
        )
        for model, file in (("x4plus", realesrgan.X4PLUS), ("x2plus", realesrgan.X2PLUS))
    ),
    Port(
        "realesrgan-x4v3",
        "realesrgan",
        "config",
        "form_x4v3",
        _compact,
        partial(realesrgan.empty_network, realesrgan.X4V3),
        ("params_ema", "params"),
        (("body.2.weight", "body.4.weight"), ("body.1.weight", "body.3.weight")),
        realesrgan.published_name,
    ),
)


def outputs(port: Port, network: Module, kept: Mapping[str, Any], size: str) -> dict[str, Any]:
    """Give what a network makes of the rule's picture, under the names of the official numbers."""
    case = rule.read(port.numbers)[size]
    batch = torch.from_numpy(rule.picture(side_of(case)))
    with torch.inference_mode():
        if port.id == "gfpgan":
            made, rgbs = network(batch, return_rgb=True, randomize_noise=False)
            return {"image": made.numpy(), "last_rgb": rgbs[-1].numpy()}
        if port.id == "restoreformer":
            return {"image": network(batch)[0].numpy()}
        if port.id == "codeformer":
            wanted = [name for name in kept if name.startswith("image")]
            made = {name: network(batch, weight=float(name.partition("_")[2])) for name in wanted}
            return {**{n: m[0].numpy() for n, m in made.items()}, "logits": made[wanted[0]][1].numpy()}
        if port.id == "difface-unet":
            return {"unet": network(batch, torch.tensor([case["step"]])).numpy()}
        if port.numbers == "realesrgan":
            return {port.id.removeprefix("realesrgan-"): network((batch + 1) / 2).numpy()}
        return {"swinir": network((batch + 1) / 2).numpy()}


def side_of(case: Mapping[str, Any]) -> int:
    """Give the side of a case's pictures, px; CodeFormer knows 512 alone."""
    known = {**case.get("config", {}), **case.get("unet", {})}
    return next((known[name] for name in ("out_size", "resolution", "image_size") if name in known), 512)


@cache
def small_restorer(id: str) -> Any:
    """Give a restorer of others with its small network, filled by the rule; no test changes it."""
    ports = {port.id: port for port in PORTS}
    if id == "difface":
        return difface.DifFace(ports["difface-swinir"].network("small"), ports["difface-unet"].network("small"), 32)
    if id == "realesrgan":
        from spandrel.architectures.Compact import Compact

        torch.manual_seed(0)
        small = Compact(num_feat=8, num_conv=2, upscale=2).eval().requires_grad_(False)
        return realesrgan.RealEsrgan(lambda model: small, 64)
    network = ports[id].network("small")
    if id == "gfpgan":
        return gfpgan.Gfpgan(lambda version: network, 64)
    if id == "restoreformer":
        return restoreformer.RestoreFormer(network, 64)
    return codeformer.CodeFormer(network, _peer.SIZE)
