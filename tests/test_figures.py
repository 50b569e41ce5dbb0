"""The README's measured parts: each has its place, and nothing beside it is touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.evaluation import figures
from engine.evaluation.bench import Row
from engine.evaluation.figures import PARTS, README, NoSuchPart, put, run
from engine.progress import SilentReport


def test_the_readme_has_a_place_for_every_part_and_each_is_filled():
    text = README.read_text(encoding="utf-8")
    for part in set(PARTS) - {"card"}:
        between = text.split(f"<!-- {part} -->\n")[1].split(f"<!-- /{part} -->")[0]
        assert between.strip().startswith("|") or "\n| " in between


def test_only_the_part_is_replaced_whatever_it_holds(tmp_path: Path):
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- demo -->\nold\n<!-- /demo -->\nafter\n<!-- speed -->\nkept\n<!-- /speed -->\n")
    put("demo", "| new \\1 |\n", readme)
    assert readme.read_text() == (
        "before\n<!-- demo -->\n| new \\1 |\n<!-- /demo -->\nafter\n<!-- speed -->\nkept\n<!-- /speed -->\n"
    )
    with pytest.raises(NoSuchPart, match="has no place for 'people'"):
        put("people", "x", readme)


def test_a_part_that_does_not_exist_is_refused_before_anything_is_measured(workspace, tmp_path):
    with pytest.raises(NoSuchPart, match=r"There is no part 'weather'\. The parts are: card, people"):
        run(workspace, tmp_path, tmp_path, tmp_path / "out", SilentReport(), parts=("weather",))
    assert not (tmp_path / "out").exists()


def test_the_speed_table_says_what_was_wanted():
    facts = {"cpu": "Z80", "cores": 1, "device": "cpu", "precision": "fp32", "torch": "9", "load": 0.5}
    told = figures._speed(facts, [Row("page", 3.25, "s", 8.0), Row("load", 6.0, "s")])
    assert told.startswith("Z80, 1 cores, cpu in fp32, torch 9; load average of the minute before 0.5:")
    assert "| page | 3.25 s | at most 8 s |" in told and "| load | 6 s |  |" in told
