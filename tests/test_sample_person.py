"""The shipped person and generic faces, who are nobody, and the morphing that made them, at toy size."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from engine.errors import EngineError
from engine.evaluation import morph, sample_person
from engine.faces import cut, detector, distance, embed
from engine.images import read_photo

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
    return {path.relative_to(PERSON).as_posix(): sample_person.vector_of(path) for path in paths}


def smooth_noise(seed: int, size: int = 64) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal((size, size, 3)).astype(np.float32)
    spread = morph.blur(noise, 3)
    return np.clip(0.5 + spread / spread.std() * 0.15, 0, 1)


def wave(size: int = 64, height: float = 3.0) -> np.ndarray:
    y, x = np.mgrid[:size, :size].astype(np.float32)
    angle = np.float32(2 * np.pi / size)
    return np.float32(height) * np.dstack([np.sin(angle * y), np.sin(angle * x)])


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


def test_no_two_references_are_the_same_picture(vectors):
    assert min(distance(a, b) for a, b in itertools.combinations(vectors.values(), 2)) > 0.12


def test_the_face_in_every_damaged_photo_is_found_where_its_truth_has_it():
    for path in sorted((PERSON / "damaged").glob("*.jpg")):
        found = detector().find(read_photo(path).pixels)
        expected = detector().find(read_photo(PERSON / "truth" / path.name).pixels)
        assert len(found) == len(expected) == 1
        assert np.abs(found[0].points - expected[0].points).max() < 0.15 * expected[0].eye_distance


def test_every_picture_says_which_three_or_more_portraits_it_is_a_blend_of(record, vectors):
    assert {picture["file"] for picture in record["pictures"]} == set(vectors)
    for picture in record["pictures"]:
        assert len(set(picture["inner"])) >= 3
        assert len(set(picture["head"])) >= 3
        assert set(picture["sources"]) == {*picture["inner"], *picture["head"]}


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
    assert sum(picture["damage"]["aged"] is not None for picture in spoilt) == 2
    assert all((PERSON / picture["damaged"]).is_file() for picture in spoilt)


def test_the_pictures_are_small_enough_to_ship():
    assert sum(p.stat().st_size for p in PERSON.rglob("*") if p.is_file()) <= 1_000_000
    assert sum(p.stat().st_size for p in FACES.rglob("*") if p.is_file()) <= 2_500_000


def test_generic_faces_are_aligned_and_of_one_size():
    paths = sorted(FACES.glob("*.jpg"))
    assert len(paths) >= 100
    for path in paths:
        photo = read_photo(path)
        assert (photo.width, photo.height) == (sample_person.GENERIC_SIDE, sample_person.GENERIC_SIDE)


def test_every_generic_face_is_a_blend_of_three_and_near_to_nobody():
    faces = json.loads((FACES / "faces.json").read_text(encoding="utf-8"))
    assert {picture["file"] for picture in faces["pictures"]} == {path.name for path in FACES.glob("*.jpg")}
    for picture in faces["pictures"]:
        assert len(set(picture["sources"])) >= 3
        assert picture["nearest_portrait_distance"] > 0.45


def test_generic_faces_differ_from_one_another_and_from_the_person(vectors):
    some = [embed(read_photo(path).pixels) for path in sorted(FACES.glob("*.jpg"))[::8]]
    assert min(distance(a, b) for a, b in itertools.combinations(some, 2)) > 0.33
    assert min(distance(a, b) for a in some for b in vectors.values()) > 0.3


def test_an_aligned_crop_of_a_reference_has_its_eyes_where_the_template_has_them():
    pixels = read_photo(PERSON / "references" / "ref-01.jpg").pixels
    crop = cut(pixels, detector().find(pixels)[0], 256)
    again = detector().find(crop.pixels)[0]
    assert again.eyes[0] == pytest.approx([96, 120], abs=6)
    assert again.eyes[1] == pytest.approx([159, 120], abs=6)


# Morphing


def test_the_identity_map_reads_a_picture_as_it_is():
    picture = smooth_noise(0)
    assert morph.sample(picture, morph.identity_map(64, 64)) == pytest.approx(picture, abs=1e-6)


def test_a_flow_then_its_inverse_leads_back():
    flow = wave()
    start = morph.identity_map(64, 64)
    back = morph.through(start + morph.inverse(flow), flow)
    assert np.abs(back - start)[8:-8, 8:-8].max() < 0.05


def test_filling_keeps_what_is_known_and_takes_the_rest_from_near_by():
    picture = np.zeros((40, 40, 3), np.float32)
    picture[:, :20] = (1, 0.5, 0)
    known = np.zeros((40, 40), np.float32)
    known[:, :12] = 1
    filled = morph.fill(picture, known)
    assert np.array_equal(filled[:, :12], picture[:, :12])
    assert filled[:, 12:] == pytest.approx(np.broadcast_to(picture[0, 0], (40, 28, 3)), abs=1e-3)


def test_blending_a_picture_with_itself_gives_it_back():
    picture = smooth_noise(1)
    assert morph.blend([picture] * 3, (0.6, 0.2, 0.2), (0.8, 0.1, 0.1), sigma=4) == pytest.approx(picture, abs=1e-5)


def test_every_picture_counts_in_every_pixel_of_a_blend():
    pictures = [smooth_noise(seed) for seed in range(3)]
    before = morph.blend(pictures, (0.6, 0.2, 0.2), (0.8, 0.1, 0.1), sigma=4)
    for changed in range(3):
        others = [p + np.float32(0.1 if k == changed else 0) for k, p in enumerate(pictures)]
        after = morph.blend(others, (0.6, 0.2, 0.2), (0.8, 0.1, 0.1), sigma=4)
        assert (np.abs(after - before) > 0.015).all()


def test_relighting_takes_over_the_tone_and_keeps_the_detail():
    picture, mask = smooth_noise(2), np.ones((64, 64), np.float32)
    lit = morph.relight(picture, picture + np.float32(0.2), mask, sigma=20, strength=1)
    assert lit - picture == pytest.approx(np.full_like(picture, 0.2), abs=0.01)


def test_nothing_bleeds_into_a_blur_from_outside_its_mask():
    picture = np.zeros((40, 40, 3), np.float32)
    picture[:, 20:] = 1
    mask = np.zeros((40, 40), np.float32)
    mask[:, :20] = 1
    assert morph.blur_within(picture, mask, 4)[:, :16].max() < 1e-6


def test_aligning_portraits_brings_their_features_together():
    base = smooth_noise(5, 96)
    start, flow = morph.identity_map(96, 96), wave(96, 2.5)
    pictures = [morph.sample(base, start + sign * flow) for sign in (-1, 0, 1)]
    whole = np.ones((96, 96), np.float32)
    cutouts = [morph.Cutout(str(k), p, whole, p, p) for k, p in enumerate(pictures)]
    flows = morph.align(cutouts)
    assert np.abs(np.sum(flows, axis=0)).max() < 1e-3
    together = [morph.sample(p, start + f) for p, f in zip(pictures, flows, strict=True)]
    inner = np.s_[12:-12, 12:-12]
    assert np.std(together, axis=0)[inner].mean() < 0.5 * np.std(pictures, axis=0)[inner].mean()


def test_the_figure_of_a_portrait_is_found_before_its_background():
    pixels = read_photo(sorted(FACES.glob("*.jpg"))[-1]).pixels
    figure = morph.find_figure(pixels)
    assert figure[140, 128] == 1
    assert figure[:8].mean() < 0.2
    assert 0.25 < figure.mean() < 0.8


def test_the_same_shot_is_the_same_picture_again(tmp_path):
    faces = group_of_generic_faces()
    shot = sample_person.Shot("toy", (0, 1, 2), (64, 72), 0.16, (0.5, 0.6), 3.0, 2.0, 0.0)
    one, two = (sample_person.photograph(faces, shot, np.random.default_rng(3)) for _ in range(2))
    assert one.shape == (72, 64, 3)
    assert one.dtype == np.float32
    assert one.min() >= 0
    assert one.max() <= 1
    assert np.array_equal(one, two)


def test_the_damage_of_a_test_photo_is_the_same_again():
    picture = smooth_noise(6, 96)
    spoiling = sample_person.DAMAGES["old-03"]
    assert np.array_equal(spoiling.spoil(picture, 96), spoiling.spoil(picture, 96))


def test_a_missing_portrait_is_named(tmp_path):
    with pytest.raises(EngineError, match=r"synthetic-0137\.webp is no readable portrait: give the folder"):
        sample_person.read_portraits(tmp_path, ["synthetic-0137"])


def test_a_portrait_of_another_size_is_refused(tmp_path):
    from PIL import Image

    Image.new("RGB", (64, 48)).save(tmp_path / "small.webp")
    with pytest.raises(EngineError, match="is 64 x 48 px: portraits must be 384 x 384"):
        sample_person.read_portraits(tmp_path, ["small"])


def test_nothing_is_written_over(tmp_path, caplog):
    (tmp_path / "faces").mkdir()
    assert sample_person.main([str(tmp_path), str(tmp_path)]) == 1
    assert "faces is there already: nothing is written over" in caplog.text


def test_wrong_arguments_show_the_usage(caplog):
    assert sample_person.main([]) == 2
    assert "usage: python -m engine.evaluation.sample_person FACES OUT" in caplog.text


def group_of_generic_faces() -> sample_person.Group:
    """Shipped generic faces standing in for the portraits, unaligned: every flow is zero."""
    names = {*sample_person.INNER, *sample_person.SMILING, *sample_person.CALM, "synthetic-0000", "synthetic-0001"}
    names.add("synthetic-0002")
    paths = sorted(FACES.glob("*.jpg"))
    side = sample_person.SIDE
    cutouts: dict[str, morph.Cutout] = {}
    for path, name in zip(itertools.cycle(paths[:3]), sorted(names), strict=False):
        pixels = np.repeat(np.repeat(read_photo(path).pixels, 2, axis=0), 2, axis=1)[:side, :side]
        cutouts[name] = morph.Cutout(name, pixels, np.ones((side, side), np.float32), pixels, pixels)
    return sample_person.Group(cutouts, {name: np.zeros((side, side, 2), np.float32) for name in names})
