"""How fast this machine does it, against what the project wants to reach: start, page, one face, memory, demo.

Every figure is taken in a process of its own, as a user's call would be. Figures are means to compare; they are only
as good as the machine is idle, so its load is told beside them.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from engine.errors import EngineError
from engine.evaluation.doctor import machine
from engine.progress import Cancelled, Report

ROOT = Path(__file__).resolve().parents[2]
APP = ROOT / "app.py"
SAMPLE = ROOT / "assets" / "person" / "damaged"

HELP_SECONDS = 1.0
PAGE_SECONDS = 8.0
FACE_SECONDS = 3.0
FACE_GIB = 2.0
DEMO_SECONDS = 480.0
"""What the project wants to reach on two cores with nothing else running."""

STEPS = 10
HELP_RUNS = 5
PATIENCE_SECONDS = 120.0
"""After which a page that does not answer is given up."""

STOPPED = frozenset({130, -signal.SIGINT})
"""Exit codes of a process that Ctrl-C has ended; a terminal sends it to those that are measured too."""

HEAVY = ("torch", "gradio", "cv2", "dlib", "diffusers", "transformers")


class BenchFailed(EngineError):
    """Something that was to be measured did not run."""


@dataclass(frozen=True)
class Row:
    """One figure."""

    name: str
    value: float
    unit: str
    limit: float | None = None
    """At most this is wanted; None where nothing is."""

    @property
    def reached(self) -> bool | None:
        """Whether the value is within its limit."""
        return None if self.limit is None else self.value <= self.limit

    def as_json(self) -> dict[str, Any]:
        """Give all fields and whether the limit is reached."""
        return {**asdict(self), "reached": self.reached}


def run(report: Report, *, demo: bool = False, device: str = "auto") -> tuple[dict[str, Any], list[Row]]:
    """Measure everything.

    Args:
        report: followed; a stop ends the bench between two figures.
        demo: whether the whole demo is timed too, which takes minutes.
        device: what the networks run on.

    Returns:
        Facts of the machine, with device and precision, and the figures.

    Raises:
        BenchFailed: a process that was measured failed; the sentence has its last words.
        Cancelled: from the report, or because a process that was measured was stopped.
    """
    facts = machine()  # first, while the load is not our own
    count = 4 + int(demo)
    report.tick("measuring --help", 0, count)
    rows = [Row("--help", help_seconds(), "s", HELP_SECONDS)]
    report.tick("measuring imports", 1, count)
    rows.append(Row("heavy libraries imported for --help", float(len(heavy_for_help())), "", 0.0))
    report.tick("measuring the page", 2, count)
    rows.append(Row("page usable after start", page_seconds(), "s", PAGE_SECONDS))
    report.tick("measuring one face", 3, count)
    face = face_figures(device)
    facts |= {"device": face["device"], "precision": face["precision"]}
    rows += [
        Row("libraries and prior loaded", face["load_seconds"], "s"),
        Row("face found and cut", face["find_seconds"], "s"),
        Row(f"one face restored, {STEPS} steps, first", face["first_seconds"], "s", FACE_SECONDS),
        Row(f"one face restored, {STEPS} steps, again", face["again_seconds"], "s", FACE_SECONDS),
        Row("memory at most, resident", face["peak_gib"], "GiB", FACE_GIB),
    ]
    if demo:
        report.tick("measuring the demo", 4, count)
        rows.append(Row("demo", demo_seconds(device), "s", DEMO_SECONDS))
    report.tick("measured", count, count)
    return facts, rows


def help_seconds(runs: int = HELP_RUNS) -> float:
    """Give the median time of `app.py --help`, from starting Python to its end."""
    taken: list[float] = []
    for _ in range(runs):
        begun = time.perf_counter()
        finished([sys.executable, str(APP), "--help"])
        taken.append(time.perf_counter() - begun)
    return round(statistics.median(taken), 3)


def heavy_for_help() -> list[str]:
    """List which of `HEAVY` are imported when `--help` is asked for."""
    watch = (
        "import runpy, sys\n"
        f"sys.argv = ['app.py', '--help']; sys.path.insert(0, {str(ROOT)!r})\n"
        "try:\n"
        f"    runpy.run_path({str(APP)!r}, run_name='__main__')\n"
        "except SystemExit:\n"
        f"    print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)\n"
    )
    return [name for name in HEAVY if f"'{name}'" in finished([sys.executable, "-c", watch]).stderr]


def page_seconds() -> float:
    """Give the time from starting `app.py` until its page and its settings can be fetched."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="likeness-bench-") as folder:
        begun = time.perf_counter()
        arguments = ["--workspace", folder, "--port", str(port), "--no-browser"]
        with _started([sys.executable, str(APP), *arguments]) as app:
            while time.perf_counter() - begun < PATIENCE_SECONDS:
                if app.poll() in STOPPED | {0}:  # the app ends well only when it is told to
                    raise Cancelled
                if app.poll() is not None:
                    words = app.communicate()[0].strip().splitlines()[-1:] or ["it said nothing"]
                    raise BenchFailed(f"The app ended before its page could be used: {words[0]}")
                if _answers(port):
                    return round(time.perf_counter() - begun, 2)
                time.sleep(0.05)
    raise BenchFailed(f"The page did not answer within {PATIENCE_SECONDS:.0f} s. Start `python app.py` to see why.")


