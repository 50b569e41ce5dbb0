"""The Models & settings screen in a real browser: files got from a server that stalls, licences, deleting a person."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest

from engine import weights
from engine.jobs.record import new_job, write_job
from engine.people import NothingOfTheDeleted, delete_everything
from engine.progress import SilentReport
from engine.studio import Studio, preparing
from engine.studio.diagnostics import LOCAL, SOMEBODY, private
from engine.studio.installed import FileRow, Installed, NothingToDo
from engine.workspace import Workspace
from tests import weights_server as served
from tests.test_screen import REPOSITORY, SECONDS, App, drop, serious_flaws
from tests.weights_server import Served, Server, running

if TYPE_CHECKING:
    from playwright.sync_api import Page

DATA = bytes(range(256)) * 40_000
FILE = "RealESRGAN_x2plus.pth"
ID = "realesrgan-x2plus"

SERVE = """
import sys
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from engine import weights
import engine.studio.installed, engine.studio.diagnostics
home, port, url, sha256, size = sys.argv[1:]
files = dict(weights.CATALOGUE)
files["realesrgan-x2plus"] = replace(
    files["realesrgan-x2plus"], url=url, mirrors=(), sha256=sha256, size=int(size), plain=False
)
listed = MappingProxyType(files)
names = ("engine.weights", "engine.weights.catalogue", "engine.weights.places", "engine.weights.actions")
for name in (*names, "engine.studio.installed", "engine.studio.diagnostics"):
    sys.modules[name].CATALOGUE = listed
from engine.studio import Studio
from ui.app import serve
with Studio(Path(home), device="cpu") as studio:
    serve(studio, port=int(port), open_browser=False, default_recipe="toy")
sys.exit("torch was loaded beside the page" if "torch" in sys.modules else 0)
"""
"""The app with a list of weights in which one file lies on the test's own server."""


@dataclass
class OwnServer(App):
    """The app that gets one of its files from a server of the test."""

    url: str = ""

    def start(self) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        known = [self.url, hashlib.sha256(DATA).hexdigest(), str(len(DATA))]
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", SERVE, str(self.home), str(self.port), *known],
            cwd=REPOSITORY,
            env=environment | {"LIKENESS_SHARED_WEIGHTS": ""},
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


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running() as made:
        yield made


@pytest.fixture(scope="module")
def file(server: Server) -> Served:
    return server.serve(FILE, DATA, served.stall(4_000_000), *[served.stall(0)] * 9)


@pytest.fixture(scope="module")
def app(server: Server, file: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnServer]:
    home = tmp_path_factory.mktemp("home") / "likeness"
    made = OwnServer(home, port=8180, url=server.url(FILE))
    made.start()
    yield made
    if made.process is not None and made.process.poll() is None:
        assert made.stop()[0] == 0


def models(page: Page, app: App, group: str = "realesrgan") -> Page:
    page.set_default_timeout(120 * SECONDS)
    page.goto(f"{app.address}/#models")
    page.locator("#models-part .lk-status").get_by_text("files are here").wait_for()
    page.locator(f"details[data-group={group}]").evaluate("group => { group.open = true; }")
    return page


@pytest.mark.browser
def test_every_file_says_its_size_and_licence_and_one_is_accepted_by_name(app: OwnServer, browser_page: Page) -> None:
    page = models(browser_page, app, "codeformer")
    row = page.locator("[data-id=codeformer]")
    assert "376.6 MB" in row.inner_text()
    assert "Commercial use: no" in row.inner_text()
    assert row.get_by_role("button", name="Download").count() == 0, "it may not be got before"
    row.get_by_role("button", name="I accept S-Lab-1.0").click()
    row.get_by_role("button", name="Download").wait_for()
    record = json.loads((app.home / "weights" / ".weights.json").read_text())
    assert list(record["accepted"]) == ["S-Lab-1.0"]
    assert "yes (Apache-2.0)" in page.locator("[data-group=pocket]").inner_text()
    assert page.locator("[data-group=gfpgan]").text_content()
    assert serious_flaws(page) == []


@pytest.mark.browser
def test_a_download_shows_progress_is_stopped_survives_a_reload_and_is_gone_on_with(
    app: OwnServer, file: Served, browser_page: Page
) -> None:
    page = models(browser_page, app)
    row = page.locator(f"[data-id={ID}]")
    row.get_by_role("button", name="Download").click()
    row.get_by_text(re.compile(r"[34] of 10 MB")).wait_for()
    page.reload()
    row.get_by_text(re.compile(r"[34] of 10 MB")).wait_for()
    row.get_by_role("button", name="Stop").click()
    row.locator(".lk-state.partly").wait_for()
    row.get_by_text("kept, to go on from").wait_for()
    assert not (app.home / "weights" / FILE).exists()
    file.moves.clear()
    row.get_by_role("button", name="Go on").click()
    row.locator(".lk-state.there").wait_for()
    assert (app.home / "weights" / FILE).read_bytes() == DATA
    assert file.asked[-1]["range"].startswith("bytes=") and file.sent < len(DATA) * 1.5, "it began anew"
    page.get_by_text(f"{FILE} is downloaded and checked.").wait_for()


