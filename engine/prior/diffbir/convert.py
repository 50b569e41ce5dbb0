"""From a published file to our own: every tensor of it accounted for, each network stored once."""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import EngineError
from engine.prior.diffbir import keys
from engine.prior.diffbir.kinds import HOLDS, KINDS
from engine.prior.diffbir.storing import store
from engine.prior.diffbir.target import LEARNED_NOISE, noise_share
from engine.prior.diffbir.widths import FULL, Widths, shapes
from engine.progress import Tick, silent
from engine.weights import CATALOGUE, WeightFile, WeightsDamaged, contents, read_published
from engine.workspace import sha256_file, write_json

if TYPE_CHECKING:
    from torch import Tensor

log = logging.getLogger(__name__)

FOLDERS = {"denoiser": "unet", "autoencoder": "vae", "text": "text_encoder"}
"""Of a Stable Diffusion in diffusers' form."""
NO_SIGNAL = 1e-5
"""Signal's share of the last level below which a schedule has no signal there; Stable Diffusion 2.1's has 0.0047."""
PLAIN, ZERO_SNR = "sd-2.1-base", "sd-2.1-zsnr"
"""The two bases, which have the same tensors."""


class WrongFile(EngineError):
    """A file is not the network that it was given as."""


def convert(
    source_id: str, path: Path, into: Path, *, widths: Widths = FULL, tick: Tick = silent
) -> dict[str, WeightFile]:
    """Store the networks of a published file, or of a folder in diffusers' form, and note what came of it.

    Args:
        source_id: id of the file in the list of weights: what it should be.
        path: of the file or folder; not changed, and not needed afterwards.
        into: folder of the stored networks. `<source_id>.json` in it is written last.
        widths: of the networks.
        tick: called after each tensor.

    Returns:
        The stored file of each network.

    Raises:
        WrongFile: it is another file, holds a tensor that has no place or another shape, or lacks one.
        WeightsDamaged: it is cut off, was changed, or holds what is no number.
        WeightsMissing, NoRoom, Cancelled: see there.
    """
    if path.is_dir():
        source: dict[str, Any] = {"file": path.name}
        groups = _of_folder(path)
    else:
        source = {"file": path.name, "size": path.stat().st_size, "sha256": sha256_file(path)}
        _refuse_another(source_id, path, source["sha256"])
        if source["sha256"] != CATALOGUE[source_id].sha256:
            _check_sums(source_id, path)
        groups = _of_file(source_id, path)
    parts = {part: groups[part] for part in HOLDS[source_id] if part in groups}
    lacking = [part for part in HOLDS[source_id] if part not in parts]
    if lacking:
        raise WrongFile(f"{path} holds no {' and no '.join(lacking)}. {_remedy(source_id)}")
    ours = {part: _renamed(part, tensors, widths, path, source_id) for part, tensors in parts.items()}
    if "denoiser" in ours:
        source["noise_share"] = _check_target(ours["denoiser"], widths, path, source_id)
    files: dict[str, WeightFile] = {}
    for part, tensors in ours.items():
        files[part] = store(into, part, tensors, tick=tick)
    write_json(
        into / f"{source_id}.json",
        {"version": 1, "source": source, "files": {part: asdict(file) for part, file in files.items()}},
    )
    return files


def _remedy(source_id: str) -> str:
    return f"It should be {CATALOGUE[source_id].file} as its authors publish it. Get that file again."


def _refuse_another(source_id: str, path: Path, sha256: str) -> None:
    """Raise `WrongFile` when a file is another one of the list."""
    for file in CATALOGUE.values():
        if file.sha256 == sha256 and file.id != source_id:
            raise WrongFile(f"{path} is {file.file} ({file.purpose}), not {CATALOGUE[source_id].file}. Rename it.")


