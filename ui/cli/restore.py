"""`restore`, `edit` and `restorers list`: the main job."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.errors import EngineError
from engine.progress import Cancelled
from ui.cli.call import Call, command
from ui.cli.table import table

if TYPE_CHECKING:
    from engine.studio import Asked
    from engine.studio.finish import Output

restorers = typer.Typer(no_args_is_help=True, help="The ways to restore a face.")


PersonOption = Annotated[str | None, typer.Option("--person", help="Whose face it is: name or id.")]
RestorerOption = Annotated[
    str | None,
    typer.Option("--restorer", "--with", help="See `restorers list`; else dual-pivot with --person, diffbir without."),
]
PriorOption = Annotated[
    str,
    typer.Option(
        "--prior",
        help="pocket, or with your own weights: diffbir-v1-face, diffbir-v1-general, diffbir-v2, diffbir-v2.1; then "
        "also how it is loaded: diffbir-v2:precision=fp32,commercial=yes,compile=yes.",
    ),
]
RecipeOption = Annotated[str, typer.Option("--recipe", help="For a person who is not personalized yet.")]


class NotAllRestored(EngineError):
    """Photos of a folder could not be restored."""


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file to the app."""
    command(app, "restore", answers="restore", or_answers="restore FOLDER")(restore)
    command(app, "edit", answers="edit")(edit)
    app.add_typer(restorers, name="restorers")


def restore(
    call: Call,
    photo: Annotated[
        Path | None,
        typer.Argument(
            metavar="PHOTO|FOLDER", readable=False, help="The damaged photo, or a folder of them; only read."
        ),
    ] = None,
    person: PersonOption = None,
    restorer: RestorerOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="A new file, .png, .jpg or .tif; else PHOTO-restored here, as TIFF or, losing nothing, as PNG.",
        ),
    ] = None,
    out_dir: Annotated[
        Path | None,
        typer.Option("--out-dir", metavar="DIR", help="Folder of the results; else, of a folder, beside each photo."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the noise; the same gives the same picture.")] = 0,
    face: Annotated[
        int | None, typer.Option("--face", help="Which face, from 1, the largest first; else the person's own.")
    ] = None,
    choices: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="An option of the restorer; may be given several times."),
    ] = None,
    recipe: RecipeOption = "quick",
    points: Annotated[
        str | None,
        typer.Option("--points", metavar='"x,y x,y x,y"', help="Eyes and mouth, in px of the photo."),
    ] = None,
    detector: Annotated[
        str, typer.Option("--detector", help="auto, dlib, dlib-cnn, retinaface-mobile or retinaface-resnet50.")
    ] = "auto",
    scale: Annotated[
        str, typer.Option("--scale", help="How many times larger the photo is written: 1, 2, 4 or auto.")
    ] = "1",
    background: Annotated[
        str,
        typer.Option(
            "--background",
            help="auto: left, and enlarged by Real-ESRGAN if its file is there; lanczos: never; or drawn anew by "
            "diffbir-v1-general, diffbir-v2 or diffbir-v2.1.",
        ),
    ] = "auto",
    tone: Annotated[
        str, typer.Option("--tone", help="keep: a grey or toned photo stays so. colour: as the restorer made it.")
    ] = "keep",
    grain: Annotated[
        float | None, typer.Option("--grain", help="0 none, 1 as much as round the face, to 1.5; else as measured.")
    ] = None,
    blend: Annotated[
        float, typer.Option("--blend", help="How much of the restored face is taken: 0 none of it, 1 all.")
    ] = 1.0,
    metadata: Annotated[
        str, typer.Option("--metadata", help="keep, strip-gps (no places) or strip-all (the profile stays).")
    ] = "keep",
    quality: Annotated[int, typer.Option("--quality", min=1, max=100, help="Of a JPEG.")] = 95,
    depth: Annotated[str, typer.Option("--depth", help="Bits a sample: source, 8 or 16.")] = "source",
    layer: Annotated[
        Path | None,
        typer.Option("--layer", metavar="FILE", help="Also write the face as a layer: .png, or .tif with the photo."),
    ] = None,
    prior: PriorOption = "pocket",
    again: Annotated[
        Path | None,
        typer.Option(
            "--again",
            metavar="RESULT.json",
            readable=False,
            help="Make that result once more; PHOTO is needed where it does not lie beside.",
        ),
    ] = None,
) -> None:
    """Restore a face in a photo, or in each of a folder: what is done is skipped, an error stops none of the rest.

    A new file is written; the photo and every pixel outside the face stay as they are.
    """
    from engine.faces import parse_points
    from engine.restorers import find
    from engine.studio import Asked
    from engine.studio.finish import Finish, Output, checked

    if again is not None:
        given = (person, restorer, out_dir, seed or None, face, choices or None, None if recipe == "quick" else recipe)
        given += (None if prior == "pocket" else prior, None if blend == 1 else blend)
        given += (
            points,
            grain,
            None if (detector, scale, tone, background) == ("auto", "1", "keep", "auto") else scale,
        )
        if any(one is not None for one in given):
            raise typer.BadParameter("--again takes all settings from the file; PHOTO and how to write it go with it.")
        _again(call, again, photo, out, Output(metadata, quality, depth, layer))
        return
    if photo is None:
        raise typer.BadParameter("Missing argument: name a PHOTO or a FOLDER, or --again RESULT.json.")
    # What can be refused at once is refused before libraries load for seconds or somebody is tuned for minutes.
    info = find(restorer or ("dual-pivot" if person else "diffbir"))
    asked = Asked(
        photo=photo,
        out=out or out_dir or Path.cwd(),
        restorer=info.id,
        options=read_choices(choices or [], info.options),
        person=person,
        recipe=recipe,
        seed=seed,
        face=face,
        device=call.device,
        prior=prior,
        points=tuple((float(x), float(y)) for x, y in parse_points(points)) if points is not None else (),
        detector=detector,
        finish=Finish(scale, tone, grain, background=background, blend=blend),
        output=Output(metadata, quality, depth, layer),
    )
    checked(asked.finish, asked.output)
    if photo.is_dir():
        if out is not None:
            raise typer.BadParameter("--out names one file; the results of a folder go to --out-dir DIR.")
        if points is not None or layer is not None:
            raise typer.BadParameter("--points and --layer are of one photo; a folder has many.")
        _restore_all(call, photo, replace(asked, out=out_dir or photo))
        return
    if out is not None and out_dir is not None:
        raise typer.BadParameter("--out names the file and --out-dir its folder; give one of them.")
    made = _restore_one(call, asked, out)
    lines = [f"Restored face {made['face']} of {made['faces']} in {made['seconds']:.1f} s: {made['result']}"]
    call.answer(made, [*lines, *_identity(made), f"Seen: {made['damage']['words']}", *made["notes"]])


