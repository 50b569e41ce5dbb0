"""Files of weights that are not what they seem: programs in pickles, pages, cut files; and old ones that still load."""

from __future__ import annotations

import argparse
import os
import pickle
import sys
import zipfile
from collections import OrderedDict
from types import ModuleType

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from engine.weights import WeightsDamaged, WeightsMissing, WeightsUnsafe, contents, read_published

TENSORS = {
    "a.weight": torch.arange(12, dtype=torch.float32).reshape(3, 4),
    "a.half": torch.ones(2, dtype=torch.bfloat16),
    "a.index": torch.arange(3),
}
SHAPES = {"a.weight": (3, 4), "a.half": (2,), "a.index": (3,)}


def save(value, path, form):
    if form == "pickle":
        path.write_bytes(pickle.dumps(value))
    else:
        torch.save(value, path, _use_new_zipfile_serialization=form == "zip")
    return path


def same(found) -> bool:
    return found.keys() == TENSORS.keys() and all(torch.equal(found[name], t) for name, t in TENSORS.items())


@pytest.mark.parametrize("form", ["zip", "old", "pickle"])
def test_a_program_in_a_pickle_is_refused_by_name_and_never_run(tmp_path, form):
    sprung = tmp_path / "sprung"

    class Trap:
        def __reduce__(self):
            return (os.system, (f"touch {sprung}",))

    path = save({"a": Trap(), "b": 1}, tmp_path / "net.pth", form)
    for read in (contents, read_published):
        with pytest.raises(WeightsUnsafe, match=rf"would run {os.system.__module__}\.system when it is opened"):
            read(path)
    assert not sprung.exists()
    assert issubclass(WeightsUnsafe, WeightsDamaged)


def test_what_runs_programs_in_the_packages_that_old_files_name_is_not_run(tmp_path):
    sprung = tmp_path / "sprung"
    for module, name in (("numpy.testing._private.utils", "runstring"), ("numpy", "load"), ("argparse", "_os.system")):
        code = f"open({str(sprung)!r}, 'w')"
        listing = f"(dS'a'\nc{module}\n{name}\n(S{code!r}\n(dtRs.".encode()
        path = tmp_path / f"{name}.pth"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("net/data.pkl", listing)
            archive.writestr("net/version", "3\n")
        with pytest.raises(WeightsDamaged):
            read_published(path)
        assert not sprung.exists()


def test_a_way_round_by_attributes_is_refused(tmp_path):
    for line in (b"cbuiltins\neval\n(S'1'\ntR.", b"cbuiltins\ngetattr\n.", b"ctorch.storage\n_load_from_bytes\n."):
        path = tmp_path / "net.pth"
        path.write_bytes(line)
        with pytest.raises(WeightsUnsafe):
            contents(path)


def test_torchscript_is_refused(tmp_path):
    path = tmp_path / "net.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/data.pkl", b"N.")
        archive.writestr("net/constants.pkl", b"N.")
    with pytest.raises(WeightsUnsafe, match="holds a program"):
        read_published(path)


@pytest.mark.parametrize("form", ["zip", "old"])
def test_a_checkpoint_with_settings_of_its_training_loads_without_them(tmp_path, monkeypatch, form):
    module = ModuleType("pytorch_lightning.callbacks")
    kept = type("ModelCheckpoint", (), {"__module__": "pytorch_lightning.callbacks", "__qualname__": "ModelCheckpoint"})
    vars(module)["ModelCheckpoint"] = kept
    for name in ("pytorch_lightning", "pytorch_lightning.callbacks"):
        monkeypatch.setitem(sys.modules, name, module)
    callback = kept()
    callback.best = 3  # pyright: ignore[reportAttributeAccessIssue]
    value = {
        "state_dict": {f"module.{name}": tensor for name, tensor in TENSORS.items()},
        "callbacks": {kept: {"best": np.float64(0.5)}, "made": callback},
        "settings": argparse.Namespace(rate=1e-4, seen={1, 2}),
        "step": 800,
    }
    path = save(value, tmp_path / "net.ckpt", form)
    for name in ("pytorch_lightning", "pytorch_lightning.callbacks"):
        monkeypatch.delitem(sys.modules, name)
    assert contents(path).groups["state_dict"] == SHAPES
    assert same(read_published(path, within="state_dict"))
    assert "pytorch_lightning" not in sys.modules
    with pytest.raises(WeightsDamaged, match="holds no weights"):
        read_published(path)


@pytest.mark.parametrize("form", ["zip", "old"])
@pytest.mark.parametrize("within", ["", "params_ema"])
def test_names_and_shapes_are_read_without_the_numbers(tmp_path, form, within):
    tensors = OrderedDict((name, torch.nn.Parameter(t, requires_grad=False)) for name, t in TENSORS.items())
    path = save({within: tensors} if within else tensors, tmp_path / "net.pth", form)
    held = contents(path)
    assert held.groups[within] == SHAPES and held.tensors == 3
    assert held.has((("a.weight", (3, 4)),)) and not held.has((("a.weight", (4, 3)),))
    assert same(read_published(path, within))


def test_safetensors_are_read_too(tmp_path):
    path = tmp_path / "net.pth"  # whatever its name
    save_file(TENSORS, path, metadata={"made": "here"})
    assert contents(path).groups == {"": SHAPES}
    assert same(read_published(path))
    path.write_bytes(path.read_bytes()[:-5])
    for read in (contents, read_published):
        with pytest.raises(WeightsDamaged, match="is damaged or holds no weights"):
            read(path)


@pytest.mark.parametrize("form", ["zip", "old"])
def test_cut_files_are_damaged_wherever_they_are_cut(tmp_path, form):
    whole = save(TENSORS, tmp_path / "net.pth", form).read_bytes()
    for tenth in range(10):
        path = tmp_path / "cut.pth"
        path.write_bytes(whole[: len(whole) * tenth // 10])
        with pytest.raises(WeightsDamaged, match=r"Get the file again, or take it out of the folder\."):
            read_published(path)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"<!doctype html><title>Sign in</title>", "is a web page that was saved under this name"),
        (b"\xef\xbb\xbf\r\n <HTML><head>", "is a web page that was saved under this name"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "is a pointer of Git LFS"),
        (b"", "is damaged or holds no weights"),
        (b"\x00" * 4096, "is damaged or holds no weights"),
        (b"PK\x03\x04 and no archive", "is damaged or holds no weights"),
        (b"\xff" * 8 + b"{", "is damaged or holds no weights"),
        (pickle.dumps([1, 2, 3]), "is damaged or holds no weights"),
    ],
)
def test_what_is_no_weights_is_told_in_words(tmp_path, data, sentence):
    path = tmp_path / "net.pth"
    path.write_bytes(data)
    with pytest.raises(WeightsDamaged, match=sentence):
        read_published(path)
    with pytest.raises(WeightsMissing, match="gone"):
        contents(tmp_path / "gone.pth")


def test_a_list_of_tensors_that_claims_to_be_huge_is_not_unpacked(tmp_path, monkeypatch):
    from engine.weights import unpickle

    monkeypatch.setattr(unpickle, "MOST_PICKLE_BYTES", 1000)
    path = tmp_path / "net.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("net/data.pkl", b"N" * 100_000)
    assert path.stat().st_size < 1000
    with pytest.raises(WeightsDamaged):
        contents(path)
