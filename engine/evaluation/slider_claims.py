"""What every knob of the Restore screen says that it does, as something that can be measured at several stops."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from engine.prior.settings import SAMPLERS
from engine.restorers import choice, find
from engine.studio.finish import FinishOptions

RESTORER = "dual-pivot"
"""The one that the Restore screen works with."""

MEASURES: Mapping[str, str] = {
    "psnr": "PSNR to the truth, dB",
    "sharpness": "sharpness over the truth's",
    "references": "distance to the references",
    "cleaned": "PSNR to the cleaned face, dB",
    "colour": "colours off the cleaned face's, of 255",
    "last": "change from the last stop, of 255",
    "moved": "change from the first stop, of 255",
    "detail": "fine detail off the photo's, of 255",
    "photo": "change of the photo, of 255",
    "side": "side of what is written over the photo's",
    "seconds": "seconds a face",
}
"""What is measured of a restored face; `moved` always is, and says whether a knob does anything at all."""


@dataclass(frozen=True)
class Claim:
    """That a measure goes one way, in the mean over faces and seeds, from each stop to the next."""

    measure: str
    """One of `MEASURES`."""
    rises: bool
    strict: bool = True
    """Whether each stop must show it; else there may be stops between which nothing happens."""


@dataclass(frozen=True)
class Proof:
    """How a knob is proven."""

    knob: str
    """Its name among the options."""
    stops: tuple[Any, ...]
    """Its values, in order."""
    claims: tuple[Claim, ...] = ()
    """What its sentence says; none for one that only says that something else comes."""
    with_it: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What the other knobs stand at where that is not their default."""
    at_stop: tuple[Mapping[str, Any], ...] = ()
    """The same for each stop, where a stop needs something of its own."""
    faces: str = "damaged"
    """On what: `damaged` faces, `sound` ones, or damaged ones of a `person` with their tuned model."""
    finish: bool = False
    """Whether it is one of `FinishOptions`, for which nothing is sampled and no prior counts."""

    def options(self, number: int) -> dict[str, Any]:
        """Give the options at a stop, by its number from 0."""
        own = self.at_stop[number] if self.at_stop else {}
        return {**self.with_it, **own, self.knob: self.stops[number]}


HALF = {"start": 0.5}
"""At a low start hardly anything is drawn, so hardly any other knob could be seen to work."""
WORDED = {"start": 0.5, "guidance": 4.0}
"""Without guidance words steer a little; what is said against something not at all."""
NEARER, FARTHER = Claim("cleaned", True), Claim("cleaned", False)
SOFTER, KEPT = Claim("sharpness", False, strict=False), Claim("detail", False)

PROOFS = (
    Proof("auto", (False, True), (Claim("psnr", True),), faces="sound"),
    Proof("start", (0.05, 0.25, 0.5, 0.75, 1.0), (Claim("psnr", False), Claim("sharpness", True))),
    # Up to 1, as its sentence says: the sample person is 0.422 away from the references at 1.1, and 0.443 at 1.5.
    Proof("identity", (0.0, 0.25, 0.5, 0.75, 1.0), (Claim("references", False),), HALF, faces="person"),
    Proof("steps", (2, 5, 10, 20, 40), (Claim("last", False), Claim("seconds", True)), HALF),
    Proof("guide_strength", (0.0, 0.5, 1.0, 1.5, 2.0), (Claim("moved", True),), HALF),
    Proof("guidance", (1.0, 2.0, 4.0, 6.0, 8.0), (Claim("moved", True),), HALF),
    Proof("sampler", tuple(list(SAMPLERS)[::2]), (), HALF),
    Proof("start_point", ("cleaned", "noise"), (), {"start": 1.0}),
    Proof("noise_aug", (0, 50, 100, 150, 199), (FARTHER,), HALF),
    Proof("rescale_guidance", (False, True), (), WORDED),
    Proof("against", ("", "a grey photo"), (), WORDED),
    Proof(
        "pull",
        ("none", "v1", "v2"),
        (NEARER,),
        HALF,
        ({}, {"pull_scale": 400.0}, {"pull_scale": 0.5}),
    ),
    Proof("pull_scale", (0.0, 100.0, 200.0, 400.0, 800.0), (NEARER,), {**HALF, "pull": "v1"}),
    Proof("colour_fix", ("none", "adain", "wavelet"), (Claim("colour", False),), HALF),
    Proof("words", ("", "a grey photo of a person", "a colour photo of a smiling woman"), (), WORDED),
    Proof("blend", (0.0, 0.25, 0.5, 0.75, 1.0), (Claim("photo", True),), finish=True),
    Proof("measured_grain", (False, True), (), {"grain": 0.0}, finish=True),
    Proof("grain", (0.0, 0.4, 0.75, 1.1, 1.5), (Claim("sharpness", True),), finish=True),
    Proof("sharpness", (0.0, 0.25, 0.5, 0.75, 1.0), (SOFTER,), {"grain": 0.0}, finish=True),
    Proof("measured_detail", (False, True), (), {"detail": 0.0}, faces="sound", finish=True),
    Proof("detail", (0.0, 0.25, 0.5, 0.75, 1.0), (KEPT,), faces="sound", finish=True),
    Proof("tone", ("keep", "colour"), (), finish=True),
    Proof("scale", ("1", "2", "4"), (Claim("side", True),), finish=True),
)

NOT_MEASURED: Mapping[str, str] = {
    "background": "Needs networks that do not come along; their own tests hold them.",
}
"""Knobs without a row of numbers, each with the reason."""


def knobs() -> dict[str, str]:
    """Give every knob that the Restore screen can show: its name and its sentence, in the order of the screen."""
    kinds = (find(RESTORER).options, FinishOptions)
    return {option.name: choice(option).help for kind in kinds for option in fields(kind)}


def titles() -> dict[str, str]:
    """Give what every knob is called."""
    kinds = (find(RESTORER).options, FinishOptions)
    return {option.name: choice(option).title for kind in kinds for option in fields(kind)}
