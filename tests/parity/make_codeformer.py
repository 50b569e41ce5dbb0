"""Makes codeformer.json: `python tests/parity/make_codeformer.py CHECKOUT` of sczhou/CodeFormer at the commit below."""

from __future__ import annotations

import logging
import sys
import types
from functools import partial
from pathlib import Path
from typing import Any

import rule
import torch

SOURCE = "sczhou/CodeFormer@b33cc7d639d6545bfcccc7e0bc6ae51f24e79c2b basicsr/archs/codeformer_arch.py"
LEVELS = ["32", "64", "128", "256"]
FULL = {"dim_embd": 512, "n_head": 8, "n_layers": 9, "codebook_size": 1024, "connect_list": LEVELS}
SMALL = {"dim_embd": 64, "n_head": 8, "n_layers": 2, "codebook_size": 64, "connect_list": LEVELS}
WIDTH = 8
"""Of the small one's convolutions; see `rule.narrowed_codeformer`."""


def official(checkout: Path) -> tuple[Any, Any]:
    """Import the official modules; of their basicsr they need a decorator and a logger."""
    sys.dont_write_bytecode = True
    packages = {name: types.ModuleType(name) for name in ("basicsr", "basicsr.archs", "basicsr.utils")}
    packages["basicsr"].__path__ = [str(checkout / "basicsr")]
    packages["basicsr.archs"].__path__ = [str(checkout / "basicsr" / "archs")]
    packages["basicsr.utils"].__path__ = [str(checkout / "basicsr" / "utils")]
    packages["basicsr.utils"].get_root_logger = logging.getLogger  # type: ignore[attr-defined]
    sys.modules.update(packages)
    from basicsr.archs import codeformer_arch, vqgan_arch  # type: ignore[import-not-found]

    return codeformer_arch, vqgan_arch


def main(checkout: Path) -> None:
    """Write the numbers."""
    module, vqgan = official(checkout)
    cases = {}
    for name, config in (("small", SMALL), ("full", FULL)):
        build = partial(module.CodeFormer, **config)
        network = (rule.narrowed_codeformer(vqgan, build, WIDTH) if name == "small" else build()).eval()
        state = rule.official_state(network)
        network.load_state_dict(state, strict=True)
        outputs: dict[str, Any] = {}
        with torch.inference_mode():
            batch = torch.from_numpy(rule.picture(512))
            for weight in (0, 0.5, 1):
                made, logits, _ = network(batch, w=weight, adain=True)
                outputs[f"image_{weight}"] = rule.summary(made.numpy())
                outputs[f"face_{weight}"] = rule.summary(((made.clamp(-1, 1) + 1) / 2).numpy())
        outputs["logits"] = rule.summary(logits.numpy())
        best = logits.topk(2, dim=2).values
        print("least margin of a code", float((best[..., 0] - best[..., 1]).min()))  # noqa: T201
        cases[name] = {"config": config, "width": WIDTH, "form": rule.form(state), "outputs": outputs}
        print(name, {k: (v["mean"], v["std"], v["max"]) for k, v in outputs.items()})  # noqa: T201
    rule.write("codeformer", SOURCE, cases)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
