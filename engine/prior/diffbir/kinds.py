"""The four published priors: which files each is made of, and what was trained how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from engine.errors import EngineError

SIZE = 512
"""Side in px of the face crops."""

_BETAS: Mapping[str, Any] = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
}


@dataclass(frozen=True)
class Kind:
    """One published prior. Files are named by their ids in the list of weights."""

    id: str
    title: str
    guide: str
    base: str
    """Stable Diffusion file with denoiser, autoencoder and text encoder."""
    cleaners: tuple[str, ...]
    """For faces; the first is the published one, the next are for those who may not use it."""
    photo_cleaners: tuple[str, ...]
    """For what is not a face."""
    full: str | None = None
    """One file with all parts."""
    prediction: str = "epsilon"
    zero_snr: bool = False
    """Whether the last level of the schedule is noise alone (arXiv 2305.08891)."""
    guide_reads_prompt: bool = False
    """Whether the guide was trained with the prompt; version 1's only ever read the empty one."""

    @property
    def schedule(self) -> Mapping[str, Any]:
        """Configuration of the diffusers schedulers."""
        last = {"rescale_betas_zero_snr": True} if self.zero_snr else {}
        return {**_BETAS, "prediction_type": self.prediction, **last}


_ALL = (
    Kind(
        "diffbir-v1-face",
        "DiffBIR v1 for faces",
        guide="diffbir-v1-face-guide",
        base="sd-2.1-base",
        cleaners=("diffbir-face-swinir", "diffbir-codeformer-swinir"),
        photo_cleaners=("diffbir-general-swinir",),
        full="diffbir-v1-face-full",
    ),
    Kind(
        "diffbir-v1-general",
        "DiffBIR v1 for photos",
        guide="diffbir-v1-general-guide",
        base="sd-2.1-base",
        cleaners=("diffbir-general-swinir",),
        photo_cleaners=("diffbir-general-swinir",),
        full="diffbir-v1-general-full",
    ),
    Kind(
        "diffbir-v2",
        "DiffBIR v2",
        guide="diffbir-v2-guide",
        base="sd-2.1-base",
        cleaners=("diffbir-face-swinir", "diffbir-codeformer-swinir"),
        photo_cleaners=("bsrnet", "scunet-psnr"),
        guide_reads_prompt=True,
    ),
    Kind(
        "diffbir-v2.1",
        "DiffBIR v2.1",
        guide="diffbir-v2.1-guide",
        base="sd-2.1-zsnr",
        cleaners=("diffbir-face-swinir", "diffbir-realesrgan-swinir"),
        photo_cleaners=("diffbir-realesrgan-swinir",),
        prediction="v_prediction",
        zero_snr=True,
        guide_reads_prompt=True,
    ),
)

KINDS: Mapping[str, Kind] = MappingProxyType({kind.id: kind for kind in _ALL})
"""By id, which is the prior's name."""


class NoSuchPrior(EngineError):
    """A prior was asked for that is not known."""


def find(name: str) -> Kind:
    """Give a published prior by its name, or raise `NoSuchPrior` with the names there are."""
    if name not in KINDS:
        raise NoSuchPrior(f"There is no prior {name!r}. Choose one of: pocket, {', '.join(KINDS)}.")
    return KINDS[name]


WISHES: Mapping[str, tuple[str, ...]] = {
    "precision": ("auto", "fp32", "bf16", "fp16"),
    "commercial": ("yes", "no"),
    "compile": ("yes", "no"),
}
"""What a user can ask of a prior beside its name, and the values."""


class BadWish(EngineError):
    """A prior was to be loaded in a way that there is not."""


@dataclass(frozen=True)
class Wanted:
    """How a prior is to be loaded."""

    commercial: bool = False
    """Whether a network whose licence does not clearly allow commercial use is left out for one that is allowed."""
    photos: bool = False
    """Whether whole photos are restored, for which another cleaner was trained than for faces."""
    precision: str = "auto"
    """`fp32`, `bf16`, `fp16`, or `auto` for what fits the machine."""
    compiled: bool = False
    """Whether denoiser and guide are compiled by torch at their first step, which takes minutes and a C++ compiler on a
    CPU, and pays for many faces only.

    In float32 what they say stays the same to 1e-5 of its spread. In bfloat16 they round less: the compiler keeps the
    numbers between joined layers in float32 where the plain networks round after each, and at toy size it came nearer
    to float32 than they did (root mean square error 0.009 against 0.012 of the spread; `tests/test_packed.py`).
    """


def named(text: str) -> tuple[str, Wanted]:
    """Read a prior as a user names it: its id, and after a colon how it is to be loaded.

    Args:
        text: such as `diffbir-v2` or `diffbir-v2:precision=fp32,commercial=yes,compile=yes`.

    Raises:
        NoSuchPrior: no such name.
        BadWish: an unknown wish, or a value that it cannot have.
    """
    name, _, rest = text.partition(":")
    find(name)
    wishes: dict[str, str] = {}
    for wish in filter(None, map(str.strip, rest.split(","))):
        key, _, value = wish.partition("=")
        wishes[key] = value
    wrong = [key for key, value in wishes.items() if value not in WISHES.get(key, ())]
    if wrong:
        known = "; ".join(f"{key}={' or '.join(values)}" for key, values in WISHES.items())
        raise BadWish(f"{text!r}: {wrong[0]}={wishes[wrong[0]]} is none of what a prior can be told: {known}.")
    return name, Wanted(
        commercial=wishes.get("commercial") == "yes",
        precision=wishes.get("precision", "auto"),
        compiled=wishes.get("compile") == "yes",
    )


HOLDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {kind.guide: ("guide",) for kind in _ALL}
    | {kind.base: ("denoiser", "autoencoder", "text") for kind in _ALL}
    | {name: ("cleaner",) for kind in _ALL for name in (*kind.cleaners, *kind.photo_cleaners)}
    | {kind.full: ("denoiser", "guide", "autoencoder", "text", "cleaner") for kind in _ALL if kind.full}
)
"""Networks that each published file holds, by the file's id."""
