"""What a restoration needs: what was asked for, the restorer and its prior loaded, the person tuned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import EngineError
from engine.progress import Look, Report
from engine.studio import finish as finishing
from engine.studio import kept, watched
from engine.studio.finish import Finish, Output
from engine.workspace import Workspace

if TYPE_CHECKING:
    from engine.faces import Face, SeenDamage
    from engine.people import Gallery, Library, Person
    from engine.prior.bundle import Prior
    from engine.restorers import Options, RestorerInfo, Subject
    from engine.tuning import TunedModel
    from engine.tuning.estimate import Estimate


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
    glimpses: Path | None = None
    """Folder for pictures of the face while it is sampled, see `engine.studio.glimpses`; None where nobody looks on."""


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

    def subject(self, damage: SeenDamage | None = None, look: Look | None = None) -> Subject:
        """Give what the restorer is told of the person and of the face's damage, and who looks on."""
        from engine.restorers import Subject

        if self.tuned is None or self.person is None:
            return Subject(damage=damage, look=look)
        return Subject(self.person.prompt, (), self.tuned.folder, damage, look)

    def settings(self, asked: Asked, photo_sha256: str) -> dict[str, Any]:
        """Give the part of a result's provenance that is known before it is made; see `results.SETTINGS`."""
        return {
            "restorer": self.info.id,
            "options": asdict(self.options),
            "seed": asked.seed,
            "photo": asked.photo.name,
            "photo_sha256": photo_sha256,
            "prior": dict(self.networks),
            "prior_name": asked.prior,
            "tuned": self.tuned.fingerprint if self.tuned is not None else "",
            "tuned_sha256": sha256_of(self.tuned) if self.tuned is not None else {},
            "recipe": str(self.tuned.manifest["recipe"]["name"]) if self.tuned is not None else "",
            "references": self.gallery.fingerprint if self.gallery is not None else "",
            "prompt": self.subject().prompt,
            "finish": finishing.finish_json(asked.finish),
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
    job: Path | None = None,
) -> TunedModel:
    """Tune the prior to a person, or give the tuned model that the same photos and recipe already made.

    `job` is the folder of the job in which that is done, where somebody watches; see `engine.studio.watched`.
    """
    from engine.tuning import BadTunedModel, read_tuned, recipe
    from engine.tuning.run import tune

    people = library(workspace)
    gallery = people.gallery(people.get(person))
    report.tick("loading", 0, 1)
    prior = shared_prior(device, prior_name, workspace.weights)
    folder = tuned_folder(workspace, prior, gallery, recipe_name)
    watching = _watching(job, folder)
    try:
        return read_tuned(folder)
    except BadTunedModel:
        return tune(prior, gallery, recipe(recipe_name), folder, report, weights=workspace.weights, **watching)


def _watching(job: Path | None, folder: Path) -> dict[str, Any]:
    """Note the folder of a tuned model where somebody watches, and give what a run takes to be asked for looks."""
    if job is None:
        return {}
    watched.note(job, folder)
    return {"look_asked": partial(watched.look_asked, job)}


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
    tuned: str = "",
    job: Path | None = None,
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
        tuned: name of the tuned model's folder; "" takes the one of these photos, this recipe and this prior.
        job: as for `personalize`.

    Raises:
        BadTunedModel: there is none.
        EngineError, Cancelled: as `engine.tuning.run.extend`.
    """
    from engine.tuning import read_tuned
    from engine.tuning.run import extend

    people = library(workspace)
    gallery = people.gallery(people.get(person))
    report.tick("loading", 0, 1)
    prior = shared_prior(device, prior_name, workspace.weights)
    own = workspace.people / gallery.person.id / "tuned"
    made = read_tuned(own / Path(tuned).name if tuned else tuned_folder(workspace, prior, gallery, recipe_name))
    more: dict[str, Any] = {"text_steps": steps, "guide_steps": guide_steps, "weights": workspace.weights}
    return extend(made, prior, gallery, report, **more, **_watching(job, made.folder))


def checked(asked: Asked) -> tuple[RestorerInfo, Options]:
    """Give the restorer that was asked for and its options.

    Raises:
        NoSuchRestorer, BadOption, BadFinish, NoSuchPrior: see there.
    """
    from engine.restorers import find, read_options

    info = find(asked.restorer)
    finishing.checked(asked.finish, asked.output)
    if asked.prior != "pocket":
        from engine.prior.diffbir.kinds import named

        named(asked.prior)
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


def sha256_of(tuned: TunedModel) -> dict[str, str]:
    """Give the SHA-256 of each file of a tuned model, as its manifest has them."""
    files: Mapping[str, Mapping[str, Any]] = tuned.manifest["files"]
    return {name: str(file["sha256"]) for name, file in files.items()}
