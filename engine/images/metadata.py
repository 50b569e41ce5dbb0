"""What is written beside a picture: EXIF, IPTC and XMP of the source, brought up to date, or stripped."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from engine.images import exif, iptc, xmp
from engine.images.photo import Photo

log = logging.getLogger(__name__)

T = TypeVar("T")


class Metadata(StrEnum):
    """What a saved picture says of its source. The colour profile and the resolution always stay."""

    KEEP = "keep"
    STRIP_GPS = "strip-gps"
    """All but where it was taken: EXIF's GPS, XMP's coordinates, and the names of places in XMP and IPTC."""
    STRIP_ALL = "strip-all"


@dataclass(frozen=True)
class Made:
    """How a picture came about. It is written with any choice of `Metadata`."""

    software: str
    """Name and version of the program."""
    settings: str = ""
    """The settings in one text, such as JSON."""


@dataclass(frozen=True)
class Beside:
    """Blocks that are ready to be written."""

    exif: bytes | None
    iptc: bytes | None
    xmp: bytes | None


def beside(photo: Photo, metadata: Metadata, made: Made | None) -> Beside:
    """Give what is written beside a photo's samples.

    The orientation is upright, the size the picture's own, and small pictures of the photo as it was are gone; makers'
    notes stay as they are. With `made`, XMP says that parts come from a trained model. A block that turns out to be
    broken is left out.
    """
    metadata = Metadata(metadata)  # its bare text, too, must strip what it says
    block, records, packet = photo.exif, photo.iptc, photo.xmp
    if metadata is Metadata.STRIP_ALL:
        block = records = packet = None
    block = _made(block, lambda data: _exif(data, photo, metadata), "EXIF")
    packet = _made(packet, lambda data: _xmp(data, metadata), "XMP")
    if metadata is Metadata.STRIP_GPS:
        records = _made(records, iptc.without_place, "IPTC")
    if made is not None:
        block = exif.with_software(block, made.software)
        packet = xmp.told(packet, made.software, made.settings)
    return Beside(block, records, packet)


def _made(data: bytes | None, work: Callable[[bytes], T], what: str) -> T | None:
    if data is None:
        return None
    try:
        return work(data)
    except (exif.BrokenExif, iptc.BrokenIptc, xmp.BrokenXmp) as error:
        log.warning("%s was left out: %s", what, error)
        return None


def _exif(block: bytes, photo: Photo, metadata: Metadata) -> bytes:
    block = exif.without_thumbnail(exif.upright(exif.checked(block)))
    if metadata is Metadata.STRIP_GPS:
        block = exif.without_place(block)
    block = exif.with_size(block, photo.width, photo.height)
    if photo.resolution is not None and exif.resolution_of(block) is not None:
        unit = 2 if photo.resolution.unit == "inch" else 3
        block = exif.with_resolution(block, photo.resolution.x, photo.resolution.y, unit)
    return block


def _xmp(packet: bytes, metadata: Metadata) -> bytes:
    packet = xmp.of_result(packet)
    return xmp.without_place(packet) if metadata is Metadata.STRIP_GPS else packet