def edit(
    call: Call,
    photo: Annotated[
        Path, typer.Argument(metavar="FILE", readable=False, help="The photo as the other program has it.")
    ],
    person: PersonOption = None,
    restorer: RestorerOption = None,
    recipe: RecipeOption = "quick",
) -> None:
    """Restore for another program: the result is a new file beside FILE, and its path is all that is printed.

    FILE stays as it is, also where it is a copy that the other program made.
    """
    from engine.restorers import find
    from engine.studio import Asked

    info = find(restorer or ("dual-pivot" if person else "diffbir"))
    asked = Asked(photo, photo.absolute().parent, info.id, person=person, recipe=recipe, device=call.device)
    made = _restore_one(call, asked, None)
    call.answer(made, [made["result"]])


def _restore_one(call: Call, asked: Asked, out: Path | None) -> dict[str, Any]:
    """Restore a photo into `out`, or into a file of a free name in the folder `asked.out`."""
    from engine import images
    from engine.studio import restoring

    photo = images.read_photo(asked.photo)
    target = out or images.result_path(photo, asked.photo, asked.out)
    _refuse_taken(target)
    if asked.output.layer is not None:
        _refuse_taken(asked.output.layer)
    with call.holding() as workspace, call.following() as report:
        report.tick("loading", 0, 1)
        made = restoring.restore(workspace, replace(asked, out=target), report)
    return {**made, "restorer": asked.restorer, "identical": None}


def _again(call: Call, provenance: Path, photo: Path | None, out: Path | None, output: Output) -> None:
    """Make a result once more."""
    from engine import images
    from engine.studio import again

    repeat = again.read_repeat(provenance, photo)
    first = Path(repeat.result_name)
    target = out or images.free_name(Path.cwd(), first.stem, first.suffix)
    _refuse_taken(target)
    with call.holding() as workspace, call.following() as report:
        report.tick("loading", 0, 1)
        made = again.restore_again(workspace, repeat, target, report, device=call.device, output=output)
    same = {
        True: f"It is {first.name} again, bit for bit.",
        False: f"It is not {first.name} bit for bit: other libraries, another device or another format make it differ.",
        None: f"Whether it is {first.name} bit for bit cannot be told: that one's SHA-256 was not written down.",
    }
    call.answer(made, [f"Restored once more in {made['seconds']:.1f} s: {made['result']}", same[made["identical"]]])


