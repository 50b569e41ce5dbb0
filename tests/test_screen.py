"""The page in a real browser, on the real engine: the whole job with a toy recipe, and who may not come near it."""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import numpy as np
import psutil
import pytest

from engine.images import read_photo
from ui.guard import POLICY, UnsafeSetting, check_environment, why_refused

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

pytestmark = pytest.mark.browser

REPOSITORY = Path(__file__).resolve().parents[1]

SERVE = """
import sys
from pathlib import Path
from engine.studio import Studio
from ui.app import serve
with Studio(Path(sys.argv[1]), device="cpu") as studio:
    serve(studio, port=int(sys.argv[2]), open_browser=False, default_recipe=sys.argv[3])
sys.exit("torch was loaded beside the page" if "torch" in sys.modules else 0)
"""

DROP = """([zone, files]) => {
    const transfer = new DataTransfer();
    for (const [name, data] of files) {
        transfer.items.add(new File([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))], name));
    }
    for (const kind of ["dragenter", "dragover", "drop"]) {
        zone.dispatchEvent(new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: transfer }));
    }
}"""

NAME = "Zoë <b>O'Nobody</b>"
SECONDS = 1000
"""Playwright's unit is a thousandth of one."""


@dataclass
class App:
    """The app in a process of its own, as a user would have it."""

    home: Path
    port: int = 7860
    process: subprocess.Popen[str] | None = None
    address: str = ""
    recipe: str = "toy"

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", SERVE, str(self.home), str(self.port), self.recipe],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        said = self.process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+", said)
        if found is None:
            self.process.kill()
            pytest.fail(f"the app did not start: {said}{self.process.communicate()[1]}", pytrace=False)
        self.address = found[0]

    def stop(self) -> tuple[int, str, list[psutil.Process]]:
        """End it as Ctrl-C does; give its exit code, what it wrote to stderr, and processes that it left behind."""
        assert self.process is not None
        children = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(signal.SIGINT if os.name != "nt" else signal.SIGTERM)
        _, errors = self.process.communicate(timeout=120)
        return self.process.returncode, errors, psutil.wait_procs(children, timeout=30)[1]


@dataclass
class Seen:
    """What one browser saw of the whole job."""

    app: App
    download: Path
    console: list[str] = field(default_factory=list[str])
    outside: list[str] = field(default_factory=list[str])
    texts: dict[str, str] = field(default_factory=dict[str, str])
    flaws: list[str] = field(default_factory=list[str])


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    running = App(tmp_path_factory.mktemp("home") / "likeness")
    running.start()
    yield running
    if running.process is not None and running.process.poll() is None:
        running.stop()


