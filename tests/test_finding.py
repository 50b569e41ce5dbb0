"""Faces that are hard to find: turned, small, damaged, beside larger ones; and the share found, measured."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from engine import degrade
from engine.evaluation import finding
from engine.faces import (
    DETECTORS,
    DlibCnnDetector,
    DlibDetector,
    Face,
    FaceModelsMissing,
    detector,
    template,
)
from engine.faces.chain import AnyWayUp
from engine.faces.detect import distinct
from engine.images import Pixels, read_photo, resize
from engine.prior import load
from engine.restore import clean_photo
from ui.cli import fields, main


@pytest.fixture(scope="module")
def photo(sample_faces) -> Pixels:
    return read_photo(sample_faces[0]).pixels


@pytest.fixture(scope="module")
def face(photo) -> Face:
    return detector("dlib").find(photo)[0]


def harmed(path, damage) -> tuple[Pixels, Face]:
    """A photo damaged in units of its face's crop, and its face before that."""
    pixels = read_photo(path).pixels
    truth = detector("dlib", small=False).find(pixels)[0]
    side = truth.eye_distance * finding.CROP_OVER_EYES
    return degrade.apply(pixels, damage, np.random.default_rng(0), face_size=side), truth


def away(found: Face, truth: Face) -> float:
    """How far the farther eye lies off, in eye distances."""
    return float(np.hypot(*(found.eyes - truth.eyes).T).max() / truth.eye_distance)


def at(x, y, side, score) -> Face:
    box = (float(x), float(y), float(x + side), float(y + side))
    return Face(box, template("dlib5", side) + np.array([x, y]), "dlib5", score, "by hand")


# Turned


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_turned_photo_shows_the_same_face_in_its_own_pixels(photo, face, turns):
    turned = np.ascontiguousarray(np.rot90(photo, turns))
    found = detector("dlib").find(turned)[0]
    assert found.detector == f"dlib HOG, turned by {90 * (4 - turns)} degrees"
    height, width = photo.shape[:2]
    x, y = found.points.T
    back = {
        1: np.stack([width - 1 - y, x], axis=1),
        2: np.stack([width - 1 - x, height - 1 - y], axis=1),
        3: np.stack([y, height - 1 - x], axis=1),
    }[turns]
    assert np.abs(back - face.points).max() < 0.03 * face.eye_distance
    x0, y0, x1, y1 = found.box
    assert x0 < x.mean() < x1 and y0 < y.mean() < y1


def test_a_turned_photo_larger_than_the_search_is_mapped_back_to_its_pixels(photo, face):
    large = resize(photo, (photo.shape[1] * 3, photo.shape[0] * 3))
    found = detector("dlib").find(np.ascontiguousarray(large[::-1, ::-1]))[0]
    back = np.array([large.shape[1] - 1, large.shape[0] - 1]) - found.points
    assert np.abs((back + 0.5) / 3 - 0.5 - face.points).max() < 0.06 * face.eye_distance


def test_an_upright_photo_is_not_searched_turned(photo, face):
    class Unasked:
        def find(self, pixels: Pixels) -> tuple[Face, ...]:
            raise AssertionError("asked about the turned photo")

    once = DlibDetector(levels=1, listed_side=0)
    assert np.array_equal(AnyWayUp(once, Unasked(), sure=0.6).find(photo)[0].points, face.points)


# Several


def test_a_small_face_beside_a_large_one_is_listed_once(photo, face):
    scale = 44 / (face.box[2] - face.box[0])
    small = resize(photo, (round(photo.shape[1] * scale), round(photo.shape[0] * scale)))
    canvas = np.full((photo.shape[0], photo.shape[1] + small.shape[1], 3), 0.5, np.float32)
    canvas[: small.shape[0], : small.shape[1]] = small
    canvas[:, small.shape[1] :] = photo
    faces = detector("dlib").find(canvas)
    assert [round(f.eye_distance / face.eye_distance, 1) for f in faces] == [1.0, round(scale, 1)]
    assert np.abs(faces[1].points - ((face.points + 0.5) * scale - 0.5)).max() < 0.1 * faces[1].eye_distance
    assert len(detector("dlib", small=False).find(canvas)) == 1


def test_of_boxes_that_cover_each_other_the_surest_stays():
    large, inside, beside, half = at(0, 0, 100, 1.0), at(30, 30, 40, 2.0), at(200, 0, 50, 0.1), at(60, 0, 100, 0.5)
    assert distinct([beside, large, inside]) == (beside, inside)
    assert distinct([half, beside, large]) == (large, half, beside)
    assert distinct([]) == ()


