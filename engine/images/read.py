"""Reading photos: JPEG, PNG, WebP, TIFF, BMP, HEIC, AVIF, JPEG 2000; upright, with a sentence for all that is not one.

The size is judged from the file's header, before a pixel is decoded. Of a file with several pictures (TIFF pages, an
animation) the first is read. Decoding is bounded: by the pixels, by how far a compressed part may unfold, by the scans
of a JPEG, and by time. A decoder cannot be interrupted from outside, so it runs in a thread of its own that nobody
waits for longer than `decode.DECODE_SECONDS`; it then ends when it ends, and does not keep the app from ending. A
HEIC is decoded in a process of its own, which is ended.
"""

from __future__ import annotations

import os
import queue
import stat
import struct
import threading
import zlib
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from engine.images import decode, exif, iptc, read_boxes, xmp
from engine.images.convert import Samples
from engine.images.faults import (
    NotAPhoto,
    PhotoDamaged,
    PhotoTooLarge,
    PhotoUnreadable,
    reason,
    shown,
)
from engine.images.listing import KINDS
from engine.images.photo import MAX_PIXELS, Photo, Resolution
from engine.images.profile import UnusableProfile, cmyk_to_srgb, measured
from engine.images.read_png import png
from engine.images.read_tiff import tiff

MAX_BYTES = 4_000_000_000
"""Larger files are refused; 200 million pixels of 16-bit RGBA take 1.6 GB."""

_OTHERS = (
    (0, b"GIF8", "a GIF"),
    (0, b"%PDF", "a PDF document"),
    (0, b"PK\x03\x04", "a ZIP archive or office document"),
    (0, b"<svg", "an SVG drawing"),
    (0, b"8BPS", "a Photoshop document"),
    (4, b"ftypcrx", "a camera's raw file"),
    (0, b"FUJIFILMCCD-RAW", "a camera's raw file"),
    (0, b"\0\0\0\x0cJXL ", "a JPEG XL picture"),
    (4, b"ftyp", "a film"),
)
"""Offset, first bytes and name of what people take for a photo, so that the sentence can say what was found."""

_HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})

_UNDECODABLE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    ArithmeticError,
    RuntimeError,  # NotImplementedError is one, for what a decoder does not know
    AssertionError,
    struct.error,
    zlib.error,
)
"""What decoders raise on broken data; `OSError` stands for a cut-off file as well as for a broken one."""


def read_photo(path: str | os.PathLike[str]) -> Photo:
    """Give the photo in a file, upright, at its own depth, grey left grey, alpha kept aside.

    Palettes become RGB; CMYK becomes sRGB through its profile. What was left out or changed is in the photo's notes.
    Metadata that cannot be understood is left out with a note, and so is a broken colour profile.

    Raises:
        PhotoUnreadable: missing, a folder, no plain file, or refused by the system.
        NotAPhoto: empty, or not of a kind that is read here.
        PhotoTooLarge: more than `MAX_PIXELS` or `MAX_BYTES`, or more than memory holds.
        DepthNotReadable: floating point, more than 16 bits a sample, or a colour model such as Lab.
        PhotoDamaged: cut off or broken, or decoding it took longer than `decode.DECODE_SECONDS`.
    """
    path = Path(path)
    with _opened(path) as file:
        header = _begun(file, path)
        pixels = header.width * header.height
        if pixels > MAX_PIXELS:
            raise PhotoTooLarge(
                f"{shown(path)} is {header.width} x {header.height} px, {pixels / 1e6:.0f} million pixels; "
                f"at most {MAX_PIXELS // 1_000_000} million can be read. Make it smaller first."
            )
        try:
            made = _in_time(header.decode)
            return _finished(made, header, path.name)
        except MemoryError as error:
            raise PhotoTooLarge(
                f"{shown(path)} is {header.width} x {header.height} px, more than fits into the memory that is free. "
                "Close other programs or make it smaller first."
            ) from error
        except TimeoutError as error:
            raise PhotoDamaged(
                f"{shown(path)} was given up: decoding it took longer than {decode.DECODE_SECONDS:.0f} seconds. "
                "Save it anew in another program first."
            ) from error
        except _UNDECODABLE as error:
            raise PhotoDamaged(
                f"{shown(path)} is damaged or cut off: {_lowered(reason(error))}. "
                "Copy it again from where it came from."
            ) from error


