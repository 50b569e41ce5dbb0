"""Downloads from a real server that cuts, stalls, lies, changes the file and hands out web pages."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from engine.progress import Cancelled, SilentReport, silent
from engine.weights.connection import Patience
from engine.weights.download import DownloadFailed, Fetched, Wanted, fetch
from engine.weights.files import WeightsDamaged
from engine.workspace import DiskFull, WorkspaceBusy
from tests import weights_server as bad
from tests.test_workspace import ENVIRONMENT, with_little_room

DATA = bytes(range(256)) * 8192
OTHER = DATA[::-1]
HURRY = Patience(connect_seconds=10, stall_seconds=5, tries=2, wait_seconds=0.01)
NAME = "net.pth"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def server():
    with bad.running() as running:
        yield running


@pytest.fixture
def second():
    """Another server, for mirrors."""
    with bad.running() as running:
        yield running


def wanted(data=DATA, *, known=True) -> Wanted:
    return Wanted(NAME, hashlib.sha256(data).hexdigest() if known else None, len(data) if known else None)


def get(
    folder: Path,
    want: Wanted,
    *urls: str,
    tick=silent,
    check: Callable[[Path], None] = lambda _: None,
    patience: Patience = HURRY,
) -> Fetched:
    return fetch(want, urls, folder / NAME, Told(tick), check=check, patience=patience)


class Told(SilentReport):
    """A report that hands its ticks on, and keeps the stages that it heard of."""

    def __init__(self, tick) -> None:
        self._tick, self.stages = tick, list[str]()

    def tick(self, stage: str, done: int, total: int) -> None:
        self.stages.append(stage)
        self._tick(done, total)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


def after(count: int):
    """A tick that stops the work once it was called that often."""
    left = [count]

    def tick(done: int, total: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Cancelled

    return tick


@pytest.mark.skipif(os.name == "nt", reason="Windows has other rights")
def test_a_download_makes_the_folder_for_its_owner_alone(server, tmp_path):
    server.serve(NAME, DATA)
    get(tmp_path / "weights", wanted(), server.url(NAME))
    assert stat.S_IMODE((tmp_path / "weights").stat().st_mode) == 0o700


def test_a_file_arrives_whole_with_its_progress_and_leaves_nothing_beside_it(server, tmp_path):
    server.serve(NAME, DATA)
    seen: list[tuple[int, int]] = []
    report = Told(lambda *now: seen.append(now))
    made = fetch(wanted(), [server.url(NAME)], tmp_path / NAME, report, check=lambda _: None, patience=HURRY)
    assert (tmp_path / NAME).read_bytes() == DATA
    assert names(tmp_path) == [NAME]
    assert made == Fetched(hashlib.sha256(DATA).hexdigest(), len(DATA), server.url(NAME), ())
    assert {total for _, total in seen} == {2}
    assert [done for done, _ in seen][: report.stages.count(f"getting {NAME}, MB")] == sorted(
        done for (done, _), stage in zip(seen, report.stages, strict=True) if stage == f"getting {NAME}, MB"
    )
    assert list(dict.fromkeys(report.stages)) == [f"getting {NAME}, MB", f"checking {NAME}, MB"]
    assert seen[-1] == (2, 2)


def test_a_cut_download_goes_on_where_it_was(server, tmp_path):
    served = server.serve(NAME, DATA, bad.cut(700_000), bad.cut(400_000))
    made = get(tmp_path, wanted(), server.url(NAME))
    assert (tmp_path / NAME).read_bytes() == DATA
    assert "range" not in served.asked[0]
    starts = [int(asked["range"].removeprefix("bytes=").removesuffix("-")) for asked in served.asked[1:]]
    assert len(starts) == 2 and 0 < starts[0] <= 700_000 and starts[0] < starts[1] <= 1_100_000
    assert [asked["if-range"] for asked in served.asked[1:]] == ['"one"', '"one"']
    assert made.notes == ()


def test_a_stopped_download_is_kept_and_goes_on_in_another_process(server, tmp_path):
    served = server.serve(NAME, DATA, bad.stall(900_000))
    part = tmp_path / f".{NAME}.partial"

    def tick(done: int, total: int) -> None:
        if part.is_file() and part.stat().st_size:
            raise Cancelled

    with pytest.raises(Cancelled):
        get(tmp_path, wanted(known=False), server.url(NAME), tick=tick)
    assert not (tmp_path / NAME).exists()
    kept = part.stat().st_size
    assert 0 < kept <= 900_000
    code = (
        "import sys\nfrom pathlib import Path\nfrom engine.progress import SilentReport\n"
        "from engine.weights.download import Wanted, fetch\n"
        "place, wanted = Path(sys.argv[2]), Wanted('net.pth', None, None)\n"
        "made = fetch(wanted, [sys.argv[1]], place, SilentReport(), check=lambda p: None)\n"
        "print(made.sha256)"
    )
    command = [sys.executable, "-c", code, server.url(NAME), str(tmp_path / NAME)]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == hashlib.sha256(DATA).hexdigest()
    assert served.asked[1]["range"] == f"bytes={kept}-"
    assert names(tmp_path) == [NAME]


def test_a_stop_is_heard_at_once_while_the_server_says_nothing(server, tmp_path):
    server.serve(NAME, DATA, bad.stall(1000))
    part, stop = tmp_path / f".{NAME}.partial", after(8)
    began = time.monotonic()

    def once_there(*now):
        if part.is_file() and part.with_name(f"{part.name}.json").is_file():
            stop(*now)

    with pytest.raises(Cancelled):
        fetch(
            wanted(),
            [server.url(NAME)],
            tmp_path / NAME,
            Told(once_there),
            check=lambda _: None,
            patience=Patience(stall_seconds=600),
        )
    assert time.monotonic() - began < 15, "it would say nothing for 20"
    assert names(tmp_path) == [f".{NAME}.partial", f".{NAME}.partial.json"]


@pytest.mark.parametrize("known", [True, False])
def test_a_file_that_changed_on_the_server_starts_anew_and_says_so(server, tmp_path, known):
    served = server.serve(NAME, DATA, bad.cut(700_000), bad.changed(OTHER, '"two"'))
    made = get(tmp_path, wanted(OTHER, known=known), server.url(NAME))
    assert (tmp_path / NAME).read_bytes() == OTHER
    assert made.notes == (f"{NAME} changed on the server, so its download started anew.",)
    assert served.asked[1]["if-range"] == '"one"'


def test_a_server_that_cannot_continue_starts_anew_and_says_so(server, tmp_path):
    server.serve(NAME, DATA, bad.cut(700_000), ranges=False)
    made = get(tmp_path, wanted(), server.url(NAME))
    assert (tmp_path / NAME).read_bytes() == DATA
    assert made.notes == (f"{NAME} cannot be continued where it broke off, so its download started anew.",)


def test_when_one_address_dies_half_way_the_mirror_goes_on_from_there(server, second, tmp_path):
    server.serve(NAME, DATA, *[bad.stall(300_000)] * 2, *[bad.status(503)] * 4)
    mirror = second.serve("other-name.pth", DATA)
    hasty = replace(HURRY, stall_seconds=2)
    made = get(tmp_path, wanted(), server.url(NAME), second.url("other-name.pth"), patience=hasty)
    assert (tmp_path / NAME).read_bytes() == DATA
    assert int(mirror.asked[0]["range"].removeprefix("bytes=").removesuffix("-")) > 256_000
    (note,) = made.notes
    assert note == (
        f"{NAME} came from 127.0.0.1:{second.server_port}, since 127.0.0.1:{server.server_port} is busy or broken "
        "(answer 503)."
    )


def test_without_a_known_sha256_a_mirror_begins_anew(server, second, tmp_path):
    server.serve(NAME, DATA, bad.cut(1_000_000), *[bad.status(500)] * 4)
    mirror = second.serve(NAME, OTHER)
    get(tmp_path, wanted(known=False), server.url(NAME), second.url(NAME))
    assert (tmp_path / NAME).read_bytes() == OTHER
    assert "range" not in mirror.asked[0]


def test_what_came_before_and_does_not_fit_is_thrown_away(server, second, tmp_path):
    server.serve(NAME, OTHER, bad.cut(600_000), *[bad.status(500)] * 4)
    second.serve(NAME, DATA)
    made = get(tmp_path, wanted(), server.url(NAME), second.url(NAME))
    assert (tmp_path / NAME).read_bytes() == DATA
    assert made.notes[0] == f"What had come of {NAME} before did not fit, so its download started anew."


@pytest.mark.parametrize(
    ("move", "sentence"),
    [
        (bad.offer(len(DATA) - 5), f"offers {len(DATA) - 5:,} bytes and the file has {len(DATA):,}"),
        (bad.offer(len(DATA) + 5), f"offers {len(DATA) + 5:,} bytes and the file has {len(DATA):,}"),
        (bad.page("text/html; charset=utf-8"), "sends a web page instead of the file"),
        (bad.page("application/octet-stream"), "offers 56 bytes"),
        (bad.status(404), "does not have it or gives it to nobody (answer 404)"),
        (bad.status(302), "gives an answer that is no file (answer 302)"),
        (bad.changed(DATA[:-1] + b"x", '"1"'), "gave another file: its SHA-256 is not the published one"),
    ],
)
def test_a_wrong_answer_is_named_and_leaves_nothing(server, tmp_path, move, sentence):
    server.serve(NAME, DATA, move, move)
    (tmp_path / NAME).write_bytes(b"the old one")
    with pytest.raises(DownloadFailed) as failed:
        get(tmp_path, wanted(), server.url(NAME))
    assert f"{NAME} was not downloaded: 127.0.0.1:{server.server_port} {sentence}" in str(failed.value)
    assert "run the same command" in str(failed.value)
    assert names(tmp_path) == [NAME]
    assert (tmp_path / NAME).read_bytes() == b"the old one"


def test_a_web_page_of_any_kind_is_told_from_a_file_of_unknown_size(server, tmp_path):
    server.serve(NAME, DATA, bad.page("application/octet-stream"))
    with pytest.raises(DownloadFailed, match="sends a web page instead of the file"):
        get(tmp_path, wanted(known=False), server.url(NAME))
    assert names(tmp_path) == []


def test_a_body_longer_or_shorter_than_the_file_is_refused(server, tmp_path):
    want = wanted()
    for data, sentence in ((DATA + b"more", f"sends more than the {len(DATA):,} bytes"), (DATA[:-9], "bytes and the")):
        server.serve(NAME, data, bad.unmeasured)
        with pytest.raises(DownloadFailed, match=sentence):
            get(tmp_path, want, server.url(NAME))
        assert names(tmp_path) == []
    server.serve(NAME, DATA, bad.unmeasured)
    get(tmp_path, want, server.url(NAME))
    assert (tmp_path / NAME).read_bytes() == DATA


def test_a_file_that_is_no_weights_is_refused_though_its_sha256_is_unknown(server, tmp_path):
    server.serve(NAME, DATA)

    def check(path: Path) -> None:
        assert path.read_bytes() == DATA
        raise WeightsDamaged("no")

    with pytest.raises(DownloadFailed, match="gave something that is no file of these weights"):
        get(tmp_path, wanted(known=False), server.url(NAME), check=check)
    assert names(tmp_path) == []


def test_no_network_is_told_in_words_and_what_came_is_kept(server, tmp_path):
    server.serve(NAME, DATA, bad.cut(1_100_000), bad.status(503))
    with bad.running() as gone:
        nowhere = gone.url(NAME)
    with pytest.raises(DownloadFailed) as failed:
        get(tmp_path, wanted(), nowhere, server.url(NAME))
    assert "cannot be reached (" in str(failed.value) and "(answer 503)" in str(failed.value)
    assert "Check the network and run the same command" in str(failed.value)
    assert str(failed.value).endswith("MB that came are kept.")
    assert get(tmp_path, wanted(), server.url(NAME)).notes == ()
    assert (tmp_path / NAME).read_bytes() == DATA


def test_a_disk_that_has_no_room_is_told_before_anything_comes(server, tmp_path):
    served = server.serve(NAME, DATA, bad.unmeasured)
    with pytest.raises(
        DiskFull, match=r"There is not enough room in .*: 1,000,000,000 MB and 64 MB to spare are needed"
    ):
        get(tmp_path, Wanted(NAME, None, 10**15), server.url(NAME))
    assert names(tmp_path) == []
    assert len(served.asked) == 1


def test_a_disk_that_fills_up_on_the_way_leaves_nothing_behind(server, tmp_path):
    server.serve(NAME, DATA, bad.unmeasured)
    folder = tmp_path / "small"
    folder.mkdir()
    before, limit = with_little_room(folder)
    code = limit + (
        "import sys\nfrom pathlib import Path\nfrom engine.progress import SilentReport\n"
        "from engine.weights.download import Wanted, fetch\nfrom engine.workspace import DiskFull\n"
        "folder = Path(sys.argv[2])\n"
        "wanted, place = Wanted('net.pth', None, None), folder / 'net.pth'\n"
        "try:\n    fetch(wanted, [sys.argv[1]], place, SilentReport(), check=lambda p: None)\n"
        "except DiskFull as error:\n    print(error)\n"
        "print(sorted(p.name for p in folder.iterdir() if p.suffix != '.lock'))"
    )
    command = [*before, sys.executable, "-W", "error", "-c", code, server.url(NAME), str(folder)]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    said, left = done.stdout.strip().splitlines()
    assert "is full, so the download was given up and nothing of it was left behind" in said
    assert left == "[]"


def test_the_proxy_of_the_environment_is_used(server, tmp_path, monkeypatch):
    served = server.serve(NAME, DATA)
    monkeypatch.setenv("HTTP_PROXY", server.url(""))
    get(tmp_path, wanted(), f"http://weights.invalid/{NAME}")
    assert served.asked[0]["host"] == "weights.invalid"
    assert (tmp_path / NAME).read_bytes() == DATA


def test_two_at_once_do_not_mix(server, tmp_path):
    server.serve(NAME, DATA)

    def tick(done: int, total: int) -> None:
        with pytest.raises(WorkspaceBusy, match=f"Another Likeness is downloading {NAME}"):
            get(tmp_path, wanted(), server.url(NAME))

    get(tmp_path, wanted(), server.url(NAME), tick=tick)
    assert (tmp_path / NAME).read_bytes() == DATA


def test_a_record_of_a_broken_download_that_is_damaged_starts_anew(server, tmp_path):
    served = server.serve(NAME, DATA)
    (tmp_path / f".{NAME}.partial").write_bytes(DATA[:500_000])
    (tmp_path / f".{NAME}.partial.json").write_text(json.dumps({"url": 3}), encoding="utf-8")
    get(tmp_path, wanted(), server.url(NAME))
    assert "range" not in served.asked[0]
    assert (tmp_path / NAME).read_bytes() == DATA
