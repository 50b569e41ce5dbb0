"""Makes restoreformer.json: `make_restoreformer.py CHECKOUT` of wzhouxiff/RestoreFormer at the commit below."""

from __future__ import annotations

import sys
from pathlib import Path

import rule
import torch

SOURCE = "wzhouxiff/RestoreFormer@294cf9521a868d4bc5b5e8a77476e1b1a8a05743 RestoreFormer/modules/vqvae/vqvae_arch.py"
BOTH = {"out_ch": 3, "in_channels": 3, "double_z": False, "enable_mid": True, "num_res_blocks": 2}
FULL = {
    **BOTH,
    **{"n_embed": 1024, "embed_dim": 256, "ch": 64, "ch_mult": [1, 2, 2, 4, 4, 8], "attn_resolutions": [16]},
    **{"resolution": 512, "z_channels": 256, "head_size": 8},
}
SMALL = {
    **BOTH,
    **{"n_embed": 64, "embed_dim": 32, "ch": 32, "ch_mult": [1, 2, 2], "attn_resolutions": [16]},
    **{"resolution": 64, "z_channels": 32, "head_size": 4},
}


def main(checkout: Path) -> None:
    """Write the numbers."""
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(checkout))
    from RestoreFormer.modules.vqvae.vqvae_arch import VQVAEGANMultiHeadTransformer  # type: ignore[import-not-found]

    cases = {}
    for name, config in (("small", SMALL), ("full", FULL)):
        network = VQVAEGANMultiHeadTransformer(**config).eval()
        state = rule.official_state(network)
        network.load_state_dict(state, strict=True)
        with torch.inference_mode():
            made, _, info, _ = network(torch.from_numpy(rule.picture(config["resolution"])))
        nearest = info[-1].topk(2, dim=1, largest=False).values if info[-1].dim() == 2 else None
        if nearest is not None:
            print("least margin of a code", float((nearest[:, 1] - nearest[:, 0]).min()))  # noqa: T201
        outputs = {"image": rule.summary(made.numpy())}
        outputs["face"] = rule.summary(((made.clamp(-1, 1) + 1) / 2).numpy())
        cases[name] = {"config": config, "form": rule.form(state), "outputs": outputs}
        print(name, {k: (v["mean"], v["std"], v["max"]) for k, v in outputs.items()})  # noqa: T201
    rule.write("restoreformer", SOURCE, cases)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
