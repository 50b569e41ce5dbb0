"""What is done to the photos of an evaluation: kinds of damage with fixed draws.

The draws of a photo follow from the photo itself and the seed, so they stay the same whoever else is measured and
whatever the folders are called.

- `method`: the method's ranges, as in its release; see `degrade.Ranges`.
- `hard`: the same ranges, drawn again until the photo is shrunk by 5 or more, or blurred by 5 px or more in every
  direction, both at 512 px. That holds for 64 of 100 draws.
- `given`: what came with the photo, in `damaged/`.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from engine import degrade, images
from engine.errors import EngineError
from engine.evaluation.cohort import Truth
from engine.faces import FaceCrop, cut

Pixels = NDArray[np.float32]

HARD_FROM = 5.0
"""Blur in px and shrinking from which a damage is hard, at 512 px."""
GIVEN = "given"
DRAWS = 11
"""Goes into every draw; another one is another set of damages."""


class NoSuchDamage(EngineError):
    """A kind of damage that does not exist."""


def draw_method(rng: np.random.Generator) -> degrade.Damage:
    """Draw from the method's ranges."""
    return degrade.draw(rng)


def draw_hard(rng: np.random.Generator) -> degrade.Damage:
    """Draw from the hard part of the method's ranges."""
    while True:
        drawn = degrade.draw(rng)
        if min(drawn.blur_x, drawn.blur_y) >= HARD_FROM or drawn.shrink >= HARD_FROM:
            return drawn


DRAWN: MappingProxyType[str, Callable[[np.random.Generator], degrade.Damage]] = MappingProxyType(
    {"hard": draw_hard, "method": draw_method}
)
"""By name, what can be asked for."""


def check(kinds: tuple[str, ...]) -> None:
    """Raise `NoSuchDamage` when a kind is not one of `DRAWN`."""
    for kind in kinds:
        if kind not in DRAWN:
            raise NoSuchDamage(f"There is no damage {kind!r}. The kinds are: {', '.join(DRAWN)}.")


def damaged(truth: Truth, crop: FaceCrop, kind: str, seed: int) -> Pixels:
    """Give a truth's face with a damage, `(size, size, 3)`, 0 to 1.

    Args:
        truth: whose photo.
        crop: its face.
        kind: of `DRAWN`, or `GIVEN`, which is the same for every seed.
        seed: which draw.
    """
    if kind == GIVEN:
        assert truth.damaged is not None
        photo = images.read_photo(truth.path).pixels
        given = images.read_photo(truth.damaged).pixels
        height, width = photo.shape[:2]
        return cut(images.resize(given, (width, height)), crop.face, crop.size).pixels
    rng = np.random.default_rng([DRAWS, seed, int(truth.sha256[:8], 16)])
    return degrade.apply(crop.pixels, DRAWN[kind](rng), rng)
