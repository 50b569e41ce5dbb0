"""The command line as users have it: real processes for whole jobs, and its parts where a process adds nothing."""

from __future__ import annotations

import errno
import inspect
import io
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import typer

from engine import __version__
from engine.errors import EngineError
from engine.people import SUBJECTS
from engine.progress import Cancelled
from engine.tuning import RECIPES
from engine.workspace import Workspace
from tests.toys import face_folder
from ui.cli import call, fields, main, people, report
from ui.cli.table import table

REPOSITORY = Path(__file__).resolve().parents[1]
APP = REPOSITORY / "app.py"
PATIENCE_SECONDS = 600
"""For a machine that does much else."""


@dataclass(frozen=True)
class Ended:
    """What a command left."""

    code: int
    out: str
    err: str

    @property
    def value(self) -> Any:
        return json.loads(self.out)

    @property
    def complaint(self) -> str:
        """The one line in which a command says why it failed."""
        (line,) = [line for line in self.err.splitlines() if line.startswith("likeness: ")]
        return line.removeprefix("likeness: ")


def likeness(*arguments: str | Path, cwd: Path, before: str = "") -> Ended:
    """Run a command in a process of its own; `before` is Python that runs there first."""
    start = [sys.executable, APP]
    if before:
        run = f"import os, sys\n{before}\nos.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
        start = [sys.executable, "-c", run, APP]
    made = subprocess.run(
        [*start, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        stdin=subprocess.DEVNULL,
    )
    return Ended(made.returncode, made.stdout, made.stderr)


def here(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> Ended:
    """Run a command in this process, which has torch loaded already."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main.app([str(a) for a in arguments])
    said = capsys.readouterr()
    return Ended(int(ended.value.code or 0), said.out, said.err)


def stopped_after(text: str, *arguments: str | Path, cwd: Path) -> Ended:
    """Run a command in a process of its own and send it Ctrl-C once `text` stands on its stderr."""
    with subprocess.Popen(
        [sys.executable, APP, *arguments], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr
        said: list[str] = []
        for line in process.stderr:
            said.append(line)
            if text in line:
                process.send_signal(signal.SIGINT)
                text = "\0"
        out = process.stdout.read() if process.stdout else ""
        return Ended(process.wait(PATIENCE_SECONDS), out, "".join(said))


def undocumented(command: str, value: Any) -> set[str]:
    """Give the fields of an answer that are not documented, and the documented ones that it lacks."""
    documented = set(fields.fields_of(command))
    found: set[str] = set()
    emptied: set[str] = set()

    def walk(part: Any, path: str) -> None:
        if path in documented:
            found.add(path)
        elif isinstance(part, dict):
            for name, inner in part.items():
                walk(inner, f"{path}.{name}" if path else name)
        elif isinstance(part, list):
            if not part:
                emptied.add(f"{path}[]")
            for inner in part:
                walk(inner, f"{path}[]")
        else:
            found.add(path)

    walk(value, "")
    lacking = {name for name in documented - found if not name.startswith(tuple(emptied))}
    return (found - documented) | lacking


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing of it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


def side_by_side(photos: list[Path], path: Path) -> Path:
    from engine import images

    faces = [images.resize(images.read_photo(photo).pixels, (400, 420)) for photo in photos]
    return images.save_photo(np.concatenate(faces, axis=1), path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder that the tests of this file stand in."""
    return tmp_path_factory.mktemp("cli")


@pytest.fixture(scope="module")
def ann(folder: Path, sample_faces: list[Path]) -> Path:
    """A data folder in which Ann is the sample person."""
    home = folder / "home-of-ann"
    made = likeness("people", "add", "Ann", *sample_faces[:4], "--workspace", home, "--json", cwd=folder)
    assert made.code == 0, made.err
    assert undocumented("people add", made.value) == set()
    assert (made.value["created"], made.value["accepted"]) == (True, 4)
    return home


# Help and wrong usage


def test_help_lists_every_command(folder: Path) -> None:
    made = likeness("--help", cwd=folder)
    assert made.code == 0
    for name in (
        "people",
        "weights",
        "tune",
        "export-lora",
        "recipes",
        "restore",
        "restore-as",
        "restorers",
        "demo",
        "edit",
        "evaluate",
        "evaluate-galleries",
        "card",
        "figures",
        "pretrain",
        "bench",
        "bench-faces",
        "bench-sliders",
        "doctor",
    ):
        assert f"\n  {name} " in made.out


def test_each_command_tells_its_fields_in_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    for name in (*fields.FIELDS, *fields.SAME_AS):
        said = here(capsys, *name.split(), "--help")
        assert said.code == 0
        told = " ".join(said.out.split()).partition("Fields with --json: ")[2]
        first, _, second = told.partition(" Of a FOLDER: ")
        answer = second if name.endswith("FOLDER") else first
        assert answer.rstrip(".").split(", ") == list(fields.fields_of(name))
        assert "--workspace" in said.out
    assert len(list(fields.markdown())) == 2 + sum(len(fields.fields_of(n)) for n in (*fields.FIELDS, *fields.SAME_AS))


def test_the_readme_lists_every_field() -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert "\n".join(fields.markdown()) in readme, "put what ui.cli.fields.markdown() gives into README.md"


def test_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert here(capsys, "--version") == Ended(0, f"{__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["tun"], "No such command 'tun'"),
        (["restore"], "Missing argument"),
        (["restore", ".", "--out", "x.png"], "--out-dir DIR"),
        (["restore", "a.jpg", "--out", "x.png", "--out-dir", "y"], "give one of them"),
        (["restore", "--again", "x.png.json", "--seed", "3"], "PHOTO and how to write it"),
        (["restore", "--again", "x.png.json", "--blend", "0.5"], "PHOTO and how to write it"),
        (["people", "add", "Ann", "a.jpg", "--subject", "dog"], "--subject"),
        (["pretrain", "faces", "--out", "x", "--plan", "huge"], "the plans are: small,"),
        (["restore", "a.jpg", "--seed", "-1"], "--seed"),
    ],
)
def test_wrong_usage_is_told_with_exit_code_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    made = here(capsys, *arguments)
    assert (made.code, made.out) == (2, "")
    assert words in made.err


def test_the_subjects_on_the_command_line_are_those_of_the_engine() -> None:
    subject = inspect.signature(people.add, eval_str=True).parameters["subject"]
    assert get_args(get_args(subject.annotation)[0]) == SUBJECTS


def test_listing_people_loads_no_networks(folder: Path) -> None:
    watch = (
        f"import runpy, sys; sys.path.insert(0, {str(REPOSITORY)!r})\n"
        f"sys.argv = ['app.py', 'people', 'list', '--workspace', {str(folder / 'nobody')!r}]\n"
        "try:\n"
        f"    runpy.run_path({str(APP)!r}, run_name='__main__')\n"
        "except SystemExit as end:\n"
        "    print(end.code, [n for n in ('torch', 'gradio', 'diffusers', 'transformers') if n in sys.modules])\n"
    )
    said = subprocess.run([sys.executable, "-c", watch], capture_output=True, text=True, check=True).stdout
    assert said.splitlines() == ["Nobody yet. Add somebody: python app.py people add NAME PHOTOS...", "0 []"]


# Options of every command


def test_options_after_the_command_win_over_those_before() -> None:
    before = call.Given(Path("a"), "cpu", quiet=True)
    assert call.Given().over(before) == before
    assert call.Given(Path("b"), None, as_json=True).over(before).call() == call.Call(Path("b"), "cpu", True, True)


def test_the_workspace_may_stand_before_or_after_the_command(capsys: pytest.CaptureFixture[str], ann: Path) -> None:
    for arguments in (
        ("--workspace", ann, "people", "list", "--json"),
        ("people", "list", "--workspace", ann, "--json"),
    ):
        made = here(capsys, *arguments)
        assert [row["name"] for row in made.value["people"]] == ["Ann"]
        assert undocumented("people list", made.value) == set()


# How a command ends


@pytest.mark.parametrize(
    ("raised", "code", "words"),
    [
        (EngineError("Nothing is\nthere."), 1, "Nothing is there."),
        (Cancelled(), 130, "stopped; nothing is half written"),
        (KeyboardInterrupt(), 130, "Go on with the same command."),
        (ModuleNotFoundError("no", name="dlib"), 1, "dlib is not installed. Run: python -m pip install -r"),
        (MemoryError(), 1, "there is not enough memory."),
    ],
)
def test_what_a_command_raises_becomes_a_line_and_an_exit_code(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, raised: BaseException, code: int, words: str
) -> None:
    with pytest.raises(typer.Exit) as ended, call.ending(tmp_path):
        raise raised
    said = capsys.readouterr().err
    assert ended.value.exit_code == code
    assert said.startswith("likeness: ") and words in said and said.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_bug_is_logged_with_its_traceback(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(typer.Exit) as ended, call.ending(tmp_path):
        raise ZeroDivisionError("by nothing")
    (log,) = (tmp_path / "logs").iterdir()
    assert ended.value.exit_code == 3
    assert capsys.readouterr().err == (
        f"likeness: something broke that should not (ZeroDivisionError). The log is at {log}\n"
    )
    assert "Traceback" in log.read_text() and "by nothing" in log.read_text()


def test_a_bug_is_told_whole_where_no_log_can_be_written(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(typer.Exit), call.ending(tmp_path / "file" / "home"):
        raise ZeroDivisionError("by nothing")
    said = capsys.readouterr().err
    assert "ZeroDivisionError: by nothing" in said
    assert "No log could be written: The data folder" in said


def test_an_answer_that_nobody_takes_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Full(io.StringIO):
        def flush(self) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sys, "stdout", Full())
    with pytest.raises(call.NotAnswered, match="could not be written: No space left on device"):
        call.Call(tmp_path).answer({}, ["all"])


# Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def ticked(stream: io.StringIO, *, quiet: bool = False) -> str:
    """What is written of forty steps of two seconds each."""
    now = [0.0]
    shown = report.ConsoleReport(stream, quiet=quiet, clock=lambda: now[0])
    shown.tick("loading", 0, 1)
    for step in range(1, 41):
        shown.tick("personalizing", step, 40)
        now[0] += 2.0
    shown.preview("step 40", Path("forty.png"))
    return stream.getvalue()


def test_progress_in_a_file_is_a_line_now_and_then() -> None:
    lines = ticked(io.StringIO()).splitlines()
    assert lines[:3] == ["loading", "personalizing: 1 of 40", "personalizing: 6 of 40, about 68 s left"]
    assert lines[-2:] == ["personalizing: 40 of 40", "step 40: forty.png"]
    assert len(lines) == 11


def test_progress_on_a_terminal_is_one_line_drawn_anew() -> None:
    said = ticked(Terminal())
    assert said.count("\r\x1b[K") == 42
    assert "\r\x1b[Kpersonalizing: 39 of 40, about 2 s left" in said
    assert said.endswith("\r\x1b[Kstep 40: forty.png\n")


def test_quiet_says_nothing() -> None:
    assert ticked(io.StringIO(), quiet=True) == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "about 1 s"), (75, "about 75 s"), (200, "about 3 min"), (7800, "about 2 h 10 min"), (7200, "about 2 h")],
)
def test_the_time_left_is_told_as_people_say_it(seconds: float, text: str) -> None:
    assert report.time_left(seconds) == text


