"""Does every knob of the Restore screen do what its sentence says? Measured at several stops, on many faces and seeds.

What came of a knob on a face is kept under a fingerprint of all that it depends on, so a run that was broken off goes
on, and the next one repeats nothing. What a knob does with the shipped prior is stored beside that prior, and the
screens leave out a knob that does nothing.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine import __version__, degrade, images, metrics
from engine.errors import EngineError
from engine.evaluation.card import whole_face
from engine.evaluation.cohort import stand_in
from engine.evaluation.demo import SAMPLE
from engine.evaluation.doctor import machine
from engine.evaluation.slider_claims import MEASURES, NOT_MEASURED, PROOFS, RESTORER, Claim, Proof, knobs, titles
from engine.faces import Embedding, Face, cut, detector, distance, embed, estimate_damage, head_mask
from engine.prior.bundle import Prior
from engine.prior.device import precision_of
from engine.progress import Report, silent
from engine.restore import clean_face
from engine.restorers import Context, Subject, find, read_options
from engine.studio.finish import Finish, read_finish
from engine.studio.fitting import Ground
from engine.studio.proven import UNSEEN, stored
from engine.tuning import BadTunedModel, fingerprint_of, read_tuned, recipe
from engine.tuning.run import tune
from engine.tuning.views import GENERIC
from engine.workspace import Workspace, fingerprint, read_json, write_json

Pixels = NDArray[np.float32]

VERSION = 1
"""Of what is kept of a knob on a face; another one has all of it measured again."""
DRAWS = 7
"""Goes into the draws of damage."""
SMALLER = 2
"""How many times smaller than the photo the crop is that is fitted into it, so that the photo has detail of its own."""
FLAT = 0.02
"""Share of a measure's whole way by which it may go back between two stops, where a knob may do nothing for a while."""
TINT = (1.0, 0.86, 0.68)
"""Of the photo whose tone is kept: sepia."""


class NoFaces(EngineError):
    """There is nothing to measure the knobs on."""


@dataclass(frozen=True)
class Case:
    """A face whose good version is known."""

    name: str
    truth: Pixels
    """`(size, size, 3)`, 0 to 1, FFHQ alignment."""
    damaged: Pixels
    """Like `truth`."""


@dataclass(frozen=True)
class Known:
    """A person whose tuned model and references there are."""

    subject: Subject
    references: tuple[Embedding, ...]
    cases: tuple[Case, ...]
    key: str
    """Fingerprint of the tuned model."""


def run(
    workspace: Workspace,
    prior: Prior,
    report: Report,
    *,
    folder: Path | None = None,
    faces: int = 24,
    seeds: int = 3,
    only: Sequence[str] = (),
    made: str = "quick",
) -> dict[str, Any]:
    """Measure the knobs.

    Args:
        workspace: keeps in its cache what was measured, and the sample person's tuned model.
        prior: whose knobs.
        report: followed.
        folder: photos with one face each; None takes the generic faces that come along. Identity strength is always
            measured on the sample person, who comes along too.
        faces: how many.
        seeds: how many seeds a face.
        only: names of the knobs to measure; none for all of them.
        made: recipe for the sample person.

    Returns:
        `machine`, `prior`, `rows`: see `row_of`.

    Raises:
        NoFaces: the folder holds no face.
        Cancelled: from the report; what was measured is kept.
    """
    unknown = sorted(set(only) - set(knobs()))
    if unknown:
        raise NoFaces(f"There is no knob {unknown[0]!r}. The knobs are: {', '.join(knobs())}.")
    kept = workspace.cache / "sliders"
    proofs = [proof for proof in PROOFS if not only or proof.knob in only]
    cases = read_cases(folder or GENERIC, faces, prior.size)
    person = None
    if any(proof.faces == "person" for proof in proofs):
        person = known_person(prior, kept, faces, report, made)
    work = [
        (proof, case) for proof in proofs for case in (person.cases if proof.faces == "person" and person else cases)
    ]
    found: dict[str, list[dict[str, Any]]] = {proof.knob: [] for proof in proofs}
    for done, (proof, case) in enumerate(work):
        report.tick(f"measuring {titles()[proof.knob]}", done, len(work))
        who = person if proof.faces == "person" else None
        found[proof.knob] += measured(kept / "faces", prior, proof, case, seeds, who)
    report.tick("measured", len(work), len(work))
    return {
        "machine": {**machine(), "device": str(prior.device), "precision": precision_of(prior)},
        "prior": {"name": prior.name, "sha256": dict(prior.sha256)},
        "faces": len(cases),
        "seeds": seeds,
        "rows": [row_of(proof, found[proof.knob]) for proof in proofs]
        + [_unmeasured(name) for name in NOT_MEASURED if not only or name in only],
    }


def store(made: Mapping[str, Any], prior_name: str, weights: Path) -> Path:
    """Keep what was measured where the screens look for it, and give the file."""
    file = stored(prior_name, weights)
    write_json(file, dict(made))
    return file


