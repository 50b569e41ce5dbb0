"""What tunings would take on this machine: tried out in the worker, once for each recipe and number of photos."""

from __future__ import annotations

import logging
import shutil
from contextlib import suppress
from threading import RLock
from typing import TYPE_CHECKING, Any

import psutil

from engine import __version__
from engine.errors import EngineError
from engine.jobs import Busy, NoSuchJob
from engine.studio.tunings.view import Estimated
from engine.tuning import recipe
from engine.workspace import FileMissing, fingerprint, read_json, trash, write_json

if TYPE_CHECKING:
    from engine.studio import Studio

log = logging.getLogger(__name__)


class Estimates:
    """Remembers estimates in the cache, and lets the worker make new ones. For any thread."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._file = studio.workspace.cache / "estimates.json"
        self._known = self._read()
        self._lock = RLock()
        self._job, self._key = "", ""
        self._failed: dict[str, str] = {}

    @property
    def running(self) -> bool:
        """Whether one is being made."""
        return bool(self._job)

    def want(self, person: str, recipe_name: str, photos: int) -> None:
        """Have one made, unless it is known, cannot be made, or the worker has something else to do.

        Args:
            person: id.
            recipe_name: of the tuning.
            photos: how many references the person has.
        """
        key = self._key_of(recipe_name, photos)
        with self._lock:
            if key in self._known or key in self._failed or self._job or not photos:
                return
            if self._studio.runner.current() is not None:
                return
            try:
                job = self._studio.start_estimate(person, recipe_name)
            except Busy:
                return
            self._job, self._key = job.id, key

    def get(self, recipe_name: str, photos: int) -> Estimated | None:
        """Give what a tuning with a recipe and a number of references takes; None while nobody has tried."""
        with self._lock:
            self._take_result()
            found = self._known.get(self._key_of(recipe_name, photos))
        if found is None:
            return None
        disk = shutil.disk_usage(self._studio.workspace.root).free
        try:
            card = found.get("free_on_card")
            free = int(psutil.virtual_memory().available) if card is None else int(card)
            sizes = {name: int(found[name]) for name in ("memory", "disk", "kept")}
            return Estimated(seconds=float(found["seconds"]), **sizes, free_memory=free, free_disk=disk)
        except (KeyError, TypeError, ValueError):
            return None

    def error(self, recipe_name: str, photos: int) -> str:
        """Say why there is no estimate; "" where there is one, or nobody has tried."""
        return self._failed.get(self._key_of(recipe_name, photos), "")

    def _take_result(self) -> None:
        if not self._job:
            return
        try:
            job = self._studio.runner.job(self._job)
        except NoSuchJob:
            self._job = ""
            return
        if not job.over:
            return
        self._job = ""
        if job.state == "finished" and job.result is not None:
            self._known[self._key] = dict(job.result)
            with suppress(EngineError):  # it will be tried again next time
                write_json(self._file, {"version": 1, "estimates": self._known})
        else:
            self._failed[self._key] = job.error
            log.warning("no estimate: %s", job.error)
        with suppress(EngineError):  # it told all that it knew
            trash(job.folder)
            job.log.unlink(missing_ok=True)

    def _key_of(self, recipe_name: str, photos: int) -> str:
        made = recipe(recipe_name).as_json()
        whole = {"recipe": made, "photos": photos, "device": self._studio.device, "likeness": __version__}
        return fingerprint(whole)[:16]

    def _read(self) -> dict[str, dict[str, Any]]:
        try:
            return {str(key): dict(value) for key, value in read_json(self._file)["estimates"].items()}
        except FileMissing:
            return {}
        except (EngineError, KeyError, TypeError, ValueError, AttributeError) as error:
            log.warning("estimates are made anew: %s", error)
            return {}
