"""Every control of every screen says what it does, in a sentence beside it or in one that a pointer finds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from engine.faces import detector
from engine.people import UNSORTED, Library, Sorting
from engine.workspace import Workspace
from tests.test_people_screen import running
from tests.test_people_sorting import taken_in
from tests.test_screen import SECONDS

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

SCREENS = ("people", "tune", "desk", "bench", "models")
LEAST_WORDS = 3

CONTROLS = """(screen) => {
    const text = (element) => (element ? element.textContent.trim() : "");
    const within = [document.getElementById(screen), ...document.querySelectorAll("dialog[open]")];
    const all = within.flatMap((place) => [...place.querySelectorAll("input, select, textarea, [role=slider]")]);
    return all.map((control) => {
        const block = control.closest(".block, fieldset");
        const named = [control.getAttribute("aria-label"), control.id, control.name, block && block.id, control.type];
        const described = (control.getAttribute("aria-describedby") || "").split(" ").filter(Boolean);
        const label = control.closest("label");
        const help = [
            block ? text(block.querySelector(".info-text")) : "",
            ...described.map((id) => text(document.getElementById(id))),
            label ? text(label.querySelector("small")) : "",
            control.title,
        ];
        return { screen, name: named.filter(Boolean).join(", "), help: help.find(Boolean) || "" };
    });
}"""


def controls(page: Page, screen: str) -> list[dict[str, Any]]:
    """Give the controls of a screen, and of the dialogs that are open, with what is said of each."""
    return list(page.evaluate(CONTROLS, screen))


def unfold(page: Page, screen: str) -> None:
    """Open all that can be opened, so that it is on the page."""
    for _ in range(30):
        closed = page.locator(f"#{screen} button.label-wrap:not(.open):visible")
        if not closed.count():
            return
        closed.first.click()
        page.wait_for_timeout(100)
    pytest.fail(f"something on {screen} does not open")


def test_every_control_says_what_it_does(
    browser_page: Page, tmp_path: Path, sample_faces: list[Path], console_errors: list[str]
) -> None:
    home = tmp_path / "likeness"
    library = Library(Workspace(home), detector())
    assert taken_in(library, sample_faces[:4]) == [""] * 4
    Sorting(library).new_person("Anna", [face.id for face in library.unsorted()][:2], UNSORTED)
    found: list[dict[str, Any]] = []
    with running(home) as app:
        page = browser_page
        page.set_default_timeout(60 * SECONDS)
        page.goto(f"{app.address}/#people")
        page.locator(".lk-people-entry", has_text="New faces").click()
        page.locator(".lk-people-section input").wait_for()
        found += controls(page, "people")
        page.locator(".lk-people-entry", has_text="Anna").click()
        page.locator(".lk-people-subject").wait_for()
        page.locator(".lk-pf").nth(1).wait_for()
        page.locator(".lk-pf").first.click()
        page.locator(".lk-people-count").get_by_text("1 chosen").wait_for()
        for opens in ("n", "y", "Add a folder", "Rename"):
            if len(opens) == 1:
                page.keyboard.press(opens)
            else:
                page.get_by_role("button", name=opens).click()
            page.locator("dialog[open] input").first.wait_for()
            found += controls(page, "people")
            page.keyboard.press("Escape")
            page.locator("dialog[open]").wait_for(state="detached")
            page.wait_for_function("document.activeElement.getAttribute('role') === 'listbox'")
        for screen in SCREENS[1:]:
            page.locator(f"#tab-{screen}").click()
            unfold(page, screen)
            if screen == "desk":  # what an opened part holds may come after it
                page.locator("#more-knobs > button").wait_for()
                unfold(page, screen)
                page.locator("#knob-background input").first.wait_for()
            if screen == "bench":
                page.get_by_label("Damage lab").check()
                page.get_by_label("One knob, step by step").check()
                page.locator("#compare-knob").wait_for()
                page.locator("#lab-own").wait_for()
                unfold(page, screen)
                found += controls(page, screen)
                page.locator("#compare-what").get_by_label("Restorers").check()
                page.locator("#compare-ways").wait_for()
            if screen == "tune":
                page.locator("#lk-tune-person option").get_by_text("Anna").wait_for(state="attached")
            found += controls(page, screen)
    counts = {screen: sum(one["screen"] == screen for one in found) for screen in SCREENS}
    assert counts["desk"] > 40 and counts["bench"] > 60 and counts["tune"] > 5 and counts["models"] > 4, counts
    lacking = {f"{one['screen']}: {one['name']}: {one['help']!r}" for one in found if not _says(one["help"])}
    assert lacking == set()
    assert console_errors == []


def _says(help_: str) -> bool:
    return len(help_.split()) >= LEAST_WORDS
