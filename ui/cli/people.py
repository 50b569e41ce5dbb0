"""`people add|list|show|remove|keep|reject|merge|split|undo|redo`: whose photos there are, and which are used."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from engine.errors import EngineError
from ui.cli.call import Call, command
from ui.cli.table import table

if TYPE_CHECKING:
    from engine.people import AddOutcome, Done, Library, Person, Reason, Reference, Sorting
    from engine.workspace import Workspace

group = typer.Typer(no_args_is_help=True, help="The people whose photos you restore, and their good photos.")

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name or id of the person.")]
ReferencesArgument = Annotated[list[str], typer.Argument(metavar="REF...", help="Ids, as `people show` lists them.")]
UndoOption = Annotated[bool, typer.Option("--undo", help="Go back to the program's own verdict.")]

NOTHING_STORED = ("unreadable", "no-face")
"""Reasons for which a file was not taken at all."""


class NotAdded(EngineError):
    """Files that were named could not be used."""


class NotConfirmed(EngineError):
    """Nobody confirmed that a person shall be removed."""


@command(group, "add", answers="people add")
def add(
    call: Call,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the person; a new one is made.")],
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATHS...", readable=False, help="Good photos of them, or folders of photos."),
    ],
    subject: Annotated[
        Literal["person", "man", "woman", "child"], typer.Option("--subject", help="What a new person is.")
    ] = "person",
) -> None:
    """Add good photos of a person; each face gets a verdict with its reason."""
    from engine.people import NoSuchPerson

    with call.holding() as workspace, call.following() as report:
        report.tick("opening", 0, 1)
        library = _library(workspace)
        try:
            person, created = library.get(name), False
        except NoSuchPerson:
            person, created = library.create(name, subject), True
        try:
            rows = [_added(outcome) for outcome in library.add(person, paths, report)]
        finally:
            if created and not library.references(person):
                library.remove(person.id)  # of files that are no photos nobody is made
        accepted = sum(row["verdict"] == "accepted" for row in rows)
        value = {
            "person": _described(library, person),
            "created": created,
            "accepted": accepted,
            "rejected": len(rows) - accepted,
            "faces": rows,
        }
    lines = table([{"photo": r["file"], "verdict": r["verdict"], "why": r["sentence"]} for r in rows])
    call.answer(value, [*lines, f"{accepted} of {len(rows)} accepted for {person.name}."])
    refused = [row["sentence"] for row in rows if row["reason"] in NOTHING_STORED]
    if refused:
        count = "" if len(rows) == 1 else f"{len(refused)} of {len(rows)} could not be used; the first: "
        raise NotAdded(f"{count}{refused[0]}")


@command(group, "list", answers="people list")
def list_people(call: Call) -> None:
    """List the people."""
    library = _library(call.workspace)
    rows = [_described(library, person) for person in library.list()]
    lines = table(
        [{"name": r["name"], "subject": r["subject"], "faces": r["references"], "used": r["used"]} for r in rows]
    )
    call.answer({"people": rows}, lines or ["Nobody yet. Add somebody: python app.py people add NAME PHOTOS..."])


@command(group, "show", answers="people show")
def show(call: Call, name: NameArgument) -> None:
    """Show a person's faces with their verdicts, and what was tuned."""
    library = _library(call.workspace)
    person = library.get(name)
    described, references = _described(library, person), library.references(person)
    tuned = _tuned(library, person)
    rows = [
        {
            "id": reference.id,
            "file": reference.name,
            "verdict": reference.verdict,
            **_reason(reference.reason),
            "overruled": reference.overruled,
            "used": reference.used,
        }
        for reference in references
    ]
    lines = [f"{person.name} ({person.id}), {person.subject}: {described['used']} of {len(rows)} faces used"]
    lines += table(
        [
            {
                "reference": r["id"],
                "photo": r["file"],
                "used": "yes" if r["used"] else "no",
                "verdict": f"{r['verdict']}, you said {r['overruled']}" if r["overruled"] else r["verdict"],
                "why": r["sentence"],
            }
            for r in rows
        ]
    )
    for made in tuned:
        state = "of the faces used now" if made["current"] else "of other faces"
        lines.append(f"Tuned with recipe {made['recipe']}, {state}: {made['folder']}")
    call.answer({"person": described, "references": rows, "tuned": tuned}, lines)


