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


@pytest.mark.parametrize("kind", degrade.KINDS)
def test_each_kind_of_old_photo_damage_changes_the_picture_within_reason(kind):
    face = drawn_face()
    before = face.copy()
    changes = []
    for seed in range(6):
        bad = degrade.aged(face, kind, np.random.default_rng(seed))
        assert bad.shape == face.shape and bad.dtype == np.float32
        assert bad.min() >= 0 and bad.max() <= 1
        assert np.array_equal(bad, degrade.aged(face, kind, np.random.default_rng(seed)))
        changes.append(float(np.abs(bad - face).mean()))
    assert 0.0005 < max(changes) < 0.4
    assert len({round(change, 9) for change in changes}) > 1
    assert np.array_equal(face, before)


def test_old_photo_damage_leaves_a_grey_picture_grey_but_for_dyes_paper_and_light():
    face = drawn_face().mean(axis=2, keepdims=True).repeat(3, axis=2)
    for kind in ("scratches", "dust", "copying"):
        bad = degrade.aged(face, kind, np.random.default_rng(1))
        assert np.ptp(bad, axis=2).max() < 1e-5


def test_a_halftone_keeps_the_tone_of_what_it_prints():
    flat = np.full((256, 256, 3), 0.4, np.float32)
    drawn = [degrade.aged(flat, "halftone", np.random.default_rng(seed)) for seed in range(8)]
    assert all(picture.std() > 0.01 for picture in drawn)
    # Paper is below white and ink above black, so the tone is kept within what they leave.
    assert abs(np.mean([picture.mean() for picture in drawn]) - 0.4) < 0.08


def test_a_toned_picture_is_grey_in_one_tone_and_keeps_its_light():
    face = drawn_face()
    for seed in range(5):
        toned = degrade.toned(face, np.random.default_rng(seed))
        grey = face @ np.array([0.299, 0.587, 0.114], np.float32)
        assert np.abs(toned.mean(axis=2) - grey).mean() < 0.05
        assert np.ptp(toned, axis=2).max() > 0.02
        # One tone: what a pixel's red has over its blue follows from its light alone.
        lean = (toned[..., 0] - toned[..., 2]).ravel()
        room = (grey * (1 - grey)).ravel()
        assert np.corrcoef(lean, room)[0, 1] ** 2 > 0.95


def test_a_cut_out_gets_old_damage_of_the_size_of_the_whole_face():
    face = np.full((256, 256, 3), 0.5, np.float32)
    fine, coarse = (
        degrade.aged(face, "grain", np.random.default_rng(2), face_size=size).astype(np.float64) - 0.5
        for size in (256, 1024)
    )

    def smoothness(noise):
        return float((noise[:, 1:] * noise[:, :-1]).mean() / (noise**2).mean())

    assert smoothness(coarse) > smoothness(fine)
