"""What the viewer of the Restore screen shows: the damaged photo, and when it is restored, before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from engine.errors import EngineError
from engine.faces import OUTSIDE_NOTE, face_from_json
from engine.restorers import choice, find
from engine.studio.desk import Desk
from engine.studio.desk.references import CLOSE_SIZE
from engine.studio.proxies import Proxy
from engine.studio.view import DamagedPhoto, ShownResult, View
from ui import viewer
from ui.follow import address
from ui.strings import say

REFERENCES_SHOWN = 12


def show(desk: Desk, view: View) -> dict[str, Any]:
    """Give what the viewer shows: the result if it is of the photo on the desk, else the photo alone."""
    photo, result = view.photo, view.result
    if result is not None and (photo is None or photo.proxy == result.before):
        return _compared(desk, view, result)
    if photo is None:
        return {}
    face = photo.faces[(photo.chosen or 1) - 1] if photo.faces else None
    sides = (photo.width, photo.height)
    return viewer.value(
        [viewer.Pane("before", say("before"), "", photo.proxy)],
        addresses(desk, photo.proxy),
        photo=photo.proxy.full,
        face=shares(face.box, sides) if face is not None else None,
        glimpse=_glimpse(desk, view),
        marks=None if view.photo_coming else _marks(photo),
        faces=[
            {"number": n, "label": say("face_label", n=n), "chosen": photo.chosen == n, "box": shares(face.box, sides)}
            for n, face in enumerate(photo.faces, 1)
            if len(photo.faces) > 1
        ],
    )


def _compared(desk: Desk, view: View, result: ShownResult) -> dict[str, Any]:
    before, after, known = result.before, result.after, result.provenance
    sides = (before.width, before.height)
    face = face_from_json(known["face"])
    return viewer.value(
        [
            viewer.Pane("before", say("before"), "", before),
            viewer.Pane("after", say("after"), in_short(str(known["restorer"]), known["options"]), after),
        ],
        addresses(desk, before, after),
        photo=before.full,
        face=shares(known["face"]["box"], sides),
        eyes=[(float(x + 0.5) / sides[0], float(y + 0.5) / sides[1]) for x, y in face.eyes],
        references=beside(desk, view) if result.person == view.person else [],
        scale=int(known["seen"].get("scale", 1)),
        marks=_marks(view.photo),
        strokes=known["finish"].get("mask", []),
        painted_on=next((one.id for one in view.tries if one.shown), ""),
        glimpse=_glimpse(desk, view),
        doubt=_doubt(desk, view),
        facts=_facts(desk, result, view),
        photos={"name": say("result_of", n=view.result_number, m=view.results)} if view.results > 1 else None,
    )


def shares(box: Sequence[float], sides: tuple[int, int]) -> list[float]:
    """Give a box in px as shares of the sides of its photo."""
    return [round(float(at) / side, 5) for at, side in zip(box, (*sides, *sides), strict=True)]


def addresses(desk: Desk, *proxies: Proxy) -> dict[str, str]:
    """Give the addresses of the files of proxies, by name."""
    return {name: address(desk, name) for proxy in proxies for name in (proxy.small, proxy.full)}


def beside(desk: Desk, view: View) -> list[viewer.Beside]:
    """Give the references that are used, to be laid beside a restored face."""
    used = [reference for reference in view.references if reference.used and reference.close]
    return [viewer.Beside(address(desk, one.close), one.name, one.eyes, CLOSE_SIZE) for one in used[:REFERENCES_SHOWN]]


def _glimpse(desk: Desk, view: View) -> dict[str, Any] | None:
    """Give the face as it comes, while it is restored."""
    seen = view.glimpse
    if seen is None:
        return None
    told = say("coming", n=seen.done, m=seen.total)
    return {"src": address(desk, seen.preview), "side": seen.side, "matrix": list(seen.to_photo), "told": told}


def _doubt(desk: Desk, view: View) -> dict[str, Any] | None:
    """Give where the restored face is uncertain, where that is known and can be believed."""
    seen = view.uncertainty
    if seen is None or not seen.preview:
        return None
    return {"src": address(desk, seen.preview), "side": seen.side, "matrix": list(seen.to_photo)}


def _marks(photo: DamagedPhoto | None) -> list[list[float]] | None:
    """Give the marks of the face to restore, [] where none was found, None where there is no photo to mark."""
    if photo is None:
        return None
    face = photo.faces[(photo.chosen or 1) - 1] if photo.faces else None
    return [list(point) for point in face.marks] if face is not None else []


def _facts(desk: Desk, result: ShownResult, view: View) -> dict[str, Any]:
    identity: Mapping[str, Any] = result.provenance["identity"]
    if identity:
        numbers = {name: f"{identity[name]:.2f}" for name in ("before", "after")}
        title = say("identity", **numbers)
        note = say("identity_note", recogniser=identity["recogniser"])
    else:
        title, note = say("identity_none"), say("identity_none_note")
    doubt = [view.uncertainty.sentence] if view.uncertainty is not None else []
    return {
        "title": title,
        "note": note,
        "notes": [*_notes(result.provenance), *doubt],
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


def in_short(name: str, options: Mapping[str, Any]) -> str:
    """Say what made a result, and its settings that are not the usual ones."""
    try:
        info = find(name)
    except EngineError:  # the result of another version
        return name
    usual = {field.name: (choice(field).title, field.default) for field in fields(info.options)}
    changed = [
        usual[key][0] if value is True else f"{usual[key][0]} {f'{value:g}' if isinstance(value, float) else value}"
        for key, value in options.items()
        if key in usual and value != usual[key][1] and value is not False
    ]
    return ", ".join([info.title, *changed])
