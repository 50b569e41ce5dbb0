"""The whole way from an empty workspace to a tuned person by keys alone, in a real browser: no mouse, and always seen.

Nothing here clicks, focuses or fills in: whatever has the keyboard was come to by Tab or by arrows.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.test_screen import SECONDS, App

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

NAME = "Somebody new"
MOST_TABS = 60

FOCUSED = """() => {
    const at = document.activeElement;
    const seen = at.closest(".lk-people-files, .lk-tick") || at;
    const marked = (one) => {
        const style = getComputedStyle(one);
        return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1.5;
    };
    const active = at.getAttribute("aria-activedescendant");
    const tile = active && document.getElementById(active);
    const shown = tile ? tile.querySelector(".lk-pf-crop") || tile : seen;
    const box = shown.getBoundingClientRect();
    return {
        what: [at.tagName, at.id, at.className, at.getAttribute("aria-label") || at.textContent].join(" ").slice(0, 99),
        page: at === document.body,
        marked: marked(shown) || (seen !== at && marked(at)),
        inside: box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth && box.width > 0,
    };
}"""


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    running = App(tmp_path / "likeness", port=8460)
    running.start()
    yield running
    if running.process is not None and running.process.poll() is None:
        running.stop()


def seen(page: Page) -> None:
    """What has the keyboard is on the screen and marked as such."""
    now = page.evaluate(FOCUSED)
    assert now["page"] or (now["marked"] and now["inside"]), now


def come_to(page: Page, selector: str, key: str = "Tab") -> None:
    """Press a key until what is asked for has the keyboard, and see the focus all the way."""
    for _ in range(MOST_TABS):
        page.keyboard.press(key)
        page.wait_for_timeout(60)  # colours and outlines fade in
        seen(page)
        if page.evaluate("wanted => document.activeElement.matches(wanted)", selector):
            return
    pytest.fail(f"{selector} is not come to by {key}", pytrace=False)


def screen(page: Page, name: str, key: str) -> None:
    """Go back to the bar and along it to a screen."""
    come_to(page, "[role=tab]", "Shift+Tab")
    for _ in range(5):
        if page.evaluate("document.body.dataset.screen") == name:
            return
        page.keyboard.press(key)
        seen(page)
    pytest.fail(f"{name} is not come to by {key}", pytrace=False)


def test_from_an_empty_workspace_to_a_tuned_person(
    app: App, browser_page: Page, console_errors: list[str], tmp_path: Path, sample_faces: list[Path]
) -> None:
    page = browser_page
    page.set_default_timeout(240 * SECONDS)
    photos = tmp_path / "photos"
    photos.mkdir()
    for file in sample_faces[:5]:
        shutil.copy(file, photos)
    page.goto(app.address)
    page.locator("#tab-people").wait_for()
    page.locator(".lk-first li strong").first.wait_for()
    come_to(page, "[role=tab]")
    while page.evaluate("document.body.dataset.screen") != "people":
        page.keyboard.press("ArrowLeft")
        seen(page)
    page.locator(".lk-people-empty strong").wait_for()

    come_to(page, "#people [data-do=folder]")
    page.keyboard.press("Enter")
    page.locator("dialog[open]").wait_for()
    seen(page)
    page.keyboard.type(str(photos))
    page.keyboard.press("Enter")
    page.get_by_text("5 photos read, 5 faces found.").wait_for()

    come_to(page, ".lk-people-section input")
    page.keyboard.type(NAME)
    page.keyboard.press("Enter")
    page.locator(".lk-people-entry small").get_by_text("5 of 5 used").wait_for()
    come_to(page, ".lk-people-entry", "Shift+Tab")
    while page.evaluate("document.activeElement.querySelector('strong').textContent") != NAME:
        page.keyboard.press("ArrowDown")
        seen(page)
    page.keyboard.press("Enter")
    page.locator(".lk-people-title h3").get_by_text(NAME, exact=True).wait_for()
    page.locator(".lk-pf").nth(4).wait_for()
    come_to(page, "[role=listbox]")
    page.keyboard.press("ArrowRight")
    seen(page)
    page.keyboard.press("x")
    page.locator(".lk-people-entry small").get_by_text("4 of 5 used").wait_for()
    seen(page)
    page.keyboard.press("Control+z")
    page.locator(".lk-people-entry small").get_by_text("5 of 5 used").wait_for()

    screen(page, "tune", "ArrowRight")
    page.locator("#lk-tune-person option").get_by_text(NAME, exact=True).wait_for(state="attached")
    come_to(page, "#lk-tune-person")
    if page.locator("#lk-tune-person").input_value() != NAME:
        page.keyboard.press("ArrowDown")
    page.locator("#personalize .lk-status").get_by_text("5 of 5 used").wait_for()
    page.locator(".lk-estimate dd").nth(2).wait_for()
    come_to(page, ".lk-consent input")
    page.keyboard.press(" ")
    come_to(page, ".lk-start")
    page.keyboard.press("Enter")
    page.locator(".lk-history .lk-state.finished").wait_for()

    come_to(page, ".lk-history .lk-entry")
    page.keyboard.press("Enter")
    page.locator("#tuning h2").get_by_text(f"{NAME}, Toy").wait_for()
    page.locator(".lk-film button").nth(1).wait_for()
    come_to(page, ".lk-column .lk-big")
    before = page.locator(".lk-big figcaption").nth(1).inner_text()
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("was => document.querySelectorAll('.lk-big figcaption')[1].textContent !== was", arg=before)
    seen(page)
    tuned = list((app.home / "people").glob("*/tuned/*/*.json"))
    assert tuned, "a tuned person lies on the disk"
    names = [json.loads(file.read_text())["name"] for file in (app.home / "people").glob("*/person.json")]
    assert names == [NAME]
    assert console_errors == []
