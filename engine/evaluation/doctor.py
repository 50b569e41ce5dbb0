"""Self-checks: what this machine has, whether the installation is whole, and what to do where it is not.

Facts are gathered and judged here, and shown elsewhere. Nothing is changed, and no network is run.
"""

from __future__ import annotations

import importlib
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil

from engine import __version__
from engine.errors import EngineError
from engine.workspace import Workspace, WorkspaceBusy

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = ROOT / "requirements.txt"

OK, NOTE, PROBLEM = "ok", "note", "problem"

INSTALL = "Run: python -m pip install -r requirements.txt"
CUDA_PLACE = "https://pytorch.org/get-started/locally/"
"""Where PyTorch's makers say how a torch with CUDA is installed on each system."""
DRIVER_PLACE = "https://www.nvidia.com/drivers"

PYTHONS = ((3, 11), (3, 13))
"""First and last Python version that the tests run on."""

ROOM_WANTED = 2_000_000_000
"""Bytes of free disk below which the doctor says so: some dozens of people with their tuned models and results."""

FACE_FILES = (
    "shape_predictor_5_face_landmarks.dat",
    "mmod_human_face_detector.dat",
    "dlib_face_recognition_resnet_model_v1.dat",
)

MODULES = {"dlib-bin": "dlib", "opencv-python-headless": "cv2"}
"""Libraries that other packages provide as well, with the name they are imported by."""


@dataclass(frozen=True)
class Fact:
    """One thing that was looked at."""

    group: str
    name: str
    value: str
    """What was found."""
    state: str = OK
    """`ok`, `note` (works, but look) or `problem` (something will not work)."""
    remedy: str = ""
    """What to do, where the state is not `ok`."""

    def as_json(self) -> dict[str, str]:
        """Give all fields."""
        return asdict(self)


def examine(workspace: Workspace, *, device: str = "auto") -> list[Fact]:
    """Look at everything.

    Args:
        workspace: looked at, not made.
        device: what the networks shall run on, as everywhere.
    """
    return [*versions(), *devices(device), *prior(), *faces(), *pictures(), *place(workspace)]