@contextmanager
def _opened(path: Path) -> Generator[BinaryIO]:
    """Open a plain file. Asking first what it is keeps a pipe from being waited on for ever."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise PhotoUnreadable(f"{shown(path)} is a folder, not a photo. Choose the photos in it.")
        if not stat.S_ISREG(status.st_mode):
            raise PhotoUnreadable(f"{shown(path)} is not a plain file. Choose a photo.")
        if status.st_size > MAX_BYTES:
            raise PhotoTooLarge(
                f"{shown(path)} has {status.st_size / 1e9:.1f} GB; at most {MAX_BYTES / 1e9:.0f} GB can be read. "
                "Make it smaller first."
            )
        file = path.open("rb")
    except FileNotFoundError as error:
        if path.is_symlink():
            raise PhotoUnreadable(f"{shown(path)} is a link to a file that is gone. Choose a photo.") from error
        raise PhotoUnreadable(f"There is no file {shown(path)}. Check its name and folder.") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the name
        raise PhotoUnreadable(
            f"{shown(path)} cannot be opened: {_lowered(reason(error))}. Check its name and that you may read it."
        ) from error
    with file:
        yield file


def _begun(file: BinaryIO, path: Path) -> decode.Header:
    """Read the header only. Pillow's own size limit is passed by: it warns far below ours, and is set per process."""
    try:
        head = file.read(64)
        file.seek(0)
        if not head:
            raise NotAPhoto(f"{shown(path)} is empty (0 bytes). Copy it again from where it came from.")
        opener = _opener(head)
        if opener is not None:
            return opener(file, shown(path))
    except MemoryError as error:
        raise PhotoTooLarge(f"{shown(path)} needs more memory than is free. Close other programs first.") from error
    except _UNDECODABLE as error:
        raise PhotoDamaged(
            f"{shown(path)} begins like a photo, but is damaged or cut off: {_lowered(reason(error))}. "
            "Copy it again from where it came from."
        ) from error
    found = next((name for at, sign, name in _OTHERS if head[at:].startswith(sign)), "something else")
    raise NotAPhoto(f"{shown(path)} is not a photo that can be read: found {found}. Save it as {KINDS} first.")


def _opener(head: bytes) -> Callable[[BinaryIO, str], decode.Header] | None:
    """Choose by the first bytes, since suffixes lie."""
    for start, opener in (
        (b"\xff\xd8\xff", decode.jpeg),
        (b"\x89PNG\r\n\x1a\n", png),
        (b"II*\0", tiff),
        (b"MM\0*", tiff),
        (b"II+\0", tiff),
        (b"MM\0+", tiff),
        (b"BM", decode.bmp),
        (b"\0\0\0\x0cjP  \r\n\x87\n", read_boxes.jpeg2000),
        (b"\xff\x4f\xff\x51", read_boxes.jpeg2000),
    ):
        if head.startswith(start):
            return opener
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return decode.webp
    if head[4:8] == b"ftyp":
        size = int.from_bytes(head[:4])
        brands = {head[8:12]} | {head[at : at + 4] for at in range(16, min(size, len(head)) - 3, 4)}
        if brands & _AVIF_BRANDS:
            return read_boxes.avif
        if brands & _HEIF_BRANDS:
            return read_boxes.heif
    return None


def _in_time(work: Callable[[], decode.Decoded]) -> decode.Decoded:
    """Do the work in a thread of its own, and give up waiting after `decode.DECODE_SECONDS`."""
    answers: queue.SimpleQueue[decode.Decoded | BaseException] = queue.SimpleQueue()

    def run() -> None:
        try:
            answers.put(work())
        except BaseException as error:  # handed on to who waits
            answers.put(error)

    try:
        threading.Thread(target=run, name="decoder", daemon=True).start()
    except RuntimeError as error:  # no thread can be had, which memory decides
        raise MemoryError from error
    try:
        answer = answers.get(timeout=1.1 * decode.DECODE_SECONDS)
    except queue.Empty:
        raise TimeoutError from None
    if isinstance(answer, BaseException):
        raise answer
    return answer


