"""How faces are laid out on the People screen: in which sections, in which order, with what said of each."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from engine.people import Overruled, Reference, Sorting, poor
from engine.studio.people.view import Section, ShownFace


def grouped(sorting: Sorting, any_there: bool) -> tuple[Section, ...]:
    """Give the sections of what is nobody's: known people, groups, and single faces together."""
    if not any_there:
        return ()
    found = sorting.suggest()
    known = [Section("known", group.ids, group.person, group.distance) for group in found if group.person]
    groups = [
        Section("group", group.ids, "", group.distance) for group in found if not group.person and len(group.ids) > 1
    ]
    single = tuple(group.ids[0] for group in found if not group.person and len(group.ids) == 1)
    return (*known, *groups, *([Section("single", single)] if single else []))


def of_person(faces: Iterable[ShownFace]) -> tuple[Section, ...]:
    """Give the sections of a person, each with the worst-fitting face first."""
    kinds: dict[str, list[ShownFace]] = {"look": [], "used": [], "left": []}
    for face in faces:
        kinds["used" if face.used else "left" if face.overruled else "look"].append(face)
    return tuple(
        Section(kind, tuple(face.id for face in sorted(found, key=lambda face: (-round(face.distance, 2), face.id))))
        for kind, found in kinds.items()
        if found
    )


def uncompared(faces: Sequence[ShownFace], *, judged: bool) -> tuple[Section, ...]:
    """Give the sections of faces that nobody has compared yet; arguments as `as_stored`."""
    return of_person(faces) if judged else (Section("comparing", tuple(face.id for face in faces)),)


def shown_face(face: Reference, preview: str, away: float) -> ShownFace:
    """Give a face as it is shown.

    Args:
        face: judged, or nobody's.
        preview: name of its picture.
        away: its mean distance to the person's used faces; 0 of nobody's.
    """
    reason = face.reason or (poor(face) if face.reason is None and not away else None)
    return ShownFace(
        id=face.id,
        name=face.name,
        preview=preview,
        used=face.used,
        overruled=face.overruled or "",
        code=reason.code if reason else "",
        reason=reason.sentence if reason else "",
        distance=round(away, 3),
        year=face.year if face.year is not None else face.taken,
        age=face.age,
        by_user=face.year is not None,
    )


def as_stored(shown: Sequence[ShownFace], stored: Mapping[str, Reference], *, judged: bool) -> tuple[ShownFace, ...]:
    """Give faces as their files say now, with the verdicts that they had; those that are gone are left out.

    Args:
        shown: as they were.
        stored: those that are there, by id, not judged.
        judged: whether they are somebody's; what is nobody's is neither used nor left out.
    """
    now: list[ShownFace] = []
    for face in shown:
        known = stored.get(face.id)
        if known is None:
            continue
        used = known.overruled == "keep" or (known.overruled is None and not face.code)
        year = known.year if known.year is not None else known.taken
        said = (used if judged else face.used, known.overruled or "", year, known.age, known.year is not None)
        # Of thousands most are as they were, and to make them anew would take a key's whole time.
        if said != (face.used, face.overruled, face.year, face.age, face.by_user):
            face = replace(face, used=said[0], overruled=said[1], year=said[2], age=said[3], by_user=said[4])
        now.append(face)
    return tuple(now)


def still_there(sections: Sequence[Section], ids: Collection[str]) -> tuple[Section, ...]:
    """Give sections without the faces that are gone."""
    left = [replace(section, ids=tuple(name for name in section.ids if name in ids)) for section in sections]
    return tuple(section for section in left if section.ids)


def words_for(chosen: Sequence[ShownFace], word: Overruled | None) -> tuple[Overruled | None, tuple[str, ...]]:
    """Give the word that makes chosen faces what the user wants, and which of them need it.

    Where it is enough to take back what the user said before, nothing new is said. But verdicts follow from all faces
    together: as soon as one face needs a word, all that were chosen with it get it, or those that were as wanted could
    be judged otherwise by what is said of the others.

    Args:
        chosen: the faces, with their verdicts.
        word: `keep`, `reject`, or None for the verdicts.
    """
    if word is None:
        return None, tuple(face.id for face in chosen if face.overruled)
    wanted = word == "keep"
    others = [face for face in chosen if face.used != wanted]
    if all(face.overruled and (not face.code) == wanted for face in others):
        return None, tuple(face.id for face in others)
    return word, tuple(face.id for face in chosen if face.overruled != word)
