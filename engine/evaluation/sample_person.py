"""Making the sample person, who is nobody, and generic faces, out of a folder of aligned portraits.

    python -m engine.evaluation.sample_person FACES OUT

`FACES` holds portraits of 384 px in the FFHQ template, by the names that stand below; `OUT` gets `person/` and
`faces/` as they ship in `assets/`. The person is one inner face, a morph of three portraits by dense correspondence
with its shape drawn out beyond the mean, set into twelve heads, each a morph of three other portraits and lit as those
were. Every pixel is a blend of at least three portraits. All portraits named here are AI-generated (CC0), so even the
sources are nobody.

The pictures were made once and ship; the app never runs this.
"""

from __future__ import annotations

import itertools
import json
import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.degrade import Damage, age, apply
from engine.errors import EngineError
from engine.evaluation import morph
from engine.evaluation.morph import Cutout, Flow, Pixels
from engine.faces import RECOGNISER, Embedding, cut, detector, distance, embed
from engine.images import read_photo, resize, save_photo

logger = logging.getLogger(__name__)

SOURCES_LICENCE = "CC0-1.0 (AI-generated, nobody real)"

SIDE = 384
"""Side of a source portrait, px."""
FACE_CENTRE = (192.0, 205.0)
"""The point of the template that `Shot.centre` places, px of 384."""

INNER = ("synthetic-0137", "synthetic-0170", "synthetic-0187")
"""Whose morph the person's face is; chosen among 363 threesomes as a calm one that lies far from its sources."""
INNER_LOW = (0.38, 0.34, 0.28)
INNER_HIGH = (0.46, 0.30, 0.24)
DRAWN_OUT = 1.35
"""How far the inner shape goes beyond the three's mean, seen from the mean shape of all men; 1 would not go."""
HEAD_SHARE = 0.2
"""How much of the inner face's shape follows the head's own, as a face does not look quite the same twice."""

# Men with short dark hair, face to the camera, whose outline is found well. No head of a test photo lends anything to
# a head of a reference.
REFERENCE_HEADS = tuple(f"synthetic-0{n}" for n in (111, 127, 132, 134, 136, 137, 187, 191))
TEST_HEADS = tuple(f"synthetic-0{n}" for n in (104, 116, 159, 171, 177, 183, 194))
SMILING = tuple(f"synthetic-0{n}" for n in (104, 127, 183, 194))
CALM = tuple(f"synthetic-0{n}" for n in (107, 136, 137, 159, 187, 191))

LEAD_LOW, LEAD_HIGH = (0.6, 0.2, 0.2), (0.76, 0.12, 0.12)


@dataclass(frozen=True)
class Shot:
    """One photograph to make of the person."""

    name: str
    heads: tuple[int, int, int]
    """Numbers of the portraits that the head is morphed from; the first leads in the detail."""
    size: tuple[int, int]
    """Width and height of the photo, px."""
    scale: float
    """Photo px per px of a 384 px portrait."""
    centre: tuple[float, float]
    """Where `FACE_CENTRE` lands, share of width and height."""
    tilt: float
    """Degrees the head leans, clockwise."""
    turn: float
    """Px of 384 that the nose moves to the right: a slight turn."""
    nod: float
    """Px of 384 that the nose moves down."""
    smile: float = 0.0
    """How much of the way from the calm men's mouths to the smiling men's; the lips stay closed."""
    white: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Gain per channel: the light's colour."""
    gamma: float = 1.0
    """Above 1 is darker."""
    background_blur: float = 9.0
    """Px of 384."""
    grain: float = 0.006
    """Standard deviation of the camera's noise."""

    @property
    def head_names(self) -> tuple[str, ...]:
        """Names of the portraits the head is made of."""
        return tuple(f"synthetic-{n:04d}" for n in self.heads)


