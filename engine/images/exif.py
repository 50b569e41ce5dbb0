"""EXIF blocks, edited where they are: nothing is decoded and written anew, so makers' notes keep their offsets.

A block begins with the header of a TIFF file ("II*" or "MM*"); the prefix "Exif" of JPEG is left off here. Only the
first directory is ever replaced, by a new one at the block's end.

Source: Exif 2.32, 4.5 and 4.6; TIFF 6.0, 2.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from mmap import mmap

Buffer = bytes | bytearray | mmap
"""A block, or a whole file that is laid out like one."""
Value = tuple[int, int, bytes]
"""Of an entry that is written: type, count, and its bytes in the block's order."""

LARGEST_BLOCK = 16 << 20
"""Bytes of EXIF that are kept; makers' notes take up to some hundred thousand."""

ORIENTATION, SOFTWARE, X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 0x0112, 0x0131, 0x011A, 0x011B, 0x0128
EXIF_IFD, GPS_IFD, INTEROP_IFD = 0x8769, 0x8825, 0xA005
WIDTH, HEIGHT = 0xA002, 0xA003
TAKEN = 0x9003
MAKER_NOTE = 0x927C
SHORT, LONG, ASCII, RATIONAL, UNDEFINED = 3, 4, 2, 5, 7

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_MOST_ENTRIES = 2000
_DESCRIBING = frozenset(
    {0x010D, 0x010E, 0x010F, 0x0110, ORIENTATION, X_RESOLUTION, Y_RESOLUTION, 0x011D, RESOLUTION_UNIT, SOFTWARE}
    | {0x0132, 0x013B, 0x013C, 0x4746, 0x4749, 0x8298, EXIF_IFD, GPS_IFD, 0xC614, 0xC62F}
    | set(range(0x9C9B, 0x9CA0))
)
"""What of a TIFF file's first directory speaks of the photo and not of how its samples are stored."""


class BrokenExif(Exception):
    """The block cannot be understood. Whoever reads the file turns this into a note."""


@dataclass(frozen=True)
class Entry:
    """One entry of a directory."""

    tag: int
    kind: int
    """TIFF's number of the type."""
    count: int
    value: bytes
    """The four bytes of the entry itself: the value, or the offset of it."""
    at: int
    """Offset of the value in the block."""
    size: int
    """Bytes of the value."""


@dataclass(frozen=True)
class Directory:
    """One directory of a block."""

    at: int
    entries: tuple[Entry, ...]
    following: int
    """Offset of the next directory, 0 when there is none."""

    def find(self, tag: int) -> Entry | None:
        """Give the entry of a tag."""
        return next((entry for entry in self.entries if entry.tag == tag), None)


def order_of(block: Buffer) -> str:
    """Give the byte order of a block as `struct` writes it.

    Raises:
        BrokenExif: it does not begin like one.
    """
    start = bytes(block[:4])
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(start)
    if order is None:
        raise BrokenExif("it does not begin as EXIF does")
    return order


def directory(block: Buffer, at: int | None = None) -> Directory:
    """Give a directory of a block, by default the first; entries whose value lies outside are left out.

    Raises:
        BrokenExif: the directory is not there.
    """
    order = order_of(block)
    try:
        if at is None:
            (at,) = struct.unpack_from(f"{order}I", block, 4)
        assert at is not None
        (count,) = struct.unpack_from(f"{order}H", block, at)
        if at < 8 or count == 0 or count > _MOST_ENTRIES:
            raise BrokenExif(f"a directory has {count} entries")
        entries: list[Entry] = []
        for slot in range(at + 2, at + 2 + 12 * count, 12):
            tag, kind, number, value = struct.unpack_from(f"{order}HHI4s", block, slot)
            size = _SIZES.get(kind, 0) * number
            place = slot + 8 if size <= 4 else struct.unpack(f"{order}I", value)[0]
            if size and place + size <= len(block):
                entries.append(Entry(tag, kind, number, value, place, size))
        end = at + 2 + 12 * count
        following = struct.unpack_from(f"{order}I", block, end)[0] if end + 4 <= len(block) else 0
    except struct.error as error:
        raise BrokenExif("it is cut off") from error
    return Directory(at, tuple(entries), following)


