"""Our DiffBIR loop beside the official one: the same random weights, latents, steps and threads, each alone.

The official code is read from a checkout of the user's own, DiffBIR@3f8b530 when this was written, and runs in a
process of its own; nothing of it is here.
Timed is the sampling alone, guide and denoiser at every step, after one step that nobody counts.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
import time
import typing
import zlib
from collections.abc import Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import EngineError
from engine.progress import Tick, silent

if TYPE_CHECKING:
    import torch

    from engine.prior.bundle import Prior

ROOT = Path(__file__).resolve().parents[2]
PRECISIONS = ("fp32", "bf16")


class NotComparable(EngineError):
    """There is no official code to compare with, or it did not run."""


@dataclass(frozen=True)
class Course:
    """What both have to do."""

    side: int = 64
    """Of the latents: an eighth of the picture's."""
    steps: int = 10
    size: str = "full"
    """Widths of the networks: `full` as published, or `toy`, which shows that it runs."""


@dataclass(frozen=True)
class Lap:
    """One precision's figures."""

    precision: str
    official_seconds: float
    our_seconds: float
    ratio: float
    """Ours over official: below 1 is faster."""
    difference: float
    """Largest difference of the sampled latents over their spread."""
    official_gib: float
    our_gib: float


def compare(checkout: Path, course: Course, *, tick: Tick = silent) -> list[Lap]:
    """Run both, one after the other, in each precision.

    Args:
        checkout: folder of XPixelGroup/DiffBIR.
        course: what to do.
        tick: called after each run.

    Raises:
        NotComparable: no such code there, or it did not run, with its last words.
        Cancelled: from the tick.
    """
    _check_checkout(checkout)
    laps: list[Lap] = []
    for n, precision in enumerate(PRECISIONS):
        told: list[dict[str, Any]] = []
        with tempfile.TemporaryDirectory(prefix="likeness-against-") as folder:
            for m, where in enumerate((str(checkout.resolve()), "")):
                told.append(_run(where, precision, course, Path(folder) / f"{m}.pt"))
                tick(2 * n + m + 1, 2 * len(PRECISIONS))
            difference = _difference(Path(folder) / "0.pt", Path(folder) / "1.pt")
        theirs, ours = told
        ratio = round(ours["seconds"] / theirs["seconds"], 3)
        laps.append(Lap(precision, theirs["seconds"], ours["seconds"], ratio, difference, theirs["gib"], ours["gib"]))
    return laps


def official_step(checkout: Path, *, toy: bool = False) -> float:
    """Give the seconds of a step of the official loop in float32, which is how it ships. Raises as `compare`."""
    _check_checkout(checkout)
    course = Course(16, 4, "toy") if toy else Course(steps=5)
    with tempfile.TemporaryDirectory(prefix="likeness-against-") as folder:
        told = _run(str(checkout.resolve()), "fp32", course, Path(folder) / "made.pt")
    return round(told["seconds"] / course.steps, 3)


def _check_checkout(checkout: Path) -> None:
    if not (checkout / "diffbir" / "model" / "cldm.py").is_file():
        raise NotComparable(
            f"{checkout} holds no DiffBIR. Name a checkout: git clone https://github.com/XPixelGroup/DiffBIR"
        )


