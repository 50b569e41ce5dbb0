"""The first time: the sample person, who is nobody, restored from nothing, so that a newcomer sees the whole way.

The files that ship are given to the desk as if they had been dropped on the page; all else is what the desk does with
any photo. What stands of it on the disk is one word, so it survives a reload and a restart.
"""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass
from pathlib import Path
from threading import Event, RLock, Thread
from typing import TYPE_CHECKING, Literal

from engine.errors import EngineError
from engine.workspace import FileMissing, new_id, read_json, write_json

if TYPE_CHECKING:
    from engine.studio.desk import Desk
    from engine.studio.view import View

log = logging.getLogger(__name__)

SAMPLE = Path(__file__).resolve().parents[2] / "assets" / "person"
PHOTO = "old-02.jpg"
_LOOK_SECONDS = 0.3

Word = Literal["", "begun", "over"]
Stage = Literal["offered", "photos", "damaged", "tuning", "restoring", "done", "stopped", "gone"]
TUNING = frozenset(
    {"learning the face", "preparing photos", "preparing generic faces", "personalizing", "steadying the guide"}
)
"""Stages of the job in which the face is learned."""


class NoSamplePerson(EngineError):
    """The shipped sample person is not there."""


@dataclass(frozen=True)
class FirstRunView:
    """How far it is."""

    stage: Stage
    """`offered` in an empty workspace, `gone` once it is of no use any more."""
    error: str
    """Why it does not go on; "" where it does, or where the user stopped it."""


class FirstRun:
    """The first run beside a desk. Every method may be called from any thread and returns at once."""

    def __init__(self, desk: Desk, *, name: str, recipe: str) -> None:
        """Read how far it is.

        Args:
            desk: on which the sample person is laid.
            name: what the sample person is called.
            recipe: of the tuning.
        """
        self._desk, self.name, self._recipe = desk, name, recipe
        self._file = desk.studio.workspace.root / "desk" / "first-run.json"
        self._lock = RLock()
        self._word: Word = self._read()
        self._error = ""
        self._closed = Event()
        self._thread: Thread | None = None

    def close(self) -> None:
        """Do nothing more."""
        self._closed.set()
        if self._thread is not None:
            self._thread.join()

    def begin(self) -> None:
        """Lay the sample person on the desk and restore their photo; or go on where that was broken off.

        Raises:
            NoSamplePerson: the project's pictures are missing.
        """
        references = sorted((SAMPLE / "references").glob("*.jpg"))
        photo = SAMPLE / "damaged" / PHOTO
        if not references or not photo.is_file():
            raise NoSamplePerson(f"The sample person in {SAMPLE} is missing. Get the project's files again.")
        with self._lock:
            if self._thread is not None and self._thread.is_alive():
                return
            self._note("begun")
            self._error = ""
            view = self._desk.view()
            if self.name not in view.known:
                self._desk.add_references([self._copied(file) for file in references], name=self.name)
            elif view.person != self.name:
                self._desk.choose_person(self.name)
            if view.photo is None or view.photo.file.name != PHOTO:
                self._desk.put_photo(self._copied(photo))
            self._thread = Thread(target=self._go_on, args=(len(references),), name="first-run", daemon=True)
            self._thread.start()

    def leave(self) -> None:
        """Be of no more use; the desk is cleared for the user's own photos where the sample person lies on it."""
        with self._lock:
            self._note("over")
        if self._desk.view().person == self.name:
            self._desk.clear()

    def view(self, view: View) -> FirstRunView:
        """Give how far it is.

        Args:
            view: of the desk.
        """
        with self._lock:
            return FirstRunView(self._stage(view), self._error)

    def _stage(self, view: View) -> Stage:
        if self._word == "":
            empty = not view.known and view.photo is None and not view.person and view.looking is None
            return "offered" if empty else "gone"
        if self._word == "over" or (view.person and view.person != self.name):
            return "gone"
        job = view.job
        if job is not None and not job.over:
            return "tuning" if self._learning() else "restoring"
        if view.result is not None and view.result.person == self.name:
            return "done"
        if self._thread is None or not self._thread.is_alive():
            return "stopped" if job is None or job.state != "finished" else "restoring"
        return "damaged" if view.references and view.looking is None else "photos"

    def _learning(self) -> bool:
        """Whether the job on the desk is still at learning the face."""
        job = self._desk.view().job
        if job is None:
            return False
        told = [event for event in self._desk.studio.runner.events(job.id) if event.event == "progress"]
        return not told or str(told[-1].data["stage"]) in (*TUNING, "loading")

    def _go_on(self, photos: int) -> None:
        """Press the button as soon as everything is there."""
        try:
            while not self._closed.wait(_LOOK_SECONDS):
                view = self._desk.view()
                here = len(view.references) >= photos and view.looking is None
                if here and view.photo is not None and view.photo.file.name == PHOTO and not view.photo_coming:
                    self._desk.start(options={}, recipe=self._recipe, seed=0)
                    return
                if view.reference_notices and view.looking is None and not here:
                    self._error = view.reference_notices[-1]
                    return
        except EngineError as error:
            self._error = str(error)
        except Exception:  # a bug; its traceback goes into the log
            log.exception("the first run broke off")
            self._error = "Something broke; the log has more."

    def _copied(self, file: Path) -> Path:
        """Put a copy where the page puts what is dropped on it; the desk deletes it once it was taken."""
        place = self._desk.uploads / new_id("sample") / file.name
        place.parent.mkdir(mode=0o700)
        shutil.copyfile(file, place)
        return place

    def _note(self, word: Word) -> None:
        self._word = word
        write_json(self._file, {"version": 1, "state": word})

    def _read(self) -> Word:
        try:
            found = read_json(self._file)["state"]
        except FileMissing:
            return ""
        except (EngineError, KeyError, TypeError) as error:
            log.warning("nothing is known of the first run: %s", error)
            return "over"
        return found if found in ("", "begun") else "over"
