"""Variations and glimpses: several seeds of one face, each its own result; the face is seen while it is sampled."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine import images
from engine.faces import cut, detector
from engine.jobs import Event, Job
from engine.progress import Cancelled, SilentReport
from engine.results import path_beside, read_provenance
from engine.studio import glimpses, items, restoring
from engine.studio.preparing import Asked
from engine.workspace import Workspace

QUIET = SilentReport()


class Watch(SilentReport):
    """Somebody who keeps what is told, looks at each glimpse as it comes, and stops after so many results."""

    def __init__(self, folder: Path, stop_after: int = 99) -> None:
        self.folder, self.stop_after = folder, stop_after
        self.files: list[str] = []
        self.seen: list[tuple[int, int]] = []
        self.pictures: list[images.Pixels] = []
        self.ticks: list[tuple[int, int]] = []

    def tick(self, stage: str, done: int, total: int) -> None:
        if stage == "restoring":
            self.ticks.append((done, total))
        if len(self.files) >= self.stop_after:
            raise Cancelled

    def preview(self, name: str, path: Path) -> None:
        newest = glimpses.newest(self.folder)
        assert name == "glimpse" and newest is not None and newest.file == path
        self.seen.append((newest.done, newest.total))
        self.pictures.append(images.read_photo(path).pixels)

    def file(self, name: str, state: str, sentence: str, result: str) -> None:
        assert (name, state, sentence) == (name, "done", "")
        self.files.append(result)


def test_each_variation_is_what_its_seed_gives_alone_and_a_stop_keeps_those_that_are_there(
    workspace: Workspace, tmp_path: Path, sample_damaged: list[Path]
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    options = {"steps": 6, "start": 0.6}
    asked = Asked(sample_damaged[0], run, "diffbir", options, seed=7, device="cpu", glimpses=run)
    watch = Watch(run, stop_after=2)
    with pytest.raises(Cancelled):
        restoring.vary(workspace, asked, 3, watch)
    assert [Path(file).parent.name for file in watch.files] == ["1", "2"]
    told = [read_provenance(path_beside(Path(file))) for file in watch.files]
    assert [one["seed"] for one in told] == [7, 8]
    assert Path(watch.files[0]).read_bytes() != Path(watch.files[1]).read_bytes()
    first = replace(asked, out=tmp_path / "alone.png", glimpses=None, anew=True)
    alone = restoring.restore(workspace, first, QUIET)
    assert Path(alone["result"]).read_bytes() == Path(watch.files[0]).read_bytes()
    assert watch.ticks == sorted(watch.ticks) and {total for _, total in watch.ticks} <= {18, 3}
    # The face was seen from the first steps on, small, and nothing of it is left behind.
    assert watch.seen[0] == (2, 6) and {done % 2 for done, _ in watch.seen} == {0}
    assert max(watch.pictures[0].shape) <= glimpses.SIDE
    photo = images.read_photo(sample_damaged[0]).pixels
    crop = cut(photo, detector().find(photo)[0], watch.pictures[0].shape[0])
    assert np.abs(watch.pictures[0] - crop.pixels).mean() < 0.15
    assert list(run.glob("glimpse*")) == []


def test_more_variations_than_are_told_apart_are_refused(
    workspace: Workspace, tmp_path: Path, sample_damaged: list[Path]
) -> None:
    for count in (0, 5):
        with pytest.raises(restoring.TooManyVariations, match=f"1 to 4 variations are made at once, got {count}"):
            restoring.vary(workspace, Asked(sample_damaged[0], tmp_path, "enlarge"), count, SilentReport())


def test_a_glimpse_lies_in_the_photo_where_its_crop_was_cut(sample_damaged: list[Path]) -> None:
    photo = images.read_photo(sample_damaged[0]).pixels
    crop = cut(photo, detector().find(photo)[0], 256)
    side = 128
    a, b, c, d, e, f = glimpses.to_photo(crop, side)
    for share in ((0.0, 0.0), (1.0, 0.0), (0.3, 0.8)):
        at = np.array(share) * side
        there = np.array([a * at[0] + c * at[1] + e, b * at[0] + d * at[1] + f])
        back = crop.from_photo @ np.array([*(there - 0.5), 1.0]) + 0.5  # from the corner of a pixel to its middle
        assert np.allclose(back / crop.size, share, atol=1e-3)


def test_the_results_of_many_are_told_apart_and_the_failed_ones_are_none(tmp_path: Path) -> None:
    asked = {"photo": str(tmp_path / "in"), "out": str(tmp_path), "who": "Ann", "person": "ann-1"}
    job = Job("job-20260101-000000-000000-abcd", "batch", asked, tmp_path, tmp_path / "log", created=0.0)
    known = [("a.jpg", "done", "/r/a.png"), ("b.jpg", "failed", ""), ("c/d.jpg", "skipped", "/r/c/d.png")]
    events = [
        Event(n, 0.0, "file", {"name": name, "state": state, "sentence": "", "result": result})
        for n, (name, state, result) in enumerate(known, 1)
    ]
    found = items.items_in(job, [Event(9, 0.0, "note", {"sentence": "x"}), *events])
    assert [item.id.rpartition(".")[2] for item in found] == ["1", "3"]
    assert found[1].arguments["photo"] == str(tmp_path / "in" / "c" / "d.jpg")
    assert found[1].result == {"result": "/r/c/d.png", "provenance": "/r/c/d.png.json", "person": "Ann"}
    assert {item.kind for item in found} == {"restore"} and found[0].arguments["of"] == "batch"
