"""The shipped generic faces, who are nobody: how many, how large, how far from one another and from everybody."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from engine.evaluation import generic_faces, portraits
from engine.faces import detector, distance, embed
from engine.images import read_photo

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
    assert nearest > 0.35
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
