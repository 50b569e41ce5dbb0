"""Files that are damaged, lying or hostile, and places that take nothing: one sentence each, and nothing is harmed."""

from __future__ import annotations

import hashlib
import os
import random
import re
import struct
import threading
import time
import zlib

import imagecodecs
import numpy as np
import pytest

from engine import images
from engine.errors import EngineError
from engine.images import decode
from tests._files import chunk, deep_waves, eight, encoded, every_kind, exif_block, tiff_file, with_chunks
from tests.test_images import AS_NOBODY, in_child, names_in, with_little_room

# Pillow warns of a TIFF's directory that is cut off, and of its values, before it gives up.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Corrupt EXIF data:UserWarning"),
    pytest.mark.filterwarnings("ignore:Truncated File Read:UserWarning"),
    pytest.mark.filterwarnings("ignore:Metadata Warning, tag:UserWarning"),
]


def sentence_of(path):
    """The sentence that reading a file ends with."""
    with pytest.raises(EngineError) as caught:
        images.read_photo(path)
    text = str(caught.value)
    assert text.startswith(path.name) and text.endswith(".") and "\n" not in text
    assert len(text) < 400
    return text


@pytest.mark.parametrize("name", every_kind())
def test_every_kind_cut_off_at_ten_places_is_refused(tmp_path, name):
    whole = every_kind()[name]
    path = tmp_path / name
    for share in np.linspace(0.02, 0.96, 10):
        path.write_bytes(whole[: int(len(whole) * share)])
        before = path.read_bytes()
        assert "cut off" in sentence_of(path) or "not a photo" in sentence_of(path)
        assert path.read_bytes() == before


@pytest.mark.parametrize("name", every_kind())
def test_a_wrong_suffix_does_not_matter(tmp_path, name):
    path = tmp_path / "IMG.heic"
    path.write_bytes(every_kind()[name])
    assert images.read_photo(path).width == 48


@pytest.mark.parametrize("name", every_kind())
def test_damaged_bytes_give_a_photo_or_a_sentence_and_never_anything_else(tmp_path, name):
    whole = every_kind()[name]
    dice = random.Random(name)
    path = tmp_path / name
    for _ in range(25):
        data = bytearray(whole)
        for _ in range(dice.randint(1, 6)):
            data[dice.randrange(8, dice.choice((min(160, len(data)), len(data))))] = dice.randrange(256)
        path.write_bytes(data)
        try:
            assert images.read_photo(path).width > 0
        except EngineError as error:
            assert str(error).startswith(name)


def png_header(width, height, bits=16, colour=2):
    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + body


def tiff_header(width, height, bits=16, changes=()):
    tags = {256: width, 257: height, 258: bits, 259: 1, 262: 1, 273: 8, 277: 1, 278: height, 279: 2000} | dict(changes)
    rows = b"".join(struct.pack("<HHII", tag, 4 if tag != 258 else 3, 1, value) for tag, value in tags.items())
    return b"II*\0" + struct.pack("<I", 2008) + bytes(2000) + struct.pack("<H", len(tags)) + rows + bytes(4)


def jp2_header(width, height):
    data = bytearray(imagecodecs.jpeg2k_encode(eight(deep_waves()), codecformat="j2k"))
    struct.pack_into(">II", data, 8, width, height)
    struct.pack_into(">II", data, 24, width, height)
    return bytes(data)


def bmp_header(width, height):
    data = bytearray(encoded(eight(deep_waves()), "BMP"))
    struct.pack_into("<ii", data, 18, width, height)
    return bytes(data)


def jpeg_header(width, height):
    data = bytearray(encoded(eight(deep_waves()), "JPEG"))
    struct.pack_into(">HH", data, data.find(b"\xff\xc0") + 5, height, width)
    return bytes(data)


