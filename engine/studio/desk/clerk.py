"""The desk's clerk: its one thread, what is written down, and what there is to tell the user."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from threading import RLock
from typing import Any

from engine.errors import EngineError
from engine.workspace import Workspace, read_json, write_json

log = logging.getLogger(__name__)


@dataclass
class Noted:
    """What is written down."""

    person: str = ""
    photo: dict[str, Any] | None = None
    """`file` in the desk's folder, `faces` as `asdict` gives them, which is `chosen`, and the `source`, the path of the
    photo on this machine, "" for one that was dropped."""
    job: str = ""
    """The last one."""
    job_read: bool = False
    result: str = ""
    """The job whose result is shown: it stays to be seen while the next one runs, or was stopped."""
    newest: str = ""
    """The last job that finished; its result was put up once, and may have made room for an older one since."""
    knobs: dict[str, Any] = field(default_factory=dict[str, Any])
    folder: str = ""
    """Where a result was last saved to."""


class Clerk:
    """What the parts of a desk have in common. For any thread; whoever changes `noted` holds the `lock`."""

    def __init__(self, workspace: Workspace) -> None:
        """Read what was written down in a workspace, and start the thread."""
        self.folder = workspace.root / "desk"
        """The desk's own, in which photos lie too."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self.lock = RLock()
        self.noted = self._read()
        self.closed = False
        """Whether what takes long should break off."""
        self._logs = workspace.logs
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="desk")
        self._notices: dict[str, list[str]] = {"references": [], "photo": []}

    def close(self) -> None:
        """End the thread after the file that it is at."""
        self.closed = True
        self._thread.shutdown(wait=True, cancel_futures=True)

    def write(self) -> None:
        """Write down what is noted now."""
        write_json(self.folder / "desk.json", {"version": 1, **asdict(self.noted)})

    def hand_over(self, place: str, work: Callable[..., None], *given: Any) -> None:
        """Let the desk's thread do something; what goes wrong there becomes a notice at `place`."""
        try:
            done = self._thread.submit(work, *given)
        except RuntimeError:  # the desk was closed meanwhile
            return
        done.add_done_callback(lambda future: self._note_failure(place, future))

    def settle(self) -> None:
        """Wait until all that was handed over is done, a minute at most."""
        with suppress(RuntimeError, TimeoutError):  # the desk was closed meanwhile, or it takes too long
            self._thread.submit(int).result(timeout=60)

    def notices(self, place: str) -> tuple[str, ...]:
        """Give the sentences that stand at `references` or `photo`, oldest first."""
        return tuple(self._notices[place])

    def tell(self, place: str, sentence: str) -> None:
        """Leave a notice; one that already stands there is not repeated."""
        with self.lock:
            if sentence not in self._notices[place]:
                self._notices[place].append(sentence)

    def forget(self, place: str, index: int) -> None:
        """Take a notice away; a number beyond them takes none."""
        with self.lock:
            if 0 <= index < len(self._notices[place]):
                del self._notices[place][index]

    def forget_all(self, place: str) -> None:
        """Take all notices of a place away."""
        with self.lock:
            self._notices[place].clear()

    def _note_failure(self, place: str, future: Future[None]) -> None:
        error = None if future.cancelled() else future.exception()
        if isinstance(error, EngineError):
            self.tell(place, str(error))
        elif error is not None:
            log.error("the desk could not finish", exc_info=error)
            self.tell(place, f"Something broke ({type(error).__name__}); the log is in {self._logs}")

    def _read(self) -> Noted:
        """Read what was written down; a file that cannot be used is as good as an empty desk."""
        file = self.folder / "desk.json"
        if not file.exists():
            return Noted()
        try:
            found: dict[str, Any] = read_json(file)
            photo: dict[str, Any] | None = found["photo"]
            if photo is not None:
                photo = {
                    "file": str(photo["file"]),
                    "faces": list(photo["faces"]),
                    "chosen": photo["chosen"],
                    "source": str(photo.get("source", "")),
                }
            return Noted(
                str(found["person"]),
                photo,
                str(found["job"]),
                bool(found["job_read"]),
                str(found["result"]),
                str(found.get("newest", found["result"])),
                dict(found["knobs"]),
                str(found.get("folder", "")),
            )
        except (EngineError, KeyError, TypeError, ValueError) as error:
            log.warning("the desk is laid out empty: %s", error)
            return Noted()
