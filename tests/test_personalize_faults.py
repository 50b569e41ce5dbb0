"""Personalize when something comes between: who is told of an end, namesakes, intruders, photos and people that go."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from engine.studio import consent, preparing
from engine.workspace import Workspace, read_json, write_json
from tests.test_people_sorting import FACES
from tests.test_screen import SECONDS, App

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = pytest.mark.browser

PATIENCE = 900 * SECONDS
"""On a machine that does nothing else, a tuning of the toy recipe takes some ten seconds."""

LISTEN = """(() => {
    const own = window.Notification;
    window.told = [];
    window.asked = 0;
    window.permission = "";
    window.Notification = class {
        constructor(title, options) {
            window.told.push([title, options.body]);
        }
        static get permission() {
            return window.permission || own.permission;
        }
        static async requestPermission() {
            window.asked += 1;
            window.permission = "granted";
            return window.permission;
        }
    };
    window.titles = [];
    setInterval(() => window.titles.push(document.title), 100);
})()"""
"""Writes down what the system would be told, and what the page is called meanwhile."""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, sample_faces: list[Path]) -> Iterator[App]:
    """The app with Anna, Ben, Carla of whom nobody knows who she is, and two people called Dora."""
    running = App(tmp_path_factory.mktemp("home") / "likeness", port=8240)
    people = preparing.library(Workspace(running.home))
    photos = {
        "Anna": sample_faces[:2],
        "Ben": sample_faces[2:4],
        "Carla": [FACES / "face-001.jpg", FACES / "face-004.jpg"],
        "Dora": sample_faces[4:5],
    }
    for name, files in photos.items():
        person = people.create(name)
        people.add(person, files)
        consent.give(people.folder(person))
    twin = people.folder(people.get("Ben")).with_name("dora-0a1b2c")
    shutil.copytree(people.folder(people.get("Ben")), twin)  # as somebody does who brings a folder from elsewhere
    write_json(twin / "person.json", {**read_json(twin / "person.json"), "id": twin.name, "name": "Dora"})
    running.start()
    yield running
    if running.process is not None and running.process.poll() is None:
        running.stop()


@pytest.fixture
def allowed(browser: Browser, app: App) -> Iterator[BrowserContext]:
    """A browser in which the user allowed notifications."""
    made = browser.new_context(viewport={"width": 1440, "height": 900})
    made.grant_permissions(["notifications"], origin=app.address)
    made.set_default_timeout(PATIENCE)
    made.add_init_script(LISTEN)
    yield made
    made.close()


def opened(context: BrowserContext, app: App, name: str = "") -> Page:
    """Give the screen, with somebody chosen."""
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(f"{app.address}/#tune")
    page.locator("#lk-tune-person option").get_by_text("Anna", exact=True).wait_for(state="attached")
    if name:
        choose(page, name)
    return page


def choose(page: Page, name: str) -> None:
    page.get_by_label("Person", exact=True).select_option(name)
    page.wait_for_function(  # the list has the name at once; this the server's answer writes
        "name => document.querySelector('#personalize .lk-consent strong').textContent.endsWith(' ' + name)", arg=name
    )


def told(page: Page) -> list[list[str]]:
    return list(page.evaluate("window.told"))


def start(page: Page) -> None:
    page.locator("#personalize .lk-start:enabled").click()


def extended(page: Page, app: App) -> None:
    """Tune Anna, who is chosen, further than she was tuned before, for longer than a test takes."""
    if not list((app.home / "people").glob("anna-*/tuned/*/manifest.json")):
        start(page)
        page.locator(".lk-history .lk-entry", has_text="Anna").locator(".lk-state.finished").wait_for()
    page.locator(".lk-history .lk-entry", has_text="Anna").click()
    page.locator(".lk-tuning-head h2", has_text="Anna").wait_for()  # until then it is the tuning shown before
    more = page.get_by_role("button", name=re.compile("^(Extend|Go on)$"))
    more.wait_for()
    if more.inner_text() == "Extend":  # else it was stopped in the midst of that
        page.get_by_label("More steps").fill("2000")
    more.click()
    page.locator(".lk-numbers").get_by_text("steps a second").wait_for()


def test_namesakes_are_told_apart_wherever_somebody_is_chosen(app: App, browser_page: Page) -> None:
    first = next(path.name for path in (app.home / "people").glob("dora-*") if path.name != "dora-0a1b2c")
    page = opened(browser_page.context, app)
    status = page.locator("#personalize .lk-status")
    names = page.locator("#lk-tune-person option").all_inner_texts()
    assert [name for name in names if "Dora" in name] == sorted(["Dora (0a1b2c)", f"Dora ({first[-6:]})"])
    choose(page, "Dora (0a1b2c)")
    status.get_by_text("2 of 2 used").wait_for()
    choose(page, f"Dora ({first[-6:]})")
    status.get_by_text("1 of 1 used").wait_for()
    page.locator("#tab-models").click()
    page.get_by_label("Who", exact=True).select_option(f"Dora ({first[-6:]})")
    page.get_by_role("button", name="Delete everything").click()
    page.locator("#models .lk-sure").get_by_role("button", name="Delete everything").click()
    page.get_by_text("nothing of them is left").wait_for()
    assert not (app.home / "people" / first).exists()
    assert len(list((app.home / "people" / "dora-0a1b2c" / "photos").iterdir())) == 2
    page.locator("#tab-tune").click()
    page.locator(".lk-need").get_by_text("Choose whom Likeness shall get to know.").wait_for()
    choose(page, "Dora")
    status.get_by_text("2 of 2 used").wait_for()


def test_nobody_is_tuned_whom_the_page_does_not_show(app: App, browser_page: Page) -> None:
    page, other = opened(browser_page.context, app, "Anna"), opened(browser_page.context, app)
    page.locator("#personalize .lk-start:enabled").wait_for()
    at_once = page.evaluate(
        """() => {
            const person = document.getElementById("lk-tune-person");
            person.value = "Ben";
            person.dispatchEvent(new Event("change"));
            return document.querySelector("#personalize .lk-start").disabled;
        }"""
    )
    assert at_once, "what there is of Ben is not known yet"
    page.locator("#personalize .lk-start:enabled").wait_for()
    page.route("**/gradio_api/run/**", lambda route: None)  # it hears of nothing any more
    before = sorted((app.home / "jobs").glob("job-*"))
    choose(other, "Anna")
    other.locator("#personalize .lk-start:enabled").wait_for()
    start(page)
    page.get_by_text("Another window had turned to somebody else").wait_for()
    choose(other, "Ben")  # Ben was chosen again, so this changes nothing
    other.locator("#personalize .lk-start:enabled").wait_for()
    tunings = [job for job in (app.home / "jobs").glob("job-*") if read_json(job / "job.json")["kind"] == "tune"]
    assert [job for job in tunings if job not in before] == []
    page.unroute_all(behavior="ignoreErrors")
    page.close()


def test_a_gallery_that_shows_nobody_surely_says_where_to_look(app: App, browser_page: Page) -> None:
    page = opened(browser_page.context, app, "Carla")
    page.locator(".lk-need").get_by_text("None of the 2 faces of Carla is used; the People screen says why").wait_for()
    assert page.locator("#personalize .lk-start").is_disabled()
    page.locator("#tab-people").click()
    page.locator(".lk-people-entry", has_text="Carla").click()
    page.locator(".lk-people-advice").get_by_text("These 2 faces show several people").wait_for()
    page.locator(".lk-pf").first.click()
    page.keyboard.press("p")
    page.locator(".lk-people-entry", has_text="Carla").get_by_text("1 of 2 used").wait_for()
    page.locator("#tab-tune").click()
    page.locator("#personalize .lk-status").get_by_text("1 of 2 used").wait_for()
    page.locator("#personalize .lk-start:enabled").wait_for()


def test_the_end_is_told_once_where_that_was_allowed_and_nowhere_else(
    app: App, allowed: BrowserContext, browser_page: Page
) -> None:
    page = opened(allowed, app, "Anna")
    browser_page.context.add_init_script(LISTEN)  # where nobody allowed anything
    silent = opened(browser_page.context, app)
    start(page)
    for one in (page, silent):
        one.locator(".lk-history .lk-entry", has_text="Anna").locator(".lk-state.finished").wait_for()
    page.wait_for_function("window.told.length > 0")
    extended(page, app)
    page.wait_for_function("window.titles.some((title) => /^[0-9]+ % Likeness$/.test(title))")
    page.locator("#tab-desk").click()
    page.wait_for_timeout(3 * SECONDS)
    assert re.fullmatch(r"\d+ % Likeness", page.title()), "whatever screen is looked at"
    assert told(page) == [["Likeness", "Anna, Toy: finished"]]
    page.locator("#tab-tune").click()
    page.get_by_role("button", name="Stop", exact=True).click()
    page.wait_for_function("window.told.length > 1")
    page.wait_for_timeout(3 * SECONDS)
    assert told(page) == [["Likeness", "Anna, Toy: finished"], ["Likeness", "Anna, Toy: stopped"]]
    assert page.title() == "Likeness"
    assert told(silent) == []
    assert page.evaluate("window.asked") == silent.evaluate("window.asked") == 0
    page.reload()
    page.locator(".lk-history .lk-entry").first.wait_for()
    page.wait_for_timeout(3 * SECONDS)
    assert told(page) == [], "what was told is not told again"


def test_whether_it_may_is_asked_by_a_click_alone(app: App, browser_page: Page) -> None:
    browser_page.add_init_script(LISTEN + "; window.permission = 'default';")
    page = browser_page
    page.set_default_timeout(PATIENCE)
    page.goto(f"{app.address}/#tune")
    choose(page, "Anna")
    extended(page, app)
    button = page.get_by_role("button", name="Tell me when it is done")
    button.wait_for()
    assert page.evaluate("window.asked") == 0
    button.click()
    button.wait_for(state="hidden")
    assert page.evaluate("window.asked") == 1
    page.get_by_role("button", name="Stop", exact=True).click()
    page.wait_for_function("window.told.length > 0")
    assert told(page) == [["Likeness", "Anna, Toy: stopped"]]


def test_a_photo_that_was_changed_on_the_disk_is_told_and_not_learned(app: App, allowed: BrowserContext) -> None:
    folder = next((app.home / "people").glob("ben-*"))
    photos = sorted((folder / "photos").iterdir())
    was = photos[0].read_bytes()
    photos[0].write_bytes((FACES / "face-001.jpg").read_bytes())
    page = opened(allowed, app, "Ben")
    start(page)
    notice = page.locator("#personalize .lk-notice", has_text="was changed since it was added")
    notice.wait_for()
    assert f"Put {photos[0].name} back as it was, or remove this face on the People screen" in notice.inner_text()
    page.wait_for_function("window.told.length > 0")
    assert told(page) == [["Likeness", "Ben, Toy: failed"]]
    assert not list(folder.glob("tuned/*/manifest.json"))
    photos[0].write_bytes(was)
    notice.get_by_role("button").click()
    start(page)
    page.locator(".lk-history .lk-entry", has_text="Ben").locator(".lk-state.finished").wait_for()


def test_a_person_who_is_deleted_in_another_window_while_tuned_is_told_where_that_was_watched(
    app: App, allowed: BrowserContext
) -> None:
    page, other = opened(allowed, app, "Anna"), opened(allowed, app)
    folder = next((app.home / "people").glob("anna-*"))
    extended(page, app)
    other.locator("#tab-models").click()
    other.get_by_label("Who", exact=True).select_option("Anna")
    other.get_by_role("button", name="Delete everything").click()
    sure = other.locator("#models .lk-sure")
    assert "A job that runs for them is stopped" in sure.inner_text()
    sure.get_by_role("button", name="Delete everything").click()
    other.get_by_text(re.compile("Anna.*nothing of them is left")).wait_for()
    assert not folder.exists()
    page.locator("#personalize .lk-notice").get_by_text("Anna was deleted, on another screen").wait_for()
    page.locator(".lk-need").get_by_text("Choose whom Likeness shall get to know.").wait_for()
    page.locator("#tuning .lk-now").wait_for(state="hidden")
    assert page.locator(".lk-history .lk-entry", has_text="Anna").count() == 0
    assert page.locator(".lk-history .lk-entry", has_text="Ben").count() == 1, "nobody else is lost"
    page.wait_for_function("window.told.length > 0")
    assert len(told(page)) == 1
