"""Restore under hard use, in a real browser on the real engine: broken uploads, two pages, rare formats, fingers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from engine.images import read_photo, save_photo
from engine.jobs.record import ids_in, place_of, read_events, read_job
from engine.jobs.report import JobReport
from engine.prior.bundle import Prior
from engine.prior.settings import Sampling
from engine.progress import Cancelled, stage
from engine.restore import Settings, restore_face
from tests._files import adobe_rgb, deep_waves, display_p3, tiff_file
from tests._heic import heic
from tests.test_screen import SECONDS, App, drop, lay_out, open_knobs
from tests.toys import drawn_face

if TYPE_CHECKING:
    from playwright.sync_api import Browser, CDPSession, Page

pytestmark = pytest.mark.browser

NAME = "Ann"
RUDE = "<img src=x onerror=window.hacked=1> \"q\" 'a' & 😀.jpg"
LARGE_MB = 30
SLOW_BYTES_A_SECOND = 500_000

DROP_LARGE = """([zone, megabytes]) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([new Uint8Array(megabytes * 1e6).fill(7)], "large.jpg"));
    for (const kind of ["dragenter", "dragover", "drop"]) {
        zone.dispatchEvent(new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: transfer }));
    }
}"""

SHOWN = """async () => {
    const image = document.querySelector("#viewer [data-pane='0'] [data-layer=own] img");
    await image.decode();
    const canvas = document.createElement("canvas");
    canvas.width = image.naturalWidth;
    canvas.height = image.naturalHeight;
    const pen = canvas.getContext("2d");
    pen.drawImage(image, 0, 0);
    return [canvas.height, canvas.width, [...pen.getImageData(0, 0, canvas.width, canvas.height).data]];
}"""
"""Height, width and samples with alpha of what the viewer draws."""


@pytest.fixture(scope="module")
def app(
    tmp_path_factory: pytest.TempPathFactory, browser: Browser, sample_faces: list[Path], sample_damaged: list[Path]
) -> Iterator[App]:
    """The app with a person of two references and a damaged photo."""
    running = App(tmp_path_factory.mktemp("home") / "likeness", port=8460)
    running.start()
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(60 * SECONDS)
    page.goto(running.address)
    lay_out(page, NAME, sample_faces[:2], sample_damaged[0])
    page.close()
    yield running
    if running.process is not None and running.process.poll() is None:
        running.stop()


@pytest.fixture
def opened(app: App, browser_page: Page) -> Page:
    return ready(browser_page, app)


def ready(page: Page, app: App) -> Page:
    """A page on which the photo and the person stand."""
    page.goto(app.address)
    page.locator("#references .lk-status").get_by_text("2 of 2 used").wait_for()
    page.locator("#damaged .lk-box").wait_for()
    return page


def halves(app: App) -> list[Path]:
    """Files that are being copied into the app; those that are whole have folders of their own."""
    return [file for file in (app.home / "cache" / "uploads").iterdir() if file.is_file()]


def until(what: Callable[[], object], page: Page, seconds: float = 30) -> None:
    """Wait until something holds, while the browser goes on."""
    ended = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < ended, "it did not come to that in time"
        page.wait_for_timeout(50)


def jobs_of(app: App) -> list[str]:
    return ids_in(app.home / "jobs")


def test_a_browser_closed_in_mid_upload_loses_nothing_and_leaves_no_half_file(
    app: App, browser: Browser, browser_page: Page, sample_damaged: list[Path]
) -> None:
    page = ready(browser.new_page(), app)
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": SLOW_BYTES_A_SECOND}
    session.send("Network.emulateNetworkConditions", slow)
    page.evaluate(DROP_LARGE, [page.locator("#damaged .lk-step").element_handle(), LARGE_MB])
    until(lambda: any(0 < file.stat().st_size < LARGE_MB * 1e6 for file in halves(app)), page)
    page.context.close()
    other = ready(browser_page, app)
    assert other.locator("#damaged .lk-photo-name").inner_text() == sample_damaged[0].name
    assert other.get_by_label("Name").input_value() == NAME
    until(lambda: halves(app) == [], other)


def test_half_a_file_of_an_app_that_was_killed_is_gone_when_it_opens_again(app: App, browser_page: Page) -> None:
    half = app.home / "cache" / "uploads" / "tmphalf"
    half.write_bytes(b"half of a photo")
    assert app.process is not None
    app.process.kill()
    app.process.communicate()
    app.start()
    ready(browser_page, app)
    assert not half.exists()


PRESS_AT = """at => {
    const press = () => {
        const button = document.querySelector("#restore");
        button.disabled = false;  // this page may just have heard of the other's start, and the server shall refuse it
        button.click();
    };
    setTimeout(press, at - Date.now());
}"""


def test_of_two_pages_that_start_at_once_one_starts_and_the_other_is_told(
    app: App, opened: Page, browser: Browser, console_errors: list[str]
) -> None:
    other = ready(browser.new_page(), app)
    tabs = (opened, other)
    for page in tabs:
        page.locator("#restore:enabled").wait_for()
    before = set(jobs_of(app))
    at = time.time() * 1000 + 1500
    for page in tabs:
        page.evaluate(PRESS_AT, at)
    told = "A restoration is still running. Wait until it is done, or stop it first."
    until(lambda: any(page.get_by_text(told).is_visible() for page in tabs), opened)
    for page in tabs:
        page.locator("#viewer .lk-facts").wait_for(timeout=300 * SECONDS)
    (job,) = set(jobs_of(app)) - before
    assert read_job(place_of(app.home / "jobs", job)).state == "finished"
    # The refused start left no copy of the photo behind.
    assert len([run for run in app.home.glob("people/*/runs/*") if run.is_dir()]) == 1
    assert console_errors == []
    other.context.close()


def test_a_stop_ends_the_work_within_a_step(app: App, opened: Page) -> None:
    page = opened
    before = set(jobs_of(app))
    open_knobs(page)
    for knob, value in (("steps", "100"), ("seed", "77")):
        field = page.locator(f"#knob-{knob} input").first
        field.fill(value)
        field.press("Tab")
    page.get_by_role("button", name="Restore", exact=True).click()
    page.locator("#work .lk-work-end .lk-hint", has_text="of 100").wait_for(timeout=300 * SECONDS)
    page.locator("#work .lk-stop").click()
    page.locator("#work .lk-notice").wait_for()
    (name,) = set(jobs_of(app)) - before
    job = read_job(place_of(app.home / "jobs", name))
    assert job.state == "stopped"
    asked = (job.folder / "stop").stat().st_mtime
    steps = [
        (event.time, int(event.data["done"]))
        for event in read_events(job)
        if event.event == "progress" and event.data["stage"] == "restoring"
    ]
    paces = [(b[0] - a[0]) / (b[1] - a[1]) for a, b in pairwise(steps) if b[1] > a[1]]
    late = [moment - asked for moment, _ in steps if moment > asked + 0.02]  # a file's time may lag by that much
    # Work hears of a stop at the end of each step; what ended later than one step after it was begun in spite of it.
    assert len(late) <= 1 and max(late, default=0) < 3 * max(paces) + 1
    assert 0 < steps[-1][1] < 100
    page.locator("#work .lk-notice .lk-close").click()


def test_no_step_is_begun_after_the_one_in_which_a_stop_was_asked(prior: Prior, tmp_path: Path) -> None:
    folder = tmp_path / "job"
    folder.mkdir()
    report = JobReport(folder, threading.Event())
    begun: list[int] = []

    def step(*_: Any) -> None:
        begun.append(len(begun) + 1)
        if len(begun) == 3:
            (folder / "stop").touch()

    hook = prior.denoiser.register_forward_pre_hook(step)
    settings = Settings(sampling=Sampling(steps=8, start=1.0))
    try:
        with pytest.raises(Cancelled):
            restore_face(prior, drawn_face(size=prior.size), settings, tick=stage(report, "restoring"))
    finally:
        hook.remove()
        report.close()
    assert begun == [1, 2, 3]
    assert '"done": 3, "total": 8' in (folder / "events.jsonl").read_text().splitlines()[-1]


@pytest.mark.parametrize("kind", ["deep.tif", "IMG 1.HEIC"])
def test_a_rare_format_is_shown_upright_and_in_its_colours(
    app: App, opened: Page, tmp_path: Path, kind: str, sample_damaged: list[Path]
) -> None:
    page, file = opened, tmp_path / kind
    waves = deep_waves(96, 64)
    if kind.endswith("tif"):
        file.write_bytes(tiff_file(waves, photometric="rgb", iccprofile=adobe_rgb(), extratags=[(274, 3, 1, 6, True)]))
    else:
        planes = np.moveaxis((waves >> 6)[..., [1, 2, 0]], 2, 0)
        file.write_bytes(heic(planes, 10, icc=display_p3(), turned=3))
    drop(page, "#damaged", [file])
    page.locator("#damaged .lk-photo-name", has_text=kind).wait_for()
    wanted = read_photo(file).pixels * 255
    page.wait_for_function(
        """([height, width]) => {
            const image = document.querySelector("#viewer [data-pane='0'] [data-layer=own] img");
            return image && image.naturalHeight === height && image.naturalWidth === width;
        }""",
        arg=[wanted.shape[0], wanted.shape[1]],
    )
    assert wanted.shape == (96, 64, 3), "it lies on its side in the file"
    height, width, samples = page.evaluate(SHOWN)
    drawn = np.array(samples, np.float64).reshape(height, width, 4)
    assert np.abs(drawn[..., :3] - wanted).max() <= 2 and (drawn[..., 3] == 255).all()
    page.screenshot(path=tmp_path / "shown.png")
    drop(page, "#damaged", [sample_damaged[0]])  # for the other tests
    page.locator("#damaged .lk-box").wait_for()


def test_the_rudest_name_is_only_a_name(
    app: App, opened: Page, tmp_path: Path, sample_damaged: list[Path], console_errors: list[str]
) -> None:
    page = opened
    whole, cut = tmp_path / RUDE, tmp_path / f"cut {RUDE}"
    save_photo(read_photo(sample_damaged[0]), whole)
    cut.write_bytes(whole.read_bytes()[:900])
    page.get_by_text("From a folder of this machine").click()
    path = page.get_by_label("Path of a photo or of a folder of photos")
    path.fill(str(cut))
    path.press("Enter")
    page.get_by_text("damaged or cut off").wait_for()
    assert cut.name in page.locator(".toast-body, .toast-wrap").first.inner_text()
    path.fill(str(whole))
    path.press("Enter")
    name = page.locator("#damaged .lk-photo-name")
    name.get_by_text(RUDE, exact=True).wait_for()
    assert name.get_attribute("title") == RUDE
    drop(page, "#damaged", [whole])  # Gradio takes out of a dropped file's name what a shell would not like
    name.filter(has_text="onerror").filter(has_not_text="<").wait_for()
    drop(page, "#damaged", [cut])
    page.locator("#damaged .lk-notice", has_text="damaged or cut off").wait_for()
    assert "onerror" in page.locator("#damaged .lk-notice").inner_text()
    assert page.evaluate("window.hacked") is None and page.locator("img[src=x]").count() == 0
    page.reload()
    name.filter(has_text="onerror").wait_for()
    assert page.evaluate("window.hacked") is None and page.locator("img[src=x]").count() == 0
    assert console_errors == []
    drop(page, "#damaged", [sample_damaged[0]])  # for the other tests
    name.get_by_text(sample_damaged[0].name, exact=True).wait_for()
    page.locator("#damaged .lk-box").wait_for()


def test_fingers_zoom_and_move_the_picture_and_scroll_past_it(app: App, browser: Browser) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = ready(context.new_page(), app)
    canvas = page.locator("#viewer .lk-canvas")
    canvas.scroll_into_view_if_needed()
    one = page.locator("#viewer [data-view=one]")
    if one.is_enabled():  # with a result there, a line to be dragged would stand under the fingers
        one.tap()
    page.locator("#viewer [data-layer=own] img").filter(visible=True).first.wait_for()
    fingers = Fingers(context.new_cdp_session(page))
    box = canvas.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    fit = place(page)
    # At the whole picture one finger goes past it.
    scrolled = page.evaluate("window.scrollY")
    fingers.go([(x, y)], *[[(x, y + 20 * n)] for n in range(1, 8)])
    until(lambda: page.evaluate("window.scrollY") < scrolled - 40, page)
    assert place(page) == fit
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    # Two fingers zoom by as much as they part, and one moves the close picture with it.
    fingers.down([(x - 40, y), (x + 40, y)])
    for spread in (60, 80, 100, 120):
        fingers.move([(x - spread, y), (x + spread, y)])
    until(lambda: place(page)[2] / fit[2] == pytest.approx(3, rel=0.02), page)
    close = place(page)
    fingers.lift()
    fingers.go([(x, y)], *[[(x - 8 * n, y - 5 * n)] for n in range(1, 6)])
    until(lambda: np.subtract(place(page)[:2], close[:2]) == pytest.approx([-40, -25], abs=2), page)
    context.close()


def test_nothing_of_all_that_broke_anything(app: App) -> None:
    assert app.stop() == (0, "", [])


class Fingers:
    """Touches of a page, as the browser gets them from a screen."""

    def __init__(self, session: CDPSession) -> None:
        self._session = session

    def down(self, points: list[tuple[float, float]]) -> None:
        self._send("touchStart", points)

    def move(self, points: list[tuple[float, float]]) -> None:
        self._send("touchMove", points)

    def lift(self) -> None:
        self._send("touchEnd", [])

    def go(self, first: list[tuple[float, float]], *after: list[tuple[float, float]]) -> None:
        self.down(first)
        for points in after:
            self.move(points)
        self.lift()

    def _send(self, kind: str, points: list[tuple[float, float]]) -> None:
        found = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
        self._session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": found})


def place(page: Page) -> list[float]:
    """Left, top and scale of the picture in the viewer's pane, px of the screen."""
    script = """stack => {
        const found = new DOMMatrix(getComputedStyle(stack).transform);
        return [found.e, found.f, found.a];
    }"""
    return page.locator("#viewer [data-layer=own] .lk-stack").filter(visible=True).first.evaluate(script)
