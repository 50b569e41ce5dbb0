"""The damage lab: a clean face is damaged in a way that is known, so that what a restorer makes of it can be measured.

What is known of it is plain: four sliders of the method's own damage, kinds of old-photo damage, and names for usual
mixtures of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from engine import degrade, images
from engine.errors import EngineError


class BadDamage(EngineError):
    """A damage that the lab does not have, or a value outside its range."""


RANGES: Mapping[str, tuple[float, float]] = MappingProxyType(
    {"blur": (0.0, 15.0), "shrink": (1.0, 16.0), "noise": (0.0, 60.0), "jpeg": (5, 100)}
)
"""Lowest and highest value of each slider: what the method trains on, and half as much again or more."""


@dataclass(frozen=True)
class Lab:
    """One known damage; sizes are in px of a 512 px face crop, as `degrade.Damage` has them."""

    blur: float = 0.0
    """Standard deviation of a round blur, px; 0 is none."""
    shrink: float = 1.0
    """How many times smaller the face becomes before it is enlarged again."""
    noise: float = 0.0
    """Standard deviation of colour noise, of 255."""
    jpeg: int = 100
    """JPEG quality; 100 leaves it out."""
    old: tuple[str, ...] = ()
    """Kinds of `degrade.KINDS`, which come after the above."""


PRESETS: Mapping[str, Lab] = MappingProxyType(
    {
        "mild": Lab(blur=2, shrink=2, noise=4, jpeg=85),
        "medium": Lab(blur=4, shrink=4, noise=8, jpeg=75),
        "strong": Lab(blur=7, shrink=8, noise=15, jpeg=60),
        "blur": Lab(blur=8),
        "compression": Lab(jpeg=10),
        "noise": Lab(noise=40),
        "low resolution": Lab(shrink=12),
        "old print": Lab(blur=2, shrink=2, old=("fading", "grain", "scratches", "dust")),
        "newspaper": Lab(old=("halftone", "copying")),
    }
)
"""By name. `mild` to `strong` lie in what the method trains on; the four after them are one kind each, and heavy."""


def read_lab(value: str | Mapping[str, Any]) -> tuple[str, Lab]:
    """Give a damage and what it is called, from a preset's name or from the sliders' values.

    Raises:
        BadDamage: no such preset, slider or kind, or a value outside its range.
    """
    if isinstance(value, str):
        if value not in PRESETS:
            raise BadDamage(f"There is no damage {value!r}. Choose one of: {', '.join(PRESETS)}.")
        return value, PRESETS[value]
    unknown = sorted(set(value) - {*RANGES, "old"})
    if unknown:
        raise BadDamage(f"There is no slider {unknown[0]!r} in the damage lab. There are: {', '.join(RANGES)} and old.")
    for name, (low, high) in RANGES.items():
        given = value.get(name, getattr(Lab, name))
        if not isinstance(given, int | float) or isinstance(given, bool) or not low <= given <= high:
            raise BadDamage(f"{name} must be {low:g} to {high:g}, got {given!r}.")
    old = tuple(str(kind) for kind in value.get("old", ()))
    for kind in old:
        if kind not in degrade.KINDS:
            raise BadDamage(f"There is no old-photo damage {kind!r}. Choose of: {', '.join(degrade.KINDS)}.")
    lab = Lab(
        float(value.get("blur", Lab.blur)),
        float(value.get("shrink", Lab.shrink)),
        float(value.get("noise", Lab.noise)),
        round(value.get("jpeg", Lab.jpeg)),
        old,
    )
    return described(lab), lab


def described(lab: Lab) -> str:
    """Say in a few words what a damage does."""
    told = [
        f"blur {lab.blur:g}" if lab.blur else "",
        f"{lab.shrink:g} times smaller" if lab.shrink > 1 else "",
        f"noise {lab.noise:g}" if lab.noise else "",
        f"JPEG {lab.jpeg}" if lab.jpeg < 100 else "",
        *lab.old,
    ]
    return ", ".join(word for word in told if word) or "no damage"


def damaged(face: images.Pixels, lab: Lab, seed: int) -> images.Pixels:
    """Damage a face crop.

    Args:
        face: `(size, size, 3)`, 0 to 1; not changed.
        lab: what to do.
        seed: of the noise and of where scratches lie; the same gives the same picture.
    """
    rng = np.random.default_rng(seed)
    out = face
    if (lab.blur, lab.shrink, lab.noise, lab.jpeg) != (0.0, 1.0, 0.0, 100):
        # Of quality 100 JPEG still rounds a little, which the other three drown.
        shrink = lab.shrink if lab.shrink > 1 else 0.0
        out = degrade.apply(face, degrade.Damage(lab.blur, lab.blur, 0.0, shrink, lab.noise, lab.jpeg), rng)
    for kind in lab.old:
        out = degrade.aged(out, kind, rng)
    return np.asarray(np.clip(out, 0, 1), np.float32)
