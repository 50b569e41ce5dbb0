"""The first run in a real browser: from an empty data folder to the sample person restored, by one button."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from engine.studio.first_run import PHOTO, SAMPLE
from tests.test_screen import SECONDS, App, serious_flaws

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    running = App(tmp_path_factory.mktemp("home") / "likeness", port=8190)
    running.start()
    yield running
    if running.process is not None and running.process.poll() is None:
        running.stop()


def test_one_button_leads_to_the_sample_person_restored_and_then_makes_room(app: App, browser_page: Page) -> None:
    page = browser_page
    page.set_default_timeout(400 * SECONDS)
    page.goto(f"{app.address}/#models")
    welcome = page.locator(".lk-first")
    welcome.locator("li strong").first.wait_for()
    assert welcome.locator("li strong").all_inner_texts() == [
        "Good photos",
        "The damaged photo",
        "Getting to know the face",
        "Restore and look",
    ]
    assert serious_flaws(page) == []
    page.get_by_role("button", name="Try it with the sample person").click()
    welcome.locator("[aria-current=step]").wait_for()
    page.reload()  # it goes on by itself
    welcome.locator("li.done").nth(3).wait_for()
    assert page.evaluate("location.hash") == "#desk"
    page.locator("#viewer .lk-facts").wait_for()
    assert page.get_by_label("Name", exact=True).input_value() == "Sample person"
    shipped = len(list((SAMPLE / "references").glob("*.jpg")))
    page.locator("#references .lk-status").get_by_text(f"of {shipped} used").wait_for()
    assert (SAMPLE / "damaged" / PHOTO).is_file(), "what ships is only copied"
    page.get_by_role("button", name="Now with my own photos").click()
    welcome.wait_for(state="hidden")
    page.locator("#damaged .lk-drop").wait_for()
    assert page.get_by_label("Name", exact=True).input_value() == ""
    assert json.loads((app.home / "desk" / "first-run.json").read_text())["state"] == "over"
    page.reload()
    page.locator("#references").wait_for()
    page.locator(".lk-device").get_by_text("Nothing leaves").wait_for()  # by then it would be shown
    assert welcome.is_hidden()
