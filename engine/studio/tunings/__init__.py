"""The tunings of a workspace, for a screen: asked for, waiting, running, finished, and how each of them went.

The worker does one at a time; those that wait stand in a small file beside the desk and are handed to it as it becomes
free. All else is read from where it lies anyway: jobs, tuned models, samples. So a page may go and come back, and so
may the app: a tuning that was broken off stays to be gone on with.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from threading import Event, RLock, Thread
from typing import TYPE_CHECKING, Any

from engine.errors import EngineError
from engine.jobs import Busy, Job
from engine.studio import consent, watched
from engine.studio.tunings.course import Courses, left_of
from engine.studio.tunings.entries import Entries, changed_at, name_in
from engine.studio.tunings.estimates import Estimates
from engine.studio.tunings.view import (
    Course,
    Ended,
    Entry,
    Estimated,
    Running,
    Sample,
    State,
    TuningsView,
    Wanted,
)
from engine.tuning import recipe
from engine.workspace import FileMissing, new_id, read_json, trash, write_json

if TYPE_CHECKING:
    from engine.people import Person
    from engine.studio.desk import Desk
    from engine.studio.view import View

__all__ = [
    "Course",
    "Ended",
    "Entry",
    "Estimated",
    "NoConsent",
    "NoSuchTuning",
    "Running",
    "Sample",
    "State",
    "StillRuns",
    "Tunings",
    "TuningsView",
    "Wanted",
]

log = logging.getLogger(__name__)

MOST_STEPS = 100_000
_LOOK_SECONDS = 0.5


class NoConsent(EngineError):
    """Nobody said yet that a person's photos may be used."""


class NoSuchTuning(EngineError):
    """A tuning was named that is not there, or cannot do what was asked."""


class StillRuns(EngineError):
    """A tuning cannot be deleted while it runs."""


@dataclass
class _Noted:
    """What is written down."""

    recipe: str = "quick"
    waiting: list[Wanted] = field(default_factory=list[Wanted])
    shown: str = ""
    beside: str = ""


