"""The verbs: what is done for a user, from files to files. Runs in the worker process and in the command line alike."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine import images
from engine.errors import EngineError
from engine.progress import Report, stage
from engine.results import Provenance, path_beside, write_provenance
from engine.workspace import Workspace, sha256_file

if TYPE_CHECKING:
    from engine.faces import Face
    from engine.people import Gallery, Library, Person
    from engine.prior.bundle import Prior
    from engine.tuning import TunedModel


class NoFaceFound(EngineError):
    """A photo in which no face is found."""


class NoSuchFace(EngineError):
    """A face number beyond the faces that were found."""


@dataclass(frozen=True)
class Asked:
    """What to restore and how."""

    photo: Path
    out: Path
    """File to write; must not exist."""
    restorer: str = "dual-pivot"
    options: Mapping[str, Any] | None = None
    person: str | None = None
    """Id or name."""
    recipe: str = "quick"
    seed: int = 0
    face: int | None = None
    """Which face, counted from 1, largest first; None takes the person's, or the largest."""
    device: str = "auto"


@lru_cache(maxsize=1)
def shared_prior(device: str) -> Prior:
    """Load the shipped prior once a process."""
    from engine.prior import load

    return load.load(device=device)


def library(workspace: Workspace) -> Library:
    """Open the people of a workspace."""
    from engine.faces import detector
    from engine.people import Library

    return Library(workspace, detector())


def tuned_folder(workspace: Workspace, prior: Prior, gallery: Gallery, recipe_name: str) -> Path:
    """Give the folder in which the tuning of these very inputs lies or will lie."""
    from engine.tuning import recipe
    from engine.tuning.text_pivot import fingerprint_of

    made = fingerprint_of(prior, gallery, recipe(recipe_name))
    return workspace.people / gallery.person.id / "tuned" / made[:12]


def personalize(
    workspace: Workspace, person: str, recipe_name: str, report: Report, *, device: str = "auto"
) -> TunedModel:
    """Tune the prior to a person, or give the tuned model that the same photos and recipe already made."""
    from engine.tuning import BadTunedModel, read_tuned, recipe
    from engine.tuning.text_pivot import tune

    people = library(workspace)
    gallery = people.gallery(people.get(person))
    report.tick("loading", 0, 1)
    prior = shared_prior(device)
    folder = tuned_folder(workspace, prior, gallery, recipe_name)
    try:
        return read_tuned(folder)
    except BadTunedModel:
        return tune(prior, gallery, recipe(recipe_name), folder, report)


def restore(workspace: Workspace, asked: Asked, report: Report) -> dict[str, Any]:
    """Restore one face of a photo and write the whole photo with its provenance.

    Returns:
        Paths of the result, its provenance and the crops before and after; which face of how many; identity.

    Raises:
        NoFaceFound, NoSuchFace: see there.
        EngineError: anything else the user can put right.
        Cancelled: from the report; nothing was written.
    """
    from engine.faces import cut, detector, head_mask, paste
    from engine.restorers import Context, Subject, find, read_options

    info = find(asked.restorer)
    options = read_options(info.options, asked.options or {})
    photo = images.read_photo(asked.photo)
    for taken in (asked.out, path_beside(asked.out)):
        if taken.exists():
            raise images.AlreadyThere(f"{taken} exists already and is never overwritten. Choose another name.")
    report.tick("finding the face", 0, 1)
    faces = detector().find(photo.pixels)
    if not faces:
        raise NoFaceFound(
            f"No face found in {asked.photo.name} ({photo.width} x {photo.height} px). "
            "Crop it closer to the face, turn it upright, or choose another photo."
        )
    report.tick("finding the face", 1, 1)
    people = library(workspace)
    person = people.get(asked.person) if asked.person is not None else None
    gallery = people.gallery(person) if person is not None else None
    report.tick("loading", 0, 1)
    prior = shared_prior(asked.device)
    from engine.prior.device import precision

    report.tick("loading", 1, 1)
    face, number = choose_face(photo.pixels, faces, asked, gallery, prior.size)
    crop = cut(photo.pixels, face, prior.size)
    subject = Subject()
    fingerprint = ""
    if info.needs_person:
        if person is None or gallery is None:
            raise EngineError(f"{info.title} needs a person. Choose one, or restore with another restorer.")
        tuned = personalize(workspace, person.id, asked.recipe, report, device=asked.device)
        fingerprint = tuned.fingerprint
        subject = Subject(person.prompt, (), tuned.folder)
    restorer = info.load(Context(lambda: prior))
    begun = time.monotonic()
    made = restorer.restore(crop.pixels, subject, options, seed=asked.seed, tick=stage(report, "restoring"))
    seconds = time.monotonic() - begun
    pasted, mask = paste(photo.pixels, crop, made, head_mask(crop))
    provenance = Provenance(
        restorer=info.id,
        options=asdict(options),
        seed=asked.seed,
        photo=asked.photo.name,
        photo_sha256=sha256_file(asked.photo),
        face={
            "box": list(face.box),
            "points": face.points.tolist(),
            "scheme": face.scheme,
            "from_photo": crop.from_photo.tolist(),
            "number": number,
            "of": len(faces),
        },
        prior=dict(prior.sha256),
        tuned=fingerprint,
        prompt=subject.prompt,
        device=str(prior.device),
        precision=precision(prior.device),
        seconds=round(seconds, 3),
        identity=identity_of(crop.pixels, made, gallery),
    )
    result = images.save_photo(images.merge(photo, pasted, mask), asked.out)
    try:
        beside = write_provenance(result, provenance)
    except EngineError:
        result.unlink(missing_ok=True)  # no result without its provenance
        raise
    return {
        "result": str(result),
        "provenance": str(beside),
        "face": number,
        "faces": len(faces),
        "identity": dict(provenance.identity),
        "seconds": round(seconds, 3),
        "person": person.name if person is not None else "",
    }


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


def work(kind: str, arguments: dict[str, Any], folder: Path, report: Report) -> dict[str, Any]:
    """Do one job in the worker process.

    Args:
        kind: `tune` or `restore`.
        arguments: `workspace` and what the verb needs, as plain values.
        folder: the job's own.
        report: followed by whoever reads the job.
    """
    workspace = Workspace(Path(arguments["workspace"]))
    if kind == "tune":
        tuned = personalize(workspace, arguments["person"], arguments["recipe"], report, device=arguments["device"])
        return {"tuned": str(tuned.folder), "checks": tuned.manifest["checks"], "seconds": tuned.manifest["seconds"]}
    if kind == "restore":
        asked = Asked(
            photo=Path(arguments["photo"]),
            out=Path(arguments["out"]),
            restorer=arguments["restorer"],
            options=arguments["options"],
            person=arguments["person"],
            recipe=arguments["recipe"],
            seed=arguments["seed"],
            face=arguments["face"],
            device=arguments["device"],
        )
        return restore(workspace, asked, report)
    raise EngineError(f"There is no work of kind {kind!r} in {folder.name}.")


def describe(person: Person, gallery: Gallery | None) -> dict[str, Any]:
    """Give what a list shows of a person, as plain values."""
    return {
        "id": person.id,
        "name": person.name,
        "subject": person.subject,
        "prompt": person.prompt,
        "references": len(gallery.references) if gallery is not None else 0,
    }
