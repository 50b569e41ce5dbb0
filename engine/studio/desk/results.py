"""The results on the desk: which one is shown, the others of the same photo, and fitting one anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import images
from engine.errors import EngineError
from engine.jobs import Job, NoSuchJob
from engine.results import path_beside, read_provenance
from engine.studio import glimpses, items, uncertainty
from engine.studio.brush import Stroke, read_strokes
from engine.studio.desk.clerk import Clerk
from engine.studio.desk.thumbs import Thumbs
from engine.studio.finish import finish_from, finish_json, read_finish
from engine.studio.history import History, Kept
from engine.studio.proxies import link, make_proxy, proxy_of
from engine.studio.refit import NotRefitted, Refits, fixed
from engine.studio.view import DamagedPhoto, ShownGlimpse, ShownResult, ShownTry, ShownUncertainty
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
        self._thumbs = Thumbs(clerk, previews, lambda result: self._refits.newest(result.job))
        self._photo_of = ("", "")
        self._opened = 0
        """How many results of other jobs were opened, so that the history looks again."""
        self._wanted: dict[str, Finish] = {}
        """How the knobs last stood for a result, by its job."""

    def job(self, name: str) -> Job | None:
        """Give a job by its id; None when there was none, or its folder was removed."""
        try:
            return items.find(self._runner, name) if name else None
        except NoSuchJob:
            return None

    def follow(self) -> Job | None:
        """Give the last job, and show its result once it has one; of several the first."""
        with self._clerk.lock:
            noted = self._clerk.noted
            job = self.job(noted.job)
            if job is not None and job.over and noted.newest != job.id:
                made = items.items_of(self._runner, job)
                if made:
                    noted.newest, noted.result = job.id, made[0].id
                    self._clerk.write()
            return job

    def of(self, photo: DamagedPhoto | None) -> tuple[Kept, ...]:
        """Give the results that show a photo, oldest first."""
        if photo is None:
            return ()
        noted = self._clerk.noted
        job = self.job(noted.job)
        coming = len(items.items_of(self._runner, job)) if job is not None and not job.over else 0
        return self._history.of(Path(photo.proxy.full).stem, (noted.newest, noted.job, coming, self._opened))

    def tries(self, photo: DamagedPhoto | None) -> tuple[ShownTry, ...]:
        """Give the results that show a photo as a page sees them, oldest first."""
        wanted = self._clerk.noted.result
        return tuple(ShownTry(one.id, self._thumbs.of(one), one.told, one.id == wanted) for one in self.of(photo))

    def glimpse(self, photo: DamagedPhoto | None, job: Job | None) -> ShownGlimpse | None:
        """Give the face as it is while a job restores it in the photo; None when there is nothing to see."""
        if photo is None or job is None or job.over:
            return None
        seen = glimpses.newest(Path(job.arguments["out"]))
        if seen is None or self._digest_of(job) != Path(photo.proxy.full).stem:
            return None
        try:
            preview = link(seen.file, self._previews, "glimpses")
        except OSError:  # it was just taken away
            return None
        return ShownGlimpse(preview, seen.side, seen.to_photo, seen.done, seen.total)

    def uncertainty(self) -> ShownUncertainty | None:
        """Give where the shown result is uncertain, or why that is not told; None where it was not found out."""
        job = self.job(self._clerk.noted.result)
        if job is None or job.arguments.get("of") != "vary":
            return None
        known = uncertainty.read(Path(job.arguments["out"]).parent)
        if known is None or known.picture is None:
            return ShownUncertainty(known.sentence) if known is not None else None
        try:
            preview = link(known.picture, self._previews, f"uncertain-{job.id.partition('.')[0]}")
        except OSError:  # it was just taken away
            return None
        return ShownUncertainty(known.sentence, preview, known.side, known.to_photo)

    def choose(self, photo: DamagedPhoto | None, name: str) -> None:
        """Show one of the results of a photo."""
        with self._clerk.lock:
            if name in [one.id for one in self.of(photo)]:
                self._clerk.noted.result = name
                self._clerk.write()

    def open(self, name: str) -> Path:
        """Show a result of any job, and give its photo.

        Raises:
            NoSuchJob: there is none.
        """
        job = items.find(self._runner, name)
        with self._clerk.lock:
            self._opened += 1
            self._clerk.noted.result = job.id
            self._clerk.write()
        return Path(job.arguments["photo"])

    def told(self, photo: DamagedPhoto | None, name: str) -> Mapping[str, Any] | None:
        """Give the provenance of a result of a photo, of the shown one with ""; None where there is none."""
        shown = self.shown()
        if not name or (shown is not None and name == self._clerk.noted.result):
            return shown.provenance if shown is not None else None
        return next((one.told for one in self.of(photo) if one.id == name), None)

    def file(self) -> Path | None:
        """Give the file of the result that is shown; None while it is written, or when there is none."""
        shown, job = self.shown(), self.job(self._clerk.noted.result)
        return self._refits.newest(job) if job is not None and shown is not None and shown.download else None

    def mask(self, photo: DamagedPhoto | None) -> tuple[Stroke, ...]:
        """Give what was painted on the result that is shown, if it is one of the photo."""
        shown = self.shown()
        if shown is None or photo is None or photo.proxy != shown.before:
            return ()
        return finish_from(shown.provenance["finish"]).mask

    def brush(self, photo: DamagedPhoto | None, strokes: Sequence[Any]) -> None:
        """As `Desk.brush`."""
        mask = read_strokes(list(strokes))
        with self._clerk.lock:
            shown = self.shown()
        if shown is not None:
            self._refit(photo, lambda told: replace(finish_from(told["finish"]), mask=mask))

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
            found, noted = [one.id for one in self.of(photo)], self._clerk.noted
            if not found:
                return
            at = found.index(noted.result) if noted.result in found else -1
            noted.result = found[(at + by) % len(found)]
            self._clerk.write()

    def refit(self, photo: DamagedPhoto | None, finish: Mapping[str, Any]) -> None:
        """As `Desk.refit`; a result of another photo than the one on the desk stays as it is."""
        knobs = read_finish(finish)
        self._refit(photo, lambda told: replace(knobs, mask=finish_from(told["finish"]).mask))

    def _refit(self, photo: DamagedPhoto | None, asked: Callable[[Mapping[str, Any]], Finish]) -> None:
        """Show the result with another finish, which is made of its provenance."""
        with self._clerk.lock:
            shown, job = self.shown(), self.job(self._clerk.noted.result)
        if shown is None or job is None or (photo is not None and photo.proxy != shown.before):
            return
        wanted = fixed(shown.provenance, asked(shown.provenance))
        if wanted == finish_from(shown.provenance["finish"]):
            return
        try:
            after = self._refits.quick(job, wanted)
        except NotRefitted as error:
            self._clerk.tell("photo", str(error))
            return
        told = {**shown.provenance, "finish": finish_json(wanted)}
        with self._clerk.lock:
            self._wanted[job.id] = wanted
            self._shown[job.id] = replace(shown, after=after, download="", provenance=told)
        self._clerk.hand_over("photo", self._write_refit, job, wanted)

    def _digest_of(self, job: Job) -> str:
        """Give the first digits of the SHA-256 of a job's photo, as proxies are named."""
        if self._photo_of[0] != job.id:
            with suppress(EngineError):
                self._photo_of = job.id, sha256_file(Path(job.arguments["photo"]))[:32]
        return self._photo_of[1] if self._photo_of[0] == job.id else ""

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
            if wanted is not None:
                self._thumbs.forget(job.id)
        # What was to be downloaded before is the same file under a second name, which would stay on the disk.
        for old in self._previews.glob(f"{job.id}-*/"):
            if old.name != Path(shown.download).parent.name:
                with suppress(EngineError):  # Windows refuses while it is being sent; it goes with the previews then
                    trash(old)
