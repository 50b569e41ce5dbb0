"""The damaged photo on the desk: taken in, its faces found, and one of them chosen or marked by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import images
from engine.errors import EngineError
from engine.people import IDENTITY_SIZE, SOMEBODY_ELSE, Library, nearest_of, used_faces
from engine.studio.desk.clerk import Clerk
from engine.studio.proxies import make_proxy
from engine.studio.view import DamagedPhoto, FoundFace, found_face, read_found_face
from engine.workspace import new_id, sha256_file, trash

if TYPE_CHECKING:
    from engine.faces import Embedding


FaceKey = tuple[Path, tuple[tuple[float, float], ...]]
"""A photo, and the marks of a face in it."""


class Damaged:
    """The damaged photo of a desk. For any thread; the clerk's own does what takes long."""

    def __init__(self, clerk: Clerk, previews: Path, people: Library) -> None:
        """Take the folder of the previews; `lay_out` shows the photo that is written down."""
        self._clerk, self._previews, self._people = clerk, previews, people
        self._embedded: dict[FaceKey, Embedding] = {}
        self._likely: dict[FaceKey, tuple[str, float]] = {}
        self.photo: DamagedPhoto | None = None
        self._coming = 0

    @property
    def coming(self) -> bool:
        """Whether a photo is being read, or its faces are being looked for."""
        return self._coming > 0

    def likely(self) -> tuple[str, float] | None:
        """Give the id of who the face to restore is nearest to, and the distance; None for nobody that is near."""
        photo = self.photo
        if photo is None or not photo.faces:
            return None
        return self._likely.get(_key(photo, photo.faces[(photo.chosen or 1) - 1]))

    def look_who(self) -> None:
        """Begin to look anew whom the faces are near to, since people or faces changed."""
        self._clerk.hand_over("photo", self._look_who)

    def lay_out(self) -> None:
        """Begin to show again the photo that was on the desk when it was last closed."""
        if self._clerk.noted.photo is not None:
            self._coming += 1
            self._clerk.hand_over("photo", self._lay_out)

    def put(self, file: Path, source: str = "") -> None:
        """Take a dropped file as the damaged photo; it is moved. `source` is where it was copied from, if it was."""
        with self._clerk.lock:
            self._coming += 1
            self._clerk.forget_all("photo")
        self._clerk.hand_over("photo", self._take, file, source)

    @property
    def source(self) -> str:
        """Path of the photo on this machine; "" where it was dropped, which does not tell."""
        noted = self._clerk.noted.photo
        return str(noted.get("source", "")) if noted is not None else ""

    def take_off(self) -> None:
        """Take the photo off the desk and delete the desk's copy."""
        with self._clerk.lock:
            shown, self.photo, self._clerk.noted.photo = self.photo, None, None
            self._clerk.forget_all("photo")
            self._clerk.write()
        if shown is not None:
            self._remove(shown.file)

    def choose_face(self, number: int | None) -> None:
        """Choose which face is restored, from 1; None lets the person decide."""
        with self._clerk.lock:
            noted = self._clerk.noted.photo
            if self.photo is None or noted is None:
                return
            chosen = number if number is not None and 1 <= number <= len(self.photo.faces) else None
            self.photo = replace(self.photo, chosen=chosen)
            noted["chosen"] = chosen
            self._clerk.write()

    def mark_face(self, points: Sequence[tuple[float, float]]) -> None:
        """As `Desk.mark_face`."""
        from engine.faces import face_from_points

        with self._clerk.lock:
            photo, noted = self.photo, self._clerk.noted.photo
            if photo is None or noted is None:
                return
            marked = found_face(face_from_points(points, (photo.width, photo.height)), by_hand=True)
            faces = list(photo.faces)
            corrected = _face_meant(photo, marked)
            if corrected is None:
                faces.append(marked)
                corrected = len(faces) - 1
            else:
                faces[corrected] = marked
            self.photo = replace(photo, faces=tuple(faces), chosen=corrected + 1)
            noted["faces"], noted["chosen"] = [asdict(face) for face in faces], corrected + 1
            self._clerk.write()
        self.look_who()

    def _take(self, file: Path, source: str) -> None:
        try:
            photo = images.read_photo(file)
            folder = self._clerk.folder / new_id("photo")
            folder.mkdir(mode=0o700)
            kept = file.replace(folder / file.name)
            proxy = make_proxy(photo, sha256_file(kept), self._previews)
        except BaseException:
            self._came()
            file.unlink(missing_ok=True)  # it was a copy, and photos are not left lying about
            raise
        with self._clerk.lock:
            old = self._clerk.noted.photo
            # The photo is shown at once; its faces follow.
            self.photo = DamagedPhoto(kept, photo.width, photo.height, proxy, ())
            self._clerk.noted.photo = {
                "file": f"{folder.name}/{kept.name}",
                "faces": [],
                "chosen": None,
                "source": source,
            }
            self._clerk.write()
        if old is not None:
            self._remove(self._clerk.folder / old["file"])
        try:
            self._find_faces(kept, photo)
        finally:
            self._came()

    def _find_faces(self, kept: Path, photo: images.Photo) -> None:
        from engine.faces import detector

        # Without networks of the user's and without the cleaner: the page never loads torch. The worker looks closer.
        faces = tuple(found_face(face) for face in detector("auto").find(photo.pixels))
        with self._clerk.lock:
            noted = self._clerk.noted.photo
            if self.photo is not None and self.photo.file == kept and noted is not None:
                self.photo = replace(self.photo, faces=faces)
                noted["faces"] = [asdict(face) for face in faces]
                self._clerk.write()
        self._look_who(photo)

    def _look_who(self, read: images.Photo | None = None) -> None:
        from engine.faces import cut, embed, face_from_json

        photo = self.photo
        if photo is None:
            return
        # Kept in memory alone: what a face is known by is written nowhere but with the people.
        known = {key: vector for key, vector in self._embedded.items() if key[0] == photo.file}
        for face in photo.faces:
            if (key := _key(photo, face)) not in known:
                read = read or images.read_photo(photo.file)
                known[key] = embed(cut(read.pixels, face_from_json(face.face), IDENTITY_SIZE))
        used = used_faces(self._people)
        near = {key: nearest_of([vector], used) for key, vector in known.items()}
        with self._clerk.lock:
            self._embedded = known
            self._likely = {key: found for key, found in near.items() if found[1] <= SOMEBODY_ELSE}

    def _lay_out(self) -> None:
        noted = self._clerk.noted.photo
        if noted is None:
            return
        try:
            kept = self._clerk.folder / noted["file"]
            photo = images.read_photo(kept)
            proxy = make_proxy(photo, sha256_file(kept), self._previews)
        except EngineError:
            with self._clerk.lock:
                self._clerk.noted.photo = None
                self._clerk.write()
            raise
        finally:
            self._came()
        faces = tuple(read_found_face(face) for face in noted["faces"])
        with self._clerk.lock:
            if self.photo is None:
                self.photo = DamagedPhoto(kept, photo.width, photo.height, proxy, faces, noted["chosen"])
        self._look_who(photo)

    def _came(self) -> None:
        with self._clerk.lock:
            self._coming -= 1

    def _remove(self, file: Path) -> None:
        if file.parent.parent == self._clerk.folder and file.parent.exists():
            trash(file.parent)


def _key(photo: DamagedPhoto, face: FoundFace) -> FaceKey:
    return photo.file, face.marks


def chosen_face(photo: DamagedPhoto) -> dict[str, Any] | None:
    """Give the face that the user chose or marked; None lets the person decide among all that the worker finds."""
    if photo.chosen is None:
        return None
    face = photo.faces[photo.chosen - 1].face
    return {"face": dict(face), "number": photo.chosen, "of": len(photo.faces)}


def _face_meant(photo: DamagedPhoto, marked: FoundFace) -> int | None:
    """Give which of the faces found is meant by marks: the one whose box holds their middle."""
    across, down = (sum(axis) / len(marked.marks) for axis in zip(*marked.marks, strict=True))
    for number, face in enumerate(photo.faces):
        left, top, right, bottom = face.box
        if left <= across <= right and top <= down <= bottom:
            return number
    return None
