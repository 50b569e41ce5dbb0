"""A tuning that is stopped, killed, starved or fed nonsense: it goes on, or says what is wrong, and loses nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from engine import images
from engine.progress import Cancelled, SilentReport
from engine.tuning import BadRecipe, BadTunedModel, GuidePivot, Recipe, TextPivot, read_tuned
from engine.tuning import run as running
from engine.tuning.estimate import estimate, room_for
from engine.tuning.identity_loss import MOBILE, IdentityLoss, MobileFaceNet, NoRecogniser, aligned, identity_loss
from engine.tuning.optimisers import OptimiserMissing, optimiser_of, set_rate
from engine.tuning.recipe_files import RECIPES
from engine.tuning.references import choose, year_of
from engine.tuning.run import LossNoNumber, NotEnoughMemory, extend, tune
from tests.toys import small_toy_prior, toy_gallery, variants

TEXT = TextPivot(steps=3, batch=1, class_faces=2, views=1, rank=2, alpha=2.0, rate=0.02, checks=1, warmup=0)
GUIDE = GuidePivot(steps=3, batch=1, views=1, face_count=2, rank=2, alpha=2.0, rate=0.02, checks=1, warmup=0)
BOTH = Recipe("both", "", TEXT, GUIDE)
REPOSITORY = Path(__file__).resolve().parents[1]


class Kept(SilentReport):
    """Keeps what it is told, and presses Stop at one tick."""

    def __init__(self, stage="", step=-1):
        self.stop, self.ticks, self.notes, self.measures, self.previews = (stage, step), [], [], [], []

    def tick(self, stage, done, total):
        self.ticks.append((stage, done))
        if (stage, done) == self.stop:
            raise Cancelled

    def note(self, sentence):
        self.notes.append(sentence)

    def measure(self, step, values):
        self.measures.append((step, dict(values)))

    def preview(self, name, path):
        self.previews.append(path)


@pytest.fixture(scope="module")
def gallery(tmp_path_factory):
    """Four references: one is held out."""
    folder = tmp_path_factory.mktemp("gallery")
    return toy_gallery(folder, variants(folder / "given", 4))


@pytest.fixture(scope="module")
def few(gallery):
    return replace(gallery, references=gallery.references[:2])


@pytest.fixture(scope="module")
def whole(prior, gallery, tmp_path_factory):
    """An unbroken run of both pivots and what it reported."""
    report = Kept()
    return tune(prior, gallery, BOTH, tmp_path_factory.mktemp("whole"), report), report


def equal(one, other):
    return all(
        one.read(part).keys() == other.read(part).keys()
        and all(torch.equal(v, other.read(part)[k]) for k, v in one.read(part).items())
        for part in ("text", "guide")
    )


def test_a_run_tells_stage_step_speed_memory_loss_and_the_held_out_photo(whole):
    tuned, report = whole
    assert [t for t in report.ticks if t[0] in ("personalizing", "steadying the guide")] == [
        *(("personalizing", n) for n in (1, 2, 3)),
        *(("steadying the guide", n) for n in (1, 2, 3)),
    ]
    steps = [(step, values) for step, values in report.measures if "loss" in values]
    assert [step for step, _ in steps] == [1, 2, 3, 4, 5, 6]
    assert all(v["samples_per_second"] > 0 and v["memory_mb"] > 1 for _, v in steps)
    checks = tuned.manifest["checks"]
    assert [(c["step"], c["stage"]) for c in checks] == [(0, "text"), (3, "text"), (6, "guide")]
    assert all(0 < c["identity"] < 2 and 0 < c["gmsd"] < 1 for c in checks)
    assert [p.name for p in report.previews] == ["step-00000.png", "step-00003.png", "step-00006.png"]
    assert images.read_photo(report.previews[0]).pixels.shape == (64, 192, 3)
    known = tuned.manifest
    assert [len(known["losses"][part]) for part in ("text", "guide")] == [3, 3]
    assert known["resumes"] == "bit-identical" and known["versions"]["torch"] == torch.__version__
    assert known["prior_name"] == "pocket" and known["held_out"] and known["seconds"] > 0
    assert sorted(p.name for p in tuned.folder.iterdir()) == [
        "guide.safetensors",
        "manifest.json",
        "samples",
        "state.json",
        "text.safetensors",
    ]


@pytest.mark.parametrize(("stage", "step"), [("personalizing", 2), ("steadying the guide", 1)])
def test_a_stopped_run_goes_on_to_the_bits_of_an_unbroken_one(prior, gallery, whole, tmp_path, stage, step):
    with pytest.raises(Cancelled):
        tune(prior, gallery, BOTH, tmp_path, Kept(stage, step))
    with pytest.raises(BadTunedModel, match="holds no finished tuned model"):
        read_tuned(tmp_path)
    left = json.loads((tmp_path / "state.json").read_text())
    done = step if stage == "personalizing" else 3 + step
    assert left == {"step": done, "of": 6, "part": left["part"], "recipe": BOTH.name}
    report = Kept()
    again = tune(prior, gallery, BOTH, tmp_path, report)
    assert equal(again, whole[0])
    for key in ("losses", "checks", "fingerprint"):
        assert again.manifest[key] == whole[0].manifest[key]
    assert (stage, step) not in report.ticks and (stage, step + 1) in report.ticks


def test_prodigy_and_a_learned_token_resume_to_the_same_bits_and_print_nothing(prior, few, tmp_path, capsys):
    kind = replace(TEXT, checks=0, optimiser="prodigy", rate=1.0, text_encoder="token", class_batch=0)
    recipe = Recipe("learned", "", kind)
    unbroken = tune(prior, few, recipe, tmp_path / "unbroken", SilentReport()).read("text")
    with pytest.raises(Cancelled):
        tune(prior, few, recipe, tmp_path / "broken", Kept("personalizing", 2))
    again = tune(prior, few, recipe, tmp_path / "broken", SilentReport()).read("text")
    assert unbroken.keys() == again.keys() and all(torch.equal(v, again[k]) for k, v in unbroken.items())
    assert any(name.endswith(".rows") for name in again)
    assert capsys.readouterr().out == ""


KILLED = """
import sys, time
from dataclasses import replace
from pathlib import Path
from engine.prior import load
from engine.progress import SilentReport
from engine.tuning import run
from tests.test_tuning_run import BOTH
from tests.toys import toy_gallery, variants
here = Path(sys.argv[1])
run.SAVE_EVERY_SECONDS = 0.0
class Slow(SilentReport):
    def tick(self, stage, done, total):
        if (stage, done) == ("personalizing", 2):
            print("now", flush=True)
            time.sleep(60)
