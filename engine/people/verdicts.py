"""Verdicts: which faces of a person are good enough, who they show, and which pictures are one.

They follow from all faces of a person together. Who the person is, nobody says: faces are grouped by their distances,
and the largest group is the person, unless the user kept faces, whose groups are the person then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from engine.faces import SAME_PERSON, Embedding, FaceQuality, Look, alike
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
COMPARED_AT_ONCE = 256
"""Faces compared with all others in one step: of 5,000 that is 10 MB, which the processor's own memory nearly holds."""
ENOUGH_EYES_PX = 128.0
"""Eye distance beyond which a larger face is no better: that of a crop of 512 px."""

Copies = Mapping[str, frozenset[str]]
"""For every reference that is the same picture as others: their ids."""


def judge(references: Sequence[Reference], copies: Copies | None = None) -> list[Reference]:
    """Give the references of one person with the verdicts that follow from all of them together, in the same order.

    First each face for itself: its size, sharpness and turn. Then who they show: the good faces are grouped, and the
    largest group is the person; those that the user kept take their groups along instead. Where two groups are the
    largest, all are rejected, since nobody can tell who is meant. Then which pictures are one; the better one stays.

    Args:
        references: all of the person.
        copies: as `find_copies` gives them, where that is known already.
    """
    if not references:
        return []
    copies = find_copies(references) if copies is None else copies
    reasons = [poor(r) for r in references]
    trusted = [i for i, r in enumerate(references) if r.overruled == "keep" or (not r.overruled and not reasons[i])]
    others = _others(references, trusted)
    reasons = [reason or other for reason, other in zip(reasons, others, strict=True)]
    best_first = sorted(
        (i for i, r in enumerate(references) if r.overruled == "keep" or (not r.overruled and reasons[i] is None)),
        key=lambda i: (references[i].overruled != "keep", -_goodness(references[i].quality), references[i].id),
    )
    stay: list[Reference] = []
    for i in best_first:
        reasons[i] = reasons[i] or _copy_of(references[i], stay, copies)
        if reasons[i] is None or references[i].overruled == "keep":
            stay.append(references[i])
    for i, reason in enumerate(reasons):
        if reason and reason.code == "somebody-else" and not references[i].overruled:
            reasons[i] = (
                _copy_of(references[i], stay, copies) or reason
            )  # retouched beyond recognition, and yet the same
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
    found = {n: [n] for n in range(count)}
    for a, b, apart in _joins(_distances(embeddings)):
        if apart <= limit:
            found[a] += found.pop(b)
    return sorted((sorted(group) for group in found.values()), key=lambda group: (-len(group), group))


def _joins(apart: NDArray[np.float32]) -> list[tuple[int, int, float]]:
    """Give the joins of average linkage, the nearest two groups first: which, both named by a face, and how far apart.

    By chains of nearest neighbours, which take the square of the number of faces and not its cube: the mean distance
    of what is joined to any other group is never less than that of the two, so the order of joining does not matter.

    Args:
        apart: `(N, N)`, the distance of every face to every other; used up.
    """
    count = len(apart)
    np.fill_diagonal(apart, np.inf)
    sizes = np.ones(count)
    alive = np.ones(count, bool)
    joins: list[tuple[int, int, float]] = []
    chain: list[int] = []
    while len(joins) < count - 1:
        if not chain:
            chain.append(int(alive.argmax()))
        last = chain[-1]
        near = int(apart[last].argmin())
        if len(chain) > 1 and apart[last, chain[-2]] <= apart[last, near]:
            near = chain[-2]
        if len(chain) < 2 or near != chain[-2]:
            chain.append(near)
            continue
        del chain[-2:]
        a, b = min(last, near), max(last, near)
        joins.append((a, b, float(apart[a, b])))
        joined = (apart[a] * sizes[a] + apart[b] * sizes[b]) / (sizes[a] + sizes[b])
        joined[[a, b]] = np.inf
        apart[a], apart[:, a] = joined, joined
        apart[b], apart[:, b] = np.inf, np.inf
        sizes[a] += sizes[b]
        alive[b] = False
    return sorted(joins, key=lambda join: join[2])


def poor(reference: Reference) -> Reason | None:
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
    if not own:
        return [None] * len(references)
    everybody = [r.embedding for r in references]
    away = np.min([mean_distances(everybody, [everybody[i] for i in group]) for group in person], axis=0)
    return [None if i in own else _odd_one(r, float(away[i])) for i, r in enumerate(references)]


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


def _odd_one(reference: Reference, away: float) -> Reason | None:
    """Say that a face is not the person, if it is not."""
    if away <= SOMEBODY_ELSE:
        return None
    return Reason(
        "somebody-else",
        f"The face in {reference.name} seems to be somebody else: its distance to the others is {away:.2f}, and at "
        f"most {SOMEBODY_ELSE:.2f} is usual for one person. Keep it if you know better, or add photos of that time.",
    )


def _copy_of(reference: Reference, stay: Sequence[Reference], copies: Copies) -> Reason | None:
    """Say that a picture is one of those that stay, if it is."""
    near = copies.get(reference.id)
    for other in stay if near else ():
        if near and other.id in near:
            return Reason(
                "near-duplicate",
                f"{reference.name} shows nearly the same picture as {other.name}, which is the better one. "
                "Nothing is lost without it; a photo of another day would add something.",
            )
    return None


def find_copies(references: Sequence[Reference]) -> Copies:
    """Give which references show the same picture, by `faces.alike`, compared all at once: 5,000 take some seconds."""
    rows = np.stack([r.look for r in references]).reshape(len(references), -1).astype(np.float32)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    found: dict[str, set[str]] = {}
    for start in range(0, len(rows), COMPARED_AT_ONCE):
        for a, b in np.argwhere(
            rows[start : start + COMPARED_AT_ONCE] @ rows[: start + COMPARED_AT_ONCE].T > SAME_PICTURE
        ):
            one, other = references[start + int(a)].id, references[int(b)].id
            if one != other:
                found.setdefault(one, set()).add(other)
                found.setdefault(other, set()).add(one)
    return {name: frozenset(others) for name, others in found.items()}


def _goodness(quality: FaceQuality) -> float:
    return min(quality.eye_distance_px, ENOUGH_EYES_PX) * quality.sharpness


def mean_distances(faces: Sequence[Embedding], others: Sequence[Embedding]) -> NDArray[np.float64]:
    """Give the mean distance of each face to all of the others, `(N,)`; both are at least one."""
    rows = np.stack(others)
    return np.concatenate([_between(part, rows).mean(axis=1) for part in _parts(np.stack(faces))])


def _distances(embeddings: Sequence[Embedding]) -> NDArray[np.float32]:
    """Give the distance of every face to every other, `(N, N)`."""
    rows = np.stack(embeddings) if embeddings else np.zeros((0, 1))
    found = np.empty((len(rows), len(rows)), np.float32)
    for start, part in zip(range(0, len(rows), COMPARED_AT_ONCE), _parts(rows), strict=True):
        found[start : start + COMPARED_AT_ONCE] = _between(part, rows)
    return found


def _parts(rows: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    return (rows[start : start + COMPARED_AT_ONCE] for start in range(0, len(rows), COMPARED_AT_ONCE))


def _between(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the distance of each row of one to each of the other; by products, since differences of 5,000 fill 25 GB."""
    squares = one @ other.T
    # In place: for thousands of faces most of the time would go into fresh memory.
    squares *= -2
    squares += (one**2).sum(axis=1)[:, None]
    squares += (other**2).sum(axis=1)[None]
    np.maximum(squares, 0.0, out=squares)
    return np.sqrt(squares, out=squares)
