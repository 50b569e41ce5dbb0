"""Comparing: the same crop through every way, numbers with directions, damages that are known, a contact sheet."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from engine import images
from engine.faces import distance, embed
from engine.progress import SilentReport
from engine.restorers import BadOption, NoSuchRestorer
from engine.studio.board import BoardView, Part
from engine.studio.compare import Comparing, NothingToCompare, TruthDoesNotFit, Way, compare, swept
from engine.studio.lab import PRESETS, BadDamage, Lab, damaged, described, read_lab
from engine.workspace import Workspace
from ui.cli import fields
from ui.cli.main import app
from ui.comparing import way_of

WAYS = (Way("enlarge", {}), Way("cleaner", {}), Way("diffbir", {"steps": 1}))


class Counting(SilentReport):
    """Keeps how many results were known each time that a comparison was shown."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def preview(self, name: str, path: Path) -> None:
        assert name == "comparison"
        self.seen.append(sum(len(row["results"]) for row in json.loads(path.read_text(encoding="utf-8"))["rows"]))


def test_a_clean_face_is_damaged_restored_and_measured_one_by_one(
    workspace: Workspace, sample_truth: list[Path], tmp_path: Path
) -> None:
    report, out = Counting(), tmp_path / "out"
    asked = Comparing(sample_truth[0], out, WAYS, damages=("medium", {"noise": 30}), seed=3, device="cpu")
    known = compare(workspace, asked, report)
    assert report.seen == [1, 2, 3, 4, 5, 6]
    assert [row["damage"] for row in known["rows"]] == ["medium", "noise 30"]
    row = known["rows"][0]
    assert [result["restorer"] for result in row["results"]] == ["enlarge", "cleaner", "diffbir"]
    assert row["results"][2]["settings"] == "Steps 1"
    psnr = [result["numbers"]["psnr"] for result in row["results"]]
    best = [n for n, result in enumerate(row["results"]) if "psnr" in result["best"]]
    assert best == [int(np.argmax(psnr))]
    assert row["given_numbers"]["psnr"] == pytest.approx(psnr[0], abs=0.05), "enlarging leaves a crop as it is"
    assert set(row["results"][1]["numbers"]) == {"identity", "psnr", "ssim", "gmsd", "sharpness", "faithful"}
    first, second = (embed(images.read_photo(out / row["results"][1]["file"]).pixels) for row in known["rows"])
    assert known["spread"][1] == pytest.approx(distance(first, second), abs=0.01)
    assert json.loads((out / "comparison.json").read_text(encoding="utf-8")) == known
    plain, told = (images.read_photo(out / known["sheets"][name]) for name in ("plain", "settings"))
    assert plain.width == told.width
    assert told.height > plain.height
    size = images.read_photo(out / row["given"]).width
    assert plain.width >= 5 * size
    assert plain.height >= 2 * size


def test_a_photo_as_it_is_has_numbers_against_a_truth_only_where_there_is_one(
    workspace: Workspace, sample_damaged: list[Path], sample_truth: list[Path], tmp_path: Path
) -> None:
    without = compare(workspace, Comparing(sample_damaged[0], tmp_path / "a", WAYS[1:2], device="cpu"), SilentReport())
    assert set(without["rows"][0]["results"][0]["numbers"]) == {"faithful"}
    assert without["rows"][0]["truth"] == ""
    asked = Comparing(sample_damaged[0], tmp_path / "b", WAYS[1:2], truth=sample_truth[0], device="cpu")
    within = compare(workspace, asked, SilentReport())
    assert {"psnr", "identity", "sharpness"} <= set(within["rows"][0]["results"][0]["numbers"])
    assert within["spread"] == [None]


def test_what_cannot_be_compared_is_refused_in_words(
    workspace: Workspace, sample_damaged: list[Path], tmp_path: Path
) -> None:
    def refused(**changed: object) -> None:
        given = {"photo": sample_damaged[0], "out": tmp_path / "out", "ways": WAYS[:1], **changed}
        compare(workspace, Comparing(**given), SilentReport())  # type: ignore[arg-type]

    with pytest.raises(NothingToCompare, match=r"Choose 1 to 6 restorers to compare, got 0\."):
        refused(ways=())
    with pytest.raises(NoSuchRestorer, match="There is no restorer 'gone'"):
        refused(ways=(Way("gone", {}),))
    with pytest.raises(BadDamage, match="There is no damage 'flood'"):
        refused(damages=("flood",))
    other = images.save_photo(np.full((64, 96, 3), 0.5, np.float32), tmp_path / "other.png")
    with pytest.raises(TruthDoesNotFit, match="The truth must be the same photo, of the same shape"):
        refused(truth=other)
    assert not (tmp_path / "out").exists()


