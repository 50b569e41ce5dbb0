"""The first run: four steps that end with the sample person restored."""

from __future__ import annotations

from typing import Any

import gradio as gr

from engine.studio.first_run import FirstRun
from engine.studio.view import View
from ui.follow import Page, Shown
from ui.parts import part
from ui.strings import say

LEADS = {"done": "first_done", "stopped": "first_stopped", "offered": "first_lead"}


def draw() -> gr.HTML:
    """Draw it; it hides itself once it is of no use."""
    return part("first_run", elem_id="first-run")


def shown(drawn: gr.HTML, first: FirstRun) -> tuple[Shown, ...]:
    """Give the component that follows the first run."""
    return (Shown(drawn, lambda view: value(first, view)),)


def connect(drawn: gr.HTML, first: FirstRun, page: Page) -> None:
    """Let its buttons begin and leave it."""
    page.on(drawn.begun, lambda event: first.begin())
    page.on(drawn.left, lambda event: first.leave())


def value(first: FirstRun, view: View) -> dict[str, Any]:
    """Give what it shows."""
    now = first.view(view)
    return {
        "stage": now.stage,
        "lead": say(LEADS.get(now.stage, "first_working")),
        "note": now.error or say("first_nobody"),
    }
