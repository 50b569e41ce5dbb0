"""The whole command line, and what a bare `python app.py` does: it opens the app."""

from __future__ import annotations

from typing import Annotated

import typer

from engine import __version__
from ui.cli import card, compare, doctor, evaluate, finding, people, pretrain, restore, sliders, swap, tune, weights
from ui.cli.call import DeviceOption, Given, JsonOption, QuietOption, WorkspaceOption, ending

PORT = 7860

# No colours and boxes in help texts: drawing them takes longer than all else of `--help`.
app = typer.Typer(
    name="python app.py",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Restore old and damaged photos of a person so that it is still that person. Without a command it opens the "
    "app in the browser.",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    workspace: WorkspaceOption = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Of the app, on this machine alone.")] = PORT,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Whether to open the app's page.")] = True,
    recipe: Annotated[str, typer.Option("--recipe", help="The one that the app's page begins with.")] = "quick",
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which this is.")
    ] = False,
) -> None:
    """Read the options before a command, and open the app when there is none."""
    del version
    context.obj = Given(workspace, device, as_json, quiet)
    if context.invoked_subcommand is not None:
        return
    call = context.obj.call()
    with ending(call.root):
        from engine.studio import Studio
        from ui.app import serve

        with Studio(call.root, device=call.device) as studio:
            serve(studio, port=port, open_browser=browser, default_recipe=recipe)


app.add_typer(people.group, name="people")
tune.add_to(app)
app.add_typer(weights.group, name="weights")
restore.add_to(app)
compare.add_to(app)
swap.add_to(app)
doctor.add_to(app)
card.add_to(app)
evaluate.add_to(app)
pretrain.add_to(app)
finding.add_to(app)
sliders.add_to(app)


def main() -> None:
    """Run the command line and end the process with its exit code."""
    app()