def number_of(block: Buffer, entry: Entry | None) -> int | None:
    """Give the first whole number of an entry, None when it has none."""
    if entry is None or entry.kind not in (SHORT, LONG, 13):
        return None
    order = order_of(block)
    return int(struct.unpack_from(f"{order}{'H' if entry.kind == SHORT else 'I'}", block, entry.at)[0])


def ratio_of(block: Buffer, entry: Entry | None) -> float | None:
    """Give the first ratio of an entry, None when it has none."""
    if entry is None or entry.kind != RATIONAL:
        return None
    above, below = struct.unpack_from(f"{order_of(block)}II", block, entry.at)
    return above / below if below else None


def checked(block: bytes) -> bytes:
    """Give a block without JPEG's prefix, once it is known that its first directory can be read.

    Raises:
        BrokenExif: it cannot, or is larger than `LARGEST_BLOCK`.
    """
    block = block.removeprefix(b"Exif\0\0")
    if len(block) > LARGEST_BLOCK:
        raise BrokenExif(f"it has {len(block) / 1e6:.0f} MB")
    directory(block)
    return block


def orientation_of(block: bytes) -> int:
    """Give the orientation, 1 to 8; 1 when the block does not say."""
    value = number_of(block, directory(block).find(ORIENTATION))
    return value if value is not None and 1 <= value <= 8 else 1


def year_of(block: bytes) -> int | None:
    """Give the year in which a photo was taken, as its camera had it; None where none is said.

    A camera whose clock was never set says a year too; years before 1827 and after 2200 are taken for none.
    """
    try:
        at = number_of(block, directory(block).find(EXIF_IFD))
        found = directory(block, at) if at else None
    except BrokenExif:
        return None
    entry = found.find(TAKEN) if found is not None else None
    if entry is None or entry.kind != ASCII:
        return None
    text = bytes(block[entry.at : entry.at + 4])
    return int(text) if text.isdigit() and 1827 <= int(text) <= 2200 else None


def resolution_of(block: bytes) -> tuple[float, float, int] | None:
    """Give resolution in x and y and its unit (2 inch, 3 cm), None when the block does not say."""
    first = directory(block)
    x, y = ratio_of(block, first.find(X_RESOLUTION)), ratio_of(block, first.find(Y_RESOLUTION))
    unit = number_of(block, first.find(RESOLUTION_UNIT))
    return (x, y, unit) if x and y and unit in (2, 3) else None


def says_adobe_rgb(block: bytes) -> bool:
    """Say whether a camera notes Adobe RGB in its own way, which is no colour profile. Source: DCF 2.0, 5.7.4."""
    at: int | None = None
    try:
        for tag in (EXIF_IFD, INTEROP_IFD):
            at = number_of(block, directory(block, at).find(tag))
            if at is None:
                return False
        entry = directory(block, at).find(1)
    except BrokenExif:
        return False
    return entry is not None and block[entry.at : entry.at + 3] == b"R03"


def upright(block: bytes) -> bytes:
    """Give a block whose orientation, if it has one, says upright."""
    entry = directory(block).find(ORIENTATION)
    if entry is None or entry.kind not in (SHORT, LONG):
        return block
    changed = bytearray(block)
    struct.pack_into(f"{order_of(block)}{'H' if entry.kind == SHORT else 'I'}", changed, entry.at, 1)
    return bytes(changed)


