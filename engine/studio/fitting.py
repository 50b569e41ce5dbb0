"""From a restored face to the whole photo: scale, tone, grain, sharpness, and honest words on what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine import __version__, images
from engine.errors import EngineError
from engine.progress import Tick, silent
from engine.studio.brush import Painted
from engine.studio.finish import PHOTO_PRIORS, Finish, Output

if TYPE_CHECKING:
    from engine.faces import FaceCrop, SeenDamage, Tone
    from engine.people import Gallery

REACH = 40
"""Px round a face that the filters of `softness` look at: a blur by 4 px, and twice a mean over 9."""
BLOCK = 8
"""Side in px of the blocks in which `faces.patch` measures noise."""
LEAST_HEAD = 0.1
"""Mean of a head's mask below which no head was seen; an aligned crop shows one over half its area."""


@dataclass(frozen=True)
class Finished:
    """A photo with its restored face."""

    before: images.Photo
    """The photo at the size of the result."""
    photo: images.Photo
    """The result, to be saved."""
    mask: images.Mask
    """How much of each pixel was replaced."""
    scale: int
    background: str
    """What enlarged the photo; see `enlarging.Enlarged`."""
    notes: tuple[str, ...]
    """What the user should know, in sentences."""


class Ground:
    """A photo, and a face restored in it, with all that fitting the one into the other needs.

    Made once for a face; then `finish` and `shown` compute only what the knobs changed. Not for several threads.
    """

    def __init__(
        self,
        photo: images.Photo,
        pixels: images.Pixels,
        crop: FaceCrop,
        restored: images.Pixels,
        damage: SeenDamage,
        finish: Finish,
        *,
        fitted: bool,
        seed: int,
        head: images.Mask | None = None,
        weights: Path | None = None,
        device: str = "auto",
        tick: Tick = silent,
    ) -> None:
        """Bring the photo to its size.

        Args:
            photo: as it was read.
            pixels: `photo.pixels`, which is dear to compute.
            crop: what was cut from them.
            restored: like `crop.pixels`.
            damage: what was seen on the crop.
            finish: gives `scale` and `background`, which stay as they are here; the rest may change later.
            fitted: whether the face gets the photo's grain and sharpness.
            seed: of the grain.
            head: from `head_of`; None for the mask that needs no network.
            weights: folder of the user's networks, where Real-ESRGAN and priors are looked for.
            device: where they run, as everywhere.
            tick: called after each of their tiles or steps.

        Raises:
            BadScale: the photo would become too large.
            EngineError: the prior that is to draw the background is not there or does not fit; see `redrawn`.
            Cancelled: from the tick.
        """
        from engine.faces import Fitter, choose_scale, enlarged_crop
        from engine.studio.enlarging import enlarge
        from engine.studio.redrawing import redrawn

        wanted = finish.scale if finish.scale == "auto" else int(finish.scale)
        self.scale = choose_scale(crop, (photo.width, photo.height), wanted)
        if finish.background in PHOTO_PRIORS:
            enlarging = redrawn(photo, self.scale, finish.background, weights, seed=seed, device=device, tick=tick)
        else:
            enlarger = weights if finish.background == "auto" else None
            enlarging = enlarge(photo, pixels, self.scale, enlarger, device=device, tick=tick)
        self.before = enlarging.photo
        """The photo at the size of the result."""
        self.background, self._notes = enlarging.background, enlarging.notes
        self.wide = pixels if self.before is photo else self.before.pixels
        """Its pixels."""
        # What a network drew is no detail of the photo's, so the face is held against what Lanczos gives.
        self._own = self.wide if enlarging.plain is self.before else enlarging.plain.pixels
        self._photo, self._pixels, self._crop = photo, pixels, crop
        self._fitted, self._seed = fitted, seed
        self._tone: tuple[Any] | None = None
        self._fitter = Fitter(self.wide, enlarged_crop(crop, self.scale), restored, damage, head)
        self._last: tuple[Any, _Window] | None = None
        self._painted = Painted()

    def finish(self, finish: Finish) -> Finished:
        """Put the face into its photo."""
        window = self._window(finish)
        pasted, share = self.wide.copy(), np.zeros(self.wide.shape[:2], np.float32)
        pasted[window.place], share[window.place] = self._blended(window, finish)
        notes = [*self._notes, *window.notes]
        if finish.tone == "keep" and (tone := self._tone_of_photo()) is not None and not tone.grey:
            notes.append("The photo's tone was kept.")
        if self.scale == 1 and self._crop.scale > 1.15:
            from engine.faces import choose_scale

            larger = choose_scale(self._crop, (self._photo.width, self._photo.height), "auto")
            if larger > 1:
                notes.append(f"The face is small here: an output scale of {larger} keeps more of what was restored.")
        merged = images.merge(self.before, pasted, share)
        return Finished(self.before, merged, share, self.scale, self.background, tuple(notes))

    def shown(self, finish: Finish) -> tuple[tuple[slice, slice], images.Pixels]:
        """Give the part of the result that may differ from the photo: where it lies (rows, columns), and its pixels.

        The same as in `finish`, for a screen, without the way through the photo's own colours.
        """
        window = self._window(finish)
        return window.place, self._blended(window, finish)[0]

    def _blended(self, window: _Window, finish: Finish) -> tuple[images.Pixels, images.Mask]:
        """Take as much of the restored face as is wanted, and none where that was painted away.

        Returns:
            The pixels of the window, and how much of each was replaced.
        """
        if finish.blend == 1 and not finish.mask:
            return window.pixels, window.share
        taken = np.asarray(np.float32(finish.blend))
        if finish.mask:
            taken = taken * (1 - self._painted.over(finish.mask, window.place, self.scale))
        old = self.wide[window.place]
        each = taken[..., None] if taken.ndim else taken
        mixed = np.asarray(old + (window.pixels - old) * each, np.float32)
        return mixed, np.asarray(window.share * taken, np.float32)

    def _window(self, finish: Finish) -> _Window:
        """Fit the face, and give the part of the photo that it lies in; all but the blend."""
        from engine.faces import Fitting, blend, softer_than_input
        from engine.faces.grain import HALF_AS_SOFT
        from engine.faces.softness import with_detail

        half = HALF_AS_SOFT if finish.sharpness is None else finish.sharpness
        softness, grain = (half, finish.grain) if self._fitted else (0.0, 0.0)
        fitting, keeps = Fitting(softness, grain, finish.detail, self._seed), finish.tone == "keep"
        if self._last is not None and self._last[0] == (fitting, keeps):
            return self._last[1]
        patch = self._fitter.patch(fitting, self._tone_of_photo() if keeps else None)
        place = _round(patch.place, self.wide.shape)
        (top, left), (x, y) = (place[0].start, place[1].start), patch.corner
        own, notes = self._own[place], ()
        pasted, share = blend(self.wide[place], [replace(patch, corner=(x - left, y - top))])
        soft = softer_than_input(own, pasted, share)
        if soft.softer:
            # What the photo shows more clearly than the result is the photo's to keep, unless it is damage.
            pasted = with_detail(own, pasted, share)
            soft = softer_than_input(own, pasted, share)
        if soft.softer:
            notes = (f"{soft.words} Less grain to clean away or a higher Fidelity to Quality may help.",)
        window = _Window(place, pasted, share, notes)
        self._last = (fitting, keeps), window
        return window

    def _tone_of_photo(self) -> Tone | None:
        from engine.faces import photo_tone

        if self._tone is None:
            self._tone = (photo_tone(self._pixels),)
        return self._tone[0]


