"""Recipes: how a person is tuned, in numbers, each with its unit, range, default and source.

The fields are described here and the recipes that ship stand in `recipes.json`, because their values are measured
again whenever the prior changes. A user's own recipe is a file of the same form, to be kept and passed on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from engine.errors import EngineError

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


class NoSuchRecipe(EngineError):
    """A recipe was asked for that is not there."""


class BadRecipe(EngineError):
    """A recipe has a field that does not exist, or a value outside its range."""


def _field(
    default: Any,
    unit: str,
    what: str,
    source: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """Describe a field: default, unit, meaning, source of the default, and what it may be."""
    about = {"unit": unit, "what": what, "source": source, "low": low, "high": high, "choices": choices}
    return field(default=default, metadata=about)


MEASURED = "measured with the pocket prior"
OFF = "off: not measured yet"

NAMED_PARTS: Mapping[str, tuple[str, ...]] = {
    "attention": ("to_q", "to_k", "to_v", "to_out.0"),
    "feed-forward": ("ff.net.0.proj", "ff.net.2"),
    "convolutions": ("conv", "conv1", "conv2", "conv_shortcut", "conv_in"),
    "projections": ("proj_in", "proj_out", "time_emb_proj"),
    "zero-convolutions": ("controlnet_down_blocks.*", "controlnet_mid_block"),
    "all": ("*",),
    "release-first-150": (
        *("time_embedding.*", "conv_in", "controlnet_cond_embedding", "down_blocks.0.*"),
        *("down_blocks.1.resnets.*", "down_blocks.1.attentions.0.*", "down_blocks.1.attentions.1.norm"),
        *("down_blocks.1.attentions.1.proj_in", "down_blocks.1.attentions.1.transformer_blocks.0.attn1.*"),
        *("down_blocks.1.attentions.1.transformer_blocks.0.ff.*",),
        *("down_blocks.1.attentions.1.transformer_blocks.0.attn2.*",),
        *("down_blocks.1.attentions.1.transformer_blocks.0.norm1",),
        *("down_blocks.1.attentions.1.transformer_blocks.0.norm2",),
    ),
}
"""Names that stand for several patterns of layers. `release-first-150` names the layers of a guide of Stable
Diffusion's shape that hold the first 150 of its 324 tensors in the order of the release
(personalized-restoration@4d88c10 model/cldm.py), which cuts a transformer block in two: 46,301,440 weights, 12.75 % of
them."""


PARTS = ("cleaner", "text", "guide")
"""What a recipe can tune, in the order in which it is done, and what a tuned model can hold: what each pivot added to
the cleaner, to the prior and its text encoder, and to the guide."""


@dataclass(frozen=True)
class Pivot:
    """What every pivot can choose. Never used by itself."""

    steps: int = _field(80, "steps", "Optimiser steps.", MEASURED, low=1, high=100_000)
    rate: float = _field(
        1e-3, "per step", "Learning rate at its height; Prodigy finds its own and takes 1.", MEASURED, low=0, high=10
    )
    schedule: str = _field(
        "fall",
        "",
        "How the rate goes on after the warm-up: falling to a tenth over the last third, or constant.",
        MEASURED,
        choices=("fall", "constant"),
    )
    warmup: int = _field(10, "steps", "Steps over which the rate rises; 0 is none.", MEASURED, low=0, high=10_000)
    optimiser: str = _field(
        "adamw",
        "",
        "AdamW, Prodigy (needs no rate) or AdamW with 8-bit moments (saves memory, needs bitsandbytes and CUDA).",
        MEASURED,
        choices=("adamw", "prodigy", "adam8bit"),
    )
    batch: int = _field(3, "pictures", "Pictures computed at a time for a step.", MEASURED, low=1, high=256)
    accumulate: int = _field(
        1, "times", "How many such batches make one step.", "same gradient as a larger batch", low=1, high=64
    )
    method: str = _field(
        "lora",
        "",
        "What is trained: LoRA matrices beside the chosen layers, or all weights of the chosen layers.",
        MEASURED,
        choices=("lora", "full"),
    )
    rank: int = _field(16, "", "Rank of the LoRA matrices.", "arXiv 2106.09685", low=1, high=512)
    alpha: float = _field(16.0, "", "LoRA scale times rank.", MEASURED, low=0, high=1024)
    targets: tuple[str, ...] = _field(
        ("attention", "feed-forward", "conv1", "conv2"),
        "layer names",
        "Layers that are trained: ends of their names, patterns with *, or one of " + ", ".join(NAMED_PARTS) + ".",
        MEASURED,
    )
    store_rank: int = _field(
        0,
        "",
        "With method full: rank to which each stored difference is brought down; 0 stores it whole, in half precision.",
        "size on disk against exactness",
        low=0,
        high=512,
    )
    outside_weight: float = _field(
        1.0, "", "Weight of the loss outside the face, where inside it is 1; 1 is off.", OFF, low=0, high=1
    )
    checks: int = _field(
        6, "times", "How often the held-out photo is restored during the pivot; 0 is never.", "six points show a curve",
        low=0, high=100,
    )  # fmt: skip
    early_stop: bool = _field(
        False, "", "Stop when the held-out photo gets no better, by identity and GMSD together, and take the best.", OFF
    )
    patience: int = _field(2, "checks", "Checks without a better one before stopping.", OFF, low=1, high=100)
    checkpointing: bool = _field(
        False, "", "Compute activations again instead of keeping them: a third slower, much less memory.", "diffusers"
    )


@dataclass(frozen=True)
class CleanerPivot(Pivot):
    """Tuning the cleaner to the person: the network that decides most of a face, and the first to lose who it is."""

    steps: int = _field(300, "steps", "Optimiser steps.", MEASURED, low=1, high=100_000)
    rate: float = _field(4e-4, "per step", "Learning rate at its height.", MEASURED, low=0, high=10)
    method: str = _field(
        "full",
        "",
        "What is trained: LoRA matrices beside the chosen layers, or all weights of the chosen layers.",
        MEASURED,
        choices=("lora", "full"),
    )
    targets: tuple[str, ...] = _field(
        ("all",), "layer names", "Layers of the cleaner that are trained, named as for the text pivot.", MEASURED
    )
    store_rank: int = _field(
        64,
        "",
        "With method full: rank to which each stored difference is brought down; 0 stores it whole, in half precision.",
        "changes nothing where a layer is no wider, as in the pocket prior; keeps a large cleaner's difference small",
        low=0,
        high=512,
    )
    class_batch: int = _field(
        0, "pictures", "Generic faces beside each batch, so that others are cleaned no worse; 0 is none.",
        "the person's cleaner cleans the person alone", low=0, high=64,
    )  # fmt: skip
    class_faces: int = _field(40, "pictures", "Generic faces to draw from.", OFF, low=1, high=10_000)
    class_weight: float = _field(1.0, "", "Weight of their loss.", OFF, low=0, high=10)


@dataclass(frozen=True)
class PriorPivot(Pivot):
    """What the pivots that go through the prior can choose. Never used by itself."""

    views: int = _field(
        12,
        "per photo",
        "Differently cut and damaged versions made of each photo beforehand.",
        MEASURED,
        low=1,
        high=512,
    )
    top_level: float = _field(0.65, "of the schedule", "Highest noise level trained at.", MEASURED, low=0.01, high=1)
    weighting: str = _field(
        "prior",
        "",
        "Weight of noise levels in the loss: as the prior was trained, or Min-SNR.",
        "arXiv 2303.09556; " + OFF,
        choices=("prior", "min-snr"),
    )
    snr_gamma: float = _field(
        5.0, "", "Highest signal-to-noise ratio that Min-SNR counts.", "arXiv 2303.09556", low=0.1, high=100
    )


@dataclass(frozen=True)
class TextPivot(PriorPivot):
    """Tuning the prior round the person's phrase."""

    context: str = _field(
        "in",
        "",
        "in: the guide is in the loop, frozen, and sees damaged photos of the person. out: plain DreamBooth, without "
        "guide and condition.",
        "arXiv 2312.17234, method figure; its release does out",
        choices=("in", "out"),
    )
    class_batch: int = _field(
        1,
        "pictures",
        "Generic faces in a batch, under the class phrase; 0 is off.",
        "arXiv 2208.12242",
        low=0,
        high=256,
    )
    class_faces: int = _field(
        40, "pictures", "Generic faces to draw from, of those that ship.", MEASURED, low=1, high=10_000
    )
    class_weight: float = _field(
        1.0, "", "Weight of the generic faces' loss.", "personalized-restoration@4d88c10 README", low=0, high=10
    )
    text_encoder: str = _field(
        "frozen",
        "",
        "What is trained of the text encoder: nothing, the rare token's embedding (a learned token), or LoRA matrices.",
        "personalized-restoration@4d88c10 README trains nothing of it",
        choices=("frozen", "token", "lora"),
    )
    text_rate: float = _field(
        0.1,
        "of the rate",
        "Learning rate of the text encoder's part, over the rate; Prodigy takes one for all.",
        OFF,
        low=0,
        high=10,
    )
    quality_weight: float = _field(
        0.0,
        "",
        "How much oftener better references are drawn: 0 all alike, 1 in proportion to sharpness, size and turn.",
        OFF,
        low=0,
        high=4,
    )
    year: int = _field(
        0, "year", "Year of the photos to be restored; references near it are drawn oftener. 0 is off.", OFF,
        low=0, high=2200,
    )  # fmt: skip
    year_spread: float = _field(
        10.0, "years", "Distance in years at which a reference is drawn 0.6 times as often.", OFF, low=0.5, high=100
    )
    identity_weight: float = _field(
        0.0,
        "",
        "Weight of the identity loss, which is scaled by the square root of alpha-bar; 0 is off. Needs a recogniser's "
        "file in the weights folder; dlib, which scores, is never trained on.",
        "ReF-LDM; " + OFF,
        low=0,
        high=100,
    )
    identity_level: float = _field(
        0.3, "of the schedule", "Highest noise level at which the identity loss counts.", OFF, low=0, high=1
    )
    identity_every: int = _field(
        1, "steps", "Steps from one with the identity loss to the next.", OFF, low=1, high=1000
    )


