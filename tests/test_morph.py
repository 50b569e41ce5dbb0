"""Morphing: bringing faces into one shape and blending them there, at toy size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.evaluation import morph
from engine.images import read_photo

FACES = Path(__file__).resolve().parents[1] / "assets" / "faces"


def smooth_noise(seed: int, size: int = 64) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal((size, size, 3)).astype(np.float32)
    spread = morph.blur(noise, 3)
    return np.clip(0.5 + spread / spread.std() * 0.15, 0, 1)


def wave(size: int = 64, height: float = 3.0) -> np.ndarray:
    y, x = np.mgrid[:size, :size].astype(np.float32)
    angle = np.float32(2 * np.pi / size)
    return np.float32(height) * np.dstack([np.sin(angle * y), np.sin(angle * x)])


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
