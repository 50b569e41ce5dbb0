"""DiffBIR's published priors: from the files as published to a prior that restores."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from engine.errors import EngineError
from engine.prior.diffbir import fit as fitting
from engine.prior.diffbir import keys
from engine.prior.diffbir.convert import WrongFile, convert
from engine.prior.diffbir.fit import Fit, TooSmall, fit, smaller
from engine.prior.diffbir.kinds import KINDS, NoSuchPrior, Wanted
from engine.prior.diffbir.load import STORED, PriorMissing, load
from engine.prior.diffbir.storing import NoRoom, store
from engine.prior.diffbir.widths import FULL, TOY
from engine.prior.diffbir.words import PromptTooLong
from engine.prior.settings import SAMPLERS, BadSampling, Pull, Sampling
from engine.progress import Cancelled
from engine.restore import Settings, restore_face
from engine.weights import WeightsDamaged, WeightsMissing
from tests import diffbir_files as files
from tests.toys import drawn_face

COUNTS = {"denoiser": (686, 865_910_724), "guide": (324, 363_153_280), "autoencoder": (248, 83_653_863)}


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """A folder of weights with everything stored for versions 1 for faces and 2."""
    root = tmp_path_factory.mktemp("weights")
    given = files.published(tmp_path_factory.mktemp("files"))
    convert("diffbir-v1-face-guide", given / "v1_face.pth", root / STORED, widths=TOY)
    convert("diffbir-v2-guide", given / "v1_face.pth", root / STORED, widths=TOY)
    convert("sd-2.1-base", given / "v2-1_512-ema-pruned.ckpt", root / STORED, widths=TOY)
    convert("diffbir-face-swinir", given / "face_swinir_v1.ckpt", root / STORED, widths=TOY)
    return root


@pytest.fixture(scope="module")
def prior(shelf):
    return load("diffbir-v1-face", shelf, device="cpu", widths=TOY, wanted=Wanted(precision="fp32"))


@pytest.mark.parametrize("part", COUNTS)
def test_every_tensor_of_the_published_networks_has_its_place(part):
    table = keys.published(part, FULL)
    published = {source.name: source.shape for source in table.values()}
    assert len(published) == COUNTS[part][0]
    assert sum(torch.Size(shape).numel() for shape in published.values()) == COUNTS[part][1]
    if part != "guide":
        assert len(set(published)) == len(table)
    else:  # its first convolution is in two parts here
        assert len(table) == len(published) + 1 and published["input_blocks.0.0.weight"] == (320, 8, 3, 3)


def test_the_text_encoder_is_openclips_without_its_last_layer():
    used = {source.name: source.shape for source in keys.published("text", FULL).values()}
    left = keys.not_used("text", FULL)
    assert len({**used, **left}) == 294 and not set(used) & set(left)
    counted = sum(torch.Size(shape).numel() for shape in {**used, **left}.values())
    assert counted == 354_032_641
    assert {name for name in left if "resblocks" not in name} == {"text_projection", "logit_scale"}
    assert all(".23." in name for name in left if "resblocks" in name)


def test_one_file_with_everything_and_a_file_for_each_part_are_stored_once(shelf, tmp_path):
    torch.save(files.full(), tmp_path / "face_full_v1.ckpt")
    before = sorted(p.name for p in (shelf / STORED).glob("*.safetensors"))
    convert("diffbir-v1-face-full", tmp_path / "face_full_v1.ckpt", shelf / STORED, widths=TOY)
    after = sorted(p.name for p in (shelf / STORED).glob("*.safetensors"))
    (shelf / STORED / "diffbir-v1-face-full.json").unlink()
    assert before == after and len(before) == 5


def test_a_training_of_the_papers_release_is_read_as_the_file_it_began_with(shelf, tmp_path):
    begun = {"state_dict": files.full(), "epoch": 3, "global_step": 799, "optimizer_states": [{"lr": 5e-5}]}
    torch.save(begun, tmp_path / "step=799.ckpt")
    made = convert("diffbir-v1-face-full", tmp_path / "step=799.ckpt", tmp_path / "stored", widths=TOY)
    assert set(made) == {"denoiser", "guide", "autoencoder", "text", "cleaner"}
    assert made["guide"].sha256 in (shelf / STORED / "diffbir-v1-face-guide.json").read_text()


def test_a_folder_in_diffusers_form_gives_the_same_networks_as_the_published_file(shelf, tmp_path):
    told = json.loads((shelf / STORED / "sd-2.1-base.json").read_text())["files"]
    folder = tmp_path / "sd-2.1-base"
    for part, name in (("denoiser", "unet"), ("autoencoder", "vae"), ("text", "text_encoder")):
        from safetensors.torch import load_file

        tensors = load_file(shelf / STORED / told[part]["name"])
        (folder / name).mkdir(parents=True)
        if part == "text":
            tensors = {f"text_model.{key}": t for key, t in tensors.items()}
        if part == "autoencoder":
            former = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
            for now, once in former.items():
                tensors = {k.replace(f"attentions.0.{now}.", f"attentions.0.{once}."): t for k, t in tensors.items()}
        save_file(tensors, folder / name / "model.safetensors")
    made = convert("sd-2.1-base", folder, tmp_path / "stored", widths=TOY)
    assert {part: file.sha256 for part, file in made.items()} == {part: told[part]["sha256"] for part in told}


def test_a_prior_restores_a_face_by_any_words(prior):
    assert (prior.name, prior.size, prior.dtype) == ("diffbir-v1-face", 512, torch.float32)
    assert set(prior.sha256) == {"denoiser", "guide", "autoencoder", "text", "cleaner"}
    face = drawn_face(size=512)
    settings = Settings(sampling=Sampling("spaced", 1, 1.0, start_point="noise"), prompt="a photo of a zebra")
    made = restore_face(prior, face, settings, seed=1)
    assert made.pixels.shape == (512, 512, 3) and made.note == ""
    assert made.pixels.min() >= 0 and made.pixels.max() <= 1 and made.pixels.std() > 0.01
    assert torch.equal(sampled(prior, settings), sampled(prior, settings))


def test_numbers_come_from_the_file_until_they_are_changed(shelf):
    from engine.prior.diffbir.storing import mapped

    told = json.loads((shelf / STORED / "diffbir-v1-face-guide.json").read_text())["files"]["guide"]
    maps = f"/proc/{os.getpid()}/maps"
    tensors = mapped(shelf / STORED / told["name"])
    if os.path.exists(maps):  # noqa: PTH110
        with open(maps) as told_maps:  # noqa: PTH123
            assert told["name"] in told_maps.read()
    assert tensors["conv_in.weight"].shape == (32, 4, 3, 3)


@pytest.mark.parametrize(
    "knob",
    [
        Settings(sampling=Sampling("spaced", 2, 1.0)),
        Settings(sampling=Sampling("spaced", 2, 1.0, start_point="noise", noise_aug=150)),
        Settings(sampling=Sampling("spaced", 2, 1.0, start_point="noise", tile=64)),
        Settings(sampling=Sampling("spaced", 2, 1.0, start_point="noise", pull=Pull("v1", 50.0))),
        Settings(sampling=Sampling("spaced", 2, 1.0, start_point="noise", pull=Pull("v2", 0.05))),
        Settings(sampling=Sampling("spaced", 2, 1.0, start_point="noise"), prompt="a man", guidance=4.0),
        Settings(sampling=Sampling("spaced", 2, 1.0, start_point="noise"), guidance=4.0, against="low quality"),
        Settings(
            sampling=Sampling("spaced", 2, 1.0, start_point="noise", rescale_guidance=True),
            prompt="a man",
            guidance=4.0,
        ),
        Settings(sampling=Sampling("edm-3m-sde", 2, 1.0, start_point="noise")),
    ],
)
def test_each_of_diffbirs_knobs_changes_what_is_sampled(prior, knob, knob_results):
    made = sampled(prior, knob)
    assert all((made - other).abs().max() > 1e-4 for other in knob_results)
    knob_results.append(made)


@pytest.fixture(scope="module")
def knob_results(prior):
    return [sampled(prior, Settings(sampling=Sampling("spaced", 2, 1.0, start_point="noise")))]


def sampled(prior, settings):
    """Sample at 128 px, which is enough to see that a knob works."""
    from engine.prior.bundle import Condition
    from engine.prior.sample import sample

    text = prior.text.encode([settings.prompt, "", settings.against])
    latents = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(3))
    condition = Condition(latents, text[:1], text[1:2], settings.guide_strength, settings.guidance, against=text[2:])
    return sample(prior, condition, settings.sampling, seed=1, start_from=latents)


def test_a_pull_draws_the_result_to_the_cleaned_face_with_every_sampler(prior):
    target = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(3))
    for name in SAMPLERS:
        away = []
        for pull in (Pull(), Pull("v1", 200.0)):
            plain = Settings(sampling=Sampling(name, 3, 1.0, start_point="noise", pull=pull))
            away.append(float((sampled(prior, plain) - target).pow(2).mean()))
        assert away[1] < 0.9 * away[0], name


def test_tiles_meet_without_a_seam_where_all_tiles_say_the_same():
    from engine.prior.tiles import places, weights

    assert places(20, 8, 4) == [0, 4, 8, 12] and places(21, 8, 4) == [0, 4, 8, 12, 13] and places(5, 8, 4) == [0]
    assert weights(8).shape == (8, 8) and float(weights(8).min()) > 0


def test_the_autoencoder_in_tiles_gives_nearly_the_same(prior):
    pixels = torch.from_numpy(drawn_face(size=256)).permute(2, 0, 1)[None] * 2 - 1
    with torch.no_grad():
        whole = prior.autoencoder.encode(pixels)
        prior.autoencoder.tile(128)
        try:
            tiled = prior.autoencoder.encode(pixels)
        finally:
            prior.autoencoder.tile(None)
    assert not torch.equal(tiled, whole)
    assert (tiled - whole).abs().mean() < 0.5 * whole.std()


def test_a_prompt_that_would_be_cut_off_is_refused(prior):
    with pytest.raises(PromptTooLong, match="has 100 tokens; this prior reads at most 75"):
        restore_face(prior, drawn_face(size=512), Settings(prompt="a " * 100))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (Sampling(start_point="middle"), "start_point must be one of cleaned, noise, got 'middle'"),
        (Sampling(noise_aug=1000), "noise_aug must be 0 to 999, got 1000"),
        (Sampling(tile=100), "tile must be 0 or a multiple of 64, got 100"),
        (Sampling(pull=Pull("v3")), "convention must be one of none, v1, v2, got 'v3'"),
        (Sampling(pull=Pull("v1", -1.0)), "scale must be 0 or more and its repeat 1 to 20, got -1.0 and 5"),
        (Sampling(pull=Pull("v1", 1.0, flat_only=True)), "a part of v2's pull on pixels"),
        (Sampling(pull=Pull("v1", 1.0), tile=512), "A pull works on the whole picture"),
    ],
)
def test_knobs_outside_their_range_are_refused_in_words(prior, wrong, said):
    with pytest.raises(BadSampling) as error:
        restore_face(prior, drawn_face(size=512), Settings(sampling=wrong))
    assert said in str(error.value)


def test_what_is_missing_is_named_with_size_licence_and_remedy(tmp_path):
    with pytest.raises(PriorMissing) as error:
        load("diffbir-v1-face", tmp_path, device="cpu", widths=TOY)
    told = str(error.value)
    for said in (
        "DiffBIR v1 for faces is not complete",
        "v2-1_512-ema-pruned.ckpt",
        "v1_face.pth",
        "face_swinir_v1.ckpt (90.2 MB)",
        "Licence OpenRAIL++-M",
        "python app.py weights get diffbir-v1-face-guide",
        "Or everything in one file: face_full_v1.ckpt",
    ):
        assert said in told, said
    with pytest.raises(NoSuchPrior, match=r"no prior 'diffbir-v3'\. Choose one of: pocket, diffbir-v1-face"):
        load("diffbir-v3", tmp_path)


def test_for_commercial_use_another_cleaner_is_wanted(shelf):
    with pytest.raises(PriorMissing) as error:
        load("diffbir-v1-face", shelf, device="cpu", widths=TOY, wanted=Wanted(commercial=True))
    assert "codeformer_swinir.ckpt" in str(error.value) and "face_swinir_v1.ckpt (" not in str(error.value)


def test_for_commercial_use_the_other_cleaner_is_taken(shelf, prior, tmp_path):
    root, given = tmp_path / "weights", tmp_path / "codeformer_swinir.ckpt"
    shutil.copytree(shelf, root)
    other = {name: tensor * 0.9 for name, tensor in files.cleaner().items()}
    torch.save(other, given)
    convert("diffbir-codeformer-swinir", given, root / STORED, widths=TOY)
    found = {
        wish: load("diffbir-v1-face", root, device="cpu", widths=TOY, wanted=Wanted(wish, precision="fp32"))
        for wish in (False, True)
    }
    face = torch.from_numpy(drawn_face(256)).permute(2, 0, 1)[None]
    usual, cleaned, free = (one.cleaner(face) for one in (prior, found[False], found[True]))
    assert torch.equal(usual, cleaned) and (free - usual).abs().max() > 0.01


def test_a_file_with_a_tensor_more_less_or_other_is_refused_by_its_name(tmp_path):
    into = tmp_path / "stored"
    more = {**files.network("guide"), "zero_convs.12.0.weight": torch.zeros(1)}
    less = {k: v for k, v in files.network("guide").items() if k != "middle_block.1.proj_in.weight"}
    other = {**files.network("guide"), "input_blocks.0.0.weight": torch.zeros(32, 4, 3, 3)}
    for tensors, said in (
        (more, r"zero_convs\.12\.0\.weight is \(1,\) and should be absent"),
        (less, r"middle_block\.1\.proj_in\.weight is missing and should be \(64, 64\)"),
        (other, r"input_blocks\.0\.0\.weight is \(32, 4, 3, 3\) and should be \(32, 8, 3, 3\)"),
    ):
        torch.save(tensors, tmp_path / "v2.pth")
        with pytest.raises(WrongFile, match=said):
            convert("diffbir-v2-guide", tmp_path / "v2.pth", into, widths=TOY)
    torch.save({**files.base(), "something.else": torch.zeros(2)}, tmp_path / "sd.ckpt")
    with pytest.raises(WrongFile, match=r"holds something\.else, which has no place in sd-2\.1-base"):
        convert("sd-2.1-base", tmp_path / "sd.ckpt", into, widths=TOY)
    assert not list(into.glob("*")) if into.exists() else True


def test_a_stored_base_under_two_names_is_refused(shelf, tmp_path):
    """As earlier versions stored it, which did not look at what a base answers."""
    torch.save(files.network("guide"), tmp_path / "DiffBIR_v2.1.pt")
    convert("diffbir-v2.1-guide", tmp_path / "DiffBIR_v2.1.pt", shelf / STORED, widths=TOY)
    (shelf / STORED / "sd-2.1-zsnr.json").write_text((shelf / STORED / "sd-2.1-base.json").read_text())
    try:
        with pytest.raises(WrongFile, match="hold the same denoiser, so one of them is under a wrong name"):
            load("diffbir-v2.1", shelf, device="cpu", widths=TOY)
    finally:
        for name in ("sd-2.1-zsnr", "diffbir-v2.1-guide"):
            (shelf / STORED / f"{name}.json").unlink()


def test_the_base_of_version_2_1_is_read_as_it_is_published(shelf, tmp_path):
    """Without what is not used of the text encoder, and with a tensor by diffusers' name."""
    torch.save({"state_dict": files.base(velocity=True)}, tmp_path / "sd2.1-base-zsnr-laionaes5.ckpt")
    made = convert("sd-2.1-zsnr", tmp_path / "sd2.1-base-zsnr-laionaes5.ckpt", tmp_path / "stored", widths=TOY)
    told = json.loads((shelf / STORED / "sd-2.1-base.json").read_text())["files"]
    assert made["text"].sha256 == told["text"]["sha256"] and made["denoiser"].sha256 != told["denoiser"]["sha256"]


