"""The brush: painted places stay the photo's own, exactly, at any output scale, and again from the provenance alone."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest

from engine import images
from engine.faces import FaceCrop, cut, detector, estimate_damage
from engine.progress import SilentReport
from engine.results import read_provenance
from engine.studio import again, restoring
from engine.studio.brush import MOST_POINTS, BadStroke, Painted, Stroke, read_strokes, strokes_json
from engine.studio.finish import Finish, Output, finish_from, finish_json
from engine.studio.fitting import Ground
from engine.studio.preparing import Asked
from engine.studio.refit import refit, save_refit
from engine.workspace import Workspace

PLACE = (slice(0, 100), slice(0, 120))


def test_the_two_brushes_differ_in_their_edges_and_erasing_takes_away() -> None:
    guard = Stroke("guard", 20.0, ((60.0, 50.0),))
    hard = Painted().over([guard], PLACE)
    soft = Painted().over([Stroke("keep", 20.0, ((60.0, 50.0),))], PLACE)
    assert hard.shape == soft.shape == (100, 120)
    assert hard[50, 60] == 1 and hard[50, 60 + 18] == 1 and hard[50, 60 + 23] == 0
    assert np.mean((hard > 0.02) & (hard < 0.98)) < 0.02 < np.mean((soft > 0.02) & (soft < 0.98))
    assert soft[50, 60] > 0.95 and soft[50, 60 + 40] < 0.02
    assert np.all(np.diff(soft[50, 60:110]) <= 1e-6)
    erased = Painted().over([guard, Stroke("erase", 8.0, ((60.0, 50.0),))], PLACE)
    assert erased[50, 60] == 0 and erased[50, 60 + 15] == 1


def test_a_line_goes_from_end_to_end_and_a_part_of_it_is_the_same_in_any_window_and_scale() -> None:
    line = Stroke("guard", 5.0, ((20.0, 20.0), (100.0, 80.0)))
    mask = Painted().over([line], PLACE)
    assert all(mask[round(20 + 60 * t), round(20 + 80 * t)] == 1 for t in (0.0, 0.3, 0.7, 1.0))
    part = Painted().over([line], (slice(30, 90), slice(40, 110)))
    assert np.abs(part - mask[30:90, 40:110]).mean() < 0.005
    twice = Painted().over([line], (slice(0, 200), slice(0, 240)), scale=2)
    assert np.abs(images.resize(twice, (120, 100)) - mask).mean() < 0.01


def test_one_stroke_more_gives_what_all_at_once_give() -> None:
    hows = enumerate(("keep", "guard"))
    strokes = [Stroke(how, 9.0, ((30.0 + 12 * n, 50.0), (60.0, 20.0 + 9 * n))) for n, how in hows]
    strokes.append(Stroke("erase", 4.0, ((55.0, 40.0),)))
    held = Painted()
    for count in (1, 2, 3):
        step = held.over(strokes[:count], PLACE)
    assert np.array_equal(step, Painted().over(strokes, PLACE))
    assert np.array_equal(held.over(strokes[:1], PLACE), Painted().over(strokes[:1], PLACE))  # taken back


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("all", "must be a list of strokes"),
        ([{"how": "keep"}], "cannot be read"),
        ([{"how": "burn", "radius": 5, "points": [[1, 1]]}], "A brush must be keep, guard, erase"),
        ([{"how": "keep", "radius": 0, "points": [[1, 1]]}], "must be 0.5 to 5000 px"),
        ([{"how": "keep", "radius": float("nan"), "points": [[1, 1]]}], "must be 0.5 to 5000 px"),
        ([{"how": "keep", "radius": 5, "points": []}], "lies nowhere"),
        ([{"how": "keep", "radius": 5, "points": [[float("inf"), 1]]}], "lies nowhere"),
        ([{"how": "keep", "radius": 5, "points": [[1, 1]] * (MOST_POINTS + 1)}], "Paint with a larger brush"),
        ([{"how": "keep", "radius": 5, "points": [[1, 1]]}] * 501, "At most 500 strokes"),
    ],
)
def test_what_is_no_stroke_is_refused_in_words(given: object, words: str) -> None:
    with pytest.raises(BadStroke, match=words):
        read_strokes(given)


def test_a_mask_comes_back_from_json_and_without_one_nothing_is_written_of_it() -> None:
    painted = Finish(blend=0.5, mask=(Stroke("keep", 12.5, ((1.0, 2.5), (3.1, 4.0))),))
    assert finish_from(json.loads(json.dumps(finish_json(painted)))) == painted
    assert "mask" not in finish_json(Finish())
    assert finish_from({"blend": 1.0}).mask == ()
    assert read_strokes(strokes_json(painted.mask)) == painted.mask


@pytest.fixture(scope="module")
def scene(sample_damaged: list[Path]) -> tuple[images.Photo, FaceCrop]:
    photo = images.read_photo(sample_damaged[0])
    return photo, cut(photo.pixels, detector().find(photo.pixels)[0], 256)


@pytest.mark.parametrize("scale", ["1", "2"])
def test_where_the_photo_is_guarded_it_is_exact_and_elsewhere_the_face_is_restored(
    scene: tuple[images.Photo, FaceCrop], scale: str
) -> None:
    photo, crop = scene
    made = np.asarray(np.clip(crop.pixels * 0.6, 0, 1), np.float32)
    damage = estimate_damage(crop.pixels, crop.scale)
    ground = Ground(photo, photo.pixels, crop, made, damage, Finish(scale, background="lanczos"), fitted=False, seed=0)
    left, top, right, bottom = crop.face.box
    middle, radius = ((left + right) / 2, (top + bottom) / 2), (right - left) / 5
    times = int(scale)
    finish = Finish(scale, background="lanczos", mask=(Stroke("guard", radius, (middle,)),))
    before, bare = ground.before.samples.astype(int), ground.finish(Finish(scale, background="lanczos"))
    painted = ground.finish(finish)
    rows, columns = np.mgrid[: before.shape[0], : before.shape[1]] + 0.5
    away = np.hypot(columns - middle[0] * times, rows - middle[1] * times)
    inside, outside = away < (radius - 2) * times, away > (radius + 2) * times
    assert np.abs(bare.photo.samples.astype(int) - before)[inside].mean() > 10
    assert np.array_equal(painted.photo.samples[inside], before[inside].astype(np.uint8))
    assert np.array_equal(painted.photo.samples[outside], bare.photo.samples[outside])
    assert painted.mask[inside].max() == 0
    more = Finish(scale, background="lanczos", mask=(*finish.mask, Stroke("keep", radius, ((left, top), middle))))
    begun = time.process_time()
    ground.shown(more)
    assert time.process_time() - begun < 0.15


def test_a_painted_result_is_fitted_without_sampling_and_made_again_from_its_provenance(
    workspace: Workspace, tmp_path: Path, sample_damaged: list[Path]
) -> None:
    quiet = SilentReport()
    made = restoring.restore(workspace, Asked(sample_damaged[0], tmp_path / "first.png", "cleaner"), quiet)
    told = read_provenance(Path(made["provenance"]))
    left, top, right, bottom = told["face"]["box"]
    mask = (Stroke("guard", (right - left) / 6, (((left + right) / 2, (top + bottom) / 2),)),)
    painted = save_refit(
        refit(workspace, sample_damaged[0], told, None), Finish(mask=mask), tmp_path / "painted.png", Output()
    )
    assert read_provenance(painted.with_name("painted.png.json"))["finish"]["mask"] == strokes_json(mask)
    repeat = again.read_repeat(painted.with_name("painted.png.json"), sample_damaged[0])
    assert again.restore_again(workspace, repeat, tmp_path / "again.png", quiet)["identical"] is True
