"""The list of published weights: what it says, where files are found, licences, files of one's own, and commands."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest
import torch

from engine import faces, weights
from engine.errors import EngineError
from engine.faces import networks
from engine.progress import SilentReport
from engine.restorers import realesrgan
from engine.studio import enlarging
from engine.weights import places
from engine.weights.files import WeightsDamaged, WeightsMissing
from engine.workspace import FileCorrupt
from tests import weights_server as bad
from tests.test_cli import here, undocumented

HURRY = weights.Patience(connect_seconds=10, stall_seconds=5, tries=2, wait_seconds=0.01)
QUIET = SilentReport()
DIFFACE = {"input_blocks.0.0.weight": torch.ones(32, 3, 3, 3), "out.2.weight": torch.ones(6, 32, 3, 3)}
CONTROL = {"input_blocks.0.0.weight": torch.ones(320, 8, 3, 3), "zero_convs.0.0.weight": torch.ones(320, 320, 1, 1)}
SMALL = b"not four hundred megabytes"
IDS = (
    *("gfpgan-1.2", "gfpgan-1.3", "gfpgan-1.4", "restoreformer", "codeformer", "difface-swinir", "difface-ffhq512"),
    *("realesrgan-x2plus", "realesrgan-x4plus", "realesrgan-general-x4v3"),
)
"""Ids that restorers ask for by name."""


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "LIKENESS_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def server():
    with bad.running() as running:
        yield running


@pytest.fixture
def root(workspace) -> Path:
    return workspace.weights


def relist(monkeypatch, file_id: str, **changes):
    """Change what the list says of one file, so that a small one on the loopback stands for it."""
    listed = MappingProxyType({**weights.CATALOGUE, file_id: replace(weights.CATALOGUE[file_id], **changes)})
    for module in ("engine.weights", "engine.weights.places", "engine.weights.actions"):
        monkeypatch.setattr(f"{module}.CATALOGUE", listed)


def stands_for(monkeypatch, file_id: str, data: bytes = SMALL, **changes) -> bytes:
    relist(monkeypatch, file_id, size=len(data), sha256=hashlib.sha256(data).hexdigest(), **changes)
    return data


def saved(path: Path, tensors) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(tensors, path)
    return path


def row(file_id: str, root: Path) -> weights.Found:
    return weights.look(weights.CATALOGUE[file_id], root, weights.read_record(root))


# What the list says


def test_the_ids_that_restorers_ask_for_are_there():
    assert set(IDS) <= set(weights.CATALOGUE)


def test_no_size_sha256_or_mirror_stands_without_the_public_place_that_states_it():
    for file in weights.CATALOGUE.values():
        assert bool(file.stated) == (file.sha256 is not None or bool(file.about)), file.id
        assert not (file.about and file.size), file.id
        assert file.size is None or file.sha256 is not None, file.id
        assert file.sha256 is None or re.fullmatch("[0-9a-f]{64}", file.sha256), file.id
        for mirror in file.mirrors:
            assert mirror.stated and mirror.url.startswith("https://"), file.id
        assert file.url == "" or file.url.startswith("https://"), file.id
        assert file.page.startswith("https://") and file.purpose and file.serves, file.id


def test_no_two_files_are_taken_for_each_other():
    files = list(weights.CATALOGUE.values())
    names = [name.lower() for file in files for name in (file.file, *file.aliases)]
    sums = [file.sha256 for file in files if file.sha256]
    assert len(set(names)) == len(names) and len(set(sums)) == len(sums)
    for group in {group for file in files for group in file.serves} & {file.id for file in files}:
        assert [file.id for file in files if group in file.serves] == [group], "one name means one thing"


def test_licences_that_forbid_commercial_use_are_those_that_must_be_accepted():
    licences = {file.licence for file in weights.CATALOGUE.values()}
    assert {licence.name for licence in licences if licence.to_accept} == {
        "S-Lab-1.0",
        "CC-BY-NC-SA-4.0",
        "NVIDIA-StyleGAN2-ADA",
    }
    assert len({licence.name for licence in licences}) == len(licences)
    for licence in licences:
        assert licence.commercial in ("yes", "no", "ask") and licence.words.endswith(".")
        assert ("non-commercial" in licence.words.lower()) or licence.commercial != "no"


def test_files_are_chosen_by_id_or_by_what_they_serve():
    assert [file.id for file in weights.chosen(["gfpgan"])] == ["gfpgan-1.2", "gfpgan-1.3", "gfpgan-1.4"]
    assert [file.id for file in weights.chosen(["codeformer", "gfpgan-1.4", "codeformer"])] == [
        "codeformer",
        "gfpgan-1.4",
    ]
    with pytest.raises(weights.UnknownWeights, match="no file 'gfgpan' in the list of weights"):
        weights.chosen(["gfgpan"])


# Where files are


def test_a_missing_file_is_told_with_its_size_its_licence_and_the_command(root):
    with pytest.raises(WeightsMissing) as missing:
        weights.locate("gfpgan-1.4", root)
    said = str(missing.value)
    assert said.startswith("GFPGANv1.4.pth (348.6 MB) is not there. Licence GFPGAN: Apache-2.0, but parts")
    assert said.endswith("Get it with: python app.py weights get gfpgan-1.4")
    with pytest.raises(WeightsMissing, match=r"\(about 376\.6 MB\).*weights get codeformer --accept S-Lab-1\.0$"):
        weights.locate("codeformer", root)
    with pytest.raises(WeightsMissing, match=r"by hand from https://\S+ and run: .* use FILE --as dr2-ffhq$"):
        weights.locate("dr2-ffhq", root)
    with pytest.raises(weights.UnknownWeights):
        weights.locate("gfpgan", root)
    assert issubclass(WeightsMissing, EngineError)


def test_a_whole_file_is_found_and_a_tampered_one_is_refused(monkeypatch, root):
    data = stands_for(monkeypatch, "gfpgan-1.4")
    path = root / "GFPGANv1.4.pth"
    path.write_bytes(data)
    assert weights.locate("gfpgan-1.4", root) == path
    before = path.stat()
    path.write_bytes(data[:-1] + b"!")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(WeightsDamaged, match=r"is not the published GFPGANv1\.4\.pth: its SHA-256 differs"):
        weights.locate("gfpgan-1.4", root)
    path.write_bytes(data[:-3])
    with pytest.raises(WeightsDamaged, match=r"has 23 bytes and should have 26, so it is cut off .* get gfpgan-1\.4$"):
        weights.locate("gfpgan-1.4", root)


def test_a_file_is_read_whole_once_and_then_remembered(monkeypatch, root):
    (root / "GFPGANv1.4.pth").write_bytes(stands_for(monkeypatch, "gfpgan-1.4"))
    ticks: list[int] = []
    for _ in range(3):
        weights.locate("gfpgan-1.4", root, lambda done, total: ticks.append(done))
    assert len(ticks) == 1


def test_a_licence_is_accepted_once_by_its_name(monkeypatch, root):
    (root / "codeformer-v0.1.0.pth").write_bytes(stands_for(monkeypatch, "codeformer"))
    with pytest.raises(weights.LicenceNotAccepted, match=r"S-Lab-1\.0\. Non-commercial .* --accept S-Lab-1\.0"):
        weights.locate("codeformer", root)
    file = weights.CATALOGUE["codeformer"]
    with pytest.raises(weights.WrongLicence, match=r"'MIT' is not the licence of codeformer, which is S-Lab-1\.0"):
        weights.accept(["MIT"], [file], root)
    weights.accept(["S-Lab-1.0"], [file], root)
    assert weights.locate("codeformer", root) == root / "codeformer-v0.1.0.pth"
    assert set(weights.read_record(root).accepted) == {"S-Lab-1.0"}


@pytest.mark.parametrize(
    ("place", "variable", "value"),
    [
        (".cache/huggingface/hub/models--a--b/snapshots/0f/x/GFPGANv1.4.pth", "", ""),
        ("hub/models--a--b/snapshots/0f/GFPGANv1.4.pth", "HF_HUB_CACHE", "hub"),
        ("face/hub/models--a--b/snapshots/0f/GFPGANv1.4.pth", "HF_HOME", "face"),
        ("ComfyUI/models/facerestore_models/GFPGANv1.4.pth", "", ""),
        ("apps/comfy/models/facerestore_models/gfpganv1.4.PTH", "COMFYUI_PATH", "apps/comfy"),
        ("stable-diffusion-webui/models/GFPGAN/GFPGANv1.4.pth", "", ""),
        (".cache/torch/hub/checkpoints/GFPGANv1.4.pth", "", ""),
        ("named/GFPGANv1.4.pth", "LIKENESS_SHARED_WEIGHTS", "named"),
    ],
)
def test_files_of_other_programs_are_found(monkeypatch, tmp_path, root, place, variable, value):
    for name in ("LIKENESS_SHARED_WEIGHTS", "XDG_CACHE_HOME", "HF_HUB_CACHE", "HF_HOME", "TORCH_HOME", "COMFYUI_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    if variable:
        monkeypatch.setenv(variable, str(tmp_path / "me" / value))
    path = tmp_path / "me" / place
    path.parent.mkdir(parents=True)
    path.write_bytes(stands_for(monkeypatch, "gfpgan-1.4"))
    assert weights.locate("gfpgan-1.4", root) == path
    assert row("gfpgan-1.4", root).state == "elsewhere"
    path.write_bytes(b"another of that name, and size")
    assert row("gfpgan-1.4", root).state == "missing"


def test_face_networks_and_enlargers_of_other_programs_are_used(monkeypatch, tmp_path, root):
    monkeypatch.setenv("LIKENESS_SHARED_WEIGHTS", str(tmp_path / "shared"))
    shared = tmp_path / "shared" / realesrgan.X2PLUS
    shared.parent.mkdir()
    shared.write_bytes(stands_for(monkeypatch, "realesrgan-x2plus"))
    assert enlarging.network_file(root, 2) == shared
    assert enlarging.network_file(root, 4) is None
    (root / realesrgan.X2PLUS).write_bytes(b"the user's own comes first, and is refused when it is read")
    assert enlarging.network_file(root, 2) == root / realesrgan.X2PLUS
    detection = tmp_path / "shared" / networks.MOBILE
    detection.write_bytes(
        stands_for(monkeypatch, "retinaface-mobile", b"no network, but the one that the list tells of")
    )
    with pytest.raises(WeightsDamaged, match=re.escape(str(detection))):
        faces.detector("retinaface-mobile", root)
    detection.write_bytes(b"another one of that name")
    with pytest.raises(faces.FaceModelsMissing, match="which is not there"):
        faces.detector("retinaface-mobile", root)
    assert weights.by_name(root, "codeformer.pth") == root / "codeformer.pth"


def test_another_programs_file_of_unknown_bytes_must_be_of_the_right_network(monkeypatch, tmp_path, root):
    monkeypatch.setenv("LIKENESS_SHARED_WEIGHTS", str(tmp_path / "shared"))
    weights.accept(["S-Lab-1.0"], [weights.CATALOGUE["difface-ffhq512"]], root)
    path = saved(tmp_path / "shared" / "iddpm_ffhq512_ema500000.pth", DIFFACE)
    assert weights.locate("difface-ffhq512", root) == path
    saved(path, CONTROL)
    with pytest.raises(WeightsMissing):
        weights.locate("difface-ffhq512", root)


def test_a_wrong_shared_folder_does_not_take_for_ever(monkeypatch, tmp_path, root):
    monkeypatch.setattr(places, "MOST_ENTRIES", 50)
    monkeypatch.setenv("LIKENESS_SHARED_WEIGHTS", str(tmp_path / "shared"))
    deep = tmp_path / "shared" / "a" / "b"
    deep.mkdir(parents=True)
    for number in range(60):
        (deep / f"{number:03}.txt").touch()
    (deep / "GFPGANv1.4.pth").write_bytes(stands_for(monkeypatch, "gfpgan-1.4"))
    assert row("gfpgan-1.4", root).state == "missing"
    (tmp_path / "shared" / "loop").symlink_to(tmp_path / "shared", target_is_directory=True)
    (tmp_path / "shared" / "GFPGANv1.4.pth").write_bytes(SMALL)
    assert row("gfpgan-1.4", root).state == "elsewhere"


def test_a_record_that_is_damaged_is_named(root):
    (root / ".weights.json").write_text("[]", encoding="utf-8")
    with pytest.raises(FileCorrupt, match=r"\.weights\.json is damaged\. Put back a good copy, or delete it"):
        weights.locate("gfpgan-1.4", root)


# Getting


def test_a_file_is_got_from_its_mirror_when_its_address_fails(monkeypatch, server, root):
    server.serve("gone.pth", SMALL, *[bad.cut(3)] * 5)
    server.serve("mirror.pth", SMALL)
    mirror = weights.Mirror(server.url("mirror.pth"), "this test")
    stands_for(monkeypatch, "gfpgan-1.4", url=server.url("gone.pth"), mirrors=(mirror,))
    got = weights.get("gfpgan-1.4", root, QUIET, patience=HURRY)
    assert (got.how, got.path) == ("downloaded", root / "GFPGANv1.4.pth")
    assert got.path.read_bytes() == SMALL and "cuts the connection" in got.notes[0]
    assert weights.get("gfpgan-1.4", root, QUIET).how == "there"
    got.path.write_bytes(b"x")
    assert weights.get("gfpgan-1.4", root, QUIET, patience=HURRY).how == "downloaded"
    assert weights.locate("gfpgan-1.4", root).read_bytes() == SMALL


def test_a_file_that_was_just_checked_is_not_read_whole_again_to_be_used(monkeypatch, server, root):
    server.serve("f.pth", SMALL)
    stands_for(monkeypatch, "gfpgan-1.4", url=server.url("f.pth"))
    path = weights.get("gfpgan-1.4", root, QUIET, patience=HURRY).path
    read: list[int] = []
    assert weights.locate("gfpgan-1.4", root, lambda done, total: read.append(done)) == path
    assert weights.digest(path, root, lambda done, total: read.append(done)) == hashlib.sha256(SMALL).hexdigest()
    assert not read
    path.write_bytes(SMALL[::-1])
    with pytest.raises(WeightsDamaged, match="SHA-256 differs"):
        weights.locate("gfpgan-1.4", root, lambda done, total: read.append(done))
    assert read


def test_a_file_whose_sha256_nobody_states_is_pinned_as_it_came(monkeypatch, server, root, tmp_path):
    data = saved(tmp_path / "made.pth", DIFFACE).read_bytes()
    server.serve("f.pth", data)
    relist(monkeypatch, "difface-ffhq512", url=server.url("f.pth"))
    weights.accept(["S-Lab-1.0"], [weights.CATALOGUE["difface-ffhq512"]], root)
    assert row("difface-ffhq512", root).known == "unknown"
    got = weights.get("difface-ffhq512", root, QUIET, patience=HURRY)
    assert "so it is pinned as it came" in got.notes[-1]
    assert row("difface-ffhq512", root).known == "pinned"
    changed = saved(tmp_path / "made.pth", {name: tensor + 1 for name, tensor in DIFFACE.items()}).read_bytes()
    assert len(changed) == len(data) and changed != data
    got.path.write_bytes(changed)
    with pytest.raises(WeightsDamaged, match="is not the file that was pinned here: its SHA-256 differs"):
        weights.locate("difface-ffhq512", root)


def test_a_page_or_another_network_is_never_pinned(monkeypatch, server, root, tmp_path):
    server.serve("f.pth", saved(tmp_path / "made.pth", CONTROL).read_bytes())
    relist(monkeypatch, "diffbir-realesrgan-swinir", url=server.url("f.pth"))
    with pytest.raises(weights.DownloadFailed, match="gave something that is no file of these weights"):
        weights.get("diffbir-realesrgan-swinir", root, QUIET, patience=HURRY)
    assert weights.read_record(root).pins == {}
    assert row("diffbir-realesrgan-swinir", root).state == "missing"


def test_a_licence_must_be_accepted_before_anything_is_downloaded(monkeypatch, server, root):
    served = server.serve("c.pth", SMALL)
    stands_for(monkeypatch, "codeformer", url=server.url("c.pth"))
    with pytest.raises(weights.LicenceNotAccepted):
        weights.get("codeformer", root, QUIET)
    assert served.asked == []


@pytest.mark.parametrize("variable", ["LIKENESS_OFFLINE", "HF_HUB_OFFLINE", ""])
def test_offline_nothing_is_asked_of_anybody(monkeypatch, server, root, variable):
    served = server.serve("g.pth", SMALL)
    stands_for(monkeypatch, "gfpgan-1.4", url=server.url("g.pth"))
    if variable:
        monkeypatch.setenv(variable, "1")
    else:
        weights.set_offline(True, root)
    with pytest.raises(weights.Offline, match=r"nothing is downloaded, since .* weights use FILE --as gfpgan-1\.4$"):
        weights.get("gfpgan-1.4", root, QUIET)
    assert served.asked == []
    if not variable:
        weights.set_offline(False, root)
        assert weights.get("gfpgan-1.4", root, QUIET, patience=HURRY).how == "downloaded"


# A file of one's own


def test_a_published_file_is_known_by_its_content_under_any_name(monkeypatch, root, tmp_path):
    stands_for(monkeypatch, "gfpgan-1.3")
    mine = tmp_path / "GFPGANv1.4.pth"
    mine.write_bytes(SMALL)
    got = weights.use(mine, root, QUIET)
    assert (got.file.id, got.how, got.path) == ("gfpgan-1.3", "linked", root / "GFPGANv1.3.pth")
    assert got.path.samefile(mine) and row("gfpgan-1.3", root).known == "stated"
    assert weights.use(mine, root, QUIET).how == "there"
    with pytest.raises(weights.WeightsNotRecognised, match=r"is the published GFPGANv1\.3\.pth, gfpgan-1\.3, and not"):
        weights.use(mine, root, QUIET, as_id="gfpgan-1.4")
    got.path.unlink()
    assert weights.use(mine, root, QUIET, copy=True).how == "copied"
    assert not got.path.samefile(mine) and got.path.read_bytes() == SMALL


def test_a_file_is_recognised_by_its_tensors_where_they_say_it(root, tmp_path):
    mine = saved(tmp_path / "downloaded (1).pth", {f"module.{name}": t for name, t in DIFFACE.items()})
    with pytest.raises(weights.LicenceNotAccepted, match=r"use .* --as difface-ffhq512 --accept S-Lab-1\.0"):
        weights.use(mine, root, QUIET)
    weights.accept(["S-Lab-1.0"], [weights.CATALOGUE["difface-ffhq512"]], root)
    assert weights.use(mine, root, QUIET).file.id == "difface-ffhq512"
    assert row("difface-ffhq512", root).known == "pinned"
    four = saved(tmp_path / "some.pth", {"state_dict": CONTROL})
    with pytest.raises(
        weights.WeightsNotRecognised, match=r"the tensors of diffbir-v1-face-guide, diffbir-v1-general-guide, .* --as"
    ):
        weights.use(four, root, QUIET)
    assert weights.use(four.rename(tmp_path / "V1_general.pth"), root, QUIET).file.id == "diffbir-v1-general-guide"


def test_a_file_of_ones_own_takes_a_place_by_name_and_keeps_it(monkeypatch, root, tmp_path):
    stands_for(monkeypatch, "realesrgan-general-x4v3")
    tuned = {"params": {"body.0.weight": torch.ones(64, 3, 3, 3), "body.66.weight": torch.ones(48, 64, 3, 3)}}
    mine = saved(tmp_path / "tuned.pth", tuned)
    with pytest.raises(weights.WeightsNotRecognised, match="is not a published file whose SHA-256 is known"):
        weights.use(mine, root, QUIET)
    got = weights.use(mine, root, QUIET, as_id="realesrgan-general-x4v3")
    assert "This is not the published realesr-general-x4v3.pth" in got.notes[0]
    assert weights.locate("realesrgan-general-x4v3", root) == got.path
    assert row("realesrgan-general-x4v3", root).known == "yours"
    got.path.unlink()
    (root / "realesr-general-x4v3.pth").write_bytes(SMALL)
    with pytest.raises(WeightsDamaged, match="Name your file again"):
        weights.locate("realesrgan-general-x4v3", root)
    weights.use(root / "realesr-general-x4v3.pth", root, QUIET)
    assert row("realesrgan-general-x4v3", root).known == "stated"


def test_a_file_of_something_else_is_refused_in_words(root, tmp_path):
    other = saved(tmp_path / "mine.pth", {"layer.weight": torch.ones(3)})
    with pytest.raises(
        weights.WeightsNotRecognised, match="none of the files of the list: its 1 tensors are those of no"
    ):
        weights.use(other, root, QUIET)
    with pytest.raises(
        weights.WeightsNotRecognised, match=r"does not fit gfpgan-1\.4: it has no tensor conv_body_first"
    ):
        weights.use(other, root, QUIET, as_id="gfpgan-1.4")
    other.write_bytes(b"<html>")
    with pytest.raises(WeightsDamaged, match="is a web page that was saved under this name"):
        weights.use(other, root, QUIET)
    with pytest.raises(WeightsMissing, match="is not there"):
        weights.use(tmp_path / "gone.pth", root, QUIET)
    assert [path.name for path in root.iterdir() if not path.name.startswith(".")] == []


def test_a_folder_is_shared_and_forgotten(monkeypatch, root, tmp_path):
    stands_for(monkeypatch, "gfpgan-1.4")
    folder = tmp_path / "comfy" / "models"
    (folder / "face").mkdir(parents=True)
    with pytest.raises(WeightsMissing, match="holds none of the files of the list"):
        weights.share(folder, root)
    (folder / "face" / "GFPGANv1.4.pth").write_bytes(SMALL)
    assert [found.file.id for found in weights.share(folder, root)] == ["gfpgan-1.4"]
    assert weights.locate("gfpgan-1.4", root) == folder / "face" / "GFPGANv1.4.pth"
    with pytest.raises(WeightsMissing, match="belongs to another program"):
        weights.delete("gfpgan-1.4", root)
    weights.unshare(folder, root)
    assert row("gfpgan-1.4", root).state == "missing"


# The commands


def test_the_commands_answer_with_documented_fields(monkeypatch, capsys, server, home, tmp_path):
    data = stands_for(monkeypatch, "gfpgan-1.4", url=server.url("g.pth"))
    server.serve("g.pth", data)
    listed = here(capsys, "weights", "list", "--json")
    assert listed.code == 0 and undocumented("weights list", listed.value) == set()
    assert {one["id"] for one in listed.value["files"]} == set(weights.CATALOGUE)
    made = here(capsys, "weights", "get", "gfpgan-1.4", "--json")
    assert made.code == 0 and undocumented("weights get", made.value) == set()
    assert made.value["files"][0]["how"] == "downloaded"
    made = here(capsys, "weights", "verify", "--json")
    assert made.code == 0 and undocumented("weights verify", made.value) == set()
    assert [one["id"] for one in made.value["files"]] == ["gfpgan-1.4"]
    (home / "weights" / "GFPGANv1.4.pth").write_bytes(data[::-1])
    spoilt = here(capsys, "weights", "verify", "gfpgan-1.4")
    assert spoilt.code == 1 and "its SHA-256 differs" in spoilt.complaint
    assert "damaged" in spoilt.out
    gone = here(capsys, "weights", "delete", "gfpgan-1.4", "--json")
    assert gone.code == 0 and undocumented("weights delete", gone.value) == set()
    assert not (home / "weights" / "GFPGANv1.4.pth").exists()
    again = here(capsys, "weights", "delete", "gfpgan-1.4")
    assert again.code == 1 and "There is no GFPGANv1.4.pth" in again.complaint
    mine = tmp_path / "mine.bin"
    mine.write_bytes(data)
    used = here(capsys, "weights", "use", mine, "--json")
    assert used.code == 0 and undocumented("weights use", used.value) == set()
    for_all = here(capsys, "weights", "settings", "--offline", "--json")
    assert for_all.code == 0 and undocumented("weights settings", for_all.value) == set()
    assert (
        for_all.value["offline"] and here(capsys, "weights", "settings", "--online", "--json").value["offline"] is False
    )


def test_one_that_fails_does_not_keep_the_others_back(monkeypatch, capsys, server, home):
    stands_for(monkeypatch, "gfpgan-1.4", url=server.url("g.pth"))
    server.serve("g.pth", SMALL)
    made = here(capsys, "weights", "get", "codeformer", "gfpgan-1.4", "dr2-ffhq", "--quiet", "--json")
    assert made.code == 1
    assert [one["how"] for one in made.value["files"]] == ["failed", "downloaded", "failed"]
    assert made.complaint.startswith("2 of 3 are not there; the first: codeformer.pth is under the licence S-Lab-1.0.")
    accepted = here(capsys, "weights", "settings", "--json")
    assert accepted.value["accepted"] == []
    assert here(capsys, "weights", "get", "codeformer", "--accept", "GPL").complaint.startswith(
        "'GPL' is not the licence"
    )


def test_the_list_says_what_is_unknown(capsys):
    made = here(capsys, "weights", "list", "difface", "gfpgan-1.4")
    assert made.code == 0
    lines = {line.split()[0]: line for line in made.out.splitlines() if line}
    assert (
        "unknown, pinned at first download" in lines["difface-swinir"] and "size not stated" in lines["difface-swinir"]
    )
    assert "published" in lines["gfpgan-1.4"] and "348.6 MB" in lines["gfpgan-1.4"]
    assert here(capsys, "weights", "list", "nothing").code == 1
