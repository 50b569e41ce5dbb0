"""Colour profiles: a photo's own samples to sRGB and back, relative colorimetric, with black point compensation.

LittleCMS does the conversion. Its quick path for 16 bits is wrong by up to 6 % in saturated colours, and its exact one
takes 0.4 s a million pixels. So a profile is measured once: where three curves and a matrix say the same as LittleCMS
on a cloud of colours (Adobe RGB, Display P3, ProPhoto RGB, ...), they are used, some ten times as fast; a profile
that is a table goes through LittleCMS.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.images.convert import Pixels, Samples, from_samples, row_blocks

LARGEST_PROFILE = 16 << 20
"""Bytes; printer profiles have some 2 MB."""

_LEVELS = 65536
_SAME = 1.0 / 255
"""A profile that moves no colour by more than one level of 8 bits is one of the many wordings of sRGB."""
_MODEL = 2e-4
"""How far curves and matrix may be from LittleCMS, of 1: 13 levels of 16 bits."""
_STEPS = 24
"""Steps to turn round a profile that is given one way only; an error of 0.3 is then under 1e-4."""
_GAMMA = 2.2
_WORKERS = 4


class UnusableProfile(Exception):
    """The profile cannot be understood. Whoever reads the file turns this into a note."""


@dataclass(frozen=True, eq=False)
class Profile:
    """A profile that was measured. Arrays are never changed in place."""

    icc: bytes
    grey: bool
    """Whether it speaks of grey samples, else of RGB."""
    is_srgb: bool
    """Then samples are pixels already, and nothing is converted."""
    curves: Pixels | None
    """(1 or 3, 65536): a level of each channel to light (RGB), or to the level in sRGB (grey)."""
    inverse: Pixels | None
    """(1 or 3, 65537): light, or the level in sRGB, of `(k / 65536) ** 2.2` to the channel's level, 0 to 1."""
    matrix: NDArray[np.float64] | None
    """(3, 3): the light of its channels to that of sRGB's; None for grey and for tables."""
    returns: bool
    """Whether LittleCMS converts into it too; profiles of scanners often go one way only."""


@lru_cache(maxsize=8)
def measured(icc: bytes, grey: bool) -> Profile:
    """Give what a profile does to grey or RGB samples.

    Raises:
        UnusableProfile: broken, of another kind of samples, or too large.
    """
    if len(icc) > LARGEST_PROFILE:
        raise UnusableProfile(f"it has {len(icc) / 1e6:.0f} MB")
    if icc[16:20] != (b"GRAY" if grey else b"RGB "):
        raise UnusableProfile(f"it is not made for {'grey' if grey else 'RGB'} samples")
    if grey:
        ramp = np.linspace(0, 1, _LEVELS, dtype=np.float32)[None]
        curve = _cms(ramp, icc, _srgb(), "gray", "rgb").mean(axis=2)
        curve = np.clip(curve, 0, 1).astype(np.float32)
        if float(np.abs(curve - ramp).max()) < _SAME:
            return Profile(icc, True, True, None, None, None, True)
        return Profile(icc, True, False, curve, _inverse(curve), None, True)
    cloud = np.random.default_rng(7).random((64, 64, 3), np.float32)
    exact = np.clip(_cms(cloud, icc, _srgb(), "rgb", "rgb"), 0, 1)
    returns = _converts(cloud, _srgb(), icc, "rgb", "rgb")
    if float(np.abs(exact - cloud).max()) < _SAME:
        return Profile(icc, False, True, None, None, None, returns)
    found, known = _curves(icc), _curves(_srgb())
    if found is not None and known is not None:
        model = Profile(icc, False, False, found[0], _inverse(found[0]), np.linalg.inv(known[1]) @ found[1], returns)
        if float(np.abs(_by_model(cloud, model) - exact).max()) < _MODEL:
            return model
    return Profile(icc, False, False, None, None, None, returns)


def to_srgb(samples: Samples, profile: Profile | None) -> Pixels:
    """Give samples (H, W) or (H, W, 3) as sRGB numbers of the same shape, 0 to 1; exact division without a profile."""
    if profile is None or profile.is_srgb:
        return _in_blocks(samples, from_samples)
    if profile.grey:
        assert profile.curves is not None
        curve = profile.curves[0]
        return _in_blocks(samples, lambda part: curve[_levels(part)])
    if profile.matrix is not None:
        return _in_blocks(samples, lambda part: _by_model(part, profile))
    return _in_blocks(samples, lambda part: _forward(from_samples(part), profile))


