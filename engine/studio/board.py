"""The board: what the Compare screen shows, and goes on showing after a reload or a restart.

It is the newest comparison of the workspace, as far as it is, and which part of it is looked at. Nothing of it is kept
beside the job itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any

from engine import images
from engine.errors import EngineError
from engine.jobs import Job, NoSuchJob
from engine.restorers import find
from engine.studio.compare import FILE, Way
from engine.studio.desk import Desk, NothingToRestore
from engine.studio.proxies import Proxy, link, proxy_of
from engine.workspace import read_json, trash

if TYPE_CHECKING:
    from engine.people import Reference

MOST_RESULTS = 4
"""With the damaged face and the truth these fill a viewer; without a truth there is room for one more."""

TAKEN_BY = "dual-pivot"
"""The restorer whose settings fit the Restore screen."""


class TooManyWays(EngineError):
    """More restorers were chosen than are told apart on a screen."""


class NothingToTake(EngineError):
    """Settings were to be taken over that do not fit."""


@dataclass(frozen=True)
class Part:
    """One thing to look at: every restorer under one damage, or one restorer under every damage."""

    row: int | None = None
    """Which damage, from 0."""
    way: int | None = None
    """Which restorer, from 0."""


@dataclass(frozen=True)
class BoardView:
    """All that is on the board at one moment."""

    job: Job | None
    known: Mapping[str, Any] | None
    """As `compare.compare` gives it, as far as it is; None before the first result."""
    proxies: Mapping[str, Proxy]
    """Of the pictures that it names, by their file names."""
    sheets: Mapping[str, str]
    """Places of the contact sheets among the proxies."""
    parts: tuple[Part, ...]
    at: int
    """Which part is looked at."""
    read: bool
    """Whether the user closed what the job had to say at its end."""


class Board:
    """The board beside a desk. Every method may be called from any thread and returns at once."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._lock = RLock()
        self._at = 0
        self._notice_read = ""
        self._job = next((job.id for job in desk.studio.runner.jobs() if job.kind == "compare"), "")
        self._read: tuple[str, int] = ("", 0)
        self._known: dict[str, Any] | None = None
        self._proxies: dict[str, Proxy] = {}

    def start(
        self,
        ways: Sequence[Way],
        *,
        damages: Sequence[str | Mapping[str, Any]] = (),
        reference: str = "",
        recipe: str,
        seed: int,
        prior: str = "pocket",
        with_truth: bool = False,
    ) -> Job:
        """Begin to compare.

        Args:
            ways: restorers at their settings.
            damages: of the damage lab; none compares on the damaged photo that is on the desk.
            reference: id of the reference that is damaged; "" takes the photo on the desk for a clean one.
            recipe: of the tuning.
            seed: of the noise and the damage.
            prior: its name, as in `Desk.start`.
            with_truth: whether the truth that was dropped is what the photo on the desk is measured against.

        Raises:
            TooManyWays, NothingToRestore: see there.
            EngineError: from the runner, such as when it is busy.
        """
        most = MOST_RESULTS if damages else MOST_RESULTS + 1
        if not 1 <= len(ways) <= most:
            raise TooManyWays(f"Choose 1 to {most} restorers, got {len(ways)}.")
        person = self.desk.person
        needing = [info.title for info in map(find, (way.restorer for way in ways)) if info.needs_person]
        if needing and not any(reference.used for reference in self.desk.view().references):
            raise NothingToRestore(
                f"{needing[0]} needs good photos of the person. Drop some on the Restore screen, or leave it out."
            )
        name = ""
        if damages and reference:
            photo, chosen, name = self._reference(reference)
        else:
            photo, chosen = self.desk.photo_to_compare()
        job = self.desk.studio.start_comparing(
            photo,
            ways,
            person=person.id if person is not None else None,
            damages=damages,
            truth=self.truth if with_truth and not damages else None,
            recipe=recipe,
            seed=seed,
            chosen=chosen,
            name=name,
            prior=prior,
        )
        if person is not None:
            self.desk.consent(person)
        with self._lock:
            self._job, self._at = job.id, 0
        return job

    @property
    def truth(self) -> Path | None:
        """The undamaged photo that was dropped; None where there is none."""
        folder = self.desk.studio.workspace.root / "desk" / "truth"
        return next((file for file in sorted(folder.glob("*")) if file.is_file()), None) if folder.is_dir() else None

    def put_truth(self, file: Path | None) -> None:
        """Take a dropped file as the undamaged photo, in place of another; None takes that away.

        Raises:
            EngineError: it did not come in through the page, or cannot be read.
        """
        dropped = self.desk.dropped(file) if file is not None else None
        if dropped is not None:
            images.read_photo(dropped)
        folder = self.desk.studio.workspace.root / "desk" / "truth"
        with self._lock:
            if folder.exists():
                trash(folder)
            if dropped is not None:
                folder.mkdir(mode=0o700)
                dropped.replace(folder / dropped.name)

    def step(self, by: int) -> None:
        """Look at the next part, or at one before."""
        with self._lock:
            count = len(self.view().parts)
            self._at = (self._at + by) % count if count else 0

    def take_over(self, way: int) -> None:
        """Set the knobs of the Restore screen as one of the results was made.

        Args:
            way: which restorer of the comparison, from 0.

        Raises:
            NothingToTake: there is no such result, or it was made by a restorer that the screen does not use.
        """
        known = self.view().known
        ways: Sequence[Mapping[str, Any]] = known["ways"] if known is not None else ()
        if not 0 <= way < len(ways) or ways[way]["restorer"] != TAKEN_BY:
            raise NothingToTake("Choose a picture that was made with the person; only its settings fit there.")
        knobs = self.desk.view().knobs
        self.desk.keep_knobs({**knobs, "options": dict(ways[way]["options"]), "seed": int(ways[way]["seed"])})

    def forget_notice(self) -> None:
        """Take away what the job had to say at its end, once it was read."""
        with self._lock:
            self._notice_read = self._job

    def stop(self) -> None:
        """Ask the comparison to stop at its next step, if it still runs."""
        job = self._found()
        if job is not None and not job.over:
            self.desk.studio.runner.stop(job.id)

    def view(self) -> BoardView:
        """Give what is on the board now."""
        with self._lock:
            job = self._found()
            known = self._comparison(job) if job is not None else None
            parts = _parts(known)
            sheets: dict[str, str] = {}
            if job is not None and known is not None and known["sheets"]:
                folder = Path(job.arguments["out"])
                sheets = {
                    kind: link(folder / name, self.desk.previews, job.id) for kind, name in known["sheets"].items()
                }
            at, read = min(self._at, max(0, len(parts) - 1)), self._notice_read == self._job
            return BoardView(job, known, dict(self._proxies), sheets, parts, at, read)

    def _found(self) -> Job | None:
        try:
            return self.desk.studio.runner.job(self._job) if self._job else None
        except NoSuchJob:
            return None

    def _comparison(self, job: Job) -> dict[str, Any] | None:
        """Read what is known so far, once for each time that it was written; None when it is gone, or not there yet."""
        place = Path(job.arguments["out"], FILE)
        try:
            written = (str(place), place.stat().st_mtime_ns)
            if written != self._read:
                known: dict[str, Any] = read_json(place)
                names = {row[kind] for row in known["rows"] for kind in ("given", "truth") if row[kind]}
                names |= {result["file"] for row in known["rows"] for result in row["results"]}
                if self._read[0] != written[0]:
                    self._proxies = {}
                for name in names - set(self._proxies):
                    self._proxies[name] = proxy_of(place.parent / name, self.desk.previews)
                self._read, self._known = written, known
        except (OSError, EngineError, KeyError):
            self._read, self._known, self._proxies = ("", 0), None, {}
        return self._known

    def _reference(self, wanted: str) -> tuple[Path, dict[str, Any], str]:
        """Give the photo of a reference, its face and what it is called."""
        person = self.desk.person
        people = self.desk.studio.people
        found: Sequence[Reference] = people.references(person) if person is not None else ()
        for reference in found:
            if person is not None and reference.id == wanted:
                chosen = {"face": reference.face.to_json(), "number": 1, "of": 1}
                return people.folder(person) / "photos" / reference.photo, chosen, reference.name
        raise NothingToRestore("That photo is no longer there. Choose another clean photo.")


def _parts(known: Mapping[str, Any] | None) -> tuple[Part, ...]:
    if known is None:
        return ()
    rows = [Part(row=n) for n in range(len(known["rows"]))]
    whole = len(known["rows"]) > 1 and bool(known["spread"])
    return (*rows, *(Part(way=k) for k in range(len(known["ways"])) if whole))
