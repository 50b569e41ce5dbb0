"""The verbs: what is done for a user, from files to files. Runs in the worker process and in the command line alike."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine import images
from engine.errors import EngineError
from engine.progress import Cancelled, Report, stage
from engine.results import Provenance, path_beside, write_provenance
from engine.studio import finish as finishing
from engine.studio import kept
from engine.studio.finish import Finish, Output, finish_from, output_from
from engine.studio.shelf import shelf
from engine.workspace import Workspace, sha256_file

if TYPE_CHECKING:
    from engine.faces import Face, FaceCrop, SeenDamage
    from engine.people import Gallery, Library, Person
    from engine.prior.bundle import Prior
    from engine.restorers import Options, RestorerInfo, Subject
    from engine.tuning import TunedModel
    from engine.tuning.estimate import Estimate


FOUND_AGAIN = "This face was restored with the very same settings before, so it was found again and not computed anew."


class NoFaceFound(EngineError):
    """A photo in which no face is found."""


class NoSuchFace(EngineError):
    """A face number beyond the faces that were found."""


@dataclass(frozen=True)
class Chosen:
    """The face that is restored."""

    face: Face
    """In pixels of the photo."""
    number: int
    """From 1, the largest first."""
    of: int
    """How many were found."""
    wanted: int | None = None
    """The number that was asked for."""


@dataclass(frozen=True)
class Asked:
    """What to restore and how."""

    photo: Path
    out: Path
    """File to write, which must not exist, or a folder, in which the result gets a free name."""
    restorer: str = "dual-pivot"
    options: Mapping[str, Any] | None = None
    person: str | None = None
    """Id or name."""
    recipe: str = "quick"
    seed: int = 0
    face: int | None = None
    """Which face, counted from 1, largest first; None takes the person's, or the largest."""
    device: str = "auto"
    prior: str = "pocket"
    """Name of the prior: `pocket`, or one of `diffbir.kinds.KINDS` whose files the user has."""
    chosen: Chosen | None = None
    """The face itself where it is known already; then none is searched for."""
    tuned: Path | None = None
    """Folder of the tuned model to use; None takes, or makes, the one of the person's references as they are now."""
    points: tuple[tuple[float, float], ...] = ()
    """Eyes and mouth as the user marked them, in px of the photo; then no face is searched for."""
    detector: str = "auto"
    """One of `faces.DETECTORS`."""
    finish: Finish = field(default_factory=Finish)
    output: Output = field(default_factory=Output)
    anew: bool = False
    """Whether the face is restored even where the very same was restored before and is kept."""


@dataclass(frozen=True)
class Ready:
    """What a restoration needs beside the photo: loaded, and the same for every photo of a batch."""

    info: RestorerInfo
    options: Options
    prior: Prior
    person: Person | None
    gallery: Gallery | None
    tuned: TunedModel | None
    weights: Path | None = None
    """Folder of the user's own networks."""
    networks: Mapping[str, str] = field(default_factory=dict[str, str])
    """SHA-256 of the files that the restorer's networks were read from; see `networks_of`."""
    faces: Path | None = None
    """Folder in which restored faces are kept; see `engine.studio.kept`."""

    @property
    def size(self) -> int:
        """Side in px of the crop that the restorer takes."""
        return self.info.size or self.prior.size

    def subject(self, damage: SeenDamage | None = None) -> Subject:
        """Give what the restorer is told of the person and of the face's damage."""
        from engine.restorers import Subject

        if self.tuned is None or self.person is None:
            return Subject(damage=damage)
        return Subject(self.person.prompt, (), self.tuned.folder, damage)

    def settings(self, asked: Asked, photo_sha256: str) -> dict[str, Any]:
        """Give the part of a result's provenance that is known before it is made; see `results.SETTINGS`."""
        return {
            "restorer": self.info.id,
            "options": asdict(self.options),
            "seed": asked.seed,
            "photo": asked.photo.name,
            "photo_sha256": photo_sha256,
            "prior": dict(self.networks),
            "prior_name": self.prior.name,
            "tuned": self.tuned.fingerprint if self.tuned is not None else "",
            "tuned_sha256": sha256_of(self.tuned) if self.tuned is not None else {},
            "recipe": str(self.tuned.manifest["recipe"]["name"]) if self.tuned is not None else "",
            "references": self.gallery.fingerprint if self.gallery is not None else "",
            "prompt": self.subject().prompt,
            "finish": asdict(asked.finish),
        }


