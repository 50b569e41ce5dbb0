"""Faces: found, cut, masked, pasted back, measured, told apart."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.faces import (
    RECOGNISER,
    SAME_PERSON,
    TEMPLATES,
    Face,
    FaceModelsMissing,
    UnknownDetector,
    alike,
    cut,
    detector,
    distance,
    embed,
    face_from_json,
    head_mask,
    look,
    measure,
    paste,
    quality_from_json,
    template,
)
from engine.faces.detect import model_file
from engine.faces.geometry import enlarged, inverse, moved, scale_of, similarity, warp
from engine.images import Pixels, from_uint8, read_photo, resize, to_uint8

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def photos(sample_faces) -> list[Pixels]:
    return [read_photo(path).pixels for path in sample_faces[:4]]


@pytest.fixture(scope="module")
def found(photos) -> list[Face]:
    return [detector().find(photo)[0] for photo in photos]


def placed(size, *, scale=1.0, degrees=0.0, centre=(0.0, 0.0), scheme="dlib5") -> Face:
    """A face whose points are the template's of a crop of `size`, turned and moved to `centre`."""
    points = template(scheme, size) - (size - 1) / 2
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    points = points @ turn * scale + np.array(centre)
    low, high = points.min(axis=0), points.max(axis=0)
    return Face((*low, *high), points, scheme, 1.0, "by hand")


