"""From a restored face to the whole photo: scale, tone, grain, sharpness, and honest words on what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import __version__, images
from engine.errors import EngineError
from engine.progress import Tick, silent
from engine.restorers import Options, option, read_options

if TYPE_CHECKING:
    from engine.faces import FaceCrop, SeenDamage
    from engine.people import Gallery

TONES = ("keep", "colour")
SCALES = ("1", "2", "4", "auto")
BACKGROUNDS = ("auto", "lanczos")
GRAIN = (0.0, 1.5)
LEAST_HEAD = 0.1
"""Mean of a head's mask below which no head was seen; an aligned crop shows one over half its area."""


class BadFinish(EngineError):
    """A setting of the finishing that does not exist."""


@dataclass(frozen=True)
class Finish:
    """How a restored face is fitted into its photo; all of it decides what a result shows."""

    scale: str = "1"
    """How many times larger the photo is written: 1, 2, 4, or auto, which enlarges for small faces."""
    tone: str = "keep"
    """`keep`: a grey or toned photo stays in its tone. `colour`: the face has the restorer's colours."""
    grain: float | None = None
    """0 none, 1 as much as round the face, at most 1.5; None takes what was measured."""
    sharpness: float | None = None
    """0 leaves the face as sharp as it was made, 1 makes it as soft as the sharpest round it; None takes a half."""
    detail: float | None = None
    """Share of the photo's own detail beyond the crop's resolution, 0 to 1; None lets the damage decide."""
    background: str = "auto"
    """How the photo is enlarged. `auto`: by Real-ESRGAN where its weights are there. `lanczos`: never by a network."""


@dataclass(frozen=True)
class FinishOptions(Options):
    """The same as knobs of a page."""

    measured_grain: bool = option(
        True, "Grain as measured", "The face gets as much grain as was measured round it, less what it has."
    )
    grain: float = option(
        1.0,
        "Grain",
        "1 is as much as round the face, 0 is none.",
        low=GRAIN[0],
        high=GRAIN[1],
        step=0.05,
        turns_off="measured_grain",
    )
    sharpness: float = option(
        0.5,
        "Match softness",
        "0 leaves the face as sharp as it was made, 1 makes it as soft as the sharpest round it.",
        low=0.0,
        high=1.0,
        step=0.05,
        advanced=True,
    )
    tone: str = option(
        "keep", "Tone", "keep: a grey or toned photo stays so. colour: as the restorer made it.", choices=TONES
    )
    scale: str = option(
        "1",
        "Output scale",
        "How many times larger it is written; auto enlarges for small faces.",
        choices=SCALES,
    )
    background: str = option(
        "auto",
        "Enlarging",
        "auto: by Real-ESRGAN where its weights are there, which takes long without a card. lanczos: never.",
        choices=BACKGROUNDS,
        advanced=True,
    )

    def finish(self) -> Finish:
        """Give what the knobs say."""
        grain = None if self.measured_grain else self.grain
        return Finish(self.scale, self.tone, grain, self.sharpness, background=self.background)


@dataclass(frozen=True)
class Output:
    """How a result is written; nothing of it changes what the result shows."""

    metadata: str = "keep"
    """A value of `images.Metadata`."""
    quality: int = 95
    """Of a JPEG, 1 to 100."""
    depth: str = "source"
    """Bits a sample: source, 8 or 16."""
    layer: Path | None = None
    """A further new file with the face as a layer: .png or .tif."""


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


def checked(finish: Finish, output: Output) -> None:
    """Raise `BadFinish` when a setting is outside its range, before anything is computed."""
    if finish.scale not in SCALES:
        raise BadFinish(f"The output scale must be auto, 1, 2 or 4, got {finish.scale!r}.")
    if finish.tone not in TONES:
        raise BadFinish(f"The tone must be {' or '.join(TONES)}, got {finish.tone!r}.")
    if finish.background not in BACKGROUNDS:
        raise BadFinish(f"The enlarging must be {' or '.join(BACKGROUNDS)}, got {finish.background!r}.")
    _within("The grain", finish.grain, *GRAIN)
    _within("The sharpness", finish.sharpness, 0.0, 1.0)
    _within("The detail", finish.detail, 0.0, 1.0)
    known = [str(value) for value in images.Metadata]
    if output.metadata not in known:
        raise BadFinish(f"The metadata must be {', '.join(known)}, got {output.metadata!r}.")
    _within("The quality", float(output.quality), 1, 100)
    if output.depth not in ("source", "8", "16"):
        raise BadFinish(f"The depth must be source, 8 or 16, got {output.depth!r}.")


