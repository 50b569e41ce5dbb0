"""The results on the desk: which one is shown, the others of the same photo, and fitting one anew."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import images
from engine.errors import EngineError
from engine.jobs import Job, NoSuchJob
from engine.results import path_beside, read_provenance
from engine.studio.desk.clerk import Clerk
from engine.studio.finish import finish_from, read_finish
from engine.studio.history import History
from engine.studio.proxies import link, make_proxy, proxy_of
from engine.studio.refit import NotRefitted, Refits, fixed
from engine.studio.view import DamagedPhoto, ShownResult
from engine.workspace import sha256_file, trash

if TYPE_CHECKING:
    from engine.studio import Studio
    from engine.studio.finish import Finish


class Results:
    """The results of a desk. For any thread; the clerk's own does what takes long."""

    def __init__(self, studio: Studio, clerk: Clerk, previews: Path) -> None:
        """Take the folder of the previews."""
        self._runner, self._clerk, self._previews = studio.runner, clerk, previews
        self._shown: dict[str, ShownResult | None] = {}
        self._history = History(studio.runner)
        self._refits = Refits(studio.workspace, previews)
        self._wanted: dict[str, Finish] = {}
        """How the knobs last stood for a result, by its job."""

    def job(self, name: str) -> Job | None:
        """Give a job by its id; None when there was none, or its folder was removed."""
        try:
            return self._runner.job(name) if name else None
        except NoSuchJob:
            return None

    def follow(self) -> Job | None:
        """Give the last job, and show its result once it has one."""
        with self._clerk.lock:
            noted = self._clerk.noted
            job = self.job(noted.job)
            if job is not None and job.state == "finished" and noted.newest != job.id:
                noted.newest = noted.result = job.id
                self._clerk.write()
            return job

    def of(self, photo: DamagedPhoto | None) -> tuple[str, ...]:
        """Give the jobs whose results show a photo, oldest first."""
        return self._history.of(Path(photo.proxy.full).stem, self._clerk.noted.newest) if photo else ()

    def shown(self) -> ShownResult | None:
        """Give the result that is shown; None when there is none, or it is still being laid out."""
        name = self._clerk.noted.result
        if name and name not in self._shown:
            self._shown[name] = None
            job = self.job(name)
            if job is not None:
                self._clerk.hand_over("photo", self._lay_out, job)
        return self._shown.get(name)

    def step(self, photo: DamagedPhoto | None, by: int) -> None:
        """Show the next result of a photo, or one before."""
        with self._clerk.lock:
            found, noted = self.of(photo), self._clerk.noted
            if not found:
                return
            at = found.index(noted.result) if noted.result in found else -1
            noted.result = found[(at + by) % len(found)]
            self._clerk.write()

    def refit(self, photo: DamagedPhoto | None, finish: Mapping[str, Any]) -> None:
        """As `Desk.refit`; a result of another photo than the one on the desk stays as it is."""
        wanted = read_finish(finish)
        with self._clerk.lock:
            shown, job = self.shown(), self.job(self._clerk.noted.result)
        if shown is None or job is None or (photo is not None and photo.proxy != shown.before):
            return
        wanted = fixed(shown.provenance, wanted)
        if wanted == finish_from(shown.provenance["finish"]):
            return
        try:
            after = self._refits.quick(job, wanted)
        except NotRefitted as error:
            self._clerk.tell("photo", str(error))
            return
        told = {**shown.provenance, "finish": asdict(wanted)}
        with self._clerk.lock:
            self._wanted[job.id] = wanted
            self._shown[job.id] = replace(shown, after=after, download="", provenance=told)
        self._clerk.hand_over("photo", self._write_refit, job, wanted)

    def _lay_out(self, job: Job) -> None:
        self._show(job, self._refits.newest(job))
        with suppress(EngineError):  # why, is said when a knob is moved
            self._refits.take_up(job)

    def _write_refit(self, job: Job, wanted: Finish) -> None:
        """Write a result as the knobs stand, unless they were moved on meanwhile."""
        if self._wanted.get(job.id) == wanted:
            self._show(job, self._refits.write(job, wanted), wanted)

    def _show(self, job: Job, file: Path, wanted: Finish | None = None) -> None:
        """Show a job's result, which lies in a file, unless the knobs were moved on since `wanted`."""
        known = self._shown.get(job.id)
        restored, digest = images.read_photo(file), sha256_file(file)
        shown = ShownResult(
            before=known.before if known is not None else proxy_of(Path(job.arguments["photo"]), self._previews),
            after=make_proxy(restored, digest, self._previews),
            download=link(file, self._previews, f"{job.id}-{digest[:12]}"),
            name=file.name,
            width=restored.width,
            height=restored.height,
            provenance=read_provenance(path_beside(file)),
            person=str((job.result or {})["person"]),
        )
        with self._clerk.lock:
            if self._wanted.get(job.id) != wanted:
                return
            self._shown[job.id] = shown
        # What was to be downloaded before is the same file under a second name, which would stay on the disk.
        for old in self._previews.glob(f"{job.id}-*/"):
            if old.name != Path(shown.download).parent.name:
                with suppress(EngineError):  # Windows refuses while it is being sent; it goes with the previews then
                    trash(old)