def _check_sums(source_id: str, path: Path) -> None:
    """Raise `WeightsDamaged` when a part of a file is not as its own checksum says; of files whose hash is not known.

    torch's files are zip archives with a checksum for each tensor, which torch does not look at.
    """
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as held:
        wrong = held.testzip()
    if wrong is not None:
        raise WeightsDamaged(f"{path} is damaged: its part {wrong} is not as it was written. {_remedy(source_id)}")


def _of_file(source_id: str, path: Path) -> dict[str, dict[str, Tensor]]:
    """Read a file's tensors, mapped, by network, without the networks' prefixes."""
    held = contents(path).groups
    within = max(held, key=lambda name: len(held[name]))
    tensors = read_published(path, within, mapped=True)
    parts = HOLDS[source_id]
    if len(parts) == 1:
        alone = {name.removeprefix(keys.PREFIXES[parts[0]]): t for name, t in tensors.items()}
        return {parts[0]: alone}
    groups: dict[str, dict[str, Tensor]] = {}
    copied: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        part = next((part for part in parts if name.startswith(keys.PREFIXES[part])), None)
        if part is not None:
            groups.setdefault(part, {})[name.removeprefix(keys.PREFIXES[part])] = tensor
        elif name.startswith(keys.CONDITION_ENCODER) and "guide" in parts:
            copied[name] = tensor
        elif name not in keys.BOOKKEEPING:
            raise WrongFile(f"{path} holds {name}, which has no place in {source_id}. {_remedy(source_id)}")
    _check_copy(copied, groups.get("autoencoder", {}), path, source_id)
    _check_schedule(tensors, path, source_id)
    return groups


def _check_copy(copied: Mapping[str, Tensor], autoencoder: Mapping[str, Tensor], path: Path, source_id: str) -> None:
    """Account for version 1's condition encoder, which is a frozen copy of the autoencoder's first half.

    Its authors' later code reads the autoencoder in its place for the same weights (DiffBIR@3f8b530 model/cldm.py), and
    so do we; a copy that differs is said in the log.
    """
    import torch

    table = keys.condition_encoder(copied)
    astray = [name for name in copied if table.get(name) not in autoencoder]
    if astray:
        raise WrongFile(f"{path} holds {astray[0]}, which has no place in {source_id}. {_remedy(source_id)}")
    other = [name for name, own in table.items() if not torch.equal(copied[name], autoencoder[own])]
    if other:
        log.warning("%s: %d tensors of cond_encoder differ from first_stage_model, which is used", path, len(other))


def _check_schedule(tensors: Mapping[str, Tensor], path: Path, source_id: str) -> None:
    """Refuse a Stable Diffusion whose stored schedule is the one of the other base.

    Version 2.1's base is published without any (5.16 GB are its tensors alone), so that this tells of other files.
    """
    kept = tensors.get("alphas_cumprod")
    if kept is None:
        return
    spent = float(kept[-1]) < NO_SIGNAL
    if spent and source_id != ZERO_SNR:
        raise WrongFile(
            f"{path} was trained to noise alone at the last level, as {CATALOGUE[ZERO_SNR].file}, the base of "
            f"DiffBIR v2.1, is. {_remedy(source_id)}"
        )
    if not spent and source_id == ZERO_SNR:
        raise WrongFile(
            f"{path} was trained with some picture left at the last level, as Stable Diffusion 2.1 "
            f"({CATALOGUE[PLAIN].file}) was. {_remedy(source_id)}"
        )


def _check_target(denoiser: Mapping[str, Tensor], widths: Widths, path: Path, source_id: str) -> float:
    """Refuse a denoiser that was trained to another target than the base that it was given as.

    Stable Diffusion 2.1-base, its sister for 768 px and the base of DiffBIR v2.1 have the same tensors in the same
    shapes; what they answer to noise alone tells the first from the other two.

    Returns:
        See `noise_share`; it is noted beside what was stored.
    """
    share = noise_share(denoiser, widths)
    wanted = next(kind.prediction for kind in KINDS.values() if source_id in (kind.base, kind.full))
    if share > LEARNED_NOISE and wanted != "epsilon":
        raise WrongFile(
            f"{path} predicts noise, as Stable Diffusion 2.1-base ({CATALOGUE[PLAIN].file}) does, and not velocity, as "
            f"{CATALOGUE[source_id].file} does. {_remedy(source_id)}"
        )
    if share < LEARNED_NOISE and wanted == "epsilon":
        raise WrongFile(
            f"{path} does not predict noise, as {CATALOGUE[source_id].file} does; {CATALOGUE[ZERO_SNR].file}, the base "
            f"of DiffBIR v2.1, and Stable Diffusion 2.1 for 768 px predict velocity. {_remedy(source_id)}"
        )
    return round(share, 4)


