"""Again: the same picture from its provenance, or a sentence for each thing that is not as it was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import __version__
from engine.errors import EngineError
from engine.progress import Report
from engine.results import read_provenance
from engine.studio import enlarging, preparing, restoring
from engine.studio.finish import PHOTO_PRIORS, Finish, Output, finish_from
from engine.studio.preparing import Asked, Chosen
from engine.workspace import Workspace, sha256_file

if TYPE_CHECKING:
    from engine.tuning import TunedModel


class NotTheSame(EngineError):
    """Something that a result was made from is missing or has changed."""


@dataclass(frozen=True)
class Repeat:
    """A result that can be made again."""

    told: Mapping[str, Any]
    """Its provenance."""
    photo: Path
    """The very photo, by its SHA-256."""
    result_name: str
    """File name of the first result."""


def read_repeat(provenance: Path, photo: Path | None = None) -> Repeat:
    """Find the photo that a result was made from.

    Args:
        provenance: the `.json` file beside the result.
        photo: the photo, or a folder that it lies in; None looks beside the provenance, under the photo's own name.

    Raises:
        BadProvenance: it is no provenance, or one of a newer Likeness.
        NotTheSame: the photo is not there or is another one.
        EngineError: a file cannot be read.
    """
    told = read_provenance(provenance)
    name = told["photo"]
    place = provenance.parent if photo is None else photo
    found = place / Path(name).name if place.is_dir() else place
    if not found.is_file():
        raise NotTheSame(
            f"{name}, which {provenance.name} was made from, is not at {found}. "
            f"Say where it is: restore PHOTO --again {provenance.name}."
        )
    digest = sha256_file(found)
    if digest != told["photo_sha256"]:
        raise NotTheSame(
            f"{found.name} is not the photo that {provenance.name} was made from: its SHA-256 begins with "
            f"{digest[:8]}, and {told['photo_sha256'][:8]} was written down. Name that very file, or restore this one "
            "anew."
        )
    return Repeat(told, found, provenance.name.removesuffix(".json"))


def restore_again(
    workspace: Workspace,
    repeat: Repeat,
    out: Path,
    report: Report,
    *,
    device: str = "auto",
    output: Output | None = None,
) -> dict[str, Any]:
    """Make a result once more; on the same machine it is the same file, bit for bit, if `out` has the same suffix.

    Returns:
        What `restoring.restore` gives, `restorer`, and `identical`: whether the file is the same, None if the first
        one's SHA-256 was not written down.

    Raises:
        NotTheSame: restorer, options, prior or tuned model are not as they were.
        EngineError: as `restoring.restore`.
        Cancelled: from the report; nothing was written.
    """
    told = repeat.told
    tuned = _tuned_as_told(workspace, told) if told["tuned"] else None
    asked = Asked(
        photo=repeat.photo,
        out=out,
        restorer=told["restorer"],
        options=dict(told["options"]),
        person=tuned.folder.parents[1].name if tuned is not None else None,
        recipe=str(told["recipe"]),
        seed=told["seed"],
        device=device,
        prior=str(told["prior_name"]),
        chosen=_chosen_as_told(told, repeat.result_name),
        tuned=tuned.folder if tuned is not None else None,
        finish=_finish_as_told(workspace, repeat),
        output=output or Output(),
        anew=True,
    )
    try:
        info, options = preparing.checked(asked)
    except EngineError as error:
        raise NotTheSame(
            f"{repeat.result_name} was made by another Likeness: {error} {_that_likeness(told)}"
        ) from error
    report.tick("loading", 0, 1)
    there = preparing.networks_of(
        info, options, preparing.shared_prior(device, asked.prior, workspace.weights), workspace.weights
    )
    changed = sorted(part for part in there.keys() | told["prior"].keys() if there.get(part) != told["prior"].get(part))
    if changed and info.weights:
        raise NotTheSame(
            f"{repeat.result_name} was made with other files: {', '.join(changed)} differ in {workspace.weights}. Put "
            "those back, or restore the photo anew without --again."
        )
    if changed:
        raise NotTheSame(
            f"{repeat.result_name} was made with another prior: {', '.join(changed)} differ. {_that_likeness(told)}"
        )
    made = restoring.restore(workspace, asked, report)
    first = str(told["result_sha256"])
    same = sha256_file(Path(made["result"])) == first if first else None
    return {**made, "restorer": asked.restorer, "identical": same}


def _tuned_as_told(workspace: Workspace, told: Mapping[str, Any]) -> TunedModel:
    """Find the tuned model among all people of the data folder; who it was, the provenance does not say."""
    from engine.tuning import BadTunedModel, read_tuned

    wanted = str(told["tuned"])
    for home in sorted(workspace.people.iterdir()):
        folder = home / "tuned" / Path(wanted[:12]).name
        try:
            found = read_tuned(folder)
        except BadTunedModel:
            continue
        if found.fingerprint != wanted:
            continue
        files: Mapping[str, str] = told["tuned_sha256"]
        if files and files != preparing.sha256_of(found):
            raise NotTheSame(
                f"The tuned model {wanted[:12]} in {folder} was made anew since, and its weights differ. Put back the "
                "folder as it was, or restore the photo anew."
            )
        return found
    recipe = f", by recipe {told['recipe']}" if told["recipe"] else ""
    raise NotTheSame(
        f"The tuned model {wanted[:12]} that it was made with{recipe} is not in the data folder {workspace.root}. "
        "Name the data folder with --workspace, or tune the person again with the same photos and recipe."
    )


def _finish_as_told(workspace: Workspace, repeat: Repeat) -> Finish:
    """Give the finish, with the same enlarger whatever the folder of weights holds by now."""
    finish = finish_from(repeat.told["finish"])
    seen: Mapping[str, Any] = repeat.told["seen"]
    scale, background = int(seen.get("scale", 1)), str(seen.get("background", enlarging.LANCZOS))
    if scale == 1 or finish.background in PHOTO_PRIORS:
        return finish  # which files the prior is made of, is looked at when it is loaded
    if background == enlarging.LANCZOS:
        return replace(finish, background=enlarging.LANCZOS)
    path = enlarging.network_file(workspace.weights, scale)
    there = "none" if path is None else enlarging.name(path)
    if there != background:
        raise NotTheSame(
            f"The photo of {repeat.result_name} was enlarged by {background}, and for {scale} times its size there is "
            f"{there} in {workspace.weights}. Put that file back, or restore the photo anew without --again."
        )
    return finish


def _chosen_as_told(told: Mapping[str, Any], name: str) -> Chosen:
    """Give the very face, so that nothing depends on finding it again."""
    from engine.faces import face_from_json

    face: Mapping[str, Any] = told["face"]
    try:
        wanted = None if face["wanted"] is None else int(face["wanted"])
        return Chosen(face_from_json(face), int(face["number"]), int(face["of"]), wanted)
    except (KeyError, TypeError, ValueError) as error:
        raise NotTheSame(f"{name}.json is damaged: its face lacks {error}. Restore the photo anew.") from error


def _that_likeness(told: Mapping[str, Any]) -> str:
    """Say which Likeness could do it."""
    engine = str(told.get("engine", ""))
    if engine and engine != __version__:
        return f"Use Likeness {engine}; this one is {__version__}."
    return "Restore the photo anew without --again."
