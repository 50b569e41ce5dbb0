"""Where the identity of a result comes from: the damaged face, or the person's references.

When the damaged face alone is no longer known as the person, what makes the result look like them was never seen in
this photo. Whoever shows it has to say so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.faces.identity import RECOGNISER, Embedding, distance

STILL_KNOWN = 0.55
"""Median distance to the references up to which a damaged face alone counts as known. Stricter than
`identity.SAME_PERSON`: of 36 faces of 12 people at each of five strengths of damage, at most 1.3 % of comparisons with
strangers came nearer (at 0.6 it was 2.0 %), and of those with the person all when undamaged, 89 % when heavily and 17 %
when damaged as badly as restorers are trained for."""


@dataclass(frozen=True)
class IdentitySource:
    """What the damaged face alone tells of whose it is."""

    distance: float
    """Median distance of the damaged face to the references, lower is nearer."""

    @property
    def from_references(self) -> bool:
        """Whether the damaged face alone is too weak to be matched: it is farther than `STILL_KNOWN`."""
        return self.distance > STILL_KNOWN

    @property
    def words(self) -> str:
        """The finding as one sentence for a screen."""
        if self.from_references:
            return (
                "Identity comes from the references: the damaged face alone is too weak to be matched "
                f"({self.distance:.2f}, a match is up to {STILL_KNOWN} by {RECOGNISER})."
            )
        return (
            "Identity is in the photo: the damaged face alone matches the references "
            f"({self.distance:.2f}, a match is up to {STILL_KNOWN} by {RECOGNISER}). No proof of identity."
        )


def identity_source(damaged: Embedding, references: Sequence[Embedding]) -> IdentitySource:
    """Tell whether a damaged face alone can be matched to a person.

    Args:
        damaged: of the face as it was cut, before restoring.
        references: of the person's photos.

    Raises:
        ValueError: there are no references.
    """
    if not len(references):
        raise ValueError("references must hold at least one embedding, got none")
    return IdentitySource(round(float(np.median([distance(damaged, known) for known in references])), 4))
