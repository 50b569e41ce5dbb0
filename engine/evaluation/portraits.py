"""Portraits that faces of nobody are made of: read, brought into one shape, and told apart from what is made of them.

A portrait is `SIDE` px square in the FFHQ template. All portraits that are used are AI-generated (CC0), so even the
sources are nobody; every other portrait of the folder only serves to show that nothing made here is like anybody.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.errors import EngineError
from engine.evaluation import morph
from engine.evaluation.morph import Cutout, Flow, Map, Pixels
from engine.faces import RECOGNISER, Embedding, cut, detector, distance, embed
from engine.images import read_photo

logger = logging.getLogger(__name__)

SOURCES_LICENCE = "CC0-1.0 (AI-generated, nobody real)"
ABOUT = (
    "Nobody: every face is a blend of three AI-generated portraits, set into the head of another AI-generated portrait."
)

SIDE = 384
"""Side of a portrait, px."""
FIT = 0.6
"""A portrait whose warped structure correlates less than this with the mean face is left out of a group."""


@dataclass(frozen=True)
class Group:
    """Portraits of one kind with their flows from the kind's mean shape."""

    cutouts: Mapping[str, Cutout]
    flows: Mapping[str, Flow]


def portrait(number: int) -> str:
    """Return the name of an AI-generated portrait."""
    return f"synthetic-{number:04d}"


def read_portraits(folder: Path, names: Sequence[str]) -> list[tuple[str, Pixels]]:
    """Read portraits by their names.

    Raises:
        EngineError: one is not there or is not `SIDE` px square.
    """
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


def ellipse(centre: tuple[int, int], radii: tuple[int, int], soft: float) -> NDArray[np.float32]:
    """Return a soft ellipse over the mean shape, `(SIDE, SIDE)`, 0 to 1; all in px of `SIDE`."""
    area: Any = np.zeros((SIDE, SIDE), np.float32)
    cv2.ellipse(area, centre, radii, 0, 0, 360, 1.0, -1)
    return morph.blur(area, soft)


def head_group(folder: Path, names: Sequence[str]) -> Group:
    """Bring portraits of people with short hair into one shape, heads and shoulders too.

    Only in the face do fine features correspond. Hair and cloth just keep their outlines together: a fine flow there
    would draw them into swirls.
    """
    cutouts = [morph.cut_out(name, pixels) for name, pixels in read_portraits(folder, names)]
    face = ellipse((192, 222), (100, 140), 20)[..., None]
    body = np.clip((np.arange(SIDE, dtype=np.float32) - 320) / 40, 0, 1)[:, None, None]
    flows: dict[str, Flow] = {}
    for cutout, flow in zip(cutouts, morph.align(cutouts), strict=True):
        outside = morph.blur(flow, 11) * (1 - body) + morph.blur(flow, 28) * body
        flows[cutout.name] = np.asarray(flow * face + outside * (1 - face), dtype=np.float32)
    return Group({c.name: c for c in cutouts}, flows)


def face_group(folder: Path, names: Sequence[str]) -> Group:
    """Bring portraits of all sorts into one shape by their faces alone; those that do not fit are left out.

    Long hair is not cut out well enough to give the flow an outline, so here only the face has one, the same for all.
    """
    area = ellipse((192, 228), (100, 138), 14)
    cutouts = [Cutout(name, pixels, area, pixels, pixels) for name, pixels in read_portraits(folder, names)]
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


def seen(faces: Group, name: str, place: Map) -> Pixels:
    """Return a portrait as it looks through a map from the output to the mean shape."""
    return morph.sample(faces.cutouts[name].pixels, morph.through(place, faces.flows[name]))


def vector_of(path: Path) -> Embedding:
    """Return the identity vector of the largest face in a photo.

    Raises:
        EngineError: dlib finds none there.
    """
    pixels = read_photo(path).pixels
    found = detector().find(pixels)
    if not found:
        raise EngineError(f"No face found in {path.name}: make it larger or damage it less.")
    return embed(cut(pixels, found[0], 256))


def embed_portraits(folder: Path, kept: Path | None = None) -> dict[str, Embedding]:
    """Return the vector of every portrait of a folder, by its name; a tenth of a second each.

    Args:
        folder: holds `NAME.webp`.
        kept: a file (.npz) that keeps the vectors for the next time; made if it is not there.

    Raises:
        EngineError: the folder holds no portraits, or `kept` holds those of another folder.
    """
    paths = sorted(folder.glob("*.webp"))
    if not paths:
        raise EngineError(f"{folder} holds no portraits (.webp): give the folder with the aligned faces.")
    if kept is not None and kept.exists():
        with np.load(kept) as file:
            vectors = {name: file[name] for name in file.files}
        if set(vectors) != {path.stem for path in paths}:
            raise EngineError(f"{kept} has the vectors of other portraits than {folder} holds: delete it.")
        return vectors
    vectors = {path.stem: embed(read_photo(path).pixels) for path in paths}
    if kept is not None:
        named: dict[str, Any] = dict(vectors)
        np.savez(kept, **named)
    return vectors


def nearest(vector: Embedding, vectors: Mapping[str, Embedding], sources: Sequence[str]) -> dict[str, Any]:
    """Return who of a picture's sources, and of all portraits, is nearest by dlib, as a record tells it."""
    far = {name: distance(vector, other) for name, other in vectors.items()}
    source, other = min(sources, key=far.__getitem__), min(far, key=far.__getitem__)
    return {
        "nearest_source": source,
        "nearest_source_distance": round(far[source], 3),
        "nearest_portrait": other,
        "nearest_portrait_distance": round(far[other], 3),
    }


def write_record(path: Path, made_by: str, value: Mapping[str, Any]) -> None:
    """Write the record (.json) of pictures of nobody: what all of them have in common, then `value`."""
    common = {
        "about": ABOUT,
        "made_by": made_by,
        "sources_licence": SOURCES_LICENCE,
        "recogniser": RECOGNISER,
        "distance_direction": "lower is nearer",
    }
    path.write_text(json.dumps({**common, **value}, indent=1) + "\n", encoding="utf-8")


def write_readme(folder: Path, what: str, made_by: str) -> None:
    """Say in the folder whose faces these are and under which terms they ship."""
    text = (
        f"{what}\n\n"
        "Nobody is shown. Every face is a blend of three portraits; hair, ears, clothes and background come from "
        f"another one. All of these portraits are themselves AI-generated: {SOURCES_LICENCE}. The JSON file here names "
        "them for each picture and says, by dlib, how far each face is from the nearest of them and from the nearest "
        f"of all portraits that a prior of this project was trained on. Made by `{made_by}`. Licence: CC0-1.0, as the "
        "sources.\n"
    )
    (folder / "README.md").write_text(text, encoding="utf-8")
