"""Every kind of file that is read: its samples, its depth, and a note where something was left out."""

from __future__ import annotations

import struct

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from engine import images
from tests._files import adobe_rgb, chunk, deep_waves, eight, encoded, every_kind, inks_file, tiff_file, with_chunks
from tests.test_images import in_child

KINDS = {
    "jpg": "JPEG",
    "png": "PNG",
    "webp": "WebP",
    "tif": "TIFF",
    "bmp": "BMP",
    "avif": "AVIF",
    "jp2": "JPEG 2000",
    "j2k": "JPEG 2000",
}


def read(path, data):
    path.write_bytes(data)
    return images.read_photo(path)


@pytest.mark.parametrize("name", every_kind())
def test_every_kind_is_read_and_named(tmp_path, name):
    photo = read(tmp_path / name, every_kind()[name])
    assert photo.source == KINDS[name.split(".")[1]]
    assert (photo.width, photo.height) == (48, 32)
    assert photo.depth == (16 if name.split(".")[0] in ("deep", "lzw", "deflate", "planes") else 8)
    wanted = deep_waves() / 65535
    found = photo.pixels
    if name == "grey.jpg":
        wanted = np.repeat(wanted[..., :1], 3, axis=2)
    assert np.abs(found - wanted).mean() < 0.03


# tifffile writes JPEG 2000 with its bytes turned round into files of the other byte order.
@pytest.mark.parametrize(
    ("packing", "order"),
    [(packing, order) for packing in (None, "lzw", "zlib", "packbits") for order in "<>"] + [("jpeg2000", "<")],
)
@pytest.mark.parametrize("kind", ["grey", "rgb"])
def test_a_tiff_of_16_bits_gives_its_very_samples(tmp_path, packing, kind, order):
    deep = deep_waves() if kind == "rgb" else deep_waves()[..., 1]
    options = {"compressionargs": {"level": 0, "reversible": True}} if packing == "jpeg2000" else {}
    data = tiff_file(
        deep,
        photometric="rgb" if kind == "rgb" else "minisblack",
        compression=packing,
        byteorder=order,
        predictor=packing in ("lzw", "zlib"),
        rowsperstrip=5,
        **options,
    )
    photo = read(tmp_path / "a.tif", data)
    assert photo.samples.dtype == np.uint16
    assert np.array_equal(photo.samples, deep)
    assert photo.notes == ()


def test_tiles_planes_and_alpha_of_a_deep_tiff_are_put_together(tmp_path):
    deep = deep_waves(70, 40)
    alpha = deep[..., 1][::-1]
    tiles = tiff_file(np.dstack((deep, alpha)), photometric="rgb", extrasamples=["unassalpha"], tile=(16, 32))
    photo = read(tmp_path / "a.tif", tiles)
    assert np.array_equal(photo.samples, deep) and np.array_equal(photo.alpha, alpha)
    planes = tiff_file(np.moveaxis(deep, 2, 0), photometric="rgb", planarconfig="separate", compression="lzw")
    assert np.array_equal(read(tmp_path / "b.tif", planes).samples, deep)
    grey = tiff_file(
        np.dstack((deep[..., 0], alpha)), photometric="minisblack", extrasamples=["unassalpha"], planarconfig="contig"
    )
    photo = read(tmp_path / "c.tif", grey)
    assert np.array_equal(photo.samples, deep[..., 0]) and np.array_equal(photo.alpha, alpha)


def test_colours_that_were_multiplied_with_alpha_are_divided_with_a_note(tmp_path):
    deep = deep_waves()
    alpha = np.full((32, 48), 40_000, np.uint16)
    stored = np.rint(deep * (40_000 / 65535)).astype(np.uint16)
    data = tiff_file(np.dstack((stored, alpha)), photometric="rgb", extrasamples=["assocalpha"])
    photo = read(tmp_path / "a.tif", data)
    assert np.abs(photo.samples.astype(int) - deep).max() <= 1
    assert photo.notes == ("Its colours were stored multiplied with its alpha, and were divided by it.",)


