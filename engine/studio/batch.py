"""Many photos: every photo of a folder restored, what is done skipped, an error never the end of the others.

What is done is known by the provenance beside results: the same photo, by its content, with the same settings. So a
batch that was stopped goes on when it is asked for again, and files may be renamed in between.
"""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from engine import images
from engine.errors import EngineError
from engine.images import NotSaved
from engine.progress import Cancelled, FileState, Report
from engine.results import read_provenance, settings_of
from engine.studio import preparing, restoring
from engine.studio.preparing import Asked, Ready
from engine.workspace import DiskFull, FileRefused, Workspace, sha256_file

log = logging.getLogger(__name__)

STAGE = "restoring photos"

UNSAVED_IN_A_ROW = 3
"""Results that could not be saved, one after the other, after which the rest would not be either."""


class TargetUnusable(EngineError):
    """Results cannot be written where they are wanted."""


@dataclass(frozen=True)
class FileRow:
    """What became of one photo."""

    photo: str
    """Its path in the folder."""
    state: FileState
    result: str
    """Path of the result, of an earlier one if skipped, "" if failed."""
    sentence: str
    """Why it failed or was skipped, "" if done."""
    seconds: float
    """Spent by the restorer."""


@dataclass(frozen=True)
class Batch:
    """What became of a folder."""

    folder: Path
    rows: tuple[FileRow, ...]
    left: int
    """Photos that were not reached."""
    ended: str
    """Why it ended before all were reached; "" if it did not, or was stopped by the user."""
    stopped: bool
    """Whether the user stopped it."""

    def count(self, state: FileState) -> int:
        """Count the photos of a state."""
        return sum(row.state == state for row in self.rows)

    def as_json(self) -> dict[str, Any]:
        """Give all as plain values."""
        return {
            "folder": str(self.folder),
            "done": self.count("done"),
            "skipped": self.count("skipped"),
            "failed": self.count("failed"),
            "left": self.left,
            "ended": self.ended,
            "stopped": self.stopped,
            "files": [asdict(row) for row in self.rows],
        }


def restore_folder(
    workspace: Workspace,
    folder: Path,
    asked: Asked,
    report: Report,
    *,
    skip_done: bool = True,
    begun: Callable[[Sequence[str]], None] | None = None,
) -> Batch:
    """Restore every photo of a folder and the folders in it, one after the other.

    A result is called after its photo and lies beside it, or in the same place below `asked.out`. No file is ever
    written over, and results in the folder are not taken for photos.

    Args:
        workspace: as `restoring.restore`.
        folder: of the photos; only read, unless results shall lie there.
        asked: how; `photo` is not read, and `out` is the folder of the results, made if it is not there, or the very
            `folder` for beside each photo.
        report: followed; a stop ends the batch after the current step, and what is done stays.
        skip_done: whether a photo that was restored with these settings before is left as it is.
        begun: given the photos that will be restored, by their paths in the folder, before the first one.

    Raises:
        TargetUnusable: no file can be written in the folder of the results.
        EngineError: the folder holds no photos, or what is asked for cannot be; nothing was restored then.
        Cancelled: from the report, before the first photo.
    """
    preparing.checked(asked)
    found = images.list_photos(folder)
    _check_target(asked.out)
    earlier = _Earlier(folder, asked.out, skip_done=skip_done)
    photos = [photo for photo in found if not earlier.is_result(photo)]
    if begun is not None:
        begun([str(photo.relative_to(folder)) for photo in photos])
    ready = preparing.prepare(workspace, asked, report)
    rows: list[FileRow] = []
    ended, stopped, unsaved = "", False, 0
    within = _Within(report, len(photos))
    for photo in photos:
        one = replace(asked, photo=photo, out=asked.out / photo.parent.relative_to(folder))
        try:
            within.begin(len(rows))
            row = _restored(ready, one, folder, earlier, within)
        except Cancelled:
            stopped = True
            break
        except EngineError as error:
            row = _failed(photo, folder, str(error))
            unsaved = unsaved + 1 if isinstance(error, NotSaved | DiskFull | FileRefused | TargetUnusable) else 0
        except Exception as error:  # a photo that breaks something must not cost the night's other thousand
            log.exception("restoring %s broke", photo.name)
            said = " ".join(str(error).split())[:200]
            row = _failed(
                photo, folder, f"{photo.name}: something broke ({type(error).__name__}: {said}). Leave it out."
            )
        else:
            unsaved = 0
        rows.append(row)
        report.file(row.photo, row.state, row.sentence, row.result)
        if unsaved == UNSAVED_IN_A_ROW:
            ended = f"{unsaved} results in a row could not be saved, the last because: {row.sentence}"
            break
    if not stopped and not ended:
        with suppress(Cancelled):  # all is done, so there is nothing left to stop
            report.tick(STAGE, len(rows), max(len(photos), 1))
    return Batch(folder, tuple(rows), len(photos) - len(rows), ended, stopped)


