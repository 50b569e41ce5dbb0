"""The desk of the People screen without a page: what is done is shown at once, and compared in the background."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from engine.faces import detector
from engine.people import UNSORTED, Library, NoSuchReference, Sorting
from engine.studio import Studio
from engine.studio.desk import Desk
from engine.studio.people import PeopleDesk
from engine.studio.people.layout import words_for
from engine.studio.people.view import ShownFace
from engine.workspace import Workspace
from tests import many_faces
from tests.test_people_sorting import FACES, taken_in

PATIENCE = 60.0


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory, sample_faces: list[Path]) -> Path:
    """A workspace with Anna of four faces and two of others among them, and one face of nobody; read once."""
    home = tmp_path_factory.mktemp("mixed") / "likeness"
    library = Library(Workspace(home), detector())
    strangers = [FACES / name for name in ("face-001.jpg", "face-004.jpg", "face-009.jpg")]
    assert taken_in(library, [*sample_faces[:4], *strangers]) == [""] * 7
    faces = sorted(library.unsorted(), key=lambda face: face.name)
    Sorting(library).new_person("Anna", [face.id for face in faces if face.name != "face-009.jpg"], UNSORTED)
    return home


@pytest.fixture
def people(mixed: Path, tmp_path: Path) -> Iterator[PeopleDesk]:
    """The desk on a copy of that workspace, with Anna open and her faces compared."""
    shutil.copytree(mixed, tmp_path / "likeness")
    with (
        Studio(tmp_path / "likeness", device="cpu") as studio,
        closing(Desk(studio)) as desk,
        closing(PeopleDesk(desk)) as made,
    ):
        made.open(made.people.get("Anna").id)
        compared(made)
        yield made


def compared(people: PeopleDesk) -> None:
    """Wait until no faces are being compared."""
    done = threading.Event()
    for _ in range(int(PATIENCE / 0.02)):
        if not people.view().comparing:
            return
        done.wait(0.02)
    pytest.fail("the faces were not compared")


def used(people: PeopleDesk) -> set[str]:
    return {face.id for face in people.view().faces if face.used}


def section(people: PeopleDesk, kind: str) -> set[str]:
    return {name for section in people.view().sections if section.kind == kind for name in section.ids}


def test_what_is_done_is_shown_before_any_faces_are_compared(people: PeopleDesk) -> None:
    first, second, *others = sorted(used(people))
    assert len(others) == 2
    with people._building:  # until this is let go of, nothing is compared
        people.judge([first], "reject")
        view = people.view()
        assert view.comparing
        assert used(people) == {second, *others}
        assert section(people, "left") == {first}
        assert [person.used for person in view.people] == [3]
        assert view.undo is not None and view.undo.verb == "reject"
        people.judge([first], "keep")
        assert used(people) == {first, second, *others}
        people.date([second], year=1957, age=None)
        assert {face.id: face.year for face in people.view().faces}[second] == 1957
        people.remove([second])
        assert used(people) == {first, *others}
        people.undo()
        people.redo()
        people.rename(people.view().place, "Berta")
        assert [person.name for person in people.view().people] == ["Berta"]
        people.new_person([first], "Carla")
        assert [person.name for person in people.view().people] == ["Berta", "Carla"]
        assert used(people) == set(others)
        people.open(UNSORTED)
        assert people.view().place == UNSORTED
        assert people.view().comparing
    compared(people)
    assert [len(section.ids) for section in people.view().sections] == [1]
    assert [(person.name, person.used) for person in people.view().people] == [("Berta", 2), ("Carla", 1)]


def test_whoever_is_on_the_desk_stays_there_however_they_are_called(people: PeopleDesk) -> None:
    """Or the other screens would have nobody of the name that they had."""
    anna = people.people.get("Anna")
    people.desk.choose_person("Anna")
    people.rename(anna.id, "Berta")
    for step in (people.undo, people.redo):
        assert people.desk.person is not None and people.desk.person.id == anna.id
        step()
    on_desk = people.desk.person
    assert on_desk is not None and (on_desk.id, on_desk.name) == (anna.id, "Berta")
    assert people.desk.view().person == "Berta"


@pytest.mark.parametrize("name", ["Anna", ""])
def test_thousands_of_faces_are_shown_before_they_are_compared(
    tmp_path: Path, sample_faces: list[Path], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Copies of a few; what is done to them before the verdicts are there stays."""
    home = tmp_path / "likeness"
    owner = many_faces.make(home, sample_faces[:4], 600, person=name)
    with Studio(home, device="cpu") as studio, closing(Desk(studio)) as desk, closing(PeopleDesk(desk)) as people:
        people._turn_to(owner.id if owner is not None else UNSORTED)
        may = threading.Event()
        wait_for(monkeypatch, PeopleDesk, "_built", may)
        people.lay_out()
        for _ in range(int(PATIENCE / 0.02)):
            if people.view().faces:
                break
            may.wait(0.02)
        view = people.view()
        assert view.comparing and len(view.faces) == 600
        assert all(face.preview for face in view.faces)
        kinds = [section.kind for section in view.sections]
        assert kinds == (["used"] if name else ["comparing"])
        if owner is not None:
            people.judge([view.faces[0].id], "reject")
            assert section(people, "left") == {view.faces[0].id}
            assert [person.used for person in people.view().people] == [599]
        may.set()
        compared(people)
        assert sum(len(section.ids) for section in people.view().sections) == 600
        if owner is not None:
            assert section(people, "left") == {view.faces[0].id}
            assert next(person.used for person in people.view().people) > 500
            assert people.view().advice is not None


