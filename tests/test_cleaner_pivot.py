"""The cleaner pivot at toy size: what it changes, that it learns the person, and that the pivots after it see it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from engine import degrade, images
from engine.prior.load import networks
from engine.progress import Cancelled, SilentReport
from engine.restore import restore_face
from engine.tuning import CleanerPivot, GuidePivot, Recipe, TextPivot
from engine.tuning.adapters import NoSuchPart
from engine.tuning.cleaner_pivot import CleanerStage, Faces
from engine.tuning.recipe_files import RECIPES, changed
from engine.tuning.run import extend, tune
from engine.tuning.tuned import read_tuned
from tests.test_tuning_run import Kept
from tests.toys import drawn_face, toy_gallery, variants

CLEANER = CleanerPivot(steps=3, batch=1, class_batch=1, class_faces=2, rate=0.01, checks=0, warmup=0)
TEXT = TextPivot(steps=2, batch=1, class_faces=2, views=1, rank=4, alpha=4.0, rate=0.05, checks=0, warmup=0)
GUIDE = GuidePivot(steps=2, batch=1, views=1, face_count=2, rank=4, alpha=4.0, rate=0.05, checks=0, warmup=0)
ALL = Recipe("all", "", TEXT, GUIDE, cleaner=CLEANER)


@pytest.fixture(scope="module")
def gallery(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gallery")
    return toy_gallery(folder, variants(folder / "given", 5))


@pytest.fixture(scope="module")
def tuned(prior, gallery, tmp_path_factory):
    return tune(prior, gallery, ALL, tmp_path_factory.mktemp("tuned"), SilentReport())


def same(one, other):
    a, b = one.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_it_is_tuned_first_and_changes_the_cleaner_alone(prior, tuned):
    before = {name: {k: v.clone() for k, v in net.state_dict().items()} for name, net in networks(prior).items()}
    assert tuned.parts == ("cleaner", "text", "guide")
    made = tuned.applied_to(prior, parts=("cleaner",))
    assert not same(made.cleaner, prior.cleaner)
    assert same(made.denoiser, prior.denoiser) and same(made.guide, prior.guide)
    assert tuned.applied_to(prior, strength=0.0) is prior
    for name, net in networks(prior).items():
        assert all(torch.equal(v, before[name][k]) for k, v in net.state_dict().items()), "the shared prior was changed"


def test_strength_scales_what_the_cleaner_learned(prior, tuned):
    name = next(n for n, p in prior.cleaner.named_parameters() if p.dim() == 4)
    base = prior.cleaner.get_parameter(name)
    half, whole = (
        tuned.applied_to(prior, strength=s, parts=("cleaner",)).cleaner.get_parameter(name) - base for s in (0.5, 1.0)
    )
    assert whole.abs().max() > 0 and torch.allclose(2 * half, whole, atol=1e-6)


def test_steps_bring_damaged_photos_of_the_person_nearer_to_the_good_one(prior):
    mine = drawn_face(1, prior.size)
    pivot = replace(CLEANER, batch=4, class_batch=0, rate=2e-3)
    stage = CleanerStage(prior, pivot, Faces((mine,), (), (1.0,)), seed=0)
    optimiser = torch.optim.AdamW(stage.groups()[0]["params"], lr=2e-3)

    def error(face):
        rng, off = np.random.default_rng(3), []
        cleaner = stage.variant().cleaner
        for _ in range(12):
            with torch.no_grad():
                made = cleaner(images.to_tensor(degrade.degrade(face, rng)))
            off.append(float(((made - images.to_tensor(face)) ** 2).mean()))
        return np.mean(off)

    was = error(mine)
    for step in range(40):
        optimiser.zero_grad()
        stage.losses(stage.draw(step, 0)).mean().backward()
        optimiser.step()
    assert error(mine) < 0.8 * was


def test_what_a_step_sees_depends_on_seed_step_and_retry_alone(prior, gallery):
    def drawn(seed, step, retry):
        faces = Faces(gallery.crops(prior.size), (drawn_face(5, prior.size),), (1.0,) * 5)
        return CleanerStage(prior, CLEANER, faces, seed=seed).draw(step, retry)

    one, again = drawn(0, 4, 0), drawn(0, 4, 0)
    assert torch.equal(one.target, again.target) and torch.equal(one.cleaned, again.cleaned)
    assert one.target.shape == (2, 3, prior.size, prior.size) and one.mask.shape == (2, 1, prior.size, prior.size)
    assert one.kind.tolist() == [0, 1], "the person, then somebody generic"
    assert not torch.equal(one.target, one.cleaned)
    for other in (drawn(1, 4, 0), drawn(0, 5, 0), drawn(0, 4, 1)):
        assert not torch.equal(one.target, other.target)


@pytest.mark.parametrize(("stage", "step"), [("learning the face", 2), ("personalizing", 1)])
def test_a_stopped_run_goes_on_to_the_bits_of_an_unbroken_one(prior, gallery, tuned, tmp_path, stage, step):
    with pytest.raises(Cancelled):
        tune(prior, gallery, ALL, tmp_path, Kept(stage, step))
    again = tune(prior, gallery, ALL, tmp_path, SilentReport())
    for part in again.parts:
        one, other = again.read(part), tuned.read(part)
        assert one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one), part


def test_the_prior_is_tuned_on_faces_that_the_persons_cleaner_cleaned(prior, gallery, tuned, tmp_path):
    without = tune(prior, gallery, replace(ALL, cleaner=None), tmp_path, SilentReport())
    assert without.parts == ("text", "guide")
    one, other = without.read("text"), tuned.read("text")
    assert one.keys() == other.keys() and any(not torch.equal(one[k], other[k]) for k in one)


def test_the_cleaner_is_tuned_further_and_the_rest_stays(prior, gallery, tmp_path):
    made = tune(prior, gallery, ALL, tmp_path, SilentReport())
    before = {part: made.read(part) for part in made.parts}
    more = extend(made, prior, gallery, SilentReport(), cleaner_steps=2)
    assert len(more.manifest["losses"]["cleaner"]) == 5 and more.manifest["recipe"]["cleaner"]["steps"] == 5
    assert any(not torch.equal(more.read("cleaner")[k], before["cleaner"][k]) for k in before["cleaner"])
    for part in ("text", "guide"):
        assert all(torch.equal(more.read(part)[k], before[part][k]) for k in before[part])
    assert read_tuned(tmp_path).parts == ("cleaner", "text", "guide")


def test_the_cleaned_face_is_what_a_restoration_begins_from(prior, tuned):
    face = degrade.degrade(drawn_face(2, prior.size), np.random.default_rng(0))
    plain = restore_face(prior, face)
    mine = restore_face(tuned.applied_to(prior, parts=("cleaner",)), face)
    assert not np.array_equal(plain.cleaned, mine.cleaned) and not np.array_equal(plain.pixels, mine.pixels)


def test_layers_are_chosen_by_name_and_an_unknown_one_is_told(prior):
    faces = Faces((drawn_face(1, prior.size),), (), (1.0,))
    lora = CleanerStage(prior, replace(CLEANER, method="lora", targets=("convolutions", "*"), rank=2), faces, seed=0)
    assert all(".lora_" in name for name in lora.parameters())
    with pytest.raises(NoSuchPart, match="No layer is named 'hair'"):
        CleanerStage(prior, replace(CLEANER, targets=("hair",)), faces, seed=0)


def test_the_recipes_of_the_paper_leave_the_cleaner_as_it_is():
    assert [name for name, made in RECIPES.items() if made.cleaner is not None] == ["quick", "standard"]
    assert changed(RECIPES["quick"], {"cleaner.steps": "7"}).pivots["cleaner"].steps == 7
