"""Stage 1: the published regression networks, by spandrel, all in one range and size."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from engine.weights import WeightsDamaged

if TYPE_CHECKING:
    from spandrel import ImageModelDescriptor

MULTIPLE = 64
"""px that a picture's sides are filled up to, as DiffBIR does; spandrel's own filling gives other borders."""


class PublishedCleaner(nn.Module):
    """Takes `(N, 3, H, W)`, -1 to 1, to the same; networks that enlarge are brought back to the size of their input."""

    def __init__(self, network: nn.Module, scale: int) -> None:
        super().__init__()
        self.network = network
        self.scale = scale

    def forward(self, pixels: Tensor) -> Tensor:
        """Clean; not clamped."""
        height, width = pixels.shape[-2:]
        # Filled up with black, which is 0 in the networks' own range of 0 to 1.
        here = pixels.to(next(self.network.parameters()))
        filled = nn.functional.pad((here + 1) / 2, (0, -width % MULTIPLE, 0, -height % MULTIPLE))
        made: Tensor = self.network(filled)[..., : height * self.scale, : width * self.scale]
        if self.scale != 1:
            made = nn.functional.interpolate(made.float(), (height, width), mode="bicubic", antialias=True).to(made)
        return (made * 2 - 1).to(pixels.device)


_DRAWING = frozenset({"uniform_", "normal_", "erfinv_", "mul_", "add_", "clamp_", "fill_", "zero_"})


class _Undrawn(TorchFunctionMode):
    """Leaves the parameters of networks that are made within it as they are: all of them are read afterwards.

    To draw those of the published SwinIR, cut at two spreads, takes a quarter of the time of loading a prior.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if args and isinstance(args[0], nn.Parameter) and getattr(func, "__name__", "") in _DRAWING:
            return args[0]
        return func(*args, **(kwargs or {}))


def read_cleaner(tensors: Mapping[str, Tensor], path: Path) -> PublishedCleaner:
    """Make the network that the tensors are of: SwinIR, BSRNet, SCUNet and whatever else spandrel knows.

    Args:
        tensors: by name; not changed.
        path: they came from, for the error.

    Raises:
        WeightsDamaged: spandrel knows no such network, or the tensors do not fill it.
    """
    from spandrel import ModelLoader, UnsupportedModelError

    try:
        with warnings.catch_warnings(), _Undrawn():
            warnings.filterwarnings("ignore", message="torch.meshgrid", category=UserWarning)  # spandrel's own call
            made: Any = ModelLoader("cpu").load_from_state_dict(dict(tensors))
    except (UnsupportedModelError, RuntimeError, ValueError, KeyError) as error:
        raise WeightsDamaged(
            f"{path} is none of the cleaners that are known (SwinIR, BSRNet, SCUNet). Get the file again."
        ) from error
    described: ImageModelDescriptor[nn.Module] = made
    return PublishedCleaner(described.model.eval().requires_grad_(False), described.scale)