def wait_for(monkeypatch: pytest.MonkeyPatch, kind: type, name: str, may: threading.Event) -> None:
    """Let a method begin only when it may."""
    own = getattr(kind, name)

    def held(self: object) -> object:
        may.wait(PATIENCE)
        return own(self)

    monkeypatch.setattr(kind, name, held)


def test_many_keys_in_a_row_are_compared_together(people: PeopleDesk) -> None:
    ids = sorted(used(people))
    with people._building:
        before = people.view().revision
        for word in ("reject", "keep") * 3:
            people.judge(ids[:1], word)
    compared(people)
    shown = 6
    assert people.view().revision <= before + shown + 2, "one that had begun, and one for all that came meanwhile"


def test_what_was_done_while_faces_were_compared_stays(people: PeopleDesk) -> None:
    """Others compare all the time, so that some of it ends after the next key."""
    name, stop = sorted(used(people))[0], threading.Event()

    def compare() -> None:
        while not stop.is_set():
            people.refresh()

    other = threading.Thread(target=compare)
    other.start()
    try:
        for word in ("reject", "keep") * 10:
            people.judge([name], word)
            for _ in range(3):
                assert (name in used(people)) == (word == "keep")
    finally:
        stop.set()
        other.join()


def test_all_that_is_chosen_is_used_even_where_it_shows_several_people(people: PeopleDesk) -> None:
    """What is said of some faces changes the verdicts on the others, so it is said of all of them."""
    everybody = {face.id for face in people.view().faces}
    assert len(everybody) == 6
    assert len(used(people)) == 4
    people.judge(everybody, "keep")
    compared(people)
    assert used(people) == everybody
    people.judge(everybody, "keep")
    compared(people)
    assert used(people) == everybody
    people.judge(everybody, "reject")
    compared(people)
    assert used(people) == set()
    people.judge(everybody, "")
    compared(people)
    assert len(used(people)) == 4


def test_a_face_that_somebody_took_meanwhile_is_told_and_the_page_is_set_right(people: PeopleDesk) -> None:
    name = sorted(used(people))[0]
    Sorting(people.people).remove([name], people.view().place)
    before = people.view().revision
    with pytest.raises(NoSuchReference, match="no longer there"):
        people.judge([name], "reject")
    assert people.view().revision > before
    assert name not in {face.id for face in people.view().faces}


def face(name: str, *, used: bool, overruled: str = "", code: str = "") -> ShownFace:
    return ShownFace(name, name, "", used, overruled, code, "", 0.4, None, None, False)


@pytest.mark.parametrize(
    ("word", "said", "needed"),
    [
        ("keep", None, ()),
        ("reject", "reject", ("plain",)),
        (None, None, ()),
    ],
)
def test_a_used_face(word, said, needed) -> None:
    assert words_for([face("plain", used=True)], word) == (said, needed)


def test_what_was_said_is_taken_back_where_that_is_enough() -> None:
    out = face("out", used=False, overruled="reject")
    assert words_for([out], "keep") == (None, ("out",))
    assert words_for([out, face("plain", used=True)], "keep") == (None, ("out",))
    kept = face("kept", used=True, overruled="keep", code="blurred")
    assert words_for([kept], "reject") == (None, ("kept",))
    assert words_for([kept], "keep") == (None, ())
    assert words_for([replace(kept, code="")], "reject") == ("reject", ("kept",))
    assert words_for([kept, out], None) == (None, ("kept", "out"))
    blurred = face("blurred", used=False, code="blurred")
    assert words_for([blurred, face("plain", used=True), kept], "keep") == ("keep", ("blurred", "plain"))
    assert words_for([blurred], "reject") == (None, ())


def test_closing_does_not_wait_until_thousands_of_references_are_laid_out(
    tmp_path: Path, sample_faces: list[Path]
) -> None:
    home = tmp_path / "likeness"
    many_faces.make(home, sample_faces[:4], 600, person="Anna")
    with Studio(home, device="cpu") as studio:
        with closing(Desk(studio)) as desk:
            desk.choose_person("Anna")
            done = threading.Event()
            for _ in range(int(PATIENCE / 0.02)):
                if desk.view().references:
                    break
                done.wait(0.02)
        assert 0 < len(desk.view().references) < 600
