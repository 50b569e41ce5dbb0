"""The page in the browser: put together here, served to this machine only, and ended in good order."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import webbrowser
from collections.abc import Generator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from engine.errors import EngineError
from engine.tuning import RECIPES, recipe
from ui.guard import Guard, check_environment
from ui.strings import say

if TYPE_CHECKING:
    import gradio as gr

    from engine.studio import Studio
    from engine.studio.desk import Desk
    from engine.studio.diagnostics import Diagnostics
    from engine.studio.first_run import FirstRun
    from engine.studio.installed import Installed
    from engine.studio.people import PeopleDesk
    from engine.studio.removal import Removal
    from engine.studio.tunings import Tunings
    from engine.studio.view import View

HOST = "127.0.0.1"
PORTS_TRIED = 50
SECONDS_BETWEEN_LOOKS = 1.0
LOG_BYTES = 2_000_000

HIDDEN_RECIPES = frozenset({"toy"})
"""Recipes that only show that everything runs; they are offered when one is asked for by name."""


class NoPortFree(EngineError):
    """The page cannot be served at any of the ports that were tried."""


@dataclass(frozen=True)
class Rooms:
    """What lies beside the desk, for the other screens."""

    tunings: Tunings
    installed: Installed
    removal: Removal
    diagnostics: Diagnostics
    first_run: FirstRun


def serve(studio: Studio, *, port: int = 7860, open_browser: bool = True, default_recipe: str = "quick") -> None:
    """Serve the page until Ctrl-C or SIGTERM, then end the page and the worker.

    Args:
        studio: stays open; whoever opened it closes it.
        port: the first one that is tried; when it is taken, the next free one is used.
        open_browser: whether to show the page in the user's browser.
        default_recipe: the one that is chosen at first.

    Raises:
        UnsafeSetting: the environment would open the page to others.
        NoSuchRecipe: there is no such recipe.
        NoPortFree: all ports that were tried are taken.
    """
    import typer

    from engine.studio.people import PeopleDesk

    recipes = offered(default_recipe)
    check_environment()
    with ExitStack() as opened:
        opened.callback(studio.runner.close)
        opened.enter_context(_logged(studio.workspace.logs / "page.log", studio.workspace.people))
        desk = opened.enter_context(_desk_of(studio))
        library = PeopleDesk(desk)
        opened.callback(library.close)
        rooms = opened.enter_context(_rooms_of(desk, default_recipe))
        page = build(desk, library, rooms, recipes=recipes, default_recipe=default_recipe)
        opened.callback(page.close, verbose=False)
        address = launch(page, desk, free_port(port))
        desk.lay_out()
        library.lay_out()
        ended = opened.enter_context(_told_to_end())
        typer.echo(say("serving", address=address))
        if open_browser:
            webbrowser.open(address)
        # In slices: on Windows Ctrl-C does not break a longer wait.
        while not ended.wait(SECONDS_BETWEEN_LOOKS):
            pass


def offered(default_recipe: str) -> tuple[str, ...]:
    """Give the recipes that a user may choose from; the default is always one of them."""
    wanted = recipe(default_recipe).name
    return tuple(name for name in RECIPES if name == wanted or name not in HIDDEN_RECIPES)


def build(desk: Desk, library: PeopleDesk, rooms: Rooms, *, recipes: Sequence[str], default_recipe: str) -> gr.Blocks:
    """Put the page together; nothing is served yet.

    Args:
        desk: what the page shows and changes.
        library: the same of its People screen.
        rooms: what lies beside the desk.
        recipes: those to choose from.
        default_recipe: one of them.
    """
    import gradio as gr

    from engine.studio.board import Board
    from engine.studio.pile import Pile
    from engine.studio.presets import Presets
    from engine.studio.priors import POCKET, ReadyPriors
    from ui import (
        comparing,
        damaged,
        first_run,
        keys,
        models,
        people,
        personalizing,
        picture,
        presets,
        references,
        restoring,
        top,
        tries,
        viewer,
    )
    from ui import pile as piling
    from ui.follow import QUIET, Follower, Page, Shown

    follower, compared = Follower(desk.studio.runner), Follower(desk.studio.runner)
    board, pile, piled = Board(desk), Pile(desk), Follower(desk.studio.runner)
    known, priors = Presets(desk.studio.workspace), ReadyPriors(desk.studio.workspace.weights)
    with gr.Blocks(analytics_enabled=False, title=say("app"), fill_width=True) as blocks:
        # Outside of anything that opens and closes: what is not on the page neither ticks nor remembers.
        clock = gr.Timer(SECONDS_BETWEEN_LOOKS, active=False)
        bar = top.draw()
        album = people.draw()
        welcome = first_run.draw()
        with gr.Row(elem_id="desk"):
            with gr.Column(elem_id="rail"):
                first, second, many = references.draw(), damaged.draw(), piling.draw()
                with gr.Column(elem_id="third"):
                    third = restoring.draw(recipes, default_recipe)
            with gr.Column(elem_id="stage"):
                stage = viewer.draw("viewer")
        bench = comparing.draw()
        tune = personalizing.draw()
        files = models.draw()
        keys.draw()
        page = Page(
            desk,
            (
                Shown(bar, lambda view: top.show(desk)),
                Shown(first, lambda view: references.show(desk, view)),
                Shown(second, lambda view: damaged.show(desk, view)),
                Shown(third.work, lambda view: restoring.show(desk, view, follower)),
                Shown(third.button, restoring.ready, lambda ready: gr.update(interactive=ready)),
                Shown(stage, lambda view: picture.show(desk, view)),
                Shown(many, lambda view: piling.show(pile, piled)),
                Shown(third.tries, lambda view: tries.show(desk, view)),
                Shown(third.presets, lambda view: presets.show(known, view)),
                Shown(third.prior, lambda view: restoring.priors_of(priors), restoring.priors_shown),
                *comparing.shown(bench, desk, board, compared),
                *people.shown(album, library),
                *personalizing.shown(tune, desk, rooms.tunings, recipes),
                *models.shown(files, desk, rooms.installed, rooms.removal, rooms.diagnostics),
                *first_run.shown(welcome, rooms.first_run),
            ),
        )
        references.connect(first, desk, page)
        damaged.connect(second, stage, desk, page)
        restoring.connect(third, desk, page, recipes)
        tries.connect(third.tries, desk, page, third, recipes)
        piling.connect(many, (second, stage), desk, pile, page, third)
        presets.connect(third.presets, known, desk, page, third)
        page.on(stage.stepped, lambda event: desk.step_result(1 if int(event.step) > 0 else -1))
        comparing.connect(bench, desk, board, page, (third, recipes))
        people.connect(album, library, page)
        personalizing.connect(tune, desk, rooms.tunings, page)
        models.connect(files, rooms.installed, rooms.removal, rooms.diagnostics, page)
        first_run.connect(welcome, rooms.first_run, page)

        def opened() -> list[Any]:
            view: View = desk.view()
            kept = [*restoring.kept_knobs(third, view, recipes), *comparing.kept_knobs(bench, board.view(), view)]
            return [gr.Timer(active=True), *page.updates(""), *kept]

        def shown(knob: str) -> list[Any]:
            prior, weights = str(desk.view().knobs.get("prior") or POCKET[0]), desk.studio.workspace.weights
            there = restoring.knobs_shown(third, prior, weights)
            return [*there, *comparing.knobs_shown(bench, prior, weights, str(knob))]

        # The page follows only from then on: knobs that came later would take back what was set meanwhile.
        blocks.load(opened, None, [clock, *page.outputs, *third.knobs, *bench.knobs], **QUIET)
        fitted = [*third.form.controls.values(), *bench.measured.values(), bench.knob]
        blocks.load(shown, bench.knob, fitted, **QUIET)
        clock.tick(page.updates, page.seen, page.outputs, trigger_mode="once", **QUIET)
    return blocks


def launch(page: gr.Blocks, desk: Desk, port: int) -> str:
    """Serve the page at a port of this machine, in a thread, and give its address.

    Everything that Gradio can be told from outside is said here, so that no setting elsewhere opens the page.
    """
    import gradio as gr
    from starlette.middleware import Middleware

    from ui import parts, viewer
    from ui.uploads import Uploads

    gr.set_static_paths(desk.previews)
    workspace = desk.studio.workspace
    private = (
        workspace.people,
        workspace.unsorted,
        workspace.undo,
        workspace.jobs,
        workspace.runs,
        workspace.weights,
        workspace.logs,
    )
    _, address, _ = page.launch(
        server_name=HOST,
        server_port=port,
        prevent_thread_lock=True,
        quiet=True,
        inbrowser=False,
        share=False,
        show_error=True,
        footer_links=[],
        run_history=False,
        allowed_paths=[],
        blocked_paths=[str(folder) for folder in private],
        max_file_size=f"{parts.LARGEST_MB}mb",
        enable_monitoring=False,
        mcp_server=False,
        ssr_mode=False,
        pwa=False,
        strict_cors=True,
        theme=parts.theme(),
        head=parts.head() + viewer.head(),
        favicon_path=parts.ASSETS / "icon.svg",
        app_kwargs={"middleware": [Middleware(Guard), Middleware(Uploads, folder=desk.uploads)]},
    )
    return address


def free_port(first: int) -> int:
    """Give the first free port from `first` on.

    Raises:
        NoPortFree: none of `PORTS_TRIED` is.
    """
    last = min(first + PORTS_TRIED - 1, 65535)
    for port in range(first, last + 1):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            if os.name != "nt":  # there the option would let two programs share a port
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise NoPortFree(f"The ports {first} to {last} are all in use. Choose another one with --port.")


@contextmanager
def _desk_of(studio: Studio) -> Generator[Desk]:
    """Open the desk, and tell Gradio to keep what is dropped on the page in the desk's own folder."""
    from engine.studio.desk import Desk

    desk = Desk(studio)
    # Gradio reads these when it makes the page.
    os.environ["GRADIO_TEMP_DIR"] = str(desk.uploads)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    try:
        yield desk
    finally:
        desk.close()