def face_figures(device: str = "auto") -> dict[str, Any]:
    """Restore one face of the sample person with the blind prior in a fresh process.

    Returns:
        `load_seconds`, `find_seconds`, `first_seconds`, `again_seconds` (median of three), `peak_gib`, `device`,
        `precision`.
    """
    answer = finished([sys.executable, "-m", "engine.evaluation.bench", device])
    figures: dict[str, Any] = json.loads(answer.stdout.strip().splitlines()[-1])
    return figures


def demo_seconds(device: str = "auto") -> float:
    """Give the time of the whole demo with an empty data folder."""
    with tempfile.TemporaryDirectory(prefix="likeness-bench-") as folder:
        begun = time.perf_counter()
        where = ["--workspace", folder, "--out", str(Path(folder) / "demo"), "--device", device]
        finished([sys.executable, str(APP), "demo", *where, "--json", "--quiet"])
        return round(time.perf_counter() - begun, 1)


def free_port() -> int:
    """Give a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def measure_face(device: str) -> dict[str, Any]:
    """Do in this process what `face_figures` reports."""
    begun = time.perf_counter()
    from engine import images
    from engine.faces import cut, detector
    from engine.prior import load
    from engine.prior.device import precision
    from engine.progress import silent
    from engine.restorers import Context, Subject, find, read_options

    prior = load.load(device=device)
    info = find("diffbir")
    restorer, options = info.load(Context(lambda: prior)), read_options(info.options, {"steps": STEPS})
    search = detector()
    loaded = time.perf_counter()
    for file in images.list_photos(SAMPLE):
        pixels = images.read_photo(file).pixels
        sought = time.perf_counter()
        found = search.find(pixels)
        if found:
            break
    else:
        raise BenchFailed(f"No face is found in the sample person's photos in {SAMPLE}. Get the project's files again.")
    crop = cut(pixels, found[0], prior.size)
    ready = time.perf_counter()
    taken: list[float] = []
    for _ in range(4):
        before = time.perf_counter()
        restorer.restore(crop.pixels, Subject(), options, seed=0, tick=silent)
        taken.append(time.perf_counter() - before)
    return {
        "load_seconds": round(loaded - begun, 2),
        "find_seconds": round(ready - sought, 3),
        "first_seconds": round(taken[0], 2),
        "again_seconds": round(statistics.median(taken[1:]), 2),
        "peak_gib": round(peak_bytes() / 2**30, 2),
        "device": str(prior.device),
        "precision": precision(prior.device),
    }


def peak_bytes() -> int:
    """Give the most memory this process was resident in so far, bytes."""
    status = Path("/proc/self/status")
    if status.is_file():  # not getrusage: a Linux process inherits that figure from the one that started it
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def finished(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command in the project's folder and give what it said.

    Raises:
        BenchFailed: it failed; the sentence has its last words.
        Cancelled: it was stopped.
    """
    ended = subprocess.run(
        command, cwd=ROOT, env=_surroundings(), capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )
    if ended.returncode in STOPPED:
        raise Cancelled
    if ended.returncode:
        words = (ended.stderr or ended.stdout).strip().splitlines()[-1:] or ["it said nothing"]
        raise BenchFailed(f"`{' '.join(command[1:4])}` ended with exit code {ended.returncode}: {words[0]}")
    return ended


@contextmanager
def _started(command: list[str]) -> Generator[subprocess.Popen[str]]:
    """Run a command for as long as the block runs."""
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=_surroundings(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def _surroundings() -> dict[str, str]:
    return {**os.environ, "PYTHONUNBUFFERED": "1"}


def _answers(port: int) -> bool:
    """Whether the page and what it draws itself from come back."""
    # Past any proxy that the surroundings name: it would be asked for this very machine.
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        for path in ("/", "/config"):
            with direct.open(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                answer.read()
    except (urllib.error.URLError, OSError):
        return False
    return True


if __name__ == "__main__":
    try:
        sys.stdout.write(json.dumps(measure_face(sys.argv[1])) + "\n")
    except EngineError as error:
        sys.exit(str(error))