gallery = toy_gallery(here / "gallery", variants(here / "given", 4))
run.tune(replace(load.load(here / "prior", device="cpu"), size=64), gallery, BOTH, here / "tuned", Slow())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_kill_9_loses_at_most_what_came_after_the_last_checkpoint(whole, tmp_path):
    prior = small_toy_prior(tmp_path / "prior")
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, tmp_path], stdout=subprocess.PIPE, text=True, env=environment
    ) as running_there:
        assert running_there.stdout is not None and running_there.stdout.readline() == "now\n"
        running_there.send_signal(signal.SIGKILL)
    gallery = toy_gallery(tmp_path / "again", variants(tmp_path / "given-again", 4))
    report = Kept()
    tuned = tune(prior, gallery, BOTH, tmp_path / "tuned", report)
    assert [n for stage, n in report.ticks if stage == "personalizing"] == [3]
    assert equal(tuned, whole[0])


def test_a_look_that_is_asked_for_comes_after_the_step_and_changes_nothing_else(prior, gallery, whole, tmp_path):
    asked = iter([False, True, False, False, True, False])
    report = Kept()
    tuned = tune(prior, gallery, BOTH, tmp_path, report, look_asked=lambda: next(asked))
    assert [check["step"] for check in tuned.manifest["checks"]] == [0, 2, 3, 5, 6]
    assert equal(tuned, whole[0])


