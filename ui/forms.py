"""Draws the controls of any restorer's options from what their fields say, and reads them back by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import Field, dataclass, fields
from typing import Any

import gradio as gr
from gradio.components import Component

from engine.restorers import Choice, Options, choice


@dataclass(frozen=True)
class Form:
    """The controls of one kind of options, by the field's name."""

    controls: Mapping[str, Component]

    def read(self, given: Mapping[Component, Any]) -> dict[str, Any]:
        """Give the options' values by name, out of what Gradio hands to an event: values by component."""
        return {name: given[control] for name, control in self.controls.items()}

    def updates(self, values: Mapping[str, Any]) -> list[Any]:
        """Give an update for each control, in the controls' order; names without a value are left as they are."""
        return [gr.update(value=values[name]) if name in values else gr.skip() for name in self.controls]


def draw(
    kind: type[Options],
    *,
    advanced: bool,
    first: Iterable[str] = (),
    only: Iterable[str] | None = None,
    but: Iterable[str] = (),
    name: str = "knob",
) -> Form:
    """Draw the advanced or the plain controls of a kind of options where Gradio's layout now stands.

    Args:
        kind: a restorer's options.
        advanced: which half to draw.
        first: names that stand before the others, in this order; the others follow as they are declared.
        only: names to draw; None for all.
        but: names to leave out.
        name: what the controls' ids on the page begin with.
    """
    order = list(first)
    found = [field for field in fields(kind) if choice(field).advanced is advanced]
    wanted, left = (None if only is None else set(only)), set(but)
    found = [field for field in found if (wanted is None or field.name in wanted) and field.name not in left]
    found.sort(key=lambda field: order.index(field.name) if field.name in order else len(order))
    return Form({field.name: _control(field, choice(field), name) for field in found})


def names(kind: type[Options], *, advanced: bool) -> list[str]:
    """Give the names of the advanced or the plain options of a kind."""
    return [field.name for field in fields(kind) if choice(field).advanced is advanced]


def joined(*forms: Form) -> Form:
    """Give one form of several."""
    return Form({name: control for form in forms for name, control in form.controls.items()})


def shown(does: bool) -> Any:
    """Give an update that shows a control, or hides one that does nothing; hidden, it keeps its value."""
    return gr.update(visible=True if does else "hidden")


def _control(field: Field[Any], known: Choice, name: str) -> Component:
    shared: dict[str, Any] = {
        "value": field.default,
        "label": known.title,
        "info": known.help,
        "elem_id": f"{name}-{field.name.replace('_', '-')}",
        "interactive": True,
    }
    if known.choices:
        return gr.Dropdown(list(known.choices), **shared)
    if isinstance(field.default, bool):
        return gr.Checkbox(**shared)
    if isinstance(field.default, str):
        return gr.Textbox(**shared)
    if known.low is not None and known.high is not None:
        return gr.Slider(known.low, known.high, step=known.step, buttons=["reset"], **shared)
    return gr.Number(precision=0 if isinstance(field.default, int) else None, **shared)
