"""The People screen: everybody's faces, sorted out by hand and by likeness, and what a gallery still needs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr

from engine.errors import EngineError
from engine.people import SUBJECTS, UNSORTED, Advice, Done
from engine.studio.people import PeopleDesk
from engine.studio.people.view import Came, Coming, Looked, PeopleView, Section, ShownFace, ShownPerson
from ui.follow import Page, Shown
from ui.parts import part
from ui.strings import LABELS, PEOPLE_SHORTCUTS, say

NAMED = 3
"""File names that a message names; of more it says how many."""


def draw() -> gr.HTML:
    """Draw the screen."""
    with gr.Column(elem_id="people"):
        return part("people", elem_id="people-screen", first=("people_grid", "people_dialogs", "people_photo"))


def shown(drawn: gr.HTML, desk: PeopleDesk) -> list[Shown]:
    """Give what of the screen changes by itself."""
    return [Shown(drawn, lambda view: show(desk))]


def show(desk: PeopleDesk) -> dict[str, Any]:
    """Give what the screen shows."""
    view = desk.view()
    person = next((person for person in view.people if person.id == view.place), None)
    labels = {one.id: one.called for one in view.people}
    return {
        "revision": f"{desk.opened}-{view.revision}",
        "place": view.place,
        "base": f"/gradio_api/file={quote(str(desk.desk.previews))}/",
        "status": _status(view),
        "comparing": view.comparing,
        "people": [_person(one) for one in view.people],
        "subjects": {subject: say(f"subject_{subject}") for subject in SUBJECTS},
        "unsorted": view.unsorted,
        "grid": _grid(view, labels),
        "advice": advice(view.advice) if view.advice is not None and person is not None else "",
        "level": view.advice.level if view.advice is not None else "",
        "undo": done("undo_of", view.undo),
        "redo": done("redo_of", view.redo),
        "coming": _coming(view.coming) if view.coming is not None else None,
        "came": came(view.came) if view.came is not None else "",
        "looked": _looked(view.looked) if view.looked is not None else None,
        "notices": list(view.notices),
        "keys": [[list(keys), what] for keys, what in PEOPLE_SHORTCUTS],
    }


def connect(drawn: gr.HTML, desk: PeopleDesk, page: Page) -> None:
    """Let the screen's events change the people."""
    verbs = _verbs(desk)

    def acted(event: gr.EventData) -> None:
        try:
            verbs[str(event.verb)](event)
        except EngineError:
            desk.heard()
            raise

    def dropped(event: gr.EventData) -> None:
        desk.open(UNSORTED)
        desk.add_dropped([Path(str(path)) for path in event.paths])

    page.on(drawn.acted, acted)
    page.on(drawn.dropped, dropped)
    page.on(drawn.refused, lambda event: desk.tell(str(event.text)))
    page.on(drawn.read, lambda event: desk.forget_notice(int(event.index)))


def _verbs(desk: PeopleDesk) -> Mapping[str, Callable[[gr.EventData], None]]:
    def folder(event: gr.EventData) -> None:
        desk.add_folder(str(event.folder))
        desk.open(UNSORTED)

    def forget(event: gr.EventData) -> None:
        deleted = desk.forget(str(event.person))
        if deleted.left:
            places = ", ".join(str(place) for place in deleted.left[:NAMED])
            desk.tell(say("forgotten_not", who=deleted.name, n=len(deleted.left), places=places))
        else:
            desk.tell(say("forgotten", who=deleted.name, n=deleted.files))

    return {
        "open": lambda event: desk.open(str(event.place)),
        "judge": lambda event: desk.judge(_ids(event), str(event.word)),
        "move": lambda event: desk.move(_ids(event), str(event.to)),
        "new": lambda event: desk.new_person(_ids(event), str(event.name)),
        "remove": lambda event: desk.remove(_ids(event)),
        "date": lambda event: desk.date(_ids(event), year=_whole(event.year), age=_whole(event.age)),
        "cover": lambda event: desk.set_cover(str(event.id)),
        "rename": lambda event: desk.rename(str(event.person), str(event.name)),
        "describe": lambda event: desk.describe(str(event.person), str(event.subject)),
        "merge": lambda event: desk.merge(str(event.person), str(event.into)),
        "forget": forget,
        "folder": folder,
        "look": lambda event: desk.look(str(event.id)),
        "stop": lambda event: desk.stop_adding(),
        "undo": lambda event: desk.undo(),
        "redo": lambda event: desk.redo(),
    }


def _ids(event: gr.EventData) -> list[str]:
    return [str(one) for one in event.ids]


def _whole(number: object) -> int | None:
    return int(number) if isinstance(number, (int, float)) else None


# In words.


