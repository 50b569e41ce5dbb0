"""A photo as its file had it, and how restored pixels come back into it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from engine.images.convert import Mask, Pixels, Samples, from_samples, row_blocks, to_samples
from engine.images.faults import PhotoTooLarge, shown_name
from engine.images.profile import Profile, UnusableProfile, coloured, each_block, from_srgb, measured, to_srgb

MAX_PIXELS = 200_000_000
"""Larger pictures are refused: as float32 RGB this many take 2.4 GB, and each step of a restoration holds a few."""

GREY_SPREAD = 1 / 255
"""Restored pixels whose channels lie nearer together than one level everywhere are grey."""

_FAR = np.float32(0.1)
"""From this change on (0 to 1) nothing is left of what lies outside sRGB in the photo's own colour."""


@dataclass(frozen=True)
class Resolution:
    """How large a photo is printed, in samples per unit."""

    x: float
    y: float
    unit: str = "inch"
    """"inch" or "cm"."""


@dataclass(frozen=True, eq=False)
class Photo:
    """One photo, upright. Arrays are shared, so they are never changed in place."""

    samples: Samples
    """(H, W) when the file is grey, else (H, W, 3) RGB, as decoded, at the file's own depth: uint8 or uint16."""
    alpha: Samples | None
    """(H, W), 0 transparent to opaque (255 or 65535), of the same depth; None when the file has none."""
    icc: bytes | None
    """The file's colour profile, which says what `samples` mean; None is sRGB."""
    exif: bytes | None
    """The file's EXIF block without JPEG's prefix, its orientation set to upright since `samples` are."""
    name: str
    """The file's name, without its folder."""
    iptc: bytes | None = None
    """The file's IPTC block (IIM)."""
    xmp: bytes | None = None
    """The file's XMP packet."""
    resolution: Resolution | None = None
    """None when the file does not say."""
    source: str = ""
    """Kind of the file: "JPEG", "PNG", "TIFF", "WebP", "BMP", "HEIC", "AVIF" or "JPEG 2000"; empty when made here."""
    notes: tuple[str, ...] = ()
    """What a reader of the file has to know, a sentence each, such as "Only the first of 3 pictures was read."."""

    @property
    def pixels(self) -> Pixels:
        """The photo in the engine's convention, float32 sRGB (H, W, 3), by its profile; a new array each time."""
        own = to_srgb(self.samples, self.profile)
        return own if own.ndim == 3 else np.repeat(own[..., None], 3, axis=2)

    @property
    def profile(self) -> Profile | None:
        """What the colour profile does, None when there is none or it is of no use."""
        return usable_profile(self.icc, self.samples)

    @property
    def width(self) -> int:
        """Width in px."""
        return int(self.samples.shape[1])

    @property
    def height(self) -> int:
        """Height in px."""
        return int(self.samples.shape[0])

    @property
    def depth(self) -> int:
        """Bits a sample, 8 or 16."""
        return 16 if self.samples.dtype == np.uint16 else 8


def merge(photo: Photo, restored: Pixels, mask: Mask) -> Photo:
    """Give the photo with restored pixels where the mask is above 0, and its very own samples where it is 0.

    The mask only says where something may change: `restored` is the whole picture, blended already, so it is quantised
    once and not blended again. It is put back into the photo's own colours and depth; where it says what the photo
    says, the photo's very sample stays, so that no step shows where the mask ends. A grey photo stays grey when the
    restored part is grey; else the result is RGB, its untouched part the grey samples three times.

    Args:
        photo: where the pixels belong.
        restored: (H, W, 3) sRGB, of the photo's size.
        mask: (H, W), of the photo's size.

    Raises:
        ValueError: a shape does not fit the photo, or a restored pixel is not a number.
    """
    shape = photo.samples.shape[:2]
    if restored.shape != (*shape, 3):
        raise ValueError(f"restored must be {(*shape, 3)}, got {restored.shape}")
    if mask.shape != shape:
        raise ValueError(f"mask must be {shape}, got {mask.shape}")
    if photo.samples.ndim == 2 and not _is_grey(restored, mask):
        photo = in_colour(photo)
    profile = photo.profile
    merged = photo.samples.copy()
    source = photo.samples

    def bring(rows: slice) -> None:
        touched = mask[rows] > 0
        if not touched.any():
            return
        fresh = restored[rows][touched]
        if merged.ndim == 2:
            fresh = fresh.mean(axis=1, dtype=np.float32)
        merged[rows][touched] = _own(fresh, source[rows][touched], profile)

    each_block(shape, bring)
    return replace(photo, samples=merged, icc=fitting_profile(photo.icc, merged))


