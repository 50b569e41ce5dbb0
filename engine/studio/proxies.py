"""Pictures for a browser: upright, sRGB, 8 bits, PNG or JPEG, in one folder that holds nothing else.

A photo too large for a screen has two: a small one, which is there at once at any zoom, and one with every pixel, which
the viewer fetches when somebody looks closer. They are named by the content they show, so nothing is written twice.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from engine import images
from engine.workspace import sha256_file

LOSSLESS_PIXELS = 3_000_000
"""Up to this size one PNG is both; larger photos become JPEG, which is written and sent sooner."""

SMALL_SIDE = 2048
"""Longest side in px of the small one of a large photo: as much as most screens show of a whole photo."""

LONGEST_SIDE = 8192
"""Longest side in px of any; browsers draw larger pictures slowly or not at all."""

SMALL_QUALITY, FULL_QUALITY, QUICK_QUALITY = 90, 92, 95
"""Of JPEG. In the full one neighbours of what differs may differ by a level or two; nothing else does."""


@dataclass(frozen=True)
class Proxy:
    """What a browser is shown of one photo."""

    small: str
    """File name in the folder."""
    full: str
    """File name in the folder; the same as `small` where that has every pixel."""
    width: int
    height: int
    """Of the photo, upright, in px."""
    small_width: int
    """Width of `small` in px."""


def make_proxy(photo: images.Photo, digest: str, folder: Path) -> Proxy:
    """Write what is missing of a photo's proxy, and give it.

    Args:
        photo: as it was read.
        digest: of the content, hexadecimal, at least 32 digits.
        folder: of the proxies, which is there.

    Raises:
        NotSaved: the disk does not allow it.
    """
    if photo.width * photo.height <= LOSSLESS_PIXELS:
        name = f"{digest[:32]}.png"
        _write(photo, LONGEST_SIDE, folder / name, FULL_QUALITY)
        return Proxy(name, name, photo.width, photo.height, photo.width)
    small, full = f"{digest[:32]}-small.jpg", f"{digest[:32]}.jpg"
    _write(photo, SMALL_SIDE, folder / small, SMALL_QUALITY)
    _write(photo, LONGEST_SIDE, folder / full, FULL_QUALITY)
    return Proxy(small, full, photo.width, photo.height, _width_of(photo, SMALL_SIDE))


def make_quick_proxy(samples: images.Samples, digest: str, folder: Path) -> Proxy:
    """Write a proxy as fast as can be, for while somebody moves a slider: a JPEG that hardly differs from the picture.

    Args:
        samples: (H, W, 3), sRGB of 8 bits, no side longer than `LONGEST_SIDE`.
        digest: of the content, hexadecimal, at least 32 digits.
        folder: of the proxies, which is there.

    Raises:
        NotSaved: the disk does not allow it.
    """
    height, width = samples.shape[:2]
    name = f"{digest[:32]}-quick.jpg"
    _write(images.Photo(samples, None, None, None, name), LONGEST_SIDE, folder / name, QUICK_QUALITY)
    return Proxy(name, name, width, height, width)


def proxy_of(file: Path, folder: Path) -> Proxy:
    """Give the proxy of a photo file, as `make_proxy`.

    Raises:
        EngineError: the file cannot be read.
    """
    return make_proxy(images.read_photo(file), sha256_file(file), folder)


def link(file: Path, previews: Path, folder: str) -> str:
    """Put a file as it is among the proxies, so that it can be downloaded, and give its place: `folder/name`."""
    place = previews / folder / file.name
    place.parent.mkdir(mode=0o700, exist_ok=True)
    if not place.exists():
        try:
            os.link(file, place)
        except OSError:  # not every file system has hard links
            shutil.copyfile(file, place)
    return f"{folder}/{file.name}"


def _width_of(photo: images.Photo, longest_side: int) -> int:
    return min(photo.width, max(1, photo.width * longest_side // max(photo.width, photo.height)))


def _write(photo: images.Photo, longest_side: int, place: Path, quality: int) -> None:
    if place.exists():
        return
    whole = max(photo.width, photo.height) <= longest_side
    # Samples that are sRGB of 8 bits already need no way through float32, which takes seconds for a large photo.
    plain = whole and photo.depth == 8 and not photo.icc
    picture = (
        images.Photo(photo.samples, None, None, None, photo.name) if plain else images.preview(photo, longest_side)
    )
    with suppress(images.AlreadyThere):  # another thread was quicker
        images.save_photo(picture, place, quality=quality)
