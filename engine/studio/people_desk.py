"""The People screen's desk: everybody's faces laid out to be sorted, photos taken in, and all of it undone.

Which place is open is a small file; all else follows from the people themselves, so that a reload, a second window and
a restart find the same. What is shown is put together once after each change, and a page is given the last one.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import images
from engine.errors import EngineError
from engine.people import (
    BIN,
    UNSORTED,
    Done,
    Move,
    Person,
    Reference,
    Sorting,
    Taken,
    advise,
    misfits,
    poor,
    take_in,
)
from engine.people.intake import CROP_QUALITY, CROP_SIZE
from engine.studio import forgetting
from engine.studio.desk import Desk
from engine.studio.people_view import Came, Coming, Looked, PeopleView, Section, ShownFace, ShownPerson
from engine.studio.proxies import make_proxy
from engine.workspace import read_json, sha256_file, write_json

if TYPE_CHECKING:
    from engine.people import Deleted, Library

log = logging.getLogger(__name__)

TOGETHER = 16
"""Photos that are shown together while many are taken in."""
REST = 4
"""How many times as long as it takes to show new faces nothing new is shown: grouping thousands takes seconds."""
LOOK_SECONDS = 1.5
"""How often is looked whether another screen changed the people."""
LOOK_WAIT_SECONDS = 0.6
"""How long an answer to `look` may wait for the photo."""
CLOSE_SIDE = 900
"""Longest side in px of the cutting that shows a face's own pixels."""


@dataclass
class _Batch:
    """Photos that are being taken in."""

    files: list[Path]
    dropped: bool
    """Whether they are copies of ours, to be deleted then."""
    began: float = 0.0
    done: int = 0
    faces: int = 0
    stopped: bool = False
    over: bool = False