def _renamed(part: str, tensors: Mapping[str, Tensor], widths: Widths, path: Path, source_id: str) -> dict[str, Tensor]:
    """Give a network's tensors by our names; raise `WrongFile` unless all of them are accounted for."""
    if part == "cleaner":
        from engine.prior.diffbir.cleaners import read_cleaner

        read_cleaner(tensors, path)
        return dict(tensors)
    table = keys.published(part, widths)
    if len(table.keys() & tensors.keys()) > len(table) // 2:  # diffusers' own names
        return _named_already(part, tensors, widths, path, source_id)
    wanted = {source.name: source.shape for source in table.values()}
    wanted |= {name: shape for name, shape in keys.may_be_there(part, widths).items() if name in tensors}
    _compare({name: tuple(t.shape) for name, t in tensors.items()}, wanted, part, path, source_id)
    made: dict[str, Tensor] = {}
    for name, source in table.items():
        tensor = tensors[source.name]
        if source.cut is not None:
            axis, first, end = source.cut
            tensor = tensor.narrow(axis, first, end - first)
        made[name] = tensor.reshape(shapes(part, widths)[name])
    return made


def _named_already(
    part: str, tensors: Mapping[str, Tensor], widths: Widths, path: Path, source_id: str
) -> dict[str, Tensor]:
    wanted = shapes(part, widths)
    _compare({name: tuple(t.shape) for name, t in tensors.items()}, wanted, part, path, source_id)
    return {name: tensors[name] for name in wanted}


def _compare(
    there: Mapping[str, tuple[int, ...]],
    wanted: Mapping[str, tuple[int, ...]],
    part: str,
    path: Path,
    source_id: str,
) -> None:
    """Raise `WrongFile` with the first tensor that is astray, missing or of another shape."""
    wrong = sorted(name for name in {*there, *wanted} if there.get(name) != wanted.get(name))
    if wrong:
        name = wrong[0]
        raise WrongFile(
            f"{path} is not the {part} of {source_id}: {len(wrong)} tensors differ, {name} is "
            f"{there.get(name, 'missing')} and should be {wanted.get(name, 'absent')}. {_remedy(source_id)}"
        )


_FORMER = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
"""What diffusers called the autoencoder's attention until 2023."""


def _of_folder(folder: Path) -> dict[str, dict[str, Tensor]]:
    """Read a Stable Diffusion in diffusers' form: unet, vae and text_encoder, each a file or several."""
    groups: dict[str, dict[str, Tensor]] = {}
    for part, name in FOLDERS.items():
        files = sorted((folder / name).glob("*.safetensors")) or sorted((folder / name).glob("*.bin"))
        # The same weights in several precisions lie side by side; the plain name is the full one.
        plain = [file for file in files if ".fp16" not in file.name and "non_ema" not in file.name]
        tensors: dict[str, Tensor] = {}
        for file in plain or files:
            tensors.update(read_published(file, mapped=True))
        if tensors:
            groups[part] = {_today(key): t for key, t in tensors.items() if not key.endswith("position_ids")}
    return groups


def _today(name: str) -> str:
    """Give the present name of a tensor that an older diffusers or transformers named."""
    name = name.removeprefix("text_model.")
    place, _, last = name.rpartition(".")
    head, _, layer = place.rpartition(".")
    return f"{head}.{_FORMER[layer]}.{last}" if layer in _FORMER and "attentions" in head else name
