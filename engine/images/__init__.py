"""Photos in and out: reading, writing, and the one pixel convention of the engine.

Outside networks pixels are float32 sRGB, 0 to 1, (H, W, 3), RGB. A `Photo` keeps the samples as its file had them, with
its alpha and colour profile beside them, so that what a restoration did not touch is saved exactly as it was. Profiles
are carried along, not applied: samples are taken as sRGB. Nothing here knows about faces or people.
"""

from __future__ import annotations

from engine.images.convert import (
    Mask,
    Pixels,
    Samples,
    from_tensor,
    from_uint8,
    resize,
    to_tensor,
    to_uint8,
)
from engine.images.faults import (
    AlreadyThere,
    DepthNotReadable,
    FolderUnreadable,
    NoPhotosFound,
    NotAPhoto,
    NotSaved,
    PhotoDamaged,
    PhotoTooLarge,
    PhotoUnreadable,
)
from engine.images.photo import Photo, merge
from engine.images.read import MAX_PIXELS, PHOTO_SUFFIXES, is_photo_name, list_photos, read_photo
from engine.images.write import free_name, save_photo

__all__ = [
    "MAX_PIXELS",
    "PHOTO_SUFFIXES",
    "AlreadyThere",
    "DepthNotReadable",
    "FolderUnreadable",
    "Mask",
    "NoPhotosFound",
    "NotAPhoto",
    "NotSaved",
    "Photo",
    "PhotoDamaged",
    "PhotoTooLarge",
    "PhotoUnreadable",
    "Pixels",
    "Samples",
    "free_name",
    "from_tensor",
    "from_uint8",
    "is_photo_name",
    "list_photos",
    "merge",
    "read_photo",
    "resize",
    "save_photo",
    "to_tensor",
    "to_uint8",
]
