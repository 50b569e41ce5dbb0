"""`python -m tests.measure_people [--photos 500] [--faces 5000] [--write]`: how quick People is, in a browser.

Photos are made of the sample person and of generic faces, who are nobody, and read by the real app as a folder of this
machine. While they are read, screens are changed and everybody is shown, to see whether the page can be used meanwhile.
Then all faces are given to one person and used, so that the gallery has them all, and every screen is gone to from
every other one. Everything is timed by the page itself, from the click or key until two frames were drawn after what
was asked for stands on the page.

Then thousands of faces, made of a few dozen real ones, lie with one person and in another workspace with nobody: how
soon the first are seen, how soon a screen, what a key takes, and whether the grid keeps up with the wheel.

With `--write` the figures go into `tests/measured/people.json` and into the README. They are as good as the machine is
idle: its load before and after stands beside them.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import cv2
import numpy as np
from playwright.sync_api import sync_playwright

from engine import images
from engine.evaluation import figures
from engine.evaluation.bench import Row
from engine.evaluation.doctor import machine
from engine.tuning.views import GENERIC, vary
from engine.workspace import write_json
from tests import browser
from tests.conftest import PERSON
from tests.test_screen import SECONDS, App, serious_flaws

if TYPE_CHECKING:
    from playwright.sync_api import Page

PHOTOS = 500
SWITCH_MS = 300.0
"""A screen shall be there this soon."""
ADDED_SECONDS = 300.0
"""So soon shall `PHOTOS` photos be read and grouped; fewer of them in as much less."""
FACES = 5000
FIRST_MS = 3000.0
"""So soon shall the first of `FACES` faces be seen."""
KEY_MS = 500.0
"""So soon shall the app have answered a key among them."""
FRAME_MS = 100.0
TILES = 400
"""As many of them may be on the page at a time."""
ANSWER_MS = 1000.0
"""So soon shall the page have done what it was asked for while photos are read."""

SIDES = (1600, 2400, 4000)
"""Long sides in px of the photos, by turns: a scanned print, a small camera, a telephone."""
STRANGERS = 12
"""Generic faces that are in the photos too, each again and again."""
OTHERS = 0.25
"""Share of the photos that show somebody else beside the person, and of those that show somebody else alone."""
SCREENS = ("people", "tune", "desk", "bench", "models")
ROUNDS = 3
NAME = "Sample person"
RESULTS = Path(__file__).parent / "measured" / "people.json"

SWITCH = """async (screen) => {
    const began = performance.now();
    document.getElementById("tab-" + screen).click();
    const panel = document.getElementById(screen);
    const frame = () => new Promise((done) => requestAnimationFrame(done));
    do await frame(); while (!panel.getClientRects().length);
    await frame();
    return performance.now() - began;
}"""
"""From a click on a screen's tab until it was drawn."""

SEEN = """async () => {
    const frame = () => new Promise((done) => requestAnimationFrame(done));
    const drawn = () => {
        const all = [...document.querySelectorAll(".lk-pf img")].filter((one) => one.src);
        return all.length >= 12 && all.slice(0, 12).every((one) => one.complete && one.naturalWidth);
    };
    while (!drawn()) await frame();
    await frame();
    return performance.now();
}"""
"""Until the first dozen faces were drawn, since the page was asked for."""

PRESSED = """async ([key, what]) => {
    const id = document.querySelector(".lk-pf.lk-active").dataset.id;
    const told = () => what === "count"
        ? document.querySelector(".lk-people-entry[aria-current=true] small").textContent
        : document.getElementById("lk-pf-" + id)?.classList.contains("lk-out");
    const before = told();
    const began = performance.now();
    document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
    const frame = () => new Promise((done) => requestAnimationFrame(done));
    do await frame(); while (told() === before && performance.now() - began < 60000);
    await frame();
    return performance.now() - began;
}"""
"""From a key until something else was drawn. `face`: the face at the keyboard as used, left out or moved out of sight.
`count`: the app's own number of faces in use, the whole way to the app and back."""

