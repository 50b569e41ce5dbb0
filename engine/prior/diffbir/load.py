"""A published prior from the user's folder of weights: what is there, storing it once, and loading it."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from engine.errors import EngineError
from engine.prior.bundle import Prior
from engine.prior.device import choose, native_bfloat16
from engine.prior.diffbir.cleaners import read_cleaner
from engine.prior.diffbir.convert import convert
from engine.prior.diffbir.fit import Fit, fit, smaller
from engine.prior.diffbir.halves import halved
from engine.prior.diffbir.kinds import HOLDS, KINDS, SIZE, Kind, Wanted, find
from engine.prior.diffbir.networks import ClipText, LatentAutoencoder
from engine.prior.diffbir.storing import mapped, mapped_half
from engine.prior.diffbir.widths import FULL, PARTS, Widths, empty
from engine.prior.packed import can_pack, held_by, keep_layout, pack, unpack
from engine.progress import Tick, silent
from engine.weights import CATALOGUE, WeightFile, WeightsDamaged, WeightsMissing, locate, mark, verify
from engine.workspace import write_json

log = logging.getLogger(__name__)

STORED = "stored"
"""Folder of stored networks, within the folder of weights."""


class PriorMissing(EngineError):
    """The files of a prior are not there."""


def load(
    name: str,
    root: Path,
    *,
    device: str = "auto",
    wanted: Wanted | None = None,
    widths: Widths = FULL,
    tick: Tick = silent,
) -> Prior:
    """Load a published prior; the first time, its files are stored in our own form.

    Args:
        name: one of `KINDS`.
        root: folder of the user's weights.
        device: as in `engine.prior.device.choose`.
        wanted: which cleaner and precision, and whether it is compiled.
        widths: of the networks; the published ones unless given.
        tick: called while files are read and stored for the first time.

    Raises:
        NoSuchPrior: no such name.
        PriorMissing: files are missing, with their sizes, licences and the commands that get them.
        WrongFile, WeightsDamaged: a file is not what it should be.
        NoRoom: the disk, or the machine's memory, is too small.
        NoSuchDevice: see there.
    """
    kind, wanted, where = find(name), wanted or Wanted(), choose(device)
    # What is needed is known of the published widths; others are smaller.
    chosen = fit(where, wanted.precision, free_gib=None if widths == FULL else math.inf)
    sources = _sources(kind, root, wanted, tick)
    files: dict[str, WeightFile] = {}
    for source_id, parts in sources.items():
        stored = _stored(source_id, root, widths, tick)
        files.update({part: stored[part] for part in parts})
    _check_base(kind, root, files)
    prior = assemble(kind, root / STORED, files, chosen, widths=widths, device=where)
    if wanted.compiled:
        for network in (prior.denoiser, prior.guide):
            unpack(network)  # the compiler sees into plain layers alone
            network.compile()
    return prior


def _allowed(ids: Iterable[str], commercial: bool) -> list[str]:
    return [name for name in ids if not commercial or CATALOGUE[name].licence.commercial == "yes"]


def _sources(kind: Kind, root: Path, wanted: Wanted, tick: Tick) -> dict[str, tuple[str, ...]]:
    """Choose the published files to take each network from: one file with everything, or one for each part."""
    cleaners = _allowed(kind.photo_cleaners if wanted.photos else kind.cleaners, wanted.commercial)
    if not cleaners:
        raise PriorMissing(f"{kind.title} has no cleaner that clearly allows commercial use. Choose another prior.")
    there = next((name for name in cleaners if _is_there(name, root, tick)), None)
    cleaner = there or cleaners[0]
    apart = {kind.base: HOLDS[kind.base], kind.guide: ("guide",), cleaner: ("cleaner",)}
    whole: dict[str, tuple[str, ...]] = {}
    if kind.full is not None:
        own_cleaner = not wanted.photos and (_allowed([kind.full], wanted.commercial) or not wanted.commercial)
        whole = {kind.full: PARTS} if own_cleaner else {kind.full: PARTS[:4], cleaner: ("cleaner",)}
    for sources in (whole, apart):
        if sources and all(_is_there(name, root, tick) for name in sources):
            return sources
    raise PriorMissing(_missing(kind, whole, apart, root))


def _missing(kind: Kind, whole: Mapping[str, Any], apart: Mapping[str, Any], root: Path) -> str:
    """Say which files are missing, and how each is got."""

    def told(names: Iterable[str]) -> str:
        said: list[str] = []
        for name in names:
            try:
                if not _note(name, root).is_file():
                    locate(name, root)
            except WeightsMissing as error:
                said.append(str(error))
        return " ".join(said)

    begin = f"{kind.title} is not complete. {told(apart)}"
    return f"{begin} Or everything in one file: {told(whole)}" if whole else begin


def _note(source_id: str, root: Path) -> Path:
    return root / STORED / f"{source_id}.json"


def _folder(source_id: str, root: Path) -> Path | None:
    """Give the folder of that name in diffusers' form, or None."""
    folder = root / source_id
    return folder if (folder / "unet").is_dir() else None


def _is_there(source_id: str, root: Path, tick: Tick) -> bool:
    """Tell whether a file is stored already or can be; one that is there and wrong raises, and is not passed by."""
    if _note(source_id, root).is_file() or _folder(source_id, root) is not None:
        return True
    try:
        locate(source_id, root, tick)
    except WeightsMissing:
        return False
    return True