@pytest.mark.parametrize("make", [png_header, tiff_header, jp2_header, bmp_header, jpeg_header])
def test_an_absurd_size_is_refused_from_the_header_in_little_memory(tmp_path, make):
    import psutil

    path = tmp_path / "huge.jpg"
    path.write_bytes(make(60_000, 50_000))
    before, begun = psutil.Process().memory_info().rss, time.monotonic()
    with pytest.raises(images.PhotoTooLarge) as caught:
        images.read_photo(path)
    assert str(caught.value).startswith("huge.jpg is 60000 x 50000 px, 3000 million pixels; at most 200 million")
    assert psutil.Process().memory_info().rss - before < 100e6
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("make", [png_header, tiff_header, jp2_header, bmp_header, jpeg_header])
@pytest.mark.parametrize("size", [(0, 100), (100, 0), (0, 0)])
def test_a_picture_without_width_or_height_is_refused(tmp_path, make, size):
    path = tmp_path / "none.png"
    path.write_bytes(make(*size))
    sentence_of(path)


@pytest.mark.parametrize("make", [png_header, tiff_header, jp2_header, jpeg_header])
def test_a_size_that_the_file_does_not_hold_is_refused(tmp_path, make):
    path = tmp_path / "hollow.png"
    path.write_bytes(make(6000, 5000))
    assert "is damaged or cut off" in sentence_of(path)


def test_absurd_entries_of_a_tiff_are_refused(tmp_path):
    path = tmp_path / "a.tif"
    for changes in (
        {258: 65535},
        {273: 4_000_000_000},
        {277: 60_000},
        {259: 40_000},
        {279: 0},
        {262: 77},
        {278: 10, 259: 8},
    ):
        bits = changes.pop(258, 16)
        path.write_bytes(tiff_header(30, 30, bits, changes))
        sentence_of(path)
    # A chain of pages that leads back to its start.
    data = bytearray(tiff_file(deep_waves(), photometric="rgb"))
    (first,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, first)
    struct.pack_into("<I", data, first + 2 + 12 * count, first)
    path.write_bytes(data)
    assert np.array_equal(images.read_photo(path).samples, deep_waves())


def test_texts_that_unfold_to_gigabytes_are_not_unfolded(tmp_path):
    bomb = zlib.compress(bytes(64 << 20), 9)
    data = with_chunks(
        encoded(eight(deep_waves()), "PNG"),
        *[chunk(b"zTXt", f"Comment{k}".encode() + b"\0\0" + bomb) for k in range(20)],
        chunk(b"zTXt", b"Raw profile type iptc\0\0" + bomb),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + bomb),
    )
    (tmp_path / "a.png").write_bytes(data)
    begun = time.monotonic()
    photo = images.read_photo(tmp_path / "a.png")
    assert np.array_equal(photo.samples, eight(deep_waves()))
    assert (photo.xmp, photo.iptc) == (None, None)
    assert time.monotonic() - begun < 5


def test_a_jpeg_of_a_thousand_scans_is_refused(tmp_path):
    data = encoded(eight(deep_waves()), "JPEG", progressive=True)
    at = data.rfind(b"\xff\xda")
    last = data[at:-2]
    (tmp_path / "a.jpg").write_bytes(data[:-2] + last * 1000 + data[-2:])
    assert "it has 10" in sentence_of(tmp_path / "a.jpg")


def test_a_decoder_that_never_ends_is_given_up(tmp_path, monkeypatch):
    path = tmp_path / "slow.bmp"
    path.write_bytes(encoded(eight(deep_waves()), "BMP"))
    end = threading.Event()
    monkeypatch.setattr(decode, "DECODE_SECONDS", 0.2)
    monkeypatch.setattr("PIL.BmpImagePlugin.BmpImageFile.load", lambda self: end.wait(30))
    try:
        assert sentence_of(path) == (
            "slow.bmp was given up: decoding it took longer than 0 seconds. Save it anew in another program first."
        )
    finally:
        end.set()


