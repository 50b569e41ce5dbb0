"""What stands beside a picture: kept, brought up to date, stripped, and told how the picture was made."""

from __future__ import annotations

import struct
from dataclasses import replace

import numpy as np
import psdtags
import pytest
import tifffile
from PIL import ExifTags, Image
from PIL.IptcImagePlugin import getiptcinfo

from engine import images
from engine.images import exif, iptc, xmp
from tests._files import (
    NOTE,
    PLACE,
    adobe_rgb,
    chunk,
    deep_waves,
    eight,
    encoded,
    exif_block,
    iptc_block,
    tiff_file,
    with_chunks,
    xmp_packet,
)

NAMES = ("a.jpg", "a.png", "a.tif")
MADE = images.Made("Likeness 9.9", '{"restorer": "dual-pivot", "strength": 0.5}\n"quoted" & <odd> 祖母')


def app13(block):
    body = b"Photoshop 3.0\0" + iptc.as_resource(block)
    return b"\xff\xed" + struct.pack(">H", len(body) + 2) + body


def source(folder, kind="jpg", order="<"):
    """A photo on its side as a camera and a program of a photographer left it."""
    flat, block = eight(deep_waves()), exif_block(order)
    path = folder / f"source.{kind}"
    if kind == "jpg":
        path.write_bytes(
            encoded(flat, "JPEG", exif=b"Exif\0\0" + block, xmp=xmp_packet(), extra=app13(iptc_block()), dpi=(240, 240))
        )
    elif kind == "webp":
        path.write_bytes(encoded(flat, "WEBP", lossless=True, exif=block, xmp=xmp_packet()))
    else:
        upright = replace(
            images.Photo(deep_waves(), None, adobe_rgb(), exif.upright(block), "x"),
            xmp=xmp_packet(),
            iptc=iptc_block(),
            resolution=images.Resolution(240, 240),
        )
        images.save_photo(upright, path)
    return path


def tags_of(path):
    with Image.open(path) as image:
        image.load()
        return image.getexif()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("name", NAMES)
def test_metadata_is_kept_and_brought_up_to_date(tmp_path, name, order):
    photo = images.read_photo(source(tmp_path, order=order))
    assert photo.notes == ()
    assert (photo.width, photo.height) == (32, 48)
    path = images.save_photo(photo, tmp_path / name)
    found = tags_of(path)
    assert found[0x010F] == "Camera Works"
    assert found[0x0112] == 1
    inner, place = found.get_ifd(ExifTags.IFD.Exif), found.get_ifd(ExifTags.IFD.GPSInfo)
    assert inner[0x927C] == NOTE
    assert (inner[0xA002], inner[0xA003]) == (32, 48)
    assert place[2] == (48, 51, 29)
    again = images.read_photo(path)
    assert again.notes == ()
    assert again.resolution == images.Resolution(240, 240)
    assert iptc.records(again.iptc) == iptc.records(iptc_block())
    text = again.xmp.decode()
    assert "Großmutter &amp; 祖母" in text and 'odd:kept="yes"' in text and 'xmp:Rating="4"' in text
    assert "Orientation" not in text and "Thumbnails" not in text
    assert "DigitalSourceType" not in text


@pytest.mark.parametrize("name", NAMES)
def test_makers_notes_keep_their_offset_in_the_block(tmp_path, name):
    path = images.save_photo(images.read_photo(source(tmp_path)), tmp_path / name, made=MADE)
    data = path.read_bytes()
    begins = {"a.tif": 0, "a.jpg": data.find(b"Exif\0\0") + 6, "a.png": data.find(b"eXIf") + 4}[name]
    assert data[begins + 300 : begins + 300 + len(NOTE)] == NOTE


@pytest.mark.parametrize("name", NAMES)
def test_the_small_picture_of_the_photo_as_it_was_is_gone(tmp_path, name):
    block = exif_block()
    small = block[1000:]
    assert small.startswith(b"\xff\xd8")
    path = images.save_photo(images.read_photo(source(tmp_path)), tmp_path / name)
    data = path.read_bytes()
    assert small not in data and small[:40] not in data[20:]
    assert b"c21hbGwgcGljdHVyZQ" not in data
    kept = images.read_photo(path).exif
    assert exif.directory(kept).following == 0


