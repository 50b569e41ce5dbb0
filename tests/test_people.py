"""People: kept as written, judged as a whole, never stopped by a bad file, gone when removed."""

from __future__ import annotations

import errno
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.faces import Face, FaceQuality, detector
from engine.images import read_photo, resize, save_photo
from engine.people import (
    BLURRED,
    SOMEBODY_ELSE,
    Library,
    NameRefused,
    NoSuchPerson,
    NoSuchReference,
    PersonDamaged,
    PersonNotSaved,
    PhotoChanged,
    Reference,
    called,
    judge,
)
from engine.progress import Cancelled, SilentReport
from engine.workspace import DiskFull, Workspace, read_json, write_json

FACE = Face((0, 0, 100, 100), np.zeros((5, 2)), "dlib5", 2.0, "by hand")


class Count(SilentReport):
    """Somebody who watches, and stops after so many photos."""

    def __init__(self, stop_after=1000):
        self.ticks, self.stop_after = [], stop_after

    def tick(self, stage, done, total):
        self.ticks.append((stage, done, total))
        if done >= self.stop_after:
            raise Cancelled


class FullDisk:
    """The system's call that has room for so many files more."""

    def __init__(self, room):
        self.room = room

    def __call__(self, *arguments, **named):
        self.room -= 1
        if self.room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
def library(workspace) -> Library:
    return Library(workspace, detector())


@pytest.fixture(scope="module")
def filled(tmp_path_factory, sample_faces):
    """A library with one person of four photos, read once; tests copy it before they change it."""
    home = tmp_path_factory.mktemp("filled")
    people = Library(Workspace(home), detector())
    people.add(people.create("Anna", "woman"), sample_faces[:4])
    return home


@pytest.fixture
def anna(filled, tmp_path):
    """The library of `filled`, for this test alone, and its person."""
    shutil.copytree(filled, tmp_path / "copy")
    people = Library(Workspace(tmp_path / "copy"), detector())
    return people, people.get("Anna")


def reference(name, *, towards=(1.0, 0.0), sharpness=0.45, eyes=80.0, yaw=0.0, seed=0, overruled=None) -> Reference:
    """A face whose vector points where `towards` says, so that distances are known."""
    embedding = np.zeros(128)
    embedding[: len(towards)] = towards
    detail = np.random.default_rng(seed).integers(-100, 100, (64, 64)).astype(np.int8)
    return Reference(
        id=f"{name}-0",
        photo=f"{name}.jpg",
        name=f"{name}.jpg",
        added=f"2024-01-01T00:00:00.{name}",
        face=FACE,
        others=0,
        quality=FaceQuality(sharpness, eyes, yaw, 0.5),
        embedding=embedding,
        look=detail,
        verdict="accepted",
        reason=None,
        overruled=overruled,
    )


def codes(judged):
    return [r.reason.code if r.reason else "accepted" for r in judged]


# Names


def test_a_person_is_found_by_id_and_by_name(library):
    anna = library.create(" Anna Müller ", "woman")
    assert library.get(anna.id) == library.get("anna müller") == anna
    assert anna.name == "Anna Müller"
    assert anna.id.startswith("anna-muller-")
    assert anna.prompt == "a photo of a sks woman"
    assert anna.class_prompt == "a photo of a woman"
    assert [p.name for p in library.list()] == ["Anna Müller"]


@pytest.mark.parametrize("name", ["../../etc", "a/b\\c", "CON", ".", "名前", "x" * 200, "-", "🙂 Opa"])
def test_any_name_is_kept_as_it_is_written(library, workspace, name):
    person = library.create(name)
    assert library.get(person.id).name == name
    folder = library.folder(person)
    assert folder.parent == workspace.people
    assert folder.is_dir()
    assert len(folder.name) < 60
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "A person needs a name. Give one."),
        ("  ", "A person needs a name. Give one."),
        ("x" * 300, "The name is 300 characters long and may have at most 200. Give a shorter one."),
        ("two\nlines", r"The name 'two\nlines' holds characters that cannot be shown. Write it on one line."),
        ("ANNA", "There is somebody called ANNA already. Choose another name, such as with a year."),
    ],
)
def test_names_that_cannot_be_are_refused_with_a_sentence(library, workspace, name, sentence):
    library.create("Anna")
    with pytest.raises(NameRefused) as refused:
        library.create(name)
    assert str(refused.value) == sentence
    assert len(list(workspace.people.iterdir())) == 1


