from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.pretrain import data
from engine.pretrain.data import NotEnoughFaces, read_folder
from engine.pretrain.export import export
from engine.pretrain.plan import PLANS, Stage
from engine.pretrain.train import BadCheckpoint, Trainer, parts, prior_loss, rate
from engine.pretrain.validate import Figures, validate
from engine.prior import load
from engine.prior.settings import Sampling
from engine.progress import Cancelled, SilentReport
from tests.toys import face_folder


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    return read_folder(face_folder(tmp_path_factory.mktemp("f") / "faces", count=40))


FIGURES = Figures(2, 20.0, 22.0, 21.0, 0.3, 0.2, 0.1, 0.5, 0.9)


class StopAt(SilentReport):
    def __init__(self, ticks: int):
        self.left = ticks

    def tick(self, stage, done, total):
        self.left -= 1
        if self.left <= 0:
            raise Cancelled


class Kept(SilentReport):
    def __init__(self):
        self.measures = []

    def measure(self, step, values):
        self.measures.append((step, values))


def weights_of(trainer):
    return {
        f"{part}.{name}": value.clone()
        for prior in (trainer.prior, trainer.average)
        for part, network in parts(prior).items()
        for name, value in network.state_dict().items()
    }


@pytest.mark.parametrize("stop_after", [2, 6])
def test_a_stopped_training_goes_on_to_the_same_weights_as_an_unbroken_one(faces, tmp_path, stop_after):
    whole = Trainer(PLANS["toy"], faces, tmp_path / "whole", device="cpu")
    assert whole.run()
    broken = Trainer(PLANS["toy"], faces, tmp_path / "broken", device="cpu")
    with pytest.raises(Cancelled):
        broken.run(StopAt(stop_after))
    again = Trainer(PLANS["toy"], faces, tmp_path / "broken", device="cpu")
    assert (again.stage, again.step) == (broken.stage, broken.step)
    assert again.run()
    wanted, got = weights_of(whole), weights_of(again)
    assert all(torch.equal(wanted[k], got[k]) for k in wanted)


def test_training_moves_every_network_and_nothing_it_should_not(faces, tmp_path):
    trainer = Trainer(PLANS["toy"], faces, tmp_path, device="cpu")
    before = {part: [p.clone() for p in n.parameters()] for part, n in parts(trainer.prior).items()}
    trainer.run(until_seconds=0.0)
    moved = {
        part: any(not torch.equal(a, b) for a, b in zip(before[part], n.parameters(), strict=True))
        for part, n in parts(trainer.prior).items()
    }
    assert moved == {"cleaner": True, "denoiser": False, "guide": False, "text": False}
    cleaner = None
    while not trainer.run(until_seconds=0.0):
        if trainer.stage == 1 and cleaner is None:
            cleaner = [p.clone() for p in trainer.prior.cleaner.parameters()]
    assert cleaner is not None
    assert all(torch.equal(a, b) for a, b in zip(cleaner, trainer.prior.cleaner.parameters(), strict=True))
    for part in ("denoiser", "guide", "text"):
        now = parts(trainer.prior)[part].parameters()
        assert any(not torch.equal(a, b) for a, b in zip(before[part], now, strict=True)), part


def test_a_checkpoint_of_another_plan_is_refused_and_kept(faces, tmp_path):
    trainer = Trainer(PLANS["toy"], faces, tmp_path, device="cpu")
    trainer.save()
    kept = trainer.checkpoint.read_bytes()
    with pytest.raises(BadCheckpoint, match="belongs to plan 'toy', not 'other'"):
        Trainer(replace(PLANS["toy"], name="other"), faces, tmp_path, device="cpu")
    assert trainer.checkpoint.read_bytes() == kept