def test_a_truncated_file_and_one_that_is_no_file_of_weights_are_refused(tmp_path):
    given = files.published(tmp_path / "files")
    whole = (given / "v1_face.pth").read_bytes()
    (given / "v1_face.pth").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(WeightsDamaged, match="is damaged or holds no weights"):
        convert("diffbir-v1-face-guide", given / "v1_face.pth", tmp_path / "stored", widths=TOY)
    torch.save({"conv.weight": torch.zeros(3, 3)}, given / "face_swinir_v1.ckpt")
    with pytest.raises(WeightsDamaged, match="none of the cleaners that are known"):
        convert("diffbir-face-swinir", given / "face_swinir_v1.ckpt", tmp_path / "stored", widths=TOY)
    assert not (tmp_path / "stored").exists()


def test_a_stored_network_that_was_changed_is_refused_and_the_former_state_kept(shelf):
    note = shelf / STORED / "diffbir-v1-face-guide.json"
    file = shelf / STORED / json.loads(note.read_text())["files"]["guide"]["name"]
    whole = file.read_bytes()
    try:
        file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        with pytest.raises(WeightsDamaged, match="The stored guide of diffbir-v1-face-guide is missing or was changed"):
            load("diffbir-v1-face", shelf, device="cpu", widths=TOY)
        file.unlink()
        with pytest.raises(WeightsMissing, match="and it is stored anew"):
            load("diffbir-v1-face", shelf, device="cpu", widths=TOY)
        assert note.is_file()
    finally:
        file.write_bytes(whole)
    assert load("diffbir-v1-face", shelf, device="cpu", widths=TOY).name == "diffbir-v1-face"


