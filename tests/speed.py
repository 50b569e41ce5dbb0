"""`python -m tests.speed [FILE]` measures how soon a picture stands after zoom, blink and a moved knob, and writes it.

In a real browser: six panes of 12 megapixels in the viewer alone, at 1440 x 900 px. In the engine: a portrait of 2
megapixels, from the moved knob to the picture that the browser fetches. Times are wall clock, so they are only as good
as the machine is idle; its load is told beside them.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from engine import images
from engine.evaluation.doctor import machine
from engine.studio.brush import read_strokes
from engine.studio.finish import Finish
from engine.studio.proxies import make_quick_proxy
from engine.workspace import write_json
from tests import browser
from tests.conftest import PERSON, REPOSITORY
from tests.toys import large_ground

FILE = REPOSITORY / "tests" / "measured" / "speed.json"
WIDE, HIGH = 4000, 3000
PANES = 6
RUNS = 9
PICTURE_MS, KNOB_MS = 100.0, 150.0
"""At most that is wanted."""

Time = tuple[float, float]
"""Milliseconds on the wall clock, and of all processors."""

ACTS = {"blink": "b", "blink back": "b", "closer": "+", "100 %": "z", "whole": "z", "difference": "d", "face": "e"}
"""What is done in the viewer, with its key, in an order in which each does something."""

NEXT_PICTURE = """async (key) => {
    const begun = performance.now();
    const event = new KeyboardEvent("keydown", { key, bubbles: true });
    document.querySelector(".lk-canvas").dispatchEvent(event);
    for (let frame = 0; frame < 2; frame += 1) await new Promise(requestAnimationFrame);
    return performance.now() - begun;
}"""
"""Milliseconds until the picture after a key stands on the screen."""


def viewer_times(folder: Path) -> dict[str, list[float]]:
    """Give milliseconds to the first picture, by act."""
    files = [folder / f"{number}.jpg" for number in range(PANES)]
    with Image.open(PERSON / "references" / "ref-01.jpg") as small:
        large = small.resize((WIDE, HIGH))
    for number, file in enumerate(files):
        changed = large.copy()
        changed.paste((128, 128, 128), (500 * number, 1000, 500 * number + 400, 1400))
        changed.save(file, quality=90)
    panes = [[f"p{n}", f"Pane {n}", "", str(file)] for n, file in enumerate(files)]
    command = [sys.executable, "-W", "ignore", "-m", "tests.viewer_page", str(folder / "home"), "7990"]
    pipe = subprocess.PIPE
    with subprocess.Popen([*command, json.dumps(panes)], cwd=REPOSITORY, stdin=pipe, stdout=pipe, text=True) as served:
        assert served.stdout is not None
        address = served.stdout.readline().strip()
        try:
            with sync_playwright() as playwright:
                place, arguments = browser.find(), browser.launch_arguments()
                running = playwright.chromium.launch(executable_path=place, args=arguments)
                taken = _acted(running.new_page(viewport={"width": 1440, "height": 900}), address)
                running.close()
        finally:
            served.communicate(timeout=60)
    return taken


def _acted(page: Page, address: str) -> dict[str, list[float]]:
    page.goto(address)
    drawn = "count => document.querySelectorAll('[data-layer=own] img').length === count"
    page.wait_for_function(drawn, arg=PANES, timeout=120_000)
    page.locator(".lk-canvas").focus()
    taken: dict[str, list[float]] = {act: [] for act in ACTS}
    for _ in range(RUNS):
        for act, key in ACTS.items():
            taken[act].append(float(page.evaluate(NEXT_PICTURE, key)))
            page.wait_for_timeout(300)  # till the sharp ones have come, as they do while somebody looks
        page.keyboard.press("d")
        page.keyboard.press("0")
        page.wait_for_timeout(300)
    return taken


def knob_times(folder: Path) -> dict[str, list[Time]]:
    """Give milliseconds from a moved knob to the picture that a browser fetches; of paste, to the photo to be saved."""
    ground, _ = large_ground(PERSON / "damaged" / "old-01.jpg")
    wide = ground.wide
    x, y = wide.shape[1] * 0.3, wide.shape[0] * 0.3
    mask = read_strokes([{"how": "guard", "radius": 40, "points": [[x + 20 * n, y + 15 * n] for n in range(12)]}])
    moved: dict[str, dict[str, Any]] = {
        "blend": {},
        "grain": {"grain": 0.4},
        "tone": {"tone": "colour"},
        "sharpness": {"sharpness": 0.9},
        "mask": {"mask": mask},
    }

    def show(finish: Finish, name: str) -> None:
        place, pixels = ground.shown(finish)
        samples = images.to_uint8(wide)
        samples[place] = images.to_uint8(pixels)
        make_quick_proxy(samples, name.rjust(32, "0"), folder)

    taken: dict[str, list[Time]] = {name: [] for name in (*moved, "paste")}
    for run in range(RUNS):
        for n, (name, values) in enumerate(moved.items()):
            blend = 0.99 - 0.01 * run
            ground.shown(Finish(blend=blend))
            finish = replace(Finish(blend=blend - 0.3 if name == "blend" else blend), **values)
            taken[name].append(_timed(lambda f=finish, at=f"{run}-{n}": show(f, at)))
        pasted = Finish(blend=0.5 - 0.01 * run)
        taken["paste"].append(_timed(lambda f=pasted: ground.finish(f)))
    return taken


def _timed(act: Callable[[], object]) -> Time:
    begun, worked = time.perf_counter(), time.process_time()
    act()
    return 1000 * (time.perf_counter() - begun), 1000 * (time.process_time() - worked)


def _row(what: str, times: list[float], limit: float) -> dict[str, Any]:
    median = round(statistics.median(times), 1)
    return {
        "what": what,
        "median_ms": median,
        "slowest_ms": round(max(times), 1),
        "wanted_ms": limit,
        "reached": median <= limit,
    }


def main(file: Path = FILE) -> None:
    """Measure everything and write it."""
    facts = machine()  # first, while the load is not our own
    with tempfile.TemporaryDirectory(prefix="likeness-speed-") as folder:
        knobs = [
            {
                **_row(what, [wall for wall, _ in times], KNOB_MS),
                "processor_ms": round(statistics.median([worked for _, worked in times]), 1),
            }
            for what, times in knob_times(Path(folder)).items()
        ]
        viewer = [_row(what, times, PICTURE_MS) for what, times in viewer_times(Path(folder)).items()]
    write_json(file, {"version": 1, "machine": facts, "runs": RUNS, "viewer": viewer, "knobs": knobs})
    for row in (*viewer, *knobs):
        worked = f", processor {row['processor_ms']}" if "processor_ms" in row else ""
        sys.stdout.write(
            "{what}: {median_ms} ms, slowest {slowest_ms}, wanted {wanted_ms:g}".format(**row) + worked + "\n"
        )


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
