"""The bases of DiffBIR's priors look alike; one given for the other is refused by what it holds."""

from __future__ import annotations

import json

import pytest
import torch

from engine.prior.diffbir.convert import WrongFile, convert
from engine.prior.diffbir.widths import TOY
from tests import diffbir_files as files


def test_a_base_for_another_guide_is_refused_by_its_schedule(tmp_path):
    torch.save({**files.base(), "alphas_cumprod": torch.linspace(0.99, 0.0, 1000)}, tmp_path / "v2-1.ckpt")
    with pytest.raises(
        WrongFile, match=r"noise alone at the last level, as sd2\.1-base-zsnr-laionaes5\.ckpt, the base"
    ):
        convert("sd-2.1-base", tmp_path / "v2-1.ckpt", tmp_path / "stored", widths=TOY)
    # Stable Diffusion 2.1 for 768 px predicts velocity too, and has a schedule of its own.
    other = {**files.base(velocity=True), "alphas_cumprod": torch.linspace(0.99, 0.0047, 1000)}
    torch.save(other, tmp_path / "sd2.1-base-zsnr-laionaes5.ckpt")
    with pytest.raises(WrongFile, match=r"with some picture left at the last level.*It should be sd2\.1-base-zsnr"):
        convert("sd-2.1-zsnr", tmp_path / "sd2.1-base-zsnr-laionaes5.ckpt", tmp_path / "stored", widths=TOY)
    assert not (tmp_path / "stored").exists()


@pytest.mark.parametrize("form", ["one file", "diffusers"])
def test_a_base_for_another_guide_is_refused_by_what_it_answers_to_noise(tmp_path, form):
    both = r"v2-1_512-ema-pruned\.ckpt.*sd2\.1-base-zsnr-laionaes5\.ckpt"
    for velocity, wanted, other, said in (
        (False, "sd-2.1-zsnr", "sd-2.1-base", rf"predicts noise, as .*{both}"),
        (True, "sd-2.1-base", "sd-2.1-zsnr", rf"does not predict noise, as {both}"),
    ):
        tensors = {name: t for name, t in files.base(velocity=velocity).items() if name != "alphas_cumprod"}
        torch.save({"state_dict": tensors}, tmp_path / "base.ckpt")
        given = tmp_path / "base.ckpt"
        stored = convert(other, given, tmp_path / f"right-{velocity}", widths=TOY)
        share = json.loads((tmp_path / f"right-{velocity}" / f"{other}.json").read_text())["source"]["noise_share"]
        assert share < 0.2 if velocity else share > 0.9
        if form == "diffusers":
            given = tmp_path / f"folder-{velocity}"
            for part, name in (("denoiser", "unet"), ("autoencoder", "vae"), ("text", "text_encoder")):
                (given / name).mkdir(parents=True)
                there = tmp_path / f"right-{velocity}" / stored[part].name
                (given / name / "model.safetensors").symlink_to(there)
        with pytest.raises(WrongFile, match=rf"{said}.*Get that file again"):
            convert(wanted, given, tmp_path / "stored", widths=TOY)
        assert not (tmp_path / "stored").exists()
