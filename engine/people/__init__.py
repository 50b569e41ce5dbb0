"""People and the photos of them that are good enough to learn from, and why the others are not.

A person is a folder of the workspace: `person.json`, `photos/` (each file as it was given, named by its content) and
`references/` (one file for each face, with what was measured on it). What is measured is kept; verdicts are not: they
follow from all of a person's faces together and are found anew each time, by `judge`. What the user overruled stays.
Faces that are nobody's yet lie in a place of their own; sorting them out, and all else that is done here, is written
down in a journal and can be undone, except that a person is deleted.

Nothing here knows about tuning or restoring. What other rooms keep of a person lies in the same folder, so that it goes
with the person.
"""

from __future__ import annotations

from engine.people.advice import Advice, advise
from engine.people.deletion import Deleted, NothingOfTheDeleted, delete_everything
from engine.people.intake import Taken, take_in
from engine.people.journal import Done, Move
from engine.people.library import (
    Library,
    NoSuchPerson,
    NoSuchReference,
    PersonNotSaved,
)
from engine.people.names import LONGEST_NAME, NameRefused, called, same_name
from engine.people.places import BIN, UNSORTED, FaceNotMoved, Places
from engine.people.reference import (
    IDENTITY_SIZE,
    SUBJECTS,
    TOKEN,
    AddOutcome,
    Gallery,
    Measured,
    Overruled,
    Person,
    PersonDamaged,
    PhotoChanged,
    Reason,
    Reference,
    Verdict,
    measured,
)
from engine.people.sorting import Group, Sorting, SortingRefused, misfits, nearest_of, used_faces
from engine.people.verdicts import BLURRED, SOMEBODY_ELSE, TOO_SMALL_PX, TURNED_AWAY, judge, leave_out, poor

__all__ = [
    "BIN",
    "BLURRED",
    "IDENTITY_SIZE",
    "LONGEST_NAME",
    "SOMEBODY_ELSE",
    "SUBJECTS",
    "TOKEN",
    "TOO_SMALL_PX",
    "TURNED_AWAY",
    "UNSORTED",
    "AddOutcome",
    "Advice",
    "Deleted",
    "Done",
    "FaceNotMoved",
    "Gallery",
    "Group",
    "Library",
    "Measured",
    "Move",
    "NameRefused",
    "NoSuchPerson",
    "NoSuchReference",
    "NothingOfTheDeleted",
    "Overruled",
    "Person",
    "PersonDamaged",
    "PersonNotSaved",
    "PhotoChanged",
    "Places",
    "Reason",
    "Reference",
    "Sorting",
    "SortingRefused",
    "Taken",
    "Verdict",
    "advise",
    "called",
    "delete_everything",
    "judge",
    "leave_out",
    "measured",
    "misfits",
    "nearest_of",
    "poor",
    "same_name",
    "take_in",
    "used_faces",
]
