"""Writing a network's tensors as safetensors, one after the other, under a name that says what is in them."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import EngineError
from engine.progress import Tick, silent
from engine.weights import WeightFile, WeightsDamaged, shown_size

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


def store(
    folder: Path, part: str, tensors: Mapping[str, Tensor], *, half: bool = False, tick: Tick = silent
) -> WeightFile:
    """Write the tensors of a network, whole or not at all.

    The whole is never in memory: a tensor that is mapped from a file is read, written and forgotten. The file is named
    after its content, so that a network which several published files hold is stored once.

    Args:
        folder: made when it is not there.
        part: the network; begins the file's name.
        tensors: by name.
        half: whether floats are stored in bfloat16, and convolutions with their channels last; see `mapped_half`.
        tick: called after each tensor; what was written so far goes away when it raises.

    Raises:
        NoRoom: the disk is too full.
        WeightsDamaged: a tensor holds infinity or what is no number.
        Cancelled: from the tick.
    """
    folder.mkdir(parents=True, exist_ok=True)
    forms = {name: _Form.of(tensor, half) for name, tensor in tensors.items()}
    order = sorted(tensors, key=lambda name: (-forms[name].width, name))
    size = sum(form.size for form in forms.values())
    free = shutil.disk_usage(folder).free
    if free < size + (1 << 20):
        raise NoRoom(
            f"Storing the {part} takes {shown_size(size)} in {folder} and {shown_size(free)} are free. "
            "Make room, or move the folder of weights."
        )
    handle, name = tempfile.mkstemp(dir=folder, prefix=f".{part}-", suffix=".part")
    begun = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            hashed = hashlib.sha256()
            for n, data in enumerate(_pieces(order, tensors, forms, part)):
                file.write(data)
                hashed.update(data)
                tick(n, len(order))
            file.flush()
            os.fsync(file.fileno())
        sha256 = hashed.hexdigest()
        path = folder / f"{part}-{sha256[:16]}.safetensors"
        begun.replace(path)
    finally:
        begun.unlink(missing_ok=True)
    return WeightFile(path.name, sha256, path.stat().st_size)


@dataclass(frozen=True)
class _Form:
    """How a tensor is stored."""

    dtype: str
    width: int
    """Bytes of a number."""
    shape: tuple[int, ...]
    half: bool

    @property
    def size(self) -> int:
        """Bytes."""
        return math.prod(self.shape) * self.width

    @staticmethod
    def of(tensor: Tensor, half: bool) -> _Form:
        """Give the form of a tensor, which is not read for it."""
        shape = tuple(tensor.shape)
        if half and tensor.is_floating_point():
            return _Form("BF16", 2, (shape[0], *shape[2:], shape[1]) if len(shape) == 4 else shape, True)
        return _Form(_DTYPES[str(tensor.dtype).removeprefix("torch.")], tensor.element_size(), shape, False)

    def stored(self, tensor: Tensor) -> Tensor:
        """Give the tensor in this form."""
        import torch

        if not self.half:
            return tensor
        return (tensor.permute(0, 2, 3, 1) if tensor.ndim == 4 else tensor).to(torch.bfloat16)


def _pieces(order: list[str], tensors: Mapping[str, Tensor], forms: Mapping[str, _Form], part: str) -> Any:
    """Give the header, then each tensor's bytes."""
    import torch

    header: dict[str, Any] = {"__metadata__": {"format": "pt", "part": part}}
    at = 0
    for name in order:
        form = forms[name]
        header[name] = {"dtype": form.dtype, "shape": list(form.shape), "data_offsets": [at, at + form.size]}
        at += form.size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    yield len(text).to_bytes(8, "little") + text
    for name in order:
        flat = forms[name].stored(tensors[name].detach()).contiguous().reshape(-1)
        if flat.is_floating_point() and not bool(torch.isfinite(flat).all()):
            raise WeightsDamaged(f"The {part} holds what is no number, in {name}. Get its file again.")
        data: Any = flat.view(torch.uint8).numpy()
        yield memoryview(data) if flat.numel() else b""


def mapped(path: Path) -> dict[str, Tensor]:
    """Read safetensors without reading them: the numbers come from the file when they are needed."""
    from safetensors.torch import load_file

    return load_file(path)


def mapped_half(path: Path) -> dict[str, Tensor]:
    """Read likewise what was stored with `half`: convolutions come with their shape and their channels last."""
    return {name: t.permute(0, 3, 1, 2) if t.ndim == 4 else t for name, t in mapped(path).items()}