def test_ctrl_c_is_fulfilled_at_the_next_tick_and_a_second_one_at_once(capfd: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGINT)
    with report.ConsoleReport(io.StringIO(), quiet=True) as shown:
        shown.tick("personalizing", 1, 4)
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(Cancelled):
            shown.tick("personalizing", 2, 4)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
    assert "stopping at the next step; Ctrl-C again ends at once" in capfd.readouterr().err


def test_tables_line_up_also_with_wide_letters() -> None:
    rows = [{"name": "Zoë", "psnr": 21.5}, {"name": "山田", "psnr": 9.0}, {"name": "a\x1bb", "psnr": 10.25}]
    assert table(rows) == ["name   psnr", "Zoë    21.5", "山田      9", "a?b   10.25"]
    assert table([]) == []


# Bad photos


@pytest.fixture(scope="module")
def bad_photos(folder: Path, sample_damaged: list[Path]) -> Path:
    place = folder / "bad"
    (place / "empty folder").mkdir(parents=True)
    (place / "text.jpg").write_text("no picture at all")
    (place / "cut.jpg").write_bytes(sample_damaged[0].read_bytes()[:4000])
    (place / "empty.png").touch()
    (place / "huge.png").write_bytes(png_header(40_000, 40_000))
    return place


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("text.jpg", "text.jpg is not a photo"),
        ("cut.jpg", "cut.jpg is damaged or cut off"),
        ("empty.png", "empty.png is empty"),
        ("huge.png", "40000 x 40000"),
        ("nowhere.jpg", "nowhere.jpg"),
        ("empty folder", "The folder empty folder holds no photos."),
    ],
)
def test_a_bad_photo_is_refused_in_one_sentence_with_nothing_written(bad_photos: Path, name: str, words: str) -> None:
    before = sorted(bad_photos.iterdir())
    made = likeness("restore", name, "--restorer", "enlarge", cwd=bad_photos)
    assert (made.code, made.out) == (1, "")
    assert words in made.complaint and made.complaint.endswith(".")
    assert sorted(bad_photos.iterdir()) == before


