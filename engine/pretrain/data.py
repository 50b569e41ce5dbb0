"""Faces to train on: a folder read once, split by person, cut, varied and damaged by a seed for each sample."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine import degrade
from engine.errors import EngineError

SUFFIXES = {".webp", ".png", ".jpg", ".jpeg"}
STORED_SIZE = 288
"""Side in px at which faces are held in memory: a little over the 256 of a crop, so that crops can shift."""

GREY_SPREAD = 0.012
"""Mean distance of a picture's channels from their mean, 0 to 1, below which it counts as black and white."""


class NotEnoughFaces(EngineError):
    """The folder cannot be trained from."""


@dataclass(frozen=True)
class FaceFolder:
    """Aligned faces in memory, split by person."""

    pixels: NDArray[np.uint8]
    """`(N, STORED_SIZE, STORED_SIZE, 3)`, FFHQ alignment."""
    names: tuple[str, ...]
    held_out: NDArray[np.bool_]
    """`(N,)`: True for the pictures of people kept out of training."""


def is_held_out(person: str) -> bool:
    """Keep a tenth of all people out of training, by the hash of their name so that it never depends on the folder."""
    return int(hashlib.sha256(person.encode()).hexdigest(), 16) % 10 == 0


def read_folder(folder: Path) -> FaceFolder:
    """Read a folder of square aligned faces; `<folder>.csv` may say `file,person`, else each file is a person.

    Raises:
        NotEnoughFaces: no folder, or fewer than two people on either side of the split.
    """
    import cv2

    if not folder.is_dir():
        raise NotEnoughFaces(f"{folder} is not a folder. Name a folder of square, aligned face pictures.")
    people: dict[str, str] = {}
    table = folder.with_suffix(".csv")
    if table.is_file():
        with table.open(newline="", encoding="utf-8") as lines:
            people = {row["file"]: row["person"] for row in csv.DictReader(lines)}
    try:
        files = sorted(f for f in folder.iterdir() if f.suffix.lower() in SUFFIXES)
        contents = [file.read_bytes() for file in files]
    except OSError as error:
        raise NotEnoughFaces(f"{folder} cannot be read ({error}). Give yourself the right to read it.") from error
    kept: list[Any] = []
    names: list[str] = []
    for file, content in zip(files, contents, strict=True):
        bgr: Any = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR) if content else None
        if bgr is None:
            raise NotEnoughFaces(f"{file.name} in {folder} cannot be read as a picture. Take it out of the folder.")
        if bgr.shape[0] != bgr.shape[1] or bgr.shape[0] < 128:
            raise NotEnoughFaces(
                f"{file.name} is {bgr.shape[1]} x {bgr.shape[0]} px; faces must be square and at least 128 px."
            )
        how = cv2.INTER_AREA if bgr.shape[0] > STORED_SIZE else cv2.INTER_CUBIC
        kept.append(cv2.resize(bgr, (STORED_SIZE, STORED_SIZE), interpolation=how)[..., ::-1])
        names.append(file.name)
    out = np.array([is_held_out(people.get(n, n)) for n in names], dtype=bool)
    if out.sum() < 2 or (~out).sum() < 2:
        raise NotEnoughFaces(
            f"{folder} holds {len(names)} faces: {int((~out).sum())} to train on and {int(out.sum())} held out. "
            "At least two of each are needed; some dozens of people make both sure."
        )
    return FaceFolder(np.stack(kept), tuple(names), out)


@dataclass(frozen=True)
class Sample:
    """One training pair."""

    good: NDArray[np.float32]
    """`(size, size, 3)`, 0 to 1."""
    bad: NDArray[np.float32]
    """Like `good`, damaged."""
    caption: str
    edited: bool = False
    """Whether only the caption tells that `good` has other colours than `bad`."""


COLOURED = 0.12
"""Share of colour faces whose damaged half is grey while the caption asks for colour, so that it can be asked for."""
GREYED = 0.05
"""Share of colour faces that are to become grey since the caption says so."""


