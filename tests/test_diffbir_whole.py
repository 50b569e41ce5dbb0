"""DiffBIR's priors in the whole app at toy size: photos, comparisons, estimates, and every recipe of tuning."""

from __future__ import annotations

import math
import zipfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from engine import images
from engine.prior.diffbir import load as published
from engine.prior.diffbir.convert import WrongFile, convert
from engine.prior.diffbir.kinds import BadWish, Wanted, named
from engine.prior.diffbir.load import STORED, PriorMissing
from engine.prior.diffbir.widths import TOY
from engine.prior.settings import Sampling
from engine.progress import SilentReport
from engine.restore import BadSetting, NoPicture, Settings, restore_face, restore_photo
from engine.restorers import Context, find
from engine.studio import Asked, again, preparing, restoring
from engine.studio.compare import Comparing, Way, compare
from engine.studio.finish import Finish
from engine.studio.shelf import Shelf
from engine.tuning import RECIPES
from engine.tuning.estimate import estimate
from engine.tuning.run import tune
from engine.weights import WeightsDamaged
from tests import diffbir_files as files
from tests.toys import drawn_face, toy_gallery, variants

QUIET = SilentReport()
ONE_STEP = {"steps": 1, "auto": False, "start": 1.0}


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """A folder of weights with version 1 stored, for faces and for photos."""
    root = tmp_path_factory.mktemp("weights")
    given = files.published(tmp_path_factory.mktemp("files"))
    convert("diffbir-v1-face-guide", given / "v1_face.pth", root / STORED, widths=TOY)
    general = {name: tensor * 1.01 for name, tensor in files.network("guide").items()}
    torch.save(general, given / "v1_general.pth")
    convert("diffbir-v1-general-guide", given / "v1_general.pth", root / STORED, widths=TOY)
    convert("sd-2.1-base", given / "v2-1_512-ema-pruned.ckpt", root / STORED, widths=TOY)
    for name in ("diffbir-face-swinir", "diffbir-general-swinir"):
        convert(name, given / "face_swinir_v1.ckpt", root / STORED, widths=TOY)
    return root


@pytest.fixture
def workspace(workspace, shelf, monkeypatch):
    """A data folder with these weights, which are read at their own widths."""
    folder = workspace.weights
    folder.rmdir()
    folder.symlink_to(shelf)
    monkeypatch.setattr(published, "load", partial(published.load, widths=TOY))
    preparing._kept_prior.cache_clear()
    yield workspace
    preparing._kept_prior.cache_clear()


@pytest.fixture(scope="module")
def prior(shelf):
    """For faces of 64 px, which cost a sixty-fourth."""
    made = published.load("diffbir-v1-face", shelf, device="cpu", widths=TOY, wanted=Wanted(precision="fp32"))
    return replace(made, size=64)


# Photos


def test_a_photo_as_large_as_a_crop_is_drawn_as_a_face_is(prior):
    picture = drawn_face(size=64)
    settings = Settings(sampling=Sampling("ddim", 2, 1.0))
    whole = restore_photo(prior, picture, settings, seed=3)
    assert whole.dtype == np.float32
    np.testing.assert_allclose(whole, restore_face(prior, picture, settings, seed=3).pixels, atol=2e-3)


def test_a_photo_of_any_size_is_drawn_in_tiles_and_stays_what_it_was(prior):
    picture = np.ascontiguousarray(drawn_face(size=160)[:100, :150])
    ticks = []
    settings = Settings(sampling=Sampling("ddim", 2, 1.0))
    before = picture.copy()
    made = restore_photo(prior, picture, settings, tick=lambda done, total: ticks.append((done, total)))
    assert made.shape == (100, 150, 3) and made.min() >= 0 and made.max() <= 1
    assert np.array_equal(picture, before) and ticks[-1] == (2, 2)
    assert (made - picture).std() > 1e-3
    # The colour fix keeps the photo's low frequencies, tile or not.
    assert abs(made.mean() - picture.mean()) < 0.1
    with pytest.raises(BadSetting, match="start level of a whole photo must be a number"):
        restore_photo(prior, picture, replace(settings, sampling=replace(settings.sampling, start=None)))


