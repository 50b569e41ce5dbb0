"""A photo written larger by Real-ESRGAN's own network, filled from files in the published format; or by Lanczos."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from spandrel import ModelLoader

from engine import images
from engine.progress import Cancelled, SilentReport
from engine.restorers import realesrgan
from engine.restorers.realesrgan import X2PLUS, X4PLUS, X4V3
from engine.results import read_provenance
from engine.studio import again, enlarging, restoring
from engine.studio.enlarging import enlarge, enlarged_pixels, network
from engine.studio.finish import BadFinish, Finish
from engine.studio.preparing import Asked
from engine.weights import WeightsDamaged

QUIET = SilentReport()


@cache
def published(file: str) -> dict[str, torch.Tensor]:
    """Random weights under the published names: smaller than untrained ones, so that the picture stays within 0 to 1,
    and a bias that puts it round a middle grey."""
    torch.manual_seed(0)
    own = realesrgan.empty_network(file).state_dict()
    named = {realesrgan.published_name(name): tensor * 0.5 for name, tensor in own.items()}
    if file != X4V3:  # which adds to the picture itself
        named["conv_last.weight"] *= 4
        named["conv_last.bias"] = torch.full((3,), 0.5)
    return named


def put(folder: Path, file: str) -> Path:
    folder.mkdir(exist_ok=True, parents=True)
    torch.save({realesrgan.WITHIN[file]: published(file)}, folder / file)
    return folder


def drawn(height: int, width: int, seed: int = 0) -> images.Pixels:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    waves = np.stack([0.5 + 0.3 * np.sin(x / 3 + i) * np.cos(y / 4 - i) for i in range(3)], axis=2)
    return np.clip(waves + rng.normal(0, 0.02, waves.shape), 0, 1).astype(np.float32)


def deep_photo(pixels: images.Pixels) -> images.Photo:
    alpha = np.full(pixels.shape[:2], 65535, np.uint16)
    alpha[: pixels.shape[0] // 2] = 0
    return images.Photo(
        images.to_uint16(pixels), alpha, None, b"", "scan.tif", resolution=images.Resolution(300, 300), xmp=b"<x/>"
    )


# The network


@pytest.mark.parametrize(
    ("file", "size", "tensors"), [(X2PLUS, 16_703_171, 702), (X4PLUS, 16_697_987, 702), (X4V3, 1_213_296, 101)]
)
def test_a_file_in_the_published_format_fills_the_network_as_its_own_library_reads_it(tmp_path, file, size, tensors):
    put(tmp_path, file)
    made = network(tmp_path / file)
    assert len(made.state_dict()) == tensors and sum(p.numel() for p in made.parameters()) == size
    theirs = ModelLoader().load_from_file(tmp_path / file)
    assert theirs.scale == realesrgan.FACTORS[file]
    batch = torch.from_numpy(drawn(24, 20).transpose(2, 0, 1)[None].copy())
    with torch.inference_mode():
        ours = made(batch)
        assert torch.equal(ours, theirs.model(batch))
    assert ours.shape == (1, 3, 24 * theirs.scale, 20 * theirs.scale)
    assert float(ours.std()) > 0.01  # a network that gives one grey would agree with anything


def test_a_file_of_another_network_damaged_or_in_another_form_is_refused(tmp_path):
    put(tmp_path, X2PLUS)
    (tmp_path / X2PLUS).rename(tmp_path / X4PLUS)
    with pytest.raises(WeightsDamaged, match=r"conv_first\.weight is \(64, 12, 3, 3\) and should be \(64, 3, 3, 3\)"):
        network(tmp_path / X4PLUS)
    torch.save({"params_ema": {**published(X4PLUS), "more": torch.zeros(1)}}, tmp_path / X4PLUS)
    with pytest.raises(WeightsDamaged, match=r"more is \(1,\) and should be absent"):
        network(tmp_path / X4PLUS)
    for value in (published(X4PLUS), {"params_ema": [1]}):
        torch.save(value, tmp_path / X4PLUS)
        with pytest.raises(WeightsDamaged, match="holds no weights"):
            network(tmp_path / X4PLUS)


# Tiles


class Twice(torch.nn.Module):
    """Each pixel four times: what enlarges without looking round, so that tiles must give exactly the same."""

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.interpolate(batch, scale_factor=2.0, mode="nearest")


@pytest.mark.parametrize("size", [(1, 1), (2, 61), (7, 13), (24, 24), (25, 49), (37, 100)])
def test_tiles_lie_where_they_belong_and_their_shares_add_up(size):
    pixels = drawn(*size)
    made = enlarged_pixels(pixels, Twice(), 2, device="cpu", tile=42, margin=16)
    assert made.shape == (size[0] * 2, size[1] * 2, 3)
    assert np.abs(made - pixels.repeat(2, axis=0).repeat(2, axis=1)).max() < 1e-6


@pytest.mark.parametrize("file", [X2PLUS, X4PLUS, X4V3])
def test_a_picture_in_tiles_is_the_picture_at_once(tmp_path, file):
    made = network(put(tmp_path, file) / file)
    pixels = drawn(30, 33)
    scale = realesrgan.FACTORS[file]
    ticks: list[tuple[int, int]] = []
    tiled = enlarged_pixels(
        pixels, made, scale, device="cpu", tile=52, margin=16, tick=lambda *done: ticks.append(done)
    )
    whole = enlarged_pixels(pixels, made, scale, device="cpu", margin=16)
    assert ticks == [(n, 4) for n in range(5)]
    assert np.abs(tiled - whole).max() < 1e-3 and whole.std() > 0.01


def test_a_stop_between_tiles_stops_and_a_wrong_tile_is_refused():
    def stop(done: int, total: int) -> None:
        if done == 1:
            raise Cancelled

    with pytest.raises(Cancelled):
        enlarged_pixels(drawn(40, 40), Twice(), 2, device="cpu", tile=52, margin=16, tick=stop)
    for tile, margin in ((51, 16), (52, 15), (40, 16), (52, 2)):
        with pytest.raises(ValueError, match="larger than its margins"):
            enlarged_pixels(drawn(4, 4), Twice(), 2, device="cpu", tile=tile, margin=margin)


# The photo


def test_a_16_bit_photo_keeps_its_depth_and_all_that_belongs_to_it(tmp_path):
    photo = deep_photo(drawn(24, 20))
    made = enlarge(photo, photo.pixels, 2, put(tmp_path, X2PLUS), device="cpu")
    plain = images.enlarged(photo, 2)
    assert made.photo.samples.dtype == np.uint16 and made.photo.samples.shape == (48, 40, 3)
    assert len(np.unique(made.photo.samples % 257)) > 200  # not 8 bits made 16
    assert np.array_equal(made.photo.alpha, plain.alpha)
    for name in ("icc", "exif", "xmp", "name", "resolution"):
        assert getattr(made.photo, name) == getattr(plain, name)
    assert made.photo.resolution == images.Resolution(600, 600)
    assert np.array_equal(made.plain.samples, plain.samples) and (made.photo.samples != plain.samples).any()
    seen = enlarged_pixels(photo.pixels, network(tmp_path / X2PLUS), 2, device="cpu")
    assert np.abs(made.photo.pixels - seen).max() < 1 / 65535
    assert made.notes == ("The photo was enlarged 2 times by Real-ESRGAN x2plus.",)
    assert made.background == enlarging.name(tmp_path / X2PLUS)
    assert made.background.startswith("Real-ESRGAN x2plus (sha256 ") and len(made.background) == 36


def test_the_file_for_four_times_serves_twice_too_and_not_the_other_way(tmp_path):
    photo = deep_photo(drawn(16, 12))
    put(tmp_path / "four", X4PLUS)
    half = enlarge(photo, photo.pixels, 2, tmp_path / "four", device="cpu").photo
    full = enlarge(photo, photo.pixels, 4, tmp_path / "four", device="cpu")
    assert half.samples.shape == (32, 24, 3) and full.photo.samples.shape == (64, 48, 3)
    mean = full.photo.pixels.reshape(32, 2, 24, 2, 3).mean(axis=(1, 3))
    assert np.abs(half.pixels - mean).max() < 2 / 65535
    put(tmp_path / "two", X2PLUS)
    assert enlarge(photo, photo.pixels, 4, tmp_path / "two", device="cpu").background == "lanczos"


def test_a_grey_photo_stays_grey_and_a_toned_one_keeps_its_colours(tmp_path):
    put(tmp_path, X2PLUS)
    grey = drawn(80, 72)[..., 0]
    photo = images.Photo(images.to_uint8(grey), None, None, None, "grey.png")
    made = enlarge(photo, photo.pixels, 2, tmp_path, device="cpu")
    assert made.photo.samples.shape == (160, 144) and (made.photo.samples != made.plain.samples).any()
    sepia = np.clip(grey[..., None] * np.array([1.0, 0.85, 0.6], np.float32), 0, 1)
    toned = deep_photo(sepia)
    made = enlarge(toned, toned.pixels, 2, tmp_path, device="cpu")
    colour, before = (np.diff(pixels, axis=2) for pixels in (made.photo.pixels, made.plain.pixels))
    assert np.abs(colour - before).max() < 3 / 65535
    assert np.abs(made.photo.pixels - made.plain.pixels).mean() > 0.01


def test_without_a_file_lanczos_enlarges_and_at_its_own_size_nobody(tmp_path):
    photo = deep_photo(drawn(16, 12))
    made = enlarge(photo, photo.pixels, 2, tmp_path)
    assert np.array_equal(made.photo.samples, images.enlarged(photo, 2).samples) and made.plain is made.photo
    assert (made.background, made.notes) == ("lanczos", ("The photo was enlarged 2 times by Lanczos.",))
    same = enlarge(photo, photo.pixels, 1, put(tmp_path, X2PLUS))
    assert same.photo is photo and (same.background, same.notes) == ("", ())


@pytest.mark.parametrize("fault", ["cut", "overflow"])
def test_a_damaged_file_is_told_and_lanczos_enlarges(tmp_path, fault):
    path = put(tmp_path, X2PLUS) / X2PLUS
    if fault == "cut":
        path.write_bytes(path.read_bytes()[:100_000])
    else:
        bias = torch.full((3,), math.nan)
        torch.save({"params_ema": {**published(X2PLUS), "conv_last.bias": bias}}, path)
    photo = deep_photo(drawn(8, 8))
    made = enlarge(photo, photo.pixels, 2, tmp_path, device="cpu")
    assert made.background == "lanczos" and np.array_equal(made.photo.samples, images.enlarged(photo, 2).samples)
    words = "is damaged or holds no weights" if fault == "cut" else "gives no picture, since its numbers overflow"
    assert words in made.notes[0] and made.notes[0].startswith(str(path))
    assert made.notes[0].endswith("The photo was enlarged 2 times by Lanczos instead.")


# The whole way


def test_a_result_says_what_enlarged_it_and_is_made_again_by_that_alone(workspace, tmp_path, sample_damaged):
    photo = images.read_photo(sample_damaged[0])
    small = images.resize(photo.pixels, (photo.width // 3, photo.height // 3))
    images.save_photo(small, tmp_path / "small.png")
    asked = Asked(tmp_path / "small.png", tmp_path / "lanczos.png", "enlarge", finish=Finish(scale="2"))
    plain = restoring.restore(workspace, asked, QUIET)
    assert plain["background"] == "lanczos" and "The photo was enlarged 2 times by Lanczos." in plain["notes"]
    path = put(workspace.weights, X2PLUS) / X2PLUS
    made = restoring.restore(workspace, replace(asked, out=tmp_path / "network.png"), QUIET)
    assert made["background"] == enlarging.name(path)
    assert read_provenance(Path(made["provenance"]))["seen"]["background"] == made["background"]
    assert Path(made["result"]).read_bytes() != Path(plain["result"]).read_bytes()

    def repeated(told: dict, out: str) -> dict:
        repeat = again.read_repeat(Path(told["provenance"]), tmp_path / "small.png")
        return again.restore_again(workspace, repeat, tmp_path / out, QUIET)

    assert repeated(plain, "lanczos-2.png")["identical"] is True
    assert repeated(made, "network-2.png")["identical"] is True
    path.unlink()
    with pytest.raises(again.NotTheSame, match=r"there is none in .* Put that file back"):
        repeated(made, "network-3.png")


def test_an_enlarger_that_does_not_exist_is_refused(workspace, tmp_path, sample_damaged):
    asked = Asked(sample_damaged[0], tmp_path, "enlarge", finish=Finish(background="bicubic"))
    with pytest.raises(BadFinish, match=r"The background must be auto or lanczos or diffbir-v1.*, got 'bicubic'"):
        restoring.restore(workspace, asked, QUIET)
