"""The Compare screen: what to compare and on what, the pictures side by side, and the numbers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from engine.degrade import KINDS
from engine.restorers import RestorerInfo, choice, find, find_all
from engine.studio.board import MOST_RESULTS, TAKEN_BY, Board, BoardView, Part
from engine.studio.compare import Way, swept
from engine.studio.desk import Desk
from engine.studio.lab import PRESETS, RANGES
from engine.studio.lacking import Lacking
from engine.studio.priors import POCKET
from engine.studio.proven import shared, without_effect
from engine.studio.view import View
from ui import compared, forms, restoring, viewer
from ui.follow import QUIET, VERB, Follower, Page, Shown, explained
from ui.forms import Form
from ui.parts import part
from ui.restoring import Drawn as Restoring
from ui.restoring import end_of, progress_of
from ui.strings import DAMAGES, say

PHOTO, LAB = "photo", "lab"
WAYS, SWEEP = "ways", "sweep"
SLIDERS = "sliders"


@dataclass(frozen=True)
class Drawn:
    """The screen's components."""

    what: gr.Radio
    ways: gr.CheckboxGroup
    knob: gr.Dropdown
    forms: Mapping[str, Form]
    source: gr.Radio
    clean: gr.Dropdown
    presets: gr.CheckboxGroup
    sliders: Mapping[str, gr.Slider]
    old: gr.CheckboxGroup
    seed: gr.Number
    lab: gr.Column
    truth: gr.HTML
    button: gr.Button
    take: gr.Button
    work: gr.HTML
    stage: gr.HTML
    table: gr.HTML
    lacking: gr.HTML

    @property
    def knobs(self) -> list[Component]:
        """All that decides what is compared."""
        options = [control for form in self.forms.values() for control in form.controls.values()]
        lab = [self.source, self.clean, self.presets, *self.sliders.values(), self.old]
        return [self.what, self.ways, self.knob, *options, *lab, self.seed]

    @property
    def measured(self) -> dict[tuple[str, str], Component]:
        """Those knobs of restorers that may do nothing with a prior, by the restorer and the knob's name."""
        known = {restorer: shared(find(restorer)) for restorer in self.forms}
        return {
            (restorer, name): control
            for restorer, form in self.forms.items()
            for name, control in form.controls.items()
            if name in known[restorer]
        }


def draw() -> Drawn:
    """Draw the screen."""
    infos = find_all()
    with gr.Row(elem_id="bench"):
        with gr.Column(elem_id="bench-rail"):
            part("step_compare", elem_id="step-compare")
            source = gr.Radio(
                [(say("from_photo"), PHOTO), (say("from_lab"), LAB)],
                value=PHOTO,
                label=say("compare_on"),
                info=say("compare_on_help"),
                elem_id="compare-source",
            )
            truth = part("truth")
            with gr.Column(visible=False, elem_id="lab") as lab:
                clean = gr.Dropdown(
                    [(say("clean_photo"), "")],
                    value="",
                    label=say("clean"),
                    info=say("clean_help"),
                    elem_id="lab-clean",
                )
                presets = gr.CheckboxGroup(
                    [*((DAMAGES.get(name, name), name) for name in PRESETS), (say("lab_sliders"), SLIDERS)],
                    value=["medium"],
                    label=say("damages"),
                    info=say("damages_help"),
                    elem_id="lab-presets",
                )
                with gr.Accordion(say("lab_sliders"), open=False, elem_id="lab-own"):
                    sliders = {name: _slider(name, low, high) for name, (low, high) in RANGES.items()}
                    old = gr.CheckboxGroup(
                        [(DAMAGES.get(kind, kind), kind) for kind in KINDS],
                        label=say("lab_old"),
                        info=say("lab_old_help"),
                        elem_id="lab-old",
                    )
            what = gr.Radio(
                [(say("what_ways"), WAYS), (say("what_sweep"), SWEEP)],
                value=WAYS,
                label=say("compare_what"),
                info=say("compare_what_help"),
                elem_id="compare-what",
            )
            knob = gr.Dropdown(
                swept_knobs(infos),
                value=f"{TAKEN_BY}:seed",
                label=say("knob"),
                info=say("knob_help"),
                visible=False,
                filterable=False,
                elem_id="compare-knob",
            )
            ways = gr.CheckboxGroup(
                [(info.title, info.id) for info in infos],
                value=[info.id for info in infos if not info.weights][:MOST_RESULTS],
                label=say("ways"),
                info=say("ways_help", n=MOST_RESULTS),
                elem_id="compare-ways",
            )
            unready = part("lacking")
            drawn = {info.id: _options(info) for info in infos}
            seed = gr.Number(
                0, label=say("seed"), info=say("seed_help"), precision=0, minimum=0, elem_id="compare-seed"
            )
            button = gr.Button(say("compare"), variant="primary", elem_id="compare")
            work = part("work", elem_id="compare-work")
            take = gr.Button(say("take"), elem_id="compare-take")
        with gr.Column(elem_id="bench-stage"):
            stage = viewer.draw("compare-viewer")
            table = part("comparison")
    return Drawn(
        what=what,
        ways=ways,
        knob=knob,
        forms=drawn,
        source=source,
        clean=clean,
        presets=presets,
        sliders=sliders,
        old=old,
        seed=seed,
        lab=lab,
        truth=truth,
        button=button,
        take=take,
        work=work,
        stage=stage,
        table=table,
        lacking=unready,
    )