SCROLL = """async () => {
    const scroller = document.querySelector(".lk-people-scroll");
    const frame = () => new Promise((done) => requestAnimationFrame(done));
    const seen = scroller.getBoundingClientRect();
    const at = () => document.elementFromPoint(seen.left + seen.width / 3, seen.top + seen.height / 2);
    let longest = 0, tiles = 0, bare = 0;
    for (let step = 0; step < 120; step += 1) {
        // As far as a wheel goes at a time, with a leap over hundreds of faces now and then.
        const far = step % 20 === 19 ? scroller.scrollHeight / 7 : 240;
        scroller.scrollTop = (scroller.scrollTop + far) % (scroller.scrollHeight - scroller.clientHeight);
        const began = performance.now();
        await frame();
        await frame();
        longest = Math.max(longest, (performance.now() - began) / 2);
        tiles = Math.max(tiles, document.querySelectorAll(".lk-pf").length);
        if (!at().closest(".lk-people-block")) bare += 1;
    }
    scroller.scrollTop = 0;
    return { longest, tiles, bare };
}"""
"""Through thousands of faces by the wheel: the longest frame, most faces on the page, frames with none in sight."""

OPEN = """async ([place, title]) => {
    const began = performance.now();
    document.querySelector(`.lk-people-entry[data-place="${place}"]`).click();
    const frame = () => new Promise((done) => requestAnimationFrame(done));
    const there = () => document.querySelector(".lk-people-title h3")?.textContent === title;
    while (!there() && performance.now() - began < 30000) await frame();
    await frame();
    return performance.now() - began;
}"""
"""From a click on an entry of the list until what belongs to it was drawn: the whole way to the app and back."""