SHOTS = (
    Shot("ref-01", (137, 136, 191), (448, 540), 1.30, (0.49, 0.60), -3.0, 5.0, 0.0, 0.2),
    Shot("ref-02", (132, 134, 191), (440, 520), 1.26, (0.52, 0.60), 4.0, -6.0, 2.0, 0.5, (1.03, 1.0, 0.95)),
    Shot("ref-03", (136, 111, 191), (456, 560), 1.33, (0.50, 0.60), 2.0, 8.0, -2.0, 0.0, (0.97, 1.0, 1.04), 0.95),
    Shot("ref-04", (111, 136, 191), (460, 544), 1.32, (0.48, 0.60), -4.0, -3.0, -3.0, 0.4, (1.04, 1.0, 0.93), 1.05),
    Shot("ref-05", (134, 132, 191), (432, 512), 1.24, (0.52, 0.60), 5.0, 3.0, 3.0, 0.6, (1.0, 1.0, 1.0), 0.92, 6.0),
    Shot("ref-06", (127, 111, 136), (464, 560), 1.34, (0.51, 0.60), -1.0, -8.0, 1.0, 0.3, (0.98, 1.0, 1.02), 1.0, 12.0),
    Shot("ref-07", (191, 134, 132), (440, 528), 1.28, (0.49, 0.60), 3.0, 0.0, -4.0, -0.2, (1.02, 1.0, 0.97), 1.1),
    Shot("ref-08", (187, 127, 132), (452, 536), 1.30, (0.52, 0.60), -4.0, 6.0, 2.0, 0.6, (1.0, 1.0, 0.98), 0.9, 11.0),
    Shot("old-01", (159, 171, 194), (448, 540), 1.30, (0.5, 0.6), 3.0, -4.0, 0.0, 0.3, (1.02, 1.0, 0.96)),
    Shot("old-02", (194, 104, 177), (440, 520), 1.27, (0.49, 0.60), -4.0, 6.0, -2.0, 0.5, (0.98, 1.0, 1.02), 1.05),
    Shot("old-03", (183, 116, 194), (444, 532), 1.28, (0.52, 0.60), 5.0, 2.0, 3.0, 0.1, (1.0, 1.0, 1.0), 0.95, 7.0),
    Shot("old-04", (104, 177, 194), (456, 552), 1.31, (0.5, 0.6), -2.0, -7.0, 1.0, 0.4, (1.03, 1.0, 0.94), 1.05, 10.0),
)


@dataclass(frozen=True)
class Spoiling:
    """What happened to one test photo."""

    damage: Damage
    seed: int
    aged: int | None = None
    """Seed of what happened to the print in a drawer, where it lay in one: fading, scratches, dust, grain."""

    def spoil(self, pixels: Pixels, face_size: float) -> Pixels:
        """Return the damaged photo; `face_size` is the side of the aligned crop in this photo, px."""
        out = apply(pixels, self.damage, np.random.default_rng(self.seed), face_size=face_size)
        return out if self.aged is None else age(out, np.random.default_rng(self.aged))


DAMAGES = {
    "old-01": Spoiling(Damage(blur_x=7, blur_y=7, angle=0, shrink=3, noise=10, jpeg=70), seed=1),
    "old-02": Spoiling(Damage(blur_x=3.5, blur_y=3.5, angle=0, shrink=6, noise=14, jpeg=62), seed=2),
    "old-03": Spoiling(Damage(blur_x=2.5, blur_y=5, angle=0.6, shrink=3, noise=8, jpeg=75), seed=3, aged=101),
    "old-04": Spoiling(Damage(blur_x=5, blur_y=5, angle=0, shrink=4, noise=6, jpeg=70), seed=4, aged=102),
}


@dataclass(frozen=True)
class Group:
    """Portraits of one kind with their flows from the kind's mean shape."""

    cutouts: Mapping[str, Cutout]
    flows: Mapping[str, Flow]


def read_portraits(folder: Path, names: Sequence[str]) -> list[Cutout]:
    """Read portraits and cut their figures out.

    Raises:
        EngineError: one is not there or is not `SIDE` px square.
    """
    return [morph.cut_out(name, pixels) for name, pixels in _portraits(folder, names)]


