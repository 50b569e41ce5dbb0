"""Where published files lie: in the user's folder of weights, or in the folders of programs that have them already."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engine.errors import EngineError
from engine.progress import Tick, silent
from engine.weights.catalogue import CATALOGUE, PublishedFile
from engine.weights.files import WeightsDamaged, WeightsMissing
from engine.weights.record import Record, digest, read_record
from engine.weights.unpickle import contents

SHARED_VARIABLE = "LIKENESS_SHARED_WEIGHTS"
"""Environment variable with the shared folders; where it is set, even to nothing, no other is searched."""
MOST_ENTRIES = 50_000
"""Files and folders looked at in each shared folder, so that a wrong one does not take minutes."""
DEEPEST = 6
"""Folders below a shared one that are looked into. Hugging Face's cache needs three and some."""

State = Literal["there", "missing", "damaged", "elsewhere"]
Known = Literal["stated", "pinned", "yours", "unknown"]
"""By what a file is known: the SHA-256 that a public place states, that of its first download, that of a file which the
user chose for it, or nothing."""


class UnknownWeights(EngineError):
    """The list has no file of that id."""


class LicenceNotAccepted(EngineError):
    """A licence forbids commercial use, and nobody has accepted it here yet."""


@dataclass(frozen=True)
class Found:
    """What there is of one published file."""

    file: PublishedFile
    state: State
    path: Path | None
    """Where it lies; None when missing."""
    known: Known
    sentence: str
    """What is wrong, and what to do; empty where all is well."""


def listed(file_id: str) -> PublishedFile:
    """Give a file of the list by its id. Raises `UnknownWeights`."""
    if file_id not in CATALOGUE:
        raise UnknownWeights(f"There is no file '{file_id}' in the list of weights. See: python app.py weights list")
    return CATALOGUE[file_id]


def chosen(names: Iterable[str]) -> tuple[PublishedFile, ...]:
    """Give files by their ids, or by what they serve, such as "gfpgan" or "diffbir-v2"; each once.

    Raises:
        UnknownWeights: a name is neither.
    """
    files: dict[str, PublishedFile] = {}
    for name in names:
        serving = {file.id: file for file in CATALOGUE.values() if name in file.serves}
        files.update({name: CATALOGUE[name]} if name in CATALOGUE else serving or {name: listed(name)})
    return tuple(files.values())


def locate(file_id: str, root: Path, tick: Tick = silent) -> Path:
    """Give the path of a published file that is there, whole, and may be used.

    The user's own folder comes first, then the shared ones. A file is read whole once and remembered until it changes.

    Args:
        file_id: its id in the list.
        root: folder of the user's weights, `Workspace.weights`.
        tick: called while a file is read for the first time.

    Raises:
        UnknownWeights: the list has no such file.
        WeightsMissing: it is nowhere; the sentence says its size, its licence and the command that gets it.
        WeightsDamaged: it is there, and is not the published one.
        LicenceNotAccepted: it is there, and its licence must be accepted first.
    """
    file = listed(file_id)
    record = read_record(root)
    found = look(file, root, record, tick)
    if found.state == "missing" or found.path is None:
        raise WeightsMissing(found.sentence)
    if found.state == "damaged":
        raise WeightsDamaged(found.sentence)
    require_licence(file, record, "weights get")
    return found.path


def by_name(root: Path, name: str) -> Path:
    """Give the path of a file that is asked for by its published name.

    It is the one in the user's folder if there is one, whatever it holds; else a whole one of that very name in a
    shared folder, if its licence needs no acceptance or has it; else the place in the user's folder where it would be.

    Args:
        root: folder of the user's weights.
        name: such as "RealESRGAN_x2plus.pth".
    """
    own = root / name
    file = next((file for file in CATALOGUE.values() if file.file == name), None)
    if own.is_file() or file is None:
        return own
    record = read_record(root)
    if file.licence.to_accept and file.licence.name not in record.accepted:
        return own
    found = look(file, root, record)
    return found.path if found.state == "elsewhere" and found.path and found.path.name == name else own


def require_licence(file: PublishedFile, record: Record, command: str) -> None:
    """Raise `LicenceNotAccepted` unless a file's licence needs no acceptance or has it."""
    licence = file.licence
    if licence.to_accept and licence.name not in record.accepted:
        raise LicenceNotAccepted(
            f"{file.file} is under the licence {licence.name}. {licence.words} Read it at {licence.url}. "
            f"If you accept it, run: python app.py {command} {file.id} --accept {licence.name}"
        )


def look(
    file: PublishedFile,
    root: Path,
    record: Record,
    tick: Tick = silent,
    *,
    shelves: Mapping[str, list[Path]] | None = None,
) -> Found:
    """Say what there is of a published file.

    Args:
        file: of the list.
        root: folder of the user's weights.
        record: as it was read.
        tick: called while a file is read for the first time.
        shelves: what `shared_files` gave, so that many files need one search.
    """
    known, sha256, size = identity(file, record)
    own = own_file(file, root)
    if own is not None:
        sentence = wrong(file, own, root, record, tick)
        return Found(file, "damaged" if sentence else "there", own, known, sentence)
    found = shared_files(record) if shelves is None else shelves
    for path in [path for name in (file.file, *file.aliases) for path in found.get(name.lower(), ())]:
        fits = (size is None or path.stat().st_size == size) and (sha256 is not None or _has_shapes(file, path))
        if fits and not wrong(file, path, root, record, tick):
            return Found(file, "elsewhere", path, known, "")
    return Found(file, "missing", None, known, missing(file, record))


