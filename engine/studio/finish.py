"""How a restored face shall be fitted into its photo and written: the settings, their ranges, and a page's knobs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from engine import images
from engine.errors import EngineError
from engine.restorers import Options, option, read_options
from engine.studio.brush import Stroke, read_strokes, strokes_json

TONES = ("keep", "colour")
SCALES = ("1", "2", "4", "auto")
PHOTO_PRIORS = ("diffbir-v1-general", "diffbir-v2", "diffbir-v2.1")
"""Priors that can draw what is round a face anew."""
BACKGROUNDS = ("auto", "lanczos", *PHOTO_PRIORS)
GRAIN = (0.0, 1.5)


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
    """What becomes of what is round the face. `auto`: it is left, and where the photo is enlarged, Real-ESRGAN does it
    where its weights are there. `lanczos`: the same, but never by a network. A name of `PHOTO_PRIORS`: it is drawn anew
    at every scale."""
    blend: float = 1.0
    """How much of the restored face is taken: 0 leaves the photo as it was, 1 takes all of it."""
    mask: tuple[Stroke, ...] = ()
    """Where the photo stays as it was, as it was painted; see `engine.studio.brush`."""


@dataclass(frozen=True)
class FinishOptions(Options):
    """The same as knobs of a page."""

    blend: float = option(
        1.0,
        "Blend",
        "How much of the restored face is taken: 0 is the photo as it was, 1 all of it.",
        low=0.0,
        high=1.0,
        step=0.05,
    )
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
    measured_detail: bool = option(
        True,
        "Detail as the damage allows",
        "The less noise and compression was seen on the face, the more of the photo's own fine detail is kept.",
        advanced=True,
    )
    detail: float = option(
        1.0,
        "Own detail",
        "How much of the photo's own fine detail is kept, where the face is larger than what was restored.",
        low=0.0,
        high=1.0,
        step=0.05,
        advanced=True,
        turns_off="measured_detail",
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
        "Round the face",
        "auto: left as it is, and enlarged by Real-ESRGAN where its weights are there. lanczos: never by that. The "
        "others draw it anew by that prior, which takes very long without a card.",
        choices=BACKGROUNDS,
        advanced=True,
    )

    def finish(self) -> Finish:
        """Give what the knobs say."""
        grain = None if self.measured_grain else self.grain
        detail = None if self.measured_detail else self.detail
        return Finish(self.scale, self.tone, grain, self.sharpness, detail, self.background, self.blend)


def knobs_of(finish: Finish) -> dict[str, Any]:
    """Give the knobs that say a finish, by name; what was measured leaves its slider where it is."""
    known: dict[str, Any] = {
        "blend": finish.blend,
        "measured_grain": finish.grain is None,
        "grain": finish.grain,
        "sharpness": finish.sharpness,
        "measured_detail": finish.detail is None,
        "detail": finish.detail,
        "tone": finish.tone,
        "scale": finish.scale,
        "background": finish.background,
    }
    return {name: value for name, value in known.items() if value is not None}


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


def checked(finish: Finish, output: Output) -> None:
    """Raise `BadFinish` when a setting is outside its range, before anything is computed."""
    if finish.scale not in SCALES:
        raise BadFinish(f"The output scale must be auto, 1, 2 or 4, got {finish.scale!r}.")
    if finish.tone not in TONES:
        raise BadFinish(f"The tone must be {' or '.join(TONES)}, got {finish.tone!r}.")
    if finish.background not in BACKGROUNDS:
        raise BadFinish(f"The background must be {' or '.join(BACKGROUNDS)}, got {finish.background!r}.")
    _within("The grain", finish.grain, *GRAIN)
    _within("The sharpness", finish.sharpness, 0.0, 1.0)
    _within("The detail", finish.detail, 0.0, 1.0)
    _within("The blend", finish.blend, 0.0, 1.0)
    known = [str(value) for value in images.Metadata]
    if output.metadata not in known:
        raise BadFinish(f"The metadata must be {', '.join(known)}, got {output.metadata!r}.")
    _within("The quality", float(output.quality), 1, 100)
    if output.depth not in ("source", "8", "16"):
        raise BadFinish(f"The depth must be source, 8 or 16, got {output.depth!r}.")


def finish_from(values: Mapping[str, Any]) -> Finish:
    """Read what `finish_json` gave; what is missing has its default.

    Raises:
        BadStroke: the mask cannot be read.
    """
    known = {name: values[name] for name in asdict(Finish()) if name in values and name != "mask"}
    return Finish(**known, mask=read_strokes(values.get("mask", ())))


def finish_json(finish: Finish) -> dict[str, Any]:
    """Give a `Finish` as JSON has it; without a mask where none was painted, as it was before there were masks."""
    plain = asdict(finish)
    mask = strokes_json(finish.mask)
    return {**plain, "mask": mask} if mask else {name: value for name, value in plain.items() if name != "mask"}


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


def _within(what: str, value: float | None, low: float, high: float) -> None:
    if value is not None and not low <= value <= high:
        raise BadFinish(f"{what} must be {low:g} to {high:g}, got {value:g}.")
