"""Reading weights as their authors publish them, torch's pickles among them, without running what may be in them."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from engine.weights.files import WeightsDamaged, WeightsMissing

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module


def read_published(path: Path, within: str = "") -> dict[str, Tensor]:
    """Read a `.pth` file of tensors, as authors of networks publish them, onto the CPU; no code in it is run.

    Names lose the `module.` that training on several cards puts before them.

    Args:
        path: of the file.
        within: name under which the file holds its tensors, "" where it holds nothing else.

    Raises:
        WeightsMissing: not there.
        WeightsDamaged: torch cannot read it, or it holds something other than tensors by name.
    """
    import torch

    if not path.is_file():
        raise WeightsMissing(f"{path} is missing. Put the file of that name there, or choose a model that is there.")
    try:
        value: object = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, LookupError, ValueError, TypeError, AttributeError) as error:
        raise WeightsDamaged(_not_weights(path)) from error
    except (pickle.UnpicklingError, struct.error, OverflowError, MemoryError, AssertionError) as error:
        raise WeightsDamaged(_not_weights(path)) from error
    if within and isinstance(value, dict):
        value = value.get(within)
    if not isinstance(value, dict):
        raise WeightsDamaged(_not_weights(path))
    named = {str(name).removeprefix("module."): tensor for name, tensor in value.items()}
    if not named or not all(isinstance(tensor, torch.Tensor) for tensor in named.values()):
        raise WeightsDamaged(_not_weights(path))
    return named


def fill(network: Module, path: Path, *, within: str = "", published: Callable[[str], str] = str) -> None:
    """Fill a network with a published file, strictly: each of its tensors, and no others.

    Args:
        network: changed in place.
        path: of the file.
        within: as in `read_published`.
        published: gives the file's name for a tensor by the network's own; the same name unless given.

    Raises:
        WeightsMissing, WeightsDamaged: as `read_published`, or the file is one of another network.
    """
    own = network.state_dict()
    tensors, wanted = read_published(path, within), {published(name): tensor for name, tensor in own.items()}
    wrong = sorted(name for name in {*tensors, *wanted} if _shape(tensors, name) != _shape(wanted, name))
    if wrong:
        raise WeightsDamaged(
            f"{path} is not the file of this network: {len(wrong)} of its tensors differ, {wrong[0]} is "
            f"{_shape(tensors, wrong[0]) or 'missing'} and should be {_shape(wanted, wrong[0]) or 'absent'}. "
            "Get the file again."
        )
    network.load_state_dict({name: tensors[published(name)] for name in own})


def _shape(tensors: dict[str, Tensor], name: str) -> str | None:
    return str(tuple(tensors[name].shape)) if name in tensors else None


def _not_weights(path: Path) -> str:
    return f"{path} is damaged or holds no weights. Get the file again, or take it out of the folder."
