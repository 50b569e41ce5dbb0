"""The pile: many photos at once, as the page shows them, and goes on showing them after a reload or a restart.

It is the newest batch of the workspace, file by file, and beside it what waits: photos that were dropped, or a folder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import Any

from engine import images
from engine.errors import EngineError
from engine.jobs import Event, Job, NoSuchJob
from engine.studio.batch import photos_in
from engine.studio.desk import Desk, NothingToRestore
from engine.studio.exporting import named
from engine.studio.finish import read_finish
from engine.studio.items import item_id
from engine.studio.work import PHOTOS
from engine.workspace import read_json, trash

GATHERED = "pile"
"""Folder in the desk's own, in which dropped photos wait."""


@dataclass(frozen=True)
class PileRow:
    """One photo of the pile."""

    name: str
    """Its path in the folder."""
    state: str
    """`waiting`, `running`, `done`, `skipped` or `failed`."""
    sentence: str
    """Why it failed or was skipped; "" otherwise."""
    item: str
    """Id of its result, for `Desk.open_result`; "" while there is none."""


@dataclass(frozen=True)
class PileView:
    """All of the pile at one moment."""

    waiting: int
    """Photos that were dropped, or lie in the chosen folder, and are not begun."""
    chosen: str
    """The folder of this machine that they lie in; "" for dropped ones."""
    job: Job | None
    """The newest batch."""
    name: str
    """What its folder is called; "" for dropped photos."""
    out: str
    """Folder of its results, where the user named one."""
    rows: tuple[PileRow, ...]
    ended: str
    """Why it ended before all were reached, in a sentence; "" if it did not."""
    read: bool
    """Whether the user closed what it had to say at its end."""

    def count(self, state: str) -> int:
        """Count the photos of a state."""
        return sum(row.state == state for row in self.rows)


