"""A tuned model on disk, and the personalized variant of a prior that comes of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import weights
from engine.errors import EngineError
from engine.tuning.recipe import PARTS
from engine.weights import WeightFile
from engine.workspace import fingerprint, read_json, write_json

if TYPE_CHECKING:
    from torch import Tensor

    from engine.people import Gallery
    from engine.prior.bundle import Prior
    from engine.tuning.recipe import Recipe

MANIFEST = "manifest.json"
VERSION = 2
STRONGEST = 1.5
"""Highest strength. Faces come nearer to the person up to 1, and fall apart beyond this."""


class BadTunedModel(EngineError):
    """A tuned model cannot be used with this prior or is not whole."""


class BadStrength(EngineError):
    """A strength outside 0 to `STRONGEST`, or a part that no tuned model has."""


def fingerprint_of(prior: Prior, gallery: Gallery, recipe: Recipe) -> str:
    """Hash everything that a tuned model is made from; the same inputs land in the same folder."""
    return fingerprint({"prior": dict(prior.sha256), "gallery": gallery.fingerprint, "recipe": recipe.as_json()})


@dataclass(frozen=True)
class TunedModel:
    """What tuning left: small deltas and all that is known of how they were made."""

    folder: Path
    manifest: dict[str, Any]

    @property
    def fingerprint(self) -> str:
        """Hash of the gallery, recipe and prior it was tuned from."""
        return str(self.manifest["fingerprint"])

    @property
    def prompt(self) -> str:
        """The phrase that it was tuned round."""
        return str(self.manifest["prompt"])

    @property
    def parts(self) -> tuple[str, ...]:
        """Which of `PARTS` it holds."""
        return tuple(part for part in PARTS if part in self.manifest["files"])

    @property
    def size(self) -> int:
        """Bytes of its weights on the disk."""
        return sum(int(file["size"]) for file in self.manifest["files"].values())

    def read(self, part: str) -> dict[str, Tensor]:
        """Read what one part adds, verified, in the precision it is stored in. Raises as `weights.read`."""
        return weights.read(self.folder, WeightFile(**self.manifest["files"][part]))

    def applied_to(self, prior: Prior, *, strength: float = 1.0, parts: Collection[str] = PARTS) -> Prior:
        """Give a variant of the prior with the person in it; the prior itself is not changed.

        Args:
            prior: the very prior it was tuned from.
            strength: 0 leaves the prior as it is, 1 is as tuned; up to `STRONGEST`.
            parts: which of `PARTS` to take; those that it does not hold change nothing.

        Raises:
            BadTunedModel: it was tuned from another prior, or its file does not fit it.
            BadStrength: strength or parts outside what there is.
            WeightsMissing, WeightsDamaged: its file is not as its manifest says.
        """
        if not 0 <= strength <= STRONGEST or not set(parts) <= set(PARTS):
            raise BadStrength(
                f"A person's strength is 0 to {STRONGEST} and the parts are {', '.join(PARTS)}; "
                f"{strength} and {', '.join(parts)} were given."
            )
        self.check(prior)
        if strength == 0.0:
            return prior
        from torch import nn

        from engine.tuning.adapters import BadDelta, with_delta
        from engine.tuning.steps import of_network

        made = prior
        for part in (part for part in self.parts if part in parts):
            delta = self.read(part)
            for network in ("cleaner", "denoiser", "text", "guide"):
                own = of_network(network, delta)
                base = getattr(made, network)
                if not own:
                    continue
                if not isinstance(base, nn.Module):
                    raise BadTunedModel(
                        f"This tuned model changes the {network} of {prior.name}, which cannot be done."
                    )
                try:
                    made = replace(made, **{network: with_delta(base, own, strength)})
                except BadDelta as error:
                    raise BadTunedModel(str(error)) from error
        return made

    def check(self, prior: Prior) -> None:
        """Raise `BadTunedModel` with both names when it was tuned from another prior."""
        theirs, ours = dict(self.manifest["prior"]), dict(prior.sha256)
        if theirs == ours:
            return
        wrong = sorted(part for part in theirs.keys() | ours.keys() if theirs.get(part) != ours.get(part))
        raise BadTunedModel(
            f"This person was personalized with another prior: {self.manifest['prior_name']!r} "
            f"({_short(theirs)}), and this is {prior.name!r} ({_short(ours)}); different: {', '.join(wrong)}. "
            "Personalize them again, or use the prior they were personalized with."
        )


def _short(sha256: Mapping[str, str]) -> str:
    return sha256.get("denoiser", "unknown")[:8]


def read_tuned(folder: Path) -> TunedModel:
    """Read a tuned model's manifest.

    Raises:
        BadTunedModel: the folder holds none, or one of another version.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise BadTunedModel(f"{folder} holds no finished tuned model. Personalize the person first.")
    manifest: dict[str, Any] = read_json(path)
    if manifest.get("version") != VERSION:
        raise BadTunedModel(
            f"{folder} holds a tuned model of version {manifest.get('version')!r}, and this Likeness reads {VERSION}. "
            "Personalize the person again."
        )
    return TunedModel(folder, manifest)


def write_part(folder: Path, part: str, delta: Mapping[str, Tensor]) -> WeightFile:
    """Write what one part adds, in half precision, under a name that is free; raises as `weights.write`."""
    stored = {name: t.half() if t.is_floating_point() else t for name, t in delta.items()}
    names = [f"{part}.safetensors", *(f"{part}-{n}.safetensors" for n in range(2, 1000))]
    path = next(folder / name for name in names if not (folder / name).exists())
    return weights.write(path, stored, {"format": "pt", "part": part})


def write_tuned(folder: Path, files: Mapping[str, WeightFile], manifest: Mapping[str, Any]) -> TunedModel:
    """Write the manifest, after which a tuned model is there; files of parts that it does not name are deleted."""
    whole = {"version": VERSION, **manifest, "files": {part: asdict(file) for part, file in files.items()}}
    write_json(folder / MANIFEST, whole)
    named = {file.name for file in files.values()}
    for left in folder.glob("*.safetensors"):
        if left.name not in named:
            left.unlink(missing_ok=True)
    return TunedModel(folder, whole)
