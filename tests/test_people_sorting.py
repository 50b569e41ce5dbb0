"""Sorting faces out: taken in by processes of their own, grouped, given to people, and all of it undone on the disk."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from engine.faces import detector
from engine.images import read_photo, save_photo, year_of
from engine.people import (
    BIN,
    UNSORTED,
    Done,
    Library,
    Move,
    NameRefused,
    NoSuchPerson,
    NoSuchReference,
    Sorting,
    SortingRefused,
    advise,
    misfits,
    take_in,
)
from engine.people import journal as journaling
from engine.people.verdicts import groups
from engine.workspace import Workspace
from tests.test_people import reference

FACES = Path(__file__).resolve().parents[1] / "assets" / "faces"


def taken_in(library: Library, files: list[Path]) -> list[str]:
    """Take photos in as the desk does; give what became of each."""
    staging = library.journal.new_bin()
    known = library.places.all_ids(person.id for person in library.list())
    told = list(take_in(files, library.places.make(staging), known))
    ids = tuple(sorted(name for taken in told for name in taken.ids))
    if ids:
        library.journal.do(Done("added", len(ids)), [Move(ids, staging, UNSORTED)], bin=staging)
    return [taken.code for taken in sorted(told, key=lambda taken: files.index(taken.file))]


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory, sample_faces: list[Path]) -> Path:
    """A workspace with three faces of one person and two of nobody else, none sorted; read once."""
    home = tmp_path_factory.mktemp("mixed")
    library = Library(Workspace(home), detector())
    assert taken_in(library, [*sample_faces[:3], FACES / "face-001.jpg", FACES / "face-004.jpg"]) == [""] * 5
    return home


@pytest.fixture
def library(mixed: Path, tmp_path: Path) -> Library:
    """The library of `mixed`, for this test alone."""
    shutil.copytree(mixed, tmp_path / "copy")
    return Library(Workspace(tmp_path / "copy"), detector())


def contents(library: Library) -> dict[str, bytes]:
    """Everything of people and faces on the disk, but not what the journal keeps."""
    root = library.places.folder(UNSORTED).parent
    files = [*(root / "people").rglob("*"), *(root / "unsorted").rglob("*")]
    listed = {person.id for person in library.list()} | {UNSORTED}
    return {
        str(file.relative_to(root)): file.read_bytes()
        for file in files
        if file.is_file() and listed & set(file.relative_to(root).parts)
    }


def test_faces_are_grouped_and_nothing_is_given_to_anybody(library: Library, sample_faces: list[Path]) -> None:
    found = Sorting(library).suggest()
    names = {face.id: face.name for face in library.unsorted()}
    assert [sorted(names[one] for one in group.ids) for group in found[:1]] == [[f.name for f in sample_faces[:3]]]
    assert [len(group.ids) for group in found] == [3, 1, 1]
    assert all(group.person == "" for group in found)
    assert 0.2 < found[0].distance < 0.45 and found[1].distance == 0.0
    crops = library.places.folder(UNSORTED) / "crops"
    assert all(read_photo(crops / f"{name}.jpg").width == 192 for name in names)
    assert library.list() == []


def test_a_group_may_be_somebody_known_with_the_distance(library: Library) -> None:
    sorting = Sorting(library)
    group = sorting.suggest()[0]
    anna = sorting.new_person("Anna", group.ids[:2], UNSORTED)
    known = sorting.suggest()[0]
    assert (known.person, known.ids) == (anna.id, group.ids[2:])
    assert 0.2 < known.distance < 0.5
    sorting.move(known.ids, UNSORTED, anna.id)
    assert sum(face.used for face in library.references(anna)) == 3


def test_everything_is_undone_and_done_again_even_by_another_process(library: Library) -> None:
    sorting = Sorting(library)
    states = [contents(library)]

    def done() -> None:
        states.append(contents(library))

    group = sorting.suggest()[0].ids
    anna = sorting.new_person("Anna", group, UNSORTED)
    done()
    sorting.judge(anna.id, group[:2], "reject")
    done()
    sorting.date(anna.id, group[1:], year=1957, age=None)
    done()
    sorting.rename(anna.id, "Anne <i>'s</i> 🙂")
    done()
    sorting.set_cover(anna.id, group[2])
    done()
    sorting.describe(anna.id, "woman")
    done()
    other = sorting.new_person("Bert", group[:1], anna.id)
    done()
    sorting.merge(other.id, anna.id)
    done()
    sorting.remove(group[:1], anna.id)
    done()
    sorting.move(group[1:2], anna.id, UNSORTED)
    done()
    assert all(one != other for one, other in pairwise(states))
    later = Sorting(Library(Workspace(library.places.folder(UNSORTED).parent), detector()))
    for state in states[-2::-1]:
        assert later.undo() is not None
        assert contents(library) == state
    assert library.list() == []
    for state in states[1:]:
        assert later.redo() is not None
        assert contents(library) == state
    assert later.redo() is None
    assert library.get("Anne <i>'s</i> 🙂").cover == group[2]


def test_a_merge_is_split_again_and_the_merged_person_is_as_before(library: Library) -> None:
    sorting = Sorting(library)
    faces = [face.id for face in library.unsorted()]
    anna, bert = (sorting.new_person(name, faces[n::2], UNSORTED) for n, name in enumerate(("Anna", "Bert")))
    tuned = library.folder(bert) / "tuned" / "abc"
    tuned.mkdir(parents=True)
    before = contents(library)
    stays = sorting.merge("bert", "Anna")
    assert stays.id == anna.id
    assert len(library.references(anna)) == 5
    assert [person.name for person in library.list()] == ["Anna"]
    with pytest.raises(NoSuchPerson):
        library.get("Bert")
    assert library.create("Bert").name == "Bert"
    sorting.undo()
    sorting.undo()
    assert contents(library) == before
    assert tuned.is_dir()
    with pytest.raises(SortingRefused, match="Anna cannot be merged with themselves"):
        sorting.merge("Anna", anna.id)


def test_what_is_done_instead_of_what_was_undone_lets_that_go(library: Library) -> None:
    sorting = Sorting(library)
    faces = [face.id for face in library.unsorted()]
    sorting.new_person("Anna", faces[:2], UNSORTED)
    sorting.undo()
    sorting.remove(faces[:1], UNSORTED)
    assert library.journal.redoable() is None
    people = library.places.folder(UNSORTED).parent / "people"
    assert list(people.iterdir()) == [], "the person whose making was undone is no longer kept"
    sorting.undo()
    assert len(library.unsorted()) == 5


def test_an_entry_that_was_broken_off_is_taken_back(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    sorting = Sorting(library)
    faces = [face.id for face in library.unsorted()]
    anna = sorting.new_person("Anna", faces, UNSORTED)
    before = contents(library)

    def killed(*given: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(journaling.Journal, "_set", killed)
        patch.setattr(journaling.Journal, "_take_back", lambda *given: None)
        with pytest.raises(KeyboardInterrupt):
            sorting.judge(anna.id, faces[:3], "reject")
    assert contents(library) != before
    later = Library(Workspace(library.places.folder(UNSORTED).parent), detector())
    assert later.journal.undoable() == Done("new", 5, "Anna", (anna.id,))
    assert contents(later) == before


def test_a_full_disk_changes_nothing(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    from engine.workspace import DiskFull
    from tests.test_people import FullDisk

    sorting = Sorting(library)
    faces = [face.id for face in library.unsorted()]
    anna = sorting.new_person("Anna", faces, UNSORTED)
    before = contents(library)
    for room in range(4):
        with monkeypatch.context() as patch:
            patch.setattr("os.fsync", FullDisk(room))
            with pytest.raises(DiskFull):
                sorting.judge(anna.id, faces[:3], "reject")
        # What could not be taken back for want of room is taken back as soon as there is some.
        assert library.journal.undoable() == Done("new", 5, "Anna", (anna.id,))
        assert contents(library) == before


def test_only_the_last_things_can_be_undone_and_what_they_held_goes(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journaling, "MOST", 3)
    sorting = Sorting(library)
    faces = [face.id for face in library.unsorted()]
    for name in faces[:4]:
        sorting.remove([name], UNSORTED)
    assert len(library.journal.binned()) == 3
    assert [sorting.undo() is not None for _ in range(4)] == [True, True, True, False]
    assert len(library.unsorted()) == 4


def test_a_deleted_person_is_forgotten_by_the_journal_too(library: Library) -> None:
    sorting = Sorting(library)
    group = sorting.suggest()[0].ids
    anna = sorting.new_person("Anna", group, UNSORTED)
    bert = sorting.new_person("Bert", group[:1], anna.id)
    sorting.merge(bert.id, anna.id)
    sorting.remove(group[1:2], anna.id)
    root = library.places.folder(UNSORTED).parent
    assert [one.id for one in library.remove("Anna")] == [anna.id, bert.id]
    marks = [anna.id, bert.id, "Anna", "Bert", *(name[:16] for name in group)]
    for file in root.rglob("*"):
        assert not any(mark in file.name for mark in marks), file
        if file.suffix == ".json":
            assert not any(mark in file.read_text(encoding="utf-8") for mark in marks), file
    while sorting.undo() is not None:
        pass
    assert library.list() == []
    assert library.unsorted() == []
    while sorting.redo() is not None:
        pass
    assert len(library.unsorted()) == 2


def test_sorting_that_cannot_be_is_refused_in_words(library: Library) -> None:
    sorting = Sorting(library)
    faces = [face.id for face in library.unsorted()]
    with pytest.raises(SortingRefused, match="No face is chosen"):
        sorting.new_person("Anna", [], UNSORTED)
    with pytest.raises(NoSuchReference, match="1 of 2 faces are no longer there"):
        sorting.move([faces[0], "../x-0"], UNSORTED, UNSORTED)
    with pytest.raises(NoSuchPerson):
        sorting.move(faces, UNSORTED, "../people")
    with pytest.raises(NameRefused):
        sorting.new_person(" ", faces, UNSORTED)
    with pytest.raises(SortingRefused, match="No photo is of the year 1500"):
        sorting.date(UNSORTED, faces, year=1500, age=None)
    with pytest.raises(SortingRefused, match="Nobody is 300 years old"):
        sorting.date(UNSORTED, faces, year=None, age=300)
    sorting.new_person("Anna", faces[:1], UNSORTED)
    bert = sorting.new_person("Bert", faces[1:2], UNSORTED)
    with pytest.raises(NameRefused, match="There is somebody called ANNA already"):
        sorting.rename(bert.id, "ANNA")
    assert len(library.unsorted()) == 3


def test_bad_files_and_files_that_are_gone_or_there_already_stop_nothing(library: Library, tmp_path: Path) -> None:
    shutil.copy(FACES / "face-001.jpg", tmp_path / "again.jpg")
    (tmp_path / "half.jpg").write_bytes((FACES / "face-002.jpg").read_bytes()[:3000])
    wall = save_photo(np.full((30, 40, 3), 0.5, np.float32), tmp_path / "wall.png")
    shutil.copy(FACES / "face-009.jpg", tmp_path / "new.jpg")
    before = {path.name: path.read_bytes() for path in tmp_path.glob("*.*")}
    files = [tmp_path / "again.jpg", tmp_path / "half.jpg", wall, tmp_path / "gone.jpg", tmp_path / "new.jpg"]
    assert taken_in(library, files) == ["already-there", "unreadable", "no-face", "unreadable", ""]
    assert {path.name: path.read_bytes() for path in tmp_path.glob("*.*")} == before
    assert len(library.unsorted()) == 6
    photos = library.places.folder(UNSORTED) / "photos"
    assert len(list(photos.iterdir())) == 6


def test_a_photo_lies_wherever_one_of_its_faces_does(library: Library) -> None:
    """A photo of two people is one file with two names, and goes with the last of them."""
    sorting = Sorting(library)
    first = library.unsorted()[0]
    folder = library.places.folder(UNSORTED)
    value = json.loads((folder / "references" / f"{first.id}.json").read_text(encoding="utf-8"))
    twin = f"{first.id[:16]}-1"
    (folder / "references" / f"{twin}.json").write_text(json.dumps({**value, "id": twin}), encoding="utf-8")
    anna = sorting.new_person("Anna", [first.id], UNSORTED)
    bert = sorting.new_person("Bert", [twin], UNSORTED)
    copies = [library.folder(one) / "photos" / first.photo for one in (anna, bert)]
    assert copies[0].samefile(copies[1])
    assert not (folder / "photos" / first.photo).exists()
    library.remove("Anna")
    assert copies[1].exists()
    sorting.remove([twin], bert.id)
    assert not copies[1].exists()
    sorting.undo()
    assert copies[1].exists()


def test_joining_by_chains_is_joining_the_nearest_again_and_again() -> None:
    """The result is that of the plain way, which takes the cube of the number of faces."""
    rng = np.random.default_rng(4)
    for count in (3, 17, 60):
        centres = rng.normal(size=(5, 128)) * 0.045
        faces = [centres[n % 5] + rng.normal(size=128) * 0.025 for n in range(count)]
        assert groups(faces) == plainly(faces)


def plainly(faces: list[np.ndarray]) -> list[list[int]]:
    found = [[n] for n in range(len(faces))]
    while len(found) > 1:
        means = {
            (a, b): np.mean([np.linalg.norm(faces[i] - faces[j]) for i in found[a] for j in found[b]])
            for b in range(len(found))
            for a in range(b)
        }
        a, b = min(means, key=lambda pair: means[pair])
        if means[a, b] > 0.53:
            break
        found[a] += found.pop(b)
    return sorted((sorted(group) for group in found), key=lambda group: (-len(group), group))


def test_advice_says_only_what_was_measured() -> None:
    from engine.people import judge

    assert advise([]).level == "empty"
    few = judge([reference(str(n), towards=(1, 0.02 * n), seed=n, yaw=0.2) for n in range(3)])
    assert (advise(few).level, advise(few).wants) == ("few", ("more", "left", "straight"))
    yaws = (-0.3, 0.0, 0.3, 0.05, -0.05, 0.0)
    enough = judge([reference(str(n), towards=(1, 0.01 * n), seed=n, yaw=yaws[n]) for n in range(6)])
    assert (advise(enough).level, advise(enough).wants, advise(enough).waiting) == ("enough", (), 0)
    small = judge([reference(str(n), towards=(1, 0.01 * n), seed=n, yaw=yaws[n], eyes=40.0) for n in range(6)])
    assert advise(small).wants == ("larger",)
    blurred = judge([*enough, reference("9", sharpness=0.1, seed=9)])
    assert advise(blurred).waiting == 1
    assert advise([replace(blurred[-1], overruled="reject")]).waiting == 0
    intruders = judge([reference(str(n), towards=np.eye(4)[n], seed=n) for n in range(4)])
    assert advise(intruders).level == "unclear"


def test_the_face_that_fits_worst_is_farthest_from_the_others() -> None:
    faces = [reference(str(n), towards=(1, 0.02 * n), seed=n) for n in range(4)] + [reference("9", towards=(0.4, 0.6))]
    away = misfits(faces)
    assert max(away, key=lambda name: away[name]) == "9-0"
    expected = np.mean([np.linalg.norm(faces[0].embedding - other.embedding) for other in faces[1:]])
    assert away["0-0"] == pytest.approx(expected)
    assert misfits([]) == {}


def test_the_year_of_a_photo_is_read_from_its_camera(tmp_path: Path) -> None:
    from PIL import Image

    picture = Image.new("RGB", (40, 40))
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = "1998:07:01 12:00:00"
    picture.save(tmp_path / "a.jpg", exif=exif)
    read = read_photo(tmp_path / "a.jpg").exif
    assert read is not None and year_of(read) == 1998
    exif.get_ifd(0x8769)[0x9003] = "0000:00:00 00:00:00"
    picture.save(tmp_path / "b.jpg", exif=exif)
    read = read_photo(tmp_path / "b.jpg").exif
    assert read is None or year_of(read) is None
    assert year_of(b"rubbish") is None


def test_places_of_the_bin_stay_in_the_bin(library: Library) -> None:
    library.places.empty(UNSORTED)
    assert len(library.unsorted()) == 5, "only places of the bin are emptied"
    made = library.journal.new_bin()
    assert made.startswith(BIN)
    assert os.path.commonpath([library.places.folder(made), library.places.folder(UNSORTED).parent / "undo"]).endswith(
        "undo"
    )
