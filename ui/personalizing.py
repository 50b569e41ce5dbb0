"""The Personalize screen: whom and how, what waits, what was made, and how one or two tunings went."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import gradio as gr

from engine.errors import EngineError
from engine.studio.desk import Desk
from engine.studio.tunings import Course, Ended, Entry, Estimated, Running, Tunings, TuningsView
from engine.studio.view import View
from engine.tuning import PARTS, RECIPES
from ui.follow import Page, Shown, address
from ui.parts import part
from ui.restoring import time_left
from ui.strings import JOBS, RECIPE_TITLES, TUNING_STATES, say, stage_name

WORKING = ("learning the face", "personalizing", "steadying the guide")
"""Stages of which each has steps that count."""


class OtherPerson(EngineError):
    """Somebody else was chosen meanwhile than the one whom a page asks for."""


@dataclass(frozen=True)
class Drawn:
    """The screen's components."""

    rail: gr.HTML
    stage: gr.HTML


def draw() -> Drawn:
    """Draw the screen."""
    with gr.Row(elem_id="tune"):
        with gr.Column(elem_id="tune-rail"):
            rail = part("personalize")
        with gr.Column(elem_id="tune-stage"):
            stage = part("tuning")
    return Drawn(rail, stage)


def shown(drawn: Drawn, desk: Desk, tunings: Tunings, recipes: Sequence[str]) -> tuple[Shown, ...]:
    """Give the components that follow the tunings."""
    held: tuple[View, TuningsView] | None = None

    def now(view: View) -> TuningsView:
        """Look at the tunings once for both components of a refresh, which are given one view of the desk."""
        nonlocal held
        known = held
        if known is None or known[0] is not view:
            known = held = view, tunings.view(view)
        return known[1]

    return (
        Shown(drawn.rail, lambda view: rail_value(desk, view, now(view), recipes)),
        Shown(drawn.stage, lambda view: stage_value(desk, now(view))),
    )


def connect(drawn: Drawn, desk: Desk, tunings: Tunings, page: Page) -> None:
    """Let the screen's events change the tunings."""

    def started(event: gr.EventData) -> None:
        name = str(event.person)
        if name != desk.view().person:  # who was chosen in another window is not who the consent is for
            desk.choose_person(name)
            raise OtherPerson(say("tune_other", name=name))
        if bool(event.consent):
            tunings.consent()
        tunings.start()

    rail, stage = drawn.rail, drawn.stage
    page.on(rail.person, lambda event: desk.choose_person(str(event.name)))
    page.on(rail.recipe, lambda event: tunings.choose(str(event.name)))
    page.on(rail.tried, lambda event: tunings.estimate())
    page.on(rail.started, started)
    page.on(rail.freed, lambda event: tunings.go_on())
    page.on(rail.dropped, lambda event: tunings.drop(str(event.id)))
    page.on(rail.shown, lambda event: tunings.show(str(event.id)))
    page.on(rail.read, lambda event: tunings.forget_notice(int(event.index)))
    page.on(stage.paused, lambda event: tunings.pause())
    page.on(stage.resumed, lambda event: tunings.resume())
    page.on(stage.looked, lambda event: tunings.look())
    page.on(stage.stopped, lambda event: tunings.stop())
    page.on(stage.wenton, lambda event: tunings.go_on(str(event.id)))
    page.on(stage.extended, lambda event: tunings.extend(str(event.id), int(event.steps)))
    page.on(stage.besides, lambda event: tunings.hold_beside(str(event.id)))
    page.on(stage.deleted, lambda event: tunings.delete(str(event.id)))


# The rail.


