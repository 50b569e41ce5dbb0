"""Real-ESRGAN: a sharper picture of anything, which knows of no face (Wang et al. 2021); also the photo's enlarger.

The networks' definitions come from spandrel; only their modules are used. They see sRGB, 0 to 1, red first.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from engine import images
from engine.progress import Tick
from engine.restorers import _peer
from engine.restorers._contract import Context, Pixels, RestorerInfo, Subject, option
from engine.weights import fill

if TYPE_CHECKING:
    from torch.nn import Module

X2PLUS = "RealESRGAN_x2plus.pth"
X4PLUS = "RealESRGAN_x4plus.pth"
X4V3 = "realesr-general-x4v3.pth"
FACTORS = {X2PLUS: 2, X4PLUS: 4, X4V3: 4}
"""How many times larger each published file's network makes a picture."""
WITHIN = {X2PLUS: "params_ema", X4PLUS: "params_ema", X4V3: "params"}
"""Name under which each published file holds its tensors."""
MODELS = {"x2plus": X2PLUS, "x4plus": X4PLUS, "general-x4v3": X4V3}
"""File of each network, by the end of its id in the list of weights."""


@dataclass(frozen=True)
class RealEsrganOptions(_peer.FastOptions):
    """What a user may change."""

    model: str = option(
        "x2plus",
        "Network",
        "x2plus looks at half the crop's size, the others at a quarter of it: the smaller the face in the photo, the "
        "better they fit. general-x4v3 is small and quick.",
        choices=tuple(MODELS),
        original="--model_name",
    )

    def weights(self) -> tuple[str, ...]:
        """Give the file that these options need."""
        return (f"realesrgan-{self.model}",)


@dataclass(frozen=True)
class RealEsrgan:
    """Holds the network that was used last."""

    network: Callable[[str], Module]
    """Gives a filled network by its key in `MODELS`."""
    size: int = _peer.SIZE

    def restore(self, face: Pixels, subject: Subject, options: RealEsrganOptions, *, seed: int, tick: Tick) -> Pixels:
        """See `Restorer.restore`. Nothing is drawn by chance, so every seed gives the same picture."""
        import torch

        del subject, seed
        if face.shape != (self.size, self.size, 3):
            raise ValueError(f"this restorer takes faces of {self.size} x {self.size} px, got {face.shape}")
        network = self.network(options.model)
        side = self.size // FACTORS[MODELS[options.model]]
        tick(0, 1)
        with _peer.running(network, options) as device:
            small = images.resize(face, (side, side))
            batch = torch.from_numpy(np.ascontiguousarray(small.transpose(2, 0, 1)[None])).to(device)
            made = network(batch)[0].float().clamp(0, 1).permute(1, 2, 0).cpu().numpy()
        tick(1, 1)
        return np.ascontiguousarray(made, np.float32)


def empty_network(file: str) -> Module:
    """Give the network of a published file, not filled yet.

    It takes `(N, 3, H, W)`, sRGB, 0 to 1, and gives the same `FACTORS` times as wide and high, not clipped.

    Source: Wang et al. 2021: 23 blocks of ESRGAN, 64 wide; for twice the size they see the picture at half of it, four
    of its pixels in each of theirs. general-x4v3 is a plain stack of 32 convolutions, 64 wide
    (xinntao/Real-ESRGAN@a4abfb2 inference_realesrgan.py).
    """
    if file == X4V3:
        from spandrel.architectures.Compact import Compact

        return Compact(num_in_ch=3, num_out_ch=3, num_feat=64, num_conv=32, upscale=4, act_type="prelu")
    from spandrel.architectures.ESRGAN import ESRGAN

    if FACTORS[file] == 4:
        return ESRGAN(in_nc=3, out_nc=3, num_filters=64, num_blocks=23, scale=4)
    return ESRGAN(in_nc=12, out_nc=3, num_filters=64, num_blocks=23, scale=4, shuffle_factor=2)


def published_name(own: str) -> str:
    """Give the name that the published files have for one of the network's tensors, by spandrel's name for it."""
    block = re.fullmatch(r"model\.1\.sub\.(\d+)\.RDB(\d)\.conv(\d)\.0\.(weight|bias)", own)
    if block:
        return "body.{}.rdb{}.conv{}.{}".format(*block.groups())
    layer, _, kind = own.rpartition(".")
    if re.fullmatch(r"model\.1\.sub\.\d+", layer):
        return f"conv_body.{kind}"
    layers = {
        "model.0": "conv_first",
        "model.3": "conv_up1",
        "model.6": "conv_up2",
        "model.8": "conv_hr",
        "model.10": "conv_last",
    }
    return f"{layers.get(layer, layer)}.{kind}"


def filled_network(path: Path, file: str = "") -> Module:
    """Give the network of a published file, filled, in float32 on the CPU, ready to be asked.

    Args:
        path: of the file.
        file: which of `FACTORS` it is; its own name if not given.

    Raises:
        WeightsMissing, WeightsDamaged: the file is not there, or is not the one that its name says.
    """
    file = file or path.name
    made = empty_network(file)
    fill(made, path, within=WITHIN[file], published=published_name)
    return made.eval().requires_grad_(False)


def load_model(context: Context, model: str) -> Module:
    """Give the filled network of a key of `MODELS`.

    Raises:
        EngineError: its file is missing, damaged or not to be used; see `_peer.weights_file`.
    """
    path = _peer.weights_file(context, f"realesrgan-{model}")
    return _peer.ready(filled_network(path, MODELS[model]), context.device)


def load(context: Context) -> RealEsrgan:
    """Give the restorer; each network is loaded when it is first asked for."""
    return RealEsrgan(_peer.Last(partial(load_model, context)).get)


def untrained(device: str) -> RealEsrgan:
    """Give the restorer with networks that have learnt nothing."""
    return RealEsrgan(_peer.Last(lambda model: _peer.ready(empty_network(MODELS[model]), device)).get)


def chosen_weights(options: RealEsrganOptions) -> tuple[str, ...]:
    """Give the file that options ask for."""
    return options.weights()


RESTORER = RestorerInfo(
    id="realesrgan",
    title="Real-ESRGAN",
    summary="The face enlarged and sharpened by a network for any picture; it adds no features of a face.",
    paper="https://arxiv.org/abs/2107.10833",
    source="xinntao/Real-ESRGAN@a4abfb2979a7bbff3f69f58f58ae324608821e27",
    license="BSD-3-Clause: commercial use yes",
    load=load,
    options=RealEsrganOptions,
    size=_peer.SIZE,
    weights=tuple(f"realesrgan-{model}" for model in MODELS),
    chosen_weights=chosen_weights,
    untrained=untrained,
    memory=1_000_000_000,
    left_out=(
        "--denoise_strength: mixes general-x4v3 with a second file that is not in the list; here it is 1.",
        "--face_enhance: that is GFPGAN, a restorer of its own here.",
        f"--outscale, --tile, --tile_pad, --pre_pad: {_peer.DONE_HERE}",
    ),
)
