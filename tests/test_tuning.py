from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.prior.settings import Sampling
from engine.progress import SilentReport
from engine.restore import Settings, restore_face
from engine.tuning import RECIPES, BadTunedModel, fingerprint_of, read_tuned, recipe
from engine.tuning.recipe import NoSuchRecipe, TextPivot, explain
from engine.tuning.run import tune
from engine.tuning.views import NoFaces, make_views, read_generic, vary
from engine.weights import WeightsDamaged
from tests.toys import drawn_face, toy_gallery, variants


class Kept(SilentReport):
    def __init__(self):
        self.measures, self.previews, self.stages = [], [], []

    def tick(self, stage, done, total):
        self.stages.append(stage)

    def measure(self, step, values):
        self.measures.append((step, dict(values)))

    def preview(self, name, path):
        self.previews.append((name, path))


@pytest.fixture(scope="module")
def gallery(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gallery")
    return toy_gallery(folder, variants(folder / "given"))


def test_a_tuning_watches_a_photo_that_it_was_not_shown(prior, gallery, tmp_path):
    report = Kept()
    tuned = tune(prior, gallery, RECIPES["toy"], tmp_path / "tuned", report)
    checks = [m for m in report.measures if "identity" in m[1]]
    assert [step for step, _ in checks] == [0, RECIPES["toy"].text.steps]
    assert all(path.is_file() for _, path in report.previews) and len(report.previews) == 2
    assert tuned.manifest["prompt"] == "a photo of a sks woman" == gallery.person.prompt
    assert tuned.manifest["references"] == len(gallery.references)
    assert {"preparing photos", "preparing generic faces", "personalizing"} <= set(report.stages)
    assert read_tuned(tmp_path / "tuned").manifest == tuned.manifest


def test_applying_a_tuned_model_changes_a_variant_and_never_the_prior(prior, gallery, tmp_path):
    before = {k: v.clone() for k, v in prior.denoiser.state_dict().items()}
    strong = replace(RECIPES["toy"], text=replace(RECIPES["toy"].text, rate=0.05))
    tuned = tune(prior, gallery, strong, tmp_path / "tuned", SilentReport())
    settings = Settings(sampling=Sampling(steps=2), prompt=gallery.person.prompt)
    plain = restore_face(prior, drawn_face(size=64), settings).pixels
    variants = {s: tuned.applied_to(prior, strength=s) for s in (0.0, 0.5, 1.0)}
    faces = {s: restore_face(variant, drawn_face(size=64), settings).pixels for s, variant in variants.items()}
    assert np.array_equal(faces[0.0], plain)
    half, whole = (float(np.abs(faces[s] - plain).mean()) for s in (0.5, 1.0))
    assert 0 < half < whole
    assert all(torch.equal(v, before[k]) for k, v in prior.denoiser.state_dict().items())
    assert tuned.applied_to(prior).guide is prior.guide and tuned.applied_to(prior).cleaner is prior.cleaner


def test_a_tuned_model_of_another_prior_is_refused(prior, gallery, tmp_path):
    tuned = tune(prior, gallery, RECIPES["toy"], tmp_path / "tuned", SilentReport())
    other = replace(prior, sha256={**prior.sha256, "denoiser": "1" * 64})
    with pytest.raises(BadTunedModel, match="personalized with another prior: 'pocket'"):
        tuned.applied_to(other)
    file = tuned.folder / "text.safetensors"
    file.write_bytes(file.read_bytes()[:-4])
    with pytest.raises(WeightsDamaged, match=r"text\.safetensors has \d+ bytes"):
        tuned.applied_to(prior)


def test_the_same_inputs_have_the_same_fingerprint_and_any_other_another(prior, gallery):
    toy = RECIPES["toy"]
    first = fingerprint_of(prior, gallery, toy)
    assert first == fingerprint_of(prior, gallery, toy)
    assert first != fingerprint_of(prior, gallery, replace(toy, seed=1))
    assert first != fingerprint_of(prior, gallery, RECIPES["quick"])
    assert first != fingerprint_of(replace(prior, sha256={"denoiser": "1" * 64}), gallery, toy)


def test_views_are_fixed_by_their_seed_and_never_mirrored(prior):
    face = drawn_face(size=64)
    views = [make_views(prior, (face,), each=2, seed=s) for s in (1, 1, 2)]
    assert torch.equal(views[0].cleaned, views[1].cleaned) and not torch.equal(views[0].cleaned, views[2].cleaned)
    assert views[0].good.shape == (2, 48, 16, 16)
    lopsided = face.copy()
    lopsided[:, :32] *= 0.2
    for seed in range(6):
        seen = vary(lopsided, np.random.default_rng(seed))
        assert seen[:, :25].mean() < seen[:, 39:].mean()
    with pytest.raises(NoFaces, match="Add good photos of the person first"):
        make_views(prior, (), each=1, seed=0)


def test_the_generic_faces_ship_with_the_project_and_a_missing_folder_is_named(tmp_path):
    faces = read_generic(64)
    assert len(faces) >= 40 and all(f.shape == (64, 64, 3) for f in faces)
    with pytest.raises(NoFaces, match="are missing"):
        read_generic(64, tmp_path / "none")


def test_recipes_are_found_by_name_and_every_field_explains_itself():
    assert recipe("quick").name == "quick"
    with pytest.raises(
        NoSuchRecipe, match=r"There is no recipe 'huge'. Choose one of: quick, standard, paper, paper-release, toy"
    ):
        recipe("huge")
    told = explain(TextPivot)
    assert {t["name"] for t in told} == set(TextPivot.__dataclass_fields__)
    assert all(t["what"].endswith(".") and t["source"] for t in told)


def test_a_reference_that_is_the_photo_to_be_restored_is_found_by_its_file_or_its_look(gallery, tmp_path):
    from engine import images
    from engine.faces import look
    from engine.people import leave_out
    from engine.workspace import sha256_file

    first, others = gallery.references[0], gallery.references[1:]
    apart = replace(gallery, references=(first, *(replace(r, look=-r.look) for r in others)))
    stay, left = leave_out(apart, sha256_file(gallery.photos / first.photo), None)
    assert [r.id for r in left] == [first.id] and len(stay.references) == len(others)
    assert stay.fingerprint != apart.fingerprint
    pixels = images.read_photo(gallery.photos / first.photo).pixels
    copy = images.save_photo(images.resize(pixels, (200, 200)), tmp_path / "copy.jpg", quality=60)
    small = images.read_photo(copy).pixels
    seen = look(small, replace(first.face, points=(first.face.points + 0.5) * 200 / 256 - 0.5))
    stay, left = leave_out(apart, sha256_file(copy), seen)
    assert [r.id for r in left] == [first.id]
    assert leave_out(apart, "0" * 64, None) == (apart, ())
