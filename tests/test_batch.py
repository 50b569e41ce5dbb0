"""Folders and repeats: nothing done twice, nothing written over, no photo ends the others, the same picture again."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import __version__, images
from engine.errors import EngineError
from engine.progress import Cancelled, SilentReport
from engine.results import BadProvenance, path_beside, read_provenance, settings_of
from engine.studio import Studio, restoring
from engine.studio.again import NotTheSame, read_repeat, restore_again
from engine.studio.batch import STAGE, Batch, TargetUnusable, restore_folder
from engine.studio.preparing import Asked
from engine.workspace import Workspace, sha256_file

NOBODY = SilentReport()


class Watch(SilentReport):
    """Somebody who keeps what is told, and stops after so many photos."""

    def __init__(self, stop_after: int = 1000) -> None:
        self.files: list[tuple[str, str]] = []
        self.ticks: list[tuple[str, int, int]] = []
        self.stop_after = stop_after

    def tick(self, stage: str, done: int, total: int) -> None:
        self.ticks.append((stage, done, total))
        if stage == STAGE and done >= self.stop_after:
            raise Cancelled

    def file(self, name: str, state: str, sentence: str, result: str) -> None:
        self.files.append((name, state))


@pytest.fixture(scope="module")
def small_faces(tmp_path_factory: pytest.TempPathFactory, sample_faces: list[Path]) -> list[Path]:
    """Photos of the sample person, small enough that faces are found at once."""
    folder = tmp_path_factory.mktemp("small")
    made: list[Path] = []
    for photo in sample_faces[:4]:
        pixels = images.read_photo(photo).pixels
        size = (200, round(200 * pixels.shape[0] / pixels.shape[1]))
        made.append(images.save_photo(images.resize(pixels, size), folder / f"{photo.stem}.png"))
    return made


@pytest.fixture
def folder(tmp_path: Path, small_faces: list[Path]) -> Path:
    """Three photos, one of them deeper, one broken file and one that is none."""
    place = tmp_path / "photos"
    (place / "1950").mkdir(parents=True)
    shutil.copy(small_faces[0], place / "a.png")
    shutil.copy(small_faces[1], place / "c.png")
    shutil.copy(small_faces[2], place / "1950" / "a.png")
    (place / "b.jpg").write_bytes(b"no picture")
    (place / "notes.txt").write_text("not a photo")
    return place


@pytest.fixture
def asked(folder: Path) -> Asked:
    """Whatever is quickest, beside each photo."""
    return Asked(folder, folder, "enlarge", device="cpu")


def states(made: Batch) -> dict[str, str]:
    return {Path(row.photo).as_posix(): row.state for row in made.rows}


def hashes(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): sha256_file(path) for path in folder.rglob("*") if path.is_file()}


# Folders


def test_an_error_does_not_end_the_others_and_no_photo_is_changed(
    workspace: Workspace, folder: Path, asked: Asked
) -> None:
    before = hashes(folder)
    watch = Watch()
    made = restore_folder(workspace, folder, asked, watch)
    assert states(made) == {"1950/a.png": "done", "a.png": "done", "b.jpg": "failed", "c.png": "done"}
    assert [(Path(name).as_posix(), state) for name, state in watch.files] == list(states(made).items())
    assert watch.ticks[-1] == (STAGE, 4, 4)
    failed = made.rows[2]
    assert failed.sentence.startswith("b.jpg is not a photo") and failed.result == ""
    after = hashes(folder)
    assert {name: after[name] for name in before} == before
    assert sorted(after.keys() - before.keys()) == [
        *("1950/a-restored.png", "1950/a-restored.png.json"),
        *("a-restored.png", "a-restored.png.json", "c-restored.png", "c-restored.png.json"),
    ]
    told = made.as_json()
    assert (told["done"], told["skipped"], told["failed"], told["left"]) == (3, 0, 1, 0)
    assert (told["ended"], told["stopped"]) == ("", False)
    assert json.loads(json.dumps(told)) == told


def test_what_is_done_is_skipped_and_results_are_no_photos(workspace: Workspace, folder: Path, asked: Asked) -> None:
    restore_folder(workspace, folder, asked, NOBODY)
    before = hashes(folder)
    (folder / "c.png").rename(folder / "renamed.png")  # a photo is known by its content
    shutil.copy(folder / "a-restored.png", folder / "copy of a result.png")
    again = restore_folder(workspace, folder, asked, NOBODY)
    assert states(again) == {
        "1950/a.png": "skipped",
        "a.png": "skipped",
        "b.jpg": "failed",
        "copy of a result.png": "skipped",
        "renamed.png": "skipped",
    }
    rows = {row.photo: row for row in again.rows}
    assert rows["renamed.png"].result == str(folder / "c-restored.png")
    assert "Take its result away to have it made again" in rows["a.png"].sentence
    assert "a copy of a result" in rows["copy of a result.png"].sentence
    (folder / "c-restored.png").unlink()
    third = restore_folder(workspace, folder, asked, NOBODY)
    assert states(third)["renamed.png"] == "done"
    assert (folder / "renamed-restored.png").is_file()
    assert hashes(folder)["a-restored.png"] == before["a-restored.png"]


def test_other_settings_make_other_results_beside_the_first(workspace: Workspace, folder: Path, asked: Asked) -> None:
    restore_folder(workspace, folder, asked, NOBODY)
    first = sha256_file(folder / "a-restored.png")
    made = restore_folder(workspace, folder, replace(asked, seed=1), NOBODY)
    assert made.count("done") == 3
    assert (folder / "a-restored-2.png").is_file()
    assert sha256_file(folder / "a-restored.png") == first
    assert restore_folder(workspace, folder, replace(asked, seed=1), NOBODY).count("skipped") == 3


def test_results_in_another_folder_keep_their_places(workspace: Workspace, folder: Path, asked: Asked) -> None:
    before = hashes(folder)
    out = folder / "results"  # inside the photos, and yet none of them next time
    made = restore_folder(workspace, folder, replace(asked, out=out), NOBODY)
    assert made.count("done") == 3
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*.png")) == [
        "1950/a-restored.png",
        "a-restored.png",
        "c-restored.png",
    ]
    assert {name: digest for name, digest in hashes(folder).items() if not name.startswith("results/")} == before
    again = restore_folder(workspace, folder, replace(asked, out=out), NOBODY)
    assert (again.count("skipped"), again.count("done"), len(again.rows)) == (3, 0, 4)


def test_photos_of_one_name_do_not_meet(workspace: Workspace, tmp_path: Path, small_faces: list[Path]) -> None:
    folder = tmp_path / "two"
    folder.mkdir()
    shutil.copy(small_faces[0], folder / "a.png")
    images.save_photo(images.read_photo(small_faces[1]), folder / "a.jpg")
    made = restore_folder(workspace, folder, Asked(folder, folder, "enlarge", device="cpu"), NOBODY)
    assert [Path(row.result).name for row in made.rows] == ["a-restored.png", "a-restored-2.png"]
    assert len(set(hashes(folder).values())) == 6


def test_other_programs_json_beside_photos_is_left_alone(workspace: Workspace, folder: Path, asked: Asked) -> None:
    (folder / "a.png.json").write_text('{"title": "a.png", "version": 1}')
    (folder / "c.png.json").write_text("[1, 2")
    made = restore_folder(workspace, folder, asked, NOBODY)
    assert made.count("done") == 3
    assert (folder / "a.png.json").read_text() == '{"title": "a.png", "version": 1}'


def test_a_stop_keeps_what_is_done_and_the_next_run_goes_on(workspace: Workspace, folder: Path, asked: Asked) -> None:
    made = restore_folder(workspace, folder, asked, Watch(stop_after=2))
    assert (made.stopped, made.left, made.ended) == (True, 2, "")
    assert states(made) == {"1950/a.png": "done", "a.png": "done"}
    assert not list(folder.rglob("*.part"))
    assert states(restore_folder(workspace, folder, asked, NOBODY)) == {
        "1950/a.png": "skipped",
        "a.png": "skipped",
        "b.jpg": "failed",
        "c.png": "done",
    }


def test_many_broken_files_are_a_sentence_each(workspace: Workspace, tmp_path: Path, small_faces: list[Path]) -> None:
    """The issue's 2,000 files with 30 broken ones, at the size of a test."""
    folder = tmp_path / "many"
    folder.mkdir()
    face = images.read_photo(small_faces[0]).pixels
    whole = small_faces[0].read_bytes()
    for n in range(20):
        shift = np.clip(face * np.float32(1 - 0.01 * n), 0, 1)
        images.save_photo(shift, folder / f"photo-{n:03d}.png")
    for n in range(6):
        (folder / f"broken-{n}.png").write_bytes(whole[: len(whole) * n // 6])
    before = hashes(folder)
    made = restore_folder(workspace, folder, Asked(folder, folder / "out", "enlarge", device="cpu"), NOBODY)
    assert (made.count("done"), made.count("failed"), made.left) == (20, 6, 0)
    for row in made.rows:
        assert (row.state == "failed") == row.photo.startswith("broken")
        assert row.state == "done" or (row.sentence.count("\n") == 0 and row.sentence.endswith("."))
    assert {n: d for n, d in hashes(folder).items() if not n.startswith("out/")} == before


def test_a_photo_that_breaks_something_does_not_end_the_others(
    workspace: Workspace, folder: Path, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut = images.merge

    def merge(photo: Any, *rest: Any) -> Any:
        if photo.name == "c.png":
            raise ZeroDivisionError("by\nnothing")
        return cut(photo, *rest)

    monkeypatch.setattr(images, "merge", merge)
    made = restore_folder(workspace, folder, asked, NOBODY)
    assert states(made) == {"1950/a.png": "done", "a.png": "done", "b.jpg": "failed", "c.png": "failed"}
    assert made.rows[3].sentence == "c.png: something broke (ZeroDivisionError: by nothing). Leave it out."


def test_results_that_cannot_be_saved_end_it_with_a_sentence(
    workspace: Workspace, tmp_path: Path, small_faces: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full would cost hours otherwise: each photo is restored before that is found out."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for n, photo in enumerate(small_faces):
        shutil.copy(photo, folder / f"{n}.png")

    def full(*arguments: Any) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("engine.images.write.os.fsync", full)
    made = restore_folder(workspace, folder, Asked(folder, folder, "enlarge", device="cpu"), NOBODY)
    assert (made.count("failed"), made.left, made.stopped) == (3, 1, False)
    assert made.ended.startswith("3 results in a row could not be saved, the last because: ")
    assert "the disk is full" in made.ended
    assert sorted(path.name for path in folder.iterdir()) == ["0.png", "1.png", "2.png", "3.png"]


def test_what_cannot_be_is_refused_before_the_first_photo(
    workspace: Workspace, folder: Path, asked: Asked, tmp_path: Path
) -> None:
    before = hashes(folder)
    (tmp_path / "empty").mkdir()
    for wrong, words in (
        (replace(asked, out=folder / "a.png"), "a.png is a file, so no results can lie in it. Choose a folder with"),
        (replace(asked, out=folder / "a.png" / "in"), "Choose a folder with --out-dir."),
        (replace(asked, out=folder / ("n" * 300)), "File name too long"),
        (replace(asked, restorer="magic"), "There is no restorer 'magic'"),
        (replace(asked, options={"steps": 1}), "There is no option 'steps' here"),
        (replace(asked, person="Bob"), "There is nobody called Bob"),
        (replace(asked, restorer="dual-pivot"), "needs a person"),
    ):
        with pytest.raises(EngineError) as refused:
            restore_folder(workspace, folder, wrong, NOBODY)
        assert words in str(refused.value)
    for place, words in ((tmp_path / "empty", "holds no photos"), (tmp_path / "none", "There is no folder")):
        with pytest.raises(EngineError, match=words):
            restore_folder(workspace, place, replace(asked, photo=place, out=place), NOBODY)
    assert hashes(folder) == before


def test_a_folder_on_a_read_only_place_is_a_sentence(workspace: Workspace, asked: Asked, folder: Path) -> None:
    place = Path("/proc")
    if not place.is_dir():
        pytest.skip("this system has no place that nobody may write to")
    with pytest.raises(TargetUnusable, match=r"No results can be written to /proc: .*with --out-dir\."):
        restore_folder(workspace, folder, replace(asked, out=place), NOBODY)


def test_a_batch_runs_in_the_worker_and_its_events_tell_each_file(home: Path, folder: Path) -> None:
    with Studio(home, device="cpu") as studio:
        with pytest.raises(EngineError, match="There is no folder"):
            studio.start_batch(folder / "none", person=None, restorer="enlarge")
        job = studio.start_batch(folder, person=None, restorer="enlarge", out=folder / "out")
        over = studio.runner.wait(job.id, 300)
        assert over.state == "finished", over.error
        assert over.result is not None
        assert (over.result["done"], over.result["failed"]) == (3, 1)
        told = [event.data for event in studio.runner.events(job.id) if event.event == "file"]
    assert [(one["name"], one["state"]) for one in told][1:] == [
        ("a.png", "done"),
        ("b.jpg", "failed"),
        ("c.png", "done"),
    ]
    assert told[1]["result"] == str(folder / "out" / "a-restored.png")
    assert told[2]["sentence"].startswith("b.jpg is not a photo")


# Provenance


@pytest.fixture(scope="module")
def restored(tmp_path_factory: pytest.TempPathFactory, small_faces: list[Path]) -> Path:
    """A folder with a photo, its result by the blind prior and the provenance; tests copy it."""
    place = tmp_path_factory.mktemp("restored")
    workspace = Workspace(tmp_path_factory.mktemp("home"))
    photo = shutil.copy(small_faces[0], place / "old.png")
    asked = Asked(Path(photo), place / "old-restored.png", "diffbir", {"steps": 1}, seed=5, device="cpu")
    restoring.restore(workspace, asked, NOBODY)
    return place


@pytest.fixture
def told(restored: Path, tmp_path: Path) -> Path:
    """The provenance in a folder of this test alone."""
    shutil.copytree(restored, tmp_path / "there")
    return tmp_path / "there" / "old-restored.png.json"


def changed(told: Path, **values: Any) -> Path:
    value = {**json.loads(told.read_text()), **values}
    told.write_text(json.dumps(value))
    return told


def test_a_provenance_says_all_and_no_folder(told: Path) -> None:
    known = read_provenance(told)
    assert (known["version"], known["photo"], known["seed"], known["engine"]) == (2, "old.png", 5, __version__)
    assert known["result_sha256"] == sha256_file(told.with_suffix(""))
    assert known["photo_sha256"] == sha256_file(told.parent / "old.png")
    assert known["face"]["wanted"] is None and known["face"]["detector"]
    assert str(told.parent) not in told.read_text()


def test_the_same_picture_comes_again_bit_for_bit(workspace: Workspace, told: Path, tmp_path: Path) -> None:
    made = restore_again(workspace, read_repeat(told), tmp_path / "again.png", NOBODY, device="cpu")
    assert (made["identical"], made["restorer"]) == (True, "diffbir")
    assert (tmp_path / "again.png").read_bytes() == told.with_suffix("").read_bytes()
    first, second = read_provenance(told), read_provenance(path_beside(tmp_path / "again.png"))
    assert settings_of(first) == settings_of(second)
    assert first["face"] == second["face"]
    jpeg = restore_again(workspace, read_repeat(told), tmp_path / "again.jpg", NOBODY, device="cpu")
    assert jpeg["identical"] is False


def test_the_photo_may_lie_elsewhere_and_have_another_name(told: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    moved = (told.parent / "old.png").rename(tmp_path / "elsewhere" / "old.png")
    with pytest.raises(NotTheSame) as missing:
        read_repeat(told)
    assert str(missing.value) == (
        f"old.png, which old-restored.png.json was made from, is not at {told.parent / 'old.png'}. "
        "Say where it is: restore PHOTO --again old-restored.png.json."
    )
    assert read_repeat(told, moved.parent).photo == moved
    renamed = moved.rename(moved.with_name("scan 7.png"))
    assert read_repeat(told, renamed).photo == renamed


def test_another_photo_of_that_name_is_not_taken(told: Path, small_faces: list[Path]) -> None:
    shutil.copy(small_faces[1], told.parent / "old.png")
    with pytest.raises(
        NotTheSame, match=r"old\.png is not the photo that old-restored\.png\.json was made from: its SHA"
    ):
        read_repeat(told)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"restorer": "magic"}, "There is no restorer 'magic'"),
        ({"options": {"glow": 3}}, "There is no option 'glow' here"),
        ({"prior": {"denoiser": "0" * 64}}, "was made with another prior: "),
        (
            {"tuned": "ab" * 32, "recipe": "quick"},
            "The tuned model abababababab that it was made with, by recipe quick",
        ),
        ({"tuned": "../../*"}, "is not in the data folder"),
        ({"face": {"box": [0, 0, 1, 1]}}, "its face lacks 'points'. Restore the photo anew."),
        ({"engine": "0.0.1", "restorer": "magic"}, f"Use Likeness 0.0.1; this one is {__version__}."),
    ],
)
def test_whatever_is_not_as_it_was_is_a_sentence(
    workspace: Workspace, told: Path, tmp_path: Path, values: dict[str, Any], words: str
) -> None:
    with pytest.raises(NotTheSame) as refused:
        restore_again(workspace, read_repeat(changed(told, **values)), tmp_path / "again.png", NOBODY, device="cpu")
    assert words in str(refused.value)
    assert not (tmp_path / "again.png").exists()


def test_version_1_is_read_and_repeated_and_newer_ones_are_refused(
    workspace: Workspace, told: Path, tmp_path: Path
) -> None:
    value = json.loads(told.read_text())
    for name in ("recipe", "references", "tuned_sha256", "result_sha256"):
        del value[name]
    for name in ("score", "detector", "wanted"):
        del value["face"][name]
    told.write_text(json.dumps({**value, "version": 1}))
    made = restore_again(workspace, read_repeat(told), tmp_path / "again.png", NOBODY, device="cpu")
    assert made["identical"] is None
    assert (tmp_path / "again.png").read_bytes() == told.with_suffix("").read_bytes()
    with pytest.raises(
        BadProvenance, match=r"in version 3; this one knows up to 2\. Use that Likeness, or a newer one"
    ):
        read_provenance(changed(told, version=3))


@pytest.mark.parametrize("text", ["[]", "{}", '{"version": 2}', '{"version": "x", "restorer": "enlarge"}', "null"])
def test_other_json_is_no_provenance(tmp_path: Path, text: str) -> None:
    file = tmp_path / "a.png.json"
    file.write_text(text)
    with pytest.raises(
        BadProvenance, match=r"a\.png\.json does not say how a result was made\. Choose the \.json file"
    ):
        read_provenance(file)
