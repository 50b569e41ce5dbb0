"""Results and where they came from: a result cannot be written without its provenance."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, cast

from engine import __version__
from engine.errors import EngineError
from engine.workspace import fingerprint, read_json, write_json

LIBRARIES = ("torch", "diffusers", "transformers", "spandrel", "spandrel_extra_arches", "numpy", "pillow", "dlib-bin")

VERSION = 2
"""Of the file. Version 1 lacks `recipe`, `references`, `tuned_sha256`, `result_sha256`, and of the face `score`,
`detector` and `wanted`; also `finish`, `seen` and `notes`. It is read with these empty."""

SETTINGS = ("photo_sha256", "restorer", "options", "seed", "prior", "tuned", "references", "prompt", "finish")
"""Fields that with `face.wanted` decide what a result shows; where all are the same, it need not be made again."""


_KINDS = {
    **dict.fromkeys(("photo", "photo_sha256", "restorer", "tuned", "prompt"), str),
    **dict.fromkeys(("options", "face", "prior"), dict),
    "seed": int,
}
"""What every version has."""


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
    """`box`, `points`, `scheme`, `score` and `detector` of the restored face and its crop's matrix `from_photo`, in
    photo pixels; `number` of `of` faces, from 1, the largest first; `wanted`, the number that was asked for or None."""
    prior: Mapping[str, str]
    """SHA-256 of the prior's parts, or of the restorer's own files where it has any, by their ids."""
    tuned: str
    """Fingerprint of what the tuned model was made from, "" for blind restorers."""
    prompt: str
    device: str
    precision: str
    seconds: float
    """Wall time of the restorer alone."""
    identity: Mapping[str, Any]
    """Distance to the references before and after, with the recogniser's name; empty without a person."""
    prior_name: str = "pocket"
    """Which prior that is."""
    recipe: str = ""
    """Of the tuning, "" for blind restorers."""
    tuned_sha256: Mapping[str, str] | None = None
    """SHA-256 of the tuned model's files; empty for blind restorers."""
    references: str = ""
    """Fingerprint of the references that the face was chosen by, "" without a person."""
    result_sha256: str = ""
    finish: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """How the face was fitted into the photo; see `studio.finish.Finish`."""
    seen: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """`damage` with its `words`, `faithful_db`, `identity_from` the output `scale` and `background`, what
    enlarged the photo."""
    notes: tuple[str, ...] = ()
    """What the user was told, in sentences."""
    engine: str = __version__
    python: str = platform.python_version()
    system: str = platform.platform()

    def as_json(self) -> dict[str, Any]:
        """Give all fields and the library versions as plain values."""
        return {
            "version": VERSION,
            **asdict(self),
            "tuned_sha256": dict(self.tuned_sha256 or {}),
            "libraries": {name: _version(name) for name in LIBRARIES},
        }


def path_beside(result: Path) -> Path:
    """Give where the provenance of a result lies: `photo.png` has `photo.png.json`."""
    return result.with_name(f"{result.name}.json")


def write_provenance(result: Path, provenance: Provenance) -> Path:
    """Write the provenance beside a result."""
    path = path_beside(result)
    write_json(path, provenance.as_json())
    return path


def read_provenance(path: Path) -> dict[str, Any]:
    """Read a provenance file of this version or version 1; what an old one lacks is empty.

    Raises:
        BadProvenance: it is none of ours, or one of a newer Likeness.
        FileMissing, FileCorrupt, FileRefused: it cannot be read.
    """
    read: object = read_json(path)
    if not isinstance(read, dict):
        raise _not_ours(path)
    told = cast("dict[str, Any]", read)
    version = told.get("version")
    if not isinstance(version, int) or not all(isinstance(told.get(name), kind) for name, kind in _KINDS.items()):
        raise _not_ours(path)
    if version > VERSION:
        raise BadProvenance(
            f"{path} was written by Likeness {told.get('engine', '')}, in version {version}; this one knows up to "
            f"{VERSION}. Use that Likeness, or a newer one."
        )
    empty: dict[str, Any] = {"recipe": "", "references": "", "tuned_sha256": {}, "result_sha256": ""}
    empty |= {"finish": {}, "seen": {}, "notes": [], "prior_name": "pocket"}
    face = {"score": 0.0, "detector": "", "wanted": None, **told["face"]}
    return {**empty, **told, "face": face}


def settings_of(told: Mapping[str, Any]) -> str:
    """Give a fingerprint of what decides a result's picture: photo, settings, prior, tuned model and wanted face.

    Args:
        told: what `read_provenance` gave, or at least `SETTINGS` and `face.wanted` of a result that is yet to be made.
    """
    return fingerprint({**{name: told[name] for name in SETTINGS}, "wanted": told["face"]["wanted"]})


def _not_ours(path: Path) -> BadProvenance:
    return BadProvenance(f"{path} does not say how a result was made. Choose the .json file beside a result.")


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
