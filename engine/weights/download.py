"""Downloading one file: with progress, resumed where it broke off, from the next address when one fails, whole or not.

The bytes go to a hidden file beside the place they are for, which takes that name only once size and SHA-256 are right.
It survives a stop, a cut and the end of the process, and the next download goes on from its end.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import shutil
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from engine.errors import EngineError
from engine.progress import Report, Tick, stage
from engine.weights.connection import LOOK_SECONDS, Again, Patience, SourceFailed, stream
from engine.weights.files import WeightsDamaged
from engine.weights.record import alone, sha256_with
from engine.weights.unpickle import refuse_page
from engine.workspace import DiskFull, FileRefused, read_json, write_json

if TYPE_CHECKING:
    import httpx

log = logging.getLogger(__name__)

MEGABYTE = 1_000_000
LEAST_GAIN = 256 * 1024
"""Bytes that a try must bring so that the next failure counts as the first."""
MOST_RESTARTS = 3
SPARE_BYTES = 64 * MEGABYTE
"""Left free on the disk."""

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)")
_GONE = frozenset({401, 403, 404, 410, 451})
_BUSY = frozenset({408, 425, 429})


class DownloadFailed(EngineError):
    """No address gave the file."""


@dataclass(frozen=True)
class Wanted:
    """The file that is to come."""

    name: str
    sha256: str | None
    """None where nobody states it."""
    size: int | None
    """Bytes; None likewise."""


@dataclass(frozen=True)
class Fetched:
    """The file that came."""

    sha256: str
    size: int
    url: str
    notes: tuple[str, ...]
    """What the user should know, in sentences."""


class _Changed(Exception):
    """What came before is of another version of the file. It was deleted."""


@dataclass
class _Part:
    """The hidden file that bytes go to, with what is known of where they came from."""

    path: Path
    url: str = ""
    validator: str = ""
    """What the server names this version of the file by."""
    total: int | None = None

    @property
    def about(self) -> Path:
        return self.path.with_name(f"{self.path.name}.json")

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.is_file() else 0

    @classmethod
    def of(cls, target: Path) -> _Part:
        """Give the one for a place, as it was left."""
        part = cls(target.with_name(f".{target.name}.partial"))
        try:
            value = read_json(part.about)
            part.url, part.validator, part.total = str(value["url"]), str(value["validator"]), value["total"]
        except (EngineError, KeyError, TypeError):
            part.clear()
        return part

    def note(self, url: str, validator: str, total: int | None) -> None:
        self.url, self.validator, self.total = url, validator, total
        write_json(self.about, {"version": 1, "url": url, "validator": validator, "total": total})

    def clear(self) -> None:
        for path in (self.path, self.about):
            path.unlink(missing_ok=True)
        self.url, self.validator, self.total = "", "", None


def fetch(
    wanted: Wanted,
    urls: Sequence[str],
    target: Path,
    report: Report,
    *,
    check: Callable[[Path], None],
    patience: Patience | None = None,
) -> Fetched:
    """Download a file to a place; a file that is there is replaced once the new one is whole and right.

    Proxies are those of the environment (`HTTPS_PROXY`, `NO_PROXY` and so on).

    Args:
        wanted: what must come.
        urls: addresses of it, the first one first.
        target: its path when it is whole.
        report: told millions of bytes; a stop keeps what came so far.
        check: given the hidden file of the right size and SHA-256; raises `WeightsDamaged` for one that will not do.
        patience: when an address is given up.

    Raises:
        DownloadFailed: every address failed; the sentence says how.
        DiskFull: there is no room; nothing is left behind.
        FileRefused: the place cannot be written.
        WorkspaceBusy: another process is downloading the same file.
        Cancelled: from the report.
    """
    patience = patience or Patience()
    busy = f"Another Likeness is downloading {target.name}. Wait for it."
    with alone(target.with_name(f".{target.name}.lock"), busy), _left_clean(_Part.of(target)) as part:
        notes, failures = list[str](), list[str]()
        for url in urls:
            try:
                sha256 = _whole(url, wanted, part, report, notes=notes, check=check, patience=patience)
            except SourceFailed as error:
                failures.append(f"{urlsplit(url).netloc} {error}")
                log.info("%s was not downloaded from %s: %s", wanted.name, url, error)
                continue
            size = part.size
            _place(part, target)
            if failures:
                notes.append(f"{wanted.name} came from {urlsplit(url).netloc}, since {'; '.join(failures)}.")
            return Fetched(sha256, size, url, tuple(dict.fromkeys(notes)))
        kept = f" The {part.size / MEGABYTE:.1f} MB that came are kept." if part.size else ""
        raise DownloadFailed(
            f"{wanted.name} was not downloaded: {'; '.join(failures)}. Check the network and run the same command, or "
            f"download it by other means and run: python app.py weights use FILE.{kept}"
        )


@contextmanager
def _left_clean(part: _Part) -> Generator[_Part]:
    """Leave no hidden file that holds nothing."""
    try:
        yield part
    finally:
        if not part.size:
            part.clear()


def _whole(
    url: str,
    wanted: Wanted,
    part: _Part,
    report: Report,
    *,
    notes: list[str],
    check: Callable[[Path], None],
    patience: Patience,
) -> str:
    """Bring the hidden file to its end from one address, and give its SHA-256 once it is right."""
    resumed = part.size > 0
    getting, checking = stage(report, f"getting {wanted.name}, MB"), stage(report, f"checking {wanted.name}, MB")
    _all_of(url, wanted, part, getting, notes=notes, patience=patience)
    try:
        return _checked(wanted, part, checking, check)
    except SourceFailed:
        if not resumed:
            raise
        # The part that was here before may be the wrong one, so this address is not to blame yet.
        notes.append(f"What had come of {wanted.name} before did not fit, so its download started anew.")
        _all_of(url, wanted, part, getting, notes=notes, patience=patience)
        return _checked(wanted, part, checking, check)


def _all_of(url: str, wanted: Wanted, part: _Part, tick: Tick, *, notes: list[str], patience: Patience) -> None:
    """Ask an address until the hidden file is at its end."""
    tried, restarts = 0, 0
    while True:
        begun = part.size
        try:
            return _once(url, wanted, part, tick, notes=notes, patience=patience)
        except _Changed as error:
            notes.append(f"{wanted.name} changed on the server, so its download started anew.")
            restarts += 1
            if restarts > MOST_RESTARTS:
                raise SourceFailed("changes the file while it is downloaded") from error
        except Again as error:
            tried = 1 if part.size - begun >= LEAST_GAIN else tried + 1
            if tried >= patience.tries:
                raise SourceFailed(str(error)) from error
            log.info("%s: %s; trying again", url, error)
            _pause(patience.wait_seconds * 2 ** (tried - 1), lambda: _show(part, wanted, tick))


def _once(url: str, wanted: Wanted, part: _Part, tick: Tick, *, notes: list[str], patience: Patience) -> None:
    """Ask an address once and take what comes."""
    same = part.url == url and part.validator
    if not same and wanted.sha256 is None:
        part.clear()  # nothing would tell whether what is there belongs to the same file
    have = part.size
    if have and have == part.total:
        return
    headers = {"Accept-Encoding": "identity", "User-Agent": "likeness"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if same:
            headers["If-Range"] = part.validator
    with stream(url, headers, lambda: _show(part, wanted, tick), patience) as (response, pieces):
        if response.status_code == 416:
            found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
            if found is not None and found[2] == str(have):
                return
            part.clear()
            raise _Changed
        _refuse_status(response)
        started, total = _extent(response)
        _refuse_offer(url, response, wanted, total)
        if started != have and started != 0:
            part.clear()
            raise _Changed
        if have and started == 0:
            changed = same and _validator(response) != part.validator
            how = "changed on the server" if changed else "cannot be continued where it broke off"
            notes.append(f"{wanted.name} {how}, so its download started anew.")
            part.clear()
        elif have and part.total is not None and total is not None and total != part.total:
            part.clear()
            raise _Changed
        if part.url != url or not part.size:
            part.note(url, _validator(response), total)
        _need_room(part, total or wanted.size)
        _take(pieces, wanted, part, tick)
    if part.total is not None and part.size < part.total:
        raise Again("cuts the connection before the end")


def _take(pieces: Generator[bytes | None], wanted: Wanted, part: _Part, tick: Tick) -> None:
    """Write what comes, looking for a stop all the while."""
    most = part.total if part.total is not None else wanted.size
    size = part.size
    try:
        with part.path.open("ab") as file:
            for piece in pieces:
                _show(part, wanted, tick, size)
                if piece is None:
                    continue
                if size == 0 and _is_page(piece):
                    raise SourceFailed("sends a web page instead of the file")
                file.write(piece)
                size += len(piece)
                if most is not None and size > most:
                    break
    except OSError as error:
        if error.errno not in _FULL:
            raise FileRefused(f"{part.path} cannot be written: {error.strerror}. Check your rights.") from error
        part.clear()
        raise DiskFull(
            f"The disk of {part.path.parent} is full, so the download was given up and nothing of it was left behind. "
            "Make room on it and run the same command."
        ) from error
    if most is not None and size > most:
        part.clear()
        raise SourceFailed(f"sends more than the {most:,} bytes of the file")


def _show(part: _Part, wanted: Wanted, tick: Tick, size: int | None = None) -> None:
    """Say how far the download is, and look for a stop."""
    done = (part.size if size is None else size) // MEGABYTE
    total = part.total if part.total is not None else wanted.size
    tick(done, max(1, total // MEGABYTE) if total else done + 1)


def _is_page(start: bytes) -> bool:
    try:
        refuse_page(Path(), start[:512])
    except WeightsDamaged:
        return True
    return False


def _checked(wanted: Wanted, part: _Part, tick: Tick, check: Callable[[Path], None]) -> str:
    """Give the SHA-256 of the hidden file once it is right; one that is not is deleted."""
    if wanted.size is not None and part.size != wanted.size:
        found = part.size
        part.clear()
        raise SourceFailed(f"gave {found:,} bytes and the file has {wanted.size:,}")
    try:
        sha256 = sha256_with(part.path, tick)
    except OSError as error:
        raise FileRefused(f"{part.path} cannot be read: {error.strerror}.") from error
    if wanted.sha256 is not None and sha256 != wanted.sha256:
        part.clear()
        raise SourceFailed("gave another file: its SHA-256 is not the published one")
    try:
        check(part.path)
    except WeightsDamaged as error:
        log.info("%s", error)
        part.clear()
        raise SourceFailed("gave something that is no file of these weights") from error
    return sha256


def _place(part: _Part, target: Path) -> None:
    """Give the hidden file its name."""
    try:
        with part.path.open("rb+") as file:
            os.fsync(file.fileno())
        part.path.replace(target)
    except OSError as error:
        raise FileRefused(f"{target} was not written: {error.strerror}. Check your rights to its folder.") from error
    part.clear()


def _extent(response: httpx.Response) -> tuple[int, int | None]:
    """Give where an answer's bytes begin in the file, and how long the file is if the answer says so."""
    if response.status_code == 206:
        found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if found is None or found[1] is None:
            raise SourceFailed("continues a download without saying where")
        return int(found[1]), None if found[2] == "*" else int(found[2])
    length = response.headers.get("Content-Length", "")
    return 0, int(length) if length.isdigit() else None


