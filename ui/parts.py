"""The page's own components: a template, a script and a style sheet each, kept as files in `assets/ui`.

Gradio's ready-made ones cannot do what is needed here: faces with verdicts that keys can reach, a drop that keeps the
file as it is, a comparison that stays in step. A part shows one JSON value; its script writes text as text, so that a
file's name can never become markup. What comes back from a browser is not to be trusted.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from engine.images import PHOTO_SUFFIXES
from ui.strings import WORDS

ASSETS = Path(__file__).resolve().parents[1] / "assets" / "ui"

LARGEST_MB = 500
"""Largest file that is taken; a scan of 16 bits and 80 million pixels has about as much."""


def part(name: str, *, elem_id: str | None = None, first: Sequence[str] = ()) -> gr.HTML:
    """Draw the part of a name where Gradio's layout now stands; its value is the JSON that its script shows.

    Args:
        name: of its files.
        elem_id: on the page; the same name if not given.
        first: names of further scripts, which its own one builds on.
    """
    scripts = [place for place in (ASSETS / f"{script}.js" for script in (*first, name)) if place.exists()]
    return gr.HTML(
        html_template=(ASSETS / f"{name}.html").read_text(encoding="utf-8"),
        js_on_load="\n".join(script.read_text(encoding="utf-8") for script in scripts) or None,
        elem_id=elem_id or name,
        apply_default_css=False,
        **shared_props(),
    )


def shared_props() -> dict[str, Any]:
    """Give what the scripts of all parts know: every text, and which files are taken."""
    suffixes = sorted(PHOTO_SUFFIXES)
    return {"words": WORDS, "suffixes": suffixes, "accept": ",".join(suffixes), "largest": LARGEST_MB}


def head() -> str:
    """Give what belongs into the page's head: the style sheets, the shared one first, and the script for all parts.

    Gradio rewrites the selectors of what it is given as `css`, and takes `:is(a, b)` apart at its comma.
    """
    shared = ASSETS / "likeness.css"
    sheets = [shared, *sorted(sheet for sheet in ASSETS.glob("*.css") if sheet != shared)]
    style = "\n".join(sheet.read_text(encoding="utf-8") for sheet in sheets)
    script = (ASSETS / "common.js").read_text(encoding="utf-8")
    return f"<style>\n{style}\n</style>\n<script>\n{script}\n</script>"


def theme() -> Any:
    """Give Gradio's theme in the greys of the style sheet, with the system's own fonts, so that nothing is fetched."""
    system = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif")
    grey = gr.themes.Color(
        "#fafafa",
        "#f4f4f4",
        "#e6e6e6",
        "#d2d2d2",
        "#a6a6a6",
        "#7a7a7a",
        "#5a5a5a",
        "#3f3f3f",
        "#2d2d2d",
        "#222222",
        "#191919",
        name="likeness-grey",
    )
    base = gr.themes.Base(
        primary_hue="blue",
        neutral_hue=grey,
        radius_size="sm",
        spacing_size="sm",
        text_size="sm",
        font=[gr.themes.Font(name) for name in system],
        font_mono=[gr.themes.Font(name) for name in ("ui-monospace", "Menlo", "Consolas", "monospace")],
    )
    look = {
        "body_background_fill": "var(--lk-page)",
        "background_fill_primary": "var(--lk-panel)",
        "background_fill_secondary": "var(--lk-raised)",
        "body_text_color": "var(--lk-text)",
        "body_text_color_subdued": "var(--lk-soft)",
        "block_background_fill": "var(--lk-panel)",
        "block_border_color": "var(--lk-line)",
        "block_info_text_color": "var(--lk-soft)",
        "block_label_text_color": "var(--lk-text)",
        "block_title_text_color": "var(--lk-text)",
        "border_color_primary": "var(--lk-line)",
        "border_color_accent": "var(--lk-accent)",
        "color_accent": "var(--lk-accent)",
        "input_background_fill": "var(--lk-raised)",
        "input_border_color": "var(--lk-line)",
        "input_border_width": "1px",
        "input_border_color_focus": "var(--lk-accent)",
        "slider_color": "var(--lk-accent)",
        "button_primary_background_fill": "var(--lk-accent)",
        "button_primary_text_color": "var(--lk-on-accent)",
    }
    plain = {"color_accent"}  # has no twin for dark; the variable itself changes
    dark = {f"{name}_dark": value for name, value in look.items() if name not in plain}
    return base.set(**look, **dark)
