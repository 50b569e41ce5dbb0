"""The Models & settings screen: weight files and their licences, this computer, privacy, deleting, diagnostics."""

from __future__ import annotations

import shutil
from functools import lru_cache
from pathlib import Path
from typing import Any

import gradio as gr
import psutil

from engine import __version__
from engine.evaluation import doctor
from engine.prior.diffbir.kinds import KINDS
from engine.restorers import find_all
from engine.studio.desk import Desk
from engine.studio.diagnostics import Diagnostics
from engine.studio.installed import FileRow, Installed, InstalledView
from engine.studio.removal import Removal
from engine.studio.view import View
from engine.weights import shown_size
from ui.follow import Page, Shown
from ui.parts import part
from ui.personalizing import amount
from ui.restoring import time_left
from ui.strings import COMMERCIAL, FILE_STATES, PRIVACY, say
from ui.top import machine

SHIPPED = "pocket"
BUSY = ("waiting", "getting", "checking")


def draw() -> gr.HTML:
    """Draw the screen."""
    with gr.Column(elem_id="models"):
        return part("models", elem_id="models-part")


def shown(
    drawn: gr.HTML, desk: Desk, installed: Installed, removal: Removal, diagnostics: Diagnostics
) -> tuple[Shown, ...]:
    """Give the component that follows the files."""
    return (Shown(drawn, lambda view: value(desk, view, installed.view(), removal, diagnostics)),)


def connect(drawn: gr.HTML, installed: Installed, removal: Removal, diagnostics: Diagnostics, page: Page) -> None:
    """Let the screen's events change the files and the people."""
    page.on(drawn.get, lambda event: installed.get(str(event.id)))
    page.on(drawn.accepted, lambda event: installed.accept(str(event.id), str(event.licence)))
    page.on(drawn.stop, lambda event: installed.stop(str(event.id)))
    page.on(drawn.verify, lambda event: installed.verify(str(event.id)))
    page.on(drawn.deleted, lambda event: installed.delete(str(event.id)))
    page.on(drawn.use, lambda event: installed.use(Path(str(event.place)), str(event.id)))
    page.on(drawn.unshared, lambda event: installed.unshare(Path(str(event.folder))))
    page.on(drawn.offline, lambda event: installed.set_offline(bool(event.on)))
    page.on(drawn.read, lambda event: installed.forget_notice(int(event.index)))
    page.on(drawn.removed, lambda event: removal.remove(str(event.name)))
    page.on(drawn.told, lambda event: removal.forget_notice())
    page.on(drawn.gathered, lambda event: diagnostics.gather())


def value(desk: Desk, view: View, now: InstalledView, removal: Removal, diagnostics: Diagnostics) -> dict[str, Any]:
    """Give what the screen shows."""
    last = removal.last
    there = sum(row.state in ("there", "elsewhere") for row in now.rows)
    by_setting = now.offline == "" or "weights settings" in now.offline
    return {
        "status": say("files_status", n=there, m=len(now.rows)) if now.looked else say("files_looking"),
        "offline": bool(now.offline),
        "offline_fixed": not by_setting,
        "offline_why": say("offline_because", why=now.offline) if not by_setting else say("offline_hint"),
        "notices": [list(one) for one in now.notices],
        "groups": _groups(now),
        "ids": [[row.file.id, say("own_id", file=row.file.file, purpose=row.file.purpose)] for row in now.rows],
        "shared": [str(folder) for folder in now.shared],
        "machine": _machine(desk),
        "places": _places(desk),
        "privacy": list(PRIVACY),
        "people": list(view.known),
        "removing": last is not None and not last.over,
        "removed": _removed(removal),
        "removed_bad": last is not None and bool(last.error or (last.deleted is not None and last.deleted.left)),
        "report": diagnostics.report,
        "gathering": diagnostics.gathering,
    }


@lru_cache(maxsize=1)
def _owners() -> tuple[tuple[str, str, str, frozenset[str]], ...]:
    """Give who uses files: an id, a title, what it is, and what the files say that they serve."""
    restorers = [(info.id, info.title, info.summary, frozenset({info.id})) for info in find_all() if info.weights]
    priors = [
        (kind.id, kind.title, say("prior_about"), frozenset({kind.id, f"{kind.id}-in-parts"}))
        for kind in KINDS.values()
    ]
    known = {name for _, _, _, names in restorers for name in names}
    others = [
        (name, say(f"owner_{name}"), say(f"owner_{name}_about"), frozenset({name}))
        for name in ("faces", "dr2", "asffnet", "dmdnet", "mystyle")
        if name not in known
    ]
    return (*restorers, *priors, *others)


