"""A photo written larger: by Real-ESRGAN where the user has its weights, else by Lanczos, and never without saying so.

The networks are those of `engine.restorers.realesrgan`: a file is either the published one or refused.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from engine import images
from engine.images.convert import row_blocks
from engine.progress import Tick, silent
from engine.restorers.realesrgan import FACTORS, X2PLUS, X4PLUS, X4V3, filled_network
from engine.weights import WeightsDamaged, WeightsMissing, by_name
from engine.workspace import sha256_file

if TYPE_CHECKING:
    from torch.nn import Module

CHOICES = {2: (X2PLUS, X4PLUS, X4V3), 4: (X4PLUS, X4V3)}
"""Files that serve an output scale, the best first. What is twice too large is shrunk by half."""
LANCZOS = "lanczos"

TILE = 256
"""Side in px, of the photo, of what the network sees at once; at 4 times it then needs about 1 GB."""
MARGIN = 16
"""Px of the photo that a tile sees beyond its own part. The authors' own tiles see 10."""
FADE = 4
"""Px of the photo on either side of the line between two tiles in which one turns into the other, so that what they see
differently makes no edge."""

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class Enlarged:
    """A photo at the size of its result."""

    photo: images.Photo
    plain: images.Photo
    """The same by Lanczos, which invents nothing; `photo` itself where that is by Lanczos."""
    background: str
    """What enlarged it, for the provenance: "lanczos", or the network and the start of its file's SHA-256; empty where
    nothing was enlarged."""
    notes: tuple[str, ...]
    """What the user should know, in sentences."""


def enlarge(
    photo: images.Photo,
    pixels: images.Pixels,
    scale: int,
    weights: Path | None,
    *,
    device: str = "auto",
    tick: Tick = silent,
) -> Enlarged:
    """Give a photo `scale` times as wide and high, at its own depth, in its own colours, with all that belongs to it.

    A grey photo, or one in a single tone, keeps that: the network gives it brightness alone.

    Args:
        photo: as it was read.
        pixels: `photo.pixels`, which is dear to compute.
        scale: 1, 2 or 4.
        weights: folder in which the published files may lie; None for Lanczos whatever is there.
        device: where the network runs, as everywhere.
        tick: called after each tile of the network; not at all by Lanczos.

    Raises:
        PhotoTooLarge: see `images.enlarged`.
        NoSuchDevice: see `prior.device.choose`.
        Cancelled: from the tick.
    """
    if scale == 1:
        return Enlarged(photo, photo, "", ())
    plain = images.enlarged(photo, scale)
    path = network_file(weights, scale)
    if path is None:
        return Enlarged(plain, plain, LANCZOS, (f"The photo was enlarged {scale} times by Lanczos.",))
    try:
        made = enlarged_pixels(pixels, network(path), scale, device=device, tick=tick)
        if not np.isfinite(made).all():
            raise WeightsDamaged(f"{path} gives no picture, since its numbers overflow. Get the file again.")
    except (WeightsMissing, WeightsDamaged) as error:
        note = f"{error} The photo was enlarged {scale} times by Lanczos instead."
        return Enlarged(plain, plain, LANCZOS, (note,))
    if _one_tone(photo, pixels):
        _keep_colour(made, plain)
    everywhere = np.broadcast_to(np.float32(1), made.shape[:2])
    how = "" if FACTORS[path.name] == scale else ", whose picture was shrunk by half"
    note = f"The photo was enlarged {scale} times by {_title(path)}{how}."
    return Enlarged(images.merge(plain, made, everywhere), plain, name(path), (note,))


def network_file(weights: Path | None, scale: int) -> Path | None:
    """Give the file that serves an output scale, from a folder of weights or a shared one, None when there is none."""
    if weights is None:
        return None
    return next((path for file in CHOICES.get(scale, ()) if (path := by_name(weights, file)).is_file()), None)


def name(path: Path) -> str:
    """Name a network so that it is known again, such as "Real-ESRGAN x2plus (sha256 49fafd45)"."""
    return f"{_title(path)} (sha256 {sha256_file(path)[:8]})"


def network(path: Path) -> Module:
    """Give the network of a published file, filled, in float32 on the CPU, ready to be asked.

    It takes `(N, 3, H, W)`, sRGB, 0 to 1, and gives the same `FACTORS` times as wide and high, not clipped.

    Raises:
        WeightsMissing, WeightsDamaged: the file is not there, or is not the one that its name says.
    """
    return filled_network(path)


