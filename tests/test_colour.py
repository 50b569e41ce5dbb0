"""Colour profiles: into sRGB and back, by numbers; and merging in a photo's own colours and depth."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO

import imagecodecs
import numpy as np
import pytest
from PIL import Image, ImageCms

from engine import images
from tests._files import (
    adobe_rgb,
    chunk,
    deep_waves,
    display_p3,
    eight,
    encoded,
    inks_file,
    muted,
    press_profile,
    profile_file,
    scanner_profile,
    tiff_file,
    with_chunks,
)

# CIE XYZ of D65 from linear light; IEC 61966-2-1, Adobe RGB (1998) 4.3.5.3, SMPTE EG 432-1.
SRGB = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
ADOBE = np.array([[0.57667, 0.18556, 0.18823], [0.29734, 0.62736, 0.07529], [0.02703, 0.07069, 0.99134]])
P3 = np.array([[0.48657, 0.26567, 0.19822], [0.22897, 0.69174, 0.07929], [0.0, 0.04511, 1.04394]])


def curved(light):
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def straight(values):
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def by_hand(values, profile):
    """What numbers of a profile are in sRGB, from the standards' own matrices."""
    light, matrix = (values ** (563 / 256), ADOBE) if profile == "adobe" else (straight(values), P3)
    return curved(light @ (np.linalg.inv(SRGB) @ matrix).T)


PROFILES = {"adobe": adobe_rgb, "p3": display_p3}


def photo_of(samples, icc, **changes):
    return replace(images.Photo(samples, None, icc, None, "a.tif"), **changes)


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("bits", [8, 16])
def test_a_profile_gives_the_numbers_of_its_standard(name, bits):
    samples = deep_waves() if bits == 16 else eight(deep_waves())
    photo = photo_of(samples, PROFILES[name]())
    wanted = by_hand(samples / (65535 if bits == 16 else 255), name)
    assert np.abs(photo.pixels - wanted).max() < 2e-3
    assert np.abs(photo.pixels - samples / samples.max()).max() > 0.05
    assert photo.pixels.dtype == np.float32


def test_a_quick_profile_says_what_littlecms_says():
    values = np.random.default_rng(3).random((40, 40, 3)).astype(np.float32)
    samples = np.rint(values * 65535).astype(np.uint16)
    for make in PROFILES.values():
        exact = imagecodecs.cms_transform(
            samples / np.float32(65535),
            make(),
            imagecodecs.cms_profile("srgb"),
            colorspace="rgb",
            outcolorspace="rgb",
            outdtype="f4",
            intent=1,
        )
        assert np.abs(photo_of(samples, make()).pixels - np.clip(exact, 0, 1)).max() < 1e-4


@pytest.mark.parametrize("bits", [8, 16])
def test_srgb_and_no_profile_are_exact(bits):
    samples = deep_waves() if bits == 16 else eight(deep_waves())
    most = np.float32(65535 if bits == 16 else 255)
    pillows = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for icc in (None, bytes(imagecodecs.cms_profile("srgb")), pillows):
        assert np.array_equal(photo_of(samples, icc).pixels, samples.astype(np.float32) / most)


def test_a_grey_profile_is_obeyed_and_comes_back():
    icc = bytes(imagecodecs.cms_profile("gray", gamma=1.8))
    grey = deep_waves()[..., 0]
    photo = photo_of(grey, icc)
    assert np.abs(photo.pixels - curved((grey / 65535) ** 1.8)[..., None]).max() < 1e-3
    assert np.ptp(photo.pixels, axis=2).max() == 0
    restored = np.clip(photo.pixels * 0.8, 0, 1)
    merged = images.merge(photo, restored, np.ones(grey.shape, np.float32))
    assert merged.samples.shape == grey.shape and merged.icc == icc
    assert np.abs(merged.pixels - restored).max() < 2e-4


