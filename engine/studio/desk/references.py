"""The person on the desk: who it is, and the faces of their photos, each with its verdict and its preview."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from engine import images
from engine.errors import EngineError
from engine.people import called, same_name
from engine.studio.desk.clerk import Clerk
from engine.studio.view import Looking, ShownReference, eyes_in_crop

if TYPE_CHECKING:
    from engine.people import Person, Reference
    from engine.studio import Studio

log = logging.getLogger(__name__)

CROP_SIZE = 192
"""Side in px of a reference's preview: twice what the page shows, for dense screens."""

CLOSE_SIZE = 512
"""Side in px of the crop of a reference that is held beside a restored face."""


class References:
    """The references of the person on a desk. For any thread; the clerk's own does what takes long."""

    def __init__(self, studio: Studio, clerk: Clerk, previews: Path) -> None:
        """Take the folder of the previews; `look_again` shows the faces."""
        self._studio, self._clerk, self._previews = studio, clerk, previews
        self.shown: tuple[ShownReference, ...] = ()
        self.known: tuple[str, ...] = ()
        """What all people are called."""
        self._looking: Looking | None = None
        self._waiting = 0

    @property
    def looking(self) -> Looking | None:
        """How far it is with files that were dropped; None when there are none."""
        return replace(self._looking, of=self._looking.number + self._waiting) if self._looking is not None else None

    def person(self, name: str | None = None) -> Person | None:
        """Give the person of a name, of the one on the desk if none is given; None when there is nobody."""
        wanted = self._clerk.noted.person if name is None else name
        everybody = self._studio.people.list()
        return next((p for p in everybody if same_name(called(p, everybody), wanted)), None)

    def choose(self, name: str) -> None:
        """Put a known person on the desk, or an empty place for somebody new."""
        with self._clerk.lock:
            self._clerk.noted.person = name.strip()
            self.shown = ()
            self._clerk.write()
        self.begin()

    def begin(self) -> None:
        """Let the clerk lay out the faces."""
        self._clerk.hand_over("references", self.look_again)

    def add(self, files: Sequence[Path], name: str) -> None:
        """Take files as photos of a person, who is made when there is nobody of that name; they are deleted then."""
        with self._clerk.lock:
            if name.strip() != self._clerk.noted.person:
                self.choose(name)
            self._waiting += len(files)
        for file in files:
            self._clerk.hand_over("references", self._add, name.strip(), file)

    def overrule(self, reference: str, *, used: bool) -> None:
        """Use a face, or leave it out, whatever its verdict; going back to the verdict takes the overruling away."""
        person = self.person()
        if person is None:
            return
        known = {shown.id: shown for shown in self.shown}
        verdict = reference in known and not known[reference].code
        wanted = None if used == verdict else "keep" if used else "reject"
        self._studio.people.overrule(person, reference, wanted)
        self.look_again()

    def look_again(self) -> None:
        """Lay out the faces of the person anew, each as soon as its preview is there."""
        everybody = self._studio.people.list()
        known = tuple(called(person, everybody) for person in everybody)
        with self._clerk.lock:
            self.known, name = known, self._clerk.noted.person
        person = self.person()
        shown: list[ShownReference] = []
        found = self._studio.people.references(person) if person is not None else []
        for reference in found:
            shown.append(self._shown(reference))
            with self._clerk.lock:
                if self._clerk.closed or self._clerk.noted.person != name:
                    return
                if len(shown) > len(self.shown):
                    self.shown = tuple(shown)
        with self._clerk.lock:
            if self._clerk.noted.person == name:
                self.shown = tuple(shown)

    def _shown(self, reference: Reference) -> ShownReference:
        preview, close = f"{reference.id}.jpg", f"{reference.id}-close.jpg"
        if not (self._previews / close).exists():
            person = self.person()
            photos = self._studio.people.folder(person) / "photos" if person is not None else self._clerk.folder
            if not self._crop(photos / reference.photo, reference, {preview: CROP_SIZE, close: CLOSE_SIZE}):
                preview = close = ""
        return ShownReference(
            id=reference.id,
            name=reference.name,
            preview=preview,
            close=close,
            eyes=eyes_in_crop(reference.face, CLOSE_SIZE),
            used=reference.used,
            overruled=reference.overruled or "",
            code=reference.reason.code if reference.reason else "",
            reason=reference.reason.sentence if reference.reason else "",
        )

    def _crop(self, photo: Path, reference: Reference, wanted: Mapping[str, int]) -> bool:
        """Write a reference's crop under names, each of a side in px; say whether it could be."""
        from engine.faces import cut

        try:
            pixels = images.read_photo(photo).pixels
        except EngineError as error:
            log.warning("reference %s has no preview: %s", reference.id, error)
            return False
        for name, size in wanted.items():
            with suppress(images.AlreadyThere):  # another thread was quicker
                images.save_photo(cut(pixels, reference.face, size).pixels, self._previews / name, quality=88)
        return True

    def _add(self, name: str, file: Path) -> None:
        with self._clerk.lock:
            self._waiting -= 1
            self._looking = Looking(file.name, self._looking.number + 1 if self._looking else 1, 0)
        try:
            person = self.person(name) or self._studio.people.create(name)
            for outcome in self._studio.add_photos(person.id, [file]):
                if outcome.reference is None and outcome.reason is not None:
                    self._clerk.tell("references", outcome.reason.sentence)
            self.look_again()
        finally:
            file.unlink(missing_ok=True)  # it was a copy, and photos are not left lying about
            with self._clerk.lock:
                if self._waiting == 0:
                    self._looking = None
