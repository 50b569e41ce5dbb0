"""What every test gets: a private data folder, fixed seeds, two threads, the sample person, a browser."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests import browser as chromium

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Route

    from engine.prior.bundle import Prior
    from engine.workspace import Workspace

REPOSITORY = Path(__file__).resolve().parents[1]
PERSON = REPOSITORY / "assets" / "person"
PICTURES = frozenset({".jpg", ".jpeg", ".png"})

# Read by torch, OpenBLAS and OpenMP when they are first imported, so set before any test file is; processes that tests
# start inherit it. Two, so that a run on a large machine adds up in the same order as one on a small machine.
os.environ.setdefault("OMP_NUM_THREADS", "2")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data folder of this test alone: no test can see or touch the user's people."""
    folder = tmp_path / "home"
    monkeypatch.setenv("LIKENESS_HOME", str(folder))
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    monkeypatch.setenv("LIKENESS_SHARED_WEIGHTS", "")  # nor the weights of the user's other programs
    return folder


@pytest.fixture(autouse=True)
def seeds() -> None:
    """The same random numbers each time, for those libraries that the test's file has loaded."""
    random.seed(0)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture
def workspace(home: Path) -> Workspace:
    """An empty workspace, the one that the app would open in this test."""
    from engine.workspace import Workspace

    return Workspace(home)


@pytest.fixture(scope="module")
def sample_faces() -> list[Path]:
    """Good photos of the sample person, who is nobody; at least eight."""
    return _pictures(PERSON / "references", at_least=8)


@pytest.fixture(scope="module")
def sample_damaged() -> list[Path]:
    """Damaged photos of the sample person; each has its truth, under the same name, in `sample_truth`."""
    return _pictures(PERSON / "damaged", at_least=1)


@pytest.fixture(scope="module")
def sample_truth(sample_damaged: list[Path]) -> list[Path]:
    """What the photos of `sample_damaged` were before the damage, in the same order."""
    truths = {path.stem: path for path in _pictures(PERSON / "truth", at_least=1)}
    return [truths[path.stem] for path in sample_damaged]


@pytest.fixture(scope="session")
def prior(tmp_path_factory: pytest.TempPathFactory) -> Prior:
    """A prior of 64 px of the shipped classes at toy size, the same for all: nothing may change it."""
    from tests.toys import small_toy_prior

    return small_toy_prior(tmp_path_factory.mktemp("prior"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A running headless Chromium.

    One for each test file and not for the whole run: while it runs, Playwright holds the thread's event loop, and later
    files may want their own.
    """
    place = chromium.find()
    if place is None:
        pytest.fail(chromium.BROWSER_MISSING, pytrace=False)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=place, args=chromium.launch_arguments())
        yield running
        running.close()


@pytest.fixture
def console_errors() -> list[str]:
    """Errors that `browser_page` wrote to its console so far, uncaught exceptions among them."""
    return []


@pytest.fixture
def outside_requests() -> list[str]:
    """Addresses outside this machine that `browser_page` asked for so far; none of them was let through."""
    return []


@pytest.fixture
def browser_page(browser: Browser, console_errors: list[str], outside_requests: list[str]) -> Iterator[Page]:
    """A fresh page, 1440 x 900, with no memory of other tests. A test in which it asked for anything outside fails."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, accept_downloads=True)
    context.set_default_timeout(120_000)

    def guard(route: Route, request: Request) -> None:
        outside_requests.append(request.url)
        route.abort()

    def note(message: ConsoleMessage) -> None:
        if message.type == "error":
            console_errors.append(message.text)

    context.route(_is_outside, guard)
    page = context.new_page()
    page.on("console", note)
    page.on("pageerror", lambda error: console_errors.append(str(error)))
    yield page
    context.close()
    assert not outside_requests, f"the page asked for addresses outside this machine: {outside_requests}"


def _is_outside(address: str) -> bool:
    parts = urlsplit(address)
    return parts.scheme not in {"data", "blob", "about"} and parts.hostname not in {"127.0.0.1", "localhost", "::1"}


def _pictures(folder: Path, *, at_least: int) -> list[Path]:
    found = sorted(path for path in folder.glob("*") if path.suffix.lower() in PICTURES)
    if len(found) < at_least:
        place = folder.relative_to(REPOSITORY)
        pytest.fail(f"{place} holds {len(found)} pictures and the tests need {at_least}.", pytrace=False)
    return found