def finish_face(
    photo: images.Photo,
    pixels: images.Pixels,
    crop: FaceCrop,
    restored: images.Pixels,
    damage: SeenDamage,
    finish: Finish,
    *,
    fitted: bool,
    seed: int,
    weights: Path | None = None,
    device: str = "auto",
    tick: Tick = silent,
) -> Finished:
    """Put a restored crop into its photo.

    Args:
        photo: as it was read.
        pixels: `photo.pixels`, which is dear to compute.
        crop: what was cut from them.
        restored: like `crop.pixels`.
        damage: what was seen on the crop.
        finish: the settings.
        fitted: whether the face gets the photo's grain and sharpness.
        seed: of the grain.
        weights: folder of the user's networks, where ParseNet and Real-ESRGAN are looked for.
        device: where Real-ESRGAN runs, as everywhere.
        tick: called after each tile that Real-ESRGAN enlarges.

    Raises:
        BadScale: the photo would become too large.
        Cancelled: from the tick.
    """
    from engine.faces import Fitting, blend, choose_scale, enlarged_crop, fit, photo_tone, softer_than_input
    from engine.faces.grain import HALF_AS_SOFT
    from engine.faces.softness import with_detail
    from engine.studio.enlarging import enlarge

    wanted = finish.scale if finish.scale == "auto" else int(finish.scale)
    scale = choose_scale(crop, (photo.width, photo.height), wanted)
    enlarger = weights if finish.background == "auto" else None
    enlarging = enlarge(photo, pixels, scale, enlarger, device=device, tick=tick)
    before = enlarging.photo
    wide = before.pixels if scale > 1 else pixels
    # What a network drew is no detail of the photo's, so the face is held against what Lanczos gives.
    own = wide if enlarging.plain is before else enlarging.plain.pixels
    there = enlarged_crop(crop, scale)
    tone = photo_tone(pixels) if finish.tone == "keep" else None
    notes = list(enlarging.notes)
    mask = _head(crop, weights, notes)
    half = HALF_AS_SOFT if finish.sharpness is None else finish.sharpness
    fitting = Fitting(half, finish.grain, finish.detail, seed) if fitted else Fitting(0.0, 0.0, finish.detail, seed)
    patch = fit(wide, there, restored, damage, tone=tone, mask=mask, fitting=fitting)
    pasted, share = blend(wide, [patch])
    soft = softer_than_input(own, pasted, share)
    if soft.softer:
        # What the photo shows more clearly than the result is the photo's to keep, unless it is damage.
        pasted = with_detail(own, pasted, share)
        soft = softer_than_input(own, pasted, share)
    if soft.softer:
        notes.append(f"{soft.words} Less grain to clean away or a higher Fidelity to Quality may help.")
    if tone is not None and not tone.grey:
        notes.append("The photo's tone was kept.")
    if scale == 1 and crop.scale > 1.15:
        larger = choose_scale(crop, (photo.width, photo.height), "auto")
        if larger > 1:
            notes.append(f"The face is small here: an output scale of {larger} keeps more of what was restored.")
    return Finished(before, images.merge(before, pasted, share), share, scale, enlarging.background, tuple(notes))


def _head(crop: FaceCrop, weights: Path | None, notes: list[str]) -> images.Mask | None:
    """Give the head as ParseNet sees it, where the user has that network; None for the mask that needs none."""
    from engine.faces import masker

    try:
        parser = masker(weights)
    except EngineError as error:
        notes.append(f"{error} The face was blended in without it.")
        return None
    mask = parser.mask(crop.pixels) if parser is not None else None
    return mask if mask is not None and float(mask.mean()) > LEAST_HEAD else None


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


def finish_from(values: Mapping[str, Any]) -> Finish:
    """Read what `asdict` gave of a `Finish`; what is missing has its default."""
    known = asdict(Finish())
    return Finish(**{name: values[name] for name in known if name in values})


def read_finish(values: Mapping[str, Any]) -> Finish:
    """Read a page's knobs.

    Raises:
        BadOption: see `restorers.read_options`.
    """
    read = read_options(FinishOptions, values)
    assert isinstance(read, FinishOptions)
    return read.finish()


def output_from(values: Mapping[str, Any]) -> Output:
    """Read what `output_json` gave."""
    layer = values.get("layer")
    return Output(
        str(values.get("metadata", "keep")),
        int(values.get("quality", 95)),
        str(values.get("depth", "source")),
        Path(layer) if layer else None,
    )


def output_json(output: Output) -> dict[str, Any]:
    """Give an `Output` as JSON has it."""
    return {**asdict(output), "layer": str(output.layer) if output.layer is not None else None}


def joined(*notes: Sequence[str]) -> list[str]:
    """Give all notes, each once, in order."""
    return list(dict.fromkeys(sentence for part in notes for sentence in part))


def _within(what: str, value: float | None, low: float, high: float) -> None:
    if value is not None and not low <= value <= high:
        raise BadFinish(f"{what} must be {low:g} to {high:g}, got {value:g}.")
