"""Run the official DiffBIR code on numbers by rule and store what it gives.

    python -m tests.parity.make_diffbir CHECKOUT --v1 CHECKOUT_OF_ea13481 --before CHECKOUT_OF_7a332cc^

CHECKOUT is XPixelGroup/DiffBIR@3f8b530. It needs einops, omegaconf, ftfy, regex, timm and torchsde beside torch.
Nothing of it is imported by the tests, which read the stored numbers alone. `--full NETWORK` runs one network at its
published size
instead and stores a few numbers of it.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
from pathlib import Path

import numpy as np
import torch

from tests.parity import diffbir_rule as rule

HERE = Path(__file__).parent
SIDE = 16
"""Side of the latents."""
TINY = {
    "unet": {"model_channels": 32, "channel_mult": [1, 1, 2, 2], "num_head_channels": 16, "context_dim": 32},
    "vae": {"ch": 32, "ch_mult": [1, 1, 2, 2]},
    "text": {"width": 32, "heads": 2, "layers": 3},
}
FULL = {
    "unet": {"model_channels": 320, "channel_mult": [1, 2, 4, 4], "num_head_channels": 64, "context_dim": 1024},
    "vae": {"ch": 128, "ch_mult": [1, 2, 4, 4]},
    "text": {"width": 1024, "heads": 16, "layers": 24},
}
PROMPTS = ["a photo of a sks man", "", "Café's  &amp; 12 blue-eyed people, don't smile!"]


def network_config(sizes: dict) -> dict:
    shared = dict(
        use_checkpoint=False, image_size=32, in_channels=4, attention_resolutions=[4, 2, 1], num_res_blocks=2,
        use_spatial_transformer=True, use_linear_in_transformer=True, transformer_depth=1, legacy=False,
        **sizes["unet"],
    )  # fmt: skip
    dd = dict(
        double_z=True, z_channels=4, resolution=256, in_channels=3, out_ch=3, num_res_blocks=2, attn_resolutions=[],
        dropout=0.0, **sizes["vae"],
    )  # fmt: skip
    vision = {"image_size": 16, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16}
    clip = {
        "embed_dim": sizes["text"]["width"],
        "vision_cfg": vision,
        "text_cfg": dict(context_length=77, vocab_size=49408, **sizes["text"]),
        "layer": "penultimate",
    }
    return {
        "unet_cfg": dict(out_channels=4, **shared),
        "vae_cfg": {"embed_dim": 4, "ddconfig": dd},
        "clip_cfg": clip,
        "controlnet_cfg": dict(hint_channels=4, **shared),
        "latent_scale_factor": 0.18215,
    }


def official(sizes: dict):
    from diffbir.model import ControlLDM

    with contextlib.redirect_stdout(io.StringIO()):
        model = ControlLDM(**network_config(sizes)).eval()
    fill(model)
    return model


GAINS = {"unet": 0.8, "controlnet": 0.8, "vae": 1.0, "clip": 1.0}


def fill(model) -> None:
    for name, gain in GAINS.items():
        network = getattr(model, name)
        if network is None:
            continue
        network = network.model if name == "clip" else network
        shapes = {k: tuple(v.shape) for k, v in network.state_dict().items()}
        network.load_state_dict(rule.parameters(shapes, f"{name}.", gain))
        network.requires_grad_(False)


def keep(name: str, **arrays: torch.Tensor) -> None:
    path = HERE / f"diffbir_{name}.npz"
    np.savez_compressed(path, **{k: np.asarray(v.detach().float().numpy(), np.float32) for k, v in arrays.items()})
    sys.stdout.write(f"{path.name}: {path.stat().st_size} bytes\n")
    assert path.stat().st_size <= 100_000


def condition(model, prompts: list[str]) -> dict[str, torch.Tensor]:
    pixels = rule.picture("cleaned", 8 * SIDE)
    return {
        "c_txt": model.clip.encode(prompts),
        "c_img": model.vae_encode(pixels * 2 - 1, sample=False),
    }


def make_networks(model) -> None:
    x, t = rule.tensor("noisy", (1, 4, SIDE, SIDE)), torch.tensor([321])
    cond = condition(model, PROMPTS[:1])
    control = model.controlnet(x=x, hint=cond["c_img"], timesteps=t, context=cond["c_txt"])
    # Means over places keep each residual's channels apart and the file small.
    residuals = {f"residual{n:02d}": c.mean((2, 3)) for n, c in enumerate(control)}
    keep(
        "networks",
        noise=model(x, t, cond),
        encoded=cond["c_img"],
        decoded=model.vae_decode(x)[..., ::4, ::4],
        text=model.clip.encode(PROMPTS)[:, :24],
        **residuals,
        **{f"whole{n:02d}": c for n, c in enumerate(control) if n in (0, 5, 12)},
    )


class Drawn:
    """Noise by rule in the place of torch's own, counted from the first step on."""

    def __init__(self) -> None:
        self.step = 0

    def __call__(self, like, *args, **named):
        self.step += 1
        return rule.tensor(f"step {self.step}", tuple(like.shape))


