"""What a training of the pocket prior does, in numbers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """One stretch of training at one size."""

    part: str
    """`cleaner`, or `prior` for denoiser, guide and text encoder together."""
    size: int
    """Side of the training pictures, px."""
    samples: int
    """Pictures shown."""
    batch: int
    rate: float
    """Learning rate of AdamW at its height."""
    cooldown: float = 0.0
    """Last share of the stage over which the rate falls linearly to a twentieth."""


@dataclass(frozen=True)
class Plan:
    """All stages in order."""

    name: str
    stages: tuple[Stage, ...]
    widths: str = "worded"
    """One of `pocket.WIDTHS`."""
    seed: int = 0
    average: float = 0.999
    """Decay a step of the exponential average of the weights, which is what is validated and shipped."""
    look_every: int = 500
    """Steps between two looks at people whom the training does not see."""
    patience: int = 10
    """Looks in a row without a better one after which a stage ends early."""


PLANS: dict[str, Plan] = {
    "small": Plan(
        "small",
        (
            Stage("cleaner", 128, 48_000, 16, 1e-3),
            Stage("cleaner", 256, 17_600, 8, 5e-4, cooldown=0.5),
            Stage("prior", 128, 32_000, 16, 6e-4),
            Stage("prior", 256, 10_400, 8, 4e-4, cooldown=0.5),
        ),
    ),
    "more": Plan(
        "more",
        (Stage("cleaner", 256, 16_000, 8, 4e-4, cooldown=0.6), Stage("prior", 256, 16_000, 8, 4e-4, cooldown=0.5)),
    ),
    "long": Plan(
        "long",
        (
            Stage("cleaner", 128, 400_000, 64, 1e-3),
            Stage("cleaner", 256, 200_000, 32, 5e-4, cooldown=0.5),
            Stage("prior", 128, 800_000, 64, 6e-4),
            Stage("prior", 256, 600_000, 32, 4e-4, cooldown=0.4),
        ),
        average=0.9995,
    ),
    "toy": Plan(
        "toy",
        (Stage("cleaner", 128, 8, 2, 1e-3), Stage("prior", 128, 8, 2, 1e-3)),
        widths="toy",
        average=0.5,
        look_every=2,
    ),
}
"""`small` is for a CPU in some hours, `more` goes on from a stored prior, `long` is for a CUDA card, `toy` for
tests."""
