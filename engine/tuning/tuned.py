"""A tuned model on disk, and the personalized variant of a prior that comes of it."""

from __future__ import annotations

import copy
import json
import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import weights
from engine.errors import EngineError
from engine.weights import WeightFile
from engine.workspace import read_json, write_json

if TYPE_CHECKING:
    from torch import Tensor, nn

    from engine.prior.bundle import Prior

log = logging.getLogger(__name__)

MANIFEST = "manifest.json"
TEXT = "text.safetensors"
ADAPTER = "person"


class BadTunedModel(EngineError):
    """A tuned model cannot be used with this prior or is not whole."""


@dataclass(frozen=True)
class TunedModel:
    """What tuning left: a small delta and all that is known of how it was made."""

    folder: Path
    manifest: dict[str, Any]

    @property
    def fingerprint(self) -> str:
        """Hash of the gallery, recipe and prior it was tuned from."""
        return str(self.manifest["fingerprint"])

    def applied_to(self, prior: Prior, *, strength: float = 1.0) -> Prior:
        """Give a variant of the prior with the person in it; the prior itself is not changed.

        Args:
            prior: the very prior it was tuned from.
            strength: 0 leaves the prior as it is, 1 is as tuned.

        Raises:
            BadTunedModel: it was tuned from another prior, or its file is missing or damaged.
        """
        if self.manifest["prior"] != dict(prior.sha256):
            raise BadTunedModel(
                f"This person was personalized with another version of the prior {prior.name!r}. "
                "Personalize them again."
            )
        if strength == 0.0:
            return prior
        tensors = weights.read(self.folder, WeightFile(**self.manifest["files"]["text"]))
        lora = self.manifest["lora"]
        denoiser = with_lora(
            prior.denoiser, rank=lora["rank"], alpha=lora["alpha"] * strength, targets=tuple(lora["targets"])
        )
        load_lora(denoiser, {k: v.float() for k, v in tensors.items()})
        merge_lora(denoiser)
        return replace(prior, denoiser=denoiser.to(prior.device).eval().requires_grad_(False))


def read_tuned(folder: Path) -> TunedModel:
    """Read a tuned model's manifest.

    Raises:
        BadTunedModel: the folder holds none.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise BadTunedModel(f"{folder} holds no finished tuned model. Personalize the person first.")
    manifest: dict[str, Any] = read_json(path)
    return TunedModel(folder, manifest)


def write_tuned(folder: Path, lora: dict[str, Tensor], manifest: dict[str, Any]) -> TunedModel:
    """Write the delta in half precision, then the manifest, so that a half-written model is none."""
    file = weights.write(
        folder / TEXT,
        {k: v.half() for k, v in lora.items()},
        {"format": "pt", "part": "text", "lora": json.dumps(manifest["lora"])},
    )
    whole = {"version": 1, **manifest, "files": {"text": {"name": file.name, "sha256": file.sha256, "size": file.size}}}
    write_json(folder / MANIFEST, whole)
    return TunedModel(folder, whole)


def with_lora(denoiser: nn.Module, *, rank: int, alpha: float, targets: tuple[str, ...]) -> nn.Module:
    """Give a copy of the denoiser with LoRA matrices that so far change nothing; only they can be trained."""
    from peft import LoraConfig, inject_adapter_in_model

    config = LoraConfig(r=rank, lora_alpha=alpha, target_modules=list(targets), lora_dropout=0.0)  # pyright: ignore[reportArgumentType]
    made = copy.deepcopy(denoiser).requires_grad_(False)
    return inject_adapter_in_model(config, made, adapter_name=ADAPTER)


def lora_of(denoiser: nn.Module) -> dict[str, Tensor]:
    """Give the LoRA matrices by name."""
    return {k: v for k, v in denoiser.state_dict().items() if "lora_" in k}


def load_lora(denoiser: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Put stored matrices into a denoiser made by `with_lora`.

    Raises:
        BadTunedModel: names or shapes do not match.
    """
    wanted = lora_of(denoiser)
    if wanted.keys() != tensors.keys():
        extra, missing = sorted(tensors.keys() - wanted.keys()), sorted(wanted.keys() - tensors.keys())
        raise BadTunedModel(
            f"The tuned model does not fit this prior (unknown: {extra[:3]}, missing: {missing[:3]}). "
            "Personalize the person again."
        )
    other = next((name for name in sorted(wanted) if wanted[name].shape != tensors[name].shape), None)
    if other is not None:
        raise BadTunedModel(
            f"The tuned model is for networks of other sizes, such as those of Stable Diffusion 1.5: {other} is "
            f"{tuple(tensors[other].shape)} and should be {tuple(wanted[other].shape)}. Personalize the person again."
        )
    denoiser.load_state_dict(tensors, strict=False)


def merge_lora(denoiser: nn.Module) -> None:
    """Add the matrices to the weights they belong to, so that sampling costs no more than without them."""
    from peft.tuners.lora import LoraLayer

    for module in denoiser.modules():
        if isinstance(module, LoraLayer):
            merge: Any = module
            merge.merge()
