"""The weight files for a screen: what is there, got, checked, used and deleted, without ever making a page wait.

Files are got one after the other by one thread, which a reload does not touch; what a stop or the end of the app leaves
of a download is gone on with later. Looking at what is there may read gigabytes, so another thread does that.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event, RLock
from typing import TYPE_CHECKING, Any, Literal

from engine import weights
from engine.errors import EngineError
from engine.progress import Cancelled, SilentReport
from engine.weights import CATALOGUE, Found, Patience, PublishedFile

if TYPE_CHECKING:
    from engine.studio import Studio

log = logging.getLogger(__name__)

State = Literal["there", "elsewhere", "missing", "damaged", "partly", "waiting", "getting", "checking"]


class NothingToDo(EngineError):
    """A file was named that cannot be got, used or deleted."""


@dataclass(frozen=True)
class FileRow:
    """One weight file as it is now."""

    file: PublishedFile
    state: State
    path: Path | None
    size: int | None
    """Bytes: of the file that is there, else as a public place states them; None where none does."""
    known: str
    """By what it is known; see `engine.weights.places.Known`."""
    accepted: bool | None
    """Whether its licence was accepted; None where it needs no acceptance."""
    sentence: str
    """What is wrong with a damaged one."""
    done: int = 0
    """MB so far, while it is got or checked, or left of a download."""
    total: int = 0
    speed: float | None = None
    """MB a second; None while unknown."""


@dataclass(frozen=True)
class InstalledView:
    """All of it."""

    rows: tuple[FileRow, ...]
    looked: bool
    """Whether somebody has looked already; before that nothing is known."""
    offline: str
    """Why nothing is downloaded; "" when it is."""
    shared: tuple[Path, ...]
    """Folders of other programs that are searched too."""
    notices: tuple[tuple[str, bool], ...]
    """Sentences, and whether each says that something went wrong."""


@dataclass
class _Work:
    """What the thread does, or will do, with a file."""

    file: str
    state: State
    stop: Event
    done: int = 0
    total: int = 0
    begun: tuple[float, int] | None = None
    now: float = 0.0

    @property
    def speed(self) -> float | None:
        if self.begun is None or self.now <= self.begun[0] or self.done <= self.begun[1]:
            return None
        return (self.done - self.begun[1]) / (self.now - self.begun[0])


class _Told(SilentReport):
    """A report that keeps how far a file is, and stops when somebody wants that."""

    def __init__(self, work: _Work) -> None:
        self._work = work

    def tick(self, stage: str, done: int, total: int) -> None:
        """See `engine.progress.Report.tick`."""
        work, getting = self._work, stage.startswith("getting")
        if getting and work.begun is None:
            work.begun = (time.monotonic(), done)
        work.state, work.done, work.total = "getting" if getting else "checking", done, total
        work.now = time.monotonic()
        if work.stop.is_set():
            raise Cancelled


class Installed:
    """The weight files of a workspace. Every method may be called from any thread and returns at once."""

    def __init__(self, studio: Studio, *, patience: Patience | None = None) -> None:
        """Begin to look at what is there.

        Args:
            studio: whose workspace.
            patience: when an address is given up.
        """
        self._root = studio.workspace.weights
        self._patience = patience
        self._lock = RLock()
        self._work: dict[str, _Work] = {}
        self._found: Mapping[str, Found] = {}
        self._looked = False
        self._seen: tuple[Any, ...] = ()
        self._notices: list[tuple[str, bool]] = []
        self._files = ThreadPoolExecutor(max_workers=1, thread_name_prefix="weights")
        self._looking = ThreadPoolExecutor(max_workers=1, thread_name_prefix="weights-look")
        self._closing = Event()
        self._look_again()

    def close(self) -> None:
        """Stop what is got, keeping what came of it, and end the threads."""
        self._closing.set()
        with self._lock:
            for work in self._work.values():
                work.stop.set()
        for pool in (self._files, self._looking):
            pool.shutdown(wait=True, cancel_futures=True)

    # What a user does.

    def get(self, file_id: str) -> None:
        """Download a file, or go on with its download, after those that were asked for before.

        Raises:
            UnknownWeights, LicenceNotAccepted, Offline: see `engine.weights.get`.
            NothingToDo: it has no address to download from.
        """
        file = weights.chosen([file_id])[0]
        self._need_licence(file)
        if not file.url and not file.mirrors:
            raise NothingToDo(f"{file.file} can only be downloaded by hand, from {file.page}. Then use that file.")
        because = weights.offline_because(self._root)
        if because:
            raise NothingToDo(f"Nothing is downloaded, since {because}. Allow downloads first.")

        def act(work: _Work) -> str:
            got = weights.get(file.id, self._root, _Told(work), patience=self._patience)
            how = {"downloaded": f"{file.file} is downloaded and checked.", "there": f"{file.file} was there already."}
            told = how.get(got.how, f"{file.file} was found at {got.path}.")
            return " ".join((told, *got.notes))

        self._put(file.id, act)

    def verify(self, file_id: str) -> None:
        """Read a file whole and compare it with what is stated of it. Raises `UnknownWeights`."""
        file = weights.chosen([file_id])[0]

        def act(work: _Work) -> str:
            found = weights.verify_published([file], self._root, _Told(work))[0]
            if found.state == "damaged":
                raise weights.WeightsDamaged(found.sentence)
            known = {"stated": "as published", "yours": "as when you chose it"}.get(found.known, "as when it came")
            return f"{file.file} is whole: its SHA-256 is {known}."

        self._put(file.id, act)

    def use(self, path: Path, file_id: str = "") -> None:
        """Take a file of this machine for one of the list, or search a folder of it from now on.

        Args:
            path: of the file or folder.
            file_id: what it is for; "" tells by its content.

        Raises:
            NothingToDo: there is nothing at that path.
            LicenceNotAccepted: the licence must be accepted first.
        """
        path = path.expanduser()
        if not path.is_absolute() or not path.exists():
            raise NothingToDo(f"There is nothing at {path}. Give the whole path of a file of this computer.")
        if file_id:
            self._need_licence(weights.chosen([file_id])[0])

        def act(work: _Work) -> str:
            if path.is_dir():
                found = weights.share(path, self._root)
                return f"{path} is searched from now on; it holds {', '.join(one.file.file for one in found)}."
            got = weights.use(path, self._root, _Told(work), as_id=file_id)
            return " ".join((f"{path.name} is used as {got.file.file}.", *got.notes))

        self._put(file_id or f"file {path}", act)

    def stop(self, file_id: str) -> None:
        """Stop what is done with a file, or take it out of those that wait; what came of a download is kept."""
        with self._lock:
            work = self._work.get(file_id)
            if work is None:
                return
            work.stop.set()
            if work.state == "waiting":
                del self._work[file_id]

    def delete(self, file_id: str) -> None:
        """Delete a file from the user's folder, with what is left of a download. Raises as `engine.weights.delete`."""
        if file_id in self._work:
            raise NothingToDo("Something is being done with this file. Stop that first.")
        weights.delete(file_id, self._root)
        self._look_again()

    def accept(self, file_id: str, licence: str) -> None:
        """Accept the licence of a file by its name. Raises `WrongLicence`."""
        weights.accept([licence], weights.chosen([file_id]), self._root)

    def set_offline(self, wanted: bool) -> None:
        """Download nothing from now on, or download again."""
        weights.set_offline(wanted, self._root)

    def unshare(self, folder: Path) -> None:
        """Search a folder no more. Raises `WeightsMissing` where it was not searched by the user's wish."""
        weights.unshare(folder, self._root)
        self._look_again()

    def forget_notice(self, index: int) -> None:
        """Take a notice away once it was read."""
        with self._lock:
            if 0 <= index < len(self._notices):
                del self._notices[index]

    # What a page sees.

    def view(self) -> InstalledView:
        """Give how the files are now."""
        record = weights.read_record(self._root)
        with self._lock:
            self._look_when_changed()
            rows = tuple(self._row(file, set(record.accepted)) for file in CATALOGUE.values())
            offline = weights.offline_because(self._root)
            shared = tuple(Path(folder) for folder in record.shared)
            return InstalledView(rows, self._looked, offline, shared, tuple(self._notices))

    def _row(self, file: PublishedFile, accepted: set[str]) -> FileRow:
        found, work = self._found.get(file.id), self._work.get(file.id)
        path = found.path if found is not None else None
        state: State = found.state if found is not None else "missing"
        size = path.stat().st_size if path is not None and path.is_file() else file.size
        row = FileRow(
            file=file,
            state=state,
            path=path,
            size=size,
            known=found.known if found is not None else "unknown",
            accepted=file.licence.name in accepted if file.licence.to_accept else None,
            sentence=found.sentence if found is not None and state == "damaged" else "",
        )
        if work is not None:
            return replace(row, state=work.state, done=work.done, total=work.total, speed=work.speed)
        part = self._root / f".{file.file}.partial"
        if state == "missing" and part.is_file() and part.stat().st_size:
            total = (file.size or 0) // 1_000_000
            return replace(row, state="partly", done=part.stat().st_size // 1_000_000, total=total)
        return row

    # The threads.

    def _need_licence(self, file: PublishedFile) -> None:
        licence = file.licence
        if licence.to_accept and licence.name not in weights.read_record(self._root).accepted:
            raise weights.LicenceNotAccepted(
                f"{file.file} is under the licence {licence.name}. {licence.words} Accept it first, after reading it."
            )

    def _put(self, file_id: str, act: Callable[[_Work], str]) -> None:
        with self._lock:
            if file_id in self._work:
                raise NothingToDo("Something is being done with this file already. Wait for it, or stop it.")
            work = self._work[file_id] = _Work(file_id, "waiting", Event())
        self._files.submit(self._do, work, act)

    def _do(self, work: _Work, act: Callable[[_Work], str]) -> None:
        if work.stop.is_set():
            return
        work.state = "checking"
        try:
            self._say(act(work), bad=False)
        except Cancelled:
            pass
        except EngineError as error:
            self._say(str(error), bad=True)
        except Exception as error:  # a bug; its traceback goes into the log
            log.exception("%s could not be worked on", work.file)
            self._say(f"Something broke ({type(error).__name__}); the log has more.", bad=True)
        finally:
            self._look()
            with self._lock:
                if self._work.get(work.file) is work:
                    del self._work[work.file]

    def _say(self, sentence: str, *, bad: bool) -> None:
        with self._lock:
            self._notices = [*self._notices, (sentence, bad)][-5:]

    def _look_when_changed(self) -> None:
        if not self._work and self._mark() != self._seen:
            self._look_again()

    def _mark(self) -> tuple[Any, ...]:
        """Give what changes when a file comes, goes or is written to: writing into one leaves its folder as it was."""
        files: list[tuple[str, int, int]] = []
        with os.scandir(self._root) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                with contextlib.suppress(FileNotFoundError):
                    seen = entry.stat()
                    files.append((entry.name, seen.st_size, seen.st_mtime_ns))
        return (self._root.stat().st_mtime_ns, *sorted(files))

    def _look_again(self) -> None:
        with self._lock:
            self._seen = self._mark()
        try:
            self._looking.submit(self._look)
        except RuntimeError:  # closed meanwhile
            return

    def _look(self) -> None:
        """Look at all files; those that are new are read whole."""
        try:
            record = weights.read_record(self._root)
            shelves = weights.shared_files(record)
            found: dict[str, Found] = {}
            for file in CATALOGUE.values():
                found[file.id] = weights.look(file, self._root, record, self._or_end, shelves=shelves)
        except Cancelled:
            return
        except (EngineError, OSError) as error:
            self._say(str(error), bad=True)
            return
        with self._lock:
            self._found, self._looked = found, True

    def _or_end(self, done: int, total: int) -> None:
        del done, total
        if self._closing.is_set():
            raise Cancelled