def waves(height, width, *, period) -> Pixels:
    """A picture whose finest detail has a period of `period` px."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    planes = [np.sin(2 * np.pi * (x * np.cos(a) + y * np.sin(a)) / period) for a in (0.3, 1.4, 2.5)]
    return (0.5 + 0.35 * np.stack(planes, axis=2)).astype(np.float32)


# Finding


def test_every_sample_photo_shows_one_face_in_its_middle(photos, found):
    for photo, face in zip(photos, found, strict=True):
        height, width = photo.shape[:2]
        assert len(detector().find(photo)) == 1
        assert face.score > 1
        assert face.scheme == "dlib5"
        left, right = face.eyes
        assert left[0] < face.nose[0] < right[0]
        assert face.nose[1] > max(left[1], right[1])
        assert width * 0.1 < face.eye_distance < width * 0.5
        assert face.points.min() > 0 and (face.points < [width, height]).all()


def test_the_points_of_a_small_face_are_those_of_the_large_one(photos, found):
    for photo, face in zip(photos[:2], found, strict=False):
        height, width = photo.shape[:2]
        scale = 36 / face.eye_distance
        small = resize(photo, (round(width * scale), round(height * scale)))
        again = detector().find(small)[0]
        back = (again.points + 0.5) * [width / small.shape[1], height / small.shape[0]] - 0.5
        assert np.abs(back - face.points).max() < 0.08 * face.eye_distance


def test_a_face_in_a_huge_photo_is_mapped_back_to_its_pixels(photos, found):
    huge = resize(photos[0], (photos[0].shape[1] * 5, photos[0].shape[0] * 5))
    face = detector().find(huge)[0]
    assert np.abs((face.points + 0.5) / 5 - 0.5 - found[0].points).max() < 0.08 * found[0].eye_distance


def test_faces_come_largest_first(photos):
    small = resize(photos[1], (photos[0].shape[1] * 2 // 3, photos[0].shape[0] * 2 // 3))
    canvas = np.full((photos[0].shape[0], photos[0].shape[1] + small.shape[1], 3), 0.5, np.float32)
    canvas[: small.shape[0], : small.shape[1]] = small
    canvas[:, small.shape[1] :] = photos[0]
    faces = detector().find(canvas)
    assert len(faces) == 2
    assert faces[0].eye_distance > faces[1].eye_distance
    assert faces[0].nose[0] > small.shape[1] > faces[1].nose[0]


def test_damaged_sample_photos_still_show_a_face(sample_damaged):
    for path in sample_damaged:
        assert detector().find(read_photo(path).pixels), path.name


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 200, 3), (240, 320, 3)])
def test_pictures_without_a_face_give_none(shape):
    assert detector().find(np.random.default_rng(0).random(shape, dtype=np.float32)) == ()


def test_finding_does_not_change_the_photo(photos):
    before = photos[0].copy()
    detector().find(photos[0])
    assert np.array_equal(before, photos[0])


def test_a_face_comes_back_from_json(found):
    again = face_from_json(json.loads(json.dumps(found[0].to_json())))
    assert np.abs(again.points - found[0].points).max() < 0.001
    assert again.box == pytest.approx(found[0].box, abs=0.001)
    assert (again.scheme, again.detector) == (found[0].scheme, found[0].detector)
    with pytest.raises(ValueError, match=r"points must be \(5, 2\), got \(1, 2\)"):
        face_from_json({**found[0].to_json(), "points": [[1, 2]]})


def test_unknown_detectors_and_missing_files_are_named():
    with pytest.raises(UnknownDetector, match=r"There is no face detector 'crystal ball'\. The detectors are: auto,"):
        detector("crystal ball")
    with pytest.raises(FaceModelsMissing, match=r"there is no nothing\.dat in .*Run: pip install -r requirements\.txt"):
        model_file("nothing.dat")


def test_the_room_is_imported_without_its_libraries():
    code = "import sys, engine.faces; print({'cv2', 'dlib', 'torch', 'face_recognition_models'} & set(sys.modules))"
    ended = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "set()"


# Geometry


def test_a_similarity_is_found_again():
    angle, scale = 0.3, 1.7
    matrix = np.array(
        [[scale * np.cos(angle), -scale * np.sin(angle), 12.0], [scale * np.sin(angle), scale * np.cos(angle), -7.0]]
    )
    points = template("ffhq5", 512)
    assert np.allclose(similarity(points, moved(points, matrix)), matrix)
    assert np.allclose(moved(moved(points, matrix), inverse(matrix)), points)
    assert scale_of(matrix) == pytest.approx(scale)


def test_points_all_in_one_place_are_refused():
    with pytest.raises(ValueError, match="points must not lie all in one place"):
        similarity(np.ones((5, 2)), template("dlib5", 64))
    with pytest.raises(ValueError, match=r"points must be \(N, 2\) on both sides, got \(4, 2\) and \(5, 2\)"):
        similarity(np.ones((4, 2)), template("dlib5", 64))


def test_shrinking_noise_averages_it_instead_of_picking_pixels():
    noise = np.random.default_rng(0).random((512, 512, 3), dtype=np.float32)
    small = warp(noise, np.array([[0.125, 0, -0.4375], [0, 0.125, -0.4375]]), (64, 64))
    assert small[4:-4, 4:-4].std() < 1.4 * noise.std() / 8
    assert small.mean() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("factor", [0.1, 0.3, 0.7, 1.0, 2.0])
def test_pixels_stay_where_they_belong_at_every_scale(factor):
    picture = waves(240, 320, period=64)
    size = (round(320 * factor), round(240 * factor))
    matrix = enlarged(np.array([[1.0, 0, 0], [0, 1.0, 0]]), factor)
    seen = warp(picture, matrix, size)
    assert np.abs(seen - resize(picture, size))[3:-3, 3:-3].max() < 0.03


def test_beyond_the_border_a_warp_shows_nothing_or_the_reflection():
    picture = np.tile(np.linspace(0, 1, 64, dtype=np.float32)[None, :, None], (64, 1, 3))
    shift = np.array([[1.0, 0, 20.0], [0, 1.0, 0]])
    assert warp(picture, shift, (84, 64), outside="zero")[:, :15].max() == 0
    assert np.allclose(warp(picture, shift, (84, 64))[:, 19], picture[:, 0], atol=0.02)


# Cutting


@pytest.mark.parametrize("scheme", sorted(TEMPLATES))
@pytest.mark.parametrize("degrees", [0.0, -25.0])
def test_points_come_to_lie_on_the_template(scheme, degrees):
    face = placed(256, scale=0.8, degrees=degrees, centre=(150, 120), scheme=scheme)
    crop = cut(waves(240, 300, period=30), face, 128)
    assert np.allclose(moved(face.points, crop.from_photo), template(scheme, 128), atol=1e-6)
    assert crop.pixels.shape == (128, 128, 3)
    assert crop.pixels.dtype == np.float32
    assert crop.scale == pytest.approx(128 / 256 / 0.8)


def test_both_templates_put_the_eyes_in_the_same_place():
    dlib5, ffhq5 = (np.array(TEMPLATES[scheme]) for scheme in ("dlib5", "ffhq5"))
    eyes = np.stack([dlib5[0:2].mean(axis=0), dlib5[2:4].mean(axis=0)])
    assert np.abs(eyes - ffhq5[0:2]).max() < 5
    with pytest.raises(ValueError, match="scheme must be one of ffhq5, dlib5, got '68'"):
        template("68", 512)


def test_crops_of_one_face_at_two_sizes_show_the_same(photos, found):
    large, small = (cut(photos[0], found[0], size).pixels for size in (256, 64))
    assert np.abs(resize(large, (64, 64)) - small).mean() < 0.01


def test_a_crop_that_reaches_beyond_the_photo_is_filled_softly(photos, found):
    x0, _, _, y1 = found[0].box
    cropped = photos[0][: int(y1) - 10, int(x0) + 10 :]
    moved_face = Face(found[0].box, found[0].points - [int(x0) + 10, 0], "dlib5", 1.0, "by hand")
    crop = cut(cropped, moved_face, 128)
    full = cut(photos[0], found[0], 128)
    inside = moved(np.array([[0.0, 0.0]]), crop.from_photo)[0]
    assert inside[0] > 10
    assert np.abs(crop.pixels - full.pixels)[10:80, int(inside[0]) + 4 : 120].max() < 0.02
    assert np.abs(np.diff(crop.pixels[:, : int(inside[0]) // 2], axis=1)).mean() < 0.02
    assert np.isfinite(crop.pixels).all() and crop.pixels.min() >= 0 and crop.pixels.max() <= 1


# The mask


@pytest.mark.parametrize("size", [64, 256, 512])
def test_the_mask_is_whole_on_the_face_and_nothing_at_the_border(size):
    crop = cut(np.zeros((size, size, 3), np.float32), placed(size, centre=((size - 1) / 2,) * 2), size)
    mask = head_mask(crop)
    assert mask.shape == (size, size)
    assert mask.dtype == np.float32
    margin = int(size * 0.03)
    edge = mask.copy()
    edge[margin : size - margin, margin : size - margin] = 0
    assert not edge.any()
    assert not mask[[0, -1]].any() and not mask[:, [0, -1]].any()
    ears_and_hair = np.array([[75, 250], [436, 250], [256, 70], [110, 120], [400, 120], [256, 440]])
    assert (mask[tuple((ears_and_hair * size // 512).T[::-1])] > 0.95).all()
    assert mask.max() == 1
    assert np.abs(np.diff(mask, axis=0)).max() < 25 / size
    assert np.array_equal(mask, mask[:, ::-1])


# Pasting


@pytest.mark.parametrize(("scale", "degrees"), [(0.5, 0.0), (0.5, 20.0), (0.9, -8.0), (1.0, 3.0), (0.25, 0.0)])
def test_pasting_the_crop_itself_changes_nearly_nothing(scale, degrees):
    photo = waves(300, 340, period=6)
    face = placed(256, scale=scale, degrees=degrees, centre=(171.3, 148.6))
    crop = cut(photo, face, 256)
    pasted, mask = paste(photo, crop, crop.pixels)
    assert np.abs(pasted - photo)[mask > 0].mean() < 0.5 / 255
    assert np.array_equal(pasted[mask == 0], photo[mask == 0])


def test_pasting_a_sample_face_back_changes_nearly_nothing(photos, found):
    for photo, face in zip(photos, found, strict=True):
        crop = cut(photo, face, 512)
        pasted, mask = paste(photo, crop, crop.pixels)
        assert np.abs(pasted - photo)[mask > 0].mean() < 0.5 / 255
        assert np.array_equal(pasted[mask == 0], photo[mask == 0])
        assert 0.05 < (mask > 0).mean() < 1


def test_a_pasted_face_is_the_restored_one_where_the_mask_is_whole():
    photo = np.zeros((200, 260, 3), np.float32)
    crop = cut(photo, placed(128, scale=0.8, degrees=12, centre=(120, 90)), 128)
    pasted, mask = paste(photo, crop, np.full((128, 128, 3), 0.75, np.float32))
    assert np.allclose(pasted[mask == 1], 0.75, atol=1e-4)
    assert (mask == 1).any()
    assert np.allclose(pasted, 0.75 * mask[..., None], atol=1e-4)
    assert not photo.any()


def test_pasting_twice_gives_the_same_picture(photos, found):
    crop = cut(photos[0], found[0], 128)
    flipped = np.ascontiguousarray(crop.pixels[:, ::-1])
    first, second = paste(photos[0], crop, flipped), paste(photos[0], crop, flipped)
    assert np.array_equal(first[0], second[0]) and np.array_equal(first[1], second[1])


def test_a_face_at_the_photos_corner_is_pasted_as_far_as_it_goes():
    photo = waves(80, 90, period=12)
    crop = cut(photo, placed(64, scale=1.2, centre=(5, 4)), 64)
    pasted, mask = paste(photo, crop, np.zeros_like(crop.pixels))
    assert mask[0, 0] == pytest.approx(1, abs=0.01)
    assert pasted[0, 0] == pytest.approx(0, abs=0.02)
    assert np.array_equal(pasted[60:, 60:], photo[60:, 60:])


def test_a_mask_of_ones_reaches_the_crops_edge_and_a_mask_of_zeros_nothing():
    photo = waves(100, 100, period=20)
    crop = cut(photo, placed(64, scale=0.8, centre=(50, 50)), 64)
    everything = np.ones((64, 64), np.float32)
    assert (paste(photo, crop, crop.pixels, everything)[1] > 0).sum() > (64 * 0.8 - 3) ** 2
    pasted, mask = paste(photo, crop, 1 - crop.pixels, everything * 0)
    assert np.array_equal(pasted, photo) and not mask.any()


def test_shapes_that_do_not_fit_the_crop_are_refused():
    photo = np.zeros((64, 64, 3), np.float32)
    crop = cut(photo, placed(64, scale=0.5, centre=(32, 32)), 64)
    with pytest.raises(ValueError, match=r"restored must be \(64, 64, 3\), got \(32, 32, 3\)"):
        paste(photo, crop, np.zeros((32, 32, 3), np.float32))
    with pytest.raises(ValueError, match=r"mask must be \(64, 64\), got \(32, 32\)"):
        paste(photo, crop, crop.pixels, np.zeros((32, 32), np.float32))


# Measuring


def test_blur_lowers_sharpness_and_size_and_contrast_hardly_matter(photos, found):
    for photo, face in zip(photos, found, strict=True):
        sharp = measure(photo, face).sharpness
        blurred = [
            measure(cv2.GaussianBlur(photo, (0, 0), face.eye_distance * share), face).sharpness
            for share in (0.03, 0.05, 0.08)
        ]
        assert sharp > blurred[0] > blurred[1] > blurred[2]
        assert blurred[2] < 0.5 * sharp
        half = resize(photo, (photo.shape[1] // 2, photo.shape[0] // 2))
        smaller = Face(face.box, (face.points + 0.5) / 2 - 0.5, face.scheme, 1.0, "by hand")
        assert measure(half, smaller).sharpness == pytest.approx(sharp, rel=0.1)
        assert measure(photo * np.float32(0.5) + np.float32(0.2), face).sharpness == pytest.approx(sharp, rel=0.05)


def test_quality_tells_size_turn_and_brightness(photos, found):
    quality = measure(photos[0], found[0])
    assert quality.eye_distance_px == found[0].eye_distance
    assert abs(quality.yaw) < 0.3
    assert 0.2 < quality.exposure < 0.8
    assert measure(photos[0] * np.float32(0.5), found[0]).exposure == pytest.approx(quality.exposure / 2, rel=0.01)
    assert quality_from_json(json.loads(json.dumps(quality.to_json()))).yaw == pytest.approx(quality.yaw, abs=1e-5)


@pytest.mark.parametrize("scheme", sorted(TEMPLATES))
def test_a_nose_moved_to_the_right_is_a_turn_to_the_right(scheme):
    face = placed(128, centre=(64, 64), scheme=scheme)
    nose = 4 if scheme == "dlib5" else 2
    points = face.points.copy()
    points[nose, 0] += face.eye_distance / 4
    turned = Face(face.box, points, scheme, 1.0, "by hand")
    grey = np.full((128, 128, 3), 0.5, np.float32)
    assert measure(grey, face).yaw == pytest.approx(0, abs=0.03)
    assert measure(grey, turned).yaw == pytest.approx(0.5, abs=0.03)
    assert measure(grey, turned).sharpness == pytest.approx(0, abs=0.01)


def test_a_recompressed_smaller_copy_looks_alike_and_another_photo_does_not(photos, found):
    def seen(photo):
        return look(photo, detector().find(photo)[0])

    _, data = cv2.imencode(".jpg", to_uint8(photos[0])[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 60])
    copy = from_uint8(np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1]))
    copy = resize(copy, (copy.shape[1] * 3 // 4, copy.shape[0] * 3 // 4))
    original = look(photos[0], found[0])
    assert alike(original, original) == pytest.approx(1)
    assert alike(original, seen(copy)) > 0.93
    assert max(alike(original, look(p, f)) for p, f in zip(photos[1:], found[1:], strict=True)) < 0.9


# Identity


def test_photos_of_one_person_are_near_and_a_mirrored_head_of_noise_is_far(photos, found):
    vectors = [embed(cut(photo, face, 256)) for photo, face in zip(photos, found, strict=True)]
    apart = [distance(a, b) for i, a in enumerate(vectors) for b in vectors[:i]]
    assert vectors[0].shape == (128,)
    assert vectors[0].dtype == np.float64
    assert 0 < max(apart) < SAME_PERSON
    nobody = embed(np.random.default_rng(0).random((256, 256, 3), dtype=np.float32))
    assert distance(nobody, vectors[0]) > SAME_PERSON
    assert RECOGNISER == "dlib ResNet v1 (face_recognition_models)"


def test_the_size_of_the_crop_hardly_moves_the_vector(photos, found):
    vectors = [embed(cut(photos[0], found[0], size)) for size in (192, 256, 512)]
    assert max(distance(vectors[0], v) for v in vectors[1:]) < 0.25
    assert np.array_equal(vectors[1], embed(cut(photos[0], found[0], 256).pixels))


def test_whatever_is_square_gets_a_vector_and_the_rest_is_refused():
    assert np.isfinite(embed(np.zeros((64, 64, 3), np.float32))).all()
    with pytest.raises(ValueError, match=r"an aligned face must be \(size, size, 3\), got \(64, 32, 3\)"):
        embed(np.zeros((64, 32, 3), np.float32))
