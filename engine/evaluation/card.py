"""The model card of a prior: measured on people whom no training saw, swept, and checked for copies of its data.

24 faces: twelve of the held-out people of the training folder, spread evenly over their names, and the first photo with
a face of each of the first twelve people of another folder. Damage is drawn from the method's ranges by a fixed seed.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine import degrade, images, metrics
from engine.errors import EngineError
from engine.evaluation.arms import Arm, Case, run_arms
from engine.evaluation.doctor import machine
from engine.evaluation.sheet import write_sheet
from engine.faces import cut, detector, embed, head_mask
from engine.prior import load
from engine.prior.bundle import Prior
from engine.prior.device import precision
from engine.prior.settings import SAMPLERS, Sampling
from engine.progress import Report, stage
from engine.restore import Settings, restore_face
from engine.workspace import write_bytes, write_json

Pixels = NDArray[np.float32]

EACH = 12
"""Faces from either folder."""
SEED = 5
ARMS = ("damaged", "cleaned", "sampled")
SWEPT = 8
"""Faces of the sweep: every third."""
STEPS = (4, 6, 10, 20)
STARTS = (0.05, 0.1, 0.2, 0.3, 0.45, 0.6, 0.8)
SWEPT_AT = 0.2
"""Start level at which samplers and steps are compared."""
PROMPT = "a photo of a person"
GREY_SPREAD = 0.012
SHEET_QUALITY = 65
"""Of the card's JPEG sheets, which ship with the app."""
COPIED = 0.35
"""Distance below which a result would be as near to a training face as photos of one person are to each other."""


class NotMeasurable(EngineError):
    """A folder does not hold what the card is measured on."""


@dataclass(frozen=True)
class Face:
    """One held-out face."""

    photo: str
    source: str
    """`training folder` or `people`."""
    subject: str
    """man, woman or "" where nobody said."""
    grey: bool
    truth: Pixels
    damaged: Pixels


@dataclass(frozen=True)
class Target:
    """What the prior should reach."""

    what: str
    wanted: str
    found: float
    reached: bool


def held_out_faces(faces: Path, people: Path, subjects: Path | None, size: int, *, each: int = EACH) -> list[Face]:
    """Give the faces of the card, 24 when `each` is 12.

    Args:
        faces: the training folder.
        people: a folder of photos for each person.
        subjects: CSV `photo,subject` with what a looker took the person for.
        size: side of a crop in px.
        each: faces from either folder.

    Raises:
        NotMeasurable: a folder holds too few people.
        NotEnoughFaces: see `read_folder`.
    """
    import cv2

    from engine.pretrain.data import read_folder

    said: dict[str, str] = {}
    if subjects is not None and subjects.is_file():
        with subjects.open(newline="", encoding="utf-8") as lines:
            said = {row["photo"]: row["subject"] for row in csv.DictReader(lines)}
    folder = read_folder(faces)
    spared = np.flatnonzero(folder.held_out)
    if len(spared) < each:
        raise NotMeasurable(f"{faces} holds out {len(spared)} people, {each} are needed. Name a larger folder.")
    truths: list[tuple[str, str, Pixels]] = []
    for pick in spared[np.linspace(0, len(spared) - 1, each).round().astype(int)]:
        shrunk: Any = cv2.resize(folder.pixels[pick], (size, size), interpolation=cv2.INTER_AREA)
        truths.append((folder.names[pick], "training folder", images.from_uint8(np.asarray(shrunk, np.uint8))))
    homes = sorted(f for f in people.iterdir() if f.is_dir())[:each] if people.is_dir() else []
    if len(homes) < each:
        raise NotMeasurable(f"{people} holds {len(homes)} folders of people, {each} are needed. Name another folder.")
    truths += [_first_face(home, size) for home in homes]
    found: list[Face] = []
    for n, (photo, source, truth) in enumerate(truths):
        rng = np.random.default_rng([SEED, n])
        spread = float(np.abs(truth - truth.mean(axis=2, keepdims=True)).mean())
        bad = degrade.degrade(truth, rng)
        found.append(Face(photo, source, said.get(photo, ""), spread < GREY_SPREAD, truth, bad))
    return found


