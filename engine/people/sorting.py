"""Sorting faces out: who is whose, by hand and by likeness. Everything done here can be undone.

Faces that were found in photos lie with nobody until they are given to a person. Which of them likely show one
person, and whether that is somebody known, is a suggestion, by distances of `faces.embed`; nothing is given to anybody
by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from engine.errors import EngineError
from engine.faces import Embedding
from engine.people.journal import Change, Done, Move, Put
from engine.people.library import Library, NoSuchReference, shown
from engine.people.names import NameRefused, check_name, same_name
from engine.people.places import UNSORTED
from engine.people.reference import SUBJECTS, Overruled, Person, Reference
from engine.people.verdicts import SOMEBODY_ELSE, groups, mean_distances
from engine.workspace import trash

OLDEST = 120
"""Years that a person's age is taken for."""
FIRST_YEAR, LAST_YEAR = 1827, 2200
"""Before the first there were no photos."""


class SortingRefused(EngineError):
    """Faces cannot be sorted like that."""


@dataclass(frozen=True)
class Group:
    """Faces that likely show one person."""

    ids: tuple[str, ...]
    """The one that fits worst first."""
    person: str
    """Id of who that may be; "" for nobody known."""
    distance: float
    """Mean dlib distance of the faces to that person's, or to each other; lower is nearer. 0 for a face alone."""


class Sorting:
    """The verbs of whoever sorts faces out. For any thread."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._journal = library.journal
        self._groups: tuple[frozenset[str], tuple[tuple[str, ...], ...]] = (frozenset(), ())

    def is_grouped(self) -> bool:
        """Say whether the groups of what is nobody's are known, so that `suggest` gives them at once."""
        return self._groups[0] == self._library.places.ids(UNSORTED)

    def suggest(self) -> tuple[Group, ...]:
        """Give the faces that are nobody's yet, grouped: those of known people first, then the largest groups.

        All groups that may be one known person are one.
        """
        faces = {face.id: face for face in self._library.unsorted()}
        ids = frozenset(faces)
        if ids != self._groups[0]:
            everybody = list(faces)
            found = groups([face.embedding for face in faces.values()])
            self._groups = (ids, tuple(tuple(everybody[n] for n in group) for group in found))
        known = used_faces(self._library)
        suggested: dict[str, list[str]] = {}
        strangers: list[Group] = []
        for group in self._groups[1]:
            here = [faces[name] for name in group]
            nearest, away = nearest_of([face.embedding for face in here], known)
            if away <= SOMEBODY_ELSE:
                suggested.setdefault(nearest, []).extend(group)
            else:
                strangers.append(_ordered(here, here, ""))
        ours = [_ordered([faces[name] for name in names], known[person], person) for person, names in suggested.items()]
        return (*sorted(ours, key=lambda group: -len(group.ids)), *strangers)

    def new_person(self, name: str, ids: Collection[str], source: str, subject: str = "person") -> Person:
        """Make a person of faces that lie with somebody else or with nobody.

        Raises:
            NameRefused: as `Library.create`.
            SortingRefused: no face is given.
            NoSuchReference: a face is not there.
        """
        self._there(ids, source)
        person = self._library.create(name, subject, noted=False)
        done = Done("new", len(ids), person.name, (person.id, *_person(source)))
        try:
            self._journal.do(done, [shown(person), Move(tuple(ids), source, person.id)])
        except EngineError:
            trash(self._library.folder(person))
            raise
        return person

    def move(self, ids: Collection[str], source: str, target: str) -> None:
        """Give faces to a person, by id, or to nobody (`UNSORTED`); those that are there already go into the bin.

        Raises: as `new_person`, and `NoSuchPerson`.
        """
        self._there(ids, source)
        name = "" if target == UNSORTED else self._library.get(target).name
        if source == target:
            return
        gone = self._journal.new_bin()
        done = Done("moved", len(ids), name, (*_person(source), *_person(target)))
        self._journal.do(done, self._moves(tuple(ids), source, target, gone), bin=gone)

    def remove(self, ids: Collection[str], source: str) -> None:
        """Take faces out of a place; undo brings them back. Raises as `new_person`."""
        self._there(ids, source)
        gone = self._journal.new_bin()
        done = Done("removed", len(ids), self._name(source), _person(source))
        self._journal.do(done, [Move(tuple(ids), source, gone)], bin=gone)

    def judge(self, person: str, ids: Collection[str], word: Overruled | None) -> None:
        """Keep or reject references of a person against their verdicts; None takes that back. Raises as `move`."""
        if word not in ("keep", "reject", None):
            raise ValueError(f"word must be keep, reject or None, got {word!r}")
        self._put(person, ids, word or "verdict", lambda face: {"overruled": (face.overruled, word)})

    def date(self, person: str, ids: Collection[str], *, year: int | None, age: int | None) -> None:
        """Say when photos were taken and how old the person is in them; None for unknown.

        Args:
            person: id, or `UNSORTED`.
            ids: of the faces.
            year: `FIRST_YEAR` to `LAST_YEAR`.
            age: 0 to `OLDEST`.

        Raises:
            SortingRefused: the year or the age cannot be.
        """
        if year is not None and not FIRST_YEAR <= year <= LAST_YEAR:
            raise SortingRefused(f"No photo is of the year {year}. Give one from {FIRST_YEAR} to {LAST_YEAR}.")
        if age is not None and not 0 <= age <= OLDEST:
            raise SortingRefused(f"Nobody is {age} years old. Give an age from 0 to {OLDEST}.")
        self._put(person, ids, "dated", lambda face: {"year": (face.year, year), "age": (face.age, age)})

    def rename(self, person: str, name: str) -> None:
        """Give a person another name.

        Raises:
            NoSuchPerson, NameRefused: see there.
        """
        known, name = self._library.get(person), name.strip()
        check_name(name)
        if any(other.id != known.id and same_name(other.name, name) for other in self._library.list()):
            raise NameRefused(f"There is somebody called {name} already. Choose another name, such as with a year.")
        if name != known.name:
            self._journal.do(Done("rename", 0, name, (known.id,)), [Put(known.id, "", "name", known.name, name)])

    def describe(self, person: str, subject: str) -> None:
        """Say what a person is called in a prompt, one of `SUBJECTS`. Raises as `rename`."""
        known = self._library.get(person)
        if subject not in SUBJECTS:
            raise NameRefused(f"A person is one of {', '.join(SUBJECTS)}; {subject!r} was given. Choose one of them.")
        if subject != known.subject:
            done = Done("subject", 0, known.name, (known.id,))
            self._journal.do(done, [Put(known.id, "", "subject", known.subject, subject)])

    def set_cover(self, person: str, reference: str) -> None:
        """Let a face stand for its person on screens. Raises as `move`."""
        known = self._library.get(person)
        self._there([reference], known.id)
        done = Done("cover", 1, known.name, (known.id,))
        self._journal.do(done, [Put(known.id, "", "cover", known.cover, reference)])

    def merge(self, person: str, into: str) -> Person:
        """Make two people one, who has the second one's name and tunings; what the first had is not listed any more.

        Args:
            person: id or name of who is merged.
            into: id or name of who stays.

        Returns:
            Who stays.

        Raises:
            NoSuchPerson: see there.
            SortingRefused: both are one.
        """
        gone, stays = self._library.get(person), self._library.get(into)
        if gone.id == stays.id:
            raise SortingRefused(f"{gone.name} cannot be merged with themselves. Choose somebody else.")
        ids, bin = tuple(sorted(self._library.places.ids(gone.id))), self._journal.new_bin()
        changes = [*self._moves(ids, gone.id, stays.id, bin), Put(gone.id, "", "hidden", "", stays.id)]
        self._journal.do(Done("merged", len(ids), stays.name, (gone.id, stays.id)), changes, bin=bin)
        return stays

    def undo(self) -> Done | None:
        """Undo what was done last, here or anywhere else; None when there is nothing."""
        return self._journal.undo()

    def redo(self) -> Done | None:
        """Do again what was undone last; None when there is nothing."""
        return self._journal.redo()

    def _moves(self, ids: Sequence[str], source: str, target: str, gone: str) -> list[Change]:
        have = self._library.places.ids(target)
        fresh, twice = tuple(n for n in ids if n not in have), tuple(n for n in ids if n in have)
        moves = [Move(fresh, source, target), Move(twice, source, gone)]
        return [move for move in moves if move.ids]

    def _put(
        self, place: str, ids: Collection[str], verb: str, what: Callable[[Reference], dict[str, tuple[object, object]]]
    ) -> None:
        """Change fields of faces: `what` gives for each what the fields are and shall be."""
        self._there(ids, place)
        known = self._library.faces(place)
        wanted = set(ids)
        changes = [
            Put(place, face.id, field, before, after)
            for face in known
            if face.id in wanted
            for field, (before, after) in what(face).items()
            if before != after
        ]
        if changes:
            count = len({change.reference for change in changes})
            self._journal.do(Done(verb, count, self._name(place), _person(place)), changes)

    def _there(self, ids: Collection[str], place: str) -> None:
        if not ids:
            raise SortingRefused("No face is chosen. Choose at least one.")
        if place != UNSORTED:
            self._library.get(place)
        missing = set(ids) - self._library.places.ids(place)
        if missing:
            raise NoSuchReference(
                f"{len(missing)} of {len(ids)} faces are no longer there. They may have been moved or removed already."
            )

    def _name(self, place: str) -> str:
        return "" if place == UNSORTED else self._library.get(place).name


