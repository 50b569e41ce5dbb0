"""What a user may pass on when something does not work: facts of the machine and the program, and nothing private.

The facts are the doctor's. It runs as a process of its own, since it loads what the page does without. Of the data
folder there are numbers only; paths, names of people and names of this computer's user are taken out of what is left.
"""

from __future__ import annotations

import getpass
import json
import logging
import os
import re
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import EngineError
from engine.weights import CATALOGUE

if TYPE_CHECKING:
    from engine.studio import Studio

log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 300
"""After which the doctor is given up."""

PLACE = re.compile(r"(?:(?<![\w/.])~?/|[A-Za-z]:[\\/])[^\s'\",;:()]*[^\s'\",;:().]|\\\\[^\s'\",;]+")
"""A path as programs write it."""
LOCAL = "[a place of this computer]"
SOMEBODY = "[name]"


class Diagnostics:
    """Gathers the report in a thread. Every method may be called from any thread and returns at once."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="diagnostics")
        self._coming: Future[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def close(self) -> None:
        """End the thread, and the doctor if it is at work."""
        process = self._process
        if process is not None:
            process.kill()
        self._thread.shutdown(wait=True, cancel_futures=True)

    def gather(self) -> None:
        """Begin to make the report anew."""
        if not self.gathering:
            self._coming = self._thread.submit(self._made)

    @property
    def gathering(self) -> bool:
        """Whether it is being made."""
        return self._coming is not None and not self._coming.done()

    @property
    def report(self) -> str:
        """The report; "" while there is none."""
        return self._coming.result() if self._coming is not None and self._coming.done() else ""

    def _made(self) -> str:
        lines = ["Likeness, diagnostics", *self._doctor(), *self._numbers()]
        return private("\n".join(lines), self._names(), self._studio.workspace.root)

    def _doctor(self) -> list[str]:
        place = ["--workspace", str(self._studio.workspace.root)]
        try:
            with subprocess.Popen(
                [sys.executable, str(ROOT / "app.py"), "--json", *place, "doctor"],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=ROOT,
            ) as self._process:
                answer = self._process.communicate(timeout=SECONDS)[0]
            facts: list[dict[str, Any]] = json.loads(answer)["facts"]
        except (OSError, ValueError, KeyError, subprocess.TimeoutExpired) as error:
            log.warning("the doctor gave no answer: %s", error)
            return ["The doctor gave no answer."]
        finally:
            self._process = None
        return [f"{fact['group']}: {fact['name']}: {fact['value']} [{fact['state']}]" for fact in facts]

    def _numbers(self) -> list[str]:
        """Count what is in the data folder."""
        workspace, runner = self._studio.workspace, self._studio.runner
        jobs = Counter(f"{job.kind} {job.state}" for job in runner.jobs())
        own = sorted(file.id for file in CATALOGUE.values() if (workspace.weights / file.file).is_file())
        return [
            f"data: people: {sum(1 for _ in workspace.people.glob('[!.]*/person.json'))}",
            f"data: references: {sum(1 for _ in workspace.people.glob('[!.]*/references/[!.]*.json'))}",
            f"data: tuned models: {sum(1 for _ in workspace.people.glob('[!.]*/tuned/*/manifest.json'))}",
            f"data: jobs: {', '.join(f'{count} {what}' for what, count in sorted(jobs.items())) or 'none'}",
            f"data: weight files in the own folder: {', '.join(own) or 'none'}",
        ]

    def _names(self) -> list[str]:
        found: list[str] = []
        for file in self._studio.workspace.people.glob("[!.]*/person.json"):
            with suppress(EngineError, OSError, ValueError, KeyError, TypeError):
                found += [str(json.loads(file.read_bytes())["name"]), file.parent.name]
        return found


def private(text: str, names: Iterable[str], root: Path) -> str:
    """Take names and places out of a text.

    Args:
        text: to be passed on.
        names: of people.
        root: of the data folder.
    """
    for place in sorted({str(root), str(Path.home()), str(ROOT), sys.prefix}, key=len, reverse=True):
        if len(place) > 1:
            text = text.replace(place, LOCAL)
    text = PLACE.sub(LOCAL, text)
    own: list[str] = [socket.gethostname()]
    with suppress(OSError, KeyError, ImportError):  # some systems know no name for the user
        own.append(getpass.getuser())
    own += [value for name in ("USER", "USERNAME", "COMPUTERNAME") if (value := os.environ.get(name, ""))]
    for name in sorted({*names, *own} - {""}, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", SOMEBODY, text, flags=re.IGNORECASE)
    return text