def _groups(now: InstalledView) -> list[dict[str, Any]]:
    pocket = {
        "id": SHIPPED,
        "title": say("pocket"),
        "about": say("pocket_about"),
        "state": "there",
        "word": say("shipped"),
        "busy": False,
        "rows": [],
    }
    groups = [pocket]
    for name, title, about, names in _owners():
        rows = [row for row in now.rows if names & set(row.file.serves)]
        if not rows:
            continue
        have = sum(row.state in ("there", "elsewhere") for row in rows)
        busy = any(row.state in BUSY for row in rows)
        state = "getting" if busy else "there" if have == len(rows) else "partly" if have else "missing"
        word = FILE_STATES["getting"] if busy else say("group_have", n=have, m=len(rows))
        groups.append(
            {
                "id": name,
                "title": title,
                "about": about,
                "state": state,
                "word": word,
                "busy": busy,
                "rows": [_row(row) for row in rows],
            }
        )
    return groups


def _row(row: FileRow) -> dict[str, Any]:
    file, licence = row.file, row.file.licence
    here = row.state in ("there", "elsewhere", "damaged")
    moving = row.state in ("getting", "checking", "partly")
    elsewhere = say("file_at", path=row.path) if row.state == "elsewhere" and row.path is not None else ""
    by_hand = "" if file.url or file.mirrors else say("file_by_hand", page=file.page)
    size = shown_size(row.size, file.about)
    return {
        "id": file.id,
        "file": file.file,
        "state": row.state,
        "word": FILE_STATES[row.state],
        "about": " ".join(
            filter(
                None,
                [
                    say(
                        "file_about",
                        size=size[:1].upper() + size[1:],
                        purpose=file.purpose[:1].upper() + file.purpose[1:],
                    ),
                    elsewhere,
                    by_hand,
                ],
            )
        ),
        "licence": licence.name,
        "commercial": licence.commercial,
        "use": COMMERCIAL[licence.commercial],
        "words": licence.words,
        "terms": licence.url,
        "sentence": row.sentence,
        "share": min(1.0, row.done / row.total) if moving and row.total else None,
        "left": _left(row) if moving else "",
        "busy": row.state in BUSY,
        "needs": row.accepted is False and not here,
        "gets": bool(file.url or file.mirrors) and row.state in ("missing", "partly", "damaged"),
        "here": here,
        "deletes": row.state in ("there", "damaged", "partly"),
    }


def _left(row: FileRow) -> str:
    told = [say("file_done", n=row.done, m=row.total) if row.total else say("file_done_of", n=row.done)]
    if row.state == "getting" and row.speed:
        told.append(say("file_speed", n=f"{row.speed:.1f}"))
        if row.total > row.done:
            told.append(time_left((row.total - row.done) / row.speed))
    if row.state == "partly":
        told.append(say("file_kept"))
    return ", ".join(told)


def _removed(removal: Removal) -> str:
    last = removal.last
    if last is None:
        return ""
    if last.deleted is None:
        return last.error or say("remove_coming", name=last.name)
    told = say("remove_done", name=last.name, n=last.deleted.files, size=amount(last.deleted.size))
    if last.deleted.left:
        return " ".join((told, say("remove_left", places=", ".join(map(str, last.deleted.left[:5])))))
    return " ".join((told, say("remove_verified")))


def _machine(desk: Desk) -> list[list[str]]:
    kind, name = machine(desk.studio.device)
    memory = psutil.virtual_memory()
    free = shutil.disk_usage(desk.studio.workspace.root).free
    # Rounded, so that the page is not sent a new value every second.
    return [
        [say("machine_on"), say(f"device_{kind}", name=name)],
        [say("machine_cpu"), _cpu()],
        [
            say("machine_memory"),
            say("machine_memory_as", n=f"{memory.total / 1e9:.0f}", free=f"{memory.available / 1e9:.0f}"),
        ],
        [say("machine_disk"), say("gigabytes", n=f"{free / 1e9:.0f}")],
        [say("machine_version"), __version__],
    ]


@lru_cache(maxsize=1)
def _cpu() -> str:
    return say("machine_cpu_as", name=doctor.cpu_model(), cores=doctor.usable_cores())


def _places(desk: Desk) -> list[list[str]]:
    workspace = desk.studio.workspace
    places = {
        "place_root": workspace.root,
        "place_people": workspace.people,
        "place_weights": workspace.weights,
        "place_logs": workspace.logs,
        "place_cache": workspace.cache,
    }
    return [[say(word), str(place)] for word, place in places.items()]
