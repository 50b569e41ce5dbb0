"""Names of people: which ones nobody can have, which are one, and the short form that a folder gets."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from engine.errors import EngineError
from engine.people.reference import Person

LONGEST_NAME = 200
"""Characters."""


class NameRefused(EngineError):
    """A person cannot have this name or be this subject."""


def check_name(name: str) -> None:
    """Refuse a name that nobody can have. Raises `NameRefused`."""
    if not name:
        raise NameRefused("A person needs a name. Give one.")
    if len(name) > LONGEST_NAME:
        raise NameRefused(
            f"The name is {len(name)} characters long and may have at most {LONGEST_NAME}. Give a shorter one."
        )
    if any(unicodedata.category(letter) in {"Cc", "Cs", "Zl", "Zp"} for letter in name):
        raise NameRefused(f"The name {name!r} holds characters that cannot be shown. Write it on one line.")


def same_name(one: str, other: str) -> bool:
    """Say whether two names are one, capitals or not, however their accents are written."""
    return unicodedata.normalize("NFC", one).casefold() == unicodedata.normalize("NFC", other).casefold()


def called(person: Person, everybody: Iterable[Person]) -> str:
    """Give what a person is called among others: their name, with digits of their id where somebody else has it too.

    The app lets nobody take a name that is taken; a folder that was copied into the workspace can bring one along.
    """
    alike = sum(same_name(other.name, person.name) for other in everybody)
    return f"{person.name} ({person.id[-6:]})" if alike > 1 else person.name


def slug(name: str) -> str:
    """Give a short form of a name that every file system takes: letters a to z, digits and dashes."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40].strip("-") or "person"


def listed(people: Sequence[Person]) -> str:
    """Name people with their ids, of many the first eight."""
    shown = [f"{p.name} ({p.id})" for p in people[:8]]
    return ", ".join(shown) + (f" and {len(people) - 8} more" if len(people) > 8 else "")
