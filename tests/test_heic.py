"""HEIC: at its own depth, turned upright by the file's own word, with what stands beside it."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from engine import images
from engine.errors import EngineError
from engine.images import decode
from tests._files import deep_waves, display_p3, exif_block
from tests._heic import heic


def stored(depth):
    """A picture of 64 x 32 px with so many bits, and its planes in the order green, blue, red."""
    values = deep_waves(64, 32) >> (16 - depth)
    return values, np.moveaxis(values[..., [1, 2, 0]], 2, 0)


@pytest.mark.parametrize("depth", [8, 10, 12])
def test_every_depth_is_read_to_the_full_range(tmp_path, depth):
    values, planes = stored(depth)
    (tmp_path / "IMG_1.HEIC").write_bytes(heic(planes, depth))
    photo = images.read_photo(tmp_path / "IMG_1.HEIC")
    most = 255 if depth == 8 else 65535
    assert (photo.source, photo.depth, photo.alpha, photo.notes) == ("HEIC", 8 if depth == 8 else 16, None, ())
    assert np.abs(photo.samples - values * (most / ((1 << depth) - 1))).max() <= 0.5
    assert images.is_photo_name("IMG_1.HEIC")


def test_the_file_turns_its_picture_and_exif_has_no_say(tmp_path):
    values, planes = stored(8)
    (tmp_path / "a.heic").write_bytes(heic(planes, icc=display_p3(), exif=exif_block(orientation=6), turned=3))
    photo = images.read_photo(tmp_path / "a.heic")
    assert np.array_equal(photo.samples, np.rot90(values, 3))
    assert photo.icc == display_p3()
    assert b"Camera Works" in photo.exif
    again = images.read_photo(images.save_photo(photo, tmp_path / "a.jpg"))
    assert again.samples.shape == photo.samples.shape and again.icc == photo.icc


def test_a_heic_cut_off_at_ten_places_is_refused(tmp_path):
    whole = heic(stored(8)[1], exif=exif_block())
    path = tmp_path / "a.heic"
    for share in np.linspace(0.01, 0.9, 10):
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(EngineError, match=r"^a\.heic .*cut off: .*\.$"):
            images.read_photo(path)


@pytest.mark.parametrize("size", [(60_000, 50_000), (0, 32), (64, 0)])
def test_an_absurd_size_is_refused(tmp_path, size):
    whole = heic(stored(8)[1])
    (tmp_path / "a.heic").write_bytes(
        whole.replace(b"ispe\0\0\0\0" + struct.pack(">II", 64, 32), b"ispe\0\0\0\0" + struct.pack(">II", *size))
    )
    with pytest.raises(EngineError, match=r"^a\.heic .*\.$"):
        images.read_photo(tmp_path / "a.heic")


def test_damaged_bytes_give_a_photo_or_a_sentence(tmp_path):
    whole = heic(stored(8)[1], exif=exif_block())
    dice = np.random.default_rng(6)
    path = tmp_path / "a.heic"
    for turn in range(12):
        data = bytearray(whole)
        if turn == 0:
            data[181] = 208  # libheif 1.23.0 crashes
        for _ in range(dice.integers(1, 6) if turn else 0):
            data[dice.integers(8, 700)] = dice.integers(256)
        path.write_bytes(data)
        try:
            assert images.read_photo(path).width > 0
        except EngineError as error:
            assert str(error).startswith("a.heic")


def test_a_decoder_that_takes_too_long_is_ended(tmp_path, monkeypatch):
    (tmp_path / "a.heic").write_bytes(heic(stored(8)[1]))
    monkeypatch.setattr(decode, "DECODE_SECONDS", 0.001)
    with pytest.raises(images.PhotoDamaged, match=r"^a\.heic was given up: decoding it took longer than 0 seconds\."):
        images.read_photo(tmp_path / "a.heic")
