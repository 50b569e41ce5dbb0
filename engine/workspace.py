"""The user's data folder: where everything private lies, held by one process, written whole or not at all.

Folders are made when they are first asked for, and only their owner may enter them. Every file is written under a
passing name and renamed when it is whole, so that what is read was always finished. What is removed is renamed first:
a removal that is broken off is ended by the next process that takes the lock.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import re
import secrets
import shutil
from collections.abc import Generator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Never

from engine.errors import EngineError

log = logging.getLogger(__name__)

PRIVATE_FOLDER = 0o700
PRIVATE_FILE = 0o600

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_LEFTOVER = re.compile(r"\.(trash-.*|.*-[0-9a-f]{12}\.part)", re.DOTALL)
"""Names that `trash` and `replacing` give in passing, random enough that no other file is taken for one."""


class WorkspaceUnusable(EngineError):
    """The data folder cannot be made, read or written."""


class WorkspaceBusy(EngineError):
    """Another process holds the data folder."""


class FileMissing(EngineError):
    """A file or folder of the workspace is not there."""


class FileCorrupt(EngineError):
    """A file of the workspace does not hold what it should."""


class FileRefused(EngineError):
    """The system refuses to read, write or delete a file."""


class DiskFull(EngineError):
    """There is no room for a file; nothing of it was left behind."""


class Workspace:
    """One data folder. Creating the object touches nothing on the disk."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(root).expanduser().absolute()

    @property
    def people(self) -> Path:
        """A folder for each person, with all that belongs to them."""
        return self._folder("people")

    @property
    def unsorted(self) -> Path:
        """Faces that were found and belong to nobody yet."""
        return self._folder("unsorted")

    @property
    def undo(self) -> Path:
        """What was done to people and faces, and what was removed, so that it can be undone."""
        return self._folder("undo")

    @property
    def jobs(self) -> Path:
        """A folder for each piece of work."""
        return self._folder("jobs")

    @property
    def runs(self) -> Path:
        """Results for pictures of nobody in particular."""
        return self._folder("runs")

    @property
    def cache(self) -> Path:
        """What may be deleted at any time."""
        return self._folder("cache")

    @property
    def weights(self) -> Path:
        """Networks that were fetched or given."""
        return self._folder("weights")

    @property
    def logs(self) -> Path:
        """What went wrong, with tracebacks."""
        return self._folder("logs")

    @contextmanager
    def lock(self) -> Generator[None]:
        """Hold the folder for this process while the block runs, and first end removals that were broken off.

        The system gives the lock back when the process ends, however it ends, so there is no stale lock to clear.

        Raises:
            WorkspaceBusy: another process, or another `lock` of this one, holds it.
            WorkspaceUnusable: the folder cannot be made or written.
        """
        from filelock import FileLock, Timeout

        self._make(self.root)
        # Beside the lock and not in it: Windows lets nobody read a file that is locked.
        holder = self.root / ".holder.json"
        lock = FileLock(self.root / ".lock", timeout=0, thread_local=False)
        try:
            lock.acquire()
        except Timeout as error:
            raise WorkspaceBusy(
                f"The data folder {self.root} is in use by {_process_named_in(holder)}. "
                "Close that one first, or choose another folder with --workspace."
            ) from error
        except (OSError, NotImplementedError) as error:  # the latter from older filelocks, where a disk knows no locks
            raise WorkspaceUnusable(
                f"The data folder {self.root} cannot be locked: {_reason(error)}. Choose another with --workspace."
            ) from error
        try:
            write_json(holder, {"version": 1, "pid": os.getpid()})
            self._sweep()
            yield
        finally:
            with suppress(OSError):
                holder.unlink(missing_ok=True)
            lock.release()

    def _folder(self, name: str) -> Path:
        self._make(self.root)
        return self._make(self.root / name)

    def _make(self, folder: Path) -> Path:
        """Make a folder that only its owner may enter; one that is there keeps its rights."""
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
        except (OSError, ValueError) as error:
            in_the_way = isinstance(error, (FileExistsError, NotADirectoryError))
            raise WorkspaceUnusable(
                f"The data folder {folder} cannot be made: {'a file is in the way' if in_the_way else _reason(error)}. "
                "Choose another with --workspace or LIKENESS_HOME."
            ) from error
        return folder

    def _sweep(self) -> None:
        """Delete what a process that was killed left half written or half removed. Only in folders of ours."""
        for name in ("people", "unsorted", "undo", "jobs", "runs", "cache", "weights", "logs"):
            for place, folders, files in os.walk(self.root / name):
                for leftover in [entry for entry in (*folders, *files) if _LEFTOVER.fullmatch(entry)]:
                    log.info("deleting %s, left by a process that was stopped", Path(place, leftover))
                    try:
                        _delete(Path(place, leftover))
                    except OSError as error:
                        log.warning("%s could not be deleted: %s", Path(place, leftover), error)
                folders[:] = [entry for entry in folders if not _LEFTOVER.fullmatch(entry)]


