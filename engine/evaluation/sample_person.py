"""Making the sample person, who is nobody, out of a folder of aligned portraits.

    python -m engine.evaluation.sample_person FACES OUT [--vectors FILE]

`FACES` holds portraits of 384 px in the FFHQ template, by the names that stand below; `OUT`, a new folder, gets what
ships in `assets/person`. The person is one inner face, a morph of three portraits by dense correspondence with its
shape drawn out beyond the mean, set into twelve heads. A head has the hair, clothes, background and light of one other
portrait and a shape mixed of three; then it is turned and lit from a side. All portraits named here are AI-generated
(CC0), so even the sources are nobody.

The pictures were made once and ship; the app never runs this.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from engine.degrade import Damage, aged, apply
from engine.errors import EngineError
from engine.evaluation import morph
from engine.evaluation.inner_face import Inner, opened, set_in, shade, turned
from engine.evaluation.morph import Flow, Map, Pixels
from engine.evaluation.portraits import (
    SIDE,
    Group,
    ellipse,
    embed_portraits,
    head_group,
    nearest,
    portrait,
    seen,
    vector_of,
    write_readme,
    write_record,
)
from engine.faces import Embedding, distance
from engine.images import save_photo

logger = logging.getLogger(__name__)

MADE_BY = "python -m engine.evaluation.sample_person"
WHAT = (
    "The sample person: references, damaged photos and their truths. Where the person shows teeth, the mouth is a "
    "blend of three other portraits; the shape of each head is mixed of three."
)
FACE_CENTRE = (192.0, 205.0)
"""The point of the template that `Shot.centre` places, px of 384."""

INNER = Inner(tuple(map(portrait, (140, 174, 194))), (0.46, 0.25, 0.29), (0.34, 0.42, 0.24), drawn_out=1.8)
"""Whose morph the person's face is; of some twenty threesomes the one that looks friendly and lies far from all."""
HEAD_SHARE = 0.08
"""How much of the inner face's shape follows the head's own, as a face does not look quite the same twice."""
LIGHT_SIGMA, LIGHT_SHARE = 40.0, 0.9
"""What of the head's tones is light that falls on the inner face too: coarser than this, px of 384, and this share."""
HEAD_SHAPE = (0.7, 0.15, 0.15)

# Men with short hair, face to the camera, whose outline is found well. No head of a test photo lends anything to a
# head of a reference.
SMILING = tuple(map(portrait, (104, 127, 183, 194)))
CALM = tuple(map(portrait, (107, 136, 137, 159, 187, 191)))
TEETH = tuple(map(portrait, (194, 104, 188)))
"""Whose mouths the person's is when it shows teeth; the first leads in the detail."""


@dataclass(frozen=True)
class Shot:
    """One photograph to make of the person."""

    name: str
    heads: tuple[int, int, int]
    """Numbers of the portraits of the head: the first gives all that is seen of it, all three its shape."""
    size: tuple[int, int]
    """Width and height of the photo, px."""
    scale: float
    """Photo px per px of a 384 px portrait."""
    centre: tuple[float, float]
    """Where `FACE_CENTRE` lands, share of width and height."""
    tilt: float
    """Degrees the head leans, clockwise."""
    yaw: float
    """Degrees the head is turned to the right of the picture."""
    pitch: float
    """Degrees it is bowed."""
    smile: float = 0.0
    """How much of the way from the calm men's mouths to the smiling men's."""
    teeth: bool = False
    """Whether the lips are open."""
    light: tuple[float, float] = (0.0, 0.0)
    """Where a lamp stands besides the head's own light: right and down, tangents."""
    white: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Gain per channel: the light's colour."""
    gamma: float = 1.0
    """Above 1 is darker."""
    grain: float = 0.006
    """Standard deviation of the camera's noise."""

    @property
    def head_names(self) -> tuple[str, ...]:
        """Names of the portraits the head is made of."""
        return tuple(map(portrait, self.heads))


