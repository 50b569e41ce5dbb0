"""What a user does with weights: get, use a file of their own, verify, delete, accept a licence, share a folder."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from engine.errors import EngineError
from engine.progress import Report, stage
from engine.weights.catalogue import CATALOGUE, PublishedFile
from engine.weights.connection import Patience
from engine.weights.download import Wanted, fetch
from engine.weights.files import WeightsDamaged, WeightsMissing
from engine.weights.places import (
    Found,
    listed,
    look,
    missing,
    own_file,
    require_licence,
    shared_files,
    wrong,
)
from engine.weights.record import Pin, Record, changing, digest, mark, now, read_record, remember
from engine.weights.unpickle import Contents, contents
from engine.workspace import PRIVATE_FOLDER, FileMissing, FileRefused, replacing, trash

OFFLINE_VARIABLES = ("LIKENESS_OFFLINE", "HF_HUB_OFFLINE")
_YES = frozenset({"1", "true", "yes", "on"})


class Offline(EngineError):
    """Nothing is downloaded, since the user wants none of it."""


class WeightsNotRecognised(EngineError):
    """A file that the user gave is none of the list, or may be several."""


class WrongLicence(EngineError):
    """A licence was accepted that is not that of the file."""


@dataclass(frozen=True)
class Got:
    """A file that is there now."""

    file: PublishedFile
    path: Path
    how: Literal["there", "elsewhere", "downloaded", "linked", "copied"]
    notes: tuple[str, ...] = ()
    """What the user should know, in sentences."""


def accept(names: Iterable[str], files: Sequence[PublishedFile], root: Path) -> None:
    """Accept licences by name, for good.

    Args:
        names: of licences.
        files: those that are wanted; each name must be the licence of one of them.
        root: folder of the user's weights.

    Raises:
        WrongLicence: a name is the licence of none of them.
    """
    known = {file.licence.name for file in files}
    names = list(names)
    for name in names:
        if name not in known:
            raise WrongLicence(
                f"'{name}' is not the licence of {', '.join(file.id for file in files)}, which is "
                f"{', '.join(sorted(known))}. Accept that one, after reading it."
            )
    if names:
        with changing(root) as record:
            record.accepted.update(dict.fromkeys(names, now()))


def offline_because(root: Path) -> str:
    """Say why nothing is downloaded, "" when it is: a variable of the environment, or the setting."""
    for name in OFFLINE_VARIABLES:
        if os.environ.get(name, "").strip().lower() in _YES:
            return f"{name} is set"
    return "it was told so with `weights settings --offline`" if read_record(root).offline else ""


def get(file_id: str, root: Path, report: Report, *, patience: Patience | None = None) -> Got:
    """Give a published file, downloading it unless it is there, here or in a shared folder.

    A damaged one in the user's own folder is replaced.

    Args:
        file_id: its id in the list.
        root: folder of the user's weights.
        report: told how far the download is, in MB; may stop it.
        patience: when an address is given up.

    Raises:
        LicenceNotAccepted: its licence must be accepted first.
        Offline: it would have to be downloaded, and nothing is.
        WeightsMissing: it has no address that a program can download from.
        DownloadFailed, DiskFull, FileRefused, WorkspaceBusy, Cancelled: as `download.fetch`.
    """
    file = listed(file_id)
    record = read_record(root)
    require_licence(file, record, "weights get")
    found = look(file, root, record, stage(report, f"reading {file.file}, MB"))
    if found.path is not None and found.state in ("there", "elsewhere"):
        return Got(file, found.path, "there" if found.state == "there" else "elsewhere")
    urls = [url for url in (file.url, *(mirror.url for mirror in file.mirrors)) if url]
    if not urls:
        raise WeightsMissing(missing(file, record))
    because = offline_because(root)
    if because:
        raise Offline(
            f"{file.file} is not there and nothing is downloaded, since {because}. Get it on another machine from "
            f"{urls[0]} and run: python app.py weights use FILE --as {file.id}"
        )
    # What the user chose in place of the published file is not what comes now.
    fetched = fetch(
        Wanted(file.file, file.sha256, file.size),
        urls,
        root / file.file,
        report,
        check=lambda path: _plausible(file, path),
        patience=patience,
    )
    with changing(root) as record:
        record.pins[file.id] = Pin(fetched.sha256, fetched.size, "download", fetched.url, now())
        with suppress(OSError):  # it was read whole just now, and need not be again at its first use
            remember(record, root / file.file, mark(root / file.file), fetched.sha256)
    notes = fetched.notes
    if file.sha256 is None:
        notes = (*notes, f"No public place states the SHA-256 of {file.file}, so it is pinned as it came.")
    return Got(file, root / file.file, "downloaded", notes)


def _plausible(file: PublishedFile, path: Path) -> None:
    """Raise `WeightsDamaged` for a file whose bytes nobody states, and which is not of the right network."""
    if file.sha256 is None and file.plain and file.shapes and not contents(path).has(file.shapes):
        raise WeightsDamaged(f"{path} holds the tensors of another network than {file.id}.")


def use(path: Path, root: Path, report: Report, *, as_id: str = "", copy: bool = False) -> Got:
    """Take a file that the user has into the folder of weights, known by its content whatever its name.

    It is linked where the disk allows that, else copied; the user's file stays as it is.

    Args:
        path: of the file.
        root: folder of the user's weights.
        report: told how far the check is; may stop it.
        as_id: id of the place in the list that it is for, where its content does not say, or where it is a file of the
            user's own making with the tensors of that network.
        copy: whether to copy it in any case.

    Raises:
        WeightsNotRecognised: it is none of the list, or may be several.
        WeightsMissing, WeightsDamaged: it is not there, or holds no weights.
        LicenceNotAccepted: its licence must be accepted first.
        DiskFull, FileRefused: it cannot be placed.
        Cancelled: from the report.
    """
    if not path.is_file():
        raise WeightsMissing(f"{path} is not there. Name a file of weights.")
    sha256 = digest(path, root, stage(report, f"reading {path.name}, MB"))
    published = next((file for file in CATALOGUE.values() if file.sha256 == sha256), None)
    file = listed(as_id) if as_id else published or _recognised(path)
    if as_id and published is not None and published.id != as_id:
        raise WeightsNotRecognised(f"{path} is the published {published.file}, {published.id}, and not {as_id}.")
    record = read_record(root)
    require_licence(file, record, f"weights use {path} --as")
    own = published is None and file.sha256 is not None
    if published is None and file.plain:
        _fits(file, path)
    how = _placed(path, root / file.file, copy=copy)
    with changing(root) as record:
        if published is None:
            origin = "yours" if own else "download"
            record.pins[file.id] = Pin(sha256, path.stat().st_size, origin, str(path), now())
        else:
            record.pins.pop(file.id, None)
    notes: tuple[str, ...] = ()
    if own:
        notes = (f"This is not the published {file.file}, but a file of its network; results say so by its SHA-256.",)
    elif file.sha256 is None:
        notes = (f"No public place states the SHA-256 of {file.file}, so it is pinned as it is.",)
    return Got(file, root / file.file, how, notes)


def _recognised(path: Path) -> PublishedFile:
    """Give the file of the list that one is by its tensors, where that says it."""
    held = contents(path)
    alike = [file for file in CATALOGUE.values() if file.shapes and held.has(file.shapes)]
    named = [file for file in alike if path.name.lower() in {n.lower() for n in (file.file, *file.aliases)}]
    unstated = [file for file in named or alike if file.sha256 is None]
    if len(unstated) == 1 and (named or len(alike) == 1):
        return unstated[0]
    if alike:
        ids = ", ".join(file.id for file in alike)
        raise WeightsNotRecognised(
            f"{path} holds the tensors of {ids}, but is not a published file whose SHA-256 is known. Name the one that "
            f"it is for: python app.py weights use {path} --as {alike[0].id}"
        )
    raise WeightsNotRecognised(
        f"{path} is none of the files of the list: its {held.tensors} tensors are those of no network in it. See: "
        "python app.py weights list"
    )


def _fits(file: PublishedFile, path: Path) -> Contents:
    held = contents(path)
    if file.shapes and not held.has(file.shapes):
        name, shape = next((n, s) for n, s in file.shapes if not held.has(((n, s),)))
        raise WeightsNotRecognised(
            f"{path} does not fit {file.id}: it has no tensor {name} of the shape {shape}. Name another file, "
            "or another place for it."
        )
    return held


def _placed(path: Path, target: Path, *, copy: bool) -> Literal["there", "linked", "copied"]:
    """Link or copy a file to its place, whole or not at all."""
    if target.exists() and target.samefile(path):
        return "there"
    _make(target.parent)
    if not copy and _linked(path.resolve(), target):
        return "linked"
    with replacing(target) as part:
        shutil.copyfile(path, part)
    return "copied"


def _linked(path: Path, target: Path) -> bool:
    """Link a file to its place; False where that is on another disk, or on one that has no links."""
    part = target.with_name(f".{target.name[:40]}-{secrets.token_hex(6)}.part")
    try:
        part.hardlink_to(path)
    except (OSError, NotImplementedError):  # the latter where Python knows no links at all
        return False
    try:
        part.replace(target)
    except OSError as error:
        raise FileRefused(f"{target} was not written: {error.strerror}. Check your rights to its folder.") from error
    finally:
        part.unlink(missing_ok=True)
    return True


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    except OSError as error:
        raise FileRefused(f"{folder} cannot be made: {error.strerror}. Check your rights.") from error


def verify(files: Iterable[PublishedFile], root: Path, report: Report) -> list[Found]:
    """Read files whole, whatever is remembered of them, and say what there is of each.

    A file that nobody states the SHA-256 of, and that came by hand, is pinned as it is now.

    Args:
        files: of the list.
        root: folder of the user's weights.
        report: told how far it is; may stop it.
    """
    made: list[Found] = []
    record = read_record(root)
    shelves = shared_files(record)
    for file in files:
        tick = stage(report, f"reading {file.file}, MB")
        found = look(file, root, record, tick, shelves=shelves)
        path = found.path
        if path is not None:
            sentence = wrong(file, path, root, record, tick, anew=True)
            state = "damaged" if sentence else "there" if found.state == "damaged" else found.state
            found = replace(found, state=state, sentence=sentence)
            if state == "there" and found.known == "unknown":
                pin = Pin(digest(path, root, tick), path.stat().st_size, "download", str(path), now())
                with changing(root) as record:
                    record.pins[file.id] = pin
                found = replace(found, known="pinned")
        made.append(found)
    return made


def delete(file_id: str, root: Path) -> list[Path]:
    """Delete a file of the user's folder, with what a broken download left of it. Those of other programs stay.

    Args:
        file_id: its id in the list.
        root: folder of the user's weights.

    Returns:
        What was deleted.

    Raises:
        WeightsMissing: there is nothing of it in the folder.
        FileRefused: the system refuses.
    """
    file = listed(file_id)
    gone: list[Path] = []
    hidden = root / f".{file.file}.partial"
    while (own := own_file(file, root)) is not None:
        trash(own)
        gone.append(own)
    for left in (hidden, hidden.with_name(f"{hidden.name}.json"), root / f".{file.file}.lock"):
        with suppress(FileMissing):
            trash(left)
            gone += [left] if left == hidden else []
    if not gone:
        elsewhere = look(file, root, read_record(root)).path
        where = f" {elsewhere} belongs to another program." if elsewhere else ""
        raise WeightsMissing(f"There is no {file.file} in {root} to delete.{where}")
    with changing(root) as record:
        record.pins.pop(file.id, None)
    return gone


def share(folder: Path, root: Path) -> list[Found]:
    """Remember a folder of another program, to be searched from now on, and say which files of the list it has.

    Raises:
        WeightsMissing: it is no folder, or holds none of them.
    """
    if not folder.is_dir():
        raise WeightsMissing(f"{folder} is no folder. Name one that holds weights.")
    there = shared_files(Record(shared=[str(folder.absolute())]), only=True)
    record = read_record(root)
    rows = [look(file, root, record, shelves=there) for file in CATALOGUE.values()]
    found = [row for row in rows if row.path is not None and folder.absolute() in row.path.parents]
    if not found:
        raise WeightsMissing(
            f"{folder} holds none of the files of the list, whole and by their names. See: python app.py weights list"
        )
    with changing(root) as record:
        record.shared = list(dict.fromkeys([*record.shared, str(folder.absolute())]))
    return found


def unshare(folder: Path, root: Path) -> None:
    """Search a folder no more. Raises `WeightsMissing` where it was not searched by the user's wish."""
    with changing(root) as record:
        name = next((known for known in record.shared if Path(known) in (folder, folder.absolute())), None)
        if name is None:
            raise WeightsMissing(
                f"{folder} is none of the folders that you named: {', '.join(record.shared) or 'none'}."
            )
        record.shared.remove(name)


def set_offline(wanted: bool, root: Path) -> None:
    """Download nothing from now on, or download again."""
    with changing(root) as record:
        record.offline = wanted