@pytest.mark.parametrize("kind", ["jpg", "tif"])
@pytest.mark.parametrize("name", NAMES)
def test_the_place_is_stripped_and_nothing_else(tmp_path, name, kind):
    photo = images.read_photo(source(tmp_path, kind))
    path = images.save_photo(photo, tmp_path / name, metadata=images.Metadata.STRIP_GPS)
    data = path.read_bytes()
    assert PLACE not in data
    assert struct.pack("<6I", 48, 1, 51, 1, 29, 1) not in data
    again = images.read_photo(path)
    assert exif.directory(again.exif).find(exif.GPS_IFD) is None
    assert [record[:2] for record in iptc.records(again.iptc)] == [(2, 120), (2, 80)]
    text = again.xmp.decode()
    assert "GPS" not in text and "Teststadt" not in text and "Großmutter" in text
    found = tags_of(path)
    assert found[0x010F] == "Camera Works" and found.get_ifd(ExifTags.IFD.Exif)[0x927C] == NOTE
    assert again.icc == photo.icc


@pytest.mark.parametrize("name", NAMES)
def test_all_can_be_stripped_but_the_profile(tmp_path, name):
    photo = replace(images.read_photo(source(tmp_path)), icc=adobe_rgb())
    path = images.save_photo(photo, tmp_path / name, metadata=images.Metadata.STRIP_ALL)
    again = images.read_photo(path)
    assert (again.iptc, again.xmp, again.icc, again.resolution) == (None, None, photo.icc, photo.resolution)
    data = path.read_bytes()
    assert b"Camera Works" not in data and NOTE not in data and PLACE not in data
    marked = images.read_photo(
        images.save_photo(photo, tmp_path / f"m{name}", metadata=images.Metadata.STRIP_ALL, made=MADE)
    )
    assert xmp.COMPOSITE in marked.xmp.decode() and "Camera" not in marked.exif.decode("latin-1")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("bare", [True, False])
def test_how_it_was_made_is_told(tmp_path, name, bare):
    import defusedxml.minidom

    photo = images.Photo(deep_waves(), None, None, None, "a") if bare else images.read_photo(source(tmp_path))
    path = images.save_photo(photo, tmp_path / name, made=MADE)
    assert tags_of(path)[0x0131] == "Likeness 9.9"
    packet = images.read_photo(path).xmp
    document = defusedxml.minidom.parseString(packet.decode())
    made = [
        node
        for node in document.getElementsByTagNameNS(xmp.RDF, "Description")
        if node.hasAttributeNS(xmp.IPTC_EXT, "DigitalSourceType")
    ]
    assert len(made) == 1
    assert made[0].getAttributeNS(xmp.IPTC_EXT, "DigitalSourceType") == (
        "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
    )
    assert made[0].getAttributeNS(xmp.XMP, "CreatorTool") == "Likeness 9.9"
    assert made[0].getAttributeNS(xmp.OURS, "Settings").split() == MADE.settings.split()
    assert bare or "Großmutter" in packet.decode()
    # Saved again, the news replaces what was told before.
    twice = images.save_photo(images.read_photo(path), tmp_path / f"b{name}", made=images.Made("Likeness 10"))
    text = images.read_photo(twice).xmp.decode()
    assert text.count("DigitalSourceType=") == 1 and "9.9" not in text and "dual-pivot" not in text


def test_a_resolution_is_written_in_its_unit_and_grows_with_the_picture(tmp_path):
    photo = images.read_photo(source(tmp_path))
    large = images.enlarged(photo, 2)
    for name in NAMES:
        again = images.read_photo(images.save_photo(large, tmp_path / name))
        assert again.resolution == images.Resolution(480, 480)
        assert exif.resolution_of(again.exif) == (480, 480, 2)
    metric = replace(photo, resolution=images.Resolution(118.11, 118.11, "cm"), exif=None)
    again = images.read_photo(images.save_photo(metric, tmp_path / "b.tif"))
    assert again.resolution == images.Resolution(118.11, 118.11, "cm")
    again = images.read_photo(images.save_photo(metric, tmp_path / "b.png"))
    assert again.resolution == images.Resolution(300, 300)
    again = images.read_photo(images.save_photo(metric, tmp_path / "b.jpg"))
    assert again.resolution == images.Resolution(300, 300)


def test_what_stands_in_a_webp_goes_on_into_a_png(tmp_path):
    photo = images.read_photo(source(tmp_path, "webp"))
    again = images.read_photo(images.save_photo(photo, tmp_path / "a.png"))
    assert np.array_equal(again.samples, np.rot90(eight(deep_waves()), -1))
    assert b"Camera Works" in again.exif and "Großmutter" in again.xmp.decode()


