"""How fast the published priors' size is here: Stable Diffusion 2.1's networks with drawn numbers, loaded, run, tuned.

Nobody's files are needed: how long a network takes does not depend on what its numbers are. They are stored as a
published prior is stored and loaded as it is loaded, each measurement in a process of its own.
"""

from __future__ import annotations

import json
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import EngineError
from engine.evaluation.bench import Row, finished, peak_bytes
from engine.evaluation.doctor import machine
from engine.progress import Report

if TYPE_CHECKING:
    import torch

    from engine.prior.bundle import Prior
    from engine.prior.diffbir.fit import Fit
    from engine.prior.diffbir.widths import Widths
    from engine.tuning.steps import Stage

KIND = "diffbir-v1-face"
STEPS = 10

LOAD_SECONDS = 6.0
OVER_OFFICIAL = 0.42
RESTORING_GIB = 5.0
TUNING_GIB = 8e9 / 2**30
"""What the project wants to reach on two cores that compute in bfloat16, with nothing else running."""

PARTS = ("restore", "text", "guide")
"""What is measured: restoring a face, and a step of each pivot."""


@dataclass(frozen=True)
class Size:
    """Widths of the networks, and how much is done."""

    toy: bool = False
    """Tiny networks, which show that it runs."""

    @property
    def widths(self) -> Widths:
        """Of all networks but the cleaner."""
        from engine.prior.diffbir.widths import FULL, TOY

        return TOY if self.toy else FULL

    def fit(self, device: torch.device) -> Fit:
        """Choose how networks of this size are held on a device."""
        from engine.prior.diffbir.fit import fit

        return fit(device, free_gib=math.inf if self.toy else None)


def run(
    report: Report, *, device: str = "auto", checkout: Path | None = None, toy: bool = False
) -> tuple[dict[str, Any], list[Row]]:
    """Measure loading, a step, memory, and a tuning step of each pivot.

    Args:
        report: followed; a stop ends the bench between two figures.
        device: what the networks run on.
        checkout: folder of XPixelGroup/DiffBIR, whose loop in float32, as it ships, is timed beside ours.
        toy: tiny networks.

    Returns:
        Facts of the machine, with device and precision, and the figures.

    Raises:
        BenchFailed, NotComparable: a process that was measured failed; the sentence has its last words.
        NoRoom: the disk has no room for the networks, 3 to 10 GB for as long as this runs.
        Cancelled: from the report, or because a process that was measured was stopped.
    """
    from engine.evaluation.against import official_step

    facts, size = machine(), Size(toy)
    count = 1 + len(PARTS) + int(checkout is not None)
    told: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(prefix="likeness-bench-") as folder:
        report.tick("drawing the networks", 0, count)
        store_drawn(Path(folder), size, device)
        for n, part in enumerate(PARTS):
            report.tick(f"measuring: {part}", 1 + n, count)
            asked = {"folder": folder, "part": part, "device": device, **asdict(size)}
            answer = finished([sys.executable, "-m", "engine.evaluation.bench_full", json.dumps(asked)])
            told[part] = json.loads(answer.stdout.strip().splitlines()[-1])
    restored = told["restore"]
    facts |= {"device": restored["device"], "precision": restored["precision"]}
    rows = [
        Row(f"{KIND} loaded, once it was before", restored["load_seconds"], "s", LOAD_SECONDS),
        Row("a step at 512 px", restored["step_seconds"], "s"),
        Row(f"one face restored, {STEPS} steps", restored["face_seconds"], "s"),
        Row("memory at most, resident, restoring", restored["peak_gib"], "GiB", RESTORING_GIB),
        Row("a step of the text pivot at 512 px, one picture", told["text"]["step_seconds"], "s"),
        Row("memory at most, resident, text pivot", told["text"]["peak_gib"], "GiB", TUNING_GIB),
        Row("a step of the guide pivot at 512 px, one picture", told["guide"]["step_seconds"], "s"),
        Row("memory at most, resident, guide pivot", told["guide"]["peak_gib"], "GiB", TUNING_GIB),
    ]
    if checkout is not None:
        report.tick("measuring: the official loop", count - 1, count)
        theirs = official_step(checkout, toy=toy)
        rows.append(Row("a step of the official loop, fp32 as shipped", theirs, "s"))
        rows.append(Row("ours over official", round(restored["step_seconds"] / theirs, 3), "", OVER_OFFICIAL))
    report.tick("measured", count, count)
    return facts, rows


def store_drawn(folder: Path, size: Size, device: str) -> None:
    """Store networks with numbers drawn by their names, as a published prior's are stored for a device."""
    import torch

    from engine.evaluation.against import numbers
    from engine.prior.device import choose
    from engine.prior.diffbir.halves import keep
    from engine.prior.diffbir.storing import store
    from engine.prior.diffbir.widths import PARTS as NETWORKS
    from engine.prior.diffbir.widths import shapes

    where = choose(device)
    half = where.type == "cpu" and size.fit(where).precision == "bf16"
    files: dict[str, Any] = {}
    for part in NETWORKS:
        if part == "cleaner":
            files[part] = store(folder, part, drawn_cleaner(size))
            continue
        dtype = torch.bfloat16 if half else torch.float32
        drawn = {name: numbers(f"{part} {name}", shape).to(dtype) for name, shape in shapes(part, size.widths).items()}
        files[part] = store(folder, part, drawn, half=half)
        if half:
            keep(folder, files[part], files[part])
        del drawn
    (folder / "files.json").write_text(json.dumps({part: asdict(file) for part, file in files.items()}))


