"""Restorers of others in a whole photo: their size of crop, their provenance, and what they say without their files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from engine import images
from engine.progress import SilentReport
from engine.restorers import Context, RestorerInfo, _peer, find, gfpgan, read_options
from engine.results import path_beside, read_provenance
from engine.studio import preparing, restoring
from engine.studio.again import NotTheSame, read_repeat, restore_again
from engine.studio.preparing import Asked
from engine.studio.shelf import shelf
from engine.weights import CATALOGUE, LicenceNotAccepted, WeightsDamaged, WeightsMissing, accept
from engine.workspace import Workspace, sha256_file
from tests.parity import rule
from tests.toys import shared_toy_prior

NOBODY = SilentReport()


@pytest.fixture(autouse=True)
def empty_shelf():
    shelf.cache_clear()
    yield
    shelf.cache_clear()


def narrow_gfpgan(context: Context) -> gfpgan.Gfpgan:
    """GFPGAN for faces of the official size, with few channels and what the rule gives them."""
    from spandrel.architectures.GFPGAN import GFPGAN

    made = GFPGAN(**{**rule.read("gfpgan")["small"]["config"], "out_size": 512})
    made.load_state_dict(rule.official_state(made))
    network = _peer.ready(made, "cpu")
    return gfpgan.Gfpgan(lambda version: network)


def write_cleaner(weights: Path, value: float) -> None:
    """Write what passes for DifFace's cleaner until its network is filled: nobody states the SHA-256 of that file."""
    ends = {"conv_first.1.weight": torch.full((180, 192, 3, 3), value), "conv_up3.bias": torch.zeros(64)}
    torch.save(ends, weights / "swinir_restoration512_L1.pth")


@pytest.fixture
def with_gfpgan(monkeypatch: pytest.MonkeyPatch, workspace: Workspace) -> RestorerInfo:
    """GFPGAN found with that network; its file is one whose content nobody states, its licence accepted."""
    info = replace(
        find("gfpgan"),
        load=narrow_gfpgan,
        weights=("difface-swinir",),
        chosen_weights=lambda options: ("difface-swinir",),
    )
    seen = preparing.checked
    monkeypatch.setattr(preparing, "checked", lambda asked: (info, seen(asked)[1]))
    write_cleaner(workspace.weights, 0.0)
    accept(["S-Lab-1.0"], [CATALOGUE["difface-swinir"]], workspace.weights)
    return info


def test_a_photo_is_restored_by_a_crop_of_the_restorers_own_size_and_told_with_its_files(
    with_gfpgan: RestorerInfo, workspace: Workspace, sample_damaged: list[Path], tmp_path: Path
):
    photo = sample_damaged[0]
    asked = Asked(photo, tmp_path / "out.png", "gfpgan", seed=3, device="cpu")
    made = restoring.restore(workspace, asked, NOBODY)
    before, after = images.read_photo(photo).pixels, images.read_photo(Path(made["result"])).pixels
    assert before.shape == after.shape and np.abs(before - after).max() > 0.05
    told = read_provenance(path_beside(Path(made["result"])))
    scale = np.sqrt(abs(np.linalg.det(np.array(told["face"]["from_photo"])[:, :2])))
    across = np.linalg.norm(np.subtract(told["face"]["points"][0], told["face"]["points"][-2]))
    assert 80 < across * scale < 350  # of a crop of 512 px; in one of 256 it would be half of that
    assert told["prior"] == {"difface-swinir": sha256_file(workspace.weights / "swinir_restoration512_L1.pth")}
    assert (told["restorer"], told["precision"]) == ("gfpgan", "fp32")
    assert told["options"] == {"fast": False, "version": "1.4", "fresh_noise": True}

    again = restore_again(
        workspace, read_repeat(path_beside(Path(made["result"])), photo), tmp_path / "again.png", NOBODY, device="cpu"
    )
    assert again["identical"] is True
    write_cleaner(workspace.weights, 1.0)
    with pytest.raises(NotTheSame, match="was made with other files: difface-swinir differ"):
        restore_again(
            workspace, read_repeat(path_beside(Path(made["result"])), photo), tmp_path / "b.png", NOBODY, device="cpu"
        )


def test_without_its_file_nothing_is_read_and_nothing_else_is_used_instead(workspace: Workspace, tmp_path: Path):
    asked = Asked(tmp_path / "no-such-photo.png", tmp_path / "out.png", "gfpgan", {"version": "1.3"}, device="cpu")
    with pytest.raises(WeightsMissing, match=r"GFPGANv1\.3\.pth .* is not there.* weights get gfpgan-1\.3"):
        restoring.restore(workspace, asked, NOBODY)
    with pytest.raises(WeightsMissing, match=r"GFPGANv1\.3\.pth"):
        preparing.prepare(workspace, asked, NOBODY)
    assert not list(tmp_path.glob("*.png"))


def test_a_file_that_is_another_one_and_a_licence_nobody_accepted_are_told(workspace: Workspace):
    info = find("difface")
    write_cleaner(workspace.weights, 0.0)
    ends = {"input_blocks.0.0.weight": torch.zeros(32, 3, 3, 3), "out.2.weight": torch.zeros(6, 32, 3, 3)}
    torch.save(ends, workspace.weights / "iddpm_ffhq512_ema500000.pth")
    context = Context(shared_toy_prior, workspace.weights, "cpu")
    with pytest.raises(LicenceNotAccepted, match=r"S-Lab-1\.0"):
        info.load(context)
    accept(["S-Lab-1.0"], [CATALOGUE["difface-swinir"]], workspace.weights)
    with pytest.raises(WeightsDamaged, match=r"L1\.pth is not the file of this network: \d+ of its tensors differ"):
        info.load(context)
    version = read_options(find("gfpgan").options, {"version": "1.4"})
    (workspace.weights / "GFPGANv1.4.pth").write_bytes(b"<html>not found</html>")
    with pytest.raises(WeightsDamaged, match=r"GFPGANv1\.4\.pth"):
        preparing.networks_of(find("gfpgan"), version, shared_toy_prior(), workspace.weights)


def test_others_are_named_by_the_prior_they_use():
    prior = shared_toy_prior()
    for id in ("cleaner", "diffbir"):
        info = find(id)
        assert preparing.networks_of(info, info.options(), prior, None) == dict(prior.sha256)
