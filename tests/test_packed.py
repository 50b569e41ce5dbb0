"""Packed layers and networks in one layout compute what the plain ones do."""

from __future__ import annotations

import copy
import json
from dataclasses import replace

import pytest
import torch
from diffusers.models.activations import GEGLU
from torch import nn

from engine.prior.bundle import Condition, predict
from engine.prior.device import native_bfloat16
from engine.prior.diffbir import halves as halving
from engine.prior.diffbir.convert import convert
from engine.prior.diffbir.kinds import Wanted
from engine.prior.diffbir.load import STORED, load
from engine.prior.diffbir.storing import NoRoom, mapped, mapped_half, store
from engine.prior.diffbir.widths import TOY
from engine.prior.packed import can_pack, held_by, is_packed, keep_layout, pack, refresh, unpack
from engine.tuning.adapters import set_weight, shared_copy, trainable, with_delta
from engine.tuning.recipe import TextPivot
from tests import diffbir_files as files

CPU = torch.device("cpu")
packing = pytest.mark.skipif(not can_pack(), reason="this CPU has no blocks for bfloat16")


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    root = tmp_path_factory.mktemp("weights")
    given = files.published(tmp_path_factory.mktemp("files"))
    convert("diffbir-v1-face-guide", given / "v1_face.pth", root / STORED, widths=TOY)
    convert("sd-2.1-base", given / "v2-1_512-ema-pruned.ckpt", root / STORED, widths=TOY)
    convert("diffbir-face-swinir", given / "face_swinir_v1.ckpt", root / STORED, widths=TOY)
    return root


def loaded(shelf, precision):
    return load("diffbir-v1-face", shelf, device="cpu", widths=TOY, wanted=Wanted(precision=precision))


def predicted(prior):
    draw = torch.Generator().manual_seed(5)
    latents, noisy = (torch.randn(1, 4, 16, 16, generator=draw).to(prior.dtype) for _ in range(2))
    text = prior.text.encode(["a photo of a man", ""]).to(prior.dtype)
    with torch.inference_mode():
        return predict(prior, noisy, torch.tensor(400), Condition(latents, text[:1], text[1:], 1.0, 3.0)).float()


def two_layers():
    torch.manual_seed(3)
    made = nn.Sequential(nn.Conv2d(8, 16, 3, stride=2, padding=1), nn.Flatten(2), nn.Linear(16, 24, bias=False))
    return made.to(torch.bfloat16).eval().requires_grad_(False)


GIVEN = torch.randn(2, 8, 8, 8, generator=torch.Generator().manual_seed(4)).bfloat16()


@packing
def test_packed_layers_give_what_plain_ones_give():
    plain = two_layers()
    packed = copy.deepcopy(plain)
    pack(packed)
    assert is_packed(packed) and not is_packed(plain)
    assert [type(m).__bases__[0] for m in packed.children()] == [nn.Conv2d, nn.Module, nn.Linear]
    assert set(packed.state_dict()) == set(plain.state_dict())
    torch.testing.assert_close(packed(GIVEN), plain(GIVEN), rtol=0.02, atol=0.02)


@packing
@pytest.mark.parametrize("bias", [True, False])
def test_a_packed_gate_gives_what_the_plain_one_gives(bias):
    torch.manual_seed(3)
    plain = nn.Sequential(GEGLU(16, 24, bias=bias)).to(torch.bfloat16).eval().requires_grad_(False)
    packed = copy.deepcopy(plain)
    pack(packed)
    assert packed[0].pack is not None and type(packed[0].proj) is nn.Linear, "its blocks are held once"
    assert set(packed.state_dict()) == set(plain.state_dict())
    rows = GIVEN.reshape(4, 16, 16)
    torch.testing.assert_close(packed(rows), plain(rows), rtol=0.02, atol=0.02)
    assert not torch.equal(packed(rows), plain(rows)), "it rounds less often"
    with torch.no_grad():
        for network in (plain, packed):
            network[0].proj.weight.mul_(-1)
    assert torch.equal(packed(rows), plain(rows)), "another weight is not the one that was packed"
    pack(packed)
    torch.testing.assert_close(packed(rows), plain(rows), rtol=0.02, atol=0.02)
    unpack(packed)
    assert type(packed[0]) is GEGLU and torch.equal(packed(rows), plain(rows))
    start = rows.clone().requires_grad_(True)
    pack(packed)
    packed(start).float().square().sum().backward()
    assert start.grad is not None