class PeopleDesk:
    """The desk of the People screen. Every method may be called from any thread and returns soon."""

    def __init__(self, desk: Desk) -> None:
        """Take the desk of the other screens, whose folders of previews and of dropped files it uses too."""
        self.desk = desk
        self._studio, self._previews = desk.studio, desk.previews
        self._lock, self._building = threading.RLock(), threading.Lock()
        self._place_file = desk.studio.workspace.root / "desk" / "people.json"
        self._place = self._read_place()
        self._notices: list[str] = []
        self._coming: list[_Batch] = []
        self._came: Came | None = None
        self._looked: Looked | None = None
        self._stop = threading.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="people")
        self._intake = ThreadPoolExecutor(1, thread_name_prefix="intake")
        self._begun = self._waiting = self._closed = False
        self._seen: Any = None
        self._seen_at = 0.0
        self._view = PeopleView((), 0, self._place, (), (), None, None, None, None, None, None, (), 0)
        self._sorting: Sorting | None = None
        desk.when_forgotten.append(self._let_go)

    def close(self) -> None:
        """End what is being taken in after the photos it is at; what was taken in stays."""
        self._closed = True
        self._stop.set()
        self._intake.shutdown(wait=True, cancel_futures=True)
        self._thread.shutdown(wait=True, cancel_futures=True)

    @property
    def people(self) -> Library:
        """The library."""
        return self._studio.people

    @property
    def sorting(self) -> Sorting:
        """The verbs of sorting out."""
        with self._lock:
            if self._sorting is None:
                self._sorting = Sorting(self.people)
            return self._sorting

    # What a user does.

    def open(self, place: str) -> None:
        """Show somebody, by id, what is nobody's yet (`UNSORTED`), or everybody ("").

        Raises:
            NoSuchPerson: there is nobody of that id.
        """
        if place not in ("", UNSORTED):
            place = self.people.get(place).id
        with self._lock:
            self._place, self._looked = place, None
            write_json(self._place_file, {"version": 1, "place": place})
        self.refresh()

    def add_dropped(self, files: Sequence[Path]) -> None:
        """Take in files that were dropped on the page, which are deleted then.

        Raises:
            NotDroppedHere: a file is not among those that came in through the page.
        """
        self._add([self.desk.dropped(file) for file in files], dropped=True)

    def add_folder(self, folder: str) -> None:
        """Take in all photos of a folder of this machine, which are only read.

        Raises:
            EngineError: there is no such folder, or no photo in it.
        """
        place = Path(folder.strip()).expanduser()
        self._add(images.list_photos(place if place.is_absolute() else Path.home() / place), dropped=False)

    def stop_adding(self) -> None:
        """Stop taking photos in, after those that it is at; what was taken in stays."""
        with self._lock:
            for batch in self._coming:
                batch.stopped = True

    def judge(self, ids: Collection[str], word: str) -> None:
        """Use faces of the open person (`keep`), leave them out (`reject`), or go back to the verdicts ("")."""
        place, wanted = self._place, {"keep": "keep", "reject": "reject"}.get(word)
        if place in ("", UNSORTED):
            return
        known = {face.id: face for face in self.people.references(self.people.get(place))}
        back = [name for name in ids if name in known and _is_verdict(known[name], wanted)]
        here = [name for name in ids if name not in back]
        # A word that says what the verdict says takes an overruling away instead of adding one.
        if back and any(known[name].overruled for name in back):
            self.sorting.judge(place, back, None)
        if here:
            self.sorting.judge(place, here, "keep" if wanted == "keep" else "reject" if wanted == "reject" else None)
        self.refresh()

    def date(self, ids: Collection[str], *, year: int | None, age: int | None) -> None:
        """Say when photos were taken and how old the person is there; see `Sorting.date`."""
        self.sorting.date(self._open_place(), ids, year=year, age=age)
        self.refresh()

    def move(self, ids: Collection[str], target: str) -> None:
        """Give faces of the open place to somebody, by id, or to nobody; see `Sorting.move`."""
        self.sorting.move(ids, self._open_place(), target)
        self.refresh()

    def new_person(self, ids: Collection[str], name: str) -> None:
        """Make a person of faces of the open place; see `Sorting.new_person`."""
        self.sorting.new_person(name, ids, self._open_place())
        self.refresh()

    def remove(self, ids: Collection[str]) -> None:
        """Take faces out of the open place; see `Sorting.remove`."""
        self.sorting.remove(ids, self._open_place())
        self.refresh()

    def rename(self, person: str, name: str) -> None:
        """Give a person another name; see `Sorting.rename`."""
        known = self.people.get(person)
        self.sorting.rename(person, name)
        on_desk = self.desk.person
        if on_desk is None and self.desk.view().person.casefold() == known.name.casefold():
            self.desk.choose_person(name)  # or the other screens would have nobody of the old name
        self.refresh()

    def describe(self, person: str, subject: str) -> None:
        """Say what a person is called in a prompt; see `Sorting.describe`."""
        self.sorting.describe(person, subject)
        self.refresh()

    def set_cover(self, reference: str) -> None:
        """Let a face stand for the open person; see `Sorting.set_cover`."""
        self.sorting.set_cover(self._open_place(), reference)
        self.refresh()

    def merge(self, person: str, into: str) -> None:
        """Make two people one, by ids; see `Sorting.merge`."""
        stays = self.sorting.merge(person, into)
        self.open(stays.id)

    def undo(self) -> None:
        """Undo what was done last."""
        self.sorting.undo()
        self._still_there()

    def redo(self) -> None:
        """Do again what was undone last."""
        self.sorting.redo()
        self._still_there()

    def forget(self, person: str) -> Deleted:
        """Delete a person with everything of them; see `forgetting.forget`."""
        deleted = forgetting.forget(self.desk, person)
        self._still_there()
        return deleted

    def _let_go(self, people: frozenset[str]) -> None:
        if self._place in people:
            self.open("")

    def look(self, reference: str) -> None:
        """Show the whole photo of a face of the open place; "" closes it."""
        with self._lock:
            self._looked = Looked(reference, None, (0, 0, 1, 1), "", (0, 0), "") if reference else None
        if reference:
            # Mostly it is there in a moment; a large photo follows with a later look of the page.
            made = self._hand_over(self._look, self._place, reference)
            if made is not None:
                wait([made], timeout=LOOK_WAIT_SECONDS)

    def tell(self, sentence: str) -> None:
        """Leave a notice; one that already stands there is not repeated."""
        with self._lock:
            if sentence not in self._notices:
                self._notices.append(sentence)

    def forget_notice(self, index: int) -> None:
        """Take a notice away once it was read; -1 is what became of the last photos."""
        with self._lock:
            if index < 0:
                self._came = None
            elif index < len(self._notices):
                del self._notices[index]

    # What a page sees.

    def view(self) -> PeopleView:
        """Give what the screen shows now."""
        with self._lock:
            if not self._begun:
                self._begun = True
                self.refresh_soon()
            elif time.monotonic() - self._seen_at > LOOK_SECONDS:
                self._seen_at = time.monotonic()
                if self._stamp() != self._seen:
                    self.refresh_soon()
            return replace(
                self._view,
                coming=self._how_far(),
                came=self._came,
                looked=self._looked,
                notices=tuple(self._notices),
            )

    def refresh(self) -> None:
        """Put together anew what is shown."""
        with self._building:
            self._waiting = False
            stamp = self._stamp()
            view = self._built()
            with self._lock:
                self._seen, self._seen_at = stamp, time.monotonic()
                self._view = replace(view, revision=self._view.revision + 1)

    def refresh_soon(self) -> None:
        """Put it together in the background."""
        if not self._waiting:
            self._waiting = True
            self._hand_over(self.refresh)

    def _built(self) -> PeopleView:
        people, place = self.people.list(), self._place
        names = [person.name.casefold() for person in people]
        galleries = {person.id: self._gallery(person) for person in people}
        shown = tuple(
            self._person(person, galleries[person.id], namesakes=names.count(person.name.casefold()) > 1)
            for person in people
        )
        unsorted = self._read_or_tell(self.people.unsorted)
        faces: list[Reference] = []
        sections: tuple[Section, ...] = ()
        away: dict[str, float] = {}
        if place == UNSORTED:
            sections = _grouped(self.sorting, bool(unsorted))
            faces = unsorted
        elif place in galleries:
            faces = galleries[place]
            away = misfits(faces)
            sections = _of_person(faces, away)
        previews = self._linked(place, faces)
        return PeopleView(
            people=shown,
            unsorted=len(unsorted),
            place=place,
            sections=sections,
            faces=tuple(_face(face, previews.get(face.id, ""), away.get(face.id, 0.0)) for face in faces),
            advice=advise(faces) if place in galleries else None,
            undo=self.people.journal.undoable(),
            redo=self.people.journal.redoable(),
            coming=None,
            came=None,
            looked=None,
            notices=(),
            revision=0,
        )

    def _gallery(self, person: Person) -> list[Reference]:
        return self._read_or_tell(lambda: self.people.references(person))

    def _read_or_tell(self, read: Callable[[], list[Reference]]) -> list[Reference]:
        """Read faces; where a file of them is damaged, say so and show none, rather than nobody at all."""
        try:
            return read()
        except EngineError as error:
            self.tell(str(error))
            return []

    def _person(self, person: Person, faces: Sequence[Reference], *, namesakes: bool) -> ShownPerson:
        used = [face for face in faces if face.used]
        cover = next((face for face in faces if face.id == person.cover), None)
        best = max(used or list(faces), key=lambda face: (face.quality.eye_distance_px, face.id), default=None)
        chosen = cover or best
        preview = self._linked(person.id, [chosen]).get(chosen.id, "") if chosen is not None else ""
        folder = self.people.folder(person)
        tunings = sum(1 for _ in (folder / "tuned").glob("[!.]*"))
        results = sum(1 for _ in (folder / "runs").glob("[!.]*"))
        return ShownPerson(
            person.id,
            person.name,
            namesakes,
            person.created,
            person.subject,
            preview,
            len(used),
            len(faces),
            tunings,
            results,
        )

    # Pictures.

    def _linked(self, place: str, faces: Iterable[Reference]) -> dict[str, str]:
        """Give the names of the previews of faces; those that are missing are made in the background."""
        folder = self.people.places.folder(place) if place else None
        have = {entry.name for entry in os.scandir(self._previews)}
        found: dict[str, str] = {}
        missing: list[Reference] = []
        for face in faces:
            name = f"face-{face.id}.jpg"
            if name not in have and folder is not None:
                crop = folder / "crops" / f"{face.id}.jpg"
                try:
                    os.link(crop, self._previews / name)
                except FileExistsError:
                    pass
                except FileNotFoundError:
                    missing.append(face)
                    continue
                except OSError:  # a disk without second names
                    with suppress(FileNotFoundError):
                        shutil.copyfile(crop, self._previews / name)
            found[face.id] = name
        if missing and place:
            self._hand_over(self._cut, place, missing)
        return found

    def _cut(self, place: str, faces: Sequence[Reference]) -> None:
        """Cut the small pictures of faces out of their photos, which is done once for each."""
        from engine.faces import cut

        folder = self.people.places.folder(place)
        (folder / "crops").mkdir(mode=0o700, exist_ok=True)
        made, began = 0, time.monotonic()
        for face in faces:
            crop = folder / "crops" / f"{face.id}.jpg"
            if crop.exists() or not (folder / "references" / f"{face.id}.json").exists():
                continue
            try:
                pixels = images.read_photo(folder / "photos" / face.photo).pixels
                with suppress(images.AlreadyThere):
                    images.save_photo(cut(pixels, face.face, CROP_SIZE).pixels, crop, quality=CROP_QUALITY)
                made += 1
            except EngineError as error:
                log.warning("face %s has no picture: %s", face.id, error)
            if self._closed:
                return
            if time.monotonic() - began > LOOK_SECONDS:
                self.refresh()
                began = time.monotonic()
        if made:
            self.refresh()

    def _look(self, place: str, reference: str) -> None:
        faces = self.people.unsorted() if place == UNSORTED else self.people.references(self.people.get(place))
        face = next((face for face in faces if face.id == reference), None)
        if face is None:
            return
        file = self.people.places.folder(place) / "photos" / face.photo
        try:
            photo = images.read_photo(file)
            looked = self._whole(photo, file, face)
        except EngineError as error:
            looked = Looked(reference, None, (0, 0, 1, 1), "", (0, 0), str(error))
        with self._lock:
            if self._looked is not None and self._looked.id == reference:
                self._looked = looked

    def _whole(self, photo: images.Photo, file: Path, face: Reference) -> Looked:
        """Make the pictures of a whole photo and of a face's own pixels in it."""
        proxy = make_proxy(photo, sha256_file(file), self._previews)
        left, top, right, bottom = face.face.box
        margin = 0.35 * (right - left)
        wide = min(CLOSE_SIDE / 2, (right - left) / 2 + margin)
        x, y = (left + right) / 2, (top + bottom) / 2
        x0, x1 = max(0, round(x - wide)), min(photo.width, round(x + wide))
        y0, y1 = max(0, round(y - wide)), min(photo.height, round(y + wide))
        close = f"close-{face.id}.png"
        with suppress(images.AlreadyThere):
            images.save_photo(photo.pixels[y0:y1, x0:x1], self._previews / close)
        shares = tuple(
            round(min(1.0, max(0.0, at / side)), 4)
            for at, side in zip(face.face.box, (photo.width, photo.height) * 2, strict=True)
        )
        return Looked(face.id, proxy, (shares[0], shares[1], shares[2], shares[3]), close, (x1 - x0, y1 - y0), "")

    # Taking photos in.

    def _add(self, files: list[Path], *, dropped: bool) -> None:
        with self._lock:
            last = self._coming[-1] if self._coming else None
            if last is not None and last.dropped == dropped and not (last.over or last.stopped):
                last.files += files  # the page hands over many files a few at a time
                return
            batch = _Batch(files, dropped)
            self._coming.append(batch)
            self._came = None
        self._submitted(self._intake, self._take_in, batch)

    def _take_in(self, batch: _Batch) -> None:
        batch.began = time.monotonic()
        told: list[Taken] = []
        places, group = self.people.places, secrets.token_hex(6)
        staging = f"{BIN}{secrets.token_hex(6)}"
        try:
            known = places.all_ids(person.id for person in self.people.list())
            places.make(staging)
            while not batch.over:
                self._read(batch, told, staging, group, known)
                with self._lock:
                    batch.over = batch.stopped or self._closed or len(told) == len(batch.files)
        finally:
            places.empty(staging)
            with self._lock:
                batch.over = True
                self._coming.remove(batch)
                self._came = _came(told, batch)
            if batch.dropped:
                for file in batch.files:
                    file.unlink(missing_ok=True)
            if not self._closed:
                self.refresh()

    def _read(self, batch: _Batch, told: list[Taken], staging: str, group: str, known: frozenset[str]) -> None:
        """Take in what is left of a batch."""
        fresh: list[str] = []
        shown_at, cost, start = time.monotonic(), 0.0, len(told)
        taken_in = take_in(batch.files if not start else batch.files[start:], self.people.places.folder(staging), known)
        try:
            for taken in taken_in:
                told.append(taken)
                new = [name for name in taken.ids if name not in fresh]
                fresh += new
                with self._lock:
                    batch.done, batch.faces = len(told), batch.faces + len(new)
                if batch.dropped:
                    taken.file.unlink(missing_ok=True)  # it was a copy, and photos are not left lying about
                if len(fresh) >= TOGETHER and time.monotonic() - shown_at > max(1.0, REST * cost):
                    shown_at = time.monotonic()
                    self._keep(staging, fresh, group)
                    fresh = []
                    cost = time.monotonic() - shown_at
                if batch.stopped or self._closed:
                    break
        finally:
            taken_in.close()
            self._keep(staging, fresh, group)

    def _keep(self, staging: str, ids: list[str], group: str) -> None:
        """Lay new faces beside those that are nobody's yet, so that it can be undone."""
        places, journal = self.people.places, self.people.journal
        ids = sorted(places.ids(staging) & set(ids))
        if not ids:
            return
        places.move(ids, staging, UNSORTED)
        gone = journal.new_bin()
        journal.note(Done("added", len(ids)), [Move(tuple(ids), gone, UNSORTED)], group=group, bin=gone)
        if not self._closed:
            self.refresh()

    def _how_far(self) -> Coming | None:
        if not self._coming:
            return None
        now = self._coming[0]
        done, of = now.done, sum(len(batch.files) for batch in self._coming)
        spent = time.monotonic() - now.began if now.began else 0.0
        left = spent / done * (of - done) if done >= 3 else None
        return Coming(done, of, now.faces, left)

    # Within.

    def _open_place(self) -> str:
        return self._place or UNSORTED

    def _still_there(self) -> None:
        """Show everybody when the one who was shown is not there any more."""
        listed = {person.id for person in self.people.list()}
        self.open(self._place if self._place in listed or self._place in ("", UNSORTED) else "")

    def _read_place(self) -> str:
        try:
            return str(read_json(self._place_file)["place"]) if self._place_file.exists() else ""
        except (EngineError, KeyError, TypeError) as error:
            log.warning("everybody is shown: %s", error)
            return ""

    def _stamp(self) -> Any:
        """Give what changes whenever somebody changes people or faces."""
        workspace = self._studio.workspace
        places = [workspace.unsorted / "references", workspace.undo]
        with os.scandir(workspace.people) as entries:
            for entry in entries:
                places += [Path(entry.path), Path(entry.path, "references"), Path(entry.path, "runs")]
        stamp: list[tuple[str, int]] = []
        for place in places:
            with suppress(OSError):
                stamp.append((str(place), place.stat().st_mtime_ns))
        return sorted(stamp)

    def _hand_over(self, work: Callable[..., None], *given: Any) -> Future[None] | None:
        return self._submitted(self._thread, work, *given)

    def _submitted(self, thread: ThreadPoolExecutor, work: Callable[..., None], *given: Any) -> Future[None] | None:
        """Let a thread do something; what goes wrong there becomes a notice. None when the desk is closed."""
        try:
            done = thread.submit(work, *given)
        except RuntimeError:  # it was closed meanwhile
            return None
        done.add_done_callback(self._note_failure)
        return done

    def _note_failure(self, future: Future[None]) -> None:
        error = None if future.cancelled() else future.exception()
        if isinstance(error, EngineError):
            self.tell(str(error))
        elif error is not None:
            log.error("the people's desk could not finish", exc_info=error)
            self.tell(f"Something broke ({type(error).__name__}); the log is in {self._studio.workspace.logs}")