@pytest.mark.browser
def test_a_file_that_was_changed_is_found_damaged_and_one_of_the_user_takes_its_place(
    app: OwnServer, browser_page: Page, tmp_path: Path
) -> None:
    page = models(browser_page, app)
    row, place = page.locator(f"[data-id={ID}]"), app.home / "weights" / FILE
    with place.open("r+b") as written:  # in place, which leaves the folder's own time as it was
        written.truncate(len(DATA) // 2)
        row.get_by_text("so it is cut off").wait_for()
        written.seek(0)
        written.write(DATA[:-1] + b"!")
    row.get_by_text("damaged or exchanged").wait_for()
    row.get_by_role("button", name="Verify").click()
    page.locator(".lk-file-notices").get_by_text("damaged or exchanged").wait_for()
    own = tmp_path / "my file.pth"
    own.write_bytes(DATA)
    row.get_by_role("button", name="Delete").click()
    row.get_by_role("button", name="Delete").get_by_text("Really delete").click()
    row.locator(".lk-state.missing").wait_for()
    assert not place.exists()
    row.get_by_role("button", name="Use my file").click()
    page.keyboard.type(str(own))
    page.keyboard.press("Enter")
    row.locator(".lk-state.there").wait_for()
    assert place.read_bytes() == DATA and own.read_bytes() == DATA
    row.get_by_role("button", name="Verify").click()
    page.get_by_text(f"{FILE} is whole: its SHA-256 is as published.").wait_for()


@pytest.mark.browser
def test_a_file_that_changed_on_the_server_meanwhile_is_refused_in_words(
    app: OwnServer, file: Served, browser_page: Page
) -> None:
    page = models(browser_page, app)
    row = page.locator(f"[data-id={ID}]")
    row.get_by_role("button", name="Delete").click()
    row.get_by_role("button", name="Delete").get_by_text("Really delete").click()
    file.moves.extend([served.stall(2_000_000), *[served.stall(0)] * 9])
    row.get_by_role("button", name="Download").click()
    row.get_by_text(re.compile(r"[12] of 10 MB")).wait_for()
    row.get_by_role("button", name="Stop").click()
    row.locator(".lk-state.partly").wait_for()
    file.moves.clear()
    file.data, file.etag = DATA[::-1], '"two"'
    row.get_by_role("button", name="Go on").click()
    page.get_by_text("its SHA-256 is not the published one").wait_for()
    assert not (app.home / "weights" / FILE).exists()
    file.data, file.etag = DATA, '"three"'


@pytest.mark.browser
def test_nothing_is_downloaded_when_the_user_wants_none_of_it(app: OwnServer, browser_page: Page) -> None:
    page = models(browser_page, app)
    page.get_by_label("Download nothing").check()
    page.locator(f"[data-id={ID}]").get_by_role("button", name=re.compile("Download|Go on")).click()
    page.get_by_text("Nothing is downloaded, since").wait_for()
    page.get_by_label("Download nothing").uncheck()


@pytest.mark.browser
def test_a_person_is_deleted_from_the_screen_and_the_disk_is_searched(
    app: OwnServer, browser_page: Page, sample_faces: list[Path]
) -> None:
    page = browser_page
    page.set_default_timeout(120 * SECONDS)
    page.goto(app.address)
    page.get_by_label("Name", exact=True).fill("Zo\u00eb Nobody")
    page.get_by_label("Name", exact=True).press("Enter")
    drop(page, "#references", sample_faces[:1])
    page.locator(".lk-face").first.wait_for()
    person = next((app.home / "people").glob("zoe*")).name
    models(page, app)
    page.get_by_label("Who", exact=True).select_option("Zo\u00eb Nobody")
    page.get_by_role("button", name="Delete everything").click()
    page.locator(".lk-sure").get_by_role("button", name="Delete everything").click()
    page.get_by_text("nothing of them is left").wait_for()
    digest = hashlib.sha256(sample_faces[0].read_bytes()).hexdigest()[:16]
    left: list[Path] = []
    for folder, folders, files in os.walk(app.home):
        for path in (Path(folder, name) for name in (*folders, *files)):
            held = b""
            with suppress(FileNotFoundError, IsADirectoryError):  # the app goes on writing its own
                held = path.read_bytes()
            if person in path.name or digest in path.name or person.encode() in held:
                left.append(path)
    assert left == [], [path.read_text() for path in left if path.suffix == ".log"]
    page.get_by_role("tab", name="Restore").click()
    page.wait_for_function("document.querySelector('#lk-name').value === ''")


@pytest.mark.browser
def test_diagnostics_are_gathered_and_copied_without_names_photos_or_places(
    app: OwnServer, browser_page: Page, sample_faces: list[Path], tmp_path: Path
) -> None:
    page = browser_page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=app.address)
    photo = tmp_path / "Aunt Mathilda at the sea.jpg"
    photo.write_bytes(sample_faces[1].read_bytes())
    page.set_default_timeout(120 * SECONDS)
    page.goto(app.address)
    page.get_by_label("Name", exact=True).fill("Mathilda Nobody")
    page.get_by_label("Name", exact=True).press("Enter")
    drop(page, "#references", [photo])
    page.locator(".lk-face").first.wait_for()
    person = next((app.home / "people").glob("mathilda*"))
    broken = new_job(app.home / "jobs", app.home / "logs", "restore", {"person": person.name, "photo": str(photo)})
    broken.folder.mkdir()
    write_job(replace(broken, state="failed", error=f"{photo} of Mathilda Nobody cannot be read"))
    models(page, app)
    copy = page.get_by_role("button", name="Copy", exact=True)
    assert copy.is_hidden(), "there is nothing to copy yet"
    page.get_by_role("button", name="Gather").click()
    copy.wait_for()
    report = page.get_by_label("Diagnostics").input_value()
    page.evaluate(
        """() => {  // it says so for two seconds
            const button = document.querySelector("[data-do=copy]");
            const look = () => { if (button.textContent === "Copied") window.copied = true; };
            new MutationObserver(look).observe(button, { childList: true, characterData: true, subtree: true });
        }"""
    )
    copy.click()
    page.wait_for_function("window.copied")
    assert page.evaluate("navigator.clipboard.readText()") == report
    assert {"data: people: 1", "data: references: 1"} <= set(report.splitlines())
    assert "restore failed" in report, "that a job failed is told, and not whose"
    assert len(report.splitlines()) > 10
    private_words = ["mathilda", "nobody", "aunt", ".jpg", person.name, str(app.home), str(tmp_path), str(REPOSITORY)]
    digest = hashlib.sha256(photo.read_bytes()).hexdigest()[:16]
    for word in [*private_words, digest, str(Path.home()), socket.gethostname()]:
        assert word.casefold() not in report.casefold(), word
    assert serious_flaws(page) == []