def test_a_tiff_whose_zero_is_white_and_one_of_12_bits_come_to_the_full_range(tmp_path):
    deep = deep_waves()[..., 0]
    photo = read(tmp_path / "a.tif", tiff_file(65535 - deep, photometric="miniswhite"))
    assert np.array_equal(photo.samples, deep)
    low = (deep >> 4).astype(np.uint16)
    packed = bytes(imagecodecs.packints_encode(low.ravel(), 12))
    path = tmp_path / "b.tif"
    entries = (
        (256, 4, 48),
        (257, 4, 32),
        (258, 3, 12),
        (259, 3, 1),
        (262, 3, 1),
        (273, 4, 8),
        (277, 3, 1),
        (278, 4, 32),
        (279, 4, len(packed)),
    )
    rows = b"".join(
        struct.pack(">HHI", tag, kind, 1) + struct.pack(">I" if kind == 4 else ">Hxx", value)
        for tag, kind, value in entries
    )
    directory = struct.pack(">H", len(entries)) + rows + bytes(4)
    photo = read(path, b"MM\0*" + struct.pack(">I", 8 + len(packed)) + packed + directory)
    assert np.array_equal(photo.samples, np.rint(low * (65535 / 4095)))


def test_of_many_pages_and_pictures_the_first_is_read_with_a_note(tmp_path):
    deep = deep_waves()
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for page in (deep, deep[::-1], deep[:, ::-1]):
            file.write(page, photometric="rgb", metadata=None)
        file.write(eight(deep)[::4, ::4], photometric="rgb", subfiletype=1, metadata=None)
    photo = images.read_photo(tmp_path / "a.tif")
    assert np.array_equal(photo.samples, deep)
    assert photo.notes == ("Only the first of 3 pages was read.",)
    first, second = Image.fromarray(eight(deep)), Image.fromarray(eight(deep)[::-1])
    for name, kind in (("a.webp", "WEBP"), ("a.png", "PNG"), ("b.tif", "TIFF"), ("a.avif", "AVIF")):
        options = {"lossless": True} if kind == "WEBP" else {}
        first.save(tmp_path / name, kind, save_all=True, append_images=[second], **options)
        photo = images.read_photo(tmp_path / name)
        what = "pages" if kind == "TIFF" else "pictures"
        assert photo.notes == (f"Only the first of 2 {what} was read.",)
        assert np.abs(photo.samples.astype(int) - eight(deep)).max() <= (40 if kind == "AVIF" else 0)


def test_the_big_kind_of_tiff_is_read(tmp_path):
    deep = deep_waves()
    assert np.array_equal(read(tmp_path / "a.tif", tiff_file(deep, photometric="rgb", bigtiff=True)).samples, deep)
    flat = eight(deep)
    photo = read(tmp_path / "b.tif", tiff_file(flat, photometric="rgb", bigtiff=True, compression="lzw"))
    assert photo.depth == 8 and np.array_equal(photo.samples, flat)


def test_a_deep_tiff_is_turned_upright(tmp_path):
    deep = deep_waves()
    data = tiff_file(deep, photometric="rgb", extratags=[(274, 3, 1, 6, True)])
    photo = read(tmp_path / "a.tif", data)
    assert np.array_equal(photo.samples, np.rot90(deep, -1))


def test_a_jpeg_inside_a_tiff_is_read(tmp_path):
    photo = read(tmp_path / "a.tif", encoded(eight(deep_waves()), "TIFF", compression="jpeg", quality=95))
    assert np.abs(photo.samples.astype(int) - eight(deep_waves())).mean() < 6


def test_inks_of_16_bits_become_rgb_with_a_note(tmp_path):
    deep = deep_waves()
    inks = np.dstack((65535 - deep, np.zeros((32, 48), np.uint16)))
    photo = read(tmp_path / "a.tif", tiff_file(inks, photometric="separated"))
    assert np.abs(photo.samples.astype(int) - deep).max() <= 1
    assert photo.notes == ("CMYK was converted to RGB without a colour profile, so its colours are a guess.",)
    photo = read(tmp_path / "b.jpg", inks_file(eight(deep), "JPEG"))
    assert photo.notes == ("CMYK was converted to RGB without a colour profile, so its colours are a guess.",)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_png_of_16_bits_gives_its_very_samples(tmp_path, channels):
    deep = np.dstack((deep_waves(), deep_waves()[::-1, :, 0]))[..., :channels]
    stored = np.ascontiguousarray(deep[..., 0] if channels == 1 else deep)
    photo = read(tmp_path / "a.png", bytes(imagecodecs.png_encode(stored)))
    assert np.array_equal(photo.samples, deep[..., 0] if channels <= 2 else deep[..., :3])
    assert photo.alpha is None if channels % 2 else np.array_equal(photo.alpha, deep[..., -1])


