"""People and the photos of them that are good enough to learn from, and why the others are not.

A person is a folder of the workspace: `person.json`, `photos/` (each file as it was given, named by its content) and
`references/` (one file for each face, with what was measured on it). What is measured is kept; verdicts are not: they
follow from all of a person's faces together and are found anew each time, by `judge`. What the user overruled stays.

Nothing here knows about tuning or restoring. What other rooms keep of a person lies in the same folder, so that it goes
with the person.
"""

from __future__ import annotations

from engine.people.deletion import Deleted, delete_everything
from engine.people.library import (
    LONGEST_NAME,
    Library,
    NameRefused,
    NoSuchPerson,
    NoSuchReference,
    PersonNotSaved,
)
from engine.people.reference import (
    SUBJECTS,
    TOKEN,
    AddOutcome,
    Gallery,
    Measured,
    Overruled,
    Person,
    PersonDamaged,
    Reason,
    Reference,
    Verdict,
    measured,
)
from engine.people.verdicts import BLURRED, SOMEBODY_ELSE, TOO_SMALL_PX, TURNED_AWAY, judge, leave_out

__all__ = [
    "BLURRED",
    "LONGEST_NAME",
    "SOMEBODY_ELSE",
    "SUBJECTS",
    "TOKEN",
    "TOO_SMALL_PX",
    "TURNED_AWAY",
    "AddOutcome",
    "Deleted",
    "Gallery",
    "Library",
    "Measured",
    "NameRefused",
    "NoSuchPerson",
    "NoSuchReference",
    "Overruled",
    "Person",
    "PersonDamaged",
    "PersonNotSaved",
    "Reason",
    "Reference",
    "Verdict",
    "delete_everything",
    "judge",
    "leave_out",
    "measured",
]
