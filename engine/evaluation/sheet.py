"""Contact sheets: labelled rows of faces, to be looked at and printed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine import images

Pixels = NDArray[np.float32]

GREY = (0.16, 0.16, 0.16)
GAP = 6
HEADER = 26


def draw_sheet(columns: list[str], rows: list[list[Pixels]]) -> Pixels:
    """Lay faces out in rows under column titles, on neutral dark grey.

    Args:
        columns: titles.
        rows: as many faces a row as there are columns, all of one size.

    Returns:
        `(H, W, 3)`, 0 to 1.
    """
    size = rows[0][0].shape[0]
    height, width = HEADER + len(rows) * (size + GAP) + GAP, len(columns) * (size + GAP) + GAP
    sheet = np.empty((height, width, 3), np.float32)
    sheet[:] = GREY
    for r, row in enumerate(rows):
        for c, face in enumerate(row):
            y, x = HEADER + GAP + r * (size + GAP), GAP + c * (size + GAP)
            sheet[y : y + size, x : x + size] = face
    return _titled(sheet, [(GAP + c * (size + GAP) + size // 2, title) for c, title in enumerate(columns)])


def write_sheet(path: Path, columns: list[str], rows: list[list[Pixels]], *, quality: int = 92) -> Path:
    """Draw a sheet and write it, as JPEG of a quality by its name, replacing an older one of the same name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    return images.save_photo(draw_sheet(columns, rows), path, quality=quality)


def _titled(sheet: Pixels, titles: list[tuple[int, str]]) -> Pixels:
    from PIL import Image, ImageDraw, ImageFont

    picture = Image.fromarray(images.to_uint8(sheet))
    pen = ImageDraw.Draw(picture)
    font = ImageFont.load_default(15)
    for x, title in titles:
        pen.text((x, HEADER // 2 + GAP // 2), title, fill=(225, 225, 225), font=font, anchor="mm")
    return images.from_uint8(np.asarray(picture))
