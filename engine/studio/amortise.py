"""From a folder of people and a folder of faces to a prior with an amortised guide."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine import images
from engine.progress import Report
from engine.workspace import Workspace

if TYPE_CHECKING:
    from engine.people import Gallery


def amortise_folder(
    people: Path,
    faces: Path,
    out: Path,
    report: Report,
    *,
    recipe: str,
    old: Path,
    new: Path,
    device: str = "auto",
) -> dict[str, Any]:
    """Tune a prior's guide once against the people of a folder, and write the prior with it.

    Args:
        people: a folder of photos a person.
        faces: generic, aligned and square, of none of them.
        out: where the personalized priors and the checkpoint lie; a stopped call goes on there.
        report: followed.
        recipe: name or file; both its pivots are used.
        old: folder of the prior to begin from.
        new: folder of the prior to write.
        device: where.

    Returns:
        `seconds` of training the guide; `figures`: people, steps, loss_first and loss_last, means of a tenth of them.

    Raises:
        NobodyToAmortise, BadRecipe, NoFaces: as `engine.tuning.amortise.amortise`.
        EngineError: a folder cannot be used.
        Cancelled: from the report; what was done is kept.
    """
    from engine import tuning
    from engine.prior import load
    from engine.tuning.amortise import amortise, save
    from engine.tuning.views import read_generic

    made = tuning.recipe(recipe)
    prior = load.load(old, device=device)
    galleries = read_people(people, Workspace(out / "people-photos"), report)
    generic = read_generic(prior.size, faces, count=made.guide.face_count if made.guide is not None else None)
    done = amortise(prior, galleries, generic, made, out, report)
    save(done, load.read_manifest(old)["card"], new)
    tenth = max(1, len(done.losses) // 10)
    ends = {"loss_first": np.mean(done.losses[:tenth]), "loss_last": np.mean(done.losses[-tenth:])}
    figures = {"people": float(done.people), "steps": float(len(done.losses)), **{k: float(v) for k, v in ends.items()}}
    return {"seconds": round(done.seconds, 1), "figures": figures}


def read_people(people: Path, workspace: Workspace, report: Report) -> list[Gallery]:
    """Add the photos of each folder to a person of its name, and give those with at least one usable face.

    Raises:
        EngineError: there is no such folder.
    """
    from engine.people import NoSuchPerson
    from engine.studio.preparing import library

    known = library(workspace)
    galleries: list[Gallery] = []
    folders = sorted(p for p in people.iterdir() if p.is_dir()) if people.is_dir() else []
    for done, folder in enumerate(folders):
        report.tick("reading people", done, len(folders))
        try:
            person = known.get(folder.name)
        except NoSuchPerson:
            person = known.create(folder.name)
        if not known.references(person):
            known.add(person, images.list_photos(folder), report)
        gallery = known.gallery(person)
        if gallery.references:
            galleries.append(gallery)
    return galleries
