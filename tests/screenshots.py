"""`python -m tests.screenshots FOLDER` takes the README's pictures of the app: the whole job on the sample person.

They are taken of the real app with its usual recipe, so it takes about two minutes.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from engine import images
from tests import browser
from tests.conftest import PERSON
from tests.test_screen import SECONDS, App, lay_out

VIEWS = (("light", 1440, 900), ("dark", 1440, 900), ("narrow", 390, 844))

STATES = {"side": "g", "face": "e", "difference": "d", "lens": "dl", "one": "lo", "keys": "?"}
"""States of the viewer, each with the keys that lead to it from the one before."""

TABS = {"People": "people", "Personalize": "personalize", "Compare": "compare", "Models": "models"}
"""The screens beside Restore, each with what its pictures are called."""


def take(folder: Path) -> None:
    """Drop the sample person's photos on the page, restore one, and photograph the page in each view."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        app = App(Path(home) / "likeness", recipe="quick")
        app.start()
        running = playwright.chromium.launch(executable_path=browser.find(), args=browser.launch_arguments())
        page = running.new_page(viewport={"width": 1440, "height": 900})
        page.goto(app.address)
        page.set_default_timeout(120 * SECONDS)
        references = sorted((PERSON / "references").glob("*.jpg"))
        lay_out(page, "Sample person", references, PERSON / "damaged" / "old-02.jpg")
        page.get_by_role("button", name="Restore", exact=True).click()
        page.locator("#viewer .lk-facts").wait_for(timeout=900 * SECONDS)
        for name, width, height in VIEWS:
            page.set_viewport_size({"width": width, "height": height})
            page.emulate_media(color_scheme="dark" if name == "dark" else "light")
            page.goto(app.address)
            page.locator("#viewer .lk-facts").wait_for(timeout=60 * SECONDS)
            # What is out of sight is not fetched before it is looked at.
            page.wait_for_function("[...document.images].every((image) => image.complete || !image.checkVisibility())")
            page.locator("#restore:enabled").wait_for()
            page.wait_for_timeout(0.5 * SECONDS)  # until its colours have changed
            raw = folder / f".{name}.png"
            page.screenshot(path=raw, full_page=name == "narrow")
            target = folder / f"screen-{name}.png"
            target.unlink(missing_ok=True)
            raw.replace(target)
            sys.stdout.write(f"{target}: {images.read_photo(target).width} px wide\n")
        page.set_viewport_size({"width": 1440, "height": 900})
        page.emulate_media(color_scheme="light")
        knobs = page.get_by_role("button", name="Knobs")
        knobs.click()
        page.locator("#knob-seed").wait_for()
        page.locator("#knobs").evaluate("knobs => scrollBy(0, knobs.getBoundingClientRect().top - 60)")
        page.wait_for_timeout(0.3 * SECONDS)
        page.screenshot(path=folder / "screen-knobs.png")
        knobs.click()
        page.locator("#viewer .lk-canvas").focus()
        for name, keys in STATES.items():
            for key in keys:
                page.keyboard.press(key)
            page.wait_for_timeout(0.3 * SECONDS)
            page.screenshot(path=folder / f"viewer-{name}.png")
        page.keyboard.press("Escape")
        page.get_by_role("tab", name="Compare").click()
        page.get_by_label("Damage lab").check()
        page.locator("#lab-presets").get_by_label("Old print").check()
        page.locator("#lab-clean input").click()
        page.get_by_role("option").nth(1).click()
        page.get_by_role("button", name="Compare", exact=True).click()
        page.locator("#comparison .lk-sheets").wait_for(timeout=900 * SECONDS)
        page.evaluate("scrollTo(0, 0)")
        for scheme, (tab, name) in itertools.product(("light", "dark"), TABS.items()):
            page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            page.get_by_role("tab", name=tab).click()
            if name == "people":
                page.locator(".lk-people-entry", has_text="Sample person").click()
                page.locator(".lk-pf img").first.wait_for()
            page.wait_for_timeout(1 * SECONDS)
            page.screenshot(path=folder / f"{name}-{scheme}.png")
        running.close()
        app.stop()


if __name__ == "__main__":
    take(Path(sys.argv[1]))
