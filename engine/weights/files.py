"""The project's own weights: safetensors, checked against the SHA-256 of their manifest before a network sees them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import EngineError
from engine.workspace import sha256_file, write_bytes

if TYPE_CHECKING:
    from torch import Tensor

PART_BYTES = 15_000_000
"""Largest weights file that the project ships."""


class WeightsMissing(EngineError):
    """A weights file is not where its manifest says."""


class WeightsDamaged(EngineError):
    """A weights file is there and is not the one its manifest describes."""


@dataclass(frozen=True)
class WeightFile:
    """One file of weights."""

    name: str
    """File name within its folder."""
    sha256: str
    size: int
    """Bytes."""


def describe(path: Path) -> WeightFile:
    """Describe a file as it is now."""
    return WeightFile(path.name, sha256_file(path), path.stat().st_size)


def verify(folder: Path, file: WeightFile) -> Path:
    """Give the file's path once its size and SHA-256 are as stated.

    Raises:
        WeightsMissing: not there.
        WeightsDamaged: another size or another content.
    """
    path = folder / file.name
    if not path.is_file():
        raise WeightsMissing(f"{path} is missing. Get the project's files again, or name a folder that has it.")
    size = path.stat().st_size
    if size != file.size:
        raise WeightsDamaged(f"{path} has {size} bytes and should have {file.size}. Get the file again.")
    if sha256_file(path) != file.sha256:
        raise WeightsDamaged(f"{path} is not the file its manifest describes (SHA-256 differs). Get the file again.")
    return path


def read(folder: Path, file: WeightFile) -> dict[str, Tensor]:
    """Read a verified safetensors file onto the CPU, in the precision it is stored in."""
    from safetensors.torch import load_file

    return load_file(verify(folder, file))


def write(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> WeightFile:
    """Write tensors as safetensors, whole or not at all, and describe the file."""
    from safetensors.torch import save

    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, save({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, metadata=metadata))
    return describe(path)