class Tunings:
    """The tunings beside a desk. Every method may be called from any thread and returns at once."""

    def __init__(self, desk: Desk, *, recipe: str = "quick") -> None:
        """Open them; those that were waiting when the app was closed wait until `go_on`.

        Args:
            desk: on which the chosen person lies.
            recipe: chosen until the user chooses another.
        """
        self.desk = desk
        self._studio = desk.studio
        self._people = desk.studio.workspace.people
        self._file = desk.studio.workspace.root / "desk" / "tunings.json"
        self._lock = RLock()
        self._noted = self._read(recipe)
        self._notices: list[str] = []
        self._estimates = Estimates(desk.studio)
        self._courses = Courses(desk.studio.runner, self._people, desk.previews)
        self._records = Entries(desk.studio.runner, self._people)
        self._followed, self._seen = "", ""
        desk.when_forgotten.append(self.let_go)
        self._take_up()
        self._held = bool(self._noted.waiting)
        self._closed = Event()
        self._thread = Thread(target=self._serve, name="tunings", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Hand over nothing more."""
        self._closed.set()
        self._thread.join()

    # What a user does.

    def consent(self) -> None:
        """Note that the photos of the person on the desk may be used. Raises `NoSuchTuning` where there is nobody."""
        consent.give(self._people / self._person().id)

    def choose(self, recipe_name: str) -> None:
        """Choose a recipe. Raises `NoSuchRecipe`."""
        with self._lock:
            self._noted.recipe = recipe(recipe_name).name
            self._write()

    def estimate(self) -> None:
        """Have it tried out what tuning the person on the desk would take, unless that is known."""
        view = self.desk.view()
        person = self.desk.person
        if person is not None and self._running() is None and not self._noted.waiting:
            self._estimates.want(person.id, self._noted.recipe, _used(view))

    def start(self) -> None:
        """Tune the person on the desk with the chosen recipe: now, or after those that wait.

        Raises:
            NoSuchTuning: there is nobody, or no good photo of them.
            NoConsent: nobody said yet that their photos may be used.
        """
        person = self._person()
        if not _used(self.desk.view()):
            raise NoSuchTuning(f"There is no good photo of {person.name} yet. Add at least one first.")
        if not self._consented(person):
            raise NoConsent(f"Say first that you may use the photos of {person.name}: tick the box above the button.")
        self._put(Wanted(new_id("tuning"), person.id, person.name, self._noted.recipe))

    def extend(self, entry: str, steps: int) -> None:
        """Tune a finished model further, by so many steps of its last pivot.

        Raises:
            NoSuchTuning: it is not finished, or the number is none.
        """
        known = self._entry(entry)
        if not known.finished or known.state == "running":
            raise NoSuchTuning(f"The tuning of {known.name} is not finished. Let it come to its end first.")
        if not 1 <= steps <= MOST_STEPS:
            raise NoSuchTuning(f"Add 1 to {MOST_STEPS:,} steps; {steps} were asked for.")
        part = "guide" if known.guided else "text"
        further = {"more_guide" if part == "guide" else "more": steps}
        tuned = entry.partition("/")[2]
        self._put(Wanted(new_id("tuning"), known.person, known.name, known.recipe, tuned=tuned, **further))

    def go_on(self, entry: str = "") -> None:
        """Go on with a tuning that was broken off, before those that wait; without one, let these begin.

        Raises:
            NoSuchTuning: it is not there, or nothing says with which recipe it was begun.
        """
        with self._lock:
            self._held = False
        if not entry:
            return
        known, last = self._entry(entry), self._records.last_job(entry)
        if last is not None:
            wanted = self._asked_in(last, known.name)
        elif known.recipe:
            wanted = Wanted(new_id("tuning"), known.person, known.name, known.recipe)
        else:
            raise NoSuchTuning(f"Nothing says how the tuning of {known.name} was begun. Start a new one.")
        self._put(wanted, first=True)

    def drop(self, waiting: str) -> None:
        """Let one that waits wait no more."""
        with self._lock:
            self._noted.waiting = [one for one in self._noted.waiting if one.id != waiting]
            self._held = self._held and bool(self._noted.waiting)
            self._write()

    def stop(self) -> None:
        """Stop the one that runs at its next step; it can be gone on with."""
        self._tell_running(self._studio.runner.stop)

    def pause(self) -> None:
        """Let the one that runs wait, with all that it holds in memory."""
        self._tell_running(self._studio.runner.pause)

    def resume(self) -> None:
        """Let a paused one go on."""
        self._tell_running(self._studio.runner.resume)

    def look(self) -> None:
        """Have the one that runs restore the held-out photo after its next step."""
        running = self._running()
        if running is not None:
            self._studio.runner.ask(running.id, watched.LOOK)

    def show(self, entry: str) -> None:
        """Look at a tuning; the one that ran last is looked at until then."""
        with self._lock:
            self._noted.shown = entry
            if self._noted.beside == entry:
                self._noted.beside = ""
            self._write()

    def hold_beside(self, entry: str) -> None:
        """Hold a tuning beside the one that is looked at; "" takes it away."""
        with self._lock:
            self._noted.beside = "" if entry == self._noted.shown else entry
            self._write()

    def delete(self, entry: str) -> None:
        """Delete a tuning: its model, checkpoint and samples.

        Raises:
            NoSuchTuning, StillRuns: see there.
            FileRefused: the system refuses.
        """
        known = self._entry(entry)
        running = self._running()
        if running is not None and self._records.tuned_by(running) in ("", entry):
            raise StillRuns(f"The tuning of {known.name} still runs. Stop it first.")
        trash(self._records.folder(entry))
        with self._lock:
            self._courses.forget(entry)
            noted = self._noted
            noted.shown = "" if noted.shown == entry else noted.shown
            noted.beside = "" if noted.beside == entry else noted.beside
            self._write()

    def let_go(self, people: frozenset[str]) -> None:
        """Let nothing wait any more that is for people who are about to be deleted, and look at none of theirs."""
        with self._lock:
            noted = self._noted
            for one in noted.waiting:
                if one.person in people:
                    self.tell_deleted(one.name)
            noted.waiting = [one for one in noted.waiting if one.person not in people]
            self._held = self._held and bool(noted.waiting)
            noted.shown = "" if noted.shown.partition("/")[0] in people else noted.shown
            noted.beside = "" if noted.beside.partition("/")[0] in people else noted.beside
            self._write()

    def tell_deleted(self, name: str) -> None:
        """Tell that somebody who was tuned, or was to be, is deleted: whoever watches may not have done that."""
        sentence = f"{name} was deleted, on another screen or in another window, so they are not tuned any more."
        with self._lock:
            if sentence not in self._notices:
                self._notices.append(sentence)

    def forget_notice(self, index: int) -> None:
        """Take a notice away once it was read."""
        with self._lock:
            if 0 <= index < len(self._notices):
                del self._notices[index]

    # What a page sees.

    def view(self, desk: View) -> TuningsView:
        """Give how the tunings stand.

        Args:
            desk: as it lies now.
        """
        with self._lock:
            person, photos = self.desk.person, _used(desk)
            current = self._studio.runner.current()
            running = current if current is not None and current.kind == "tune" else None
            entries = self._records.entries(running)
            known = {entry.id: entry for entry in entries}
            now = self._as_running(running, known) if running is not None else None
            self._follow(now)
            shown = self._noted.shown if self._noted.shown in known else next(iter(known), "")
            beside = self._noted.beside if self._noted.beside in known and self._noted.beside != shown else ""
            return TuningsView(
                consented=person is not None and self._consented(person),
                recipe=self._noted.recipe,
                estimate=self._estimates.get(self._noted.recipe, photos) if photos else None,
                estimating=self._estimates.running,
                estimate_error=self._estimates.error(self._noted.recipe, photos) if photos else "",
                running=now,
                waiting=tuple(self._noted.waiting),
                held=self._held,
                ended=self._records.ended(),
                other=current.kind if current is not None and current.kind not in ("tune", "estimate") else "",
                entries=entries,
                shown=shown,
                course=self._course(known[shown]) if shown else None,
                beside=beside,
                beside_course=self._course(known[beside]) if beside else None,
                notices=tuple(self._notices),
            )

    # Waiting and beginning.

    def _take_up(self) -> None:
        """Let the last one wait again if the app was closed before there was anything of it to go on from."""
        last = self._records.newest()
        if last is None or last.state != "interrupted":
            return
        made = self._records.tuned_by(last)
        begun = bool(made) and (self._records.folder(made) / "state.json").exists()
        if not begun and (self._people / str(last.arguments["person"])).is_dir():
            wanted = self._asked_in(last, name_in(self._people / str(last.arguments["person"])))
            if all((one.person, one.recipe) != (wanted.person, wanted.recipe) for one in self._noted.waiting):
                self._noted.waiting = [wanted, *self._noted.waiting]

    def _asked_in(self, job: Job, name: str) -> Wanted:
        """Give what a job was asked for, to be asked for again."""
        asked = job.arguments
        further: dict[str, Any] = {key: int(asked.get(key, 0)) for key in ("more", "more_guide")}
        person, recipe_name = str(asked["person"]), str(asked["recipe"])
        return Wanted(new_id("tuning"), person, name, recipe_name, tuned=str(asked.get("tuned", "")), **further)

    def _serve(self) -> None:
        """Hand those that wait to the worker as it becomes free."""
        while not self._closed.wait(_LOOK_SECONDS):
            try:
                self._tell_end()
                self._begin_next()
            except Exception:  # the thread must live; the log says what broke
                log.exception("a tuning that waits could not be begun")

    def _begin_next(self) -> None:
        with self._lock:
            if self._held or not self._noted.waiting or self._studio.runner.current() is not None:
                return
            wanted = self._noted.waiting[0]
            further: dict[str, Any] = {key: getattr(wanted, key) for key in ("more", "more_guide", "tuned")}
            try:
                begun = self._studio.start_tuning(wanted.person, wanted.recipe, **further)
                self._records.add(begun)
                self._followed = begun.id
            except Busy:
                return
            except EngineError as error:
                self._notices.append(f"{wanted.name}: {error}")
            self._noted.waiting = self._noted.waiting[1:]
            self._write()

    def _put(self, wanted: Wanted, *, first: bool = False) -> None:
        with self._lock:
            kept = self._noted.waiting
            self._noted.waiting = [wanted, *kept] if first else [*kept, wanted]
            self._held = False
            self._noted.shown = ""
            self._write()
        self._begin_next()

    def _follow(self, now: Running | None) -> None:
        """Look at a tuning as soon as there is something of it to look at, unless another was looked at since."""
        if now is not None and now.entry and self._seen != now.job.id:
            self._seen = now.job.id
            self._noted.shown = now.entry

    def _tell_end(self) -> None:
        """Tell how the last one ended, where it failed."""
        running = self._running()
        job = running.id if running is not None else ""
        if self._followed and self._followed != job:
            ended = self._job(self._followed)
            if ended is not None and ended.over and ended.error:
                with self._lock:
                    self._notices.append(ended.error)
        self._followed = job

    # The tunings that there are.

    def _as_running(self, job: Job, known: Mapping[str, Entry]) -> Running:
        told, made = self._courses.told(job), self._records.tuned_by(job)
        entry = known.get(made)
        step, of = (entry.step, entry.of) if entry is not None else (0, 0)
        step = max([step, *list(told.losses)[-1:]])
        left, end = left_of(told, step, of)
        name = entry.name if entry is not None else name_in(self._people / str(job.arguments["person"]))
        wanted = self._asked_in(job, name)
        at: dict[str, Any] = {"stage": told.stage, "done": told.done, "total": told.total, "step": step, "of": of}
        known_id = entry.id if entry is not None else ""
        return Running(known_id, job, wanted, speed=told.speed, left=left, end=end, **at)

    def _course(self, entry: Entry) -> Course:
        jobs = self._records.worked_on().get(entry.id, []) if entry.state != "finished" else []
        if entry.finished:  # of its own steps the manifest knows all
            made = changed_at(self._records.folder(entry.id) / "manifest.json")
            jobs = [job for job in jobs if job.created > made]
        return self._courses.course(entry.id, entry.manifest, jobs)

    # Helpers.

    def _entry(self, entry: str) -> Entry:
        with self._lock:
            found = next((one for one in self._records.entries(self._running()) if one.id == entry), None)
        if found is None:
            raise NoSuchTuning("That tuning is no longer there. It may have been deleted in another window.")
        return found

    def _person(self) -> Person:
        person = self.desk.person
        if person is None:
            raise NoSuchTuning("Nobody is chosen yet. Choose a person, or add good photos of one first.")
        return person

    def _consented(self, person: Person) -> bool:
        return consent.given(self._people / person.id)

    def _running(self) -> Job | None:
        current = self._studio.runner.current()
        return current if current is not None and current.kind == "tune" else None

    def _tell_running(self, word: Callable[[str], None]) -> None:
        running = self._running()
        if running is not None:
            word(running.id)

    def _job(self, name: str) -> Job | None:
        try:
            return self._studio.runner.job(name)
        except EngineError:
            return None

    def _write(self) -> None:
        noted = self._noted
        waiting = [asdict(one) for one in noted.waiting]
        kept = {"recipe": noted.recipe, "waiting": waiting, "shown": noted.shown, "beside": noted.beside}
        write_json(self._file, {"version": 1, **kept})

    def _read(self, recipe_name: str) -> _Noted:
        """Read what was written down; a file that cannot be used is as good as none."""
        try:
            found = read_json(self._file)
            waiting = [Wanted(**one) for one in found["waiting"]]
            return _Noted(recipe(str(found["recipe"])).name, waiting, str(found["shown"]), str(found["beside"]))
        except FileMissing:
            return _Noted(recipe_name)
        except (EngineError, KeyError, TypeError, ValueError) as error:
            log.warning("nothing is known of the tunings that waited: %s", error)
            return _Noted(recipe_name)


def _used(view: View) -> int:
    return sum(reference.used for reference in view.references)
