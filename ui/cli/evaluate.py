"""`evaluate` and `evaluate-galleries`: what tuning and verdicts are worth, measured on a folder of people."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ui.cli.call import Call, command


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file to the app."""
    command(app, "evaluate", answers="evaluate")(evaluate)
    command(app, "evaluate-galleries", answers="evaluate-galleries")(evaluate_galleries)


def evaluate(
    call: Call,
    people: Annotated[Path, typer.Argument(metavar="PEOPLE", readable=False, help="A folder of photos a person.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for table, rows and sheet; earlier ones are replaced.")],
    recipe: Annotated[str, typer.Option("--recipe", help="How the tuning is done.")] = "quick",
) -> None:
    """Tune to everybody in a folder, damage and restore their last four photos by five arms, and tabulate."""
    with call.holding() as workspace, call.following() as report:
        report.tick("loading", 0, 1)
        from engine.evaluation import people_table

        rows = people_table.run(workspace, people, out, report, recipe=recipe, device=call.device)
    written = out / "people.md"
    value = {"table": str(written), "sheet": str(out / "people.jpg"), "rows": rows}
    call.answer(value, [written.read_text(encoding="utf-8")])


def evaluate_galleries(
    call: Call,
    people: Annotated[Path, typer.Argument(metavar="PEOPLE", readable=False, help="A folder of photos a person.")],
) -> None:
    """Put strangers and copies among everybody's photos and count which of them the verdicts find. Takes minutes."""
    from engine.evaluation import galleries

    with call.following() as report:
        report.tick("loading", 0, 1)
        made = galleries.run(people, report)
    call.answer(made, galleries.table(made))