def test_a_look_needs_a_photo_kept_aside_and_says_so(prior, few, tmp_path):
    report = Kept()
    tune(prior, few, replace(BOTH, guide=None), tmp_path, report, look_asked=lambda: True)
    assert report.previews == []
    assert any("4 photos or more" in note for note in report.notes)


def test_a_finished_model_is_tuned_further_in_its_place(prior, few, tmp_path):
    recipe = Recipe("short", "", replace(TEXT, checks=0))
    first = tune(prior, few, recipe, tmp_path, SilentReport())
    before = first.read("text")
    with pytest.raises(BadRecipe, match="Say how many more steps of the text pivot"):
        extend(first, prior, few, SilentReport(), guide_steps=2)
    with pytest.raises(Cancelled):
        extend(first, prior, few, Kept("personalizing", 1), text_steps=2)
    assert read_tuned(tmp_path).fingerprint == first.fingerprint and read_tuned(tmp_path).read("text").keys()
    report = Kept()
    more = extend(read_tuned(tmp_path), prior, few, report, text_steps=2)
    assert [n for stage, n in report.ticks if stage == "personalizing"] == [2]
    assert more.manifest["recipe"]["text"]["steps"] == 5 and len(more.manifest["losses"]["text"]) == 5
    assert more.manifest["extended"] == [{"from": first.fingerprint, "text": 2}]
    assert more.fingerprint != first.fingerprint and read_tuned(tmp_path).manifest == more.manifest
    assert any(not torch.equal(v, before[k]) for k, v in more.read("text").items())
    assert len(list(tmp_path.glob("*.safetensors"))) == 1


class Faulty(torch.nn.Module):
    """A real denoiser on a machine that fails: no number at some calls, or room for few pictures only."""

    _supports_gradient_checkpointing = True

    def __init__(self, net, *, nan_at=(), room=99):
        super().__init__()
        self.net, self.nan_at, self.room, self.calls, self.saving = net, nan_at, room, [0], False

    def enable_gradient_checkpointing(self):
        self.saving = True
        self.net.enable_gradient_checkpointing()

    def forward(self, noisy, *given, **options):
        made = self.net(noisy, *given, **options)
        if not torch.is_grad_enabled():
            return made
        if len(noisy) > self.room and not (self.room == 0 and self.saving):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        self.calls[0] += 1
        return (made[0] * float("nan"),) if self.calls[0] in self.nan_at else made


def on_machine(prior, **faults):
    return replace(prior, denoiser=Faulty(prior.denoiser, **faults).requires_grad_(False))


def test_a_loss_that_is_no_number_goes_back_to_the_last_good_state_and_says_so(prior, few, tmp_path):
    recipe = Recipe("short", "", replace(TEXT, class_batch=0))
    report = Kept()
    tuned = tune(on_machine(prior, nan_at=(3,)), few, recipe, tmp_path / "once", report)
    assert "The loss was no number at step 3: back to step 0, on with 0.5 times the rate." in report.notes
    assert tuned.manifest["notes"] == report.notes and len(tuned.manifest["losses"]["text"]) == 3
    assert all(torch.isfinite(v).all() for v in tuned.read("text").values())
    with pytest.raises(LossNoNumber, match=r"no number 6 times, last at step 1. Choose a lower rate than 0.02"):
        tune(on_machine(prior, nan_at=range(99)), few, recipe, tmp_path / "always", Kept())
    held = torch.load(tmp_path / "always" / "checkpoint.pt", weights_only=True)
    assert all(torch.isfinite(v).all() for v in held["trained"].values())


