"""What restorers of others share: range of values, noise by seed, files, and the last one kept loaded.

Their networks see `(1, 3, 512, 512)`, sRGB, -1 to 1, red first, and give the same. spandrel's descriptors are never
called: those of GFPGAN and CodeFormer map neither from 0..1 nor back, and clip. Only the network's class is used.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

from engine.restorers._contract import Context, Options, Pixels, option

if TYPE_CHECKING:
    import torch
    from torch.nn import Module

T = TypeVar("T")

SIZE = 512
"""Side in px of the faces that GFPGAN, RestoreFormer, CodeFormer and DifFace take."""

DONE_HERE = "Cutting, pasting and enlarging are done here for all restorers alike, so that they can be compared."


@dataclass(frozen=True)
class PeerOptions(Options):
    """For networks that choose codes: another precision would choose other codes, and so they compute in float32."""

    def exact(self) -> bool:
        """See `Options.exact`."""
        return True


@dataclass(frozen=True)
class FastOptions(PeerOptions):
    """For networks that bfloat16 changes little."""

    fast: bool = option(
        False,
        "Fast",
        "Computes in bfloat16 where the device does it natively: up to twice as fast, and not quite the authors' "
        "picture. Else float32 throughout, as their own program.",
        advanced=True,
    )

    def exact(self) -> bool:
        """See `Options.exact`."""
        return not self.fast


def weights_file(context: Context, file_id: str) -> Path:
    """Give the path of a file of the list of weights.

    Raises:
        WeightsMissing: it is nowhere; the sentence says its size, its licence and the command that gets it.
        EngineError: it is there and may not or cannot be used; see `weights.locate`.
    """
    from engine.weights import WeightsMissing, locate

    if context.weights is None:
        raise WeightsMissing(f"{file_id} is needed, and no folder of weights is known.")
    return locate(file_id, context.weights)


def ready(network: Module, device: str) -> Module:
    """Give a network on its device, to be asked and not to be trained."""
    from engine.prior.device import choose

    return network.to(choose(device)).eval().requires_grad_(False)


def where(network: Module) -> torch.device:
    """Give the device that a network is on."""
    return next(network.parameters()).device


def as_batch(face: Pixels, size: int, device: torch.device) -> torch.Tensor:
    """Give a face as these networks see it, `(1, 3, size, size)`, -1 to 1.

    Raises:
        ValueError: the face has another size: a network of fixed size would misread it without a word.
    """
    import torch

    if face.shape != (size, size, 3):
        raise ValueError(f"this restorer takes faces of {size} x {size} px, got {face.shape}")
    batch = torch.from_numpy(np.ascontiguousarray(face.transpose(2, 0, 1)[None])) * 2 - 1
    return batch.to(device)


def as_face(batch: torch.Tensor) -> Pixels:
    """Give what a network made, `(1, 3, H, W)`, -1 to 1 and beyond, as pixels 0 to 1."""
    pixels = (batch[0].float().clamp(-1, 1) + 1) / 2
    return np.ascontiguousarray(pixels.permute(1, 2, 0).cpu().numpy())


@contextmanager
def running(network: Module, options: Options) -> Generator[torch.device]:
    """Give the device in a block in which a network is asked, in the precision that the options say."""
    import torch

    from engine.prior.device import autocast

    device = where(network)
    if options.exact():
        with torch.inference_mode():
            yield device
    else:
        with torch.inference_mode(), autocast(device):
            yield device


@contextmanager
def seeded(seed: int, device: torch.device) -> Generator[None]:
    """Let networks that draw torch's own random numbers draw those of a seed, and leave everybody else's as they were.

    On a CPU they are those that the authors' program draws after `torch.manual_seed(seed)`.
    """
    import torch

    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        yield


class Last(Generic[T]):
    """Keeps the last thing that was loaded, and lets go of it before another is."""

    def __init__(self, load: Callable[[str], T]) -> None:
        self._load, self._held = load, dict[str, T]()

    def get(self, name: str) -> T:
        """Give what a name stands for, loading it unless it was the last."""
        if name not in self._held:
            self._held.clear()
            self._held[name] = self._load(name)
        return self._held[name]
