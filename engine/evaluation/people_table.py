"""The table over people: does tuning to a person bring the restored face nearer to that person, and to nobody else?

For each person of a folder of folders the last four photos in which a face is found are cut, damaged within the
method's ranges and restored by five arms: damaged, cleaner, blind, wrong person (the next person's tuned model) and
dual-pivot. All other photos are the references. Nobody is left out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from engine import degrade, images
from engine.errors import EngineError
from engine.evaluation.arms import Arm, Case, means, run_arms
from engine.evaluation.sheet import write_sheet
from engine.faces import cut, detector, head_mask
from engine.progress import Report, stage
from engine.restorers import Subject
from engine.studio import work
from engine.workspace import Workspace, write_bytes, write_json

TESTED = 4
ARMS = ("damaged", "cleaner", "blind", "wrong person", "dual-pivot")
SEED = 11


class NoPeople(EngineError):
    """The folder is not one of people."""


def run(
    workspace: Workspace, folder: Path, out: Path, report: Report, *, recipe: str = "quick", device: str = "auto"
) -> list[dict[str, Any]]:
    """Tune and restore everybody in a folder of folders of photos.

    Args:
        workspace: holds people and tuned models; a second run with the same inputs tunes nobody again.
        folder: one folder of photos a person, at least two people with six photos each.
        out: gets `people.json`, `people.md` and a sheet `people.jpg` with one photo of each person.
        report: followed.
        recipe: of the tuning.
        device: where.

    Returns:
        A row for each person, photo and arm.
    """
    homes = sorted(f for f in folder.iterdir() if f.is_dir()) if folder.is_dir() else []
    if len(homes) < 2:
        raise NoPeople(f"{folder} holds {len(homes)} folder(s). Name a folder with a folder of photos for each person.")
    people = work.library(workspace)
    tuned: list[Subject] = []
    cases: list[list[Case]] = []
    known: list[list[Any]] = []
    prior = work.shared_prior(device)
    for home in homes:
        tested = _tested(home, prior.size)
        taken = {path for path, _ in tested}
        person = next((p for p in people.list() if p.name == home.name), None)
        if person is None:
            person = people.create(home.name)
            people.add(person, [p for p in images.list_photos(home) if p not in taken], report)
        gallery = people.gallery(people.get(person.id))
        model = work.personalize(workspace, person.id, recipe, report, device=device)
        tuned.append(Subject(person.prompt, (), model.folder))
        known.append(list(gallery.embeddings))
        cases.append([case for _, case in tested])
    rows: list[dict[str, Any]] = []
    pictures: list[list[images.Pixels]] = []
    for n, home in enumerate(homes):
        arms = [
            Arm("damaged", "enlarge"),
            Arm("cleaner", "cleaner"),
            Arm("blind", "diffbir"),
            Arm("wrong person", "dual-pivot", tuned[(n + 1) % len(homes)]),
            Arm("dual-pivot", "dual-pivot", tuned[n]),
        ]
        mine, made = run_arms(prior, cases[n], arms, known[n], tick=stage(report, f"restoring {home.name}"))
        rows.extend({"person": home.name, **row} for row in mine)
        pictures.append([*(made[cases[n][0].photo, arm] for arm in ARMS), cases[n][0].truth])
    write_sheet(out / "people.jpg", [*ARMS, "truth"], pictures)
    write_json(out / "people.json", {"recipe": recipe, "rows": rows})
    write_bytes(out / "people.md", table(rows).encode())
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """Write mean identity_truth by person and arm as a Markdown table, with means and 95 % intervals over people."""
    names = list(dict.fromkeys(row["person"] for row in rows))
    lines = ["| person | " + " | ".join(ARMS) + " |", "|---" * (len(ARMS) + 1) + "|"]
    values = np.array(
        [
            [
                np.mean([r["identity_truth"] for r in rows if r["person"] == name and r["arm"] == arm], dtype=float)
                for arm in ARMS
            ]
            for name in names
        ]
    )
    lines.extend(
        f"| {name} | " + " | ".join(f"{v:.3f}" for v in row) + " |" for name, row in zip(names, values, strict=True)
    )
    middle, half = values.mean(axis=0), 1.96 * values.std(axis=0, ddof=1) / np.sqrt(len(names))
    lines.append(
        "| **mean** | " + " | ".join(f"**{m:.3f}** ± {h:.3f}" for m, h in zip(middle, half, strict=True)) + " |"
    )
    nearer = int((values[:, 4] < values[:, 2]).sum())
    lines.append("")
    lines.append(
        f"Distance to the truth by dlib, lower is nearer; mean of {TESTED} photos a person, ± is the 95 % interval "
        f"over people. With the person's own tuning {nearer} of {len(names)} people come nearer than blind."
    )
    others = [m for m in means(rows) if m["arm"] in ARMS]
    lines += ["", "| arm | PSNR dB | SSIM | GMSD | sharpness |", "|---|---|---|---|---|"]
    lines.extend(
        f"| {m['arm']} | {m['psnr']:.2f} | {m['ssim']:.3f} | {m['gmsd']:.3f} | {m['sharpness']:.2f} |" for m in others
    )
    return "\n".join(lines) + "\n"


def _tested(home: Path, size: int) -> list[tuple[Path, Case]]:
    """Give the last photos of a person in which a face is found, damaged; the others show nothing to restore."""
    photos = images.list_photos(home)
    found: list[tuple[Path, Case]] = []
    for photo in reversed(photos):
        pixels = images.read_photo(photo).pixels
        faces = detector().find(pixels)
        if not faces:
            continue
        crop = cut(pixels, faces[0], size)
        bad = degrade.degrade(crop.pixels, np.random.default_rng([SEED, TESTED - 1 - len(found)]))
        found.append((photo, Case(photo.stem, bad, crop.pixels, head_mask(crop))))
        if len(found) == TESTED:
            break
    if len(found) < TESTED or len(photos) < TESTED + 2:
        raise NoPeople(
            f"{home} holds {len(photos)} photos, {len(found)} with a face found; {TESTED} and 2 more are needed."
        )
    return found[::-1]
