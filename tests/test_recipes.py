"""Recipes: described, checked, saved, passed on."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import pytest

from engine.tuning import RECIPES, BadRecipe, GuidePivot, NoSuchRecipe, Recipe, TextPivot, recipe
from engine.tuning.recipe import NAMED_PARTS, check
from engine.tuning.recipe_files import changed, read_recipe, recipe_from, saved_recipes, write_recipe


def test_every_field_of_every_recipe_has_a_meaning_a_source_and_a_range_that_its_value_is_in():
    assert list(RECIPES) == ["quick", "standard", "paper", "paper-release", "toy"]
    for made in RECIPES.values():
        assert check(made) is made and made.summary.endswith(".")
        rows = made.explain()
        assert len(rows) == sum(len(fields(p)) for p in made.pivots.values())
        for row in rows:
            assert row["what"].endswith(".") and row["source"], row["name"]
            bounded = row["low"] is not None or row["choices"] or isinstance(row["value"], (bool, tuple))
            assert bounded, row["name"]
        assert set(made.sources) <= {row["name"] for row in rows}


def test_what_was_not_published_is_said_in_the_paper_recipes():
    told = {row["name"]: row["source"] for row in RECIPES["paper"].explain()}
    assert "not published" in told["text.steps"] and "method figure" in told["guide.faces"]
    release = RECIPES["paper-release"]
    assert (release.text.context, release.text.method, release.text.targets) == ("out", "full", ("all",))
    assert (release.text.steps, release.text.accumulate, release.text.rate) == (2500, 2, 1e-6)
    assert (release.text.class_faces, release.text.class_weight) == (200, 1.0)
    assert (release.guide.steps, release.guide.rate, release.guide.faces) == (800, 5e-5, "person")
    assert release.guide.targets == ("release-first-150",) and "release-first-150" in NAMED_PARTS
    assert RECIPES["paper"].guide.faces == "generic" and RECIPES["paper"].text.context == "in"


def test_a_recipe_is_saved_with_every_field_and_read_back_equal(tmp_path):
    made = changed(
        RECIPES["standard"], {"text.steps": "90", "text.targets": "attention, conv1", "guide.early_stop": "on"}
    )
    made = replace(made, name="mine", sources={"text.steps": "my own trial"})
    path = write_recipe(made, tmp_path / "mine.json")
    assert read_recipe(path) == made and recipe(str(path)) == made
    held = json.loads(path.read_text())
    assert held["text"].keys() == {f.name for f in fields(TextPivot)}
    assert (made.text.steps, made.text.targets, made.guide.early_stop) == (90, ("attention", "conv1"), True)
    (tmp_path / "other.json").write_text("[]")
    assert saved_recipes(tmp_path) == {str(path): made} and saved_recipes(tmp_path / "none") == {}


def test_summary_and_sources_do_not_make_another_tuned_model():
    quick = RECIPES["quick"]
    assert replace(quick, summary="Other words.", sources={}).as_json() == quick.as_json()
    assert replace(quick, seed=1).as_json() != quick.as_json()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"text.steps": "0"}, r"text.steps must be 1 to 100000 \(steps\), got 0"),
        ({"text.steps": "many"}, "text.steps must be a whole number, got 'many'"),
        ({"text.rate": float("nan")}, r"text.rate must be 0 to 10 \(per step\), got nan"),
        ({"text.context": "beside"}, "text.context must be one of in, out, got 'beside'"),
        ({"text.early_stop": "perhaps"}, "text.early_stop must be on or off, got 'perhaps'"),
        ({"text.stepz": "1"}, "There is no field 'text.stepz'. The fields of text are: steps, rate"),
        ({"text.targets": ""}, r"text.targets must be a list of at least one text, got \[\]"),
        ({"guide.steps": "3"}, "Recipe quick has no 'guide.steps': it has no such pivot"),
        ({"text.batch": True}, r"text.batch must be a whole number \(pictures\), got True"),
    ],
)
def test_a_value_outside_its_range_is_told_with_the_range(values, said):
    with pytest.raises(BadRecipe, match=said):
        changed(RECIPES["quick"], values)


def test_a_recipe_needs_a_name_and_a_pivot():
    with pytest.raises(BadRecipe, match="has no pivot: no cleaner, text or guide"):
        check(Recipe("empty", "", None, None))
    with pytest.raises(BadRecipe, match="small letters, digits and dashes"):
        check(Recipe("../x", "", TextPivot(), GuidePivot()))


@pytest.mark.parametrize(
    ("held", "said"),
    [
        ("nothing", "mine.json holds no recipe: it is not JSON|mine.json.* holds no recipe"),
        ("[1]", "mine.json holds no recipe"),
        ('{"name": "a", "text": {"step": 1}}', "mine.json has the unknown field text.step. The fields are: "),
        ('{"name": "a", "text": 3}', "text must hold fields by name, or null"),
        ('{"name": "a", "texts": {}}', "unknown field 'texts'"),
        ('{"name": "a", "text": {}, "version": 9}', "is of version 9 and this Likeness reads 1"),
        ('{"name": "a", "text": {}, "seed": "x"}', "needs a whole number as seed"),
        ('{"name": "a", "text": {"steps": "9"}}', r"text.steps must be a whole number \(steps\), got '9'"),
    ],
)
def test_a_file_that_holds_no_recipe_is_told_in_a_sentence(tmp_path, held, said):
    path = tmp_path / "mine.json"
    path.write_text(held)
    with pytest.raises(BadRecipe, match=said):
        recipe(str(path))


def test_a_recipe_that_is_not_there_is_told_with_those_that_are(tmp_path):
    with pytest.raises(NoSuchRecipe, match=r"no recipe file .*none.json. Name one that is there, or one of: quick"):
        recipe(str(tmp_path / "none.json"))
    assert recipe_from({"name": "small", "text": {}}, "here").text == TextPivot()