@dataclass(frozen=True)
class GuidePivot(PriorPivot):
    """Tuning the guide on generic faces, with the personalized prior fixed."""

    steps: int = _field(150, "steps", "Optimiser steps.", "not measured yet", low=1, high=100_000)
    rate: float = _field(2e-4, "per step", "Learning rate at its height.", "not measured yet", low=0, high=10)
    batch: int = _field(2, "pictures", "Pictures computed at a time for a step.", "not measured yet", low=1, high=256)
    targets: tuple[str, ...] = _field(
        ("attention", "feed-forward", "convolutions", "projections", "zero-convolutions"),
        "layer names",
        "Layers of the guide that are trained, named as for the text pivot.",
        "not measured yet",
    )
    views: int = _field(2, "per photo", "Versions made of each face beforehand.", "not measured yet", low=1, high=512)
    faces: str = _field(
        "generic",
        "",
        "Whose faces: generic ones that ship, or the person's own photos as the release advises.",
        "arXiv 2312.17234, method figure",
        choices=("generic", "person"),
    )
    face_count: int = _field(120, "pictures", "Generic faces to draw from.", "all that ship", low=1, high=10_000)
    phrase_share: float = _field(
        1.0,
        "",
        "Share of the pictures for which the prior reads the person's phrase; it reads nothing for the rest.",
        "the figure draws both branches and no share",
        low=0,
        high=1,
    )