def shared_prior(device: str, name: str = "pocket", weights: Path | None = None) -> Prior:
    """Load a prior once a process.

    Args:
        device: where it runs.
        name: as in `Asked.prior`.
        weights: folder of the user's own networks; needed for all but the pocket one.

    Raises:
        NoSuchPrior, PriorMissing: see `engine.prior.diffbir.load`.
    """
    return _kept_prior(device, name, None if name == "pocket" else weights)


@lru_cache(maxsize=2)  # a face is found in a photo cleaned by the pocket prior, whichever one restores it
def _kept_prior(device: str, name: str, weights: Path | None) -> Prior:
    from engine.prior import load

    return load.named(name, weights, device=device)


def library(workspace: Workspace) -> Library:
    """Open the people of a workspace."""
    from engine.faces import detector
    from engine.people import Library

    # Small faces beside a large one are nobody's reference, and looking for them takes as long again.
    return Library(workspace, detector("auto", small=False))


def tuned_folder(workspace: Workspace, prior: Prior, gallery: Gallery, recipe_name: str) -> Path:
    """Give the folder in which the tuning of these very inputs lies or will lie."""
    from engine.tuning import fingerprint_of, recipe

    made = fingerprint_of(prior, gallery, recipe(recipe_name))
    return workspace.people / gallery.person.id / "tuned" / made[:12]


def personalize(
    workspace: Workspace,
    person: str,
    recipe_name: str,
    report: Report,
    *,
    device: str = "auto",
    prior_name: str = "pocket",
) -> TunedModel:
    """Tune the prior to a person, or give the tuned model that the same photos and recipe already made."""
    from engine.tuning import BadTunedModel, read_tuned, recipe
    from engine.tuning.run import tune

    people = library(workspace)
    gallery = people.gallery(people.get(person))
    report.tick("loading", 0, 1)
    prior = shared_prior(device, prior_name, workspace.weights)
    folder = tuned_folder(workspace, prior, gallery, recipe_name)
    try:
        return read_tuned(folder)
    except BadTunedModel:
        return tune(prior, gallery, recipe(recipe_name), folder, report, weights=workspace.weights)


def estimate_tuning(
    workspace: Workspace, person: str, recipe_name: str, *, device: str = "auto", prior_name: str = "pocket"
) -> Estimate:
    """Say what tuning a person would take, by a trial step; nothing is written."""
    from engine.tuning import recipe
    from engine.tuning.estimate import estimate

    people = library(workspace)
    prior = shared_prior(device, prior_name, workspace.weights)
    return estimate(prior, people.gallery(people.get(person)), recipe(recipe_name))


def personalize_more(
    workspace: Workspace,
    person: str,
    recipe_name: str,
    report: Report,
    *,
    steps: int = 0,
    guide_steps: int = 0,
    device: str = "auto",
    prior_name: str = "pocket",
) -> TunedModel:
    """Tune a person's finished model further, in its place.

    Args:
        workspace: whose people.
        person: id or name.
        recipe_name: which of their tuned models.
        report: followed.
        steps: more steps of the text pivot.
        guide_steps: more steps of the guide pivot.
        device: where.
        prior_name: of the prior that was tuned.

    Raises:
        BadTunedModel: there is none of these photos, this recipe and this prior.
        EngineError, Cancelled: as `engine.tuning.run.extend`.
    """
    from engine.tuning import read_tuned
    from engine.tuning.run import extend

    people = library(workspace)
    gallery = people.gallery(people.get(person))
    report.tick("loading", 0, 1)
    prior = shared_prior(device, prior_name, workspace.weights)
    tuned = read_tuned(tuned_folder(workspace, prior, gallery, recipe_name))
    more: dict[str, Any] = {"text_steps": steps, "guide_steps": guide_steps, "weights": workspace.weights}
    return extend(tuned, prior, gallery, report, **more)


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

    info, options = checked(asked)
    require(info, options, workspace.weights)
    # Read and searched first: a bad photo is refused before anybody is tuned for minutes.
    seen = _seen(asked, workspace.weights, report)
    return _finished(prepare(workspace, asked, report), asked, seen, report)


