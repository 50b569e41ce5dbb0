"""Restoring one photo, from file to file: the face found, restored and fitted in, the result and its provenance."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine import images
from engine.errors import EngineError
from engine.progress import Report, stage
from engine.results import Provenance, path_beside, write_provenance
from engine.studio import fitting, kept, preparing, uncertainty
from engine.studio.glimpses import Glimpses, clear
from engine.studio.preparing import Asked, Chosen, Ready, shared_prior
from engine.studio.shelf import shelf
from engine.workspace import Workspace, sha256_file

if TYPE_CHECKING:
    from engine.faces import Face, FaceCrop
    from engine.people import Gallery


FOUND_AGAIN = "This face was restored with the very same settings before, so it was found again and not computed anew."


class NoFaceFound(EngineError):
    """A photo in which no face is found."""


MOST_VARIATIONS = 4
"""More are not told apart on one screen."""


class TooManyVariations(EngineError):
    """More variations than are made at once."""


class NoSuchFace(EngineError):
    """A face number beyond the faces that were found."""


def restore(workspace: Workspace, asked: Asked, report: Report) -> dict[str, Any]:
    """Restore one face of a photo and write the whole photo with its provenance.

    Returns:
        Paths of the result, its provenance and its layer; which face of how many; identity; seconds; the person's
        name; what was seen of the damage; notes in sentences.

    Raises:
        NoFaceFound, NoSuchFace: see there.
        WeightsMissing, PackageMissing: the restorer lacks something; the sentence says how to get it.
        EngineError: anything else the user can put right.
        Cancelled: from the report; nothing was written.
    """
    from engine.restorers import require

    info, options = preparing.checked(asked)
    require(info, options, workspace.weights)
    # Read and searched first: a bad photo is refused before anybody is tuned for minutes.
    seen = _seen(asked, workspace.weights, report)
    return _finished(preparing.prepare(workspace, asked, report), asked, seen, report)


def restore_with(ready: Ready, asked: Asked, report: Report) -> dict[str, Any]:
    """Do what `restore` does, with what was prepared before; as `restore`."""
    return _finished(ready, asked, _seen(asked, ready.weights, report), report)


def vary(workspace: Workspace, asked: Asked, count: int, report: Report) -> list[dict[str, Any]]:
    """Restore one face with several seeds, each result in a folder of its own; see `restore`.

    Args:
        workspace: as `restore`.
        asked: `seed` is the first one, the others follow it; `out` is a folder, in which 1, 2 and so on are made.
        count: of the results, 1 to `MOST_VARIATIONS`.
        report: followed; each result is told at once as a file that is done. A stop leaves those that are there.
            Then it is found out where the face is uncertain; see `engine.studio.uncertainty`.

    Raises:
        TooManyVariations, EngineError, Cancelled: as `restore`; what was made before stays.
    """
    from engine.restorers import require

    if not 1 <= count <= MOST_VARIATIONS:
        raise TooManyVariations(f"1 to {MOST_VARIATIONS} variations are made at once, got {count}.")
    info, options = preparing.checked(asked)
    require(info, options, workspace.weights)
    made: list[dict[str, Any]] = []
    ready, found = None, None
    for number in range(count):
        out = asked.out / str(number + 1)
        out.mkdir(mode=0o700, parents=True, exist_ok=True)
        one = replace(asked, seed=asked.seed + number, out=out)
        found = found or _seen(one, workspace.weights, report)
        ready = ready or preparing.prepare(workspace, one, report)
        seen = replace(found, out=images.result_path(found.photo, one.photo, out))
        told = _finished(ready, one, seen, _OneOf(report, number, count))
        report.file(one.photo.name, "done", "", told["result"])
        made.append(told)
    if ready is not None and count > 1:
        try:
            uncertainty.find_out(ready, asked, made, report)
        except EngineError as error:  # the results are there; what can be said beyond them is not worth failing for
            report.note(str(error))
    return made


class _OneOf:
    """The report of one of several restorations: the steps of all count as one stage."""

    def __init__(self, report: Report, number: int, count: int) -> None:
        self._report, self._number, self._count = report, number, count
        self.measure, self.preview, self.file, self.note = report.measure, report.preview, report.file, report.note
        self._last = (number, count)

    def tick(self, stage: str, done: int, total: int) -> None:
        """See `Report.tick`."""
        if stage == "restoring":
            self._last = (self._number * total + done, self._count * total)
        self._report.tick("restoring", *self._last)


@dataclass(frozen=True, eq=False)
class _Seen:
    """A photo that was read, and its faces."""

    photo: images.Photo
    pixels: images.Pixels
    faces: tuple[Face, ...]
    out: Path


def _seen(asked: Asked, weights: Path | None, report: Report) -> _Seen:
    """Read the photo and find its faces, at least one; none are sought where the face is known."""
    from engine.faces import face_from_points

    photo = images.read_photo(asked.photo)
    out = images.result_path(photo, asked.photo, asked.out) if asked.out.is_dir() else asked.out
    for taken in (out, path_beside(out), *([asked.output.layer] if asked.output.layer is not None else [])):
        if taken.exists():
            raise images.AlreadyThere(f"{taken} exists already and is never overwritten. Choose another name.")
    pixels = photo.pixels
    if asked.chosen is not None:
        return _Seen(photo, pixels, (asked.chosen.face,), out)
    if asked.points:
        return _Seen(photo, pixels, (face_from_points(asked.points, (photo.width, photo.height)),), out)
    report.tick("finding the face", 0, 1)
    faces = find_faces(pixels, asked.detector, weights, asked.device)
    if not faces:
        raise NoFaceFound(
            f"No face found in {asked.photo.name} ({photo.width} x {photo.height} px), nor in the cleaned picture. "
            'Say where it is with --points "x,y x,y x,y" (eyes and mouth), or mark it on the page.'
        )
    report.tick("finding the face", 1, 1)
    return _Seen(photo, pixels, faces, out)


def find_faces(pixels: images.Pixels, name: str, weights: Path | None, device: str) -> tuple[Face, ...]:
    """Find faces by a detector, and where it finds none, in the photo as the prior's cleaner makes it."""
    from engine.faces import detector
    from engine.restore import clean_photo

    return detector(name, weights, clean=lambda whole: clean_photo(shared_prior(device), whole)).find(pixels)


