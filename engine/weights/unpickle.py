"""What is in a file of weights, read without running anything: names and shapes of its tensors.

A torch file is a pickle, and a pickle is a list of calls. Here each call that tensors need is answered by a stand-in
that only notes the shape; things that checkpoints carry along, such as settings of the training, become empty
stand-ins; a file that calls anything else is refused. No class is ever imported because a file names it.
"""

from __future__ import annotations

import io
import json
import math
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from engine.errors import EngineError
from engine.weights.files import WeightsDamaged, WeightsMissing

MOST_PICKLE_BYTES = 256_000_000
"""Of the list of tensors within a file. Stable Diffusion's is under 1 MB."""
MOST_HEADER_BYTES = 100_000_000
"""What safetensors itself allows for its header."""

HARMLESS = ("pytorch_lightning", "lightning", "lightning_fabric", "omegaconf", "numpy", "argparse", "typing")
"""Packages whose objects old checkpoints carry along. They become empty stand-ins; nothing of them is imported."""
_HARMLESS_NAMES = frozenset(
    {
        ("builtins", "set"),
        ("builtins", "int"),
        ("builtins", "float"),
        ("builtins", "dict"),
        ("builtins", "list"),
        ("__builtin__", "set"),
        ("__builtin__", "dict"),
        ("collections", "defaultdict"),
        ("_codecs", "encode"),
        ("torch", "device"),
        ("torch.serialization", "_get_layout"),
    }
)

_WEB_PAGE = (b"<!doctype html", b"<html", b"<head", b"<?xml", b"<!--")
_LFS = b"version https://git-lfs"


class WeightsUnsafe(WeightsDamaged):
    """A file that would run a program when it is opened in the usual way. It was not opened in that way."""


@dataclass(frozen=True)
class Contents:
    """What a file holds."""

    groups: Mapping[str, Mapping[str, tuple[int, ...]]]
    """Tensors' shapes by name, by the name of the dictionary that holds them; "" for those at the top. Names have lost
    the `module.` that training on several cards puts before them."""

    def has(self, shapes: tuple[tuple[str, tuple[int, ...]], ...]) -> bool:
        """Tell whether one of the groups has tensors of these names and shapes."""
        return any(all(group.get(name) == shape for name, shape in shapes) for group in self.groups.values())

    @property
    def tensors(self) -> int:
        """How many there are."""
        return sum(len(group) for group in self.groups.values())


class Inert:
    """Stands for an object of the file that is not wanted. Takes whatever it is given and does nothing."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __call__(self, *_: object, **__: object) -> Inert:
        """Give another."""
        return Inert()

    def __setstate__(self, _: object) -> None:
        """Forget the state."""

    def __setitem__(self, _: object, __: object) -> None:
        """Forget the item."""

    def append(self, _: object) -> None:
        """Forget the item."""

    def extend(self, _: object) -> None:
        """Forget the items."""

    def add(self, _: object) -> None:
        """Forget the item."""


class _Shaped:
    """A tensor of which only the shape is known."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape

    def __setstate__(self, _: object) -> None:
        """Forget the state."""