def restore_with(ready: Ready, asked: Asked, report: Report) -> dict[str, Any]:
    """Do what `restore` does, with what was prepared before; as `restore`."""
    return _finished(ready, asked, _seen(asked, ready.weights, report), report)


def checked(asked: Asked) -> tuple[RestorerInfo, Options]:
    """Give the restorer that was asked for and its options.

    Raises:
        NoSuchRestorer, BadOption, BadFinish, NoSuchPrior: see there.
    """
    from engine.restorers import find, read_options

    info = find(asked.restorer)
    finishing.checked(asked.finish, asked.output)
    if asked.prior != "pocket":
        from engine.prior.diffbir.kinds import find as find_prior

        find_prior(asked.prior)
    return info, read_options(info.options, asked.options or {})


def prepare(workspace: Workspace, asked: Asked, report: Report) -> Ready:
    """Load what a restoration needs; the person is tuned if the restorer needs that and it was not done yet.

    Raises:
        EngineError: there is no such person, or none and the restorer needs one; or the restorer lacks something.
        Cancelled: from the report; what was tuned so far is kept.
    """
    from engine.restorers import require
    from engine.tuning import read_tuned

    info, options = checked(asked)
    require(info, options, workspace.weights)
    people = library(workspace)
    person = people.get(asked.person) if asked.person is not None else None
    if info.needs_person and person is None:
        raise EngineError(f"{info.title} needs a person. Choose one, or restore with another restorer.")
    gallery = people.gallery(person) if person is not None else None
    report.tick("loading", 0, 1)
    prior = shared_prior(asked.device, asked.prior, workspace.weights)
    report.tick("loading", 1, 1)
    tuned = None
    if info.needs_person and person is not None:
        if asked.tuned is not None:
            tuned = read_tuned(asked.tuned)
        else:
            tuned = personalize(workspace, person.id, asked.recipe, report, device=asked.device, prior_name=asked.prior)
    networks = networks_of(info, options, prior, workspace.weights)
    faces = kept.folder(workspace, person.id if person is not None else None)
    return Ready(info, options, prior, person, gallery, tuned, workspace.weights, networks, faces)


def networks_of(info: RestorerInfo, options: Options, prior: Prior, weights: Path | None) -> dict[str, str]:
    """Give the SHA-256 of what a restorer's networks are read from: its own files by their ids, or the prior's parts.

    Raises:
        EngineError: as `restorers.require`.
    """
    from engine.restorers import require
    from engine.weights import digest

    files = require(info, options, weights)
    if not files or weights is None:
        return dict(prior.sha256)
    # Remembered since `require` looked at them: they are hundreds of megabytes.
    return {name: digest(path, weights) for name, path in files.items()}


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
    """Choose, cut, restore, fit, paste and write."""
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
    head, headless = finishing.head_of(crop, ready.weights)
    if found is None:
        context = Context(lambda: shared_prior(asked.device, asked.prior, ready.weights), ready.weights, asked.device)
        restorer, spoken = shelf().get(ready.info, context)
        begun = time.monotonic()
        subject = ready.subject(damage)
        made = restorer.restore(crop.pixels, subject, ready.options, seed=asked.seed, tick=stage(report, "restoring"))
        found = kept.KeptFace(made, round(time.monotonic() - begun, 3), head)
    made, seconds = found.pixels, found.seconds
    report.tick("fitting into the photo", 0, 1)
    ground = finishing.Ground(
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
    told, words = finishing.honest_words(damage, crop, made, gallery)
    identity = identity_of(crop.pixels, made, gallery)
    settings = {"restorer": ready.info.id, "options": asdict(ready.options), "seed": asked.seed}
    report.tick("fitting into the photo", 1, 1)
    result, layer, lost = finishing.save(done, seen.out, asked.output, json.dumps(settings, sort_keys=True))
    notes = finishing.joined(photo.notes, known, words, headless, done.notes, lost, spoken)
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
    from engine.prior.device import precision

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
        precision="fp32" if ready.options.exact() else precision(ready.prior.device),
        seconds=0.0,
        identity={},
    )