def machine() -> dict[str, Any]:
    """Give what a figure measured here must be read with: processor, cores, memory, system, versions, load."""
    return {
        "cpu": cpu_model(),
        "cores": usable_cores(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "likeness": __version__,
        "torch": _version("torch"),
        "load": round(psutil.getloadavg()[0], 2),
    }


def cpu_model(root: Path = Path("/")) -> str:
    """Give the processor's name as its maker writes it, else its architecture."""
    info = root / "proc" / "cpuinfo"
    if info.is_file():
        for line in info.read_text(errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() in ("model name", "Model") and value.strip():
                return value.strip()
    return platform.processor() or platform.machine()


def usable_cores() -> int:
    """Give how many processors this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def versions(requirements: Path = REQUIREMENTS) -> list[Fact]:
    """Compare Python and the installed libraries with what the project needs."""
    from packaging.requirements import Requirement

    now = sys.version_info[:2]
    first, last = (".".join(map(str, v)) for v in PYTHONS)
    known = PYTHONS[0] <= now <= PYTHONS[1]
    facts = [
        Fact("versions", "Likeness", __version__),
        Fact(
            "versions",
            "Python",
            f"{platform.python_version()} on {platform.platform()}",
            OK if known else NOTE,
            "" if known else f"Likeness is tested with Python {first} to {last}; use one of those if something fails.",
        ),
    ]
    for line in requirements.read_text(encoding="utf-8").splitlines():
        text = line.partition("#")[0].strip()
        if text:
            facts.append(_library(Requirement(text)))
    return facts


def _library(wanted: Any) -> Fact:
    found = _version(wanted.name)
    if not found:
        module = MODULES.get(wanted.name)
        if module and find_spec(module):
            return Fact("versions", wanted.name, f"not installed; another package provides {module}", NOTE, INSTALL)
        return Fact("versions", wanted.name, "not installed", PROBLEM, INSTALL)
    if not wanted.specifier.contains(found, prereleases=True):
        return Fact("versions", wanted.name, f"{found}, but {wanted.specifier} is needed", PROBLEM, INSTALL)
    return Fact("versions", wanted.name, found)


def devices(wanted: str = "auto", root: Path = Path("/")) -> list[Fact]:
    """Say on what the networks run and how precisely, and whether a card lies idle.

    Args:
        wanted: as everywhere.
        root: under which the system's own files about its devices lie.
    """
    facts = [
        Fact("device", "processor", f"{cpu_model(root)}, {usable_cores()} cores"),
        Fact("device", "memory", _memory()),
    ]
    try:
        torch: Any = importlib.import_module("torch")
        from engine.prior.device import choose, precision
    except (ImportError, OSError) as error:
        return [*facts, Fact("device", "torch", f"does not load ({error})", PROBLEM, INSTALL)]
    try:
        device = choose(wanted)
        facts.append(Fact("device", "networks run on", f"{device}{_card_name(torch, device)}"))
        facts.append(Fact("device", "precision", precision(device)))
    except EngineError as error:
        facts.append(Fact("device", "networks run on", f"not {wanted}", PROBLEM, str(error)))
    return [*facts, cuda(nvidia_cards(root), torch.version.cuda, working=bool(torch.cuda.is_available()))]


def cuda(cards: tuple[str, ...], built_for: str | None, *, working: bool) -> Fact:
    """Judge an NVIDIA card and a torch against each other.

    Args:
        cards: names of the cards present, found without torch.
        built_for: the CUDA version that torch was built for, None for one without.
        working: whether torch can compute on a card.
    """
    names = ", ".join(cards)
    if working:
        return Fact("device", "CUDA", f"{names or 'a card'}, torch for CUDA {built_for}")
    if not cards:
        return Fact("device", "CUDA", "no NVIDIA card found; the processor does it all")
    if built_for is None:
        return Fact(
            "device",
            "CUDA",
            f"a CUDA card is present ({names}) but this torch has no CUDA",
            NOTE,
            f"Install the torch for your system and CUDA that {CUDA_PLACE} names, then run the doctor again.",
        )
    return Fact(
        "device",
        "CUDA",
        f"a CUDA card is present ({names}) and torch is built for CUDA {built_for}, but it cannot use the card",
        NOTE,
        f"Most often the driver is missing or too old: see {DRIVER_PLACE}. `nvidia-smi` says what the driver sees.",
    )


def nvidia_cards(root: Path = Path("/")) -> tuple[str, ...]:
    """Name the NVIDIA cards of this machine without torch: by `nvidia-smi`, the driver's files, or the PCI bus.

    Args:
        root: under which `proc` and `sys` lie.
    """
    program = shutil.which("nvidia-smi")
    if program:
        try:
            answer = subprocess.run([program, "-L"], capture_output=True, text=True, timeout=20, check=False).stdout
        except (OSError, subprocess.TimeoutExpired):
            answer = ""  # a driver that hangs or is of another machine: ask the system itself
        # "GPU 0: NVIDIA H200 (UUID: GPU-...)"
        listed = [line.partition(": ")[2].partition(" (UUID")[0] for line in answer.splitlines() if "UUID" in line]
        if listed:
            return tuple(listed)
    driver = sorted((root / "proc" / "driver" / "nvidia" / "gpus").glob("*/information"))
    models = [
        line.partition(":")[2].strip()
        for file in driver
        for line in file.read_text(errors="replace").splitlines()
        if line.startswith("Model:")
    ]
    if models:
        return tuple(models)
    return tuple(
        f"NVIDIA card at PCI {slot.name}"
        for slot in sorted((root / "sys" / "bus" / "pci" / "devices").glob("*"))
        if _line(slot / "vendor") == "0x10de" and _line(slot / "class").startswith("0x03")  # NVIDIA; a display device
    )


def prior() -> list[Fact]:
    """Verify the weights of the shipped prior."""
    from engine.prior import load
    from engine.weights import WeightFile, verify

    try:
        manifest = load.read_manifest(load.SHIPPED)
        files = [WeightFile(**known) for known in manifest["files"].values()]
        for file in files:
            verify(load.SHIPPED, file)
    except (EngineError, KeyError, TypeError) as error:
        return [Fact("weights", "pocket prior", "not usable", PROBLEM, f"{error}")]
    size = sum(file.size for file in files) / 1e6
    value = f"{manifest['name']}, {manifest['size']} px: {len(files)} files, {size:.1f} MB, SHA-256 as stated"
    return [Fact("weights", "pocket prior", value)]


def faces() -> list[Fact]:
    """Look for dlib and its files, which are not read."""
    from engine.faces.detect import FaceModelsMissing, import_dlib, model_file

    facts: list[Fact] = []
    try:
        facts.append(Fact("faces", "dlib", f"{import_dlib().__version__}, loads"))
    except FaceModelsMissing as error:
        facts.append(Fact("faces", "dlib", "does not load", PROBLEM, str(error)))
    for name in FACE_FILES:
        try:
            path = model_file(name)
            facts.append(Fact("faces", name, f"{path.stat().st_size / 1e6:.1f} MB"))
        except FaceModelsMissing as error:
            facts.append(Fact("faces", name, "missing", PROBLEM, str(error)))
    return facts


def pictures() -> list[Fact]:
    """Count the pictures that ship: the generic faces and the sample person."""
    from engine import images

    facts: list[Fact] = []
    for name, folder in (("generic faces", ROOT / "assets" / "faces"), ("sample person", ROOT / "assets" / "person")):
        try:
            facts.append(Fact("pictures", name, f"{len(images.list_photos(folder))} pictures"))
        except EngineError as error:
            facts.append(Fact("pictures", name, "missing", PROBLEM, f"{error} Get the project's files again."))
    return facts


def place(workspace: Workspace) -> list[Fact]:
    """Look at the data folder: whether it is there, can be written, is held, and what room its disk has."""
    root = workspace.root
    there = next((folder for folder in (root, *root.parents) if folder.exists()), Path(root.anchor))
    facts = [Fact("data folder", "place", str(root) if root.exists() else f"{root} (made when first needed)")]
    elsewhere = "Choose another with --workspace or LIKENESS_HOME."
    if not there.is_dir():
        return [*facts, Fact("data folder", "rights", f"{there} is not a folder", PROBLEM, elsewhere)]
    if not os.access(there, os.W_OK | os.X_OK):
        facts.append(Fact("data folder", "rights", f"you may not write to {there}", PROBLEM, elsewhere))
    free = shutil.disk_usage(there).free
    short = free < ROOM_WANTED
    facts.append(
        Fact(
            "data folder",
            "free disk",
            f"{free / 1e9:.1f} GB",
            NOTE if short else OK,
            "Make room on that disk, or choose another with --workspace." if short else "",
        )
    )
    if root.is_dir() and os.access(root, os.W_OK | os.X_OK):
        try:
            with workspace.lock():
                facts.append(Fact("data folder", "in use", "no"))
        except WorkspaceBusy as error:
            facts.append(Fact("data folder", "in use", "yes", NOTE, f"{error} Fine if it is the app you have open."))
        except EngineError as error:
            facts.append(Fact("data folder", "in use", "not known", PROBLEM, str(error)))
    return facts


def _memory() -> str:
    memory = psutil.virtual_memory()
    return f"{memory.total / 2**30:.1f} GiB, {memory.available / 2**30:.1f} GiB of it free"


def _card_name(torch: Any, device: Any) -> str:
    if device.type != "cuda":
        return ""
    memory = torch.cuda.get_device_properties(device).total_memory / 2**30
    return f" ({torch.cuda.get_device_name(device)}, {memory:.0f} GiB)"


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _line(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