def rail_value(desk: Desk, view: View, now: TuningsView, recipes: Sequence[str]) -> dict[str, Any]:
    """Give what the rail shows."""
    photos = sum(reference.used for reference in view.references)
    known = view.person in view.known
    busy = now.running is not None or bool(now.waiting) or bool(now.other)
    offered = [*recipes, *([now.recipe] if now.recipe in RECIPES and now.recipe not in recipes else [])]
    estimate = now.estimate
    return {
        "people": list(view.known),
        "person": view.person if known else "",
        "photos": photos,
        "status": say("references_status", used=photos, all=len(view.references)) if view.references else "",
        "need": _need(view, photos, known=known),
        "recipes": [
            {"name": name, "title": RECIPE_TITLES.get(name, name.capitalize()), "summary": RECIPES[name].summary}
            for name in offered
        ],
        "recipe": now.recipe,
        "estimate": estimate_lines(estimate) if estimate is not None else [],
        "warning": warning_of(estimate) if estimate is not None else now.estimate_error,
        "estimating": say("estimating") if now.estimating else say("estimate_later") if busy and not estimate else "",
        "wants": bool(photos) and estimate is None and not now.estimating and not busy,
        "busy": busy,
        "ask": known and not now.consented,
        "ready": known and photos > 0,
        "button": say("tune_queue") if busy else say("tune_start"),
        "hint": say("tune_waits", job=JOBS.get(now.other, now.other)) if now.other else "",
        "notices": list(now.notices),
        "waiting": [{"id": one.id, "title": _title(one.name, one.recipe)} for one in now.waiting],
        "held": now.held,
        "history": [_row(desk, entry, now) for entry in now.entries],
    }


def _need(view: View, photos: int, *, known: bool) -> str:
    if not view.known:
        return say("tune_needs_people")
    if not known:
        return say("tune_needs_person")
    if photos:
        return ""
    return say("tune_needs_used" if view.references else "tune_needs_photos", name=view.person, n=len(view.references))


def estimate_lines(found: Estimated) -> list[tuple[str, str]]:
    """Say what a tuning would take, term by term."""
    return [
        (say("estimate_time"), say("estimate_time_as", time=duration(found.seconds))),
        (say("estimate_memory"), say("estimate_of", n=amount(found.memory), free=amount(found.free_memory))),
        (say("estimate_disk"), say("estimate_disk_as", n=amount(found.disk), kept=amount(found.kept))),
    ]


def warning_of(found: Estimated) -> str:
    """Say before it starts that a tuning will not fit; "" where it will."""
    if found.disk > found.free_disk:
        return say("estimate_no_disk", n=amount(found.disk), free=amount(found.free_disk))
    if found.memory > found.free_memory:
        return say("estimate_no_memory", n=amount(found.memory), free=amount(found.free_memory))
    return ""


def duration(seconds: float) -> str:
    """Say how long something takes, no more exactly than it is known."""
    if seconds < 90:
        return say("seconds", n=max(5, 5 * round(seconds / 5)))
    return say("minutes", n=round(seconds / 60)) if seconds < 90 * 60 else say("hours", n=f"{seconds / 3600:.1f}")


def amount(size: float) -> str:
    """Say how many bytes."""
    return say("gigabytes", n=f"{size / 1e9:.1f}") if size >= 1e9 else say("megabytes", n=max(1, round(size / 1e6)))


def _title(name: str, recipe: str) -> str:
    return say("tuning_title", name=name, recipe=RECIPE_TITLES.get(recipe, recipe or say("recipe_unknown")))


def _row(desk: Desk, entry: Entry, now: TuningsView) -> dict[str, Any]:
    course = {now.shown: now.course, now.beside: now.beside_course}.get(entry.id)
    checks = entry.manifest.get("checks") or []
    away = say("row_identity", n=f"{checks[-1]['identity']:.2f}") if checks else ""
    when = datetime.fromtimestamp(entry.when).strftime("%Y-%m-%d %H:%M")
    sample = course.samples[-1].picture if course is not None and course.samples else ""
    state = "paused" if entry.state == "running" and now.running is not None and now.running.job.paused else entry.state
    return {
        "id": entry.id,
        "title": _title(entry.name, entry.recipe),
        "about": ", ".join(filter(None, [when, away])) if entry.state != "running" else say("row_now"),
        "word": TUNING_STATES[state],
        "state": state,
        "src": address(desk, sample),
        "shown": entry.id in (now.shown, now.beside),
    }


