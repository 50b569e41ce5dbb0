"""Verdicts: which faces of a person are good enough, who they show, and which pictures are one.

They follow from all faces of a person together. Who the person is, nobody says: faces are grouped by their distances,
and the largest group is the person, unless the user kept faces, whose groups are the person then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from engine.faces import SAME_PERSON, Embedding, FaceQuality, Look, alike, distance
from engine.people.reference import Gallery, Reason, Reference

TOO_SMALL_PX = 24.0
"""Eye distance below which a face has too little detail; a face some 60 px wide."""
BLURRED = 0.3
"""`FaceQuality.sharpness` below which a face is blurred. 290 plain photos of 14 people have 0.40 to 0.58; blurred by a
Gaussian of 3 % of the eye distance 0.28 to 0.45, of 5 % 0.20 to 0.32, of 8 % below 0.20."""
TURNED_AWAY = 0.55
"""`FaceQuality.yaw` beyond which one side of the face is hardly seen, some 40 degrees. Plain photos: 0.37 at most."""
SOMEBODY_ELSE = 0.53
"""Mean distance to the faces of a person beyond which a face is not theirs. On 14 people: 0.51 at most for their own
faces, 0.52 at least and 0.55 at the first two hundredth for other people's."""
SAME_PICTURE = 0.84
"""`faces.alike` from which two pictures are one, whatever their distance: brightened until it clips, a face lies up to
0.58 from itself. Of 70 faces brightened like that 68 are as like as this, of those compressed, shrunk or cropped 69; of
290 plain photos of 14 people four are, all shot in one moment with another. Two people's: 0.54 at most."""
ENOUGH_EYES_PX = 128.0
"""Eye distance beyond which a larger face is no better: that of a crop of 512 px."""


def judge(references: Sequence[Reference]) -> list[Reference]:
    """Give the references of one person with the verdicts that follow from all of them together, in the same order.

    First each face for itself: its size, sharpness and turn. Then who they show: the good faces are grouped, and the
    largest group is the person; those that the user kept take their groups along instead. Where two groups are the
    largest, all are rejected, since nobody can tell who is meant. Then which pictures are one; the better one stays.
    """
    reasons = [_poor(r) for r in references]
    trusted = [i for i, r in enumerate(references) if r.overruled == "keep" or (not r.overruled and not reasons[i])]
    others = _others(references, trusted)
    reasons = [reason or other for reason, other in zip(reasons, others, strict=True)]
    best_first = sorted(
        (i for i, r in enumerate(references) if r.overruled == "keep" or (not r.overruled and reasons[i] is None)),
        key=lambda i: (references[i].overruled != "keep", -_goodness(references[i].quality), references[i].id),
    )
    stay: list[Reference] = []
    for i in best_first:
        reasons[i] = reasons[i] or _copy_of(references[i], stay)
        if reasons[i] is None or references[i].overruled == "keep":
            stay.append(references[i])
    for i, reason in enumerate(reasons):
        if reason and reason.code == "somebody-else" and not references[i].overruled:
            reasons[i] = _copy_of(references[i], stay) or reason  # retouched beyond recognition, and yet the same
    return [
        replace(r, verdict="rejected" if reason else "accepted", reason=reason)
        for r, reason in zip(references, reasons, strict=True)
    ]


def leave_out(gallery: Gallery, sha256: str, look: Look | None) -> tuple[Gallery, tuple[Reference, ...]]:
    """Give a gallery without the photo that is to be restored, and the references that were left out.

    A reference that is the very photo, or another copy of it, would make every number too good.

    Args:
        gallery: of the person.
        sha256: of the photo's file.
        look: of its face, see `faces.look`; None compares files alone.
    """
    same = [r for r in gallery.references if is_copy(r, sha256, look)]
    stay = tuple(r for r in gallery.references if r not in same)
    return replace(gallery, references=stay), tuple(same)


def is_copy(reference: Reference, sha256: str, look: Look | None) -> bool:
    """Say whether a reference is a photo, or another copy of it; arguments as in `leave_out`."""
    return reference.id.startswith(sha256[:16]) or (look is not None and alike(reference.look, look) > SAME_PICTURE)