def test_the_place_is_stripped_by_bare_text_and_from_a_drones_names(tmp_path):
    packet = xmp_packet().replace(b' odd:kept="yes"', b' odd:GpsLatitude="48.85" odd:Longitude="2.3" odd:kept="yes"')
    photo = replace(images.read_photo(source(tmp_path)), xmp=packet)
    path = images.save_photo(photo, tmp_path / "a.jpg", metadata="strip-gps")
    text = images.read_photo(path).xmp.decode()
    assert "48.85" not in text and "2.3" not in text and 'odd:kept="yes"' in text
    assert PLACE not in path.read_bytes()
    bare = images.save_photo(photo, tmp_path / "b.jpg", metadata="strip-all")
    assert images.read_photo(bare).exif is None
    with pytest.raises(ValueError, match="is not a valid Metadata"):
        images.save_photo(photo, tmp_path / "c.jpg", metadata="strip")


def test_adobe_rgb_that_only_exif_speaks_of_is_told(tmp_path):
    block = bytearray(exif_block(thumbnail=False)[:1000]) + struct.pack("<HHHI4sI", 1, 1, 2, 4, b"R03\0", 0)
    struct.pack_into("<HHII", block, 202 + 24, exif.INTEROP_IFD, 4, 1, 1000)  # in the place of the height
    (tmp_path / "a.jpg").write_bytes(encoded(eight(deep_waves()), "JPEG", exif=b"Exif\0\0" + bytes(block)))
    photo = images.read_photo(tmp_path / "a.jpg")
    assert photo.notes == (
        "Its EXIF speaks of Adobe RGB, but no colour profile is in it, so its colours were taken as sRGB.",
    )
    (tmp_path / "b.jpg").write_bytes(
        encoded(eight(deep_waves()), "JPEG", exif=b"Exif\0\0" + bytes(block), icc_profile=adobe_rgb())
    )
    assert images.read_photo(tmp_path / "b.jpg").notes == ()


def test_xmp_that_goes_on_in_further_segments_is_told(tmp_path):
    more = b' xmlns:xmpNote="http://ns.adobe.com/xmp/note/" xmpNote:HasExtendedXMP="0123456789ABCDEF" xmp:Rating='
    packet = xmp_packet().replace(b" xmp:Rating=", more)
    (tmp_path / "a.jpg").write_bytes(encoded(eight(deep_waves()), "JPEG", xmp=packet))
    photo = images.read_photo(tmp_path / "a.jpg")
    assert photo.notes == ("The larger part of its XMP, which lies apart, was left out.",)
    assert images.read_photo(images.save_photo(photo, tmp_path / "b.jpg")).notes == ()


def test_an_orientation_that_only_xmp_says_is_obeyed(tmp_path):
    data = with_chunks(
        encoded(eight(deep_waves()), "PNG"), chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp_packet())
    )
    (tmp_path / "a.png").write_bytes(data)
    assert np.array_equal(images.read_photo(tmp_path / "a.png").samples, np.rot90(eight(deep_waves()), -1))


# What is broken


BROKEN_XMP = (
    b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF",
    b"no XML at all",
    b"<a/>",
    b'<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>' + xmp_packet()[60:],
    b"<" + b"a><" * 100_000,
)


@pytest.mark.parametrize("packet", BROKEN_XMP)
def test_broken_xmp_is_left_out_with_a_note(tmp_path, packet):
    files = {
        "a.tif": tiff_file(deep_waves(), photometric="rgb", extratags=[(700, 1, len(packet), packet, True)]),
        "a.png": with_chunks(
            encoded(eight(deep_waves()), "PNG"), chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet)
        ),
        "a.webp": encoded(eight(deep_waves()), "WEBP", lossless=True, xmp=packet),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        photo = images.read_photo(tmp_path / name)
        assert photo.xmp is None
        assert len(photo.notes) == 1 and photo.notes[0].startswith("Its XMP was left out: it ")
        images.save_photo(photo, tmp_path / f"b-{name}.png", made=MADE)


