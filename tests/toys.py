"""Toy-size real things that several test files need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import torch

from engine import images
from engine.faces import Face, cut, detector, estimate_damage, template
from engine.people import TOKEN, Gallery, Person, Reference, measured
from engine.prior import load, pocket
from engine.prior.bundle import Prior
from engine.studio.finish import Finish
from engine.studio.fitting import Ground
from engine.tuning.views import GENERIC, vary
from engine.workspace import sha256_file


def toy_prior(folder: Path) -> Prior:
    """An untrained pocket prior of the real classes, stored and read back, so that it has hashes."""
    torch.manual_seed(0)
    made = pocket.build(pocket.TOY)
    for network in load.networks(made).values():
        for parameter in network.parameters():
            if not parameter.abs().sum():  # zero-initialised layers would hide what is behind them
                torch.nn.init.normal_(parameter, std=0.02)
    load.save(made, folder, {})
    return load.load(folder, device="cpu")


@cache
def shared_toy_prior() -> Prior:
    """A toy prior that no test changes, without files."""
    torch.manual_seed(0)
    made = pocket.build(pocket.TOY)
    for network in load.networks(made).values():
        network.eval().requires_grad_(False)
    return replace(made, sha256={"denoiser": "0" * 64})


def small_toy_prior(folder: Path) -> Prior:
    """`toy_prior` for faces of 64 px: for what does not depend on the side, in a sixteenth of the time."""
    return replace(toy_prior(folder), size=64)


def variants(folder: Path, count: int = 5, face: str = "face-001.jpg") -> list[Path]:
    """Pictures of one shipped face, who is nobody, each moved and toned a little."""
    folder.mkdir(parents=True, exist_ok=True)
    pixels = images.resize(images.read_photo(GENERIC / face).pixels, (256, 256))
    made = [vary(pixels, np.random.default_rng(n)) for n in range(count)]
    return [images.save_photo(one, folder / f"{face[:8]}-{n}.png") for n, one in enumerate(made)]


def toy_gallery(folder: Path, faces: Sequence[Path], subject: str = "woman", name: str = "Somebody") -> Gallery:
    """A gallery of pictures that are aligned already, so that no face has to be searched for."""
    references: list[Reference] = []
    photos = folder / "photos"
    photos.mkdir(parents=True)
    for n, file in enumerate(faces):
        pixels = images.read_photo(file).pixels
        side = pixels.shape[0]
        face = Face((0.0, 0.0, float(side), float(side)), template("ffhq5", side), "ffhq5", 1.0, "by hand")
        stored = f"{n:016d}{file.suffix}"
        (photos / stored).write_bytes(file.read_bytes())
        made = measured(pixels, face)
        references.append(
            Reference(
                id=f"{sha256_file(file)[:16]}-0",
                photo=stored,
                name=file.name,
                added="2026-01-01T00:00:00+00:00",
                face=face,
                others=0,
                quality=made.quality,
                embedding=made.embedding,
                look=made.look,
                verdict="accepted",
                reason=None,
                overruled=None,
            )
        )
    return Gallery(Person("somebody-000000", name, subject, TOKEN, "2026-01-01"), tuple(references), photos)


def drawn_face(seed: int = 0, size: int = 256) -> np.ndarray:
    """A picture by formula with the shapes and tones of a face, `(size, size, 3)`, float32, 0 to 1."""
    rng = np.random.default_rng(seed)
    picture = np.full((size, size, 3), rng.uniform(0.2, 0.6, 3), np.float32)
    unit = size / 256

    def disc(x: float, y: float, rx: float, ry: float, colour: tuple[float, ...]) -> None:
        centre, axes = (round(x * unit), round(y * unit)), (round(rx * unit), round(ry * unit))
        cv2.ellipse(picture, centre, axes, 0, 0, 360, colour, -1, cv2.LINE_AA)

    skin = tuple(float(v) for v in rng.uniform(0.5, 0.9, 3))
    disc(128, 140, 70, 95, skin)
    for x in (97, 160):
        disc(x, 120, 14, 8, (0.95, 0.95, 0.95))
        disc(x, 120, 6, 6, (0.1, 0.1, 0.1))
    disc(128, 155, 8, 16, tuple(v * 0.85 for v in skin))
    disc(128, 190, 26, 8, (0.6, 0.2, 0.25))
    return cv2.GaussianBlur(picture, (0, 0), 0.8 * unit)


def face_folder(folder: Path, count: int = 12, size: int = 160) -> Path:
    """A folder of drawn faces as PNG, one file a person, enough for both sides of the split."""
    folder.mkdir(parents=True)
    for n in range(count):
        bgr = (drawn_face(n, size)[..., ::-1] * 255).astype(np.uint8)
        (folder / f"face-{n:03d}.png").write_bytes(cv2.imencode(".png", bgr)[1].tobytes())
    return folder


def large_ground(photo: Path) -> tuple[Ground, images.Pixels]:
    """A noisy portrait of 2 megapixels with its face, some 500 px wide, restored; and that face."""
    pixels = images.read_photo(photo).pixels
    wide = images.resize(pixels, (700, round(700 * pixels.shape[0] / pixels.shape[1])))
    wide = np.pad(wide, ((0, 1700 - wide.shape[0]), (0, 500), (0, 0)), mode="reflect")
    noisy = np.clip(wide + np.random.default_rng(0).normal(0, 0.03, wide.shape), 0, 1).astype(np.float32)
    large = images.Photo(images.to_uint8(noisy), None, None, None, "large.png")
    crop = cut(large.pixels, detector().find(large.pixels)[0], 512)
    damage = estimate_damage(crop.pixels, crop.scale)
    assert damage.severity > 0 and large.width * large.height > 2_000_000
    made = np.asarray(np.clip(crop.pixels * 1.05, 0, 1), np.float32)
    return Ground(large, large.pixels, crop, made, damage, Finish(), fitted=True, seed=0), made
