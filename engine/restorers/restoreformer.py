"""RestoreFormer: blind restoring by attention to a dictionary of clear faces (Wang et al. 2022)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.progress import Tick
from engine.restorers import _peer
from engine.restorers._contract import Context, Pixels, RestorerInfo, Subject
from engine.weights import fill

if TYPE_CHECKING:
    from torch.nn import Module

FILE = "restoreformer"


@dataclass(frozen=True)
class RestoreFormer:
    """Holds the network."""

    network: Module
    size: int = _peer.SIZE

    def restore(self, face: Pixels, subject: Subject, options: _peer.PeerOptions, *, seed: int, tick: Tick) -> Pixels:
        """See `Restorer.restore`. Nothing is random here, so the seed changes nothing."""
        del subject, seed
        tick(0, 1)
        with _peer.running(self.network, options) as device:
            made = self.network(_peer.as_batch(face, self.size, device))[0]
        tick(1, 1)
        return _peer.as_face(made)


def empty_network() -> Module:
    """Give the network, not filled yet; it takes and gives `(N, 3, 512, 512)`, -1 to 1.

    Source: configs/RestoreFormer.yaml of the authors; 72,680,003 weights.
    """
    from spandrel.architectures.RestoreFormer import RestoreFormer as Network

    return Network(
        n_embed=1024,
        embed_dim=256,
        ch=64,
        ch_mult=(1, 2, 2, 4, 4, 8),
        num_res_blocks=2,
        attn_resolutions=(16,),
        resolution=512,
        z_channels=256,
        double_z=False,
        enable_mid=True,
        head_size=8,
    )


def load(context: Context) -> RestoreFormer:
    """Load the network, from GFPGAN's release or from the authors' own checkpoint.

    Raises:
        EngineError: its file is missing, damaged or not to be used; see `_peer.weights_file`.
    """
    path = _peer.weights_file(context, FILE)
    made = empty_network()
    fill(made, path, within=("params", "params_ema", "state_dict"), prefix="vqvae.")
    return RestoreFormer(_peer.ready(made, context.device))


def untrained(device: str) -> RestoreFormer:
    """Give the restorer with a network that has learnt nothing."""
    return RestoreFormer(_peer.ready(empty_network(), device))


RESTORER = RestorerInfo(
    id="restoreformer",
    title="RestoreFormer",
    summary="A clear face at once, put together from a dictionary of clear faces.",
    paper="https://openaccess.thecvf.com/content/CVPR2022/html/"
    "Wang_RestoreFormer_High-Quality_Blind_Face_Restoration_From_Undegraded_Key-Value_Pairs_CVPR_2022_paper.html",
    source="wzhouxiff/RestoreFormer@294cf9521a868d4bc5b5e8a77476e1b1a8a05743",
    license="Apache-2.0; its file is published by GFPGAN without words of its own",
    load=load,
    options=_peer.PeerOptions,
    size=_peer.SIZE,
    weights=(FILE,),
    untrained=untrained,
    memory=1_700_000_000,
    left_out=(f"--upscale, --bg_upsampler, --aligned of GFPGAN's program, which runs it: {_peer.DONE_HERE}",),
)
