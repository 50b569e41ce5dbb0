"""A tuned model's LoRA matrices for other programs, and back.

Two styles of names: `kohya`, which ComfyUI, A1111 and the like read, and `peft`, which diffusers reads. What leaves is
what other programs can use: the prior's and the text encoder's matrices. The guide belongs to restoring and stays here.

Neither name, picture nor path of the person goes into the file, since it may be passed on; the phrase does, as nothing
can be made without it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from engine import __version__
from engine.errors import EngineError
from engine.tuning.tuned import TunedModel
from engine.workspace import replacing

if TYPE_CHECKING:
    from torch import Tensor

Style = Literal["kohya", "peft"]
STYLES: tuple[Style, ...] = ("kohya", "peft")

ARCHITECTURES = {"pocket": "likeness-pocket"}
"""ModelSpec's name for a prior's architecture; Stable Diffusion 2.1's for all others."""
SD21 = "stable-diffusion-v2-512"

USE = "Works for generating in other programs, not for restoring: the guide that restoring needs is not in this file."

_KOHYA = {"denoiser": "lora_unet", "text": "lora_te"}
"""Before each name. The text encoder has no number: `lora_te1` is SDXL's."""
_PEFT = {"denoiser": "unet", "text": "text_encoder"}


class NotExported(EngineError):
    """A tuned model cannot be written as LoRA."""


class NoLora(EngineError):
    """A file is no LoRA that this project wrote, or belongs to another prior."""


@dataclass(frozen=True)
class Lora:
    """LoRA matrices by network and layer."""

    layers: Mapping[tuple[str, str], tuple[Tensor, Tensor, float]]
    """`(network, layer)` to down, up and alpha, where network is `denoiser` or `text`."""


def lora_of(tuned: TunedModel) -> Lora:
    """Give the matrices of a tuned model's text pivot.

    Raises:
        NotExported: it has none, or holds what is no LoRA.
        WeightsMissing, WeightsDamaged: as `TunedModel.read`.
    """
    if "text" not in tuned.parts:
        raise NotExported("This tuned model has no text pivot, so there is no LoRA in it. Tune by another recipe.")
    delta = tuned.read("text")
    layers: dict[tuple[str, str], tuple[Tensor, Tensor, float]] = {}
    for name in sorted({full.rpartition(".")[0] for full in delta}):
        if f"{name}.down" not in delta:
            raise NotExported(
                f"The recipe {tuned.manifest['recipe']['name']} trained {name.partition('.')[2]} itself, which LoRA "
                "cannot hold. Tune by a recipe with method lora and text_encoder frozen or lora."
            )
        network, _, layer = name.removesuffix(".weight").partition(".")
        layers[network, layer] = delta[f"{name}.down"], delta[f"{name}.up"], float(delta[f"{name}.alpha"])
    return Lora(layers)


def export_lora(tuned: TunedModel, path: Path, style: Style = "kohya") -> Path:
    """Write a tuned model's LoRA matrices for other programs.

    Args:
        tuned: see `lora_of`.
        path: a `.safetensors` file that must not exist.
        style: of the names; one of `STYLES`.

    Raises:
        NotExported: as `lora_of`, or the file is there, or its name has another ending, or no such style.
        EngineError: the file cannot be written.
    """
    from safetensors.torch import save_file

    if style not in STYLES:
        raise NotExported(f"There is no style {style!r}. Choose one of: {', '.join(STYLES)}.")
    if path.suffix != ".safetensors":
        raise NotExported(f"{path.name} must end in .safetensors: other programs know the file by that.")
    if path.exists():
        raise NotExported(f"{path} exists already and is never overwritten. Choose another name.")
    if not path.parent.is_dir():
        raise NotExported(f"There is no folder {path.parent}. Make it, or choose another name.")
    lora = lora_of(tuned)
    tensors: dict[str, Tensor] = {}
    for (network, layer), (down, up, alpha) in lora.layers.items():
        tensors.update(_named(style, network, layer, down, up, alpha))
    with replacing(path) as part:
        save_file({k: v.contiguous() for k, v in tensors.items()}, part, metadata=metadata(tuned, lora, style))
    return path