@dataclass(frozen=True, eq=False)
class _Window:
    """The part of a photo round a face, with the face in it."""

    place: tuple[slice, slice]
    """Rows and columns of the photo."""
    pixels: images.Pixels
    share: images.Mask
    """How much of each pixel was replaced, 0 to 1."""
    notes: tuple[str, ...]


def _round(place: tuple[slice, slice], shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Give a part of a photo with as much round it as the filters that look at it reach.

    It begins at a whole number of the blocks in which noise is measured, so that these are those of the whole photo.
    """
    rows, columns = (
        slice(max(0, (side.start - REACH) // BLOCK * BLOCK), min(longest, side.stop + REACH))
        for side, longest in zip(place, shape, strict=False)
    )
    return rows, columns


def head_of(crop: FaceCrop, weights: Path | None) -> tuple[images.Mask | None, tuple[str, ...]]:
    """Give the head as ParseNet sees it, where the user has that network, and what is to be said of it.

    Returns:
        `(size, size)`, 0 to 1, or None for the mask that needs no network; and notes in sentences.
    """
    from engine.faces import masker

    try:
        parser = masker(weights)
    except EngineError as error:
        return None, (f"{error} The face was blended in without it.",)
    mask = parser.mask(crop.pixels) if parser is not None else None
    return (mask if mask is not None and float(mask.mean()) > LEAST_HEAD else None), ()


def save(finished: Finished, path: Path, output: Output, settings: str) -> tuple[Path, Path | None, tuple[str, ...]]:
    """Write a result, and its layer where one is wanted; both or neither.

    Args:
        finished: see there.
        path: of the result, a free name.
        output: how to write it.
        settings: written into the file, as text.

    Returns:
        Path of the result, path of the layer, and what the format could not hold, in sentences.

    Raises:
        AlreadyThere, NotSaved: see `images.save_photo`.
    """
    made = images.Made(f"Likeness {__version__}", settings)
    metadata = images.Metadata(output.metadata)
    depth: images.Depth = "source" if output.depth == "source" else 8 if output.depth == "8" else 16
    lost = images.losses(finished.photo, path, metadata=metadata)
    result = images.save_photo(finished.photo, path, quality=output.quality, depth=depth, metadata=metadata, made=made)
    if output.layer is None:
        return result, None, lost
    try:
        layer = images.save_layer(
            finished.before, finished.photo, finished.mask, output.layer, depth=depth, metadata=metadata, made=made
        )
    except EngineError:
        result.unlink(missing_ok=True)
        raise
    return result, layer, lost


def honest_words(
    damage: SeenDamage, crop: FaceCrop, restored: images.Pixels, gallery: Gallery | None
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Say what was seen of the damage, how faithful the result is, and where its identity comes from.

    Args:
        damage: what was seen on the crop.
        crop: before.
        restored: after, like `crop.pixels`.
        gallery: of the person, None without one.

    Returns:
        `damage`, `faithful_db` and `identity_from` (photo, references or ""), as JSON has them; and notes in sentences.
    """
    from engine import metrics
    from engine.faces import embed, identity_source

    seen: dict[str, Any] = {
        "damage": {**damage.to_json(), "words": damage.words},
        "faithful_db": round(min(99.0, metrics.faithful(restored, crop.pixels, damage)), 2),
        "identity_from": "",
    }
    if gallery is None or not len(gallery.embeddings):
        return seen, ()
    source = identity_source(embed(crop), list(gallery.embeddings))
    seen["identity_from"] = "references" if source.from_references else "photo"
    return seen, (source.words,) if source.from_references else ()


def joined(*notes: Sequence[str]) -> list[str]:
    """Give all notes, each once, in order."""
    return list(dict.fromkeys(sentence for part in notes for sentence in part))