def without_thumbnail(block: bytes) -> bytes:
    """Give a block without its small picture, which would still show the photo as it was; its bytes are zeroed."""
    first = directory(block)
    if not first.following:
        return block
    changed = bytearray(block)
    try:
        second = directory(block, first.following)
    except BrokenExif:
        second = None
    if second is not None:
        place, size = (number_of(block, second.find(tag)) for tag in (0x0201, 0x0202))
        if place and size and place >= 8:
            _blank(changed, place, size)
            if place + size >= len(changed):
                del changed[place:]
        _blank_directory(changed, second)
    last = first.at + 2 + 12 * struct.unpack_from(f"{order_of(block)}H", block, first.at)[0]
    changed[last : last + 4] = bytes(4)
    return bytes(changed)


def without_place(block: bytes) -> bytes:
    """Give a block without its GPS directory: entry removed, data zeroed."""
    first = directory(block)
    order = order_of(block)
    (count,) = struct.unpack_from(f"{order}H", block, first.at)
    tags = [struct.unpack_from(f"{order}H", block, first.at + 2 + 12 * k)[0] for k in range(count)]
    if GPS_IFD not in tags:
        return block
    changed = bytearray(block)
    for pointer in first.entries:
        at = number_of(block, pointer) if pointer.tag == GPS_IFD else None
        try:
            if at is not None:
                _blank_directory(changed, directory(block, at))
        except BrokenExif:
            continue  # nothing of it can be read, and the pointer goes
    return _with_first(bytes(changed), {}, frozenset({GPS_IFD}))


def with_size(block: bytes, width: int, height: int) -> bytes:
    """Give a block in which width and height, if it says them, are those of the picture."""
    pointer = number_of(block, directory(block).find(EXIF_IFD))
    if pointer is None:
        return block
    try:
        inner = directory(block, pointer)
    except BrokenExif:
        return block
    changed = bytearray(block)
    for tag, value in ((WIDTH, width), (HEIGHT, height)):
        entry = inner.find(tag)
        if entry is not None and entry.kind in (SHORT, LONG):
            struct.pack_into(f"{order_of(block)}{'H' if entry.kind == SHORT else 'I'}", changed, entry.at, value)
    return bytes(changed)


def with_resolution(block: bytes, x: float, y: float, unit: int) -> bytes:
    """Give a block with another resolution; unit is 2 (inch) or 3 (cm)."""
    order = order_of(block)

    def ratio(value: float) -> tuple[int, int, bytes]:
        return RATIONAL, 1, struct.pack(f"{order}II", round(value * 1000), 1000)

    changes = {X_RESOLUTION: ratio(x), Y_RESOLUTION: ratio(y)}
    return _with_first(block, {**changes, RESOLUTION_UNIT: (SHORT, 1, struct.pack(f"{order}H", unit))}, frozenset())


def with_software(block: bytes | None, name: str) -> bytes:
    """Give a block that names a program; a new one when there was none."""
    text = name.encode("ascii", "replace") + b"\0"
    if block is None:
        block = b"II*\0" + struct.pack("<IHHHIII", 8, 1, ORIENTATION, SHORT, 1, 1, 0)
    return _with_first(block, {SOFTWARE: (ASCII, len(text), text)}, frozenset())


def from_tiff(file: Buffer, *, makers: bool = True) -> bytes | None:
    """Give what a TIFF file's first directory says of the photo, as a block; None when it says nothing.

    Values are copied, makers' notes too if asked for; notes that point to other places of the file lose what they
    point to.

    Raises:
        BrokenExif: the directory cannot be read, or more than `LARGEST_BLOCK` would be copied.
    """
    first = directory(file)
    order = order_of(file)
    kept = [entry for entry in first.entries if entry.tag in _DESCRIBING]
    if not kept:
        return None
    out = bytearray(bytes(file[:4]) + struct.pack(f"{order}I", 8))
    _copied(file, kept, out, depth=0, makers=makers)
    return bytes(out)


def rows_of(block: Buffer, found: Directory) -> dict[int, bytes]:
    """Give a directory's entries by tag, as the 12 bytes that stand in it."""
    order = order_of(block)
    return {e.tag: struct.pack(f"{order}HHI", e.tag, e.kind, e.count) + e.value for e in found.entries}


