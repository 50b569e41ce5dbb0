"""`tune`, `restore` and `restorers list`: the main job."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer

from ui.cli.call import Call, command

restorers = typer.Typer(no_args_is_help=True, help="The ways to restore a face.")


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file to the app."""
    command(app, "tune", answers="tune")(tune)
    command(app, "restore", answers="restore")(restore)
    app.add_typer(restorers, name="restorers")


def tune(
    call: Call,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name or id of the person.")],
    recipe: Annotated[str, typer.Option("--recipe", help="How: quick, or toy for a trial.")] = "quick",
) -> None:
    """Personalize to a person's good photos. Stop at any time; the same command goes on."""
    from engine.studio import work

    with call.holding() as workspace, call.following() as report:
        report.tick("loading", 0, 1)
        person = work.library(workspace).get(name)
        tuned = work.personalize(workspace, person.id, recipe, report, device=call.device)
    known = tuned.manifest
    value = {
        "person": person.name,
        "recipe": known["recipe"]["name"],
        "tuned": str(tuned.folder),
        **{key: known[key] for key in ("fingerprint", "references", "seconds", "checks")},
    }
    lines = [f"{person.name} is personalized: {known['references']} photos, {known['seconds']:.0f} s of tuning."]
    if known["checks"]:
        first, last = known["checks"][0]["identity"], known["checks"][-1]["identity"]
        lines.append(f"Held-out photo: identity {first:.3f} before, {last:.3f} now (dlib distance, lower is nearer).")
    call.answer(value, lines)


def restore(
    call: Call,
    photo: Annotated[Path, typer.Argument(metavar="PHOTO", readable=False, help="The damaged photo; it is only read.")],
    person: Annotated[str | None, typer.Option("--person", help="Whose face it is: name or id.")] = None,
    restorer: Annotated[
        str | None,
        typer.Option("--restorer", help="See `restorers list`; else dual-pivot with --person and diffbir without."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="A new file, .png or .jpg; else PHOTO-restored.png in the folder you are in."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the noise; the same gives the same picture.")] = 0,
    face: Annotated[
        int | None, typer.Option("--face", help="Which face, from 1, the largest first; else the person's own.")
    ] = None,
    choices: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="An option of the restorer; may be given several times."),
    ] = None,
    recipe: Annotated[str, typer.Option("--recipe", help="For a person who is not personalized yet.")] = "quick",
) -> None:
    """Restore a face in a photo. A new file is written; the photo and every pixel outside the face stay as they are."""
    from engine import images
    from engine.restorers import find
    from engine.studio import Asked, work

    # What can be refused at once is refused before libraries load for seconds or somebody is tuned for minutes.
    info = find(restorer or ("dual-pivot" if person else "diffbir"))
    wanted = _options(choices or [], info.options)
    images.read_photo(photo)
    target = out or images.free_name(Path.cwd(), f"{photo.stem}-restored", ".png")
    _refuse_taken(target)
    with call.holding() as workspace, call.following() as report:
        report.tick("loading", 0, 1)
        asked = Asked(
            photo=photo,
            out=target,
            restorer=info.id,
            options=wanted,
            person=person,
            recipe=recipe,
            seed=seed,
            face=face,
            device=call.device,
        )
        made = work.restore(workspace, asked, report)
    lines = [f"Restored face {made['face']} of {made['faces']} in {made['seconds']:.1f} s: {made['result']}"]
    if made["identity"]:
        before, after = made["identity"]["before"], made["identity"]["after"]
        lines.append(f"Identity {before:.3f} before, {after:.3f} now (dlib distance to references, lower is nearer).")
    call.answer({**made, "restorer": info.id}, lines)


@command(restorers, "list", answers="restorers list")
def list_restorers(call: Call) -> None:
    """List the restorers with their options."""
    from engine.restorers import choice as known
    from engine.restorers import find_all

    rows: list[dict[str, Any]] = [
        {
            **{name: getattr(info, name) for name in ("id", "title", "summary", "paper", "source", "license")},
            "needs_person": info.needs_person,
            "options": [
                {
                    "name": of.name,
                    "default": of.default,
                    "low": known(of).low,
                    "high": known(of).high,
                    "choices": list(known(of).choices),
                    "help": known(of).help,
                }
                for of in fields(info.options)
            ],
        }
        for info in find_all()
    ]
    lines: list[str] = []
    for row in rows:
        lines += [f"{row['id']}: {row['title']}", f"  {row['summary']} Licence: {row['license']}."]
        lines += [f"  --set {o['name']}={o['default']}  {_range(o)}{o['help']}" for o in row["options"]]
    call.answer({"restorers": rows}, lines)


def _refuse_taken(target: Path) -> None:
    """Refuse now what saving would refuse only after the work."""
    from engine.images import AlreadyThere, NotSaved

    if target.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise NotSaved(f"{target.name} must end in .png or .jpg. Name another --out.")
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


def _options(typed: list[str], kind: Any) -> dict[str, Any]:
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


def _range(option: dict[str, Any]) -> str:
    if option["choices"]:
        return f"({', '.join(option['choices'])}) "
    if option["low"] is None or option["high"] is None:
        return ""
    return f"({option['low']:g} to {option['high']:g}) "
