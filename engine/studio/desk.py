"""The desk: what a page shows and goes on showing after a reload or a restart.

On it lie one person, one damaged photo, the last job and the knobs. All of it is a small JSON file in the workspace;
the page keeps nothing. Looking through photos takes seconds, so one thread of the desk does it, file by file, and the
page asks how far it is. Restoring itself runs in the worker, as ever.

What a browser is shown are proxies (see `engine.studio.proxies`) in one folder of the cache that holds nothing else.
They last as long as the desk is open.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any

from engine import images
from engine.errors import EngineError
from engine.jobs import Job, NoSuchJob
from engine.results import path_beside, read_provenance
from engine.studio.finish import finish_from, knobs_of, read_finish
from engine.studio.history import History
from engine.studio.proxies import Proxy, link, make_proxy
from engine.studio.refit import NotRefitted, Refits, fixed
from engine.studio.view import (
    DamagedPhoto,
    FoundFace,
    Looking,
    ShownReference,
    ShownResult,
    View,
    eyes_in_crop,
    found_face,
    read_found_face,
)
from engine.workspace import new_id, read_json, sha256_file, trash, write_json

if TYPE_CHECKING:
    from engine.people import Person, Reference
    from engine.studio import Studio
    from engine.studio.finish import Finish

log = logging.getLogger(__name__)

CROP_SIZE = 192
"""Side in px of a reference's preview: twice what the page shows, for dense screens."""

CLOSE_SIZE = 512
"""Side in px of the crop of a reference that is held beside a restored face."""


class NothingToRestore(EngineError):
    """A restoration was asked for before there were references and a photo."""


class NotDroppedHere(EngineError):
    """A file was named that did not come in through the page."""


@dataclass
class _State:
    """What is written down."""

    person: str = ""
    photo: dict[str, Any] | None = None
    job: str = ""
    """The last one."""
    job_read: bool = False
    result: str = ""
    """The job whose result is shown: it stays to be seen while the next one runs, or was stopped."""
    newest: str = ""
    """The last job that finished; its result was put up once, and may have made room for an older one since."""
    knobs: dict[str, Any] = field(default_factory=dict[str, Any])