def _finished(ready: Ready, asked: Asked, seen: _Seen, report: Report) -> dict[str, Any]:
    """Choose, cut, restore, fit, paste and write; no looks at the face are left behind."""
    try:
        return _made(ready, asked, seen, report)
    finally:
        if asked.glimpses is not None:
            clear(asked.glimpses)


def _made(ready: Ready, asked: Asked, seen: _Seen, report: Report) -> dict[str, Any]:
    from engine.faces import cut, estimate_damage
    from engine.restorers import Context

    photo, pixels = seen.photo, seen.pixels
    chosen = asked.chosen
    if chosen is None:
        face, number = choose_face(pixels, seen.faces, asked, ready.gallery, ready.prior.size)
        chosen = Chosen(face, number, len(seen.faces), asked.face)
    crop = cut(pixels, chosen.face, ready.size)
    damage = estimate_damage(crop.pixels, crop.scale)
    provenance = _provenance(ready, asked, chosen, crop)
    key = kept.key_of(asdict(provenance))
    found = None if asked.anew or ready.faces is None else kept.find(ready.faces, key, crop.size)
    spoken: Sequence[str] = (FOUND_AGAIN,) if found is not None else ()
    head, headless = fitting.head_of(crop, ready.weights)
    if found is None:
        context = Context(lambda: ready.prior, ready.weights, asked.device, asked.prior)
        restorer, spoken = shelf().get(ready.info, context)
        begun = time.monotonic()
        look = Glimpses(asked.glimpses, crop, report) if asked.glimpses is not None else None
        subject = ready.subject(damage, look)
        tick = stage(report, "restoring")
        made = restorer.restore(crop.pixels, subject, ready.options, seed=asked.seed, tick=tick)
        found = kept.KeptFace(made, round(time.monotonic() - begun, 3), head)
    made, seconds = found.pixels, found.seconds
    report.tick("fitting into the photo", 0, 1)
    ground = fitting.Ground(
        photo,
        pixels,
        crop,
        made,
        damage,
        asked.finish,
        fitted=ready.info.fitted,
        seed=asked.seed,
        head=head,
        weights=ready.weights,
        device=str(ready.prior.device),
        tick=stage(report, "enlarging the photo"),
    )
    done = ground.finish(asked.finish)
    gallery, known = _without(ready.gallery, asked.photo, pixels, chosen.face)
    told, words = fitting.honest_words(damage, crop, made, gallery)
    identity = identity_of(crop.pixels, made, gallery)
    settings = {"restorer": ready.info.id, "options": asdict(ready.options), "seed": asked.seed}
    report.tick("fitting into the photo", 1, 1)
    result, layer, lost = fitting.save(done, seen.out, asked.output, json.dumps(settings, sort_keys=True))
    notes = fitting.joined(photo.notes, known, words, headless, done.notes, lost, spoken)
    provenance = replace(
        provenance,
        seconds=seconds,
        identity=identity,
        result_sha256=sha256_file(result),
        seen={**told, "scale": done.scale, "background": done.background},
        notes=tuple(notes),
    )
    try:
        beside = write_provenance(result, provenance)
    except EngineError:
        for written in (result, layer):  # no result without its provenance
            if written is not None:
                written.unlink(missing_ok=True)
        raise
    if ready.faces is not None:
        kept.keep(ready.faces, key, replace(found, head=head))
    return {
        "result": str(result),
        "provenance": str(beside),
        "layer": str(layer) if layer is not None else "",
        "face": chosen.number,
        "faces": chosen.of,
        "identity": identity,
        "seconds": seconds,
        "person": ready.person.name if ready.person is not None else "",
        **told,
        "scale": done.scale,
        "background": done.background,
        "notes": notes,
    }


