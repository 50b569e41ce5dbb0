"""How damaged a face is: the estimate against known damage, its words, and what restoring makes of it."""

from __future__ import annotations

import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine import degrade
from engine.evaluation import damage_table
from engine.faces import OUTSIDE_NOTE, SeenDamage, cut, detail_share, detector, estimate_damage
from engine.images import Pixels, read_photo, resize
from engine.metrics import faithful, psnr
from engine.prior.settings import Sampling
from engine.restore import Settings, restore_face, restored_share, start_level
from tests.toys import drawn_face, toy_prior

FACES = sorted((Path(__file__).resolve().parents[1] / "assets" / "faces").glob("*.jpg"))
SOUND = degrade.Damage(0.1, 0.1, 0.0, 1.0, 0.0, 100)
AUTO = Settings(sampling=Sampling(steps=4, start=None), prompt="a photo of a man")


def seen(severity: float) -> SeenDamage:
    return SeenDamage(1.0, 0.0, None, 256.0, severity)


@pytest.fixture(scope="module")
def faces() -> list[Pixels]:
    return [read_photo(path).pixels for path in FACES[:24]]


@pytest.fixture(scope="module")
def truths(sample_truth) -> list[Pixels]:
    crops = []
    for path in sample_truth:
        photo = read_photo(path).pixels
        crops.append(cut(photo, detector().find(photo)[0], 256).pixels)
    return crops


# The estimate


@pytest.mark.parametrize(
    ("kind", "values", "read", "least"),
    [
        ("blur", (1, 2.5, 4, 6, 8, 10), lambda d: d.blur, 0.95),
        ("noise", (0, 4, 8, 12, 16, 20), lambda d: d.noise, 0.95),
        ("jpeg", (90, 75, 60, 45, 30, 15), lambda d: -(d.jpeg or 100), 0.85),
        # Below some fourfold all is called whole, so a third of the order is lost in ties.
        ("shrink", (1, 2, 3, 4.5, 6, 8), lambda d: -d.resolution_px, 0.8),
    ],
)
def test_more_of_one_damage_is_seen_as_more(faces, kind, values, read, least):
    told, done = [], []
    for number, face in enumerate(faces[:12]):
        for value in values:
            changes = {"blur_x": value, "blur_y": value} if kind == "blur" else {kind: value}
            worse = degrade.apply(face, degrade.Damage(**{**vars(SOUND), **changes}), np.random.default_rng(number))
            told.append(read(estimate_damage(worse)))
            done.append(-value if kind == "jpeg" else value)
    rank = damage_table.rank_correlation(np.array(told, float), np.array(done, float))
    assert rank > least


def test_mixed_damage_is_told_apart(faces):
    rng = np.random.default_rng(1)
    pairs = [damage_table.damaged(face, rng) for face in faces for _ in range(3)]
    told = [estimate_damage(worse) for worse, _ in pairs]
    for name, least in (("blur", 0.85), ("noise", 0.8)):
        values = [np.array([getattr(d, name) for d in side], float) for side in (told, [known for _, known in pairs])]
        assert damage_table.rank_correlation(*values) > least, name


def test_blur_and_noise_are_told_in_their_units(faces):
    blurred = [cv2.GaussianBlur(face, (0, 0), 4.0) for face in faces[:8]]
    assert np.median([estimate_damage(face).blur for face in blurred]) == pytest.approx(4, rel=0.35)
    rng = np.random.default_rng(0)
    noisy = [np.clip(f + rng.normal(0, 12 / 255, f.shape), 0, 1).astype(np.float32) for f in faces[:8]]
    assert np.median([estimate_damage(face).noise for face in noisy]) == pytest.approx(12, rel=0.35)


def test_good_faces_are_called_good(faces, truths):
    found = [estimate_damage(face) for face in [*faces, *truths]]
    assert sum(damage.severity == 0 for damage in found) >= len(found) - 2
    assert max(damage.severity for damage in found) < 0.1
    assert all(estimate_damage(face).words == "No damage seen: sharp and clean." for face in truths)


def test_the_damaged_sample_photos_are_seen_as_what_they_are(sample_damaged):
    found = {}
    for path in sample_damaged:
        photo = read_photo(path).pixels
        crop = cut(photo, detector().find(photo)[0], 256)
        found[path.stem] = estimate_damage(crop.pixels, crop.scale)
    assert found["old-01"].blur > 3 and found["old-03"].noise > 8 and found["old-04"].noise > 6
    assert min(damage.severity for damage in found.values()) > 0.25
    assert found["old-01"].severity == max(damage.severity for damage in found.values())
    assert all(detail_share(damage) <= 1 for damage in found.values())


def test_a_small_face_is_told_by_its_pixels_and_a_large_crop_by_the_same_measure(faces):
    small = resize(resize(faces[0], (64, 64)), (256, 256))
    found = estimate_damage(small, 4.0)
    assert found.resolution_px <= 64 and found.severity > 0.4
    assert found.eye_distance_px == pytest.approx(found.resolution_px * 0.246, rel=0.01)
    assert estimate_damage(faces[0], 4.0).words == "Small (detail for 16 px between the eyes)."
    large = estimate_damage(resize(faces[0], (512, 512)), 2.0)
    assert large.resolution_px == pytest.approx(256)
    assert large.blur == pytest.approx(estimate_damage(faces[0]).blur, abs=0.2)
    with pytest.raises(ValueError, match=r"an aligned face must be \(size, size, 3\), got \(64, 32, 3\)"):
        estimate_damage(np.zeros((64, 32, 3), np.float32))
    assert math.isfinite(estimate_damage(np.zeros((64, 64, 3), np.float32)).blur)