def draw_sample(faces: FaceFolder, size: int, rng: np.random.Generator, *, captioned: bool = True) -> Sample:
    """Draw one pair from the people to train on.

    Where a caption is read, some pairs turn grey into colour or colour into grey, and their caption always says so:
    without being asked, a photo stays as it is.

    Faces are varied by crop, scale, mirror, tone and grey. At sizes below 256 the crop is a random part of the face at
    a random scale, so that a network trained small has seen both whole faces and full-size texture.
    """
    import cv2

    pick = int(rng.choice(np.flatnonzero(~faces.held_out)))
    face = faces.pixels[pick]
    side = STORED_SIZE
    whole = round(float(rng.uniform(0.88, 1.0)) * side)
    scaled_to = size if size >= 256 else round(float(np.exp(rng.uniform(np.log(size), np.log(256)))))
    part = round(whole * size / scaled_to)
    spare = side - part
    if size >= 256 or part == whole:
        x, y = (int(np.clip(round(spare / 2 + rng.normal(0, 5)), 0, spare)) for _ in range(2))
    else:
        x, y = int(rng.integers(0, spare + 1)), int(rng.integers(0, spare + 1))
    how = cv2.INTER_AREA if part > size else cv2.INTER_CUBIC
    good: Any = cv2.resize(face[y : y + part, x : x + part], (size, size), interpolation=how).astype(np.float32) / 255
    if rng.random() < 0.5:
        good = good[:, ::-1]
    grey = float(np.abs(good - good.mean(axis=2, keepdims=True)).mean()) < GREY_SPREAD or rng.random() < 0.15
    good = good ** float(np.exp(rng.normal(0, 0.12)))
    good = np.clip(good * (1 + rng.normal(0, 0.04, 3)) + rng.normal(0, 0.02), 0, 1).astype(np.float32)
    if grey:
        good = np.repeat(good @ np.array([[0.299], [0.587], [0.114]], np.float32), 3, axis=2)
        if rng.random() < 0.4:
            good = degrade.toned(good, rng)
    bad = good
    asked = rng.random() if captioned and not grey else 1.0
    edited = asked < COLOURED + GREYED
    if edited:
        plain = np.repeat(good @ np.array([[0.299], [0.587], [0.114]], np.float32), 3, axis=2)
        grey = asked >= COLOURED
        good, bad = (plain, good) if grey else (good, plain)
    if rng.random() < 0.35:
        bad = degrade.age(bad, rng, face_size=scaled_to)
    if rng.random() < 0.95:
        bad = degrade.degrade(bad, rng, face_size=scaled_to)
    said = caption(grey=grey, rng=rng, say=edited)
    return Sample(np.ascontiguousarray(good), np.ascontiguousarray(bad), said, edited)


CAPTION_WORDS = ("a", "photo", "of", "person", "man", "woman", "child", "colour", "black", "and", "white")
"""Every word that `caption` uses."""


def caption(*, grey: bool, rng: np.random.Generator, say: bool = False) -> str:
    """Say what is known of a picture. Who is a man and who a woman is not known, so all four subject words are used.

    Args:
        grey: whether it is without colour.
        rng: draws the words.
        say: whether the caption must tell that; else half of them do.
    """
    subject = str(rng.choice(["person", "person", "man", "woman", "child"]))
    if rng.random() < 0.5 and not say:
        return f"a photo of a {subject}"
    return f"a black and white photo of a {subject}" if grey else f"a colour photo of a {subject}"


@dataclass(frozen=True)
class Batch:
    """Pairs for one step, as float32 tensors `(N, 3, size, size)`, -1 to 1."""

    good: Any
    bad: Any
    captions: list[str]
    edited: Any
    """`(N,)`, bool; see `Sample.edited`."""


def batch(faces: FaceFolder, *, size: int, count: int, seed: int, step: int, captioned: bool = True) -> Batch:
    """Make the batch of a step. It depends on its arguments alone, so a resumed training sees the same pictures."""
    rng = np.random.default_rng([seed, size, step])
    return stacked([draw_sample(faces, size, rng, captioned=captioned) for _ in range(count)])


def stacked(drawn: list[Sample]) -> Batch:
    """Give samples of one size as a batch."""
    import torch

    def tensor(pictures: list[NDArray[np.float32]]) -> Any:
        return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous() * 2 - 1

    edited = torch.tensor([d.edited for d in drawn])
    return Batch(tensor([d.good for d in drawn]), tensor([d.bad for d in drawn]), [d.caption for d in drawn], edited)


def batches(
    faces: FaceFolder, *, size: int, count: int, seed: int, first: int, last: int, workers: int, captioned: bool = True
) -> Iterator[Batch]:
    """Give the batches of steps `first` to `last - 1` in order, made ahead by `workers` threads.

    OpenCV and numpy leave the interpreter's lock while they work, so threads are enough and nothing is copied.
    """
    from collections import deque
    from concurrent.futures import Future, ThreadPoolExecutor

    with ThreadPoolExecutor(max(1, workers)) as pool:
        waiting: deque[Future[Batch]] = deque()
        for step in range(first, last):
            waiting.append(pool.submit(batch, faces, size=size, count=count, seed=seed, step=step, captioned=captioned))
            if len(waiting) > max(2, 2 * workers):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def held_out_pairs(faces: FaceFolder, *, size: int, count: int, seed: int = 5) -> list[Sample]:
    """Give fixed pairs of people no training saw, whole faces, the method's damage."""
    import cv2

    pairs: list[Sample] = []
    picks = np.flatnonzero(faces.held_out)
    for n, pick in enumerate(picks[:: max(1, len(picks) // count)][:count]):
        small: Any = cv2.resize(faces.pixels[pick], (size, size), interpolation=cv2.INTER_AREA)
        good = np.asarray(small, dtype=np.float32) / np.float32(255)
        rng = np.random.default_rng([seed, n])
        pairs.append(Sample(good, degrade.degrade(good, rng), "a photo of a person"))
    return pairs
