"""Makes difface.json: `python tests/parity/make_difface.py CHECKOUT` of zsyOAOA/DifFace at the commit below."""

from __future__ import annotations

import sys
import types
from itertools import count
from pathlib import Path
from typing import Any

import rule
import torch

SOURCE = "zsyOAOA/DifFace@5c9ab801b2872544b221d4bfdeead7d430af4ed2 models/unet.py, models/swinir.py, models/respace.py"
UNET = {"in_channels": 3, "out_channels": 6, "num_head_channels": 64, "use_scale_shift_norm": True}
UNETS = {
    "small": {
        **{"image_size": 32, "model_channels": 32, "attention_resolutions": [16, 8]},
        **{"channel_mult": [1, 2, 4], "num_res_blocks": [1, 2, 3], **UNET},
    },
    "full": {
        **{"image_size": 512, "model_channels": 32, "attention_resolutions": [32, 16, 8]},
        **{"channel_mult": [1, 2, 4, 8, 8, 16, 16], "num_res_blocks": [1, 2, 2, 2, 2, 3, 4], **UNET},
    },
}
SWIN = {"in_chans": 3, "mlp_ratio": 2, "img_range": 1.0, "upsampler": "nearest+conv", "resi_connection": "1conv"}
SWINS = {
    "small": {
        **{"img_size": 4, "embed_dim": 24, "depths": [2, 2], "num_heads": [2, 2], "window_size": 2},
        **{"sf": 8, "unshuffle": True, "unshuffle_scale": 8, **SWIN},
    },
    "full": {
        **{"img_size": 64, "embed_dim": 180, "depths": [6] * 8, "num_heads": [6] * 8, "window_size": 8},
        **{"sf": 8, "unshuffle": True, "unshuffle_scale": 8, **SWIN},
    },
}
STEP = 396
SHORT = 5
"""Steps of a loop through a network that is not tamed."""


def official(checkout: Path) -> tuple[Any, Any, Any]:
    """Import the official modules; of timm they need two helpers and a layer that does nothing when not training."""
    sys.dont_write_bytecode = True
    layers = types.SimpleNamespace(
        DropPath=lambda *_: torch.nn.Identity(), to_2tuple=lambda n: (n, n), trunc_normal_=torch.nn.init.trunc_normal_
    )
    sys.modules.update({name: types.ModuleType(name) for name in ("timm", "timm.models")})
    sys.modules["timm.models.layers"] = layers  # type: ignore[assignment]
    sys.path.insert(0, str(checkout))
    from models import script_util, swinir, unet  # type: ignore[import-not-found]

    return unet, swinir, script_util


def filled(network: Any) -> tuple[Any, str]:
    """Fill a network by the rule; give it and the form of its file."""
    state = rule.official_state(network)
    network.load_state_dict(state, strict=True)
    return network.eval(), rule.form(state)


def main(checkout: Path) -> None:
    """Write the numbers."""
    unet, swinir, script_util = official(checkout)
    diffusion = script_util.create_gaussian_diffusion(
        steps=1000, learn_sigma=True, noise_schedule="linear", rescale_learned_sigmas=True, timestep_respacing="ddim250"
    )
    cases: dict[str, Any] = {}
    for size in ("small", "full"):
        model, model_form = filled(unet.UNetModel(**UNETS[size]))
        cleaner, cleaner_form = filled(swinir.SwinIR(**SWINS[size]))
        batch = torch.from_numpy(rule.picture(UNETS[size]["image_size"]))
        with torch.inference_mode():
            made = model(batch, torch.tensor([STEP]))
            cleaned = cleaner((batch + 1) / 2)
        outputs = {"unet": rule.summary(made.numpy()), "swinir": rule.summary(cleaned.numpy())}
        if size == "small":
            outputs["short_0.5"] = rule.summary(looped(diffusion, model, cleaned, 0.5, SHORT).numpy())
            rule.tame(model)
            for eta in (0.0, 0.5, 1.0):
                outputs[f"loop_{eta}"] = rule.summary(looped(diffusion, model, cleaned, eta, 100).numpy())
        cases[size] = {"unet": UNETS[size], "swinir": SWINS[size], "step": STEP, "outputs": outputs}
        cases[size] |= {"unet_form": model_form, "swinir_form": cleaner_form}
        print(size, {k: (v["mean"], v["std"], v["max"]) for k, v in outputs.items()})  # noqa: T201
    rule.write("difface", SOURCE, cases)


def looped(diffusion: Any, model: Any, cleaned: torch.Tensor, eta: float, start: int) -> torch.Tensor:
    """Do what sampler.py does after the cleaner, on any device, with the rule's noise."""
    drawn, own = count(), torch.randn_like
    torch.randn_like = lambda x: torch.from_numpy(rule.noise(next(drawn), x.shape))  # type: ignore[assignment]
    try:
        with torch.inference_mode():
            begun = diffusion.q_sample(cleaned.clamp(0, 1) * 2 - 1, torch.tensor([start]))
            made = diffusion.ddim_sample_loop(
                model, begun.shape, noise=begun, start_timesteps=start, clip_denoised=True, eta=eta
            )
    finally:
        torch.randn_like = own
    return (made + 1).clamp(0, 2) / 2


if __name__ == "__main__":
    main(Path(sys.argv[1]))
