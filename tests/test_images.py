"""Photos in and out. All pictures are made by formula; all files are real."""

from __future__ import annotations

import os
import random
import re
import signal
import struct
import subprocess
import sys
import threading
import time
import zlib
from io import BytesIO
from pathlib import Path

import cv2
import imagecodecs
import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from engine import images
from engine.errors import EngineError

REPOSITORY = Path(__file__).resolve().parents[1]
ENVIRONMENT = {
    **os.environ,
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONPATH": os.pathsep.join((str(REPOSITORY), os.environ.get("PYTHONPATH", ""))),
}


def waves(width=48, height=32):
    """A smooth RGB picture without any symmetry, uint8 (H, W, 3)."""
    y, x = np.mgrid[:height, :width].astype(np.float64)
    channels = [127 + 120 * np.sin(x / (7 + k) + k) * np.cos(y / (5 + 2 * k) + k * x / 40) for k in range(3)]
    return np.stack(channels, axis=2).round().astype(np.uint8)


def speckle(width=200, height=200):
    """A picture that no format can make small, uint8 (H, W, 3)."""
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def saved(path, samples, **options):
    Image.fromarray(samples).save(path, **options)
    return path


def exif_block(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "Camera Works"
    return exif.tobytes()


def png_of_size(width, height):
    """A PNG whose header promises a size; only its first bytes are real."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000)))


def profile_of(space):
    """The sRGB profile, its header saying another colour space; a whole one for grey."""
    if space == b"GRAY":
        return bytes(imagecodecs.cms_profile("gray", gamma=2.2))
    icc = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    icc[16:20] = space
    return bytes(icc)


def in_child(code, *arguments, before=()):
    """Run code in a process of its own and give what it printed."""
    command = [*before, sys.executable, "-W", "error", "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def with_little_room(folder):
    """Give a command's start and a line of code that make a folder a disk of 64 KiB for one child process.

    Where no small disk can be mounted, files are limited to that size instead.
    """
    script = f'mount -t tmpfs -o size=64k likeness "{folder}" && exec "$@"'
    for share in (["unshare", "--mount"], ["unshare", "--mount", "--map-root-user"]):
        before = [*share, "sh", "-c", script, "sh"]
        try:
            if subprocess.run([*before, "true"], capture_output=True, check=False).returncode == 0:
                return before, ""
        except FileNotFoundError:
            break
    return [], "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))\n"


# Reading


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.png", {}),
        ("a.webp", {"lossless": True}),
        ("a.bmp", {}),
        ("a.tif", {}),
        ("a.tiff", {"compression": "tiff_lzw"}),
    ],
)
def test_every_lossless_kind_gives_the_samples_that_were_saved(tmp_path, name, options):
    photo = images.read_photo(saved(tmp_path / name, waves(), **options))
    assert np.array_equal(photo.samples, waves())
    assert photo.samples.dtype == np.uint8
    assert (photo.width, photo.height, photo.name, photo.alpha) == (48, 32, name, None)


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_a_jpeg_gives_nearly_the_samples_that_were_saved(tmp_path, options):
    photo = images.read_photo(saved(tmp_path / "a.JPG", waves(), quality=98, subsampling=0, **options))
    assert np.abs(photo.samples.astype(int) - waves()).max() <= 8


def test_the_content_decides_the_kind_and_not_the_suffix(tmp_path):
    saved(tmp_path / "a.png", waves()).rename(tmp_path / "a.jpg")
    assert np.array_equal(images.read_photo(tmp_path / "a.jpg").samples, waves())


def test_the_first_picture_of_a_phones_double_photo_is_read(tmp_path):
    first, second = Image.fromarray(waves()), Image.fromarray(255 - waves())
    first.save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[second], quality=98, subsampling=0)
    photo = images.read_photo(tmp_path / "a.jpg")
    assert np.abs(photo.samples.astype(int) - waves()).max() <= 8


def test_pixels_are_the_engines_convention(tmp_path):
    photo = images.read_photo(saved(tmp_path / "a.png", waves()))
    assert (photo.pixels.dtype, photo.pixels.shape) == (np.float32, (32, 48, 3))
    assert np.array_equal(images.to_uint8(photo.pixels), photo.samples)


CORNERS = {
    1: ("top left", "top right"),
    2: ("top right", "top left"),
    3: ("bottom right", "bottom left"),
    4: ("bottom left", "bottom right"),
    5: ("top left", "bottom left"),
    6: ("top right", "bottom right"),
    7: ("bottom right", "top right"),
    8: ("bottom left", "top left"),
}
"""Where the stored first and last pixel of the first row belong, by Exif 2.32, 4.6.4 (Orientation)."""


@pytest.mark.parametrize("kind", ["png", "jpg", "webp", "tif", "deflated.tif"])
@pytest.mark.parametrize("orientation", CORNERS)
def test_every_exif_orientation_is_turned_upright(tmp_path, kind, orientation):
    stored = np.full((32, 48, 3), 90, np.uint8)
    stored[:8, :8], stored[:8, -8:] = (255, 0, 0), (0, 0, 255)
    options = {"webp": {"lossless": True}, "deflated.tif": {"compression": "tiff_adobe_deflate"}}.get(kind, {})
    path = saved(tmp_path / f"a.{kind}", stored, exif=exif_block(orientation), **options)
    photo = images.read_photo(path)
    assert (photo.width, photo.height) == ((48, 32) if orientation <= 4 else (32, 48))
    for colour, corner in zip(((255, 0, 0), (0, 0, 255)), CORNERS[orientation], strict=True):
        row = 2 if "top" in corner else photo.height - 3
        column = 2 if "left" in corner else photo.width - 3
        assert np.abs(photo.samples[row, column].astype(int) - colour).max() < 40


def test_the_kept_exif_block_says_upright_and_loses_nothing_else(tmp_path):
    path = saved(tmp_path / "a.jpg", waves(), exif=exif_block(6))
    exif = Image.Exif()
    exif.load(images.read_photo(path).exif)
    assert (exif[0x0112], exif[0x010F]) == (1, "Camera Works")
    assert images.read_photo(saved(tmp_path / "none.png", waves())).exif is None


@pytest.mark.parametrize(
    "block", [b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01"]
)
def test_a_broken_exif_block_does_not_keep_the_picture_from_being_read(tmp_path, block):
    path = saved(tmp_path / "a.webp", waves(), lossless=True, exif=block)
    assert np.array_equal(images.read_photo(path).samples, waves())


def test_alpha_turns_with_its_picture(tmp_path):
    alpha = waves()[..., 1]
    rgba = np.dstack((waves(), alpha))
    photo = images.read_photo(saved(tmp_path / "a.png", rgba, exif=exif_block(6)))
    assert np.array_equal(photo.samples, np.rot90(waves(), -1))
    assert np.array_equal(photo.alpha, np.rot90(alpha, -1))


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.bmp", "a.jpg"])
def test_a_grey_photo_stays_grey(tmp_path, name):
    grey = waves()[..., 0]
    photo = images.read_photo(saved(tmp_path / name, grey))
    assert photo.samples.shape == (32, 48)
    assert photo.pixels.shape == (32, 48, 3)
    assert np.abs(photo.samples.astype(int) - grey).max() <= (12 if name == "a.jpg" else 0)


def test_grey_with_alpha_keeps_both(tmp_path):
    grey, alpha = waves()[..., 0], waves()[..., 1]
    photo = images.read_photo(saved(tmp_path / "a.png", np.dstack((grey, alpha))))
    assert np.array_equal(photo.samples, grey)
    assert np.array_equal(photo.alpha, alpha)


def test_black_and_white_bits_become_grey_levels(tmp_path):
    bits = waves()[..., 0] > 127
    Image.fromarray(bits).save(tmp_path / "a.png")
    assert np.array_equal(images.read_photo(tmp_path / "a.png").samples, bits.astype(np.uint8) * 255)


def test_a_palette_becomes_rgb_and_its_clear_colour_alpha(tmp_path):
    palette = Image.fromarray(waves()).quantize(16)
    palette.save(tmp_path / "a.png")
    palette.save(tmp_path / "b.png", transparency=3)
    photo, clear = images.read_photo(tmp_path / "a.png"), images.read_photo(tmp_path / "b.png")
    assert np.array_equal(photo.samples, np.asarray(palette.convert("RGB")))
    assert photo.alpha is None
    assert np.array_equal(clear.samples, photo.samples)
    assert np.array_equal(clear.alpha, np.where(np.asarray(palette) == 3, 0, 255))


def test_cmyk_becomes_rgb(tmp_path):
    Image.fromarray(waves()).convert("CMYK").save(tmp_path / "a.jpg", quality=98, subsampling=0)
    photo = images.read_photo(tmp_path / "a.jpg")
    assert photo.samples.shape == (32, 48, 3)
    assert np.abs(photo.samples.astype(int) - waves()).mean() < 4


def test_a_colour_profile_is_kept_when_it_fits_the_samples(tmp_path):
    path = saved(tmp_path / "a.png", waves(), icc_profile=profile_of(b"RGB "))
    assert images.read_photo(path).icc == profile_of(b"RGB ")
    wrong = saved(tmp_path / "b.png", waves(), icc_profile=profile_of(b"CMYK"))
    assert images.read_photo(wrong).icc is None


@pytest.mark.parametrize("name", ["Großmutter 祖母 👵.png", "a" * 240 + ".png", "it's; $(a) 100%.png", "-rf.png"])
def test_any_file_name_is_read_and_kept(tmp_path, name):
    assert images.read_photo(saved(tmp_path / name, waves())).name == name


def test_a_name_that_is_no_unicode_is_read(tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png"))
    Image.fromarray(waves()).save(str(path))
    assert images.read_photo(path).width == 48
    path.write_bytes(b"")
    with pytest.raises(images.NotAPhoto) as caught:
        images.read_photo(path)
    assert str(caught.value).encode().startswith(b"caf?.png is empty")


# What is refused


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"Dear Anna,\n", "something else"),
        (b"GIF89a" + bytes(40), "a GIF"),
        (b"\0\0\0\x18ftypcrx " + bytes(40), "a camera's raw file"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"B", "something else"),
    ],
)
def test_something_that_is_no_photo_is_refused_by_what_it_is(tmp_path, content, found):
    path = tmp_path / "IMG_3.jpg"
    path.write_bytes(content)
    with pytest.raises(images.NotAPhoto) as caught:
        images.read_photo(path)
    assert str(caught.value) == (
        f"IMG_3.jpg is not a photo that can be read: found {found}. Save it as JPEG, PNG, WebP, TIFF, BMP, "
        "HEIC, AVIF or JPEG 2000 first."
    )


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "a.jpg").touch()
    with pytest.raises(images.NotAPhoto, match=r"^a\.jpg is empty \(0 bytes\)\. Copy it again"):
        images.read_photo(tmp_path / "a.jpg")


# Pillow warns of a TIFF's directory that is cut off before it gives up.
@pytest.mark.filterwarnings("ignore:Corrupt EXIF data:UserWarning")
@pytest.mark.parametrize("share", [0.04, 0.3, 0.5, 0.7, 0.9, 0.97])
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {"quality": 90}),
        ("JPEG", {"quality": 90, "progressive": True}),
        ("PNG", {}),
        ("WEBP", {"quality": 90}),
        ("WEBP", {"lossless": True}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_adobe_deflate"}),
        ("BMP", {}),
    ],
)
def test_a_photo_that_is_cut_off_is_refused(tmp_path, kind, options, share):
    whole = BytesIO()
    Image.fromarray(speckle(90, 70)).save(whole, kind, **options)
    path = tmp_path / "holiday.jpg"
    path.write_bytes(whole.getvalue()[: int(len(whole.getvalue()) * share)])
    with pytest.raises(images.PhotoDamaged, match=r"^holiday\.jpg .*damaged or cut off: .* Copy it again"):
        images.read_photo(path)


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
def test_a_jpeg_that_was_broken_off_and_filled_up_is_refused(tmp_path, options, share):
    thumbnail = BytesIO()
    Image.fromarray(waves()).save(thumbnail, "JPEG")
    exif = exif_block(1) + thumbnail.getvalue()
    data = saved(tmp_path / "a.jpg", speckle(), exif=exif, **options).read_bytes()
    kept = int(len(data) * share)
    (tmp_path / "a.jpg").write_bytes(data[:kept] + bytes(len(data)))
    with pytest.raises(images.PhotoDamaged, match=r"^a\.jpg is damaged or cut off"):
        images.read_photo(tmp_path / "a.jpg")
    (tmp_path / "a.jpg").write_bytes(data + bytes(1000))
    assert images.read_photo(tmp_path / "a.jpg").width == 200


def test_a_png_with_a_changed_byte_is_refused(tmp_path):
    path = saved(tmp_path / "a.png", speckle())
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(images.PhotoDamaged, match=r"^a\.png is damaged or cut off"):
        images.read_photo(path)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP"])
def test_random_damage_gives_a_picture_or_a_sentence_and_nothing_else(tmp_path, kind):
    whole = BytesIO()
    Image.fromarray(waves()).save(whole, kind, exif=exif_block(6), icc_profile=profile_of(b"RGB "))
    dice = random.Random(kind)
    for turn in range(150):
        data = bytearray(whole.getvalue())
        for _ in range(dice.randint(1, 6)):
            # Early bytes are the header, where a change does the most.
            data[dice.randrange(12, dice.choice((120, len(data))))] = dice.randrange(256)
        path = tmp_path / f"{turn}.jpg"
        path.write_bytes(data)
        try:
            assert images.read_photo(path).width > 0
        except EngineError as error:
            assert str(error).startswith(path.name)


def test_an_enormous_png_is_refused_at_once_and_in_little_memory(tmp_path):
    (tmp_path / "huge.png").write_bytes(png_of_size(40_000, 40_000))
    small = saved(tmp_path / "small.png", waves())
    told = in_child(
        "import resource, sys, time\n"
        "from engine import images\n"
        "images.read_photo(sys.argv[2])\n"
        "before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()\n"
        "try: images.read_photo(sys.argv[1])\n"
        "except images.PhotoTooLarge as error: print(error)\n"
        "seconds = time.process_time() - start\n"
        "print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n",
        tmp_path / "huge.png",
        small,
    )
    sentence, numbers = told.splitlines()
    assert sentence == (
        "huge.png is 40000 x 40000 px, 1600 million pixels; at most 200 million can be read. Make it smaller first."
    )
    seconds, grown_kib = map(float, numbers.split())
    assert seconds < 1
    assert grown_kib < 16 * 1024


def test_a_photo_just_under_the_limit_passes_the_header(tmp_path):
    # Above Pillow's own limit, which would refuse it or warn.
    path = tmp_path / "large.png"
    path.write_bytes(png_of_size(20_000, 10_000))
    with pytest.raises(images.PhotoDamaged):
        images.read_photo(path)


def test_a_photo_that_memory_does_not_hold_is_refused_with_a_sentence(tmp_path):
    Image.new("1", (18_000, 10_000)).save(tmp_path / "wide.png")
    told = in_child(
        "import resource, sys\n"
        "from engine import images\n"
        "images.read_photo(sys.argv[2])\n"
        "pages = int(open('/proc/self/statm').read().split()[0])\n"
        "limit = pages * resource.getpagesize() + 100_000_000\n"
        "resource.setrlimit(resource.RLIMIT_AS, (limit, limit))\n"
        "try: images.read_photo(sys.argv[1])\n"
        "except images.PhotoTooLarge as error: print(error)\n",
        tmp_path / "wide.png",
        saved(tmp_path / "small.png", waves()),
    )
    assert told.startswith("wide.png is 18000 x 10000 px, more than fits into the memory that is free.")


@pytest.mark.parametrize("name", ["grey.png", "rgb.png", "rgba.png", "grey.tif", "rgb.tif"])
def test_sixteen_bits_stay_sixteen(tmp_path, name):
    deep = waves().astype(np.uint16) * 257 + 3
    kinds = {"grey": deep[..., 0], "rgb": deep, "rgba": np.dstack((deep, deep[..., 0]))}
    stored = kinds[name.split(".")[0]]
    # OpenCV wants blue first.
    flipped = stored if stored.ndim == 2 else stored[..., [2, 1, 0, *range(3, stored.shape[2])]]
    assert cv2.imwrite(str(tmp_path / name), flipped)
    photo = images.read_photo(tmp_path / name)
    assert (photo.samples.dtype, photo.depth) == (np.uint16, 16)
    assert np.array_equal(photo.samples, deep[..., 0] if stored.ndim == 2 else deep)
    assert photo.alpha is None if name[:4] != "rgba" else np.array_equal(photo.alpha, deep[..., 0])


def test_floating_point_and_lab_are_refused(tmp_path):
    Image.fromarray(waves()[..., 0].astype(np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(images.DepthNotReadable, match=r"^a\.tif has 32 bits a sample"):
        images.read_photo(tmp_path / "a.tif")
    Image.new("LAB", (8, 8)).save(tmp_path / "b.tif")
    with pytest.raises(images.DepthNotReadable, match=r"^b\.tif is in the colour model LAB\. Save it as RGB first\."):
        images.read_photo(tmp_path / "b.tif")


def test_what_is_no_plain_file_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "link.jpg").symlink_to(tmp_path / "gone.jpg")
    (tmp_path / "round.jpg").symlink_to(tmp_path / "round.jpg")
    for name, sentence in {
        "pipe.jpg": "pipe.jpg is not a plain file. Choose a photo.",
        "folder.jpg": "folder.jpg is a folder, not a photo. Choose the photos in it.",
        "link.jpg": "link.jpg is a link to a file that is gone. Choose a photo.",
        "gone.jpg": "There is no file gone.jpg. Check its name and folder.",
        "round.jpg": "round.jpg cannot be opened: too many levels of symbolic links. "
        "Check its name and that you may read it.",
        "nul\0.jpg": "nul?.jpg cannot be opened: its name holds a NUL character. "
        "Check its name and that you may read it.",
    }.items():
        with pytest.raises(images.PhotoUnreadable) as caught:
            images.read_photo(tmp_path / name)
        assert str(caught.value) == sentence


def test_a_name_of_300_characters_gives_a_sentence_that_can_be_read(tmp_path):
    with pytest.raises(
        images.PhotoUnreadable, match=r"^a{40}…a{35}\.jpg cannot be opened: file name too long\."
    ) as caught:
        images.read_photo(tmp_path / ("a" * 300 + ".jpg"))
    assert len(str(caught.value)) < 200


AS_NOBODY = """
import os, sys
from engine import images
images.read_photo(sys.argv[2])
{before}
if os.geteuid() == 0: os.setuid(65534)
try: {call}
except {error} as error: print(error)
"""


def test_a_file_that_may_not_be_read_is_refused(tmp_path):
    path = saved(tmp_path / "secret.png", waves())
    path.chmod(0)
    code = AS_NOBODY.format(before="", call="images.read_photo(sys.argv[1])", error="images.PhotoUnreadable")
    told = in_child(code, path, saved(tmp_path / "small.png", waves()))
    assert told == "secret.png cannot be opened: permission denied. Check its name and that you may read it."


def test_a_folder_that_may_not_be_listed_is_refused(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    small = saved(tmp_path / "small.png", waves())
    saved(folder / "a.png", waves())
    folder.chmod(0)
    code = AS_NOBODY.format(before="", call="images.list_photos(sys.argv[1])", error="images.FolderUnreadable")
    told = in_child(code, folder, small)
    folder.chmod(0o700)
    assert told == f"The folder {folder} cannot be listed: Permission denied. Check that you may open it."


# Lists of photos


def test_a_folder_gives_its_photos_sorted_without_hidden_ones(tmp_path):
    for name in ["b.JPG", "a.png", "in/c.webp", "in/.d.png", ".hidden/e.png", "._b.JPG", "notes.txt", "f.tiff"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    names = [str(path.relative_to(tmp_path)) for path in images.list_photos(tmp_path)]
    assert names == ["a.png", "b.JPG", "f.tiff", "in/c.webp"]


def test_a_link_that_leads_round_does_not_list_for_ever(tmp_path):
    saved(tmp_path / "a.png", waves())
    (tmp_path / "again").symlink_to(tmp_path)
    assert images.list_photos(tmp_path) == [tmp_path / "a.png"]


def test_a_folder_that_gives_no_photos_says_why(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(images.NoPhotosFound) as caught:
        images.list_photos(tmp_path / "empty")
    assert str(caught.value) == (
        f"The folder {tmp_path / 'empty'} holds no photos. "
        "Choose one with JPEG, PNG, WebP, TIFF, BMP, HEIC, AVIF or JPEG 2000 files."
    )
    with pytest.raises(images.FolderUnreadable, match=r"There is no folder .*gone\. Check its name\."):
        images.list_photos(tmp_path / "gone")
    with pytest.raises(images.FolderUnreadable, match=r"file is a file, not a folder\."):
        images.list_photos(tmp_path / "file")
    with pytest.raises(images.FolderUnreadable, match=r"cannot be listed: its name holds a NUL character"):
        images.list_photos(tmp_path / "a\0b")


# Conversion


def test_all_256_levels_come_back_from_pixels_exactly():
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert np.array_equal(images.to_uint8(images.from_uint8(levels)), levels)


def test_pixels_are_rounded_and_clipped():
    pixels = np.array([[-1.0, 0.0019, 0.00197, 1.5]], np.float32)
    assert images.to_uint8(pixels).tolist() == [[0, 0, 1, 255]]


def test_pixels_that_are_no_numbers_are_refused():
    with pytest.raises(ValueError, match="found NaN or infinity"):
        images.to_uint8(np.array([[[0.5, np.nan, 0.5]]], np.float32))


def test_a_tensor_gives_its_pixels_back():
    pixels = images.from_uint8(waves())
    tensor = images.to_tensor(pixels)
    assert (tuple(tensor.shape), tensor.dtype) == ((1, 3, 32, 48), torch.float32)
    assert -1 <= float(tensor.min()) < float(tensor.max()) <= 1
    assert tensor[0, 2, 5, 7] == pytest.approx(pixels[5, 7, 2] * 2 - 1, abs=1e-6)
    assert np.array_equal(images.to_uint8(images.from_tensor(tensor)), waves())
    half = images.from_tensor(tensor.to(torch.bfloat16).requires_grad_() * 2)
    assert (half.dtype, float(half.min()), float(half.max())) == (np.float32, 0.0, 1.0)


def test_a_tensor_or_pixels_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"pixels must be \(H, W, 3\), got \(4, 4\)"):
        images.to_tensor(np.zeros((4, 4), np.float32))
    with pytest.raises(ValueError, match=r"tensor must be \(1, 3, H, W\), got \(2, 3, 4, 4\)"):
        images.from_tensor(torch.zeros(2, 3, 4, 4))


def test_shrinking_takes_the_mean_of_the_area():
    pixels = images.from_uint8(waves())
    small = images.resize(pixels, (12, 8))
    assert np.allclose(small, pixels.reshape(8, 4, 12, 4, 3).mean(axis=(1, 3)), atol=1e-5)


@pytest.mark.parametrize("size", [(96, 64), (24, 64), (96, 16), (48, 32), (1, 1)])
def test_resizing_keeps_a_ramp_in_place_and_inside_the_range(size):
    ramp = np.repeat(np.linspace(0, 1, 48, dtype=np.float32)[None], 32, axis=0)
    before = ramp.copy()
    result = images.resize(ramp, size)
    assert (result.shape, result.dtype) == (size[::-1], np.float32)
    assert result.min() >= 0 and result.max() <= 1
    assert abs(float(result.mean()) - 0.5) < 1e-3
    assert np.array_equal(ramp, before) and result is not ramp


def test_a_size_of_nothing_is_refused():
    with pytest.raises(ValueError, match=r"at least 1 x 1 px, got \(0, 4\)"):
        images.resize(images.from_uint8(waves()), (0, 4))


# Merging


def photo_of(samples, **changes):
    fields = {"alpha": None, "icc": None, "exif": None, "name": "a.png", **changes}
    return images.Photo(samples, **fields)


def test_what_the_mask_leaves_out_keeps_its_very_samples():
    photo = photo_of(waves(), alpha=waves()[..., 0], icc=profile_of(b"RGB "))
    restored = 1 - photo.pixels
    mask = np.zeros((32, 48), np.float32)
    mask[8:20, 10:30] = 0.01
    before = photo.samples.copy()
    merged = images.merge(photo, restored, mask)
    inside = mask > 0
    assert np.array_equal(merged.samples[~inside], waves()[~inside])
    assert np.array_equal(merged.samples[inside], 255 - waves()[inside])
    assert np.array_equal(photo.samples, before)
    assert (merged.icc, merged.name) == (photo.icc, photo.name)
    assert merged.alpha is photo.alpha


def test_a_grey_photo_stays_grey_when_the_restored_part_is_grey():
    grey = waves()[..., 0]
    photo = photo_of(grey, icc=profile_of(b"GRAY"))
    mask = np.zeros((32, 48), np.float32)
    mask[4:9] = 1
    restored = photo.pixels * 0.5
    restored[6, 6] += (0.001, 0.0, -0.001)
    merged = images.merge(photo, restored, mask)
    assert merged.samples.shape == (32, 48)
    assert np.array_equal(merged.samples[mask == 0], grey[mask == 0])
    assert np.abs(merged.pixels[4:9] - restored[4:9]).max() <= 1 / 255
    assert merged.icc == photo.icc


def test_a_grey_photo_becomes_rgb_when_the_restored_part_has_colour():
    grey = waves()[..., 0]
    photo = photo_of(grey)
    mask = np.zeros((32, 48), np.float32)
    mask[4:9] = 1
    restored = photo.pixels
    restored[4:9] = (0.8, 0.5, 0.4)
    merged = images.merge(photo, restored, mask)
    assert np.array_equal(merged.samples[mask == 0], np.repeat(grey[..., None], 3, axis=2)[mask == 0])
    assert merged.samples[6, 6].tolist() == [204, 128, 102]
    assert merged.icc is None


def test_a_mask_of_nothing_changes_nothing():
    for samples in (waves(), waves()[..., 0]):
        photo = photo_of(samples)
        merged = images.merge(photo, 1 - photo.pixels, np.zeros((32, 48), np.float32))
        assert np.array_equal(merged.samples, samples)


def test_merging_another_size_is_refused():
    photo = photo_of(waves())
    with pytest.raises(ValueError, match=r"restored must be \(32, 48, 3\), got \(32, 47, 3\)"):
        images.merge(photo, photo.pixels[:, 1:], np.zeros((32, 48), np.float32))
    with pytest.raises(ValueError, match=r"mask must be \(32, 48\), got \(31, 48\)"):
        images.merge(photo, photo.pixels, np.zeros((31, 48), np.float32))


# Saving


@pytest.mark.parametrize("samples", [waves(), waves()[..., 0]])
@pytest.mark.parametrize("alpha", [None, waves()[..., 2]])
def test_a_png_brings_back_the_same_photo(tmp_path, samples, alpha):
    icc = profile_of(b"RGB " if samples.ndim == 3 else b"GRAY")
    path = images.save_photo(photo_of(samples, alpha=alpha, icc=icc), tmp_path / "ä.png")
    again = images.read_photo(path)
    assert np.array_equal(again.samples, samples)
    assert np.array_equal(again.alpha, alpha) if alpha is not None else again.alpha is None
    assert again.icc == icc
    assert names_in(tmp_path) == ["ä.png"]


@pytest.mark.parametrize("name", ["a.jpg", "a.JPEG"])
def test_a_jpeg_is_near_and_keeps_the_profile(tmp_path, name):
    photo = photo_of(waves(), alpha=waves()[..., 2], icc=profile_of(b"RGB "))
    again = images.read_photo(images.save_photo(photo, tmp_path / name))
    assert np.abs(again.samples.astype(int) - waves()).max() <= 12
    assert again.icc == photo.icc
    rough = images.save_photo(photo, tmp_path / "rough.jpg", quality=20)
    assert rough.stat().st_size < (tmp_path / name).stat().st_size


def test_pixels_are_quantised_and_saved(tmp_path):
    path = images.save_photo(images.from_uint8(waves()), tmp_path / "a.png")
    assert np.array_equal(images.read_photo(path).samples, waves())


def test_a_saved_picture_has_the_rights_of_any_new_file(tmp_path):
    (tmp_path / "other").touch()
    path = images.save_photo(photo_of(waves()), tmp_path / "a.png")
    assert path.stat().st_mode == (tmp_path / "other").stat().st_mode


def test_a_file_that_is_there_is_never_replaced(tmp_path):
    (tmp_path / "a.png").write_bytes(b"mine")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "link.png").symlink_to(tmp_path / "gone.png")
    for name in ("a.png", "folder.png", "link.png"):
        with pytest.raises(images.AlreadyThere) as caught:
            images.save_photo(photo_of(waves()), tmp_path / name)
        assert str(caught.value) == (
            f"{name} was not saved: there is already something of that name. Choose another name."
        )
    assert (tmp_path / "a.png").read_bytes() == b"mine"
    assert names_in(tmp_path) == ["a.png", "folder.png", "link.png"]


def no_links(source, target):
    raise PermissionError(1, "Operation not permitted")


@pytest.mark.parametrize("link", [os.link, no_links])
def test_of_many_who_save_at_once_one_wins_and_the_others_are_told(tmp_path, monkeypatch, link):
    monkeypatch.setattr(os, "link", link)
    gate = threading.Barrier(8)
    won, lost = [], []

    def save(level):
        picture = photo_of(np.full((40, 40, 3), level, np.uint8))
        gate.wait()
        try:
            images.save_photo(picture, tmp_path / "a.png")
            won.append(level)
        except images.AlreadyThere as error:
            lost.append(str(error))

    threads = [threading.Thread(target=save, args=(level,)) for level in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(lost)) == (1, 7)
    assert int(images.read_photo(tmp_path / "a.png").samples[0, 0, 0]) == won[0]
    assert names_in(tmp_path) == ["a.png"]


def test_a_full_disk_gives_a_sentence_and_leaves_nothing(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    picture = saved(tmp_path / "a.png", speckle())
    before, limit = with_little_room(folder)
    told = in_child(
        f"{limit}import os, sys\n"
        "from engine import images\n"
        "photo = images.read_photo(sys.argv[1])\n"
        "for name in ('b.png', 'b.jpg'):\n"
        "    try: images.save_photo(photo, os.path.join(sys.argv[2], name), quality=100)\n"
        "    except images.NotSaved as error: print(error, os.listdir(sys.argv[2]))\n",
        picture,
        folder,
        before=before,
    )
    for line, start in zip(told.splitlines(), ("b.png", "b.jpg"), strict=True):
        assert re.fullmatch(
            start + r" was not saved: the disk is full, the picture needs 0\.[12] MB\. "
            r"Make room or choose another folder\. \[\]",
            line,
        )


def test_a_place_or_name_that_cannot_be_saved_to_is_refused(tmp_path):
    (tmp_path / "file").touch()
    for name, sentence in {
        "gone/a.png": f"a.png was not saved: there is no folder {tmp_path / 'gone'}. Make it first or choose another.",
        "file/a.png": f"a.png was not saved: there is no folder {tmp_path / 'file'}. Make it first or choose another.",
        f"{'c' * 300}/a.png": f"a.png was not saved: File name too long for {'c' * 40}…{'c' * 39}. "
        "Choose another folder.",
        "a.gif": "a.gif was not saved: its name must end in .png, .tif or .jpg.",
        "a": "a was not saved: its name must end in .png, .tif or .jpg.",
        "a\0.png": "a?.png was not saved: its name holds a NUL character. Choose another name.",
        "b" * 300 + ".png": f"{'b' * 40}…{'b' * 35}.png was not saved: its name is too long. Choose a shorter one.",
    }.items():
        with pytest.raises(images.NotSaved) as caught:
            images.save_photo(photo_of(waves()), tmp_path / name)
        assert str(caught.value) == sentence
    assert names_in(tmp_path) == ["file"]


def test_a_folder_that_may_not_be_written_to_is_refused(tmp_path):
    folder = tmp_path / "theirs"
    folder.mkdir()
    small = saved(tmp_path / "small.png", waves())
    folder.chmod(0o555)
    # From inside the folder, since the way to it is closed to everybody but its owner.
    code = AS_NOBODY.format(
        before="os.chdir(sys.argv[1])",
        call="images.save_photo(images.from_uint8(__import__('numpy').zeros((8, 8, 3), 'uint8')), 'a.png')",
        error="images.NotSaved",
    )
    told = in_child(code, folder, small)
    assert told == (f"a.png was not saved: Permission denied in {folder}. Choose a folder that you may write to.")


def test_a_jpeg_longer_than_the_format_allows_is_refused(tmp_path):
    wide = photo_of(np.zeros((1, 65_501, 3), np.uint8))
    with pytest.raises(images.NotSaved, match=r"a JPEG's sides have at most 65500\. Save it as PNG\."):
        images.save_photo(wide, tmp_path / "a.jpg")
    assert images.read_photo(images.save_photo(wide, tmp_path / "a.png")).width == 65_501


def test_a_quality_outside_its_range_is_refused(tmp_path):
    with pytest.raises(ValueError, match="quality must be 1 to 100, got 0"):
        images.save_photo(photo_of(waves()), tmp_path / "a.jpg", quality=0)


def test_ctrl_c_while_saving_leaves_whole_files_only(tmp_path):
    code = (
        "import sys, itertools, numpy\n"
        "from engine import images\n"
        "picture = images.from_uint8(numpy.zeros((64, 64, 3), 'uint8'))\n"
        "for n in itertools.count(): images.save_photo(picture, f'{sys.argv[1]}/{n}.png')\n"
    )
    for turn in range(3):
        folder = tmp_path / f"run{turn}"
        folder.mkdir()
        command = [sys.executable, "-c", code, str(folder)]
        with subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.PIPE) as child:
            try:
                until = time.monotonic() + 120
                while len(list(folder.glob("*.png"))) < 3:
                    assert time.monotonic() < until
                    time.sleep(0.01)
                child.send_signal(signal.SIGINT)
                assert b"KeyboardInterrupt" in child.communicate(timeout=120)[1]
            finally:
                child.kill()
        assert not list(folder.glob(".*"))
        assert all(images.read_photo(path).width == 64 for path in folder.iterdir())


# Names


def test_a_free_name_counts_up_past_what_is_there(tmp_path):
    assert images.free_name(tmp_path, "Anna", ".png") == tmp_path / "Anna.png"
    (tmp_path / "Anna.png").touch()
    (tmp_path / "Anna-2.png").symlink_to(tmp_path / "gone")
    assert images.free_name(tmp_path, "Anna", ".png") == tmp_path / "Anna-3.png"


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("Anna/Otto", "Anna-Otto.png"),
        ("../../etc/passwd", "-..-etc-passwd.png"),
        ("C:\\new\n*?", "C--new---.png"),
        ("", "photo.png"),
        (" .. ", "photo.png"),
        (".hidden", "hidden.png"),
        ("Großmutter 祖母 👵", "Großmutter 祖母 👵.png"),
        ("caf\udce9", "caf-.png"),
        ("aux", "_aux.png"),
        ("nul.tar", "_nul.tar.png"),
        ("trailing. .", "trailing.png"),
    ],
)
def test_a_stem_becomes_a_name_that_every_file_system_takes(tmp_path, stem, name):
    path = images.free_name(tmp_path, stem, ".png")
    assert path.name == name
    images.save_photo(photo_of(waves()), path)
    assert names_in(tmp_path) == [name]


@pytest.mark.parametrize("stem", ["a" * 300, "祖" * 300, "👵" * 300, "a" + "é" * 299])
def test_a_stem_of_300_characters_is_cut_to_whole_characters(tmp_path, stem):
    for _ in range(11):
        path = images.free_name(tmp_path, stem, ".png")
        assert 190 <= len(path.name.encode()) <= 200
        path.touch()
    assert len(names_in(tmp_path)) == 11


# Weight


def test_importing_the_room_loads_no_heavy_library():
    told = in_child(
        "import sys, engine.images\n"
        "heavy = ('torch', 'cv2', 'PIL', 'gradio', 'dlib', 'imagecodecs', 'tifffile', 'psdtags')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    assert told == "[]"
