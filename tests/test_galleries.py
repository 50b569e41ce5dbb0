"""Galleries measured: the counts are of real verdicts, and what is wanted is what is reached."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import images
from engine.evaluation.galleries import COPIES, LEAST_PHOTOS, NoGalleries, copies_of, run, table
from engine.progress import SilentReport
from tests.test_cli import here, undocumented
from tests.toys import drawn_face

FACES = Path(__file__).resolve().parents[1] / "assets" / "faces"


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four people with six small photos each, changed in tone and mirrored so that faces are found at once."""
    place = tmp_path_factory.mktemp("people")
    for photo in sorted(FACES.glob("*.jpg"))[:4]:
        home = place / photo.stem
        home.mkdir()
        pixels = images.resize(images.read_photo(photo).pixels, (160, 160))
        for n in range(LEAST_PHOTOS):
            turned = pixels[:, ::-1] if n % 2 else pixels
            images.save_photo(np.clip(turned * np.float32(1 - 0.03 * n), 0, 1), home / f"{n}.png")
    return place


@pytest.mark.slow
def test_strangers_and_copies_are_counted_and_every_field_is_documented(
    capsys: pytest.CaptureFixture[str], people: Path
) -> None:
    (people / ".DS_Store").touch()
    made = here(capsys, "evaluate-galleries", people, "--json")
    assert made.code == 0, made.err
    assert undocumented("evaluate-galleries", made.value) == set()
    assert (made.value["people"], made.value["photos"]) == (4, 24)
    rows: dict[str, Any] = {row["gallery"]: row for row in made.value["rows"]}
    alone = rows["all photos, no stranger"]
    assert (alone["galleries"], alone["strangers"], alone["own"], alone["rejected"]) == (4, 0, 24, 0)
    three = rows["all photos, first photo of each of the next three people"]
    assert (three["strangers"], three["named"]) == (12, 12)
    halves = rows["as many photos of the next person as own ones"]
    assert (halves["unclear"], halves["named"]) == (4, 0)
    assert [(row["copy"], row["copies"]) for row in made.value["copies"]] == [(kind, 20) for kind in COPIES]
    lines = table(made.value)
    assert lines[2] == "| all photos, no stranger | 4 |  | 0 of 24 (0.0 %) | 0 |"


def test_too_few_people_or_photos_are_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(NoGalleries, match=r"holds 0 folder\(s\), and 4 are needed\. Name a folder with a folder"):
        run(tmp_path / "none", SilentReport())
    photo = sorted(FACES.glob("*.jpg"))[0]
    for name in "abcd":
        (tmp_path / name).mkdir()
        shutil.copy(photo, tmp_path / name)
    (tmp_path / "a" / "broken.jpg").write_text("no picture")
    with pytest.raises(NoGalleries, match=r"a has 1 photos with a face, and 6 are needed\. Add some\."):
        run(tmp_path, SilentReport())


def test_copies_are_what_they_are_called() -> None:
    pixels = drawn_face(size=60)[:40]
    made = dict(copies_of(pixels))
    assert tuple(made) == COPIES
    assert {kind: copy.shape for kind, copy in made.items()} == {
        "recompressed": (40, 60, 3),
        "shrunk": (20, 30, 3),
        "cropped": (36, 54, 3),
        "brightened": (40, 60, 3),
    }
    assert np.array_equal(made["cropped"], pixels[2:38, 3:57])
    assert np.array_equal(made["brightened"], np.minimum(pixels * np.float32(1.3), 1))
    assert 0 < np.abs(made["recompressed"] - pixels).mean() < 0.05