def test_numbers_that_overflow_are_no_picture(prior):
    broken = replace(prior, guide_reads_prompt=False, denoiser=Nowhere(prior.denoiser))
    with pytest.raises(NoPicture, match=r"diffbir-v1-face gave no picture.*diffbir-v1-face:precision=fp32"):
        restore_face(broken, drawn_face(size=64), Settings(sampling=Sampling("ddim", 1, 1.0)))


class Nowhere(torch.nn.Module):
    """A denoiser whose numbers overflow, as some do in half precision."""

    def __init__(self, real):
        super().__init__()
        self.real, self.config = real, real.config

    def forward(self, *given, **named):
        return (self.real(*given, **named)[0] * math.inf,)


def test_what_is_round_a_face_is_drawn_anew_and_said_so(workspace, tmp_path, sample_damaged, monkeypatch):
    monkeypatch.setattr("engine.studio.redrawing.STEPS", 1)
    photo = images.read_photo(sample_damaged[0])
    small = images.resize(photo.pixels, (photo.width // 4, photo.height // 4))
    images.save_photo(small, tmp_path / "small.png")
    finish = Finish(background="diffbir-v1-general", scale="2")
    asked = Asked(tmp_path / "small.png", tmp_path / "drawn.png", "enlarge", finish=finish)
    made = restoring.restore(workspace, asked, QUIET)
    assert made["background"].startswith("diffbir-v1-general (sha256 ")
    told = "What is round the face was drawn anew by diffbir-v1-general, 2 times as large"
    assert any(note.startswith(told) for note in made["notes"])
    left = restoring.restore(workspace, replace(asked, out=tmp_path / "left.png", finish=Finish(scale="2")), QUIET)
    drawn, plain = (images.read_photo(Path(one["result"])).pixels for one in (made, left))
    assert drawn.shape == plain.shape == (2 * small.shape[0], 2 * small.shape[1], 3)
    assert np.abs(drawn - plain)[:8].mean() > 1e-3  # at the border too, far from the face
    repeat = again.read_repeat(Path(made["provenance"]), tmp_path / "small.png")
    assert again.restore_again(workspace, repeat, tmp_path / "again.png", QUIET)["identical"] is True
    with pytest.raises(PriorMissing, match=r"DiffBIR v2 is not complete.*v2\.pth"):
        other = Finish(background="diffbir-v2")
        restoring.restore(workspace, replace(asked, out=tmp_path / "no.png", finish=other), QUIET)
    assert not (tmp_path / "no.png").exists()


# One prior is never taken for another


def test_a_restorer_that_holds_one_prior_is_not_given_for_another(prior):
    from tests.toys import shared_toy_prior

    kept = Shelf(lambda _device: 1 << 40)
    info = find("diffbir")
    pocket = kept.get(info, Context(shared_toy_prior, None, "cpu"))[0]
    large = kept.get(info, Context(lambda: prior, None, "cpu", "diffbir-v1-face"))[0]
    assert pocket.prior.name == "pocket" and large.prior.name == "diffbir-v1-face"
    assert kept.get(info, Context(lambda: pytest.fail("held"), None, "cpu", "diffbir-v1-face"))[0] is large


def test_a_comparison_and_a_result_take_the_prior_that_was_named(workspace, tmp_path, sample_damaged):
    # One after the other in one process: the second must not get the first one's prior.
    for name in ("pocket", "diffbir-v1-face", "diffbir-v1-face:precision=fp32"):
        folder = tmp_path / name.replace(":", "-")
        ways = (Way("diffbir", ONE_STEP),)
        known = compare(workspace, Comparing(sample_damaged[0], folder, ways, device="cpu", prior=name), QUIET)
        file = folder / known["rows"][0]["results"][0]["file"]
        assert images.read_photo(file).pixels.shape == ((256, 256, 3) if name == "pocket" else (512, 512, 3))
    asked = Asked(sample_damaged[0], tmp_path, "diffbir", ONE_STEP, device="cpu", prior=name)
    made = restoring.restore(workspace, asked, QUIET)
    told = again.read_repeat(Path(made["provenance"]), sample_damaged[0]).told
    assert (told["prior_name"], told["precision"]) == (name, "fp32") and set(told["prior"]) >= {"guide", "denoiser"}


@pytest.mark.parametrize("wish", ["precision=fp8", "speed=high", "compile"])
def test_a_wish_that_there_is_not_is_refused_with_those_there_are(wish):
    with pytest.raises(BadWish, match=r"is none of what a prior can be told: precision=auto or fp32 or bf16 or fp16"):
        named(f"diffbir-v2:{wish}")
    assert named("diffbir-v2: precision=bf16, compile=yes")[1] == Wanted(precision="bf16", compiled=True)
    assert named("diffbir-v2")[1] == Wanted()


# Files


def test_a_changed_byte_and_what_is_no_number_are_found_before_a_file_is_used(tmp_path):
    given = files.published(tmp_path / "files")
    path = given / "v1_face.pth"
    whole = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as held:
        at = max(held.infolist(), key=lambda one: one.file_size).header_offset
    whole[at + 2000] ^= 1
    path.write_bytes(whole)
    with pytest.raises(WeightsDamaged, match=r"v1_face\.pth is damaged: its part .* is not as it was written"):
        convert("diffbir-v1-face-guide", path, tmp_path / "stored", widths=TOY)
    guide = {**files.network("guide"), "time_embed.0.bias": torch.full((128,), math.nan)}
    torch.save(guide, path)
    with pytest.raises(WeightsDamaged, match=r"The guide holds what is no number, in time_embedding\.linear_1\.bias"):
        convert("diffbir-v1-face-guide", path, tmp_path / "stored", widths=TOY)
    assert not list((tmp_path / "stored").glob("*"))


def test_a_lora_and_a_base_of_stable_diffusion_1_are_refused_by_name(tmp_path):
    name = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q.lora_down.weight"
    torch.save({name: torch.zeros(4, 320)}, tmp_path / "lora.ckpt")
    with pytest.raises(WrongFile, match=f"holds {name}, which has no place in sd-2.1-base"):
        convert("sd-2.1-base", tmp_path / "lora.ckpt", tmp_path / "stored", widths=TOY)
    with pytest.raises(WrongFile, match="is not the guide of diffbir-v1-face-guide: 323 tensors differ"):
        convert("diffbir-v1-face-guide", tmp_path / "lora.ckpt", tmp_path / "stored", widths=TOY)
    narrow = {k: t[:, :24] if "attn2.to_k" in k and k.startswith("model.") else t for k, t in files.base().items()}
    torch.save(narrow, tmp_path / "sd-v1-5.ckpt")
    with pytest.raises(WrongFile, match=r"attn2\.to_k\.weight is \(32, 24\) and should be \(32, 32\)"):
        convert("sd-2.1-base", tmp_path / "sd-v1-5.ckpt", tmp_path / "stored", widths=TOY)


# The bench


def test_the_bench_loads_restores_and_tunes_drawn_networks(tmp_path):
    from engine.evaluation.bench_full import Size, measure, store_drawn

    size = Size(toy=True)
    store_drawn(tmp_path, size, "cpu")
    for part in ("restore", "text"):
        told = measure(part, tmp_path, size, "cpu")
        assert told["load_seconds"] > 0 and told["step_seconds"] > 0 and told["peak_gib"] > 0.1
        assert told["device"] == "cpu" and told["precision"] in ("bf16", "fp32")


@pytest.mark.parametrize(
    ("name", "part"), [("quick", "cleaner"), ("quick", "text"), ("paper", "text"), ("paper-release", "guide")]
)
def test_the_bench_of_tuning_does_the_recipes_own_steps(tmp_path, name, part):
    from engine.evaluation import bench_tuning
    from engine.evaluation.bench_full import Size, store_drawn

    size, pivot = Size(toy=True), getattr(RECIPES[name], part)
    store_drawn(tmp_path, size, "cpu")
    told = bench_tuning.measure(name, part, tmp_path, size, "cpu", 2)
    assert told["pictures"] == (pivot.batch + getattr(pivot, "class_batch", 0)) * pivot.accumulate
    assert len(told["seconds"]) == 2 and told["lora"] == (pivot.method == "lora")
    rows = bench_tuning._rows("a", told)
    assert [row.unit for row in rows] == ["s", "GiB"] * 2 and all(row.value > 0 for row in rows)


def test_what_is_trained_whole_is_reckoned_beforehand_and_else_trained_by_lora(tmp_path):
    from engine.evaluation import bench_tuning
    from engine.evaluation.bench_full import Size, store_drawn

    whole = bench_tuning.whole_gib("text", Size(), RECIPES["paper"].text)
    assert whole == pytest.approx(865_910_724 * 16 / 2**30)
    assert bench_tuning.whole_gib("text", Size(), RECIPES["quick"].text) == 0
    store_drawn(tmp_path, Size(toy=True), "cpu")
    told = bench_tuning.measure("paper", "text", tmp_path, Size(toy=True), "cpu", 1, free_gib=8.0)
    assert told["lora"] and told["how"].startswith("LoRA, as whole it takes")


# Dual-Pivot Tuning


@pytest.fixture(scope="module")
def gallery(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gallery")
    return toy_gallery(folder, variants(folder / "given", 2))


def shortened(name):
    """A recipe that ships, with one step of each pivot and as few pictures as there can be."""
    made = RECIPES[name]
    few = {"steps": 1, "views": 1, "checks": 0}
    text = replace(made.text, class_faces=1, **few) if made.text is not None else None
    guide = replace(made.guide, face_count=1, **few) if made.guide is not None else None
    cleaner = replace(made.cleaner, steps=1, batch=1, checks=0) if made.cleaner is not None else None
    return replace(made, cleaner=cleaner, text=text, guide=guide)


@pytest.mark.parametrize("name", ["quick", "standard", "paper", "paper-release"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_every_recipe_runs_on_diffbirs_prior(shelf, gallery, tmp_path, name, precision):
    wanted = Wanted(precision=precision)
    prior = replace(
        published.load("diffbir-v1-face", shelf, device="cpu", widths=TOY, wanted=wanted), size=64, smaller=None
    )
    tuned = tune(prior, gallery, shortened(name), tmp_path, QUIET)
    assert tuned.parts == tuple(RECIPES[name].pivots)
    assert all(math.isfinite(loss) for part in tuned.parts for loss in tuned.manifest["losses"][part])
    person = tuned.applied_to(prior)
    settings = Settings(sampling=Sampling("ddim", 1, 1.0), prompt=gallery.person.prompt)
    theirs, anybodys = (restore_face(one, drawn_face(size=64), settings).pixels for one in (person, prior))
    assert np.isfinite(theirs).all() and theirs.shape == anybodys.shape
    if precision == "fp32":
        assert not np.array_equal(theirs, anybodys)


def test_what_is_trained_whole_is_trained_in_float32(shelf):
    from engine.tuning.adapters import trainable, trained_of
    from engine.tuning.recipe import TextPivot

    prior = published.load("diffbir-v1-face", shelf, device="cpu", widths=TOY, wanted=Wanted(precision="bf16"))
    made = trainable(prior.denoiser, TextPivot(method="full", targets=("to_q",)))
    assert {p.dtype for p in trained_of(made, prior.denoiser).values()} == {torch.float32}
    assert {p.dtype for p in prior.denoiser.parameters()} == {torch.bfloat16}


def test_an_estimate_is_made_on_diffbirs_prior(prior, gallery):
    found = estimate(prior, gallery, shortened("standard"))
    assert found.seconds > 0 and found.kept > 10_000 and "memory beside the prior" in found.sentence


def test_a_large_prior_is_tuned_one_picture_at_a_time_without_keeping_activations(
    prior, gallery, tmp_path, monkeypatch
):
    made = shortened("standard")
    usual = tune(prior, gallery, made, tmp_path / "usual", QUIET)
    monkeypatch.setattr("engine.tuning.steps.LARGE", 1)
    told = []
    stage = type(prior.denoiser).enable_gradient_checkpointing

    def told_of(self, *given):
        told.append(self)
        return stage(self, *given)

    monkeypatch.setattr(type(prior.denoiser), "enable_gradient_checkpointing", told_of)
    sparing = tune(prior, gallery, made, tmp_path / "sparing", QUIET)
    assert len(told) == 2  # the one that is trained, and in the guide pivot the one behind the guide
    for part in ("text", "guide"):
        before, after = usual.manifest["losses"][part], sparing.manifest["losses"][part]
        assert before == pytest.approx(after, rel=0.02)
