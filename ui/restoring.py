"""Step 3: the button, the knobs, and how far the work is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from engine.jobs import Job
from engine.restorers import choice, find
from engine.studio.desk import Desk
from engine.studio.finish import FinishOptions
from engine.studio.priors import POCKET, ReadyPriors
from engine.studio.proven import without_effect
from engine.studio.view import View
from engine.tuning import RECIPES
from ui import forms
from ui.follow import QUIET, VERB, Follower, Page, explained
from ui.parts import part
from ui.strings import say, stage_name

RESTORER = "dual-pivot"
FIRST = ("auto", "start", "identity", "steps")
"""The knobs that most people turn, in the order in which they look for them."""


@dataclass(frozen=True)
class Drawn:
    """The step's components."""

    button: gr.Button
    take: gr.Button
    work: gr.HTML
    form: forms.Form
    finish: forms.Form
    recipe: gr.Dropdown
    seed: gr.Number
    prior: gr.Dropdown
    variations: gr.Radio
    presets: gr.HTML
    tries: gr.HTML

    @property
    def settings(self) -> list[Component]:
        """The knobs that a preset sets, in one order."""
        return [*self.form.controls.values(), *self.finish.controls.values()]

    @property
    def knobs(self) -> list[Component]:
        """All knobs, in one order."""
        return [*self.settings, self.recipe, self.seed, self.prior, self.variations]


def draw(recipes: Sequence[str], recipe: str) -> Drawn:
    """Draw the step; `recipe` is chosen among `recipes` at first."""
    options = find(RESTORER).options
    part("step_three", elem_id="step-three")
    button = gr.Button(say("restore"), variant="primary", elem_id="restore", interactive=False)
    work = part("work")
    tries = part("tries")
    variations = gr.Radio(
        ["1", "2", "3", "4"],
        value="1",
        label=say("tries_count"),
        info=say("tries_count_help"),
        elem_id="knob-variations",
    )
    # Parts of ours outside of what opens and closes; see `ui.app.build`.
    with gr.Column(elem_id="first-knobs"):
        plain = forms.draw(options, advanced=False, first=FIRST, only=FIRST[:3])
        presets = part("presets")
    with gr.Accordion(say("knobs"), open=False, elem_id="knobs"):
        take = gr.Button(say("take_shown"), elem_id="take-shown", size="sm")
        rest = forms.draw(options, advanced=False, first=FIRST, but=FIRST[:3])
        chosen = gr.Dropdown(
            [(RECIPES[name].name.capitalize(), name) for name in recipes],
            value=recipe,
            label=say("recipe"),
            info=RECIPES[recipes[0]].summary if len(recipes) == 1 else say("recipe_help"),
            elem_id="knob-recipe",
            filterable=False,
        )
        fitted = forms.draw(FinishOptions, advanced=False)
        seed = gr.Number(0, label=say("seed"), info=say("seed_help"), precision=0, minimum=0, elem_id="knob-seed")
        prior = gr.Dropdown(
            [(title, name) for name, title in (POCKET,)],
            value=POCKET[0],
            label=say("prior"),
            info=say("prior_help"),
            elem_id="knob-prior",
            filterable=False,
        )
        with gr.Accordion(say("more_knobs"), open=False, elem_id="more-knobs"):
            advanced = forms.draw(options, advanced=True)
            more_fitted = forms.draw(FinishOptions, advanced=True)
    form, finish = forms.joined(plain, rest, advanced), forms.joined(fitted, more_fitted)
    return Drawn(button, take, work, form, finish, chosen, seed, prior, variations, presets, tries)


def ready(view: View) -> bool:
    """Say whether everything is there and nothing runs, so that the button may be pressed."""
    return not _missing(view) and not _runs(view.job)


def show(desk: Desk, view: View, follower: Follower) -> dict[str, Any]:
    """Give what the progress panel shows."""
    job = view.job
    if job is not None and _runs(job):
        return {"running": True, **progress_of(job, follower)}
    end = end_of(job) if job is not None and not desk.job_read else ""
    return {
        "running": False,
        "consent": consent_of(desk, view) if ready(view) else "",
        "hint": _missing(view) or ("" if view.result or job is not None else say("ready_new")),
        "notice": end,
        "bad": job is not None and job.state == "failed",
    }


def consent_of(desk: Desk, view: View) -> str:
    """Give what pressing a button says of the person's photos; "" once it was said, and where nobody's are used."""
    used = bool(view.person) and any(reference.used for reference in view.references)
    if not used or desk.consented:
        return ""
    return f"{say('consent_by_restoring', name=view.person)} {say('consent_note')}"