def test_too_little_memory_takes_the_next_smaller_setting_and_goes_on(prior, few, tmp_path):
    recipe = Recipe("wide", "", replace(TEXT, steps=1, batch=3))
    report = Kept()
    smaller = tune(on_machine(prior, room=1), few, recipe, tmp_path / "small", report)
    assert [n for n in report.notes if "not enough memory" in n] == [
        f"There was not enough memory at step 1: {n} picture(s) at a time are computed from now on, "
        "which gives the same steps more slowly."
        for n in (2, 1)
    ]
    plain = tune(on_machine(prior), few, recipe, tmp_path / "large", SilentReport())
    assert smaller.manifest["losses"]["text"] == pytest.approx(plain.manifest["losses"]["text"], rel=1e-4)
    report = Kept()
    tune(on_machine(prior, room=0), few, recipe, tmp_path / "tiny", report)
    assert any("activations are computed twice from now on" in n for n in report.notes)
    with pytest.raises(NotEnoughMemory, match="A single picture does not fit into the memory of cpu"):
        tune(on_machine(prior, room=-1), few, recipe, tmp_path / "none", Kept())


def test_a_full_disk_at_a_checkpoint_keeps_the_one_before_and_the_run_goes_on(prior, few, tmp_path, monkeypatch):
    """A real full disk: a limit on how large this process may write a file."""
    resource = pytest.importorskip("resource")
    recipe = Recipe("short", "", replace(TEXT, checks=0))
    monkeypatch.setattr(running, "SAVE_EVERY_SECONDS", 0.0)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    class FullAt(Kept):
        def tick(self, stage, done, total):
            super().tick(stage, done, total)
            if (stage, done) == ("personalizing", 1):
                self.held = (tmp_path / "checkpoint.pt").read_bytes()
                resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, before[1]))
            elif (stage, done) == ("personalizing", 2):
                resource.setrlimit(resource.RLIMIT_FSIZE, before)
                assert (tmp_path / "checkpoint.pt").read_bytes() == self.held

    report = FullAt()
    try:
        tuned = tune(prior, few, recipe, tmp_path, report)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    said = [n for n in report.notes if "the disk is full" in n]
    assert len(said) == 1 and said[0].endswith("The checkpoint before it is whole, and the tuning goes on.")
    assert len(tuned.manifest["losses"]["text"]) == 3


def test_fewer_than_four_references_work_with_fixed_steps_and_say_so(prior, few, tmp_path):
    report = Kept()
    recipe = Recipe("short", "", replace(TEXT, early_stop=True))
    tuned = tune(prior, few, recipe, tmp_path, report)
    assert tuned.manifest["checks"] == [] and not tuned.manifest["held_out"] and report.previews == []
    assert report.notes[0].startswith("There are 2 reference(s): none is held out to watch, and all 3 steps are done.")
    assert "Early stopping needs a held-out reference; all 3 steps are done." in report.notes


def test_early_stopping_takes_the_best_by_identity_and_gmsd_together(prior, gallery, tmp_path):
    # So fast a rate gets nearer at first and then spoils it; one worse look ends the pivot.
    wild = replace(TEXT, steps=12, checks=12, rate=0.5, top_level=1.0, early_stop=True, patience=1, class_batch=0)
    tuned = tune(prior, gallery, Recipe("wild", "", wild), tmp_path / "wild", SilentReport())
    checks, losses = tuned.manifest["checks"], tuned.manifest["losses"]["text"]
    scores = [c["identity"] / checks[0]["identity"] + c["gmsd"] / checks[0]["gmsd"] for c in checks]
    best = int(np.argmin(scores))
    assert 0 < best == len(losses) - 1 < 11 and len(checks) == best + 2
    assert f"The held-out photo was best at step {best} and is taken from there; the text pivot ended" in str(
        tuned.manifest["notes"]
    )
    # Stopped when it has seen enough, it does not go on after all.
    with pytest.raises(Cancelled):
        tune(prior, gallery, Recipe("wild", "", wild), tmp_path / "stopped", Kept("personalizing", len(losses)))
    again = tune(prior, gallery, Recipe("wild", "", wild), tmp_path / "stopped", SilentReport())
    assert again.manifest["losses"]["text"] == losses and again.manifest["checks"] == checks
    # The same steps without looking come to the state that was taken.
    report = Kept("personalizing", best)
    with pytest.raises(Cancelled):
        tune(prior, gallery, Recipe("wild", "", replace(wild, early_stop=False, checks=0)), tmp_path / "plain", report)
    held = torch.load(tmp_path / "plain" / "checkpoint.pt", weights_only=True)["trained"]
    taken = tuned.read("text")
    ups = {n.replace(".lora_B.person.weight", ".weight.up"): v for n, v in held.items() if ".lora_B." in n}
    assert ups and all(torch.equal(taken[n], v.half()) for n, v in ups.items())


