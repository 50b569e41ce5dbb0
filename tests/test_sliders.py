"""Knobs proven at toy size: each has a proof, what was measured is found again, and which knobs are idle is told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.evaluation import sliders
from engine.evaluation.slider_claims import MEASURES, NOT_MEASURED, PROOFS, Claim, Proof, knobs
from engine.images import save_photo
from engine.prior.places import MANIFEST, SHIPPED
from engine.progress import Cancelled, SilentReport
from engine.restorers import find, read_options
from engine.studio import proven
from engine.studio.finish import read_finish
from engine.workspace import Workspace, write_json
from tests.test_cli import here, undocumented
from tests.toys import shared_toy_prior

QUIET = SilentReport()


class StopsAt(SilentReport):
    """Somebody who stops after so many measurements."""

    def __init__(self, most: int) -> None:
        self.most = most

    def tick(self, stage: str, done: int, total: int) -> None:
        if stage.startswith("measuring") and done >= self.most:
            raise Cancelled


def test_every_knob_of_the_restore_screen_is_proven_at_values_that_it_takes() -> None:
    assert {proof.knob for proof in PROOFS} | set(NOT_MEASURED) == set(knobs())
    for proof in PROOFS:
        for n in range(len(proof.stops)):
            values = proof.options(n)
            made = read_finish(values) if proof.finish else read_options(find("dual-pivot").options, values)
            assert made is not None
        assert {claim.measure for claim in proof.claims} <= set(MEASURES)
    ranged = [proof for proof in PROOFS if not isinstance(proof.stops[0], bool | str)]
    assert {len(proof.stops) for proof in ranged} == {5}


def test_all_knobs_are_measured_and_a_stopped_run_goes_on_where_it_was(workspace: Workspace) -> None:
    prior = replace(shared_toy_prior(), size=64)
    with pytest.raises(Cancelled):
        sliders.run(workspace, prior, StopsAt(9), faces=1, seeds=2, made="toy")
    kept = workspace.cache / "sliders" / "faces"
    before = {file: file.stat().st_mtime_ns for file in kept.iterdir()}
    assert len(before) == 9
    made = sliders.run(workspace, prior, QUIET, faces=1, seeds=2, made="toy")
    assert {file: file.stat().st_mtime_ns for file in before} == before
    rows = {row["knob"]: row for row in made["rows"]}
    assert set(rows) == set(knobs())
    for proof in PROOFS:
        row = rows[proof.knob]
        assert all(len(means) == len(proof.stops) for means in row["means"].values())
        assert row["means"]["moved"][0] == 0 and row["works"] == (row["change"] >= proven.UNSEEN)
        assert row["holds"] == (row["works"] and all(claim["holds"] for claim in row["claims"]))
    # What no network has a part in holds for any prior; an untrained one has nothing that words could steer.
    assert rows["blend"]["holds"] and rows["blend"]["means"]["photo"][0] == 0 and rows["scale"]["holds"]
    assert not rows["words"]["works"] and rows["start"]["means"]["psnr"][0] > 0
    assert rows["background"]["holds"] is None and rows["background"]["why"]


def test_a_claim_holds_only_when_every_stop_shows_it() -> None:
    proof = Proof("start", (0.1, 0.5, 1.0), (Claim("psnr", False), Claim("sharpness", True, strict=False)))

    def told(psnr: list[float], sharpness: list[float]) -> list[bool]:
        found = [
            {"stop": n, "psnr": psnr[n] + noise, "sharpness": sharpness[n], "moved": float(n)}
            for n in range(3)
            for noise in (-1.0, 1.0)
        ]
        return [claim["holds"] for claim in sliders.row_of(proof, found)["claims"]]

    assert told([30.0, 28.0, 25.0], [0.5, 0.7, 0.9]) == [True, True]
    assert told([30.0, 30.0, 25.0], [0.5, 0.5, 0.9]) == [False, True]
    assert told([30.0, 28.0, 28.5], [0.9, 0.7, 0.5]) == [False, False]


def test_a_folder_of_photos_is_cut_to_faces_and_one_without_any_is_refused(tmp_path: Path) -> None:
    (one,) = sliders.read_cases(SHIPPED.parents[1] / "person" / "truth", 1, 64)
    assert one.truth.shape == one.damaged.shape == (64, 64, 3)
    assert 1 < np.abs(one.truth - one.damaged).mean() * 255 < 60
    save_photo(np.full((64, 64, 3), 0.5, np.float32), tmp_path / "wall.png")
    with pytest.raises(sliders.NoFaces, match="No face is found in the photos of"):
        sliders.read_cases(tmp_path, 3, 64)


def test_knobs_that_do_nothing_are_told_for_the_weights_they_were_measured_on(tmp_path: Path) -> None:
    rows = [
        {"knob": "words", "works": False, "finish": False},
        {"knob": "start", "works": True, "finish": False},
        {"knob": "tone", "works": False, "finish": True},
    ]
    other = tmp_path / "measured" / "diffbir-v2" / proven.FILE
    other.parent.mkdir(parents=True)
    write_json(other, {"prior": {"sha256": {}}, "rows": rows})
    assert proven.without_effect("diffbir-v2:precision=fp32", tmp_path) == {"words"}
    assert proven.without_effect("diffbir-v1-face", tmp_path) == frozenset()
    other.write_text("{")
    assert proven.without_effect("diffbir-v2", tmp_path) == frozenset()


def test_what_ships_tells_only_of_the_prior_that_ships(tmp_path: Path) -> None:
    shipped = {part: file["sha256"] for part, file in json.loads((SHIPPED / MANIFEST).read_text())["files"].items()}
    file = proven.stored("pocket", tmp_path)
    assert file.parent == SHIPPED
    told = json.loads(file.read_text()) if file.is_file() else {"prior": {"sha256": {}}, "rows": []}
    idle = {row["knob"] for row in told["rows"] if not row["works"] and not row["finish"]}
    fresh = told["prior"]["sha256"] == shipped
    assert proven.without_effect("pocket", tmp_path) == (idle if fresh else set())


def test_the_command_measures_one_knob_and_writes_nothing_for_the_screens(capsys: pytest.CaptureFixture[str]) -> None:
    told = here(capsys, "bench-sliders", "--faces", 1, "--seeds", 1, "--knob", "blend", "--json")
    assert told.code == 0, told.err
    answer = json.loads(told.out)
    assert not undocumented("bench-sliders", answer)
    (row,) = answer["rows"]
    assert row["knob"] == "blend" and row["holds"] is True and answer["written"] == ""
    refused = here(capsys, "bench-sliders", "--knob", "nothing")
    assert refused.code == 1 and "There is no knob 'nothing'." in refused.err