def groups(embeddings: Sequence[Embedding]) -> list[list[int]]:
    """Give which faces show one person, as groups of places in the argument, the largest first.

    The two groups with the least mean distance are joined, again and again, until that is more than one person's. Of
    two faces alone the limit is wider: one distance says less than the mean of many.
    """
    count = len(embeddings)
    limit = SAME_PERSON if count == 2 else SOMEBODY_ELSE
    found = [[n] for n in range(count)]
    apart = _distances(embeddings)
    np.fill_diagonal(apart, np.inf)
    while len(found) > 1:
        a, b = sorted(divmod(int(apart.argmin()), len(found)))
        if apart[a, b] > limit:
            break
        sizes = len(found[a]), len(found[b])
        joined = (apart[a] * sizes[0] + apart[b] * sizes[1]) / sum(sizes)
        joined[a] = np.inf
        apart[a], apart[:, a] = joined, joined
        apart = np.delete(np.delete(apart, b, 0), b, 1)
        found[a] += found.pop(b)
    return sorted((sorted(group) for group in found), key=lambda group: (-len(group), group))


def _poor(reference: Reference) -> Reason | None:
    """Say what is wrong with a face by itself."""
    quality, name = reference.quality, reference.name
    if quality.eye_distance_px < TOO_SMALL_PX:
        return Reason(
            "too-small",
            f"The face in {name} is too small: {quality.eye_distance_px:.0f} px from eye to eye, "
            f"and at least {TOO_SMALL_PX:.0f} are needed. Use a larger or closer photo.",
        )
    if quality.sharpness < BLURRED:
        return Reason(
            "blurred",
            f"The face in {name} is blurred: its sharpness is {quality.sharpness:.2f}, "
            f"and at least {BLURRED:.2f} is needed. Use a sharper photo.",
        )
    if abs(quality.yaw) > TURNED_AWAY:
        return Reason(
            "turned-away",
            f"The face in {name} is turned too far to the side: {abs(quality.yaw):.2f}, where 0 looks straight on "
            f"and {TURNED_AWAY:.2f} is the limit. Use a photo that shows both eyes.",
        )
    return None


def _others(references: Sequence[Reference], compared: Sequence[int]) -> list[Reason | None]:
    """Say of each face that it is not the person, or that nobody can tell, if so.

    Args:
        references: all of them.
        compared: places of those that say who the person is.
    """
    ordered = sorted(compared, key=lambda i: references[i].id)  # so that no verdict depends on the order
    found = [[ordered[n] for n in group] for group in groups([references[i].embedding for i in ordered])]
    kept = [group for group in found if any(references[i].overruled == "keep" for i in group)]
    largest = [group for group in found if len(group) == len(found[0])]
    if not kept and len(largest) > 1:
        reason = _unclear(references, largest)
        return [reason if i in compared else None for i in range(len(references))]
    person = kept or found[:1]
    own = {i for group in person for i in group}
    return [None if i in own or not own else _odd_one(r, references, person) for i, r in enumerate(references)]


def _unclear(references: Sequence[Reference], largest: Sequence[Sequence[int]]) -> Reason:
    """Say that several people are shown equally often."""
    count = len(largest[0])
    each = f"{count} photos" if count > 1 else "one photo"
    names = [references[group[0]].name for group in largest]
    shown = f"{', '.join(names[:3])} and others" if len(names) > 3 else f"{', '.join(names[:-1])} and {names[-1]}"
    return Reason(
        "two-people",
        f"These photos show {len(largest)} people, {each} each, such as {shown}, and nobody has said who is meant. "
        "Keep one photo of the right person, or add more of them.",
    )


def _odd_one(reference: Reference, references: Sequence[Reference], person: Sequence[Sequence[int]]) -> Reason | None:
    """Say that a face is not the person, if it is not."""
    away = min(
        float(np.mean([distance(reference.embedding, references[i].embedding) for i in group])) for group in person
    )
    if away <= SOMEBODY_ELSE:
        return None
    return Reason(
        "somebody-else",
        f"The face in {reference.name} seems to be somebody else: its distance to the others is {away:.2f}, and at "
        f"most {SOMEBODY_ELSE:.2f} is usual for one person. Keep it if you know better, or add photos of that time.",
    )


def _copy_of(reference: Reference, stay: Sequence[Reference]) -> Reason | None:
    """Say that a picture is one of those that stay, if it is."""
    for other in stay:
        if alike(reference.look, other.look) > SAME_PICTURE:
            return Reason(
                "near-duplicate",
                f"{reference.name} shows nearly the same picture as {other.name}, which is the better one. "
                "Nothing is lost without it; a photo of another day would add something.",
            )
    return None


def _goodness(quality: FaceQuality) -> float:
    return min(quality.eye_distance_px, ENOUGH_EYES_PX) * quality.sharpness


def _distances(embeddings: Sequence[Embedding]) -> NDArray[np.float64]:
    """Give the distance of every face to every other, `(N, N)`."""
    rows = np.stack(embeddings) if embeddings else np.zeros((0, 1))
    return np.linalg.norm(rows[:, None] - rows[None], axis=2)
