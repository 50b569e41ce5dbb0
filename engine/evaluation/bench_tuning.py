"""Every recipe at the size of the published priors, on networks with drawn numbers: seconds and memory of each step.

A step is the recipe's own, with as many pictures, targets and the same optimiser, in a process for each pivot. What is
trained whole and does not fit beside the rest of the machine is trained by LoRA instead, and said so.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import EngineError
from engine.evaluation.bench import Row, finished, peak_bytes
from engine.evaluation.bench_full import TUNING_GIB, Size, loaded, store_drawn
from engine.evaluation.doctor import machine
from engine.progress import Report

if TYPE_CHECKING:
    from engine.prior.bundle import Prior
    from engine.tuning.recipe import Pivot
    from engine.tuning.steps import Stage

NAMES = ("quick", "standard", "paper", "paper-release")
"""Recipes that are measured; `toy` is no recipe for a person."""

ROOM_GIB = 6.0
"""Memory that what is trained whole must leave to all else."""
BESIDE_GIB = 7.0
"""Memory of the prior in bfloat16 and of a step's activations: what a step by LoRA takes in all."""


def run(report: Report, steps: int, *, device: str = "auto", toy: bool = False) -> tuple[dict[str, Any], list[Row]]:
    """Do some steps of every pivot of each recipe.

    Args:
        report: followed; a stop ends the bench between two pivots.
        steps: of each pivot. The first is slower, as an optimiser makes its state then.
        device: what the networks run on.
        toy: tiny networks.

    Returns:
        Facts of the machine, with device and precision, and the figures.

    Raises:
        BenchFailed: a process that was measured failed; the sentence has its last words.
        NoRoom: the disk has no room for the networks.
        Cancelled: from the report, or because a process that was measured was stopped.
    """
    from engine.tuning import RECIPES

    facts, size = machine(), Size(toy)
    parts = [(name, part) for name in NAMES for part in RECIPES[name].pivots]
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="likeness-bench-") as folder:
        report.tick("drawing the networks", 0, len(parts) + 1)
        store_drawn(Path(folder), size, device)
        for n, (name, part) in enumerate(parts):
            report.tick(f"{name}: {part} pivot", n + 1, len(parts) + 1)
            asked = {"folder": folder, "recipe": name, "part": part, "steps": steps, "device": device, **asdict(size)}
            answer = finished([sys.executable, "-m", "engine.evaluation.bench_tuning", json.dumps(asked)])
            told = json.loads(answer.stdout.strip().splitlines()[-1])
            facts |= {"device": told["device"], "precision": told["precision"]}
            rows += _rows(f"{name}, {part} pivot, {told['how']}", told)
    report.tick("measured", len(parts) + 1, len(parts) + 1)
    return facts, rows


def _rows(title: str, told: dict[str, Any]) -> list[Row]:
    pictures = "1 picture" if told["pictures"] == 1 else f"{told['pictures']} pictures"
    limit = TUNING_GIB if told["lora"] else None
    rows: list[Row] = []
    for n, (seconds, gib) in enumerate(zip(told["seconds"], told["peak_gib"], strict=True), start=1):
        rows.append(Row(f"{title}: step {n}, {pictures}", seconds, "s"))
        rows.append(Row(f"{title}: memory at most, resident, by step {n}", gib, "GiB", limit))
    return rows


