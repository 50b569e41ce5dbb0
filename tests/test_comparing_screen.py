"""The Compare screen in a real browser, on the real engine: the damage lab, results one by one, numbers, sheets."""

from __future__ import annotations

import base64
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from engine import images
from engine.workspace import write_json
from tests.test_screen import DROP, NAME, SECONDS, App, lay_out, serious_flaws

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    running = App(tmp_path_factory.mktemp("home") / "likeness", port=7960)
    running.start()
    yield running
    if running.process is not None and running.process.poll() is None:
        running.stop()


@pytest.fixture(scope="module")
def compared(app: App, browser: Browser, sample_faces: list[Path], sample_damaged: list[Path]) -> App:
    """A comparison, made once: a reference damaged in two ways, restored by three restorers."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(60 * SECONDS)
    page.goto(app.address)
    lay_out(page, NAME, sample_faces[:2], sample_damaged[0])
    page.get_by_role("tab", name="Compare").click()
    page.get_by_label("Damage lab").check()
    page.locator("#lab-presets").get_by_label("Old print").check()
    page.locator("#compare-ways").get_by_label("With the person").uncheck()
    page.locator("#lab-clean input").click()
    page.get_by_role("option").nth(1).click()
    consent = page.locator("#compare-work .lk-consented")
    consent.get_by_text(f"By restoring you say that you may use these photos of {NAME}.").wait_for()
    page.get_by_role("button", name="Compare", exact=True).click()
    page.locator("#compare-work .lk-stop").wait_for()
    assert not consent.is_visible() and len(list(app.home.glob("people/*/consent.json"))) == 1
    page.wait_for_function(  # the first result is shown before all are there
        """document.querySelectorAll('#compare-viewer .lk-chip').length >= 3
            && document.querySelector('#comparison .lk-sheets').hidden""",
        timeout=300 * SECONDS,
    )
    page.locator("#comparison .lk-sheets").wait_for(timeout=300 * SECONDS)
    page.close()
    return app


def seen(page: Page, app: App) -> Page:
    page.goto(f"{app.address}/#bench")
    page.locator("#compare-viewer .lk-chip").nth(2).wait_for()
    page.locator("#lab-presets").wait_for()  # the settings have come back
    return page


def test_every_restorer_has_the_same_crop_and_the_best_numbers_are_marked(compared: App, browser_page: Page) -> None:
    page = seen(browser_page, compared)
    chips = page.locator("#compare-viewer .lk-chip").all_inner_texts()
    assert [re.sub(r"\s+", " ", chip) for chip in chips] == [
        "1 Given",
        "2 Enlarged only",
        "3 Cleaned",
        "4 Blind (DiffBIR's way)",
        "5 Truth",
    ]
    headings = page.locator("#comparison thead th").all_text_contents()
    assert headings[:2] == ["Restorer", "Identity \u2193lower is better"]
    rows = page.locator("#comparison tbody tr")
    assert rows.count() == 4
    psnr = [float(cell.split()[0]) for cell in page.locator("#comparison tbody td:nth-child(3)").all_inner_texts()]
    best = page.locator("#comparison tbody td:nth-child(3).best").inner_text()
    assert float(best.split()[0]) == max(psnr[1:])
    assert "one of the person's references" in page.locator("#comparison .lk-notes").inner_text()


def test_arrows_go_through_the_damages_and_each_restorer_over_all_of_them(compared: App, browser_page: Page) -> None:
    page = seen(browser_page, compared)
    where = page.locator("#compare-viewer .lk-photos > span")
    page.locator("#compare-viewer .lk-canvas").focus()
    names: list[str] = []
    for number in (2, 3, 4, 5, 1):
        page.keyboard.press("ArrowRight")
        page.wait_for_function(
            "n => document.querySelector('#compare-viewer .lk-photos > span').textContent.includes(n + ' of 5')",
            arg=str(number),
        )
        names.append(where.inner_text().rpartition(",")[0])
        if names[-1].startswith("Cleaned"):
            panes = page.locator("#compare-viewer .lk-pane:visible .lk-tag.own")
            labels = [re.sub(r"\s+", " ", tag) for tag in panes.all_inner_texts()]
            assert labels[0] == "1 Truth" and len(labels) == 3
            assert re.fullmatch(r"2 Medium Identity 0\.\d\d", labels[1])
            assert re.fullmatch(r"3 Old print Identity 0\.\d\d", labels[2])
    laid, told = page.locator("#compare-viewer .lk-viewer").bounding_box(), page.locator("#comparison").bounding_box()
    assert laid is not None and told is not None
    assert told["y"] >= laid["y"] + laid["height"] - 1, "the numbers stand under the pictures"
    assert told["x"] == laid["x"] and told["x"] + told["width"] <= 1440
    assert names == [
        "Old print",
        "Enlarged only, all damages",
        "Cleaned, all damages",
        "Blind (DiffBIR's way), all damages",
        "Medium",
    ]


def test_a_reload_finds_the_settings_and_the_sheet_is_downloaded(
    compared: App, browser_page: Page, tmp_path: Path
) -> None:
    page = seen(browser_page, compared)
    assert page.get_by_label("Damage lab").is_checked()
    assert page.locator("#lab-presets").get_by_label("Old print").is_checked()
    assert not page.locator("#compare-ways").get_by_label("With the person").is_checked()
    with page.expect_download() as coming:
        page.get_by_role("link", name="Contact sheet with settings").click()
    coming.value.save_as(tmp_path / "sheet.png")
    assert images.read_photo(tmp_path / "sheet.png").width > 5 * 256


def test_what_is_missing_is_said_where_one_looks(compared: App, browser_page: Page) -> None:
    page = seen(browser_page, compared)
    for name in ("Enlarged only", "Cleaned", "Blind (DiffBIR's way)"):
        page.locator("#compare-ways").get_by_label(name).uncheck()
    page.get_by_role("button", name="Compare", exact=True).click()
    page.get_by_text("Choose 1 to 4 restorers, got 0.").wait_for()


def test_a_restorer_without_its_files_is_marked_and_says_how_to_get_them(compared: App, browser_page: Page) -> None:
    page = seen(browser_page, compared)
    box = page.locator("#compare-ways").get_by_label("GFPGAN")
    page.locator("#compare-ways label.lk-unready").first.wait_for()
    assert not box.is_checked()
    told = page.locator(f"#{box.get_attribute('aria-describedby')}")
    assert "weights get gfpgan" in (told.text_content() or ""), "the description of the box, seen or not"
    folded = page.locator("#lacking summary")
    assert told.is_hidden() and "GFPGAN" in folded.inner_text()
    folded.focus()
    page.keyboard.press("Enter")
    told.wait_for()
    assert "weights get gfpgan" in told.inner_text()
    ready = page.locator("#compare-ways label:has-text('Cleaned')")
    assert "lk-unready" not in (ready.get_attribute("class") or "")


def test_knobs_that_do_nothing_with_the_chosen_prior_are_on_neither_screen(compared: App, browser_page: Page) -> None:
    page, weights = browser_page, compared.home / "weights"
    idle = [{"knob": name, "works": False, "finish": False} for name in ("guide_strength", "start", "steps")]
    (weights / "measured" / "diffbir-v1-face").mkdir(parents=True)
    write_json(weights / "measured" / "diffbir-v1-face" / "sliders.json", {"prior": {"sha256": {}}, "rows": idle})
    (weights / "diffbir-v1-face-full" / "unet").mkdir(parents=True)  # what a prior that is ready is known by

    def screens(state: Literal["visible", "hidden"]) -> None:
        page.get_by_role("tab", name="Restore").click()
        page.locator("#knob-auto").wait_for()
        for name in ("start", "guide-strength"):
            page.locator(f"#knob-{name}").wait_for(state=state)
        page.get_by_role("tab", name="Compare").click()
        page.locator("#compare-dual-pivot-auto").wait_for()
        page.locator("#compare-difface-start").wait_for()  # another network's, for which nothing was measured
        for way in ("dual-pivot", "diffbir"):
            for name in ("start", "steps"):
                page.locator(f"#compare-{way}-{name}").wait_for(state=state)

    def unfold() -> None:
        page.get_by_role("tab", name="Restore").click()
        page.get_by_role("button", name="Knobs").click()
        page.get_by_role("tab", name="Compare").click()
        for title in ("With the person", "Blind (DiffBIR's way)", "DifFace"):
            page.get_by_role("button", name=f"Settings: {title}").click()

    def choose(title: str) -> None:
        page.get_by_role("tab", name="Restore").click()
        page.locator("#knob-prior input").click()
        page.get_by_role("option", name=title).click()

    seen(page, compared)
    page.get_by_label("One knob, step by step").check()
    page.locator("#compare-knob input").click()
    page.get_by_role("option", name="With the person: Guide strength").click()
    unfold()
    screens("visible")
    choose("DiffBIR v1 for faces")
    screens("hidden")
    page.wait_for_function("document.querySelector('#compare-knob input').value === 'With the person: several seeds'")
    page.locator("#compare-knob input").click()
    offered = page.get_by_role("option").all_inner_texts()
    assert "With the person: Identity strength" in offered and "DifFace: Start step" in offered
    assert not [name for name in offered if "Guide strength" in name]
    page.keyboard.press("Escape")
    page.reload()
    page.locator("#compare-viewer .lk-chip").nth(2).wait_for()
    unfold()
    screens("hidden")
    choose("Pocket")
    screens("visible")
    shutil.rmtree(weights / "diffbir-v1-face-full")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_keeps_anybody_from_comparing(
    compared: App, browser_page: Page, console_errors: list[str], scheme: str
) -> None:
    page = browser_page
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    seen(page, compared)
    assert serious_flaws(page) == []
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.get_by_role("tab", name="Compare").focus()
    page.keyboard.press("ArrowLeft")
    page.locator("#references").wait_for()
    assert page.locator("#bench").is_hidden()
    assert console_errors == []


def test_a_wrong_file_as_truth_says_why_where_one_looks_and_loses_nothing(
    compared: App, browser_page: Page, tmp_path: Path, sample_truth: list[Path]
) -> None:
    page = seen(browser_page, compared)
    page.get_by_role("radio", name="The damaged photo").check()
    zone = page.locator("#truth .lk-truth")
    page.evaluate(DROP, [zone.element_handle(), [[sample_truth[0].name, encoded(sample_truth[0])]]])
    page.get_by_text(f"Measured against {sample_truth[0].name}").wait_for()
    assert serious_flaws(page) == []  # before a message stands there: Gradio's own nests one button in another
    letter, cut = tmp_path / "letter to Zoë.txt", tmp_path / "cut, ä.jpg"
    letter.write_text("Dear Ann, here is no photo.")
    cut.write_bytes(sample_truth[0].read_bytes()[:900])
    for wrong, told in ((letter, "is not a photo"), (cut, "damaged or cut off")):
        page.evaluate(DROP, [zone.element_handle(), [[wrong.name, encoded(wrong)]]])
        said = page.get_by_text(told, exact=False).last
        said.wait_for()
        assert wrong.name in said.inner_text()
        assert page.get_by_text(f"Measured against {sample_truth[0].name}").is_visible()
    page.get_by_role("button", name="Take it away").click()
    page.get_by_text("The same photo undamaged, if there is one").wait_for()


def encoded(file: Path) -> str:
    return base64.b64encode(file.read_bytes()).decode()


def test_a_knob_is_gone_through_and_the_picked_setting_taken_to_the_other_screen(
    compared: App, browser_page: Page
) -> None:
    page = seen(browser_page, compared)  # the last test, since this takes the place of the comparison of the others
    page.get_by_role("radio", name="The damaged photo").check()
    page.get_by_label("One knob, step by step").check()
    page.locator("#compare-knob input").click()
    page.get_by_role("option", name="With the person: Identity strength").click()
    page.get_by_role("button", name="Compare", exact=True).click()
    page.locator("#compare-viewer .lk-chip").nth(5).wait_for(timeout=600 * SECONDS)
    page.locator("#comparison .lk-sheets").wait_for(timeout=60 * SECONDS)
    assert page.locator("#compare-viewer .lk-chip").nth(4).inner_text().endswith("Identity strength 1.125")
    page.locator("#compare-viewer .lk-canvas").focus()
    page.keyboard.press("5")
    page.wait_for_timeout(SECONDS)  # as a hand needs from the keys to the mouse: the pick is on its way meanwhile
    page.get_by_role("button", name="Take the chosen settings to Restore").click()
    page.get_by_role("tab", name="Restore").click()
    page.get_by_role("button", name="Knobs").click()
    page.wait_for_function("document.querySelector('#knob-identity input[type=number]')?.value === '1.125'")