@pytest.fixture(scope="module")
def seen(
    app: App,
    browser: Browser,
    sample_faces: list[Path],
    sample_damaged: list[Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Seen]:
    """The whole job, done once: drop, look, drop, press, reload in the middle, wait, download."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, accept_downloads=True)
    page = context.new_page()
    result = Seen(app, tmp_path_factory.mktemp("download") / "picture.png")
    page.on("console", lambda message: result.console.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: result.console.append(str(error)))
    page.on("request", lambda request: _note_outside(request.url, result.outside))
    page.goto(app.address)
    page.get_by_label("Name").fill(NAME)
    page.get_by_label("Name").press("Enter")
    broken = tmp_path_factory.mktemp("broken") / "holiday.jpg"
    broken.write_bytes(sample_faces[0].read_bytes()[:3000])
    drop(page, "#references", [*sample_faces[:3], broken])
    page.locator(".lk-face").nth(2).wait_for()
    page.locator("#references .lk-notice").wait_for()
    result.texts["notice"] = page.locator("#references .lk-notice").inner_text()
    result.texts["verdicts"] = page.locator("#references .lk-status").inner_text()
    result.texts["face"] = page.locator(".lk-face").first.get_attribute("aria-label") or ""
    result.texts["hint"] = page.locator("#work .lk-idle").inner_text()
    drop(page, "#damaged", [sample_damaged[0]])
    page.locator("#damaged .lk-box").wait_for()
    result.texts["found"] = page.locator("#damaged .lk-status").inner_text()
    page.get_by_role("button", name="Restore", exact=True).click()
    page.locator("#work .lk-stop").wait_for()
    page.reload()
    page.locator("#work .lk-stop").wait_for()
    result.texts["references after reload"] = page.locator("#references .lk-status").inner_text()
    result.texts["button while running"] = str(page.get_by_role("button", name="Restore", exact=True).is_enabled())
    over = page.locator("#viewer .lk-facts, #work .lk-notice").locator("visible=true")
    over.wait_for(timeout=300 * SECONDS)  # some twenty seconds on a machine that does nothing else
    if page.locator("#viewer .lk-facts").is_hidden():
        pytest.fail(f"the job did not finish: {over.inner_text()}", pytrace=False)
    with page.expect_download() as coming:
        page.get_by_role("link", name="Download").click()
    coming.value.save_as(result.download)
    result.texts["name"] = coming.value.suggested_filename
    result.texts["identity"] = page.locator("#viewer .lk-identity").inner_text()
    result.flaws = serious_flaws(page)
    yield result
    context.close()


def test_every_dropped_photo_gets_a_verdict_in_words(seen: Seen) -> None:
    assert seen.texts["verdicts"] == "3 of 3 used"
    assert "used. Click to leave it out." in seen.texts["face"]
    assert seen.texts["notice"].startswith("holiday.jpg is damaged or cut off")
    assert seen.texts["hint"] == "Now drop the damaged photo."
    assert seen.texts["found"] == "1 face found"


def test_a_reload_in_the_middle_loses_nothing(seen: Seen) -> None:
    assert seen.texts["references after reload"] == "3 of 3 used"
    assert seen.texts["button while running"] == "False"


def test_the_download_is_the_photo_restored_in_the_face_and_exact_elsewhere(
    seen: Seen, sample_damaged: list[Path]
) -> None:
    from engine.faces import cut, detector, head_mask, paste

    source, made = read_photo(sample_damaged[0]), read_photo(seen.download)
    assert seen.texts["name"] == f"{sample_damaged[0].stem}-restored.png"
    assert made.samples.shape == source.samples.shape
    size = json.loads((REPOSITORY / "assets/priors/pocket/prior.json").read_text(encoding="utf-8"))["size"]
    crop = cut(source.pixels, detector().find(source.pixels)[0], size)
    mask = paste(source.pixels, crop, crop.pixels, head_mask(crop))[1]
    assert (mask == 0).mean() > 0.02, "the sample photo should show more than the head"
    assert np.array_equal(made.samples[mask == 0], source.samples[mask == 0])
    inside = mask > 0.9
    assert np.abs(made.samples[inside].astype(int) - source.samples[inside].astype(int)).mean() > 1.0


def test_the_identity_line_says_its_direction_and_its_limits(seen: Seen) -> None:
    assert re.match(r"Distance to the references \d\.\d\d before, \d\.\d\d after", seen.texts["identity"])
    assert "Lower is nearer (dlib" in seen.texts["identity"]
    assert "no proof of identity" in seen.texts["identity"]


def test_nothing_is_asked_of_the_network_and_the_console_stays_clean(seen: Seen) -> None:
    assert seen.outside == []
    assert seen.console == []


def test_nothing_keeps_anybody_from_using_the_page(seen: Seen) -> None:
    assert seen.flaws == []


def test_the_split_is_moved_and_before_is_held_by_keys_alone(
    seen: Seen, browser_page: Page, console_errors: list[str]
) -> None:
    page = browser_page
    page.goto(seen.app.address)
    page.locator("#viewer .lk-facts").wait_for()  # a second browser sees the same result
    handle = page.get_by_role("slider", name="Line between before and after")
    handle.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    page.wait_for_function("document.querySelector('#viewer .lk-handle').getAttribute('aria-valuenow') === '12'")
    page.locator("#viewer .lk-canvas").focus()
    own = page.locator("#viewer [data-pane='1'] [data-layer=own]")
    page.keyboard.down(" ")
    own.wait_for(state="hidden")
    page.keyboard.up(" ")
    own.wait_for(state="visible")
    page.get_by_label("Name").focus()
    page.keyboard.press("d")
    assert handle.is_visible(), "a letter typed into a field changed the view"
    page.get_by_label("Name").press("Enter")
    page.get_by_text(f"There is nobody called {NAME}d yet.").wait_for()
    page.get_by_role("button", name="Back to").click()
    page.locator("#viewer .lk-canvas").focus()
    page.keyboard.press("g")
    handle.wait_for(state="hidden")
    script = "stacks => stacks.map((stack) => stack.style.transform)"
    both = page.locator("#viewer [data-layer=own] .lk-stack").evaluate_all(script)
    assert len(both) == 2
    assert both[0] == both[1]
    assert page.locator("#viewer .lk-tile:visible").count() == 3
    assert console_errors == []


def test_a_second_result_is_added_and_the_first_comes_back_with_its_settings(seen: Seen, browser_page: Page) -> None:
    page = browser_page
    page.goto(seen.app.address)
    page.locator("#viewer .lk-facts").wait_for()
    open_knobs(page)
    seed = page.locator("#knob-seed input")
    seed.fill("5")
    seed.press("Tab")
    page.get_by_role("button", name="Restore", exact=True).click()
    told = page.locator("#viewer .lk-photos > span")
    page.wait_for_function(
        "document.querySelector('#viewer .lk-photos > span').textContent === 'Result 2 of 2'", timeout=300 * SECONDS
    )
    page.locator("#viewer .lk-canvas").focus()
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("document.querySelector('#viewer .lk-photos > span').textContent === 'Result 1 of 2'")
    assert seed.input_value() == "5"
    page.get_by_role("button", name="Settings of the shown result").click()
    page.wait_for_function("document.querySelector('#knob-seed input').value === '0'")
    page.reload()
    told.get_by_text("Result 1 of 2").wait_for()
    assert page.locator("#viewer .lk-identity").inner_text() == seen.texts["identity"]


def test_blend_is_seen_at_once_and_downloaded_without_restoring_again(
    seen: Seen, browser_page: Page, tmp_path: Path, sample_damaged: list[Path]
) -> None:
    page = browser_page
    jobs = sorted((seen.app.home / "jobs").glob("job-*"))
    page.goto(seen.app.address)
    page.locator("#viewer .lk-facts").wait_for()
    open_knobs(page)
    blend = page.locator("#knob-blend input[type=range]")
    after = page.locator("#viewer [data-pane='1'] [data-layer=own] img").first
    was = after.get_attribute("src")
    blend.focus()
    page.keyboard.press("Home")
    page.wait_for_function(
        """was => {
            const own = document.querySelector("#viewer [data-pane='1'] [data-layer=own] img")?.getAttribute("src");
            const link = document.querySelector("#viewer .lk-download");
            return own && own !== was && !own.includes("quick") && link.hasAttribute("href");
        }""",
        arg=was,
        timeout=60 * SECONDS,
    )
    with page.expect_download() as coming:
        page.get_by_role("link", name="Download").click()
    coming.value.save_as(tmp_path / "blended.png")
    assert np.array_equal(read_photo(tmp_path / "blended.png").samples, read_photo(sample_damaged[0]).samples)
    page.reload()  # the knob stands as it was left, and so does the picture
    page.locator("#viewer .lk-facts").wait_for()
    open_knobs(page)
    assert blend.input_value() == "0"
    blend.press("End")
    page.wait_for_function(
        "was => document.querySelector(\"#viewer [data-pane='1'] [data-layer=own] img\")?.getAttribute('src') === was",
        arg=was,
        timeout=60 * SECONDS,
    )
    assert sorted((seen.app.home / "jobs").glob("job-*")) == jobs


def test_who_the_face_may_be_is_suggested_with_the_distance_and_taken_by_a_click(
    seen: Seen, browser_page: Page
) -> None:
    page = browser_page
    page.goto(seen.app.address)
    told = page.locator("#damaged .lk-likely")
    told.get_by_text(re.compile(r"^It fits .+: distance 0\.\d\d, lower is nearer\. No proof of identity\.$")).wait_for()
    assert not told.get_by_role("button").is_visible()
    name = page.get_by_label("Name").input_value()
    page.get_by_label("Name").fill("Somebody new")
    page.get_by_label("Name").press("Enter")
    page.locator("#references [data-answer=new]").click()
    told.get_by_text(f"This may be {name}: distance 0.").wait_for()
    told.get_by_role("button", name=f"Take {name}").press("Enter")
    page.wait_for_function("name => document.querySelector('#lk-name').value === name", arg=name)
    told.get_by_text("It fits").wait_for()


def test_a_page_whose_first_answer_is_lost_says_so_and_offers_to_reload(seen: Seen, browser_page: Page) -> None:
    page = browser_page
    lost: list[Route] = []
    # What a page asks for when it is opened is never answered.
    page.route("**/gradio_api/run/**", lambda route: lost.append(route), times=2)
    page.clock.install()
    page.goto(seen.app.address)
    page.locator("#top .lk-theme").wait_for()
    while len(lost) < 2:  # asked for once every part of the page is there
        page.wait_for_timeout(50)
    page.clock.fast_forward(20 * SECONDS)
    page.get_by_role("alert").get_by_text("has not answered yet").wait_for()
    page.get_by_role("button", name="Reload the page").click()
    page.locator("#viewer .lk-facts").wait_for()
    assert "Nothing leaves" in page.locator(".lk-device").inner_text()


def test_an_answer_that_comes_late_leaves_nothing_old_standing(seen: Seen, browser_page: Page) -> None:
    page, other = browser_page, browser_page.context.new_page()
    for one in (page, other):
        one.goto(seen.app.address)
        one.locator(".lk-face").nth(2).wait_for()
    held: list[Route] = []
    # Where answers to what a user did come from; the page asks for all else by itself.
    page.route("**/gradio_api/queue/data**", lambda route: held.append(route))
    for one, key, used in ((page, "x", 2), (other, "p", 3)):
        one.locator(".lk-face").first.focus()
        one.keyboard.press("ArrowRight")
        one.keyboard.press(key)
        for shown in (page, other):
            shown.locator("#references .lk-status").get_by_text(f"{used} of 3 used").wait_for()
    status = "document.querySelector('#references .lk-status').innerText"
    page.evaluate(
        f"window.drawn = []; new MutationObserver(() => window.drawn.push({status}))"
        ".observe(document.querySelector('#references'), {subtree: true, childList: true, characterData: true})"
    )
    (late,) = held
    late.continue_()
    page.wait_for_function("window.drawn.some(status => status.includes('2 of 3 used'))")
    page.wait_for_function(f"{status}.includes('3 of 3 used')")
    other.close()


def test_a_face_is_left_out_and_taken_back_by_keys(seen: Seen, browser_page: Page) -> None:
    page = browser_page
    page.goto(seen.app.address)
    page.locator(".lk-face").nth(2).wait_for()
    page.locator(".lk-face").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("x")
    status = page.locator("#references .lk-status")
    status.get_by_text("2 of 3 used").wait_for()
    page.locator(".lk-face[aria-pressed=false]").press("p")
    assert page.locator("#viewer .lk-marking").is_hidden(), "the viewer's own P and X are not meant"
    status.get_by_text("3 of 3 used").wait_for()


def test_a_face_that_is_not_found_is_marked_by_hand_and_corrected_by_keys(
    seen: Seen, browser_page: Page, tmp_path: Path, sample_damaged: list[Path]
) -> None:
    from engine.images import save_photo

    page = browser_page
    rng = np.random.default_rng(3)
    wall = tmp_path / "wall.png"
    save_photo(np.repeat(rng.uniform(0.4, 0.6, (300, 400, 1)).astype(np.float32), 3, axis=2), wall)
    page.goto(seen.app.address)
    drop(page, "#damaged", [wall])
    page.locator("#damaged .lk-notice").wait_for(timeout=60 * SECONDS)
    assert "Mark the face" in page.locator("#damaged .lk-notice").inner_text()
    page.get_by_role("button", name="Mark the face").click()
    told = page.locator("#viewer .lk-marking p")
    assert "eye at the left" in told.inner_text()
    picture = page.locator("#viewer [data-pane='0'] [data-layer=own] img").bounding_box()
    assert picture is not None

    def click(x: float, y: float) -> None:
        page.mouse.click(picture["x"] + x * picture["width"] / 400, picture["y"] + y * picture["height"] / 300)

    use = page.get_by_role("button", name="Use these")
    assert use.is_disabled()
    click(150, 120)
    click(250, 120)
    assert "mouth" in told.inner_text()
    click(200, 210)
    assert page.locator("#viewer .lk-point").count() == 3
    page.get_by_role("button", name="Mouth").focus()
    for _ in range(5):
        page.keyboard.press("Shift+ArrowDown")
    use.click()
    page.locator("#damaged .lk-box").wait_for()
    assert page.locator("#damaged .lk-status").inner_text() == "1 face found"
    kept = json.loads((seen.app.home / "desk" / "desk.json").read_text())["photo"]["faces"][0]
    assert kept["by_hand"] is True
    eyes, mouth = np.array(kept["marks"][:2]), np.array(kept["marks"][2])
    assert np.allclose(eyes, [[150, 120], [250, 120]], atol=2)
    scale = picture["width"] / 400
    assert np.allclose(mouth, [200, 210 + 50 / scale], atol=2.5)
    # The marks are there to be moved again, and Escape leaves them as they were.
    page.get_by_role("button", name="Mark the face").click()
    page.locator("#viewer .lk-point").nth(2).wait_for()
    page.keyboard.press("Escape")
    assert page.locator("#viewer .lk-marking").is_hidden()
    # An impossible face is refused in words.
    page.get_by_role("button", name="Mark the face").click()
    page.get_by_role("button", name="Start over").click()
    for place in ((150, 120), (250, 120), (390, 125)):
        click(*place)
    use.click()
    page.get_by_text("no face is like that").wait_for()
    # The photo of the other tests comes back, and with it its result.
    drop(page, "#damaged", [sample_damaged[0]])
    page.locator("#viewer .lk-facts").wait_for()


def test_a_file_that_was_not_dropped_here_is_not_read(
    seen: Seen, browser_page: Page, sample_damaged: list[Path]
) -> None:
    page = browser_page
    page.goto(seen.app.address)
    page.locator(".lk-face").nth(2).wait_for()
    page.route("**/upload*", lambda route: route.fulfill(json=["/etc/hostname"]))
    drop(page, "#references", [sample_damaged[0]])
    page.get_by_text("hostname was not dropped on this page. Drop it again.").wait_for()


def test_other_hosts_and_websites_are_refused(seen: Seen) -> None:
    own = urlsplit(seen.app.address).netloc
    assert answer(own, {}) == 200
    assert answer(own, {"Host": "likeness.example"}) == 403
    assert answer(own, {"Origin": "http://likeness.example"}) == 403
    assert answer(own, {"Origin": "http://127.0.0.1:1"}) == 403
    assert answer(own, {"Sec-Fetch-Site": "cross-site"}, "/gradio_api/upload", "POST") == 403
    assert answer(own, {}, "/gradio_api/file=http://127.0.0.1:1/x") == 403
    people = next((seen.app.home / "people").glob("*/person.json"))
    assert answer(own, {}, f"/gradio_api/file={people}") == 403


def test_after_a_restart_all_is_still_there_no_process_was_left_and_a_taken_port_gives_the_next(
    seen: Seen, browser_page: Page
) -> None:
    code, errors, left = seen.app.stop()
    assert (code, errors, left) == (0, "", [])
    assert list((seen.app.home / "cache" / "previews").iterdir()) == []
    assert list((seen.app.home / "cache" / "uploads").iterdir()) == []
    was = seen.app.address
    with socket.create_server(("127.0.0.1", urlsplit(was).port or 0)):
        seen.app.port = urlsplit(was).port or 0
        seen.app.start()
    assert seen.app.address != was
    page = browser_page
    page.goto(seen.app.address)
    page.locator("#viewer .lk-facts").wait_for()
    page.locator("#references .lk-status").get_by_text("3 of 3 used").wait_for()
    assert page.get_by_label("Name").input_value() == NAME
    assert page.locator("#viewer .lk-identity").inner_text() == seen.texts["identity"]


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/", {"host": "127.0.0.1:7860"}),
        ("GET", "/", {"host": "[::1]:7860"}),
        ("GET", "/", {"host": "localhost:7860", "sec-fetch-site": "same-origin"}),
        ("POST", "/gradio_api/upload", {"host": "localhost:7860", "origin": "http://localhost:7860"}),
        (
            "GET",
            "/",
            {
                "host": "localhost",
                "sec-fetch-site": "cross-site",
                "sec-fetch-mode": "navigate",
                "sec-fetch-dest": "document",
            },
        ),
    ],
)
def test_the_guard_lets_the_own_page_through(method: str, path: str, headers: dict[str, str]) -> None:
    assert why_refused(method, path, headers) == ""


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/", {}),
        ("/", {"host": "likeness.example"}),
        ("/", {"host": "127.0.0.1.likeness.example"}),
        ("/", {"host": "[broken"}),
        ("/", {"host": "localhost:7860", "origin": "null"}),
        ("/", {"host": "localhost:7860", "origin": "http://localhost:7861"}),
        ("/config", {"host": "localhost", "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}),
        ("/", {"host": "localhost", "sec-fetch-site": "same-site", "sec-fetch-dest": "iframe"}),
        ("/gradio_api/file=https://likeness.example/x", {"host": "localhost"}),
        ("/gradio_api/proxy=https://likeness.example/x", {"host": "localhost"}),
    ],
)
def test_the_guard_refuses_what_is_not_the_own_page(path: str, headers: dict[str, str]) -> None:
    assert why_refused("GET", path, headers).endswith(".")


def test_the_policy_names_no_place_outside() -> None:
    assert "http" not in POLICY


def test_an_environment_that_would_open_the_page_is_refused() -> None:
    check_environment({"GRADIO_SHARE": "False", "GRADIO_VIBE_MODE": ""})
    with pytest.raises(UnsafeSetting, match=r"GRADIO_VIBE_MODE would open private photos to others\. Unset it\."):
        check_environment({"GRADIO_VIBE_MODE": "1"})


def drop(page: Page, zone: str, files: list[Path]) -> None:
    """Drop files on a part of the page, as a hand would from a folder's window."""
    data = [[file.name, base64.b64encode(file.read_bytes()).decode()] for file in files]
    target = page.locator(f"{zone} .lk-step")
    target.wait_for()
    page.evaluate(DROP, [target.element_handle(), data])


def open_knobs(page: Page) -> None:
    """Open the knobs and wait until they are drawn: a key pressed before, within the same frames, is lost."""
    page.get_by_role("button", name="Knobs").click()
    page.locator("#knob-seed input").wait_for()
    page.evaluate(
        """async () => {
            await new Promise((done) => setTimeout(done, 500));
            for (let frame = 0; frame < 5; frame += 1) await new Promise(requestAnimationFrame);
        }"""
    )


def lay_out(page: Page, name: str, references: list[Path], damaged: Path) -> None:
    """Name a person, and drop their good photos, with a face each, and a damaged one."""
    page.get_by_label("Name").fill(name)
    page.get_by_label("Name").press("Enter")
    drop(page, "#references", references)
    page.locator(".lk-face").nth(len(references) - 1).wait_for()
    drop(page, "#damaged", [damaged])
    page.locator("#damaged .lk-box").wait_for()


def serious_flaws(page: Page) -> list[str]:
    """What axe finds on the page as it stands that keeps somebody from using it."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    serious = [flaw for flaw in found if flaw["impact"] in ("serious", "critical")]
    return [f"{flaw['id']}: {flaw['help']}, at {flaw['nodes'][0]['html'][:300]}" for flaw in serious]


def answer(netloc: str, headers: dict[str, str], path: str = "/", method: str = "GET") -> int:
    """The status that the app answers a request with."""
    connection = http.client.HTTPConnection(netloc, timeout=10)
    try:
        connection.request(method, path, headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


def _note_outside(address: str, outside: list[str]) -> None:
    parts = urlsplit(address)
    if parts.scheme not in {"data", "blob", "about"} and parts.hostname != "127.0.0.1":
        outside.append(address)
