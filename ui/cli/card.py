"""`card` and `figures`: what a prior is worth, measured anew, and written where it is told."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ui.cli.call import Call, command


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file to the app."""
    command(app, "card", answers="card")(card)
    command(app, "figures", answers="figures")(figures)


def card(
    call: Call,
    faces: Annotated[Path, typer.Argument(metavar="FACES", readable=False, help="The folder of the training.")],
    people: Annotated[Path, typer.Argument(metavar="PEOPLE", readable=False, help="A folder of photos a person.")],
    old: Annotated[
        Path | None, typer.Option("--old", help="Scans of old photos, to show beside the damage of the training.")
    ] = None,
    prior: Annotated[Path | None, typer.Option("--prior", help="Folder of the prior; else the one that ships.")] = None,
    sweep: Annotated[bool, typer.Option(help="Also try samplers, steps and start levels.")] = True,
) -> None:
    """Measure a prior on people whom no training saw, and write its model card with figures and pictures."""
    with call.following() as report:
        report.tick("loading", 0, 1)
        from engine.evaluation import card as cards
        from engine.prior import load

        folder = prior or load.SHIPPED
        subjects = folder / "held_out.csv"
        measured, pictures = cards.measure(
            load.load(folder, device=call.device), faces, people, report, subjects=subjects, sweep=sweep
        )
        written = cards.write_card(folder, measured, pictures)
        cards.write_damage_sheet(folder / "damage.jpg", faces, old)
    missed = [target["what"] for target in measured["targets"] if not target["reached"]]
    told = f"missed: {'; '.join(missed)}" if missed else "all targets are reached"
    value = {"card": str(written), **{key: measured[key] for key in ("faces", "groups", "targets", "nearest", "sweep")}}
    call.answer(value, [f"{written}: {told}."])


def figures(
    call: Call,
    faces: Annotated[Path, typer.Argument(metavar="FACES", readable=False, help="The folder of the training.")],
    people: Annotated[Path, typer.Argument(metavar="PEOPLE", readable=False, help="A folder of photos a person.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for what is made on the way.")],
    old: Annotated[Path | None, typer.Option("--old", help="Scans of old photos, for the card.")] = None,
    parts: Annotated[
        list[str] | None, typer.Option("--part", help="card, people, galleries, demo or speed; else all of them.")
    ] = None,
    recipe: Annotated[str, typer.Option("--recipe", help="How the tuning is done.")] = "quick",
) -> None:
    """Measure everything that depends on the shipped prior, and rewrite the README and the model card."""
    with call.holding() as workspace, call.following() as report:
        report.tick("loading", 0, 1)
        from engine.evaluation import figures as made

        chosen = tuple(parts) if parts else made.PARTS
        written = made.run(
            workspace, faces, people, out, report, old=old, parts=chosen, recipe=recipe, device=call.device
        )
    call.answer({"parts": list(chosen), "written": written}, [f"Rewritten: {', '.join(written)}."])
