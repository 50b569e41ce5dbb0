"""Where a restored face is uncertain: how far several restorations of it lie apart, and whether that can be believed.

Several seeds differ where the photo did not say what is there. Whether they differ where they are wrong is another
question, which the person's own good photos answer: some of them are damaged, restored in the very same way, and held
against what they were. Only where the spread goes with the true error is it shown.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engine import __version__, images
from engine.errors import EngineError
from engine.progress import Report, silent
from engine.results import path_beside, read_provenance
from engine.studio import kept
from engine.studio.glimpses import to_photo
from engine.workspace import fingerprint, read_json, write_json

if TYPE_CHECKING:
    from engine.studio.preparing import Asked, Ready

log = logging.getLogger(__name__)

Plane = NDArray[np.float32]

FILE, PICTURE = "uncertainty.json", "uncertainty.png"
"""In the folder of the variations: what was found, and the layer, if it is worth to be shown."""
CALIBRATED = "uncertainty.json"
"""In the folder of the tuned model: correlations by what they depend on."""

LEAST = 3
"""Variations from which on a spread says anything."""
WORTH = 0.3
"""Correlation with the true error from which on the spread is shown."""
REFERENCES = 3
"""Good photos that are damaged and restored to find the correlation."""
SOFT = 1 / 64
"""Standard deviation of the blur of spread and error, as a share of the crop's side: a pixel alone says nothing."""
FULL = 99.0
"""Percentile of the spread in the head that is shown as strongly as can be: which places, not how much, is asked."""
LEAST_FULL = 1.0
"""The least spread, of 255, that is shown so strongly; below it nobody sees a difference."""
COLOUR = (255, 115, 0)
"""Of the layer: no tone that a face has."""
VERSION = 1
"""Of what is kept of a calibration; another one has it made again."""

TOO_FEW = (
    "Where the face is uncertain cannot be told from fewer than {least} variations. Choose 3 or 4 Variations to see it."
)
NOBODY = "Where the face is uncertain is not shown: without a person's good photos nobody knows whether to believe it."
NOT_WORTH = (
    "Where the face is uncertain is not shown: on {photos} of {name}, damaged and restored in the same way, "
    "the variations did not differ where they were wrong (correlation {found:.2f}; {wanted:.1f} is needed)."
)
WORTH_IT = (
    "Uncertainty shows where the variations differ, strongest where by {most:.0f} of 255. On {photos} of {name}, "
    "damaged and restored in the same way, that was where they were wrong, with a correlation of {found:.2f} (1 is "
    "always, 0 is chance)."
)


@dataclass(frozen=True)
class Uncertainty:
    """What is known of where a face is uncertain."""

    sentence: str
    correlation: float | None = None
    """Of spread and true error on the person's own photos; None where it was not found out."""
    picture: Path | None = None
    """The layer; None where it is not shown."""
    side: int = 0
    """Of the layer, in px."""
    to_photo: tuple[float, ...] = ()
    """Where its px lie in the upright photo, as CSS's `matrix` has it."""


def spread(faces: Sequence[images.Pixels]) -> Plane:
    """Give how far restorations of one face lie apart at each pixel.

    Args:
        faces: at least two, `(size, size, 3)` each, 0 to 1.

    Returns:
        `(size, size)`: standard deviation over the faces, mean over the colours, blurred by `SOFT`; 0 to 1.
    """
    return _soft(np.std(np.stack(faces), axis=0, ddof=1).mean(axis=2))


def error(faces: Sequence[images.Pixels], truth: images.Pixels) -> Plane:
    """Give how far restorations lie from the truth at each pixel in the mean, like `spread`."""
    return _soft(np.abs(np.stack(faces) - truth).mean(axis=(0, 3)))


def correlation(apart: Plane, wrong: Plane, mask: Plane) -> float:
    """Give Pearson's correlation of spread and error where a mask is above a half; 0 where either is even."""
    there = mask > 0.5
    a, b = apart[there].astype(np.float64), wrong[there].astype(np.float64)
    if a.size < 2 or min(a.std(), b.std()) < 1e-9:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def calibrated(ready: Ready, asked: Asked, seeds: Sequence[int], report: Report) -> tuple[float, int]:
    """Give the mean correlation on a person's own good photos, and how many were used.

    What was found is kept with the tuned model, under all that it depends on.

    Args:
        ready: the restorer with its options and the person; both a gallery and a tuned model are there.
        asked: says where it runs.
        seeds: of the variations.
        report: followed.

    Raises:
        EngineError: a good photo cannot be read any more.
        Cancelled: from the report; nothing is kept.
    """
    from engine import degrade
    from engine.faces import cut, estimate_damage, head_mask
    from engine.restorers import Context
    from engine.studio.shelf import shelf

    assert ready.gallery is not None and ready.tuned is not None
    chosen = ready.gallery.references[:REFERENCES]
    key = fingerprint(
        {
            "version": VERSION,
            "engine": __version__,
            "restorer": ready.info.id,
            "options": asdict(ready.options),
            "count": len(seeds),
            "tuned": ready.tuned.fingerprint,
            "files": dict(ready.tuned.manifest["files"]),
            "references": [reference.id for reference in chosen],
        }
    )
    known = _known(ready.tuned.folder)
    if key in known:
        return float(known[key]), len(chosen)
    restorer, _ = shelf().get(ready.info, Context(lambda: ready.prior, ready.weights, asked.device, asked.prior))
    found: list[float] = []
    total = len(chosen) * len(seeds)
    for n, reference in enumerate(chosen):
        photo = images.read_photo(ready.gallery.photos / reference.photo).pixels
        crop = cut(photo, reference.face, ready.size)
        damaged = degrade.degrade(crop.pixels, np.random.default_rng([VERSION, n]))
        subject = ready.subject(estimate_damage(damaged))
        made: list[images.Pixels] = []
        for k, seed in enumerate(seeds):
            report.tick("checking the uncertainty", n * len(seeds) + k, total)
            made.append(restorer.restore(damaged, subject, ready.options, seed=seed, tick=silent))
        found.append(correlation(spread(made), error(made, crop.pixels), head_mask(crop)))
    report.tick("checking the uncertainty", total, total)
    mean = round(float(np.mean(found)), 4)
    write_json(ready.tuned.folder / CALIBRATED, {"version": VERSION, "correlations": {**known, key: mean}})
    return mean, len(chosen)