def swept_knobs(infos: Sequence[RestorerInfo], idle: Collection[str] = ()) -> list[tuple[str, str]]:
    """Give the knobs that can be gone through, by what they are called, with the restorer and the name of each.

    Args:
        infos: of the restorers.
        idle: names of the knobs that do nothing with the prior.
    """
    found: list[tuple[str, str]] = []
    for info in infos:
        gone = shared(info) & set(idle)
        named = {field.name: choice(field) for field in fields(info.options) if field.name not in gone}
        ranged = [(one.title, name) for name, one in named.items() if one.low is not None]
        several = [*([(say("variations"), "seed")] if ranged else []), *ranged]
        found += [(f"{info.title}: {title}", f"{info.id}:{name}") for title, name in several]
    return found


def _slider(name: str, low: float, high: float) -> gr.Slider:
    known: dict[str, Any] = {"label": say(f"lab_{name}"), "info": say(f"lab_{name}_help"), "elem_id": f"lab-{name}"}
    usual = high if name == "jpeg" else low
    return gr.Slider(low, high, value=usual, step=1 if name == "jpeg" else 0.5, buttons=["reset"], **known)


def _options(info: RestorerInfo) -> Form:
    halves = (False, True)
    if not any(forms.names(info.options, advanced=advanced) for advanced in halves):
        return Form({})
    with gr.Accordion(say("settings_of", name=info.title), open=False, elem_classes=["lk-settings"]):
        return forms.joined(
            *(forms.draw(info.options, advanced=advanced, name=f"compare-{info.id}") for advanced in halves)
        )


def knobs_shown(drawn: Drawn, prior: str, weights: Path, knob: str) -> list[Any]:
    """Give updates that show the knobs that do something with a prior: `Drawn.measured`, and those to go through.

    Args:
        drawn: the screen.
        prior: its name.
        weights: folder of the user's networks.
        knob: which knob is chosen in the list.
    """
    idle = without_effect(prior, weights)
    offered = swept_knobs(find_all(), idle)
    there = any(knob == name for _, name in offered)
    choices = gr.update(choices=offered) if there else gr.update(choices=offered, value=f"{TAKEN_BY}:seed")
    return [*(forms.shown(name not in idle) for _, name in drawn.measured), choices]