@packing
def test_a_weight_that_was_put_in_place_of_a_packed_one_is_used():
    plain = two_layers()
    packed = copy.deepcopy(plain)
    pack(packed)
    for network in (plain, packed):
        other = nn.Parameter(network[2].weight.detach() * 2, requires_grad=False)
        set_weight(network, "2.weight", other)
        network[0].weight.data = network[0].weight.data.flip(0)
    torch.testing.assert_close(packed(GIVEN), plain(GIVEN), rtol=0.02, atol=0.02)
    with torch.no_grad():
        for network in (plain, packed):
            network[2].weight.mul_(-1)
    torch.testing.assert_close(packed(GIVEN), plain(GIVEN), rtol=0.02, atol=0.02)
    pack(packed)
    torch.testing.assert_close(packed(GIVEN), plain(GIVEN), rtol=0.02, atol=0.02)


@packing
def test_a_gradient_goes_through_packed_layers_as_through_plain_ones():
    plain = two_layers()
    packed = copy.deepcopy(plain)
    pack(packed)
    gradients = []
    for network in (plain, packed):
        start = GIVEN.clone().requires_grad_(True)
        network(start).float().pow(2).sum().backward()
        gradients.append(start.grad)
    assert torch.equal(*gradients) and gradients[0].abs().max() > 0
    moved = copy.deepcopy(packed).float()
    torch.testing.assert_close(moved(GIVEN.float()), plain.float()(GIVEN.float()))


@packing
def test_a_packed_network_may_hold_other_memory_with_the_same_numbers():
    packed = two_layers()
    pack(packed)
    before, same = packed(GIVEN), {name: t.clone() for name, t in packed.state_dict().items()}
    held_by(packed, same)
    assert packed[2].weight.data_ptr() == same["2.weight"].data_ptr()
    assert packed[2].pack.of(packed[2].weight) and torch.equal(packed(GIVEN), before)


def test_one_layout_changes_no_result(shelf):
    from engine.prior.diffbir.widths import empty

    told = json.loads((shelf / STORED / "sd-2.1-base.json").read_text())["files"]["denoiser"]
    made = []
    for layout in (False, True):
        network = empty(TOY, ("denoiser",))["denoiser"]
        network.load_state_dict(mapped(shelf / STORED / told["name"]), assign=True)
        if layout:
            keep_layout(network)
        x, text = (
            torch.randn(shape, generator=torch.Generator().manual_seed(1)) for shape in ((1, 4, 8, 8), (1, 7, 32))
        )
        seen = []
        hook = (
            network.down_blocks[0].attentions[0].register_forward_hook(lambda _m, _x, out, seen=seen: seen.append(out))
        )
        with torch.no_grad():
            made.append(network(x, torch.tensor(300), text, return_dict=False)[0])
        hook.remove()
        assert seen[0][0].is_contiguous(memory_format=torch.channels_last) is layout
    assert (made[1] - made[0]).abs().max() < 1e-4 * made[0].std()


def test_a_prior_in_bfloat16_is_near_the_one_in_float32_and_mapped_from_a_file_of_its_own(shelf):
    exact, half = loaded(shelf, "fp32"), loaded(shelf, "bf16")
    assert half.dtype == torch.bfloat16 and is_packed(half.denoiser) is (native_bfloat16(CPU) and can_pack())
    assert half.sha256 == exact.sha256
    away = (predicted(half) - predicted(exact)).abs().mean() / predicted(exact).std()
    assert 0 < away < 0.05
    stored = sorted((shelf / STORED).glob("*-bf16-*.safetensors"))
    assert [file.name.split("-")[0] for file in stored] == ["autoencoder", "denoiser", "guide", "text"]
    before = {file: file.stat().st_ctime_ns for file in stored}
    assert torch.equal(predicted(loaded(shelf, "bf16")), predicted(half))
    assert {file: file.stat().st_ctime_ns for file in stored} == before  # not written again


def test_a_file_in_bfloat16_that_was_changed_is_written_anew_from_the_published_one(shelf):
    half = predicted(loaded(shelf, "bf16"))
    (stored,) = (shelf / STORED).glob("guide-bf16-*.safetensors")
    data = bytearray(stored.read_bytes())
    data[-1] ^= 0x40
    stored.write_bytes(data)
    assert torch.equal(predicted(loaded(shelf, "bf16")), half)