class Pile:
    """The pile beside a desk. For any thread."""

    def __init__(self, desk: Desk) -> None:
        """Find the newest batch."""
        self.desk = desk
        self._runner = desk.studio.runner
        self._gathered = desk.studio.workspace.root / "desk" / GATHERED
        self._lock = RLock()
        self._job = next((job.id for job in self._runner.jobs() if job.kind == "batch"), "")
        self._notice_read = ""
        self._chosen: tuple[str, int] = ("", 0)
        self._read: tuple[str, int] = ("", 0)
        self._files: list[Event] = []
        self._names: list[str] = []

    def gather(self, files: Sequence[Path]) -> None:
        """Take dropped files to those that wait; a name that is there already gets a number.

        Raises:
            NotDroppedHere: a file did not come in through the page.
        """
        with self._lock:
            self._chosen = ("", 0)
            self._gathered.mkdir(mode=0o700, exist_ok=True)
            for file in [self.desk.dropped(file) for file in files]:
                file.replace(images.free_name(self._gathered, file.stem, file.suffix))

    def choose(self, folder: str) -> None:
        """Take a folder of this machine, in the place of what waits; its photos stay where they are.

        Raises:
            EngineError: it holds no photos, or cannot be listed.
        """
        place = named(folder)
        if not place.is_absolute():
            raise NothingToRestore(f"{folder} does not say where it lies. Write the whole path of the folder.")
        count = len(photos_in(place))
        with self._lock:
            self._chosen = (str(place), count)

    def scatter(self) -> None:
        """Take what waits away: dropped photos are removed, a chosen folder is only let go of."""
        with self._lock:
            if self._chosen[0]:
                self._chosen = ("", 0)
                return
            if self._gathered.exists():
                trash(self._gathered)

    def start(
        self,
        *,
        out: str,
        skip_done: bool,
        options: Mapping[str, Any],
        recipe: str,
        seed: int,
        finish: Mapping[str, Any],
        prior: str = "pocket",
    ) -> Job:
        """Begin to restore the photos that wait, with the person on the desk.

        Args:
            out: folder of the results, made if it is not there; "" is beside each photo.
            skip_done: whether photos that were restored with these settings before are left as they are.
            options, recipe, seed, finish, prior: as `Desk.start`.

        Raises:
            NothingToRestore: there is no person, or no photo; the sentence says what.
            EngineError: the folder cannot be used, or the runner is busy.
        """
        person = self.desk.person
        if person is None or not any(reference.used for reference in self.desk.view().references):
            raise NothingToRestore("There is no good photo of the person yet. Drop at least one first.")
        target = named(out) if out.strip() else None
        if target is not None and not target.is_absolute():
            raise NothingToRestore(f"{out} does not say where it lies. Write the whole path of the folder for results.")
        studio = self.desk.studio
        given: dict[str, Any] = {"person": person.id, "options": options, "recipe": recipe, "seed": seed}
        given |= {"finish": read_finish(finish), "prior": prior, "skip_done": skip_done, "out": target}
        with self._lock:
            if self._chosen[0]:
                job = studio.start_batch(Path(self._chosen[0]), **given)
                self._chosen = ("", 0)
            else:
                if not self._waiting():
                    raise NothingToRestore("There are no photos yet. Drop several, or name a folder of this machine.")
                run = studio.new_run(person.id)
                run.rmdir()
                self._gathered.rename(run)
                try:
                    job = studio.start_batch(run, **given)
                except BaseException:
                    run.rename(self._gathered)  # nothing of what was dropped is lost
                    raise
            self._job = job.id
        self.desk.consent(person)
        return job

    def stop(self) -> None:
        """Ask the batch to stop at its next step, if it still runs."""
        job = self._found()
        if job is not None and not job.over:
            self._runner.stop(job.id)

    def forget_notice(self) -> None:
        """Take away what the batch had to say at its end, once it was read."""
        with self._lock:
            self._notice_read = self._job

    def view(self) -> PileView:
        """Give the pile as it is now."""
        with self._lock:
            job = self._found()
            chosen, count = self._chosen
            waiting = count if chosen else len(self._waiting())
            if job is None:
                return PileView(waiting, chosen, None, "", "", (), "", True)
            folder, out = Path(job.arguments["photo"]), str(job.arguments["out"])
            dropped = folder.is_relative_to(self.desk.studio.workspace.root)
            ended = str((job.result or {}).get("ended", ""))
            return PileView(
                waiting=waiting,
                chosen=chosen,
                job=job,
                name="" if dropped else str(folder),
                out="" if out == str(folder) else out,
                rows=self._rows(job),
                ended=ended,
                read=self._notice_read == job.id,
            )

    def _rows(self, job: Job) -> tuple[PileRow, ...]:
        """Give the photos of a batch; of its events only those are read that came since."""
        if self._read[0] != job.id:
            self._read, self._files, self._names = (job.id, 0), [], []
        new = self._runner.events(job.id, self._read[1])
        if new:
            self._read = (job.id, new[-1].n)
            self._files += [event for event in new if event.event == "file"]
        if not self._names:
            try:
                self._names = [str(name) for name in read_json(job.folder / PHOTOS)]
            except (EngineError, TypeError):  # the batch has not come so far
                self._names = []
        told = [
            PileRow(
                str(event.data["name"]),
                str(event.data["state"]),
                str(event.data["sentence"]),
                item_id(job.id, n) if event.data["result"] else "",
            )
            for n, event in enumerate(self._files, 1)
        ]
        waiting = [PileRow(name, "waiting", "", "") for name in self._names[len(told) :]]
        if waiting and job.state == "running":
            waiting[0] = PileRow(waiting[0].name, "running", "", "")
        return (*told, *waiting)

    def _waiting(self) -> list[str]:
        if not self._gathered.is_dir():
            return []
        return sorted(file.name for file in self._gathered.iterdir() if images.is_photo_name(file.name))

    def _found(self) -> Job | None:
        try:
            return self._runner.job(self._job) if self._job else None
        except NoSuchJob:
            return None