def read_cases(folder: Path, count: int, size: int) -> list[Case]:
    """Give faces of a folder, evenly over its files' names, each with a damage that is fixed by its place.

    Raises:
        NoFaces: no face is found in any of the photos.
    """
    files = images.list_photos(folder)
    found: list[Case] = []
    for n in range(min(count, len(files))):
        file = files[n * len(files) // min(count, len(files))]
        pixels = images.read_photo(file).pixels
        if folder == GENERIC:
            truth = images.resize(pixels, (size, size))
        else:
            seen = detector().find(pixels)
            if not seen:
                continue
            truth = cut(pixels, seen[0], size).pixels
        found.append(_damaged(file.stem, truth, n))
    if not found:
        raise NoFaces(f"No face is found in the photos of {folder}. Name a folder of photos with one face each.")
    return found


def known_person(prior: Prior, kept: Path, count: int, report: Report, made: str) -> Known:
    """Tune the sample person, or find them tuned, and give their good photos with drawn damages."""
    gallery = stand_in("sample", SAMPLE / "references", [(f.name, _face(f)) for f in _photos("references")])
    how = recipe(made)
    key = fingerprint_of(prior, gallery, how)
    folder = kept / "tuned" / key[:24]
    try:
        tuned = read_tuned(folder)
    except BadTunedModel:
        folder.mkdir(parents=True, exist_ok=True)
        tuned = tune(prior, gallery, how, folder, report)
    files = _photos("truth")
    truths = [cut(images.read_photo(file).pixels, _face(file), prior.size).pixels for file in files]
    # The same ones over and over: each has another damage.
    cases = [_damaged(f"{files[n % len(files)].stem}-{n}", truths[n % len(files)], n) for n in range(count)]
    subject = Subject(gallery.person.prompt, (), tuned.folder)
    return Known(subject, tuple(gallery.embeddings), tuple(cases), tuned.fingerprint)


def measured(
    kept: Path, prior: Prior, proof: Proof, case: Case, seeds: int, person: Known | None
) -> list[dict[str, Any]]:
    """Give what came of a knob on a face: a row for each seed and stop, found again where it was measured before."""
    count = 1 if proof.finish else seeds
    told = {
        "version": VERSION,
        "engine": __version__,
        "prior": dict(prior.sha256),
        "device": [prior.device.type, precision_of(prior)],
        "proof": asdict(proof),
        "case": hashlib.sha256(case.truth.tobytes() + case.damaged.tobytes()).hexdigest(),
        "seeds": count,
        "person": person.key if person is not None else "",
    }
    file = kept / f"{fingerprint(told)[:24]}.json"
    if file.is_file():
        return list(read_json(file)["rows"])
    rows: list[dict[str, Any]] = []
    for seed in range(count):
        made = _finished(prior, proof, case) if proof.finish else _restored(prior, proof, case, seed, person)
        rows += [{"stop": n, "seed": seed, "face": case.name, **one} for n, one in enumerate(made)]
    kept.mkdir(parents=True, exist_ok=True)
    write_json(file, {"rows": rows})
    return rows


def row_of(proof: Proof, found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Give a knob's row.

    Returns:
        `knob`, `title`, `says` (its sentence); `stops`; `means`, by measure, one number a stop; `claims`, each with
        whether it holds from every stop to the next; `change`, the largest mean change from the first stop, of 255;
        `works`, whether there is a change that can be seen; `holds`, whether that and all claims hold; `why` where a
        knob has no numbers.
    """
    wanted = ("moved", *(claim.measure for claim in proof.claims))
    means = {name: _means(found, name, len(proof.stops)) for name in dict.fromkeys(wanted)}
    claims = [_claim(claim, means[claim.measure]) for claim in proof.claims]
    change = max(means["moved"])
    works = change >= UNSEEN
    return {
        "knob": proof.knob,
        "title": titles()[proof.knob],
        "says": knobs()[proof.knob],
        "stops": list(proof.stops),
        "with": dict(proof.with_it),
        "means": means,
        "claims": claims,
        "change": round(change, 3),
        "works": works,
        "holds": works and all(claim["holds"] for claim in claims),
        "finish": proof.finish,
        "why": "",
    }


def _unmeasured(name: str) -> dict[str, Any]:
    empty: dict[str, Any] = {"stops": [], "with": {}, "means": {}, "claims": [], "change": None}
    return {
        "knob": name,
        "title": titles()[name],
        "says": knobs()[name],
        **empty,
        "works": True,
        "holds": None,
        "finish": True,
        "why": NOT_MEASURED[name],
    }


def _means(found: Sequence[Mapping[str, Any]], name: str, stops: int) -> list[float]:
    return [round(float(np.mean([row[name] for row in found if row["stop"] == n])), 4) for n in range(stops)]


def _claim(claim: Claim, means: Sequence[float]) -> dict[str, Any]:
    sign = 1 if claim.rises else -1
    steps = np.diff(means) * sign
    what = f"{MEASURES[claim.measure]} {'rises' if claim.rises else 'falls'}"
    back = 0.0 if claim.strict else -FLAT * float(np.ptp(means))
    holds = bool((steps > back).all()) and float(steps.sum()) > 0
    return {"what": what, "measure": claim.measure, "rises": claim.rises, "holds": holds}


def _restored(prior: Prior, proof: Proof, case: Case, seed: int, person: Known | None) -> list[dict[str, float]]:
    """Restore a face at every stop, and measure."""
    info = find(RESTORER if person is not None else "diffbir")
    restorer = info.load(Context(lambda: prior))
    given = case.truth if proof.faces == "sound" else case.damaged
    cleaned, damage = clean_face(prior, given), estimate_damage(given)
    mask = head_mask(cut(case.truth, whole_face(prior.size), prior.size))
    subject = person.subject if person is not None else Subject()
    made: list[tuple[Pixels, float]] = []
    for n in range(len(proof.stops)):
        options = read_options(info.options, proof.options(n))
        begun = time.perf_counter()
        subject = Subject(subject.prompt, subject.references, subject.tuned, damage)
        face = restorer.restore(given, subject, options, seed=seed, tick=silent)
        made.append((face, time.perf_counter() - begun))
    first, last = made[0][0], made[-1][0]
    rows: list[dict[str, float]] = []
    for face, seconds in made:
        row = {
            "psnr": min(99.0, metrics.psnr(face, case.truth)),
            "sharpness": metrics.sharpness(face, case.truth, mask),
            "cleaned": min(99.0, metrics.psnr(face, cleaned)),
            "colour": _apart(_colours(face), _colours(cleaned)),
            "moved": _apart(face, first),
            "last": _apart(face, last),
            "seconds": seconds,
        }
        if person is not None:
            who = embed(face)
            row["references"] = float(np.mean([distance(who, known) for known in person.references]))
        rows.append({name: round(value, 5) for name, value in row.items()})
    return rows


def _finished(prior: Prior, proof: Proof, case: Case) -> list[dict[str, float]]:
    """Fit a cleaned face into a photo at every stop, and measure."""
    side, size = prior.size, prior.size // SMALLER
    wide = case.truth if proof.faces == "sound" else case.damaged
    if proof.knob == "tone":
        wide = np.asarray(_grey(wide) * np.array(TINT, np.float32), np.float32)
    restored = images.resize(clean_face(prior, case.damaged), (size, size))
    with tempfile.TemporaryDirectory(prefix="likeness-sliders-") as folder:
        photo = images.read_photo(images.save_photo(wide, Path(folder) / "photo.png"))
    pixels = photo.pixels
    crop = cut(pixels, whole_face(side), size)
    mask = head_mask(cut(pixels, whole_face(side), side))
    damage = estimate_damage(crop.pixels, crop.scale)
    shown: list[tuple[Pixels, int]] = []
    for n in range(len(proof.stops)):
        finish: Finish = read_finish(proof.options(n))
        ground = Ground(photo, pixels, crop, restored, damage, finish, fitted=True, seed=0)
        done = ground.wide.copy()
        place, part = ground.shown(finish)
        done[place] = part
        shown.append((images.resize(done, (side, side)) if ground.scale > 1 else done, ground.scale))
    first = shown[0][0]
    return [
        {
            "photo": round(_apart(done, pixels), 5),
            "sharpness": round(metrics.sharpness(done, pixels, mask), 5),
            "moved": round(_apart(done, first), 5),
            "detail": round(_apart(_fine(done), _fine(pixels)), 5),
            "side": float(scale),
        }
        for done, scale in shown
    ]


def _damaged(name: str, truth: Pixels, number: int) -> Case:
    return Case(name, truth, degrade.degrade(truth, np.random.default_rng([DRAWS, number])))


def _photos(part: str) -> list[Path]:
    found = images.list_photos(SAMPLE / part)
    if not found:
        raise NoFaces(f"The sample person in {SAMPLE} is missing. Get the project's files again.")
    return found


def _face(file: Path) -> Face:
    seen = detector().find(images.read_photo(file).pixels)
    if not seen:
        raise NoFaces(f"No face is found in {file}. Get the project's files again.")
    return seen[0]


def _apart(a: Pixels, b: Pixels) -> float:
    """Give the mean absolute difference, of 255."""
    return float(np.abs(a - b).mean()) * 255


def _colours(pixels: Pixels) -> Pixels:
    """Give the colours of a picture without its detail, 8 px wide."""
    return images.resize(pixels, (8, 8))


def _fine(pixels: Pixels) -> Pixels:
    """Give what of a picture is lost at half its size."""
    height, width = pixels.shape[:2]
    return pixels - images.resize(images.resize(pixels, (width // 2, height // 2)), (width, height))


def _grey(pixels: Pixels) -> Pixels:
    return np.repeat(pixels @ np.array((0.299, 0.587, 0.114), np.float32), 3).reshape(pixels.shape)
