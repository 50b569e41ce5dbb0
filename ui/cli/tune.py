"""`tune`, `recipes list|show|save` and `export-lora`: personalizing, how it is done, and what others can use of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from engine.errors import EngineError
from ui.cli.call import Call, command
from ui.cli.restore import PriorOption
from ui.cli.table import table

if TYPE_CHECKING:
    from engine.tuning import Recipe

recipes = typer.Typer(no_args_is_help=True, help="How a person is tuned, in numbers.")

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name or id of the person.")]
RecipeOption = Annotated[str, typer.Option("--recipe", help="A name that `recipes list` shows, or a recipe file.")]
RecipeArgument = Annotated[str, typer.Argument(metavar="RECIPE", help="A name, or a recipe file.")]


class NotChanged(EngineError):
    """A field of a recipe was not given as NAME=VALUE."""


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file to the app."""
    command(app, "tune", answers="tune")(tune)
    command(app, "export-lora", answers="export-lora")(export_lora)
    app.add_typer(recipes, name="recipes")


def tune(
    call: Call,
    name: NameArgument,
    recipe: RecipeOption = "quick",
    prior: PriorOption = "pocket",
    more: Annotated[
        int, typer.Option("--more", min=0, help="More steps of the text pivot on what is finished already.")
    ] = 0,
    more_guide: Annotated[int, typer.Option("--more-guide", min=0, help="The same of the guide pivot.")] = 0,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Only say what it would take: time, memory and room on the disk.")
    ] = False,
) -> None:
    """Personalize to a person's good photos. Stop at any time; the same command goes on."""
    from engine.studio import preparing

    if estimate:
        from engine.tuning.estimate import room_for

        found = preparing.estimate_tuning(call.workspace, name, recipe, device=call.device, prior_name=prior)
        value = {key: getattr(found, key) for key in ("seconds", "memory", "disk", "kept")}
        too_little = room_for(found, call.workspace.people)
        call.answer({**_no_tuning(name, recipe), "estimate": value}, [found.sentence, *filter(None, [too_little])])
        return
    with call.holding() as workspace, call.following() as report:
        report.tick("loading", 0, 1)
        person = preparing.library(workspace).get(name)
        if more or more_guide:
            tuned = preparing.personalize_more(
                workspace,
                person.id,
                recipe,
                report,
                steps=more,
                guide_steps=more_guide,
                device=call.device,
                prior_name=prior,
            )
        else:
            tuned = preparing.personalize(workspace, person.id, recipe, report, device=call.device, prior_name=prior)
    known = tuned.manifest
    value = {
        "person": person.name,
        "recipe": known["recipe"]["name"],
        "tuned": str(tuned.folder),
        **{key: known[key] for key in ("fingerprint", "references", "seconds", "checks", "notes")},
        "parts": list(tuned.parts),
        "bytes": tuned.size,
        "estimate": None,
    }
    lines = [
        f"{person.name} is personalized: {known['references']} photos, {known['seconds']:.0f} s of tuning, "
        f"{tuned.size / 1e6:.1f} MB."
    ]
    if known["checks"]:
        first, last = known["checks"][0]["identity"], known["checks"][-1]["identity"]
        lines.append(f"Held-out photo: identity {first:.3f} before, {last:.3f} now (dlib distance, lower is nearer).")
    call.answer(value, [*lines, *known["notes"]])


def _no_tuning(name: str, recipe: str) -> dict[str, Any]:
    """Give the answer's other fields where nothing was tuned."""
    empty = {"tuned": "", "fingerprint": "", "references": 0, "seconds": 0, "checks": [], "notes": [], "parts": []}
    return {"person": name, "recipe": recipe, **empty, "bytes": 0}


@command(recipes, "list", answers="recipes list")
def list_recipes(call: Call) -> None:
    """List the recipes that ship."""
    from engine.tuning import RECIPES

    rows = [_described(recipe) for recipe in RECIPES.values()]
    lines = table([{"recipe": r["name"], "pivots": ", ".join(r["pivots"]), "what": r["summary"]} for r in rows])
    call.answer({"recipes": rows}, lines)


@command(recipes, "show", answers="recipes show")
def show(call: Call, name: RecipeArgument) -> None:
    """Show every field of a recipe: value, unit, range, meaning and where the value comes from."""
    from engine.tuning import recipe

    made = recipe(name)
    rows = made.explain()
    fields = [{**row, "choices": list(row["choices"])} for row in rows]
    lines = [f"{made.name}: {made.summary}"]
    for row in rows:
        value = ", ".join(row["value"]) if isinstance(row["value"], tuple) else row["value"]
        lines.append(f"{row['name']} = {value}{' ' + row['unit'] if row['unit'] else ''}")
        lines.append(f"    {row['what']} Source: {row['source']}.")
    call.answer({"recipe": _described(made), "fields": fields}, lines)


@command(recipes, "save", answers="recipes save")
def save(
    call: Call,
    name: RecipeArgument,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The file to write, ending in .json.")],
    choices: Annotated[
        list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="Such as text.steps=120; may be repeated.")
    ] = None,
    called: Annotated[str, typer.Option("--name", help="Of the new recipe; else the file's name.")] = "",
) -> None:
    """Save a recipe, with some fields changed, as a file to use and to pass on."""
    from engine.tuning import recipe
    from engine.tuning.recipe_files import changed, write_recipe

    given = [choice.partition("=") for choice in choices or []]
    wrong = [field for field, equals, _ in given if not equals]
    if wrong:
        raise NotChanged(f"A field is given as NAME=VALUE, such as text.steps=120; {wrong[0]!r} was given.")
    if out.suffix != ".json" or out.exists():
        found = "exists already and is never overwritten" if out.exists() else "must end in .json"
        raise NotChanged(f"{out} {found}. Choose another name.")
    made = changed(recipe(name), {field: value for field, _, value in given}, name=called or out.stem.lower())
    write_recipe(made, out)
    call.answer({"recipe": _described(made), "file": str(out)}, [f"{made.name} is saved: tune NAME --recipe {out}"])


def export_lora(
    call: Call,
    name: NameArgument,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The file to write, ending in .safetensors.")],
    recipe: RecipeOption = "quick",
    prior: PriorOption = "pocket",
    style: Annotated[
        Literal["kohya", "peft"],
        typer.Option("--style", help="kohya: ComfyUI, A1111 and the like; peft: diffusers."),
    ] = "kohya",
) -> None:
    """Write a person's LoRA for other programs: good for generating there, not for restoring."""
    from engine.studio import preparing
    from engine.tuning import export_lora as write
    from engine.tuning import read_tuned

    workspace = call.workspace
    people = preparing.library(workspace)
    person = people.get(name)
    base = preparing.shared_prior(call.device, prior, workspace.weights)
    tuned = read_tuned(preparing.tuned_folder(workspace, base, people.gallery(person), recipe))
    write.export_lora(tuned, out, style)
    value = {"person": person.name, "file": str(out), "style": style, "prompt": tuned.prompt, "note": write.USE}
    call.answer(value, [f"{out}: say {tuned.prompt!r} to mean {person.name}. {write.USE}"])


def _described(made: Recipe) -> dict[str, Any]:
    return {"name": made.name, "summary": made.summary, "pivots": list(made.pivots)}