def drawn_cleaner(size: Size) -> dict[str, torch.Tensor]:
    """Draw the published cleaner for faces, tensors by their published names; a smaller one for tiny networks."""
    import warnings

    from spandrel.architectures.SwinIR import SwinIR

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="torch.meshgrid", category=UserWarning)  # spandrel's own call
        made = SwinIR(
            img_size=64,
            in_chans=3,
            embed_dim=12 if size.toy else 180,
            depths=[2] if size.toy else [6] * 8,
            num_heads=[2] if size.toy else [6] * 8,
            window_size=8,
            mlp_ratio=2,
            upscale=8,
            upsampler="nearest+conv",
            start_unshuffle=8,
        )
    # The published file counts the unshuffling before the first convolution as a layer.
    names = {name: name.replace("conv_first.", "conv_first.1.") for name in made.state_dict()}
    return {names[name]: t.detach().contiguous() for name, t in made.state_dict().items()}


def loaded(folder: Path, size: Size, device: str) -> Prior:
    """Load what `store_drawn` stored."""
    from engine.prior.device import choose
    from engine.prior.diffbir.kinds import KINDS
    from engine.prior.diffbir.load import assemble
    from engine.weights import WeightFile

    told: dict[str, Any] = json.loads((folder / "files.json").read_text())
    files = {part: WeightFile(**file) for part, file in told.items()}
    where = choose(device)
    return assemble(KINDS[KIND], folder, files, size.fit(where), widths=size.widths, device=where)


def measure(part: str, folder: Path, size: Size, device: str) -> dict[str, Any]:
    """Do one of `PARTS` in this process.

    Returns:
        `load_seconds`, `step_seconds`, `peak_gib`, `device`, `precision`; for a face `face_seconds` too.
    """
    import torch

    begun = time.perf_counter()
    prior = loaded(folder, size, device)
    known: dict[str, Any] = {
        "load_seconds": round(time.perf_counter() - begun, 2),
        "device": str(prior.device),
        "precision": {"torch.bfloat16": "bf16", "torch.float16": "fp16"}.get(str(prior.dtype), "fp32"),
    }
    if part == "restore":
        known |= _restored(prior)
    else:
        begun = time.perf_counter()
        steps = list(_tuned(part, prior))
        known |= {"step_seconds": round(statistics.median(steps[1:]), 2)}
    peak = torch.cuda.max_memory_allocated(prior.device) if prior.device.type == "cuda" else peak_bytes()
    return {**known, "peak_gib": round(peak / 2**30, 2)}


def _restored(prior: Prior) -> dict[str, float]:
    import numpy as np

    from engine.prior.settings import Sampling
    from engine.restore import Settings, restore_face

    face = np.random.default_rng(3).random((prior.size, prior.size, 3), np.float32)
    whole = Settings(sampling=Sampling("spaced", STEPS, 1.0, start_point="noise"))
    marks: list[float] = []
    begun = time.perf_counter()
    restore_face(prior, face, whole, tick=lambda _done, _count: marks.append(time.perf_counter()))
    ended = time.perf_counter()
    between = [later - mark for mark, later in pairwise(marks)]
    return {"step_seconds": round(statistics.median(between), 3), "face_seconds": round(ended - begun, 2)}


def _tuned(part: str, prior: Prior) -> Iterator[float]:
    """Give the seconds of three steps of a pivot, as the recipe `standard` makes them but with one picture."""
    import numpy as np

    from engine.tuning.optimisers import optimiser_of, set_rate
    from engine.tuning.views import make_views

    face = np.random.default_rng(3).random((prior.size, prior.size, 3), np.float32)
    stage = _stage(part, prior, make_views(prior, (face,), each=1, seed=0))
    optimiser = optimiser_of(stage.groups(), stage.pivot)
    for step in range(3):
        begun = time.perf_counter()
        set_rate(optimiser, stage.pivot, step)
        optimiser.zero_grad(set_to_none=True)
        stage.losses(stage.draw(step, 0)).sum().backward()
        optimiser.step()
        yield time.perf_counter() - begun


def _stage(part: str, prior: Prior, views: Any) -> Stage:
    from dataclasses import replace

    from engine.people import Person
    from engine.tuning import recipe
    from engine.tuning.guide_pivot import GuideStage, Personalized
    from engine.tuning.text_pivot import Shown, TextStage

    somebody = Person("nobody", "Nobody", "person", "sks", "")
    usual = recipe("standard")
    assert usual.text is not None and usual.guide is not None
    if part == "text":
        pivot = replace(usual.text, batch=1, class_batch=0, accumulate=1)
        return TextStage(prior, somebody, pivot, Shown(views, None, (1.0,)), seed=0)
    alone = replace(usual.guide, batch=1, accumulate=1)
    return GuideStage([Personalized(prior, somebody.prompt)], alone, views, seed=0)


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    try:
        figures = measure(given["part"], Path(given["folder"]), Size(given["toy"]), given["device"])
    except EngineError as error:
        sys.exit(str(error))
    sys.stdout.write(json.dumps(figures) + "\n")