def test_a_subject_that_no_prompt_knows_is_refused(library):
    with pytest.raises(NameRefused, match="A person is one of person, man, woman, child; 'dog' was given"):
        library.create("Rex", "dog")


def test_asking_for_nobody_names_who_is_there(library):
    with pytest.raises(NoSuchPerson, match=r"There is nobody called Bert: no people have been added yet\."):
        library.get("Bert")
    anna = library.create("Anna")
    with pytest.raises(NoSuchPerson) as missing:
        library.get("Bert")
    assert str(missing.value) == f"There is nobody called Bert. The people are Anna ({anna.id})."


def test_a_damaged_person_is_left_out_and_the_others_stay(library, caplog):
    anna, bert = library.create("Anna"), library.create("Bert")
    (library.folder(anna) / "person.json").write_text("{}", encoding="utf-8")
    assert library.list() == [bert]
    assert "is left out of the people" in caplog.text
    with pytest.raises(NoSuchPerson):
        library.get("Anna")


def test_a_person_that_finds_no_room_leaves_nothing(library, workspace, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", FullDisk(0))
        with pytest.raises(DiskFull, match="the disk is full"):
            library.create("Anna")
    assert list(workspace.people.iterdir()) == []
    with monkeypatch.context() as patch:
        patch.setattr("os.mkdir", FullDisk(0))
        with pytest.raises(PersonNotSaved, match=r"No folder could be made for Anna: No space left on device\."):
            library.create("Anna")
    assert list(workspace.people.iterdir()) == []
    assert library.create("Anna").name == "Anna"


# Verdicts


def test_each_fault_of_a_face_is_named_with_its_number():
    small, blurred, turned = judge(
        [reference("1", eyes=20.0), reference("2", sharpness=BLURRED - 0.05), reference("3", yaw=-0.7)]
    )
    assert codes([small, blurred, turned]) == ["too-small", "blurred", "turned-away"]
    assert small.reason.sentence == (
        "The face in 1.jpg is too small: 20 px from eye to eye, and at least 24 are needed. "
        "Use a larger or closer photo."
    )
    assert "its sharpness is 0.25, and at least 0.30 is needed" in blurred.reason.sentence
    assert "0.70, where 0 looks straight on and 0.55 is the limit" in turned.reason.sentence
    assert not any(r.used for r in (small, blurred, turned))


def test_the_odd_one_out_is_somebody_else_wherever_it_stands():
    own = [reference(str(n), towards=(1, 0.02 * n), seed=n) for n in range(4)]
    other = reference("9", towards=(0.4, 0.6), seed=9)
    for place in range(5):
        judged = judge([*own[:place], other, *own[place:]])
        assert codes(judged)[place] == "somebody-else"
        assert codes(judged).count("accepted") == 4
    assert "its distance to the others is 0.8" in judged[-1].reason.sentence


def test_two_people_equally_often_are_told_and_not_guessed():
    """However many: nobody can say which of the two is meant until the user keeps one."""
    for count in (1, 2, 5):
        one = [reference(f"1{n}", towards=(1, 0.02 * n), seed=n) for n in range(count)]
        other = [reference(f"2{n}", towards=(0, 0.02 * n, 1), seed=10 + n) for n in range(count)]
        judged = judge([*one, *other])
        assert codes(judged) == ["two-people"] * (2 * count)
        assert not any(r.used for r in judged)
        each = "one photo" if count == 1 else f"{count} photos"
        assert judged[0].reason.sentence == (
            f"These photos show 2 people, {each} each, such as 10.jpg and 20.jpg, and nobody has said who is meant. "
            "Keep one photo of the right person, or add more of them."
        )
        judged = judge([*one, replace(other[0], overruled="keep"), *other[1:]])
        assert codes(judged) == ["somebody-else"] * count + ["accepted"] * count
        judged = judge([*one, *other, reference("19", towards=(1, 0.1), seed=20)])
        assert codes(judged) == ["accepted"] * count + ["somebody-else"] * count + ["accepted"]


def test_two_photos_of_one_person_far_apart_in_time_are_both_taken():
    assert codes(judge([reference("1"), reference("2", towards=(1, 0.58), seed=1)])) == ["accepted", "accepted"]


def test_two_photos_of_one_intruder_do_not_hide_each_other():
    own = [reference(str(n), towards=(1, 0.02 * n), seed=n) for n in range(3)]
    pair = [reference(f"8{n}", towards=(0.4, 0.6, 0.02 * n), seed=8 + n) for n in range(2)]
    assert codes(judge([*pair, *own])) == ["somebody-else"] * 2 + ["accepted"] * 3


def test_a_blurred_photo_does_not_say_who_the_person_is():
    good, blurred = reference("1"), reference("2", towards=(0, 1), sharpness=BLURRED - 0.05, seed=1)
    assert codes(judge([good, blurred])) == ["accepted", "blurred"]


def test_faces_kept_of_two_kinds_are_both_the_person():
    """Such as a child and the man he became."""
    young = [reference(f"1{n}", towards=(1, 0.02 * n), seed=n) for n in range(3)]
    old = [reference(f"2{n}", towards=(0, 1, 0.02 * n), seed=10 + n) for n in range(4)]
    kept = [replace(young[0], overruled="keep"), *young[1:], replace(old[0], overruled="keep"), *old[1:]]
    assert codes(judge(kept)) == ["accepted"] * 7
    assert codes(judge([*kept, reference("30", towards=(0, 0, 0, 1), seed=30)]))[-1] == "somebody-else"


def test_a_face_as_near_as_people_are_to_themselves_is_accepted():
    own = [reference(str(n), towards=(1, 0.01 * n), seed=n) for n in range(3)]
    near = reference("7", towards=(1 - SOMEBODY_ELSE + 0.02, 0), seed=7)
    assert codes(judge([*own, near])) == ["accepted"] * 4


def test_what_the_user_keeps_says_who_the_person_is():
    wrong = [reference(str(n), towards=(0, 1, 0.01 * n), seed=n) for n in range(4)]
    right = [reference("8", seed=8), reference("9", towards=(1, 0.05), seed=9)]
    assert codes(judge([*wrong, *right])) == ["accepted"] * 4 + ["somebody-else"] * 2
    judged = judge([*wrong, replace(right[0], overruled="keep"), right[1]])
    assert codes(judged) == ["somebody-else"] * 4 + ["accepted"] * 2
    assert [r.used for r in judged] == [False] * 4 + [True] * 2


def test_a_rejected_face_does_not_say_who_the_person_is_and_is_not_used():
    wrong = [reference(str(n), towards=(0, 1, 0.01 * n), seed=n, overruled="reject") for n in range(4)]
    right = [reference(str(n), towards=(1, 0.01 * n), seed=n) for n in range(6, 9)]
    judged = judge([*wrong, *right])
    assert codes(judged)[4:] == ["accepted"] * 3
    assert [r.used for r in judged] == [False] * 4 + [True] * 3


def test_of_two_of_one_picture_the_better_stays():
    soft, sharp, larger = (
        reference("1", sharpness=0.4, seed=5),
        reference("2", sharpness=0.5, seed=5),
        reference("3", sharpness=0.4, eyes=110.0, seed=5),
    )
    assert codes(judge([soft, sharp])) == ["near-duplicate", "accepted"]
    judged = judge([soft, larger, sharp])
    assert codes(judged) == ["near-duplicate", "accepted", "near-duplicate"]
    assert judged[0].reason.sentence == (
        "1.jpg shows nearly the same picture as 3.jpg, which is the better one. "
        "Nothing is lost without it; a photo of another day would add something."
    )
    assert codes(judge([replace(soft, overruled="keep"), sharp])) == ["accepted", "near-duplicate"]
    assert codes(judge([soft, replace(sharp, overruled="reject")]))[0] == "accepted"


def test_a_copy_changed_beyond_recognition_is_a_copy_and_not_somebody_else():
    own = [reference(str(n), towards=(1, 0.02 * n), seed=n) for n in range(3)]
    changed = reference("8", towards=(0.4, 0.6), sharpness=0.4, seed=1)
    judged = judge([*own, changed])
    assert codes(judged) == ["accepted"] * 3 + ["near-duplicate"]
    assert "as 1.jpg, which is the better one" in judged[3].reason.sentence


def test_verdicts_do_not_depend_on_the_order():
    faces = [reference(str(n), towards=(1, 0.03 * n), seed=n % 4, eyes=60.0 + n) for n in range(7)]
    one = {r.id: code for r, code in zip(faces, codes(judge(faces)), strict=True)}
    other = {r.id: code for r, code in zip(faces[::-1], codes(judge(faces[::-1])), strict=True)}
    assert one == other
    assert judge([]) == []


# Adding


def test_good_photos_are_accepted_and_kept_as_they_were(anna, sample_faces):
    people, person = anna
    references = people.references(person)
    assert [r.name for r in references] == [path.name for path in sample_faces[:4]]
    assert all(r.verdict == "accepted" and r.used and r.reason is None and r.others == 0 for r in references)
    for kept, given in zip(references, sample_faces, strict=False):
        copy = people.folder(person) / "photos" / kept.photo
        assert copy.read_bytes() == given.read_bytes()
        assert copy.stem == kept.id[:16]
    again = people.references(person)
    assert [(r.id, r.embedding.tolist()) for r in again] == [(r.id, r.embedding.tolist()) for r in references]


def test_a_bad_file_never_stops_the_others(library, tmp_path, sample_faces):
    folder = tmp_path / "photos"
    (folder / "deeper").mkdir(parents=True)
    (tmp_path / "nothing").mkdir()
    shutil.copy(sample_faces[0], folder / "deeper" / "good.jpg")
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "half.jpg").write_bytes(sample_faces[1].read_bytes()[:4000])
    (folder / "text.png").write_text("no picture")
    save_photo(np.full((200, 200, 3), 0.5, np.float32), folder / "wall.png")
    watched = Count()
    person = library.create("Anna")
    paths = [tmp_path / "missing.jpg", folder, tmp_path / "nothing", folder / "wall.png"]
    outcomes = library.add(person, paths, watched)
    told = {outcome.file.name: (outcome.reason.code if outcome.reason else "accepted") for outcome in outcomes}
    assert told == {
        "missing.jpg": "unreadable",
        "good.jpg": "accepted",
        "empty.jpg": "unreadable",
        "half.jpg": "unreadable",
        "text.png": "unreadable",
        "wall.png": "no-face",
        "nothing": "unreadable",
    }
    assert outcomes[0].file.name == "missing.jpg"
    assert all(o.reason.sentence for o in outcomes if o.reason)
    sentences = {o.file.name: o.reason.sentence for o in outcomes if o.reason}
    assert sentences["wall.png"].startswith("No face found in wall.png (200 x 200 px). Use a photo in which the face")
    assert watched.ticks[0] == ("reading photos", 0, 6)
    assert watched.ticks[-1] == ("reading photos", 6, 6)
    assert len(library.references(person)) == 1
    assert len(list((library.folder(person) / "photos").iterdir())) == 1


