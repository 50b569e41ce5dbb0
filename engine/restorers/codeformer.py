"""CodeFormer: blind restoring by the codes of a clear face, from quality to fidelity (Zhou et al. 2022)."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.progress import Tick
from engine.restorers import _peer
from engine.restorers._contract import Context, Pixels, RestorerInfo, Subject, option, require_package
from engine.weights import fill

if TYPE_CHECKING:
    from torch.nn import Module

FILE = "codeformer"
PACKAGE = "spandrel_extra_arches>=0.2,<0.3"
"""Not among the app's requirements, since CodeFormer's licence forbids commercial use."""


@dataclass(frozen=True)
class CodeFormerOptions(_peer.PeerOptions):
    """What a user may change."""

    weight: float = option(
        0.5,
        "Quality to fidelity",
        "0 gives the clearest face, 1 keeps nearest to the photo, and so to the person.",
        low=0.0,
        high=1.0,
        step=0.05,
        original="-w, --fidelity_weight",
    )


@dataclass(frozen=True)
class CodeFormer:
    """Holds the network."""

    network: Module
    size: int = _peer.SIZE

    def restore(self, face: Pixels, subject: Subject, options: CodeFormerOptions, *, seed: int, tick: Tick) -> Pixels:
        """See `Restorer.restore`. Nothing is random here, so the seed changes nothing."""
        del subject, seed
        tick(0, 1)
        with _peer.running(self.network, options) as device:
            # Named `weight` there: another name would be taken without a word, and 0.5 used.
            made = self.network(_peer.as_batch(face, self.size, device), weight=options.weight)[0]
        tick(1, 1)
        return _peer.as_face(made)


def architecture() -> Any:
    """Give the module that defines the network.

    Raises:
        PackageMissing: the package is not installed.
    """
    require_package("CodeFormer", PACKAGE)
    with warnings.catch_warnings():
        # It marks a function for torch's old compiler, which torch warns of.
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        from spandrel_extra_arches.architectures.CodeFormer.__arch import codeformer
    return codeformer


def empty_network() -> Module:
    """Give the network, not filled yet; it takes and gives `(N, 3, 512, 512)`, -1 to 1.

    Source: inference_codeformer.py of the authors; 94,112,707 weights.
    """
    return architecture().CodeFormer(
        dim_embd=512,
        n_head=8,
        n_layers=9,
        codebook_size=1024,
        latent_size=256,
        connect_list=["32", "64", "128", "256"],
    )


def load(context: Context) -> CodeFormer:
    """Load the network.

    Raises:
        PackageMissing: see `architecture`.
        EngineError: its file is missing, damaged or not to be used; see `_peer.weights_file`.
    """
    architecture()  # told first: without it the file would be of no use
    path = _peer.weights_file(context, FILE)
    made = empty_network()
    fill(made, path, within=("params_ema",))
    return CodeFormer(_peer.ready(made, context.device))


def untrained(device: str) -> CodeFormer:
    """Give the restorer with a network that has learnt nothing.

    Raises:
        PackageMissing: see `architecture`.
    """
    return CodeFormer(_peer.ready(empty_network(), device))


RESTORER = RestorerInfo(
    id="codeformer",
    title="CodeFormer",
    summary="A clear face at once, with a knob from the clearest face to the one nearest to the photo.",
    paper="https://arxiv.org/abs/2206.11253",
    source="sczhou/CodeFormer@b33cc7d639d6545bfcccc7e0bc6ae51f24e79c2b",
    license="S-Lab License 1.0, code and weights: no commercial use",
    load=load,
    options=CodeFormerOptions,
    size=_peer.SIZE,
    weights=(FILE,),
    package=PACKAGE,
    untrained=untrained,
    memory=1_800_000_000,
    left_out=(
        f"--upscale, --bg_upsampler, --bg_tile, --face_upsample, --has_aligned, --only_center_face: {_peer.DONE_HERE}",
        "adain: the authors' program always has it on for restoring, and so it is here.",
    ),
)
