"""Making generic faces, who are nobody, out of a folder of aligned portraits.

    python -m engine.evaluation.generic_faces make FACES OUT [--vectors FILE]
    python -m engine.evaluation.generic_faces sharpen FACES MADE OUT [--prior FOLDER] [--vectors FILE]

`FACES` holds portraits of 384 px in the FFHQ template; `OUT`, a new folder, gets what ships in `assets/faces`. A face
is the morph of three portraits by dense correspondence with its shape drawn out beyond the mean, set into the head of a
fourth, in that portrait's light: hair, ears, clothes and background stay one photograph, so nothing is seen twice. All
portraits that are used are AI-generated (CC0), so even the sources are nobody. A face is kept when dlib finds it unlike
every portrait of the folder and every face kept before.

`sharpen` lets a prior go over the faces that `make` made and keeps what it makes of each where it passes the same test.
The app never runs this.
"""

from __future__ import annotations

import argparse
import itertools
import json
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.degrade import toned
from engine.degrade.old import LUMA
from engine.errors import EngineError
from engine.evaluation import morph
from engine.evaluation.inner_face import Inner, set_in
from engine.evaluation.morph import Pixels
from engine.evaluation.portraits import (
    SIDE,
    Group,
    ellipse,
    embed_portraits,
    face_group,
    nearest,
    portrait,
    seen,
    write_readme,
    write_record,
)
from engine.faces import Embedding, distance, embed
from engine.images import read_photo, resize, save_photo

logger = logging.getLogger(__name__)

MADE_BY = "python -m engine.evaluation.generic_faces"

# Women and men who are turned away, behind a hand or glasses: nothing corresponds there.
UNFIT = frozenset((6, 24, 37, 54, 61, 62, 65, 77, 80, 84, 85, 97))
UNFIT_MEN = frozenset((106, 126, 193))
COVERED = frozenset((4, 8, 9, 14, 17, 33, 36, 38, 41, 70, 76, 88, 93, 102, 115, 121))
"""Hair under a cloth or hat: fit to be the head of a face, not to lend its skin to one."""

CUT = frozenset((43, 124, 143, 162, 168, 178))
"""The photograph ended above the hair and is mirrored there: fit to lend skin, not to be a head."""

COUNT = 150
"""How many generic faces are made of the women and of the men together."""
GREY_EVERY = 7
"""Every so many are grey; of these every other one is toned, as old prints are."""
APART = 0.465
"""A face is kept when every portrait is farther than this by dlib; 0.45 stays over after JPEG."""
DIFFERENT = 0.37
"""And when every face kept before is farther than this."""
UNLIKE = 0.55
"""Portraits that are nearer than this by dlib are not morphed with one another: the result would be like both."""
SIDE_PX = 256
QUALITY = 84
"""Of JPEG."""
TRIES = 10
"""How many threesomes are tried in one head: those whose eyes and mouths are most alike."""
REACH = 14
"""Among how many portraits of the most similar skin a head's three are chosen."""
LOW, HIGH = (0.36, 0.32, 0.32), (0.5, 0.25, 0.25)
DRAWN_OUT = 1.4
SHARPEN_START = 0.12
"""How far the prior noises a face before it draws it again, 0 (not at all) to 1."""


def set_face(faces: Group, head: str, three: Sequence[str]) -> Pixels:
    """Set the morph of three portraits into the head of another one, `(SIDE_PX, SIDE_PX, 3)`, 0 to 1."""
    area = ellipse((192, 234), (88, 124), 18)[..., None]
    inner = Inner(tuple(three), LOW, HIGH, DRAWN_OUT)
    own = faces.flows[head]
    # Outside the face the head keeps its own shape, so nothing but the face moves.
    shape = np.asarray(own + (inner.shape(faces) - own) * area, dtype=np.float32)
    place = morph.identity_map(SIDE, SIDE) + morph.inverse(shape)
    mask = np.clip(morph.sample(ellipse((192, 236), (80, 112), 9), place, smooth=False), 0, 1)
    out = set_in(seen(faces, head, place), inner.skin(faces, place, scale=1.0), mask, sigma=30)
    return resize(np.asarray(np.clip(out, 0, 1), np.float32), (SIDE_PX, SIDE_PX))