def trajectory(sampler, module, model, steps: int, scale: float, every: int = 1) -> dict[str, torch.Tensor]:
    """The latents before each step and after the last, by the model's own calls."""
    seen: list[torch.Tensor] = []
    forward = model.forward

    def spy(x, t, cond):
        seen.append(x.clone())
        return forward(x, t, cond)

    model.forward = spy
    drawn, own = Drawn(), torch.randn_like
    torch.randn_like = drawn
    try:
        cond, uncond = condition(model, PROMPTS[:1]), condition(model, ["low quality"])
        x_t = rule.tensor("step 0", (1, 4, SIDE, SIDE))
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            last = sampler.sample(model, "cpu", steps, (1, 4, SIDE, SIDE), cond, uncond, scale, x_T=x_t, progress=False)
    finally:
        torch.randn_like, model.forward = own, forward
    each = 1 if scale == 1 else 2
    told = torch.cat(seen[::each])[::every]
    return {"x": told, "last": last}


def make_trajectories(model) -> None:
    from diffbir.model import Diffusion
    from diffbir.sampler import EDMSampler, SpacedSampler, k_diffusion, spaced_sampler

    plain = Diffusion(linear_start=0.00085, linear_end=0.0120, timesteps=1000)
    zero = Diffusion(linear_start=0.00085, linear_end=0.0120, timesteps=1000, zero_snr=True, parameterization="v")

    def spaced(schedule, rescale=False):
        return SpacedSampler(schedule.betas, schedule.parameterization, rescale)

    keep("spaced10", **trajectory(spaced(plain), spaced_sampler, model, 10, 1.0))
    keep("spaced10_cfg", **trajectory(spaced(plain), spaced_sampler, model, 10, 4.0))
    keep("spaced10_rescaled", **trajectory(spaced(plain, True), spaced_sampler, model, 10, 4.0))
    keep("spaced50", **trajectory(spaced(plain), spaced_sampler, model, 50, 1.0, 5))
    keep("spaced50_cfg", **trajectory(spaced(plain), spaced_sampler, model, 50, 4.0, 5))
    keep("spaced10_zero", **trajectory(spaced(zero), spaced_sampler, model, 10, 4.0))

    class Tree:
        def __init__(self, x, *args):
            self.drawn, self.x = Drawn(), x

        def __call__(self, *args):
            return self.drawn(self.x)

    k_diffusion.BrownianTreeNoiseSampler = Tree
    for name in ("euler", "euler_a", "dpm++_2m", "dpm++_2m_sde", "dpm++_3m_sde"):
        sampler = EDMSampler(zero.betas, "v", False, f"edm_{name}", 0.0, 0.0, 300.0, 1.0, 1.0, 1)
        made = trajectory(sampler, None, model, 10, 6.0)
        keep(f"edm_{name.replace('+', 'p')}", last=made["last"], x=made["x"])
    sampler = EDMSampler(plain.betas, "eps", False, "edm_dpm++_3m_sde", 0.0, 0.0, 300.0, 1.0, 1.0, 1)
    keep("edm_3m_plain", **trajectory(sampler, None, model, 10, 4.0))


def make_colours() -> None:
    from diffbir.utils.common import wavelet_reconstruction
    from diffbir.utils.cond_fn import MSEGuidance, WeightedMSEGuidance

    result, plain = rule.picture("result", 64), rule.picture("plain", 64)
    pred, target = result * 2 - 1, plain * 2 - 1
    plainly = MSEGuidance(0.5, 1001, -1, "rgb", 1)(target, pred, 5)[0]
    weighted = WeightedMSEGuidance(0.5, 1001, -1, "rgb", 1)(target, pred, 5)[0]
    some = (..., slice(None, None, 2), slice(1, None, 2))
    keep("colours", wavelet=wavelet_reconstruction(result, plain)[some], pull=plainly[some], pull_flat=weighted[some])