def test_bad_photos_make_nobody(bad_photos: Path, home: Path) -> None:
    made = likeness("people", "add", "Bob", ".", "empty folder", "nowhere", "--json", cwd=bad_photos)
    assert made.code == 1
    assert undocumented("people add", made.value) == set()
    assert {row["file"]: row["reason"] for row in made.value["faces"]} == dict.fromkeys(
        ["cut.jpg", "empty.png", "huge.png", "text.jpg", "empty folder", "nowhere"], "unreadable"
    )
    assert made.complaint.startswith("6 of 6 could not be used; the first: ")
    assert list((home / "people").iterdir()) == []


AS_NO_ROOT = """
import ctypes
if os.geteuid() == 0:  # root without what lets root into every folder: CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH
    for right in (1, 2):
        ctypes.CDLL(None).prctl(24, right, 0, 0, 0)
"""


def test_folders_that_may_not_be_read_or_written_are_told(folder: Path, home: Path) -> None:
    closed = folder / "closed"
    closed.mkdir()
    closed.chmod(0)
    reading = likeness("people", "add", "Bob", closed, cwd=folder, before=AS_NO_ROOT)
    writing = likeness("people", "list", "--workspace", closed / "home", cwd=folder, before=AS_NO_ROOT)
    closed.chmod(0o700)
    assert (reading.code, writing.code) == (1, 1)
    assert reading.complaint.startswith(f"The folder {closed} cannot be listed: Permission denied.")
    assert writing.complaint.startswith(f"The data folder {closed / 'home'} cannot be made: Permission denied.")
    assert list((home / "people").iterdir()) == list(closed.iterdir()) == []


