"""The restored face as a layer over the photo, for an editor: a PNG with alpha, or a TIFF with layers.

The layer's colours are those that, laid over the photo with the layer's alpha, give the restored photo again. Where a
mask is too thin to explain a change, alpha is raised to what the change needs.

Source: Adobe Photoshop TIFF Technical Notes (2002), tag 37724; Photoshop, Affinity Photo and Krita read the layers,
every other program the flat picture.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from engine.images import encode
from engine.images.convert import Mask, Samples, most, row_blocks
from engine.images.metadata import Beside, Made, Metadata, beside
from engine.images.photo import Photo, fitting_profile, in_colour
from engine.images.write import Depth, of_depth, refuse_target, within_reach, write_whole
from engine.images.write_tiff import byte_order, tiff_parts

Box = tuple[int, int, int, int]
"""Left, top, right and bottom in px; right and bottom lie outside."""

_LAYERS = 37724


def save_layer(
    photo: Photo,
    merged: Photo,
    mask: Mask,
    path: str | os.PathLike[str],
    *,
    cropped: bool = False,
    depth: Depth = "source",
    metadata: Metadata = Metadata.KEEP,
    made: Made | None = None,
) -> Path:
    """Save what a restoration changed as a layer, by the name's suffix, and give the path.

    A `.png` holds the layer alone, transparent where the mask is 0. A `.tif` holds the photo as it was, the layer over
    it, and the restored photo as the flat picture.

    Args:
        photo: as it was.
        merged: as `merge` gave it back, of the same size.
        mask: (H, W), that of `merge`.
        path: a name that is free, in a folder that is there.
        cropped: cuts a PNG to the layer's box, and writes into it where that lies (oFFs).
        depth: bits a sample.
        metadata: what is kept of the source's metadata.
        made: how the picture was made.

    Raises:
        AlreadyThere, NotSaved: as `save_photo` does.
        ValueError: the photos or the mask are of different sizes.
    """
    target = Path(path)
    refuse_target(target, (".png", ".tif", ".tiff"))
    if not photo.samples.shape[:2] == merged.samples.shape[:2] == mask.shape:
        raise ValueError(
            f"sizes must agree, got {photo.samples.shape[:2]}, {merged.samples.shape[:2]} and {mask.shape}"
        )
    if merged.samples.ndim == 3:
        photo = in_colour(photo)
    photo, merged = of_depth(photo, depth), of_depth(merged, depth)
    box = layer_box(mask)
    colours, alpha = _layer(photo.samples, merged.samples, mask, box)
    kept = beside(merged, metadata, made)
    if target.suffix.lower() == ".png":
        return write_whole(target, _png(merged, colours, alpha, box, kept, cropped=cropped))
    layers = {_LAYERS: _photoshop(photo, colours, alpha, box, byte_order(kept))}
    icc = fitting_profile(merged.icc, merged.samples)
    parts = tiff_parts(merged.samples, merged.alpha, icc, kept, merged.resolution, layers=layers)
    return write_whole(target, within_reach(parts, target))


def layer_box(mask: Mask) -> Box:
    """Give the box round what a mask (H, W) lets change; a single px when it is empty."""
    rows, columns = np.flatnonzero((mask > 0).any(axis=1)), np.flatnonzero((mask > 0).any(axis=0))
    if not rows.size:
        return 0, 0, 1, 1
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _layer(before: Samples, after: Samples, mask: Mask, box: Box) -> tuple[Samples, Samples]:
    """Give the layer's colours and alpha inside its box."""
    left, top, right, bottom = box
    before, after = before[top:bottom, left:right], after[top:bottom, left:right]
    mask = mask[top:bottom, left:right]
    white = np.float32(most(before))
    colours, alpha = np.empty_like(before), np.empty(before.shape[:2], before.dtype)
    for rows in row_blocks(before.shape):
        old = before[rows].astype(np.float32)
        change = after[rows].astype(np.float32) - old
        room = np.where(change > 0, white - old, old)
        needed = np.abs(change) / np.maximum(room, 1)
        if needed.ndim == 3:
            needed = needed.max(axis=2)
        cover = np.ceil(np.clip(np.maximum(mask[rows], needed), 0, 1) * white)
        cover[mask[rows] <= 0] = 0
        share = np.maximum(cover, 1) / white
        if change.ndim == 3:
            share = share[..., None]
        colours[rows] = np.rint(np.clip(old + change / share, 0, white)).astype(before.dtype)
        alpha[rows] = cover.astype(before.dtype)
    return colours, alpha


def _png(merged: Photo, colours: Samples, alpha: Samples, box: Box, kept: Beside, *, cropped: bool) -> list[bytes]:
    left, top, right, bottom = box
    if cropped:
        return encode.png(replace(merged, samples=colours, alpha=alpha), kept, offset=(left, top))
    wide = np.zeros_like(merged.samples)
    clear = np.zeros(merged.samples.shape[:2], merged.samples.dtype)
    wide[top:bottom, left:right], clear[top:bottom, left:right] = colours, alpha
    return encode.png(replace(merged, samples=wide, alpha=clear), kept)


def _photoshop(photo: Photo, colours: Samples, alpha: Samples, box: Box, order: str) -> bytes:
    """Give the tag that holds the layers: the photo as it was, and the restored face over it."""
    import psdtags

    left, top, right, bottom = box
    deep = photo.depth == 16
    packing = psdtags.PsdCompressionType.ZIP_PREDICTED if deep else psdtags.PsdCompressionType.ZIP

    def channels(samples: Samples, clear: Samples | None) -> list[Any]:
        parts = [samples] if samples.ndim == 2 else [samples[..., k] for k in range(3)]
        ids = (psdtags.PsdChannelId.CHANNEL0, psdtags.PsdChannelId.CHANNEL1, psdtags.PsdChannelId.CHANNEL2)
        made: list[Any] = []
        if clear is not None:
            made.append(psdtags.PsdChannel(psdtags.PsdChannelId.TRANSPARENCY_MASK, packing, clear))
        made += [
            psdtags.PsdChannel(name, packing, np.ascontiguousarray(part))
            for name, part in zip(ids, parts, strict=False)
        ]
        return made

    def layer(name: str, where: Box, samples: Samples, clear: Samples | None) -> Any:
        left, top, right, bottom = where
        return psdtags.PsdLayer(
            name=name,
            channels=channels(samples, clear),
            rectangle=psdtags.PsdRectangle(top, left, bottom, right),
            info=[psdtags.PsdString(psdtags.PsdKey.UNICODE_LAYER_NAME, name)],
        )

    whole = (0, 0, photo.width, photo.height)
    source = psdtags.TiffImageSourceData(
        name="Layers",
        psdformat=psdtags.PsdFormat.LE32BIT if order == "<" else psdtags.PsdFormat.BE32BIT,
        layers=psdtags.PsdLayers(
            key=psdtags.PsdKey.LAYER_16 if deep else psdtags.PsdKey.LAYER,
            layers=[
                layer("Photo", whole, photo.samples, photo.alpha),
                layer("Restored face", (left, top, right, bottom), colours, alpha),
            ],
            has_transparency=photo.alpha is not None,
        ),
        usermask=psdtags.PsdUserMask(colorspace=psdtags.PsdColorSpaceType.RGB, components=(65535, 0, 0, 0), opacity=50),
    )
    return bytes(source.tobytes(maxworkers=4))