def from_srgb(pixels: Pixels, profile: Profile, near: Pixels) -> Pixels:
    """Give sRGB numbers in a profile's own, 0 to 1.

    Args:
        pixels: (N, 3), or (N,) for a grey profile.
        profile: any but sRGB itself.
        near: the photo's own numbers there, of the same shape: where a profile goes one way only, the search begins.
    """
    if profile.grey:
        assert profile.inverse is not None
        return _looked_up(pixels, profile.inverse[0])
    if profile.matrix is not None and profile.inverse is not None:
        light = _decoded(pixels) @ np.linalg.inv(profile.matrix).T.astype(np.float32)
        return np.stack([_looked_up(light[:, k], profile.inverse[k]) for k in range(3)], axis=1)
    if profile.returns:
        made = _cms(pixels[None], _srgb(), profile.icc, "rgb", "rgb")[0]
        return np.clip(made, 0, 1).astype(np.float32)
    found = near.copy()
    for _ in range(_STEPS):
        found = np.clip(found + 0.7 * (pixels - _forward(found[None], profile)[0]), 0, 1).astype(np.float32)
    return found


def cmyk_to_srgb(inks: Samples, icc: bytes | None) -> Samples:
    """Give inks (H, W, 4), 0 none to full, as sRGB samples (H, W, 3) of the same depth, clipped.

    Without a profile by the plain rule of (1 - ink) (1 - black), which no press obeys.

    Raises:
        UnusableProfile: the profile is broken, or not of CMYK.
    """
    if icc is not None and (icc[16:20] != b"CMYK" or len(icc) > LARGEST_PROFILE):
        raise UnusableProfile("it is not made for CMYK")
    full = np.float32(np.iinfo(inks.dtype).max)
    made = np.empty((*inks.shape[:2], 3), inks.dtype)
    for rows in row_blocks(inks.shape):
        part = inks[rows].astype(np.float32) / full
        if icc is None:
            light = (1 - part[..., :3]) * (1 - part[..., 3:])
        else:
            # LittleCMS counts inks as floats in percent.
            light = _cms(part * np.float32(100), icc, _srgb(), "cmyk", "rgb")
        made[rows] = np.rint(np.clip(light, 0, 1) * full).astype(inks.dtype)
    return made


def coloured(icc: bytes, curve_of: Profile) -> bytes | None:
    """Give an RGB profile in which a grey sample, three times, looks as it did under its grey profile.

    Its three curves are the grey one's, its primaries sRGB's. None when the grey profile has no plain curve.

    Source: ICC.1:2022, 7.2 (header), 7.3 (tag table), 9.2 (tags).
    """
    curve = tags(icc).get(b"kTRC")
    white = tags(icc).get(b"wtpt", _xyz(0.9642, 1.0, 0.8249))
    if curve is None or not curve_of.grey:
        return None
    parts = {
        b"desc": _description(b"Grey, as RGB"),
        b"cprt": b"text\0\0\0\0No copyright\0",
        b"wtpt": white,
        # sRGB's primaries, adapted to D50.
        b"rXYZ": _xyz(0.43607, 0.22249, 0.01392),
        b"gXYZ": _xyz(0.38515, 0.71687, 0.09708),
        b"bXYZ": _xyz(0.14307, 0.06061, 0.71410),
        b"rTRC": curve,
        b"gTRC": curve,
        b"bTRC": curve,
    }
    table, body, start = b"", b"", 128 + 4 + 12 * len(parts)
    for name, data in parts.items():
        table += struct.pack(">4sII", name, start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    header = bytearray(icc[:128].ljust(128, b"\0"))
    header[4:8] = bytes(4)
    header[8:12] = b"\x02\x40\0\0"
    header[12:24] = b"mntrRGB XYZ "
    header[84:100] = bytes(16)
    made = bytes(header) + struct.pack(">I", len(parts)) + table + body
    made = struct.pack(">I", len(made)) + made[4:]
    try:
        measured(made, False)
    except UnusableProfile:
        return None
    return made


def tags(icc: bytes) -> dict[bytes, bytes]:
    """Give a profile's tags and their data; what lies outside the profile is left out."""
    if len(icc) < 132:
        return {}
    (count,) = struct.unpack_from(">I", icc, 128)
    found: dict[bytes, bytes] = {}
    for k in range(min(count, 200, (len(icc) - 132) // 12)):
        name, at, size = struct.unpack_from(">4sII", icc, 132 + 12 * k)
        if at + size <= len(icc):
            found[name] = icc[at : at + size]
    return found


def _xyz(x: float, y: float, z: float) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65536) for value in (x, y, z)))


def _description(words: bytes) -> bytes:
    words += b"\0"
    return b"desc\0\0\0\0" + struct.pack(">I", len(words)) + words + bytes(8 + 3 + 67)


@lru_cache(maxsize=1)
def _srgb() -> bytes:
    import imagecodecs

    return bytes(imagecodecs.cms_profile("srgb"))


@lru_cache(maxsize=1)
def _xyz_profile() -> bytes:
    import imagecodecs

    return bytes(imagecodecs.cms_profile("xyz"))


