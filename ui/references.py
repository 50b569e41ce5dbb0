"""Step 1: good photos of the person, each face with its verdict, which a click or a key overrules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from engine.studio.desk import Desk
from engine.studio.view import ShownReference, View
from ui.follow import Page, address
from ui.parts import part
from ui.strings import LABELS, say


def draw() -> gr.HTML:
    """Draw the step."""
    return part("references")


def show(desk: Desk, view: View) -> dict[str, Any]:
    """Give what the step shows."""
    used = sum(reference.used for reference in view.references)
    looking = view.looking
    return {
        "name": view.person,
        "known": list(view.known),
        "done": used > 0,
        "status": say("references_status", used=used, all=len(view.references)) if view.references else "",
        "busy": say("looking", name=looking.name, n=looking.number, m=looking.of) if looking else "",
        "notices": list(view.reference_notices),
        "faces": [_face(desk, reference) for reference in view.references],
    }


def connect(drawn: gr.HTML, desk: Desk, page: Page) -> None:
    """Let the step's events change the desk."""

    def dropped(event: gr.EventData) -> None:
        name = str(event.name).strip() or desk.view().person or _nobody(desk)
        desk.add_references([Path(str(path)) for path in event.paths], name=name)

    page.on(drawn.dropped, dropped)
    page.on(drawn.named, lambda event: desk.choose_person(str(event.name)))
    page.on(drawn.judged, lambda event: desk.overrule(str(event.id), used=bool(event.used)))
    page.on(drawn.refused, lambda event: desk.tell("references", str(event.text)))
    page.on(drawn.read, lambda event: desk.forget_notice("references", int(event.index)))


def _nobody(desk: Desk) -> str:
    """Give a name for somebody whose name was not given."""
    known = set(desk.view().known)
    return next(name for n in range(1, len(known) + 2) if (name := say("nobody", n=n)) not in known)


def _face(desk: Desk, reference: ShownReference) -> dict[str, Any]:
    label, sentence = _words(reference)
    return {
        "id": reference.id,
        "src": address(desk, reference.preview),
        "used": reference.used,
        "label": label,
        "sentence": sentence,
        "spoken": sentence,
    }


def _words(reference: ShownReference) -> tuple[str, str]:
    """Give a face's verdict in a word, and in a sentence that says what a click would do."""
    known = {"name": reference.name, "reason": reference.reason}
    if reference.overruled == "keep" and reference.used:
        return say("kept"), say("kept_sentence", **known)
    if reference.overruled == "reject":
        return say("left_out"), say("left_out_sentence", **known)
    if reference.used:
        return "", say("used_sentence", **known)
    return LABELS.get(reference.code, say("left_out")), say("rejected_sentence", **known)
