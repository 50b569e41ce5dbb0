"""Weight files: which are published and under what licence, where they lie, getting them, and reading them safely.

The project's own files are safetensors, checked against the SHA-256 that their manifest states before a network sees
them (`files`). Files of others stand in a list (`catalogue`), are found in the user's folders or in those of other
programs (`places`), and are read without running what may be in them (`published`).
"""

from __future__ import annotations

from engine.weights.catalogue import CATALOGUE, Licence, Mirror, PublishedFile
from engine.weights.files import PART_BYTES, WeightFile, WeightsDamaged, WeightsMissing, describe, read, verify, write
from engine.weights.places import LicenceNotAccepted, UnknownWeights, locate
from engine.weights.published import fill, read_published

__all__ = [
    "CATALOGUE",
    "PART_BYTES",
    "Licence",
    "LicenceNotAccepted",
    "Mirror",
    "PublishedFile",
    "UnknownWeights",
    "WeightFile",
    "WeightsDamaged",
    "WeightsMissing",
    "describe",
    "fill",
    "locate",
    "read",
    "read_published",
    "verify",
    "write",
]