def _portraits(folder: Path, names: Sequence[str]) -> list[tuple[str, Pixels]]:
    found: list[tuple[str, Pixels]] = []
    for name in names:
        path = folder / f"{name}.webp"
        bgr: Any = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if bgr is None:
            raise EngineError(f"{path} is no readable portrait: give the folder that holds {name}.webp.")
        if bgr.shape[:2] != (SIDE, SIDE):
            raise EngineError(f"{path} is {bgr.shape[1]} x {bgr.shape[0]} px: portraits must be {SIDE} x {SIDE}.")
        found.append((name, morph.floats(bgr[..., ::-1]) / np.float32(255)))
    return found


def group(cutouts: Sequence[Cutout]) -> Group:
    """Bring portraits into one shape.

    Only in the face do fine features correspond. Hair and cloth just keep their outlines together: a fine flow there
    would draw them into swirls.
    """
    face = _ellipse((192, 222), (100, 140), 20)[..., None]
    body = np.clip((np.arange(SIDE, dtype=np.float32) - 320) / 40, 0, 1)[:, None, None]
    flows: dict[str, Flow] = {}
    for cutout, flow in zip(cutouts, morph.align(cutouts), strict=True):
        outside = morph.blur(flow, 11) * (1 - body) + morph.blur(flow, 28) * body
        flows[cutout.name] = np.asarray(flow * face + outside * (1 - face), dtype=np.float32)
    return Group({c.name: c for c in cutouts}, flows)


def photograph(faces: Group, shot: Shot, rng: np.random.Generator) -> Pixels:
    """Make one photograph of the person: the inner face in the shot's head, light and frame.

    Returns:
        `(H, W, 3)` of the shot's size, 0 to 1.
    """
    place = _mean_place(faces, shot)
    head, figure = _head(faces, shot.head_names, place, shot.scale)
    inner = morph.blend(
        [morph.sample(faces.cutouts[n].pixels, morph.through(place, faces.flows[n])) for n in INNER],
        INNER_LOW,
        INNER_HIGH,
        sigma=4 * shot.scale,
        gain=1.2,
    )
    mask = np.clip(morph.sample(_ellipse((192, 236), (82, 116), 9), place, smooth=False), 0, 1)
    lit = morph.relight(inner, head, mask, sigma=24 * shot.scale, strength=0.9)
    head = head + (lit - head) * mask[..., None]
    background = _background(faces, shot.head_names, shot.size, shot.background_blur)
    return _expose(morph.floats(head * figure + background * (1 - figure)), shot, rng)


def _head(faces: Group, names: Sequence[str], place: morph.Map, scale: float) -> tuple[Pixels, NDArray[np.float32]]:
    """Return the morph of three heads with its colours continued beyond it, and its mask `(H, W, 1)`.

    Args:
        faces: where the three are.
        names: the first leads in the detail.
        place: map from the output to the mean shape.
        scale: output px per px of a portrait.
    """
    heads = [faces.cutouts[n] for n in names]
    places = [morph.through(place, faces.flows[n]) for n in names]
    outline = morph.floats(
        np.sum([w * _outline(c, m) for w, c, m in zip((0.4, 0.3, 0.3), heads, places, strict=True)], axis=0)
    )
    outline = morph.blur(outline, 1.6 * scale)
    # Three shoulder lines that differ would fade into each other: the widest of them counts.
    middle = 0.5 - 0.35 * np.clip((place[..., 1] - 325) / 25, 0, 1)
    figure = np.clip((outline - middle) * 3.0 + middle, 0, 1)[..., None]
    fronts = [morph.sample(c.front, m) for c, m in zip(heads, places, strict=True)]
    return morph.blend(fronts, LEAD_LOW, LEAD_HIGH, sigma=9 * scale, gain=1.1), np.asarray(figure, np.float32)


def _background(faces: Group, names: Sequence[str], size: tuple[int, int], blur: float) -> Pixels:
    """Return the three backgrounds, out of focus and each at another size, as one, `(H, W, 3)`."""
    width, height = size
    base = morph.identity_map(height, width) * np.float32((SIDE - 1) / max(width, height))
    backs = [
        morph.sample(morph.blur(faces.cutouts[n].back, blur), base * np.float32(zoom) + np.float32(20))
        for n, zoom in zip(names, (0.85, 0.7, 0.8), strict=True)
    ]
    return morph.blend(backs, LEAD_LOW, LEAD_LOW, sigma=1.0)


