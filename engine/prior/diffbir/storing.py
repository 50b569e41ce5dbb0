"""Writing a network's tensors as safetensors, one after the other, under a name that says what is in them."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import EngineError
from engine.progress import Tick, silent
from engine.weights import WeightFile, shown_size

if TYPE_CHECKING:
    from torch import Tensor

_DTYPES = {
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "float64": "F64",
    "int64": "I64",
    "int32": "I32",
    "bool": "BOOL",
}


class NoRoom(EngineError):
    """The disk cannot hold what is to be stored."""


def store(folder: Path, part: str, tensors: Mapping[str, Tensor], *, tick: Tick = silent) -> WeightFile:
    """Write the tensors of a network, whole or not at all.

    The whole is never in memory: a tensor that is mapped from a file is read, written and forgotten. The file is named
    after its content, so that a network which several published files hold is stored once.

    Args:
        folder: made when it is not there.
        part: the network; begins the file's name.
        tensors: by name.
        tick: called after each tensor; what was written so far goes away when it raises.

    Raises:
        NoRoom: the disk is too full.
        Cancelled: from the tick.
    """
    folder.mkdir(parents=True, exist_ok=True)
    order = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
    size = sum(t.numel() * t.element_size() for t in tensors.values())
    free = shutil.disk_usage(folder).free
    if free < size + (1 << 20):
        raise NoRoom(
            f"Storing the {part} takes {shown_size(size)} in {folder} and {shown_size(free)} are free. "
            "Make room, or move the folder of weights."
        )
    handle, name = tempfile.mkstemp(dir=folder, prefix=f".{part}-", suffix=".part")
    half = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            hashed = hashlib.sha256()
            for n, data in enumerate(_pieces(order, tensors, part)):
                file.write(data)
                hashed.update(data)
                tick(n, len(order))
            file.flush()
            os.fsync(file.fileno())
        sha256 = hashed.hexdigest()
        path = folder / f"{part}-{sha256[:16]}.safetensors"
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)
    return WeightFile(path.name, sha256, path.stat().st_size)


def _pieces(order: list[str], tensors: Mapping[str, Tensor], part: str) -> Any:
    """Give the header, then each tensor's bytes."""
    import torch

    header: dict[str, Any] = {"__metadata__": {"format": "pt", "part": part}}
    at = 0
    for name in order:
        tensor = tensors[name]
        end = at + tensor.numel() * tensor.element_size()
        dtype = _DTYPES[str(tensor.dtype).removeprefix("torch.")]
        header[name] = {"dtype": dtype, "shape": list(tensor.shape), "data_offsets": [at, end]}
        at = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    yield len(text).to_bytes(8, "little") + text
    for name in order:
        flat = tensors[name].detach().contiguous().reshape(-1)
        data: Any = flat.view(torch.uint8).numpy()
        yield memoryview(data) if flat.numel() else b""


def mapped(path: Path) -> dict[str, Tensor]:
    """Read safetensors without reading them: the numbers come from the file when they are needed."""
    from safetensors.torch import load_file

    return load_file(path)