def test_a_grey_photo_that_gets_colour_keeps_its_tones_under_an_rgb_profile(tmp_path):
    icc = bytes(imagecodecs.cms_profile("gray", gamma=1.8))
    grey = eight(deep_waves())[..., 0]
    photo = photo_of(grey, icc)
    mask = np.zeros(grey.shape, np.float32)
    mask[4:9] = 1
    restored = photo.pixels
    restored[4:9] = (0.7, 0.5, 0.4)
    merged = images.merge(photo, restored, mask)
    assert np.array_equal(merged.samples[mask == 0], np.repeat(grey[..., None], 3, axis=2)[mask == 0])
    assert merged.icc[16:20] == b"RGB "
    assert np.abs(merged.pixels - restored).max() < 1 / 255
    ours = images.read_photo(images.save_photo(merged, tmp_path / "a.png"))
    assert np.array_equal(ours.pixels, merged.pixels)
    with Image.open(tmp_path / "a.png") as image:
        seen = ImageCms.profileToProfile(
            image, ImageCms.ImageCmsProfile(BytesIO(image.info["icc_profile"])), ImageCms.createProfile("sRGB")
        )
        assert np.abs(np.asarray(seen) / 255 - merged.pixels).max() < 2 / 255


@pytest.mark.parametrize("make", [lambda: None, adobe_rgb, display_p3, scanner_profile])
@pytest.mark.parametrize("bits", [8, 16])
def test_merging_a_photos_own_pixels_gives_its_very_samples(make, bits):
    # Over all colours, those outside sRGB included.
    samples = np.random.default_rng(2).integers(0, 65536, (64, 64, 3), dtype=np.uint16)
    samples = samples if bits == 16 else eight(samples)
    photo = photo_of(samples, make())
    merged = images.merge(photo, photo.pixels, np.ones((64, 64), np.float32))
    assert np.array_equal(merged.samples, samples)
    assert merged.icc == photo.icc


@pytest.mark.parametrize("make", [lambda: None, adobe_rgb, display_p3])
def test_restored_pixels_come_back_out_of_16_bits(make):
    photo = photo_of(muted(), make())
    mask = np.zeros((32, 48), np.float32)
    mask[8:24, 10:40] = np.linspace(0.1, 1, 30)
    restored = np.clip(photo.pixels * 0.9 + 0.03, 0, 1)
    merged = images.merge(photo, restored, mask)
    assert merged.samples.dtype == np.uint16
    assert np.array_equal(merged.samples[mask == 0], photo.samples[mask == 0])
    assert np.abs(merged.pixels - restored)[mask > 0].max() < 1e-3


def test_no_step_shows_where_the_mask_ends():
    # A flat ground just outside sRGB, where clipping would show as an edge.
    ground = np.empty((40, 80, 3), np.uint16)
    ground[:] = (62_000, 9_000, 4_000)
    photo = photo_of(ground, display_p3())
    assert photo.pixels.max() > 0.9999 and photo.pixels.min() == 0.0
    mask = np.zeros((40, 80), np.float32)
    mask[:, 20:] = np.clip(np.arange(60) / 30, 0, 1)
    restored = photo.pixels + mask[..., None] * (np.float32(0.4) - photo.pixels)
    merged = images.merge(photo, restored, mask)
    steps = np.abs(np.diff(merged.samples[20].astype(int), axis=0)).max(axis=1)
    assert np.array_equal(merged.samples[:, :21], ground[:, :21])
    # 58 levels of 8 bits in 30 px: no step is larger than the ramp's own, within a factor.
    assert steps[:20].max() == 0 and steps.max() < 65535 * 0.04
    wholly = images.merge(photo, np.full_like(restored, 0.4), np.ones_like(mask))
    assert np.abs(wholly.pixels - 0.4).max() < 1e-3


@pytest.mark.parametrize("make", [lambda: None, adobe_rgb, scanner_profile])
def test_restored_pixels_that_are_no_numbers_are_refused(make):
    photo = photo_of(muted(), make())
    restored = photo.pixels
    restored[3, 4, 1] = np.nan
    with pytest.raises(ValueError, match="found NaN or infinity"):
        images.merge(photo, restored, np.ones((32, 48), np.float32))