def connect(drawn: Drawn, desk: Desk, page: Page, recipes: Sequence[str]) -> None:
    """Let the button and the knobs do their work."""

    def chosen(given: Mapping[Component, Any]) -> dict[str, Any]:
        return settings(drawn, given)

    def begin(given: dict[Component, Any]) -> list[Any]:
        with explained():
            desk.start(**chosen(given))
        return page.updates(given[page.seen])

    def keep(given: dict[Component, Any]) -> None:
        with explained():
            desk.keep_knobs(chosen(given))

    def take() -> list[Any]:
        with explained():
            desk.take_settings()
        return kept_knobs(drawn, desk.view(), recipes)

    def refit(switch: str) -> Callable[[dict[Component, Any]], list[Any]]:
        """Give what a moved knob of the finish does; one that turns off a switch counts as if that were off."""

        def act(given: dict[Component, Any]) -> list[Any]:
            with explained():
                asked = chosen(given)
                asked["finish"] |= {switch: False} if switch else {}
                desk.keep_knobs(asked)
                desk.refit(asked["finish"])
            return page.updates(given[page.seen])

        return act

    weights = desk.studio.workspace.weights

    def shown(prior: str) -> list[Any]:
        return knobs_shown(drawn, str(prior or POCKET[0]), weights)

    drawn.prior.change(shown, drawn.prior, list(drawn.form.controls.values()), **QUIET)
    drawn.take.click(take, None, drawn.knobs, **VERB)
    knobs = set(drawn.knobs)
    drawn.button.click(begin, {*knobs, page.seen}, page.outputs, trigger_mode="once", **VERB)
    fitting = set(drawn.finish.controls.values())
    others = [knob for knob in drawn.knobs if knob not in fitting]
    changes = [getattr(knob, "release" if isinstance(knob, gr.Slider) else "input") for knob in others]
    gr.on(changes, keep, knobs, None, trigger_mode="always_last", **QUIET)
    for field in fields(FinishOptions):  # nothing is sampled for these, so the picture follows the hand
        act = refit(choice(field).turns_off)
        knob: Any = drawn.finish.controls[field.name]
        knob.input(act, {*knobs, page.seen}, page.outputs, trigger_mode="always_last", **QUIET)
    for form, kind in ((drawn.form, find(RESTORER).options), (drawn.finish, FinishOptions)):
        for field in fields(kind):
            switch = choice(field).turns_off
            control = form.controls[field.name]
            if switch and isinstance(control, gr.Slider):  # who moves the slider wants it to count
                control.release(lambda: False, None, form.controls[switch], **QUIET)
    page.on(drawn.work.stop, lambda event: desk.stop())
    page.on(drawn.work.read, lambda event: desk.forget_notice("work", 0))


def settings(drawn: Drawn, given: Mapping[Component, Any]) -> dict[str, Any]:
    """Give what the knobs say, as `Desk.start` takes it, out of what Gradio hands to an event."""
    seed = given[drawn.seed]
    return {
        "options": drawn.form.read(given),
        "recipe": str(given[drawn.recipe]),
        "seed": int(seed) if seed is not None else 0,
        "finish": drawn.finish.read(given),
        "prior": str(given[drawn.prior] or POCKET[0]),
        "variations": int(given[drawn.variations] or 1),
    }


def kept_settings(drawn: Drawn, view: View) -> list[Any]:
    """Give updates that set what a preset has too as it was left, in the order of `Drawn.settings`."""
    kept = view.knobs
    return [*drawn.form.updates(kept.get("options", {})), *drawn.finish.updates(kept.get("finish", {}))]


def kept_knobs(drawn: Drawn, view: View, recipes: Sequence[str]) -> list[Any]:
    """Give updates that set the knobs as they were left, in the order of `Drawn.knobs`."""
    kept = view.knobs
    recipe, seed = kept.get("recipe"), kept.get("seed")
    return [
        *kept_settings(drawn, view),
        gr.update(value=recipe) if recipe in recipes else gr.skip(),
        gr.update(value=seed) if isinstance(seed, int) else gr.skip(),
        gr.update(value=kept["prior"]) if kept.get("prior") else gr.skip(),
        gr.update(value=str(kept["variations"])) if kept.get("variations") else gr.skip(),
    ]


def priors_of(priors: ReadyPriors) -> list[list[str]]:
    """Give the priors that are ready, each with its title and its name."""
    return [[title, name] for name, title in priors()]


def priors_shown(found: Sequence[Sequence[str]]) -> Any:
    """Give an update that offers them; one alone is no choice."""
    return gr.update(choices=[(title, name) for title, name in found], visible=len(found) > 1)


def knobs_shown(drawn: Drawn, prior: str, weights: Path) -> list[Any]:
    """Give updates that show the knobs of the form that do something with a prior, in the form's order."""
    idle = without_effect(prior, weights)
    return [forms.shown(name not in idle) for name in drawn.form.controls]


def _runs(job: Job | None) -> bool:
    return job is not None and not job.over


def _missing(view: View) -> str:
    if not any(reference.used for reference in view.references):
        return say("need_references")
    return "" if view.photo is not None else say("need_photo")


def progress_of(job: Job, follower: Follower) -> dict[str, Any]:
    """Give how far a running job is, in words and as a share."""
    progress = follower.progress(job)
    if progress is None:
        return {"stage": say("starting"), "step": "", "left": "", "share": None, "stopping": job.stopping}
    known = progress.total > 1
    return {
        "stage": stage_name(progress.stage),
        "step": say("step", n=progress.done, m=progress.total) if known else "",
        "left": time_left(progress.seconds_left) if known and progress.done < progress.total else "",
        "share": progress.done / progress.total if known else None,
        "stopping": job.stopping,
    }


def time_left(seconds: float | None) -> str:
    """Say how long something still takes, no more exactly than it is known."""
    if seconds is None:
        return ""
    if seconds < 60:
        return say("left_seconds", n=max(1, round(seconds) if seconds < 10 else 5 * round(seconds / 5)))
    if seconds < 90 * 60:
        return say("left_minutes", n=max(1, round(seconds / 60)))
    return say("left_hours", n=round(seconds / 3600))


def end_of(job: Job) -> str:
    """Say how a job ended that did not finish; "" for one that did."""
    if job.state == "failed" and job.bug:
        return say("bug", log=job.log)
    if job.state == "stopped":
        return say("stopped")
    return job.error
