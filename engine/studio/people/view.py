"""What the People screen shows at one moment, as values."""

from __future__ import annotations

from dataclasses import dataclass

from engine.people import Advice, Done
from engine.studio.proxies import Proxy


@dataclass(frozen=True)
class ShownPerson:
    """Somebody in the list of people."""

    id: str
    name: str
    called: str
    """The name, with what tells them apart where somebody else has it too."""
    created: str
    """ISO 8601, UTC."""
    subject: str
    cover: str
    """Name of the cover's preview; "" for none."""
    used: int
    all: int
    tunings: int
    results: int


@dataclass(frozen=True)
class ShownFace:
    """One face of the open place."""

    id: str
    name: str
    """The photo's own file name."""
    preview: str
    """Name of its preview; "" while there is none."""
    used: bool
    overruled: str
    """`keep`, `reject` or ""."""
    code: str
    """Why it was rejected; "" when it was accepted."""
    reason: str
    """The same in a sentence."""
    distance: float
    """Mean dlib distance to the person's used faces; of nobody's faces, 0."""
    year: int | None
    """As the user said, else as the camera did."""
    age: int | None
    by_user: bool
    """Whether the user said the year."""


@dataclass(frozen=True)
class Section:
    """Faces that are shown together, worst-fitting first."""

    kind: str
    """Of a person: `look` (left out by the program), `used` or `left` (left out by the user). Of nobody: `known` (may
    be somebody known), `group` or `single`."""
    ids: tuple[str, ...]
    person: str = ""
    """Id of who they may be."""
    distance: float = 0.0
    """Mean dlib distance to that person, or among each other."""


@dataclass(frozen=True)
class Coming:
    """How far it is with photos that are being taken in."""

    done: int
    of: int
    faces: int
    seconds_left: float | None


@dataclass(frozen=True)
class Came:
    """What became of photos that were taken in."""

    photos: int
    faces: int
    already: int
    no_face: tuple[str, ...]
    """File names."""
    unreadable: tuple[str, ...]
    """A sentence each."""
    stopped: bool


@dataclass(frozen=True)
class Looked:
    """The photo of a face, as a whole."""

    id: str
    photo: Proxy | None
    """None while it is being read."""
    box: tuple[float, float, float, float]
    """Left, top, right, bottom of the face as shares of the photo's sides."""
    close: str
    """Name of the preview of the face's own pixels, not resized."""
    close_size: tuple[int, int]
    """Its width and height in px."""
    fault: str
    """Why it cannot be shown; "" when it can."""


@dataclass(frozen=True)
class PeopleView:
    """All that the screen shows."""

    people: tuple[ShownPerson, ...]
    unsorted: int
    place: str
    """A person's id, `UNSORTED`, or "" for everybody."""
    sections: tuple[Section, ...]
    faces: tuple[ShownFace, ...]
    advice: Advice | None
    """Of the open person."""
    undo: Done | None
    redo: Done | None
    comparing: bool
    """Whether faces are being compared, so that verdicts and groups are those from before."""
    coming: Coming | None
    came: Came | None
    looked: Looked | None
    notices: tuple[str, ...]
    revision: int
    """Another number when people, sections or faces are other ones."""


NOTHING = PeopleView((), 0, "", (), (), None, None, None, False, None, None, None, (), 0)
"""What is shown before anything was read."""
