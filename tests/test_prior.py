from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from engine.prior import load, pocket, words
from engine.prior.bundle import Condition, PatchAutoencoder, predict
from engine.prior.load import BadPrior
from engine.prior.sample import noise_like, sample, scheduler
from engine.prior.settings import SAMPLERS, BadSampling, Sampling
from engine.prior.words import UnknownWord
from engine.progress import Cancelled
from engine.restore import BadSetting, Settings, fix_colour, restore_face
from engine.weights import WeightsDamaged, WeightsMissing
from tests.toys import drawn_face, shared_toy_prior, toy_prior


def condition_for(prior, latents):
    text = prior.text.encode(["a photo of a person", ""])
    return Condition(latents, text[:1], text[1:])


def test_patches_go_there_and_back_exactly():
    codec = PatchAutoencoder(4)
    pixels = torch.randn(2, 3, 32, 64)
    latents = codec.encode(pixels)
    assert latents.shape == (2, 48, 8, 16)
    assert torch.equal(codec.decode(latents), pixels)


def test_a_stored_prior_comes_back_in_half_precision_and_computes_the_same(tmp_path):
    prior = toy_prior(tmp_path / "prior")
    again = load.load(tmp_path / "prior", device="cpu")
    for part, network in load.networks(prior).items():
        for a, b in zip(network.parameters(), load.networks(again)[part].parameters(), strict=True):
            assert torch.equal(a, b)
    assert set(prior.sha256) == {"cleaner", "denoiser", "guide", "text"}


def test_loading_a_prior_leaves_torchs_random_numbers_alone(tmp_path):
    toy_prior(tmp_path / "prior")
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    load.load(tmp_path / "prior", device="cpu")
    assert torch.equal(torch.rand(3), wanted)


def test_a_prior_with_a_missing_cut_or_changed_file_is_refused(tmp_path):
    folder = tmp_path / "prior"
    toy_prior(folder)
    file = folder / "guide.safetensors"
    whole = file.read_bytes()
    file.write_bytes(whole[:-10])
    with pytest.raises(WeightsDamaged, match=r"guide\.safetensors has \d+ bytes and should have \d+"):
        load.load(folder, device="cpu")
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(WeightsDamaged, match="SHA-256 differs"):
        load.load(folder, device="cpu")
    file.unlink()
    with pytest.raises(WeightsMissing, match=r"guide\.safetensors is missing"):
        load.load(folder, device="cpu")


def test_a_folder_without_a_prior_or_with_a_foreign_one_is_refused(tmp_path):
    with pytest.raises(BadPrior, match=r"holds no prior \(prior\.json is missing\)"):
        load.load(tmp_path, device="cpu")
    (tmp_path / "prior.json").write_text("{")
    with pytest.raises(BadPrior, match="cannot be read"):
        load.load(tmp_path, device="cpu")
    (tmp_path / "prior.json").write_text(json.dumps({"version": 9}))
    with pytest.raises(BadPrior, match="of a kind this version does not know"):
        load.load(tmp_path, device="cpu")


def test_an_untrained_prior_leaves_the_cleaned_picture_as_it_is():
    prior = shared_toy_prior()
    x, cleaned = torch.randn(1, 48, 16, 16), torch.randn(1, 48, 16, 16)
    with torch.no_grad():
        assert torch.equal(predict(prior, x, torch.tensor([300]), condition_for(prior, cleaned)), cleaned)


def test_the_guide_steers_what_the_denoiser_adds(tmp_path):
    prior = toy_prior(tmp_path / "prior")
    x, cleaned = torch.randn(1, 48, 16, 16), torch.randn(1, 48, 16, 16)
    steering = condition_for(prior, cleaned)
    with torch.no_grad():
        added = [
            predict(prior, x, torch.tensor([300]), replace(steering, guide_strength=s)) - cleaned for s in (0.0, 1.0)
        ]
    assert (added[0] - added[1]).abs().max() > 1e-4


