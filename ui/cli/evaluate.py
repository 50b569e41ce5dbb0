"""`evaluate` and `evaluate-galleries`: what tuning and verdicts are worth, measured on a folder of people."""

from __future__ import annotations

from dataclasses import replace
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
    people: Annotated[Path, typer.Argument(metavar="FOLDER", readable=False, help="A folder of photos a person.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for page, tables and rows; earlier ones are replaced.")],
    recipe: Annotated[str, typer.Option("--recipe", help="How the tuning is done.")] = "quick",
    damage: Annotated[
        list[str] | None, typer.Option("--damage", help="hard or method; else both. The claim is judged by the first.")
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", help="Draws of damage and noise for each photo.")] = 3,
    references: Annotated[int, typer.Option("--references", help="Photos that each prior is tuned to, at most.")] = 10,
    ablation: Annotated[
        bool, typer.Option("--ablation", help="Also tune in the other context and to 1, 3, 5 and 10 references.")
    ] = False,
    prior: Annotated[
        str, typer.Option("--prior", help="Name as `restore` takes it, or the folder of a prior that was trained here.")
    ] = "pocket",
) -> None:
    """Tune to everybody in a folder, damage and restore photos that no tuning saw by every arm, and judge the claim.

    The last four photos of each person are restored and all others are references; or give each person's folder the
    folders references, truth and, with damaged versions of the same names, damaged. A run that was stopped or killed
    goes on with the same command.
    """
    with call.holding() as workspace, call.following() as report:
        report.tick("loading", 0, 1)
        from engine.evaluation import evaluate as evaluation
        from engine.evaluation import evaluation_page
        from engine.prior.diffbir.kinds import KINDS

        named = prior.partition(":")[0] in ("pocket", *KINDS)
        known = prior if named else Path(prior)
        plan = evaluation.Plan(recipe, seeds=seeds, references=references, ablation=ablation, prior=known)
        plan = replace(plan, damage=tuple(damage) if damage else plan.damage, device=call.device)
        value = evaluation_page.write(evaluation.run(workspace, people, report, plan), out)
    lines = [Path(value["table"]).read_text(encoding="utf-8"), *value["notes"], f"Look at {value['page']}"]
    call.answer(value, lines)


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
