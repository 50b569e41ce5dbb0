"""Makes gfpgan.json: `python tests/parity/make_gfpgan.py CHECKOUT` of TencentARC/GFPGAN at the commit below."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import rule
import torch

SOURCE = "TencentARC/GFPGAN@7552a7791caad982045a7bbe5634bbf1cd5c8679 gfpgan/archs/gfpganv1_clean_arch.py"
BOTH = {"fix_decoder": False, "num_mlp": 8, "input_is_latent": True, "different_w": True, "sft_half": True}
FULL = {"out_size": 512, "num_style_feat": 512, "channel_multiplier": 2, "narrow": 1, **BOTH}
SMALL = {"out_size": 64, "num_style_feat": 64, "channel_multiplier": 2, "narrow": 0.125, **BOTH}


def official(checkout: Path) -> Any:
    """Import the official module; of basicsr it needs a decorator and an initialisation, which the rule replaces."""
    sys.dont_write_bytecode = True
    registry = types.SimpleNamespace(ARCH_REGISTRY=types.SimpleNamespace(register=lambda: lambda kind: kind))
    first = types.SimpleNamespace(default_init_weights=lambda *_, **__: None)
    packages = {name: types.ModuleType(name) for name in ("basicsr", "basicsr.utils", "basicsr.archs")}
    gfpgan = {name: types.ModuleType(name) for name in ("gfpgan", "gfpgan.archs")}
    gfpgan["gfpgan"].__path__ = [str(checkout / "gfpgan")]
    gfpgan["gfpgan.archs"].__path__ = [str(checkout / "gfpgan" / "archs")]
    sys.modules.update(packages | gfpgan)
    sys.modules["basicsr.utils.registry"], sys.modules["basicsr.archs.arch_util"] = registry, first  # type: ignore[assignment]
    from gfpgan.archs import gfpganv1_clean_arch  # type: ignore[import-not-found]

    return gfpganv1_clean_arch


def main(checkout: Path) -> None:
    """Write the numbers."""
    module, cases = official(checkout), {}
    for name, config in (("small", SMALL), ("full", FULL)):
        network = module.GFPGANv1Clean(**config).eval()
        state = rule.official_state(network)
        network.load_state_dict(state, strict=True)
        with torch.inference_mode():
            batch = torch.from_numpy(rule.picture(config["out_size"]))
            made, rgbs = network(batch, return_rgb=True, randomize_noise=False)
        outputs = {"image": rule.summary(made.numpy()), "last_rgb": rule.summary(rgbs[-1].numpy())}
        outputs["face"] = rule.summary(((made.clamp(-1, 1) + 1) / 2).numpy())
        cases[name] = {"config": config, "form": rule.form(state), "outputs": outputs}
        print(name, {k: (v["mean"], v["std"], v["max"]) for k, v in outputs.items()})  # noqa: T201
    rule.write("gfpgan", SOURCE, cases)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
