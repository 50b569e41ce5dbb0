"""Make and check the table by which the damage of a face is estimated, from good faces damaged in known ways.

`python -m engine.evaluation.damage_table FOLDER` fits on three quarters of the faces in FOLDER (aligned crops of
256 px or more) and prints the table with what it does on the other quarter. Least squares, so there is one answer.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine import degrade, images
from engine.faces.damage import MEASURED_SIZE, features
from engine.faces.damage_table import BLUR_SHIFT, JPEG_TOP, NOISE_SHIFT
from engine.images import Pixels

Floats = NDArray[np.float64]

EACH = 5
"""Damaged copies of each face; one in ten of them is not damaged at all."""
RIDGE = 3.0
"""Weight of the penalty on large weights, for standardised features."""
SUFFIXES = frozenset({".webp", ".jpg", ".jpeg", ".png"})


@dataclass(frozen=True)
class Known:
    """What was done to a face; units as `SeenDamage` has them."""

    blur: float
    noise: float
    jpeg: int


def damaged(pixels: Pixels, rng: np.random.Generator) -> tuple[Pixels, Known]:
    """Damage a face of `MEASURED_SIZE`: each kind of damage present or not, in the method's ranges and somewhat beyond.

    Args:
        pixels: `(MEASURED_SIZE, MEASURED_SIZE, 3)`, 0 to 1; not changed.
        rng: draws the damage.
    """
    unit = MEASURED_SIZE / degrade.REFERENCE_SIZE
    drawn = degrade.draw(rng)
    blurred, shrunk, noisy, packed, grainy = rng.random(5) < (0.6, 0.6, 0.55, 0.6, 0.2)
    if rng.random() < 0.1:
        blurred = shrunk = noisy = packed = grainy = False
    quality = int(rng.uniform(15, 60)) if rng.random() < 0.25 else drawn.jpeg
    done = degrade.Damage(
        drawn.blur_x if blurred else 0.1,
        drawn.blur_y if blurred else 0.1,
        drawn.angle,
        drawn.shrink if shrunk else 1.0,
        drawn.noise if noisy else 0.0,
        quality if packed else 100,
    )
    out = degrade.apply(pixels, done, rng)
    grain = 0.0
    if grainy:
        out, grain = _grained(out, rng)
    if rng.random() < 0.2:
        out = np.repeat((out @ np.array((0.299, 0.587, 0.114), np.float32))[..., None], 3, axis=2)
    smaller = max(done.shrink * unit, 1.0)
    round_blur = (done.blur_x**2 + done.blur_y**2) / 2 * unit**2
    # Shrinking n-fold and enlarging again by bilinear interpolation blurs like a Gaussian of some 0.45 n px.
    blur = float(np.sqrt(round_blur + 0.45**2 * (smaller**2 - 1)))
    return images.from_uint8(images.to_uint8(out)), Known(blur, float(np.hypot(done.noise, grain)), done.jpeg)


def gather(files: list[Path], rng: np.random.Generator, each: int = EACH) -> tuple[Floats, Floats, NDArray[np.int_]]:
    """Give features `(N, 55)`, what was done `(N, 3)` (blur, noise, JPEG quality) and which file each row is of."""
    seen: list[Floats] = []
    done: list[tuple[float, float, float]] = []
    for path in files:
        face = images.resize(images.read_photo(path).pixels, (MEASURED_SIZE, MEASURED_SIZE))
        for _ in range(each):
            worse, known = damaged(face, rng)
            seen.append(features(worse))
            done.append((known.blur, known.noise, known.jpeg))
    return np.array(seen), np.array(done), np.repeat(np.arange(len(files)), each)


def targets(done: Floats) -> Floats:
    """Give what the table's scores stand for, `(N, 3)`: logarithms, so that an error counts by its share."""
    return np.log(np.stack([done[:, 0] + BLUR_SHIFT, done[:, 1] + NOISE_SHIFT, JPEG_TOP - done[:, 2]], axis=1))


def fit(seen: Floats, wanted: Floats) -> dict[str, Floats]:
    """Give the table's rows: LOW and HIGH (the range to clip features to), WEIGHTS `(3, 55)` and BIAS `(3,)`."""
    low, high = np.percentile(seen, 0.5, axis=0), np.percentile(seen, 99.5, axis=0)
    clipped = np.clip(seen, low, high)
    mean, spread = clipped.mean(axis=0), clipped.std(axis=0) + 1e-6
    standard, centre = (clipped - mean) / spread, wanted.mean(axis=0)
    normal = standard.T @ standard + RIDGE * np.eye(standard.shape[1])
    weights = np.linalg.solve(normal, standard.T @ (wanted - centre)).T / spread
    return {"LOW": low, "HIGH": high, "WEIGHTS": weights, "BIAS": centre - weights @ mean}


def scores(rows: dict[str, Floats], seen: Floats) -> Floats:
    """Give the table's scores for features, `(N, 3)`."""
    return np.clip(seen, rows["LOW"], rows["HIGH"]) @ rows["WEIGHTS"].T + rows["BIAS"]


def rank_correlation(a: Floats, b: Floats) -> float:
    """Give Spearman's rank correlation; equal values share their mean rank."""
    return float(np.corrcoef(_ranks(a), _ranks(b))[0, 1])


def main(arguments: list[str] | None = None) -> None:
    """Fit on a folder and print the table and its worth."""
    parser = argparse.ArgumentParser(prog="python -m engine.evaluation.damage_table", description=__doc__)
    parser.add_argument("folder", type=Path)
    given = parser.parse_args(arguments)
    files = sorted(path for path in given.folder.glob("*") if path.suffix.lower() in SUFFIXES)
    seen, done, which = gather(files, np.random.default_rng(0))
    wanted, held_out = targets(done), which % 4 == 3
    rows = fit(seen[~held_out], wanted[~held_out])
    told = scores(rows, seen[held_out])
    for number, name in enumerate(("blur", "noise", "jpeg")):
        worth = rank_correlation(told[:, number], wanted[held_out, number])
        sys.stdout.write(f"# {name}: rank correlation {worth:.3f} on {int(held_out.sum())} held-out faces\n")
    for name, values in rows.items():
        sys.stdout.write(f"{name} = {np.array2string(values.round(4), separator=', ', threshold=10_000)}\n")


def _grained(pixels: Pixels, rng: np.random.Generator) -> tuple[Pixels, float]:
    """Add grain as `degrade.age` does; give how strong it is, of 255."""
    import cv2

    size, strength = float(rng.uniform(0.4, 1.2)), float(rng.uniform(0.01, 0.06))
    grain = np.asarray(cv2.GaussianBlur(rng.standard_normal(pixels.shape[:2], dtype=np.float32), (0, 0), size))
    grain *= strength / (float(grain.std()) + 1e-6)
    return np.asarray(np.clip(pixels + grain[..., None], 0, 1), np.float32), strength * 255


def _ranks(values: Floats) -> Floats:
    unique, place, count = np.unique(values, return_inverse=True, return_counts=True)
    del unique
    last = np.cumsum(count)
    return (last - (count - 1) / 2)[place]


if __name__ == "__main__":
    main()
