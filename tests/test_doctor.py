"""The doctor: what it finds on machines of several kinds, and that it changes nothing."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from engine.evaluation import doctor
from engine.evaluation.doctor import NOTE, OK, PROBLEM, Fact
from engine.workspace import Workspace


def fact(facts: list[Fact], name: str) -> Fact:
    return next(f for f in facts if f.name == name)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def no_nvidia_smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))


def test_a_card_that_this_torch_cannot_use_is_told_with_the_place_to_look() -> None:
    found = doctor.cuda(("NVIDIA RTX 4070",), None, working=False)
    assert found.state == NOTE
    assert found.value == "a CUDA card is present (NVIDIA RTX 4070) but this torch has no CUDA"
    assert "https://pytorch.org/get-started/locally/" in found.remedy


def test_a_card_without_its_driver_is_told_with_the_place_to_look() -> None:
    found = doctor.cuda(("NVIDIA RTX 4070",), "13.0", working=False)
    assert found.state == NOTE
    assert "it cannot use the card" in found.value
    assert "driver" in found.remedy


@pytest.mark.parametrize(
    ("cards", "built_for", "working", "value"),
    [
        ((), None, False, "no NVIDIA card found; the processor does it all"),
        ((), "13.0", False, "no NVIDIA card found; the processor does it all"),
        (("NVIDIA H200",), "13.0", True, "NVIDIA H200, torch for CUDA 13.0"),
    ],
)
def test_what_needs_no_remedy_gets_none(
    cards: tuple[str, ...], built_for: str | None, working: bool, value: str
) -> None:
    assert doctor.cuda(cards, built_for, working=working) == Fact("device", "CUDA", value)


def test_cards_are_named_by_nvidia_smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = "GPU 0: NVIDIA H200 (UUID: GPU-1-2)"
    if sys.platform == "win32":
        program = write(tmp_path / "bin" / "nvidia-smi.cmd", f"@echo {said}\n")
    else:
        program = write(tmp_path / "bin" / "nvidia-smi", f"#!/bin/sh\necho '{said}'\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent) + os.pathsep + os.environ["PATH"])
    assert doctor.nvidia_cards(tmp_path) == ("NVIDIA H200",)


@pytest.mark.usefixtures("no_nvidia_smi")
def test_cards_are_named_by_the_driver_where_nvidia_smi_is_not(tmp_path: Path) -> None:
    write(tmp_path / "proc/driver/nvidia/gpus/0000:01:00.0/information", "Model: \t\t NVIDIA L4\nIRQ: 1\n")
    assert doctor.nvidia_cards(tmp_path) == ("NVIDIA L4",)


@pytest.mark.usefixtures("no_nvidia_smi")
def test_a_card_without_any_driver_is_found_on_the_bus(tmp_path: Path) -> None:
    slots = tmp_path / "sys/bus/pci/devices"
    for name, vendor, kind in (
        ("0000:00:02.0", "0x8086", "0x030000"),  # graphics of another maker
        ("0000:01:00.0", "0x10de", "0x030200"),
        ("0000:01:00.1", "0x10de", "0x040300"),  # the same card's sound
    ):
        write(slots / name / "vendor", vendor + "\n")
        write(slots / name / "class", kind + "\n")
    assert doctor.nvidia_cards(tmp_path) == ("NVIDIA card at PCI 0000:01:00.0",)


@pytest.mark.usefixtures("no_nvidia_smi")
def test_a_machine_without_a_card_has_none(tmp_path: Path) -> None:
    assert doctor.nvidia_cards(tmp_path) == ()


def test_the_processor_is_named_as_its_maker_writes_it(tmp_path: Path) -> None:
    write(tmp_path / "proc/cpuinfo", "processor\t: 0\nmodel name\t: AMD EPYC 9654\nprocessor\t: 1\n")
    assert doctor.cpu_model(tmp_path) == "AMD EPYC 9654"
    assert doctor.cpu_model(tmp_path / "nothing")


def test_installed_libraries_are_held_against_the_requirements(tmp_path: Path) -> None:
    wanted = write(tmp_path / "requirements.txt", "# comment\nnumpy>=1  # pixels\nnumpy>=999\nno-such-library>=1\n")
    facts = doctor.versions(wanted)
    assert [f.name for f in facts] == ["Likeness", "Python", "numpy", "numpy", "no-such-library"]
    assert [f.state for f in facts[2:]] == [OK, PROBLEM, PROBLEM]
    assert facts[3].value.endswith("but >=999 is needed")
    assert facts[4].value == "not installed"
    assert facts[4].remedy == "Run: python -m pip install -r requirements.txt"


def test_this_installation_has_what_the_project_requires() -> None:
    assert [f for f in doctor.versions() if f.state == PROBLEM] == []


def test_this_installation_has_its_weights_face_files_and_pictures() -> None:
    facts = [*doctor.prior(), *doctor.faces(), *doctor.pictures()]
    assert [f for f in facts if f.state != OK] == []
    assert "SHA-256 as stated" in fact(facts, "pocket prior").value


def test_the_data_folder_is_looked_at_and_not_made(home: Path) -> None:
    facts = doctor.place(Workspace(home))
    assert fact(facts, "place").value == f"{home} (made when first needed)"
    assert fact(facts, "free disk").value.endswith(" GB")
    assert not home.exists()


def test_a_data_folder_that_is_in_use_is_told_with_its_process(workspace: Workspace) -> None:
    with workspace.lock():
        found = fact(doctor.place(workspace), "in use")
    assert found.state == NOTE
    assert f"process {os.getpid()}" in found.remedy
    assert fact(doctor.place(workspace), "in use").value == "no"


def test_a_data_folder_below_a_file_is_a_problem(tmp_path: Path) -> None:
    facts = doctor.place(Workspace(write(tmp_path / "file", "") / "home"))
    assert fact(facts, "rights").state == PROBLEM
    assert "--workspace or LIKENESS_HOME" in fact(facts, "rights").remedy


def test_a_device_that_is_not_there_is_a_problem() -> None:
    found = fact(doctor.devices("toaster"), "networks run on")
    assert (found.state, found.value) == (PROBLEM, "not toaster")
    assert found.remedy == "There is no device 'toaster'. Use auto, cpu, cuda or mps."


def test_devices_say_where_networks_run_and_how_precisely() -> None:
    facts = doctor.devices("cpu")
    assert fact(facts, "networks run on").value == "cpu"
    assert fact(facts, "precision").value in ("bf16", "fp32")


def test_the_machine_is_described_for_figures() -> None:
    assert set(doctor.machine()) == {
        "cpu",
        "cores",
        "memory_gib",
        "system",
        "python",
        "likeness",
        "torch",
        "load",
    }
