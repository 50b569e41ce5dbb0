"""Every result of the photo, to pick from: variations, earlier settings; and where the chosen one is saved to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from engine.studio import items
from engine.studio.desk import Desk
from engine.studio.view import ShownTry, View
from ui import picture, restoring
from ui.follow import VERB, Page, address, explained
from ui.restoring import Drawn
from ui.strings import say


def show(desk: Desk, view: View) -> dict[str, Any]:
    """Give what the strip shows."""
    job = view.job
    coming = 0
    if job is not None and not job.over and job.kind in ("vary", "restore"):
        coming = int(job.arguments.get("count", 1)) - len(items.items_of(desk.studio.runner, job))
    shown = view.result is not None
    return {
        "tries": [_try(desk, one, n) for n, one in enumerate(view.tries, 1)],
        "coming": coming if view.tries or coming > 1 else 0,
        "ready": shown and view.result is not None and bool(view.result.download),
        "source": view.source,
        "folder": view.folder,
        "saved": say("saved_as", path=view.saved) if view.saved else "",
    }


def connect(drawn: gr.HTML, desk: Desk, page: Page, third: Drawn, recipes: Sequence[str]) -> None:
    """Let a picked result be shown, its settings be taken, made again with them, and saved."""

    def use(event: gr.EventData) -> list[Any]:
        with explained():
            desk.take_settings(str(event.id))
        return restoring.kept_knobs(third, desk.view(), recipes)

    def again(seen: str, event: gr.EventData) -> list[Any]:
        with explained():
            desk.take_settings(str(event.id))
            knobs = desk.view().knobs
            desk.start(**{name: knobs[name] for name in ("options", "recipe", "seed", "finish", "prior")})
        return [*page.updates(seen), *restoring.kept_knobs(third, desk.view(), recipes)]

    page.on(drawn.picked, lambda event: desk.choose_result(str(event.id)))
    page.on(drawn.exported, lambda event: _saved(desk, str(event.folder)))
    drawn.used(use, None, third.knobs, **VERB)
    drawn.again(again, page.seen, [*page.outputs, *third.knobs], trigger_mode="once", **VERB)


def _saved(desk: Desk, folder: str) -> None:
    desk.export(folder)


def _try(desk: Desk, one: ShownTry, number: int) -> dict[str, Any]:
    known = one.told
    identity = known["identity"]
    told = picture.in_short(str(known["restorer"]), known["options"])
    return {
        "id": one.id,
        "src": address(desk, one.thumb),
        "number": number,
        "title": say("try_seed", seed=known["seed"]),
        "detail": told,
        "identity": f"{identity['after']:.2f}" if identity else "",
        "shown": one.shown,
    }