def choose(
    groups: Sequence[Group], portraits: Mapping[str, Embedding], rng: np.random.Generator
) -> Iterator[tuple[Pixels, dict[str, Any]]]:
    """Yield generic faces that are like none of anybody's, at most `COUNT`, as evenly over the groups as they allow.

    Args:
        groups: kinds that are not mixed.
        portraits: the vector of every portrait that a face must not be near.
        rng: draws the order of the heads and who leads in the detail.

    Yields:
        Picture and its record.
    """
    known = np.stack(list(portraits.values()))
    kept: list[Embedding] = []
    for order, faces in enumerate(groups):
        wanted = COUNT * (order + 1) // len(groups)
        for head, threesomes in _threesomes(faces, portraits, rng):
            if len(kept) == wanted:
                break
            for three in threesomes:
                face = _printed(set_face(faces, head, three), len(kept), rng)
                vector = embed(face)
                others = [distance(vector, other) for other in kept]
                if np.linalg.norm(known - vector, axis=1).min() > APART and min(others, default=2.0) > DIFFERENT:
                    kept.append(vector)
                    name = f"face-{len(kept):03d}.jpg"
                    yield face, {"file": name, "inner": list(three), "head": head, "sources": sorted({*three, head})}
                    break
        logger.info("%d generic faces", len(kept))


def _printed(face: Pixels, number: int, rng: np.random.Generator) -> Pixels:
    """Return a face in grey or in one tone if its number says so."""
    if number % GREY_EVERY:
        return face
    if number // GREY_EVERY % 2:
        return toned(face, rng)
    return np.repeat((face @ LUMA)[..., None], 3, axis=2)


def _threesomes(
    faces: Group, vectors: Mapping[str, Embedding], rng: np.random.Generator
) -> Iterator[tuple[str, list[tuple[str, ...]]]]:
    """Yield each head, and threesomes for it of portraits with skin like its own, unlike it and one another."""
    names = list(faces.cutouts)
    skins, features = (np.stack([of(faces, name) for name in names]) for of in (_skin, _features))
    strange = np.linalg.norm(features[:, None] - features[None], axis=-1)
    lenders = [k for k, name in enumerate(names) if int(name[-4:]) not in COVERED]
    own = np.stack([vectors[n] for n in names])
    unlike = np.linalg.norm(own[:, None] - own[None], axis=-1) > UNLIKE

    def strangeness(three: tuple[int, ...]) -> float:
        return sum(float(strange[a, b]) for a, b in itertools.combinations(three, 2))

    for first in (0, TRIES):  # the second time with the next threesomes, should heads be wanting
        for head in rng.permutation([k for k, name in enumerate(names) if int(name[-4:]) not in CUT]):
            near = sorted(lenders, key=lambda k: float(np.linalg.norm(skins[head] - skins[k])))
            near = [k for k in near if k != head and unlike[head, k]][:REACH]
            possible = [
                three
                for three in itertools.combinations(near, 3)
                if all(unlike[pair] for pair in itertools.combinations(three, 2))
            ]
            best = sorted(possible, key=strangeness)[first : first + TRIES]
            yield names[head], [tuple(names[k] for k in rng.permutation(three)) for three in best]


def _skin(faces: Group, name: str) -> NDArray[np.float32]:
    """Return the coarse colours of a portrait's face in the mean shape, beard and light included, and its wrinkles."""
    warped = seen(faces, name, morph.identity_map(SIDE, SIDE))[110:360, 100:284]
    colours = cv2.resize(morph.blur(warped, 8), (12, 16), interpolation=cv2.INTER_AREA)
    detail = morph.floats(np.abs(warped - morph.blur(warped, 3)).mean(axis=2))
    wrinkles = cv2.resize(morph.blur(detail, 10), (6, 8), interpolation=cv2.INTER_AREA)
    return np.concatenate([morph.floats(colours).ravel(), morph.floats(wrinkles).ravel() * np.float32(12)])


def _features(faces: Group, name: str) -> NDArray[np.float32]:
    """Return what eyes and mouth of a portrait look like in the mean shape, so that open mouths meet open ones."""
    start = morph.identity_map(SIDE, SIDE)
    warped = morph.sample(morph.structure(faces.cutouts[name]), start + faces.flows[name], smooth=False)
    eyes, mouth = warped[130:210, 116:268], warped[240:330, 130:254]
    parts = [cv2.resize(morph.blur(part, 3), (32, 20), interpolation=cv2.INTER_AREA) for part in (eyes, mouth)]
    return morph.floats(np.stack(parts)).ravel()