def test_the_words_name_what_was_seen_and_go_into_json():
    worst = SeenDamage(3.2, 8.4, 42, 54.0, 0.7)
    assert worst.words == "Blurred (about 3 px), noisy (about 8 of 255) and JPEG blocks (about quality 42)."
    assert SeenDamage(1.3, 4.0, None, 200.0, 0.1).words == "Slightly soft and slightly noisy."
    assert json.loads(json.dumps(worst.to_json()))["words"] == worst.words
    assert detail_share(worst) == 0 and detail_share(seen(0.0)) == 1
    assert "outside them stay as they are" in OUTSIDE_NOTE


# What restoring makes of it


def test_more_damage_starts_from_more_noise_and_none_leaves_the_face_alone():
    levels = [start_level(seen(severity)) for severity in (0.0, 0.05, 0.1, 0.3, 0.6, 1.0)]
    assert levels[0] == 0 and levels == sorted(levels) and len(set(levels)) == 6 and levels[-1] <= 1
    assert restored_share(seen(0.0)) == 0 and restored_share(seen(0.05)) == 0.5 and restored_share(seen(0.5)) == 1


def test_auto_leaves_a_good_face_alone_and_restores_a_damaged_one(tmp_path, truths):
    prior, ticks = toy_prior(tmp_path / "prior"), []
    good = restore_face(prior, truths[0], AUTO, tick=lambda done, total: ticks.append((done, total)))
    assert np.array_equal(good.pixels, truths[0]) and (good.start, good.share) == (0.0, 0.0)
    assert ticks == [(4, 4)]
    worse = cv2.GaussianBlur(truths[0], (0, 0), 4.0)
    bad = restore_face(prior, worse, AUTO)
    assert bad.start == start_level(estimate_damage(worse)) > 0.1 and bad.share == 1
    by_hand = Settings(sampling=Sampling(steps=4, start=bad.start), prompt=AUTO.prompt)
    assert np.array_equal(bad.pixels, restore_face(prior, worse, by_hand).pixels)


def test_auto_takes_little_of_what_it_restores_where_there_is_little_to_restore(tmp_path):
    prior, face = toy_prior(tmp_path / "prior"), drawn_face()
    half, whole = (restore_face(prior, face, AUTO, damage=seen(severity)) for severity in (0.05, 0.1))
    by_hand = Settings(sampling=Sampling(steps=4, start=half.start), prompt=AUTO.prompt)
    restored = restore_face(prior, face, by_hand).pixels
    assert half.share == 0.5 and whole.share == 1
    assert np.abs(half.pixels - face).mean() == pytest.approx(np.abs(restored - face).mean() / 2, rel=0.05)
    alone = restore_face(prior, face, Settings(sampling=Sampling(start=0.0)))
    assert np.array_equal(alone.pixels, face)


def test_an_undamaged_face_comes_back_nearly_as_it_went_in_through_the_shipped_prior(truths):
    from engine.prior import load

    prior = load.load(device="cpu")
    for truth in truths[:2]:
        assert psnr(restore_face(prior, truth, AUTO).pixels, truth) >= 30
    # Even a face wrongly taken for damaged: cleaned, and sampled from where "auto" would start at 0.1.
    settings = Settings(sampling=Sampling(steps=4, start=start_level(seen(0.1))), prompt=AUTO.prompt)
    assert psnr(restore_face(prior, truths[2], settings).pixels, truths[2]) >= 30


# Faithful to the photo


def test_what_is_added_above_the_photos_resolution_does_not_count_against_faithfulness(truths):
    truth = truths[0]
    blurred = cv2.GaussianBlur(truth, (0, 0), 4.0)
    damage = estimate_damage(blurred)
    assert faithful(blurred, blurred, damage) == math.inf
    assert faithful(truth, blurred, damage) > psnr(truth, blurred) + 2
    other = truths[1]
    assert faithful(other, blurred, damage) < faithful(truth, blurred, damage) - 6
    sound = SeenDamage(0.4, 0.0, None, 256.0, 0.0)
    assert faithful(truth, blurred, sound) == pytest.approx(psnr(truth, blurred))
    with pytest.raises(ValueError, match="alike in shape"):
        faithful(truth[:100], blurred, damage)


# The table


def test_the_table_can_be_made_again_from_faces_and_is_worth_something(tmp_path, capsys):
    for path in FACES[:24]:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    damage_table.main([str(tmp_path)])
    told = capsys.readouterr().out
    worth = dict(line[2:].split(": rank correlation ") for line in told.splitlines() if line.startswith("# "))
    assert float(worth["blur"].split()[0]) > 0.6 and float(worth["noise"].split()[0]) > 0.6
    assert {line.split(" = ")[0] for line in told.splitlines() if " = " in line} == {"LOW", "HIGH", "WEIGHTS", "BIAS"}


def test_ranks_of_equal_values_are_shared():
    a = np.array([1.0, 2.0, 2.0, 3.0])
    assert damage_table.rank_correlation(a, a**3) == pytest.approx(1)
    assert damage_table.rank_correlation(a, -a) == pytest.approx(-1)
    assert abs(damage_table.rank_correlation(np.array([0.0, 1, 0, 1]), np.array([0.0, 0, 1, 1]))) < 1e-9


def test_a_face_that_is_washed_out_or_faded_is_said_to_be(truths):
    crop = truths[0]
    plain = estimate_damage(crop)
    assert "ashed out" not in plain.words and "aded" not in plain.words
    washed = estimate_damage(np.clip(crop * 2.2 + 0.1, 0, 1).astype(np.float32))
    assert washed.clipped > plain.clipped and "ashed out" in washed.words and washed.severity >= 0.15
    faded = estimate_damage((0.5 + (crop - 0.5) * 0.25).astype(np.float32))
    assert faded.contrast < plain.contrast and "aded (" in faded.words and faded.severity >= 0.15
