"""`bench-faces`: which share of damaged faces each detector finds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ui.cli.call import Call, command
from ui.cli.table import table


def add_to(app: typer.Typer) -> None:
    """Add the command of this file to the app."""
    command(app, "bench-faces", answers="bench-faces")(bench_faces)


def bench_faces(
    call: Call,
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", readable=False, help="Photos, or a folder of photos for each person.")
    ],
    count: Annotated[int, typer.Option("--count", min=1, help="Photos of each person.")] = 3,
    weights: Annotated[
        Path | None,
        typer.Option("--weights", readable=False, help="Folder of facexlib's files; else that of the data folder."),
    ] = None,
    cleaned: Annotated[
        bool, typer.Option("--cleaned/--no-cleaned", help="Measure the search on cleaned pictures too.")
    ] = True,
) -> None:
    """Measure the search for faces. Photos are damaged at three strengths, and each detector looks for their faces."""
    with call.following() as report:
        report.tick("loading", 0, 1)
        from engine.evaluation import finding
        from engine.evaluation.doctor import machine

        facts = machine()
        clean = finding.cleaner(call.device) if cleaned else None
        rows = finding.run(folder, report, count=count, weights=weights or call.workspace.weights, clean=clean)
    about = "{cpu}, {cores} cores; load before: {load:g}.".format(**facts)
    call.answer({"machine": facts, "rows": rows, "markdown": finding.markdown(rows)}, [*table(rows), about])