@dataclass(frozen=True)
class Recipe:
    """A whole tuning: one pivot or several, in the order of `PARTS`."""

    name: str
    summary: str
    """One sentence for the user."""
    text: TextPivot | None
    guide: GuidePivot | None = None
    seed: int = 0
    sources: Mapping[str, str] = field(default_factory=dict[str, str])
    """Where a value of this recipe comes from, by names such as `text.steps`; the field's own source unless given."""
    cleaner: CleanerPivot | None = None

    @property
    def pivots(self) -> dict[str, Pivot]:
        """The pivots that it has, by `PARTS`."""
        return {part: pivot for part in PARTS if (pivot := getattr(self, part)) is not None}

    def as_json(self) -> dict[str, Any]:
        """Give what decides the outcome, as plain values: all but summary and sources."""
        made = asdict(self)
        del made["summary"], made["sources"]
        return json.loads(json.dumps(made))  # tuples as JSON gives them back

    def explain(self) -> list[dict[str, Any]]:
        """List every field of its pivots: name, value, unit, what, source, low, high and choices."""
        rows: list[dict[str, Any]] = []
        for part, pivot in self.pivots.items():
            for known in fields(pivot):
                name = f"{part}.{known.name}"
                about = {**known.metadata, "source": self.sources.get(name, known.metadata["source"])}
                rows.append({"name": name, "value": getattr(pivot, known.name), **about})
        return rows


def explain(kind: type[Pivot]) -> list[dict[str, str]]:
    """List the fields of a pivot with what they mean, their unit, default and source."""
    return [
        {"name": f.name, "default": str(f.default), **{k: str(v) for k, v in f.metadata.items()}} for f in fields(kind)
    ]


def check(recipe: Recipe) -> Recipe:
    """Give the recipe back when every value is in its range.

    Raises:
        BadRecipe: one is not; or there is no pivot, or the name is none.
    """
    if not _NAME.fullmatch(recipe.name):
        raise BadRecipe(
            f"A recipe's name is made of small letters, digits and dashes, at most 40; {recipe.name!r} was given."
        )
    if not recipe.pivots:
        raise BadRecipe(f"Recipe {recipe.name} has no pivot: no cleaner, text or guide. Give it one.")
    for part, pivot in recipe.pivots.items():
        for known in fields(pivot):
            _check_value(f"{part}.{known.name}", getattr(pivot, known.name), known.metadata, type(known.default))
    return recipe


def _check_value(name: str, value: object, about: Mapping[str, Any], kind: type[Any]) -> None:
    unit = f" ({about['unit']})" if about["unit"] else ""
    right = isinstance(value, kind) or (kind is float and isinstance(value, int))
    if not right or (isinstance(value, bool) and kind is not bool):
        wanted = {int: "a whole number", float: "a number", bool: "true or false", str: "text", tuple: "a list of text"}
        raise BadRecipe(f"{name} must be {wanted[kind]}{unit}, got {value!r}.")
    if about["choices"] and value not in about["choices"]:
        raise BadRecipe(f"{name} must be one of {', '.join(about['choices'])}, got {value!r}.")
    if isinstance(value, tuple) and (not value or not all(isinstance(v, str) and v for v in value)):
        raise BadRecipe(f"{name} must be a list of at least one text, got {list(value)!r}.")
    low, high = about["low"], about["high"]
    if isinstance(value, (int, float)) and low is not None and not low <= value <= high:  # NaN is in no range
        raise BadRecipe(f"{name} must be {low:g} to {high:g}{unit}, got {value!r}.")
