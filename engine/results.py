"""Results and where they came from: a result cannot be written without its provenance."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from engine import __version__
from engine.errors import EngineError
from engine.workspace import read_json, write_json

LIBRARIES = ("torch", "diffusers", "transformers", "numpy", "pillow", "dlib-bin")


class BadProvenance(EngineError):
    """A provenance file cannot be used."""


@dataclass(frozen=True)
class Provenance:
    """All that is needed to make a result again."""

    restorer: str
    options: Mapping[str, Any]
    seed: int
    photo: str
    """File name of the source; no folder, since the file may be shared."""
    photo_sha256: str
    face: Mapping[str, Any]
    """Box, points and crop matrix of the restored face, in photo pixels."""
    prior: Mapping[str, str]
    """SHA-256 of the prior's parts; empty for restorers without one."""
    tuned: str
    """Fingerprint of the tuned model, "" for blind restorers."""
    prompt: str
    device: str
    precision: str
    seconds: float
    """Wall time of the restorer alone."""
    identity: Mapping[str, Any]
    """Distance to the references before and after, with the recogniser's name; empty without a person."""
    engine: str = __version__
    python: str = platform.python_version()
    system: str = platform.platform()

    def as_json(self) -> dict[str, Any]:
        """Give all fields and the library versions as plain values."""
        return {"version": 1, **asdict(self), "libraries": {name: _version(name) for name in LIBRARIES}}


def path_beside(result: Path) -> Path:
    """Give where the provenance of a result lies: `photo.png` has `photo.png.json`."""
    return result.with_name(f"{result.name}.json")


def write_provenance(result: Path, provenance: Provenance) -> Path:
    """Write the provenance beside a result."""
    path = path_beside(result)
    write_json(path, provenance.as_json())
    return path


def read_provenance(path: Path) -> dict[str, Any]:
    """Read a provenance file.

    Raises:
        BadProvenance: it is none of ours.
    """
    read: dict[str, Any] = read_json(path)
    if read.get("version") != 1 or "restorer" not in read:
        raise BadProvenance(f"{path} does not say how a result was made. Choose the .json file beside a result.")
    return read


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
