"""Gets what requirement files cannot: `python -m tests.browser` finds a Chromium, or installs one, and adds facexlib.

Looked for, in this order: the one that Playwright keeps for itself, then one of the system. The tests only look; they
never install.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib import invalidate_caches
from importlib.util import find_spec
from pathlib import Path

from engine.faces.networks import REQUIREMENT as FACEXLIB

BROWSER_MISSING = "No Chromium was found for the browser tests. This finds or installs one: python -m tests.browser"

COMMANDS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
"""Names under which systems put a Chromium on the path."""

INSTALL_SECONDS = 600
"""A download or a package manager that takes longer than this hangs."""


def find() -> Path | None:
    """The first Chromium on this machine that starts, or None."""
    return next((path for path in _candidates() if version(path) is not None), None)


def version(path: Path) -> str | None:
    """What a browser calls itself, such as "Chromium 140.0.1", or None where it does not start.

    Asked, and not only looked for, because Ubuntu's `chromium-browser` may be a stub that tells to install another
    package, and because a downloaded browser may lack libraries of the system.
    """
    if not path.is_file():
        return None
    if sys.platform == "win32":  # there the question would open a window
        return path.stem
    try:
        answer = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    words = answer.stdout.strip()
    return words if answer.returncode == 0 and ("Chrom" in words or "Edge" in words) else None


def launch_arguments() -> list[str]:
    """What Chromium needs on its command line here: as root on Linux it starts only without its sandbox."""
    return ["--no-sandbox"] if _is_root() else []


def install() -> Path | None:
    """Try to install a Chromium, and return the one that is then found, or None."""
    ours = [sys.executable, "-m", "playwright"]
    downloaded = _run([*ours, "install", "chromium"])
    found = find()
    if found or not (_is_root() and shutil.which("apt-get")):
        return found
    _run(["apt-get", "update"])
    if downloaded:  # the browser is there and does not start: its libraries are missing
        _run([*ours, "install-deps", "chromium"])
        found = find()
    if found is None:
        _run(["apt-get", "install", "--yes", "--no-install-recommends", "chromium", "fonts-liberation"])
        found = find()
    return found


def install_networks() -> bool:
    """Install facexlib, whose networks some tests fill, without the libraries it asks for; say whether it is there.

    A requirements file cannot say that of one line; what facexlib asks for would spoil the headless OpenCV.
    """
    if find_spec("facexlib") is None:
        _run([sys.executable, "-m", "pip", "install", "--no-deps", FACEXLIB])
        invalidate_caches()
    return find_spec("facexlib") is not None


def main() -> int:
    """Print one line that says which browser the tests will use; return the exit code."""
    if not install_networks():
        sys.stderr.write(f'facexlib could not be installed. Run: python -m pip install --no-deps "{FACEXLIB}"\n')
        return 1
    found = find() or install()
    if found is None:
        sys.stderr.write(
            "No Chromium was found and none could be installed. Install Chromium or Google Chrome yourself "
            "(Debian: sudo apt-get install chromium), then run this again.\n"
        )
        return 1
    sys.stdout.write(f"Browser for the tests: {found} ({version(found)})\n")
    return 0


def _candidates() -> Iterator[Path]:
    own = _playwright_own()
    if own:
        yield own
    for command in COMMANDS:
        place = shutil.which(command)
        if place:
            yield Path(place)
    if sys.platform == "darwin":
        for folder in (Path("/Applications"), Path.home() / "Applications"):
            for name in ("Google Chrome", "Chromium", "Microsoft Edge"):
                yield folder / f"{name}.app" / "Contents" / "MacOS" / name
    if sys.platform == "win32":
        for variable in ("PROGRAMFILES", "PROGRAMFILES(X86)", "LOCALAPPDATA"):
            folder = os.environ.get(variable)
            if folder:
                yield Path(folder, "Google", "Chrome", "Application", "chrome.exe")
                yield Path(folder, "Chromium", "Application", "chrome.exe")
                yield Path(folder, "Microsoft", "Edge", "Application", "msedge.exe")


def _playwright_own() -> Path | None:
    """Where Playwright would keep its Chromium; nothing need be there. None without Playwright.

    Asked in a process of its own: Playwright's ordinary interface cannot be started twice in one thread.
    """
    question = "from playwright.sync_api import sync_playwright as s\nwith s() as p: print(p.chromium.executable_path)"
    answer = subprocess.run([sys.executable, "-c", question], capture_output=True, text=True, timeout=60, check=False)
    words = answer.stdout.strip()
    return Path(words) if answer.returncode == 0 and words else None


def _run(command: Sequence[str]) -> bool:
    """Run an installer with its words on the error stream; whether it said that it succeeded."""
    sys.stderr.write(f"Trying: {' '.join(command)}\n")
    sys.stderr.flush()
    surroundings = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    try:
        ended = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
            env=surroundings,
            timeout=INSTALL_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        sys.stderr.write(f"{error}\n")
        return False
    return ended.returncode == 0


def _is_root() -> bool:
    return sys.platform == "linux" and os.geteuid() == 0


if __name__ == "__main__":
    sys.exit(main())