def test_two_people_in_one_gallery_are_named_and_tuned_on_when_the_user_kept_them(prior, tmp_path):
    files = [*variants(tmp_path / "one", 3), *variants(tmp_path / "two", 1, "face-090.jpg")]
    mixed = toy_gallery(tmp_path / "gallery", files)
    chosen = choose(mixed, 64, TEXT)
    assert len(chosen.tuned_on) == 3 and chosen.held_out is not None
    assert [n.partition(":")[0] for n in chosen.notes] == ["The references seem to show 2 people"]
    assert "face-090-0.png differ(s) from the rest. They were kept" in chosen.notes[0]


def test_references_of_better_quality_and_of_the_right_year_are_drawn_oftener(tmp_path):
    from PIL import Image

    files = []
    for n, (file, year) in enumerate(zip(variants(tmp_path / "given", 3), (1970, 1990, 0), strict=True)):
        exif = Image.Exif()
        if year:
            exif.get_ifd(0x8769)[0x9003] = f"{year}:05:0{n + 1} 12:00:00"
            exif[0x0132] = "2024:01:01 00:00:00"  # when a program changed the file
        out = file.with_suffix(".jpg")
        Image.open(file).save(out, quality=95, exif=exif)
        files.append(out)
    gallery = toy_gallery(tmp_path / "gallery", files)
    assert [year_of(gallery, r) for r in gallery.references] == [1970, 1990, 0]
    assert choose(gallery, 64, TEXT).chances == (1.0, 1.0, 1.0)
    near = choose(gallery, 64, replace(TEXT, year=1968)).chances
    assert near[0] > near[2] > near[1] and sum(near) == pytest.approx(3)
    blurred = replace(gallery.references[1], quality=replace(gallery.references[1].quality, sharpness=0.01))
    worse = replace(gallery, references=(gallery.references[0], blurred, gallery.references[2]))
    drawn = choose(worse, 64, replace(TEXT, quality_weight=1.0)).chances
    assert drawn[1] < 0.2 * drawn[0]


def random_recogniser(folder):
    """A recogniser of the real shape with random weights, as its authors' file holds it."""
    torch.manual_seed(3)
    net = MobileFaceNet().eval()
    torch.save({"epoch": 1, "net_state_dict": net.state_dict()}, folder / MOBILE)
    return net


def test_the_identity_loss_reaches_the_person_at_low_noise_alone(prior, gallery, few, tmp_path):
    recipe = Recipe("named", "", replace(TEXT, identity_weight=0.5, identity_level=1.0))
    with pytest.raises(NoRecogniser, match=r"needs recognition_arcface_ir_se50.pth or mobilefacenet_casia.ckpt"):
        tune(prior, few, recipe, tmp_path / "none", SilentReport(), weights=tmp_path)
    random_recogniser(tmp_path)
    tuned = tune(prior, few, recipe, tmp_path / "on", SilentReport(), weights=tmp_path)
    assert tuned.manifest["trained_with"] == "MobileFaceNet"
    both = tune(prior, few, replace(recipe, guide=GUIDE), tmp_path / "both", SilentReport(), weights=tmp_path)
    assert both.manifest["trained_with"] == "MobileFaceNet"
    both = extend(both, prior, few, SilentReport(), guide_steps=1, weights=tmp_path)
    assert both.manifest["trained_with"] == "MobileFaceNet"
    plain = tune(prior, few, Recipe("named", "", TEXT), tmp_path / "off", SilentReport(), weights=tmp_path)
    assert plain.manifest["trained_with"] == ""
    assert all(a > b for a, b in zip(tuned.manifest["losses"]["text"], plain.manifest["losses"]["text"], strict=True))