def test_the_clear_colour_of_a_deep_png_becomes_alpha(tmp_path):
    deep = deep_waves()
    data = with_chunks(bytes(imagecodecs.png_encode(deep)), chunk(b"tRNS", struct.pack(">3H", *deep[5, 9])))
    photo = read(tmp_path / "a.png", data)
    assert np.array_equal(photo.samples, deep)
    assert photo.alpha[5, 9] == 0 and photo.alpha[6, 9] == 65535


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_a_jpeg_2000_is_read_at_its_depth(tmp_path, bits):
    values = (deep_waves() >> (16 - bits)).astype(np.uint8 if bits == 8 else np.uint16)
    data = bytes(imagecodecs.jpeg2k_encode(values, level=0, reversible=True, codecformat="jp2", bitspersample=bits))
    photo = read(tmp_path / "a.jp2", data)
    most = 255 if bits == 8 else 65535
    assert np.array_equal(photo.samples, np.rint(values * (most / ((1 << bits) - 1))))


def test_an_avif_of_10_bits_is_read_with_8_and_a_note(tmp_path):
    values = (deep_waves() >> 6).astype(np.uint16)
    photo = read(tmp_path / "a.avif", bytes(imagecodecs.avif_encode(values, level=95, bitspersample=10)))
    assert photo.notes == ("It has more than 8 bits a sample, and was read with 8.",)
    assert np.abs(photo.samples.astype(int) - (values >> 2)).mean() < 8


def test_what_is_neither_8_nor_16_bits_is_refused_by_what_it_is(tmp_path):
    deep = deep_waves()
    for name, values, sentence in (
        ("a.tif", deep.astype(np.float32), "a.tif has 32 bits a sample, as floating point; at most 16 without sign"),
        ("b.tif", deep.astype(np.uint32), "b.tif has 32 bits a sample, as whole numbers; at most 16 without sign"),
        ("c.tif", deep.astype(np.int16), "c.tif has 16 bits a sample, as signed numbers; at most 16 without sign"),
        ("d.tif", deep.astype(np.float16), "d.tif has 16 bits a sample, as floating point; at most 16 without sign"),
    ):
        with pytest.raises(images.DepthNotReadable) as caught:
            read(tmp_path / name, tiff_file(values, photometric="rgb"))
        assert str(caught.value) == f"{sentence} can be read. Save it with 16 bits first."
    with pytest.raises(images.DepthNotReadable, match=r"^e\.tif is in the colour model LAB with 16 bits\."):
        read(tmp_path / "e.tif", tiff_file(deep, photometric="cielab"))
    with pytest.raises(images.NotAPhoto, match=r"^f\.tif is a camera's raw file\. Develop it"):
        read(tmp_path / "f.tif", tiff_file(deep[..., 0], photometric="cfa"))


def test_what_is_saved_comes_back_at_either_depth(tmp_path):
    deep = deep_waves()
    alpha = deep[..., 2]
    for samples in (deep, deep[..., 0]):
        for see in (None, alpha):
            for suffix in (".png", ".tif"):
                name = f"{samples.ndim}{see is None}"
                photo = images.Photo(samples, see, None, None, "a")
                again = images.read_photo(images.save_photo(photo, tmp_path / f"{name}{suffix}"))
                assert np.array_equal(again.samples, samples)
                assert (again.alpha is None) == (see is None) and (see is None or np.array_equal(again.alpha, see))
                low = images.read_photo(images.save_photo(photo, tmp_path / f"{name}-8{suffix}", depth=8))
                assert low.depth == 8 and np.array_equal(low.samples, np.rint(samples / 257))
                high = images.read_photo(images.save_photo(low, tmp_path / f"{name}-16{suffix}", depth=16))
                assert high.depth == 16 and np.array_equal(high.samples, low.samples * np.uint16(257))


def test_pixels_are_saved_with_16_bits_when_asked(tmp_path):
    pixels = (deep_waves() / 65535).astype(np.float32)
    again = images.read_photo(images.save_photo(pixels, tmp_path / "a.tif", depth=16))
    assert np.array_equal(again.samples, deep_waves())


def test_a_tiff_that_was_saved_is_read_by_other_programs(tmp_path):
    deep = deep_waves(300, 700)
    path = images.save_photo(images.Photo(deep, None, None, None, "a"), tmp_path / "a.tif")
    with tifffile.TiffFile(path) as file:
        assert len(file.pages.first.dataoffsets) > 1
        assert np.array_equal(file.asarray(), deep)
    path = images.save_photo(images.Photo(eight(deep), None, None, None, "a"), tmp_path / "b.tif")
    with Image.open(path) as image:
        assert np.array_equal(np.asarray(image), eight(deep))


