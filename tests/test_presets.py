"""Presets: those that come along fit the restorer's own ranges; the user's are files, kept and never trusted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.restorers import BadOption, find, read_options
from engine.studio.exporting import NotExported, export
from engine.studio.finish import read_finish
from engine.studio.presets import RESTORER, SHIPPED, BadPreset, Presets, settings_of
from engine.studio.priors import POCKET, ReadyPriors
from engine.workspace import Workspace

RUDE = "<b>Grandpa's</b> 😀 ../../x"


def test_every_shipped_preset_is_within_the_ranges_and_says_what_it_is_for() -> None:
    assert len({preset.id for preset in SHIPPED}) == len(SHIPPED)
    for preset in SHIPPED:
        options, finish = settings_of(preset)
        read_options(find(RESTORER).options, options)
        read_finish(finish)
        assert preset.sentence.endswith(".") and not preset.own
    assert len({json.dumps(settings_of(preset)) for preset in SHIPPED}) == len(SHIPPED)


def test_an_own_preset_is_a_file_that_another_start_finds_and_that_is_deleted(workspace: Workspace) -> None:
    presets = Presets(workspace)
    made = presets.save(f"  {RUDE} ", {"start": 0.35, "auto": False}, {"blend": 0.9})
    assert Presets(workspace)()[-1] == made and made.title == RUDE and made.own
    assert [file.parent for file in workspace.root.rglob("preset-*.json")] == [workspace.root / "presets"]
    with pytest.raises(BadPreset, match="already"):
        presets.save(RUDE.upper(), {}, {})
    presets.delete(made.id)
    assert presets() == SHIPPED and list((workspace.root / "presets").iterdir()) == []
    with pytest.raises(BadPreset, match="no longer there"):
        presets.delete("../jobs")
    with pytest.raises(BadPreset, match="stays"):
        presets.delete("quick")


def test_what_cannot_be_a_preset_is_refused_and_a_broken_file_is_left_out(workspace: Workspace) -> None:
    presets = Presets(workspace)
    for title in ("", "   ", "x" * 61):
        with pytest.raises(BadPreset, match="1 to 60 characters"):
            presets.save(title, {}, {})
    with pytest.raises(BadOption, match="start must be"):
        presets.save("mine", {"start": 7}, {})
    kept = presets.save("mine", {"start": 0.3}, {})
    folder = workspace.root / "presets"
    (folder / "preset-0.json").write_text('{"title": "no options"}')
    (folder / "preset-1.json").write_text("{")
    (folder / "preset-2.json").write_text('{"title": "x", "options": {"start": 9}, "finish": {}}')
    assert [preset.id for preset in Presets(workspace)() if preset.own] == [kept.id]


def test_only_priors_whose_files_are_all_there_are_offered(workspace: Workspace) -> None:
    ready = ReadyPriors(workspace.weights)
    assert ready() == (POCKET,)
    stored = workspace.weights / "stored"
    stored.mkdir()
    for name in ("diffbir-v2-guide", "sd-2.1-base"):
        (stored / f"{name}.json").write_text("{}")
    assert ReadyPriors(workspace.weights)() == (POCKET,)
    (stored / "diffbir-face-swinir.json").write_text("{}")
    (workspace.weights / "touched").mkdir()
    assert [name for name, _ in ready()] == ["pocket", "diffbir-v2"]


def test_an_export_never_writes_over_a_file_and_says_what_is_wrong_with_a_folder(tmp_path: Path) -> None:
    source = tmp_path / "run"
    target = tmp_path / "to"
    for folder in (source, target):
        folder.mkdir()
    (source / "a-restored.png").write_bytes(b"picture")
    (source / "a-restored.png.json").write_text("{}")
    given = source / "a-restored.png", source / "a-restored.png.json"
    first = export(*given, target)
    second = export(*given, Path(f'"{target}"'))  # as some systems copy a path
    assert (first.name, second.name) == ("a-restored.png", "a-restored-2.png")
    second.unlink()  # its provenance stays, and is not written over either
    third = export(*given, target)
    assert third.read_bytes() == b"picture" and third.with_name(f"{third.name}.json").read_text() == "{}"
    assert len(list(target.glob("*.json"))) == 3
    for bad, words in ((Path("here"), "whole path"), (tmp_path / "none", "is not there"), (first, "is a file")):
        with pytest.raises(NotExported, match=words):
            export(*given, bad)