def _without(
    gallery: Gallery | None, photo: Path, pixels: images.Pixels, face: Face
) -> tuple[Gallery | None, tuple[str, ...]]:
    """Give the gallery without the photo that is restored, and a sentence where it was among the references."""
    from engine.faces import look
    from engine.people import leave_out

    if gallery is None:
        return None, ()
    stay, left = leave_out(gallery, sha256_file(photo), look(pixels, face))
    if not left:
        return gallery, ()
    names = ", ".join(reference.name for reference in left)
    return stay, (
        f"This photo is among the references of {gallery.person.name} ({names}), so it is left out of the identity "
        "number; but the tuning may have seen it. Reject it there for an honest restoration.",
    )


def _provenance(ready: Ready, asked: Asked, chosen: Chosen, crop: FaceCrop) -> Provenance:
    """Say how a result is made, as far as that is known before."""
    from engine.prior.device import precision_of

    face = chosen.face
    return Provenance(
        **ready.settings(asked, sha256_file(asked.photo)),
        face={
            # Unrounded, so that the very same crop can be cut again.
            "box": list(face.box),
            "points": face.points.tolist(),
            "scheme": face.scheme,
            "score": face.score,
            "detector": face.detector,
            "from_photo": crop.from_photo.tolist(),
            "number": chosen.number,
            "of": chosen.of,
            "wanted": chosen.wanted,
        },
        device=str(ready.prior.device),
        precision="fp32" if ready.options.exact() else precision_of(ready.prior),
        seconds=0.0,
        identity={},
    )


def choose_face(
    pixels: images.Pixels, faces: tuple[Face, ...], asked: Asked, gallery: Gallery | None, size: int
) -> tuple[Face, int]:
    """Give the face to restore and its number from 1: the asked one, else the person's, else the largest.

    Raises:
        NoSuchFace: the asked number is beyond the faces found.
    """
    from engine.faces import cut, identity

    if asked.face is not None:
        if not 1 <= asked.face <= len(faces):
            raise NoSuchFace(
                f"{asked.photo.name} has {len(faces)} face(s), counted from 1, largest first; {asked.face} was wanted."
            )
        return faces[asked.face - 1], asked.face
    if gallery is None or not len(gallery.embeddings) or len(faces) == 1:
        return faces[0], 1
    known = np.mean(gallery.embeddings, axis=0)
    away = [identity.distance(identity.embed(cut(pixels, f, size)), known) for f in faces]
    nearest = int(np.argmin(away))
    return faces[nearest], nearest + 1


def identity_of(before: images.Pixels, after: images.Pixels, gallery: Gallery | None) -> dict[str, Any]:
    """Give the mean distance to the references before and after, lower is nearer; empty without references."""
    from engine.faces import identity

    if gallery is None or not len(gallery.embeddings):
        return {}
    known = gallery.embeddings
    mean = {
        name: round(float(np.mean([identity.distance(identity.embed(face), k) for k in known])), 4)
        for name, face in (("before", before), ("after", after))
    }
    return {
        **mean,
        "recogniser": identity.RECOGNISER,
        "direction": "lower is nearer",
        "note": "A likeness measure, no proof of identity.",
    }
