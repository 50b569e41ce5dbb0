"""The optimisers that a recipe can name, and how the rate goes over a pivot."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from typing import Any

import torch

from engine.errors import EngineError
from engine.tuning.recipe import Pivot


class OptimiserMissing(EngineError):
    """A recipe names an optimiser whose library is not installed or that does not run here."""


def optimiser_of(groups: list[dict[str, Any]], pivot: Pivot) -> torch.optim.Optimizer:
    """Make the optimiser that a pivot names.

    Args:
        groups: of parameters, each with `share`, its rate over the pivot's.
        pivot: which and how fast.

    Raises:
        OptimiserMissing: its library is not installed.
    """
    made = [{**group, "lr": pivot.rate * group["share"]} for group in groups]
    if pivot.optimiser == "adamw":
        return torch.optim.AdamW(made, lr=pivot.rate, weight_decay=1e-2)
    if pivot.optimiser == "prodigy":
        try:
            from prodigyopt import Prodigy
        except ImportError as error:
            raise OptimiserMissing(
                "The optimiser Prodigy is not installed. Run: pip install prodigyopt; or choose adamw in the recipe."
            ) from error
        # As Hugging Face's advanced DreamBooth script sets it: its estimate of the rate takes no part in the warm-up.
        prodigy: Any = Prodigy  # its own types say that weight decay is a whole number
        how = {"betas": (0.9, 0.99), "weight_decay": 1e-2, "safeguard_warmup": True, "use_bias_correction": True}
        with redirect_stdout(io.StringIO()):  # it prints how it decays weights, where a command's answer belongs
            # It takes one rate for all groups.
            return prodigy([{**group, "share": 1.0} for group in groups], lr=pivot.rate, **how)
    try:
        from bitsandbytes.optim import AdamW8bit  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise OptimiserMissing(
            "The 8-bit optimiser needs bitsandbytes, which is not installed. Run: pip install bitsandbytes; or choose "
            "adamw in the recipe: it gives nearly the same steps and takes more memory."
        ) from error
    return AdamW8bit(made, lr=pivot.rate, weight_decay=1e-2)


def set_rate(optimiser: torch.optim.Optimizer, pivot: Pivot, step: int, scale: float = 1.0) -> None:
    """Set the rate of a step, 0 the first: risen over the warm-up, then level or falling over the last third.

    Args:
        optimiser: of `optimiser_of`; its groups' rates are changed.
        pivot: see there.
        step: of the pivot.
        scale: more on the rate, below 1 after a loss that was no number.
    """
    fall = 1.0
    if pivot.schedule == "fall":
        fall = min(1.0, max(0.1, 1 - 0.9 * (step / pivot.steps - 2 / 3) * 3))
    rise = min(1.0, (step + 1) / pivot.warmup) if pivot.warmup else 1.0
    for group in optimiser.param_groups:
        group["lr"] = pivot.rate * group["share"] * fall * rise * scale
