"""The whole way of a restored crop into its photo, in the right order: tone, place, sharpness, detail, grain.

`blend` comes after it, once for all faces of a photo.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.faces.crop import FaceCrop
from engine.faces.damage import SeenDamage, detail_share
from engine.faces.grain import HALF_AS_SOFT, add_grain, match_sharpness, measure_grain, round_blur
from engine.faces.patch import Patch, keep_detail, place
from engine.faces.tone import Tone, apply_tone
from engine.images import Mask, Pixels


@dataclass(frozen=True)
class Fitting:
    """How a restored face is made to fit its photo."""

    sharpness: float = HALF_AS_SOFT
    """0 leaves the face as sharp as it is, 1 makes it as soft as the sharpest round it."""
    grain: float | None = None
    """0 none to 1.5, 1 as much as round the face; None takes the measured default, `Grain.default_amount`."""
    detail: float | None = None
    """Share of the photo's own detail above the crop's resolution to keep, 0 to 1; None lets the damage decide."""
    seed: int = 0
    """Of the grain."""


def fit(
    pixels: Pixels,
    crop: FaceCrop,
    restored: Pixels,
    damage: SeenDamage,
    *,
    tone: Tone | None = None,
    mask: Mask | None = None,
    fitting: Fitting | None = None,
) -> Patch:
    """Make a restored crop fit its photo; what comes out is ready for `blend`.

    Args:
        pixels: the photo as it was, enlarged already if it is to be: `(H, W, 3)`, 0 to 1; not changed.
        crop: what was cut from it, or `enlarged_crop` of that.
        restored: like `crop.pixels`.
        damage: what was seen on the crop.
        tone: from `photo_tone` when the photo's tone is to be kept; None keeps the colours of `restored`.
        mask: of the crop, as in `place`.
        fitting: the sliders.

    Raises:
        ValueError: a shape or a slider that does not fit.
    """
    chosen = fitting or Fitting()
    patch = place(pixels, crop, restored if tone is None else apply_tone(restored, tone), mask)
    if damage.severity > 0:
        # A face that was left alone has its photo's sharpness and grain already.
        patch = match_sharpness(patch, round_blur(pixels, patch), chosen.sharpness)
    patch = keep_detail(pixels, crop, patch, detail_share(damage) if chosen.detail is None else chosen.detail)
    if damage.severity > 0:
        patch = add_grain(patch, measure_grain(pixels, patch), chosen.grain, chosen.seed)
    return patch