def test_the_guides_own_text_is_empty(tmp_path):
    prior = toy_prior(tmp_path / "prior")
    seen = []
    handle = prior.guide.register_forward_pre_hook(lambda module, given: seen.append(given[2].clone()))
    x = torch.randn(1, 48, 16, 16)
    with torch.no_grad():
        predict(prior, x, torch.tensor([10]), condition_for(prior, x))
    handle.remove()
    assert torch.equal(seen[0], prior.text.encode([""]))


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("start", [0.2, 0.5, 1.0])
def test_a_perfect_denoiser_is_sampled_to_its_answer(name, start):
    """With a denoiser that always predicts the same clean picture, every sampler must end at it."""
    answer = torch.randn(1, 48, 8, 8)

    class Knows(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.p = torch.nn.Parameter(torch.zeros(1))

        def forward(self, *given, **named):
            return (answer,)

    prior = replace(shared_toy_prior(), denoiser=Knows(), from_condition=False)
    ticks = []
    made = sample(
        prior,
        condition_for(prior, answer),
        Sampling(name, 6, start),
        seed=1,
        start_from=torch.zeros_like(answer),
        tick=lambda done, total: ticks.append((done, total)),
    )
    assert torch.allclose(made, answer, atol=2e-3)
    assert ticks == [(k, 6) for k in range(1, 7)]


def test_a_scaling_brings_the_noise_to_what_is_drawn_and_is_undone():
    plain, scaled = PatchAutoencoder(4), PatchAutoencoder(4, 6.0)
    pixels = torch.rand(1, 3, 32, 32) * 2 - 1
    assert torch.allclose(scaled.encode(pixels), 6 * plain.encode(pixels))
    assert torch.allclose(scaled.decode(scaled.encode(pixels)), pixels, atol=1e-6)
    # A prior that draws nothing must give back its start, whatever the scaling.
    for autoencoder in (plain, scaled):
        prior = replace(shared_toy_prior(), autoencoder=autoencoder)
        made = restore_face(prior, drawn_face(), Settings(sampling=Sampling("ddim", 3, 0.3), colour_fix="none"))
        assert np.abs(made.pixels - made.cleaned).max() < 1e-4


def test_a_prior_of_widths_that_are_not_known_is_refused(tmp_path):
    toy_prior(tmp_path / "prior")
    told = load.read_manifest(tmp_path / "prior")
    assert told["widths"] == "toy"
    (tmp_path / "prior" / "prior.json").write_text(json.dumps({**told, "widths": "huge"}))
    with pytest.raises(load.BadPrior, match="a kind this version does not know"):
        load.load(tmp_path / "prior", device="cpu")
    wide = pocket.build(pocket.WIDE)
    assert sum(p.numel() for n in load.networks(wide).values() for p in n.parameters()) * 2 < 20_000_000


def test_spaced_ddpm_takes_the_steps_of_the_ancestral_sampler():
    """Mean and spread of one step against the posterior of DDPM (arXiv 2006.11239, equations 6 and 7)."""
    prior = shared_toy_prior()
    steps = scheduler(prior, "ddpm")
    steps.set_timesteps(10)
    kept = torch.from_numpy(np.cumprod(1 - np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2))
    t, before = int(steps.timesteps[4]), int(steps.timesteps[5])
    x, clean = torch.full((1, 1, 64, 64), 0.7), torch.full((1, 1, 64, 64), -0.2)
    steps.set_begin_index(4)
    made = steps.step(clean, steps.timesteps[4], x, generator=torch.Generator().manual_seed(3), return_dict=False)[0]
    ratio = float(kept[t] / kept[before])
    mean = float(kept[before]) ** 0.5 * (1 - ratio) / float(1 - kept[t]) * -0.2
    mean += ratio**0.5 * float(1 - kept[before]) / float(1 - kept[t]) * 0.7
    spread = (float(1 - kept[before]) / float(1 - kept[t]) * (1 - ratio)) ** 0.5
    assert abs(float(made.mean()) - mean) < 4 * spread / 64
    assert abs(float(made.std()) / spread - 1) < 0.05


def test_a_sampler_that_adds_noise_gives_one_picture_for_one_seed(tmp_path):
    prior = toy_prior(tmp_path / "prior")
    x = torch.zeros(1, 48, 32, 32)

    def made(seed):
        return sample(prior, condition_for(prior, x), Sampling("ddpm", 4, 0.5), seed=seed, start_from=x)

    assert torch.equal(made(1), made(1)) and not torch.equal(made(1), made(2))


def test_sampling_starts_at_the_chosen_noise_level():
    prior = shared_toy_prior()
    for start in (0.3, 0.5, 1.0):
        steps = scheduler(prior, "ddim")
        steps.set_timesteps(round(10 / start))
        first = int(steps.timesteps[round(10 / start) - 10])
        assert abs(first - (1000 * start - 1)) <= 25


def test_a_seed_means_one_picture_whatever_it_is_sampled_beside():
    two = noise_like(torch.zeros(2, 4, 3, 3), 7)
    assert torch.equal(two[0], two[1]) and torch.equal(two[:1], noise_like(torch.zeros(1, 4, 3, 3), 7))
    assert not torch.equal(two[:1], noise_like(torch.zeros(1, 4, 3, 3), 8))


@pytest.mark.parametrize(
    ("wrong", "words_"),
    [
        (Sampling(sampler="euler"), "There is no sampler 'euler'. Choose one of: ddim, dpmpp-2m, unipc, ddpm"),
        (Sampling(steps=0), "steps must be 1 to 100, got 0"),
        (Sampling(start=1.1), "start must be 0 to 1, or none to follow the damage, got 1.1"),
        (Sampling(start=-0.1), "start must be 0 to 1, or none to follow the damage, got -0.1"),
    ],
)
def test_settings_that_do_not_exist_are_refused_in_words(wrong, words_):
    with pytest.raises(BadSampling) as error:
        restore_face(shared_toy_prior(), drawn_face(), Settings(sampling=wrong))
    assert words_ in str(error.value)


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("start", [0.001, 0.008, 0.03])
def test_a_start_so_low_that_fewer_levels_lie_below_it_than_steps_are_asked_for_is_a_picture(name, start):
    prior, said = shared_toy_prior(), []
    clean = torch.randn(1, 48, 16, 16)
    text = torch.zeros(1, 16, pocket.TOY.text)
    made = sample(
        prior,
        Condition(clean, text, text),
        Sampling(name, 50, start),
        seed=0,
        start_from=clean,
        tick=lambda done, total: said.append((done, total)),
    )
    assert torch.isfinite(made).all() and (made - clean).abs().mean() < 0.2
    assert said[-1] == (min(50, round(1000 * start)),) * 2


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize(("start", "steps"), [(0.01002, 10), (0.164, 10), (1.0, 61)])
def test_no_step_is_taken_below_the_last_level(name, start, steps):
    # 998 and 61 levels in all: the rounding of a step's length adds one more below 0.
    prior, ticks = shared_toy_prior(), []
    clean, text = torch.randn(1, 48, 8, 8), torch.zeros(1, 16, pocket.TOY.text)
    made = sample(
        prior,
        Condition(clean, text, text),
        Sampling(name, steps, start),
        seed=0,
        start_from=clean,
        tick=lambda done, total: ticks.append((done, total)),
    )
    assert ticks == [(n + 1, steps) for n in range(steps)] and torch.isfinite(made).all()


def test_a_start_of_nothing_gives_the_clean_start_and_an_undecided_one_is_refused():
    prior, clean, ticks = shared_toy_prior(), torch.randn(1, 48, 8, 8), []

    def start_at(level):
        return sample(
            prior,
            condition_for(prior, clean),
            Sampling(steps=3, start=level),
            seed=1,
            start_from=clean,
            tick=lambda done, total: ticks.append((done, total)),
        )

    assert torch.equal(start_at(0.0), clean) and ticks == [(3, 3)]
    with pytest.raises(BadSampling, match="The start level is left to the damage of a face, and here is none"):
        start_at(None)


def test_restoring_gives_the_same_picture_for_the_same_seed_and_leaves_its_input_alone(tmp_path):
    prior = toy_prior(tmp_path / "prior")
    face = drawn_face()
    before = face.copy()
    settings = Settings(sampling=Sampling(steps=2))
    first = restore_face(prior, face, settings, seed=3)
    assert np.array_equal(first.pixels, restore_face(prior, face, settings, seed=3).pixels)
    assert not np.array_equal(first.pixels, restore_face(prior, face, settings, seed=4).pixels)
    assert first.pixels.shape == (256, 256, 3) and first.pixels.dtype == np.float32
    assert first.pixels.min() >= 0 and first.pixels.max() <= 1
    assert np.array_equal(face, before)


def test_each_knob_changes_the_picture(tmp_path):
    prior = toy_prior(tmp_path / "prior")
    face = drawn_face()
    plain = restore_face(prior, face, Settings(sampling=Sampling(steps=4), prompt="a photo of a man")).pixels
    for other in (
        Settings(sampling=Sampling(steps=4, start=0.9), prompt="a photo of a man"),
        Settings(sampling=Sampling(steps=3), prompt="a photo of a man"),
        Settings(sampling=Sampling("ddim", 4), prompt="a photo of a man"),
        Settings(sampling=Sampling(steps=4), prompt="a photo of a sks woman"),
        Settings(sampling=Sampling(steps=4), prompt="a photo of a man", guidance=3.0),
        Settings(sampling=Sampling(steps=4), prompt="a photo of a man", guide_strength=0.0),
        Settings(sampling=Sampling(steps=4), prompt="a photo of a man", colour_fix="none"),
    ):
        assert np.abs(restore_face(prior, face, other).pixels - plain).max() > 1e-4, other


def test_stopping_at_a_tick_stops_the_sampling():
    def tick(done, total):
        raise Cancelled

    with pytest.raises(Cancelled):
        restore_face(shared_toy_prior(), drawn_face(), tick=tick)


def test_a_face_of_another_size_and_an_unknown_colour_fix_are_refused():
    with pytest.raises(BadSetting, match=r"is 256 x 256 px, got \(128, 128\)"):
        restore_face(shared_toy_prior(), drawn_face(size=128))
    with pytest.raises(BadSetting, match="colour_fix must be one of wavelet, adain, none"):
        restore_face(shared_toy_prior(), drawn_face(), Settings(colour_fix="magic"))


def test_words_that_the_prior_does_not_know_are_named():
    with pytest.raises(UnknownWord, match=r"does not know 'zebra'\. It knows: a, an, the"):
        restore_face(shared_toy_prior(), drawn_face(), Settings(prompt="a photo of a zebra"))
    with pytest.raises(UnknownWord, match="reads at most 14"):
        restore_face(shared_toy_prior(), drawn_face(), Settings(prompt="a " * 20))


def test_prompts_become_as_many_tokens_as_the_tower_reads():
    made = words.tokenizer(words.vocabulary()).encode("a Photo of a SKS man")
    assert len(made.ids) == words.LENGTH
    assert made.tokens[:8] == ["[start]", "a", "photo", "of", "a", "sks", "man", "[end]"]


def test_the_colour_fix_takes_low_frequencies_from_the_cleaned_picture():
    result, reference = drawn_face(1), drawn_face(2)
    fixed = fix_colour(result, reference, "wavelet")
    blocks = lambda p: p.reshape(4, 64, 4, 64, 3).mean((1, 3))  # noqa: E731
    assert np.abs(blocks(fixed) - blocks(reference)).mean() < 0.35 * np.abs(blocks(result) - blocks(reference)).mean()
    assert np.allclose(fix_colour(result, result, "wavelet"), result, atol=1e-5)
    moved = fix_colour(result, reference, "adain")
    assert np.allclose(moved.mean((0, 1), float), reference.mean((0, 1), float), atol=1e-4)
    assert fix_colour(result, reference, "none") is result


def test_the_shipped_prior_is_whole_and_small_enough_to_ship():
    manifest = load.read_manifest(load.SHIPPED)
    sizes = [file["size"] for file in manifest["files"].values()]
    assert sum(sizes) <= 20_000_000 and max(sizes) <= 15_000_000
    prior = load.load(device="cpu")
    assert prior.size == pocket.SIZE and "person" in prior.text.words


def test_words_that_reach_further_begin_by_changing_nothing_and_then_change_every_place(tmp_path):
    torch.manual_seed(0)
    wide = pocket.build(replace(pocket.TOY, denoiser=pocket.WIDE.denoiser, groups=16))
    torch.manual_seed(0)
    worded = pocket.build(replace(pocket.TOY, denoiser=pocket.WIDE.denoiser, groups=16, worded=True))
    for name in ("denoiser", "guide", "cleaner"):
        theirs, ours = getattr(wide, name).state_dict(), getattr(worded, name).state_dict()
        assert {key for key in ours if key not in theirs} == {k for k in ours if k.startswith("add_embedding.")}
        getattr(worded, name).load_state_dict({**ours, **theirs})
    assert not any(key.startswith("add_embedding.") for key in worded.guide.state_dict())
    nn.init.normal_(wide.denoiser.conv_out.weight)
    worded.denoiser.conv_out.load_state_dict(wide.denoiser.conv_out.state_dict())
    noisy, t = torch.randn(2, 48, 16, 16), torch.tensor([300, 300])
    text = torch.randn(2, 16, pocket.TOY.text)
    condition = Condition(torch.randn(2, 48, 16, 16), text, torch.zeros_like(text))
    with torch.no_grad():
        before = predict(worded, noisy, t, condition)
        assert torch.allclose(before, predict(wide, noisy, t, condition), atol=1e-5)
        nn.init.ones_(worded.denoiser.add_embedding.norm2.weight)
        moved = (predict(worded, noisy, t, condition) - before).abs().mean(dim=1)
    assert (moved > 0).all()


def test_a_prior_whose_words_reach_further_is_stored_and_read_as_such(tmp_path):
    made = pocket.build(pocket.WORDED)
    back = load.load(load.save(made, tmp_path, {}), device="cpu")
    assert load.read_manifest(tmp_path)["widths"] == "worded"
    kept = back.denoiser.state_dict()["add_embedding.pool.k_proj.weight"]
    assert torch.allclose(kept, made.denoiser.state_dict()["add_embedding.pool.k_proj.weight"], atol=1e-3)