# The stage.


def stage_value(desk: Desk, now: TuningsView) -> dict[str, Any]:
    """Give what the stage shows: the tuning that is looked at, beside another if one is held there."""
    entries = {entry.id: entry for entry in now.entries}
    entry, beside = entries.get(now.shown), entries.get(now.beside)
    run = now.running
    is_run = run is not None and (entry is None or run.entry in ("", entry.id))
    columns = [_column(desk, entry, now.course)] if entry is not None and now.course is not None else []
    if beside is not None and now.beside_course is not None and columns:
        columns.append(_column(desk, beside, now.beside_course))
    fresh = run is not None and is_run and run.entry == ""
    if fresh:  # what is made now is not known yet, and what was made before is not it
        columns = []
    shown = [one for one in (entry, beside) if one is not None] if not fresh else []
    progress = _progress(run) if run is not None else None
    title = _title(run.wanted.name, run.wanted.recipe) if fresh and run is not None else ""
    return {
        "id": entry.id if entry is not None and not fresh else "",
        "title": title or (_title(entry.name, entry.recipe) if entry is not None else ""),
        "about": _about(entry) if entry is not None and not fresh else say("tuning_begins") if title else "",
        "now": progress if is_run or not columns else None,
        "work": {"job": progress["job"], "share": progress["share"]} if progress is not None else None,
        "running": _run_state(run, entry) if run is not None and is_run else None,
        "goes_on": entry is not None and not is_run and entry.state in ("stopped", "interrupted", "failed"),
        "extends": entry is not None and not is_run and entry.finished and entry.state == "finished",
        "deletes": entry is not None and not is_run,
        "error": entry.error if entry is not None and not is_run else "",
        "ended": _ended(now.ended) if now.ended is not None else None,
        "columns": columns,
        "others": [
            (one.id, say("other", title=_title(one.name, one.recipe), when=_when(one), n=one.step))
            for one in now.entries
            if entry is not None and one.id != entry.id
        ],
        "beside": now.beside,
        "settings": settings_of(shown) if shown else [],
    }


def _ended(known: Ended) -> dict[str, str]:
    """Give which tuning ended last, and what to tell of it."""
    state = TUNING_STATES[known.state].lower()
    return {"job": known.job, "text": say("notify_ended", title=_title(known.name, known.recipe), state=state)}


def _when(entry: Entry) -> str:
    return datetime.fromtimestamp(entry.when).strftime("%Y-%m-%d %H:%M")


def _about(entry: Entry) -> str:
    told = [TUNING_STATES[entry.state]]
    if entry.of:
        told.append(say("step", n=entry.step, m=entry.of))
    known = entry.manifest
    if known and entry.state == "finished":
        told.append(say("about_photos", n=known["references"]))
        told.append(duration(float(known["seconds"])))
        told.append(say("about_size", n=amount(sum(int(file["size"]) for file in known["files"].values()))))
    return ", ".join(told)


def _progress(run: Running) -> dict[str, Any]:
    working = run.of > 0 and run.stage in WORKING
    share = run.step / run.of if working else run.done / run.total if run.total > 1 else None
    paused = run.job.paused
    numbers = [(say("number_step"), say("number_of", n=run.step, m=run.of))] if run.of else []
    if run.speed is not None and not paused:
        numbers.append((say("number_speed"), say("per_second", n=f"{run.speed:.2g}")))
    if run.job.started is not None:
        numbers.append((say("number_begun"), datetime.fromtimestamp(run.job.started).strftime("%H:%M")))
    left = run.left if working and not paused else None
    return {
        "job": run.job.id,
        "stage": say("paused") if paused else stage_name(run.stage) if run.stage else say("starting"),
        "left": time_left(left) if left is not None else "",
        "end": round(run.end) if run.end is not None and left is not None and run.end > time.time() else None,
        "share": share,
        "paused": paused,
        "numbers": numbers,
    }


