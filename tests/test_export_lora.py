"""LoRA for other programs: names, header, nothing of the person, and back again."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from engine.progress import SilentReport
from engine.tuning import GuidePivot, Recipe, TextPivot
from engine.tuning.adapters import layers_for_lora
from engine.tuning.export_lora import NoLora, NotExported, export_lora, import_lora, lora_of
from engine.tuning.run import tune
from tests.toys import toy_gallery, variants

TEXT = TextPivot(
    steps=2, batch=1, class_batch=0, views=1, rank=4, alpha=2.0, rate=0.05, checks=0, warmup=0, text_encoder="lora"
)


@pytest.fixture(scope="module")
def gallery(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gallery")
    return toy_gallery(folder, variants(folder / "given", 2), name="Zoë Secret")


@pytest.fixture(scope="module")
def tuned(prior, gallery, tmp_path_factory):
    return tune(prior, gallery, Recipe("mine", "", TEXT), tmp_path_factory.mktemp("tuned"), SilentReport())


@pytest.fixture(scope="module")
def layers(prior):
    return {"denoiser": layers_for_lora(prior.denoiser, ("all",)), "text": layers_for_lora(prior.text, ("all",))}


def differences(lora):
    made = {}
    for name, (down, up, alpha) in lora.layers.items():
        rank = down.shape[0]
        product = up.float().reshape(len(up), rank) @ down.float().reshape(rank, -1)
        made[name] = product * (alpha / rank)
    return made


@pytest.mark.parametrize("style", ["kohya", "peft"])
def test_what_is_exported_comes_back_equal(tuned, layers, tmp_path, style):
    path = export_lora(tuned, tmp_path / "mine.safetensors", style)
    ours, back = lora_of(tuned), import_lora(path, layers)
    assert ours.layers.keys() == back.layers.keys() and {network for network, _ in ours.layers} == {"denoiser", "text"}
    if style == "kohya":
        for name, (down, up, alpha) in ours.layers.items():
            assert torch.equal(back.layers[name][0], down) and torch.equal(back.layers[name][1], up)
            assert back.layers[name][2] == alpha == 2.0
    first, second = differences(ours), differences(back)
    assert any(v.abs().max() > 0 for v in first.values())
    assert all(torch.equal(first[name], second[name]) for name in first)  # the share, a half, is exact


def test_names_are_those_that_other_programs_read(tuned, tmp_path):
    kohya = load_file(export_lora(tuned, tmp_path / "k.safetensors", "kohya"))
    peft = load_file(export_lora(tuned, tmp_path / "p.safetensors", "peft"))
    attention = "down_blocks_3_attentions_0_transformer_blocks_0_attn2_to_q"
    assert {f"lora_unet_{attention}.{end}" for end in ("lora_down.weight", "lora_up.weight", "alpha")} <= kohya.keys()
    assert any(n.startswith("lora_te_text_model_encoder_layers_0_self_attn_") for n in kohya)
    assert not any(n.startswith("lora_te1") for n in kohya)
    assert all(float(v) == 2.0 for n, v in kohya.items() if n.endswith(".alpha"))
    dotted = "unet.down_blocks.3.attentions.0.transformer_blocks.0.attn2.to_q"
    assert {f"{dotted}.lora_A.weight", f"{dotted}.lora_B.weight"} <= peft.keys()
    assert any(n.startswith("text_encoder.text_model.encoder.layers.0.self_attn.") for n in peft)
    assert not any(n.endswith("alpha") for n in peft)


def test_the_peft_style_loads_into_diffusers_own_network_and_does_the_same(prior, tuned, tmp_path):
    from peft import LoraConfig, inject_adapter_in_model, set_peft_model_state_dict

    from engine.tuning.adapters import shared_copy

    tensors = load_file(export_lora(tuned, tmp_path / "p.safetensors", "peft"))
    own = {n.removeprefix("unet."): v.float() for n, v in tensors.items() if n.startswith("unet.")}
    names = sorted({n.partition(".lora_")[0] for n in own})
    # As a reader does that knows nothing of alpha: it takes the rank.
    net = inject_adapter_in_model(LoraConfig(r=4, lora_alpha=4, target_modules=names), shared_copy(prior.denoiser))
    assert not set_peft_model_state_dict(net, own).unexpected_keys
    ours = tuned.applied_to(prior).denoiser
    x, t, text = torch.randn(1, 48, 16, 16), torch.tensor([300]), prior.text.encode(["a photo of a sks woman"])
    with torch.no_grad():
        first, second, blind = (n(x, t, text, return_dict=False)[0] for n in (net, ours, prior.denoiser))
    assert torch.allclose(first, second, atol=1e-5) and not torch.allclose(first, blind, atol=1e-4)


def test_the_header_says_what_it_is_and_nothing_of_the_person(tuned, gallery, tmp_path):
    path = export_lora(tuned, tmp_path / "mine.safetensors")
    with safe_open(path, framework="pt") as file:
        header = file.metadata()
    required = ("sai_model_spec", "architecture", "implementation", "title")
    assert all(header[f"modelspec.{key}"] for key in required)
    assert header["modelspec.architecture"] == "likeness-pocket/lora"
    assert (header["ss_network_module"], header["ss_network_dim"], header["ss_network_alpha"]) == (
        "networks.lora",
        "4",
        "2",
    )
    assert header["likeness.recipe"] == "mine" and header["likeness.steps"] == "2"
    assert "not for restoring" in header["modelspec.description"]
    told = json.dumps(header) + path.read_bytes()[:200_000].decode("latin1")
    for private in (gallery.person.name, gallery.person.id, str(tuned.folder), gallery.references[0].name):
        assert private not in told


def test_what_is_no_lora_is_not_exported(prior, gallery, tuned, tmp_path):
    full = replace(TEXT, method="full", targets=("conv_out",), text_encoder="frozen")
    made = tune(prior, gallery, Recipe("full", "", full), tmp_path / "full", SilentReport())
    with pytest.raises(NotExported, match=r"The recipe full trained conv_out.* itself, which LoRA cannot hold"):
        export_lora(made, tmp_path / "full.safetensors")
    guide = GuidePivot(steps=1, batch=1, views=1, face_count=1, rank=2, checks=0)
    alone = tune(prior, gallery, Recipe("guide", "", None, guide), tmp_path / "guide", SilentReport())
    with pytest.raises(NotExported, match="has no text pivot"):
        export_lora(alone, tmp_path / "guide.safetensors")
    assert not list(tmp_path.glob("*.safetensors"))
    path = export_lora(tuned, tmp_path / "mine.safetensors")
    for wrong, said in (
        (path, "exists already and is never overwritten"),
        (tmp_path / "mine.ckpt", "must end in .safetensors"),
        (tmp_path / "none" / "mine.safetensors", "There is no folder"),
    ):
        with pytest.raises(NotExported, match=said):
            export_lora(tuned, wrong)


def test_a_file_of_another_prior_is_refused_on_import(layers, tmp_path):
    save_file({"lora_unet_mid_lora.lora_down.weight": torch.ones(2, 2)}, tmp_path / "other.safetensors")
    with pytest.raises(NoLora, match=r"other.safetensors holds lora_unet_mid_lora, which this prior does not have"):
        import_lora(tmp_path / "other.safetensors", layers)
    (tmp_path / "torn.safetensors").write_bytes(b"torn")
    with pytest.raises(NoLora, match="cannot be read as LoRA"):
        import_lora(tmp_path / "torn.safetensors", layers)
    save_file({"weight": torch.ones(2)}, tmp_path / "plain.safetensors")
    with pytest.raises(NoLora, match="holds no LoRA matrices"):
        import_lora(tmp_path / "plain.safetensors", layers)
