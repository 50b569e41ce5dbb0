"""Folders of people: who is the truth, who is a reference, and each bad folder in a sentence."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from engine import degrade
from engine.evaluation import damages
from engine.evaluation.cohort import NoPeople, few, read_cohort
from engine.evaluation.trials import crop_of
from engine.faces import distance
from engine.images import read_photo, resize, save_photo
from engine.progress import SilentReport
from tests.conftest import PERSON

REFERENCES = sorted((PERSON / "references").glob("*.jpg"))


class Told(SilentReport):
    def __init__(self):
        self.stages = []

    def tick(self, stage, done, total):
        self.stages.append(stage)


def small(photo: Path, into: Path, scale: float = 0.5) -> Path:
    """Copy a photo at another size."""
    pixels = read_photo(photo).pixels
    into.parent.mkdir(parents=True, exist_ok=True)
    return save_photo(resize(pixels, (round(pixels.shape[1] * scale), round(pixels.shape[0] * scale))), into)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Ann in folders, with the truth among her references twice; Bert flat, with a picture of nobody."""
    place = tmp_path_factory.mktemp("people")
    for n, photo in enumerate(REFERENCES[:3]):
        small(photo, place / "Ann" / "references" / f"{n}.png")
    for name in ("old-01", "old-02"):
        small(PERSON / "truth" / f"{name}.jpg", place / "Ann" / "truth" / f"{name}.png")
    small(PERSON / "damaged" / "old-01.jpg", place / "Ann" / "damaged" / "old-01.jpg", 0.25)
    shutil.copy(place / "Ann" / "truth" / "old-01.png", place / "Ann" / "references" / "very-photo.png")
    small(PERSON / "truth" / "old-02.jpg", place / "Ann" / "references" / "smaller.jpg", 0.4)
    for n, photo in enumerate(REFERENCES[3:]):
        small(photo, place / "Bert" / f"{n}.png")
    save_photo(np.full((60, 80, 3), 0.5, np.float32), place / "Bert" / "9-wall.png")
    (place / "Bert" / "broken.jpg").write_text("no picture")
    (place / ".hidden").mkdir()
    return place


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(scope="module")
def cohort(folder, kept):
    return read_cohort(folder, kept, SilentReport())


def test_truths_and_references_are_told_apart_in_both_layouts(cohort):
    ann, bert = cohort
    assert [t.name for t in ann.truths] == ["old-01.png", "old-02.png"]
    assert [r.photo for r in ann.gallery.references] == [f"references/{n}.png" for n in range(3)]
    assert [t.damaged and t.damaged.name for t in ann.truths] == ["old-01.jpg", None]
    assert [t.name for t in bert.truths] == ["1.png", "2.png", "3.png", "4.png"]
    assert [r.photo for r in bert.gallery.references] == ["0.png"]
    assert ann.gallery.crops(64)[0].shape == (64, 64, 3) and ann.gallery.person.prompt == "a photo of a sks person"


def test_a_reference_that_is_the_truth_is_left_out_and_so_is_what_shows_nothing(cohort):
    ann, bert = cohort
    assert ann.notes == (
        "Ann: smaller.jpg shows nearly the same picture as old-02.png, which is to be restored, so it is left out.",
        "Ann: very-photo.png is the very photo old-01.png that is to be restored, so it is left out.",
    )
    assert bert.notes[0] == "Bert: 9-wall.png is left out: No face is found in 9-wall.png."
    assert bert.notes[1].startswith("Bert: broken.jpg is left out: ") and len(bert.notes) == 2


def test_what_was_seen_is_kept_and_not_searched_for_again(folder, kept, cohort):
    before = {path: path.stat().st_mtime_ns for path in kept.iterdir()}
    again = read_cohort(folder, kept, SilentReport())
    assert {path: path.stat().st_mtime_ns for path in kept.iterdir() if path in before} == before
    assert [t.gallery.fingerprint for t in again] == [t.gallery.fingerprint for t in cohort]


def test_fewer_references_are_taken_evenly(cohort):
    gallery = cohort[0].gallery
    assert few(gallery, 10) == gallery
    assert [r.photo for r in few(gallery, 2).references] == ["references/0.png", "references/1.png"]
    assert few(gallery, 2).fingerprint != gallery.fingerprint


def test_draws_follow_from_photo_and_seed_alone(cohort):
    first, second = cohort[0].truths
    crop = crop_of(first, 128)
    faces = [damages.damaged(first, crop, "hard", seed) for seed in (0, 0, 1)]
    assert np.array_equal(faces[0], faces[1]) and not np.array_equal(faces[0], faces[2])
    other = damages.damaged(second, crop, "hard", 0)
    assert not np.array_equal(faces[0], other) and faces[0].shape == (128, 128, 3)
    given = damages.damaged(first, crop, "given", 0)
    assert np.array_equal(given, damages.damaged(first, crop, "given", 1))
    assert 0.01 < np.abs(given - crop.pixels).mean() < 0.2


