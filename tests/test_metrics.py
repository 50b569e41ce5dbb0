"""Numbers of nearness: known values, known directions."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from engine.faces import RECOGNISER
from engine.metrics import METRICS, gmsd, psnr, sharpness, ssim


@pytest.fixture
def picture():
    y, x = np.mgrid[0:96, 0:80].astype(np.float32)
    planes = [0.5 + 0.4 * np.sin(x / a) * np.cos(y / b) for a, b in ((2, 5), (3, 2), (4, 7))]
    return np.stack(planes, axis=2).astype(np.float32)


def everywhere(picture):
    return np.ones(picture.shape[:2], np.float32)


def test_equal_pictures_are_perfect(picture):
    assert psnr(picture, picture) == math.inf
    assert ssim(picture, picture) == pytest.approx(1)
    assert gmsd(picture, picture) == 0
    assert sharpness(picture, picture, everywhere(picture)) == 1


def test_psnr_of_a_constant_error_is_known(picture):
    assert psnr(picture, picture + np.float32(0.1)) == pytest.approx(20, abs=1e-4)
    assert psnr(picture, picture + np.float32(0.01)) == pytest.approx(40, abs=1e-3)


def test_more_noise_is_worse_by_every_metric(picture):
    noise = np.random.default_rng(0).standard_normal(picture.shape).astype(np.float32)
    light, heavy = picture + noise * np.float32(0.02), picture + noise * np.float32(0.1)
    assert psnr(light, picture) > psnr(heavy, picture)
    assert ssim(light, picture) > ssim(heavy, picture)
    assert gmsd(light, picture) < gmsd(heavy, picture)
    assert 1 < sharpness(light, picture, everywhere(picture)) < sharpness(heavy, picture, everywhere(picture))


def test_a_blurred_picture_is_less_sharp_than_its_truth(picture):
    soft = cv2.GaussianBlur(picture, (0, 0), 1.5)
    assert sharpness(soft, picture, everywhere(picture)) < 0.5
    assert gmsd(soft, picture) > 0.02


def test_gmsd_follows_the_published_formula_on_a_picture_done_by_hand():
    dark, step = np.zeros((8, 8, 3), np.float32), np.zeros((8, 8, 3), np.float32)
    step[:, 4:] = 1
    # Halved to 4 x 4 with the step between columns 1 and 2. Beyond the border all is 0, so column 3 has a slope too;
    # the first and last row see two thirds of it, and a slope down as well.
    middle, c = 1.0, 170 / 255**2
    slopes = np.zeros((4, 4))
    slopes[1:3] = [0, middle, middle, middle]
    slopes[[0, 3]] = [0, math.hypot(2 / 3, 1 / 3), math.hypot(2 / 3, 2 / 3), math.hypot(2 / 3, 2 / 3)]
    alike = c / (slopes**2 + c)
    assert gmsd(step, dark) == pytest.approx(alike.std(ddof=1), abs=1e-3)
    assert gmsd(step, dark) == gmsd(dark, step)


def test_sharpness_looks_only_where_the_mask_is(picture):
    half = picture.copy()
    half[:, :40] = cv2.GaussianBlur(picture, (0, 0), 2)[:, :40]
    left, right = np.zeros((96, 80), np.float32), np.zeros((96, 80), np.float32)
    left[:, :38], right[:, 42:] = 1, 1
    assert sharpness(half, picture, left) < 0.5
    assert sharpness(half, picture, right) == 1


def test_flat_pictures_do_not_divide_by_zero(picture):
    flat = np.full((32, 32, 3), 0.5, np.float32)
    assert sharpness(flat, flat, everywhere(flat)) == 1
    spotted = flat.copy()
    spotted[10, 10] = 0
    assert sharpness(spotted, flat, everywhere(flat)) == math.inf
    assert gmsd(flat[:2, :2], flat[:2, :2]) == 0


def test_pictures_that_do_not_fit_are_refused(picture):
    message = r"pictures must be \(H, W, 3\) and alike in shape, got \(96, 80, 3\) and \(96, 79, 3\)"
    for metric in (psnr, ssim, gmsd):
        with pytest.raises(ValueError, match=message):
            metric(picture, picture[:, 1:])
    with pytest.raises(ValueError, match="pictures must be at least 11 px to a side, got 10 x 96"):
        ssim(picture[:, :10], picture[:, :10])
    with pytest.raises(ValueError, match="pictures must be at least 2 px to a side, got 1 x 96"):
        gmsd(picture[:, :1], picture[:, :1])
    with pytest.raises(ValueError, match=r"mask must be \(96, 80\), got \(80, 96\)"):
        sharpness(picture, picture, np.ones((80, 96), np.float32))
    with pytest.raises(ValueError, match="mask must be above 0 somewhere, got 0 everywhere"):
        sharpness(picture, picture, np.zeros((96, 80), np.float32))


def test_the_table_states_a_direction_for_each_and_the_recogniser():
    assert {key: metric.direction for key, metric in METRICS.items()} == {
        "psnr": "higher",
        "ssim": "higher",
        "gmsd": "lower",
        "faithful": "higher",
        "sharpness": "one",
        "identity": "lower",
    }
    assert RECOGNISER in METRICS["identity"].what
    assert all(metric.what.endswith(".") and metric.name for metric in METRICS.values())