def misfits(faces: Sequence[Reference]) -> dict[str, float]:
    """Give for each face its mean dlib distance to the others that are used, or to all others if none is."""
    used = [face for face in faces if face.used] or list(faces)
    if not faces:
        return {}
    away = mean_distances([face.embedding for face in faces], [face.embedding for face in used])
    among = {face.id for face in used}
    # Among the used ones is the face itself, at no distance.
    return {
        face.id: float(mean) * (len(used) / (len(used) - 1) if face.id in among and len(used) > 1 else 1.0)
        for face, mean in zip(faces, away, strict=True)
    }


def used_faces(library: Library) -> dict[str, list[Reference]]:
    """Give the faces of everybody that are used, by the person's id. Raises as `Library.references`."""
    return {person.id: [face for face in library.references(person) if face.used] for person in library.list()}


def nearest_of(group: Sequence[Embedding], known: Mapping[str, Sequence[Reference]]) -> tuple[str, float]:
    """Give which of some people, by id, a group of faces is nearest to, and how near; infinitely far from nobody."""
    away = {
        person: float(mean_distances(group, [face.embedding for face in faces]).mean())
        for person, faces in known.items()
        if faces
    }
    nearest = min(away, key=lambda person: (away[person], person), default="")
    return nearest, away.get(nearest, float("inf"))


def _ordered(group: Sequence[Reference], others: Sequence[Reference], person: str) -> Group:
    """Give a group with its faces in order, by their distance to others."""
    away = mean_distances([face.embedding for face in group], [face.embedding for face in others])
    if not person and len(group) > 1:
        away = away * len(group) / (len(group) - 1)  # each is among them, at no distance from itself
    order = np.argsort(-np.round(away, 3), kind="stable")
    return Group(
        tuple(group[n].id for n in order), person, round(float(away.mean()), 4) if person or len(group) > 1 else 0.0
    )


def _person(place: str) -> tuple[str, ...]:
    return () if place == UNSORTED else (place,)