def _run_state(run: Running, entry: Entry | None) -> dict[str, Any]:
    return {
        "paused": run.job.paused,
        "stopping": run.job.stopping,
        "looks": entry is not None and run.stage in WORKING,
        "looking": (run.job.folder / "look").exists(),
    }


def _column(desk: Desk, entry: Entry, course: Course) -> dict[str, Any]:
    looks = dict(course.identity)
    best = min(looks, key=lambda step: looks[step]) if looks else None
    first = course.identity[0][1] if course.identity else None
    steps = max([entry.of, entry.step, 1, *[step for step, _ in course.losses[-1:]]])
    return {
        "id": entry.id,
        "title": say("column", title=_title(entry.name, entry.recipe), when=_when(entry)),
        "about": say("column_steps", n=entry.step, m=entry.of) if entry.of else "",
        "steps": steps,
        "losses": [list(point) for point in course.losses],
        "identity": [list(point) for point in course.identity],
        "best": best,
        "spoken": say("chart_spoken", first=f"{first:.2f}", last=f"{course.identity[-1][1]:.2f}") if first else "",
        "samples": [
            {
                "step": one.step,
                "src": address(desk, one.picture),
                "identity": one.identity,
                "told": _told(one.step, one.identity, first, best),
            }
            for one in course.samples
        ],
        "none": say("samples_none") if entry.state != "running" else say("samples_coming"),
        "notes": list(course.notes),
    }


def _told(step: int, identity: float | None, first: float | None, best: int | None) -> str:
    if identity is None or first is None:
        return say("sample_plain", step=step)
    known = {"step": step, "n": f"{identity:.2f}", "first": f"{first:.2f}"}
    return say("sample_best" if step == best and step else "sample_told", **known)


def settings_of(entries: Sequence[Entry]) -> list[list[str]]:
    """Give the settings of one or two tunings, a row each: the term and a text for each of them.

    Of two, those come first that differ.
    """
    tables = [_settings(entry) for entry in entries]
    terms = list(dict.fromkeys(term for table in tables for term in table))
    rows = [[term, *(table.get(term, "\u2013") for table in tables)] for term in terms]
    return sorted(rows, key=lambda row: len(set(row[1:])) == 1) if len(entries) > 1 else rows


def _settings(entry: Entry) -> dict[str, str]:
    known = entry.manifest
    recorded: Mapping[str, Any] = known.get("recipe") or (
        RECIPES[entry.recipe].as_json() if entry.recipe in RECIPES else {}
    )
    told = {say("set_recipe"): RECIPE_TITLES.get(entry.recipe, entry.recipe)}
    if known:
        told |= {
            say("set_photos"): str(known["references"]),
            say("set_held_out"): say("yes" if known["held_out"] else "no"),
            say("set_seconds"): duration(float(known["seconds"])),
            say("set_device"): say("made_device_as", device=known["device"], precision=known["precision"]),
            say("set_prior"): str(known["prior_name"]),
            say("set_prompt"): str(known["prompt"]),
            say("set_extended"): ", ".join(_extended(one) for one in known["extended"]) or say("no"),
            say("set_engine"): str(known["versions"]["likeness"]),
        }
    for name in PARTS:
        pivot: Mapping[str, Any] = recorded.get(name) or {}
        told |= {say(f"set_{name}", field=key.replace("_", " ")): _plain(value) for key, value in pivot.items()}
    return told


def _extended(one: Mapping[str, Any]) -> str:
    return say("steps", n=sum(int(one.get(part) or 0) for part in PARTS))


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return say("yes" if value else "no")
    if isinstance(value, (list, tuple)):
        return ", ".join(str(one) for one in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
