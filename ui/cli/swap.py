"""`restore-as`: somebody's blurred face restored as another person, with the consent of both."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from ui.cli.call import Call, command


def add_to(app: typer.Typer) -> None:
    """Add the command to the app."""
    command(app, "restore-as", answers="restore-as")(restore_as)


def restore_as(
    call: Call,
    photo: Annotated[Path, typer.Argument(metavar="PHOTO", readable=False, help="With the face that is replaced.")],
    person: Annotated[str, typer.Option("--as", metavar="NAME", help="Whose face it becomes: name or id.")],
    consent: Annotated[bool, typer.Option("--consent", help="Both people have agreed to this.")] = False,
    out: Annotated[Path | None, typer.Option("--out", help="File to write; else a free name here.")] = None,
    face: Annotated[int | None, typer.Option("--face", help="Which face, from 1, the largest first.")] = None,
    words: Annotated[str, typer.Option("--words", help="What to show, in words the prior knows.")] = "",
    recipe: Annotated[str, typer.Option("--recipe", help="For a person who is not personalized yet.")] = "quick",
    seed: Annotated[int, typer.Option("--seed", help="Of the noise.")] = 0,
) -> None:
    """Blur a face until it is nobody's and restore it as another person. Only with the consent of both."""
    from engine.studio import Asked
    from engine.studio.swap import restore_as as swap

    options = {"words": words} if words else {}
    asked = Asked(photo, out or Path.cwd(), person=person, recipe=recipe, options=options, seed=seed, face=face)
    with call.holding() as workspace, call.following() as report:
        report.tick("loading", 0, 1)
        made = swap(workspace, replace(asked, device=call.device), report, consent=consent)
    value = {key: made[key] for key in ("result", "blurred", "provenance", "face", "faces", "identity", "notes")}
    call.answer({"person": made["person"], **value}, [f"{made['result']} shows {made['person']}.", *made["notes"]])
