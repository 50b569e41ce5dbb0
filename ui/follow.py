"""Turns what the engine says into what the page shows: job events into progress, the desk into the parts' values.

Nothing is pushed to a browser. Each page asks once a second and is sent only the parts that changed since it last
asked, so a page that was reloaded, or a second one, is no special case: it has seen nothing and is sent everything.
"""

from __future__ import annotations

import hashlib
import html
import json
import logging
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import quote

import gradio as gr
from gradio.components import Component

from engine.errors import EngineError
from engine.jobs import Job, Runner
from engine.studio.desk import Desk
from engine.studio.view import View
from ui.strings import say

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Progress:
    """How far a job is in its present stage."""

    stage: str
    done: int
    total: int
    seconds_left: float | None
    """In this stage; None while unknown."""


class Follower:
    """Reads the events of jobs as they come, each one once."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._job = ""
        self._read = 0
        self._last: Progress | None = None
        self._lock = Lock()

    def progress(self, job: Job) -> Progress | None:
        """Give how far a job is; None before its first word."""
        with self._lock:
            if job.id != self._job:
                self._job, self._read, self._last = job.id, 0, None
            for event in self._runner.events(job.id, self._read):
                self._read = event.n
                if event.event == "progress":
                    known = event.data
                    self._last = Progress(str(known["stage"]), int(known["done"]), int(known["total"]), known["eta"])
            return self._last


Value = Callable[[View], Any]
"""Gives what a component shall show of the desk, as JSON has it."""


@dataclass(frozen=True)
class Shown:
    """A component that changes by itself."""

    component: Component
    value: Value
    update: Callable[[Any], Any] = lambda value: value
    """Turns the value into what Gradio takes for the component."""


class Page:
    """The components that follow the desk, and what a browser has already seen of them."""

    def __init__(self, desk: Desk, shown: Sequence[Shown]) -> None:
        self.desk = desk
        self.shown = tuple(shown)
        self.seen = gr.Textbox("", visible="hidden", container=False)
        """The fingerprint of each component's value that this page shows, as JSON.

        It lies in the browser and comes with the values: answers may overtake one another on their way, and a record
        kept at the server would then take for shown what an older answer has covered again."""
        self.outputs: list[Component] = [*(part.component for part in self.shown), self.seen]

    def updates(self, seen: str) -> list[Any]:
        """Give what is new since `seen`, "" for nothing seen yet, in the order of `outputs`."""
        sent: list[Any] = []
        known: dict[str, str] = json.loads(seen or "{}")
        now, view = dict(known), self.desk.view()
        for number, part in enumerate(self.shown):
            value = part.value(view)
            mark = hashlib.blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=8).hexdigest()
            new = known.get(str(number)) != mark
            sent.append(part.update(value) if new else gr.skip())
            now[str(number)] = mark
        return [*sent, json.dumps(now) if now != known else gr.skip()]

    def on(self, listener: Callable[..., Any], verb: Callable[[gr.EventData], None]) -> None:
        """Let an event of a part do something to the desk and show at once what came of it."""

        def handle(seen: str, event: gr.EventData) -> list[Any]:
            with explained():
                verb(event)
            return self.updates(seen)

        listener(handle, self.seen, self.outputs, trigger_mode="multiple", **VERB)


QUIET: dict[str, Any] = {"show_progress": "hidden", "queue": False, "api_visibility": "private"}
"""For listeners that only look: no veil over the page, and no place in Gradio's queue."""

VERB: dict[str, Any] = {**QUIET, "queue": True, "concurrency_limit": None}
"""For listeners that do something: Gradio shows no errors of events outside its queue. None waits for another there;
they all return at once."""


@contextmanager
def explained() -> Generator[None]:
    """Turn what goes wrong inside into a message on the page: the engine's own sentence, or where the log is."""
    try:
        yield
    except EngineError as error:
        raise message(str(error)) from error
    except Exception as error:  # the last place where a bug can be told of; its traceback goes into the log
        log.exception("an event of the page failed")
        raise message(broken()) from error


def message(sentence: str) -> gr.Error:
    """Give an error that stays on the page until it is closed. Gradio would show markup in it, so there is none."""
    return gr.Error(html.escape(sentence), duration=None, title=say("app"), print_exception=False)


def broken() -> str:
    """Say that something broke and where the log of it is."""
    places = [h.baseFilename for h in logging.getLogger().handlers if isinstance(h, logging.FileHandler)]
    return say("bug", log=places[0]) if places else say("bug_without_log")


def address(desk: Desk, preview: str) -> str:
    """Give the address of a preview, "" for none."""
    if not preview:
        return ""
    return f"/gradio_api/file={quote(str(Path(desk.previews, preview)))}"