def test_a_photo_without_a_face_and_a_face_that_is_not_there(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    sample_faces: list[Path],
) -> None:
    from engine import images

    monkeypatch.chdir(tmp_path)
    images.save_photo(np.full((300, 400, 3), 0.5, np.float32), "grey.png")
    made = here(capsys, "restore", "grey.png", "--restorer", "enlarge")
    assert (made.code, made.complaint) == (
        1,
        "No face found in grey.png (400 x 300 px), nor in the cleaned picture. "
        'Say where it is with --points "x,y x,y x,y" (eyes and mouth), or mark it on the page.',
    )
    side_by_side(sample_faces[:5], Path("five.png"))
    made = here(capsys, "restore", "five.png", "--restorer", "enlarge", "--face", "6")
    assert (made.code, made.complaint) == (
        1,
        "five.png has 5 face(s), counted from 1, largest first; 6 was wanted.",
    )
    made = here(capsys, "restore", "five.png", "--restorer", "enlarge", "--face", "5", "--json")
    assert (made.code, made.value["face"], made.value["faces"]) == (0, 5, 5)
    assert sorted(path.name for path in tmp_path.glob("*.*")) == [
        "five-restored.png",
        "five-restored.png.json",
        "five.png",
        "grey.png",
    ]


def test_wrong_restorers_options_and_targets_are_refused_before_any_work(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sample_damaged: list[Path]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("there.png").write_bytes(b"mine")
    photo = sample_damaged[0]
    for arguments, words in (
        (
            ["--restorer", "magic"],
            "There is no restorer 'magic'. Choose one of: enlarge, cleaner, diffbir,",
        ),
        (["--set", "stepz=2"], "There is no option 'stepz' here. The options are: auto, start,"),
        (["--set", "steps=0"], "steps must be 1 to 100, got '0'."),
        (["--set", "steps"], "--set takes name=value, got 'steps'."),
        (["--out", "there.png"], "There is already something at there.png."),
        (["--out", "no/new.png"], "There is no folder no."),
        (["--out", "new.gif"], "new.gif must end in .png, .jpg or .tif."),
        (["--out", "n" * 300 + ".png"], "File name too long. Name another --out."),
    ):
        made = here(capsys, "restore", photo, *arguments)
        assert made.code == 1
        assert words in made.complaint
    assert Path("there.png").read_bytes() == b"mine"
    assert [path.name for path in tmp_path.glob("*.*")] == ["there.png"]


def test_restorers_are_listed_with_their_options(capsys: pytest.CaptureFixture[str]) -> None:
    made = here(capsys, "restorers", "list", "--json")
    assert undocumented("restorers list", made.value) == set()
    plain = here(capsys, "restorers", "list").out
    for row in made.value["restorers"]:
        assert f"{row['id']}: {row['title']}" in plain


# People


def test_names_of_any_kind_are_kept_and_lead_nowhere(folder: Path, home: Path, sample_faces: list[Path]) -> None:
    name = "../../Zoë / O'Hara \\ 山田 🙂"
    made = likeness("people", "add", name, sample_faces[0], "--subject", "woman", "--json", cwd=folder)
    assert made.code == 0, made.err
    assert (made.value["person"]["name"], made.value["person"]["subject"]) == (name, "woman")
    assert [path.name for path in (home / "people").iterdir()] == [made.value["person"]["id"]]


def test_a_name_of_300_characters_is_refused(
    capsys: pytest.CaptureFixture[str], home: Path, sample_faces: list[Path]
) -> None:
    made = here(capsys, "people", "add", "x" * 300, sample_faces[0])
    assert (made.code, made.complaint) == (
        1,
        "The name is 300 characters long and may have at most 200. Give a shorter one.",
    )
    assert list((home / "people").iterdir()) == []


def test_people_are_shown_overruled_and_removed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, sample_faces: list[Path]
) -> None:
    at = ("--workspace", tmp_path / "home")
    assert here(capsys, "people", "add", "Bea", *sample_faces[:2], *at).code == 0
    shown = here(capsys, "people", "show", "bea", "--json", *at).value
    assert undocumented("people show", shown) == set()
    first = shown["references"][0]["id"]
    for verb, used in (("reject", False), ("keep", True)):
        made = here(capsys, "people", verb, "Bea", first, "--json", *at)
        assert made.value == {"references": [{"id": first, "used": used}]}
        assert undocumented(f"people {verb}", made.value) == set()
    assert here(capsys, "people", "keep", "Bea", first, "--undo", *at).out == f"{first} is used.\n"
    assert here(capsys, "people", "keep", "Bea", "no-such", *at).complaint.startswith("Bea has no reference no-such.")
    assert f"{first}  {sample_faces[0].name}  yes   accepted\n" in here(capsys, "people", "show", "Bea", *at).out
    refused = here(capsys, "people", "remove", "Bea", *at)
    assert (refused.code, refused.complaint) == (
        1,
        "Bea was not removed. Say --yes to remove them with all their photos here.",
    )
    removed = here(capsys, "people", "remove", "Bea", "--yes", "--json", *at)
    assert undocumented("people remove", removed.value) == set()
    assert here(capsys, "people", "list", "--json", *at).value == {"people": []}
    gone = here(capsys, "people", "show", "Bea", *at)
    assert (gone.code, gone.complaint) == (1, "There is nobody called Bea: no people have been added yet.")


