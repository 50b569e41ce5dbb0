"""The contact sheet of a comparison: labelled rows of faces as one PNG, to be printed or sent."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from engine import images
from engine.studio.lettering import lettering

GREY = (0.16, 0.16, 0.16)
GAP = 8
LINE = 20
MARGIN = 12
LETTERS = 13
"""Their size, px."""
TEXT, SOFT = (235, 235, 235), (175, 175, 175)


def write_sheet(
    path: Path,
    titles: Sequence[str],
    rows: Sequence[tuple[str, Sequence[images.Pixels | None]]],
    *,
    under: Sequence[str] = (),
    foot: str = "",
) -> Path:
    """Draw a sheet and write it as PNG, replacing an older one of the same name.

    Args:
        path: ends in .png.
        titles: of the columns.
        rows: each with its name, "" for none, and as many faces as titles, `(size, size, 3)`, of one size.
        under: the settings of each column, below its title.
        foot: a line at the bottom.

    Raises:
        NotSaved: the disk does not allow it.
    """
    from PIL import Image, ImageDraw

    size = next(face.shape[0] for _, faces in rows for face in faces if face is not None)
    letters = max(8, (size - 4) // 7)
    settings = [textwrap.wrap(text, letters) for text in under]
    head = LINE * (1 + max((len(lines) for lines in settings), default=0)) + MARGIN
    names = [LINE if name else 0 for name, _ in rows]
    width = MARGIN * 2 + len(titles) * (size + GAP) - GAP
    height = head + sum(size + GAP + name for name in names) + (LINE if foot else 0) + MARGIN
    canvas = np.empty((height, width, 3), np.float32)
    canvas[:] = GREY
    written: list[tuple[int, int, str, tuple[int, int, int]]] = []
    for n, title in enumerate(titles):
        left = MARGIN + n * (size + GAP)
        written.append((left, MARGIN // 2, textwrap.shorten(title, letters, placeholder="..."), TEXT))
        lines = settings[n] if n < len(settings) else []
        written += [(left, MARGIN // 2 + LINE * (k + 1), line, SOFT) for k, line in enumerate(lines)]
    top = head
    for (name, faces), high in zip(rows, names, strict=True):
        if name:
            written.append((MARGIN, top, name, SOFT))
        top += high
        for n, face in enumerate(faces):
            if face is not None:
                left = MARGIN + n * (size + GAP)
                canvas[top : top + size, left : left + size] = face
        top += size + GAP
    if foot:
        written.append((MARGIN, top, foot, SOFT))
    picture = Image.fromarray(images.to_uint8(canvas))
    pen: Any = ImageDraw.Draw(picture)
    font, texts = lettering([text for _, _, text, _ in written], LETTERS)
    for (left, above, _, colour), text in zip(written, texts, strict=True):
        pen.text((left, above), text, fill=colour, font=font)
    path.unlink(missing_ok=True)
    return images.save_photo(images.from_uint8(np.asarray(picture)), path)