def _run(checkout: str, precision: str, course: Course, out: Path) -> dict[str, Any]:
    given = json.dumps({"checkout": checkout, "precision": precision, "course": asdict(course), "out": str(out)})
    ended = subprocess.run(
        [sys.executable, "-m", "engine.evaluation.against", given],
        cwd=ROOT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    if ended.returncode:
        words = (ended.stderr or ended.stdout).strip().splitlines()[-1:] or ["it said nothing"]
        whose = "The official code" if checkout else "Our own loop"
        raise NotComparable(
            f"{whose} did not run: {words[0]}. It needs einops, omegaconf, ftfy, regex, timm, torchsde."
        )
    told: dict[str, Any] = json.loads(ended.stdout.strip().splitlines()[-1])
    return told


def _difference(theirs: Path, ours: Path) -> float:
    import torch

    first, second = (torch.load(file, weights_only=True).float() for file in (theirs, ours))
    return float(f"{float((first - second).abs().max() / first.std()):.2e}")


def numbers(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """Give a parameter or an input by its name alone, float32, so that both sides have the same."""
    import torch

    drawn = torch.randn(shape, generator=torch.Generator().manual_seed(zlib.crc32(name.encode())))
    if len(shape) <= 1:
        return 0.05 * drawn + (1.0 if name.endswith("weight") else 0.0)
    return drawn if name.startswith("input") else drawn * (0.8 / math.sqrt(math.prod(shape[1:])))


def _inputs(course: Course, width: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Give the latents that sampling starts from, the cleaned face's, and the text."""
    square = (1, 4, course.side, course.side)
    return numbers("input start", square), numbers("input cleaned", square), numbers("input text", (1, 77, width))


def _timed(sample: Any, course: Course, out: Path) -> dict[str, float]:
    import torch

    from engine.evaluation.bench import peak_bytes

    sample(2)  # the official levels need two
    begun = time.perf_counter()
    made = sample(course.steps)
    seconds = time.perf_counter() - begun
    torch.save(made.float(), out)
    return {"seconds": round(seconds, 3), "gib": round(peak_bytes() / 2**30, 2)}


def _official(checkout: str, precision: str, course: Course, out: Path) -> dict[str, float]:
    """Run the official loop as it ships, in bf16 under autocast as its command line does."""
    import torch

    from engine.prior.diffbir.widths import FULL, TOY

    widths = TOY if course.size == "toy" else FULL
    sys.path.insert(0, checkout)
    torch.Tuple = typing.Tuple  # pyright: ignore[reportAttributeAccessIssue]  # noqa: UP006  # named so there
    from diffbir.model import ControlledUnetModel, ControlNet, Diffusion  # pyright: ignore
    from diffbir.sampler import SpacedSampler  # pyright: ignore

    first = widths.denoiser[0]
    shared: dict[str, Any] = {
        "use_checkpoint": False,
        "image_size": 32,
        "in_channels": 4,
        "model_channels": first,
        "attention_resolutions": [4, 2, 1],
        "num_res_blocks": 2,
        "channel_mult": [channels // first for channels in widths.denoiser],
        "num_head_channels": first // widths.heads[0],
        "use_spatial_transformer": True,
        "use_linear_in_transformer": True,
        "transformer_depth": 1,
        "context_dim": widths.text,
        "legacy": False,
    }
    makers: Mapping[str, tuple[Any, dict[str, Any]]] = {
        "denoiser": (ControlledUnetModel, {"out_channels": 4, **shared}),
        "guide": (ControlNet, {"hint_channels": 4, **shared}),
    }
    networks: dict[str, Any] = {}
    for part, (make, given) in makers.items():
        with torch.device("meta"):
            network = make(**given).eval().requires_grad_(False)
        state = {name: numbers(f"{part} {name}", tuple(t.shape)) for name, t in network.state_dict().items()}
        network.load_state_dict(state, assign=True)
        networks[part] = network

    def model(x: Any, t: Any, cond: Any) -> Any:
        control = networks["guide"](x=x, hint=cond["c_img"], timesteps=t, context=cond["c_txt"])
        return networks["denoiser"](x=x, timesteps=t, context=cond["c_txt"], control=control, only_mid_control=False)

    start, cleaned, text = _inputs(course, widths.text)
    betas = Diffusion(linear_start=0.00085, linear_end=0.0120, timesteps=1000).betas
    steps_noise = _noise(course)

    def sample(steps: int) -> Any:
        drawn = steps_noise()
        own = torch.randn_like

        def by_rule(*_: object, **__: object) -> torch.Tensor:
            return next(drawn)

        torch.randn_like = by_rule
        sampler = SpacedSampler(betas, "eps", False)
        cond = {"c_txt": text, "c_img": cleaned}
        try:
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"), torch.no_grad():
                return sampler.sample(model, "cpu", steps, start.shape, cond, None, 1.0, x_T=start, progress=False)
        finally:
            torch.randn_like = own

    return _timed(sample, course, out)


def _noise(course: Course) -> Any:
    square = (1, 4, course.side, course.side)

    def drawn() -> Iterator[torch.Tensor]:
        step = 0
        while True:
            step += 1
            yield numbers(f"input step {step}", square)

    return drawn


def _ours(precision: str, course: Course, out: Path) -> dict[str, float]:
    import torch

    from engine.prior.bundle import Condition
    from engine.prior.device import running
    from engine.prior.diffbir.widths import FULL, TOY
    from engine.prior.sample import sample as ours
    from engine.prior.settings import Sampling

    widths = TOY if course.size == "toy" else FULL
    prior = _our_prior(precision, widths)
    start, cleaned, text = _inputs(course, widths.text)
    condition = Condition(cleaned.to(prior.dtype), text.to(prior.dtype), text.to(prior.dtype))
    square = tuple(start.shape)

    def noise(step: int) -> torch.Tensor:
        return start if step == 0 else numbers(f"input step {step}", square)

    def sample(steps: int) -> torch.Tensor:
        how = Sampling("spaced", steps, 1.0, start_point="noise")
        with torch.inference_mode(), running(prior):
            return ours(prior, condition, how, seed=0, start_from=cleaned.to(prior.dtype), noise=noise)

    return _timed(sample, course, out)


def _our_prior(precision: str, widths: Any) -> Prior:
    """Make denoiser and guide with numbers by rule, held as a loaded prior holds them."""
    import torch
    from torch import nn

    from engine.prior.bundle import Prior
    from engine.prior.device import native_bfloat16
    from engine.prior.diffbir import keys
    from engine.prior.diffbir.kinds import KINDS
    from engine.prior.diffbir.networks import ClipText, LatentAutoencoder
    from engine.prior.diffbir.widths import empty, shapes
    from engine.prior.packed import can_pack, keep_layout, pack

    networks = empty(widths, ("denoiser", "guide"))
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    for part, network in networks.items():
        state: dict[str, torch.Tensor] = {}
        for name, source in keys.published(part, widths).items():
            whole = numbers(f"{part} {source.name}", source.shape)
            if source.cut is not None:
                axis, first, end = source.cut
                whole = whole.narrow(axis, first, end - first).clone()
            state[name] = whole.reshape(shapes(part, widths)[name]).to(dtype)
        network.load_state_dict(state, assign=True)
        keep_layout(network)
        network.eval().requires_grad_(False)
        if dtype == torch.bfloat16 and native_bfloat16(torch.device("cpu")) and can_pack():
            pack(network)
    return Prior(
        name="diffbir-v2",
        size=512,
        denoiser=networks["denoiser"],
        guide=networks["guide"],
        cleaner=nn.Identity(),
        text=ClipText(nn.Identity()),
        autoencoder=LatentAutoencoder(nn.Identity()),
        schedule=KINDS["diffbir-v2"].schedule,
        guide_reads_prompt=True,
        exact=precision == "fp32",
    )


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    race = Course(**asked["course"])
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        if asked["checkout"]:
            figures = _official(asked["checkout"], asked["precision"], race, Path(asked["out"]))
        else:
            figures = _ours(asked["precision"], race, Path(asked["out"]))
    sys.stdout.write(json.dumps(figures) + "\n")