def test_a_truth_of_another_size_is_laid_over_by_its_shape_and_one_of_another_shape_by_its_face(
    workspace: Workspace, sample_damaged: list[Path], sample_truth: list[Path], tmp_path: Path
) -> None:
    whole = images.read_photo(sample_truth[0]).pixels
    height, width = whole.shape[:2]
    larger = images.save_photo(images.resize(whole, (round(1.5 * width), round(1.5 * height))), tmp_path / "larger.png")
    cropped = images.save_photo(whole[:, 4 : width - 30], tmp_path / "cropped.png")
    psnr: list[float] = []
    for n, truth in enumerate((sample_truth[0], larger, cropped)):
        asked = Comparing(sample_damaged[0], tmp_path / str(n), WAYS[:1], truth=truth, device="cpu")
        made = compare(workspace, asked, SilentReport())
        psnr.append(made["rows"][0]["results"][0]["numbers"]["psnr"])
        assert any("laid over each other by the face" in note for note in made["notes"]) is (n == 2)
    assert abs(psnr[1] - psnr[0]) < 1.0
    assert psnr[0] - 6 < psnr[2] <= psnr[0] + 0.5


def test_every_preset_damages_and_the_same_seed_damages_alike(sample_truth: list[Path]) -> None:
    face = images.resize(images.read_photo(sample_truth[0]).pixels, (128, 128))
    for name, lab in PRESETS.items():
        made = damaged(face, lab, 5)
        assert np.array_equal(made, damaged(face, lab, 5)), name
        assert np.abs(made - face).mean() > 0.004, name
        assert made.min() >= 0, name
        assert made.max() <= 1, name
    assert np.array_equal(damaged(face, Lab(), 5), face)


def test_a_sweep_differs_in_one_knob_alone() -> None:
    ways = swept("diffbir", {"steps": 4, "auto": True}, "start", seed=7)
    assert [way.options["start"] for way in ways] == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert {(way.options["steps"], way.options["auto"], way.seed) for way in ways} == {(4, False, None)}
    assert [way.label for way in ways][1] == "Fidelity to Quality 0.25"
    assert [way.options["steps"] for way in swept("diffbir", {}, "steps", seed=0)] == [1, 3, 10, 32, 100]
    assert [way.seed for way in swept("diffbir", {}, "seed", seed=7, count=3)] == [7, 8, 9]
    with pytest.raises(BadOption, match="'sampler' has no range to go through"):
        swept("diffbir", {}, "sampler", seed=0)


def test_sliders_are_read_and_said_in_words() -> None:
    assert read_lab({"blur": 3, "jpeg": 40, "old": ["dust"]}) == (
        "blur 3, JPEG 40, dust",
        Lab(blur=3.0, jpeg=40, old=("dust",)),
    )
    assert described(Lab()) == "no damage"
    with pytest.raises(BadDamage, match=r"noise must be 0 to 60, got 99\."):
        read_lab({"noise": 99})
    with pytest.raises(BadDamage, match="There is no slider 'rain'"):
        read_lab({"rain": 1})
    with pytest.raises(BadDamage, match="There is no old-photo damage 'fire'"):
        read_lab({"old": ["fire"]})


def test_the_command_answers_with_the_fields_that_it_says(sample_truth: list[Path], tmp_path: Path) -> None:
    command = ["compare", str(sample_truth[0]), "--out", str(tmp_path / "out"), "--with", "cleaner", "--damage", "mild"]
    ended = CliRunner().invoke(app, [*command, "--with", "diffbir:steps=1", "--device", "cpu", "--json", "-q"])
    assert ended.exit_code == 0, ended.output
    answer = json.loads(ended.stdout)
    wanted = {name.split(".")[0].removesuffix("[]") for name in fields.FIELDS["compare"]}
    assert set(answer) == wanted
    assert Path(answer["sheets"]["settings"]).is_file()
    assert answer["rows"][0]["results"][1]["options"]["steps"] == 1
    again = CliRunner().invoke(app, command)
    assert again.exit_code == 1
    assert "exists already and is never overwritten" in again.output


def test_a_picture_says_which_restorer_made_it_under_one_damage_and_under_all() -> None:
    parts = (Part(row=0), Part(row=1), Part(way=0), Part(way=1))
    known = {"ways": [{}, {}]}

    def at(number: int) -> BoardView:
        return BoardView(None, known, {}, {}, parts, number, read=True)

    assert [way_of(pane, at(0)) for pane in ("way-0", "way-1", "given", "truth", "")] == [0, 1, -1, -1, 1]
    assert [way_of(pane, at(3)) for pane in ("way-0", "0", "truth", "")] == [1, 1, 1, 1]