def test_without_room_for_it_a_prior_is_rounded_when_it_is_loaded(shelf, monkeypatch):
    half = predicted(loaded(shelf, "bf16"))
    for file in (shelf / STORED).glob("*bf16*"):
        file.unlink()

    def full(*_given, **_named):
        raise NoRoom("The disk is full.")

    monkeypatch.setattr(halving, "store", full)
    without = loaded(shelf, "bf16")
    assert not is_packed(without.denoiser) and not list((shelf / STORED).glob("*bf16*"))
    torch.testing.assert_close(predicted(without), half, rtol=0.1, atol=0.1)


def test_numbers_in_bfloat16_are_the_rounded_ones(tmp_path):
    given = {"conv": torch.randn(3, 5, 2, 2), "line": torch.randn(4, 7), "which": torch.arange(6)}
    file = store(tmp_path, "guide", given, half=True)
    read = mapped_half(tmp_path / file.name)
    assert torch.equal(read["conv"], given["conv"].bfloat16()) and torch.equal(read["line"], given["line"].bfloat16())
    assert torch.equal(read["which"], given["which"])
    assert read["conv"].is_contiguous(memory_format=torch.channels_last)


def test_a_person_is_tuned_on_packed_networks_and_merged_into_them(shelf):
    prior = loaded(shelf, "bf16")
    pivot = TextPivot(rank=2, alpha=2.0, targets=("attention", "conv1"))
    made = trainable(prior.denoiser, pivot)
    assert predicted(replace(prior, denoiser=made)).isfinite().all()
    name = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.weight"
    shape = prior.denoiser.get_parameter(name).shape
    delta = {f"{name}.diff": torch.ones(shape)}
    merged = with_delta(prior.denoiser, delta, 1.0)
    told = predicted(replace(prior, denoiser=merged))
    plain = shared_copy(merged)
    for layer in plain.modules():
        if hasattr(layer, "pack"):
            layer.pack = None
    torch.testing.assert_close(told, predicted(replace(prior, denoiser=plain)), rtol=0.1, atol=0.1)
    refresh(merged)
    if is_packed(prior.denoiser):
        changed, base = (network.get_submodule(name.removesuffix(".weight")) for network in (merged, prior.denoiser))
        assert changed.pack.of(changed.weight) and base.pack.of(base.weight) and changed.pack is not base.pack
    torch.testing.assert_close(told, predicted(replace(prior, denoiser=merged)), rtol=0.1, atol=0.1)
    assert (told - predicted(prior)).abs().max() > 1e-3


@pytest.mark.long
def test_a_compiled_network_says_the_same_but_for_rounding():
    """Nothing may change in float32; in bfloat16 it comes as near to that as the plain network."""
    from diffusers import UNet2DConditionModel

    torch.manual_seed(0)
    network = UNet2DConditionModel(
        in_channels=4, out_channels=4, down_block_types=("CrossAttnDownBlock2D",), layers_per_block=1,
        up_block_types=("CrossAttnUpBlock2D",), block_out_channels=(32,), cross_attention_dim=32,
        attention_head_dim=(2,), use_linear_projection=True,
    )  # fmt: skip
    network.eval().requires_grad_(False)
    given = torch.randn(1, 4, 8, 8), torch.tensor(400), torch.randn(1, 77, 32)
    said = {}
    for precision in (torch.float32, torch.bfloat16):
        one = copy.deepcopy(network).to(precision)
        keep_layout(one)
        with torch.inference_mode():
            for how in ("plain", "compiled"):
                if how == "compiled":
                    one.compile()
                told = one(*(g if g.dtype == torch.int64 else g.to(precision) for g in given), return_dict=False)[0]
                said[precision, how] = told.float()
    exact = said[torch.float32, "plain"]
    assert float((said[torch.float32, "compiled"] - exact).abs().max() / exact.std()) < 1e-5
    rounded = {how: said[torch.bfloat16, how] - exact for how in ("plain", "compiled")}
    away = {how: float(error.pow(2).mean().sqrt() / exact.std()) for how, error in rounded.items()}
    assert away["compiled"] < 1.1 * away["plain"], away
    assert away["compiled"] > 0, "it was not run in bfloat16"
