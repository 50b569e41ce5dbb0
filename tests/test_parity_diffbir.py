"""Our DiffBIR against numbers that the official code gave; `tests/parity/make_diffbir.py` makes them."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from engine.prior.bundle import Condition, Prior, predict
from engine.prior.diffbir import keys, words
from engine.prior.diffbir.cleaners import read_cleaner
from engine.prior.diffbir.convert import convert
from engine.prior.diffbir.fit import Fit
from engine.prior.diffbir.kinds import KINDS
from engine.prior.diffbir.load import assemble
from engine.prior.diffbir.widths import FULL, TOY, empty
from engine.prior.pull import flatness
from engine.prior.sample import sample, scheduler
from engine.prior.settings import Pull, Sampling
from engine.restore import fix_colour
from engine.weights import WeightFile
from tests import diffbir_files as files
from tests.parity import diffbir_rule as rule
from tests.parity.make_diffbir import PROMPTS, SIDE

NETWORK, LOOP = 1e-4, 1e-3
"""Largest relative error allowed of one network and of a whole sampling."""


@pytest.fixture(scope="module")
def prior(tmp_path_factory) -> Prior:
    """Version 1 of toy width, through the files as published and as stored.

    Numbers by rule predict no noise, so that they come as the base that does not either.
    """
    folder = tmp_path_factory.mktemp("weights")
    given = files.published(folder, base=files.base(velocity=True))
    made: dict[str, WeightFile] = {}
    for name, file in (
        ("sd-2.1-zsnr", "v2-1_512-ema-pruned.ckpt"),
        ("diffbir-v1-face-guide", "v1_face.pth"),
        ("diffbir-face-swinir", "face_swinir_v1.ckpt"),
    ):
        made |= convert(name, given / file, folder / "stored", widths=TOY)
    chosen = Fit("fp32", None, False)
    return assemble(KINDS["diffbir-v1-face"], folder / "stored", made, chosen, widths=TOY, device=torch.device("cpu"))


@pytest.fixture(scope="module")
def later(prior) -> Prior:
    """The same networks as version 2 uses them: the guide reads the prompt too."""
    return replace(prior, guide_reads_prompt=True)


@cache
def official(name: str) -> dict[str, torch.Tensor]:
    with np.load(files.PARITY / f"diffbir_{name}.npz") as stored:
        return {key: torch.from_numpy(stored[key]) for key in stored.files if stored[key].dtype == np.float32}


def error(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """Largest difference over the spread of what is compared with."""
    assert ours.shape == theirs.shape
    return float((ours.float() - theirs).abs().max() / theirs.std())


def condition(prior: Prior, **changed) -> Condition:
    pixels = rule.picture("cleaned", 8 * SIDE) * 2 - 1
    with torch.no_grad():
        text = prior.text.encode([PROMPTS[0], "", "low quality"])
        latents = prior.autoencoder.encode(pixels)
    return Condition(latents, text[:1], text[1:2], against=text[2:], pixels=pixels, **changed)


NOISY = rule.tensor("noisy", (1, 4, SIDE, SIDE))


def test_the_autoencoder_encodes_and_decodes_as_the_official_one(prior):
    with torch.no_grad():
        assert error(condition(prior).latents, official("networks")["encoded"]) < NETWORK
        assert error(prior.autoencoder.decode(NOISY)[..., ::4, ::4], official("networks")["decoded"]) < NETWORK


def test_texts_are_read_as_the_official_encoder_reads_them(prior):
    assert error(prior.text.encode(PROMPTS)[:, :24], official("networks")["text"]) < NETWORK


def test_noise_is_predicted_as_by_the_official_networks(later):
    with torch.no_grad():
        made = predict(later, NOISY, torch.tensor([321]), condition(later))
    assert error(made, official("networks")["noise"]) < NETWORK


def test_the_guides_thirteen_residuals_are_the_official_ones(later):
    steering = condition(later)
    with torch.no_grad():
        given = (NOISY, torch.tensor([321]), steering.text, steering.latents)
        down, mid = later.guide(*given, return_dict=False)
    ours = [*down, mid]
    assert len(ours) == 13
    for n, residual in enumerate(ours):
        assert error(residual.mean((2, 3)), official("networks")[f"residual{n:02d}"]) < NETWORK, n
    for n in (0, 5, 12):
        assert error(ours[n], official("networks")[f"whole{n:02d}"]) < NETWORK, n


@pytest.mark.parametrize("part", ["denoiser", "guide", "autoencoder", "text"])
def test_a_mistake_in_one_tensor_is_seen(prior, later, part):
    """Without this, a comparison of numbers that hardly depend on a network would prove nothing of it."""
    network = {"denoiser": prior.denoiser, "guide": prior.guide, "autoencoder": prior.autoencoder, "text": prior.text}
    names = [name for name, p in network[part].named_parameters() if p.ndim > 1 and "token_embedding" not in name]
    changed = dict(network[part].named_parameters())[names[len(names) // 2]]
    with torch.no_grad():
        kept = changed.clone()
        changed.mul_(1.02)
        try:
            made = predict(later, NOISY, torch.tensor([321]), condition(later))
            seen = error(made, official("networks")["noise"])
            seen = max(seen, error(prior.autoencoder.decode(NOISY)[..., ::4, ::4], official("networks")["decoded"]))
            later.text._kept.clear()
            seen = max(seen, error(prior.text.encode(PROMPTS)[:, :24], official("networks")["text"]))
        finally:
            changed.copy_(kept)
            later.text._kept.clear()
    assert seen > NETWORK


def follow(prior: Prior, name: str, sampling: Sampling, *, guidance: float = 1.0, every: int = 1) -> None:
    """Sample and compare each stored step; the first that differs is named."""
    seen: list[torch.Tensor] = []
    handle = prior.denoiser.register_forward_pre_hook(lambda module, given: seen.append(given[0][:1].clone()))
    steering = condition(prior, guidance=guidance)
    try:
        last = sample(
            prior,
            steering,
            sampling,
            seed=0,
            start_from=torch.zeros(1, 4, SIDE, SIDE),
            noise=lambda step: rule.tensor(f"step {step}", (1, 4, SIDE, SIDE)),
        )
    finally:
        handle.remove()
    stored = official(name)
    for n, theirs in enumerate(stored["x"]):
        assert error(seen[n * every], theirs[None]) < LOOP, f"{name} differs first at step {n * every}"
    assert error(last, stored["last"]) < LOOP, f"{name} differs at its end"


def spaced(steps: int, **more) -> Sampling:
    return Sampling("spaced", steps, 1.0, start_point="noise", **more)


@pytest.mark.parametrize("guidance", [1.0, 4.0])
@pytest.mark.parametrize("steps", [10, 50])
def test_spaced_sampling_follows_the_official_one(later, steps, guidance):
    name = f"spaced{steps}" + ("_cfg" if guidance > 1 else "")
    follow(later, name, spaced(steps), guidance=guidance, every=1 if steps == 10 else 5)


def test_rescaled_guidance_follows_the_official_one(later):
    follow(later, "spaced10_rescaled", spaced(10, rescale_guidance=True), guidance=4.0)


def test_sampling_to_no_signal_with_velocity_follows_the_official_one(later):
    follow(replace(later, schedule=KINDS["diffbir-v2.1"].schedule), "spaced10_zero", spaced(10), guidance=4.0)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("edm_euler", "edm-euler"),
        ("edm_euler_a", "edm-euler-a"),
        ("edm_dpmpp_2m", "edm-2m"),
        ("edm_dpmpp_2m_sde", "edm-2m-sde"),
        ("edm_dpmpp_3m_sde", "edm-3m-sde"),
    ],
)
def test_version_2_1_samples_as_the_official_one(later, theirs, ours):
    of_2_1 = replace(later, schedule=KINDS["diffbir-v2.1"].schedule)
    follow(of_2_1, theirs, Sampling(ours, 10, 1.0, start_point="noise"), guidance=6.0)


def test_edm_levels_over_the_usual_schedule_follow_the_official_ones(later):
    follow(later, "edm_3m_plain", Sampling("edm-3m-sde", 10, 1.0, start_point="noise"), guidance=4.0)


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("v1_latent", Pull("v1", 60.0, repeat=3)),
        ("v1_rgb", Pull("v1", 60.0, repeat=3, pixels=True)),
        ("v2_latent_plain", Pull("v2", 0.02, repeat=3)),
        ("v2_rgb_plain", Pull("v2", 0.02, repeat=3, pixels=True)),
        ("v2_rgb_flat", Pull("v2", 0.02, repeat=3, pixels=True, flat_only=True)),
    ],
)
def test_restoration_guidance_is_the_official_one_of_both_conventions(later, name, how):
    from engine.prior.pull import pull

    steps = scheduler(later, "spaced")
    steps.set_timesteps(10)
    t, x, steering = steps.timesteps[5], rule.tensor("step 0", (1, 4, SIDE, SIDE)), condition(later)
    assert int(t) == 444
    with torch.no_grad():
        made = predict(later, x, t, steering)
        plain = steps.step(made, t, x, variance_noise=rule.tensor("step 1", x.shape))[0]
        pulled = pull(later, how, steps, (made, t, x), steering)
        noise = rule.tensor("step 1", x.shape)
        ours = steps.step(pulled.prediction, t, x, variance_noise=noise, moved=pulled.moved)[0]
    assert error(ours, official("pulls")[name]) < LOOP
    assert error(plain, official("pulls")[name]) > 10 * LOOP  # the pull is large enough to be compared


def test_colours_are_fixed_as_the_official_code_does():
    result, plain = (rule.picture(name, 64)[0].permute(1, 2, 0).numpy() for name in ("result", "plain"))
    for how, theirs in (("wavelet", official("colours")["wavelet"]), ("adain", official("pulls")["adain"])):
        ours = torch.from_numpy(fix_colour(result, plain, how)).permute(2, 0, 1)[None, :, ::2, 1::2]
        assert error(ours, theirs) < NETWORK, how


def test_flat_areas_are_weighed_as_the_official_code_does():
    result, plain = rule.picture("result", 64) * 2 - 1, rule.picture("plain", 64) * 2 - 1
    ours = -2 * 0.5 * 3000 * (result - plain) / result[0].numel()
    assert error(ours[..., ::2, 1::2], official("colours")["pull"]) < NETWORK
    assert error((ours * flatness(plain))[..., ::2, 1::2], official("colours")["pull_flat"]) < NETWORK


@pytest.mark.parametrize("name", ["swinir", "bsrnet", "scunet"])
def test_cleaners_clean_as_the_official_ones(name):
    made = read_cleaner(files.cleaner(name), files.PARITY)
    with torch.no_grad():
        ours = made.network(rule.picture("damaged", 64))
    step = ours.shape[-1] // 32
    assert error(ours[..., ::step, ::step], official(name)["cleaned"]) < NETWORK


def test_tokens_of_a_prompt_are_clips():
    ids = words.numbers(PROMPTS[0])
    assert ids[:9] == [49406, 320, 1125, 539, 320, 48136, 786, 49407, 0] and len(ids) == 77
    assert words.numbers("") == [49406, 49407] + [0] * 75


FULL_FILES = {"unet": "denoiser", "controlnet": "guide", "vae": "autoencoder", "clip": "text"}


@pytest.mark.parity_full
@pytest.mark.parametrize("theirs", FULL_FILES)
def test_a_network_of_the_published_size_computes_what_the_official_one_does(theirs):
    """One at a time: the largest takes 3.5 GB."""
    part = FULL_FILES[theirs]
    network = empty(FULL, (part,))[part]
    prefix, gain = files.RULES[part]
    shapes = files.shapes(part, FULL)
    state: dict[str, torch.Tensor] = {}
    for name, source in keys.published(part, FULL).items():
        whole = rule.parameter(prefix + source.name, shapes[source.name], gain)
        cut = whole if source.cut is None else whole.narrow(source.cut[0], source.cut[1], source.cut[2] - source.cut[1])
        state[name] = cut.clone().reshape(network.state_dict()[name].shape)
    network.load_state_dict(state, assign=True)
    del state
    x, t, hint = rule.tensor("noisy", (1, 4, 8, 8)), torch.tensor([321]), rule.tensor("hint", (1, 4, 8, 8))
    text = rule.tensor("words", (1, 77, 1024))
    stored = official(f"full_{theirs}")
    with torch.no_grad():
        if part == "denoiser":
            errors = [error(network(x, t, text, return_dict=False)[0], stored["noise"])]
        elif part == "guide":
            down, mid = network(x, t, text, hint, return_dict=False)
            errors = [error(r.mean((2, 3)), stored[f"r{n:02d}"]) for n, r in enumerate([*down, mid])]
        elif part == "autoencoder":
            encoded = network.encode(rule.picture("cleaned", 64) * 2 - 1).latent_dist.mode()
            decoded = network.decode(x, return_dict=False)[0]
            errors = [error(encoded, stored["encoded"]), error(decoded, stored["decoded"])]
        else:
            position = torch.arange(77)[None]
            ids = torch.tensor([words.numbers(p) for p in PROMPTS])
            made = network(input_ids=ids, position_ids=position).last_hidden_state
            errors = [error(made[:, ::6, ::8], stored["text"])]
    logging.getLogger(__name__).warning("%s: largest relative error %.1e", theirs, max(errors))
    assert max(errors) < NETWORK