def test_the_same_photo_is_not_stored_twice(anna, sample_faces, tmp_path):
    people, person = anna
    renamed = tmp_path / "other name.jpg"
    shutil.copy(sample_faces[0], renamed)
    outcomes = people.add(person, [renamed, sample_faces[1]])
    assert [o.reason.code for o in outcomes] == ["already-there", "already-there"]
    assert (
        outcomes[0].reason.sentence
        == "other name.jpg is among the photos of Anna already. Nothing was changed; add others."
    )
    assert len(people.references(person)) == 4


def test_a_smaller_copy_of_a_photo_is_a_near_duplicate(anna, sample_faces, tmp_path):
    people, person = anna
    pixels = read_photo(sample_faces[0]).pixels
    small = save_photo(resize(pixels, (pixels.shape[1] * 3 // 4, pixels.shape[0] * 3 // 4)), tmp_path / "small.jpg")
    (outcome,) = people.add(person, [small])
    assert outcome.reason.code == "near-duplicate"
    assert outcome.reference is not None
    assert not outcome.reference.used
    assert sample_faces[0].name in outcome.reason.sentence


def test_blurred_and_small_photos_are_stored_and_not_used(anna, sample_faces, tmp_path):
    people, person = anna
    pixels = read_photo(sample_faces[4]).pixels
    eyes = detector().find(pixels)[0].eye_distance
    blurred = save_photo(cv2.GaussianBlur(pixels, (0, 0), 0.08 * eyes), tmp_path / "blurred.png")
    scale = 21 / eyes
    size = (round(pixels.shape[1] * scale), round(pixels.shape[0] * scale))
    small = save_photo(resize(pixels, size), tmp_path / "small.png")
    outcomes = people.add(person, [blurred, small])
    assert [o.reason.code for o in outcomes] == ["blurred", "too-small"]
    assert len(people.references(person)) == 6
    assert len(people.gallery(person).references) == 4


def test_in_a_photo_of_two_the_face_that_is_known_is_taken(anna, sample_faces, tmp_path):
    people, person = anna
    own = read_photo(sample_faces[5]).pixels
    # Mirrored, stretched and larger, the head is farther from the person than as it is.
    other = np.ascontiguousarray(resize(own, (own.shape[1] * 3 // 2, own.shape[0] * 6 // 5))[:, ::-1])
    canvas = np.full((other.shape[0], own.shape[1] + other.shape[1], 3), 0.5, np.float32)
    canvas[: own.shape[0], other.shape[1] :] = own
    canvas[:, : other.shape[1]] = other
    assert len(detector().find(canvas)) == 2
    (outcome,) = people.add(person, [save_photo(canvas, tmp_path / "both.png")])
    assert outcome.verdict == "accepted"
    assert outcome.reference.others == 1
    assert outcome.reference.id.endswith("-1")
    assert outcome.reference.face.nose[0] > other.shape[1]


def test_stopping_while_photos_are_read_adds_nothing(library, sample_faces):
    person = library.create("Anna")
    with pytest.raises(Cancelled):
        library.add(person, sample_faces[:3], Count(stop_after=1))
    assert library.references(person) == []
    assert list((library.folder(person) / "photos").iterdir()) == []


@pytest.mark.parametrize("writes", [0, 1, 2, 3])
def test_a_full_disk_adds_nothing(anna, sample_faces, monkeypatch, writes):
    people, person = anna
    before = sorted(path.name for path in people.folder(person).rglob("*"))
    monkeypatch.setattr("os.fsync", FullDisk(writes))
    with pytest.raises(DiskFull, match="the disk is full"):
        people.add(person, sample_faces[4:6])
    assert sorted(path.name for path in people.folder(person).rglob("*")) == before


def test_photos_that_a_killed_process_left_are_swept(anna, sample_faces):
    people, person = anna
    photos = people.folder(person) / "photos"
    (photos / "0123456789abcdef.jpg").write_bytes(b"left")
    people.add(person, [sample_faces[0]])
    assert not (photos / "0123456789abcdef.jpg").exists()
    assert len(list(photos.iterdir())) == 4


# Overruling, removing


def test_the_users_word_stands_and_can_be_taken_back(anna):
    people, person = anna
    first = people.references(person)[0]
    assert not people.overrule(person, first.id, "reject").used
    assert len(people.gallery(person).references) == 3
    assert people.references(person)[0].overruled == "reject"
    assert people.overrule(person, first.id, "keep").used
    back = people.overrule(person, first.id, None)
    assert back.used and back.overruled is None


def test_a_reference_that_is_not_there_is_named(anna):
    people, person = anna
    for act in (lambda: people.overrule(person, "x-0", "keep"), lambda: people.remove_reference(person, "../person")):
        with pytest.raises(NoSuchReference, match=r"Anna has no reference .* It may have been removed already\."):
            act()
    with pytest.raises(ValueError, match="word must be keep, reject or None, got 'maybe'"):
        people.overrule(person, people.references(person)[0].id, "maybe")


def test_a_removed_reference_takes_its_photo_along(anna):
    people, person = anna
    first = people.references(person)[0]
    people.remove_reference(person, first.id)
    assert first.id not in [r.id for r in people.references(person)]
    assert not (people.folder(person) / "photos" / first.photo).exists()
    assert len(list((people.folder(person) / "photos").iterdir())) == 3


def test_a_removed_person_leaves_nothing(anna):
    people, person = anna
    folder = people.folder(person)
    (folder / "tuned" / "abc").mkdir(parents=True)
    (folder / "tuned" / "abc" / "lora.safetensors").write_bytes(b"weights")
    people.remove("anna")
    assert list(folder.parent.iterdir()) == []
    with pytest.raises(NoSuchPerson):
        people.remove("anna")


def test_a_damaged_reference_says_which_file(anna):
    people, person = anna
    file: Path = people.folder(person) / "references" / f"{people.references(person)[0].id}.json"
    value = json.loads(file.read_text(encoding="utf-8"))
    for broken in ({"embedding": [1.0]}, {"look": "!"}, {"face": {}}, {"overruled": "maybe"}, {"quality": None}):
        file.write_text(json.dumps({**value, **broken}), encoding="utf-8")
        with pytest.raises(PersonDamaged, match=rf"{file.name} is damaged .*Put back a good copy, or delete it"):
            people.references(person)


# The gallery


def test_a_gallery_gives_aligned_crops_and_a_print_of_its_choice(anna):
    people, person = anna
    gallery = people.gallery(person)
    assert [r.id for r in gallery.references] == sorted(r.id for r in gallery.references)
    crops = gallery.crops(64)
    assert len(crops) == 4
    assert all(crop.shape == (64, 64, 3) and crop.dtype == np.float32 for crop in crops)
    assert gallery.embeddings.shape == (4, 128)
    assert gallery.fingerprint == people.gallery(person).fingerprint
    people.overrule(person, gallery.references[0].id, "reject")
    assert people.gallery(person).fingerprint != gallery.fingerprint


def test_an_empty_gallery_is_no_error(library):
    gallery = library.gallery(library.create("Anna"))
    assert gallery.references == () == gallery.crops(64)
    assert gallery.embeddings.shape == (0, 128)


def test_a_gallery_whose_photo_is_gone_says_so(anna):
    people, person = anna
    gallery = people.gallery(person)
    (gallery.photos / gallery.references[0].photo).unlink()
    with pytest.raises(PhotoChanged, match=f"is not in .* any more. Put {gallery.references[0].photo} back"):
        gallery.crops(64)


def test_a_gallery_in_which_another_photo_lies_says_so_and_cuts_nothing(anna, sample_faces):
    people, person = anna
    gallery = people.gallery(person)
    (gallery.photos / gallery.references[0].photo).write_bytes(sample_faces[5].read_bytes())
    with pytest.raises(PhotoChanged, match="was changed since it was added"):
        gallery.crops(64)
    assert len(people.references(person)) == 4, "nothing is lost"


def test_namesakes_are_found_by_what_tells_them_apart(anna):
    people, person = anna
    twin = people.folder(person).with_name("anna-0a1b2c")
    shutil.copytree(people.folder(person), twin)
    write_json(twin / "person.json", {**read_json(twin / "person.json"), "id": twin.name, "name": "ANNA"})
    everybody = people.list()
    assert sorted(called(one, everybody) for one in everybody) == ["ANNA (0a1b2c)", f"Anna ({person.id[-6:]})"]
    assert people.get("anna (0a1b2c)").id == twin.name
    assert people.get(f"Anna ({person.id[-6:]})").id == person.id
    with pytest.raises(NoSuchPerson, match="There are 2 people called Anna"):
        people.get("Anna")
    people.remove(twin.name)
    assert called(person, people.list()) == "Anna"


def test_a_grey_photo_and_one_turned_by_its_camera_are_as_good(library, sample_faces, tmp_path):
    from PIL import Image

    grey = Image.fromarray(read_photo(sample_faces[0]).samples).convert("L")
    grey.save(tmp_path / "grey.png")
    turned = Image.fromarray(np.rot90(read_photo(sample_faces[1]).samples))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(tmp_path / "turned.jpg", exif=exif, quality=95)
    person = library.create("Anna")
    outcomes = library.add(person, [tmp_path / "grey.png", tmp_path / "turned.jpg"])
    assert [o.verdict for o in outcomes] == ["accepted", "accepted"]
    for outcome, path in zip(outcomes, sample_faces, strict=False):
        upright = detector().find(read_photo(path).pixels)[0]
        assert np.abs(outcome.reference.face.points - upright.points).max() < 0.05 * upright.eye_distance