def shown(drawn: Drawn, desk: Desk, board: Board, follower: Follower) -> tuple[Shown, ...]:
    """Give the components that follow the board."""
    lacking = Lacking(desk.studio.workspace.weights)
    held: tuple[View, BoardView] | None = None

    def now(view: View) -> BoardView:
        """Look at the board once for all components of a refresh, which are given one view of the desk."""
        nonlocal held
        known = held
        if known is None or known[0] is not view:
            known = held = view, board.view()
        return known[1]

    return (
        Shown(drawn.truth, lambda view: {"name": board.truth.name if board.truth is not None else ""}),
        Shown(drawn.lacking, lambda view: [asdict(one) for one in lacking()]),
        Shown(drawn.stage, lambda view: compared.pictures(desk, now(view), view)),
        Shown(drawn.table, lambda view: compared.table(desk, now(view))),
        Shown(drawn.work, lambda view: progress(desk, now(view), view, follower)),
        Shown(drawn.button, lambda view: not _busy(view, now(view)), lambda ready: gr.update(interactive=ready)),
        Shown(drawn.clean, clean_photos, lambda found: gr.update(choices=[(name, key) for name, key in found])),
    )


def connect(drawn: Drawn, desk: Desk, board: Board, page: Page, taken: tuple[Restoring, Sequence[str]]) -> None:
    """Let the screen's events change the board; `taken` is the step that takes settings over, and its recipes."""
    picked = gr.State("")

    def pick(event: gr.EventData) -> str:
        return str(event.id)

    def take(pane: str) -> list[Any]:
        with explained():
            board.take_over(way_of(pane, board.view()))
        return restoring.kept_knobs(taken[0], desk.view(), taken[1])

    def begin(given: dict[Component, Any]) -> list[Any]:
        with explained():
            lab = given[drawn.source] == LAB
            board.start(
                _ways(drawn, given, MOST_RESULTS if lab else MOST_RESULTS + 1),
                damages=_damages(drawn, given) if lab else (),
                reference=str(given[drawn.clean] or "") if lab else "",
                recipe=str(given[taken[0].recipe]),
                seed=int(given[drawn.seed] or 0),
                prior=str(given[taken[0].prior] or POCKET[0]),
                with_truth=not lab,
            )
        return page.updates(given[page.seen])

    weights = desk.studio.workspace.weights

    def fitting(prior: str, knob: str) -> list[Any]:
        return knobs_shown(drawn, str(prior or POCKET[0]), weights, str(knob))

    taken[0].prior.change(fitting, [taken[0].prior, drawn.knob], [*drawn.measured.values(), drawn.knob], **QUIET)
    both = (taken[0].recipe, taken[0].prior)
    drawn.button.click(begin, {*drawn.knobs, *both, page.seen}, page.outputs, trigger_mode="once", **VERB)
    page.on(drawn.truth.dropped, lambda event: board.put_truth(Path(str(event.paths[0]))))
    page.on(drawn.truth.removed, lambda event: board.put_truth(None))
    gr.on(
        [slider.release for slider in drawn.sliders.values()] + [drawn.old.input],
        _with_sliders,
        drawn.presets,
        drawn.presets,
        **QUIET,
    )
    drawn.stage.picked(pick, None, picked, **QUIET)
    drawn.take.click(take, picked, taken[0].knobs, **VERB)
    drawn.what.change(_what_shown, drawn.what, [drawn.ways, drawn.lacking, drawn.knob], **QUIET)
    drawn.source.change(_lab_shown, drawn.source, drawn.lab, **QUIET)
    page.on(drawn.work.stop, lambda event: board.stop())
    page.on(drawn.work.read, lambda event: board.forget_notice())
    page.on(drawn.stage.stepped, lambda event: board.step(1 if int(event.step) > 0 else -1))


