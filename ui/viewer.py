"""The picture: the damaged photo, and when it is restored, before and after with what is known of the result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import gradio as gr

from engine.errors import EngineError
from engine.faces import OUTSIDE_NOTE
from engine.restorers import choice, find
from engine.studio.desk import DamagedPhoto, Desk, ShownResult, View
from ui.follow import address
from ui.parts import part
from ui.strings import say

REFERENCES_SHOWN = 12


def draw() -> gr.HTML:
    """Draw the viewer."""
    return part("viewer")


def show(desk: Desk, view: View) -> dict[str, Any]:
    """Give what the viewer shows: the result if it is of the photo on the desk, else the photo alone."""
    photo, result = view.photo, view.result
    if result is not None and (photo is None or photo.preview == result.before):
        scale = int(result.provenance["seen"].get("scale", 1))
        return {
            "before": address(desk, result.before),
            "after": address(desk, result.after),
            "width": result.width,
            "height": result.height,
            "scale": scale,
            "face": [scale * side for side in result.provenance["face"]["box"]],
            "facts": _facts(desk, view, result),
            "marks": _marks(photo),
        }
    if photo is None:
        return {}
    return {
        "before": address(desk, photo.preview),
        "width": photo.width,
        "height": photo.height,
        "face": list(photo.faces[(photo.chosen or 1) - 1].box) if photo.faces else None,
        "marks": None if view.photo_coming else _marks(photo),
        "faces": [
            {"number": n, "label": say("face_label", n=n), "chosen": photo.chosen == n, "box": list(face.box)}
            for n, face in enumerate(photo.faces, 1)
            if len(photo.faces) > 1
        ],
    }


def _marks(photo: DamagedPhoto | None) -> list[list[float]] | None:
    """Give the marks of the face to restore, [] where none was found, None where there is no photo to mark."""
    if photo is None:
        return None
    face = photo.faces[(photo.chosen or 1) - 1] if photo.faces else None
    return [list(point) for point in face.marks] if face is not None else []


def _facts(desk: Desk, view: View, result: ShownResult) -> dict[str, Any]:
    identity: Mapping[str, Any] = result.provenance["identity"]
    used = [reference for reference in view.references if reference.used and reference.preview]
    known = used if result.person == view.person else []
    if identity:
        numbers = {name: f"{identity[name]:.2f}" for name in ("before", "after")}
        title = say("identity", **numbers)
        note = say("identity_note", recogniser=identity["recogniser"])
    else:
        title, note = say("identity_none"), say("identity_none_note")
    return {
        "title": title,
        "note": note,
        "known": [address(desk, reference.preview) for reference in known[:REFERENCES_SHOWN]],
        "notes": _notes(result.provenance),
        "href": address(desk, result.download),
        "name": result.name,
        "made": made(result),
    }


def _notes(known: Mapping[str, Any]) -> list[str]:
    """Give what was seen of the damage, how faithful the result is, and what else the user should know."""
    seen: Mapping[str, Any] = known["seen"]
    told = [say("seen", words=seen["damage"]["words"]), say("faithful", n=seen["faithful_db"])] if seen else []
    return [" ".join(told), *known["notes"], OUTSIDE_NOTE] if told else [*known["notes"]]


def made(result: ShownResult) -> list[tuple[str, str]]:
    """Give how a result was made, term by term, from its provenance."""
    known = result.provenance
    face = known["face"]
    lines = [
        (say("made_photo"), str(known["photo"])),
        (say("made_person"), result.person),
        (say("made_face"), say("made_face_of", n=face["number"], m=face["of"])),
        *_restorer(str(known["restorer"]), known["options"]),
        (say("made_seed"), str(known["seed"])),
        (say("made_prompt"), str(known["prompt"])),
        (say("made_device"), say("made_device_as", device=known["device"], precision=known["precision"])),
        (say("made_seconds"), say("made_seconds_as", n=known["seconds"])),
        (say("made_engine"), str(known["engine"])),
        (say("made_tuned"), str(known["tuned"])[:16]),
        (say("made_sha"), str(known["photo_sha256"])),
    ]
    return [(term, text) for term, text in lines if text]


def _restorer(name: str, options: Mapping[str, Any]) -> list[tuple[str, str]]:
    try:
        info = find(name)
    except EngineError:  # the result of another version
        return [(say("made_restorer"), name), *((key, str(value)) for key, value in options.items())]
    titles = {field.name: choice(field).title for field in fields(info.options)}
    return [
        (say("made_restorer"), info.title),
        *(
            (titles.get(key, key), f"{value:g}" if isinstance(value, float) else str(value))
            for key, value in options.items()
        ),
    ]