def in_colour(photo: Photo) -> Photo:
    """Give a grey photo as RGB that looks the same: its samples three times, its profile an RGB one of the same curve.

    Where its profile has no plain curve, the samples become sRGB, and a note says so.
    """
    if photo.samples.ndim == 3:
        return photo
    tripled = np.repeat(photo.samples[..., None], 3, axis=2)
    profile = photo.profile
    if profile is None or photo.icc is None:
        return replace(photo, samples=tripled, icc=None)
    icc = coloured(photo.icc, profile)
    if icc is not None:
        return replace(photo, samples=tripled, icc=icc)
    note = "The grey photo became RGB, and its grey profile gave way to sRGB."
    return replace(photo, samples=to_samples(photo.pixels, photo.samples), icc=None, notes=(*photo.notes, note))


def enlarged(photo: Photo, factor: int) -> Photo:
    """Give the photo `factor` times as wide and high, by Lanczos, at its own depth and in its own colours.

    Its resolution grows with it, so that it prints as large as before.

    Raises:
        PhotoTooLarge: the result would have more than `MAX_PIXELS`.
        ValueError: the factor is under 1.
    """
    import cv2

    if factor < 1:
        raise ValueError(f"factor must be at least 1, got {factor}")
    if factor == 1:
        return photo
    width, height = photo.width * factor, photo.height * factor
    if width * height > MAX_PIXELS:
        raise PhotoTooLarge(
            f"{shown_name(photo.name)} enlarged {factor} times would be {width} x {height} px; at most "
            f"{MAX_PIXELS // 1_000_000} million pixels are made. Choose a smaller factor."
        )

    def larger(samples: Samples) -> Samples:
        return np.asarray(cv2.resize(samples, (width, height), interpolation=cv2.INTER_LANCZOS4), samples.dtype)

    old = photo.resolution
    return replace(
        photo,
        samples=larger(photo.samples),
        alpha=None if photo.alpha is None else larger(photo.alpha),
        resolution=None if old is None else Resolution(old.x * factor, old.y * factor, old.unit),
    )


def preview(photo: Photo, longest_side: int) -> Pixels:
    """Give sRGB pixels to look at, the longest side at most `longest_side` px; alpha is left out.

    The samples are shrunk before their colours are converted, so a large photo never lies in memory as float32.
    """
    import cv2

    longest = max(photo.width, photo.height)
    if longest <= longest_side:
        return photo.pixels
    width, height = (max(1, side * longest_side // longest) for side in (photo.width, photo.height))
    small = np.asarray(cv2.resize(photo.samples, (width, height), interpolation=cv2.INTER_AREA), photo.samples.dtype)
    return replace(photo, samples=small).pixels


def usable_profile(icc: bytes | None, samples: Samples) -> Profile | None:
    """Give what a profile does to samples of this kind, None when there is none or it is of no use."""
    if not icc:
        return None
    try:
        return measured(icc, samples.ndim == 2)
    except UnusableProfile:
        return None


def fitting_profile(icc: bytes | None, samples: Samples) -> bytes | None:
    """Give the profile if it speaks of samples of this kind, grey or RGB; a wrong one would spoil every viewer's tones.

    Source: ICC.1:2022, 7.2.6: bytes 16 to 19 of the header name the colour space.
    """
    if not icc:
        return None
    return icc if icc[16:20] == (b"GRAY" if samples.ndim == 2 else b"RGB ") else None


def _is_grey(restored: Pixels, mask: Mask) -> bool:
    for rows in row_blocks(restored.shape):
        fresh = restored[rows][mask[rows] > 0]
        if fresh.size and float(np.ptp(fresh, axis=1).max()) >= GREY_SPREAD:
            return False
    return True


def _own(fresh: Pixels, source: Samples, profile: Profile | None) -> Samples:
    """Give restored pixels (N, 3) or (N,) as the photo's own samples, near whose values they are looked for."""
    if profile is None or profile.is_srgb:
        return to_samples(fresh, source)
    if not np.isfinite(fresh).all():
        raise ValueError("pixels must be finite numbers, found NaN or infinity")
    near = from_samples(source)
    before = to_srgb(source[None], profile)[0]
    found = from_srgb(fresh, profile, near)
    if profile.grey or profile.returns or profile.matrix is not None:
        # Colours outside sRGB were clipped in `before`, and rounding went on both ways: what the photo had beyond
        # comes back in full where nothing changed, and fades out as the change grows.
        change = np.abs(fresh - before)
        if change.ndim == 2:
            change = change.max(axis=1, keepdims=True)
        rest = near - from_srgb(before, profile, near)
        found = found + rest * np.clip(1 - change / _FAR, 0, 1)
    found = np.where(fresh == before, near, found)
    return to_samples(found.astype(np.float32), source)
