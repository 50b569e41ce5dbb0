"""`bench-sliders`: whether every knob of the Restore screen does what its sentence says."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ui.cli.call import Call, command
from ui.cli.table import table


def add_to(app: typer.Typer) -> None:
    """Add the command of this file to the app."""
    command(app, "bench-sliders", answers="bench-sliders")(bench_sliders)


def bench_sliders(
    call: Call,
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="[FACES]", readable=False, help="Photos of one face each; else those that came along."),
    ] = None,
    count: Annotated[int, typer.Option("--faces", min=1, help="How many faces.")] = 24,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="How many seeds a face.")] = 3,
    only: Annotated[list[str] | None, typer.Option("--knob", help="Measure this one; else all.")] = None,
    prior: Annotated[str, typer.Option("--prior", help="Whose knobs: pocket, or one whose files you have.")] = "pocket",
    recipe: Annotated[str, typer.Option("--recipe", help="How the sample person is tuned.")] = "quick",
) -> None:
    """Measure every knob of the Restore screen. At several stops, on many faces and seeds; says what it does.

    When all knobs were measured, the screens leave out those that do nothing with this prior. It can be stopped and
    goes on where it was.
    """
    with call.holding() as workspace, call.following() as report:
        report.tick("loading", 0, 1)
        from engine.evaluation import sliders
        from engine.prior import load

        loaded = load.named(prior, workspace.weights, device=call.device)
        made = sliders.run(
            workspace, loaded, report, folder=folder, faces=count, seeds=seeds, only=tuple(only or ()), made=recipe
        )
        written = "" if only else str(sliders.store(made, prior, workspace.weights))
    call.answer({**made, "written": written}, [*table([_shown(row) for row in made["rows"]]), *_told(made, written)])


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    claims = [f"{claim['what']}: {'yes' if claim['holds'] else 'NO'}" for claim in row["claims"]]
    return {
        "knob": row["title"],
        "stops": ", ".join(str(stop) or '""' for stop in row["stops"]),
        "change": row["change"],
        "works": "not measured" if row["holds"] is None else "yes" if row["works"] else "NO",
        "does what it says": "; ".join(claims) or row["why"] or ("something else comes" if row["works"] else ""),
    }


def _told(made: dict[str, Any], written: str) -> list[str]:
    idle = [row["title"] for row in made["rows"] if not row["works"] and not row["finish"]]
    lines = ["{cpu}, {cores} cores, torch {torch} on {device} in {precision}.".format(**made["machine"])]
    lines.append(f"Left out of the screens: {', '.join(idle)}." if idle else "Every knob does something.")
    return [*lines, f"Kept at {written}"] if written else lines
