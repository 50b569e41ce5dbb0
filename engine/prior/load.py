"""A prior from its folder of weights, and back into one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from engine.errors import EngineError
from engine.prior import pocket
from engine.prior.bundle import Prior
from engine.prior.device import choose
from engine.prior.places import MANIFEST, SHIPPED
from engine.weights import WeightFile, read, write
from engine.workspace import write_json


class BadPrior(EngineError):
    """A folder does not hold a prior that this version can read."""


def networks(prior: Prior) -> dict[str, nn.Module]:
    """Name the networks of a pocket prior: cleaner, denoiser, guide, text."""
    if not isinstance(prior.text, nn.Module):
        raise BadPrior(f"Prior {prior.name} is not a pocket prior and cannot be stored as one.")
    return {"cleaner": prior.cleaner, "denoiser": prior.denoiser, "guide": prior.guide, "text": prior.text}


def save(prior: Prior, folder: Path, card: Mapping[str, Any]) -> Path:
    """Write a pocket prior in half precision, a file a part, and `prior.json` last, so that a half-written one is none.

    Args:
        prior: what to store.
        folder: where; files of a former prior are replaced.
        card: what is known of its training; shown to users, stored as it is.
    """
    shape = _channels(prior), getattr(prior.denoiser, "add_embedding", None) is not None
    widths = next(name for name, known in pocket.WIDTHS.items() if (known.denoiser, known.worded) == shape)
    files = {
        part: write(
            folder / f"{part}.safetensors",
            {k: v.half() if v.is_floating_point() else v for k, v in network.state_dict().items()},
            {"part": part, "prior": prior.name, "format": "pt"},
        )
        for part, network in networks(prior).items()
    }
    manifest = {
        "version": 1,
        "name": prior.name,
        "kind": "pocket",
        "size": prior.size,
        "widths": widths,
        "from_condition": prior.from_condition,
        "words": list(prior.text.words),
        "schedule": dict(prior.schedule),
        "files": {part: asdict(file) for part, file in files.items()},
        "card": dict(card),
    }
    write_json(folder / MANIFEST, manifest)
    return folder


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read `prior.json`.

    Raises:
        BadPrior: there is none, or it is not one of ours.
    """
    path = folder / MANIFEST
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BadPrior(f"{folder} holds no prior ({MANIFEST} is missing). Name a folder that has one.") from error
    except (ValueError, OSError) as error:
        raise BadPrior(f"{path} cannot be read ({error}). Get the prior's files again.") from error
    known = manifest.get("version") == 1 and manifest.get("kind") == "pocket"
    if not known or manifest.get("widths") not in pocket.WIDTHS:
        raise BadPrior(f"{path} describes a prior of a kind this version does not know. Update Likeness.")
    return manifest


def load(folder: Path = SHIPPED, *, device: str = "auto") -> Prior:
    """Load a prior, verified, in float32, ready to run.

    Raises:
        BadPrior: the folder holds none, or one of another shape.
        WeightsMissing, WeightsDamaged: a file is not as its manifest says.
        NoSuchDevice: the device is not there.
    """
    manifest = read_manifest(folder)
    where = choose(device)
    torch_state = torch.random.get_rng_state()
    prior = pocket.build(pocket.WIDTHS[manifest["widths"]], tuple(manifest["words"]))
    torch.random.set_rng_state(torch_state)  # building draws weights that are replaced below
    prior = replace(prior, name=manifest["name"], size=manifest["size"], schedule=manifest["schedule"])
    prior = replace(prior, from_condition=manifest["from_condition"])
    hashes: dict[str, str] = {}
    for part, network in networks(prior).items():
        file = WeightFile(**manifest["files"][part])
        tensors = {k: v.float() if v.is_floating_point() else v for k, v in read(folder, file).items()}
        try:
            network.load_state_dict(tensors)
        except RuntimeError as error:
            raise BadPrior(f"{folder / file.name} does not fit this version's {part}: {error}") from error
        network.to(device=where, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        network.eval().requires_grad_(False)
        hashes[part] = file.sha256
    return replace(prior, sha256=hashes)


def named(name: str, weights: Path | None, *, device: str = "auto") -> Prior:
    """Load a prior by its name: `pocket` is the one that ships, the others are DiffBIR's.

    Args:
        name: `pocket`, or one of `diffbir.kinds.KINDS` and how it is to be loaded; see `diffbir.kinds.named`.
        weights: folder of the user's own networks, needed for all but the pocket one.
        device: as in `choose`.

    Raises:
        NoSuchPrior, BadWish, PriorMissing: see `engine.prior.diffbir`.
        BadPrior, WeightsMissing, WeightsDamaged, NoSuchDevice: as `load`.
    """
    from engine.prior.diffbir import kinds
    from engine.prior.diffbir import load as published

    if name == "pocket":
        return load(device=device)
    kind, wanted = kinds.named(name)
    if weights is None:
        raise BadPrior(f"{kinds.find(kind).title} needs a folder of weights. Name a data folder with --workspace.")
    return published.load(kind, weights, device=device, wanted=wanted)


def _channels(prior: Prior) -> tuple[int, ...]:
    config: Any = prior.denoiser
    return tuple(config.config.block_out_channels)
