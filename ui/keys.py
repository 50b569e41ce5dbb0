"""The list of keys that `?` shows, for screens without a viewer, which has its own."""

from __future__ import annotations

import gradio as gr

from ui.parts import part
from ui.strings import SCREEN_KEYS


def draw() -> gr.HTML:
    """Draw the list, closed."""
    return part("keys", screens=SCREEN_KEYS)
