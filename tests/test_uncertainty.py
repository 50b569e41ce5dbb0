"""Where a face is uncertain: calibrated on the person's own photos, and told only where it is worth."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.images import read_photo
from engine.progress import SilentReport
from engine.studio import preparing, restoring, uncertainty
from engine.studio.preparing import Asked
from engine.workspace import Workspace, read_json, write_json
from tests.toys import drawn_face

QUIET = SilentReport()


class Stages(SilentReport):
    def __init__(self) -> None:
        self.seen: list[str] = []

    def tick(self, stage: str, done: int, total: int) -> None:
        del done, total
        self.seen.append(stage)


def test_the_spread_is_large_where_variations_differ_and_goes_with_the_error_there() -> None:
    truth, rng = drawn_face(1, 128), np.random.default_rng(0)
    mask = np.ones((128, 128), np.float32)
    unsure = np.zeros((128, 128, 1), np.float32)
    unsure[20:60, 30:90] = 1
    guesses = [np.clip(truth + unsure * rng.normal(0, 0.2, (128, 128, 3)).astype(np.float32), 0, 1) for _ in range(4)]
    apart, wrong = uncertainty.spread(guesses), uncertainty.error(guesses, truth)
    assert apart.shape == wrong.shape == (128, 128)
    assert apart[30:50, 40:80].mean() > 0.1 and apart[90:, :].max() < 1e-4
    assert uncertainty.correlation(apart, wrong, mask) > 0.9
    # All wrong in the same place, and apart in another: nothing to be believed.
    sure = [np.clip(guess + 0.4 * (1 - unsure), 0, 1) for guess in guesses]
    assert uncertainty.correlation(uncertainty.spread(sure), uncertainty.error(sure, truth), mask) < 0
    assert uncertainty.correlation(apart, np.zeros_like(wrong), mask) == 0


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory, sample_faces: list[Path]) -> tuple[Workspace, str]:
    """Somebody of whom there are three good photos."""
    home = tmp_path_factory.mktemp("home")
    workspace = Workspace(home / "likeness")
    people = preparing.library(workspace)
    made = people.create("Somebody")
    people.add(made, sample_faces[:3], QUIET)
    return workspace, made.id


def varied(person: tuple[Workspace, str], photo: Path, out: Path, count: int = 3) -> list[str]:
    """Restore a photo several times with the person; give the stages that were gone through."""
    workspace, who = person
    out.mkdir()
    options = {"steps": 2, "start": 0.6}
    asked = Asked(photo, out, "dual-pivot", options, who, "toy", device="cpu")
    stages = Stages()
    restoring.vary(workspace, asked, count, stages)
    return stages.seen


def test_it_is_calibrated_once_on_the_persons_own_photos_and_shown_only_where_it_is_worth(
    person: tuple[Workspace, str], tmp_path: Path, sample_damaged: list[Path]
) -> None:
    workspace, who = person
    photo = sample_damaged[0]
    assert "checking the uncertainty" in varied(person, photo, tmp_path / "first")
    (kept,) = (workspace.people / who / "tuned").glob(f"*/{uncertainty.CALIBRATED}")
    told = read_json(kept)
    ((key, found),) = told["correlations"].items()
    first = uncertainty.read(tmp_path / "first")
    assert first is not None and first.correlation == found and -1 <= found <= 1
    assert (first.picture is not None) == (found >= uncertainty.WORTH)
    # What is kept is found again; both ends of it, so that both ways are gone whatever the toy has learnt.
    write_json(kept, {**told, "correlations": {key: 0.62}})
    assert "checking the uncertainty" not in varied(person, photo, tmp_path / "worth")
    worth = uncertainty.read(tmp_path / "worth")
    assert worth is not None and worth.picture is not None and "correlation of 0.62" in worth.sentence
    assert "On 3 good photos of Somebody" in worth.sentence
    veil = read_photo(worth.picture)
    assert veil.alpha is not None and (veil.width, veil.height) == (worth.side, worth.side)
    assert veil.alpha[0, 0] == veil.alpha[-1, -1] == 0 and veil.alpha.max() > 0
    write_json(kept, {**told, "correlations": {key: 0.12}})
    varied(person, photo, tmp_path / "unworthy")
    unworthy = uncertainty.read(tmp_path / "unworthy")
    assert unworthy is not None and unworthy.picture is None
    assert "is not shown" in unworthy.sentence and "(correlation 0.12; 0.3 is needed)" in unworthy.sentence


def test_two_variations_or_nobody_known_say_why_nothing_is_shown(
    person: tuple[Workspace, str], tmp_path: Path, sample_damaged: list[Path]
) -> None:
    varied(person, sample_damaged[0], tmp_path / "two", count=2)
    two = uncertainty.read(tmp_path / "two")
    assert two is not None and two.picture is None and "fewer than 3 variations" in two.sentence
    out = tmp_path / "blind"
    out.mkdir()
    asked = Asked(sample_damaged[0], out, "diffbir", {"steps": 1, "start": 0.3}, device="cpu")
    restoring.vary(person[0], replace(asked, seed=4), 3, QUIET)
    blind = uncertainty.read(out)
    assert blind is not None and blind.correlation is None and "without a person's good photos" in blind.sentence


def test_a_damaged_note_is_none(tmp_path: Path) -> None:
    assert uncertainty.read(tmp_path) is None
    (tmp_path / uncertainty.FILE).write_text('{"sentence": 3')
    assert uncertainty.read(tmp_path) is None
