"""`compare`: the same face through several restorers, with a table and a contact sheet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.errors import EngineError
from ui.cli.call import Call, command
from ui.cli.restore import PersonOption, PriorOption, RecipeOption, read_choices
from ui.cli.table import table

if TYPE_CHECKING:
    from engine.studio.compare import Way


class BadWay(EngineError):
    """A restorer was not named as `compare` reads it."""


def add_to(app: typer.Typer) -> None:
    """Add the command of this file to the app."""
    command(app, "compare", answers="compare")(compare)


def compare(
    call: Call,
    photo: Annotated[
        Path, typer.Argument(metavar="PHOTO", readable=False, help="The damaged photo, or a clean one with --damage.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="A new folder for crops, numbers and sheets.")],
    ways: Annotated[
        list[str] | None,
        typer.Option("--with", metavar="ID[:NAME=VALUE,...]", help="A restorer and its settings; may be repeated."),
    ] = None,
    person: PersonOption = None,
    damages: Annotated[
        list[str] | None,
        typer.Option("--damage", metavar="NAME", help="Damage the clean PHOTO by a preset first; may be repeated."),
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option("--truth", readable=False, help="The same photo undamaged, of the same size or shape."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the noise.")] = 0,
    face: Annotated[int | None, typer.Option("--face", help="Which face, from 1; else the person's own.")] = None,
    recipe: RecipeOption = "quick",
    prior: PriorOption = "pocket",
) -> None:
    """Restore one face by several restorers, measure the results and draw a contact sheet."""
    from engine.studio.compare import Comparing
    from engine.studio.compare import compare as compared

    if out.exists():
        raise EngineError(f"{out} exists already and is never overwritten. Choose another name.")
    usual = ["enlarge", "cleaner", "diffbir", *(["dual-pivot"] if person is not None else [])]
    asked = Comparing(
        photo=photo,
        out=out,
        ways=tuple(_way(text) for text in ways or usual),
        damages=tuple(damages or ()),
        truth=truth,
        person=person,
        recipe=recipe,
        seed=seed,
        face=face,
        device=call.device,
        prior=prior,
    )
    with call.holding() as workspace, call.following() as report:
        known = compared(workspace, asked, report)
    places = {name: str(out / file) for name, file in known["sheets"].items()}
    call.answer({**known, "out": str(out), "sheets": places}, _lines(known, places))


def _way(text: str) -> Way:
    from engine.restorers import find
    from engine.studio.compare import Way

    name, _, choices = text.partition(":")
    if not name:
        raise BadWay(f"{text!r} names no restorer. Write ID or ID:NAME=VALUE,NAME=VALUE.")
    return Way(name, read_choices([choice for choice in choices.split(",") if choice], find(name).options))


def _lines(known: dict[str, Any], places: dict[str, str]) -> list[str]:
    lines: list[str] = []
    marks = {"higher": "higher", "lower": "lower", "one": "near 1"}
    for row in known["rows"]:
        having = [m for m in known["metrics"] if any(m["key"] in result["numbers"] for result in row["results"])]
        if row["damage"]:
            lines.append(f"{row['damage']}:")
        lines += table(
            [
                {
                    "restorer": result["title"],
                    **{f"{m['title']} ({marks[m['direction']]})": _cell(result, m["key"]) for m in having},
                }
                for result in row["results"]
            ]
        )
    lines += [f"Contact sheet: {places['plain']}", *known["notes"]]
    return lines


def _cell(result: dict[str, Any], key: str) -> str:
    number = result["numbers"].get(key)
    return "" if number is None else f"{number:g}{' *' if key in result['best'] else ''}"