def measure(
    prior: Prior,
    faces: Path,
    people: Path,
    report: Report,
    *,
    subjects: Path | None = None,
    sweep: bool = True,
    each: int = EACH,
) -> tuple[dict[str, Any], list[list[Pixels]]]:
    """Measure a prior on held-out people.

    Returns:
        Rows, means by group, targets, sweep, nearest training faces and the machine, as JSON has them; and for each
        face damaged, cleaned, sampled and truth, to look at.
    """
    found = held_out_faces(faces, people, subjects, prior.size, each=each)
    mask = head_mask(cut(found[0].truth, whole_face(prior.size), prior.size))  # the same in every aligned crop
    cases = [Case(f.photo, f.damaged, f.truth, mask) for f in found]
    arms = [Arm("damaged", "enlarge"), Arm("cleaned", "cleaner"), Arm("sampled", "diffbir")]
    rows, made = run_arms(prior, cases, arms, [], tick=stage(report, "restoring"))
    known = {f.photo: f for f in found}
    for row in rows:
        face = known[row["photo"]]
        row.update(source=face.source, subject=face.subject, grey=face.grey)
    plain = [_undamaged(prior, f, n, report, len(found)) for n, f in enumerate(found)]
    groups = {name: _mean(rows, wanted) for name, wanted in _groups(found).items()}
    measured: dict[str, Any] = {
        "faces": len(found),
        "rows": rows,
        "groups": groups,
        "undamaged_psnr": round(float(np.mean(plain)), 2),
        "nearest": _nearest(faces, found, made, report),
        "sweep": _sweep(prior, found[:: len(found) // SWEPT][:SWEPT], report) if sweep else [],
        "machine": {**machine(), "device": str(prior.device), "precision": precision(prior.device)},
    }
    measured["targets"] = [asdict(t) for t in targets(measured)]
    pictures = [[*(made[f.photo, arm] for arm in ARMS), f.truth] for f in found]
    return measured, pictures


def targets(measured: dict[str, Any]) -> list[Target]:
    """Give what the prior should reach beside what it reached."""
    by = measured["groups"]["all"]
    damaged, cleaned, sampled = (by[arm] for arm in ARMS)
    gain, kept = sampled["psnr"] - damaged["psnr"], cleaned["psnr"] - sampled["psnr"]
    return [
        _target("cleaner over damaged, dB", ">= 2.5", cleaned["psnr"] - damaged["psnr"], low=2.5),
        _target("sampled over damaged, dB", ">= 1.0", gain, low=1.0),
        _target("sampled under cleaner, dB", "<= 1.5", kept, high=1.5),
        _target("GMSD, sampled less cleaner", "< 0", sampled["gmsd"] - cleaned["gmsd"], high=0.0),
        _target("sharpness over truth, sampled", "0.6 to 1.4", sampled["sharpness"], low=0.6, high=1.4),
        _target("undamaged face comes back, dB", ">= 30", measured["undamaged_psnr"], low=30.0),
        _target("identity to truth, sampled less damaged", "< 0", sampled["identity"] - damaged["identity"], high=0.0),
        _target("identity to truth, sampled less cleaner", "< 0", sampled["identity"] - cleaned["identity"], high=0.0),
    ]


def write_card(prior: Path, measured: dict[str, Any], pictures: list[list[Pixels]]) -> Path:
    """Write the figures, the sheet and the card into the prior's folder; earlier ones are replaced."""
    from engine.pretrain.export import describe

    write_json(prior / "measured.json", measured)
    pairs = [[*a, *b] for a, b in _pairs(pictures)]
    write_sheet(prior / "measured.jpg", [*ARMS, "truth"] * 2, pairs, quality=SHEET_QUALITY)
    text = f"{describe(load.read_manifest(prior), with_figures=False)}\n{describe_measured(measured)}"
    write_bytes(prior / "CARD.md", text.encode())
    return prior / "CARD.md"


def describe_measured(measured: dict[str, Any]) -> str:
    """Write the measured part of the card as Markdown."""
    on = measured["machine"]
    lines = [
        f"## Measured on {measured['faces']} faces of people whom no training saw",
        "",
        f"By `python app.py card`, on {on['cpu']}, {on['cores']} cores, {on['device']} in {on['precision']}: half from",
        "held-out people of the training folder, half from another collection. Damage drawn from the method's ranges",
        "by a fixed seed, fixed noise seeds, default sampling, no person. Who is a woman and who a man was said by one",
        "person looking at the photos.",
        "",
        "![Held-out faces: damaged, cleaned, sampled, truth](measured.jpg)",
        "",
        "| target | wanted | found | reached |",
        "|---|---|---|---|",
        *(
            f"| {t['what']} | {t['wanted']} | {t['found']:.3g} | {'yes' if t['reached'] else 'no'} |"
            for t in measured["targets"]
        ),
        "",
        "| group | faces | arm | PSNR dB | SSIM | GMSD | sharpness | identity to truth |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for group, arms in measured["groups"].items():
        lines += [
            f"| {group} | {of['faces']} | {arm} | {of['psnr']:.2f} | {of['ssim']:.3f} | {of['gmsd']:.4f} | "
            f"{of['sharpness']:.2f} | {of['identity']:.3f} |"
            for arm, of in arms.items()
        ]
    if measured["sweep"]:
        lines += [
            "",
            "### Samplers, steps and start levels",
            "",
            f"{SWEPT} of the faces. Time of one face on the machine above.",
            "",
            "| sampler | steps | start | PSNR dB | GMSD | sharpness | identity to truth | s |",
            "|---|---|---|---|---|---|---|---|",
            *(
                f"| {SAMPLERS[s['sampler']]} | {s['steps']} | {s['start']:g} | {s['psnr']:.2f} | {s['gmsd']:.4f} | "
                f"{s['sharpness']:.2f} | {s['identity']:.3f} | {s['seconds']:.2f} |"
                for s in measured["sweep"]
            ),
        ]
    near = measured["nearest"]
    copied = [n["photo"] for n in near if n["result"] < COPIED and n["result"] < n["truth"] - 0.1]
    lines += [
        "",
        "### Old-photo damage of the training",
        "",
        "Each kind on three held-out faces, beside three real scans.",
        "",
        "![Each kind of damage beside real scans](damage.jpg)",
        "",
        "### The nearest training face of every result",
        "",
        f"By dlib; photos of one person lie about 0.2 to {COPIED} apart. A copied face would lie far nearer to a",
        "training face than the truth does: " + (f"this holds for {', '.join(copied)}." if copied else "none does."),
        "",
        "| photo | nearest to the result | distance | nearest to the truth | distance |",
        "|---|---|---|---|---|",
        *(
            f"| {n['photo']} | {n['result_name']} | {n['result']:.3f} | {n['truth_name']} | {n['truth']:.3f} |"
            for n in near
        ),
        "",
    ]
    return "\n".join(lines)


def write_damage_sheet(path: Path, faces: Path, old: Path | None, size: int = 256) -> Path:
    """Draw each kind of old-photo damage on three held-out faces, beside three real scans; replaces an older sheet.

    Args:
        path: the sheet, .jpg or .png.
        faces: the training folder.
        old: a folder of real scans; None leaves them out.
        size: side of a face in px.
    """
    from engine.pretrain.data import read_folder

    folder = read_folder(faces)
    spared = np.flatnonzero(folder.held_out)
    good = [_small(folder.pixels[pick], size) for pick in spared[np.linspace(0, len(spared) - 1, 3).astype(int)]]
    scans = _scans(old, size) if old is not None else []
    rows: list[list[Pixels]] = []
    for k, kind in enumerate(degrade.KINDS):
        made = [degrade.aged(face, kind, np.random.default_rng([SEED, k, n])) for n, face in enumerate(good)]
        rows.append([*made, *(scans[(3 * k + n) % len(scans)] for n in range(3) if scans)])
    kinds = ", ".join(degrade.KINDS)
    return write_sheet(
        path, [f"from the top: {kinds}" if n == 1 else "" for n in range(len(rows[0]))], rows, quality=SHEET_QUALITY
    )


def whole_face(size: int) -> Any:
    """Give the face that an aligned crop of a size holds, where the template has it."""
    from engine.faces import Face as Found
    from engine.faces import template

    return Found((0.0, 0.0, float(size), float(size)), template("ffhq5", size), "ffhq5", 1.0, "template")


def _first_face(home: Path, size: int) -> tuple[str, str, Pixels]:
    for photo in images.list_photos(home):
        pixels = images.read_photo(photo).pixels
        found = detector().find(pixels)
        if found:
            return f"{home.name}/{photo.name}", "people", cut(pixels, found[0], size).pixels
    raise NotMeasurable(f"No face is found in the photos of {home}. Name another folder.")


def _small(pixels: NDArray[np.uint8], size: int) -> Pixels:
    return images.resize(images.from_uint8(pixels), (size, size))


def _scans(old: Path, size: int) -> list[Pixels]:
    made: list[Pixels] = []
    for photo in images.list_photos(old):
        pixels = images.read_photo(photo).pixels
        found = detector().find(pixels)
        if found:
            made.append(cut(pixels, found[0], size).pixels)
        if len(made) == 3 * len(degrade.KINDS):
            break
    return made


def _undamaged(prior: Prior, face: Face, n: int, report: Report, total: int) -> float:
    settings = Settings(prompt=PROMPT)
    made = restore_face(prior, face.truth, settings, seed=0).pixels
    report.tick("restoring undamaged faces", n + 1, total)
    return min(60.0, metrics.psnr(made, face.truth))


def _groups(found: list[Face]) -> dict[str, set[str]]:
    groups = {
        "all": {f.photo for f in found},
        "training folder": {f.photo for f in found if f.source == "training folder"},
        "people": {f.photo for f in found if f.source == "people"},
        "women": {f.photo for f in found if f.subject == "woman"},
        "men": {f.photo for f in found if f.subject == "man"},
        "grey": {f.photo for f in found if f.grey},
        "colour": {f.photo for f in found if not f.grey},
    }
    return {name: photos for name, photos in groups.items() if photos}


def _mean(rows: Iterable[dict[str, Any]], photos: set[str]) -> dict[str, dict[str, float]]:
    out: dict[str, dict[str, float]] = {}
    mine = [row for row in rows if row["photo"] in photos]
    for arm in ARMS:
        of = [row for row in mine if row["arm"] == arm]
        out[arm] = {"faces": len(of)} | {
            name: round(float(np.mean([row[key] for row in of])), 4)
            for name, key in (
                ("psnr", "psnr"),
                ("ssim", "ssim"),
                ("gmsd", "gmsd"),
                ("sharpness", "sharpness"),
                ("identity", "identity_truth"),
            )
        }
    return out


def _target(what: str, wanted: str, found: float, *, low: float = -np.inf, high: float = np.inf) -> Target:
    within = low <= found < high if wanted.startswith("<") and not wanted.startswith("<=") else low <= found <= high
    return Target(what, wanted, round(float(found), 4), bool(within))


def _nearest(
    faces: Path, found: list[Face], made: dict[tuple[str, str], Pixels], report: Report
) -> list[dict[str, Any]]:
    """Look up the training face that is nearest to each result and to each truth."""
    from engine.pretrain.data import read_folder

    folder = read_folder(faces)
    trained = np.flatnonzero(~folder.held_out)
    known: list[NDArray[np.float64]] = []
    for n, pick in enumerate(trained):
        known.append(embed(_small(folder.pixels[pick], 256)))
        report.tick("looking at the training faces", n + 1, len(trained))
    all_known = np.stack(known)
    rows: list[dict[str, Any]] = []
    for face in found:
        row: dict[str, Any] = {"photo": face.photo}
        for name, pixels in (("result", made[face.photo, "sampled"]), ("truth", face.truth)):
            away = np.linalg.norm(all_known - embed(pixels), axis=1)
            row[name] = round(float(away.min()), 4)
            row[f"{name}_name"] = folder.names[trained[int(away.argmin())]]
        rows.append(row)
    return rows


def _sweep(prior: Prior, found: list[Face], report: Report) -> list[dict[str, Any]]:
    plans = [(sampler, steps, SWEPT_AT) for sampler in SAMPLERS for steps in STEPS]
    plans += [("dpmpp-2m", 10, start) for start in STARTS]
    truths = [embed(f.truth) for f in found]
    everywhere = np.ones((prior.size, prior.size), np.float32)
    rows: list[dict[str, Any]] = []
    for n, (sampler, steps, start) in enumerate(plans):
        settings = Settings(sampling=Sampling(sampler, steps, start), prompt=PROMPT)
        figures: list[tuple[float, ...]] = []
        begun = time.monotonic()
        made = [restore_face(prior, f.damaged, settings, seed=0).pixels for f in found]
        seconds = (time.monotonic() - begun) / len(found)
        for face, result, truth in zip(found, made, truths, strict=True):
            figures.append(
                (
                    metrics.psnr(result, face.truth),
                    metrics.gmsd(result, face.truth),
                    metrics.sharpness(result, face.truth, everywhere),
                    float(np.linalg.norm(embed(result) - truth)),
                )
            )
        mean = np.mean(np.array(figures), axis=0)
        names = ("psnr", "gmsd", "sharpness", "identity")
        values = {name: round(float(v), 4) for name, v in zip(names, mean, strict=True)}
        rows.append({"sampler": sampler, "steps": steps, "start": start, **values, "seconds": round(seconds, 3)})
        report.tick("trying samplers", n + 1, len(plans))
    return rows


def _pairs(pictures: list[list[Pixels]]) -> list[tuple[list[Pixels], list[Pixels]]]:
    half = (len(pictures) + 1) // 2
    return list(zip(pictures[:half], pictures[half:], strict=True))