def measure(
    name: str, part: str, folder: Path, size: Size, device: str, steps: int, *, free_gib: float | None = None
) -> dict[str, Any]:
    """Do steps of a recipe's pivot in this process.

    Args:
        name: of a recipe that ships.
        part: of `recipe.PARTS`.
        folder: of `store_drawn`.
        size: of the networks.
        device: what they run on.
        steps: how many.
        free_gib: memory to reckon with; what is free now unless given.

    Returns:
        `seconds` and `peak_gib` of each step, `pictures` of a step, `how` and `lora`, `device`, `precision`.
    """
    import torch

    from engine.prior.device import choose
    from engine.prior.diffbir.fit import has_gib
    from engine.tuning import RECIPES

    pivot: Pivot = getattr(RECIPES[name], part)
    free = has_gib(choose(device)) if free_gib is None else free_gib
    needed = whole_gib(part, size, pivot)
    how = "LoRA" if pivot.method == "lora" else "trained whole"
    if pivot.method == "full" and needed + BESIDE_GIB + ROOM_GIB > free:
        pivot = replace(pivot, method="lora", targets=("attention", "feed-forward", "conv1", "conv2"))
        how = f"LoRA, as whole it takes {needed:.1f} GiB more"
    prior = loaded(folder, size, device)
    known: dict[str, Any] = {
        "how": how,
        "lora": pivot.method == "lora",
        "device": str(prior.device),
        "precision": {"torch.bfloat16": "bf16", "torch.float16": "fp16"}.get(str(prior.dtype), "fp32"),
        "seconds": [],
        "peak_gib": [],
    }
    for pictures, seconds in _steps(prior, part, pivot, steps):
        peak = torch.cuda.max_memory_allocated(prior.device) if prior.device.type == "cuda" else peak_bytes()
        known["pictures"] = pictures
        known["seconds"].append(round(seconds, 2))
        known["peak_gib"].append(round(peak / 2**30, 2))
    return known


def whole_gib(part: str, size: Size, pivot: Pivot) -> float:
    """Give the memory of what is trained whole, GiB: float32 weights, gradients, moments; a cleaner is small."""
    from engine.prior.diffbir.widths import empty
    from engine.tuning.adapters import weights_for_full

    if pivot.method != "full" or part == "cleaner":
        return 0.0
    network_of = {"text": "denoiser", "guide": "guide"}
    network = empty(size.widths, (network_of[part],))[network_of[part]]
    trained = sum(network.get_parameter(name).numel() for name in weights_for_full(network, pivot.targets))
    return trained * 16 / 2**30


def _steps(prior: Prior, part: str, pivot: Pivot, steps: int) -> Iterator[tuple[int, float]]:
    """Give pictures and seconds of each step, done as a tuning does them."""
    from engine.tuning.optimisers import optimiser_of, set_rate
    from engine.tuning.steps import gradients, is_large, update

    stage = _stage(prior, part, pivot)
    optimiser = optimiser_of(stage.groups(), stage.pivot)
    for step in range(steps):
        begun = time.perf_counter()
        set_rate(optimiser, pivot, step)
        drawn = stage.draw(step, 0)
        optimiser.zero_grad(set_to_none=True)
        gradients(stage, drawn, 1 if is_large(prior) else len(drawn))
        update(optimiser)
        yield len(drawn), time.perf_counter() - begun


def _stage(prior: Prior, part: str, pivot: Any) -> Stage:
    """Begin a pivot on a drawn face."""
    import numpy as np

    from engine.people import Person
    from engine.tuning.cleaner_pivot import CleanerStage, Faces
    from engine.tuning.guide_pivot import GuideStage, Personalized
    from engine.tuning.text_pivot import Shown, TextStage
    from engine.tuning.views import make_views

    face = np.random.default_rng(3).random((prior.size, prior.size, 3), np.float32)
    if part == "cleaner":
        return CleanerStage(prior, pivot, Faces((face,), (face,), (1.0,)), seed=0)
    views = make_views(prior, (face,), each=1, seed=0)
    somebody = Person("nobody", "Nobody", "person", "sks", "")
    if part == "text":
        return TextStage(prior, somebody, pivot, Shown(views, views if pivot.class_batch else None, (1.0,)), seed=0)
    return GuideStage([Personalized(prior, somebody.prompt)], pivot, views, seed=0)


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    try:
        figures = measure(
            given["recipe"], given["part"], Path(given["folder"]), Size(given["toy"]), given["device"], given["steps"]
        )
    except EngineError as error:
        sys.exit(str(error))
    sys.stdout.write(json.dumps(figures) + "\n")
