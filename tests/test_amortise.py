"""A guide that is tuned once against several personalized priors."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch

from engine.prior import load
from engine.prior.load import networks
from engine.progress import Cancelled, SilentReport
from engine.studio.amortise import amortise_folder
from engine.tuning import BadRecipe, GuidePivot, Recipe, TextPivot
from engine.tuning.amortise import NobodyToAmortise, amortise, save
from engine.tuning.recipe_files import RECIPES, write_recipe
from engine.tuning.run import LossNoNumber
from engine.tuning.views import NoFaces
from tests.toys import drawn_face, face_folder, toy_gallery, variants

TEXT = TextPivot(steps=1, batch=1, class_batch=0, views=1, rank=2, rate=0.05, checks=0, warmup=0)
GUIDE = GuidePivot(steps=3, batch=2, views=1, rank=2, rate=0.02, checks=0, warmup=0)
RECIPE = Recipe("many", "", TEXT, GUIDE)


class StopAt(SilentReport):
    def __init__(self, step=-1):
        self.step, self.seen = step, []

    def tick(self, stage, done, total):
        if stage == "amortising the guide":
            self.seen.append(done)
            if done == self.step:
                raise Cancelled


@pytest.fixture(scope="module")
def galleries(tmp_path_factory):
    folder = tmp_path_factory.mktemp("galleries")
    return [
        toy_gallery(folder / name, variants(folder / f"given-{name}", 2, name), name=name)
        for name in ("face-001.jpg", "face-090.jpg")
    ]


FACES = tuple(drawn_face(n, 64) for n in range(3))


def test_a_guide_is_tuned_against_everybody_and_stored_as_a_prior_of_its_own(prior, galleries, tmp_path):
    before = {part: {k: v.clone() for k, v in net.state_dict().items()} for part, net in networks(prior).items()}
    made = amortise(prior, galleries, FACES, RECIPE, tmp_path / "run", StopAt())
    assert made.people == 2 and len(made.losses) == 3
    for part, net in networks(prior).items():
        assert all(torch.equal(v, before[part][k]) for k, v in net.state_dict().items())
    assert made.prior.denoiser is prior.denoiser and made.prior.text is prior.text
    save(made, {"trained": "today"}, tmp_path / "new")
    stored = load.load(tmp_path / "new", device="cpu")
    assert load.read_manifest(tmp_path / "new")["card"]["amortised"]["people"] == 2
    for part, net in networks(stored).items():
        same = all(torch.equal(v, before[part][k]) for k, v in net.state_dict().items())
        assert same == (part != "guide"), part


def test_a_stopped_amortising_goes_on_to_the_bits_of_an_unbroken_one(prior, galleries, tmp_path):
    whole = amortise(prior, galleries, FACES, RECIPE, tmp_path / "whole", StopAt())
    with pytest.raises(Cancelled):
        amortise(prior, galleries, FACES, RECIPE, tmp_path / "broken", StopAt(2))
    report = StopAt()
    again = amortise(prior, galleries, FACES, RECIPE, tmp_path / "broken", report)
    assert report.seen == [3] and again.losses == whole.losses
    first, second = again.prior.guide.state_dict(), whole.prior.guide.state_dict()
    assert all(torch.equal(first[k], second[k]) for k in second)


def test_a_training_on_other_faces_begins_anew(prior, galleries, tmp_path):
    with pytest.raises(Cancelled):
        amortise(prior, galleries, FACES, RECIPE, tmp_path, StopAt(2))
    report = StopAt()
    amortise(prior, galleries, tuple(drawn_face(n, 64) for n in (7, 8, 9)), RECIPE, tmp_path, report)
    assert report.seen == [1, 2, 3]


def test_a_loss_that_is_no_number_reaches_neither_guide_nor_checkpoint(prior, galleries, tmp_path):
    broken = copy.deepcopy(prior.guide)
    next(broken.mid_block.parameters()).fill_(float("nan"))
    recipe = replace(RECIPE, text=replace(TEXT, context="out"))
    with pytest.raises(LossNoNumber, match=r"no number at step 1 of the guide. Choose a lower rate than 0.02"):
        amortise(replace(prior, guide=broken), galleries, FACES, recipe, tmp_path, SilentReport())
    held = torch.load(tmp_path / "guide.pt", weights_only=True)
    assert held["losses"] == [] and all(torch.isfinite(v).all() for v in held["trained"].values())


def test_one_person_no_faces_or_one_pivot_are_not_enough(prior, galleries, tmp_path):
    with pytest.raises(NobodyToAmortise, match="at least two people; 1 were given"):
        amortise(prior, galleries[:1], FACES, RECIPE, tmp_path, SilentReport())
    with pytest.raises(NoFaces, match="Name a folder of faces"):
        amortise(prior, galleries, (), RECIPE, tmp_path, SilentReport())
    for recipe in (RECIPES["quick"], RECIPES["paper-release"]):
        with pytest.raises(BadRecipe, match="needs both pivots, the guide's on generic faces"):
            amortise(prior, galleries, FACES, recipe, tmp_path, SilentReport())


def test_folders_of_people_and_of_faces_become_a_new_prior(tmp_path, sample_faces):
    from tests.toys import toy_prior

    toy_prior(tmp_path / "old")
    for name in ("ann", "bea"):
        (tmp_path / "people" / name).mkdir(parents=True)
        file = sample_faces[0] if name == "ann" else sample_faces[1]
        (tmp_path / "people" / name / file.name).write_bytes(file.read_bytes())
    faces = face_folder(tmp_path / "faces", 2)
    one_step = replace(RECIPE, guide=replace(GUIDE, steps=1, batch=1, face_count=2))
    recipe = write_recipe(one_step, tmp_path / "many.json")
    where = {"old": tmp_path / "old", "new": tmp_path / "new", "device": "cpu"}
    told = amortise_folder(tmp_path / "people", faces, tmp_path / "out", SilentReport(), recipe=str(recipe), **where)
    assert told["figures"]["people"] == 2 and told["figures"]["steps"] == 1
    assert load.load(tmp_path / "new", device="cpu").name == "pocket"