def find_out(ready: Ready, asked: Asked, results: Sequence[Mapping[str, Any]], report: Report) -> Uncertainty:
    """Find out where the variations of a face are uncertain, and write it where `read` finds it.

    Args:
        ready: what they were made with.
        asked: what was asked for; `out` is the folder of the variations.
        results: as `studio.restoring.restore` gives them.
        report: followed.

    Raises:
        EngineError, Cancelled: as `calibrated`; or the disk is full.
    """
    if len(results) < LEAST:
        made = Uncertainty(TOO_FEW.format(least=LEAST))
    elif ready.person is None or ready.tuned is None or ready.gallery is None or ready.faces is None:
        made = Uncertainty(NOBODY)
    else:
        told = [read_provenance(path_beside(Path(one["result"]))) for one in results]
        made = _judged(ready, asked, told, report)
    write_json(
        asked.out / FILE,
        {
            **asdict(made),
            "version": VERSION,
            "picture": made.picture.name if made.picture is not None else "",
            "to_photo": list(made.to_photo),
        },
    )
    return made


def read(folder: Path) -> Uncertainty | None:
    """Read what `find_out` wrote into a folder; None where there is nothing, or it is damaged."""
    try:
        told: Any = read_json(folder / FILE)
        picture = folder / Path(str(told["picture"])).name if told["picture"] else None
        place = tuple(float(value) for value in told["to_photo"])
        found = None if told["correlation"] is None else float(told["correlation"])
        return Uncertainty(str(told["sentence"]), found, picture, int(told["side"]), place)
    except (EngineError, KeyError, TypeError, ValueError) as error:
        if (folder / FILE).exists():
            log.warning("%s cannot be read: %s", folder / FILE, error)
        return None


def _judged(ready: Ready, asked: Asked, told: Sequence[Mapping[str, Any]], report: Report) -> Uncertainty:
    """Give the layer if the person's own photos say that it is worth to be shown, else why not."""
    from engine.faces import FaceCrop, face_from_json, head_mask

    assert ready.faces is not None and ready.person is not None
    found, count = calibrated(ready, asked, [int(one["seed"]) for one in told], report)
    words = {
        "photos": "1 good photo" if count == 1 else f"{count} good photos",
        "name": ready.person.name,
        "found": found,
        "wanted": WORTH,
    }
    if found < WORTH:
        return Uncertainty(NOT_WORTH.format(**words), found)
    faces = [one.pixels for each in told if (one := kept.find(ready.faces, kept.key_of(each))) is not None]
    if len(faces) < LEAST:  # a full disk keeps none
        return Uncertainty(TOO_FEW.format(least=LEAST), found)
    size = faces[0].shape[0]
    place = told[0]["face"]
    crop = FaceCrop(faces[0], np.array(place["from_photo"], np.float64), size, face_from_json(place))
    apart, head = spread(faces) * 255, head_mask(crop)
    most = max(LEAST_FULL, float(np.percentile(apart[head > 0.5], FULL)))
    strength = np.clip(apart / most, 0, 1) * head
    veil = images.Photo(
        np.tile(np.array(COLOUR, np.uint8), (size, size, 1)),
        np.rint(strength * 255).astype(np.uint8),
        None,
        None,
        PICTURE,
    )
    (asked.out / PICTURE).unlink(missing_ok=True)
    picture = images.save_photo(veil, asked.out / PICTURE)
    return Uncertainty(WORTH_IT.format(**words, most=most), found, picture, size, to_photo(crop, size))


def _known(folder: Path) -> dict[str, float]:
    """Give the correlations that are kept with a tuned model."""
    try:
        told: Any = read_json(folder / CALIBRATED)
        return dict(told["correlations"]) if told["version"] == VERSION else {}
    except (EngineError, KeyError, TypeError, ValueError):
        return {}


def _soft(plane: NDArray[np.floating[Any]]) -> Plane:
    import cv2

    values = np.asarray(plane, np.float32)
    return np.asarray(cv2.GaussianBlur(values, (0, 0), max(0.5, SOFT * values.shape[0])), np.float32)