def _mean_place(faces: Group, shot: Shot) -> morph.Map:
    """Return the map from the photo to the mean shape: frame, lean and turn of the head, then its shape."""
    template = _turned(_framed(shot), shot)
    inner = np.mean([faces.flows[n] for n in INNER], axis=0, dtype=np.float32)
    head = np.sum([w * faces.flows[n] for w, n in zip(LEAD_LOW, shot.head_names, strict=True)], axis=0)
    area = _ellipse((192, 236), (90, 125), 22)[..., None]
    wanted = inner * DRAWN_OUT * (1 - HEAD_SHARE) + head * HEAD_SHARE + _smile(faces) * shot.smile
    shape = np.asarray(head + (wanted - head) * area, dtype=np.float32)
    return morph.through(template, morph.inverse(shape))


def _smile(faces: Group) -> Flow:
    """Return how the lower face moves from calm to smiling, a flow over the mean shape."""
    smiling, calm = (np.mean([faces.flows[n] for n in names], axis=0) for names in (SMILING, CALM))
    lower = _ellipse((192, 285), (80, 65), 15)[..., None]
    return np.asarray((smiling - calm) * lower, dtype=np.float32)


def _framed(shot: Shot) -> morph.Map:
    """Return the map from the photo to the template: where the face stands, how large, how it leans."""
    width, height = shot.size
    place = morph.identity_map(height, width) - np.array([shot.centre[0] * width, shot.centre[1] * height])
    angle = np.deg2rad(shot.tilt)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return np.asarray(place @ turn.T / shot.scale + np.array(FACE_CENTRE), dtype=np.float32)


def _turned(place: morph.Map, shot: Shot) -> morph.Map:
    """Move what stands forward in a head, the nose most, as a small turn or nod would."""
    offset = (place - np.array([192, 225])) / np.array([105, 130])
    forward = np.exp(-1.2 * (offset**2).sum(-1, keepdims=True))
    return np.asarray(place - forward * np.array([shot.turn, shot.nod]), dtype=np.float32)


def _ellipse(centre: tuple[int, int], radii: tuple[int, int], soft: float) -> NDArray[np.float32]:
    """Return a soft ellipse over the mean shape, `(SIDE, SIDE)`, 0 to 1; all in px of `SIDE`."""
    area: Any = np.zeros((SIDE, SIDE), np.float32)
    cv2.ellipse(area, centre, radii, 0, 0, 360, 1.0, -1)
    return morph.blur(area, soft)


def _outline(cutout: Cutout, place: morph.Map) -> NDArray[np.float32]:
    """Return the figure's mask; beyond the portrait's sides shoulders go on, above its top there is nothing."""
    inside = np.dstack([np.clip(place[..., 0], 0, SIDE - 1), np.clip(place[..., 1], 0, SIDE - 1)])
    return morph.sample(cutout.inside, inside, smooth=False) * (place[..., 1] > 1)


def _expose(pixels: Pixels, shot: Shot, rng: np.random.Generator) -> Pixels:
    """Give the picture its light's colour, brightness, corners and the camera's noise."""
    height, width = pixels.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    corners = 1 - 0.10 * (x * x + y * y)[..., None] / 2
    out = np.clip(pixels * np.array(shot.white) * corners, 0, 1) ** shot.gamma
    noise = morph.blur(rng.standard_normal(pixels.shape, dtype=np.float32), 0.6)
    return np.asarray(np.clip(out + noise * (shot.grain / 0.47), 0, 1), dtype=np.float32)


