"""The rule: parameters, pictures and noise by NumPy from names and shapes alone, the same on every machine.

NumPy's `RandomState` is frozen for good. Each tensor is drawn from a seed that is the CRC-32 of its name, evenly from
-1 to 1, and then

- divided by the root of a third of what goes into one number of the result, if it has two dimensions or more;
- a weight of one dimension (of a normalisation, or a strength): 1 + a fifth of it, so that nothing that a network
  starts with as zero hides what is behind it;
- a bias, or anything else of one dimension: a tenth of it.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

POSITIONS = 512
HERE = Path(__file__).parent

Floats = NDArray[np.float32]


def even(name: str, shape: Iterable[int]) -> Floats:
    """Give numbers from -1 to 1 for a name."""
    drawn = np.random.RandomState(zlib.crc32(name.encode())).random_sample(tuple(shape))
    return (drawn * 2 - 1).astype(np.float32)


def parameter(name: str, shape: tuple[int, ...]) -> Floats:
    """Give a tensor of a network by its name in the published file."""
    drawn = even(name, shape)
    if len(shape) > 1:
        # StyleGAN's weights have one dimension more, which is 1.
        into = int(np.prod(shape[2:] if len(shape) == 5 else shape[1:]))
        return drawn * np.float32(np.sqrt(3 / into))
    return 1 + drawn / 5 if name.endswith("weight") else drawn / 10


def tame(network: Any) -> None:
    """Make what a U-Net predicts depend a hundredth as much on what it sees, in place.

    Each step of a loop through a network of random numbers makes differences six times as large, so that after a
    hundred the last bit of the first decides everything; what is learnt is not like that.
    """
    network.out[2].weight.data /= 100


def computed(name: str, tensor: Any) -> bool:
    """Say whether a tensor of a file is no parameter: the network computes it from its size."""
    return not tensor.is_floating_point() or name.endswith("attn_mask")


def official_state(network: Any, published: Callable[[str], str] = str) -> dict[str, Any]:
    """Give the contents of a published file for a network, by the rule; names as published."""
    import torch

    state: dict[str, Any] = {}
    for name, tensor in network.state_dict().items():
        known = published(name)
        state[known] = (
            tensor.clone() if computed(known, tensor) else torch.from_numpy(parameter(known, tuple(tensor.shape)))
        )
    return state


def form(state: Mapping[str, Any]) -> str:
    """Give a fingerprint of a file's names, shapes and kinds."""
    lines = sorted(f"{n} {tuple(t.shape)} {str(t.dtype).removeprefix('torch.')}" for n, t in state.items())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def picture(side: int) -> Floats:
    """Give an input, `(1, 3, side, side)`, -1 to 1: waves and noise."""
    down, across = np.mgrid[0:side, 0:side].astype(np.float32) / np.float32(side)
    waves = np.stack([np.sin(6 * across + 3 * n * down + n) for n in range(3)])[None]
    return (0.6 * waves + 0.4 * even("picture", waves.shape)).astype(np.float32)


def noise(number: int, shape: Iterable[int]) -> Floats:
    """Give the n-th unit normal noise of a loop."""
    return np.random.RandomState(1000 + number).standard_normal(tuple(shape)).astype(np.float32)


def summary(output: NDArray[Any]) -> dict[str, Any]:
    """Give what is kept of an output."""
    flat = np.asarray(output, np.float64).ravel()
    return {
        "shape": list(output.shape),
        "mean": float(flat.mean()),
        "std": float(flat.std()),
        "max": float(np.abs(flat).max()),
        "values": [float(f"{value:.8g}") for value in flat[positions(flat.size)]],
    }


def positions(count: int) -> NDArray[np.int64]:
    """Give where an output of `count` numbers is looked at."""
    return np.random.RandomState(0).randint(0, count, POSITIONS)


def relative_error(output: NDArray[Any], kept: Mapping[str, Any]) -> float:
    """Give the largest difference from what was kept, over the standard deviation of the official output.

    Over the mean, the standard deviation and the maximum as well as over the 512 positions.
    """
    ours = summary(output)
    assert ours["shape"] == kept["shape"], f"{ours['shape']} is not {kept['shape']}"
    away = [np.abs(np.subtract(ours["values"], kept["values"])).max()]
    away += [abs(ours[name] - kept[name]) for name in ("mean", "std", "max")]
    return float(max(away) / kept["std"])


def read(name: str) -> dict[str, Any]:
    """Read the numbers of a network."""
    return json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))


def write(name: str, source: str, cases: Mapping[str, Any]) -> None:
    """Write the numbers of a network, one case a line, at most 100 KB each."""
    lines = [f'"{case}": {json.dumps(value)}' for case, value in cases.items()]
    assert all(len(line) < 100_000 for line in lines)
    body = ",\n  ".join([f'"source": {json.dumps(source)}', *lines])
    (HERE / f"{name}.json").write_text("{\n  " + body + "\n}\n", encoding="utf-8")


def narrowed_codeformer(vqgan: Any, build: Callable[[], Any], width: int) -> Any:
    """Build a CodeFormer whose convolutions are `width` wide at first, not 64: its class has no such knob.

    Its pictures stay 512 px wide, since the class knows 16 x 16 codes alone.

    Args:
        vqgan: the module that defines the autoencoder; changed while it builds.
        build: makes the network.
        width: a multiple of 4.
    """
    import torch

    begin, normalize = vqgan.VQAutoEncoder.__init__, vqgan.normalize
    vqgan.VQAutoEncoder.__init__ = lambda self, side, wide, *rest: begin(self, side, width, *rest)
    vqgan.normalize = lambda channels: torch.nn.GroupNorm(4, channels, eps=1e-6)
    try:
        made = build()
        for size, block in made.fuse_convs_dict.items():
            channels = made.channels[size] * width // 64
            made.fuse_convs_dict[size] = type(block)(channels, channels)
    finally:
        vqgan.VQAutoEncoder.__init__, vqgan.normalize = begin, normalize
    return made