def test_hard_damage_is_of_the_methods_ranges_and_hard_in_every_draw():
    rng = np.random.default_rng(0)
    drawn = [damages.draw_hard(rng) for _ in range(500)]
    assert all(min(d.blur_x, d.blur_y) >= 5 or d.shrink >= 5 for d in drawn)
    low, high = degrade.METHOD.noise
    assert all(low <= d.noise <= high and 60 <= d.jpeg <= 100 and d.shrink <= 8 for d in drawn)
    free = [degrade.draw(rng) for _ in range(4000)]
    share = np.mean([min(d.blur_x, d.blur_y) >= 5 or d.shrink >= 5 for d in free])
    assert share == pytest.approx(0.64, abs=0.03)
    with pytest.raises(damages.NoSuchDamage, match=r"There is no damage 'mild'. The kinds are: hard, method\."):
        damages.check(("hard", "mild"))


def test_the_persons_face_is_taken_where_a_photo_shows_two(tmp_path, kept, folder):
    shutil.copytree(folder, tmp_path / "people")
    home = tmp_path / "people" / "Ann" / "references"
    ann, stranger = (read_photo(home / "2.png").pixels, read_photo(PERSON.parent / "faces" / "face-003.jpg").pixels)
    tall = resize(stranger, (ann.shape[0] * 3 // 2, ann.shape[0] * 3 // 2))  # the larger face of the two
    both = np.full((tall.shape[0], ann.shape[1] + tall.shape[1], 3), 0.5, np.float32)
    both[: ann.shape[0], : ann.shape[1]] = ann
    both[:, ann.shape[1] :] = tall
    (home / "2.png").unlink()
    save_photo(both, home / "2.png")
    found = {r.name: r for r in read_cohort(tmp_path / "people", kept, SilentReport())[0].gallery.references}
    assert found["2.png"].others == 1
    assert distance(found["2.png"].embedding, found["0.png"].embedding) < 0.5


def photo_at(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_photo(np.full((40, 30, 3), 0.5, np.float32), path)


BAD = {
    "nothing": ([], r"holds 0 folder\(s\), and 2 people are needed at least"),
    "loose": (["1.png", "2.png"], r"holds 0 folder\(s\) and 2 photos beside them"),
    "alone": (["ann/1.png"], r"holds 1 folder\(s\), and 2 people are needed at least, since everybody is restored as"),
    "one person": (["references/1.png", "truth/2.png"], r"holds references and truth, so it is one person's folder"),
    "no truth": (["ann/references/1.png", "bert/1.png"], r"ann holds references/ and no truth/\. Add that folder"),
    "no references": (["ann/truth/1.png", "bert/1.png"], r"ann holds truth/ and no references/"),
    "damaged alone": (["ann/damaged/1.png", "bert/1.png"], r"holds damaged/ and no references and no truth/"),
    "stray": (
        ["ann/references/1.png", "ann/truth/2.png", "ann/damaged/3.png", "bert/1.png"],
        r"3\.png has no truth: there is no 3 in .*truth\. Give the good photo the same name",
    ),
    "no face": (["ann/1.png", "bert/1.png"], r"ann holds 1 photos, 0 with a face found, and 5 are needed at least"),
}


@pytest.mark.parametrize("files", BAD)
def test_a_bad_folder_is_told_in_one_sentence(files, tmp_path, kept):
    names, words = BAD[files]
    for name in names:
        photo_at(tmp_path / "people" / name)
    (tmp_path / "people").mkdir(exist_ok=True)
    with pytest.raises(NoPeople, match=words) as told:
        read_cohort(tmp_path / "people", kept, SilentReport())
    assert re.search(r"\. (Name|Add|Give) .*\.$", str(told.value)) and "\n" not in str(told.value)


def test_a_folder_that_is_not_there_and_a_damaged_photo_that_was_cut_are_refused(tmp_path, kept, folder):
    with pytest.raises(NoPeople, match=r"is not there\. Name a folder with a folder of photos for each person"):
        read_cohort(tmp_path / "none", kept, SilentReport())
    shutil.copytree(folder, tmp_path / "people")
    path = tmp_path / "people" / "Ann" / "damaged" / "old-01.jpg"
    pixels = read_photo(path).pixels
    path.unlink()
    save_photo(pixels[:-20], path)
    with pytest.raises(NoPeople, match=r"old-01\.jpg is \d+ x \d+ px and its truth \d+ x \d+ px, so they do not show"):
        read_cohort(tmp_path / "people", kept, SilentReport())