def test_a_workspace_in_use_is_told_and_left_alone(
    capsys: pytest.CaptureFixture[str], workspace: Workspace, sample_faces: list[Path]
) -> None:
    with workspace.lock():
        made = here(capsys, "people", "add", "Ann", sample_faces[0])
    assert made.code == 1
    assert f"is in use by another Likeness (process {os.getpid()})" in made.complaint
    assert list(workspace.people.iterdir()) == []


# A full disk

FULL_AFTER_8_KB = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))"


def test_a_full_disk_while_saving_leaves_nothing(tmp_path: Path, sample_damaged: list[Path]) -> None:
    made = likeness("restore", sample_damaged[0], "--restorer", "enlarge", cwd=tmp_path, before=FULL_AFTER_8_KB)
    assert (made.code, made.out) == (1, "")
    assert made.complaint.startswith(f"{sample_damaged[0].stem}-restored.png was not saved: the disk is full")
    assert [path for path in tmp_path.iterdir() if path.name != "home"] == []


def test_a_full_disk_while_photos_are_added_adds_nobody(tmp_path: Path, home: Path, sample_faces: list[Path]) -> None:
    made = likeness("people", "add", "Ann", sample_faces[0], cwd=tmp_path, before=FULL_AFTER_8_KB)
    assert (made.code, made.out) == (1, "")
    assert "the disk is full" in made.complaint
    assert list((home / "people").iterdir()) == []


