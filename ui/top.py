"""The bar at the top: the name, what the machine computes on, light or dark."""

from __future__ import annotations

import platform
import sys
from functools import lru_cache
from importlib import metadata

import gradio as gr

from engine.evaluation import doctor
from engine.studio.desk import Desk
from ui.parts import part
from ui.strings import say


def draw() -> gr.HTML:
    """Draw the bar."""
    return part("top")


def show(desk: Desk) -> str:
    """Give the line about the machine."""
    kind, name = machine(desk.studio.device)
    return say("private", device=say(f"device_{kind}", name=name))


@lru_cache(maxsize=1)
def machine(wanted: str) -> tuple[str, str]:
    """Say what the networks will most likely run on, without loading torch, which takes seconds.

    Returns:
        `cuda` and the card's name, `mps` and "", or `cpu` and the number of cores. What a result was really made on
        stands in its provenance.
    """
    kind = wanted.partition(":")[0]
    if kind in ("auto", "cuda"):
        cards = doctor.nvidia_cards()
        version = metadata.version("torch")
        # The wheel of the Python index brings CUDA on Linux only; others say in their version what they bring.
        built = "+cu" in version or ("+" not in version and sys.platform == "linux")
        if cards and built:
            return "cuda", cards[0]
    if kind in ("auto", "mps") and sys.platform == "darwin" and platform.machine() == "arm64":
        return "mps", ""
    return "cpu", str(doctor.usable_cores())