def default_root() -> Path:
    """Give the data folder used when none is named: `LIKENESS_HOME`, else the system's place for a user's data."""
    import platformdirs

    return Path(os.environ.get("LIKENESS_HOME") or platformdirs.user_data_dir("likeness", appauthor=False))


@contextmanager
def replacing(path: Path) -> Generator[Path]:
    """Give a passing path to write a file to; when the block ends well, the file takes its real name at once.

    A file that had the name is replaced; when the block fails, that one stays and nothing new is left. For writers that
    want a path, such as those of safetensors; for bytes there is `write_bytes`.

    Raises:
        DiskFull: there was no room.
        FileRefused: the system refuses to write there.
    """
    part = path.with_name(f".{path.name[:40]}-{secrets.token_hex(6)}.part")
    try:
        try:
            os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE))
            yield part
            with part.open("rb+") as file:
                os.fsync(file.fileno())
            part.replace(path)
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)
    except OSError as error:
        if error.errno in _FULL:
            raise DiskFull(f"{path} was not written: the disk is full. Make room on it and try again.") from error
        raise FileRefused(f"{path} was not written: {_reason(error)}. Check your rights to its folder.") from error


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole or not at all; a file that had the name is replaced. Raises as `replacing`."""
    with replacing(path) as part:
        part.write_bytes(data)


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON for people and programs: UTF-8, indented, no NaN. Raises as `replacing`.

    Raises:
        ValueError: a number is NaN or infinite, which JSON does not have.
        TypeError: the value holds something that JSON does not have.
    """
    try:
        data = json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False).encode()
    except UnicodeEncodeError:
        # File names that are not UTF-8 reach Python as lone surrogates; only escapes bring them back unchanged.
        data = json.dumps(value, indent=1, allow_nan=False).encode()
    write_bytes(path, data + b"\n")


def read_json(path: Path) -> Any:
    """Give what `write_json` wrote.

    Raises:
        FileMissing: there is no such file.
        FileCorrupt: it is not JSON.
        FileRefused: the system refuses to read it.
    """
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        _refuse_reading(path, error)
    except (ValueError, RecursionError) as error:  # JSON and UTF-8 errors are ValueErrors
        raise FileCorrupt(
            f"{path} is damaged: {_reason(error)}. Put back a good copy, or delete it if you can do without."
        ) from error


def sha256_file(path: Path) -> str:
    """Give the SHA-256 of a file, 64 hexadecimal digits. Raises `FileMissing` or `FileRefused`."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        _refuse_reading(path, error)


def fingerprint(value: Any) -> str:
    """Give 64 hexadecimal digits that are the same for equal JSON values, whatever the order of their keys.

    Raises:
        TypeError, ValueError: the value is not one that JSON has; NaN is none.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def new_id(prefix: str) -> str:
    """Give a name that nothing has yet; names of one prefix sort by the time they were made (UTC, microseconds)."""
    return f"{prefix}-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}-{secrets.token_hex(2)}"


def trash(path: Path) -> None:
    """Remove a file, or a folder with all that is in it. It is gone at once or not at all.

    A link is removed, not what it leads to.

    Raises:
        FileMissing: there is nothing of that name.
        FileRefused: the system refuses; the sentence says what is still on the disk.
    """
    gone = path.with_name(f".trash-{secrets.token_hex(6)}")
    try:
        path.rename(gone)
    except FileNotFoundError as error:
        raise FileMissing(f"{path} is not there, so it cannot be removed. It may have been removed already.") from error
    except OSError as error:
        raise FileRefused(f"{path} was not removed: {_reason(error)}. Check your rights to its folder.") from error
    try:
        _delete(gone)
    except OSError as error:
        raise FileRefused(
            f"{path} was removed, but some of its files could not be deleted: {_reason(error)}. Delete {gone} by hand."
        ) from error


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _process_named_in(holder: Path) -> str:
    """Name the process that holds a lock; the moment it takes or gives it back, its number is not there to be read."""
    try:
        found = read_json(holder)
    except EngineError:
        found = None
    pid: object = found.get("pid") if isinstance(found, dict) else None
    return f"another Likeness (process {pid})" if isinstance(pid, int) else "another Likeness"


def _refuse_reading(path: Path, error: OSError) -> Never:
    if isinstance(error, FileNotFoundError):
        raise FileMissing(f"{path} is not there. It may have been moved or removed.") from error
    raise FileRefused(f"{path} cannot be read: {_reason(error)}. Check that it is a file that you may read.") from error


def _reason(error: Exception) -> str:
    """Give the system's own words for a failure, without its number and path."""
    if isinstance(error, ValueError) and "embedded null" in str(error):
        return "its name holds a NUL character"  # which each version of Python says otherwise
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