# Women and men whose head is covered, turned, behind a hand or glasses: nothing corresponds there.
UNFIT = frozenset((4, 6, 8, 9, 14, 17, 24, 33, 36, 37, 38, 41, 61, 62, 65, 70, 76, 77, 80, 84, 85, 88, 93, 97))
UNFIT_MEN = frozenset((102, 106, 115, 121, 126, 141, 145, 173, 193))
GENERIC = 120
"""How many generic faces are made of the women and of the men together."""
APART = 0.465
"""A generic face is kept when every portrait is farther than this by dlib; 0.45 stays over after JPEG."""
DIFFERENT = 0.36
"""And when every generic face kept before is farther than this."""
GENERIC_SIDE = 256
GENERIC_DRAWN_OUT = 1.4
FACE_LOW, FACE_HIGH = (0.36, 0.32, 0.32), (0.5, 0.25, 0.25)
UNLIKE = 0.55
"""Portraits that are nearer than this by dlib are not morphed with one another: the result would be like both."""
FIT = 0.6
"""A portrait whose warped structure correlates less than this with the mean face is left out."""


def generic_group(folder: Path, names: Sequence[str]) -> Group:
    """Bring portraits of all sorts into one shape by their faces alone; those that do not fit are left out.

    Long hair is not cut out well enough to give the flow an outline, so here only the face has one, the same for all.
    """
    area = _ellipse((192, 228), (100, 138), 14)
    cutouts = [Cutout(name, pixels, area, pixels, pixels) for name, pixels in _portraits(folder, names)]
    fit = _fit(cutouts, morph.align(cutouts), area)
    fitting = [c for c, f in zip(cutouts, fit, strict=True) if f >= FIT]
    flows = [morph.blur(flow, 5) for flow in morph.align(fitting)]
    return Group({c.name: c for c in fitting}, {c.name: f for c, f in zip(fitting, flows, strict=True)})


def _fit(cutouts: Sequence[Cutout], flows: Sequence[Flow], area: NDArray[np.float32]) -> list[float]:
    """Return how well each warped face correlates with the mean of all, inside an area of the mean shape."""
    start = morph.identity_map(SIDE, SIDE)
    warped = [
        morph.sample(morph.structure(c), start + f, smooth=False)[area > 0.9]
        for c, f in zip(cutouts, flows, strict=True)
    ]
    mean = np.mean(warped, axis=0)
    return [float(np.corrcoef(one, mean)[0, 1]) for one in warped]


def generic_face(faces: Group, names: Sequence[str]) -> Pixels:
    """Morph three portraits into one aligned face of nobody, `(GENERIC_SIDE, GENERIC_SIDE, 3)`."""
    face = _ellipse((192, 232), (86, 122), 14)
    shape = np.sum([w * faces.flows[n] for w, n in zip(FACE_LOW, names, strict=True)], axis=0)
    shape = morph.floats(shape * (1 + (GENERIC_DRAWN_OUT - 1) * face[..., None]))
    place = morph.identity_map(SIDE, SIDE) + morph.inverse(shape)
    seen = [morph.sample(faces.cutouts[n].pixels, morph.through(place, faces.flows[n])) for n in names]
    inner = morph.blend(seen, FACE_LOW, FACE_HIGH, sigma=5, gain=1.15)
    outer = morph.blend(seen, LEAD_LOW, LEAD_HIGH, sigma=12, gain=1.1)
    mask = morph.sample(face, place, smooth=False)[..., None]
    inner = morph.relight(inner, outer, mask[..., 0], sigma=30, strength=0.6)
    return resize(morph.floats(np.clip(outer + (inner - outer) * mask, 0, 1)), (GENERIC_SIDE, GENERIC_SIDE))


def generic_faces(
    groups: Sequence[Group], portraits: Mapping[str, Embedding], rng: np.random.Generator
) -> list[tuple[Pixels, dict[str, Any]]]:
    """Make generic faces: three portraits that look alike each, kept when the result is like none of anybody's.

    Args:
        groups: kinds that are not mixed.
        portraits: the vector of every portrait that a result must not be near.
        rng: draws the threesomes.

    Returns:
        Picture and its record, at most `GENERIC`, as evenly over the groups as they allow.
    """
    known = np.stack(list(portraits.values()))
    kept: list[tuple[Pixels, dict[str, Any]]] = []
    vectors: list[Embedding] = []
    for order, faces in enumerate(groups):
        wanted = GENERIC * (order + 1) // len(groups)
        for threesome in _threesomes(faces, portraits, rng):
            if len(kept) == wanted:
                break
            face = generic_face(faces, threesome)
            vector = embed(face)
            nearest_other = min((distance(vector, v) for v in vectors), default=2.0)
            if np.linalg.norm(known - vector, axis=1).min() <= APART or nearest_other <= DIFFERENT:
                continue
            kept.append((face, {"file": f"face-{len(kept) + 1:03d}.jpg", "sources": list(threesome)}))
            vectors.append(vector)
        logger.info("%d generic faces", len(kept))
    return kept


