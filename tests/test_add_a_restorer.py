"""The page that says how to add a restorer: its example is a whole file, and works."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from engine import restorers
from engine.progress import Cancelled, silent
from engine.restorers import BadOption, Context, Subject, find, find_all, lacking, read_options
from tests.test_layers import wrong_imports
from tests.toys import drawn_face, shared_toy_prior

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "engine" / "restorers" / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def added(tmp_path, monkeypatch):
    """The page's example, put in place under the name of its id."""
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    (name,) = re.findall(r'^    id="([a-z]+)",$', example, flags=re.MULTILINE)
    place = tmp_path / "engine" / "restorers"
    place.mkdir(parents=True)
    (place / f"{name}.py").write_text(example, encoding="utf-8")
    monkeypatch.setattr(restorers, "__path__", [*restorers.__path__, str(place)])
    yield find(name)
    sys.modules.pop(f"engine.restorers.{name}")


def test_the_example_is_found_with_nothing_else_edited_and_keeps_its_promises(added):
    assert added in find_all() and lacking(added, None) == ""
    made = added.load(Context(shared_toy_prior))
    face = drawn_face()
    before = face.copy()
    options = read_options(added.options, {"strength": 2})
    first, second = (made.restore(face, Subject(), options, seed=1, tick=silent) for _ in range(2))
    assert np.array_equal(first, second) and np.array_equal(face, before)
    assert first.shape == face.shape and first.dtype == np.float32 and first.min() >= 0 and first.max() <= 1
    assert np.abs(np.diff(first, axis=0)).mean() > np.abs(np.diff(face, axis=0)).mean()
    unchanged = made.restore(face, Subject(), read_options(added.options, {"strength": 0}), seed=1, tick=silent)
    assert np.array_equal(unchanged, face)
    with pytest.raises(BadOption, match="strength must be 0 to 3, got 9"):
        read_options(added.options, {"strength": 9})

    def stop(done, total):
        raise Cancelled

    with pytest.raises(Cancelled):
        made.restore(face, Subject(), options, seed=1, tick=stop)


def test_the_example_passes_the_checks_that_all_files_pass(added, tmp_path):
    assert not wrong_imports(tmp_path)
    path = next(tmp_path.rglob("*.py"))
    for check in (["check"], ["format", "--check"]):
        said = subprocess.run(
            ["ruff", *check, "--config", str(ROOT / "pyproject.toml"), str(path)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert said.returncode == 0, said.stdout + said.stderr


def test_what_the_page_names_is_there():
    named = re.findall(r"`([\w/]+\.(?:py|json))`", PAGE)
    for name in [name for name in named if "ID" not in name]:
        places = (ROOT / name, ROOT / "engine" / "restorers" / name, ROOT / "tests" / "parity" / name)
        assert any(place.exists() for place in places), name
    known = {field.name for kind in (restorers.RestorerInfo, restorers.Choice) for field in fields(kind)}
    assert {"size", "memory", "source", "left_out", "original", "package", "weights"} <= known
    assert all(
        f"`{name}`" in PAGE for name in ("size", "memory", "source", "left_out", "original", "package", "weights")
    )
