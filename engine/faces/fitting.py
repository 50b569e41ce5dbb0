"""The whole way of a restored crop into its photo, in the right order: tone, place, sharpness, detail, grain.

`blend` comes after it, once for all faces of a photo.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from engine.faces.crop import FaceCrop
from engine.faces.damage import SeenDamage, detail_share
from engine.faces.grain import HALF_AS_SOFT, add_grain, match_sharpness, measure_grain, round_blur
from engine.faces.patch import Patch, keep_detail, place
from engine.faces.tone import Tone, apply_tone
from engine.images import Mask, Pixels

_Made = TypeVar("_Made")


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


class Fitter:
    """Fits one restored crop into its photo, again and again: a step whose sliders did not move is not done anew.

    Not for several threads.
    """

    def __init__(
        self,
        pixels: Pixels,
        crop: FaceCrop,
        restored: Pixels,
        damage: SeenDamage,
        mask: Mask | None = None,
    ) -> None:
        """Take what is fitted; arguments as in `fit`."""
        self._pixels, self._crop, self._restored, self._damage, self._mask = pixels, crop, restored, damage, mask
        self._done: dict[str, tuple[Any, Any]] = {}

    def patch(self, fitting: Fitting, tone: Tone | None = None) -> Patch:
        """Give the crop as `fit` does.

        Args:
            fitting: the sliders.
            tone: from `photo_tone` when the photo's tone is to be kept; the same object, or an equal one, each time.

        Raises:
            ValueError: a shape or a slider that does not fit.
        """
        damage = self._damage
        key: tuple[Any, ...] = (tone is not None,)
        patch = self._once("placed", key, lambda: self._placed(tone))
        if damage.severity > 0:
            # A face that was left alone has its photo's sharpness and grain already.
            key = (*key, fitting.sharpness)
            placed = patch
            blur = self._once("blur", (), lambda: round_blur(self._pixels, placed))
            patch = self._once("sharpness", key, lambda: match_sharpness(placed, blur, fitting.sharpness))
        share = detail_share(damage) if fitting.detail is None else fitting.detail
        key = (*key, share)
        low = self._once("low", (), lambda: place(self._pixels, self._crop, self._crop.pixels).pixels)
        soft = patch
        patch = self._once("detail", key, lambda: keep_detail(self._pixels, self._crop, soft, share, low))
        if damage.severity > 0:
            key = (*key, fitting.grain, fitting.seed)
            bare = patch
            grain = self._once("round", (), lambda: measure_grain(self._pixels, bare))
            patch = self._once("grain", key, lambda: add_grain(bare, grain, fitting.grain, fitting.seed))
        return patch

    def _placed(self, tone: Tone | None) -> Patch:
        restored = self._restored if tone is None else apply_tone(self._restored, tone)
        return place(self._pixels, self._crop, restored, self._mask)

    def _once(self, step: str, key: tuple[Any, ...], make: Callable[[], _Made]) -> _Made:
        """Give what a step gave the last time if nothing that it depends on has changed."""
        known = self._done.get(step)
        if known is None or known[0] != key:
            known = self._done[step] = (key, make())
        return known[1]


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
    return Fitter(pixels, crop, restored, damage, mask).patch(fitting or Fitting(), tone)