def sha256_of(tuned: TunedModel) -> dict[str, str]:
    """Give the SHA-256 of each file of a tuned model, as its manifest has them."""
    files: Mapping[str, Mapping[str, Any]] = tuned.manifest["files"]
    return {name: str(file["sha256"]) for name, file in files.items()}


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
        kind: `tune`, `restore`, `batch` or `compare`.
        arguments: `workspace` and what the verb needs, as plain values.
        folder: the job's own.
        report: followed by whoever reads the job.
    """
    workspace = Workspace(Path(arguments["workspace"]))
    named = str(arguments.get("prior", "pocket"))
    if kind == "tune" and (arguments.get("steps") or arguments.get("guide_steps")):
        more = {name: int(arguments.get(name) or 0) for name in ("steps", "guide_steps")}
        who, how = arguments["person"], arguments["recipe"]
        tuned = personalize_more(workspace, who, how, report, device=arguments["device"], prior_name=named, **more)
        return {"tuned": str(tuned.folder), "checks": tuned.manifest["checks"], "seconds": tuned.manifest["seconds"]}
    if kind == "tune":
        tuned = personalize(
            workspace, arguments["person"], arguments["recipe"], report, device=arguments["device"], prior_name=named
        )
        return {"tuned": str(tuned.folder), "checks": tuned.manifest["checks"], "seconds": tuned.manifest["seconds"]}
    if kind == "restore":
        return restore(workspace, _asked(arguments), report)
    if kind == "batch":
        from engine.studio.batch import restore_folder

        made = restore_folder(workspace, Path(arguments["photo"]), _asked(arguments), report)
        if made.stopped:
            raise Cancelled  # what became of each file stands in the job's events
        return made.as_json()
    if kind == "compare":
        from engine.studio.compare import compare, comparing_from

        return compare(workspace, comparing_from(arguments, _chosen(arguments["chosen"])), report)
    raise EngineError(f"There is no work of kind {kind!r} in {folder.name}.")


def _asked(arguments: Mapping[str, Any]) -> Asked:
    return Asked(
        photo=Path(arguments["photo"]),
        out=Path(arguments["out"]),
        restorer=arguments["restorer"],
        options=arguments["options"],
        person=arguments["person"],
        recipe=arguments["recipe"],
        seed=arguments["seed"],
        face=arguments["face"],
        device=arguments["device"],
        prior=str(arguments.get("prior", "pocket")),
        chosen=_chosen(arguments.get("chosen")),
        finish=finish_from(arguments.get("finish") or {}),
        output=output_from(arguments.get("output") or {}),
    )


def _chosen(value: Mapping[str, Any] | None) -> Chosen | None:
    """Read the face that a page chose: `face`, `number` and `of`."""
    from engine.faces import face_from_json

    if value is None:
        return None
    return Chosen(face_from_json(value["face"]), int(value["number"]), int(value["of"]), int(value["number"]))


def describe(person: Person, gallery: Gallery | None) -> dict[str, Any]:
    """Give what a list shows of a person, as plain values."""
    return {
        "id": person.id,
        "name": person.name,
        "subject": person.subject,
        "prompt": person.prompt,
        "references": len(gallery.references) if gallery is not None else 0,
    }
