"""What is remembered beside the weights: accepted licences, pinned files, shared folders, and what was checked before.

It lies in one small file in the folder of weights. Several processes may write it, each change under a lock.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from engine.errors import EngineError
from engine.progress import Tick, silent
from engine.workspace import (
    PRIVATE_FOLDER,
    FileCorrupt,
    FileMissing,
    FileRefused,
    WorkspaceBusy,
    read_json,
    write_json,
)

log = logging.getLogger(__name__)

RECORD = ".weights.json"
LOCK = ".weights.lock"
LOCK_SECONDS = 10.0
CHUNK = 1 << 22

Origin = Literal["download", "yours"]


@dataclass(frozen=True)
class Pin:
    """What a file was when it came here, for files of which no public place states the SHA-256."""

    sha256: str
    size: int
    origin: Origin
    """Whether it was downloaded, or is the user's own choice for that place in the list."""
    source: str
    """Address or path it came from."""
    date: str
    """UTC, ISO 8601."""


@dataclass
class Record:
    """The whole of it."""

    accepted: dict[str, str] = field(default_factory=lambda: {})
    """When each licence was accepted, by its name."""
    pins: dict[str, Pin] = field(default_factory=lambda: {})
    """By the id of the file."""
    shared: list[str] = field(default_factory=lambda: [])
    """Folders of other programs that are searched too."""
    offline: bool = False
    digests: dict[str, list[Any]] = field(default_factory=lambda: {})
    """By path: size, times and inode of a file when it was last read whole, and its SHA-256 then."""


def read_record(root: Path) -> Record:
    """Give what is remembered; nothing where nothing was.

    Raises:
        FileCorrupt: the file is there and is not what was written.
    """
    try:
        value = read_json(root / RECORD)
    except FileMissing:
        return Record()
    try:
        return Record(
            accepted={str(name): str(date) for name, date in value["accepted"].items()},
            pins={str(file): Pin(**pin) for file, pin in value["pins"].items()},
            shared=[str(folder) for folder in value["shared"]],
            offline=bool(value["offline"]),
            digests={str(path): list(known) for path, known in value["digests"].items()},
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise FileCorrupt(
            f"{root / RECORD} is damaged. Put back a good copy, or delete it: then licences are to be accepted again."
        ) from error


@contextmanager
def changing(root: Path) -> Generator[Record]:
    """Give the record to be changed; when the block ends well, it is written.

    Raises:
        FileCorrupt: as `read_record`.
        FileRefused, DiskFull: it cannot be written.
        WorkspaceBusy: another process does not let go of it.
    """
    busy = f"{root} is in use by another Likeness. Wait for it, or close it."
    with alone(root / LOCK, busy, seconds=LOCK_SECONDS):
        record = read_record(root)
        yield record
        record.digests = {path: known for path, known in record.digests.items() if Path(path).exists()}
        write_json(root / RECORD, {"version": 1, **asdict(record)})


@contextmanager
def alone(path: Path, busy: str, *, seconds: float = 0.0) -> Generator[None]:
    """Hold a lock in a block, so that no other process is in it; the lock's folder is made where it is not there.

    Args:
        path: of the lock.
        busy: the sentence for the user when another process holds it.
        seconds: to wait for that one.

    Raises:
        WorkspaceBusy: another process holds it for longer.
        FileRefused: the folder cannot be written, or its disk knows no locks.
    """
    from filelock import FileLock, Timeout

    try:
        path.parent.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        lock = FileLock(path, timeout=seconds, thread_local=False)
        lock.acquire()
    except Timeout as error:
        raise WorkspaceBusy(busy) from error
    except (OSError, NotImplementedError) as error:  # the latter from older filelocks, where a disk knows no locks
        reason = getattr(error, "strerror", None) or error
        raise FileRefused(f"{path.parent} cannot be written: {reason}. Check your rights to that folder.") from error
    try:
        yield
    finally:
        lock.release()


def now() -> str:
    """Give the time for a record."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def digest(path: Path, root: Path, tick: Tick = silent, *, anew: bool = False) -> str:
    """Give a file's SHA-256, remembered from the last time as long as the file has not been touched since.

    Args:
        path: of the file.
        root: folder of the record.
        tick: called while it is read, in millions of bytes; not at all when the digest is remembered.
        anew: whether to read it whatever is remembered.

    Raises:
        FileMissing, FileRefused: it cannot be read.
        Cancelled: from the tick.
    """
    try:
        seen = mark(path)
        known = read_record(root).digests.get(_key(path))
        if known is not None and known[:-1] == seen and not anew:
            return str(known[-1])
        made = sha256_with(path, tick)
    except FileNotFoundError as error:
        raise FileMissing(f"{path} is not there. It may have been moved or removed.") from error
    except OSError as error:
        raise FileRefused(f"{path} cannot be read: {error.strerror}. Check that it is a file you may read.") from error
    if not root.is_dir():
        return made
    try:
        with changing(root) as record:
            remember(record, path, seen, made)
    except EngineError as error:  # a folder that may only be read: the file is read anew each time
        log.info("the SHA-256 of %s is not remembered: %s", path, error)
    return made


def remember(record: Record, path: Path, seen: list[Any], sha256: str) -> None:
    """Let `digest` know a file's SHA-256, as long as its `mark` is the one that was seen."""
    record.digests[_key(path)] = [*seen, sha256]


def _key(path: Path) -> str:
    return str(path.absolute())


def sha256_with(path: Path, tick: Tick = silent) -> str:
    """Give a file's SHA-256, ticking in millions of bytes. Raises OSError, and `Cancelled` from the tick."""
    import hashlib

    summed, done = hashlib.sha256(), 0
    with path.open("rb") as file:
        total = max(1, os.fstat(file.fileno()).st_size // 1_000_000)
        while chunk := file.read(CHUNK):
            summed.update(chunk)
            done += len(chunk)
            tick(min(total, done // 1_000_000), total)
    return summed.hexdigest()


def mark(path: Path) -> list[Any]:
    """Give what changes when a file is written to or replaced, so that gigabytes need not be read to know it again.

    The time of its last change of state is among it. Raises OSError.
    """
    found = path.stat()
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]