def test_training_can_start_from_a_stored_prior(faces, tmp_path):
    first = Trainer(PLANS["toy"], faces, tmp_path / "one", device="cpu")
    first.run()
    stored = load.load(export(first, tmp_path / "prior"), device="cpu")
    second = Trainer(PLANS["toy"], faces, tmp_path / "two", device="cpu")
    second.start_from(stored, load.read_manifest(tmp_path / "prior")["card"])
    for part, network in parts(second.prior).items():
        for a, b in zip(network.parameters(), parts(stored)[part].parameters(), strict=True):
            assert torch.equal(a, b)
    with pytest.raises(BadCheckpoint, match="those of the prior to begin from are others"):
        Trainer(replace(PLANS["toy"], widths="full"), faces, tmp_path / "three", device="cpu").start_from(stored, {})
    with pytest.raises(BadCheckpoint, match="already holds a training under way"):
        first.start_from(stored, {})
    further = Trainer(replace(PLANS["toy"], widths="worded"), faces, tmp_path / "four", device="cpu")
    further.start_from(load.load(device="cpu"), {})  # the shipped one, whose words do not reach as far
    fresh, known = further.prior.denoiser.state_dict(), load.load(device="cpu").denoiser.state_dict()
    assert all(torch.equal(fresh[name], tensor) for name, tensor in known.items())
    assert not fresh["add_embedding.norm2.weight"].any()
    second.run()
    card = load.read_manifest(export(second, tmp_path / "longer"))["card"]
    assert card["pictures_shown"] == {"cleaner at 128 px": 16, "prior at 128 px": 16}


def test_an_export_says_how_it_was_trained_and_is_the_average(faces, tmp_path):
    trainer = Trainer(PLANS["toy"], faces, tmp_path / "run", device="cpu")
    trainer.run()
    folder = export(trainer, tmp_path / "prior", figures=FIGURES.as_json(), note="drawn faces")
    card = json.loads((folder / "prior.json").read_text())["card"]
    assert card["plan"] == "toy" and card["note"] == "drawn faces" and card["figures"] == FIGURES.as_json()
    told = (folder / "CARD.md").read_text()
    assert "| PSNR, dB | 20.00 | 22.00 | 21.00 |" in told and "drawn faces" in told and "8 of cleaner at 128 px" in told
    assert card["pictures_shown"] == {"cleaner at 128 px": 8, "prior at 128 px": 8}
    read = load.load(folder, device="cpu")
    for a, b in zip(read.denoiser.parameters(), trainer.average.denoiser.parameters(), strict=True):
        assert torch.allclose(a, b, atol=2e-3)


def test_validation_measures_held_out_people_only_and_draws_a_sheet(faces, tmp_path):
    trainer = Trainer(PLANS["toy"], faces, tmp_path, device="cpu")
    figures, sheet = validate(trainer.average, faces, count=2, sampling=Sampling(steps=1))
    assert figures.pairs == 2 and sheet.shape == (4 * 256, 2 * 256, 3)
    assert figures.psnr_damaged > 10
    assert figures.psnr_cleaned == pytest.approx(figures.psnr_damaged, abs=0.5), "an untrained cleaner adds nothing"


def test_people_are_split_by_name_and_not_by_folder(faces, tmp_path):
    assert 0 < faces.held_out.sum() < len(faces.names) / 2
    assert [data.is_held_out(n) for n in faces.names] == faces.held_out.tolist()
    for seed in range(20):
        batch = data.batch(faces, size=128, count=2, seed=0, step=seed)
        assert batch.good.shape == (2, 3, 128, 128)


def test_pictures_of_one_person_are_on_one_side(tmp_path):
    folder = face_folder(tmp_path / "faces", count=30)
    names = [f"person {n}" for n in range(200)]
    kept_out = [n for n in names if data.is_held_out(n)][:2]
    people = kept_out + [n for n in names if not data.is_held_out(n)][:8]
    lines = ["file,person"] + [f"face-{n:03d}.png,{people[n // 3]}" for n in range(30)]
    (tmp_path / "faces.csv").write_text("\n".join(lines))
    read = read_folder(folder)
    assert read.held_out.tolist() == [n < 6 for n in range(30)]


def test_batches_made_ahead_are_those_made_alone(faces):
    ahead = list(data.batches(faces, size=128, count=2, seed=1, first=3, last=9, workers=3))
    for n, made in enumerate(ahead):
        alone = data.batch(faces, size=128, count=2, seed=1, step=3 + n)
        assert torch.equal(made.bad, alone.bad) and made.captions == alone.captions
    assert len(ahead) == 6


def test_where_colours_are_asked_for_the_caption_says_so(faces):
    rng = np.random.default_rng(3)
    drawn = [data.draw_sample(faces, 128, rng) for _ in range(150)]
    edited = [sample for sample in drawn if sample.edited]
    assert 8 <= len(edited) <= 45
    said = {sample.caption.split(" photo")[0] for sample in edited}
    assert said == {"a colour", "a black and white"}
    for sample in edited:
        target_is_grey = float(np.ptp(sample.good, axis=2).mean()) < 0.02
        assert target_is_grey == sample.caption.startswith("a black and white")
    assert not any(data.draw_sample(faces, 128, rng, captioned=False).edited for _ in range(40))


