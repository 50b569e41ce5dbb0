"""Photos in and out: reading, writing, and the one pixel convention of the engine.

Outside networks pixels are float32 sRGB, 0 to 1, (H, W, 3), RGB. A `Photo` keeps the samples as its file had them, 8 or
16 bits, with its alpha, colour profile and metadata beside them, so that what a restoration did not touch is saved
exactly as it was. `Photo.pixels` converts from its profile, `merge` back into it. Nothing here knows about faces or
people.
"""

from __future__ import annotations

from engine.images.convert import (
    Mask,
    Pixels,
    Samples,
    from_samples,
    from_tensor,
    from_uint8,
    resize,
    to_samples,
    to_tensor,
    to_uint8,
    to_uint16,
)
from engine.images.exif import year_of
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
from engine.images.layer import Box, layer_box, save_layer
from engine.images.listing import PHOTO_SUFFIXES, is_photo_name, list_photos
from engine.images.metadata import Made, Metadata
from engine.images.photo import MAX_PIXELS, Photo, Resolution, enlarged, in_colour, merge, preview
from engine.images.read import read_photo
from engine.images.write import Depth, free_name, losses, result_name, result_path, save_photo

__all__ = [
    "MAX_PIXELS",
    "PHOTO_SUFFIXES",
    "AlreadyThere",
    "Box",
    "Depth",
    "DepthNotReadable",
    "FolderUnreadable",
    "Made",
    "Mask",
    "Metadata",
    "NoPhotosFound",
    "NotAPhoto",
    "NotSaved",
    "Photo",
    "PhotoDamaged",
    "PhotoTooLarge",
    "PhotoUnreadable",
    "Pixels",
    "Resolution",
    "Samples",
    "enlarged",
    "free_name",
    "from_samples",
    "from_tensor",
    "from_uint8",
    "in_colour",
    "is_photo_name",
    "layer_box",
    "list_photos",
    "losses",
    "merge",
    "preview",
    "read_photo",
    "resize",
    "result_name",
    "result_path",
    "save_layer",
    "save_photo",
    "to_samples",
    "to_tensor",
    "to_uint8",
    "to_uint16",
    "year_of",
]
