"""The data folder: private, held by one process, written whole or not at all."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from engine import workspace as room
from engine.workspace import Workspace

REPOSITORY = Path(__file__).resolve().parents[1]
ENVIRONMENT = {
    **os.environ,
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONPATH": os.pathsep.join((str(REPOSITORY), os.environ.get("PYTHONPATH", ""))),
}

HOLD = (
    "import sys, time\n"
    "from engine.workspace import Workspace\n"
    "with Workspace(sys.argv[1]).lock():\n"
    "    print('held', flush=True)\n"
    "    time.sleep(60)\n"
)


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def in_child(code, *arguments, before=()):
    """Run code in a process of its own and give what it printed."""
    command = [*before, sys.executable, "-W", "error", "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def with_little_room(folder):
    """Give a command's start and a line of code that make a folder a disk of 64 KiB for one child process.

    Where no small disk can be mounted, files are limited to that size instead.
    """
    script = f'mount -t tmpfs -o size=64k likeness "{folder}" && exec "$@"'
    for share in (["unshare", "--mount"], ["unshare", "--mount", "--map-root-user"]):
        before = [*share, "sh", "-c", script, "sh"]
        try:
            if subprocess.run([*before, "true"], capture_output=True, check=False).returncode == 0:
                return before, ""
        except FileNotFoundError:
            break
    return [], "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))\n"


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the workspace at `tmp_path / "held"`."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "held")]
    with subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout.readline() == "held\n"
            yield child
        finally:
            child.kill()


# Folders


def test_creating_a_workspace_touches_nothing(tmp_path):
    Workspace(tmp_path / "data")
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("name", ["people", "jobs", "runs", "cache", "weights", "logs"])
def test_each_folder_is_made_when_asked_for_and_is_private(tmp_path, name):
    workspace = Workspace(tmp_path / "deep" / "data")
    folder = getattr(workspace, name)
    assert folder == tmp_path / "deep" / "data" / name
    assert names_in(workspace.root) == [name]
    for place in (folder, workspace.root):
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert getattr(workspace, name) == folder


def test_a_root_that_is_there_keeps_its_rights(tmp_path):
    tmp_path.chmod(0o750)
    assert stat.S_IMODE(Workspace(tmp_path).people.stat().st_mode) == 0o700
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o750


def test_a_root_that_cannot_be_a_folder_is_refused(tmp_path):
    (tmp_path / "file").touch()
    for root, reason in {
        tmp_path / "file": "a file is in the way",
        tmp_path / "file" / "in": "a file is in the way",
        tmp_path / "file" / "in" / "deep": "a file is in the way",
        tmp_path / ("a" * 300): "File name too long",
        tmp_path / "a\0b": "its name holds a NUL character",
    }.items():
        with pytest.raises(room.WorkspaceUnusable) as caught:
            _ = Workspace(root).people
        assert str(caught.value) == (
            f"The data folder {root} cannot be made: {reason}. Choose another with --workspace or LIKENESS_HOME."
        )
        with pytest.raises(room.WorkspaceUnusable), Workspace(root).lock():
            pass


def test_the_default_root_is_likeness_home_else_the_users_data_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("LIKENESS_HOME", str(tmp_path))
    assert room.default_root() == tmp_path
    monkeypatch.setenv("LIKENESS_HOME", "")
    assert room.default_root().name == "likeness"
    assert room.default_root().is_absolute()


# The lock


def test_a_second_process_is_told_who_holds_the_workspace(tmp_path, holder):
    root = tmp_path / "held"
    with pytest.raises(room.WorkspaceBusy) as caught, Workspace(root).lock():
        pass
    assert str(caught.value) == (
        f"The data folder {root} is in use by another Likeness (process {holder.pid}). "
        "Close that one first, or choose another folder with --workspace."
    )


def test_the_lock_of_a_killed_process_is_taken_over(tmp_path, holder):
    holder.kill()
    holder.wait()
    workspace = Workspace(tmp_path / "held")
    with workspace.lock():
        assert room.read_json(workspace.root / ".holder.json")["pid"] == os.getpid()


def test_ctrl_c_gives_the_lock_back_and_leaves_no_name(tmp_path, holder):
    holder.send_signal(signal.SIGINT)
    holder.wait()
    assert not (tmp_path / "held" / ".holder.json").exists()
    with Workspace(tmp_path / "held").lock():
        pass


def test_one_process_cannot_hold_a_workspace_twice(tmp_path):
    with Workspace(tmp_path).lock():
        with (
            pytest.raises(room.WorkspaceBusy, match=rf"another Likeness \(process {os.getpid()}\)"),
            Workspace(tmp_path).lock(),
        ):
            pass
        assert (tmp_path / ".holder.json").exists()
    with Workspace(tmp_path).lock():
        pass


def test_an_error_inside_gives_the_lock_back(tmp_path):
    with pytest.raises(ZeroDivisionError), Workspace(tmp_path).lock():
        _ = 1 / 0
    with Workspace(tmp_path).lock():
        pass


def test_a_holders_file_that_is_damaged_does_not_hide_the_sentence(tmp_path, holder):
    for content in ("{", "[1]", '{"pid": "x"}'):
        (tmp_path / "held" / ".holder.json").write_text(content)
        with (
            pytest.raises(room.WorkspaceBusy, match=r"is in use by another Likeness\. Close"),
            Workspace(tmp_path / "held").lock(),
        ):
            pass


def test_taking_the_lock_clears_what_a_killed_process_left_and_nothing_else(tmp_path):
    workspace = Workspace(tmp_path / "data")
    old = workspace.people / "anna" / ".trash-0123456789ab"
    old.mkdir(parents=True)
    (old / "face.png").touch()
    keep = [".note-0123.part", "model.part", "photo.png", ".trash"]
    for name in [".photo.png-0123456789ab.part", *keep]:
        (workspace.people / "anna" / name).touch()
    outside = workspace.root / "mine" / ".trash-0123456789ab"
    outside.mkdir(parents=True)
    with workspace.lock():
        assert names_in(workspace.people / "anna") == sorted(keep)
        assert outside.exists()


# Writing and reading


def test_a_file_is_written_whole_privately_and_over_the_old_one(tmp_path):
    room.write_bytes(tmp_path / "a", b"old")
    room.write_bytes(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600
    assert names_in(tmp_path) == ["a"]


def test_a_name_of_250_characters_can_be_written(tmp_path):
    room.write_bytes(tmp_path / ("a" * 250), b"x")
    assert names_in(tmp_path) == ["a" * 250]


def test_a_writer_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    room.write_bytes(tmp_path / "a", b"old")
    with pytest.raises(ZeroDivisionError), room.replacing(tmp_path / "a") as part:
        part.write_bytes(b"half")
        _ = 1 / 0
    with pytest.raises(KeyboardInterrupt), room.replacing(tmp_path / "a") as part:
        part.write_bytes(b"half")
        raise KeyboardInterrupt
    assert (tmp_path / "a").read_bytes() == b"old"
    assert names_in(tmp_path) == ["a"]


def test_a_writer_that_replaces_its_own_passing_file_is_served(tmp_path):
    with room.replacing(tmp_path / "a") as part:
        (tmp_path / "other").write_bytes(b"moved")
        (tmp_path / "other").replace(part)
    assert (tmp_path / "a").read_bytes() == b"moved"


def test_many_writers_at_once_never_mix(tmp_path):
    gate = threading.Barrier(6)

    def write(letter):
        gate.wait()
        for _ in range(5):
            room.write_bytes(tmp_path / "a", letter * 100_000)

    threads = [threading.Thread(target=write, args=(bytes([65 + n]),)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    data = (tmp_path / "a").read_bytes()
    assert (len(data), len(set(data))) == (100_000, 1)
    assert names_in(tmp_path) == ["a"]


def test_a_process_killed_while_writing_leaves_the_old_file_or_the_new_one(tmp_path):
    code = (
        "import sys, pathlib\n"
        "from engine.workspace import write_json\n"
        "write_json(pathlib.Path(sys.argv[1]), ['old'] * 20000)\n"
        "print('ready', flush=True)\n"
        "while True: write_json(pathlib.Path(sys.argv[1]), ['new'] * 20000)\n"
    )
    path = tmp_path / "a.json"
    command = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout.readline() == "ready\n"
            time.sleep(0.2)
        finally:
            child.kill()
    assert room.read_json(path) in (["old"] * 20000, ["new"] * 20000)


def test_a_full_disk_gives_a_sentence_and_keeps_the_old_file(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    before, limit = with_little_room(folder)
    told = in_child(
        f"{limit}import os, sys, pathlib\n"
        "from engine import workspace as room\n"
        "path = pathlib.Path(sys.argv[1]) / 'a'\n"
        "room.write_bytes(path, b'old')\n"
        "try: room.write_bytes(path, bytes(100_000))\n"
        "except room.DiskFull as error: print(error, os.listdir(sys.argv[1]), path.read_text())\n",
        folder,
        before=before,
    )
    assert told == f"{folder / 'a'} was not written: the disk is full. Make room on it and try again. ['a'] old"


def test_a_place_that_cannot_be_written_to_is_refused(tmp_path):
    (tmp_path / "folder").mkdir()
    for name, reason in {
        "gone/a": "No such file or directory",
        "folder": "Is a directory",
        "a" * 300: "File name too long",
    }.items():
        path = tmp_path / name
        with pytest.raises(room.FileRefused) as caught:
            room.write_bytes(path, b"x")
        assert str(caught.value) == f"{path} was not written: {reason}. Check your rights to its folder."
    assert names_in(tmp_path) == ["folder"]


@pytest.mark.parametrize(
    "value",
    [{"version": 1, "name": "Großmutter 祖母 👵"}, [1, 2.5, None, True], "caf\udce9", {"deep": {"er": [[]]}}],
)
def test_json_comes_back_as_it_was_written(tmp_path, value):
    room.write_json(tmp_path / "a.json", value)
    assert room.read_json(tmp_path / "a.json") == value


def test_json_can_be_read_by_people(tmp_path):
    room.write_json(tmp_path / "a.json", {"name": "祖母", "n": 1})
    assert (tmp_path / "a.json").read_text("utf-8") == '{\n "name": "祖母",\n "n": 1\n}\n'


def test_what_json_does_not_have_is_not_written(tmp_path):
    for value in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="not JSON compliant"):
            room.write_json(tmp_path / "a.json", value)
    with pytest.raises(TypeError):
        room.write_json(tmp_path / "a.json", Path("x"))
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("content", [b"", b'{"version": 1, "na', b"\xff\xfe\0", b"[" * 100_000, b"{}\n{}"])
def test_damaged_json_is_named_and_not_guessed(tmp_path, content):
    path = tmp_path / "person.json"
    path.write_bytes(content)
    with pytest.raises(room.FileCorrupt) as caught:
        room.read_json(path)
    assert str(caught.value).startswith(f"{path} is damaged: ")
    assert str(caught.value).endswith(". Put back a good copy, or delete it if you can do without.")


@pytest.mark.parametrize("read", [room.read_json, room.sha256_file])
def test_a_file_that_is_missing_or_a_folder_is_named(tmp_path, read):
    with pytest.raises(room.FileMissing, match=r"gone is not there\. It may have been moved or removed\."):
        read(tmp_path / "gone")
    with pytest.raises(room.FileRefused, match=r"cannot be read: Is a directory\. Check that it is a file"):
        read(tmp_path)


# Hashes and names


def test_the_sha256_of_a_file_is_the_known_one(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    # FIPS 180-2, B.1
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert room.sha256_file(tmp_path / "a") == known


def test_a_fingerprint_depends_on_the_values_and_not_on_their_order():
    one = room.fingerprint({"a": 1, "b": [1, 2], "c": "祖母"})
    assert one == room.fingerprint(json.loads('{"c": "祖母", "b": [1, 2], "a": 1}'))
    assert one != room.fingerprint({"a": 1, "b": [2, 1], "c": "祖母"})
    assert (len(one), set(one) <= set("0123456789abcdef")) == (64, True)
    # Written down, since a folder on the disk is named by it: it may not change with a new version.
    assert room.fingerprint({"a": 1, "b": [1.5, None]}) == (
        "993a7a2ceb877d40fc4b026f38d1b9d56ea47505ed09b616e4ac8f06d00883b0"
    )
    with pytest.raises(ValueError, match="not JSON compliant"):
        room.fingerprint({"a": float("nan")})


def test_new_ids_differ_and_sort_by_time():
    names = []
    for _ in range(200):
        names.append(room.new_id("job"))
        time.sleep(2e-6)
    assert names == sorted(names)
    assert len(set(names)) == 200
    assert all(name.startswith("job-2") and "/" not in name for name in names)


# Removing


def test_a_folder_is_removed_with_all_that_is_in_it(tmp_path):
    (tmp_path / "anna" / "photos").mkdir(parents=True)
    (tmp_path / "anna" / "photos" / "a.jpg").touch()
    (tmp_path / "anna" / ("b" * 250)).touch()
    room.trash(tmp_path / "anna")
    (tmp_path / "file").touch()
    room.trash(tmp_path / "file")
    assert names_in(tmp_path) == []


def test_removing_a_link_leaves_what_it_leads_to(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.jpg").touch()
    (tmp_path / "anna").mkdir()
    (tmp_path / "anna" / "inner").symlink_to(tmp_path / "mine")
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    room.trash(tmp_path / "link")
    room.trash(tmp_path / "anna")
    assert names_in(tmp_path) == ["mine"]
    assert names_in(tmp_path / "mine") == ["a.jpg"]


def test_removing_what_is_not_there_says_so(tmp_path):
    with pytest.raises(room.FileMissing) as caught:
        room.trash(tmp_path / "gone")
    assert str(caught.value) == (
        f"{tmp_path / 'gone'} is not there, so it cannot be removed. It may have been removed already."
    )


def test_what_may_not_be_removed_stays_whole_and_what_stays_behind_is_named(tmp_path):
    # The child gives up root's rights, which would let it delete anything, and with them the way to here: so it works
    # from inside, with relative paths.
    tmp_path.chmod(0o755)
    told = in_child(
        "import os, sys, pathlib\n"
        "from engine import workspace as room\n"
        "os.chdir(sys.argv[1])\n"
        "locked, free = pathlib.Path('locked'), pathlib.Path('free')\n"
        "for folder in (locked / 'a', free / 'anna' / 'sealed'): folder.mkdir(parents=True)\n"
        "(free / 'anna' / 'sealed' / 'face.png').touch()\n"
        "if os.geteuid() == 0:\n"
        "    for place in (locked, locked / 'a', free, free / 'anna', free / 'anna' / 'sealed'):\n"
        "        os.chown(place, 65534, 65534)\n"
        "    os.setuid(65534)\n"
        "locked.chmod(0o555)\n"
        "(free / 'anna' / 'sealed').chmod(0o555)\n"
        "for path in (locked / 'a', free / 'anna'):\n"
        "    try: room.trash(path)\n"
        "    except room.FileRefused as error: print(error, path.exists())\n"
        "(free / next(iter(os.listdir(free))) / 'sealed').chmod(0o755)\n"
        "locked.chmod(0o755)\n",
        tmp_path,
    )
    first, second = told.splitlines()
    assert first == "locked/a was not removed: Permission denied. Check your rights to its folder. True"
    left = names_in(tmp_path / "free")[0]
    assert second == (
        "free/anna was removed, but some of its files could not be deleted: Permission denied. "
        f"Delete free/{left} by hand. False"
    )


# Weight


def test_importing_the_room_loads_no_heavy_library():
    told = in_child(
        "import sys, engine.workspace\n"
        "print([name for name in ('torch', 'numpy', 'PIL', 'filelock', 'platformdirs') if name in sys.modules])"
    )
    assert told == "[]"
