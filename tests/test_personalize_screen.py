"""The Personalize screen in a real browser, on the real engine: people tuned, watched, stopped, gone on with, deleted.

The recipe is the toy one; what must last long enough to be paused, reloaded and broken off is the same model tuned
further by a thousand steps.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from engine.jobs import Event
from engine.studio import preparing, watched
from engine.studio.tunings.course import MOST_POINTS, Told, left_of, thinned
from engine.studio.tunings.estimates import Estimates
from engine.studio.tunings.view import Estimated
from engine.workspace import Workspace, read_json
from tests.test_screen import SECONDS, App, serious_flaws
from ui.personalizing import estimate_lines, settings_of, warning_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

PATIENCE = 900 * SECONDS
"""On a machine that does nothing else, all of it takes about a minute."""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, sample_faces: list[Path]) -> Iterator[App]:
    """The app with two people, one of whom has enough photos for one to be kept aside."""
    running = App(tmp_path_factory.mktemp("home") / "likeness", port=8160)
    people = preparing.library(Workspace(running.home))
    people.add(people.create("Anna"), sample_faces[:4])
    people.add(people.create("Ben"), sample_faces[4:6])
    running.start()
    yield running
    if running.process is not None and running.process.poll() is None:
        running.stop()


@pytest.fixture(scope="module")
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context(viewport={"width": 1440, "height": 900})
    made.set_default_timeout(PATIENCE)
    yield made
    made.close()


@pytest.fixture(scope="module")
def tuned(app: App, context: BrowserContext) -> Page:
    """The screen, with somebody chosen and what a tuning of them would take tried out."""
    page = context.new_page()
    page.goto(f"{app.address}/#tune")
    person(page, "Anna")
    page.locator("#personalize .lk-status").get_by_text("4 of 4 used").wait_for()
    page.locator(".lk-estimate dd").nth(2).wait_for()
    return page


def history(page: Page, state: str) -> None:
    page.locator(f".lk-history .lk-state.{state}").first.wait_for()


def person(page: Page, name: str) -> None:
    page.locator("#lk-tune-person option").get_by_text(name, exact=True).wait_for(state="attached")
    page.get_by_label("Person", exact=True).select_option(name)


@pytest.mark.browser
def test_what_it_takes_is_said_and_consent_is_asked_once_a_person(tuned: Page, app: App) -> None:
    page, start = tuned, tuned.get_by_role("button", name="Start", exact=True)
    told = page.locator(".lk-estimate").inner_text()
    assert re.search(r"Time\s+about \d+ (s|min)\s+Memory\s+\d+ MB; .* are free\s+Disk\s+\d+ MB, of which", told), told
    assert start.is_disabled()
    page.get_by_label("I may use these photos of Anna").check()
    start.click()
    page.locator("#tuning .lk-now").wait_for()
    page.locator(".lk-consent").wait_for(state="hidden")
    consents = list((app.home / "people").glob("*/consent.json"))
    assert [file.parent.name[:4] for file in consents] == ["anna"]


@pytest.mark.browser
def test_another_tuning_waits_and_begins_by_itself(tuned: Page, app: App) -> None:
    page = tuned
    person(page, "Ben")
    page.get_by_label("I may use these photos of Ben").check()
    page.locator("#personalize .lk-start:enabled").click()
    page.locator(".lk-history .lk-entry").get_by_text("Anna, Toy").wait_for()
    page.wait_for_function("document.querySelectorAll('.lk-history .lk-state.finished').length === 2", timeout=PATIENCE)
    jobs = [read_json(file) for file in sorted((app.home / "jobs").glob("job-*/job.json")) if file.exists()]
    first, second = (job for job in jobs if job["kind"] == "tune")
    assert second["started"] >= first["ended"]


@pytest.mark.browser
def test_chart_and_samples_show_the_person_arriving_and_keys_move_through_them(tuned: Page) -> None:
    page = tuned
    page.locator(".lk-history .lk-entry", has_text="Anna").click()
    page.locator("#tuning h2").get_by_text("Anna, Toy").wait_for()
    first = page.locator(".lk-column").first
    assert "a low loss is not the goal" in first.inner_text()
    assert first.locator(".lk-dot").count() == 2
    assert first.locator(".lk-loss").count() == 1
    looks = first.locator(".lk-film button")
    assert [text.split()[:2] for text in looks.all_inner_texts()] == [["Step", "0"], ["Step", "4"]]
    big = first.locator(".lk-big")
    assert big.locator("figcaption").all_inner_texts() == ["Damaged", "Restored after 4 steps", "As it really is"]
    big.focus()
    page.keyboard.press("ArrowLeft")
    assert looks.first.get_attribute("aria-selected") == "true"
    assert big.locator("figcaption").nth(1).inner_text() == "Restored after 0 steps"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert big.locator("figcaption").all_inner_texts() == ["Restored after 0 steps"]
    page.keyboard.down(" ")
    assert big.locator("figcaption").all_inner_texts() == ["As it really is"]
    page.keyboard.up(" ")
    assert "at first" in first.locator(".lk-told").inner_text()
    page.wait_for_function("[...document.querySelectorAll('.lk-big img')].every((one) => one.naturalWidth > 0)")
    assert serious_flaws(page) == []


@pytest.mark.browser
def test_two_tunings_lie_side_by_side_with_what_differs_first(tuned: Page) -> None:
    page = tuned
    page.get_by_label("Beside it").select_option(index=1)
    page.locator(".lk-columns.two .lk-column").nth(1).wait_for()
    page.locator(".lk-tuning-settings summary").click()
    rows = page.locator(".lk-tuning-settings tbody tr")
    assert rows.first.get_attribute("class") == "differs"
    photos = page.locator(".lk-tuning-settings tr", has_text="Good photos").locator("td").all_inner_texts()
    assert photos == ["4", "2"]
    none = page.locator(".lk-column").nth(1).locator(".lk-samples").inner_text()
    assert "from four photos on" in none
    page.get_by_label("Beside it").select_option("")
    page.locator(".lk-columns:not(.two)").wait_for()


@pytest.mark.browser
def test_it_is_extended_paused_and_seen_in_a_second_tab_and_after_a_reload(
    tuned: Page, app: App, context: BrowserContext
) -> None:
    page = tuned
    page.get_by_label("More steps").fill("1000")
    page.get_by_role("button", name="Extend").click()
    numbers = page.locator(".lk-numbers")
    numbers.get_by_text(re.compile(r"\d of 1004")).wait_for()
    numbers.get_by_text("steps a second").wait_for()
    page.wait_for_function("/^[0-9]+ % Likeness$/.test(document.title)")
    page.get_by_role("button", name="Sample now").click()
    page.locator(".lk-film button").nth(2).wait_for()  # after 0 and 4 steps, and the one asked for
    page.locator(".lk-tuning-head h2").click()
    page.keyboard.press("p")
    page.locator(".lk-work-stage").get_by_text("Paused").wait_for()
    page.reload()
    page.locator("#tuning .lk-work-stage").get_by_text("Paused").wait_for()
    second = context.new_page()
    second.goto(f"{app.address}/#tune")
    second.locator("#tuning .lk-work-stage").get_by_text("Paused").wait_for()
    second.get_by_role("tab", name="People").click()
    second.locator(".lk-people-entry", has_text="Anna").click()
    second.get_by_role("button", name="Delete everything").click()
    second.get_by_role("dialog").get_by_role("button", name="Delete everything").click()
    second.get_by_text("Anna cannot be deleted while a job is at work on them").wait_for()
    assert len(list((app.home / "people").glob("anna*/photos/*"))) == 4
    second.get_by_role("tab", name="Personalize").click()
    second.get_by_role("button", name="Resume").click()
    second.locator(".lk-numbers").get_by_text("steps a second").wait_for()
    page.get_by_role("button", name="Pause", exact=True).wait_for()
    second.close()


@pytest.mark.browser
def test_a_stop_keeps_what_was_done_and_a_restart_of_the_app_too(tuned: Page, app: App) -> None:
    page = tuned
    page.get_by_role("button", name="Stop", exact=True).click()
    history(page, "stopped")
    about = page.locator(".lk-tuning-head .lk-hint")
    stopped = _step(about.inner_text())
    assert stopped > 4
    page.get_by_role("button", name="Go on", exact=True).click()
    page.wait_for_function(
        "n => Number((document.querySelector('.lk-numbers dd') || {}).textContent?.split(' ')[0]) > n", arg=stopped
    )
    code, errors, left = app.stop()
    assert (code, errors, left) == (0, "", [])
    page.goto("about:blank")  # one left open would load itself anew, in the midst of what follows
    app.start()
    page.goto(f"{app.address}/#tune")
    history(page, "interrupted")
    about.get_by_text("Broken off").wait_for()
    assert _step(about.inner_text()) > stopped
    assert page.locator(".lk-film button").count() >= 3, "the samples are still there"


@pytest.mark.browser
def test_it_is_deleted_with_its_samples_and_the_photos_stay(tuned: Page, app: App) -> None:
    page = tuned
    folder = next((app.home / "people").glob("anna*/tuned/*"))
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Delete it").click()
    page.wait_for_function("document.querySelectorAll('.lk-history .lk-entry').length === 1")
    assert not folder.exists()
    assert len(list((app.home / "people").glob("anna*/photos/*"))) == 4
    assert not list((app.home / "cache" / "previews").glob(f"{folder.name}-*"))


@pytest.mark.browser
def test_question_mark_lists_the_keys_and_it_can_be_watched_on_a_phone(tuned: Page) -> None:
    page = tuned
    page.locator(".lk-tuning-head h2").click()
    page.keyboard.press("?")
    keys = page.locator("dialog.lk-keys")
    keys.wait_for()
    assert "Sample now" in keys.inner_text()
    page.keyboard.press("Escape")
    keys.wait_for(state="hidden")
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.set_viewport_size({"width": 1440, "height": 900})


def _step(about: str) -> int:
    found = re.search(r"Step (\d+) of 1004", about)
    assert found is not None, about
    return int(found[1])


def test_a_look_is_asked_for_once(tmp_path: Path) -> None:
    assert not watched.look_asked(tmp_path)
    (tmp_path / watched.LOOK).touch()
    assert watched.look_asked(tmp_path)
    assert not watched.look_asked(tmp_path)


def test_the_tuned_model_of_a_job_is_noted(tmp_path: Path) -> None:
    assert watched.noted(tmp_path) == ""
    watched.note(tmp_path, Path("people", "anna-1", "tuned", "abc"))
    assert watched.noted(tmp_path) == "anna-1/abc"


def test_a_long_loss_is_thinned_out_to_means_that_end_where_it_ends() -> None:
    made = thinned({step: float(step) for step in range(1, 2501)})
    assert len(made) <= MOST_POINTS
    assert made[-1][0] == 2500
    assert made[0] == (7, 4.0)
    assert thinned({1: 0.5, 2: 0.25}) == ((1, 0.5), (2, 0.25))
    assert thinned({}) == ()


def test_speed_is_that_of_the_last_steps_and_a_pause_does_not_count() -> None:
    told = Told()
    for n, (moment, step) in enumerate([(0.0, 1), (2.0, 2), (4.0, 3)], 1):
        told.hear(Event(n, moment, "measure", {"step": step, "values": {"loss": 0.1}}))
    assert told.speed == 0.5
    seconds, end = left_of(told, 3, 13)
    assert seconds == 20.0
    assert end is not None
    told.hear(Event(4, 500.0, "resumed", {}))
    assert told.speed is None
    assert left_of(told, 3, 13) == (None, None)


def test_what_does_not_fit_is_said_before_it_starts() -> None:
    found = Estimated(100.0, 2_000_000_000, 50_000_000, 5_000_000, 8_000_000_000, 90_000_000)
    assert warning_of(found) == ""
    assert estimate_lines(found)[1] == ("Memory", "2.0 GB; 8.0 GB are free")
    assert "too little room" in warning_of(replace(found, free_disk=10_000_000))
    assert "may not fit" in warning_of(replace(found, free_memory=1_000_000_000))


def test_estimates_that_cannot_be_read_are_made_anew(workspace: Workspace) -> None:
    from engine.studio import Studio

    (workspace.cache / "estimates.json").write_text("{broken")
    with Studio(workspace.root, device="cpu") as studio:
        assert Estimates(studio).get("toy", 3) is None


def test_settings_of_nothing_are_none() -> None:
    assert settings_of([]) == []
