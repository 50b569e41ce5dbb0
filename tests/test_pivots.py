"""The two pivots at toy size: what each changes, what it must leave alone, and what it looks at."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.evaluation.bench_full import Size, drawn_cleaner
from engine.prior.bundle import Condition, predict
from engine.prior.load import networks
from engine.progress import SilentReport
from engine.restore import Settings, restore_face
from engine.tuning import BadTunedModel, GuidePivot, Recipe, TextPivot, read_tuned
from engine.tuning.adapters import NoSuchPart, layers_for_lora, trainable, weights_for_full
from engine.tuning.guide_pivot import GuideStage, Personalized
from engine.tuning.losses import clean_of, level_weights, picture_errors, target_of
from engine.tuning.recipe_files import RECIPES, changed
from engine.tuning.run import tune
from engine.tuning.steps import generator
from engine.tuning.text_pivot import Shown, TextStage
from engine.tuning.tuned import BadStrength
from engine.tuning.views import face_shape, make_views
from tests.toys import drawn_face, toy_gallery, variants

STRONG = TextPivot(steps=2, batch=1, class_faces=2, views=1, rank=4, alpha=4.0, rate=0.05, checks=0, warmup=0)
GUIDE = GuidePivot(steps=2, batch=1, views=1, face_count=2, rank=4, alpha=4.0, rate=0.05, checks=0, warmup=0)
BOTH = Recipe("both", "", STRONG, GUIDE)


@pytest.fixture(scope="module")
def gallery(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gallery")
    return toy_gallery(folder, variants(folder / "given", 3))


@pytest.fixture(scope="module")
def tuned(prior, gallery, tmp_path_factory):
    """Both pivots, and what every weight of the prior was before."""
    before = {part: {k: v.clone() for k, v in net.state_dict().items()} for part, net in networks(prior).items()}
    made = tune(prior, gallery, BOTH, tmp_path_factory.mktemp("tuned"), SilentReport())
    return made, before


@pytest.fixture(scope="module")
def views(prior):
    return make_views(prior, (drawn_face(1, 64), drawn_face(2, 64)), each=1, seed=0)


def same(one, other):
    a, b = one.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def loss_of(stage, drawn):
    return float(stage.losses(drawn).sum().detach())


def text_stage(prior, gallery, views, **values):
    pivot = replace(STRONG, class_batch=0, **values)
    return TextStage(prior, gallery.person, pivot, Shown(views, None, (1.0, 1.0)), seed=0)


def test_tuning_leaves_the_shared_prior_bit_identical(prior, tuned):
    for part, net in networks(prior).items():
        assert all(torch.equal(v, tuned[1][part][k]) for k, v in net.state_dict().items())


def test_the_text_pivot_changes_the_denoiser_alone_and_the_guide_pivot_the_guide_alone(prior, tuned):
    made = tuned[0]
    assert made.parts == ("text", "guide")
    text, guide = (made.applied_to(prior, parts=(part,)) for part in ("text", "guide"))
    assert text.guide is prior.guide and text.text is prior.text and text.cleaner is prior.cleaner
    assert not same(text.denoiser, prior.denoiser)
    assert guide.denoiser is prior.denoiser and not same(guide.guide, prior.guide)
    both = made.applied_to(prior)
    assert same(both.denoiser, text.denoiser) and same(both.guide, guide.guide)


def test_the_guide_pivot_has_the_personalized_prior_in_the_loop_and_leaves_it_as_it_is(prior, tuned, views):
    personal = tuned[0].applied_to(prior, parts=("text",))
    held = {k: v.clone() for k, v in personal.denoiser.state_dict().items()}
    prompt = tuned[0].prompt
    losses = []
    for base in (prior, personal):
        stage = GuideStage([Personalized(base, prompt)], GUIDE, views, seed=0)
        loss = stage.losses(stage.draw(0, 0)).sum()
        loss.backward()
        losses.append(float(loss.detach()))
    assert losses[0] != losses[1]
    assert all(p.grad is None for p in personal.denoiser.parameters())
    assert all(torch.equal(v, held[k]) for k, v in personal.denoiser.state_dict().items())


def test_the_guide_pivot_uses_no_picture_of_the_person(prior, gallery, tmp_path):
    other = toy_gallery(tmp_path / "other", variants(tmp_path / "given", 3, "face-090.jpg"))
    alone = Recipe("guide", "", None, GUIDE)
    first, second = (
        tune(prior, g, alone, tmp_path / f"tuned-{n}", SilentReport()).read("guide")
        for n, g in enumerate((gallery, other))
    )
    assert first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)
    own = Recipe("release", "", None, replace(GUIDE, faces="person"))
    third = tune(prior, gallery, own, tmp_path / "release", SilentReport()).read("guide")
    assert any(not torch.equal(first[k], third[k]) for k in first)


def test_in_context_another_condition_gives_another_loss_and_out_of_context_the_guide_is_not_there(
    prior, gallery, views
):
    inside, outside = (text_stage(prior, gallery, views, context=c) for c in ("in", "out"))
    drawn = inside.draw(0, 0)
    bad = replace(drawn, cleaned=drawn.cleaned.flip(-1))
    free = replace(prior, from_condition=False)
    assert loss_of(inside, drawn) != loss_of(inside, bad)
    alone = text_stage(free, gallery, views, context="out")
    assert loss_of(alone, drawn) == loss_of(alone, bad)
    other = trainable(prior.guide, replace(GUIDE, method="full", targets=("all",)))
    with torch.no_grad():
        for weight in other.parameters():
            weight.mul_(3) if weight.requires_grad else None
    changed_guide = replace(prior, guide=other)
    assert loss_of(text_stage(changed_guide, gallery, views, context="out"), drawn) == loss_of(outside, drawn)
    assert loss_of(text_stage(changed_guide, gallery, views, context="in"), drawn) != loss_of(inside, drawn)


def test_another_phrase_changes_no_residual_of_the_guide(prior, tuned, views):
    made = tuned[0].applied_to(prior)
    seen = []

    class Watched(torch.nn.Module):
        def forward(self, *given, **options):
            seen.append(made.guide(*given, **options))
            return seen[-1]

    watched = replace(made, guide=Watched())
    results = []
    for prompt in ("a photo of a sks woman", "a black and white photo of a man"):
        text = made.text.encode([prompt, ""])
        condition = Condition(views.cleaned[:1], text[:1], text[1:])
        with torch.no_grad():
            results.append(predict(watched, views.good[:1], torch.tensor([300]), condition))
    assert not torch.equal(results[0], results[1])
    assert torch.equal(seen[0][1], seen[1][1]) and all(map(torch.equal, seen[0][0], seen[1][0]))


def test_strength_scales_what_is_added_and_0_is_blind(prior, tuned):
    made, prompt = tuned[0], tuned[0].prompt
    face, settings = drawn_face(3, 64), Settings(prompt=prompt)
    blind = restore_face(prior, face, settings, seed=1).pixels
    assert np.array_equal(restore_face(made.applied_to(prior, strength=0.0), face, settings, seed=1).pixels, blind)
    name = next(n.removesuffix(".up").removeprefix("denoiser.") for n in made.read("text") if n.endswith(".up"))
    base = prior.denoiser.get_parameter(name)
    half, whole = (made.applied_to(prior, strength=s).denoiser.get_parameter(name) - base for s in (0.5, 1.0))
    assert whole.abs().max() > 0 and torch.allclose(2 * half, whole, atol=1e-6)
    for wrong in ({"strength": 1.6}, {"strength": -0.1}, {"parts": ("hair",)}):
        with pytest.raises(BadStrength, match=r"strength is 0 to 1.5 and the parts are cleaner, text, guide"):
            made.applied_to(prior, **wrong)


def test_two_people_each_get_their_own_variant_of_one_prior(prior, tuned, gallery, tmp_path):
    other = tune(prior, gallery, replace(BOTH, seed=5), tmp_path / "other", SilentReport())
    one, two, again = (m.applied_to(prior) for m in (tuned[0], other, tuned[0]))
    assert not same(one.denoiser, two.denoiser) and same(one.denoiser, again.denoiser)


def test_a_model_of_another_prior_is_refused_with_both_names(prior, tuned):
    other = replace(prior, name="diffbir-v2", sha256={**prior.sha256, "denoiser": "12345678" * 8})
    with pytest.raises(
        BadTunedModel, match=r"another prior: 'pocket' \([0-9a-f]{8}\), and this is 'diffbir-v2' \(12345678\)"
    ):
        tuned[0].applied_to(other)


@pytest.mark.parametrize(
    "values",
    [
        {"method": "full", "targets": ("all",)},
        {"method": "full", "targets": ("attention", "convolutions"), "store_rank": 2},
        {"targets": ("convolutions", "projections")},
        {"text_encoder": "lora"},
        {"text_encoder": "token", "text_rate": 1.0},
        {"optimiser": "prodigy", "rate": 1.0},
        {"weighting": "min-snr", "outside_weight": 0.2, "checkpointing": True},
        {"accumulate": 3, "quality_weight": 1.0},
    ],
    ids=lambda v: "-".join(map(str, v)),
)
def test_every_way_of_training_changes_the_prior_and_is_applied_as_it_was_trained(prior, gallery, tmp_path, values):
    recipe = Recipe("try", "", replace(STRONG, **values))
    made = tune(prior, gallery, recipe, tmp_path, SilentReport())
    personal = made.applied_to(prior)
    assert not same(personal.denoiser, prior.denoiser)
    assert read_tuned(tmp_path).manifest["recipe"]["text"]["targets"] == list(recipe.text.targets)
    trained = recipe.text.text_encoder
    words = [made.prompt, "a photo of a woman"]
    mine, theirs = personal.text.encode(words), prior.text.encode(words)
    assert torch.equal(mine[0], theirs[0]) == (trained == "frozen")
    if trained == "token":
        assert torch.equal(mine[1], theirs[1])  # only the rare token was learned


def test_what_is_stored_is_what_was_trained(prior, gallery, views):
    for method, targets in (("lora", ("attention", "conv1")), ("full", ("down_blocks.0.*", "conv_out"))):
        stage = text_stage(prior, gallery, views, method=method, targets=targets)
        with torch.no_grad():
            for n, weight in enumerate(stage.parameters().values()):
                weight.add_(torch.randn(weight.shape, generator=generator(0, n, 0)) * 0.05)
        drawn = stage.draw(0, 0)
        again = text_stage(prior, gallery, views, method=method, targets=targets)
        assert loss_of(again, drawn) != loss_of(stage, drawn)
        again.load(stage.delta())
        assert loss_of(again, drawn) == pytest.approx(loss_of(stage, drawn), rel=1e-5)


def test_a_name_that_no_layer_has_is_told_with_those_there_are(prior, gallery, tmp_path):
    with pytest.raises(NoSuchPart, match=r"No layer is named 'to_z'\. Use one of attention, .* such as conv, .*to_q"):
        tune(prior, gallery, changed(RECIPES["toy"], {"text.targets": "to_z"}), tmp_path, SilentReport())


def test_the_named_rule_of_the_release_means_its_first_150_tensors():
    from diffusers import ControlNetModel

    with torch.device("meta"):
        guide = ControlNetModel(
            block_out_channels=(320, 640, 1280, 1280),
            attention_head_dim=(5, 10, 20, 20),
            cross_attention_dim=1024,
            use_linear_projection=True,
        )
        guide.controlnet_cond_embedding = torch.nn.Conv2d(4, 320, 3, padding=1, bias=False)
    names = weights_for_full(guide, ("release-first-150",))
    # The first convolution's weight is one tensor there and two here.
    assert len(names) == 151 and sum(guide.get_parameter(n).numel() for n in names) == 46_301_440
    assert "down_blocks.1.attentions.1.transformer_blocks.0.norm2.bias" in names
    assert not any("norm3" in n and "down_blocks.1.attentions.1" in n for n in names)


def test_the_usual_recipes_leave_at_most_60_mb_at_the_size_of_stable_diffusion():
    from diffusers import ControlNetModel, UNet2DConditionModel

    shape = {"block_out_channels": (320, 640, 1280, 1280), "attention_head_dim": (5, 10, 20, 20)}
    with torch.device("meta"):
        denoiser, guide = (
            kind(**shape, cross_attention_dim=1024, use_linear_projection=True)
            for kind in (UNet2DConditionModel, ControlNetModel)
        )
        guide.controlnet_cond_embedding = torch.nn.Conv2d(4, 320, 3, padding=1)

    def stored(net, pivot):
        weights = [net.get_submodule(name).weight for name in layers_for_lora(net, pivot.targets)]
        return sum(2 * pivot.rank * (w.shape[0] + w[0].numel()) for w in weights)

    def cleaned(pivot):
        ranked = [(t.numel(), pivot.store_rank * (t.shape[0] + t[0].numel())) for t in cleaner.values() if t.dim() > 1]
        return 2 * (sum(min(pair) for pair in ranked) + sum(t.numel() for t in cleaner.values() if t.dim() == 1))

    cleaner = {n: t for n, t in drawn_cleaner(Size()).items() if t.is_floating_point() and "attn_mask" not in n}
    for name in ("quick", "standard"):
        recipe = RECIPES[name]
        size = stored(denoiser, recipe.text) + (stored(guide, recipe.guide) if recipe.guide else 0)
        size += cleaned(recipe.cleaner)
        assert 20e6 < size < 60e6, name


@pytest.mark.parametrize("kind", ["sample", "epsilon", "v_prediction"])
def test_the_clean_picture_of_a_right_prediction_is_the_clean_picture(prior, kind):
    from engine.prior.sample import noising

    of_kind = replace(prior, schedule={**prior.schedule, "prediction_type": kind})
    levels, draw = noising(of_kind), generator(0, 0, 0)
    clean, noise = (torch.randn(3, 48, 4, 4, generator=draw) for _ in range(2))
    t = torch.tensor([10, 300, 900])
    noisy = levels.add_noise(clean, noise, t)
    target = target_of(of_kind, levels, clean, noise, t)
    assert torch.allclose(clean_of(of_kind, levels, target, noisy, t), clean, atol=2e-4)
    # Min-SNR means the same whatever is predicted: the error of the clean picture, by the ratio up to gamma.
    pivot = replace(STRONG, weighting="min-snr")
    wrong = target + 0.1
    error = (clean_of(of_kind, levels, wrong, noisy, t) - clean).pow(2).mean((1, 2, 3))
    ratio = levels.alphas_cumprod[t] / (1 - levels.alphas_cumprod[t])
    found = level_weights(of_kind, levels, t, pivot) * 0.1**2
    assert torch.allclose(found, ratio.clamp(max=5) * error, rtol=1e-3)


def test_outside_the_face_counts_less_and_the_mean_weight_stays_1():
    mask = torch.from_numpy(face_shape(16))[None, None]
    target = torch.zeros(1, 3, 16, 16)
    inside, outside = mask.expand(1, 3, 16, 16).clone(), (1 - mask).expand(1, 3, 16, 16).clone()
    plain = [float(picture_errors(made, target, mask, 1.0)) for made in (inside, outside)]
    weighted = [float(picture_errors(made, target, mask, 0.1)) for made in (inside, outside)]
    assert weighted[0] > plain[0] and weighted[1] < 0.5 * plain[1]
    assert float(picture_errors(torch.ones_like(target), target, mask, 0.1)) == pytest.approx(1.0, rel=1e-5)
