"""The whole photo: what a restoration leaves alone, what it says of itself, and how it is written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile

from engine import images
from engine.faces import detector, face_from_points, marks
from engine.progress import SilentReport
from engine.results import read_provenance
from engine.studio import again, restoring
from engine.studio.finish import BadFinish, Finish, FinishOptions, Output, read_finish
from engine.studio.preparing import Asked
from engine.studio.restoring import NoFaceFound
from engine.workspace import Workspace

QUIET = SilentReport()


@pytest.fixture
def deep(tmp_path: Path, sample_damaged: list[Path]) -> Path:
    """A damaged photo in its mount as a scanner writes it: 16 bits, with a resolution."""
    pixels = np.pad(images.read_photo(sample_damaged[0]).pixels, ((150, 150), (200, 200), (0, 0)), mode="edge")
    rng = np.random.default_rng(0)
    samples = np.rint(pixels * 65535).astype(np.uint16) // 4 * 4 + rng.integers(0, 4, pixels.shape, dtype=np.uint16)
    path = tmp_path / "scan.tif"
    tifffile.imwrite(path, samples, photometric="rgb", resolution=(600, 600), resolutionunit="inch")
    return path


def made_of(workspace: Workspace, asked: Asked) -> tuple[dict, images.Photo]:
    told = restoring.restore(workspace, asked, QUIET)
    return told, images.read_photo(Path(told["result"]))


def test_a_16_bit_scan_comes_back_with_every_sample_outside_the_head_as_it_was(workspace, deep, tmp_path):
    asked = Asked(deep, tmp_path, "cleaner", output=Output(layer=tmp_path / "layer.tif"))
    before = deep.read_bytes()
    told, result = made_of(workspace, asked)
    source = images.read_photo(deep)
    assert Path(told["result"]).name == "scan-restored.tif" and deep.read_bytes() == before
    assert result.depth == 16 and result.resolution == source.resolution
    changed = (result.samples != source.samples).any(axis=2)
    assert 0.02 < changed.mean() < 0.5
    assert not changed[:100].any() and not changed[:, :100].any()
    with tifffile.TiffFile(tmp_path / "layer.tif") as layered:
        assert 37724 in layered.pages[0].tags
        assert np.array_equal(layered.pages[0].asarray()[..., :3], result.samples)
    face = told["damage"]["words"]
    assert face.endswith(".") and told["faithful_db"] > 15
    seen = read_provenance(Path(told["provenance"]))
    assert seen["seen"]["damage"]["words"] == face and seen["notes"] == told["notes"]


def test_a_grey_photo_stays_grey_and_a_toned_one_toned(workspace, tmp_path, sample_damaged):
    pixels = images.read_photo(sample_damaged[0]).pixels
    grey = np.repeat((pixels @ np.array([0.299, 0.587, 0.114], np.float32))[..., None], 3, axis=2)
    tone = np.clip(grey + 0.1 * np.array([1.0, 0.3, -1.0], np.float32) * 4 * grey * (1 - grey), 0, 1)
    images.save_photo(images.Photo(images.to_uint8(grey[..., 0]), None, None, None, "g.png"), tmp_path / "grey.png")
    images.save_photo(np.asarray(tone, np.float32), tmp_path / "toned.png")
    _, plain = made_of(workspace, Asked(tmp_path / "grey.png", tmp_path, "cleaner"))
    assert plain.samples.ndim == 2
    told, toned = made_of(workspace, Asked(tmp_path / "toned.png", tmp_path, "cleaner"))
    assert "The photo's tone was kept." in told["notes"]
    middle = toned.pixels
    luma = middle @ np.array([0.299, 0.587, 0.114], np.float32)
    lean = middle[..., 0] - middle[..., 2]
    expected = 0.2 * 4 * luma * (1 - luma)
    assert np.abs(lean - expected).mean() < 0.02


def test_an_undamaged_face_is_left_as_it_is_and_the_photo_with_it(workspace, tmp_path, sample_faces):
    pixels = images.read_photo(sample_faces[0]).pixels
    images.save_photo(pixels, tmp_path / "good.png")
    told, result = made_of(workspace, Asked(tmp_path / "good.png", tmp_path, "diffbir"))
    error = np.mean((result.pixels - pixels).astype(np.float64) ** 2)
    assert told["damage"]["severity"] < 0.1
    assert error == 0 or -10 * np.log10(error) >= 30


def test_a_face_is_restored_where_the_user_marked_it(workspace, tmp_path, sample_damaged):
    photo = images.read_photo(sample_damaged[0])
    face = detector().find(photo.pixels)[0]
    points = tuple((float(x), float(y)) for x, y in marks(face).round(1))
    told, _ = made_of(workspace, Asked(sample_damaged[0], tmp_path, "enlarge", points=points))
    provenance = read_provenance(Path(told["provenance"]))
    assert provenance["face"]["detector"] == "by hand"
    expected = face_from_points(points).points
    assert np.allclose(provenance["face"]["points"], expected)
    apart = np.linalg.norm(np.mean(provenance["face"]["points"][:2], axis=0) - face.eyes.mean(axis=0))
    assert apart < 0.1 * face.eye_distance


def test_a_photo_without_a_face_says_how_to_mark_one(workspace, tmp_path):
    images.save_photo(np.full((200, 300, 3), 0.5, np.float32), tmp_path / "wall.png")
    with pytest.raises(NoFaceFound, match="--points"):
        restoring.restore(workspace, Asked(tmp_path / "wall.png", tmp_path, "enlarge"), QUIET)
    assert [p.name for p in tmp_path.glob("*.*")] == ["wall.png"]


def test_a_small_face_can_be_written_larger_and_is_said_to_be_small_else(workspace, tmp_path, sample_damaged):
    photo = images.read_photo(sample_damaged[0])
    images.save_photo(images.resize(photo.pixels, (photo.width // 3, photo.height // 3)), tmp_path / "small.png")
    told, same = made_of(workspace, Asked(tmp_path / "small.png", tmp_path, "cleaner"))
    small = images.read_photo(tmp_path / "small.png")
    assert (same.width, same.height) == (small.width, small.height)
    assert any("output scale" in note for note in told["notes"])
    told, large = made_of(workspace, Asked(tmp_path / "small.png", tmp_path, "cleaner", finish=Finish(scale="auto")))
    assert told["scale"] > 1 and large.width == told["scale"] * small.width
    assert not any("output scale" in note for note in told["notes"])


def test_a_result_is_made_again_bit_for_bit_with_its_finish_and_marked_points(workspace, tmp_path, sample_damaged):
    face = detector().find(images.read_photo(sample_damaged[1]).pixels)[0]
    points = tuple((float(x), float(y)) for x, y in marks(face))
    asked = Asked(
        sample_damaged[1],
        tmp_path / "first.png",
        "diffbir",
        {"steps": 2},
        seed=7,
        points=points,
        finish=Finish(scale="2", tone="colour", grain=1.2, sharpness=0.1),
    )
    first = restoring.restore(workspace, asked, QUIET)
    repeat = again.read_repeat(Path(first["provenance"]), sample_damaged[1])
    second = again.restore_again(workspace, repeat, tmp_path / "second.png", QUIET)
    assert second["identical"] is True
    other = restoring.restore(workspace, replace(asked, out=tmp_path / "third.png", finish=Finish(scale="2")), QUIET)
    assert Path(other["result"]).read_bytes() != Path(first["result"]).read_bytes()


@pytest.mark.parametrize(
    ("finish", "output", "words"),
    [
        (Finish(scale="3"), Output(), "The output scale must be auto, 1, 2 or 4, got '3'"),
        (Finish(tone="blue"), Output(), "The tone must be keep or colour, got 'blue'"),
        (Finish(grain=2.0), Output(), "The grain must be 0 to 1.5, got 2"),
        (Finish(sharpness=-1.0), Output(), "The sharpness must be 0 to 1, got -1"),
        (Finish(detail=1.5), Output(), "The detail must be 0 to 1, got 1.5"),
        (Finish(), Output(metadata="some"), "The metadata must be keep, strip-gps, strip-all, got 'some'"),
        (Finish(), Output(quality=0), "The quality must be 1 to 100, got 0"),
        (Finish(), Output(depth="12"), "The depth must be source, 8 or 16, got '12'"),
    ],
)
def test_settings_that_do_not_exist_are_refused_before_anything_is_done(
    workspace, tmp_path, sample_damaged, finish, output, words
):
    asked = Asked(sample_damaged[0], tmp_path, "enlarge", finish=finish, output=output)
    with pytest.raises(BadFinish) as error:
        restoring.restore(workspace, asked, QUIET)
    assert words in str(error.value) and not list(tmp_path.glob("*restored*"))


def test_a_knob_for_what_is_measured_counts_once_it_is_named():
    assert read_finish({}) == Finish(sharpness=0.5)
    assert read_finish({"grain": 0.4}).grain == 0.4
    assert read_finish({"grain": 0.4, "measured_grain": True}).grain is None
    assert FinishOptions().finish().scale == "1"


def test_a_layer_that_cannot_be_written_leaves_no_result(workspace, tmp_path, sample_damaged):
    asked = Asked(sample_damaged[0], tmp_path, "enlarge", output=Output(layer=tmp_path / "no" / "layer.png"))
    with pytest.raises(images.NotSaved, match="there is no folder"):
        restoring.restore(workspace, asked, QUIET)
    assert not list(tmp_path.glob("*restored*"))
