from __future__ import annotations

import numpy as np
import pytest

from engine.evaluation.arms import Arm, Case, means, run_arms
from engine.evaluation.people_table import ARMS, NoPeople, run, table
from engine.evaluation.sheet import draw_sheet, write_sheet
from engine.faces import embed
from engine.images import read_photo
from engine.progress import SilentReport
from tests.toys import drawn_face, shared_toy_prior


def test_every_case_goes_through_every_arm_and_a_perfect_result_has_perfect_figures():
    truth = drawn_face()
    cases = [
        Case("same", truth, truth, np.ones((256, 256), np.float32)),
        Case("dark", truth * 0.5, truth, np.ones((256, 256), np.float32)),
    ]
    ticks = []
    rows, made = run_arms(
        shared_toy_prior(),
        cases,
        [Arm("input", "enlarge"), Arm("cleaner", "cleaner")],
        [embed(truth)],
        tick=lambda done, total: ticks.append((done, total)),
    )
    assert [(r["photo"], r["arm"]) for r in rows] == [(p, a) for p in ("same", "dark") for a in ("input", "cleaner")]
    assert ticks == [(n, 4) for n in range(1, 5)]
    first = rows[0]
    assert first["psnr"] > 60 and first["ssim"] == 1 and first["gmsd"] == 0 and first["sharpness"] == 1
    assert first["identity_truth"] == 0 == first["identity_references"]
    assert rows[2]["psnr"] < 20 and np.array_equal(made["dark", "input"], truth * 0.5)


def test_means_are_taken_over_photos_for_each_arm():
    rows = [{"photo": p, "arm": a, "psnr": v} for p, a, v in (("1", "x", 1.0), ("2", "x", 3.0), ("1", "y", 5.0))]
    assert means(rows) == [{"photo": "mean", "arm": "x", "psnr": 2.0}, {"photo": "mean", "arm": "y", "psnr": 5.0}]


def test_the_table_lists_every_person_and_counts_who_came_nearer():
    rows = [
        {
            "person": p,
            "photo": "1",
            "arm": a,
            "psnr": 20.0,
            "ssim": 0.5,
            "gmsd": 0.1,
            "sharpness": 1.0,
            "identity_truth": v,
        }
        for p, values in (("anna", (0.6, 0.5, 0.5, 0.6, 0.4)), ("bert", (0.6, 0.5, 0.4, 0.6, 0.5)))
        for a, v in zip(ARMS, values, strict=True)
    ]
    told = table(rows)
    assert "| anna | 0.600 | 0.500 | 0.500 | 0.600 | 0.400 |" in told
    assert "| bert |" in told and "1 of 2 people come nearer than blind" in told
    assert "**0.450** ± 0.098" in told


def test_a_sheet_holds_every_face_untouched_below_its_title(tmp_path):
    faces = [[drawn_face(n, 64) for n in range(3)], [drawn_face(n, 64) for n in range(3, 6)]]
    sheet = draw_sheet(["one", "two", "three"], faces)
    height, width = sheet.shape[:2]
    for r, row in enumerate(faces):
        for c, face in enumerate(row):
            y, x = 32 + r * 70, 6 + c * 70
            assert np.abs(sheet[y : y + 64, x : x + 64] - face).max() < 1 / 255
    assert sheet[:30].max() > 0.5 and height == 32 + 2 * 70
    path = tmp_path / "new" / "sheet.png"
    write_sheet(path, ["one", "two", "three"], faces)
    write_sheet(path, ["one", "two", "three"], faces)
    assert read_photo(path).width == width


def test_a_folder_that_holds_no_people_is_refused_in_words(tmp_path, workspace):
    with pytest.raises(NoPeople, match=r"holds 0 folder\(s\)\. Name a folder with a folder of photos for each person"):
        run(workspace, tmp_path / "none", tmp_path / "out", SilentReport(), device="cpu")