@contextmanager
def _rooms_of(desk: Desk, recipe_name: str) -> Generator[Rooms]:
    """Open what lies beside the desk, and close it in good order."""
    from engine.studio.diagnostics import Diagnostics
    from engine.studio.first_run import FirstRun
    from engine.studio.installed import Installed
    from engine.studio.removal import Removal
    from engine.studio.tunings import Tunings

    with ExitStack() as opened:
        tunings = opened.enter_context(closing(Tunings(desk, recipe=recipe_name)))
        yield Rooms(
            tunings,
            opened.enter_context(closing(Installed(desk.studio))),
            opened.enter_context(closing(Removal(desk, tunings))),
            opened.enter_context(closing(Diagnostics(desk.studio))),
            opened.enter_context(closing(FirstRun(desk, name=say("sample_person"), recipe=recipe_name))),
        )


@contextmanager
def _logged(file: Path, people: Path) -> Generator[None]:
    """Write warnings and tracebacks to a file while the page is served, none of somebody who is deleted."""
    from engine.people import NothingOfTheDeleted

    handler = RotatingFileHandler(file, maxBytes=LOG_BYTES, backupCount=1, encoding="utf-8", delay=True)
    handler.setLevel(logging.WARNING)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    handler.addFilter(NothingOfTheDeleted(people))
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()


@contextmanager
def _told_to_end() -> Generator[threading.Event]:
    """Give an event that is set by Ctrl-C or SIGTERM, so that the end is an orderly one."""
    ended = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        del number, frame
        ended.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield ended
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