@pytest.mark.browser
def test_the_keys_are_listed_and_it_fits_a_phone(app: OwnServer, browser_page: Page) -> None:
    page = models(browser_page, app)
    page.locator("#tab-models").focus()
    page.keyboard.press("?")
    page.locator("dialog.lk-keys").get_by_text("Open a group").wait_for()
    page.keyboard.press("Escape")
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def until(installed: Installed, state: str, least: int = 0) -> FileRow:
    """Wait until the file is in a state, and give its row."""
    end = time.monotonic() + 60
    while True:
        row = next(row for row in installed.view().rows if row.file.id == ID)
        if row.state == state and row.done >= least:
            return row
        assert time.monotonic() < end, f"the file is {row.state}: {installed.view().notices}"
        time.sleep(0.05)


def test_files_are_got_stopped_gone_on_with_and_checked_without_a_page(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with running() as server, Studio(workspace.root, device="cpu") as studio:
        file = server.serve(FILE, DATA, served.stall(4_000_000), served.stall(0))
        known: dict[str, Any] = {"url": server.url(FILE), "mirrors": (), "size": len(DATA), "plain": False}
        published = replace(weights.CATALOGUE[ID], sha256=hashlib.sha256(DATA).hexdigest(), **known)
        listed = MappingProxyType({**weights.CATALOGUE, ID: published})
        for module in ("weights", "weights.places", "weights.actions", "studio.installed"):
            monkeypatch.setattr(f"engine.{module}.CATALOGUE", listed)
        with closing(Installed(studio)) as installed:
            until(installed, "missing")
            installed.get(ID)
            assert until(installed, "getting", 3).total == len(DATA) // 1_000_000
            with pytest.raises(NothingToDo, match="already"):
                installed.verify(ID)
            installed.stop(ID)
            until(installed, "partly", 3)
            file.moves.clear()
        with closing(Installed(studio)) as installed:  # as after a restart
            until(installed, "partly", 3)
            installed.get(ID)
            row = until(installed, "there")
            assert row.path is not None and row.path.read_bytes() == DATA
            row.path.write_bytes(DATA[:-1] + b"!")
            installed.verify(ID)
            assert "differs" in until(installed, "damaged").sentence
            installed.delete(ID)
            until(installed, "missing")
            own = workspace.root / "my file.pth"
            own.write_bytes(DATA)
            installed.use(own, ID)
            until(installed, "there")
            assert (workspace.weights / FILE).read_bytes() == DATA
            installed.delete(ID)
            until(installed, "missing")
            assert own.exists()
            installed.set_offline(True)
            with pytest.raises(NothingToDo, match="Allow downloads first"):
                installed.get(ID)
            with pytest.raises(weights.LicenceNotAccepted, match="Accept it first"):
                installed.get("codeformer")
            with pytest.raises(NothingToDo, match="whole path"):
                installed.use(Path("net.pth"))


def test_deleting_a_person_takes_what_other_rooms_keep_of_them_and_leaves_others(
    workspace: Workspace, sample_faces: list[Path]
) -> None:
    people = preparing.library(workspace)
    anna, ben = people.create("Anna"), people.create("Ben")
    people.add(anna, sample_faces[:1])
    people.add(ben, sample_faces[1:2])
    for person in (anna, ben):
        job = new_job(workspace.jobs, workspace.logs, "tune", {"person": person.id})
        job.folder.mkdir()
        write_job(job)
        job.log.write_text("nothing in particular")
        shown = workspace.cache / "previews" / f"{people.references(person)[0].id}.jpg"
        shown.parent.mkdir(exist_ok=True)
        shown.write_bytes(b"a picture")
    (workspace.logs / "page.log").write_text(f"something about {anna.id}")
    made = delete_everything(workspace, people, anna, SilentReport())
    assert made.left == ()
    assert made.files >= 6
    assert made.size > sample_faces[0].stat().st_size
    assert [person.name for person in people.list()] == ["Ben"]
    assert len(list(workspace.jobs.glob("job-*"))) == 1
    assert len(list(workspace.logs.glob("job-*.log"))) == 1
    assert [file.stem for file in (workspace.cache / "previews").iterdir()] == [people.references(ben)[0].id]


def test_work_that_ends_after_a_deletion_writes_nothing_of_the_person_into_the_log(workspace: Workspace) -> None:
    people = preparing.library(workspace)
    anna, ben = people.create("Anna"), people.create("Ben")
    log, written = logging.getLogger("tests.late"), StringIO()
    handler = logging.StreamHandler(written)
    handler.addFilter(NothingOfTheDeleted(workspace.people))
    log.addHandler(handler)

    def late() -> None:
        for person in (anna, ben):
            folder = workspace.people / person.id
            log.warning("a face has no picture: there is no folder %s. Make it first; %s.", folder / "crops", folder)
            try:
                (folder / "crops" / "none.jpg").read_bytes()
            except OSError:
                log.exception("it could not be read")
        log.warning("something else in %s", workspace.people)

    try:
        late()
        assert written.getvalue().count(anna.id) == written.getvalue().count(ben.id) >= 2
        delete_everything(workspace, people, anna, SilentReport())
        written.truncate(0)
        late()
    finally:
        log.removeHandler(handler)
    assert anna.id not in written.getvalue()
    assert written.getvalue().count(ben.id) >= 2 and "something else" in written.getvalue()


def test_what_mentions_the_person_elsewhere_is_reported(workspace: Workspace) -> None:
    people = preparing.library(workspace)
    anna = people.create("Anna")
    notes = workspace.root / "notes.txt"
    notes.write_text(f"written by hand about {anna.id}")
    assert delete_everything(workspace, people, anna, SilentReport()).left == (notes,)


def test_a_report_to_pass_on_holds_no_name_and_no_place(tmp_path: Path) -> None:
    text = "\n".join(
        (
            f"data folder: {tmp_path / 'likeness'} is held",
            "log: C:\\Photos\\Anna\\holiday.jpg and \\\\server\\share\\x and ~/Pictures/y.png",
            "Zo\u00eb O'Nobody's job failed; zo\u00eb o'nobody again",
            "torch: 2.14.1 on cpu, bf16; 3/4 of it",
        )
    )
    made = private(text, ["Anna", "Zo\u00eb O'Nobody"], tmp_path / "likeness")
    for word in ("likeness", "Anna", "holiday", "server", "Pictures", "Nobody", "nobody"):
        assert word not in made
    assert made.splitlines()[0] == f"data folder: {LOCAL} is held"
    assert made.splitlines()[2] == f"{SOMEBODY}'s job failed; {SOMEBODY} again"
    assert made.splitlines()[3] == "torch: 2.14.1 on cpu, bf16; 3/4 of it"