@pytest.mark.parametrize("name", ["swinir", "scunet"])
def test_a_cleaner_has_the_numbers_of_its_file_and_no_others(name, tmp_path):
    from engine.prior.diffbir.cleaners import read_cleaner

    given = files.cleaner(name)
    read = read_cleaner(given, tmp_path).network.state_dict()
    renamed = {key.replace("conv_first.1.", "conv_first."): tensor for key, tensor in given.items()}
    shared = read.keys() & renamed.keys()
    assert len(shared) == len(read) and all(torch.equal(read[key], renamed[key]) for key in shared)


def test_storing_that_is_stopped_or_has_no_room_leaves_nothing(tmp_path, monkeypatch):
    def tick(done, total):
        raise Cancelled

    with pytest.raises(Cancelled):
        store(tmp_path, "guide", {"a": torch.zeros(4), "b": torch.zeros(4)}, tick=tick)
    assert not list(tmp_path.iterdir())
    huge = torch.empty(1 << 50, device="meta")
    with pytest.raises(NoRoom, match=r"Storing the guide takes .* and .* are free"):
        store(tmp_path, "guide", {"a": huge})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("free", "precision", "tile", "offload"),
    [(24, "fp16", None, False), (12, "fp16", None, False), (6, "fp16", 256, False), (5, "fp16", 256, True)],
)
def test_what_fits_is_chosen_before_anything_is_loaded(free, precision, tile, offload):
    chosen = fit(torch.device("cuda"), "fp16", free_gib=free * 0.92)
    assert chosen == Fit(precision, tile, offload) or chosen.needs_gib <= free
    assert chosen.needs_gib <= free * 0.92