def test_captions_say_grey_of_grey_pictures_only(tmp_path):
    rng = np.random.default_rng(0)
    grey = {data.caption(grey=True, rng=rng) for _ in range(100)}
    colour = {data.caption(grey=False, rng=rng) for _ in range(100)}
    assert any("black and white" in c for c in grey) and not any("colour" in c for c in grey)
    assert any("colour" in c for c in colour) and not any("black" in c for c in colour)


def test_a_folder_that_cannot_be_trained_from_is_refused_in_words(tmp_path):
    with pytest.raises(NotEnoughFaces, match="is not a folder"):
        read_folder(tmp_path / "none")
    folder = face_folder(tmp_path / "one", count=1)
    with pytest.raises(NotEnoughFaces, match="holds 1 faces"):
        read_folder(folder)
    (folder / "notes.png").write_text("no picture")
    with pytest.raises(NotEnoughFaces, match=r"notes\.png in .* cannot be read as a picture"):
        read_folder(folder)
    (folder / "notes.png").unlink()
    small = face_folder(tmp_path / "small", count=3, size=64)
    with pytest.raises(NotEnoughFaces, match="is 64 x 64 px; faces must be square and at least 128 px"):
        read_folder(small)


def test_the_learning_rate_warms_up_and_cools_down():
    stage = Stage("prior", 128, 1000, 1, 1.0, cooldown=0.5)
    assert rate(stage, 0, 1000) == pytest.approx(0.01)
    assert rate(stage, 400, 1000) == 1.0
    assert rate(stage, 999, 1000) == pytest.approx(0.05, abs=0.01)


def test_the_priors_loss_is_the_same_for_the_same_draw(faces, tmp_path):
    trainer = Trainer(PLANS["toy"], faces, tmp_path, device="cpu")
    pairs = data.batch(faces, size=128, count=2, seed=0, step=0)
    losses = [float(prior_loss(trainer.prior, pairs, torch.Generator().manual_seed(s)).detach()) for s in (1, 1, 2)]
    assert losses[0] == losses[1] != losses[2]


def test_some_pairs_ask_for_colour_and_say_so_and_the_cleaner_sees_none_of_them(faces):
    def asking(captioned):
        drawn = [data.draw_sample(faces, 128, np.random.default_rng(n), captioned=captioned) for n in range(120)]
        spread = lambda p: float(np.abs(p - p.mean(axis=2, keepdims=True)).mean())  # noqa: E731
        return [pair for pair in drawn if spread(pair.good) > 0.02 > 0.005 > spread(pair.bad)]

    # Colour noise on the grey half gives it a little spread, so only the quiet ones are counted.
    found = asking(True)
    assert found and all("a colour photo" in pair.caption for pair in found)
    assert not asking(False)


def test_held_out_people_are_looked_at_and_the_best_average_is_kept(faces, tmp_path):
    plan = replace(PLANS["toy"], look_every=1, average=0.0)
    trainer = Trainer(plan, faces, tmp_path, device="cpu")
    kept = Kept()
    assert trainer.run(kept)
    looks = [values["held_out"] for _, values in kept.measures if "held_out" in values]
    assert len(looks) == 8 and len(set(looks)) == 8
    # Each stage ends with the best of its looks, not with its last.
    assert trainer.look(plan.stages[-1]) == pytest.approx(min(looks[4:]), rel=1e-5)
    logged = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [round(v, 6) for v in looks] == [line["held_out"] for line in logged if "held_out" in line]


def test_a_stage_ends_early_when_held_out_people_get_no_better(faces, tmp_path):
    class Numb(Trainer):
        """A training that can learn nothing."""

        def _step(self, stage, pairs):
            return 1.0

    stage = Stage("cleaner", 128, 40, 2, 1e-3)
    trainer = Numb(replace(PLANS["toy"], stages=(stage,), look_every=1, patience=3), faces, tmp_path, device="cpu")
    kept = Kept()
    assert trainer.run(kept)
    assert len([1 for _, values in kept.measures if "held_out" in values]) == 4
