"""Evaluations at toy size: every arm, one row a face, a page that needs nothing from outside, and a kill in between."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest

from engine.evaluation import evaluate, evaluation_page
from engine.evaluation.arms import Arm, Case, means, run_arms
from engine.evaluation.evaluate import BadPlan, Plan
from engine.evaluation.evaluation_page import Table
from engine.evaluation.sheet import draw_sheet, write_sheet
from engine.evaluation.variants import contexts, counted, main_of, standing
from engine.faces import embed
from engine.images import read_photo
from engine.progress import SilentReport
from engine.tuning import RECIPES, GuidePivot, Recipe
from engine.tuning.pivots import context_of, in_other_context, pivots_of
from engine.tuning.recipe_files import write_recipe
from engine.workspace import Workspace
from tests.conftest import PERSON, REPOSITORY
from tests.test_cli import here, undocumented
from tests.toys import drawn_face, shared_toy_prior, toy_prior

ARGUMENTS = ("--damage", "hard", "--seeds", 1, "--references", 3)
BOTH = replace(
    RECIPES["toy"],
    name="toy-both",
    guide=GuidePivot(steps=2, batch=1, face_count=2, views=1, rank=4, alpha=4.0, checks=0),
)


class Stages(SilentReport):
    def __init__(self):
        self.seen = []

    def tick(self, stage, done, total):
        self.seen.append((stage, done, total))


@pytest.fixture(scope="module")
def prior_folder(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("prior")
    toy_prior(place)
    return place


@pytest.fixture(scope="module")
def recipe_file(tmp_path_factory) -> Path:
    """Both pivots in a few steps."""
    return write_recipe(BOTH, tmp_path_factory.mktemp("recipes") / "both.json")


@pytest.fixture(scope="module")
def people(tmp_path_factory) -> Path:
    """Two people of a truth each, one of them with a damaged version."""
    place = tmp_path_factory.mktemp("people")
    references = sorted((PERSON / "references").glob("*.jpg"))
    for name, refs, truth in (
        ("Änn & Co", references[:3], "old-01"),
        ("Bert", references[4:6], "old-03"),
    ):
        for part in ("references", "truth"):
            (place / name / part).mkdir(parents=True)
        for photo in refs:
            shutil.copy(photo, place / name / "references")
        shutil.copy(PERSON / "truth" / f"{truth}.jpg", place / name / "truth")
    (place / "Bert" / "damaged").mkdir()
    shutil.copy(PERSON / "damaged" / "old-03.jpg", place / "Bert" / "damaged")
    return place


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def made(people, prior_folder, home, recipe_file):
    plan = Plan(str(recipe_file), ("hard",), seeds=2, references=3, ablation=True, prior=prior_folder, device="cpu")
    return evaluate.run(Workspace(home), people, SilentReport(), plan)


@pytest.fixture(scope="module")
def out(made, tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("out")
    evaluation_page.write(made, place)
    return place


def test_every_face_of_everybody_goes_through_every_arm(made):
    arms = [v.name for v in made.variants]
    assert arms[:5] == ["damaged", "cleaner", "blind", "equal steps", "wrong person"]
    assert made.main.name == arms[-1] and made.main.parts == ("text", "guide")
    assert arms[5:] == ["text pivot", "guide pivot", "both pivots"]
    faces = {(r.person, r.damage, r.photo, r.seed) for r in made.rows if r.arm == "blind"}
    hard = {(name, "hard", f"old-0{n}.jpg", s) for name, n in (("Änn & Co", 1), ("Bert", 3)) for s in (0, 1)}
    assert faces == hard | {("Bert", "given", "old-03.jpg", s) for s in (0, 1)}
    for arm in arms:
        mine = [(r.person, r.damage, r.photo, r.seed) for r in made.rows if r.arm == arm]
        assert set(mine) == faces and len(mine) == len(faces)
    assert "Bert has 2 references of the 3 asked for." in made.notes


def test_the_arms_differ_where_they_should(made):
    def figures(arm, seed=0, damage="hard"):
        return [(r.psnr, r.identity_truth) for r in made.rows if (r.arm, r.seed, r.damage) == (arm, seed, damage)]

    arms = [v.name for v in made.variants]
    told = [tuple(figures(arm)) for arm in arms]
    assert len(set(told)) == len(arms)
    assert figures("damaged", 0) != figures("damaged", 1)  # another draw
    assert figures("damaged", 0, "given") == figures("damaged", 1, "given")
    assert 0 < made.ceilings["Bert"] < 0.6
    pictured = {(kind, arm) for kind, _, _, arm in made.pictures}
    assert pictured >= {(kind, arm) for kind in ("hard", "given") for arm in arms}
    damaged = made.pictures["hard", "Bert", "old-03.jpg", "damaged"]
    row = next(r for r in made.rows if (r.person, r.arm, r.seed, r.damage) == ("Bert", "damaged", 0, "hard"))
    (bert,) = (t for t in made.cohort if t.name == "Bert")
    assert np.linalg.norm(embed(read_photo(damaged).pixels) - bert.truths[0].seen.embedding) == pytest.approx(
        row.identity_truth, abs=1e-4
    )


def test_the_ablation_has_fewer_references_of_those_who_have_enough(made):
    assert [v.references for v in made.counts] == [1, 3]
    one = made.counts[0].name
    assert one.endswith(", 1 reference") and {r.person for r in made.rows if r.arm == one} == {"Änn & Co"}
    assert {v.name for v in made.contexts} <= {row.arm for row in made.rows} and made.contexts


def test_the_same_again_repeats_nothing(made, people, prior_folder, home):
    before = {p: p.stat().st_mtime_ns for p in (home / "cache").rglob("*") if p.is_file()}
    stages = Stages()
    again = evaluate.run(Workspace(home), people, stages, made.plan)
    assert again.rows == made.rows or [r.as_json() for r in again.rows] == [r.as_json() for r in made.rows]
    assert {p: p.stat().st_mtime_ns for p in (home / "cache").rglob("*") if p.is_file()} == before
    assert not any("personalizing" in stage for stage, _, _ in stages.seen)


def test_arms_without_a_person_are_not_made_again_for_another_recipe(made, people, prior_folder, home, tmp_path):
    other = tmp_path / "home"
    shutil.copytree(home, other)
    trials = other / "cache" / "evaluation" / "trials"
    before = set(trials.glob("*.json"))
    changed = replace(BOTH, name="other", seed=5)
    made_of = {v.name: v for v in standing(changed, 3)}
    assert set(made_of) == {v.name for v in made.variants}
    keys = {}
    for recipe in (BOTH, changed):
        run = evaluate._Run(made.plan, recipe, list(made.cohort), shared_toy_prior(), other, SilentReport())
        for name in ("damaged", "cleaner", "blind"):
            trial = next(run._trials(made.cohort[0], next(v for v in standing(recipe, 3) if v.name == name)))
            keys.setdefault(name, set()).add(evaluate.trials.key_of(run.prior, trial))
    assert all(len(found) == 1 for found in keys.values()) and len(set.union(*keys.values())) == 3
    assert set(trials.glob("*.json")) == before


class Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found, self.text = [], []

    def handle_starttag(self, tag, attrs):
        self.found += [value for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_shows_tables_and_pictures_and_needs_nothing_from_outside(made, out):
    page = Links()
    page.feed((out / "index.html").read_text(encoding="utf-8"))
    assert len(page.found) == 3 and all((out / unquote(link)).is_file() for link in page.found)
    text = " ".join(page.text)
    assert "Änn & Co" in text and "claim reached: " in text and "truth to references" in text
    sheet = read_photo(out / "people.jpg")
    assert sheet.width == 6 * (256 + 6) + 6  # damaged, cleaner, blind, wrong person, the person's own, truth
    assert sheet.height == 26 + 6 + 2 * (256 + 6)
    of_ann = read_photo(out / "sheets" / "Änn & Co.jpg")
    assert of_ann.width == (len(made.variants) + len(made.contexts) + 2) * (256 + 6) + 6


def test_tables_and_rows_say_the_same(made, out):
    with (out / "people.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(made.rows) and rows[0] == {k: str(v) for k, v in made.rows[0].as_json().items()}
    held = json.loads((out / "people.json").read_text())
    assert held["rows"] == [row.as_json() for row in made.rows]
    text = (out / "people.md").read_text(encoding="utf-8")
    asked = {"person": "Bert", "damage": "hard", "arm": "blind"}
    bert = np.mean([float(r["identity_truth"]) for r in rows if asked.items() <= r.items()])
    line = next(line for line in text.splitlines() if line.startswith("| Bert |"))
    assert line.split(" | ")[3] == f"{bert:.3f}" and line.endswith(f"| {made.ceilings['Bert']:.3f} |")
    assert len(re.findall(r"^- claim reached: (yes|no) \((hard|given)\)\. ", text, re.MULTILINE)) == 4
    assert "**Number of references, the first 1 people" in text
    both = next(s for s in held["summary"] if (s["damage"], s["arm"]) == ("hard", made.main.name))
    blind = next(s for s in held["summary"] if (s["damage"], s["arm"]) == ("hard", "blind"))
    assert both["to_blind"]["identity_truth"]["mean"] == pytest.approx(
        both["identity_truth"] - blind["identity_truth"], abs=2e-4
    )


@pytest.mark.slow
def test_a_killed_evaluation_goes_on_and_ends_as_an_unbroken_one(
    made, people, prior_folder, recipe_file, home, tmp_path, capsys
):
    mine = tmp_path / "mine"
    shutil.copytree(home / "cache" / "evaluation" / "photos", mine / "cache" / "evaluation" / "photos")
    arguments = ("evaluate", people, "--out", tmp_path / "out", *ARGUMENTS, "--prior", prior_folder)
    arguments = (*arguments, "--recipe", recipe_file, "--workspace", mine, "--device", "cpu", "--json")
    command = [sys.executable, str(REPOSITORY / "app.py"), *map(str, arguments)]
    running = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    trials, ends = mine / "cache" / "evaluation" / "trials", time.monotonic() + 240
    while len(list(trials.glob("[!.]*.json"))) < 3 and running.poll() is None and time.monotonic() < ends:
        time.sleep(0.01)
    assert running.poll() is None, "it ended before it could be killed"
    os.kill(running.pid, signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL
    done = {p: p.stat().st_mtime_ns for p in mine.rglob("*.json") if "evaluation" in p.parts and p.name[0] != "."}
    arms = {v.name for v in made.variants}
    whole = [row.as_json() for row in made.rows if row.arm in arms and row.seed == 0]
    assert len([p for p in done if p.parent == trials]) >= 3
    assert not (tmp_path / "out").exists()
    ended = here(capsys, *arguments)
    assert ended.code == 0, ended.err
    assert {path: path.stat().st_mtime_ns for path in done} == done
    assert json.loads((tmp_path / "out" / "people.json").read_text())["rows"] == whole
    assert undocumented("evaluate", ended.value) == set()
    assert not list(mine.rglob(".*.part"))


def test_arms_follow_from_what_a_recipe_tunes():
    text, guide = RECIPES["quick"].text, RECIPES["standard"].guide
    whole = Recipe("whole", "", text, guide)
    assert pivots_of(whole) == ("text", "guide") and pivots_of(Recipe("half", "", text)) == ("text",)
    variants = standing(whole, 10)
    assert [v.name for v in variants[5:]] == ["text pivot", "guide pivot", "both pivots"]
    assert [v.parts for v in variants[3:]] == [*[("text", "guide")] * 2, ("text",), ("guide",), ("text", "guide")]
    assert [v.whose for v in variants] == ["", "", "", "nobody", "next", "own", "own", "own"]
    assert main_of(variants).name == "both pivots"
    guide_only = Recipe("guide", "", None, guide)
    assert main_of(standing(guide_only, 10)).name == "guide pivot"
    assert context_of(guide_only) == "" and contexts(guide_only, 10) == []
    assert [v.name for v in counted(main_of(variants), (1, 3))] == [
        "both pivots, 1 reference",
        "both pivots, 3 references",
    ]


def test_the_other_context_is_the_same_recipe_but_for_it():
    within = RECIPES["standard"]
    without = in_other_context(within)
    assert without is not None and without.guide == within.guide and without.text != within.text
    assert (context_of(within), context_of(without)) == ("in context", "out of context")
    assert in_other_context(without) == within
    found = contexts(within, 10)
    assert [v.name for v in found] == ["text pivot, out of context", "all pivots, out of context"]
    assert all(v.recipe == without for v in found) and contexts(without, 10)[0].name == "text pivot, in context"


def test_a_plan_that_measures_nothing_is_refused(tmp_path, workspace):
    for plan in (Plan(seeds=0), Plan(references=0), Plan(damage=())):
        with pytest.raises(BadPlan, match="At least one seed, reference and damage are needed"):
            evaluate.run(workspace, tmp_path, SilentReport(), plan)


def test_a_table_is_the_same_in_markdown_and_html():
    table = Table("A < B", ("arm", "x"), (("one", "1"), ("<two>", "2")), "Note.")
    assert table.markdown() == "**A < B**\n\n| arm | x |\n|---|---|\n| one | 1 |\n| <two> | 2 |\n\nNote.\n"
    assert table.html() == (
        "<h2>A &lt; B</h2><table><tr><th>arm</th><th>x</th></tr><tr><td>one</td><td>1</td></tr>"
        "<tr><td>&lt;two&gt;</td><td>2</td></tr></table><p>Note.</p>"
    )


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
