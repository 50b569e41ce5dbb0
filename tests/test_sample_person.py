"""The shipped person, who is nobody, and setting a face into a head, at toy size."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.errors import EngineError
from engine.evaluation import inner_face, morph, portraits, sample_person
from engine.faces import cut, detector, distance, measure
from engine.images import read_photo
from engine.people import Library
from engine.workspace import Workspace

ASSETS = Path(__file__).resolve().parents[1] / "assets"
PERSON = ASSETS / "person"
FACES = ASSETS / "faces"


@pytest.fixture(scope="module")
def record():
    return json.loads((PERSON / "person.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def vectors():
    """Of the twelve good pictures, by file."""
    paths = sorted((PERSON / "references").glob("*.jpg")) + sorted((PERSON / "truth").glob("*.jpg"))
    return {path.relative_to(PERSON).as_posix(): portraits.vector_of(path) for path in paths}


# The shipped pictures


def test_the_person_has_eight_references_and_four_damaged_photos_with_truths():
    assert len(list((PERSON / "references").glob("*.jpg"))) == 8
    damaged = sorted(p.name for p in (PERSON / "damaged").glob("*.jpg"))
    assert damaged == sorted(p.name for p in (PERSON / "truth").glob("*.jpg"))
    assert len(damaged) == 4


def test_a_damaged_photo_lies_pixel_on_pixel_over_its_truth():
    for path in sorted((PERSON / "damaged").glob("*.jpg")):
        truth = read_photo(PERSON / "truth" / path.name)
        old = read_photo(path)
        assert (old.width, old.height) == (truth.width, truth.height)
        assert np.abs(old.pixels - truth.pixels).mean() < 0.2


def test_all_pictures_of_the_person_are_of_one_person(vectors):
    assert len(vectors) == 12
    assert max(distance(a, b) for a, b in itertools.combinations(vectors.values(), 2)) < 0.45


def test_the_gallery_finds_all_references_useful_and_none_a_duplicate(tmp_path):
    library = Library(Workspace(tmp_path), detector())
    person = library.create("Sample", "man")
    outcomes = library.add(person, sorted((PERSON / "references").glob("*.jpg")))
    assert [(o.file.name, o.reason) for o in outcomes] == [(f"ref-0{n}.jpg", None) for n in range(1, 9)]
    assert len(library.gallery(person).references) == 8


def test_the_references_differ_in_how_the_head_is_turned():
    qualities = []
    for path in sorted((PERSON / "references").glob("*.jpg")):
        pixels = read_photo(path).pixels
        qualities.append(measure(pixels, detector().find(pixels)[0]))
    assert np.ptp([q.yaw for q in qualities]) > 0.15
    assert min(q.sharpness for q in qualities) > 0.4


def test_the_face_in_every_damaged_photo_is_found_where_its_truth_has_it():
    for path in sorted((PERSON / "damaged").glob("*.jpg")):
        found = detector().find(read_photo(path).pixels)
        expected = detector().find(read_photo(PERSON / "truth" / path.name).pixels)
        assert len(found) == len(expected) == 1
        assert np.abs(found[0].points - expected[0].points).max() < 0.15 * expected[0].eye_distance


def test_every_picture_says_which_portraits_it_is_made_of(record, vectors):
    assert {picture["file"] for picture in record["pictures"]} == set(vectors)
    for picture in record["pictures"]:
        assert len(set(picture["inner"])) == len(set(picture["head"])) == 3
        assert not set(picture["inner"]) & set(picture["head"])
        assert set(picture["sources"]) == {*picture["inner"], *picture["head"], *picture["teeth"]}


def test_no_source_portrait_is_as_near_as_the_person_to_themselves(record):
    assert record["nearest_source_distance"] > 0.5
    assert record["nearest_portrait_distance"] > 0.45


def test_heads_of_test_photos_are_not_among_those_of_references(record):
    heads = {"references": set(), "truth": set()}
    for picture in record["pictures"]:
        heads[picture["file"].split("/")[0]].update(picture["head"])
    assert not heads["references"] & heads["truth"]


def test_the_record_tells_how_each_damaged_photo_was_damaged(record):
    spoilt = [picture for picture in record["pictures"] if "damaged" in picture]
    assert len(spoilt) == 4
    assert sum(bool(picture["damage"]["old"]) for picture in spoilt) == 2
    assert all((PERSON / picture["damaged"]).is_file() for picture in spoilt)


def test_the_pictures_are_small_enough_to_ship():
    assert sum(p.stat().st_size for p in PERSON.rglob("*") if p.is_file()) <= 1_100_000
    assert sum(p.stat().st_size for p in ASSETS.rglob("*") if p.is_file()) <= 28_000_000


def test_an_aligned_crop_of_a_reference_has_its_eyes_where_the_template_has_them():
    pixels = read_photo(PERSON / "references" / "ref-01.jpg").pixels
    crop = cut(pixels, detector().find(pixels)[0], 256)
    again = detector().find(crop.pixels)[0]
    assert again.eyes[0] == pytest.approx([96, 120], abs=6)
    assert again.eyes[1] == pytest.approx([159, 120], abs=6)


# Setting a face into a head


def test_the_same_shot_is_the_same_picture_again():
    faces = group_of_generic_faces()
    shot = sample_person.Shot("toy", (0, 1, 2), (64, 72), 0.16, (0.5, 0.6), 3.0, 2.0, 0.0, 0.5, True)
    one, two = (sample_person.photograph(faces, shot, np.random.default_rng(3)) for _ in range(2))
    assert one.shape == (72, 64, 3)
    assert one.dtype == np.float32
    assert one.min() >= 0
    assert one.max() <= 1
    assert np.array_equal(one, two)


def test_the_damage_of_a_test_photo_is_the_same_again():
    picture = read_photo(sorted(FACES.glob("*.jpg"))[0]).pixels[:96, :96]
    spoiling = sample_person.DAMAGES["old-03"]
    assert np.array_equal(spoiling.spoil(picture, 96), spoiling.spoil(picture, 96))


def test_turning_a_head_moves_its_nose_most_and_the_background_not():
    start = morph.identity_map(384, 384)
    moved = start - inner_face.turned(start, yaw=10, pitch=0)
    nose, ear, corner = moved[238, 192], moved[218, 80], moved[20, 20]
    assert nose[0] > 15
    assert abs(ear[0]) < nose[0] / 2
    assert np.abs(corner).max() < 1e-6
    assert np.abs(moved[..., 1]).max() < 1e-4


def test_a_head_that_is_not_turned_stays_where_it_is():
    start = morph.identity_map(96, 96) * np.float32(4)
    assert inner_face.turned(start, yaw=0, pitch=0) == pytest.approx(start, abs=1e-4)


def test_a_lamp_at_the_right_lights_the_right_cheek():
    gain = inner_face.shade(morph.identity_map(384, 384), (0.4, 0.0), scale=1.0)
    assert gain[240, 250, 0] > 1.05
    assert gain[240, 134, 0] < 0.95
    assert inner_face.shade(morph.identity_map(64, 64), (0.0, 0.0), scale=1.0) == pytest.approx(1, abs=1e-6)


def test_a_face_set_into_a_head_takes_its_light_and_leaves_the_rest_alone():
    head, inner = np.full((64, 64, 3), 0.6, np.float32), np.full((64, 64, 3), 0.3, np.float32)
    inner[28:36:2, 28:36] = 0.5
    mask = np.zeros((64, 64), np.float32)
    mask[16:48, 16:48] = 1
    out = inner_face.set_in(head, inner, mask, sigma=20)
    assert np.array_equal(out[:16], head[:16])
    assert out[mask == 1].mean() == pytest.approx(0.6, abs=0.04)
    assert np.ptp(out[28:36, 30, 0]) == pytest.approx(0.2, abs=0.01)


def test_another_mouth_is_toned_like_the_skin_round_it():
    start = morph.identity_map(384, 384)
    inner, mouth = np.full((384, 384, 3), 0.5, np.float32), np.full((384, 384, 3), 0.7, np.float32)
    mouth[280:288, 170:214] = 0.9
    out = inner_face.opened(inner, [mouth] * 3, start, scale=1.0)
    assert out[270, 192] == pytest.approx([0.5] * 3, abs=0.03)
    assert out[284, 192, 0] > 0.65
    assert np.array_equal(out[:200], inner[:200])


def test_vectors_are_kept_for_the_next_time(tmp_path):
    folder, kept = tmp_path / "faces", tmp_path / "vectors.npz"
    folder.mkdir()
    with pytest.raises(EngineError, match=r"holds no portraits \(\.webp\): give the folder"):
        portraits.embed_portraits(folder, kept)
    shrunk(folder / "one.webp")
    first = portraits.embed_portraits(folder, kept)
    assert set(first) == {"one"}
    assert np.array_equal(portraits.embed_portraits(folder, kept)["one"], first["one"])
    shrunk(folder / "two.webp")
    with pytest.raises(EngineError, match=r"has the vectors of other portraits than .* holds: delete it"):
        portraits.embed_portraits(folder, kept)


def test_a_missing_portrait_is_named(tmp_path):
    with pytest.raises(EngineError, match=r"synthetic-0137\.webp is no readable portrait: give the folder"):
        portraits.read_portraits(tmp_path, ["synthetic-0137"])


def test_a_portrait_of_another_size_is_refused(tmp_path):
    Image.new("RGB", (64, 48)).save(tmp_path / "small.webp")
    with pytest.raises(EngineError, match="is 64 x 48 px: portraits must be 384 x 384"):
        portraits.read_portraits(tmp_path, ["small"])


def test_nothing_is_written_over(tmp_path, caplog):
    faces, out = tmp_path / "faces", tmp_path / "out"
    faces.mkdir()
    out.mkdir()
    shrunk(faces / "one.webp")
    assert sample_person.main([str(faces), str(out)]) == 1
    assert "out is there already: nothing is written over" in caplog.text


def shrunk(path: Path) -> None:
    """A small picture of a face where a portrait is looked for."""
    with Image.open(sorted(FACES.glob("*.jpg"))[0]) as face:
        face.resize((96, 96)).save(path)


def group_of_generic_faces() -> portraits.Group:
    """Shipped generic faces standing in for the portraits, unaligned: every flow is zero."""
    names = {*sample_person.needed(), *(portraits.portrait(n) for n in range(3))}
    paths = sorted(FACES.glob("*.jpg"))
    side = portraits.SIDE
    cutouts: dict[str, morph.Cutout] = {}
    for path, name in zip(itertools.cycle(paths[:3]), sorted(names), strict=False):
        pixels = np.repeat(np.repeat(read_photo(path).pixels, 2, axis=0), 2, axis=1)[:side, :side]
        cutouts[name] = morph.Cutout(name, pixels, np.ones((side, side), np.float32), pixels, pixels)
    return portraits.Group(cutouts, {name: np.zeros((side, side, 2), np.float32) for name in names})