def _is_verdict(face: Reference, wanted: str | None) -> bool:
    """Say whether a face's own verdict is what is wanted, so that no overruling is needed."""
    return wanted is None or (face.verdict == "accepted") == (wanted == "keep")


def _grouped(sorting: Sorting, any_there: bool) -> tuple[Section, ...]:
    """Give the sections of what is nobody's: known people, groups, and single faces together."""
    if not any_there:
        return ()
    found = sorting.suggest()
    known = [Section("known", group.ids, group.person, group.distance) for group in found if group.person]
    groups = [
        Section("group", group.ids, "", group.distance) for group in found if not group.person and len(group.ids) > 1
    ]
    single = tuple(group.ids[0] for group in found if not group.person and len(group.ids) == 1)
    return (*known, *groups, *([Section("single", single)] if single else []))


def _of_person(faces: Sequence[Reference], away: dict[str, float]) -> tuple[Section, ...]:
    """Give the sections of a person, each with the worst-fitting face first."""
    kinds: dict[str, list[Reference]] = {"look": [], "used": [], "left": []}
    for face in faces:
        kinds["used" if face.used else "left" if face.overruled else "look"].append(face)
    return tuple(
        Section(kind, tuple(face.id for face in sorted(found, key=lambda face: (-round(away[face.id], 2), face.id))))
        for kind, found in kinds.items()
        if found
    )


def _face(face: Reference, preview: str, away: float) -> ShownFace:
    reason = face.reason or (poor(face) if face.reason is None and not away else None)
    return ShownFace(
        id=face.id,
        name=face.name,
        preview=preview,
        used=face.used,
        overruled=face.overruled or "",
        code=reason.code if reason else "",
        reason=reason.sentence if reason else "",
        distance=round(away, 3),
        year=face.year if face.year is not None else face.taken,
        age=face.age,
        by_user=face.year is not None,
    )


def _came(told: Sequence[Taken], batch: _Batch) -> Came:
    return Came(
        photos=len({taken.file for taken in told}),
        faces=batch.faces,
        already=sum(taken.code == "already-there" for taken in told),
        no_face=tuple(taken.file.name for taken in told if taken.code == "no-face"),
        unreadable=tuple(taken.sentence for taken in told if taken.code == "unreadable"),
        stopped=batch.stopped,
    )