def test_a_profile_that_goes_one_way_only_is_turned_round():
    photo = photo_of(muted(), scanner_profile())
    source = muted(48, 32)[::-1]
    # A goal that is reachable: the look of other samples under the same profile.
    restored = photo_of(source, scanner_profile()).pixels
    merged = images.merge(photo, restored, np.ones((32, 48), np.float32))
    assert np.abs(merged.pixels - restored).max() < 5e-3


@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.jpg"])
def test_a_profile_is_kept_in_what_is_saved(tmp_path, name):
    photo = photo_of(muted(), adobe_rgb())
    again = images.read_photo(images.save_photo(photo, tmp_path / name))
    assert again.icc == photo.icc
    assert np.abs(again.pixels - photo.pixels).mean() < 0.01


@pytest.mark.parametrize(
    "icc",
    [
        b"garbage",
        bytes(4096),
        adobe_rgb()[:300],
        adobe_rgb()[:132] + b"\xff" * 468,
        press_profile(),
        bytes(imagecodecs.cms_profile("gray", gamma=1.8)),
        profile_file(b"RGB ", b"mntr", {}),
    ],
)
def test_a_broken_or_wrong_profile_is_left_out_with_a_note(tmp_path, icc):
    flat = eight(deep_waves())
    files = {
        "a.jpg": encoded(flat, "JPEG", icc_profile=icc),
        "a.png": encoded(flat, "PNG", icc_profile=icc),
        "a.webp": encoded(flat, "WEBP", lossless=True, icc_profile=icc),
        "a.tif": tiff_file(deep_waves(), photometric="rgb", iccprofile=icc),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        photo = images.read_photo(tmp_path / name)
        assert photo.icc is None
        assert len(photo.notes) == 1 and photo.notes[0].startswith("Its colour profile was left out: it is ")
        assert np.array_equal(photo.pixels, images.from_samples(photo.samples))


def test_a_compressed_profile_that_unfolds_to_gigabytes_is_left_out(tmp_path):
    import zlib

    bomb = chunk(b"iCCP", b"bomb\0\0" + zlib.compress(bytes(40 << 20), 9))
    path = tmp_path / "a.png"
    path.write_bytes(with_chunks(encoded(eight(deep_waves()), "PNG"), bomb))
    photo = images.read_photo(path)
    assert photo.notes == ("Its colour profile is broken and was left out.",)
    assert np.array_equal(photo.samples, eight(deep_waves()))


@pytest.mark.parametrize("kind", ["jpg", "tif"])
def test_inks_go_through_their_profile_with_a_note(tmp_path, kind):
    inks = np.random.default_rng(5).integers(0, 256, (32, 48, 4), dtype=np.uint8)
    inks[..., 3] //= 3
    inks[:8] = 0
    image = Image.frombytes("CMYK", (48, 32), inks.tobytes())
    options = {"quality": 100, "subsampling": 0} if kind == "jpg" else {}
    image.save(tmp_path / f"a.{kind}", icc_profile=press_profile(), **options)
    photo = images.read_photo(tmp_path / f"a.{kind}")
    assert photo.notes == ("CMYK was converted to RGB through its colour profile.",)
    assert photo.icc is None
    assert (photo.samples[:6] >= 253).all()  # no ink is paper, and paper is white
    with Image.open(tmp_path / f"a.{kind}") as opened:
        other = ImageCms.profileToProfile(
            opened,
            ImageCms.ImageCmsProfile(BytesIO(press_profile())),
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION | ImageCms.Flags.NOOPTIMIZE,
        )
    # Two ways to the same library: 8 bits there, floats here.
    assert np.abs(np.asarray(other).astype(int) - photo.samples).max() <= 3


def test_a_broken_profile_of_inks_is_left_out_with_a_note(tmp_path):
    (tmp_path / "a.jpg").write_bytes(inks_file(eight(deep_waves()), "JPEG", icc_profile=press_profile()[:200]))
    assert images.read_photo(tmp_path / "a.jpg").notes == (
        "Its colour profile was left out: it is broken.",
        "CMYK was converted to RGB without a colour profile, so its colours are a guess.",
    )
