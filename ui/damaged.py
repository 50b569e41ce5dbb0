"""Step 2: the damaged photo, with the faces that were found in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from engine.studio.desk import Desk
from engine.studio.view import DamagedPhoto, Likely, View
from ui.follow import Page, address
from ui.parts import part
from ui.strings import say


def draw() -> gr.HTML:
    """Draw the step."""
    return part("damaged")


def show(desk: Desk, view: View) -> dict[str, Any]:
    """Give what the step shows."""
    photo, notices = view.photo, list(view.photo_notices)
    if photo is not None and not photo.faces and not view.photo_coming:
        notices.append(say("no_face"))
    return {
        "done": photo is not None and bool(photo.faces),
        "status": _found(photo) if photo is not None else "",
        "busy": say("looking_for_face") if view.photo_coming else "",
        "notices": notices,
        "photo": _photo(desk, photo) if photo is not None else None,
        "likely": _likely(view.likely),
    }


def connect(drawn: gr.HTML, viewer: gr.HTML, desk: Desk, page: Page) -> None:
    """Let the step's events change the desk; the viewer takes a photo and the choice of a face too."""

    def chosen(event: gr.EventData) -> None:
        photo, number = desk.view().photo, int(event.face)
        desk.choose_face(None if photo is not None and photo.chosen == number else number)

    def dropped(event: gr.EventData) -> None:
        for path in event.paths:
            desk.put_photo(Path(str(path)))

    for place in (drawn, viewer):
        page.on(place.dropped, dropped)
        page.on(place.refused, lambda event: desk.tell("photo", str(event.text)))
        page.on(place.chosen, chosen)
    page.on(viewer.painted, lambda event: desk.brush(list(event.strokes)))
    page.on(viewer.marked, lambda event: desk.mark_face([(float(x), float(y)) for x, y in event.points]))
    page.on(drawn.taken, lambda event: desk.take_likely())
    page.on(drawn.read, lambda event: desk.forget_notice("photo", int(event.index)))


def _likely(likely: Likely | None) -> dict[str, str]:
    """Give whom the face may show, and what the button that takes them says; "" where they are on the desk."""
    if likely is None:
        return {"text": "", "take": ""}
    told = say("likely_here" if likely.here else "likely", who=likely.person, distance=f"{likely.distance:.2f}")
    return {"text": told, "take": "" if likely.here else say("likely_take", who=likely.person)}


def _found(photo: DamagedPhoto) -> str:
    if len(photo.faces) == 1:
        return say("one_face")
    return say("some_faces", n=len(photo.faces)) if photo.faces else ""


def _photo(desk: Desk, photo: DamagedPhoto) -> dict[str, Any]:
    sides = (photo.width, photo.height, photo.width, photo.height)
    hint = say("this_face" if photo.chosen else "which_face") if len(photo.faces) > 1 else ""
    return {
        "src": address(desk, photo.proxy.small),
        "name": photo.file.name,
        "size": say("photo_size", width=photo.width, height=photo.height),
        "hint": hint,
        "faces": [
            {
                "number": number,
                "label": say("face_label", n=number),
                "chosen": photo.chosen == number,
                "box": [min(1.0, max(0.0, at / side)) for at, side in zip(face.box, sides, strict=True)],
            }
            for number, face in enumerate(photo.faces, 1)
        ],
    }
