"""Who may know whom: the order of the rooms, what stays off the way to `--help`, and what stands in no file."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]

ORDER = (
    ("errors", "progress"),
    ("images", "workspace"),
    ("weights",),
    ("faces", "prior", "degrade"),
    ("metrics", "people"),
    ("restore",),
    ("pretrain",),
    ("tuning",),
    ("restorers",),
    ("results",),
    ("jobs",),
    ("studio",),
    ("evaluation",),  # after the studio: it measures the verbs that users have, not copies of them
    ("ui",),
    ("app",),
)
"""A room imports itself and rooms further up this list; rooms on one line do not know each other."""

PLACE = {room: place for place, rooms in enumerate(ORDER) for room in rooms}

BANNED = {
    "engine": frozenset({"gradio", "typer", "rich"}),
    "ui": frozenset({"torch", "torchvision", "diffusers", "transformers", "peft", "dlib", "cv2", "skimage"}),
}
"""Libraries that a side never imports, at the top or inside: the engine has no screen, and the screens no networks."""

HEAVY = frozenset(
    {"torch", "torchvision", "diffusers", "transformers", "peft", "accelerate", "gradio", "cv2", "dlib", "skimage"}
    | {"scipy", "pandas", "matplotlib", "facexlib", "spandrel"}
)
"""Libraries that take from a tenth of a second to several to import."""

LIGHT_MODULES = (
    *("engine.errors", "engine.progress", "engine.images", "engine.workspace", "engine.people", "engine.jobs"),
    *("engine.studio", "ui.cli", "app"),
)
"""Imported before anybody has asked for a picture to be worked on."""

TEXT = frozenset({".py", ".md", ".toml", ".txt", ".json", ".css", ".js", ".html", ".svg", ".sh", ".yml", ".yaml", ""})
PARTS = ("engine", "ui", "tests", "assets", ".ci")
MACHINE_PATH = re.compile(r"(?<![\w.~-])(?:/(?:work|root|home|Users)/\w|[A-Za-z]:\\{1,2}Users\\)")


def sources(root: Path) -> list[Path]:
    """The app's own Python files."""
    return [*sorted(root.glob("engine/**/*.py")), *sorted(root.glob("ui/**/*.py")), *sorted(root.glob("app.py"))]


def wrong_imports(root: Path) -> list[str]:
    """One sentence for every import under `root` that goes against the order or brings a banned library."""
    return [sentence for path in sources(root) for sentence in _wrong_imports_of(path, root)]


def modules_without_purpose(root: Path) -> list[str]:
    """One sentence for every module under `root` that does not say what it is for."""
    return [
        f"{path.relative_to(root).as_posix()} has no docstring that says what it is for"
        for path in sources(root)
        if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]


def machine_paths(root: Path) -> list[str]:
    """One sentence for every line under `root` that names a place of one machine, such as a home folder."""
    files = [path for part in PARTS for path in sorted((root / part).rglob("*"))] + sorted(root.glob("*"))
    return [
        f"{path.relative_to(root).as_posix()}:{number} names a place of one machine: {line.strip()[:120]}"
        for path in files
        if path.is_file() and path.suffix in TEXT and "__pycache__" not in path.parts
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if MACHINE_PATH.search(line)
    ]


def heavy_after(arguments: list[str], folder: Path) -> tuple[int, set[str]]:
    """Run Python with `arguments` in `folder`: its exit code, and which heavy libraries it imported."""
    command = [sys.executable, "-X", "importtime", *arguments]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    names = re.findall(r"^import time:.*\|\s*([\w.]+)\s*$", ended.stderr, flags=re.MULTILINE)
    if ended.returncode:
        said = [line for line in ended.stderr.splitlines() if not line.startswith("import time:")]
        sys.stderr.write("\n".join(said))  # pytest shows it with the failure
    return ended.returncode, {name.split(".")[0] for name in names} & HEAVY


def _wrong_imports_of(path: Path, root: Path) -> Iterator[str]:
    name = path.relative_to(root).as_posix()
    module = name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    side = module.split(".")[0]
    room = _room(module)
    if room not in PLACE and module != "engine":
        yield f"{name} belongs to the room {room}, which the order does not have"
        return
    for line, target in _imports(path, module):
        library = target.split(".")[0]
        if library in BANNED.get(side, ()):
            yield f"{name}:{line} imports {library}, which {side} must not know"
        other = _room(target) if _is_ours(target, root) else None
        if other is None or other == room:
            continue
        if module == "engine":
            yield f"{name}:{line} imports {other}: the front of engine knows no room"
        elif other not in PLACE:
            yield f"{name}:{line} imports {other}, a room that the order does not have"
        elif PLACE[other] == PLACE[room]:
            yield f"{name}:{line} imports {other}, which stands beside {room}: they must not know each other"
        elif PLACE[other] > PLACE[room]:
            yield f"{name}:{line} imports {other}, which stands after {room}"


def _room(module: str) -> str:
    parts = module.split(".")
    return parts[1] if parts[0] == "engine" and len(parts) > 1 else parts[0]


def _is_ours(target: str, root: Path) -> bool:
    """Whether an imported name is one of our modules. `from engine import __version__` names none."""
    parts = target.split(".")
    if parts[0] != "engine":
        return parts[0] in {"ui", "app"}
    if len(parts) == 1:
        return False
    return parts[1] in PLACE or (root / "engine" / f"{parts[1]}.py").exists() or (root / "engine" / parts[1]).is_dir()