def photos_in(folder: Path) -> list[Path]:
    """Give the photos that `restore_folder` would go through: all in a folder but for results that lie among them.

    Raises:
        FolderUnreadable, NoPhotosFound: see `images.list_photos`.
    """
    earlier = _Earlier(folder, folder, skip_done=False)
    return [photo for photo in images.list_photos(folder) if not earlier.is_result(photo)]


def _restored(ready: Ready, asked: Asked, folder: Path, earlier: _Earlier, report: Report) -> FileRow:
    """Restore one photo, or find that it is done; `asked.out` is the folder of the result."""
    photo = asked.photo
    name = str(photo.relative_to(folder))
    digest = sha256_file(photo)
    if earlier.was_made(digest):
        return FileRow(name, "skipped", "", "It is a copy of a result, not a photo to restore.", 0.0)
    settings = settings_of({**ready.settings(asked, digest), "face": {"wanted": asked.face}})
    known = earlier.result_of(settings)
    if known is not None:
        sentence = "It was restored with these settings before. Take its result away to have it made again."
        return FileRow(name, "skipped", str(known), sentence, 0.0)
    try:
        asked.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TargetUnusable(
            f"No folder {asked.out} can be made: {error.strerror}. Choose another --out-dir."
        ) from error
    made = restoring.restore_with(ready, asked, report)
    earlier.add(Path(made["provenance"]))
    return FileRow(name, "done", made["result"], "", made["seconds"])


def _failed(photo: Path, folder: Path, sentence: str) -> FileRow:
    return FileRow(str(photo.relative_to(folder)), "failed", "", sentence, 0.0)


def _check_target(out: Path) -> None:
    """Write a file and delete it, so that a target nobody may write to is told before hours of work."""
    probe = out / f".likeness-{secrets.token_hex(8)}.part"
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe.touch(exist_ok=False)
        probe.unlink()
    except (FileExistsError, NotADirectoryError) as error:
        raise TargetUnusable(
            f"{out} is a file, so no results can lie in it. Choose a folder with --out-dir."
        ) from error
    except (OSError, ValueError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise TargetUnusable(
            f"No results can be written to {out}: {why}. Choose a folder that you may write to with --out-dir."
        ) from error


class _Earlier:
    """Results of before: those among the photos, which are none, and those that lie where new ones would.

    Only digests and paths are held.
    """

    def __init__(self, folder: Path, out: Path, *, skip_done: bool) -> None:
        self._by_settings: dict[str, Path] = {}
        self._results: set[Path] = set()
        self._digests: set[str] = set()
        for file in sorted(_json_in(folder)):
            self.add(file, done=False)
        for file in sorted(_json_in(out)):
            self.add(file, done=skip_done)

    def add(self, provenance: Path, *, done: bool = True) -> None:
        """Take a result in; a file that says nothing of one is left aside.

        Args:
            provenance: of the result.
            done: whether the result need not be made again.
        """
        result = provenance.with_suffix("")
        try:
            told = read_provenance(provenance)
            settings = settings_of(told)
        except (EngineError, TypeError, ValueError):
            return  # somebody else's JSON, such as what other programs keep beside photos
        if not result.is_file():
            return
        self._results.add(result.resolve())
        if done:
            self._by_settings.setdefault(settings, result)
        self._digests.add(str(told["result_sha256"]))

    def is_result(self, photo: Path) -> bool:
        """Say whether a file is a result of ours."""
        return photo.resolve() in self._results

    def was_made(self, digest: str) -> bool:
        """Say whether a file of this SHA-256 is a copy of a result."""
        return digest in self._digests

    def result_of(self, settings: str) -> Path | None:
        """Give the result of these settings, if there is one."""
        return self._by_settings.get(settings)


class _Within:
    """The report of one photo within that of the batch: every step asks whether to stop."""

    def __init__(self, report: Report, total: int) -> None:
        self._report, self._total, self._done = report, total, 0

    def begin(self, done: int) -> None:
        """Say how many photos are over."""
        self._done = done
        self._report.tick(STAGE, done, self._total)

    def tick(self, stage: str, done: int, total: int) -> None:
        """See `Report.tick`."""
        self._report.tick(STAGE, self._done, self._total)

    def measure(self, step: int, values: Any) -> None:
        """See `Report.measure`; of one photo of many nothing is charted."""

    def preview(self, name: str, path: Path) -> None:
        """See `Report.preview`."""
        self._report.preview(name, path)

    def file(self, name: str, state: FileState, sentence: str, result: str) -> None:
        """See `Report.file`."""
        self._report.file(name, state, sentence, result)

    def note(self, sentence: str) -> None:
        """See `Report.note`."""
        self._report.note(sentence)


def _json_in(folder: Path) -> Iterator[Path]:
    """Give the files that may be a provenance: `photo.png.json`; hidden folders are left out."""
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if name.endswith(".json") and images.is_photo_name(name.removesuffix(".json")):
                yield Path(place, name)
