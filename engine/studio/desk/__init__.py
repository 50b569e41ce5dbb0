"""The desk: what a page shows and goes on showing after a reload or a restart.

On it lie one person, one damaged photo, the last job and the knobs. All of it is a small JSON file in the workspace;
the page keeps nothing. Looking through photos takes seconds, so one thread of the desk does it, file by file, and the
page asks how far it is. Restoring itself runs in the worker, as ever.

What a browser is shown are proxies (see `engine.studio.proxies`) in one folder of the cache that holds nothing else.
They last as long as the desk is open.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import images
from engine.errors import EngineError
from engine.jobs import Job
from engine.people import called
from engine.results import path_beside
from engine.studio import consent
from engine.studio.desk.clerk import Clerk
from engine.studio.desk.damaged import Damaged, chosen_face
from engine.studio.desk.references import References
from engine.studio.desk.results import Results
from engine.studio.exporting import export, named
from engine.studio.finish import finish_from, knobs_of, read_finish
from engine.studio.view import Likely, View
from engine.workspace import FileRefused, new_id, trash

if TYPE_CHECKING:
    from engine.people import Person
    from engine.studio import Studio


class NothingToRestore(EngineError):
    """A restoration was asked for before there were references and a photo."""


class NotDroppedHere(EngineError):
    """A file was named that did not come in through the page."""


class Desk:
    """One desk in one workspace. Every method may be called from any thread and returns at once."""

    def __init__(self, studio: Studio) -> None:
        """Open the desk; `lay_out` brings back what was on it."""
        self.studio = studio
        self.previews = studio.workspace.cache / "previews"
        self.uploads = studio.workspace.cache / "uploads"
        """Where the page puts files that are dropped on it."""
        self._clear_cache()
        self._clerk = Clerk(studio.workspace)
        self._references = References(studio, self._clerk, self.previews)
        self._damaged = Damaged(self._clerk, self.previews, studio.people)
        self._results = Results(studio, self._clerk, self.previews)
        self._saved = ("", "")
        self.when_forgotten: list[Callable[[frozenset[str]], None]] = []
        """Called with the ids of people who are about to be deleted, so that other screens let go of them too."""

    def lay_out(self) -> None:
        """Begin to lay out what was on the desk when it was last closed.

        Apart from opening, since reading photos would slow down whatever else is being started.
        """
        self._damaged.lay_out()
        self._references.begin()

    def close(self) -> None:
        """End the desk's thread after the file that it is at, and delete the previews."""
        self._clerk.close()
        self._clear_cache()

    # What a user does.

    def choose_person(self, name: str) -> None:
        """Put a known person on the desk, or an empty place for somebody new."""
        self._references.choose(name)

    def follow_person(self, person: Person) -> None:
        """Keep whoever lay on the desk there, by their id, after somebody may have renamed them."""
        on_desk, everybody = self.person, self.studio.people.list()
        if on_desk is None or on_desk.id != person.id:
            for one in everybody:
                if one.id == person.id:
                    self.choose_person(called(one, everybody))

    def add_references(self, files: Sequence[Path], *, name: str) -> None:
        """Take dropped files as photos of a person, who is made when there is nobody of that name.

        Raises:
            NotDroppedHere: a file is not among those that came in through the page.
        """
        self._references.add([self.dropped(file) for file in files], name)

    def clear(self) -> None:
        """Make room for somebody else; whoever lay on the desk is still among the people."""
        with self._clerk.lock:
            noted = self._clerk.noted
            noted.job = noted.result = noted.newest = ""
            self._damaged.take_off()
            self._references.choose("")

    def look_again(self) -> None:
        """Begin to lay the faces of the person out anew, since somebody else changed them."""
        self._references.begin()
        self._damaged.look_who()

    def take_likely(self) -> None:
        """Put whom the face to restore is nearest to on the desk."""
        likely = self._likely()
        if likely is not None and not likely.here:
            self.choose_person(likely.person)

    def _likely(self) -> Likely | None:
        if (found := self._damaged.likely()) is None:
            return None
        everybody, here = self.studio.people.list(), self.person
        person = next((one for one in everybody if one.id == found[0]), None)
        if person is None:
            return None
        return Likely(called(person, everybody), round(found[1], 3), here is not None and here.id == person.id)

    def overrule(self, reference: str, *, used: bool) -> None:
        """Use a face, or leave it out, whatever its verdict; going back to the verdict takes the overruling away."""
        self._references.overrule(reference, used=used)

    def put_photo(self, file: Path) -> None:
        """Take a dropped file as the damaged photo.

        Raises:
            NotDroppedHere: the file did not come in through the page.
        """
        dropped, noted = self.dropped(file), self._clerk.noted
        with self._clerk.lock:
            job = self._results.job(noted.job)
            noted.job_read = noted.job_read or (job is not None and job.over)
            self._damaged.put(dropped)

    def put_file(self, path: Path) -> None:
        """Take a photo of this machine as the damaged one, by its path; it is copied.

        Raises:
            EngineError: it cannot be read.
        """
        source = named(str(path))
        images.read_photo(source)
        copy = self.uploads / new_id("file") / source.name
        copy.parent.mkdir(mode=0o700)
        try:
            shutil.copyfile(source, copy)
        except OSError as error:
            raise FileRefused(f"{source} cannot be copied: {error.strerror or error}. Check the disk.") from error
        with self._clerk.lock:
            self._damaged.put(copy, str(source.absolute()))

    def choose_face(self, number: int | None) -> None:
        """Choose which face of the damaged photo is restored, from 1; None lets the person decide."""
        self._damaged.choose_face(number)

    def mark_face(self, points: Sequence[tuple[float, float]]) -> None:
        """Take both eyes and the mouth as the user marked them: of the chosen face, of the only one, or of a new one.

        Args:
            points: three, in px of the upright photo, in any order that a face can have.

        Raises:
            EngineError: the points cannot be a face's; the sentence says why.
        """
        self._damaged.mark_face(points)

    def keep_knobs(self, knobs: Mapping[str, Any]) -> None:
        """Remember how the knobs stand."""
        with self._clerk.lock:
            self._clerk.noted.knobs = dict(knobs)
            self._clerk.write()

    def start(
        self,
        *,
        options: Mapping[str, Any],
        recipe: str,
        seed: int,
        finish: Mapping[str, Any] | None = None,
        prior: str = "pocket",
        variations: int = 1,
    ) -> Job:
        """Begin to restore the photo with the person. What was painted on the shown result of it stays painted.

        Args:
            options: of the restorer, by name.
            recipe: of the tuning.
            seed: of the noise.
            finish: knobs of `FinishOptions`, by name.
            prior: its name.
            variations: how many results, with this seed and those after it.

        Raises:
            NothingToRestore: something is missing; the sentence says what.
            EngineError: from the runner, such as when it is busy.
        """
        photo, person = self._damaged.photo, self.person
        if person is None or not any(shown.used for shown in self._references.shown):
            raise NothingToRestore("There is no good photo of the person yet. Drop at least one first.")
        if photo is None:
            raise NothingToRestore("There is no damaged photo yet. Drop it first.")
        job = self.studio.start_restoring(
            photo.file,
            person=person.id,
            options=options,
            recipe=recipe,
            seed=seed,
            face=photo.chosen,
            chosen=chosen_face(photo),
            finish=replace(read_finish(finish or {}), mask=self._results.mask(photo)),
            prior=prior,
            variations=variations,
        )
        self.consent(person)
        knobs: dict[str, Any] = {"options": dict(options), "recipe": recipe, "seed": seed}
        knobs |= {"finish": dict(finish or {}), "prior": prior, "variations": variations}
        with self._clerk.lock:
            self._clerk.noted.job, self._clerk.noted.job_read = job.id, False
            self.keep_knobs(knobs)
        return job

    @property
    def person(self) -> Person | None:
        """Who is on the desk; None when there is nobody."""
        return self._references.person()

    def consent(self, person: Person) -> None:
        """Note that the photos of somebody may be used; the page says so beside each button that begins with them."""
        consent.give(self.studio.workspace.people / person.id)

    @property
    def consented(self) -> bool:
        """Whether it was said that the photos of who is on the desk may be used; True where there is nobody."""
        person = self.person
        return person is None or consent.given(self.studio.workspace.people / person.id)

    def photo_to_compare(self) -> tuple[Path, dict[str, Any] | None]:
        """Give the photo on the desk, and its face as `Studio.start_comparing` takes it.

        Raises:
            NothingToRestore: there is none.
        """
        photo = self._damaged.photo
        if photo is None:
            raise NothingToRestore("There is no photo yet. Drop it on the Restore screen first.")
        return photo.file, chosen_face(photo)

    def stop(self) -> None:
        """Ask the running job to stop at its next step."""
        running = self.studio.runner.current()
        if running is not None:
            self.studio.runner.stop(running.id)

    def tell(self, place: str, sentence: str) -> None:
        """Leave a notice at `references` or `photo`; one that already stands there is not repeated."""
        self._clerk.tell(place, sentence)

    def forget_notice(self, place: str, index: int) -> None:
        """Take a notice away once it was read; of the work there is one, at `work`."""
        if place != "work":
            self._clerk.forget(place, index)
            return
        with self._clerk.lock:
            self._clerk.noted.job_read = True
            self._clerk.write()

    def step_result(self, by: int) -> None:
        """Show the next result of the photo, or one before."""
        self._results.step(self._damaged.photo, by)

    def refit(self, finish: Mapping[str, Any]) -> None:
        """Show the result with other knobs of `FinishOptions`, at once, without restoring; its file follows.

        A result that cannot be fitted again stays as it is, and a notice at the photo says why.

        Raises:
            BadOption: a knob is outside its range.
        """
        self._results.refit(self._damaged.photo, finish)

    def brush(self, strokes: Sequence[Any]) -> None:
        """Keep the photo where it was painted on the shown result, at once; see `refit`.

        Args:
            strokes: all of them, as `brush.read_strokes` takes them; none shows the whole restored face again.

        Raises:
            BadStroke: a stroke that cannot be.
        """
        self._results.brush(self._damaged.photo, strokes)

    def choose_result(self, name: str) -> None:
        """Show one of the results of the photo, by its id."""
        self._results.choose(self._damaged.photo, name)

    def open_result(self, name: str) -> None:
        """Put the photo of any result on the desk, such as one of a folder, and show the result.

        Raises:
            NoSuchJob: there is none.
            EngineError: its photo cannot be read any more.
        """
        self.put_file(self._results.open(name))

    def export(self, folder: str) -> Path:
        """Save the shown result with its provenance into a folder; "" is beside the photo that it was made of.

        Raises:
            NothingToRestore: no result is shown, or it is still being written, or nobody knows where the photo lies.
            NotExported: see there.
        """
        file, photo = self._results.file(), self._damaged.photo
        if file is None:
            raise NothingToRestore("There is no finished result to save yet. Restore the photo first.")
        if not folder and not self._damaged.source:
            name = photo.file.name if photo is not None else "The photo"
            raise NothingToRestore(f"Where {name} lies is not known, since it was dropped. Name a folder.")
        place = export(file, path_beside(file), named(folder) if folder else Path(self._damaged.source).parent)
        with self._clerk.lock:
            self._saved = (self._clerk.noted.result, str(place))
            if folder:
                self._clerk.noted.folder = folder
                self._clerk.write()
        return place

    def take_settings(self, name: str = "") -> None:
        """Set the knobs as a result of the photo was made: the one of an id, or the one that is shown.

        Raises:
            NothingToRestore: there is no such result.
        """
        with self._clerk.lock:
            known = self._results.told(self._damaged.photo, name)
            if known is None:
                raise NothingToRestore("No result is shown whose settings could be taken. Restore the photo first.")
            taken = {"options": dict(known["options"]), "seed": int(known["seed"]), "recipe": str(known["recipe"])}
            taken |= {"finish": knobs_of(finish_from(known["finish"])), "prior": str(known["prior_name"])}
            self.keep_knobs({**self._clerk.noted.knobs, **taken})

    def forget_people(self, people: Sequence[Person], *, jobs: Sequence[str]) -> None:
        """Take people who are deleted off the desk, with the damaged photo if it was restored with them.

        Args:
            people: who goes.
            jobs: ids of the jobs that are deleted with them.
        """
        for listener in self.when_forgotten:
            listener(frozenset(one.id for one in people))
        gone, on_desk = {one.name.casefold() for one in people}, self.person
        with self._clerk.lock:
            noted = self._clerk.noted
            here = on_desk in people if on_desk is not None else noted.person.casefold() in gone
            if here or noted.job in jobs or noted.result in jobs:
                self._damaged.take_off()
            noted.job, noted.result, noted.newest = (
                "" if name in jobs else name for name in (noted.job, noted.result, noted.newest)
            )
            if here:
                self._references.choose("")
            self._clerk.write()
        self._clerk.settle()  # else what is still under way would write of them into the log, after it was cleared

    # What a page sees.

    def view(self) -> View:
        """Give what lies on the desk now."""
        with self._clerk.lock:
            job, noted, photo = self._results.follow(), self._clerk.noted, self._damaged.photo
            results = self._results.tries(photo)
            return View(
                person=noted.person,
                known=self._references.known,
                references=self._references.shown,
                looking=self._references.looking,
                reference_notices=self._clerk.notices("references"),
                photo=photo,
                photo_coming=self._damaged.coming,
                photo_notices=self._clerk.notices("photo"),
                job=job,
                result=self._results.shown(),
                results=len(results),
                result_number=next((n for n, one in enumerate(results, 1) if one.shown), 0),
                knobs=noted.knobs,
                tries=results,
                glimpse=self._results.glimpse(photo, job),
                likely=self._likely(),
                uncertainty=self._results.uncertainty(),
                source=self._damaged.source,
                folder=noted.folder,
                saved=self._saved[1] if self._saved[0] == noted.result else "",
            )

    @property
    def job_read(self) -> bool:
        """Whether the user closed what the last job had to say."""
        return self._clerk.noted.job_read

    # Its files.

    def dropped(self, file: Path) -> Path:
        """Give the file if it lies where the page puts what is dropped; a browser may name any file of the machine.

        Raises:
            NotDroppedHere: it does not.
        """
        place = file.resolve()
        if not place.is_relative_to(self.uploads.resolve()) or not place.is_file():
            raise NotDroppedHere(f"{file.name or 'The file'} was not dropped on this page. Drop it again.")
        return place

    def _clear_cache(self) -> None:
        for folder in (self.previews, self.uploads):
            if folder.exists():
                trash(folder)
            folder.mkdir(mode=0o700)
