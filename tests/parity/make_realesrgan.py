"""Makes realesrgan.json: `make_realesrgan.py REAL_ESRGAN BASICSR`, checkouts of the two at the commits below."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import rule
import torch

SOURCE = (
    "xinntao/Real-ESRGAN@a4abfb2979a7bbff3f69f58f58ae324608821e27 realesrgan/archs/srvgg_arch.py and "
    "XPixelGroup/BasicSR@8d56e3a045f9fb3e1d8872f92ee4a4f07f886b0a basicsr/archs/rrdbnet_arch.py"
)
SIDE = 32
FULL = {
    "x4plus": {"num_feat": 64, "num_block": 23, "scale": 4},
    "x2plus": {"num_feat": 64, "num_block": 23, "scale": 2},
    "x4v3": {"num_feat": 64, "num_conv": 32, "upscale": 4},
}
SMALL = {
    "x4plus": {"num_feat": 16, "num_block": 2, "scale": 4},
    "x2plus": {"num_feat": 16, "num_block": 2, "scale": 2},
    "x4v3": {"num_feat": 16, "num_conv": 3, "upscale": 4},
}


def main(real_esrgan: Path, basicsr: Path) -> None:
    """Write the numbers."""
    sys.dont_write_bytecode = True
    sys.path[:0] = [str(basicsr), str(real_esrgan)]
    # Only three of their files are wanted; the packages round them import half of a training program.
    for name, root in {"basicsr": basicsr, "realesrgan": real_esrgan}.items():
        for inner in ("", ".archs", ".utils", ".ops"):
            package = ModuleType(f"{name}{inner}")
            package.__path__ = [str(root.joinpath(name, *inner.split(".")[1:]))]
            sys.modules[package.__name__] = package
    unused = {"basicsr.ops.dcn": ("ModulatedDeformConvPack", "modulated_deform_conv")}
    unused |= {"basicsr.utils": ("get_root_logger",), "distutils.version": ("LooseVersion",)}
    for name, members in unused.items():
        module = sys.modules.setdefault(name, ModuleType(name))
        for member in members:
            setattr(module, member, type(member, (), {}))
    from basicsr.archs.rrdbnet_arch import RRDBNet  # type: ignore[import-not-found]
    from realesrgan.archs.srvgg_arch import SRVGGNetCompact  # type: ignore[import-not-found]

    cases = {}
    for size, configs in (("small", SMALL), ("full", FULL)):
        case = {"config": {"image_size": SIDE, **configs}, "outputs": {}}
        for model, config in configs.items():
            kind = SRVGGNetCompact if model == "x4v3" else RRDBNet
            network = kind(num_in_ch=3, num_out_ch=3, **config).eval()
            state = rule.official_state(network)
            network.load_state_dict(state, strict=True)
            with torch.inference_mode():
                made = network((torch.from_numpy(rule.picture(SIDE)) + 1) / 2)
            case[f"form_{model}"] = rule.form(state)
            case["outputs"][model] = rule.summary(made.numpy())
            print(size, model, {k: case["outputs"][model][k] for k in ("mean", "std", "max")})  # noqa: T201
        cases[size] = case
    rule.write("realesrgan", SOURCE, cases)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