SHOTS = (
    Shot("ref-01", (136, 111, 163), (452, 464), 1.22, (0.50, 0.53), 2.0, 6.0, -2.0, gamma=1.08),
    Shot("ref-02", (132, 134, 136), (440, 456), 1.20, (0.51, 0.53), 4.0, -5.0, 0.0, 0.5, True, (-0.2, 0.0), gamma=0.95),
    Shot("ref-03", (107, 191, 132), (456, 464), 1.22, (0.50, 0.525), -1.0, 7.0, 0.0, 0.3, False, (0.3, -0.1)),
    Shot("ref-04", (111, 136, 163), (448, 460), 1.22, (0.49, 0.515), -4.0, -5.0, -1.0, 0.4, False, (-0.3, -0.1)),
    Shot("ref-05", (134, 132, 107), (440, 456), 1.20, (0.50, 0.53), 4.0, 3.0, 2.0, 0.5, True, gamma=1.12),
    Shot("ref-06", (127, 111, 107), (456, 464), 1.22, (0.50, 0.515), -1.0, -9.0, 0.0, 0.3, gamma=0.9),
    Shot("ref-07", (163, 132, 136), (440, 456), 1.20, (0.50, 0.53), 3.0, 6.0, -2.0, 0.1, False, (0.0, -0.2),
         gamma=1.15),
    Shot("ref-08", (191, 107, 163), (452, 464), 1.22, (0.51, 0.53), -3.0, -4.0, 1.0, 0.6, True, (0.2, 0.0),
         (0.97, 1.0, 0.99), 1.05),
    Shot("old-01", (159, 171, 183), (448, 456), 1.22, (0.50, 0.515), 2.0, -6.0, 0.0, 0.4),
    Shot("old-02", (171, 159, 177), (440, 452), 1.20, (0.50, 0.515), -3.0, 7.0, -1.0, 0.6, True, gamma=1.05),
    Shot("old-03", (183, 159, 177), (444, 456), 1.22, (0.51, 0.53), 4.0, 3.0, 3.0, 0.1, gamma=0.9),
    Shot("old-04", (137, 171, 183), (448, 460), 1.22, (0.50, 0.525), -2.0, -6.0, 0.0, 0.3, gamma=0.9),
)  # fmt: skip


@dataclass(frozen=True)
class Spoiling:
    """What happened to one test photo."""

    damage: Damage
    seed: int
    old: tuple[str, ...] = ()
    """What happened to the print in a drawer, where it lay in one, in this order; of `degrade.KINDS`."""

    def spoil(self, pixels: Pixels, face_size: float) -> Pixels:
        """Return the damaged photo; `face_size` is the side of the aligned crop in this photo, px."""
        rng = np.random.default_rng(self.seed)
        out = apply(pixels, self.damage, rng, face_size=face_size)
        for kind in self.old:
            out = aged(out, kind, rng, face_size=face_size)
        return out


DAMAGES = {
    "old-01": Spoiling(Damage(blur_x=7, blur_y=7, angle=0, shrink=3, noise=10, jpeg=70), seed=1),
    "old-02": Spoiling(Damage(blur_x=3.5, blur_y=3.5, angle=0, shrink=6, noise=14, jpeg=62), seed=2),
    "old-03": Spoiling(
        Damage(blur_x=3, blur_y=5, angle=0.6, shrink=3, noise=8, jpeg=75), 21, ("fading", "grain", "scratches", "dust")
    ),
    "old-04": Spoiling(
        Damage(blur_x=4, blur_y=4, angle=0, shrink=3.5, noise=6, jpeg=75), 7, ("low light", "grain", "dust")
    ),
}


def photograph(faces: Group, shot: Shot, rng: np.random.Generator) -> Pixels:
    """Make one photograph of the person: the inner face in the shot's head, light and frame.

    Returns:
        `(H, W, 3)` of the shot's size, 0 to 1.
    """
    template = turned(_framed(shot), yaw=shot.yaw, pitch=shot.pitch)
    place = morph.through(template, morph.inverse(_shape(faces, shot)))
    lead = shot.head_names[0]
    head = seen(faces, lead, place)
    inner = INNER.skin(faces, place, scale=shot.scale)
    if shot.teeth:
        inner = opened(inner, [seen(faces, n, place) for n in TEETH], place, scale=shot.scale)
    mask = np.clip(morph.sample(ellipse((192, 236), (82, 116), 9), place, smooth=False), 0, 1)
    out = set_in(head, inner, mask, sigma=LIGHT_SIGMA * shot.scale, strength=LIGHT_SHARE)
    figure = morph.sample(faces.cutouts[lead].inside, morph.through(place, faces.flows[lead]), smooth=False)
    figure = np.clip(morph.blur(figure, 2 * shot.scale), 0, 1)[..., None]
    out = out * (1 + (shade(template, shot.light, scale=shot.scale) - 1) * figure)
    return _expose(morph.floats(out), shot, rng)


def _shape(faces: Group, shot: Shot) -> Flow:
    """Return the shape of the shot's head with the person's face in it, a flow over the mean shape."""
    head = np.sum([w * faces.flows[n] for w, n in zip(HEAD_SHAPE, shot.head_names, strict=True)], axis=0)
    area = ellipse((192, 236), (90, 125), 22)[..., None]
    wanted = INNER.shape(faces) * (1 - HEAD_SHARE) + head * HEAD_SHARE + _smile(faces) * shot.smile
    return np.asarray(head + (wanted - head) * area, dtype=np.float32)