def test_a_folder_of_2000_files_of_which_30_are_broken_is_read_through(tmp_path):
    kinds = list(every_kind().items())
    tiny = eight(deep_waves(8, 6))
    good = [("jpg", encoded(tiny, "JPEG")), ("png", encoded(tiny, "PNG")), ("tif", encoded(tiny, "TIFF"))]
    broken = set(range(5, 2000, 67))
    assert len(broken) == 30
    for number in range(2000):
        if number in broken:
            name, data = kinds[number % len(kinds)]
            (tmp_path / f"{number:04}.{name.split('.')[1]}").write_bytes(data[: len(data) // 3])
        else:
            suffix, data = good[number % 3]
            (tmp_path / f"{number:04}.{suffix}").write_bytes(data)
    files = images.list_photos(tmp_path)
    assert len(files) == 2000
    read_through, sentences = 0, []
    for file in files:
        try:
            read_through += images.read_photo(file).width == 8
        except EngineError as error:
            sentences.append(str(error))
    assert read_through == 1970 and len(sentences) == 30
    assert [int(text[:4]) for text in sentences] == sorted(broken)


def test_a_deep_tiff_on_a_full_disk_gives_a_sentence_and_leaves_nothing(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    noise = np.random.default_rng(1).integers(0, 65536, (200, 200, 3), dtype=np.uint16)
    original = tmp_path / "a.tif"
    original.write_bytes(tiff_file(noise, photometric="rgb"))
    digest = hashlib.sha256(original.read_bytes()).hexdigest()
    before, limit = with_little_room(folder)
    told = in_child(
        f"{limit}import os, sys, numpy\n"
        "from engine import images\n"
        "photo = images.read_photo(sys.argv[1])\n"
        "mask = numpy.ones((200, 200), 'float32')\n"
        "for work in (\n"
        "    lambda: images.save_photo(photo, os.path.join(sys.argv[2], 'b.tif')),\n"
        "    lambda: images.save_photo(photo, os.path.join(sys.argv[2], 'b.png')),\n"
        "    lambda: images.save_layer(photo, photo, mask, os.path.join(sys.argv[2], 'b.tif')),\n"
        "):\n"
        "    try: work()\n"
        "    except images.NotSaved as error: print(error, os.listdir(sys.argv[2]))\n",
        original,
        folder,
        before=before,
    )
    assert len(told.splitlines()) == 3
    for line in told.splitlines():
        assert re.fullmatch(
            r"b\.(tif|png) was not saved: the disk is full, the picture needs 0\.\d MB\. "
            r"Make room or choose another folder\. \[\]",
            line,
        )
    assert hashlib.sha256(original.read_bytes()).hexdigest() == digest
    assert names_in(tmp_path) == ["a.tif", "disk", "home"][: len(names_in(tmp_path))]


def test_a_deep_tiff_in_a_folder_that_may_not_be_written_to_is_refused(tmp_path):
    folder = tmp_path / "theirs"
    folder.mkdir()
    small = tmp_path / "small.tif"
    small.write_bytes(tiff_file(deep_waves(), photometric="rgb"))
    folder.chmod(0o555)
    code = AS_NOBODY.format(
        # Saved once before: nobody may be unable to read libraries that are loaded only when they are needed.
        before="photo = images.read_photo(sys.argv[2]); images.save_photo(photo, sys.argv[2] + '.tif'); "
        "os.chdir(sys.argv[1])",
        call="images.save_photo(photo, 'a.tif')",
        error="images.NotSaved",
    )
    told = in_child(code, folder, small)
    assert told == f"a.tif was not saved: Permission denied in {folder}. Choose a folder that you may write to."


def test_reading_and_saving_never_change_the_original(tmp_path):
    for name, data in every_kind().items():
        path = tmp_path / name
        path.write_bytes(data)
        os.utime(path, ns=(10**18, 10**18))
        path.chmod(0o444)
        photo = images.read_photo(path)
        images.save_photo(photo, tmp_path / f"out-{name}.tif")
        assert path.read_bytes() == data and path.stat().st_mtime_ns == 10**18


def test_exif_that_points_outside_the_block_is_no_reason_to_fail(tmp_path):
    block = bytearray(exif_block())
    struct.pack_into("<I", block, 8 + 2 + 12 * 6 + 8, 2**31)  # the pointer to GPS
    (tmp_path / "a.jpg").write_bytes(encoded(eight(deep_waves()), "JPEG", exif=b"Exif\0\0" + bytes(block)))
    photo = images.read_photo(tmp_path / "a.jpg")
    path = images.save_photo(photo, tmp_path / "b.tif", metadata=images.Metadata.STRIP_GPS)
    assert b"Camera Works" in images.read_photo(path).exif
