"""Weight files: which are published and under what licence, where they lie, getting them, and reading them safely.

The project's own files are safetensors, checked against the SHA-256 that their manifest states before a network sees
them (`files`). Files of others stand in a list (`catalogue`), are found in the user's folders or in those of other
programs (`places`), got and checked (`actions`, `download`), and read without running what may be in them (`published`,
`unpickle`).
"""

from __future__ import annotations

from engine.weights.actions import (
    Got,
    Offline,
    WeightsNotRecognised,
    WrongLicence,
    accept,
    delete,
    get,
    offline_because,
    set_offline,
    share,
    unshare,
    use,
)
from engine.weights.actions import verify as verify_published
from engine.weights.catalogue import CATALOGUE, Mirror, PublishedFile
from engine.weights.connection import Patience
from engine.weights.download import DownloadFailed
from engine.weights.files import PART_BYTES, WeightFile, WeightsDamaged, WeightsMissing, describe, read, verify, write
from engine.weights.licences import Licence
from engine.weights.places import (
    Found,
    LicenceNotAccepted,
    UnknownWeights,
    by_name,
    chosen,
    locate,
    look,
    shared_files,
    shared_folders,
    shown_size,
)
from engine.weights.published import fill, read_published
from engine.weights.record import digest, mark, read_record
from engine.weights.unpickle import Contents, WeightsUnsafe, contents

__all__ = [
    "CATALOGUE",
    "PART_BYTES",
    "Contents",
    "DownloadFailed",
    "Found",
    "Got",
    "Licence",
    "LicenceNotAccepted",
    "Mirror",
    "Offline",
    "Patience",
    "PublishedFile",
    "UnknownWeights",
    "WeightFile",
    "WeightsDamaged",
    "WeightsMissing",
    "WeightsNotRecognised",
    "WeightsUnsafe",
    "WrongLicence",
    "accept",
    "by_name",
    "chosen",
    "contents",
    "delete",
    "describe",
    "digest",
    "fill",
    "get",
    "locate",
    "look",
    "mark",
    "offline_because",
    "read",
    "read_published",
    "read_record",
    "set_offline",
    "share",
    "shared_files",
    "shared_folders",
    "shown_size",
    "unshare",
    "use",
    "verify",
    "verify_published",
    "write",
]