class Desk:
    """One desk in one workspace. Every method may be called from any thread and returns at once."""

    def __init__(self, studio: Studio) -> None:
        """Open the desk; `lay_out` brings back what was on it."""
        self.studio = studio
        self.previews = studio.workspace.cache / "previews"
        self.uploads = studio.workspace.cache / "uploads"
        """Where the page puts files that are dropped on it."""
        self._folder = studio.workspace.root / "desk"
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._clear_cache()
        self._lock = RLock()
        self._clerk = ThreadPoolExecutor(max_workers=1, thread_name_prefix="desk")
        self._state = self._read()
        self._photo: DamagedPhoto | None = None
        self._photos_coming = 0
        self._references: tuple[ShownReference, ...] = ()
        self._known: tuple[str, ...] = ()
        self._looking: Looking | None = None
        self._waiting = 0
        self._notices: dict[str, list[str]] = {"references": [], "photo": []}
        self._results: dict[str, ShownResult | None] = {}
        self._history = History(studio.runner)
        self._refits = Refits(studio.workspace, self.previews)
        self._wanted: dict[str, Finish] = {}
        """How the knobs last stood for a result, by its job."""

    def lay_out(self) -> None:
        """Begin to lay out what was on the desk when it was last closed.

        Apart from opening, since reading photos would slow down whatever else is being started.
        """
        if self._state.photo is not None:
            self._photos_coming += 1
            self._hand_over("photo", self._lay_out_photo)
        self._hand_over("references", self._look_again)

    def close(self) -> None:
        """End the desk's thread after the file that it is at, and delete the previews."""
        self._clerk.shutdown(wait=True, cancel_futures=True)
        self._clear_cache()

    # What a user does.

    def choose_person(self, name: str) -> None:
        """Put a known person on the desk, or an empty place for somebody new."""
        with self._lock:
            self._state.person = name.strip()
            self._references = ()
            self._write()
        self._hand_over("references", self._look_again)

    def add_references(self, files: Sequence[Path], *, name: str) -> None:
        """Take dropped files as photos of a person, who is made when there is nobody of that name.

        Raises:
            NotDroppedHere: a file is not among those that came in through the page.
        """
        files = [self._dropped(file) for file in files]
        with self._lock:
            if name.strip() != self._state.person:
                self.choose_person(name)
            self._waiting += len(files)
        for file in files:
            self._hand_over("references", self._add_reference, name.strip(), file)

    def overrule(self, reference: str, *, used: bool) -> None:
        """Use a face, or leave it out, whatever its verdict; going back to the verdict takes the overruling away."""
        person = self._person()
        if person is None:
            return
        known = {shown.id: shown for shown in self._references}
        verdict = reference in known and not known[reference].code
        wanted = None if used == verdict else "keep" if used else "reject"
        self.studio.people.overrule(person, reference, wanted)
        self._look_again()

    def put_photo(self, file: Path) -> None:
        """Take a dropped file as the damaged photo.

        Raises:
            NotDroppedHere: the file did not come in through the page.
        """
        dropped = self._dropped(file)
        with self._lock:
            self._photos_coming += 1
            self._notices["photo"].clear()
            job = self._job(self._state.job)
            self._state.job_read = self._state.job_read or (job is not None and job.over)
        self._hand_over("photo", self._take_photo, dropped)

    def choose_face(self, number: int | None) -> None:
        """Choose which face of the damaged photo is restored, from 1; None lets the person decide."""
        with self._lock:
            if self._photo is None or self._state.photo is None:
                return
            chosen = number if number is not None and 1 <= number <= len(self._photo.faces) else None
            self._photo = replace(self._photo, chosen=chosen)
            self._state.photo["chosen"] = chosen
            self._write()

    def mark_face(self, points: Sequence[tuple[float, float]]) -> None:
        """Take both eyes and the mouth as the user marked them: of the chosen face, of the only one, or of a new one.

        Args:
            points: three, in px of the upright photo, in any order that a face can have.

        Raises:
            EngineError: the points cannot be a face's; the sentence says why.
        """
        from engine.faces import face_from_points

        with self._lock:
            photo, state = self._photo, self._state.photo
            if photo is None or state is None:
                return
            marked = found_face(face_from_points(points, (photo.width, photo.height)), by_hand=True)
            faces = list(photo.faces)
            corrected = self._face_meant(photo, marked)
            if corrected is None:
                faces.append(marked)
                corrected = len(faces) - 1
            else:
                faces[corrected] = marked
            self._photo = replace(photo, faces=tuple(faces), chosen=corrected + 1)
            state["faces"], state["chosen"] = [asdict(face) for face in faces], corrected + 1
            self._write()

    @staticmethod
    def _face_meant(photo: DamagedPhoto, marked: FoundFace) -> int | None:
        """Give which of the faces found is meant by marks: the one whose box holds their middle."""
        across, down = (sum(axis) / len(marked.marks) for axis in zip(*marked.marks, strict=True))
        for number, face in enumerate(photo.faces):
            left, top, right, bottom = face.box
            if left <= across <= right and top <= down <= bottom:
                return number
        return None

    def keep_knobs(self, knobs: Mapping[str, Any]) -> None:
        """Remember how the knobs stand."""
        with self._lock:
            self._state.knobs = dict(knobs)
            self._write()

    def start(
        self, *, options: Mapping[str, Any], recipe: str, seed: int, finish: Mapping[str, Any] | None = None
    ) -> Job:
        """Begin to restore the photo with the person.

        Args:
            options: of the restorer, by name.
            recipe: of the tuning.
            seed: of the noise.
            finish: knobs of `FinishOptions`, by name.

        Raises:
            NothingToRestore: something is missing; the sentence says what.
            EngineError: from the runner, such as when it is busy.
        """
        photo, person = self._photo, self._person()
        if person is None or not any(shown.used for shown in self._references):
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
            chosen=self._chosen(photo),
            finish=read_finish(finish or {}),
        )
        with self._lock:
            self._state.job, self._state.job_read = job.id, False
            self._state.knobs = {
                "options": dict(options),
                "recipe": recipe,
                "seed": seed,
                "finish": dict(finish or {}),
            }
            self._write()
        return job

    @property
    def person(self) -> Person | None:
        """Who is on the desk; None when there is nobody."""
        return self._person()

    def photo_to_compare(self) -> tuple[Path, dict[str, Any] | None]:
        """Give the photo on the desk, and its face as `Studio.start_comparing` takes it.

        Raises:
            NothingToRestore: there is none.
        """
        photo = self._photo
        if photo is None:
            raise NothingToRestore("There is no photo yet. Drop it on the Restore screen first.")
        return photo.file, self._chosen(photo)

    @staticmethod
    def _chosen(photo: DamagedPhoto) -> dict[str, Any] | None:
        """Give the face that the user chose or marked; None lets the person decide among all that the worker finds."""
        if photo.chosen is None:
            return None
        face = photo.faces[photo.chosen - 1].face
        return {"face": dict(face), "number": photo.chosen, "of": len(photo.faces)}

    def stop(self) -> None:
        """Ask the running job to stop at its next step."""
        running = self.studio.runner.current()
        if running is not None:
            self.studio.runner.stop(running.id)

    def tell(self, place: str, sentence: str) -> None:
        """Leave a notice at `references` or `photo`; one that already stands there is not repeated."""
        with self._lock:
            if sentence not in self._notices[place]:
                self._notices[place].append(sentence)

    def forget_notice(self, place: str, index: int) -> None:
        """Take a notice away once it was read; of the work there is one, at `work`."""
        with self._lock:
            if place == "work":
                self._state.job_read = True
                self._write()
            elif 0 <= index < len(self._notices[place]):
                del self._notices[place][index]

    # What a page sees.

    def view(self) -> View:
        """Give what lies on the desk now."""
        with self._lock:
            job = self._job(self._state.job)
            if job is not None and job.state == "finished" and self._state.newest != job.id:
                self._state.newest = self._state.result = job.id
                self._write()
            results = self._results_of_photo()
            looking = self._looking
            if looking is not None:
                looking = replace(looking, of=looking.number + self._waiting)
            return View(
                person=self._state.person,
                known=self._known,
                references=self._references,
                looking=looking,
                reference_notices=tuple(self._notices["references"]),
                photo=self._photo,
                photo_coming=self._photos_coming > 0,
                photo_notices=tuple(self._notices["photo"]),
                job=job,
                result=self._result(),
                results=len(results),
                result_number=results.index(self._state.result) + 1 if self._state.result in results else 0,
                knobs=self._state.knobs,
            )

    def step_result(self, by: int) -> None:
        """Show the next result of the photo, or one before."""
        with self._lock:
            found = self._results_of_photo()
            if not found:
                return
            at = found.index(self._state.result) if self._state.result in found else -1
            self._state.result = found[(at + by) % len(found)]
            self._write()

    def refit(self, finish: Mapping[str, Any]) -> None:
        """Show the result with other knobs of `FinishOptions`, at once, without restoring; its file follows.

        A result that cannot be fitted again stays as it is, and a notice at the photo says why.

        Raises:
            BadOption: a knob is outside its range.
        """
        wanted = read_finish(finish)
        with self._lock:
            shown, job = self._result(), self._job(self._state.result)
        if shown is None or job is None or (self._photo is not None and self._photo.proxy != shown.before):
            return
        wanted = fixed(shown.provenance, wanted)
        if wanted == finish_from(shown.provenance["finish"]):
            return
        try:
            after = self._refits.quick(job, wanted)
        except NotRefitted as error:
            self.tell("photo", str(error))
            return
        told = {**shown.provenance, "finish": asdict(wanted)}
        with self._lock:
            self._wanted[job.id] = wanted
            self._results[job.id] = replace(shown, after=after, download="", provenance=told)
        self._hand_over("photo", self._write_refit, job, wanted)

    def take_settings(self) -> None:
        """Set the knobs as the result that is shown was made.

        Raises:
            NothingToRestore: no result is shown.
        """
        with self._lock:
            shown = self._result()
            if shown is None:
                raise NothingToRestore("No result is shown whose settings could be taken. Restore the photo first.")
            known = shown.provenance
            taken = {"options": dict(known["options"]), "seed": int(known["seed"]), "recipe": str(known["recipe"])}
            taken["finish"] = knobs_of(finish_from(known["finish"]))
            self.keep_knobs({**self._state.knobs, **taken})

    @property
    def job_read(self) -> bool:
        """Whether the user closed what the last job had to say."""
        return self._state.job_read

    # What the desk's own thread does.

    def _hand_over(self, place: str, work: Callable[..., None], *given: Any) -> None:
        """Let the desk's thread do something; what goes wrong there becomes a notice at `place`."""
        try:
            done = self._clerk.submit(work, *given)
        except RuntimeError:  # the desk was closed meanwhile
            return
        done.add_done_callback(lambda future: self._note_failure(place, future))

    def _note_failure(self, place: str, future: Future[None]) -> None:
        error = None if future.cancelled() else future.exception()
        if isinstance(error, EngineError):
            self.tell(place, str(error))
        elif error is not None:
            log.error("the desk could not finish", exc_info=error)
            self.tell(place, f"Something broke ({type(error).__name__}); the log is in {self.studio.workspace.logs}")

    def _look_again(self) -> None:
        """Lay out the faces of the person anew, each as soon as its preview is there."""
        known = tuple(person.name for person in self.studio.people.list())
        with self._lock:
            self._known, name = known, self._state.person
        person = self._person()
        shown: list[ShownReference] = []
        found = self.studio.people.references(person) if person is not None else []
        for reference in found:
            shown.append(self._shown(reference))
            with self._lock:
                if self._state.person != name:
                    return
                if len(shown) > len(self._references):
                    self._references = tuple(shown)
        with self._lock:
            if self._state.person == name:
                self._references = tuple(shown)

    def _shown(self, reference: Reference) -> ShownReference:
        preview, close = f"{reference.id}.jpg", f"{reference.id}-close.jpg"
        if not (self.previews / close).exists():
            person = self._person()
            photos = self.studio.people.folder(person) / "photos" if person is not None else self._folder
            if not self._crop(photos / reference.photo, reference, {preview: CROP_SIZE, close: CLOSE_SIZE}):
                preview = close = ""
        return ShownReference(
            id=reference.id,
            name=reference.name,
            preview=preview,
            close=close,
            eyes=eyes_in_crop(reference.face, CLOSE_SIZE),
            used=reference.used,
            overruled=reference.overruled or "",
            code=reference.reason.code if reference.reason else "",
            reason=reference.reason.sentence if reference.reason else "",
        )

    def _crop(self, photo: Path, reference: Reference, wanted: Mapping[str, int]) -> bool:
        """Write a reference's crop under names, each of a side in px; say whether it could be."""
        from engine.faces import cut

        try:
            pixels = images.read_photo(photo).pixels
        except EngineError as error:
            log.warning("reference %s has no preview: %s", reference.id, error)
            return False
        for name, size in wanted.items():
            with suppress(images.AlreadyThere):  # another thread was quicker
                images.save_photo(cut(pixels, reference.face, size).pixels, self.previews / name, quality=88)
        return True

    def _add_reference(self, name: str, file: Path) -> None:
        with self._lock:
            self._waiting -= 1
            self._looking = Looking(file.name, self._looking.number + 1 if self._looking else 1, 0)
        try:
            person = self._person(name) or self.studio.people.create(name)
            for outcome in self.studio.add_photos(person.id, [file]):
                if outcome.reference is None and outcome.reason is not None:
                    self.tell("references", outcome.reason.sentence)
            self._look_again()
        finally:
            self._discard(file)
            with self._lock:
                if self._waiting == 0:
                    self._looking = None

    def _take_photo(self, file: Path) -> None:
        try:
            photo = images.read_photo(file)
            folder = self._folder / new_id("photo")
            folder.mkdir(mode=0o700)
            kept = file.replace(folder / file.name)
            proxy = self._proxy(photo, sha256_file(kept))
        except BaseException:
            self._photo_came()
            self._discard(file)
            raise
        with self._lock:
            old = self._state.photo
            # The photo is shown at once; its faces follow.
            self._photo = DamagedPhoto(kept, photo.width, photo.height, proxy, ())
            self._state.photo = {"file": f"{folder.name}/{kept.name}", "faces": [], "chosen": None}
            self._write()
        if old is not None:
            self._remove_photo(self._folder / old["file"])
        try:
            self._find_faces(kept, photo)
        finally:
            self._photo_came()

    def _find_faces(self, kept: Path, photo: images.Photo) -> None:
        from engine.faces import detector

        # Without networks of the user's and without the cleaner: the page never loads torch. The worker looks closer.
        faces = tuple(found_face(face) for face in detector("auto").find(photo.pixels))
        with self._lock:
            if self._photo is not None and self._photo.file == kept and self._state.photo is not None:
                self._photo = replace(self._photo, faces=faces)
                self._state.photo["faces"] = [asdict(face) for face in faces]
                self._write()

    def _lay_out_photo(self) -> None:
        """Show again the photo that was on the desk when it was last closed."""
        state = self._state.photo
        if state is None:
            return
        try:
            kept = self._folder / state["file"]
            photo = images.read_photo(kept)
            proxy = self._proxy(photo, sha256_file(kept))
        except EngineError:
            with self._lock:
                self._state.photo = None
                self._write()
            raise
        finally:
            self._photo_came()
        faces = tuple(read_found_face(face) for face in state["faces"])
        with self._lock:
            if self._photo is None:
                self._photo = DamagedPhoto(kept, photo.width, photo.height, proxy, faces, state["chosen"])

    def _lay_out_result(self, job: Job) -> None:
        self._show_result(job, self._refits.newest(job))
        with suppress(EngineError):  # why, is said when a knob is moved
            self._refits.take_up(job)

    def _write_refit(self, job: Job, wanted: Finish) -> None:
        """Write a result as the knobs stand, unless they were moved on meanwhile."""
        if self._wanted.get(job.id) == wanted:
            self._show_result(job, self._refits.write(job, wanted), wanted)

    def _show_result(self, job: Job, file: Path, wanted: Finish | None = None) -> None:
        """Show a job's result, which lies in a file, unless the knobs were moved on since `wanted`."""
        result, before = job.result or {}, images.read_photo(Path(job.arguments["photo"]))
        restored = images.read_photo(file)
        digest = sha256_file(file)
        shown = ShownResult(
            before=self._proxy(before, sha256_file(Path(job.arguments["photo"]))),
            after=self._proxy(restored, digest),
            download=link(file, self.previews, f"{job.id}-{digest[:12]}"),
            name=file.name,
            width=restored.width,
            height=restored.height,
            provenance=read_provenance(path_beside(file)),
            person=str(result["person"]),
        )
        with self._lock:
            if self._wanted.get(job.id) == wanted:
                self._results[job.id] = shown

    def _proxy(self, photo: images.Photo, digest: str) -> Proxy:
        return make_proxy(photo, digest, self.previews)

    # The desk's own things.

    def _person(self, name: str | None = None) -> Person | None:
        """Give the person of a name, of the one on the desk if none is given; None when there is nobody."""
        wanted = self._state.person if name is None else name
        return next((p for p in self.studio.people.list() if p.name.casefold() == wanted.casefold()), None)

    def _job(self, name: str) -> Job | None:
        """Give a job by its id; None when there was none, or its folder was removed."""
        try:
            return self.studio.runner.job(name) if name else None
        except NoSuchJob:
            return None

    def _results_of_photo(self) -> tuple[str, ...]:
        return self._history.of(Path(self._photo.proxy.full).stem, self._state.newest) if self._photo else ()

    def _result(self) -> ShownResult | None:
        """Give the last result; None when there is none, or it is still being laid out."""
        name = self._state.result
        if name and name not in self._results:
            self._results[name] = None
            job = self._job(name)
            if job is not None:
                self._hand_over("photo", self._lay_out_result, job)
        return self._results.get(name)

    def _dropped(self, file: Path) -> Path:
        """Give the file if it lies where the page puts what is dropped; a browser may name any file of the machine."""
        place = file.resolve()
        if not place.is_relative_to(self.uploads.resolve()) or not place.is_file():
            raise NotDroppedHere(f"{file.name or 'The file'} was not dropped on this page. Drop it again.")
        return place

    def _discard(self, file: Path) -> None:
        """Delete a dropped file that was dealt with; it was a copy, and photos are not left lying about."""
        file.unlink(missing_ok=True)

    def _photo_came(self) -> None:
        with self._lock:
            self._photos_coming -= 1

    def _remove_photo(self, file: Path) -> None:
        if file.parent.parent == self._folder and file.parent.exists():
            trash(file.parent)

    def _clear_cache(self) -> None:
        for folder in (self.previews, self.uploads):
            if folder.exists():
                trash(folder)
            folder.mkdir(mode=0o700)

    def _read(self) -> _State:
        """Read what was written down; a file that cannot be used is as good as an empty desk."""
        file = self._folder / "desk.json"
        if not file.exists():
            return _State()
        try:
            found: dict[str, Any] = read_json(file)
            photo: dict[str, Any] | None = found["photo"]
            if photo is not None:
                photo = {"file": str(photo["file"]), "faces": list(photo["faces"]), "chosen": photo["chosen"]}
            return _State(
                str(found["person"]),
                photo,
                str(found["job"]),
                bool(found["job_read"]),
                str(found["result"]),
                str(found.get("newest", found["result"])),
                dict(found["knobs"]),
            )
        except (EngineError, KeyError, TypeError, ValueError) as error:
            log.warning("the desk is laid out empty: %s", error)
            return _State()

    def _write(self) -> None:
        write_json(self._folder / "desk.json", {"version": 1, **asdict(self._state)})