def _cms(values: NDArray[Any], icc: bytes, to: bytes, space: str, into: str) -> Pixels:
    """Convert numbers (H, W) or (H, W, C) by LittleCMS, not clipped."""
    import imagecodecs

    flags = imagecodecs.CMS.FLAGS.BLACKPOINTCOMPENSATION | imagecodecs.CMS.FLAGS.NOOPTIMIZE
    try:
        made = imagecodecs.cms_transform(
            np.ascontiguousarray(values, np.float32),
            icc,
            to,
            colorspace=space,
            outcolorspace=into,
            outdtype="f4",
            intent=imagecodecs.CMS.INTENT.RELATIVE_COLORIMETRIC,
            flags=flags,
        )
    except (imagecodecs.CmsError, ValueError, RuntimeError) as error:
        raise UnusableProfile("it is broken") from error
    if not np.isfinite(made).all():
        raise UnusableProfile("it gives no numbers")
    return made


def _converts(values: NDArray[Any], icc: bytes, to: bytes, space: str, into: str) -> bool:
    probe = values if values.ndim == 3 else np.repeat(values[..., None], 3, axis=2)
    try:
        _cms(probe, icc, to, space, into)
    except UnusableProfile:
        return False
    return True


def _curves(icc: bytes) -> tuple[Pixels, NDArray[np.float64]] | None:
    """Measure each channel's curve and its colour at full strength, XYZ, as if the profile were curves and a matrix."""
    ramp = np.linspace(0, 1, _LEVELS, dtype=np.float32)
    curves = np.empty((3, _LEVELS), np.float32)
    columns = np.empty((3, 3), np.float64)
    for k in range(3):
        alone = np.zeros((1, _LEVELS, 3), np.float32)
        alone[0, :, k] = ramp
        try:
            light = _cms(alone, icc, _xyz_profile(), "rgb", "xyz")[0].astype(np.float64)
        except UnusableProfile:
            return None
        light -= light[0]
        columns[:, k] = light[-1]
        if abs(light[-1, 1]) < 1e-6:
            return None
        curves[k] = light[:, 1] / light[-1, 1]
        if (np.diff(curves[k]) < -1e-6).any():
            return None
    if abs(np.linalg.det(columns)) < 1e-9:
        return None
    return curves, columns


def _by_model(values: NDArray[Any], profile: Profile) -> Pixels:
    assert profile.curves is not None and profile.matrix is not None
    levels = _levels(values)
    light = np.empty(levels.shape, np.float32)
    for k in range(3):
        light[..., k] = profile.curves[k].take(levels[..., k])
    return _encoded(light @ profile.matrix.T.astype(np.float32))


def _levels(values: NDArray[Any]) -> NDArray[np.uint16]:
    if values.dtype == np.uint8:
        return values.astype(np.uint16) * np.uint16(257)
    return values if values.dtype == np.uint16 else np.rint(values * (_LEVELS - 1)).astype(np.uint16)


def _inverse(curves: Pixels) -> Pixels:
    """Turn rising curves round. The steps are even in a gamma, since even steps of light are too coarse near black."""
    rows = np.atleast_2d(curves)
    wanted = np.linspace(0, 1, _LEVELS + 1) ** _GAMMA
    levels = np.linspace(0, 1, _LEVELS)
    return np.stack([np.interp(wanted, np.maximum.accumulate(row), levels) for row in rows]).astype(np.float32)


def _looked_up(values: Pixels, inverse: Pixels) -> Pixels:
    """Give the level, 0 to 1, at which a curve has a value, between two entries of its inverse."""
    place = np.clip(values, 0, 1) ** np.float32(1 / _GAMMA) * np.float32(_LEVELS)
    below = np.minimum(place.astype(np.int32), _LEVELS - 1)
    share = place - below.astype(np.float32)
    low = inverse.take(below)
    return (low + share * (inverse.take(below + 1) - low)).astype(np.float32, copy=False)


def _encoded(light: Pixels) -> Pixels:
    """Give light as sRGB, 0 to 1. Source: IEC 61966-2-1, 5.2."""
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055).astype(np.float32)


def _decoded(pixels: Pixels) -> Pixels:
    """Give sRGB as light, 0 to 1. Source: IEC 61966-2-1, 5.2."""
    return np.where(pixels <= 0.04045, pixels / 12.92, ((pixels + 0.055) / 1.055) ** 2.4).astype(np.float32)


def _forward(values: Pixels, profile: Profile) -> Pixels:
    return np.clip(_cms(values, profile.icc, _srgb(), "rgb", "rgb"), 0, 1)


def _in_blocks(samples: Samples, convert: Callable[[Samples], Pixels]) -> Pixels:
    """Convert rows in blocks; NumPy and LittleCMS leave Python to other threads meanwhile."""
    made = np.empty(samples.shape, np.float32)

    def work(rows: slice) -> None:
        made[rows] = convert(samples[rows])

    each_block(samples.shape, work)
    return made


def each_block(shape: tuple[int, ...], work: Callable[[slice], None]) -> None:
    """Do some work on the rows of a picture (H, W, ...) in blocks, several at a time."""
    blocks = list(row_blocks(shape))
    if len(blocks) == 1:
        work(blocks[0])
        return
    with ThreadPoolExecutor(_WORKERS) as pool:
        list(pool.map(work, blocks))