def written(order: str, at: int, rows: Mapping[int, bytes], changes: Mapping[int, Value], following: int = 0) -> bytes:
    """Give the bytes of a directory, its own larger values behind it.

    Args:
        order: "<" or ">".
        at: the offset where it will lie, even.
        rows: entries that stay, by tag, as 12 bytes each, as long as `changes` does not have the tag.
        changes: new entries by tag.
        following: offset of the next directory.
    """
    table = {tag: row for tag, row in rows.items() if tag not in changes}
    parts: list[bytes] = []
    place = at + 2 + 12 * (len(table) + len(changes)) + 4
    for tag, (kind, count, value) in changes.items():
        if len(value) <= 4:
            field = value.ljust(4, b"\0")
        else:
            field = struct.pack(f"{order}I", place)
            parts.append(value + bytes(len(value) % 2))
            place += len(parts[-1])
        table[tag] = struct.pack(f"{order}HHI", tag, kind, count) + field
    return b"".join(
        [
            struct.pack(f"{order}H", len(table)),
            *(table[tag] for tag in sorted(table)),
            struct.pack(f"{order}I", following),
            *parts,
        ]
    )


def _with_first(block: bytes, changes: Mapping[int, Value], removed: frozenset[int]) -> bytes:
    """Give a block with a new first directory at its end; every other offset in it stays what it was."""
    order = order_of(block)
    first = directory(block)
    at = len(block) + len(block) % 2
    rows = {tag: row for tag, row in rows_of(block, first).items() if tag not in removed}
    made = bytearray(block.ljust(at, b"\0"))
    _blank(made, first.at, 2 + 12 * struct.unpack_from(f"{order}H", block, first.at)[0] + 4)
    struct.pack_into(f"{order}I", made, 4, at)
    return bytes(made) + written(order, at, rows, changes, first.following)


def _blank(block: bytearray, at: int, size: int) -> None:
    size = max(0, min(size, len(block) - at))
    block[at : at + size] = bytes(size)


def _blank_directory(block: bytearray, found: Directory) -> None:
    for entry in found.entries:
        if entry.at >= 8:
            _blank(block, entry.at, entry.size)
    _blank(block, found.at, 2 + 12 * struct.unpack_from(f"{order_of(block)}H", block, found.at)[0] + 4)


def _copied(file: Buffer, entries: list[Entry], out: bytearray, *, depth: int, makers: bool) -> None:
    """Append a directory of entries to a block, and what they point to."""
    order = order_of(file)
    if not makers:
        entries = [entry for entry in entries if entry.tag != MAKER_NOTE]
    at = len(out)
    out += bytes(2 + 12 * len(entries) + 4)
    struct.pack_into(f"{order}H", out, at, len(entries))
    for k, entry in enumerate(sorted(entries, key=lambda entry: entry.tag)):
        value = bytes(file[entry.at : entry.at + entry.size])
        kind, count = entry.kind, entry.count
        if entry.tag in (EXIF_IFD, GPS_IFD, INTEROP_IFD) and depth < 2:
            pointer = number_of(file, entry)
            try:
                inner = list(directory(file, pointer).entries) if pointer else []
            except BrokenExif:
                inner = []
            place = len(out)
            if inner:
                _copied(file, inner, out, depth=depth + 1, makers=makers)
            else:
                out += struct.pack(f"{order}HHHI4sI", 1, 0, 1, 0, bytes(4), 0)
            kind, count, value = LONG, 1, struct.pack(f"{order}I", place)
        if len(value) <= 4:
            field = value.ljust(4, b"\0")
        else:
            field = struct.pack(f"{order}I", len(out))
            out += value + bytes(len(value) % 2)
        if len(out) > LARGEST_BLOCK:
            raise BrokenExif(f"it has more than {LARGEST_BLOCK >> 20} MB")
        struct.pack_into(f"{order}HHI4s", out, at + 2 + 12 * k, entry.tag, kind, count, field)
