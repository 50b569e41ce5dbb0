from __future__ import annotations

import numpy as np
import pytest

from engine import degrade
from tests.toys import drawn_face


def test_the_same_random_source_gives_the_same_damage():
    face = drawn_face()
    first = degrade.degrade(face, np.random.default_rng(3))
    assert np.array_equal(first, degrade.degrade(face, np.random.default_rng(3)))
    assert not np.array_equal(first, degrade.degrade(face, np.random.default_rng(4)))


def test_damage_keeps_shape_range_and_its_argument():
    face = drawn_face()
    before = face.copy()
    for seed in range(8):
        rng = np.random.default_rng(seed)
        for bad in (degrade.degrade(face, rng), degrade.age(face, rng)):
            assert bad.shape == face.shape and bad.dtype == np.float32
            assert bad.min() >= 0 and bad.max() <= 1
    assert np.array_equal(face, before)


def test_damage_means_the_same_at_half_the_size():
    damage = degrade.Damage(blur_x=8, blur_y=8, angle=0, shrink=4, noise=0, jpeg=100)
    large = degrade.apply(drawn_face(size=512), damage, np.random.default_rng(0))
    small = degrade.apply(drawn_face(size=256), damage, np.random.default_rng(0))
    shrunk = large.reshape(256, 2, 256, 2, 3).mean((1, 3))
    assert np.abs(shrunk - small).mean() < 0.01


def test_a_cut_out_is_damaged_like_the_whole_face_it_is_cut_from():
    face = drawn_face()
    damage = degrade.Damage(blur_x=6, blur_y=6, angle=0, shrink=1, noise=0, jpeg=100)
    whole = degrade.apply(face, damage, np.random.default_rng(0))[64:192, 64:192]
    part = degrade.apply(face[64:192, 64:192], damage, np.random.default_rng(0), face_size=256)
    assert np.abs(whole - part)[16:-16, 16:-16].mean() < 0.01


@pytest.mark.parametrize(
    ("mild", "heavy"),
    [
        ({"blur_x": 0.5, "blur_y": 0.5}, {"blur_x": 9.0, "blur_y": 9.0}),
        ({"shrink": 1.0}, {"shrink": 8.0}),
        ({"noise": 1.0}, {"noise": 20.0}),
        ({"jpeg": 100}, {"jpeg": 60}),
    ],
)
def test_each_kind_of_damage_does_more_harm_when_it_is_stronger(mild, heavy):
    face = drawn_face()
    plain = {"blur_x": 0.1, "blur_y": 0.1, "angle": 0.0, "shrink": 1.0, "noise": 0.0, "jpeg": 100}

    def harm(change):
        bad = degrade.apply(face, degrade.Damage(**{**plain, **change}), np.random.default_rng(0))
        return float(((bad - face) ** 2).mean())

    assert harm(heavy) > 1.05 * harm(mild)


def test_drawn_damage_lies_within_the_methods_ranges():
    rng = np.random.default_rng(0)
    for _ in range(200):
        d = degrade.draw(rng)
        assert min(d.blur_x, d.blur_y) >= 0.1 and max(d.blur_x, d.blur_y) <= 10
        assert 0.8 <= d.shrink <= 8 and 0 <= d.noise <= 20 and 60 <= d.jpeg <= 100
        assert 0 <= d.strength <= 1
