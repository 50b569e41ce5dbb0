"""Many photos at once: what waits, the batch file by file, and a result of it opened on the screen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from engine.studio.desk import Desk
from engine.studio.exporting import named
from engine.studio.pile import Pile, PileView
from ui.follow import VERB, Follower, Page, explained
from ui.parts import part
from ui.restoring import Drawn, end_of, progress_of, settings
from ui.strings import say


def draw() -> gr.HTML:
    """Draw the panel; it shows itself only while there is something in it."""
    return part("pile")


def show(pile: Pile, follower: Follower) -> dict[str, Any]:
    """Give what the panel shows."""
    view = pile.view()
    job = view.job
    running = job is not None and not job.over
    return {
        "waiting": _waiting(view) if view.waiting else "",
        "dropped": not view.chosen,
        "running": running,
        **(progress_of(job, follower) if job is not None and running else {}),
        "status": _status(view),
        "where": view.name or (say("pile_dropped") if view.rows else ""),
        "rows": [[row.name, row.state, row.sentence, row.item] for row in view.rows],
        "notice": "" if job is None or view.read else _end(view),
        "bad": job is not None and job.state == "failed",
    }


def connect(
    drawn: gr.HTML,
    takers: tuple[gr.HTML, ...],
    desk: Desk,
    pile: Pile,
    page: Page,
    third: Drawn,
) -> None:
    """Let the panel's events change the pile.

    Args:
        drawn: the panel.
        takers: the parts on which several photos may be dropped, or a path written.
        desk: on which a result is opened.
        pile: see there.
        page: followed.
        third: whose knobs decide how the photos are restored.
    """

    def begin(given: dict[Component, Any], event: gr.EventData) -> list[Any]:
        with explained():
            asked = settings(third, given)
            asked.pop("variations", None)
            pile.start(out=str(event.out), skip_done=bool(event.skip), **asked)
        return page.updates(given[page.seen])

    def take(event: gr.EventData) -> None:
        path = str(event.place)
        if named(path).is_file():
            desk.put_file(Path(path))
        else:
            pile.choose(path)

    drawn.begun(begin, {*third.knobs, page.seen}, page.outputs, trigger_mode="once", **VERB)
    for place in takers:
        page.on(place.gathered, lambda event: pile.gather([Path(str(path)) for path in event.paths]))
        if hasattr(place, "named"):
            page.on(place.named, take)
    page.on(drawn.scattered, lambda event: pile.scatter())
    page.on(drawn.opened, lambda event: desk.open_result(str(event.id)))
    page.on(drawn.stop, lambda event: pile.stop())
    page.on(drawn.read, lambda event: pile.forget_notice())


def _waiting(view: PileView) -> str:
    if view.chosen:
        return say("pile_folder", n=view.waiting, folder=view.chosen)
    return say("pile_one") if view.waiting == 1 else say("pile_some", n=view.waiting)


def _status(view: PileView) -> str:
    if not view.rows:
        return ""
    done, failed = view.count("done") + view.count("skipped"), view.count("failed")
    told = say("pile_status", n=done, m=len(view.rows))
    return f"{told}, {say('pile_failed', n=failed)}" if failed else told


def _end(view: PileView) -> str:
    """Say how a batch ended; "" while it runs."""
    job = view.job
    if job is None or not job.over:
        return ""
    if job.state == "stopped":
        return say("pile_stopped", n=view.count("waiting"))
    return view.ended or end_of(job)