def _threesomes(faces: Group, vectors: Mapping[str, Embedding], rng: np.random.Generator) -> list[tuple[str, str, str]]:
    """Return threesomes of portraits alike in light and hair but not in who they are; each leads in turn."""
    names = list(faces.cutouts)
    looks = np.stack([_look(faces.cutouts[n].pixels) for n in names])
    apart = np.linalg.norm(looks[:, None] - looks[None], axis=-1)
    own = np.stack([vectors[n] for n in names])
    unlike = np.linalg.norm(own[:, None] - own[None], axis=-1) > UNLIKE
    found: list[tuple[str, str, str]] = []
    for reach in range(8, 20):
        for lead in rng.permutation(len(names)):
            near = [k for k in np.argsort(apart[lead]) if unlike[lead, k]][:reach]
            pairs = [(a, b) for a, b in itertools.combinations(near, 2) if unlike[a, b]]
            if pairs:
                one, two = pairs[rng.integers(len(pairs))]
                found.append((names[lead], names[one], names[two]))
    return found


def _look(pixels: Pixels) -> NDArray[np.float32]:
    """Return the coarse colours of a portrait, the head's outline included."""
    small: Any = cv2.resize(morph.blur(pixels, 8), (20, 20), interpolation=cv2.INTER_AREA)
    return morph.floats(small).ravel()


def make_person(portraits: Path, vectors: Mapping[str, Embedding], out: Path) -> None:
    """Write the person's references, truths, damaged photos and `person.json` into an empty folder."""
    faces = group(read_portraits(portraits, sorted({*INNER, *REFERENCE_HEADS, *TEST_HEADS, *SMILING, *CALM})))
    for part in ("references", "truth", "damaged"):
        (out / part).mkdir(parents=True)
    _write_readme(out, "The sample person: references, damaged photos and their truths.")
    records: list[dict[str, Any]] = []
    found: list[Embedding] = []
    for order, shot in enumerate(SHOTS):
        pixels = photograph(faces, shot, np.random.default_rng(order))
        path = save_photo(
            pixels, out / ("truth" if shot.name in DAMAGES else "references") / f"{shot.name}.jpg", quality=90
        )
        found.append(vector_of(path))
        record: dict[str, Any] = {
            "file": path.relative_to(out).as_posix(),
            "inner": list(INNER),
            "head": list(shot.head_names),
            "sources": sorted({*INNER, *shot.head_names}),
            **_nearest(found[-1], vectors, [*INNER, *shot.head_names]),
        }
        if shot.name in DAMAGES:
            spoilt = DAMAGES[shot.name].spoil(pixels, SIDE * shot.scale)
            old = save_photo(spoilt, out / "damaged" / f"{shot.name}.jpg", quality=90)
            record["damaged"] = old.relative_to(out).as_posix()
            record["damage"] = asdict(DAMAGES[shot.name])
            record["damaged_to_truth"] = round(distance(vector_of(old), found[-1]), 3)
        records.append(record)
    pairs = [distance(a, b) for a, b in itertools.combinations(found, 2)]
    _write_json(
        out / "person.json",
        {
            "about": "Nobody: every pixel is a blend of at least three AI-generated portraits.",
            "made_by": "python -m engine.evaluation.sample_person",
            "sources_licence": SOURCES_LICENCE,
            "recogniser": RECOGNISER,
            "distance_direction": "lower is nearer",
            "pairs": {"largest": round(max(pairs), 3), "mean": round(float(np.mean(pairs)), 3)},
            "nearest_source_distance": min(r["nearest_source_distance"] for r in records),
            "nearest_portrait_distance": min(r["nearest_portrait_distance"] for r in records),
            "pictures": records,
        },
    )