def _imports(path: Path, module: str) -> Iterator[tuple[int, str]]:
    """Line and full name of everything that a file imports, at any depth, for types only, or by name at run time."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, alias.name) for alias in names)
            case ast.ImportFrom(module=base, names=names, level=level):
                above = package.split(".")[: len(package.split(".")) - level + 1] if level else []
                start = ".".join([*above, *([base] if base else [])])
                yield from ((node.lineno, f"{start}.{alias.name}") for alias in names)
            case ast.Call(
                func=ast.Attribute(attr="import_module") | ast.Name(id="import_module" | "__import__"),
                args=[ast.Constant(value=str(target)), *_],
            ):
                yield node.lineno, target
            case _:
                pass


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def test_rooms_import_only_what_stands_before_them() -> None:
    assert not wrong_imports(REPOSITORY)


def test_every_module_says_what_it_is_for() -> None:
    assert not modules_without_purpose(REPOSITORY)


def test_no_file_names_a_place_of_one_machine() -> None:
    assert not machine_paths(REPOSITORY)


def test_help_needs_no_heavy_library() -> None:
    assert heavy_after(["app.py", "--help"], REPOSITORY) == (0, set())


@pytest.mark.parametrize("module", LIGHT_MODULES)
def test_a_light_module_imports_no_heavy_library(module: str) -> None:
    assert heavy_after(["-c", f"import {module}"], REPOSITORY) == (0, set())


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("from engine.people import Person", "engine/images.py:2 imports people, which stands after images"),
        ("from engine import people", "engine/images.py:2 imports people, which stands after images"),
        ("import engine.people", "engine/images.py:2 imports people, which stands after images"),
        ("from .people import Person", "engine/images.py:2 imports people, which stands after images"),
        ("from . import people", "engine/images.py:2 imports people, which stands after images"),
        ("def f(): import engine.people", "engine/images.py:2 imports people, which stands after images"),
        ("importlib.import_module('engine.people')", "engine/images.py:2 imports people, which stands after images"),
        ("import ui", "engine/images.py:2 imports ui, which stands after images"),
        ("import app", "engine/images.py:2 imports app, which stands after images"),
        ("import gradio.themes", "engine/images.py:2 imports gradio, which engine must not know"),
        (
            "import engine.workspace",
            "engine/images.py:2 imports workspace, which stands beside images: they must not know each other",
        ),
    ],
)
def test_a_wrong_import_is_told_with_its_line(tmp_path: Path, line: str, sentence: str) -> None:
    root = write(tmp_path, {"engine/__init__.py": "", "engine/images.py": f'"""Photos."""\n{line}\n'})
    assert wrong_imports(root) == [sentence]


def test_a_wrong_import_deep_in_a_package_is_told(tmp_path: Path) -> None:
    root = write(tmp_path, {"engine/faces/detect.py": "from ..restorers import find_all\nfrom .crop import cut\n"})
    assert wrong_imports(root) == ["engine/faces/detect.py:1 imports restorers, which stands after faces"]


def test_a_room_that_the_order_does_not_have_is_told(tmp_path: Path) -> None:
    root = write(tmp_path, {"engine/misc.py": "", "engine/people.py": "from engine.misc import x\n"})
    assert wrong_imports(root) == [
        "engine/misc.py belongs to the room misc, which the order does not have",
        "engine/people.py:1 imports misc, a room that the order does not have",
    ]


def test_the_front_of_the_engine_knows_no_room(tmp_path: Path) -> None:
    root = write(tmp_path, {"engine/__init__.py": "from engine.people import Person\n"})
    assert wrong_imports(root) == ["engine/__init__.py:1 imports people: the front of engine knows no room"]


def test_screens_bring_no_networks(tmp_path: Path) -> None:
    root = write(tmp_path, {"ui/restore_tab.py": "def f():\n    from torch import nn\n"})
    assert wrong_imports(root) == ["ui/restore_tab.py:2 imports torch, which ui must not know"]


def test_right_imports_pass(tmp_path: Path) -> None:
    files = {
        "engine/__init__.py": '"""Engine."""\n__version__ = "1"\n',
        "engine/people.py": "import os\nfrom engine import __version__, images\nfrom engine.faces import Face\n",
        "engine/faces/__init__.py": "from engine.faces.crop import cut\nfrom .crop import paste\nimport numpy\n",
        "ui/app.py": "import gradio\nfrom engine.studio import Studio\nfrom ui.forms import form\n",
        "app.py": "from ui.cli import main\n",
    }
    assert not wrong_imports(write(tmp_path, files))


def test_a_module_without_a_docstring_is_told(tmp_path: Path) -> None:
    root = write(tmp_path, {"engine/people.py": '"""People."""\n', "engine/faces/__init__.py": "# faces\n"})
    assert modules_without_purpose(root) == ["engine/faces/__init__.py has no docstring that says what it is for"]


@pytest.mark.parametrize("place", ["/".join(["", "home", "ann", "x"]), "\\".join(["C:", "Users", "ann"])])
def test_a_place_of_one_machine_is_told(tmp_path: Path, place: str) -> None:
    root = write(tmp_path, {"ui/cli.py": f'A = 1\nB = "{place}"\n', "README.md": "All of ~/home/pictures is fine.\n"})
    assert machine_paths(root) == [f'ui/cli.py:2 names a place of one machine: B = "{place}"']


def test_a_heavy_import_is_seen_however_deep(tmp_path: Path) -> None:
    files = {"torch/__init__.py": "", "middle.py": "import torch.nn\n", "torch/nn.py": "", "app.py": "import middle\n"}
    assert heavy_after(["app.py", "--help"], write(tmp_path, files)) == (0, {"torch"})


def test_a_program_that_fails_is_seen(tmp_path: Path) -> None:
    code, heavy = heavy_after(["app.py"], write(tmp_path, {"app.py": "raise SystemExit(3)\n"}))
    assert (code, heavy) == (3, set())


def test_the_tools_that_must_run_can_be_run() -> None:
    assert os.access(REPOSITORY / ".ci" / "run", os.X_OK)
