"""Published files at toy size, with numbers by rule: what a user would put into the folder of weights."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import torch

from engine.prior.diffbir import keys
from engine.prior.diffbir.widths import TOY, Widths
from tests.parity import diffbir_rule as rule

PARITY = Path(__file__).parent / "parity"
RULES = {
    "denoiser": ("unet.", 0.8),
    "guide": ("controlnet.", 0.8),
    "autoencoder": ("vae.", 1.0),
    "text": ("clip.", 1.0),
}
"""Prefix of the names by which numbers are drawn, and gain; the same as in `make_diffbir`."""


def shapes(part: str, widths: Widths = TOY) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a network's tensors as published, what we do not use among them."""
    used = {source.name: source.shape for source in keys.published(part, widths).values()}
    return used | keys.not_used(part, widths)


@cache
def network(part: str) -> dict[str, torch.Tensor]:
    """A network's published tensors at toy size."""
    prefix, gain = RULES[part]
    return rule.parameters(shapes(part), prefix, gain)


@cache
def cleaner(name: str = "swinir") -> dict[str, torch.Tensor]:
    """A small cleaner's published tensors; windows' masks and indices are computed as the network does."""
    told = [str(line).split() for line in np.load(PARITY / f"diffbir_{name}.npz")["names"]]
    listed = {key: tuple(int(n) for n in of[0].split("x")) if of else () for key, *of in told}
    made = rule.parameters(listed, f"{name}.")
    for key in listed:
        if key.endswith("relative_position_index"):
            made[key] = _relative_positions(8)
        if key.endswith("attn_mask"):
            made[key] = _shifted_windows(64, 8)
    return made


def _relative_positions(window: int) -> torch.Tensor:
    """Number of the bias between two places of a window (arXiv 2103.14030)."""
    y, x = np.divmod(np.arange(window * window), window)
    away = (y[:, None] - y[None] + window - 1) * (2 * window - 1) + (x[:, None] - x[None] + window - 1)
    return torch.from_numpy(away)


def _shifted_windows(side: int, window: int) -> torch.Tensor:
    """-100 between places of a shifted window that were no neighbours before the shift."""
    line = np.arange(side)
    region = np.where(line < side - window, 0, np.where(line < side - window // 2, 1, 2))
    numbers = (region[:, None] * 3 + region[None]).reshape(side // window, window, side // window, window)
    flat = numbers.transpose(0, 2, 1, 3).reshape(-1, window * window)
    return torch.from_numpy(np.where(flat[:, :, None] == flat[:, None], 0.0, -100.0).astype(np.float32))


@cache
def noise_predictor() -> dict[str, torch.Tensor]:
    """The denoiser's published tensors, changed so that a good part of its answer is what it is given, as one that
    learned the noise answers to noise.

    The first eight channels carry the latents and their negatives from the first convolution over the outermost skip to
    the last one: SiLU(a) - SiLU(-a) is a.
    """
    made = {name: tensor.clone() for name, tensor in network("denoiser").items()}
    width, carried = TOY.denoiser[0], 8
    last = "output_blocks.11"
    signs = torch.tensor([1.0, -1.0])
    for name in ("input_blocks.0.0", f"{last}.0.out_layers.3", f"{last}.0.skip_connection", f"{last}.1.proj_out"):
        made[f"{name}.weight"][:carried] = 0
        made[f"{name}.bias"][:carried] = 0
    for n in range(carried):
        made["input_blocks.0.0.weight"][n, n // 2, 1, 1] = signs[n % 2]
        made[f"{last}.0.skip_connection.weight"][n, width + n] = 1.0
    made["out.2.weight"] *= 0.3
    made["out.2.weight"][:, :carried] = 0
    for n in range(carried):
        made["out.2.weight"][n // 2, n, 1, 1] = signs[n % 2]
    return made


def base(*, velocity: bool = False) -> dict[str, torch.Tensor]:
    """A Stable Diffusion file's tensors; with `velocity`, of one that learned that, as version 2.1's base is published:
    without a schedule, and its text encoder as diffusers' script writes it."""
    parts = {
        "denoiser": network("denoiser") if velocity else noise_predictor(),
        "autoencoder": network("autoencoder"),
        "text": network("text"),
    }
    if velocity:
        used = {source.name for source in keys.published("text", TOY).values()}
        parts["text"] = {name: t for name, t in parts["text"].items() if name in used}
        parts["text"]["transformer.text_model.embeddings.position_ids"] = torch.arange(TOY.tokens)[None]
    made = {keys.PREFIXES[part] + name: t for part, tensors in parts.items() for name, t in tensors.items()}
    return made if velocity else made | {"alphas_cumprod": torch.linspace(0.99, 0.0047, 1000)}


def full() -> dict[str, torch.Tensor]:
    """Everything in one file, version 1's condition encoder among it."""
    copied = {
        ("cond_encoder.0." + name.removeprefix("encoder.")): t
        for name, t in network("autoencoder").items()
        if name.startswith("encoder.")
    } | {"cond_encoder.1." + n.removeprefix("quant_conv."): t for n, t in network("autoencoder").items()
         if n.startswith("quant_conv.")}  # fmt: skip
    more = {"guide": network("guide"), "cleaner": cleaner()}
    return (
        base()
        | copied
        | {keys.PREFIXES[part] + name: t for part, tensors in more.items() for name, t in tensors.items()}
        | {"logvar": torch.zeros(1000)}
    )


def published(folder: Path, **changed: dict[str, torch.Tensor]) -> Path:
    """The files of version 1 for faces, one for each part, as their authors name them."""
    folder.mkdir(parents=True, exist_ok=True)
    given = {"guide": network("guide"), "base": base(), "cleaner": cleaner()} | changed
    torch.save(given["guide"], folder / "v1_face.pth")
    torch.save({"state_dict": given["base"], "global_step": 7}, folder / "v2-1_512-ema-pruned.ckpt")
    torch.save({f"module.{name}": t for name, t in given["cleaner"].items()}, folder / "face_swinir_v1.ckpt")
    return folder
