"""Finding faces, measured: the share found by each detector in photos damaged at three strengths.

The photo as it was tells where the face is. It is damaged as a whole, in units of its face's own crop, so that small
and large faces suffer alike.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from engine import degrade, images
from engine.degrade import METHOD, Ranges
from engine.errors import EngineError
from engine.faces import Face, FaceDetector, detector
from engine.faces.crop import FFHQ5, TEMPLATE_SIZE
from engine.faces.geometry import Points
from engine.faces.retinaface import BACKBONES
from engine.images import Pixels
from engine.progress import Report

PHOTOS = 3
"""Of each person."""
NEAR = 0.25
"""How far a found eye's centre may be from the true one, in eye distances."""
SEED = 23

CROP_OVER_EYES = TEMPLATE_SIZE / (FFHQ5[1][0] - FFHQ5[0][0])
"""Side of a face crop over its eye distance, about 4.07."""


@dataclass(frozen=True)
class Strength:
    """How photos are damaged."""

    ranges: Ranges
    """What the damage is drawn from, in px of a 512 px face crop."""
    aged: bool = False
    """Whether fading, scratches and grain come first."""


STRENGTHS: Mapping[str, Strength | None] = MappingProxyType(
    {
        "none": None,
        "light": Strength(Ranges(blur=(0.1, 4.0), shrink=(1.0, 3.0), noise=(0.0, 8.0), jpeg=(80, 100))),
        "method": Strength(METHOD),
        "hard": Strength(Ranges(blur=(10.0, 16.0), shrink=(8.0, 14.0), noise=(15.0, 35.0), jpeg=(30, 60)), aged=True),
    }
)
"""`method` is what the cleaner was trained on; `hard` begins where that ends."""


class NothingToFind(EngineError):
    """No photo of the folder shows a face that could be looked for."""


@dataclass(frozen=True, eq=False)
class Sample:
    """One photo and where its face is."""

    photo: str
    pixels: Pixels
    face: Face


def run(
    folder: Path,
    report: Report,
    *,
    count: int = PHOTOS,
    weights: Path | None = None,
    clean: Callable[[Pixels], Pixels] | None = None,
) -> list[dict[str, Any]]:
    """Damage photos and look for their faces.

    Args:
        folder: photos, or a folder of photos for each person.
        report: followed; a stop ends it between two photos.
        count: photos of each person.
        weights: folder with facexlib's files; the detectors whose files are there are measured too.
        clean: of the chain that is measured with it, see `engine.faces.Clean`; None leaves that chain out.

    Returns:
        A row for each detector and strength: `detector`, `damage`, `photos`, `found` (share, 0 to 1), `wrong` (faces
        found elsewhere, for each photo), `seconds` (mean for each photo).

    Raises:
        FolderUnreadable, NoPhotosFound, NothingToFind: as `gathered`.
        Cancelled: from the report.
    """
    searches = _searches(weights, clean)
    report.tick("reading photos", 0, 1)
    samples = gathered(folder, count, weights)
    rows: list[dict[str, Any]] = []
    steps = len(searches) * len(STRENGTHS) * len(samples)
    for s, (damage, strength) in enumerate(STRENGTHS.items()):
        damaged = [harmed(sample, strength, np.random.default_rng([SEED, s, n])) for n, sample in enumerate(samples)]
        for name, search in searches.items():
            hits, wrong, seconds = 0, 0, 0.0
            for n, (sample, pixels) in enumerate(zip(samples, damaged, strict=True)):
                report.tick(f"{name}, damage {damage}", len(rows) * len(samples) + n, steps)
                begun = time.perf_counter()
                faces = search.find(pixels)
                seconds += time.perf_counter() - begun
                there = [face for face in faces if is_near(face.eyes, sample.face.eyes)]
                hits += bool(there)
                wrong += len(faces) - len(there)
            rows.append(
                {
                    "detector": name,
                    "damage": damage,
                    "photos": len(samples),
                    "found": round(hits / len(samples), 4),
                    "wrong": round(wrong / len(samples), 4),
                    "seconds": round(seconds / len(samples), 3),
                }
            )
    report.tick("measured", steps, steps)
    return rows


def gathered(folder: Path, count: int, weights: Path | None = None) -> list[Sample]:
    """Give photos with a face, `count` of each person, evenly over the names of the files.

    Raises:
        FolderUnreadable, NoPhotosFound: the folder cannot be listed or has no photo.
        NothingToFind: no photo shows a face.
    """
    search = detector("auto", weights, small=False)
    homes: dict[str, list[Path]] = {}
    for photo in images.list_photos(folder):
        homes.setdefault(photo.relative_to(folder).parts[0] if photo.parent != folder else "", []).append(photo)
    samples: list[Sample] = []
    for photos in homes.values():
        for n in sorted(set(np.linspace(0, len(photos) - 1, min(count, len(photos))).round().astype(int).tolist())):
            pixels = images.read_photo(photos[n]).pixels
            faces = search.find(pixels)
            if faces:
                samples.append(Sample(photos[n].relative_to(folder).as_posix(), pixels, faces[0]))
    if not samples:
        raise NothingToFind(f"No face is found in {folder}. Name a folder of photos, or of a folder for each person.")
    return samples


def harmed(sample: Sample, strength: Strength | None, rng: np.random.Generator) -> Pixels:
    """Give a sample's photo damaged; as it is for no strength."""
    if strength is None:
        return sample.pixels
    pixels = degrade.age(sample.pixels, rng) if strength.aged else sample.pixels
    crop_side = sample.face.eye_distance * CROP_OVER_EYES
    return degrade.degrade(pixels, rng, ranges=strength.ranges, face_size=crop_side)


def is_near(eyes: Points, truth: Points) -> bool:
    """Whether both eyes, `(2, 2)` each, lie where they truly are."""
    apart = float(np.hypot(*(truth[1] - truth[0])))
    return bool((np.hypot(*(eyes - truth).T) <= NEAR * apart).all())


def markdown(rows: list[dict[str, Any]]) -> str:
    """Write the share found, by detector and strength, as a Markdown table."""
    damages = list(dict.fromkeys(row["damage"] for row in rows))
    lines = ["| detector | " + " | ".join(damages) + " | wrong faces a photo | s a photo |"]
    lines.append("|---" * (len(damages) + 3) + "|")
    for name in dict.fromkeys(row["detector"] for row in rows):
        mine = {row["damage"]: row for row in rows if row["detector"] == name}
        shares = " | ".join(f"{100 * mine[damage]['found']:.0f} %" for damage in damages)
        wrong, seconds = (float(np.mean([row[key] for row in mine.values()])) for key in ("wrong", "seconds"))
        lines.append(f"| {name} | {shares} | {wrong:.2f} | {seconds:.2f} |")
    return "\n".join(lines) + "\n"


def cleaner(device: str = "auto") -> Callable[[Pixels], Pixels]:
    """Give the shared prior's cleaner as a detector takes it."""
    from engine.prior import load
    from engine.restore import clean_photo

    return partial(clean_photo, load.load(device=device))


def _searches(weights: Path | None, clean: Callable[[Pixels], Pixels] | None) -> dict[str, FaceDetector]:
    searches: dict[str, FaceDetector] = {
        "dlib": detector("dlib"),
        "dlib-cnn": detector("dlib-cnn"),
        "chain": detector("auto"),
    }
    if clean is not None:
        searches["chain, then cleaned"] = detector("auto", clean=clean)
    for name, file in BACKBONES.items():
        if weights is not None and (weights / file).is_file():
            searches[name] = detector(name, weights)
    return searches