@pytest.mark.parametrize("block", [b"\x1c\x02\x78\xff\xff", b"caption", b"\x1c\x02\x78\x00\x50short"])
def test_broken_iptc_is_left_out_with_a_note(tmp_path, block):
    files = {
        "a.jpg": encoded(eight(deep_waves()), "JPEG", extra=app13(block)),
        "a.tif": tiff_file(deep_waves(), photometric="rgb", extratags=[(33723, 7, len(block), block, True)]),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        photo = images.read_photo(tmp_path / name)
        assert photo.iptc is None
        assert len(photo.notes) == 1 and photo.notes[0].startswith("Its IPTC was left out: ")
        images.save_photo(photo, tmp_path / f"b-{name}.jpg")


@pytest.mark.parametrize("cut", [3, 9, 40, 130, 260, 620, 720, 900, 1010])
def test_a_cut_off_exif_block_never_keeps_a_picture_from_being_saved(tmp_path, cut):
    (tmp_path / "a.webp").write_bytes(
        encoded(eight(deep_waves()), "WEBP", lossless=True, exif=b"Exif\0\0" + exif_block()[:cut])
    )
    photo = images.read_photo(tmp_path / "a.webp")
    for name in NAMES:
        path = images.save_photo(photo, tmp_path / name, metadata=images.Metadata.STRIP_GPS, made=MADE)
        assert images.read_photo(path).width == photo.width


def test_a_thousand_damaged_exif_blocks_never_keep_a_picture_from_being_saved():
    from engine.images.metadata import beside

    dice = np.random.default_rng(4)
    photo = images.Photo(eight(deep_waves()), None, None, None, "a")
    for _ in range(1000):
        block = bytearray(exif_block(order="<>"[dice.integers(2)]))
        for _ in range(dice.integers(1, 12)):
            block[dice.integers(4, 900)] = dice.integers(256)
        kept = beside(replace(photo, exif=bytes(block)), images.Metadata.STRIP_GPS, None).exif
        assert kept is None or exif.directory(kept).find(exif.GPS_IFD) is None


def test_an_exif_block_of_10_mb_is_kept_where_it_fits_and_left_out_with_a_note_where_not(tmp_path):
    block = exif_block(thumbnail=False)[:1000]
    note = np.random.default_rng(1).bytes(10_000_000)
    large = bytearray(block + note)
    struct.pack_into("<I", large, 202 + 4, len(note))  # the maker's note is the inner directory's first entry
    struct.pack_into("<I", large, 202 + 8, 1000)
    (tmp_path / "a.png").write_bytes(with_chunks(encoded(eight(deep_waves()), "PNG"), chunk(b"eXIf", bytes(large))))
    photo = images.read_photo(tmp_path / "a.png")
    assert len(photo.exif) == len(large)
    assert images.losses(photo, "b.tif") == ()
    assert images.losses(photo, "b.jpg") == (
        "The EXIF block of 10001 kB is too large for a JPEG, so its makers' notes were left out.",
    )
    saved = images.save_photo(photo, tmp_path / "b.jpg")
    assert saved.stat().st_size < 100_000 and tags_of(saved)[0x010F] == "Camera Works"
    assert note in images.save_photo(photo, tmp_path / "b.tif").read_bytes()
    (tmp_path / "c.png").write_bytes(
        with_chunks(encoded(eight(deep_waves()), "PNG"), chunk(b"eXIf", bytes(large) + bytes(10_000_000)))
    )
    photo = images.read_photo(tmp_path / "c.png")
    assert photo.exif is None and photo.notes == ("Its EXIF was left out: it has 20 MB.",)


def test_what_a_jpeg_cannot_hold_is_told(tmp_path):
    deep = deep_waves()
    packet = xmp_packet().replace(b'odd:kept="yes"', b'odd:kept="' + b"y" * 70_000 + b'"')
    photo = images.Photo(deep, deep[..., 0], None, None, "a", xmp=packet)
    assert images.losses(photo, "a.jpg") == (
        "A JPEG holds 8 bits a sample, so the photo's 16 were rounded.",
        "A JPEG holds no transparency, so it was left out.",
        "The XMP packet of 71 kB is too large for a JPEG, so it was left out.",
    )
    images.save_photo(photo, tmp_path / "a.jpg")
    assert images.read_photo(tmp_path / "a.jpg").xmp is None


def test_iptc_is_found_by_other_programs(tmp_path):
    photo = images.Photo(eight(deep_waves()), None, None, None, "a", iptc=iptc_block())
    for name in ("a.jpg", "a.tif"):
        with Image.open(images.save_photo(photo, tmp_path / name)) as image:
            assert getiptcinfo(image)[(2, 120)] == b"Grandmother, 1931"


# Layers


def laid_over(below, colours, alpha, box):
    left, top, right, bottom = box
    made = below.astype(np.float64)
    share = alpha[..., None] / np.iinfo(alpha.dtype).max
    part = made[top:bottom, left:right]
    made[top:bottom, left:right] = part + (colours - part) * share
    return made


@pytest.mark.parametrize("bits", [8, 16])
def test_a_layer_over_the_photo_gives_the_restored_photo(tmp_path, bits):
    samples = deep_waves() if bits == 16 else eight(deep_waves())
    photo = images.Photo(samples, None, adobe_rgb(), exif_block(">"), "a.tif", resolution=images.Resolution(300, 300))
    mask = np.zeros((32, 48), np.float32)
    mask[6:25, 11:40] = np.hypot(*np.mgrid[-1:1:19j, -1:1:29j]).clip(0, 1)[::-1] * 0.9
    restored = photo.pixels + mask[..., None] * (np.float32(0.6) - photo.pixels)
    merged = images.merge(photo, restored, mask)
    box = images.layer_box(mask)
    assert box == (11, 6, 40, 25)
    path = images.save_layer(photo, merged, mask, tmp_path / "a.tif", made=MADE)
    layers = psdtags.TiffImageSourceData.fromtiff(path).layers
    assert [layer.name for layer in layers] == ["Photo", "Restored face"]
    assert np.array_equal(layers[0].asarray(), samples)
    top = layers[1].asarray()
    assert layers[1].offset == (6, 11) and top.dtype.itemsize == bits // 8
    order = [channel.channelid for channel in layers[1].channels]
    assert order[0] == psdtags.PsdChannelId.TRANSPARENCY_MASK
    planes = {channel.channelid: channel.data for channel in layers[1].channels}
    colours = np.stack([planes[psdtags.PsdChannelId(k)] for k in range(3)], axis=2)
    composed = laid_over(samples, colours, planes[psdtags.PsdChannelId.TRANSPARENCY_MASK], box)
    assert np.abs(composed - merged.samples).max() <= 1
    again = images.read_photo(path)
    assert np.array_equal(again.samples, merged.samples) and again.icc == photo.icc and NOTE in again.exif
    for cropped in (False, True):
        layer = images.read_photo(images.save_layer(photo, merged, mask, tmp_path / f"{cropped}.png", cropped=cropped))
        assert layer.depth == bits and layer.icc == photo.icc
        shape = (19, 29) if cropped else (32, 48)
        assert layer.alpha.shape == shape
        whole = box if cropped else (0, 0, 48, 32)
        assert np.abs(laid_over(samples, layer.samples, layer.alpha, whole) - merged.samples).max() <= 1
        if not cropped:
            assert (layer.alpha[mask == 0] == 0).all()
    assert b"oFFs" + struct.pack(">iiB", 11, 6, 0) in (tmp_path / "True.png").read_bytes()


def test_a_grey_photos_layer_is_grey_until_it_has_colour(tmp_path):
    photo = images.Photo(deep_waves()[..., 0], None, None, None, "a")
    mask = np.zeros((32, 48), np.float32)
    mask[6:25, 11:40] = 1
    grey = images.merge(photo, photo.pixels * 0.5, mask)
    path = images.save_layer(photo, grey, mask, tmp_path / "a.tif", depth=8)
    with tifffile.TiffFile(path) as file:
        assert file.pages.first.photometric == 1 and file.pages.first.bitspersample == 8
    assert len(psdtags.TiffImageSourceData.fromtiff(path).layers[1].channels) == 2
    coloured = images.merge(photo, photo.pixels * np.float32([0.9, 0.5, 0.4]), mask)
    path = images.save_layer(photo, coloured, mask, tmp_path / "b.tif")
    assert len(psdtags.TiffImageSourceData.fromtiff(path).layers[0].channels) == 3


def test_a_layer_is_refused_where_it_cannot_be(tmp_path):
    photo = images.Photo(deep_waves(), None, None, None, "a")
    mask = np.zeros((32, 48), np.float32)
    with pytest.raises(images.NotSaved, match=r"^a\.jpg was not saved: its name must end in \.png or \.tif\.$"):
        images.save_layer(photo, photo, mask, tmp_path / "a.jpg")
    with pytest.raises(ValueError, match="sizes must agree"):
        images.save_layer(photo, photo, mask[1:], tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes(b"mine")
    with pytest.raises(images.AlreadyThere):
        images.save_layer(photo, photo, mask, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes() == b"mine"
    images.save_layer(photo, photo, mask, tmp_path / "empty.png", cropped=True)
