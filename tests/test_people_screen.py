"""The People screen in a real browser, on the real engine: dropped, sorted out, undone, deleted, by mouse and keys."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from engine.faces import detector
from engine.images import read_photo, resize, save_photo
from engine.people import UNSORTED, Library, Sorting
from engine.tuning.views import vary
from engine.workspace import Workspace
from tests.test_people_sorting import FACES, taken_in
from tests.test_screen import SECONDS, App, drop, serious_flaws

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

pytestmark = pytest.mark.browser

NAME = 'Zoë <b>"O\'Nobody"</b> 🙂'
OTHERS = ("face-001.jpg", "face-004.jpg")


@pytest.fixture(scope="module")
def sorted_out(tmp_path_factory: pytest.TempPathFactory, sample_faces: list[Path]) -> Path:
    """A workspace with a person of four faces, one of a single one, and one more face of nobody; read once."""
    home = tmp_path_factory.mktemp("sorted") / "likeness"
    library = Library(Workspace(home), detector())
    assert taken_in(library, [*sample_faces[:4], *(FACES / name for name in OTHERS)]) == [""] * 6
    sorting = Sorting(library)
    sorting.new_person(NAME, sorting.suggest()[0].ids, UNSORTED)
    sorting.new_person("Bert", [library.unsorted()[0].id], UNSORTED)
    return home


@pytest.fixture
def app(sorted_out: Path, tmp_path: Path) -> Iterator[App]:
    """The app on a copy of that workspace."""
    shutil.copytree(sorted_out, tmp_path / "likeness")
    with running(tmp_path / "likeness") as started:
        yield started


@contextmanager
def running(home: Path) -> Generator[App]:
    app = App(home, port=8060)
    app.start()
    try:
        yield app
    finally:
        if app.process is not None and app.process.poll() is None:
            app.stop()


def seen(page: Page, app: App) -> Page:
    page.set_default_timeout(120 * SECONDS)
    page.goto(f"{app.address}/#people")
    page.locator(".lk-people-card, .lk-people-empty strong, .lk-pf").first.wait_for()
    return page


def entry(page: Page, name: str) -> Locator:
    return page.locator(".lk-people-list .lk-people-entry").filter(has=page.get_by_text(name, exact=True))


def tells(page: Page, name: str, text: str) -> None:
    entry(page, name).locator("small").get_by_text(text, exact=True).wait_for()


def opened(page: Page, name: str, faces: int) -> None:
    entry(page, name).click()
    page.locator(".lk-people-title h3").get_by_text(name, exact=True).wait_for()
    page.locator(".lk-pf").nth(faces - 1).wait_for()


def test_dropped_photos_are_grouped_given_and_all_of_it_is_undone_after_a_restart(
    browser: Browser, browser_page: Page, console_errors: list[str], tmp_path: Path, sample_faces: list[Path]
) -> None:
    """The whole way from an empty workspace."""
    with running(tmp_path / "likeness") as app:
        page = seen(browser_page, app)
        page.get_by_text("Drop photos of the people you know").wait_for()
        broken = tmp_path / "holiday & <i>more.jpg"
        broken.write_bytes(sample_faces[0].read_bytes()[:3000])
        originals = {path: path.read_bytes() for path in sample_faces[:3]}
        drop(page, "#people", [*sample_faces[:3], FACES / OTHERS[0], broken])
        page.get_by_text("5 photos read, 4 faces found.").wait_for(timeout=180 * SECONDS)
        assert "holiday & imore.jpg is damaged or cut off" in page.locator("#people .lk-notice").inner_text()
        page.get_by_label("Who is it? Likely one person: 3 faces").fill(NAME)
        page.keyboard.press("Enter")
        tells(page, NAME, "3 of 3 used")
        tells(page, "New faces", "1 face")
        assert page.locator(".lk-people-list b").count() == 0, "a name became markup"
        assert {path: path.read_bytes() for path in originals} == originals
        assert app.stop()[::2] == (0, [])
        app.start()
        page.reload()
        tells(page, NAME, "3 of 3 used")
        page.get_by_role("button", name="Undo: ").click()
        tells(page, "New faces", "4 faces")
        page.keyboard.press("Control+z")
        tells(page, "New faces", "Nothing to sort")
        page.keyboard.press("Control+Shift+z")
        page.keyboard.press("Control+Shift+z")
        tells(page, NAME, "3 of 3 used")
        drop(page, "#people", [sample_faces[3], sample_faces[0]])
        page.get_by_text("1 was there already.").wait_for(timeout=120 * SECONDS)
        page.get_by_role("button", name=f"Add to {NAME}").click()
        tells(page, NAME, "4 of 4 used")
        assert list((app.home / "cache" / "uploads").rglob("*.jpg")) == []
        assert console_errors == []


def test_faces_are_judged_moved_dated_split_and_merged_by_keys_alone(app: App, browser_page: Page) -> None:
    page = seen(browser_page, app)
    page.get_by_role("tab", name="People").focus()
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.classList.contains('lk-people-entry')"):
            break
    while page.evaluate("document.activeElement.querySelector('strong').textContent") != NAME:
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.locator(".lk-pf").nth(3).wait_for()
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.getAttribute('role') === 'listbox'"):
            break
    ring = page.evaluate("getComputedStyle(document.querySelector('.lk-pf.lk-active .lk-pf-crop')).outlineStyle")
    assert ring == "solid", "the face at the keyboard can be seen"
    page.keyboard.press("x")
    tells(page, NAME, "3 of 4 used")
    page.locator(".lk-people-section").get_by_text("Left out by you: 1 face").wait_for()
    page.keyboard.press("Control+z")
    tells(page, NAME, "4 of 4 used")
    page.keyboard.press("Home")
    page.keyboard.press("Shift+ArrowRight")
    page.locator(".lk-people-count").get_by_text("2 chosen").wait_for()
    page.keyboard.press("y")
    page.keyboard.type("1957")
    page.keyboard.press("Enter")
    page.locator(".lk-pf-caption").get_by_text("1957").nth(1).wait_for()
    page.keyboard.press("n")
    page.keyboard.type("Carla")
    page.keyboard.press("Enter")
    tells(page, "Carla", "2 of 2 used")
    tells(page, NAME, "2 of 2 used")
    page.keyboard.press("m")
    page.locator("dialog .lk-people-entry").get_by_text("Bert").wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    tells(page, NAME, "1 of 1 used")
    page.keyboard.press("Delete")
    page.get_by_text("Nobody's face is here yet").wait_for()
    page.keyboard.press("Control+z")
    tells(page, NAME, "1 of 1 used")
    page.get_by_role("button", name="Merge into").press("Enter")
    page.locator("dialog .lk-people-entry").filter(has_text="Carla").press("Enter")
    page.locator(".lk-people-title h3").get_by_text("Carla").wait_for()
    assert entry(page, NAME).count() == 0
    for _ in range(4):
        page.keyboard.press("Control+z")
        page.wait_for_timeout(100)
    tells(page, NAME, "4 of 4 used")
    page.keyboard.press("?")
    page.get_by_role("dialog").get_by_text("Make a new person of the chosen faces").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="hidden")


def test_faces_are_chosen_and_dragged_by_mouse_and_seen_whole(app: App, browser_page: Page) -> None:
    page = seen(browser_page, app)
    opened(page, NAME, 4)
    tiles = page.locator(".lk-pf")
    tiles.nth(0).click()
    tiles.nth(2).click(modifiers=["Shift"])
    tiles.nth(1).click(modifiers=["ControlOrMeta"])
    assert page.locator(".lk-people-count").inner_text() == "2 chosen"
    tiles.nth(0).drag_to(entry(page, "Bert"))
    tells(page, NAME, "2 of 2 used")
    tells(page, "Bert", "2 of 3 used")
    page.get_by_role("button", name="Undo: 2 faces moved to Bert").click()
    tells(page, NAME, "4 of 4 used")
    tiles.nth(3).hover()
    page.locator(".lk-people-hover img").wait_for()
    page.mouse.move(2, 2)
    page.locator(".lk-people-hover").wait_for(state="detached")
    tiles.nth(0).dblclick()
    page.locator("dialog .lk-people-frames img").nth(1).wait_for()
    first = page.locator(".lk-people-dialog h3").inner_text()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("was => document.querySelector('.lk-people-dialog h3').textContent !== was", arg=first)
    page.keyboard.press("x")
    tells(page, NAME, "3 of 4 used")
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="hidden")


def test_a_namesake_is_told_apart(app: App, browser_page: Page) -> None:
    page = seen(browser_page, app)
    opened(page, "Bert", 1)
    entry(page, "New faces").click()
    page.locator(".lk-people-section").get_by_text("Single faces: 1 face").wait_for()
    page.locator(".lk-pf").first.click()
    page.keyboard.press("n")
    page.keyboard.type("bert")
    page.keyboard.press("Enter")
    page.get_by_text("There is a bert already").wait_for()
    page.get_by_role("button", name="Somebody else: bert 2").click()
    tells(page, "bert 2", "1 of 1 used")
    tells(page, "Bert", "1 of 1 used")
    opened(page, "Bert", 1)
    page.get_by_role("button", name="Rename").click()
    page.keyboard.type("BERT 2")
    page.keyboard.press("Enter")
    page.get_by_text("There is somebody called BERT 2 already.").wait_for()
    page.get_by_role("tab", name="Restore").click()
    page.locator("#references").wait_for()


def test_a_deleted_person_leaves_nothing_on_the_disk(app: App, browser_page: Page) -> None:
    page = seen(browser_page, app)
    people = {json.loads(file.read_text())["name"]: file.parent for file in (app.home / "people").glob("*/person.json")}
    folder = people[NAME]
    run = folder / "runs" / "run-1"
    run.mkdir(parents=True)
    shutil.copy(next((folder / "photos").iterdir()), run / "old.jpg")
    job = app.home / "jobs" / "job-20240101-000000-000000-abcd"
    job.mkdir(parents=True)
    known = {"person": folder.name, "photo": str(run / "old.jpg"), "out": str(run)}
    told = {"version": 1, "id": job.name, "kind": "restore", "arguments": known, "log": "", "created": 1.0}
    told |= {"started": 1.0, "ended": 2.0, "state": "finished", "error": "", "bug": False}
    told["result"] = {"person": NAME, "result": str(run / "old.jpg"), "provenance": ""}
    (job / "job.json").write_text(json.dumps(told))
    digests = {photo.name[:16] for photo in (folder / "photos").iterdir()}
    opened(page, NAME, 4)
    page.locator(".lk-pf").first.click()
    page.keyboard.press("Delete")
    page.locator(".lk-people-section").get_by_text("Used: 3 faces").wait_for()
    page.get_by_role("button", name="Delete everything").click()
    assert page.evaluate("document.activeElement.textContent") == "Cancel", "Enter alone deletes nobody"
    page.get_by_role("dialog").get_by_role("button", name="Delete everything").click()
    page.get_by_text("A search of the whole data folder found nothing more.").wait_for()
    marks = [folder.name, *digests]
    for folder_, folders, files in os.walk(app.home):
        for file in (Path(folder_, name) for name in (*folders, *files)):
            assert not any(mark in file.name for mark in marks), file
            text = ""
            with suppress(FileNotFoundError, IsADirectoryError):  # the app goes on writing its own
                text = file.read_text(encoding="utf-8") if file.suffix in (".json", ".jsonl", ".log") else ""
            assert not any(mark in text for mark in [*marks, json.dumps(NAME, ensure_ascii=False)]), file
    assert not job.exists()
    assert entry(page, NAME).count() == 0
    page.keyboard.press("Control+z")
    tells(page, "New faces", "2 faces")


def test_a_gallery_of_intruders_and_photos_that_are_gone_are_told(
    sorted_out: Path, tmp_path: Path, browser_page: Page, console_errors: list[str]
) -> None:
    home = tmp_path / "likeness"
    shutil.copytree(sorted_out, home)
    library = Library(Workspace(home), detector())
    sorting, bert = Sorting(library), library.get("Bert")
    sorting.move([face.id for face in library.unsorted()], UNSORTED, bert.id)
    gone = library.get(NAME)
    for photo in (library.folder(gone) / "photos").iterdir():
        photo.unlink()
    damaged = sorted((library.folder(gone) / "references").iterdir())[0]
    with running(home) as app:
        page = seen(browser_page, app)
        opened(page, "Bert", 2)
        told = page.locator(".lk-people-advice")
        told.get_by_text("These 2 faces show several people equally often.").wait_for()
        page.locator(".lk-pf-word").get_by_text("Two people").first.wait_for()
        page.locator(".lk-pf").first.click()
        page.keyboard.press("p")
        told.get_by_text("1 of 2 faces are used: it works").wait_for()
        opened(page, NAME, 4)
        page.locator(".lk-pf").first.dblclick()
        page.get_by_role("dialog").get_by_text("There is no file").wait_for()
        page.keyboard.press("Escape")
        damaged.write_text("{}", encoding="utf-8")
        entry(page, NAME).click()  # read anew when somebody is opened
        page.locator("#people .lk-notice").get_by_text("is damaged").wait_for()
        tells(page, "Bert", "1 of 2 used")
        page.get_by_role("button", name="Add a folder").click()
        page.keyboard.type(str(tmp_path / "no such folder"))
        page.keyboard.press("Enter")
        page.get_by_text("There is no folder").wait_for()
        shown = page.locator(".lk-people-list .lk-people-entry").first
        shown.evaluate("entry => { entry.dataset.same = 'yes'; }")
        page.wait_for_timeout(9 * SECONDS)  # after eight, a page that was not heard says so
        assert page.get_by_text("has not answered").count() == 0
        assert shown.get_attribute("data-same") == "yes", "a list that is the same is not drawn anew under the hand"
        assert console_errors == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_keeps_anybody_from_sorting_out(
    app: App, browser_page: Page, console_errors: list[str], scheme: str
) -> None:
    page = browser_page
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    seen(page, app)
    assert serious_flaws(page) == []
    opened(page, NAME, 4)
    page.locator(".lk-pf").first.click()
    page.keyboard.press("x")
    tells(page, NAME, "3 of 4 used")
    assert serious_flaws(page) == []
    entry(page, "New faces").click()
    page.locator(".lk-people-section").get_by_text("Single faces").wait_for()
    assert serious_flaws(page) == []
    page.locator(".lk-pf").first.click()
    page.keyboard.press("Enter")
    page.locator("dialog .lk-people-frames img").nth(1).wait_for()
    assert serious_flaws(page) == []
    page.keyboard.press("Escape")
    for width, height in ((1280, 720), (3840, 2160), (390, 844)):
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(100)
        assert page.evaluate("document.documentElement.scrollWidth") == width
    assert console_errors == []


def test_thousands_of_faces_are_a_few_hundred_on_the_page(sorted_out: Path, tmp_path: Path, browser_page: Page) -> None:
    """Copies of four faces stand for as many: what is on the page is what is in sight."""
    home = tmp_path / "likeness"
    shutil.copytree(sorted_out, home)
    folder = home / "unsorted"
    file = next((folder / "references").glob("*.json"))
    known = json.loads(file.read_text(encoding="utf-8"))
    crop = folder / "crops" / f"{known['id']}.jpg"
    for number in range(500):
        name = f"{number:016x}-0"
        (folder / "references" / f"{name}.json").write_text(json.dumps({**known, "id": name}), encoding="utf-8")
        (folder / "crops" / f"{name}.jpg").symlink_to(crop)
    with running(home) as app:
        page = seen(browser_page, app)
        entry(page, "New faces").click()
        page.locator(".lk-pf").nth(20).wait_for()
        assert page.locator(".lk-pf").count() < 200
        page.locator(".lk-pf").first.click()
        page.keyboard.press("End")
        page.locator(".lk-pf.lk-active[aria-posinset='501']").wait_for()
        page.keyboard.press("Shift+Home")
        page.locator(".lk-people-count").get_by_text("501 chosen").wait_for()
        page.get_by_role("tab", name="Restore").click()
        page.locator("#references").wait_for()
        shown = page.evaluate(
            """async () => {
                const began = performance.now();
                document.getElementById("tab-people").click();
                await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
                return performance.now() - began;
            }"""
        )
        assert shown < 10_000, "300 ms on a machine that does nothing else"


@pytest.mark.slow
def test_sixty_dropped_photos_of_three_people_are_sorted_out_and_all_of_it_is_undone(
    browser_page: Page, tmp_path: Path, sample_faces: list[Path]
) -> None:
    rng = np.random.default_rng(0)
    people = {"Carla": [FACES / OTHERS[0]], "Bert": [FACES / OTHERS[1]], "Anna": sample_faces}
    (tmp_path / "drop").mkdir()
    photos: list[Path] = []
    for name, faces in people.items():
        for n in range(20):
            pixels = read_photo(faces[n % len(faces)]).pixels
            side = min(pixels.shape[:2])
            taken = np.full((400, 560, 3), rng.uniform(0.3, 0.6, 3), np.float32)
            taken[60:340, 140:420] = vary(resize(pixels[:side, :side], (280, 280)), rng)
            photos.append(save_photo(taken, tmp_path / "drop" / f"{name[:1]}-{n}.jpg"))
    with running(tmp_path / "likeness") as app:
        page = seen(browser_page, app)
        drop(page, "#people", photos)
        page.get_by_text("60 photos read, 60 faces found.").wait_for(timeout=600 * SECONDS)
        groups = page.get_by_label("Who is it? Likely one person: 20 faces")
        groups.nth(2).wait_for()
        for left in (40, 20, 0):
            file = page.locator(".lk-people-block").first.locator(".lk-pf").first.get_attribute("aria-label") or ""
            who = next(name for name in people if file.startswith(name[0]))
            groups.first.fill(who)
            page.keyboard.press("Enter")
            tells(page, "New faces", f"{left} faces" if left else "Nothing to sort")
        for name in people:
            entry(page, name).locator("small").get_by_text("of 20 used").wait_for()
        library = Library(Workspace(app.home), detector())
        found = {one.name: {face.name[0] for face in library.references(one)} for one in library.list()}
        assert found == {"Anna": {"A"}, "Bert": {"B"}, "Carla": {"C"}}
        undo = page.locator("[data-do=undo]")
        for _ in range(4):
            page.locator("[data-do=undo]:enabled").wait_for()
            said = undo.get_attribute("title")
            undo.click()
            page.wait_for_function(
                "said => document.querySelector('[data-do=undo]').title !== said", arg=said, timeout=60 * SECONDS
            )
        tells(page, "New faces", "Nothing to sort")
        assert library.list() == []
        assert undo.is_disabled()


def test_a_page_left_open_over_a_restart_says_what_was_not_heard_and_goes_on(
    app: App, browser_page: Page, tmp_path: Path
) -> None:
    """The same things done before and after, without a reload: nothing twice, nothing lost, nothing pretended."""
    page = seen(browser_page, app)
    opened(page, NAME, 4)
    page.locator(".lk-pf").first.click()
    page.keyboard.press("x")
    tells(page, NAME, "3 of 4 used")
    used = page.locator(".lk-pf:not(.lk-out)")
    used.first.click()
    address = app.address
    assert app.stop()[::2] == (0, [])
    page.keyboard.press("x")
    page.locator(".lk-pf.lk-out").nth(1).wait_for()
    unheard = page.locator("#people .lk-notice").get_by_text("Likeness has not answered for some seconds")
    unheard.wait_for()
    assert used.count() == 3, "what nobody heard of is not shown as done"
    app.start()
    assert app.address == address
    unheard.wait_for(state="detached", timeout=120 * SECONDS)
    tells(page, NAME, "3 of 4 used")
    used.first.click()
    for _ in range(2):
        page.keyboard.press("x")
        tells(page, NAME, "2 of 4 used")
        page.locator(".lk-people-section").get_by_text("Left out by you: 2 faces").wait_for()
        page.locator(".lk-pf.lk-out").first.click()
    folder = tmp_path / "once more"
    folder.mkdir()
    shutil.copy(FACES / "face-009.jpg", folder)
    for told in ("1 photo read, 1 face found.", "1 photo read, 0 faces found. 1 was there already."):
        page.get_by_role("button", name="Add a folder").click()
        page.keyboard.type(str(folder))
        page.keyboard.press("Enter")
        page.locator("#people .lk-notice").get_by_text(told).wait_for(timeout=120 * SECONDS)
        tells(page, "New faces", "2 faces")
        if told.endswith("found."):
            assert app.stop()[::2] == (0, [])
            app.start()
            page.locator("#people .lk-notice").wait_for(state="detached", timeout=120 * SECONDS)
    page.get_by_role("button", name="Undo: ").click()
    tells(page, "New faces", "1 face")
