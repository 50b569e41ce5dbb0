"""Trials: one person's damaged faces of one kind and seed through one arm, measured once and then known for good.

Whatever a trial depends on goes into its key, and what came of it is kept under that key: figures, the vectors that
identities are told by, and the pictures of the first seed. A run that was killed goes on where it was, and an arm that
knows nothing of a recipe is not restored again for the next recipe.

Faces are restored one by one. Three at once take three times as long on two cores (2.82 s against 0.86 s of one), and
each has a start level of its own.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engine import __version__, images, metrics
from engine.evaluation import damages
from engine.evaluation.cohort import Tested, Truth
from engine.evaluation.variants import Variant
from engine.faces import Embedding, cut, embed, estimate_damage, head_mask
from engine.people.reference import IDENTITY_SIZE
from engine.prior.device import precision
from engine.progress import Tick, silent
from engine.restorers import Context, Subject, find, read_options
from engine.workspace import fingerprint, read_json, sha256_file, write_json

if TYPE_CHECKING:
    from engine.faces import FaceCrop
    from engine.prior.bundle import Prior
    from engine.tuning import TunedModel

Pixels = NDArray[np.float32]

VERSION = 1
"""Of what is kept of a trial; another one has all of them made again."""
PICTURED = 0
"""The seed whose pictures are kept."""

NUMBERS = ("psnr", "ssim", "gmsd", "sharpness")


@dataclass(frozen=True, eq=False)
class Measured:
    """One restored face, measured against its truth."""

    photo: str
    numbers: dict[str, float]
    """By `NUMBERS`."""
    embedding: Embedding
    picture: Path | None
    """Of the restored face; only for the seed `PICTURED`."""


@dataclass(frozen=True)
class Trial:
    """What is restored, and by whom."""

    tested: Tested
    kind: str
    """Of damage."""
    seed: int
    """Of the damage and of the sampling's noise."""
    variant: Variant
    tuned: TunedModel | None = None
    """What the arm's prior is made of, where it is tuned."""
    prompt: str = ""
    """What the prior is asked for; "" leaves it to the restorer."""

    @property
    def truths(self) -> tuple[Truth, ...]:
        """The photos of this kind: those with a damaged version for `given`, else all."""
        return tuple(t for t in self.tested.truths if self.kind != damages.GIVEN or t.damaged)


def key_of(prior: Prior, trial: Trial) -> str:
    """Give the fingerprint of everything that a trial depends on."""
    variant, tuned = trial.variant, trial.tuned
    drawn = {"draws": damages.DRAWS, "kind": trial.kind, "seed": trial.seed, "size": prior.size}
    faces = [{"truth": t.sha256, "face": t.seen.face.to_json(), "damaged": _sha256(t.damaged)} for t in trial.truths]
    made: dict[str, Any] = {"restorer": variant.restorer}
    if variant.restorer != "enlarge":
        made |= {"prior": dict(prior.sha256), "device": prior.device.type, "precision": precision(prior.device)}
        made |= {"options": asdict(_options(trial)), "likeness": __version__}
    if tuned is not None:
        made |= {"tuned": tuned.fingerprint, "files": tuned.manifest["files"], "parts": list(variant.parts)}
    return fingerprint({"version": VERSION, **drawn, "faces": faces, "made": made})


def known(folder: Path, prior: Prior, trial: Trial) -> list[Measured] | None:
    """Give what came of a trial earlier, or None when it is still to be made."""
    key = key_of(prior, trial)
    note = folder / f"{key[:24]}.json"
    if not note.is_file():
        return None
    rows: list[Measured] = []
    for n, row in enumerate(read_json(note)["faces"]):
        picture = _picture(folder, key, n) if trial.seed == PICTURED else None
        if picture is not None and not picture.is_file():
            return None
        numbers = {name: float(row[name]) for name in NUMBERS}
        rows.append(Measured(str(row["photo"]), numbers, np.array(row["embedding"], np.float64), picture))
    return rows


def make(folder: Path, prior: Prior, trial: Trial, variant: Prior, *, tick: Tick = silent) -> list[Measured]:
    """Restore and measure the faces of a trial, and keep what came of it.

    Args:
        folder: where it is kept.
        prior: shared; what the key is made of.
        trial: what to do.
        variant: the prior that restores.
        tick: called after each face.
    """
    key, rows = key_of(prior, trial), list[dict[str, Any]]()
    folder.mkdir(parents=True, exist_ok=True)
    restorer, options = find(trial.variant.restorer).load(Context(lambda: variant)), _options(trial)
    for n, truth in enumerate(trial.truths):
        crop = crop_of(truth, prior.size)
        face = damages.damaged(truth, crop, trial.kind, trial.seed)
        subject = Subject(damage=estimate_damage(face))
        result = restorer.restore(face, subject, options, seed=trial.seed, tick=silent)
        if trial.seed == PICTURED:
            picture = _picture(folder, key, n)
            picture.unlink(missing_ok=True)
            images.save_photo(result, picture)
        mask = head_mask(crop)
        rows.append(
            {
                "photo": truth.name,
                # JSON has no infinity, which is what equal pictures have.
                "psnr": round(min(99.0, metrics.psnr(result, crop.pixels)), 4),
                "ssim": round(metrics.ssim(result, crop.pixels), 5),
                "gmsd": round(metrics.gmsd(result, crop.pixels), 5),
                "sharpness": round(metrics.sharpness(result, crop.pixels, mask), 4),
                "embedding": embed(result).round(6).tolist(),
            }
        )
        tick(n + 1, len(trial.truths))
    write_json(folder / f"{key[:24]}.json", {"version": VERSION, "key": key, "faces": rows})
    made = known(folder, prior, trial)
    assert made is not None
    return made


@lru_cache(maxsize=8)
def crop_of(truth: Truth, size: int) -> FaceCrop:
    """Cut a truth out of its photo."""
    return cut(images.read_photo(truth.path).pixels, truth.seen.face, size)


@lru_cache(maxsize=256)
def vector_of(truth: Truth, size: int) -> Embedding:
    """Give the identity vector of a truth as a crop of a size."""
    return truth.seen.embedding if size == IDENTITY_SIZE else embed(crop_of(truth, size))


def _options(trial: Trial) -> Any:
    return read_options(find(trial.variant.restorer).options, {"words": trial.prompt} if trial.prompt else {})


def _picture(folder: Path, key: str, n: int) -> Path:
    return folder / f"{key[:24]}-{n}.png"


@lru_cache(maxsize=1024)
def _sha256(path: Path | None) -> str:
    return "" if path is None else sha256_file(path)