# The main job


STEPS = RECIPES["toy"].text.steps


@pytest.fixture(scope="module")
def tunings(folder: Path, ann: Path) -> tuple[Ended, list[Path], Ended]:
    """A tuning that was stopped by Ctrl-C, what it left, and the same command again."""
    command = ("tune", "Ann", "--recipe", "toy", "--workspace", ann, "--json")
    first = stopped_after(f"personalizing: 1 of {STEPS}", *command, cwd=folder)
    left = sorted((ann / "people").glob("*/tuned/*/*"))
    return first, left, likeness(*command, cwd=folder)


@pytest.mark.slow
def test_ctrl_c_stops_a_tuning_and_keeps_what_was_done(tunings: tuple[Ended, list[Path], Ended]) -> None:
    first, left, _ = tunings
    assert (first.code, first.out) == (130, "")
    assert first.err.splitlines()[-1] == f"likeness: {call.STOPPED}"
    assert [path.name for path in left] == ["checkpoint.pt", "samples", "state.json"]


@pytest.mark.slow
def test_the_same_command_goes_on_with_a_stopped_tuning(
    tunings: tuple[Ended, list[Path], Ended], capsys: pytest.CaptureFixture[str], ann: Path
) -> None:
    _, left, second = tunings
    steps = [line for line in second.err.splitlines() if line.startswith("personalizing: ")]
    assert second.code == 0, second.err
    assert int(steps[0].split()[1]) >= 3
    assert undocumented("tune", second.value) == set()
    assert (second.value["person"], second.value["recipe"], second.value["references"]) == ("Ann", "toy", 4)
    assert [check["step"] for check in second.value["checks"]] == [0, STEPS]
    assert Path(second.value["tuned"]) == left[0].parent
    shown = here(capsys, "people", "show", "Ann", "--json", "--workspace", ann)
    assert shown.value["tuned"] == [{"recipe": "toy", "folder": second.value["tuned"], "current": True}]
    assert undocumented("people show", shown.value) == set()