def make_photos(folder: Path, count: int, seed: int = 0) -> Path:
    """Make photos as JPEG: the sample person or generic faces, moved and toned, in front of a blurred background."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    own = [_face(file) for part in ("references", "truth") for file in sorted((PERSON / part).glob("*.jpg"))]
    strangers = [_face(file) for file in sorted(GENERIC.glob("*.jpg"))[:STRANGERS]]
    for number in range(count):
        width = SIDES[number % len(SIDES)]
        height = width * 3 // 4
        coarse = rng.uniform(0.15, 0.7, (9, 12, 3)).astype(np.float32)
        photo = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        drawn = rng.random()
        shown = [strangers[int(rng.integers(len(strangers)))]] if drawn < OTHERS else [own[number % len(own)]]
        if drawn > 1 - OTHERS:
            shown.append(strangers[int(rng.integers(len(strangers)))])
        for place, face in enumerate(shown):
            side = int(width * rng.uniform(0.16, 0.28))
            left = int(width * (0.15 + 0.45 * place) + rng.uniform(0, 0.05 * width))
            top = int(rng.uniform(0.15, 0.45) * height)
            photo[top : top + side, left : left + side] = vary(images.resize(face, (side, side)), rng)
        photo = photo + rng.normal(0, 0.012, (height, width, 1)).astype(np.float32)
        images.save_photo(np.clip(photo, 0, 1), folder / f"photo-{number:04d}.jpg", quality=90)
    return folder


def _face(file: Path) -> Any:
    """Read the square middle of a portrait."""
    pixels = images.read_photo(file).pixels
    side = min(pixels.shape[:2])
    top, left = (pixels.shape[0] - side) // 2, (pixels.shape[1] - side) // 2
    return images.resize(pixels[top : top + side, left : left + side], (512, 512))


class Watched:
    """The page, with what it asked for outside this machine."""

    def __init__(self, page: Page) -> None:
        self.page, self.asked, self.outside = page, 0, list[str]()
        page.on("request", lambda request: self._note(request.url))

    def _note(self, address: str) -> None:
        parts = urlsplit(address)
        self.asked += 1
        if parts.scheme not in {"data", "blob", "about"} and parts.hostname != "127.0.0.1":
            self.outside.append(address)

    def flaws(self) -> list[str]:
        """Give what axe finds serious on every screen, light and dark."""
        found: list[str] = []
        for scheme, screen in itertools.product(("light", "dark"), SCREENS):
            self.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            self.page.evaluate(SWITCH, screen)
            self.page.wait_for_timeout(0.5 * SECONDS)  # until its colours have changed
            found += [f"{screen}, {scheme}: {flaw}" for flaw in serious_flaws(self.page)]
        return found


def add(watched: Watched, folder: Path, count: int) -> list[Row]:
    """Name the folder on the page, and use the page until all is read and grouped."""
    page = watched.page
    page.get_by_role("button", name="Add a folder").click()
    page.keyboard.type(str(folder))
    page.keyboard.press("Enter")
    began = time.monotonic()
    page.locator(".lk-people-coming").wait_for()
    switches: list[float] = []
    answers: list[float] = []
    ended = page.get_by_text(f"{count} photos read")
    while not ended.count():
        switches += [page.evaluate(SWITCH, screen) for screen in ("desk", "people")]
        answers += [page.evaluate(OPEN, list(known)) for known in (("", "Everybody"), ("unsorted", "New faces"))]
        page.wait_for_timeout(1 * SECONDS)
    page.locator(".lk-people-section").first.wait_for()
    took = time.monotonic() - began
    share = count / PHOTOS
    return [
        Row(f"{count} photos read and grouped", round(took, 1), "s", round(ADDED_SECONDS * share, 1)),
        *_rows("to a screen while they are read", switches, SWITCH_MS),
        *_rows("to what is new and back while they are read", answers, ANSWER_MS),
    ]


def give_all(page: Page) -> int:
    """Give every face to one person and use them all; how many they are."""
    page.evaluate(OPEN, ["unsorted", "New faces"])
    page.locator(".lk-pf").first.click()
    page.keyboard.press("Control+a")
    page.keyboard.press("n")
    page.keyboard.type(NAME)
    page.keyboard.press("Enter")
    entry = page.locator(".lk-people-entry", has_text=NAME)
    entry.click()
    page.locator(".lk-people-title h3").get_by_text(NAME, exact=True).wait_for()
    page.locator(".lk-pf").first.click()
    page.keyboard.press("Control+a")
    page.keyboard.press("p")
    page.wait_for_function(
        """name => {
            const entry = [...document.querySelectorAll(".lk-people-entry")].find((e) => e.textContent.includes(name));
            const told = entry.querySelector("small").textContent.match(/(\\d+) of (\\d+)/);
            return told && told[1] === told[2];
        }""",
        arg=NAME,
    )
    return int(entry.locator("small").inner_text().split()[0])


def switch(page: Page, rounds: int = ROUNDS) -> list[float]:
    """Go from every screen to every other one, some rounds; how long each took, in thousandths of a second."""
    page.wait_for_timeout(3 * SECONDS)  # what was done before is over
    took: list[float] = []
    for _ in range(rounds):
        for here, there in itertools.permutations(SCREENS, 2):
            page.evaluate(SWITCH, here)
            page.wait_for_timeout(0.1 * SECONDS)
            took.append(page.evaluate(SWITCH, there))
    return took


def judge(page: Page) -> list[float]:
    """Leave faces out by keys; how long each took to be seen."""
    page.evaluate(SWITCH, "people")
    page.locator(".lk-pf").first.click()
    took: list[float] = []
    for _ in range(10):
        took.append(page.evaluate(PRESSED, ["x", "face"]))
        page.wait_for_timeout(1 * SECONDS)
    return took


def many(count: int, scratch: Path) -> list[Row]:
    """Measure with so many faces of one person, and with as many of nobody."""
    from tests import many_faces

    own = [file for part in ("references", "truth") for file in sorted((PERSON / part).glob("*.jpg"))]
    others = [*own, *sorted(GENERIC.glob("*.jpg"))[:STRANGERS]]
    rows: list[Row] = []
    for name, photos in ((NAME, own), ("", others)):
        home = scratch / ("person" if name else "nobody")
        made = many_faces.make(home, photos, count, person=name)
        where = f"with {count} faces of one person" if made is not None else f"with {count} faces of nobody"
        place, title = (made.id, name) if made is not None else ("unsorted", "New faces")
        app = App(home, port=8430)
        app.start()
        try:
            with _browser() as page:
                page.goto(f"{app.address}/#people")
                page.locator(f'.lk-people-entry[data-place="{place}"]').wait_for()
                opened = [page.evaluate(OPEN, [place, title])]
                page.evaluate(SEEN)
                rows += _rows(f"somebody opened, {where}", opened, FIRST_MS)
            with _browser() as page:
                page.goto(f"{app.address}/#people")
                rows.append(
                    Row(f"page opened until faces are seen, {where}", round(page.evaluate(SEEN)), "ms", FIRST_MS)
                )
                rows += _rows(f"to a screen {where}", switch(page, rounds=1), SWITCH_MS)
                page.evaluate(SWITCH, "people")
                if made is not None:
                    rows += _rows(f"X seen {where}", judge(page), SWITCH_MS)
                    page.wait_for_timeout(5 * SECONDS)
                    rows += _rows(f"P and X answered {where}", answered(page), KEY_MS)
                found = page.evaluate(SCROLL)
                rows += [
                    Row(f"scrolling, longest frame {where}", round(found["longest"]), "ms", FRAME_MS),
                    Row(f"scrolling, most faces on the page {where}", found["tiles"], "", TILES),
                    Row(f"scrolling, frames without a face {where}", found["bare"], "", 0),
                ]
        finally:
            app.stop()
    return rows


@contextmanager
def _browser() -> Iterator[Page]:
    """Give a page of a fresh browser."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=browser.find(), args=browser.launch_arguments())
        page = running.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(120 * SECONDS)
        yield page
        running.close()