def _smile(faces: Group) -> Flow:
    """Return how the lower face moves from calm to smiling, a flow over the mean shape."""
    smiling, calm = (np.mean([faces.flows[n] for n in names], axis=0) for names in (SMILING, CALM))
    lower = ellipse((192, 280), (85, 75), 15)[..., None]
    return np.asarray((smiling - calm) * lower, dtype=np.float32)


def _framed(shot: Shot) -> Map:
    """Return the map from the photo to the template: where the face stands, how large, how it leans."""
    width, height = shot.size
    place = morph.identity_map(height, width) - np.array([shot.centre[0] * width, shot.centre[1] * height])
    angle = np.deg2rad(shot.tilt)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return np.asarray(place @ turn.T / shot.scale + np.array(FACE_CENTRE), dtype=np.float32)


def _expose(pixels: Pixels, shot: Shot, rng: np.random.Generator) -> Pixels:
    """Give the picture its light's colour, brightness, corners and the camera's noise."""
    height, width = pixels.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    corners = 1 - 0.10 * (x * x + y * y)[..., None] / 2
    out = np.clip(pixels * np.array(shot.white) * corners, 0, 1) ** shot.gamma
    noise = morph.blur(rng.standard_normal(pixels.shape, dtype=np.float32), 0.6)
    return np.asarray(np.clip(out + noise * (shot.grain / 0.47), 0, 1), dtype=np.float32)


def sources(shot: Shot) -> list[str]:
    """Return the names of all portraits that a photograph has something of."""
    return sorted({*INNER.names, *shot.head_names, *(TEETH if shot.teeth else ())})


def needed() -> list[str]:
    """Return the names of all portraits that the person is made of."""
    return sorted({*SMILING, *CALM}.union(*map(sources, SHOTS)))


def make(portraits: Path, out: Path, vectors: Mapping[str, Embedding]) -> None:
    """Write the person's references, truths, damaged photos and `person.json` into a new folder.

    Args:
        portraits: the folder that holds those of `needed()`.
        out: must not be there.
        vectors: of every portrait that the person must not be like, those of `needed()` among them.

    Raises:
        EngineError: a portrait is missing, or the folder is there already.
    """
    if out.exists():
        raise EngineError(f"{out} is there already: nothing is written over, give another folder.")
    faces = head_group(portraits, needed())
    for part in ("references", "truth", "damaged"):
        (out / part).mkdir(parents=True)
    write_readme(out, WHAT, MADE_BY)
    records: list[dict[str, Any]] = []
    found: list[Embedding] = []
    for order, shot in enumerate(SHOTS):
        pixels = photograph(faces, shot, np.random.default_rng(order))
        part = "truth" if shot.name in DAMAGES else "references"
        path = save_photo(pixels, out / part / f"{shot.name}.jpg", quality=90)
        found.append(vector_of(path))
        record: dict[str, Any] = {
            "file": path.relative_to(out).as_posix(),
            "inner": list(INNER.names),
            "teeth": list(TEETH) if shot.teeth else [],
            "head": list(shot.head_names),
            "sources": sources(shot),
            **nearest(found[-1], vectors, sources(shot)),
        }
        if shot.name in DAMAGES:
            spoilt = DAMAGES[shot.name].spoil(pixels, SIDE * shot.scale)
            old = save_photo(spoilt, out / "damaged" / f"{shot.name}.jpg", quality=90)
            record["damaged"] = old.relative_to(out).as_posix()
            record["damage"] = asdict(DAMAGES[shot.name])
            record["damaged_to_truth"] = round(distance(vector_of(old), found[-1]), 3)
        records.append(record)
    pairs = [distance(a, b) for a, b in itertools.combinations(found, 2)]
    write_record(
        out / "person.json",
        MADE_BY,
        {
            "pairs": {"largest": round(max(pairs), 3), "mean": round(float(np.mean(pairs)), 3)},
            "nearest_source_distance": min(r["nearest_source_distance"] for r in records),
            "nearest_portrait_distance": min(r["nearest_portrait_distance"] for r in records),
            "pictures": records,
        },
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog=MADE_BY, description="Make the sample person.")
    parser.add_argument("faces", type=Path, help="folder with the portraits")
    parser.add_argument("out", type=Path, help="folder to make")
    parser.add_argument("--vectors", type=Path, help="file (.npz) that keeps the portraits' vectors for the next time")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    cv2.setNumThreads(1)  # with more, flows differ in their last digits
    try:
        make(given.faces, given.out, embed_portraits(given.faces, given.vectors))
    except EngineError as error:
        logger.error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