@pytest.mark.slow
@pytest.mark.usefixtures("tunings")
def test_a_photo_is_restored_with_the_person(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    ann: Path,
    sample_damaged: list[Path],
) -> None:
    from engine import images

    monkeypatch.chdir(tmp_path)
    photo = sample_damaged[0]
    options = ("--person", "Ann", "--recipe", "toy", "--set", "steps=1", "--seed", "3", "--workspace", ann)
    made = here(capsys, "restore", photo, *options, "--json")
    assert made.code == 0, made.err
    assert undocumented("restore", made.value) == set()
    assert (made.value["restorer"], made.value["person"]) == ("dual-pivot", "Ann")
    result = tmp_path / f"{photo.stem}-restored.png"
    assert Path(made.value["result"]) == result
    told = json.loads(Path(made.value["provenance"]).read_text())
    assert (told["seed"], told["options"]["steps"], told["photo"]) == (3, 1, photo.name)
    before, after = images.read_photo(photo).samples, images.read_photo(result).samples
    changed = (before != after).any(axis=2)
    assert 0.05 < changed.mean() < 0.9
    again = here(capsys, "restore", photo, *options)
    assert again.out.splitlines()[0].endswith(f"{photo.stem}-restored-2.png")
    assert (tmp_path / f"{photo.stem}-restored-2.png").read_bytes() == result.read_bytes()
    told = Path(made.value["provenance"])
    lost = here(capsys, "restore", "--again", told, "--workspace", ann)
    assert lost.complaint.endswith(f"Say where it is: restore PHOTO --again {told.name}.")
    repeated = here(capsys, "restore", photo, "--again", told, "--json", "--workspace", ann)
    assert undocumented("restore", repeated.value) == set()
    assert (repeated.value["identical"], repeated.value["person"]) == (True, "Ann")
    assert Path(repeated.value["result"]).name == f"{photo.stem}-restored-3.png"
    assert json.loads(told.read_text())["tuned_sha256"].keys() == {"text"}
    elsewhere = here(capsys, "restore", photo, "--again", told, "--workspace", tmp_path / "another")
    assert "is not in the data folder" in elsewhere.complaint and "by recipe toy" in elsewhere.complaint


# Folders and other programs


@pytest.fixture
def album(tmp_path: Path, sample_damaged: list[Path]) -> Path:
    """A folder with two damaged photos and a file that is none."""
    place = tmp_path / "album"
    place.mkdir()
    for photo in sample_damaged[:2]:
        shutil.copy(photo, place)
    (place / "text.jpg").write_text("no picture at all")
    return place


def test_a_folder_is_restored_and_the_report_names_what_failed(
    capsys: pytest.CaptureFixture[str], album: Path, sample_damaged: list[Path]
) -> None:
    command = ("restore", album, "--restorer", "enlarge", "--out-dir", album / "out")
    made = here(capsys, *command, "--json")
    assert (made.code, undocumented("restore FOLDER", made.value)) == (1, set())
    assert (made.value["done"], made.value["failed"], made.value["left"]) == (2, 1, 0)
    assert made.complaint.startswith("1 of 3 photos could not be restored; the first: text.jpg is not a photo")
    assert f"text.jpg: {made.value['files'][-1]['sentence']}" in made.err
    assert sorted(path.name for path in album.iterdir()) == [*(p.name for p in sample_damaged[:2]), "out", "text.jpg"]
    (album / "text.jpg").unlink()
    again = here(capsys, *command)
    assert (again.code, again.out) == (0, "0 restored, 2 skipped, 0 failed.\n")


def test_ctrl_c_ends_a_folder_with_a_report(album: Path) -> None:
    made = stopped_after("restoring photos", "restore", album, "--restorer", "enlarge", "--json", cwd=album)
    assert made.code == 130
    assert made.value["stopped"] is True
    assert made.value["left"] > 0
    assert made.err.splitlines()[-1] == f"likeness: {call.STOPPED}"
    results = {path.stem for path in album.glob("*-restored.png")}
    assert len(results) == made.value["done"] == len(list(album.glob("*.json")))


def test_a_full_disk_and_a_closed_folder_end_a_folder_with_a_sentence(album: Path, folder: Path) -> None:
    full = likeness("restore", album, "--restorer", "enlarge", cwd=album, before=FULL_AFTER_8_KB)
    assert full.code == 1
    assert "the disk is full" in full.complaint
    assert not list(album.glob("*restored*"))
    closed = album / "closed"
    closed.mkdir()
    closed.chmod(0o500)
    command = ("restore", album, "--restorer", "enlarge", "--out-dir", closed)
    made = likeness(*command, cwd=album, before=AS_NO_ROOT)
    closed.chmod(0o700)
    assert (made.code, made.out) == (1, "")
    assert made.complaint == (
        f"No results can be written to {closed}: Permission denied. "
        "Choose a folder that you may write to with --out-dir."
    )