def enlarged_pixels(
    pixels: images.Pixels,
    network: Module,
    scale: int,
    *,
    device: str = "auto",
    tick: Tick = silent,
    tile: int = TILE,
    margin: int = MARGIN,
) -> images.Pixels:
    """Give pixels enlarged by a network, tile by tile, so that memory does not grow with the photo but for the result.

    Computed in float32 everywhere: bfloat16 has steps of a level of 8 bits in bright places, which shows in skies and
    would make 8 bits of 16.

    Args:
        pixels: `(H, W, 3)`, 0 to 1; not changed.
        network: as `network` gives it.
        scale: how many times larger; what the network makes larger than that is shrunk to it.
        device: where the network runs, as everywhere.
        tick: called after each tile.
        tile: side in px of what the network sees at once, even.
        margin: px that it sees beyond its own part, even, at least `FADE`.

    Returns:
        `(H * scale, W * scale, 3)`, 0 to 1; NaN where the network gave no number.

    Raises:
        ValueError: the tile is odd, or its margins leave nothing of it.
        NoSuchDevice: see `prior.device.choose`.
        Cancelled: from the tick.
    """
    import cv2
    import torch

    from engine.prior.device import choose

    if tile % 2 or margin % 2 or margin < FADE or tile <= 2 * (margin + FADE):
        raise ValueError(f"a tile must be even and larger than its margins, got {tile} and {margin}")
    height, width = pixels.shape[:2]
    lines, columns = _cuts(height, tile - 2 * margin), _cuts(width, tile - 2 * margin)
    # Mirrored, so that the photo's border is no edge to the network, and every tile has the same margins.
    wide = np.asarray(cv2.copyMakeBorder(pixels, margin, margin, margin, margin, cv2.BORDER_REFLECT_101), np.float32)
    made = np.zeros((height * scale, width * scale, 3), np.float32)
    where = choose(device)
    network = network.to(where)
    total = (len(lines) - 1) * (len(columns) - 1)
    tick(0, total)
    for number in range(total):
        row, column = divmod(number, len(columns) - 1)
        top, bottom, left, right = lines[row], lines[row + 1], columns[column], columns[column + 1]
        seen = wide[top : bottom + 2 * margin, left : right + 2 * margin]
        batch = torch.from_numpy(np.ascontiguousarray(seen.transpose(2, 0, 1)[None]))
        with torch.inference_mode():
            larger = network(batch.to(where))[0].permute(1, 2, 0).float().cpu().numpy()
        size = (seen.shape[1] * scale, seen.shape[0] * scale)
        larger = np.clip(larger, 0.0, 1.0)
        if larger.shape[1::-1] != size:
            larger = np.asarray(cv2.resize(larger, size, interpolation=cv2.INTER_AREA), np.float32)
        down, across = _share(lines, row, scale), _share(columns, column, scale)
        y, x = max(0, top - FADE), max(0, left - FADE)  # where the shares begin, in the photo
        inner = larger[(y - top + margin) * scale :, (x - left + margin) * scale :][: len(down), : len(across)]
        place = made[y * scale :, x * scale :][: len(down), : len(across)]
        place += inner * (down[:, None] * across[None, :])[..., None]
        tick(number + 1, total)
    return made


def _cuts(length: int, most: int) -> list[int]:
    """Give where a side is cut into parts of about the same length, at most `most`; 0 and the length among them.

    All but the last are even, since the network for twice the size sees pixels in twos.
    """
    step = -(-length // -(-length // most))
    step += step % 2
    return [*range(0, length, step), length]


def _share(cuts: list[int], part: int, scale: int) -> images.Pixels:
    """Give the share of a part, 0 to 1, at each px of the result from `FADE` before it to `FADE` after it.

    The shares of all parts add up to 1 everywhere; nothing lies outside the side.
    """
    ramp = (np.arange(2 * FADE * scale, dtype=np.float32) + np.float32(0.5)) / np.float32(2 * FADE * scale)
    begin, end = cuts[part], cuts[part + 1]
    share = np.ones((min(end + FADE, cuts[-1]) - max(begin - FADE, 0)) * scale, np.float32)
    if begin > 0:
        rising = ramp[: len(share)]
        share[: len(rising)] *= rising
    if end < cuts[-1]:
        falling = ramp[::-1][: (min(end + FADE, cuts[-1]) - (end - FADE)) * scale]
        share[len(share) - len(falling) :] *= falling
    return share


def _one_tone(photo: images.Photo, pixels: images.Pixels) -> bool:
    from engine.faces import photo_tone

    return photo.samples.ndim == 2 or photo_tone(pixels) is not None


def _keep_colour(made: images.Pixels, plain: images.Photo) -> None:
    """Give enlarged pixels the colour of the photo by Lanczos, in place; grey comes out grey to the last bit.

    The colour itself is kept and not the tone's curve, so that a stain or a stamp on a toned photo stays as it is.
    """
    for rows in row_blocks(made.shape):
        own = replace(plain, samples=plain.samples[rows]).pixels
        lighter = made[rows] @ _LUMA - own @ _LUMA
        made[rows] = np.clip(own + lighter[..., None], 0.0, 1.0)


def _title(path: Path) -> str:
    return path.stem.replace("RealESRGAN_", "Real-ESRGAN ").replace("realesr-", "Real-ESRGAN ")
