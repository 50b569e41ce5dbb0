"""Somebody's blurred face restored as another person, an application that the paper shows; with consent alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from engine import images
from engine.errors import EngineError
from engine.progress import Report
from engine.studio import preparing, restoring
from engine.studio.preparing import Asked, Chosen
from engine.workspace import Workspace

BLUR = 0.04
"""Standard deviation of the blur, over the crop's side: 20 px of a 512 px crop, twice the worst of the method's
ranges. Eyes and mouth keep their places and nothing else of the face is left."""
NOTE = (
    "This face was made up: it shows another person than the photo did. Show it only with the consent of both, and say "
    "what it is."
)


class ConsentNeeded(EngineError):
    """Nobody said that the people agree."""


def restore_as(workspace: Workspace, asked: Asked, report: Report, *, consent: bool) -> dict[str, Any]:
    """Blur one face of a photo until it is nobody's, and restore it as the person asked for.

    The blurred photo is kept beside the result, since the result is made of it and can be made again from it.

    Args:
        workspace: whose people.
        asked: as for `restoring.restore`, with a person; its output folder or file is new. The largest face is taken
            unless a number is asked for.
        report: followed.
        consent: that the person shown and the person put in their place agree.

    Returns:
        As `restoring.restore`, and `blurred`, the path of the blurred photo.

    Raises:
        ConsentNeeded: no consent, or no person.
        EngineError, Cancelled: as `restoring.restore`.
    """
    from engine.faces import cut, paste

    if not consent:
        raise ConsentNeeded(
            "This puts one person's face in the place of another's. Say --consent when both have agreed to it."
        )
    if asked.person is None:
        raise ConsentNeeded("Say whose face it shall become with --as NAME.")
    preparing.checked(asked)
    photo = images.read_photo(asked.photo)
    pixels = photo.pixels
    report.tick("finding the face", 0, 1)
    faces = restoring.find_faces(pixels, asked.detector, workspace.weights, asked.device)
    if not faces:
        raise restoring.NoFaceFound(
            f"No face found in {asked.photo.name}. Use a photo in which a face is plain to see."
        )
    # Not the face that is nearest to the person: the point is that it is somebody else's.
    face, number = restoring.choose_face(pixels, faces, replace(asked, face=asked.face or 1), None, 256)
    report.tick("finding the face", 1, 1)
    crop = cut(pixels, face, 512)
    blurred, _ = paste(pixels, crop, blur_face(crop.pixels))
    folder = asked.out if asked.out.is_dir() else asked.out.parent
    beside = images.save_photo(blurred, images.free_name(folder, f"{asked.photo.stem}-blurred", ".png"))
    chosen = Chosen(face, number, len(faces), asked.face)
    options = {"auto": False, "start": 0.5, **(asked.options or {})}
    try:
        made = restoring.restore(workspace, replace(asked, photo=beside, chosen=chosen, options=options), report)
    except BaseException:
        beside.unlink(missing_ok=True)  # it is of no use alone
        raise
    return {**made, "blurred": str(beside), "notes": [NOTE, *made["notes"]]}


def blur_face(pixels: images.Pixels) -> images.Pixels:
    """Blur an aligned face `(size, size, 3)`, 0 to 1, until it is nobody's; see `BLUR`."""
    import cv2

    sigma = BLUR * pixels.shape[0]
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101), np.float32)