def test_another_program_gets_the_path_of_a_new_file_beside_its_own(
    capsys: pytest.CaptureFixture[str], album: Path, sample_damaged: list[Path]
) -> None:
    copy = album / sample_damaged[0].name
    before = copy.read_bytes()
    made = here(capsys, "edit", copy, "--restorer", "enlarge")
    result = album / f"{copy.stem}-restored.png"
    assert (made.code, made.out) == (0, f"{result}\n")
    assert result.is_file() and copy.read_bytes() == before
    second = here(capsys, "edit", copy, "--restorer", "enlarge", "--json")
    assert undocumented("edit", second.value) == set()
    assert Path(second.value["result"]).name == f"{copy.stem}-restored-2.png"


# Training


@pytest.mark.slow
def test_a_training_is_stopped_by_ctrl_c_resumed_and_exported(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from engine.prior import load

    faces, out = face_folder(tmp_path / "faces"), tmp_path / "training"
    command = ("pretrain", faces, "--out", out, "--plan", "toy", "--json", "--device", "cpu")
    first = stopped_after("cleaner 128 px: 1 of 4", *command, cwd=tmp_path)
    assert (first.code, first.out) == (130, "")
    left = {path.name for path in out.iterdir() if path.name != ".lock"}
    assert "checkpoint.pt" in left and left <= {"checkpoint.pt", "log.jsonl"}
    second = here(capsys, *command, "--export", tmp_path / "prior")
    assert second.code == 0, second.err
    assert "cleaner 128 px: 1 of 4" not in second.err
    assert undocumented("pretrain", second.value) == set()
    assert (second.value["done"], second.value["exported"]) == (True, str(tmp_path / "prior"))
    assert load.load(tmp_path / "prior", device="cpu").size == 256
    held = here(capsys, "pretrain", tmp_path / "nowhere", "--out", tmp_path / "other")
    assert held.complaint.startswith(f"{tmp_path / 'nowhere'} is not a folder.")


# Checks and figures


def test_the_doctor_answers_with_documented_fields(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    made = here(capsys, "doctor", "--json", "--device", "cpu")
    assert undocumented("doctor", made.value) == set()
    assert (made.code, made.value["ok"]) == (0, True)
    assert not home.exists()
    broken = here(capsys, "doctor", "--device", "toaster")
    assert broken.code == 1
    assert "X networks run on: not toaster" in broken.out
    assert broken.complaint.startswith("1 problem: networks run on: not toaster. There is no device 'toaster'.")


@pytest.mark.slow
def test_the_bench_measures_with_documented_fields(folder: Path) -> None:
    made = likeness("bench", "--json", "--device", "cpu", "--quiet", cwd=folder)
    assert made.code == 0, made.err
    assert undocumented("bench", made.value) == set()
    rows = {row["name"]: row for row in made.value["rows"]}
    assert rows["heavy libraries imported for --help"]["value"] == 0
    assert all(row["value"] > 0 for name, row in rows.items() if name != "heavy libraries imported for --help")
    assert {name for name, row in rows.items() if row["limit"] is None} == {
        "libraries and prior loaded",
        "face found and cut",
    }
    assert made.value["machine"]["device"] == "cpu"


@pytest.mark.slow
@pytest.mark.demo
def test_the_demo_answers_with_documented_fields(folder: Path, tmp_path: Path) -> None:
    made = likeness("demo", "--recipe", "toy", "--out", tmp_path / "demo", "--json", "--quiet", cwd=folder)
    assert made.code == 0, made.err
    assert undocumented("demo", made.value) == set()
    assert {row["arm"] for row in made.value["rows"]} == {"input", "cleaner", "blind", "dual-pivot"}
    assert Path(made.value["sheet"]).is_file() and Path(made.value["figures"]).is_file()