def answered(page: Page) -> list[float]:
    """Leave faces out and use others by keys; how long each took to be answered by the app."""
    took: list[float] = []
    for key in ("x", "p") * 5:
        tile = page.locator(".lk-pf.lk-out" if key == "p" else ".lk-pf:not(.lk-out)").first
        if not tile.count():
            continue
        tile.click()
        took.append(page.evaluate(PRESSED, [key, "count"]))
        page.wait_for_timeout(2 * SECONDS)
    return took


def _rows(what: str, took: Sequence[float], limit: float) -> list[Row]:
    if not took:
        return []
    if len(took) == 1:
        return [Row(what, round(took[0]), "ms", limit)]
    return [
        Row(f"{what}, median", round(statistics.median(took)), "ms", limit),
        Row(f"{what}, longest of {len(took)}", round(max(took)), "ms", limit),
    ]


def album(count: int, scratch: Path) -> dict[str, Any]:
    """Measure with so many photos, read by the app; give the figures, and what was found wrong."""
    folder = make_photos(scratch / "photos", count)
    app = App(scratch / "likeness", port=8420)
    app.start()
    try:
        with _browser() as page:
            watched = Watched(page)
            page.goto(f"{app.address}/#people")
            page.locator(".lk-people-empty strong").wait_for()
            rows = add(watched, folder, count)
            held = give_all(page)
            rows += _rows(f"to a screen with {held} references", switch(page), SWITCH_MS)
            rows += _rows(f"X seen with {held} references", judge(page), SWITCH_MS)
            flaws = watched.flaws()
            version = page.context.browser.version if page.context.browser is not None else ""
    finally:
        app.stop()
    return {
        "browser": f"Chromium {version}",
        "photos": {"count": count, "long_sides_px": list(SIDES), "references": held},
        "rows": rows,
        "requests": {"all": watched.asked, "outside": watched.outside},
        "serious_flaws_by_axe": flaws,
    }


def measure(photos: int, faces: int, scratch: Path) -> dict[str, Any]:
    """Do all of it; give the machine's facts too."""
    facts = {key: machine()[key] for key in ("cpu", "cores")}
    before = _load()
    found = album(photos, scratch)
    rows: list[Row] = found.pop("rows")
    rows += many(faces, scratch) if faces else []
    known = {**facts, "browser": found.pop("browser"), "load_before": before, "load_after": _load()}
    return {
        "measured": datetime.now(UTC).date().isoformat(),
        "machine": known,
        **found,
        "faces": faces,
        "rows": [{**asdict(row), "reached": row.reached} for row in rows],
    }


def _load() -> float:
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else 0.0


def table(found: dict[str, Any]) -> str:
    """Give it as Markdown."""
    known, asked = found["machine"], found["requests"]
    lines = [
        f"{known['cpu']}, {known['cores']} cores, {known['browser']}; load average of the minute before "
        f"{known['load_before']:g}:",
        "",
        "| what | measured | wanted |",
        "|---|---|---|",
    ]
    for row in found["rows"]:
        wanted = "" if row["limit"] is None else f"at most {row['limit']:g} {row['unit']}"
        lines.append(f"| {row['name']} | {row['value']:g} {row['unit']} | {wanted} |")
    lines.append(f"| requests outside this machine, of {asked['all']} | {len(asked['outside'])} | 0 |")
    lines.append(f"| serious flaws by axe, five screens, light and dark | {len(found['serious_flaws_by_axe'])} | 0 |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; returns 1 when something wanted is not reached."""
    parser = argparse.ArgumentParser(prog="python -m tests.measure_people", description="Measure People in a browser.")
    parser.add_argument("--photos", type=int, default=PHOTOS, help="how many photos are made and added")
    parser.add_argument("--faces", type=int, default=FACES, help="how many faces lie in one place; 0 for none")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name} and the README's table")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        found = measure(given.photos, given.faces, Path(scratch))
    told = table(found)
    sys.stdout.write(
        told + "\n" + "".join(f"{one}\n" for one in found["requests"]["outside"] + found["serious_flaws_by_axe"])
    )
    if given.write:
        RESULTS.parent.mkdir(exist_ok=True)
        write_json(RESULTS, found)
        figures.put("album", told)
    bad = (
        any(row["reached"] is False for row in found["rows"])
        or found["requests"]["outside"]
        or found["serious_flaws_by_axe"]
    )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