def make_old_pulls(model, before: Path, v1: Path) -> None:
    """Restoration guidance inside the sampler, which the present code has not: from the two older states."""
    from diffbir.model import Diffusion

    plain = Diffusion(linear_start=0.00085, linear_end=0.0120, timesteps=1000)
    x, t = rule.tensor("step 0", (1, 4, SIDE, SIDE)), torch.tensor([444])
    cond = condition(model, PROMPTS[:1])
    pixels = rule.picture("cleaned", 8 * SIDE) * 2 - 1
    made: dict[str, torch.Tensor] = {}
    own, torch.randn_like = torch.randn_like, Drawn()
    try:
        old = load_from(before, "utils/sampler.py", "utils/cond_fn.py")
        for space in ("latent", "rgb"):
            for name, kind in (("plain", old["MSEGuidance"]), ("flat", old["WeightedMSEGuidance"])):
                if (space, name) == ("latent", "flat"):
                    continue
                guide = kind(0.02, 1001, -1, space, 3)
                guide.load_target(pixels)
                sampler = old["SpacedSampler"](plain.betas)
                sampler.make_schedule(10)
                torch.randn_like = Drawn()
                given = (Likeliest(model), x, t, torch.tensor([4]), cond, None, 1.0, guide, False, -1, -1)
                with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
                    made[f"v2_{space}_{name}"] = sampler.p_sample(*given)
        first = load_from(v1, "model/spaced_sampler.py", "model/cond_fn.py", "utils/image/align_color.py")
        for space in ("latent", "rgb"):
            guide = first["MSEGuidance"](60.0, 1001, -1, space, 3)
            guide.load_target(pixels)
            sampler = first["SpacedSampler"](AsV1(model), var_type="fixed_small")
            with contextlib.redirect_stdout(io.StringIO()):
                sampler.make_schedule(10)
                torch.randn_like = Drawn()
                made[f"v1_{space}"] = sampler.p_sample(x, cond, t, torch.tensor([4]), 1.0, None, guide)
    finally:
        torch.randn_like = own
    adain = first["adaptive_instance_normalization"](rule.picture("result", 64), rule.picture("plain", 64))
    keep("pulls", adain=adain[..., ::2, 1::2], **made)


class Likeliest:
    """The model with latents that are not drawn anew for each comparison, as version 2 does by an oversight or not."""

    def __init__(self, model) -> None:
        self.model = model
        self.vae_decode = model.vae_decode

    def __call__(self, *given):
        return self.model(*given)

    def vae_encode(self, pixels):
        return self.model.vae_encode(pixels, sample=False)


class AsV1:
    """The present model behind the names that version 1's sampler calls."""

    num_timesteps, linear_start, linear_end, parameterization = 1000, 0.00085, 0.0120, "eps"

    def __init__(self, model) -> None:
        self.model = model

    def parameters(self):
        return self.model.unet.parameters()

    def apply_model(self, x, t, cond):
        return self.model(x, t, cond)

    def encode_first_stage(self, pixels):
        return self.model.vae_encode(pixels, sample=False)

    def get_first_stage_encoding(self, encoded):
        return encoded

    def decode_first_stage_with_grad(self, z):
        return self.model.vae_decode(z)


def load_from(checkout: Path, *files: str) -> dict:
    """The names of some files of an older state, without importing what they import of their own repository."""
    names: dict = {}
    for file in reversed(files):
        text = (checkout / file).read_text(encoding="utf-8")
        kept = [
            line
            for line in text.split("\n")
            if not line.startswith(("from ldm", "from model", "from utils", "from .", "from torchvision"))
        ]
        text = "\n".join(kept).replace("    wavelet_reconstruction, adaptive_instance_normalization\n)\n", "")
        from diffbir.model.gaussian_diffusion import extract_into_tensor, make_beta_schedule

        names.update(extract_into_tensor=extract_into_tensor, make_beta_schedule=make_beta_schedule)
        names.update(ControlLDM=object, ToTensor=None, ToPILImage=None)
        exec(compile(text, file, "exec"), names)
    return names


