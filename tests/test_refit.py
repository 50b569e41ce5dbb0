"""Only what changed is computed: a restored face is kept, found again, and fitted anew without sampling."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine import images
from engine.progress import SilentReport
from engine.results import read_provenance
from engine.studio import again, kept, restoring
from engine.studio.finish import BadFinish, Finish, FinishOptions, Output, knobs_of, read_finish
from engine.studio.fitting import Ground
from engine.studio.preparing import Asked
from engine.studio.refit import NotRefitted, refit, save_refit
from engine.studio.restoring import FOUND_AGAIN
from engine.workspace import Workspace
from tests.toys import large_ground

QUIET = SilentReport()
OTHER = Finish(tone="colour", grain=1.3, sharpness=0.0, detail=0.4, blend=0.6)
SECONDS = 0.15
"""Engine time from a moved knob to the pixels to show, in a photo of 2 megapixels."""


def restored(workspace: Workspace, asked: Asked) -> tuple[dict, dict]:
    told = restoring.restore(workspace, asked, QUIET)
    return told, read_provenance(Path(told["provenance"]))


def test_the_same_settings_are_found_again_and_fitting_anew_gives_what_restoring_anew_gives(
    workspace, tmp_path, sample_damaged
):
    asked = Asked(sample_damaged[0], tmp_path / "first.png", "diffbir", {"steps": 2}, seed=3)
    first, told = restored(workspace, asked)
    assert FOUND_AGAIN not in first["notes"]
    # With another finish the face is found; restored anew instead, it comes out the same.
    second, second_told = restored(workspace, replace(asked, out=tmp_path / "second.png", finish=OTHER))
    assert FOUND_AGAIN in second["notes"] and second["seconds"] == first["seconds"]
    third, _ = restored(workspace, replace(asked, out=tmp_path / "third.png", finish=OTHER, anew=True))
    assert FOUND_AGAIN not in third["notes"]
    assert Path(third["result"]).read_bytes() == Path(second["result"]).read_bytes()
    assert Path(third["result"]).read_bytes() != Path(first["result"]).read_bytes()
    # So does the page, which has no networks: the first result is fitted anew, written, and its provenance says so.
    taken = refit(workspace, sample_damaged[0], told, None)
    path = save_refit(taken, OTHER, tmp_path / "refit.png", Output())
    assert path.read_bytes() == Path(second["result"]).read_bytes()
    written = read_provenance(path.with_name("refit.png.json"))
    assert written["finish"] == second_told["finish"] and written["result_sha256"] == second_told["result_sha256"]
    assert set(written["notes"]) == {note for note in second["notes"] if note != FOUND_AGAIN}
    place, pixels = taken.ground.shown(OTHER)
    assert np.abs(pixels - images.read_photo(path).pixels[place]).max() <= 0.5 / 255 + 1e-6
    # What was fitted anew can be made again from its provenance, by sampling.
    repeat = again.read_repeat(path.with_name("refit.png.json"), sample_damaged[0])
    assert again.restore_again(workspace, repeat, tmp_path / "again.png", QUIET)["identical"] is True
    # Another seed is another face.
    other, _ = restored(workspace, replace(asked, out=tmp_path / "seed.png", seed=4))
    assert FOUND_AGAIN not in other["notes"]


def test_blend_goes_from_the_photo_to_the_restored_face(workspace, tmp_path, sample_damaged):
    asked = Asked(sample_damaged[0], tmp_path / "whole.png", "cleaner")
    made = {1.0: restored(workspace, asked)[0]}
    for blend in (0.0, 0.5):
        out = tmp_path / f"blend-{blend}.png"
        made[blend] = restored(workspace, replace(asked, out=out, finish=Finish(blend=blend)))[0]
    source = images.read_photo(sample_damaged[0])
    read = {blend: images.read_photo(Path(told["result"])) for blend, told in made.items()}
    assert np.array_equal(read[0.0].samples, source.samples)
    middle = (source.pixels + read[1.0].pixels) / 2
    assert np.abs(read[0.5].pixels - middle).max() <= 1.01 / 255
    assert np.abs(read[1.0].pixels - source.pixels).max() > 10 / 255


def test_a_damaged_kept_face_is_not_used_and_without_it_nothing_is_fitted_anew(workspace, tmp_path, sample_damaged):
    asked = Asked(sample_damaged[0], tmp_path / "first.png", "cleaner")
    first, told = restored(workspace, asked)
    file = kept.folder(workspace, None) / f"{kept.key_of(told)}.npz"
    file.write_bytes(file.read_bytes()[:2000])
    second, _ = restored(workspace, replace(asked, out=tmp_path / "second.png"))
    assert FOUND_AGAIN not in second["notes"]
    assert Path(second["result"]).read_bytes() == Path(first["result"]).read_bytes()
    file.unlink()
    with pytest.raises(NotRefitted, match="Press Restore to make it again"):
        refit(workspace, sample_damaged[0], told, None)
    enlarged = {**told, "seen": {**told["seen"], "background": "RealESRGAN_x2plus 49fafd45"}}
    with pytest.raises(NotRefitted, match="enlarged by RealESRGAN_x2plus"):
        refit(workspace, sample_damaged[0], enlarged, None)


def test_only_the_last_used_faces_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "MOST", 2)
    face = kept.KeptFace(np.full((8, 8, 3), 0.25, np.float32), 1.5, np.ones((8, 8), np.float32))
    kept.keep(tmp_path, "a", face)
    kept.keep(tmp_path, "b", face)
    found = kept.find(tmp_path, "a", 8)
    assert found is not None and found.seconds == 1.5 and found.head is not None
    assert np.array_equal(found.pixels, face.pixels)
    kept.keep(tmp_path, "c", face)
    assert kept.find(tmp_path, "b") is None and kept.find(tmp_path, "a") is not None
    assert kept.find(tmp_path, "c", 16) is None


@pytest.mark.parametrize("changed", [{"blend": 0.5}, {"grain": 0.4}, {"sharpness": 0.9}, {"tone": "colour"}])
def test_a_moved_knob_shows_in_150_ms_on_2_megapixels(large, changed):
    ground, _ = large
    taken = []
    for blend in (0.99, 0.98, 0.97):  # each is a new picture; the knob itself is moved back before it
        ground.shown(Finish(blend=blend))
        begun = time.process_time()
        ground.shown(Finish(**{"blend": blend, **changed}))
        taken.append(time.process_time() - begun)
    assert min(taken) < SECONDS, taken


def test_moving_a_knob_and_back_gives_the_same_picture(large):
    ground, _ = large
    place, before = ground.shown(Finish())
    ground.shown(OTHER)
    assert ground.shown(Finish())[0] == place and np.array_equal(ground.shown(Finish())[1], before)


@pytest.fixture(scope="module")
def large(sample_damaged) -> tuple[Ground, images.Pixels]:
    return large_ground(sample_damaged[0])


def test_the_knobs_of_a_finish_say_that_finish():
    for finish in (OTHER, Finish(sharpness=0.5), Finish("auto", "keep", None, 0.2, None, "lanczos", 0.0)):
        assert read_finish(knobs_of(finish)) == finish
    assert FinishOptions().finish().blend == 1


def test_a_blend_outside_its_range_is_refused(workspace, tmp_path, sample_damaged):
    asked = Asked(sample_damaged[0], tmp_path, "enlarge", finish=Finish(blend=1.5))
    with pytest.raises(BadFinish, match=r"The blend must be 0 to 1, got 1\.5"):
        restoring.restore(workspace, asked, QUIET)
