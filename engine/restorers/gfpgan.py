"""GFPGAN 1.2, 1.3 and 1.4: blind restoring by a U-Net that steers a StyleGAN2 of faces (Wang et al. 2021)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from engine.progress import Tick
from engine.restorers import _peer
from engine.restorers._contract import Context, Pixels, RestorerInfo, Subject, option
from engine.weights import fill

if TYPE_CHECKING:
    from torch.nn import Module

VERSIONS = ("1.4", "1.3", "1.2")


@dataclass(frozen=True)
class GfpganOptions(_peer.FastOptions):
    """What a user may change."""

    version: str = option(
        "1.4",
        "Version",
        "1.4 keeps a little more detail and identity than 1.3, which looks more natural than 1.2, which is sharper and "
        "adds make-up.",
        choices=VERSIONS,
        original="--version",
    )
    fresh_noise: bool = option(
        True,
        "Fresh noise",
        "Skin and hair get noise by the seed, as by the authors' program. Off: the noise that is stored in the file.",
        advanced=True,
        original="randomize_noise (in their code)",
    )

    def weights(self) -> tuple[str, ...]:
        """Give the file that these options need."""
        return (f"gfpgan-{self.version}",)


@dataclass(frozen=True)
class Gfpgan:
    """Holds the network of the version that was used last."""

    network: Callable[[str], Module]
    """Gives the filled network of a version."""
    size: int = _peer.SIZE

    def restore(self, face: Pixels, subject: Subject, options: GfpganOptions, *, seed: int, tick: Tick) -> Pixels:
        """See `Restorer.restore`."""
        del subject
        network = self.network(options.version)
        tick(0, 1)
        with _peer.running(network, options) as device, _peer.seeded(seed, device):
            batch = _peer.as_batch(face, self.size, device)
            made = network(batch, return_rgb=False, randomize_noise=options.fresh_noise)[0]
        tick(1, 1)
        return _peer.as_face(made)


def empty_network() -> Module:
    """Give the network of all three versions, not filled yet; it takes and gives `(N, 3, 512, 512)`, -1 to 1.

    Source: the "clean" one, 86,444,252 weights, as gfpgan/utils.py makes it for these versions.
    """
    from spandrel.architectures.GFPGAN import GFPGAN

    return GFPGAN(
        out_size=512,
        num_style_feat=512,
        channel_multiplier=2,
        fix_decoder=False,
        num_mlp=8,
        input_is_latent=True,
        different_w=True,
        narrow=1,
        sft_half=True,
    )


def load_version(context: Context, version: str) -> Module:
    """Give the filled network of a version.

    Raises:
        EngineError: its file is missing, damaged or not to be used; see `_peer.weights_file`.
    """
    path = _peer.weights_file(context, f"gfpgan-{version}")
    made = empty_network()
    fill(made, path, within=("params_ema", "params"))
    return _peer.ready(made, context.device)


def load(context: Context) -> Gfpgan:
    """Give the restorer; each version's network is loaded when it is first asked for."""
    return Gfpgan(_peer.Last(partial(load_version, context)).get)


def untrained(device: str) -> Gfpgan:
    """Give the restorer with a network that has learnt nothing."""
    network = _peer.ready(empty_network(), device)
    return Gfpgan(lambda version: network)


def chosen_weights(options: GfpganOptions) -> tuple[str, ...]:
    """Give the file that options ask for."""
    return options.weights()


RESTORER = RestorerInfo(
    id="gfpgan",
    title="GFPGAN",
    summary="A clear face at once, by a network that has seen many faces and does not know this one.",
    paper="https://arxiv.org/abs/2101.04061",
    source="TencentARC/GFPGAN@7552a7791caad982045a7bbe5634bbf1cd5c8679",
    license="Apache-2.0, with parts of StyleGAN2 and DFDNet that forbid commercial use: ask the authors first",
    load=load,
    options=GfpganOptions,
    size=_peer.SIZE,
    weights=tuple(f"gfpgan-{version}" for version in VERSIONS),
    chosen_weights=chosen_weights,
    untrained=untrained,
    memory=1_800_000_000,
    left_out=(
        "--weight: the authors' networks ignore it, so it would change nothing here either.",
        f"--upscale, --bg_upsampler, --bg_tile, --only_center_face, --aligned: {_peer.DONE_HERE}",
    ),
)
