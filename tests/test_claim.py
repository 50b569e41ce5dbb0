"""The statistics of the claim, against values worked out by hand or known from tables."""

from __future__ import annotations

import numpy as np
import pytest

from engine.evaluation.claim import difference, faithful_half, identity_half, interval, nearer, share_nearer, sign_test
from engine.evaluation.summary import Row, best, by_person, judge, people_of, summarise


def test_the_sign_test_counts_coins():
    assert sign_test(0, 5) == 1 and sign_test(5, 5) == 1 / 32
    assert sign_test(12, 14) == pytest.approx(106 / 2**14)
    assert sign_test(12, 14) < 0.01 < sign_test(11, 14)
    assert sign_test(7, 7) < 0.01 < sign_test(6, 6)


def test_the_interval_is_fixed_and_as_wide_as_people_differ():
    assert interval(np.full(5, 0.25)) == (0.25, 0.25)
    values = np.random.default_rng(3).normal(1.0, 0.5, 400)
    low, high = interval(values)
    assert interval(values) == (low, high)
    half = 1.96 * values.std() / np.sqrt(400)
    assert low == pytest.approx(values.mean() - half, abs=0.006)
    assert high == pytest.approx(values.mean() + half, abs=0.006)
    away = difference(values, values - 0.125)
    assert (away.mean, away.low, away.high) == pytest.approx((0.125, 0.125, 0.125))


def test_as_near_is_not_nearer():
    ours, others = np.array([0.1, 0.2, 0.3]), (np.array([0.2, 0.2, 0.4]), np.array([0.2, 0.3, 0.2]))
    assert nearer(ours, *others) == 1 and nearer(ours, others[0]) == 2
    assert share_nearer([0.1, 0.2, 0.3, 0.4], [0.2, 0.2, 0.4, 0.5]) == 0.75


def test_the_first_half_needs_enough_people_and_both_intervals():
    blind = np.linspace(0.4, 0.5, 14)
    ours, wrong = blind - 0.02, blind + 0.01
    assert identity_half(ours, blind, wrong).reached
    for n in (0, 1):
        ours[n] += 0.03
    held = identity_half(ours, blind, wrong)
    assert held.reached and "nearer than both for 12 of 14 people" in held.found and "p = 0.0065" in held.found
    ours[2] += 0.03
    assert not identity_half(ours, blind, wrong).reached  # 11 of 14
    one_far_off = blind - 0.001
    one_far_off[0] += 0.5
    assert not identity_half(one_far_off, blind, wrong).reached  # 13 of 14, but the mean is not below 0
    assert not identity_half(blind - 0.02, blind, blind - 0.03).reached  # nearer than blind, not than the wrong person
    few = identity_half(blind[:6] - 0.02, blind[:6], wrong[:6])
    assert not few.reached and few.found.endswith("So few people cannot reach it: 7 are needed.")


def test_the_second_half_allows_a_tenth_of_a_decibel_and_no_gmsd():
    psnr, gmsd = np.array([24.0, 26.0]), np.array([0.15, 0.17])
    assert faithful_half((psnr - 0.09, psnr), (gmsd, gmsd)).reached
    assert not faithful_half((psnr - 0.11, psnr), (gmsd - 0.01, gmsd)).reached
    lost = faithful_half((psnr, psnr), (gmsd + 0.001, gmsd))
    assert not lost.reached and "GMSD +0.0010 (+0.0010 to +0.0010)" in lost.found


def rows_of(values: dict[tuple[str, str], list[list[float]]]) -> list[Row]:
    """Rows whose distances are given by person and arm: a list for each photo with one for each seed."""
    return [
        Row(who, "hard", f"{p}.jpg", seed, arm, 24.0 if arm == "blind" else 23.95, 0.6, 0.15, 1.0, away, away + 0.1)
        for (who, arm), photos in values.items()
        for p, seeds in enumerate(photos)
        for seed, away in enumerate(seeds)
    ]


def test_every_person_is_one_however_many_photos_and_seeds_they_have():
    rows = rows_of(
        {
            ("anna", "blind"): [[0.5, 0.7], [0.4, 0.4]],
            ("anna", "own"): [[0.4, 0.4], [0.3, 0.6]],
            ("bert", "blind"): [[0.2]],
            ("bert", "own"): [[0.1]],
            ("cleo", "blind"): [[0.9]],
        }
    )
    assert people_of(rows, "hard", "own") == ["anna", "bert"]
    assert by_person(rows, "hard", "own", "identity_truth", ["anna", "bert"]).tolist() == pytest.approx([0.425, 0.1])
    one = summarise(rows, "hard", "own")
    assert (one.people, one.photos, one.people_nearer) == (2, 3, 2)
    assert one.photos_nearer == pytest.approx(2 / 3)  # anna's second photo is 0.45 against 0.4
    assert one.means["identity_truth"] == pytest.approx(0.2625)
    away = one.to_blind["identity_truth"]  # over anna and bert alone, since nobody else has both
    assert away.mean == pytest.approx((0.425 - 0.5 + 0.1 - 0.2) / 2)
    assert one.to_blind["psnr"].mean == pytest.approx(-0.05)
    assert best(rows, "hard", ["blind", "own"], ["anna", "bert"]) == "own"


def test_both_halves_are_judged_for_an_arm():
    names = [f"p{n:02d}" for n in range(8)]
    values = {(who, arm): [[away + n * 0.01]] for n, who in enumerate(names)
              for arm, away in (("blind", 0.5), ("wrong person", 0.52), ("both pivots", 0.45))}  # fmt: skip
    first, second = judge(rows_of(values), "hard", "both pivots")
    assert first.half.reached and "8 of 8 people" in first.half.found
    assert second.half.reached and "PSNR -0.05 (-0.05 to -0.05) dB" in second.half.found
    assert not judge(rows_of(values), "hard", "wrong person")[0].half.reached