def test_a_result_takes_its_sources_name_and_format(tmp_path):
    deep = images.Photo(deep_waves(), None, None, None, "a", source="TIFF")
    flat = images.Photo(eight(deep_waves()), None, None, None, "a", source="JPEG")
    assert images.result_path(deep, "in/IMG_1.tif", tmp_path) == tmp_path / "IMG_1-restored.tif"
    assert images.result_path(flat, "in/IMG_1.JPG", tmp_path) == tmp_path / "IMG_1-restored.png"
    assert images.result_path(flat, "in/IMG_1.png", tmp_path) == tmp_path / "IMG_1-restored.png"
    (tmp_path / "IMG_1-restored.tif").touch()
    assert images.result_path(deep, "in/IMG_1.tif", tmp_path) == tmp_path / "IMG_1-restored-2.tif"
    assert images.result_path(flat, "IMG_1.jpg", tmp_path, suffix=".jpg") == tmp_path / "IMG_1-restored.jpg"
    for source in ("HEIC", "AVIF", "WebP", "BMP", "JPEG 2000"):
        one, two = (images.Photo(p.samples, None, None, None, "a", source=source) for p in (deep, flat))
        assert images.result_name(one, "b.heic") == ("b-restored", ".tif")
        assert images.result_name(two, "b.heic") == ("b-restored", ".png")


def test_a_photo_is_enlarged_at_its_own_depth(tmp_path):
    deep = deep_waves()
    photo = images.Photo(deep, deep[..., 0], None, None, "a", resolution=images.Resolution(300, 200))
    large = images.enlarged(photo, 4)
    assert large.samples.shape == (128, 192, 3) and large.samples.dtype == np.uint16
    assert large.alpha.shape == (128, 192)
    assert large.resolution == images.Resolution(1200, 800)
    # A smooth picture's blocks keep their mean.
    means = large.samples.reshape(32, 4, 48, 4, 3).mean(axis=(1, 3))
    assert np.abs(means - deep)[2:-2, 2:-2].max() < 700
    assert images.enlarged(photo, 1) is photo
    with pytest.raises(images.PhotoTooLarge, match=r"^a enlarged 400 times would be 19200 x 12800 px; at most 200"):
        images.enlarged(photo, 400)
    with pytest.raises(ValueError, match="factor must be at least 1, got 0"):
        images.enlarged(photo, 0)


def test_a_preview_is_srgb_pixels_of_the_size_that_was_asked_for():
    photo = images.Photo(deep_waves(400, 200), None, None, None, "a")
    small = images.preview(photo, 100)
    assert (small.shape, small.dtype) == ((50, 100, 3), np.float32)
    assert np.abs(small - photo.pixels.reshape(50, 4, 100, 4, 3).mean(axis=(1, 3))).max() < 1e-4
    assert np.array_equal(images.preview(photo, 1000), photo.pixels)
    assert images.preview(images.Photo(deep_waves(9, 400)[..., 0], None, None, None, "a"), 20).shape == (20, 1, 3)


LARGE = """
import resource, sys, time
import numpy as np
from engine import images
from tests._files import adobe_rgb

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

begun, before = time.process_time(), peak()
photo = images.read_photo(sys.argv[1])
pixels = photo.pixels
mask = np.zeros(pixels.shape[:2], np.float32)
mask[1000:3000, 2000:4000] = 1
pixels[1000:3000, 2000:4000] *= 0.97
images.save_photo(images.merge(photo, pixels, mask), sys.argv[2])
print(time.process_time() - begun, peak() - before)
"""


@pytest.mark.slow
def test_a_scan_of_24_million_pixels_is_read_merged_and_saved_in_seconds_and_bounded_memory(tmp_path):
    noise = np.random.default_rng(1).integers(0, 600, (400, 600, 3), dtype=np.uint16)
    scan = np.tile(noise, (10, 10, 1)) + np.repeat(np.repeat(deep_waves(600, 400) // 2, 10, axis=0), 10, axis=1)
    path = images.save_photo(images.Photo(scan, None, adobe_rgb(), None, "a"), tmp_path / "a.tif")
    seconds, grown_mb = map(float, in_child(LARGE, path, tmp_path / "b.tif").split())
    # Measured: 4.4 s of one core, 530 MB above the peak of importing.
    assert seconds < 30
    assert grown_mb < 1500
    assert np.array_equal(images.read_photo(tmp_path / "b.tif").samples[:1000], scan[:1000])
