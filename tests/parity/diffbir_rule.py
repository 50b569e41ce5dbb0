"""Numbers by rule: the same inputs and parameters for official code and for ours, without storing them.

A tensor's numbers follow from its name and shape alone: NumPy's PCG64, seeded with the CRC-32 of the name, gives
standard normal numbers (`Generator.standard_normal`, float32). Parameters are scaled so that signals neither die nor
grow, and none stays zero, which would hide what is behind it.
"""

from __future__ import annotations

import math
import zlib

import numpy as np
import torch


def drawn(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Standard normal numbers of a name, float32."""
    return np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape, dtype=np.float32)


def tensor(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """An input: standard normal."""
    return torch.from_numpy(drawn(name, tuple(shape)))


def picture(name: str, side: int) -> torch.Tensor:
    """A smooth picture, `(1, 3, side, side)`, 0 to 1, with some grain."""
    coarse = torch.nn.functional.interpolate(tensor(name, (1, 3, 6, 6)), (side, side), mode="bicubic")
    return (0.5 + 0.2 * coarse + 0.02 * tensor(f"{name} grain", (1, 3, side, side))).clamp(0, 1)


def parameter(name: str, shape: tuple[int, ...], gain: float = 1.0) -> torch.Tensor:
    """A parameter of a published file: weights by their fan-in, one-dimensional ones round 1 or 0."""
    made = drawn(name, tuple(shape))
    if len(shape) <= 1:
        centre = 1.0 if name.endswith("weight") else 0.0
        return torch.from_numpy(np.asarray(centre + 0.05 * made, np.float32))
    if "embedding" in name:
        return torch.from_numpy(0.5 * made)
    return torch.from_numpy(np.asarray(made * gain / math.sqrt(math.prod(shape[1:])), np.float32))


def parameters(shapes: dict[str, tuple[int, ...]], prefix: str = "", gain: float = 1.0) -> dict[str, torch.Tensor]:
    """Parameters of a network by their published names; the prefix makes the numbers of each network its own."""
    return {name: parameter(prefix + name, shape, gain) for name, shape in shapes.items()}
