"""The model card: which faces it is measured on, what it asks of a prior, and what it writes."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.evaluation import card
from engine.evaluation.card import ARMS, EACH, NotMeasurable
from engine.pretrain.data import is_held_out
from engine.prior import load
from engine.progress import SilentReport
from tests.conftest import PERSON, REPOSITORY
from tests.toys import toy_prior

CARD = {
    "trained": "2026-01-01",
    "plan": "toy",
    "faces": 4,
    "people_held_out": 12,
    "pictures_shown": {"cleaner at 128 px": 8},
    "seconds": 60,
    "device": "cpu",
    "precision": "fp32",
    "caption_words": ["a", "photo"],
    "figures": {},
    "note": "",
}
FACES = sorted((REPOSITORY / "assets" / "faces").glob("*.jpg"))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A training folder whose file names put twelve people on the held-out side, and twelve people with one photo."""
    home = tmp_path_factory.mktemp("measured")
    faces, people = home / "faces", home / "people"
    faces.mkdir()
    out = (f"a-{n}.png" for n in range(1000) if is_held_out(f"a-{n}.png"))
    kept = (f"b-{n}.png" for n in range(1000) if not is_held_out(f"b-{n}.png"))
    for n, source in enumerate(FACES[:16]):
        picture = cv2.resize(cv2.imread(str(source)), (128, 128), interpolation=cv2.INTER_AREA)
        if n == 0:
            picture = np.repeat(picture.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8)
        cv2.imwrite(str(faces / (next(out) if n < EACH else next(kept))), picture)
    for n in range(EACH):
        (people / f"person-{n:02}").mkdir(parents=True)
        photo = sorted((PERSON / "references").glob("*.jpg"))[n % 8]
        (people / f"person-{n:02}" / "photo.jpg").write_bytes(photo.read_bytes())
    return faces, people


def test_half_of_the_faces_are_held_out_people_of_the_training_and_half_are_others(folders, tmp_path):
    subjects = tmp_path / "said.csv"
    subjects.write_text("photo,subject\nperson-00/photo.jpg,woman\n")
    found = card.held_out_faces(*folders, subjects, 256)
    assert [f.source for f in found] == ["training folder"] * EACH + ["people"] * EACH
    assert all(is_held_out(f.photo) for f in found[:EACH])
    assert sum(f.grey for f in found) == 1
    assert found[EACH].subject == "woman" and found[0].subject == ""
    assert all(f.truth.shape == f.damaged.shape == (256, 256, 3) for f in found)
    again = card.held_out_faces(*folders, subjects, 256)
    assert all(np.array_equal(a.damaged, b.damaged) for a, b in zip(found, again, strict=True))


def test_folders_that_are_too_small_are_refused_in_words(folders, tmp_path):
    faces, _ = folders
    (tmp_path / "few" / "person-01").mkdir(parents=True)
    with pytest.raises(NotMeasurable, match="holds 1 folders of people, 12 are needed"):
        card.held_out_faces(faces, tmp_path / "few", None, 256)


def test_the_card_says_what_was_measured_and_what_was_missed(folders, tmp_path):
    faces, people = folders
    home = tmp_path / "prior"
    prior = toy_prior(home)
    load.save(prior, home, CARD)
    measured, pictures = card.measure(prior, faces, people, SilentReport(), sweep=False, each=2)
    assert len(measured["rows"]) == 4 * len(ARMS) and len(pictures) == 4
    assert {n["photo"] for n in measured["nearest"]} == {row["photo"] for row in measured["rows"]}
    assert measured["groups"]["colour"]["damaged"]["faces"] == measured["groups"]["all"]["sampled"]["faces"] == 4
    written = card.write_card(home, measured, pictures)
    card.write_damage_sheet(home / "damage.jpg", faces, None)
    told = written.read_text(encoding="utf-8")
    assert "# The pocket prior" in told and "8 of cleaner at 128 px" in told
    # The toy is untrained, so it cannot reach what it should.
    missed = [t for t in measured["targets"] if not t["reached"]]
    assert missed and all(f"| {t['what']} | {t['wanted']} |" in told for t in measured["targets"])
    assert "| no |" in told and "| women |" not in told
    assert json.loads((home / "measured.json").read_text()) == json.loads(json.dumps(measured))
    assert (home / "measured.jpg").stat().st_size > 10_000 and (home / "damage.jpg").stat().st_size > 10_000


def test_targets_are_judged_by_their_own_limits():
    arms = {
        "damaged": {"psnr": 25.0, "gmsd": 0.15, "identity": 0.5, "sharpness": 0.4},
        "cleaned": {"psnr": 27.6, "gmsd": 0.10, "identity": 0.45, "sharpness": 0.5},
        "sampled": {"psnr": 26.2, "gmsd": 0.09, "identity": 0.44, "sharpness": 0.9},
    }
    good = card.targets({"groups": {"all": arms}, "undamaged_psnr": 31.0})
    assert all(t.reached for t in good)
    arms["sampled"] = {"psnr": 25.5, "gmsd": 0.11, "identity": 0.46, "sharpness": 1.6}
    bad = {t.what: t.reached for t in card.targets({"groups": {"all": arms}, "undamaged_psnr": 29.0})}
    assert list(bad.values()) == [True, False, False, False, False, False, True, False]
