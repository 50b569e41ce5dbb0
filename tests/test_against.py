"""Our DiffBIR loop beside the official one."""

from __future__ import annotations

import json

import pytest
import torch

from engine.evaluation import against


def test_a_folder_without_the_official_code_is_refused(tmp_path):
    with pytest.raises(against.NotComparable, match=r"holds no DiffBIR\. Name a checkout: git clone"):
        against.compare(tmp_path, against.Course(8, 2, "toy"))


def test_an_official_code_that_does_not_run_is_told_with_its_last_words(tmp_path):
    model = tmp_path / "diffbir" / "model"
    model.mkdir(parents=True)
    (model / "__init__.py").write_text("raise RuntimeError('no such card')")
    (model / "cldm.py").write_text("")
    with pytest.raises(against.NotComparable, match="The official code did not run: RuntimeError: no such card"):
        against.compare(tmp_path, against.Course(8, 2, "toy"))


def test_our_side_samples_the_same_for_the_same_course(tmp_path):
    told = [against._ours("fp32", against.Course(8, 2, "toy"), tmp_path / f"{n}.pt") for n in range(2)]
    assert all(one["seconds"] > 0 and one["gib"] > 0 for one in told)
    made = [torch.load(tmp_path / f"{n}.pt", weights_only=True) for n in range(2)]
    assert torch.equal(*made) and made[0].shape == (1, 4, 8, 8) and made[0].std() > 0.1
    assert json.dumps(told)