def advice(known: Advice) -> str:
    """Say how good a gallery is and what would help."""
    told = say(f"advice_{known.level}", used=known.used, all=known.all)
    wants = [say(f"want_{want}") for want in known.wants[:2]]
    if wants:
        told += " " + say("advice_wants", what=say("advice_and").join(wants))
    if known.waiting and known.level not in ("unclear", "empty"):
        told += " " + (say("advice_waiting", n=known.waiting) if known.waiting > 1 else say("advice_waiting_one"))
    return told


def done(how: str, what: Done | None) -> str:
    """Say what would be undone or done again; "" when there is nothing."""
    if what is None:
        return ""
    count = say("faces_one" if what.count == 1 else "faces_some", n=what.count)
    verb = say(f"did_{what.verb}", faces=count, who=what.name or say("somebody"))
    return say(how, what=verb)


def came(known: Came) -> str:
    """Say what became of photos that were taken in."""
    photos = say("photos_one" if known.photos == 1 else "photos_some", n=known.photos)
    faces = say("faces_one" if known.faces == 1 else "faces_some", n=known.faces)
    told = [say("came_stopped" if known.stopped else "came", photos=photos, faces=faces)]
    if known.already:
        told.append(say("came_already_one") if known.already == 1 else say("came_already", n=known.already))
    if known.no_face:
        told.append(say("came_no_face", n=len(known.no_face), names=_few(known.no_face)))
    told += known.unreadable[:NAMED]
    if len(known.unreadable) > NAMED:
        told.append(say("came_unreadable", n=len(known.unreadable) - NAMED))
    return " ".join(told)


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED]) + (say("and_more", n=len(names) - NAMED) if len(names) > NAMED else "")


def _status(view: PeopleView) -> str:
    if view.comparing:
        return say("people_comparing")
    faces = sum(person.all for person in view.people) + view.unsorted
    return say("people_status", faces=faces) if faces else ""


def _person(person: ShownPerson) -> dict[str, Any]:
    holds = say("people_holds", faces=person.all, tunings=person.tunings, results=person.results, who=person.name)
    return {
        "id": person.id,
        "name": person.name,
        "label": person.called,
        "subject": person.subject,
        "cover": person.cover,
        "status": say("references_status", used=person.used, all=person.all) if person.all else say("people_no_photo"),
        "holds": holds,
    }


def _grid(view: PeopleView, labels: Mapping[str, str]) -> str:
    """Give sections and faces as one piece of JSON text.

    Gradio's page makes every entry of a value one to be watched, which takes it half a second with thousands of faces.
    """
    sections = [_section(section, labels) for section in view.sections]
    return json.dumps({"sections": sections, "faces": [_face(face) for face in view.faces]})


def _section(section: Section, labels: Mapping[str, str]) -> dict[str, Any]:
    count = len(section.ids)
    faces = say("faces_one" if count == 1 else "faces_some", n=count)
    who = labels.get(section.person, "")
    detail = say("section_distance", distance=f"{section.distance:.2f}") if section.distance else ""
    if section.kind in ("look", "used", "left", "single"):
        detail = say(f"section_{section.kind}_hint")
    return {
        "kind": section.kind,
        "person": section.person if who else "",
        # A group goes by its smallest face, so that it stays the same group while others come.
        "key": min(section.ids) if section.kind == "group" else "",
        "title": say(f"section_{section.kind}", faces=faces, who=who),
        "detail": detail,
        "ids": list(section.ids),
    }


def _face(face: ShownFace) -> list[Any]:
    word = LABELS.get(face.code, say("left_out")) if face.code else ""
    year = face.year
    return [
        face.id, face.name, face.used, face.overruled, word, face.reason, face.distance, year, face.age, face.preview
    ]  # fmt: skip


def _coming(known: Coming) -> dict[str, Any]:
    left = say("left_seconds", n=max(5, round((known.seconds_left or 0) / 5) * 5))
    if known.seconds_left is None:
        left = ""
    elif known.seconds_left > 90:
        left = say("left_minutes", n=round(known.seconds_left / 60))
    told = say("people_coming", n=known.done, m=known.of, faces=known.faces)
    return {"text": ", ".join(filter(None, [told, left])), "share": round(known.done / max(known.of, 1), 3)}


def _looked(known: Looked) -> dict[str, Any] | None:
    if known.fault:
        return {"id": known.id, "fault": known.fault}
    if known.photo is None:
        return None
    return {
        "id": known.id,
        "fault": "",
        "src": known.photo.small,
        "close": known.close,
        "width": known.close_size[0],
        "height": known.close_size[1],
        "box": list(known.box),
        "size": say("photo_size", width=known.photo.width, height=known.photo.height),
    }