def _validator(response: httpx.Response) -> str:
    """Give what names this version of the file: a strong ETag, else its date, else nothing."""
    etag = response.headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified", "")


def _refuse_status(response: httpx.Response) -> None:
    status = response.status_code
    if status in (200, 206):
        return
    if status in _GONE:
        raise SourceFailed(f"does not have it or gives it to nobody (answer {status})")
    if status in _BUSY or status >= 500:
        raise Again(f"is busy or broken (answer {status})")
    raise SourceFailed(f"gives an answer that is no file (answer {status})")


def _refuse_offer(url: str, response: httpx.Response, wanted: Wanted, total: int | None) -> None:
    if "text/html" in response.headers.get("Content-Type", ""):
        raise SourceFailed("sends a web page instead of the file")
    if wanted.size is not None and total is not None and total != wanted.size:
        raise SourceFailed(f"offers {total:,} bytes and the file has {wanted.size:,}")
    if wanted.sha256 is None and urlsplit(url).scheme == "https" and response.url.scheme != "https":
        raise SourceFailed("leads to an address without encryption, and nobody states the file's SHA-256")


def _need_room(part: _Part, total: int | None) -> None:
    if total is None:
        return
    needed, free = total - part.size, shutil.disk_usage(part.path.parent).free
    if needed + SPARE_BYTES > free:
        kept = part.size
        raise DiskFull(
            f"There is not enough room in {part.path.parent}: {needed / MEGABYTE:,.0f} MB and "
            f"{SPARE_BYTES / MEGABYTE:.0f} MB to spare are needed, {free / MEGABYTE:,.0f} MB are free. Make room and "
            f"run the same command{', which goes on where it was' if kept else ''}."
        )


def _pause(seconds: float, look: Callable[[], None]) -> None:
    """Wait, looking for a stop."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        look()
        time.sleep(min(LOOK_SECONDS, left))
