"""Presets on the page: chosen with a click, the user's own saved and deleted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr
from gradio.components import Component

from engine.studio.desk import Desk
from engine.studio.presets import Presets, settings_of
from engine.studio.view import View
from ui import restoring
from ui.follow import VERB, Page, explained
from ui.restoring import Drawn


def show(presets: Presets, view: View) -> dict[str, Any]:
    """Give what the list shows; the preset that the knobs stand at is marked."""
    known = presets()
    options, finish = view.knobs.get("options", {}), view.knobs.get("finish", {})
    at = ""
    if options and finish:
        # The user's own first: who keeps the knobs as they stand at a preset that came along sees that it was kept.
        at = next((one.id for one in reversed(known) if _stands(settings_of(one), options, finish)), "")
    return {
        "presets": [{"id": one.id, "title": one.title, "sentence": one.sentence, "own": one.own} for one in known],
        "at": at,
    }


def connect(
    drawn: gr.HTML,
    presets: Presets,
    desk: Desk,
    page: Page,
    third: Drawn,
) -> None:
    """Let a preset set the knobs, and the knobs be saved as one."""

    def use(seen: str, event: gr.EventData) -> list[Any]:
        with explained():
            options, finish = settings_of(presets.find(str(event.id)))
            desk.keep_knobs({**desk.view().knobs, "options": options, "finish": finish})
            desk.refit(finish)
        return [*page.updates(seen), *restoring.kept_settings(third, desk.view())]

    def save(given: dict[Component, Any], event: gr.EventData) -> list[Any]:
        with explained():
            asked = restoring.settings(third, given)
            presets.save(str(event.title), asked["options"], asked["finish"])
            desk.keep_knobs(asked)
        return page.updates(given[page.seen])

    drawn.used(use, page.seen, [*page.outputs, *third.settings], **VERB)
    drawn.saved(save, {*third.knobs, page.seen}, page.outputs, trigger_mode="once", **VERB)
    page.on(drawn.deleted, lambda event: presets.delete(str(event.id)))


def _stands(
    settings: tuple[Mapping[str, Any], Mapping[str, Any]], options: Mapping[str, Any], finish: Mapping[str, Any]
) -> bool:
    """Say whether the knobs stand as settings have them; a slider that a switch overrules does not count."""
    wanted, fitted = ({**part} for part in settings)
    if wanted["auto"]:
        wanted.pop("start")
    for switch, name in (("measured_grain", "grain"), ("measured_detail", "detail")):
        if fitted[switch]:
            fitted.pop(name)
    return all(options.get(n) == v for n, v in wanted.items()) and all(finish.get(n) == v for n, v in fitted.items())
