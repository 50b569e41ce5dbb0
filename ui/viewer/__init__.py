"""The viewer: up to six pictures of one thing, in step, held against each other in every way that judges a face.

A component of ours for Gradio's `gr.HTML`: a template, a style sheet and scripts, one a subject, all of them files of
this package that the page carries in its head. It shows one JSON value, which `value` makes, and tells by events what
somebody did: `picked` (a pane's id), `stepped` (to the next photo), `marked`, `painted`, `chosen`, `dropped`,
`gathered` (several photos), `refused`. Text is only ever set as text, so the name of a file or a person cannot become
markup.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from engine.studio.proxies import Proxy
from ui.parts import shared_props
from ui.strings import SHORTCUTS

HERE = Path(__file__).resolve().parent

MOST_PANES = 6
"""As many as there are keys for, and as a screen shows large enough to judge."""

SCRIPTS = tuple(
    f"{name}.js" for name in ("geometry", "panes", "lens", "marking", "brush", "around", "pointers", "keys", "viewer")
)
"""In the order in which each knows those before it."""

EVENTS = ("picked", "stepped", "marked", "chosen", "dropped", "gathered", "refused", "painted")
"""Gradio lets Python listen to those events whose names stand in quotes in the component's script."""

Share = tuple[float, float]
"""A place in a picture, across and down, as shares of its sides."""


@dataclass(frozen=True)
class Pane:
    """One of the pictures."""

    id: str
    """Stays the same while the page shows the same thing, so that what was chosen stays chosen."""
    label: str
    detail: str
    """How it was made, in a few words; "" for a photo as it was."""
    proxy: Proxy


@dataclass(frozen=True)
class Beside:
    """A good photo of the person, laid beside the panes with its eyes as far apart as theirs."""

    src: str
    """Address of the aligned crop, a square."""
    label: str
    eyes: Sequence[Share]
    side: int
    """In px."""


def draw(elem_id: str) -> gr.HTML:
    """Draw a viewer where Gradio's layout now stands."""
    given = f"{{ element, props, trigger, watch, upload, events: {json.dumps(EVENTS)} }}"
    return gr.HTML(
        html_template=(HERE / "viewer.html").read_text(encoding="utf-8"),
        js_on_load=f"window.likeness.viewer({given});",
        elem_id=elem_id,
        elem_classes=["lk-viewing"],
        apply_default_css=False,
        shortcuts=[[list(keys), text] for keys, text in SHORTCUTS],
        **shared_props(),
    )


def head() -> str:
    """Give what all viewers of a page share, for its head; comes after what the parts share."""
    style = (HERE / "viewer.css").read_text(encoding="utf-8")
    scripts = "\n".join((HERE / name).read_text(encoding="utf-8") for name in SCRIPTS)
    return f"<style>\n{style}\n</style>\n<script>\n{scripts}\n</script>"


def value(
    panes: Sequence[Pane],
    addresses: Mapping[str, str],
    *,
    photo: str,
    face: Sequence[float] | None = None,
    eyes: Sequence[Share] | None = None,
    references: Sequence[Beside] = (),
    **more: Any,
) -> dict[str, Any]:
    """Give what a viewer shows.

    Args:
        panes: 1 to `MOST_PANES`, all of one picture and one shape; the first is what all began with.
        addresses: of the proxies' files, by their names.
        photo: says which photo it is; the zoom goes back to the whole of it when that changes.
        face: left, top, right, bottom, as shares of the sides.
        eyes: both, the left of the picture first.
        references: shown beside the panes.
        more: what the screen adds: `marks`, `faces`, `scale`, `facts`, `photos`, `stays`, `candidate`, `glimpse`,
            and `strokes`, what was painted on the result, with `painted_on`, which result that is.

    Raises:
        ValueError: there are no panes, or too many.
    """
    if not 1 <= len(panes) <= MOST_PANES:
        raise ValueError(f"a viewer shows 1 to {MOST_PANES} panes, got {len(panes)}")
    largest = max((pane.proxy for pane in panes), key=lambda proxy: proxy.width)
    return {
        "photo": photo,
        "panes": [
            {
                "id": pane.id,
                "label": pane.label,
                "detail": pane.detail,
                "src": addresses[pane.proxy.small],
                "full": addresses[pane.proxy.full],
                # How wide the largest picture may be drawn before this proxy has fewer px than the screen shows.
                "proxy": pane.proxy.small_width if pane.proxy.full != pane.proxy.small else None,
            }
            for pane in panes
        ],
        "width": largest.width,
        "height": largest.height,
        "face": list(face) if face is not None else None,
        "eyes": [list(eye) for eye in eyes] if eyes is not None else None,
        "references": [
            {"src": one.src, "label": one.label, "eyes": [list(eye) for eye in one.eyes], "side": one.side}
            for one in references
        ],
        **more,
    }