def _restore_all(call: Call, folder: Path, asked: Asked) -> None:
    """Restore a folder and report on every photo."""
    from engine.studio.batch import restore_folder

    with call.holding() as workspace, call.following() as report:
        report.tick("loading", 0, 1)
        made = restore_folder(workspace, folder, asked, report)
    value = {**made.as_json(), "out": str(asked.out), "restorer": asked.restorer}
    shown = [
        {"photo": row.photo, "state": row.state, "result or reason": row.sentence or row.result}
        for row in made.rows
        if row.state != "skipped"
    ]
    counts = f"{made.count('done')} restored, {made.count('skipped')} skipped, {made.count('failed')} failed"
    call.answer(value, [*table(shown), f"{counts}, {made.left} not reached." if made.left else f"{counts}."])
    if made.stopped:
        raise Cancelled
    if made.ended:
        raise NotAllRestored(f"{made.left} of {made.left + len(made.rows)} photos were not reached: {made.ended}")
    failed = [row for row in made.rows if row.state == "failed"]
    if failed:
        raise NotAllRestored(
            f"{len(failed)} of {len(made.rows)} photos could not be restored; the first: {failed[0].sentence}"
        )


def _identity(made: dict[str, Any]) -> list[str]:
    """Say how the distance to the references changed, if there are any."""
    if not made["identity"]:
        return []
    before, after = made["identity"]["before"], made["identity"]["after"]
    return [f"Identity {before:.3f} before, {after:.3f} now (dlib distance to references, lower is nearer)."]


@command(restorers, "list", answers="restorers list")
def list_restorers(call: Call) -> None:
    """List the restorers with their options."""
    from engine.restorers import choice as known
    from engine.restorers import find_all, lacking

    weights = call.root / "weights"
    rows: list[dict[str, Any]] = [
        {
            **{name: getattr(info, name) for name in ("id", "title", "summary", "paper", "source", "license")},
            "needs_person": info.needs_person,
            "size": info.size,
            "weights": list(info.weights),
            "lacking": lacking(info, weights),
            "left_out": list(info.left_out),
            "options": [
                {
                    "name": of.name,
                    "default": of.default,
                    "low": known(of).low,
                    "high": known(of).high,
                    "choices": list(known(of).choices),
                    "help": known(of).help,
                    "original": known(of).original,
                }
                for of in fields(info.options)
            ],
        }
        for info in find_all()
    ]
    lines: list[str] = []
    for row in rows:
        lines += [f"{row['id']}: {row['title']}", f"  {row['summary']} Licence: {row['license']}."]
        lines += [f"  Not ready: {row['lacking']}"] if row["lacking"] else []
        lines += [f"  --set {o['name']}={o['default']}  {_range(o)}{o['help']}{_original(o)}" for o in row["options"]]
        lines += [f"  Not here: {sentence}" for sentence in row["left_out"]]
    call.answer({"restorers": rows}, lines)


def _refuse_taken(target: Path) -> None:
    """Refuse now what saving would refuse only after the work."""
    from engine.images import AlreadyThere, NotSaved

    if target.suffix.lower() not in (".png", ".jpg", ".jpeg", ".tif", ".tiff"):
        raise NotSaved(f"{target.name} must end in .png, .jpg or .tif. Name another --out.")
    if not target.parent.is_dir():
        raise NotSaved(f"There is no folder {target.parent}. Make it first, or name another --out.")
    try:
        target.lstat()
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:  # a name too long, or with a NUL in it
        why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise NotSaved(f"No file can be called {target.name[:60]}...: {why}. Name another --out.") from error
    raise AlreadyThere(f"There is already something at {target}. Nothing is ever written over: name another --out.")


def read_choices(typed: list[str], kind: Any) -> dict[str, Any]:
    """Read `name=value` texts and check them as the restorer does."""
    from engine.restorers import BadOption, read_options

    read: dict[str, Any] = {}
    defaults = {of.name: of.default for of in fields(kind)}
    for text in typed:
        name, equals, value = text.partition("=")
        if not equals:
            raise BadOption(f"--set takes name=value, got {text!r}.")
        # A switch is the one kind of option that its text alone does not give.
        switch = isinstance(defaults.get(name), bool) and value in ("true", "false")
        read[name.strip()] = value == "true" if switch else value
    read_options(kind, read)
    return read


def _original(option: dict[str, Any]) -> str:
    return f" The authors call it {option['original']}." if option["original"] else ""


def _range(option: dict[str, Any]) -> str:
    if option["choices"]:
        return f"({', '.join(option['choices'])}) "
    if option["low"] is None or option["high"] is None:
        return ""
    return f"({option['low']:g} to {option['high']:g}) "
