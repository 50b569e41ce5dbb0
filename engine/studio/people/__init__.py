"""The People screen's desk: everybody's faces laid out to be sorted, photos taken in, and all of it undone.

Which place is open is a small file; all else follows from the people themselves, so that a reload, a second window and
a restart find the same. What was done is shown at once, with the verdicts that were; that all faces of a place are
compared anew, which takes seconds with thousands, happens in the background.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Collection, Generator, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import images
from engine.errors import EngineError
from engine.people import UNSORTED, NoSuchPerson, Overruled, Person, Reference, Sorting, advise, called, misfits
from engine.studio import forgetting
from engine.studio.desk import Desk
from engine.studio.people.arrivals import Arrivals
from engine.studio.people.background import Background
from engine.studio.people.layout import as_stored, grouped, of_person, shown_face, still_there, uncompared, words_for
from engine.studio.people.pictures import Pictures
from engine.studio.people.view import NOTHING, PeopleView, ShownFace, ShownPerson
from engine.workspace import new_id, read_json, write_json

if TYPE_CHECKING:
    from engine.people import Deleted, Library

__all__ = ["PeopleDesk"]

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.5
"""How often is looked whether another screen changed the people."""
MANY = 400
"""Faces that take longer to compare than one waits for; they are shown before."""
VERDICTS_SECONDS = 0.3
"""How long an answer may wait for the verdicts; so those of some hundred faces come with it."""
PAUSE_SECONDS = 0.4
"""How long comparing that many waits: the answer goes first, and keys pressed in a row are followed by one comparison.
"""
WORDS: dict[str, Overruled | None] = {"keep": "keep", "reject": "reject", "": None}


class PeopleDesk:
    """The desk of the People screen. Every method may be called from any thread and returns soon."""

    def __init__(self, desk: Desk) -> None:
        """Take the desk of the other screens, whose folders of previews and of dropped files it uses too."""
        self.desk = desk
        self.opened = new_id("people")
        """Another one each time, so that a page left open from before takes no view for one that it has seen."""
        self._studio = desk.studio
        self._background = Background(desk.studio.workspace.logs)
        self._pictures = Pictures(desk.studio, desk.previews, self._background, self.refresh)
        self._arrivals = Arrivals(desk.studio, self._background, self.refresh)
        self._lock, self._building = threading.RLock(), threading.RLock()
        self._place_file = desk.studio.workspace.root / "desk" / "people.json"
        self._place = self._read_place()
        self._begun = False
        self._next: Future[None] | None = None
        self._changes = self._judged = 0
        self._seen: Any = None
        self._seen_at = 0.0
        self._view = replace(NOTHING, place=self._place)
        self._sorting: Sorting | None = None
        desk.when_forgotten.append(self._let_go)

    def close(self) -> None:
        """End what is being taken in after the photos it is at; what was taken in stays."""
        self._background.close()

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

    def lay_out(self) -> None:
        """Begin to read and compare faces, while a page is still being fetched."""
        with self._lock:
            self._begun = True
            self._changes += 1  # so that nothing passes for empty before it was read
        self.refresh_soon()

    # What a user does.

    def open(self, place: str) -> None:
        """Show somebody, by id, what is nobody's yet (`UNSORTED`), or everybody ("").

        Raises:
            NoSuchPerson: there is nobody of that id.
        """
        if place not in ("", UNSORTED):
            place = self.people.get(place).id
        self._turn_to(place)
        self._changed()

    def add_dropped(self, files: Sequence[Path]) -> None:
        """Take in files that were dropped on the page, which are deleted then.

        Raises:
            NotDroppedHere: a file is not among those that came in through the page.
        """
        self._arrivals.add([self.desk.dropped(file) for file in files], dropped=True)

    def add_folder(self, folder: str) -> None:
        """Take in all photos of a folder of this machine, which are only read.

        Raises:
            EngineError: there is no such folder, or no photo in it.
        """
        place = Path(folder.strip()).expanduser()
        self._arrivals.add(images.list_photos(place if place.is_absolute() else Path.home() / place), dropped=False)

    def stop_adding(self) -> None:
        """Stop taking photos in, after those that it is at; what was taken in stays."""
        self._arrivals.stop()

    def judge(self, ids: Collection[str], word: str) -> None:
        """Use faces of the open person (`keep`), leave them out (`reject`), or go back to the verdicts ("")."""
        with self._lock:
            place, shown = self._place, self._view
        if place in ("", UNSORTED) or shown.place != place:
            return
        wanted = frozenset(ids)
        said, needed = words_for([face for face in shown.faces if face.id in wanted], WORDS[word])
        try:
            if needed:
                self.sorting.judge(place, needed, said)
        finally:
            self._changed()  # a page shows what it hopes for, and is told what became of it

    def date(self, ids: Collection[str], *, year: int | None, age: int | None) -> None:
        """Say when photos were taken and how old the person is there; see `Sorting.date`."""
        self.sorting.date(self._open_place(), ids, year=year, age=age)
        self._changed()

    def move(self, ids: Collection[str], target: str) -> None:
        """Give faces of the open place to somebody, by id, or to nobody; see `Sorting.move`."""
        self.sorting.move(ids, self._open_place(), target)
        self._changed()

    def new_person(self, ids: Collection[str], name: str) -> None:
        """Make a person of faces of the open place; see `Sorting.new_person`."""
        self.sorting.new_person(name, ids, self._open_place())
        self._changed()

    def remove(self, ids: Collection[str]) -> None:
        """Take faces out of the open place; see `Sorting.remove`."""
        self.sorting.remove(ids, self._open_place())
        self._changed()

    def rename(self, person: str, name: str) -> None:
        """Give a person another name; see `Sorting.rename`."""
        with self._desk_follows():
            self.sorting.rename(person, name)
        self._changed()

    def describe(self, person: str, subject: str) -> None:
        """Say what a person is called in a prompt; see `Sorting.describe`."""
        self.sorting.describe(person, subject)
        self._changed()

    def set_cover(self, reference: str) -> None:
        """Let a face stand for the open person; see `Sorting.set_cover`."""
        self.sorting.set_cover(self._open_place(), reference)
        self._changed()

    def merge(self, person: str, into: str) -> None:
        """Make two people one, by ids; see `Sorting.merge`."""
        stays = self.sorting.merge(person, into)
        self.open(stays.id)

    def undo(self) -> None:
        """Undo what was done last."""
        with self._desk_follows():
            self.sorting.undo()
        self._still_there()

    def redo(self) -> None:
        """Do again what was undone last."""
        with self._desk_follows():
            self.sorting.redo()
        self._still_there()

    def forget(self, person: str) -> Deleted:
        """Delete a person with everything of them; see `forgetting.forget`."""
        with self._building:  # or a picture of them could be laid out while they are deleted
            deleted = forgetting.forget(self.desk, person)
        self._still_there()
        return deleted

    @contextmanager
    def _desk_follows(self) -> Generator[None]:
        """Keep whoever is on the desk there; else the other screens would have nobody of the name that they had."""
        before = self.desk.person
        yield
        if before is not None:
            self.desk.follow_person(before)

    def _let_go(self, people: frozenset[str]) -> None:
        if self._place in people:
            self._turn_to("")
            self.refresh()
        self._background.settle()

    def look(self, reference: str) -> None:
        """Show the whole photo of a face of the open place; "" closes it."""
        self._pictures.look(self._place, reference)

    def tell(self, sentence: str) -> None:
        """Leave a notice; one that already stands there is not repeated."""
        self._background.tell(sentence)

    def forget_notice(self, index: int) -> None:
        """Take a notice away once it was read; -1 is what became of the last photos."""
        if index < 0:
            self._arrivals.forget()
        else:
            self._background.forget(index)

    def heard(self) -> None:
        """Let a page know that what it asked for was heard, though nothing came of it."""
        with self._lock:
            self._view = replace(self._view, revision=self._view.revision + 1)

    # What a page sees.

    def view(self) -> PeopleView:
        """Give what the screen shows now."""
        with self._lock:
            if not self._begun:
                self.lay_out()
            elif time.monotonic() - self._seen_at > LOOK_SECONDS:
                self._seen_at = time.monotonic()
                if self._stamp() != self._seen:
                    self.refresh_soon()
            return replace(
                self._view,
                comparing=self._judged != self._changes,
                coming=self._arrivals.coming(),
                came=self._arrivals.came,
                looked=self._pictures.looked,
                notices=self._background.notices(),
            )

    def refresh(self) -> None:
        """Put together anew what is shown."""
        with self._building:
            with self._lock:
                changes = self._changes
            try:
                stamp = self._stamp()
                self._show_uncompared()
                view = self._built()
                with self._lock:
                    others = self._seen != stamp
                    self._seen, self._seen_at = stamp, time.monotonic()
                    if self._changes != changes:  # something was done meanwhile, which must not be taken back
                        view = self._as_stored(view)
                    self._view = replace(view, revision=self._view.revision + 1)
                if others:
                    self.desk.look_again()  # the other screens show the same people and faces
            finally:
                with self._lock:
                    self._judged = max(self._judged, changes)

    def refresh_soon(self, pause: float = 0.0) -> Future[None] | None:
        """Put it together in the background, after a pause in seconds; None when the desk is closed."""
        with self._lock:
            if self._next is None:
                self._next = self._background.do("verdicts", lambda: self._refresh_next(pause))
            return self._next

    def _refresh_next(self, pause: float) -> None:
        time.sleep(pause)
        with self._lock:
            self._next = None  # what is done from here on needs another one
        self.refresh()

    def _changed(self) -> None:
        """Show at once what was done; the verdicts that follow from it come as soon as they are there."""
        with self._lock:
            self._changes += 1
            self._view = replace(self._as_stored(self._view), revision=self._view.revision + 1)
            many = len(self._view.faces) >= MANY
        judged = self.refresh_soon(PAUSE_SECONDS if many else 0.0)
        if judged is not None and not many:
            wait([judged], timeout=VERDICTS_SECONDS)

    def _as_stored(self, view: PeopleView) -> PeopleView:
        """Give what was shown as the files say now, with the verdicts that were."""
        place, journal = self._place, self.people.journal
        faces, sections = view.faces, view.sections
        if place != view.place:
            faces, sections = (), ()
        elif place:
            stored = {face.id: face for face in self._read_or_tell(lambda: self.people.faces(place))}
            faces = as_stored(faces, stored, judged=place != UNSORTED)
            sections = still_there(sections, stored) if place == UNSORTED else of_person(faces)
        return replace(
            view,
            place=place,
            people=self._known_people(view.people, place, faces),
            unsorted=len(self.people.places.ids(UNSORTED)),
            faces=faces,
            sections=sections,
            advice=view.advice if place == view.place else None,
            undo=journal.undoable(),
            redo=journal.redoable(),
        )

    def _known_people(
        self, shown: Sequence[ShownPerson], place: str, faces: Sequence[ShownFace]
    ) -> tuple[ShownPerson, ...]:
        """Give everybody who is there now, with what was known of them and of the open one's faces."""
        before = {person.id: person for person in shown}
        previews = {face.id: face.preview for face in faces}
        now: list[ShownPerson] = []
        everybody = self.people.list()
        for person in everybody:
            known = before.get(person.id)
            if known is None:
                count = len(self.people.places.ids(person.id))
                known = ShownPerson(person.id, "", "", person.created, "", "", count, count, 0, 0)
            elif person.id == place and faces:
                known = replace(known, used=sum(face.used for face in faces), all=len(faces))
            now.append(
                replace(
                    known,
                    name=person.name,
                    called=called(person, everybody),
                    subject=person.subject,
                    cover=previews.get(person.cover) or known.cover,
                )
            )
        return tuple(now)

    def _show_uncompared(self) -> None:
        """Show many faces of a place that was just opened as soon as they are read; what is to be said comes later."""
        with self._lock:
            place, view = self._place, self._view
        if not place or (view.place == place and view.faces) or len(self.people.places.ids(place)) < MANY:
            return
        if self.sorting.is_grouped() if place == UNSORTED else self.people.is_judged(place):
            return  # then it comes at once, and nothing shall move under a hand
        faces = self._read_or_tell(lambda: self.people.faces(place))
        previews = self._pictures.linked(place, faces)
        shown = tuple(shown_face(face, previews.get(face.id, ""), 0.0) for face in faces)
        sections = uncompared(shown, judged=place != UNSORTED)
        with self._lock:
            if self._place == place:
                now = replace(self._view, place=place, faces=shown, sections=sections)
                self._view = replace(self._as_stored(now), revision=self._view.revision + 1)

    def _built(self) -> PeopleView:
        people, place = self.people.list(), self._place
        galleries = {person.id: self._gallery(person) for person in people}
        listed = tuple(self._person(person, galleries[person.id], called(person, people)) for person in people)
        unsorted = self._read_or_tell(self.people.unsorted)
        faces: list[Reference] = []
        away: dict[str, float] = {}
        if place == UNSORTED:
            faces = unsorted
        elif place in galleries:
            faces = galleries[place]
            away = misfits(faces)
        previews = self._pictures.linked(place, faces)
        shown = tuple(shown_face(face, previews.get(face.id, ""), away.get(face.id, 0.0)) for face in faces)
        return replace(
            NOTHING,
            people=listed,
            unsorted=len(unsorted),
            place=place,
            sections=grouped(self.sorting, bool(unsorted)) if place == UNSORTED else of_person(shown),
            faces=shown,
            advice=advise(faces) if place in galleries else None,
            undo=self.people.journal.undoable(),
            redo=self.people.journal.redoable(),
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

    def _person(self, person: Person, faces: Sequence[Reference], title: str) -> ShownPerson:
        used = [face for face in faces if face.used]
        cover = next((face for face in faces if face.id == person.cover), None)
        best = max(used or list(faces), key=lambda face: (face.quality.eye_distance_px, face.id), default=None)
        chosen = cover or best
        preview = self._pictures.linked(person.id, [chosen]).get(chosen.id, "") if chosen is not None else ""
        folder = self.people.folder(person)
        tunings = sum(1 for _ in (folder / "tuned").glob("[!.]*"))
        results = sum(1 for _ in (folder / "runs").glob("[!.]*"))
        return ShownPerson(
            person.id,
            person.name,
            title,
            person.created,
            person.subject,
            preview,
            len(used),
            len(faces),
            tunings,
            results,
        )

    # Within.

    def _turn_to(self, place: str) -> None:
        with self._lock:
            self._place = place
            write_json(self._place_file, {"version": 1, "place": place})
        self._pictures.look("", "")

    def _open_place(self) -> str:
        return self._place or UNSORTED

    def _still_there(self) -> None:
        """Show everybody when the one who was shown is not there any more."""
        listed = {person.id for person in self.people.list()}
        try:
            self.open(self._place if self._place in listed or self._place in ("", UNSORTED) else "")
        except NoSuchPerson:  # another undoing took them away meanwhile
            self.open("")

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