# Damaged


def test_the_network_finds_what_gradients_do_not(sample_faces):
    blurred, truth = harmed(sample_faces[7], degrade.Damage(12, 12, 0, 12, 45, 20))
    assert detector("dlib").find(blurred) == ()
    found = detector("auto").find(blurred)[0]
    assert found.detector == "dlib CNN"
    assert away(found, truth) < 0.2


def test_a_face_that_only_the_cleaned_picture_shows_is_given_in_the_photos_pixels(sample_faces):
    noisy, truth = harmed(sample_faces[3], degrade.Damage(12, 12, 0, 6, 60, 30))
    prior = load.load(device="cpu")
    found = detector("dlib", clean=lambda pixels: clean_photo(prior, pixels)).find(noisy)
    assert detector("dlib").find(noisy) == ()
    assert found[0].detector == "dlib HOG, cleaned"
    assert away(found[0], truth) < 0.2


def test_cleaning_is_not_done_where_a_face_is_found(photo):
    def refuse(pixels: Pixels) -> Pixels:
        raise AssertionError("cleaned")

    assert detector("dlib", clean=refuse).find(photo)


@pytest.mark.parametrize("shape", [(40, 300), (256, 256), (330, 500)])
def test_a_cleaned_photo_shows_the_same_at_some_crops_side(photo, shape):
    prior = load.load(device="cpu")
    picture = resize(photo, (shape[1], shape[0]))
    for sides in (1, 2):
        cleaned = clean_photo(prior, picture, sides=sides)
        assert max(cleaned.shape[:2]) == sides * prior.size
        assert cleaned.dtype == np.float32
        assert np.abs(resize(cleaned, (25, 25)) - resize(picture, (25, 25))).mean() < 0.03


# Odd pictures and names


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 200, 3), (9, 9, 3)])
def test_the_network_takes_pictures_of_any_shape(shape):
    assert DlibCnnDetector().find(np.zeros(shape, np.float32)) == ()


def test_detectors_that_need_a_file_say_which(tmp_path):
    assert DETECTORS == ("auto", "dlib", "dlib-cnn", "retinaface-resnet50", "retinaface-mobile")
    with pytest.raises(FaceModelsMissing, match=r"needs detection_mobilenet0\.25_Final\.pth.* no folder of weights"):
        detector("retinaface-mobile")
    with pytest.raises(FaceModelsMissing, match=r"detection_Resnet50_Final\.pth, which is not there in .*Put it there"):
        detector("retinaface-resnet50", tmp_path)


# Measuring


def test_the_share_found_is_measured_for_every_detector_and_strength(sample_faces, tmp_path, capsys):
    for name in ("ann", "bob"):
        (tmp_path / name).mkdir()
    for n, path in enumerate(sample_faces[:2]):
        (tmp_path / ("ann", "bob")[n] / "1.jpg").write_bytes(path.read_bytes())
    with pytest.raises(SystemExit) as ended:
        main.app(["bench-faces", str(tmp_path), "--count", "1", "--no-cleaned", "--json", "--quiet"])
    assert not ended.value.code
    answer = json.loads(capsys.readouterr().out)
    assert {f"rows[].{key}" for key in answer["rows"][0]} | {"machine", "markdown"} == set(fields.FIELDS["bench-faces"])
    rows = {(row["detector"], row["damage"]): row for row in answer["rows"]}
    assert set(rows) == {(d, s) for d in ("dlib", "dlib-cnn", "chain") for s in finding.STRENGTHS}
    assert all(rows[name, "none"]["found"] == 1 for name in ("dlib", "dlib-cnn", "chain"))
    assert rows["chain", "hard"]["found"] >= rows["dlib", "hard"]["found"]
    assert answer["markdown"].count("\n") == 5


def test_a_face_found_elsewhere_does_not_count():
    truth = np.array([[10.0, 10.0], [30.0, 10.0]])
    assert finding.is_near(truth + np.array([3.0, 4.0]), truth)
    assert not finding.is_near(truth + np.array([0.0, 5.1]), truth)
    assert not finding.is_near(truth[::-1], truth)


def test_a_folder_without_faces_is_refused(tmp_path):
    Image.new("RGB", (64, 48), (90, 120, 60)).save(tmp_path / "lawn.png")
    with pytest.raises(finding.NothingToFind, match="No face is found in"):
        finding.gathered(tmp_path, 1)
