"""The worker's jobs: what was asked for as plain values, handed to the verb that does it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from engine.errors import EngineError
from engine.progress import Cancelled, Report
from engine.studio.finish import finish_from, output_from
from engine.studio.preparing import Asked, Chosen, estimate_tuning, personalize, personalize_more, shared_prior
from engine.studio.restoring import restore, vary
from engine.workspace import Workspace, write_json

PHOTOS = "photos.json"
"""In the folder of a batch's job: the photos that it goes through."""

TITLES = {
    "tune": "A tuning",
    "estimate": "The estimate for a tuning",
    "restore": "A restoration",
    "vary": "A restoration",
    "batch": "The restoration of a folder",
    "compare": "A comparison",
}
"""What a job of each kind is called in a sentence."""


def work(kind: str, arguments: dict[str, Any], folder: Path, report: Report) -> dict[str, Any]:
    """Do one job in the worker process.

    Args:
        kind: `tune`, `estimate`, `restore`, `vary`, `batch` or `compare`.
        arguments: `workspace` and what the verb needs, as plain values.
        folder: the job's own.
        report: followed by whoever reads the job.
    """
    workspace = Workspace(Path(arguments["workspace"]))
    if kind == "tune":
        return _tune(workspace, arguments, folder, report)
    if kind == "estimate":
        report.tick("trying a step", 0, 1)
        tried = {"device": arguments["device"], "prior_name": str(arguments.get("prior", "pocket"))}
        found = estimate_tuning(workspace, arguments["person"], arguments["recipe"], **tried)
        return {**asdict(found), "free_on_card": _free_on_card(workspace, **tried)}
    if kind == "restore":
        return restore(workspace, replace(_asked(arguments), glimpses=Path(arguments["out"])), report)
    if kind == "vary":
        asked = replace(_asked(arguments), glimpses=Path(arguments["out"]))
        return {"results": vary(workspace, asked, int(arguments["count"]), report)}
    if kind == "batch":
        from engine.studio.batch import restore_folder

        made = restore_folder(
            workspace,
            Path(arguments["photo"]),
            _asked(arguments),
            report,
            skip_done=bool(arguments.get("skip_done", True)),
            begun=lambda names: write_json(folder / PHOTOS, list(names)),
        )
        if made.stopped:
            raise Cancelled  # what became of each file stands in the job's events
        return made.as_json()
    if kind == "compare":
        from engine.studio.compare import compare, comparing_from

        return compare(workspace, comparing_from(arguments, _chosen(arguments["chosen"])), report)
    raise EngineError(f"There is no work of kind {kind!r} in {folder.name}.")


def _tune(workspace: Workspace, arguments: Mapping[str, Any], folder: Path, report: Report) -> dict[str, Any]:
    """Tune a person, or tune their finished model further where `more` or `more_guide` steps are asked for."""
    steps, guide_steps = int(arguments.get("more", 0)), int(arguments.get("more_guide", 0))
    common: dict[str, Any] = {"device": arguments["device"], "prior_name": str(arguments.get("prior", "pocket"))}
    person, recipe = arguments["person"], arguments["recipe"]
    if steps or guide_steps:
        further = {"steps": steps, "guide_steps": guide_steps, "tuned": str(arguments.get("tuned", ""))}
        tuned = personalize_more(workspace, person, recipe, report, job=folder, **further, **common)
    else:
        tuned = personalize(workspace, person, recipe, report, job=folder, **common)
    return {"tuned": str(tuned.folder), "checks": tuned.manifest["checks"], "seconds": tuned.manifest["seconds"]}


def _free_on_card(workspace: Workspace, *, device: str, prior_name: str) -> int | None:
    """Give the bytes that are free on the card on which the prior lies; None where it lies on none."""
    prior = shared_prior(device, prior_name, workspace.weights)
    if prior.device.type != "cuda":
        return None
    import torch

    return int(torch.cuda.mem_get_info(prior.device)[0])


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
