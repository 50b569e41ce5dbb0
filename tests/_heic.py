"""A HEIC file written by hand, since no free program that may be used here encodes HEVC.

Its one picture keeps its samples as they are (I_PCM), so that no transform is needed: of the arithmetic coder only the
few bins that stand round the samples.

Source: ITU-T H.265 (2021), 7.3 (syntax), 9.3 (arithmetic coding); ISO/IEC 14496-15, 8.3.3; ISO/IEC 23008-12, 6 and B.4.
"""

from __future__ import annotations

import struct

import numpy as np

_BLOCK = 32
_RANGES = (
    (128, 176, 208, 240),
    (128, 167, 197, 227),
    (128, 158, 187, 216),
    (123, 150, 178, 205),
    (116, 142, 169, 195),
    (111, 135, 160, 185),
    (105, 128, 152, 175),
    (100, 122, 144, 166),
    (95, 116, 137, 158),
    (90, 110, 130, 150),
    (85, 104, 123, 142),
    (81, 99, 117, 135),
    (77, 94, 111, 128),
)
"""Table 9-52, its first rows."""


class Bits:
    def __init__(self):
        self.bits = []

    def put(self, value, width):
        self.bits += [value >> k & 1 for k in range(width - 1, -1, -1)]

    def golomb(self, value):
        width = (value + 1).bit_length()
        self.put(value + 1, 2 * width - 1)

    def signed(self, value):
        self.golomb(2 * value - 1 if value > 0 else -2 * value)

    def trail(self):
        self.put(1, 1)
        self.align()

    def align(self):
        self.bits += [0] * (-len(self.bits) % 8)

    def data(self):
        assert len(self.bits) % 8 == 0
        return np.packbits(np.array(self.bits, np.uint8)).tobytes()


class Coder:
    """The arithmetic coder, 9.3.4.6, for bins that are what their context expects, and for the terminating ones."""

    def __init__(self, out):
        self.out, self.state = out, 0
        self.begin()

    def begin(self):
        self.low, self.range, self.first, self.waiting = 0, 510, True, 0

    def expected(self):
        """A bin of the most probable value."""
        self.range -= _RANGES[self.state][self.range >> 6 & 3]
        self.state += 1
        self.renew()

    def terminate(self, value):
        self.range -= 2
        if not value:
            self.renew()
            return
        self.low += self.range
        self.range = 2
        self.renew()
        self.bit(self.low >> 9 & 1)
        self.out.put(self.low >> 7 & 3 | 1, 2)

    def renew(self):
        while self.range < 256:
            if self.low < 256:
                self.bit(0)
            elif self.low >= 512:
                self.low -= 512
                self.bit(1)
            else:
                self.low -= 256
                self.waiting += 1
            self.range <<= 1
            self.low <<= 1

    def bit(self, value):
        if self.first:
            self.first = False
        else:
            self.out.put(value, 1)
        self.out.bits += [1 - value] * self.waiting
        self.waiting = 0


def _unit(kind, payload):
    """A NAL unit: no three bytes in it may look like a start."""
    made, zeros = bytearray(), 0
    for byte in payload:
        if zeros >= 2 and byte <= 3:
            made.append(3)
            zeros = 0
        made.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return bytes([kind << 1, 1]) + bytes(made)


def _level(bits, depth):
    bits.put(0, 2)
    bits.put(0, 1)
    bits.put(4 if depth > 8 else 3, 5)  # main picture profile allows 8 bits; range extensions the rest
    bits.put(0xFFFFFFFF, 32)
    bits.put(0, 48)
    bits.put(90, 8)


def _video_parameters(depth):
    bits = Bits()
    bits.put(0, 4)
    bits.put(3, 2)
    bits.put(0, 6)
    bits.put(0, 3)
    bits.put(1, 1)
    bits.put(0xFFFF, 16)
    _level(bits, depth)
    bits.put(1, 1)
    bits.golomb(0)
    bits.golomb(0)
    bits.golomb(0)
    bits.put(0, 6)
    bits.golomb(0)
    bits.put(0, 1)
    bits.put(0, 1)
    bits.trail()
    return _unit(32, bits.data())


def _sequence_parameters(width, height, depth):
    bits = Bits()
    bits.put(0, 4)
    bits.put(0, 3)
    bits.put(1, 1)
    _level(bits, depth)
    bits.golomb(0)
    bits.golomb(3)  # 4:4:4
    bits.put(0, 1)
    bits.golomb(width)
    bits.golomb(height)
    bits.put(0, 1)
    bits.golomb(depth - 8)
    bits.golomb(depth - 8)
    bits.golomb(0)
    bits.put(1, 1)
    bits.golomb(0)
    bits.golomb(0)
    bits.golomb(0)
    bits.golomb(2)  # smallest block 32, which is the largest too
    bits.golomb(0)
    bits.golomb(0)
    bits.golomb(3)
    bits.golomb(0)
    bits.golomb(0)
    bits.put(0, 1)
    bits.put(0, 1)
    bits.put(0, 1)
    bits.put(1, 1)  # samples as they are
    bits.put(depth - 1, 4)
    bits.put(depth - 1, 4)
    bits.golomb(2)
    bits.golomb(0)
    bits.put(1, 1)  # and no filter over them
    bits.golomb(0)
    bits.put(0, 1)
    bits.put(0, 1)
    bits.put(0, 1)
    bits.put(0, 1)
    bits.put(0, 1)
    bits.trail()
    return _unit(33, bits.data())


