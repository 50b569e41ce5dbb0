"""The demo: the shipped sample person, who is nobody, tuned and restored, with a sheet and figures."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from engine import images
from engine.errors import EngineError
from engine.evaluation.arms import Arm, Case, means, run_arms
from engine.evaluation.sheet import write_sheet
from engine.faces import cut, detector, head_mask
from engine.progress import Report, stage
from engine.restorers import Subject
from engine.studio import preparing
from engine.workspace import Workspace, write_json

SAMPLE = Path(__file__).resolve().parents[2] / "assets" / "person"
NAME = "Sample person"
COLUMNS = ["input", "cleaned", "blind", "with the person", "reference", "truth"]
ARMS = ("input", "cleaner", "blind", "dual-pivot")


class NoSamplePerson(EngineError):
    """The shipped sample person is not there."""


def run(
    workspace: Workspace, out: Path, report: Report, *, recipe: str = "quick", device: str = "auto"
) -> list[dict[str, Any]]:
    """Tune the sample person, restore their damaged photos by four arms, write a sheet and figures.

    Args:
        workspace: the sample person becomes one of its people, or is found there.
        out: folder for `demo.png` and `demo.json`; earlier ones are replaced.
        report: followed.
        recipe: of the tuning.
        device: `auto`, `cpu`, `cuda` or `mps`.

    Returns:
        A row for each photo and arm, then the means.

    Raises:
        NoSamplePerson: the project's pictures are missing.
        Cancelled: from the report.
    """
    begun = time.monotonic()
    references, damaged = (sorted((SAMPLE / name).glob("*.jpg")) for name in ("references", "damaged"))
    if not references or not damaged:
        raise NoSamplePerson(f"The sample person in {SAMPLE} is missing. Get the project's files again.")
    people = preparing.library(workspace)
    person = next((p for p in people.list() if p.name == NAME), None) or people.create(NAME)
    report.tick("reading the sample person", 0, 1)
    people.add(person, references, report)
    gallery = people.gallery(people.get(person.id))
    tuned = preparing.personalize(workspace, person.id, recipe, report, device=device)
    prior = preparing.shared_prior(device)
    cases = [_case(file, prior.size) for file in damaged]
    arms = [
        Arm("input", "enlarge"),
        Arm("cleaner", "cleaner"),
        Arm("blind", "diffbir"),
        Arm("dual-pivot", "dual-pivot", Subject(person.prompt, (), tuned.folder)),
    ]
    rows, made = run_arms(prior, cases, arms, list(gallery.embeddings), tick=stage(report, "restoring"))
    reference = gallery.crops(prior.size)[0]
    pictures = [[*(made[case.photo, arm] for arm in ARMS), reference, case.truth] for case in cases]
    sheet = write_sheet(out / "demo.png", COLUMNS, pictures)
    report.preview("comparison", sheet)
    everything = [*rows, *means(rows)]
    facts = {
        "recipe": recipe,
        "device": str(prior.device),
        "tuning_seconds": tuned.manifest["seconds"],
        "checks": tuned.manifest["checks"],
        "seconds": round(time.monotonic() - begun, 1),
    }
    write_json(out / "demo.json", {"facts": facts, "rows": everything})
    return everything


def _case(file: Path, size: int) -> Case:
    """Cut the damaged photo by its own face, as in real use, and the truth by the very same matrix."""
    damaged = images.read_photo(file).pixels
    truth = images.read_photo(SAMPLE / "truth" / file.name).pixels
    faces = detector().find(damaged)
    # A damage too heavy for the detector is the user's to mark by hand; the demo takes the place from the truth.
    face = (faces or detector().find(truth))[0]
    crop = cut(damaged, face, size)
    same = cut(truth, face, size)
    return Case(file.stem, crop.pixels, np.asarray(same.pixels), head_mask(crop))
