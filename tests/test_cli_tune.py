"""`tune`, `recipes`, `export-lora` and `restore-as` as users have them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from engine import images
from engine.faces import distance, embed
from engine.studio.preparing import library
from engine.studio.swap import blur_face
from engine.tuning import RECIPES
from engine.tuning.views import GENERIC
from engine.workspace import Workspace
from tests.test_cli import Ended, here, undocumented


def test_recipes_are_listed_shown_and_saved_with_changes(capsys, tmp_path):
    listed = here(capsys, "recipes", "list", "--json")
    assert [r["name"] for r in listed.value["recipes"]] == list(RECIPES)
    assert undocumented("recipes list", listed.value) == set()
    shown = here(capsys, "recipes", "show", "paper", "--json")
    assert undocumented("recipes show", shown.value) == set()
    steps = next(f for f in shown.value["fields"] if f["name"] == "text.steps")
    assert (steps["value"], steps["unit"], steps["low"]) == (2500, "steps", 1) and "not published" in steps["source"]
    plain = here(capsys, "recipes", "show", "quick").out
    assert "text.rate = 0.001 per step" in plain and "Source: " in plain
    out = tmp_path / "Mine.json"
    saved = here(
        capsys, "recipes", "save", "quick", out, "--set", "text.steps=9", "--set", "text.early_stop=on", "--json"
    )
    assert undocumented("recipes save", saved.value) == set() and saved.value["recipe"]["name"] == "mine"
    held = json.loads(out.read_text())["text"]
    assert (held["steps"], held["early_stop"]) == (9, True)
    assert here(capsys, "recipes", "show", out).out.startswith("mine: ")
    for arguments, said in (
        (("quick", out), f"{out} exists already and is never overwritten. Choose another name."),
        (("quick", tmp_path / "a.txt"), "must end in .json"),
        (("quick", tmp_path / "a.json", "--set", "text.steps"), "A field is given as NAME=VALUE"),
        (("quick", tmp_path / "a.json", "--set", "text.steps=0"), "text.steps must be 1 to 100000 (steps), got 0."),
        (("none", tmp_path / "a.json"), "There is no recipe 'none'."),
    ):
        refused = here(capsys, "recipes", "save", *arguments)
        assert refused.code == 1 and said in refused.complaint
    assert not (tmp_path / "a.json").exists()


def test_a_blurred_face_is_nobodys():
    face = images.resize(images.read_photo(GENERIC / "face-001.jpg").pixels, (256, 256))
    blurred = blur_face(face)
    assert distance(embed(face), embed(blurred)) > 0.6
    assert np.abs(blurred.mean((0, 1)) - face.mean((0, 1))).max() < 0.02


def test_nobody_gets_another_face_without_consent(capsys, tmp_path, sample_damaged):
    refused = here(capsys, "restore-as", sample_damaged[0], "--as", "Ann", "--workspace", tmp_path / "home")
    assert refused.code == 1
    assert refused.complaint.endswith("Say --consent when both have agreed to it.")


@pytest.mark.parametrize("more", [("tune", "--estimate"), ("tune", "--more", "1"), ("export-lora", "ann.safetensors")])
def test_what_is_asked_of_a_prior_that_is_not_there_is_not_answered_for_another(capsys, tmp_path, monkeypatch, more):
    monkeypatch.chdir(tmp_path)
    command, *rest = more
    library(Workspace(tmp_path / "home")).create("Ann")
    refused = here(capsys, command, "Ann", *rest, "--prior", "diffbir-v2", "--workspace", tmp_path / "home")
    assert refused.code == 1 and "DiffBIR" in refused.complaint and "weights" in refused.complaint


@pytest.mark.slow
def test_a_person_is_estimated_tuned_tuned_further_exported_and_put_in_the_place_of_another(
    capsys, tmp_path, monkeypatch, sample_faces
):
    monkeypatch.chdir(tmp_path)
    home = ("--workspace", tmp_path / "home")

    def said(command: str, *arguments: str | Path) -> Ended:
        made = here(capsys, command, *arguments, "--json", *home)
        assert made.code == 0, made.err
        if command != "people":
            assert undocumented(command, made.value) == set()
        return made

    said("people", "add", "Ann", *sample_faces[:3])
    recipe = tmp_path / "one-step.json"
    chosen = (
        "cleaner.steps=1",
        "cleaner.batch=1",
        "text.steps=1",
        "text.views=1",
        "text.class_faces=1",
        "text.batch=1",
        "guide.steps=1",
        "guide.batch=1",
    )
    chosen += ("guide.views=1", "guide.face_count=1")
    here(capsys, "recipes", "save", "standard", recipe, *(part for one in chosen for part in ("--set", one)))
    estimated = said("tune", "Ann", "--recipe", recipe, "--estimate").value
    assert estimated["estimate"]["seconds"] > 0 and estimated["tuned"] == ""
    assert not list((tmp_path / "home" / "people").glob("*/tuned/*"))
    first = said("tune", "Ann", "--recipe", recipe).value
    assert first["parts"] == ["cleaner", "text", "guide"] and "none is held out" in first["notes"][0]
    more = said("tune", "Ann", "--recipe", recipe, "--more", "1").value
    assert more["tuned"] == first["tuned"] and more["fingerprint"] != first["fingerprint"]
    lora = tmp_path / "ann.safetensors"
    exported = said("export-lora", "Ann", lora, "--recipe", recipe).value
    assert exported["prompt"] == "a photo of a sks person" and lora.stat().st_size > 100_000
    other = GENERIC / "face-090.jpg"
    made = said("restore-as", other, "--as", "Ann", "--recipe", recipe, "--consent").value
    assert Path(made["result"]).is_file() and Path(made["blurred"]).name == "face-090-blurred.png"
    assert made["notes"][0].startswith("This face was made up") and made["person"] == "Ann"
    told = json.loads(Path(made["provenance"]).read_text())
    assert (told["photo"], told["options"]["start"]) == ("face-090-blurred.png", 0.5)
    assert told["tuned"] == more["fingerprint"]