def _stored(source_id: str, root: Path, widths: Widths, tick: Tick) -> dict[str, WeightFile]:
    """Give the stored networks of a published file, verified; store them when they are not yet."""
    note = _note(source_id, root)
    if not note.is_file():
        path = _folder(source_id, root) or locate(source_id, root, tick)
        convert(source_id, path, root / STORED, widths=widths, tick=tick)
    try:
        told: dict[str, Any] = json.loads(note.read_text(encoding="utf-8"))
        files = {part: WeightFile(**file) for part, file in told["files"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsDamaged(f"{note} is damaged. Delete it, and {source_id} is stored anew.") from error
    seen: dict[str, list[int]] = told.get("seen", {})
    places = {part: root / STORED / file.name for part, file in files.items()}
    fresh = {part: mark(place) if place.is_file() else None for part, place in places.items()}
    for part, file in files.items():
        if seen.get(part) != fresh[part] or fresh[part] is None:
            try:
                verify(root / STORED, file)
            except (WeightsMissing, WeightsDamaged) as error:
                raise type(error)(
                    f"The stored {part} of {source_id} is missing or was changed: {places[part]}. "
                    f"Delete {note}, and it is stored anew."
                ) from error
    if seen != fresh:
        write_json(note, {**told, "seen": fresh})
    return files


def _check_base(kind: Kind, root: Path, files: Mapping[str, WeightFile]) -> None:
    """Raise `WrongFile` when the denoiser is the one of the other base, which the guide was not trained with."""
    from engine.prior.diffbir.convert import WrongFile

    for other in KINDS.values():
        note = _note(other.base, root)
        if other.base == kind.base or not note.is_file():
            continue
        known = json.loads(note.read_text(encoding="utf-8"))["files"]["denoiser"]["sha256"]
        if known == files["denoiser"].sha256:
            raise WrongFile(
                f"{CATALOGUE[kind.base].file} and {CATALOGUE[other.base].file} hold the same denoiser, so one of them "
                f"is under a wrong name. {kind.title} needs {CATALOGUE[kind.base].file} as its authors publish it."
            )


def assemble(
    kind: Kind, folder: Path, files: Mapping[str, WeightFile], chosen: Fit, *, widths: Widths, device: torch.device
) -> Prior:
    """Make a prior of stored networks. Numbers stay in the files until they are needed, where precision allows it."""
    less = smaller(chosen, device)
    networks = empty(widths)
    # A card gets its numbers by a copy in any case.
    small = chosen.precision == "bf16" and device.type == "cpu"
    halves = {part: halved(folder, part, files[part]) if small else None for part in networks}
    for part, network in networks.items():
        half = halves[part]
        _fill(network, mapped(folder / files[part].name) if half is None else mapped_half(half), folder, files[part])
    networks["cleaner"] = read_cleaner(mapped(folder / files["cleaner"].name), folder / files["cleaner"].name)
    text = ClipText(networks["text"])
    autoencoder = LatentAutoencoder(networks["autoencoder"])
    placed: dict[str, nn.Module] = {**networks, "text": text, "autoencoder": autoencoder}
    for part, network in placed.items():
        there = part in ("denoiser", "guide") or not chosen.offload
        place = device if there else torch.device("cpu")
        # A cleaner's windows overflow in half precision, and it is small; a CPU is slow in fp16.
        dtype = chosen.dtype if there and part != "cleaner" else torch.float32
        nn.Module.to(network, device=place, dtype=dtype)  # diffusers' own warns of modules that these do not have
        if part in ("denoiser", "guide", "autoencoder"):
            keep_layout(network)
        network.eval().requires_grad_(False)
        half = halves.get(part)
        if part in ("denoiser", "guide") and half is not None and native_bfloat16(device) and can_pack():
            pack(network)
            held_by(network, mapped_half(half))  # read by the packing; now in the file alone until they are needed
    autoencoder.tile(chosen.tile)
    return Prior(
        name=kind.id,
        size=SIZE,
        denoiser=placed["denoiser"],
        guide=placed["guide"],
        cleaner=placed["cleaner"],
        text=text,
        autoencoder=autoencoder,
        schedule=kind.schedule,
        sha256={part: files[part].sha256 for part in PARTS},
        guide_reads_prompt=kind.guide_reads_prompt,
        start_levels=((0.0, 1.0), (1.0, 1.0)),
        exact=chosen.precision == "fp32",
        smaller=None if less is None else lambda: assemble(kind, folder, files, less, widths=widths, device=device),
    )


def _fill(network: nn.Module, tensors: Mapping[str, Tensor], folder: Path, file: WeightFile) -> None:
    """Give an empty network its stored numbers without copying them."""
    try:
        network.load_state_dict(tensors, assign=True)
    except RuntimeError as error:
        path = folder / file.name
        raise WeightsDamaged(
            f"{path} does not fit this version: {error}. Delete it and its note, and store anew."
        ) from error
    for module in network.modules():
        for name, buffer in list(module.named_buffers(recurse=False)):
            if buffer.is_meta:  # only positions are not stored
                module.register_buffer(name, torch.arange(buffer.shape[-1]).expand(buffer.shape), persistent=False)
