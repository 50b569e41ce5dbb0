"""`pretrain`: the training of the embedded prior from a folder of faces."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.errors import EngineError
from engine.pretrain.plan import PLANS
from ui.cli.call import Call, command

if TYPE_CHECKING:
    from engine.progress import Report


class TrainingHeld(EngineError):
    """Another process trains in the same folder, or it cannot be written."""


def add_to(app: typer.Typer) -> None:
    """Add the command to the app."""
    command(app, "pretrain", answers="pretrain")(pretrain)


def _known_plan(name: str) -> str:
    if name not in PLANS:
        raise typer.BadParameter(f"there is no plan {name!r}; the plans are: {', '.join(PLANS)}")
    return name


def pretrain(
    call: Call,
    faces: Annotated[Path, typer.Argument(metavar="FACES", help="Folder of square, aligned face pictures.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the training; one under way there goes on.")],
    plan: Annotated[
        str,
        typer.Option(
            "--plan",
            callback=_known_plan,
            help=f"One of {', '.join(PLANS)}. small: a laptop's evening; long: a CUDA card; toy: a trial.",
        ),
    ] = "small",
    minutes: Annotated[float | None, typer.Option("--minutes", min=0, help="Stop after this long.")] = None,
    export: Annotated[
        Path | None, typer.Option("--export", help="Write the prior as it is at the end of this run to this folder.")
    ] = None,
    start_from: Annotated[
        Path | None, typer.Option("--from", help="Folder of a prior to begin from instead of from nothing.")
    ] = None,
    note: Annotated[str, typer.Option("--note", help="What its users should know of the faces.")] = "",
    amortise: Annotated[
        Path | None,
        typer.Option(
            "--amortise",
            metavar="PEOPLE",
            help="Instead: tune the guide of a prior (--from, else the shipped) once against the people of a folder, a "
            "folder of photos each, on FACES, and write it with --export.",
        ),
    ] = None,
    recipe: Annotated[
        str, typer.Option("--recipe", help="With --amortise: a name or a file; both its pivots are used.")
    ] = "standard",
) -> None:
    """Train the embedded prior. Stop at any time; the same command goes on."""
    from filelock import FileLock, Timeout

    if amortise is not None and export is None:
        raise typer.BadParameter("--amortise writes a new prior; say where with --export")

    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = FileLock(out / ".lock", timeout=0)
        lock.acquire()
    except Timeout as error:
        raise TrainingHeld(f"Another process trains in {out}. Wait for it, or name another folder.") from error
    except OSError as error:
        raise TrainingHeld(f"{out} cannot be used: {error.strerror}. Name another folder with --out.") from error
    if amortise is not None and export is not None:
        with lock, call.following() as report:
            told = _amortised(call, faces, out, report, people=amortise, recipe=recipe, old=start_from, new=export)
        value = {"out": str(out), "plan": f"amortise {recipe}", "done": True, "exported": str(export), **told}
        said = f"The guide was tuned against {told['figures']['people']:.0f} people; the prior is in {export}."
        call.answer(value, [said])
        return
    with lock, call.following() as report:
        report.tick("loading", 0, 1)
        from engine.pretrain.data import read_folder
        from engine.pretrain.export import export as write
        from engine.pretrain.train import Trainer
        from engine.pretrain.validate import validate
        from engine.prior import load
        from engine.progress import stage

        trainer = Trainer(PLANS[plan], read_folder(faces), out, device=call.device)
        if start_from is not None and not trainer.checkpoint.exists():
            trainer.start_from(load.load(start_from, device=call.device), load.read_manifest(start_from)["card"])
        until = None if minutes is None else trainer.seconds + 60 * minutes
        done = trainer.run(report, until_seconds=until)
        figures: dict[str, float] = {}
        if export is not None:
            figures = validate(trainer.average, trainer.faces, tick=stage(report, "measuring"))[0].as_json()
            write(trainer, export, figures=figures, note=note)
    value = {
        "out": str(out),
        "plan": plan,
        "done": done,
        "seconds": round(trainer.seconds, 1),
        "exported": None if export is None else str(export),
        "figures": figures,
    }
    state = "is at its end" if done else "is not at its end; the same command goes on"
    lines = [f"Plan {plan} {state}: {trainer.seconds / 60:.1f} minutes of training in {out}."]
    if export is not None:
        lines.append(f"Prior written to {export}: {figures['psnr_sampled']:.2f} dB on held-out people.")
    call.answer(value, lines)


def _amortised(
    call: Call, faces: Path, out: Path, report: Report, *, people: Path, recipe: str, old: Path | None, new: Path
) -> dict[str, Any]:
    """Tune a guide against people and write the prior; gives `seconds` and `figures`."""
    report.tick("loading", 0, 1)
    from engine.prior import load
    from engine.studio.amortise import amortise_folder

    return amortise_folder(
        people, faces, out, report, recipe=recipe, old=old or load.SHIPPED, new=new, device=call.device
    )
