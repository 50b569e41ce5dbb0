"""Taking photos in by the hundred: every face of every photo is found, measured and cut out, in processes of their own.

So whoever shows a page meanwhile goes on showing it, and both cores are used. A photo is copied first, and all that is
said of it is said of the copy. It is searched quickly; those in which no face is surely seen at first sight come last,
and are looked at as closely as the library's own detector does, which may take twenty seconds for a large one.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import connection
from pathlib import Path
from typing import Any

from engine import images
from engine.errors import EngineError
from engine.faces import Face, FaceDetector, cut, detector
from engine.faces.chain import HOG_UPRIGHT
from engine.faces.dlib_search import DlibDetector
from engine.images import Pixels
from engine.people.reference import measured, now, reference_json
from engine.workspace import write_bytes, write_json

CROP_SIZE = 192
"""Side in px of a face's small picture."""
CROP_QUALITY = 88
"""Of its JPEG."""
PROCESSES = 2
"""At most; each holds the face networks, 150 MB, and a photo or two."""
LESS_URGENT = 2
"""How much less urgent these processes are to the system than the app itself."""


class ReadingEnded(EngineError):
    """A process that read photos was ended from outside."""


@dataclass(frozen=True)
class Taken:
    """What became of one file."""

    file: Path
    ids: tuple[str, ...]
    """Of its faces, which lie in the place now, those there were before left out."""
    code: str = ""
    """`unreadable`, `no-face` or `already-there`; "" when there are new faces."""
    sentence: str = ""
    """What was found and what to do."""


def take_in(files: Sequence[Path], place: Path, known: frozenset[str]) -> Generator[Taken]:
    """Give what became of each file as it is done, in no fixed order. Whoever closes this stops it at once.

    Args:
        files: only read; more may be added at the end meanwhile.
        place: folder with `photos`, `references` and `crops`, which the faces come to.
        known: ids of the faces that are elsewhere already.

    Raises:
        ReadingEnded: a process was ended from outside.
        EngineError: the disk is full or the face models are missing; what was done lies in the place.
    """
    with _processes(min(PROCESSES, len(files))) as pool:
        done = 0
        while done < len(files):
            closer: list[Path] = []
            for file, taken in _each(pool, files, done, place, known, False):
                done += 1
                if taken is None:
                    closer.append(file)
                else:
                    yield taken
            for _, taken in _each(pool, closer, 0, place, known, True):
                assert taken is not None, "nothing is left open at a close look"
                yield taken


def take_one(file: Path, place: Path, known: frozenset[str], closely: bool) -> Taken | None:
    """Take one file in; None when no face is surely seen and it was not looked at closely. Arguments as `take_in`."""
    try:
        data = file.read_bytes()
    except OSError as error:
        why = (
            "It was moved or removed meanwhile; add it again"
            if isinstance(error, FileNotFoundError)
            else "Copy it again"
        )
        return Taken(file, (), "unreadable", f"{file.name} cannot be read: {error.strerror}. {why}.")
    from hashlib import sha256

    digest = sha256(data).hexdigest()[:16]
    copy = place / "photos" / (digest + (file.suffix.lower() if images.is_photo_name(file) else ""))
    fresh = not copy.exists()
    if fresh:
        write_bytes(copy, data)
    del data
    try:
        photo = images.read_photo(copy)
        pixels = photo.pixels
        faces = _faces(pixels, closely)
    except EngineError as error:
        _drop(copy, fresh)
        return Taken(file, (), "unreadable", str(error).replace(copy.name, file.name))
    if faces is None:
        _drop(copy, fresh)
        return None
    if not faces:
        _drop(copy, fresh)
        return Taken(
            file,
            (),
            "no-face",
            f"No face found in {file.name} ({photo.width} x {photo.height} px). "
            "Use a photo in which the face is upright, looks at the camera and is at least 60 px wide.",
        )
    ids = {f"{digest}-{number}": face for number, face in enumerate(faces)}
    new = {name: face for name, face in ids.items() if name not in known}
    if not new:
        _drop(copy, fresh)
        return Taken(file, (), "already-there", f"{file.name} is among the photos already.")
    taken = images.year_of(photo.exif) if photo.exif is not None else None
    for name, face in new.items():
        crop = place / "crops" / f"{name}.jpg"
        with suppress(images.AlreadyThere):
            images.save_photo(cut(pixels, face, CROP_SIZE).pixels, crop, quality=CROP_QUALITY)
        found = reference_json(measured(pixels, face), file.name, name, copy.name, len(faces) - 1, now(), taken)
        write_json(place / "references" / f"{name}.json", found)
    return Taken(file, tuple(new))


def _faces(pixels: Pixels, closely: bool) -> tuple[Face, ...] | None:
    """Give the faces of a photo; None when they are not surely seen and it was not looked at closely."""
    if closely:
        return detector("auto", small=False).find(pixels)
    faces = _quick().find(pixels)
    return faces if faces and max(face.score for face in faces) >= HOG_UPRIGHT else None


@lru_cache(maxsize=1)
def _quick() -> FaceDetector:
    return DlibDetector(levels=1, listed_side=0)


def _drop(copy: Path, fresh: bool) -> None:
    if fresh:
        copy.unlink(missing_ok=True)


def _each(
    pool: ProcessPoolExecutor, files: Sequence[Path], start: int, place: Path, known: frozenset[str], closely: bool
) -> Iterator[tuple[Path, Taken | None]]:
    """Hand files over, one ahead of what is done, and give what became of each."""
    running: dict[Future[Taken | None], Path] = {}
    while True:
        while len(running) <= PROCESSES and start < len(files):
            running[pool.submit(take_one, files[start], place, known, closely)] = files[start]
            start += 1
        if not running:
            return
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            try:
                yield running.pop(future), future.result()
            except BrokenExecutor as error:
                raise ReadingEnded(
                    "Photos were being read when the system ended that, as it does when memory runs out. Close other "
                    "programs and add them again; those that were read are here."
                ) from error


@contextmanager
def _processes(count: int) -> Generator[ProcessPoolExecutor]:
    """Give processes that end with the block; at once where it is left before its end."""
    fresh: Any = multiprocessing.get_context("spawn")
    ended, end = fresh.Pipe(duplex=False)
    pool = ProcessPoolExecutor(max(1, count), mp_context=fresh, initializer=_begin, initargs=(ended,))
    try:
        yield pool
    except BaseException:
        end.send(None)
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        for side in (ended, end):
            side.close()


def _begin(ended: Any) -> None:
    """Set a process up: less urgent than the app, one thread, deaf to Ctrl-C, and gone with the app."""
    import signal

    import cv2

    parent = multiprocessing.parent_process()
    assert parent is not None, "this is a process of its own"
    threading.Thread(target=_end_with, args=([parent.sentinel, ended],), daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    if hasattr(os, "nice"):
        os.nice(LESS_URGENT)


def _end_with(signs: list[Any]) -> None:
    """End this process when the one that started it is gone, however it went, or says so."""
    connection.wait(signs)
    os._exit(1)
