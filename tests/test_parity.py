"""Our ports against the official networks: the numbers that `tests/parity/make_<id>.py` took from their own code.

At small sizes by default; `pytest -m parity_full` does it at the official ones.
"""

from __future__ import annotations

from itertools import count

import numpy as np
import pytest
import torch

from engine.progress import silent
from engine.restorers import Subject, _peer, difface, find, read_options
from engine.weights import WeightsDamaged, fill
from tests.parity import rule
from tests.parity.ports import PORTS, outputs, side_of, small_restorer

NETWORK, LOOP = 1e-4, 1e-3
"""Largest relative error of a network, and of a whole loop."""

ports = pytest.mark.parametrize("port", PORTS, ids=lambda port: port.id)


def worst(made, kept):
    assert made
    return max(rule.relative_error(made[name], kept[name]) for name in made)


@ports
def test_a_small_network_gives_the_official_numbers(port):
    case = rule.read(port.numbers)["small"]
    assert rule.form(rule.official_state(port.small(case), port.published)) == case[port.form]
    assert worst(outputs(port, port.network("small"), case["outputs"], "small"), case["outputs"]) < NETWORK


@ports
def test_two_tensors_in_each_others_place_are_noticed(port):
    network = port.network("small")
    kept = rule.read(port.numbers)["small"]["outputs"]
    if port.id == "codeformer":  # each pass takes a second
        kept = {name: kept[name] for name in ("image_1", "logits")}
    named = dict(network.named_parameters()) | dict(network.named_buffers())
    for first, second in port.swaps:
        before = named[first].clone()
        named[first].data.copy_(named[second])
        named[second].data.copy_(before)
        assert worst(outputs(port, network, kept, "small"), kept) > 10 * NETWORK, (first, second)
        named[second].data.copy_(named[first])
        named[first].data.copy_(before)
    assert worst(outputs(port, network, kept, "small"), kept) < NETWORK


@pytest.mark.parametrize("id", ["gfpgan", "restoreformer", "codeformer"])
def test_a_restorer_maps_the_range_of_values_as_the_official_program(id):
    case = rule.read(id)["small"]
    face = (rule.picture(side_of(case))[0].transpose(1, 2, 0) + 1) / 2
    named = {"gfpgan": {"fresh_noise": False}, "restoreformer": {}, "codeformer": {"weight": 1}}[id]
    options = read_options(find(id).options, named)
    made = small_restorer(id).restore(face, Subject(), options, seed=0, tick=silent)
    kept = case["outputs"]["face_1" if id == "codeformer" else "face"]
    assert rule.relative_error(made.transpose(2, 0, 1)[None], kept) < NETWORK


@pytest.mark.parametrize(("name", "start"), [("loop_0.0", 100), ("loop_0.5", 100), ("loop_1.0", 100), ("short_0.5", 5)])
def test_difface_samples_as_the_official_loop(name, start):
    case, restorer, drawn = rule.read("difface")["small"], small_restorer("difface"), count()
    model = next(port for port in PORTS if port.id == "difface-unet").network("small")
    if name.startswith("loop"):
        rule.tame(model)
    picture = torch.from_numpy(rule.picture(side_of(case)))
    options = read_options(find("difface").options, {"eta": float(name[-3:]), "start": start})
    with torch.inference_mode():
        cleaned = restorer.cleaner((picture + 1) / 2).clamp(0, 1) * 2 - 1

        def draw():
            return torch.from_numpy(rule.noise(next(drawn), cleaned.shape))

        made = difface.denoised(model, cleaned, options, draw=draw, tick=silent)
    assert rule.relative_error(((made + 1) / 2).clamp(0, 1).numpy(), case["outputs"][name]) < LOOP


def test_difface_restores_by_its_cleaner_its_noise_and_its_loop():
    restorer = small_restorer("difface")
    face = (rule.picture(32)[0].transpose(1, 2, 0) + 1) / 2
    made = restorer.restore(face, Subject(), read_options(find("difface").options, {"start": 3}), seed=5, tick=silent)
    torch.manual_seed(5)  # as the authors' program begins
    with torch.inference_mode():
        cleaned = restorer.cleaner(torch.from_numpy(face.transpose(2, 0, 1)[None])).clamp(0, 1) * 2 - 1
        options = read_options(find("difface").options, {"start": 3})
        wanted = difface.denoised(restorer.model, cleaned, options, draw=lambda: torch.randn_like(cleaned), tick=silent)
    assert np.allclose(made, ((wanted + 1) / 2).clamp(0, 1)[0].permute(1, 2, 0).numpy(), atol=1e-6)


def test_gfpgans_noise_is_that_of_its_own_program_for_the_same_seed_and_nobody_elses_changes():
    restorer, face = small_restorer("gfpgan"), (rule.picture(64)[0].transpose(1, 2, 0) + 1) / 2
    options = find("gfpgan").options()
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    made = restorer.restore(face, Subject(), options, seed=9, tick=silent)
    assert torch.equal(torch.rand(3), expected)
    torch.manual_seed(9)
    with torch.inference_mode():
        wanted = restorer.network("1.4")(_peer.as_batch(face, 64, torch.device("cpu")), return_rgb=False)[0]
    assert np.array_equal(made, _peer.as_face(wanted))
    other = restorer.restore(face, Subject(), options, seed=10, tick=silent)
    assert not np.array_equal(made, other)


# Files


@ports
def test_files_in_every_published_form_are_read_strictly(port, tmp_path):
    case = rule.read(port.numbers)["small"]
    state = rule.official_state(port.small(case), port.published)
    prefix = "vqvae." if port.id == "restoreformer" else ""
    forms = [(name, state) for name in port.within]
    forms += [(port.within[-1], {f"module.{name}": tensor for name, tensor in state.items()})]
    if prefix:  # the authors' own checkpoint also holds what it was trained with
        own = {f"{prefix}{name}": tensor for name, tensor in state.items()}
        forms += [("state_dict", {**own, "loss.discriminator.weight": torch.zeros(3)})]
    for within, tensors in forms:
        torch.save({within: tensors} if within else tensors, tmp_path / "file.pth")
        made = port.small(case)
        fill(made, tmp_path / "file.pth", within=port.within, prefix=prefix, published=port.published)
        assert all(torch.equal(tensor, state[port.published(name)]) for name, tensor in made.state_dict().items())
    name = next(iter(state))
    for wrong, sentence in (
        ({n: t for n, t in state.items() if n != name}, f"{name} is missing and should be"),
        ({**state, "extra": torch.zeros(2)}, r"extra is \(2,\) and should be absent"),
    ):
        torch.save({port.within[0]: wrong} if port.within[0] else wrong, tmp_path / "file.pth")
        with pytest.raises(WeightsDamaged, match=sentence):
            fill(port.small(case), tmp_path / "file.pth", within=port.within, published=port.published)
    for data in (b"<html>not found</html>", b"", b"PK\x03\x04"):
        (tmp_path / "file.pth").write_bytes(data)
        with pytest.raises(WeightsDamaged, match="holds no weights"):
            fill(port.small(case), tmp_path / "file.pth", within=port.within)


# The official sizes


@pytest.mark.parity_full
@ports
def test_a_network_of_the_official_size_gives_the_official_numbers(port):
    case = rule.read(port.numbers)["full"]
    made = port.network("full")
    assert rule.form(rule.official_state(made, port.published)) == case[port.form]
    kept = {name: value for name, value in case["outputs"].items() if not name.startswith("face")}
    assert worst(outputs(port, made, kept, "full"), kept) < NETWORK