def identity(file: PublishedFile, record: Record) -> tuple[Known, str | None, int | None]:
    """Say by what a file is known, with the SHA-256 and size that it must have; None for what nobody states."""
    pin = record.pins.get(file.id)
    if pin is not None and (pin.origin == "yours" or file.sha256 is None):
        return "yours" if pin.origin == "yours" else "pinned", pin.sha256, pin.size
    return ("unknown" if file.sha256 is None else "stated"), file.sha256, file.size


def own_file(file: PublishedFile, root: Path) -> Path | None:
    """Give the path of a file in the user's folder of weights, under its own name or another program's."""
    return next((root / name for name in (file.file, *file.aliases) if (root / name).is_file()), None)


def wrong(
    file: PublishedFile, path: Path, root: Path, record: Record, tick: Tick = silent, *, anew: bool = False
) -> str:
    """Say what is wrong with a file that is there, "" for nothing.

    Args:
        file: what it should be.
        path: where it is.
        root: folder of the user's weights.
        record: as it was read.
        tick: called while it is read whole.
        anew: whether to read it whatever is remembered.
    """
    known, sha256, size = identity(file, record)
    again = f"Get it again: python app.py weights get {file.id}"
    if known == "yours":
        again = f"Name your file again: python app.py weights use FILE --as {file.id}"
    try:
        there = path.stat().st_size
        if size is not None and there != size:
            return f"{path} has {there:,} bytes and should have {size:,}, so it is cut off or another file. {again}"
        if sha256 is not None and digest(path, root, tick, anew=anew) != sha256:
            what = "the file that was pinned here" if known in ("pinned", "yours") else f"the published {file.file}"
            return f"{path} is not {what}: its SHA-256 differs, so it was damaged or exchanged. {again}"
        if sha256 is None and file.plain:
            held = contents(path)
            if file.shapes and not held.has(file.shapes):
                return f"{path} is not the file of this network: its tensors are others. {again}"
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}. Check your rights to it."
    except EngineError as error:
        return str(error)
    return ""


def missing(file: PublishedFile, record: Record) -> str:
    """Give the sentence for a file that is nowhere."""
    size = shown_size(identity(file, record)[2], file.about)
    licence = f"Licence {file.licence.name}: {file.licence.words}"
    accept = f" --accept {file.licence.name}" if file.licence.to_accept else ""
    if file.url or file.mirrors:
        get = f"Get it with: python app.py weights get {file.id}{accept}"
    else:
        get = f"Download it by hand from {file.page} and run: python app.py weights use FILE --as {file.id}{accept}"
    return f"{file.file} ({size}) is not there. {licence} {get}"


def shown_size(size: int | None, about: str = "") -> str:
    """Give a size as people say it, from bytes, or from how a public place rounds it."""
    if size is None:
        return f"about {about}" if about else "size not stated"
    for unit, bytes_ in (("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1000)):
        if size >= bytes_:
            return f"{size / bytes_:.1f} {unit}"
    return f"{size} bytes"


def shared_folders(record: Record) -> tuple[Path, ...]:
    """Give the folders of other programs that are searched: those that the user named, then the usual ones.

    These are Hugging Face's cache, ComfyUI's and A1111's models, and what torch keeps of its downloads.
    """
    named = [Path(folder) for folder in record.shared]
    variable = os.environ.get(SHARED_VARIABLE)
    if variable is not None:
        usual = [Path(folder) for folder in variable.split(os.pathsep) if folder]
    else:
        home = Path.home()
        cache = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
        hub = os.environ.get("HF_HUB_CACHE") or Path(os.environ.get("HF_HOME") or cache / "huggingface", "hub")
        comfy = [os.environ.get("COMFYUI_PATH"), home / "ComfyUI", home / "Documents" / "ComfyUI"]
        a1111 = [home / "stable-diffusion-webui", home / "stable-diffusion-webui-forge"]
        usual = [Path(hub), *(Path(folder, "models") for folder in (*comfy, *a1111) if folder)]
        usual.append(Path(os.environ.get("TORCH_HOME") or cache / "torch", "hub", "checkpoints"))
    return tuple(dict.fromkeys(folder for folder in (*named, *usual) if folder.is_dir()))


def shared_files(record: Record, *, only: bool = False) -> dict[str, list[Path]]:
    """Give the files of the shared folders that have a name of the list, by that name in small letters.

    Args:
        record: with the folders that the user named.
        only: whether to leave the usual folders out.
    """
    wanted = {name.lower() for file in CATALOGUE.values() for name in (file.file, *file.aliases)}
    found: dict[str, list[Path]] = {}
    folders = map(Path, record.shared) if only else shared_folders(record)
    for folder in folders:
        for path in _files(folder):
            if path.name.lower() in wanted and path.is_file():
                found.setdefault(path.name.lower(), []).append(path)
    return found


def _files(folder: Path) -> Iterator[Path]:
    """Give the files under a folder, those nearest to it first, as far as `DEEPEST` and `MOST_ENTRIES` go."""
    seen, level = 0, [folder]
    for _ in range(DEEPEST):
        below: list[Path] = []
        for place in level:
            try:
                entries = sorted(os.scandir(place), key=lambda entry: entry.name)
            except OSError:
                continue
            for entry in entries:
                seen += 1
                if seen > MOST_ENTRIES:
                    return
                if entry.is_dir():
                    below.append(Path(entry.path))
                else:
                    yield Path(entry.path)
        level = below


def _has_shapes(file: PublishedFile, path: Path) -> bool:
    """Tell whether a file whose bytes nobody states is of the right network; False where that cannot be told."""
    if not file.shapes:
        return False
    try:
        return contents(path).has(file.shapes)
    except EngineError:
        return False
