"""Reading weights as their authors publish them, torch's pickles among them, without running what may be in them."""

from __future__ import annotations

import pickle
import struct
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import IO, TYPE_CHECKING, Any
from zipfile import is_zipfile

from engine.weights.files import WeightsDamaged
from engine.weights.unpickle import Inert, contents, is_harmless, is_safetensors, not_weights, refused

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module


def read_published(path: Path, within: str | Sequence[str] = "", *, mapped: bool = False) -> dict[str, Tensor]:
    """Read a file of tensors, as authors of networks publish them, onto the CPU; no code in it is run.

    It is safetensors or torch's form. Names lose the `module.` that training on several cards puts before them.

    Args:
        path: of the file.
        within: name under which the file holds its tensors, "" where it holds nothing else; or several, of which the
            first that the file has counts, for networks that are published in several forms.
        mapped: whether their numbers stay in the file until they are needed, where its form allows that; for files of
            gigabytes. The file must not change as long as the tensors are used.

    Raises:
        WeightsMissing: not there.
        WeightsUnsafe: it would run a program when opened in the usual way.
        WeightsDamaged: it cannot be read, or holds something other than tensors by name.
    """
    import torch

    contents(path)
    value = _loaded(path, mapped)
    names = (within,) if isinstance(within, str) else within
    if isinstance(value, dict):
        there = (value.get(name) if name else value for name in names)
        value = next((held for held in there if isinstance(held, dict)), None)
    if not isinstance(value, dict):
        raise WeightsDamaged(not_weights(path))
    named = {str(name).removeprefix("module."): tensor for name, tensor in value.items()}
    if not named or not all(isinstance(tensor, torch.Tensor) for tensor in named.values()):
        raise WeightsDamaged(not_weights(path))
    return named


def _loaded(path: Path, mapped: bool) -> Any:
    """Give what a file holds, with its tensors."""
    import torch

    mapped = mapped and is_zipfile(path)  # torch's older form cannot be
    try:
        with path.open("rb") as file:
            if is_safetensors(file.read(512), path.stat().st_size):
                from safetensors.torch import load_file

                return load_file(path)
        try:
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
        except pickle.UnpicklingError:
            # torch refuses whatever is not a tensor, settings of the training among it, which `contents` has looked at.
            return torch.load(
                path, map_location="cpu", weights_only=False, pickle_module=_restricted(path), mmap=mapped
            )
    except WeightsDamaged:
        raise
    except (OSError, RuntimeError, EOFError, LookupError, ValueError, TypeError, AttributeError) as error:
        raise WeightsDamaged(not_weights(path)) from error
    except (pickle.UnpicklingError, struct.error, OverflowError, MemoryError, AssertionError) as error:
        raise WeightsDamaged(not_weights(path)) from error
    except Exception as error:
        if type(error).__name__ != "SafetensorError":
            raise
        raise WeightsDamaged(not_weights(path)) from error


def _restricted(path: Path) -> Any:
    """Give a module like `pickle` whose reader makes tensors and stand-ins, and nothing else."""
    import torch
    import torch._utils as torch_utils

    rebuild: Any = torch_utils  # whose private names are those that its files call
    allowed = {
        ("torch._utils", "_rebuild_tensor"): rebuild._rebuild_tensor,
        ("torch._utils", "_rebuild_tensor_v2"): rebuild._rebuild_tensor_v2,
        ("torch._utils", "_rebuild_parameter"): rebuild._rebuild_parameter,
        ("torch", "Size"): torch.Size,
        ("collections", "OrderedDict"): OrderedDict,
    }

    class Reader(pickle.Unpickler):
        def find_class(self, module_name: str, global_name: str, /) -> Any:
            known = allowed.get((module_name, global_name))
            if known is not None:
                return known
            if module_name == "torch" and isinstance(getattr(torch, global_name, None), torch.dtype):
                return getattr(torch, global_name)
            if is_harmless(module_name, global_name):
                return Inert
            raise refused(path, module_name, global_name)

    def load(file: IO[bytes], **given: Any) -> Any:
        return Reader(file, **given).load()

    made = ModuleType("restricted_pickle")
    made.__dict__.update(Unpickler=Reader, load=load)
    return made


def fill(
    network: Module,
    path: Path,
    *,
    within: str | Sequence[str] = "",
    prefix: str = "",
    published: Callable[[str], str] = str,
) -> None:
    """Fill a network with a published file, strictly: each of its tensors, and no others.

    Args:
        network: changed in place.
        path: of the file.
        within: as in `read_published`.
        prefix: before the network's names in a file that holds more than this network; then only those are taken. A
            file without it is taken whole.
        published: gives the file's name for a tensor by the network's own; the same name unless given.

    Raises:
        WeightsMissing, WeightsDamaged: as `read_published`, or the file is one of another network.
    """
    own, tensors = network.state_dict(), read_published(path, within)
    if prefix and any(name.startswith(prefix) for name in tensors):
        tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    wanted = {published(name): tensor for name, tensor in own.items()}
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