def _named(style: Style, network: str, layer: str, down: Tensor, up: Tensor, alpha: float) -> dict[str, Tensor]:
    import torch

    if style == "kohya":
        name = f"{_KOHYA[network]}_{_outside(network, layer).replace('.', '_')}"
        return {
            f"{name}.lora_down.weight": down,
            f"{name}.lora_up.weight": up,
            f"{name}.alpha": torch.tensor(alpha, dtype=down.dtype),
        }
    # Readers of this style take alpha for rank, so its share goes into a matrix, in full precision unless it is 1.
    share = alpha / down.shape[0]
    name = f"{_PEFT[network]}.{_outside(network, layer)}"
    return {f"{name}.lora_A.weight": down, f"{name}.lora_B.weight": up if share == 1 else up.float() * share}


def _outside(network: str, layer: str) -> str:
    """Give a layer's name as other programs have it: they call the text tower `text_model`."""
    return layer.replace("tower.", "text_model.", 1) if network == "text" and layer.startswith("tower.") else layer


def metadata(tuned: TunedModel, lora: Lora, style: Style) -> dict[str, str]:
    """Give the file's header: ModelSpec's keys, kohya's that programs show, and our own. Nothing names the person."""
    known = tuned.manifest
    down, _, alpha = next(iter(lora.layers.values()))
    architecture = ARCHITECTURES.get(str(known["prior_name"]), SD21)
    return {
        "format": "pt",
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.architecture": f"{architecture}/lora",
        "modelspec.implementation": "diffusers",
        "modelspec.title": "Likeness personalization",
        "modelspec.description": USE,
        "modelspec.date": datetime.now(UTC).date().isoformat(),
        "modelspec.usage_hint": f"Say {known['prompt']!r} to mean the person. Do not publish without their consent.",
        "modelspec.trigger_phrase": str(known["prompt"]),
        "ss_base_model_version": "sd_v2" if architecture == SD21 else architecture,
        "ss_network_module": "networks.lora",
        "ss_network_dim": str(down.shape[0]),
        "ss_network_alpha": f"{alpha:g}",
        "ss_v2": str(architecture == SD21),
        "likeness.version": __version__,
        "likeness.recipe": str(known["recipe"]["name"]),
        "likeness.steps": str(len(known["losses"]["text"])),
        "likeness.prior": json.dumps(known["prior"], sort_keys=True),
        "likeness.style": style,
    }


def import_lora(path: Path, layers: Mapping[str, list[str]]) -> Lora:
    """Read what `export_lora` wrote, in either style.

    kohya's names have lost the dots, so they are found among the layers that there are.

    Args:
        path: the file.
        layers: names of the layers of `denoiser` and `text`.

    Raises:
        NoLora: it is not there, no LoRA, or has names that are none of those layers.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:  # pyright: ignore[reportUnknownVariableType]
            held: Any = file
            tensors: dict[str, Tensor] = {name: held.get_tensor(name) for name in held.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise NoLora(f"{path} cannot be read as LoRA ({error}). Take a .safetensors file that was exported.") from error
    known: dict[str, tuple[str, str]] = {}
    for network, names in layers.items():
        for layer in names:
            outside = _outside(network, layer)
            known[f"{_KOHYA[network]}_{outside.replace('.', '_')}"] = network, layer
            known[f"{_PEFT[network]}.{outside}"] = network, layer
    found: dict[tuple[str, str], tuple[Tensor, Tensor, float]] = {}
    for down_end, up_end in ((".lora_down.weight", ".lora_up.weight"), (".lora_A.weight", ".lora_B.weight")):
        for name in (n.removesuffix(down_end) for n in tensors if n.endswith(down_end)):
            if name not in known or f"{name}{up_end}" not in tensors:
                raise NoLora(f"{path.name} holds {name}, which this prior does not have. It belongs to another prior.")
            down, up = tensors[f"{name}{down_end}"], tensors[f"{name}{up_end}"]
            alpha = tensors.get(f"{name}.alpha")
            found[known[name]] = down, up, float(alpha) if alpha is not None else float(down.shape[0])
    if not found:
        raise NoLora(f"{path.name} holds no LoRA matrices. Take a file that was exported as LoRA.")
    return Lora(found)