def test_a_recogniser_says_0_for_the_person_and_passes_a_gradient(gallery, tmp_path):
    random_recogniser(tmp_path)
    face = gallery.crops(256)[0]
    judge = identity_loss(tmp_path, [face], torch.device("cpu"))
    shown = images.to_tensor(face).requires_grad_(True)
    away = judge.distances(torch.cat([shown, -shown]))
    assert float(away[0].detach()) == pytest.approx(0, abs=1e-5) and float(away[1].detach()) > 1e-4
    away[1].backward()
    assert shown.grad is not None and float(shown.grad.abs().sum()) > 0
    assert isinstance(judge, IdentityLoss) and judge.name == "MobileFaceNet"


def test_what_a_recogniser_reads_is_the_crop_that_it_knows(gallery):
    from engine.faces.recognise import as_input

    face = gallery.crops(128)[0]
    ours = aligned(images.to_tensor(face), (112, 112)).flip(1)[0].numpy()
    wanted = as_input(face)[0]
    assert float(np.abs(ours - wanted)[:, 8:-8, 8:-8].mean()) < 0.02
    narrow = aligned(images.to_tensor(face), (112, 96))[0].numpy()
    assert narrow.shape == (3, 112, 96) and np.allclose(narrow[::-1], ours[:, :, 8:-8], atol=1e-5)


def test_optimisers_that_are_not_there_are_told_and_the_rate_follows_the_recipe():
    weight = torch.nn.Parameter(torch.ones(3))
    groups = [{"params": [weight], "share": 0.5}]
    made = optimiser_of(groups, replace(TEXT, rate=0.1))
    rates = []
    for step in range(30):
        set_rate(made, replace(TEXT, rate=0.1, steps=30, warmup=10), step)
        rates.append(made.param_groups[0]["lr"])
    assert rates[0] == pytest.approx(0.005) and max(rates) == pytest.approx(0.05) == rates[15]
    assert rates[-1] < 0.3 * rates[15] and rates == sorted(rates[:10]) + rates[10:]
    set_rate(made, replace(TEXT, rate=0.1, schedule="constant"), 29, 0.5)
    assert made.param_groups[0]["lr"] == pytest.approx(0.025)
    try:
        import bitsandbytes  # noqa: F401
    except ImportError:
        with pytest.raises(OptimiserMissing, match="needs bitsandbytes, which is not installed"):
            optimiser_of(groups, replace(TEXT, optimiser="adam8bit"))


def test_every_recipe_starts(prior, gallery, tmp_path):
    for name, recipe in RECIPES.items():
        fewer = {"views": 1, "checks": 0}
        short = replace(
            recipe,
            cleaner=replace(recipe.cleaner, steps=1, class_faces=1, checks=0) if recipe.cleaner else None,
            text=replace(recipe.text, class_faces=1, **fewer) if recipe.text else None,
            guide=replace(recipe.guide, face_count=1, **fewer) if recipe.guide else None,
        )
        report = Kept("personalizing", 1)
        with pytest.raises(Cancelled):
            tune(prior, gallery, short, tmp_path / name, report)
        loss = [v["loss"] for _, v in report.measures if "loss" in v]
        assert len(loss) == 1 + (recipe.cleaner is not None) and np.isfinite(loss).all()
        assert (tmp_path / name / "checkpoint.pt").is_file()


def test_an_estimate_grows_with_the_work_and_writes_nothing(prior, gallery, tmp_path):
    small, large = (estimate(prior, gallery, RECIPES[name]) for name in ("toy", "paper"))
    assert 0 < small.seconds < large.seconds and 0 < small.memory < large.memory
    assert 0 < small.kept < large.kept < large.disk
    assert "of memory beside the prior" in small.sentence
    assert room_for(small, tmp_path / "none") == ""
    assert "Make room" in room_for(replace(small, disk=10**18), tmp_path)
    tuned = tune(prior, gallery, RECIPES["toy"], tmp_path / "tuned", SilentReport())
    assert tuned.size == pytest.approx(small.kept, rel=0.25)