@command(group, "remove", answers="people remove")
def remove(
    call: Call,
    name: NameArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove a person with their photos, tuned models and all else that belongs to them."""
    with call.holding() as workspace:
        library = _library(workspace)
        person = library.get(name)
        if not yes and not sys.stdin.isatty():
            raise NotConfirmed(f"{person.name} was not removed. Say --yes to remove them with all their photos here.")
        if not yes and not typer.confirm(
            f"Remove {person.name} with {len(library.references(person))} faces, copies of photos and tuned models?",
            err=True,
        ):
            raise NotConfirmed(f"{person.name} was not removed.")
        library.remove(person.id)
    call.answer({"removed": {"id": person.id, "name": person.name}}, [f"{person.name} is removed."])


@command(group, "keep", answers="people keep")
def keep(call: Call, name: NameArgument, references: ReferencesArgument, undo: UndoOption = False) -> None:
    """Use faces whatever their verdict."""
    _overrule(call, name, references, None if undo else "keep")


@command(group, "reject", answers="people reject")
def reject(call: Call, name: NameArgument, references: ReferencesArgument, undo: UndoOption = False) -> None:
    """Leave faces out whatever their verdict."""
    _overrule(call, name, references, None if undo else "reject")


@command(group, "merge", answers="people merge")
def merge(
    call: Call,
    name: NameArgument,
    into: Annotated[str, typer.Argument(metavar="INTO", help="Name or id of who both are from then on.")],
) -> None:
    """Make two people one; `people undo` makes them two again."""
    with call.holding() as workspace:
        library = _library(workspace)
        gone = library.get(name)
        stays = _sorting(library).merge(name, into)
        value = {"merged": {"id": gone.id, "name": gone.name}, "person": _described(library, stays)}
    call.answer(value, [f"{gone.name} is {stays.name} now: {value['person']['references']} faces."])


@command(group, "split", answers="people split")
def split(
    call: Call,
    name: NameArgument,
    new: Annotated[str, typer.Argument(metavar="NEW", help="Name of the new person.")],
    references: ReferencesArgument,
) -> None:
    """Make a new person of some faces of another; `people undo` takes that back."""
    with call.holding() as workspace:
        library = _library(workspace)
        source = library.get(name)
        made = _sorting(library).new_person(new, references, source.id)
        value = {"person": _described(library, made), "source": _described(library, source)}
    call.answer(value, [f"{made.name} has {value['person']['references']} faces that were {source.name}'s."])


@command(group, "undo", answers="people undo")
def undo(call: Call) -> None:
    """Undo what was last done to people or faces, here or in the app; deleting a person cannot be undone."""
    with call.holding() as workspace:
        _tell(call, _sorting(_library(workspace)).undo(), "Undone", "There is nothing to undo.")


@command(group, "redo", answers="people redo")
def redo(call: Call) -> None:
    """Do again what was undone last."""
    with call.holding() as workspace:
        _tell(call, _sorting(_library(workspace)).redo(), "Done again", "There is nothing to do again.")


def _tell(call: Call, done: Done | None, how: str, nothing: str) -> None:
    told = {"verb": done.verb, "faces": done.count, "name": done.name} if done is not None else None
    line = f"{how}: {done.verb}, {done.count} faces, {done.name or 'nobody'}." if done is not None else nothing
    call.answer({"done": told}, [line])


def _sorting(library: Library) -> Sorting:
    from engine.people import Sorting

    return Sorting(library)


def _overrule(call: Call, name: str, references: list[str], word: Literal["keep", "reject"] | None) -> None:
    with call.holding() as workspace:
        library = _library(workspace)
        person = library.get(name)
        made = [library.overrule(person, reference, word) for reference in references]
    rows = [{"id": reference.id, "used": reference.used} for reference in made]
    lines = [f"{row['id']} is {'used' if row['used'] else 'not used'}." for row in rows]
    call.answer({"references": rows}, lines)


def _library(workspace: Workspace) -> Library:
    from engine.studio import preparing

    return preparing.library(workspace)


def _described(library: Library, person: Person) -> dict[str, Any]:
    references: list[Reference] = library.references(person)
    return {
        "id": person.id,
        "name": person.name,
        "subject": person.subject,
        "prompt": person.prompt,
        "references": len(references),
        "used": sum(reference.used for reference in references),
    }


def _added(outcome: AddOutcome) -> dict[str, Any]:
    return {
        "file": outcome.file.name or str(outcome.file),
        "reference": outcome.reference.id if outcome.reference else "",
        "verdict": outcome.verdict,
        **_reason(outcome.reason),
    }


def _reason(reason: Reason | None) -> dict[str, str]:
    return {"reason": reason.code if reason else "", "sentence": reason.sentence if reason else ""}


def _tuned(library: Library, person: Person) -> list[dict[str, Any]]:
    """List the finished tuned models of a person."""
    from engine.tuning import BadTunedModel, read_tuned

    now = library.gallery(person).fingerprint
    found: list[dict[str, Any]] = []
    for folder in sorted((library.folder(person) / "tuned").glob("[!.]*")):
        try:
            known = read_tuned(folder).manifest
        except BadTunedModel:  # one that was stopped
            continue
        found.append({"recipe": known["recipe"]["name"], "folder": str(folder), "current": known["gallery"] == now})
    return found
