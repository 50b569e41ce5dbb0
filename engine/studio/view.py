"""What lies on the desk at one moment, as values that a page can show: faces, the photo, references, the result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.jobs import Job
from engine.studio.proxies import Proxy

if TYPE_CHECKING:
    from engine.faces import Face


@dataclass(frozen=True)
class FoundFace:
    """A face in the damaged photo."""

    box: tuple[float, float, float, float]
    """Left, top, right, bottom in px of the upright photo."""
    marks: tuple[tuple[float, float], ...] = ()
    """Eye at the left of the picture, eye at its right, mouth, in px of the upright photo."""
    by_hand: bool = False
    """Whether the user placed the marks."""
    face: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """As `faces.Face.to_json` gives it, so that the worker restores the very face that was seen here."""


@dataclass(frozen=True)
class DamagedPhoto:
    """The photo on the desk."""

    file: Path
    """The desk's own copy, byte for byte, under its own name."""
    width: int
    height: int
    """Upright, in px."""
    proxy: Proxy
    """Its pictures in the folder of previews."""
    faces: tuple[FoundFace, ...]
    """Largest first."""
    chosen: int | None = None
    """Face that the user chose, from 1; None lets the person decide."""


@dataclass(frozen=True)
class Likely:
    """Who of the known people the face to restore is nearest to; a suggestion, and no proof."""

    person: str
    """As they are called in the list of people."""
    distance: float
    """Mean dlib distance to their used faces."""
    here: bool
    """Whether they are on the desk already."""


@dataclass(frozen=True)
class ShownReference:
    """One face of the person with its verdict."""

    id: str
    name: str
    """The photo's own file name."""
    preview: str
    """Name of its preview; "" where there is no face to show."""
    close: str
    """Name of the larger one, `desk.references.CLOSE_SIZE` px; "" likewise."""
    eyes: tuple[tuple[float, float], ...]
    """Both eyes as shares of the larger one's side, the left of the picture first."""
    used: bool
    overruled: str
    """`keep`, `reject` or "" when the verdict stands as it was found."""
    code: str
    """Why it was rejected, such as `blurred`; "" when it was accepted."""
    reason: str
    """The same in a sentence."""


@dataclass(frozen=True)
class ShownResult:
    """A finished restoration, ready to be looked at."""

    before: Proxy
    after: Proxy
    download: str
    """Place of the result itself, unchanged, in the folder of previews: `<folder>/<name>`; "" while it is written."""
    name: str
    """File name to save it under."""
    width: int
    height: int
    provenance: Mapping[str, Any]
    person: str


@dataclass(frozen=True)
class ShownTry:
    """One of the results of the photo, to pick from."""

    id: str
    """See `engine.studio.items`."""
    thumb: str
    """Name of its thumbnail among the previews; "" while there is none."""
    told: Mapping[str, Any]
    """Its provenance, as it was first made."""
    shown: bool


@dataclass(frozen=True)
class ShownGlimpse:
    """The face as it is while it is sampled."""

    preview: str
    """Its place among the previews."""
    side: int
    """In px."""
    to_photo: tuple[float, ...]
    """Where it lies in the upright photo, as CSS's `matrix` has it."""
    done: int
    total: int


@dataclass(frozen=True)
class ShownUncertainty:
    """Where the restored face is uncertain, or why that is not shown."""

    sentence: str
    preview: str = ""
    """Place of the layer among the previews; "" where it is not shown."""
    side: int = 0
    """In px."""
    to_photo: tuple[float, ...] = ()
    """As in `ShownGlimpse`."""


@dataclass(frozen=True)
class Looking:
    """How far the desk is with files that were dropped."""

    name: str
    number: int
    of: int


@dataclass(frozen=True)
class View:
    """All that lies on the desk at one moment."""

    person: str
    """Name, "" for nobody yet."""
    known: tuple[str, ...]
    """Names of all people."""
    references: tuple[ShownReference, ...]
    looking: Looking | None
    reference_notices: tuple[str, ...]
    """What could not be taken, a sentence each, oldest first."""
    photo: DamagedPhoto | None
    photo_coming: bool
    photo_notices: tuple[str, ...]
    job: Job | None
    result: ShownResult | None
    results: int
    """How many results of the photo there are."""
    result_number: int
    """Which of them is shown, from 1, the oldest first; 0 for none of them."""
    knobs: Mapping[str, Any]
    tries: tuple[ShownTry, ...] = ()
    """All results of the photo, oldest first."""
    glimpse: ShownGlimpse | None = None
    likely: Likely | None = None
    """None where the face is near to nobody known."""
    uncertainty: ShownUncertainty | None = None
    """Of the shown result; None where it was not found out."""
    source: str = ""
    """Path of the photo on this machine, where it was named and not dropped."""
    folder: str = ""
    """Where a result was last saved to."""
    saved: str = ""
    """The file that the shown result was saved as, last."""


def found_face(face: Face, *, by_hand: bool = False) -> FoundFace:
    """Give a face as a page sees it; `by_hand` where the user placed its marks."""
    from engine.faces import marks as marks_of

    marks = tuple((round(float(x), 2), round(float(y), 2)) for x, y in marks_of(face))
    return FoundFace(face.box, marks, by_hand, face.to_json())


def eyes_in_crop(face: Face, size: int) -> tuple[tuple[float, float], ...]:
    """Give where both eyes lie in the aligned crop of a face, as shares of its side."""
    from engine.faces import crop_matrix

    matrix = crop_matrix(face, size)
    eyes = (face.eyes @ matrix[:, :2].T + matrix[:, 2] + 0.5) / size
    return tuple((round(float(x), 4), round(float(y), 4)) for x, y in eyes)


def read_found_face(value: Mapping[str, Any]) -> FoundFace:
    """Read what `asdict` gave of a `FoundFace`."""
    left, top, right, bottom = (float(side) for side in value["box"])
    marks = tuple((float(x), float(y)) for x, y in value["marks"])
    return FoundFace((left, top, right, bottom), marks, bool(value["by_hand"]), dict(value["face"]))