def test_a_machine_that_is_too_small_is_told_what_is_needed():
    with pytest.raises(TooSmall, match=r"needs [\d.]+ GiB at least \(bf16\) and 2\.0 GiB are free on cpu"):
        fit(torch.device("cpu"), "bf16", free_gib=2.0)
    with pytest.raises(TooSmall, match="There is no precision 'int3'"):
        fit(torch.device("cpu"), "int3", free_gib=99.0)


def test_the_next_setting_needs_less_until_there_is_none():
    now, seen = Fit("fp16", None, False), []
    while now is not None:
        seen.append(now.needs_gib)
        now = smaller(now, torch.device("cuda"))
    assert seen == sorted(seen, reverse=True) and len(seen) == 3
    assert smaller(Fit("bf16", 256, False), torch.device("cpu")) is None
    assert "tiles of 256 px" in str(Fit("bf16", 256, False))


def test_published_priors_are_what_their_authors_trained():
    assert [k.prediction for k in KINDS.values()] == ["epsilon"] * 3 + ["v_prediction"]
    assert KINDS["diffbir-v2.1"].schedule["rescale_betas_zero_snr"] is True
    assert not KINDS["diffbir-v1-face"].guide_reads_prompt and KINDS["diffbir-v2"].guide_reads_prompt
    assert COUNTS["denoiser"][1] + COUNTS["guide"][1] == fitting.DENOISING


