"""The assembler: one workspace held open, its people, its jobs. What screens and the command line talk to."""

from __future__ import annotations

import shutil
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from engine import images
from engine.jobs import Event, Job, Runner
from engine.studio import preparing, work
from engine.studio.finish import Finish, Output, finish_json, output_json
from engine.studio.preparing import Asked
from engine.workspace import Workspace, new_id, trash

if TYPE_CHECKING:
    from engine.people import AddOutcome, Library, Person
    from engine.studio.compare import Way

__all__ = ["Asked", "Event", "Job", "Studio"]


class Studio:
    """A workspace held by this process. Use it as a context manager, or call `close`."""

    def __init__(self, root: Path, *, device: str = "auto") -> None:
        """Open and lock the workspace.

        Raises:
            WorkspaceBusy: another process holds it.
        """
        self.workspace = Workspace(root)
        self.device = device
        self._lock = self.workspace.lock()
        self._lock.__enter__()
        self.runner = Runner(self.workspace.jobs, work.work, logs=self.workspace.logs, titles=work.TITLES)
        self._library: Library | None = None

    def __enter__(self) -> Studio:
        """Give itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """End the worker and let the workspace go."""
        self.runner.close()
        self._lock.__exit__(None, None, None)

    @property
    def people(self) -> Library:
        """The people of this workspace; opening them loads the face networks, so it is put off until needed."""
        if self._library is None:
            self._library = preparing.library(self.workspace)
        return self._library

    def add_photos(self, person: str, paths: list[Path]) -> list[AddOutcome]:
        """Add photos or folders to a person; each face comes back with its verdict."""
        from engine.progress import SilentReport

        return self.people.add(self.people.get(person), paths, SilentReport())

    def person(self, name: str, subject: str = "person") -> Person:
        """Give the person of a name, made if there is none."""
        for known in self.people.list():
            if known.name == name:
                return known
        return self.people.create(name, subject)

    def start_tuning(
        self, person: str, recipe: str = "quick", *, more: int = 0, more_guide: int = 0, tuned: str = ""
    ) -> Job:
        """Begin to tune a person in the worker, or to tune a finished model further.

        Args:
            person: id or name.
            recipe: its name.
            more: more steps of the text pivot of what is finished already.
            more_guide: the same of the guide pivot.
            tuned: name of the folder of the model that is tuned further; "" takes that of the photos as they are now.
        """
        further = {"more": more, "more_guide": more_guide, "tuned": tuned}
        return self.runner.start("tune", {**self._common(), "person": person, "recipe": recipe, **further})

    def start_estimate(self, person: str, recipe: str) -> Job:
        """Begin to find out by a trial step what tuning a person would take; the result is an `Estimate`'s fields."""
        return self.runner.start("estimate", {**self._common(), "person": person, "recipe": recipe})

    def start_restoring(
        self,
        photo: Path,
        *,
        person: str | None,
        restorer: str = "dual-pivot",
        options: Mapping[str, Any] | None = None,
        recipe: str = "quick",
        seed: int = 0,
        face: int | None = None,
        chosen: Mapping[str, Any] | None = None,
        finish: Finish | None = None,
        output: Output | None = None,
        prior: str = "pocket",
        variations: int = 1,
    ) -> Job:
        """Begin to restore a photo in the worker; tunes the person first if that was not done yet.

        The photo is copied into a new run folder, so that the page may go and come back; the result lies beside it.

        Args:
            photo: only read.
            person: id or name, or None.
            restorer: its id.
            options: of the restorer, by name.
            recipe: of the tuning.
            seed: of the noise.
            face: which one, from 1; None lets the person decide.
            chosen: the face itself, where it is known: `face` as `Face.to_json` gives it, `number` and `of`.
            finish: how it is fitted into the photo.
            output: how the result is written.
            prior: its name, as in `Asked.prior`.
            variations: how many results, with this seed and those after it; each a result of its own, see
                `engine.studio.items`.

        Raises:
            EngineError: the photo cannot be read; no job was begun.
        """
        with self._in_run(photo, person) as kept:
            return self.runner.start(
                "restore" if variations == 1 else "vary",
                {
                    **self._common(),
                    **self._who(person),
                    "prior": prior,
                    "count": variations,
                    "photo": str(kept),
                    "name": photo.name,
                    "out": str(kept.parent),
                    "restorer": restorer,
                    "options": dict(options or {}),
                    "recipe": recipe,
                    "seed": seed,
                    "face": face,
                    "chosen": dict(chosen) if chosen is not None else None,
                    "finish": finish_json(finish or Finish()),
                    "output": output_json(output or Output()),
                },
            )

    def start_batch(
        self,
        folder: Path,
        *,
        person: str | None,
        out: Path | None = None,
        restorer: str = "dual-pivot",
        options: Mapping[str, Any] | None = None,
        recipe: str = "quick",
        seed: int = 0,
        face: int | None = None,
        finish: Finish | None = None,
        prior: str = "pocket",
        skip_done: bool = True,
    ) -> Job:
        """Begin to restore every photo of a folder in the worker; tunes the person first if that was not done yet.

        What becomes of each photo is told by the job's events of kind `file`; see `engine.studio.batch`.

        Args:
            folder: of the photos.
            person: id or name, or None.
            out: folder of the results, or None for beside each photo.
            restorer, options, recipe, seed, face, finish, prior: as `start_restoring`.
            skip_done: whether photos that were restored with these settings before are left as they are.

        Raises:
            EngineError: the folder cannot be used; no job was begun.
        """
        images.list_photos(folder)  # a bad folder is refused here, before a worker is bothered
        return self.runner.start(
            "batch",
            {
                **self._common(),
                **self._who(person),
                "prior": prior,
                "skip_done": skip_done,
                "finish": finish_json(finish or Finish()),
                "photo": str(folder.absolute()),
                "name": folder.name,
                "out": str((out or folder).absolute()),
                "restorer": restorer,
                "options": dict(options or {}),
                "recipe": recipe,
                "seed": seed,
                "face": face,
            },
        )

    def start_comparing(
        self,
        photo: Path,
        ways: Sequence[Way],
        *,
        person: str | None,
        damages: Sequence[str | Mapping[str, Any]] = (),
        truth: Path | None = None,
        recipe: str = "quick",
        seed: int = 0,
        face: int | None = None,
        chosen: Mapping[str, Any] | None = None,
        name: str = "",
        prior: str = "pocket",
    ) -> Job:
        """Begin to compare restorers on one face of a photo in the worker; see `engine.studio.compare`.

        The photo is copied into a new run folder, in which the comparison lies too.

        Args:
            photo: only read.
            ways: restorers at their settings, in the order in which they are shown.
            person: id or name, or None.
            damages: presets' names or sliders' values of the damage lab; then the photo is a clean one.
            truth: the same photo undamaged, where there is one.
            recipe, seed, face, chosen: as `start_restoring`.
            name: what the photo is called; its file's name if not given.
            prior: as in `start_restoring`.

        Raises:
            EngineError: the photo cannot be read; no job was begun.
        """
        with self._in_run(photo, person) as kept:
            return self.runner.start(
                "compare",
                {
                    **self._common(),
                    "photo": str(kept),
                    "name": name or photo.name,
                    "out": str(kept.parent / "comparison"),
                    "ways": [asdict(way) for way in ways],
                    "damages": [damage if isinstance(damage, str) else dict(damage) for damage in damages],
                    "truth": self._kept_truth(truth, kept.parent),
                    "prior": prior,
                    "person": person,
                    "recipe": recipe,
                    "seed": seed,
                    "face": face,
                    "chosen": dict(chosen) if chosen is not None else None,
                },
            )

    @contextmanager
    def _in_run(self, photo: Path, person: str | None) -> Generator[Path]:
        """Copy a photo into a new run folder, and give the copy; no folder is left where no job is begun on it.

        Raises:
            EngineError: the photo cannot be read, or there is no such person; nothing was made.
        """
        images.read_photo(photo)  # a bad file is refused here, before a worker is bothered
        run = self.new_run(person)
        try:
            kept = run / photo.name  # by its own name, which sentences and the provenance say
            shutil.copyfile(photo, kept)
            yield kept
        except BaseException:
            trash(run)
            raise

    @staticmethod
    def _kept_truth(truth: Path | None, run: Path) -> str:
        """Copy a truth into a run folder, and give the copy's path; "" for none.

        Raises:
            EngineError: it cannot be read.
        """
        if truth is None:
            return ""
        images.read_photo(truth)
        place = run / "truth" / truth.name
        place.parent.mkdir(mode=0o700)
        shutil.copyfile(truth, place)
        return str(place)

    def new_run(self, person: str | None) -> Path:
        """Make a new run folder, and give it.

        Raises:
            EngineError: there is no such person.
        """
        # Pictures of a person lie with the person, so that removing them leaves none behind.
        home = self.people.folder(self.people.get(person)) / "runs" if person is not None else self.workspace.runs
        run = home / new_id("run")
        run.mkdir(parents=True)
        return run

    def _who(self, person: str | None) -> dict[str, Any]:
        """Give a person's id and name, for a job that makes results."""
        found = self.people.get(person) if person is not None else None
        return {"person": found.id if found else None, "who": found.name if found else ""}

    def _common(self) -> dict[str, Any]:
        return {"workspace": str(self.workspace.root), "device": self.device}
