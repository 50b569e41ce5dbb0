"""`doctor`, `bench` and `demo`: whether it works here, how fast, and what it looks like."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from engine.errors import EngineError
from ui.cli.call import Call, command
from ui.cli.table import table

MARKS = {"ok": "  ", "note": "! ", "problem": "X "}


class NotHealthy(EngineError):
    """The doctor found something that will not work."""


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file to the app."""
    command(app, "demo", answers="demo")(demo)
    command(app, "bench", answers="bench")(bench)
    command(app, "doctor", answers="doctor")(doctor)


def doctor(call: Call) -> None:
    """Check this installation. Versions, device, weights, faces, data folder; what to do where something is wrong."""
    from engine.evaluation.doctor import NOTE, OK, PROBLEM, examine

    with call.following() as report:
        report.tick("looking", 0, 1)
        facts = examine(call.workspace, device=call.device)
    problems = [fact for fact in facts if fact.state == PROBLEM]
    notes = sum(fact.state == NOTE for fact in facts)
    lines: list[str] = []
    for group in dict.fromkeys(fact.group for fact in facts):
        lines.append(group)
        for fact in (f for f in facts if f.group == group):
            lines.append(f"{MARKS[fact.state]}{fact.name}: {fact.value}")
            if fact.state != OK:
                lines.append(f"    {fact.remedy}")
    if not problems:
        lines.append(f"All that is needed is there{f'; {notes} marked ! to look at' if notes else ''}.")
    call.answer({"ok": not problems, "facts": [fact.as_json() for fact in facts]}, lines)
    if problems:
        first = problems[0]
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems, the first"
        raise NotHealthy(f"{count}: {first.name}: {first.value}. {first.remedy}")


def bench(
    call: Call,
    demo: Annotated[bool, typer.Option("--demo", help="Time the whole demo too; takes minutes.")] = False,
    restorers: Annotated[
        bool,
        typer.Option("--restorers", help="Instead, time GFPGAN, CodeFormer and the like; needs no files of theirs."),
    ] = False,
    against: Annotated[
        Path | None,
        typer.Option("--against", metavar="CHECKOUT", help="Time our DiffBIR loop beside the official code in there."),
    ] = None,
    full: Annotated[
        bool,
        typer.Option(
            "--full",
            help="Instead, load, run and tune networks of Stable Diffusion's size with drawn numbers; with --against a "
            "step is compared too. Takes minutes, 8 GB of memory and 3 GB of disk.",
        ),
    ] = False,
    tuning: Annotated[
        int | None,
        typer.Option(
            "--tuning",
            metavar="STEPS",
            min=1,
            help="Instead, that many steps of both pivots of every recipe on networks of Stable Diffusion's size with "
            "drawn numbers. Takes minutes a step and 8 GB of memory, more where there is room to train all weights.",
        ),
    ] = None,
    toy: Annotated[
        bool, typer.Option("--toy", help="With --against, --full or --tuning: tiny networks, to see that it runs.")
    ] = False,
) -> None:
    """Measure the speed here. Start, page, one face, memory, each in a fresh process, against what is wanted."""
    if demo + restorers + full + (tuning is not None) > 1 or (tuning is not None and against is not None):
        raise typer.BadParameter("--restorers, --full and --tuning measure those alone; --demo goes with the rest.")
    if against is not None and not full:
        _against(call, against, toy)
        return
    with call.following() as report:
        if full:
            from engine.evaluation import bench_full

            facts, rows = bench_full.run(report, device=call.device, checkout=against, toy=toy)
        elif tuning is not None:
            from engine.evaluation import bench_tuning

            facts, rows = bench_tuning.run(report, tuning, device=call.device, toy=toy)
        elif restorers:
            from engine.evaluation import bench_restorers

            facts, rows = bench_restorers.run(report, device=call.device)
        else:
            from engine.evaluation.bench import run

            facts, rows = run(report, demo=demo, device=call.device)
    shown = [
        {
            "what": row.name,
            "value": row.value,
            "unit": row.unit,
            "wanted": "" if row.limit is None else f"at most {row.limit:g}",
            "reached": "" if row.reached is None else "yes" if row.reached else "NO",
        }
        for row in rows
    ]
    about = "{cpu}, {cores} cores, torch {torch} on {device} in {precision}; load before: {load:g}.".format(**facts)
    lines = [*table(shown), about]
    call.answer({"machine": facts, "rows": [row.as_json() for row in rows], "against": []}, lines)


def _against(call: Call, checkout: Path, toy: bool) -> None:
    from dataclasses import asdict

    from engine.evaluation.against import Course, compare
    from engine.evaluation.doctor import machine
    from engine.progress import stage

    course = Course(16, 4, "toy") if toy else Course()
    with call.following() as report:
        laps = compare(checkout, course, tick=stage(report, "running both"))
    shown = [asdict(lap) for lap in laps]
    call.answer({"machine": machine(), "rows": [], "against": shown}, table(shown))


def demo(
    call: Call,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for sheet and figures; else runs/demo in the data folder.")
    ] = None,
    recipe: Annotated[str, typer.Option("--recipe", help="How the tuning is done.")] = "quick",
) -> None:
    """Show it on the sample person, who is nobody: tune, restore, and write a sheet with its figures."""
    with call.holding() as workspace, call.following() as report:
        report.tick("loading", 0, 1)
        from engine.evaluation import demo as sample

        folder = out or workspace.runs / "demo"
        rows: list[dict[str, Any]] = sample.run(workspace, folder, report, recipe=recipe, device=call.device)
    sheet = folder / "demo.png"
    value = {"sheet": str(sheet), "figures": str(folder / "demo.json"), "rows": rows}
    call.answer(value, [*table(rows), f"The sheet is at {sheet}"])