def test_the_guide_of_version_2_reads_the_prompt(prior):
    seen = []
    handle = prior.guide.register_forward_pre_hook(lambda module, given: seen.append(given[2].clone()))
    sampled(replace(prior, guide_reads_prompt=True), Settings(sampling=Sampling("ddim", 1, 1.0), prompt="a man"))
    sampled(prior, Settings(sampling=Sampling("ddim", 1, 1.0), prompt="a man"))
    handle.remove()
    assert torch.equal(seen[0], prior.text.encode(["a man"])) and torch.equal(seen[1], prior.text.encode([""]))


def test_out_of_memory_falls_to_the_next_setting_once_and_says_so(prior):
    class Full(torch.nn.Module):
        """A denoiser for which there is no memory."""

        def __init__(self) -> None:
            super().__init__()
            self.p = torch.nn.Parameter(torch.zeros(1))

        def forward(self, *given, **named):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    settings = Settings(sampling=Sampling("ddim", 1, 1.0))
    tight = replace(prior, size=128, denoiser=Full(), smaller=lambda: replace(prior, size=128, smaller=None))
    made = restore_face(tight, drawn_face(size=128), settings)
    assert "not enough memory" in made.note and made.pixels.shape == (128, 128, 3)
    never = replace(
        prior, size=128, denoiser=Full(), smaller=lambda: replace(prior, size=128, denoiser=Full(), smaller=None)
    )
    with pytest.raises(EngineError, match="not enough memory for diffbir-v1-face"):
        restore_face(never, drawn_face(size=128), settings)