def contents(path: Path) -> Contents:
    """Read what a file holds: safetensors, or torch's form, old or new.

    Raises:
        WeightsMissing: not there.
        WeightsUnsafe: opening it in the usual way would run a program that is in it.
        WeightsDamaged: it is a web page, cut off, or holds no tensors.
    """
    if not path.is_file():
        raise WeightsMissing(f"{path} is missing. Put the file of that name there, or choose a model that is there.")
    try:
        with path.open("rb") as file:
            start = file.read(512)
            refuse_page(path, start)
            if is_safetensors(start, path.stat().st_size):
                groups = _of_safetensors(file)
            elif start[:4] == b"PK\x03\x04":
                groups = _of_zip(path)
            else:
                groups = _of_old_form(file, path)
    except EngineError:
        raise
    except (OSError, EOFError, LookupError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise WeightsDamaged(not_weights(path)) from error
    except (pickle.UnpicklingError, zipfile.BadZipFile, struct.error, OverflowError, MemoryError) as error:
        raise WeightsDamaged(not_weights(path)) from error
    if not any(groups.values()):
        raise WeightsDamaged(not_weights(path))
    return Contents(groups)


def not_weights(path: Path) -> str:
    """Give the sentence for a file that cannot be read."""
    return f"{path} is damaged or holds no weights. Get the file again, or take it out of the folder."


def refuse_page(path: Path, start: bytes) -> None:
    """Raise `WeightsDamaged` for what servers and git leave in the place of a file."""
    begins = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if begins.startswith(_WEB_PAGE):
        raise WeightsDamaged(
            f"{path} is a web page that was saved under this name, so it is damaged or holds no weights. "
            "Get the file again, or take it out of the folder."
        )
    if begins.startswith(_LFS):
        raise WeightsDamaged(
            f"{path} is a pointer of Git LFS, so it holds no weights. Fetch the file itself: git lfs pull."
        )


def is_safetensors(start: bytes, size: int) -> bool:
    """Tell a safetensors file by its first bytes: the length of its header, and the header's brace."""
    if len(start) < 9 or start[8:9] != b"{":
        return False
    (length,) = struct.unpack("<Q", start[:8])
    return length <= min(size, MOST_HEADER_BYTES)


def _of_safetensors(file: IO[bytes]) -> dict[str, dict[str, tuple[int, ...]]]:
    file.seek(0)
    (length,) = struct.unpack("<Q", file.read(8))
    header = json.loads(file.read(length))
    named = {name: tuple(map(int, entry["shape"])) for name, entry in header.items() if name != "__metadata__"}
    end = max((entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"), default=0)
    if file.seek(0, io.SEEK_END) < 8 + length + end:
        raise ValueError("cut off")
    return {"": {name.removeprefix("module."): shape for name, shape in named.items()}}


def _of_zip(path: Path) -> dict[str, dict[str, tuple[int, ...]]]:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if any(name.endswith("/constants.pkl") or "/code/" in name for name in names):
            raise WeightsUnsafe(
                f"{path} holds a program (TorchScript) beside its weights, so it is not opened. Get the file that the "
                "authors publish."
            )
        listing = next(name for name in names if name == "data.pkl" or name.endswith("/data.pkl"))
        if archive.getinfo(listing).file_size > MOST_PICKLE_BYTES:
            raise ValueError("the list of tensors is larger than any that is known")
        return _grouped(_read(io.BytesIO(archive.read(listing)), path))


def _of_old_form(file: IO[bytes], path: Path) -> dict[str, dict[str, tuple[int, ...]]]:
    """Read the form before torch 1.6: a magic number, a version, facts of the machine, then the list of tensors."""
    file.seek(0)
    magic = _read(file, path)
    if isinstance(magic, dict):  # a plain pickle of tensors is none of torch's forms, but what it calls was looked at
        return _grouped(magic)
    if magic != 0x1950A86A20F9469CFC6C:
        raise ValueError("no magic number")
    _read(file, path)
    _read(file, path)
    return _grouped(_read(file, path))


def _read(file: IO[bytes], path: Path) -> Any:
    return _Listing(file, path).load()


def _grouped(value: Any) -> dict[str, dict[str, tuple[int, ...]]]:
    """Sort the tensors of a dictionary, and of the dictionaries in it, two deep, by the dictionary they stand in."""
    groups: dict[str, dict[str, tuple[int, ...]]] = {"": {}}
    if isinstance(value, _Shaped):
        return {"": {"": value.shape}}
    for key, entry in value.items() if isinstance(value, dict) else ():
        if isinstance(entry, _Shaped):
            groups[""][str(key).removeprefix("module.")] = entry.shape
        elif isinstance(entry, dict):
            inner = {str(k).removeprefix("module."): v.shape for k, v in entry.items() if isinstance(v, _Shaped)}
            groups[str(key)] = inner
    return groups


def refused(path: Path, module: str, name: str) -> WeightsUnsafe:
    """Give the error for a file that calls what no tensor needs."""
    return WeightsUnsafe(
        f"{path} would run {module}.{name} when it is opened, which no file of weights needs, so it was not opened. "
        "It is damaged or holds no weights. Get the file again from its authors, and delete this one."
    )


def is_harmless(module: str, name: str) -> bool:
    """Tell whether an object is one of those that checkpoints carry along."""
    return module.partition(".")[0] in HARMLESS or (module, name) in _HARMLESS_NAMES


class _Listing(pickle.Unpickler):
    """Reads a list of tensors, with stand-ins for all of them."""

    def __init__(self, file: IO[bytes], path: Path) -> None:
        super().__init__(file, encoding="utf-8", errors="replace")
        self._path = path

    def persistent_load(self, pid: Any) -> object:
        """Stand for the numbers of a tensor, which are elsewhere in the file."""
        return Inert()

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        """Give a stand-in by name."""
        known = _KNOWN.get((module_name, global_name))
        if known is not None:
            return known
        if module_name in ("torch", "torch.storage") and global_name.endswith("Storage"):
            return Inert
        if module_name == "torch" and global_name in _DTYPES:
            return Inert()
        if is_harmless(module_name, global_name):
            return Inert
        raise refused(self._path, module_name, global_name)


def _tensor(storage: object, offset: object, size: tuple[int, ...], *_: object) -> _Shaped:
    del storage, offset
    shape = tuple(int(side) for side in size)
    if any(side < 0 for side in shape) or math.prod(shape) > 1 << 40:
        raise ValueError("a tensor has an impossible shape")
    return _Shaped(shape)


def _parameter(data: object = None, *_: object) -> object:
    return data


_KNOWN: Mapping[tuple[str, str], Callable[..., object]] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch", "Size"): tuple,
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch._utils", "_rebuild_parameter_with_state"): _parameter,
    ("torch.nn.parameter", "Parameter"): _parameter,
}
_DTYPES = frozenset(
    {"float32", "float64", "float16", "bfloat16", "int8", "uint8", "int16", "int32", "int64", "bool", "float", "half"}
    | {"double", "long", "int", "short"}
)
