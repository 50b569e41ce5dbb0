"""The tunings that there are, read from where they lie anyway: tuned models, checkpoints, and jobs that made them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.errors import EngineError
from engine.jobs import Job, Runner
from engine.studio import watched
from engine.studio.tunings.view import Ended, Entry, State
from engine.workspace import read_json


class Entries:
    """Reads what changes again and what is over once. Not for several threads."""

    def __init__(self, runner: Runner, people: Path) -> None:
        self._runner, self._people = runner, people
        self._jobs = {job.id: job for job in reversed(runner.jobs()) if job.kind == "tune"}
        """All tunings that were ever handed to the worker and are not forgotten, the oldest first."""
        self._tuned: dict[str, str] = {}
        self._manifests: dict[str, tuple[int, dict[str, Any]]] = {}

    def add(self, job: Job) -> None:
        """Take in a job that was begun."""
        self._jobs[job.id] = job

    def newest(self) -> Job | None:
        """Give the job that was begun last."""
        return next(reversed(self._jobs.values()), None)

    def folder(self, entry: str) -> Path:
        """Give the folder of a tuning; its id may come from a browser."""
        person, _, tuned = entry.partition("/")
        return self._people / Path(person).name / "tuned" / Path(tuned).name

    def entries(self, running: Job | None) -> tuple[Entry, ...]:
        """Give all tunings, the one that runs first, then the newest.

        Args:
            running: the tuning under way.
        """
        names: dict[str, str] = {}
        found: list[Entry] = []
        jobs = self.worked_on()
        for folder in self._people.glob("[!.]*/tuned/[!.]*"):
            if not folder.is_dir():
                continue
            person = folder.parents[1].name
            if person not in names:
                names[person] = name_in(self._people / person)
            entry = self._as_entry(folder, person, names[person], running, jobs)
            if entry is not None:
                found.append(entry)
        return tuple(sorted(found, key=lambda entry: (entry.state == "running", entry.when), reverse=True))

    def _as_entry(
        self, folder: Path, person: str, name: str, running: Job | None, jobs: Mapping[str, list[Job]]
    ) -> Entry | None:
        made = f"{person}/{folder.name}"
        manifest = self._manifest(folder)
        state = _json(folder / "state.json")
        if not manifest and not state:
            return None
        last = jobs[made][-1] if made in jobs else None
        runs = running is not None and self.tuned_by(running) == made
        going = (folder / "checkpoint.pt").exists()
        stands: State = "finished"
        if runs:
            stands = "running"
        elif not manifest or going:
            stands = "stopped"
            if last is not None and last.state in ("interrupted", "failed"):
                stands = "interrupted" if last.state == "interrupted" else "failed"
        steps = sum(len(losses) for losses in manifest["losses"].values()) if manifest else 0
        counted = bool(state) and (runs or not manifest or going)
        recorded: Mapping[str, Any] = manifest.get("recipe", {})
        return Entry(
            id=made,
            person=person,
            name=name,
            recipe=str(recorded.get("name") or state.get("recipe") or (last.arguments["recipe"] if last else "")),
            state=stands,
            when=max(changed_at(folder / file) for file in ("manifest.json", "state.json")),
            step=int(state["step"]) if counted else steps,
            of=int(state["of"]) if counted else steps,
            finished=bool(manifest),
            manifest=manifest,
            error=last.error if last is not None and stands in ("interrupted", "failed") else "",
            guided=recorded.get("guide") is not None,
        )

    def worked_on(self) -> dict[str, list[Job]]:
        """Give the jobs that worked on each tuned model, the oldest first."""
        found: dict[str, list[Job]] = {}
        for job in self._known_jobs():
            made = self.tuned_by(job)
            if made:
                found.setdefault(made, []).append(job)
        return found

    def _known_jobs(self) -> list[Job]:
        """Give all tunings' jobs as they stand, the oldest first; what is over is not read again."""
        running = self._runner.current()
        if running is not None and running.kind == "tune":
            self._jobs[running.id] = running
        for job in [job for job in self._jobs.values() if not job.over]:
            try:
                self._jobs[job.id] = self._runner.job(job.id)
            except EngineError:  # its folder was removed
                del self._jobs[job.id]
        return list(self._jobs.values())

    def tuned_by(self, job: Job) -> str:
        """Give the tuned model that a job makes, as `Entry.id` names it; "" while that is not known."""
        if not self._tuned.get(job.id):
            self._tuned[job.id] = watched.noted(job.folder)
        return self._tuned[job.id]

    def ended(self) -> Ended | None:
        """Give the tuning that ended last; None for none, or where its person is deleted."""
        over = [job for job in self._known_jobs() if job.over]
        last = max(over, key=lambda job: (job.ended or 0.0, job.id), default=None)
        if last is None or last.state in ("queued", "running"):
            return None
        person = self._people / str(last.arguments["person"])
        return Ended(last.id, name_in(person), str(last.arguments["recipe"]), last.state) if person.is_dir() else None

    def last_job(self, entry: str) -> Job | None:
        """Give the job that worked on a tuning last."""
        return next(iter(self.worked_on().get(entry, [])[::-1]), None)

    def _manifest(self, folder: Path) -> dict[str, Any]:
        """Give the manifest of a tuned model, read once for each time that it was written; nothing where none is."""
        written = int(changed_at(folder / "manifest.json") * 1e6)
        key = str(folder)
        if self._manifests.get(key, (-1, {}))[0] != written:
            self._manifests[key] = (written, _json(folder / "manifest.json") if written else {})
        return self._manifests[key][1]


def name_in(folder: Path) -> str:
    """Give what a person is called, without looking at their photos."""
    return str(_json(folder / "person.json").get("name", folder.name))


def _json(file: Path) -> dict[str, Any]:
    try:
        return dict(read_json(file))
    except (EngineError, TypeError, ValueError):
        return {}


def changed_at(file: Path) -> float:
    """Give when a file was last written, seconds since 1970; 0 where it is not there."""
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0