def make(portraits: Path, out: Path, vectors: Mapping[str, Embedding]) -> None:
    """Write the generic faces and `faces.json` into a new folder.

    Args:
        portraits: the folder that holds the AI-generated portraits.
        out: must not be there.
        vectors: of every portrait that no face may be like, the AI-generated ones among them.

    Raises:
        EngineError: a portrait is missing, or the folder is there already.
    """
    _must_be_new(out)
    women = [portrait(n) for n in range(99) if n not in UNFIT]
    men = [portrait(n) for n in range(99, 198) if n not in UNFIT_MEN]
    groups = [face_group(portraits, names) for names in (women, men)]
    out.mkdir(parents=True)
    records: list[dict[str, Any]] = []
    for pixels, record in choose(groups, vectors, np.random.default_rng(0)):
        save_photo(pixels, out / record["file"], quality=QUALITY)
        records.append(record)
    _write(out, records, vectors, MADE_BY + " make")


def sharpen(made: Path, out: Path, vectors: Mapping[str, Embedding], *, prior: Path | None = None) -> None:
    """Write the faces of a folder into a new one, as a prior draws them where they stay nobody.

    Args:
        made: what `make` wrote.
        out: must not be there.
        vectors: of every portrait that no face may be like.
        prior: folder of the prior; the one that ships if not given.

    Raises:
        EngineError: `made` holds no `faces.json`, `out` is there already, or the prior cannot be read.
    """
    _must_be_new(out)
    if not (made / "faces.json").is_file():
        raise EngineError(f"{made} holds no faces.json: give a folder that `{MADE_BY} make` wrote.")
    from engine.prior.load import SHIPPED, load
    from engine.prior.settings import Sampling
    from engine.restore import Settings, restore_face

    record = json.loads((made / "faces.json").read_text(encoding="utf-8"))
    drawer = load(prior or SHIPPED)
    settings = Settings(sampling=Sampling(start=SHARPEN_START))
    known = np.stack(list(vectors.values()))
    faces = [read_photo(made / one["file"]).pixels for one in record["pictures"]]
    kept = [embed(face) for face in faces]
    out.mkdir(parents=True)
    records: list[dict[str, Any]] = []
    for number, (face, one) in enumerate(zip(faces, record["pictures"], strict=True)):
        sized = resize(face, (drawer.size, drawer.size))
        drawn = resize(restore_face(drawer, sized, settings, seed=number).pixels, (SIDE_PX, SIDE_PX))
        vector = embed(drawn)
        others = [distance(vector, other) for n, other in enumerate(kept) if n != number]
        nobody = np.linalg.norm(known - vector, axis=1).min() > APART and min(others, default=2.0) > DIFFERENT
        if nobody:
            kept[number] = vector
        save_photo(drawn if nobody else face, out / one["file"], quality=QUALITY)
        records.append({**one, "sharpened": bool(nobody)})
    _write(out, records, vectors, f"{MADE_BY} make, then sharpen with the prior {drawer.name}")


def _must_be_new(out: Path) -> None:
    if out.exists():
        raise EngineError(f"{out} is there already: nothing is written over, give another folder.")


def _write(out: Path, records: Sequence[dict[str, Any]], vectors: Mapping[str, Embedding], made_by: str) -> None:
    """Write what is known of the faces of a folder, measured on what ships, after JPEG."""
    write_readme(out, "Generic faces, aligned to the FFHQ template, for the class set of tuning.", made_by)
    own = [embed(read_photo(out / record["file"]).pixels) for record in records]
    closest = min((distance(a, b) for a, b in itertools.combinations(own, 2)), default=2.0)
    pictures = [
        {**record, **nearest(vector, vectors, record["sources"])} for record, vector in zip(records, own, strict=True)
    ]
    write_record(
        out / "faces.json",
        made_by,
        {
            "nearest_pair_distance": round(closest, 3),
            "nearest_portrait_distance": min((p["nearest_portrait_distance"] for p in pictures), default=2.0),
            "pictures": pictures,
        },
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog=MADE_BY, description="Make generic faces.")
    steps = parser.add_subparsers(dest="step", required=True)
    first = steps.add_parser("make", help="make faces of portraits")
    second = steps.add_parser("sharpen", help="let a prior go over faces that were made")
    for step in (first, second):
        step.add_argument("faces", type=Path, help="folder with the portraits")
        step.add_argument("--vectors", type=Path, help="file (.npz) that keeps their vectors for the next time")
    second.add_argument("made", type=Path, help="folder that `make` wrote")
    second.add_argument("--prior", type=Path, help="folder of the prior; the one that ships if not given")
    for step in (first, second):
        step.add_argument("out", type=Path, help="folder to make")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    cv2.setNumThreads(1)  # with more, flows differ in their last digits
    try:
        vectors = embed_portraits(given.faces, given.vectors)
        if given.step == "make":
            make(given.faces, given.out, vectors)
        else:
            sharpen(given.made, given.out, vectors, prior=given.prior)
    except EngineError as error:
        logger.error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