def _finished(made: decode.Decoded, header: decode.Header, name: str) -> Photo:
    """Check what stands beside the samples, turn them upright, and bring inks into RGB."""
    notes = made.notes
    block = _kept(made.exif, exif.checked, exif.BrokenExif, "EXIF", notes)
    packet = _kept(made.xmp, xmp.checked, xmp.BrokenXmp, "XMP", notes)
    records = _kept(made.iptc, _checked_iptc, iptc.BrokenIptc, "IPTC", notes)
    if packet is not None and b"HasExtendedXMP" in packet:
        notes.append("The larger part of its XMP, which lies apart, was left out.")
    orientation = made.orientation
    if orientation is None:
        orientation = exif.orientation_of(block) if block else xmp.orientation_of(packet) if packet else 1
    samples, icc = made.samples, made.icc
    if made.inks:
        samples = _without_inks(samples, icc, notes)
        icc = None
    elif icc is not None:
        icc = _kept(icc, lambda data: measured(data, samples.ndim == 2).icc, UnusableProfile, "colour profile", notes)
    elif block is not None and exif.says_adobe_rgb(block):
        notes.append("Its EXIF speaks of Adobe RGB, but no colour profile is in it, so its colours were taken as sRGB.")
    if made.alpha is not None and made.alpha.dtype != samples.dtype:
        raise ValueError("alpha and colour have different depths")
    found = made.resolution
    if found is None and block is not None:
        said = exif.resolution_of(block)
        found = decode.resolution(said[0], said[1], "inch" if said[2] == 2 else "cm") if said else None
    return Photo(
        samples=_turned(samples, orientation),
        alpha=None if made.alpha is None else _turned(made.alpha, orientation),
        icc=icc,
        exif=exif.upright(block) if block else None,
        name=name,
        iptc=records,
        xmp=packet,
        resolution=_turned_resolution(found, orientation),
        source=header.kind,
        notes=tuple(notes),
    )


def _kept(
    data: bytes | None, check: Callable[[bytes], bytes], fault: type[Exception], what: str, notes: list[str]
) -> bytes | None:
    """Give data that passes its check; else a note."""
    if not data:
        return None
    try:
        return check(data)
    except fault as error:
        notes.append(f"Its {what} was left out: {error}.")
        return None


def _checked_iptc(block: bytes) -> bytes:
    iptc.records(block)
    return block


def _without_inks(inks: Samples, icc: bytes | None, notes: list[str]) -> Samples:
    try:
        made = cmyk_to_srgb(inks, icc)
    except UnusableProfile as error:
        notes.append(f"Its colour profile was left out: {error}.")
        icc = None
        made = cmyk_to_srgb(inks, None)
    how = "through its colour profile" if icc else "without a colour profile, so its colours are a guess"
    notes.append(f"CMYK was converted to RGB {how}.")
    return made


def _turned(samples: Samples, orientation: int) -> Samples:
    """Give samples upright, from an EXIF orientation; values outside 2 to 8 mean that they are."""
    match orientation:
        case 2:
            turned = samples[:, ::-1]
        case 3:
            turned = samples[::-1, ::-1]
        case 4:
            turned = samples[::-1]
        case 5:
            turned = samples.swapaxes(0, 1)
        case 6:
            turned = np.rot90(samples, -1)
        case 7:
            turned = samples[::-1, ::-1].swapaxes(0, 1)
        case 8:
            turned = np.rot90(samples)
        case _:
            turned = samples
    return np.ascontiguousarray(turned)


def _turned_resolution(found: Resolution | None, orientation: int) -> Resolution | None:
    if found is None or orientation < 5:
        return found
    return Resolution(found.y, found.x, found.unit)


def _lowered(words: str) -> str:
    """Give the system's words as the second half of a sentence."""
    words = " ".join(words.split())
    return (words[:1].lower() + words[1:]).rstrip(".")