def make_cleaners() -> None:
    """The three stage-1 networks, small, with the keyword arguments of their configurations."""
    from diffbir.model import RRDBNet, SCUNet, SwinIR

    for name, network in small_cleaners(SwinIR, RRDBNet, SCUNet).items():
        shapes = {k: tuple(v.shape) for k, v in network.state_dict().items()}
        fixed = {k: v for k, v in network.state_dict().items() if "mask" in k or "index" in k}
        network.load_state_dict({**rule.parameters(shapes, f"{name}."), **fixed})
        network.eval().requires_grad_(False)
        made = network(rule.picture("damaged", 64))
        step = made.shape[-1] // 32
        names = np.array([f"{k} {'x'.join(map(str, s))}" for k, s in shapes.items()])
        np.savez_compressed(HERE / f"diffbir_{name}.npz", cleaned=made[..., ::step, ::step].numpy(), names=names)


def small_cleaners(swinir, rrdb, scunet) -> dict:
    with contextlib.redirect_stdout(io.StringIO()):
        return {
            "swinir": swinir(
                img_size=64, patch_size=1, in_chans=3, embed_dim=12, depths=[2, 2], num_heads=[2, 2], window_size=8,
                mlp_ratio=2, sf=8, img_range=1.0, upsampler="nearest+conv", resi_connection="1conv", unshuffle=True,
                unshuffle_scale=8,
            ),
            "bsrnet": rrdb(in_nc=3, out_nc=3, nf=16, nb=2, gc=32, sf=4),
            "scunet": scunet(in_nc=3, config=[1, 1, 1, 1, 1, 1, 1], dim=64),
        }  # fmt: skip


def make_full(network: str) -> None:
    """One network at its published size on one small input: the mean over places of what it gives."""
    from diffbir.model import AutoencoderKL, ControlledUnetModel, ControlNet, FrozenOpenCLIPEmbedder

    config = network_config(FULL)
    x, t, hint = (rule.tensor("noisy", (1, 4, 8, 8)), torch.tensor([321]), rule.tensor("hint", (1, 4, 8, 8)))
    words = rule.tensor("words", (1, 77, 1024))
    with contextlib.redirect_stdout(io.StringIO()):
        parts = {
            "unet": lambda: ControlledUnetModel(**config["unet_cfg"]),
            "controlnet": lambda: ControlNet(**config["controlnet_cfg"]),
            "vae": lambda: AutoencoderKL(**config["vae_cfg"]),
            "clip": lambda: FrozenOpenCLIPEmbedder(**config["clip_cfg"]),
        }
        made = parts[network]().eval()

    class Holder:
        unet = controlnet = vae = clip = None

    holder = Holder()
    setattr(holder, network, made)
    fill(holder)
    with torch.no_grad():
        if network == "unet":
            out = {"noise": made(x=x, timesteps=t, context=words)}
        elif network == "controlnet":
            out = {f"r{n:02d}": c.mean((2, 3)) for n, c in enumerate(made(x=x, hint=hint, timesteps=t, context=words))}
        elif network == "vae":
            out = {"encoded": made.encode(rule.picture("cleaned", 64) * 2 - 1).mode(), "decoded": made.decode(x)}
        else:
            out = {"text": made.encode(PROMPTS)[:, ::6, ::8]}
    keep(f"full_{network}", **out)


def main() -> None:
    reader = argparse.ArgumentParser()
    reader.add_argument("checkout", type=Path)
    reader.add_argument("--v1", type=Path)
    reader.add_argument("--before", type=Path)
    reader.add_argument("--only", nargs="*", choices=("networks", "trajectories", "colours", "cleaners", "pulls"))
    reader.add_argument("--full", choices=("unet", "controlnet", "vae", "clip"))
    given = reader.parse_args()
    sys.path.insert(0, str(given.checkout))
    sys.dont_write_bytecode = True
    torch.Tuple = tuple  # the official sampler names it so
    if given.full:
        make_full(given.full)
        return
    with torch.no_grad():
        model = official(TINY)
        made = {
            "networks": lambda: make_networks(model),
            "trajectories": lambda: make_trajectories(model),
            "colours": make_colours,
            "cleaners": make_cleaners,
            "pulls": lambda: make_old_pulls(model, given.before, given.v1),
        }
        for name in given.only or made:
            made[name]()


if __name__ == "__main__":
    main()