def test_parts_may_be_in_another_precision_than_the_denoiser(shelf, prior):
    from engine.prior.diffbir.load import assemble
    from engine.weights import WeightFile

    stored: dict[str, WeightFile] = {}
    for name in ("diffbir-v1-face-guide", "sd-2.1-base", "diffbir-face-swinir"):
        told = json.loads((shelf / STORED / f"{name}.json").read_text())["files"]
        stored |= {part: WeightFile(**file) for part, file in told.items()}
    how = Fit("bf16", 256, True)
    made = assemble(KINDS["diffbir-v1-face"], shelf / STORED, stored, how, widths=TOY, device=torch.device("cpu"))
    assert made.dtype == torch.bfloat16 and next(made.cleaner.parameters()).dtype == torch.float32
    settings = Settings(sampling=Sampling("spaced", 2, 1.0, start_point="noise"))
    pictures = [restore_face(replace(one, size=128), drawn_face(size=128), settings).pixels for one in (made, prior)]
    assert 0 < abs(pictures[0] - pictures[1]).mean() < 0.05


def test_a_prior_is_chosen_by_its_name_and_refused_before_anything_is_read(tmp_path):
    from engine.prior.load import BadPrior, named
    from engine.studio.preparing import Asked, checked

    asked = Asked(tmp_path / "photo.png", tmp_path, "diffbir", prior="diffbir-v9")
    with pytest.raises(NoSuchPrior, match=r"no prior 'diffbir-v9'\."):
        checked(asked)
    assert checked(replace(asked, prior="diffbir-v2"))[0].id == "diffbir"
    with pytest.raises(PriorMissing, match="DiffBIR v2 is not complete"):
        named("diffbir-v2", tmp_path, device="cpu")
    with pytest.raises(BadPrior, match="needs a folder of weights"):
        named("diffbir-v2", None)