def make_generic(portraits: Path, vectors: Mapping[str, Embedding], out: Path) -> None:
    """Write the generic faces and `faces.json` into an empty folder."""
    out.mkdir(parents=True)
    _write_readme(out, "Generic faces, aligned to the FFHQ template, for the class set of tuning.")
    women = [f"synthetic-{n:04d}" for n in range(99) if n not in UNFIT]
    men = [f"synthetic-{n:04d}" for n in range(99, 198) if n not in UNFIT_MEN]
    groups = [generic_group(portraits, names) for names in (women, men)]
    made = generic_faces(groups, vectors, np.random.default_rng(0))
    for pixels, record in made:
        save_photo(pixels, out / record["file"], quality=86)
    own = [embed(read_photo(out / record["file"]).pixels) for _, record in made]
    for (_, record), vector in zip(made, own, strict=True):  # of what ships, after JPEG
        record |= _nearest(vector, vectors, record["sources"])
    closest = min(distance(a, b) for a, b in itertools.combinations(own, 2))
    _write_json(
        out / "faces.json",
        {
            "about": "Nobody: every pixel is a blend of at least three AI-generated portraits.",
            "made_by": "python -m engine.evaluation.sample_person",
            "sources_licence": SOURCES_LICENCE,
            "recogniser": RECOGNISER,
            "distance_direction": "lower is nearer",
            "nearest_pair_distance": round(closest, 3),
            "nearest_portrait_distance": min(r["nearest_portrait_distance"] for _, r in made),
            "pictures": [record for _, record in made],
        },
    )


def _write_readme(folder: Path, what: str) -> None:
    """Say in the folder whose faces these are and under which terms they ship."""
    text = (
        f"{what}\n\n"
        "Nobody is shown: every pixel is a blend of at least three portraits, which are themselves AI-generated "
        f"({SOURCES_LICENCE}); the JSON file here names them for each picture. Made by "
        "`python -m engine.evaluation.sample_person`. Licence: CC0-1.0, as the sources.\n"
    )
    (folder / "README.md").write_text(text, encoding="utf-8")


def vector_of(path: Path) -> Embedding:
    """Return the identity vector of the largest face in a photo.

    Raises:
        EngineError: dlib finds none there.
    """
    pixels = read_photo(path).pixels
    found = detector().find(pixels)
    if not found:
        raise EngineError(f"No face found in {path.name}: make it larger or damage it less.")
    return embed(cut(pixels, found[0], GENERIC_SIDE))


def embed_portraits(folder: Path) -> dict[str, Embedding]:
    """Return the vector of every portrait of a folder, by its name."""
    return {path.stem: embed(read_photo(path).pixels) for path in sorted(folder.glob("*.webp"))}


def _nearest(vector: Embedding, vectors: Mapping[str, Embedding], sources: Sequence[str]) -> dict[str, Any]:
    far = {name: distance(vector, other) for name, other in vectors.items()}
    source, portrait = min(sources, key=far.__getitem__), min(far, key=far.__getitem__)
    return {
        "nearest_source": source,
        "nearest_source_distance": round(far[source], 3),
        "nearest_portrait": portrait,
        "nearest_portrait_distance": round(far[portrait], 3),
    }


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def make(portraits: Path, out: Path) -> None:
    """Make everything: the person into `out/person`, the generic faces into `out/faces`.

    Raises:
        EngineError: a portrait is missing, or one of the two folders is there already.
    """
    for part in ("person", "faces"):
        if (out / part).exists():
            raise EngineError(f"{out / part} is there already: nothing is written over, give another folder.")
    cv2.setNumThreads(1)  # with more, flows differ in their last digits
    vectors = embed_portraits(portraits)
    make_person(portraits, vectors, out / "person")
    make_generic(portraits, vectors, out / "faces")


def main(arguments: Sequence[str]) -> int:
    """Run from the command line; returns the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if len(arguments) != 2:
        logger.error("usage: python -m engine.evaluation.sample_person FACES OUT")
        return 2
    try:
        make(Path(arguments[0]), Path(arguments[1]))
    except EngineError as error:
        logger.error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