def kept_knobs(drawn: Drawn, board: BoardView, view: View) -> list[Any]:
    """Give updates that set the knobs as the comparison on the board was made, in the order of `Drawn.knobs`."""
    if board.job is None:
        return [gr.skip() for _ in drawn.knobs]
    asked = board.job.arguments
    if any(way["label"] for way in asked["ways"]):  # a sweep, which stands in its labels
        return [gr.skip() for _ in drawn.knobs]
    ways = {way["restorer"]: way["options"] for way in asked["ways"]}
    options = [update for name, form in drawn.forms.items() for update in form.updates(ways.get(name, {}))]
    by_hand: dict[str, Any] = next((damage for damage in asked["damages"] if not isinstance(damage, str)), {})
    presets = [damage if isinstance(damage, str) else SLIDERS for damage in asked["damages"]]
    named = {reference.name: reference.id for reference in view.references if reference.used}
    return [
        gr.skip(),
        gr.update(value=[name for name in drawn.forms if name in ways]),
        gr.skip(),
        *options,
        gr.update(value=LAB if presets else PHOTO),
        gr.update(value=named.get(asked["name"], "")) if presets else gr.skip(),
        gr.update(value=presets) if presets else gr.skip(),
        *(gr.update(value=by_hand[name]) if name in by_hand else gr.skip() for name in drawn.sliders),
        gr.update(value=by_hand["old"]) if "old" in by_hand else gr.skip(),
        gr.update(value=asked["seed"]),
    ]


def _with_sliders(presets: list[str]) -> list[str]:
    """Who moves a slider wants it to count."""
    return presets if SLIDERS in presets else [*presets, SLIDERS]


def _lab_shown(source: str) -> Any:
    return gr.update(visible=source == LAB)


def way_of(pane: str, board: BoardView) -> int:
    """Give which way made the picture of a pane, -1 for none; before one is picked, the viewer holds the last one."""
    where = board.parts[board.at] if board.parts else Part()
    if where.way is not None:  # all pictures are its
        return where.way
    if not pane and board.known is not None:
        return len(board.known["ways"]) - 1
    kind, _, number = pane.partition("-")
    return int(number) if kind == "way" and number.isdecimal() else -1


def _ways(drawn: Drawn, given: Mapping[Component, Any], most: int) -> list[Way]:
    if given[drawn.what] == SWEEP:
        restorer, _, name = str(given[drawn.knob]).partition(":")
        options, seed = drawn.forms[restorer].read(given), int(given[drawn.seed] or 0)
        return list(swept(restorer, options, name, seed=seed, count=most))
    # In the order of the list, not in that in which they were ticked.
    return [Way(name, form.read(given)) for name, form in drawn.forms.items() if name in given[drawn.ways]]


def _what_shown(what: str) -> list[Any]:
    ways = what == WAYS
    # A part of ours stays on the page: taken off and put back, Gradio draws its template without what it is given.
    return [gr.update(visible=ways), gr.update(visible=True if ways else "hidden"), gr.update(visible=not ways)]


def _damages(drawn: Drawn, given: Mapping[Component, Any]) -> list[str | dict[str, Any]]:
    by_hand = {name: given[slider] for name, slider in drawn.sliders.items()} | {"old": list(given[drawn.old] or ())}
    ticked = [name for name in (*PRESETS, SLIDERS) if name in given[drawn.presets]]
    return [by_hand if name == SLIDERS else name for name in ticked] or [by_hand]


def clean_photos(view: View) -> list[list[str]]:
    """Give the photos that may be damaged, each with its key: the one on the desk and the references that are used."""
    used = [[reference.name, reference.id] for reference in view.references if reference.used]
    return [[say("clean_photo"), ""], *used]


def _busy(view: View, board: BoardView) -> bool:
    jobs = (view.job, board.job)
    return any(job is not None and not job.over for job in jobs)


def progress(desk: Desk, board: BoardView, view: View, follower: Follower) -> dict[str, Any]:
    """Give what the progress panel shows."""
    job = board.job
    if job is not None and not job.over:
        return {"running": True, **progress_of(job, follower)}
    hint = say("compare_hint") if view.photo is not None or view.references else say("compare_needs")
    return {
        "running": False,
        "hint": "" if board.known is not None else hint,
        "consent": "" if _busy(view, board) else restoring.consent_of(desk, view),
        "notice": end_of(job) if job is not None and not board.read else "",
        "bad": job is not None and job.state == "failed",
    }