def _picture_parameters():
    bits = Bits()
    bits.golomb(0)
    bits.golomb(0)
    bits.put(0, 2)
    bits.put(0, 3)
    bits.put(0, 2)
    bits.golomb(0)
    bits.golomb(0)
    bits.signed(0)
    bits.put(0, 3)
    bits.signed(0)
    bits.signed(0)
    bits.put(0, 6)
    bits.put(0, 1)
    bits.put(1, 1)  # the deblocking filter is spoken of,
    bits.put(0, 1)
    bits.put(1, 1)  # and off
    bits.put(0, 2)
    bits.golomb(0)
    bits.put(0, 2)
    bits.trail()
    return _unit(34, bits.data())


def _slice(planes, depth):
    """The one slice, of planes (3, H, W) whose sides are multiples of 32."""
    bits = Bits()
    bits.put(1, 1)
    bits.put(0, 1)
    bits.golomb(0)
    bits.golomb(2)
    bits.signed(0)  # QP 26, at which the first bin's context expects 1
    bits.trail()
    coder = Coder(bits)
    _, height, width = planes.shape
    corners = [(y, x) for y in range(0, height, _BLOCK) for x in range(0, width, _BLOCK)]
    for number, (y, x) in enumerate(corners):
        coder.expected()  # one part
        coder.terminate(1)  # as they are
        bits.align()
        for plane in planes:
            for value in plane[y : y + _BLOCK, x : x + _BLOCK].ravel().tolist():
                bits.put(value, depth)
        bits.align()
        coder.begin()
        coder.terminate(number == len(corners) - 1)
    bits.align()
    return _unit(20, bits.data())


def _box(name, *parts):
    data = b"".join(parts)
    return struct.pack(">I", 8 + len(data)) + name + data


def _full(name, version, flags, *parts):
    return _box(name, bytes([version]) + flags.to_bytes(3), *parts)


def heic(planes, depth=8, *, icc=None, exif=None, turned=0):
    """A HEIC file of planes (3, H, W) that are green, blue and red, of 8 to 12 bits; `turned` is in quarters, left."""
    _, height, width = planes.shape
    units = (_video_parameters(depth), _sequence_parameters(width, height, depth), _picture_parameters())
    picture = _slice(planes, depth)
    item = struct.pack(">I", len(picture)) + picture
    config = bytes([1, 4 if depth > 8 else 3]) + b"\xff\xff\xff\xff" + bytes(6) + bytes([90])
    config += b"\xf0\0\xfc" + bytes([0xFC | 3, 0xF8 | depth - 8, 0xF8 | depth - 8]) + b"\0\0\x0f" + bytes([3])
    for kind, unit in zip((32, 33, 34), units, strict=True):
        config += bytes([0x80 | kind]) + struct.pack(">HH", 1, len(unit)) + unit
    properties = [
        _box(b"hvcC", config),
        _full(b"ispe", 0, 0, struct.pack(">II", width, height)),
        _full(b"pixi", 0, 0, bytes([3, depth, depth, depth])),
        # Identity: green, blue and red are stored themselves.
        _box(b"colr", b"nclx", struct.pack(">HHHB", 1, 13, 0, 0x80)),
    ]
    if icc is not None:
        properties.append(_box(b"colr", b"prof", icc))
    if turned:
        properties.append(_box(b"irot", bytes([turned])))
    links = bytes([len(properties)]) + bytes([k + 1 | (0x80 if k == 0 else 0) for k in range(len(properties))])
    infos = [_full(b"infe", 2, 0, struct.pack(">HH", 1, 0), b"hvc1\0")]
    items = [item]
    references = b""
    if exif is not None:
        infos.append(_full(b"infe", 2, 1, struct.pack(">HH", 2, 0), b"Exif\0"))
        items.append(struct.pack(">I", 6) + b"Exif\0\0" + exif)
        references = _full(b"iref", 0, 0, _box(b"cdsc", struct.pack(">HHH", 2, 1, 1)))
    head = _box(b"ftyp", b"heic", bytes(4), b"mif1heic")

    def meta(start):
        places, at = b"", start
        for number, data in enumerate(items, start=1):
            places += struct.pack(">HHHII", number, 0, 1, at, len(data))
            at += len(data)
        return _full(
            b"meta",
            0,
            0,
            _full(b"hdlr", 0, 0, bytes(4), b"pict", bytes(13)),
            _full(b"pitm", 0, 0, struct.pack(">H", 1)),
            _full(b"iloc", 0, 0, b"\x44\0", struct.pack(">H", len(items)), places),
            _full(b"iinf", 0, 0, struct.pack(">H", len(items)), *infos),
            references,
            _box(
                b"iprp",
                _box(b"ipco", *properties),
                _full(b"ipma", 0, 0, struct.pack(">IH", 1, 1), links),
            ),
        )

    start = len(head) + len(meta(0)) + 8
    return head + meta(start) + _box(b"mdat", *items)
