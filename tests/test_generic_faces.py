"""The shipped generic faces, who are nobody: how many, how large, how far from one another and from everybody."""

from __future__ import annotations

import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from engine.errors import EngineError
from engine.evaluation import generic_faces, morph, portraits
from engine.faces import detector, distance, embed
from engine.images import read_photo, resize

ASSETS = Path(__file__).resolve().parents[1] / "assets"
FACES = ASSETS / "faces"


@pytest.fixture(scope="module")
def record():
    return json.loads((FACES / "faces.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def vectors():
    return {path.name: embed(read_photo(path).pixels) for path in sorted(FACES.glob("*.jpg"))}


def test_there_are_about_150_and_they_are_small_enough_to_ship():
    assert 140 <= len(list(FACES.glob("*.jpg"))) <= 160
    assert sum(p.stat().st_size for p in FACES.rglob("*") if p.is_file()) <= 3_000_000


def test_they_are_of_one_size_and_some_are_grey():
    grey = 0
    for path in sorted(FACES.glob("*.jpg")):
        photo = read_photo(path)
        assert (photo.width, photo.height) == (generic_faces.SIDE_PX, generic_faces.SIDE_PX)
        grey += float(np.ptp(photo.pixels, axis=2).mean()) < 0.01
    assert 8 <= grey <= 30


def test_their_eyes_are_where_the_template_has_them():
    for path in sorted(FACES.glob("*.jpg"))[::10]:
        found = detector().find(read_photo(path).pixels)
        assert len(found) == 1, path.name
        assert found[0].eyes[0] == pytest.approx([96, 120], abs=8), path.name
        assert found[0].eyes[1] == pytest.approx([159, 120], abs=8), path.name


def test_every_one_differs_from_every_other(record, vectors):
    nearest = min(distance(a, b) for a, b in itertools.combinations(vectors.values(), 2))
    assert nearest > 0.34
    assert record["nearest_pair_distance"] == pytest.approx(nearest, abs=0.01)


def test_none_is_the_sample_person(vectors):
    person = [portraits.vector_of(path) for path in sorted((ASSETS / "person" / "references").glob("*.jpg"))[:3]]
    assert min(distance(a, b) for a in person for b in vectors.values()) > 0.3


def test_every_one_is_a_morph_of_three_in_the_head_of_a_fourth_and_near_to_nobody(record, vectors):
    assert {picture["file"] for picture in record["pictures"]} == set(vectors)
    for picture in record["pictures"]:
        assert len({*picture["inner"], picture["head"]}) == 4
        assert set(picture["sources"]) == {*picture["inner"], picture["head"]}
        assert all(name.startswith("synthetic-") for name in picture["sources"])
        assert picture["nearest_portrait_distance"] > 0.45
    assert record["nearest_portrait_distance"] == min(p["nearest_portrait_distance"] for p in record["pictures"])


# Making them, with shipped faces standing in for the portraits


@pytest.fixture(scope="module")
def group():
    """Six faces that are not aligned: every flow is zero."""
    side = portraits.SIDE
    area = np.ones((side, side), np.float32)
    cutouts = {}
    for number, path in enumerate(sorted(FACES.glob("*.jpg"))[1:7]):
        pixels = resize(read_photo(path).pixels, (side, side))
        cutouts[portraits.portrait(number + 200)] = morph.Cutout(path.stem, pixels, area, pixels, pixels)
    return portraits.Group(cutouts, {name: np.zeros((side, side, 2), np.float32) for name in cutouts})


@pytest.fixture
def far_away(group):
    """Vectors of the six that are like nobody's."""
    rows = np.random.default_rng(0).standard_normal((6, 128))
    return dict(zip(group.cutouts, rows / np.linalg.norm(rows, axis=1, keepdims=True), strict=True))


def test_a_face_set_into_a_head_leaves_hair_and_background_as_they_were(group):
    head, *three = list(group.cutouts)[:4]
    before = resize(group.cutouts[head].pixels, (256, 256))
    after = generic_faces.set_face(group, head, three)
    assert after.shape == (256, 256, 3)
    assert np.abs(after - before)[:64].max() < 0.02
    assert np.abs(after - before)[100:220, 96:160].mean() > 0.02


def test_faces_are_chosen_of_four_portraits_and_unlike_one_another(group, far_away, monkeypatch):
    monkeypatch.setattr(generic_faces, "COUNT", 2)
    made = list(generic_faces.choose([group], far_away, np.random.default_rng(0)))
    assert [record["file"] for _, record in made] == ["face-001.jpg", "face-002.jpg"]
    assert all(len({*record["inner"], record["head"]}) == 4 for _, record in made)
    one, two = (embed(pixels) for pixels, _ in made)
    assert distance(one, two) > generic_faces.DIFFERENT


def test_a_face_like_a_known_one_is_not_kept(group, far_away, monkeypatch):
    monkeypatch.setattr(generic_faces, "COUNT", 1)
    monkeypatch.setattr(generic_faces, "TRIES", 1)
    ((face, _),) = list(generic_faces.choose([group], far_away, np.random.default_rng(0)))
    known = {**far_away, "somebody": embed(face)}
    again = [embed(pixels) for pixels, _ in generic_faces.choose([group], known, np.random.default_rng(0))]
    assert all(distance(vector, known["somebody"]) > generic_faces.APART for vector in again)


def test_a_prior_goes_over_faces_and_says_which_it_changed(record, tmp_path):
    made, out = tmp_path / "made", tmp_path / "out"
    made.mkdir()
    pictures = record["pictures"][1:3]
    for picture in pictures:
        shutil.copy(FACES / picture["file"], made)
    (made / "faces.json").write_text(json.dumps({"pictures": pictures}), encoding="utf-8")
    names = sorted({name for picture in pictures for name in picture["sources"]})
    rows = np.random.default_rng(0).standard_normal((len(names), 128))
    generic_faces.sharpen(made, out, dict(zip(names, rows / 12, strict=True)))
    told = json.loads((out / "faces.json").read_text(encoding="utf-8"))
    assert [picture["sharpened"] for picture in told["pictures"]] == [True, True]
    for picture in pictures:
        before, after = read_photo(made / picture["file"]).pixels, read_photo(out / picture["file"]).pixels
        assert 0 < np.abs(before - after).mean() < 0.08


def test_faces_that_nobody_made_are_not_sharpened(tmp_path):
    with pytest.raises(EngineError, match=r"holds no faces\.json: give a folder that"):
        generic_faces.sharpen(tmp_path, tmp_path / "out", {})


def test_nothing_is_written_over(tmp_path):
    with pytest.raises(EngineError, match="is there already: nothing is written over"):
        generic_faces.make(tmp_path, tmp_path, {})
