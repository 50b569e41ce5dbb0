"""Letters on pictures: a font of this machine that has them all, since Pillow's own knows plain ASCII alone."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import Any

FONTS = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "LiberationSans-Regular.ttf",
    "NotoSansCJK-Regular.ttc",
    "segoeui.ttf",
    "arial.ttf",
    "msyh.ttc",
    "meiryo.ttc",
    "Arial Unicode.ttf",
    "Helvetica.ttc",
    "PingFang.ttc",
)
"""Files that Linux, Windows and macOS come with, looked for where their fonts lie."""
NO_LETTER = "\uffff"


def lettering(texts: Sequence[str], size: int) -> tuple[Any, list[str]]:
    """Choose a font for texts: Pillow's own where it has every letter, else the one that lacks the fewest.

    Args:
        texts: what shall be written.
        size: of the letters, px.

    Returns:
        The font, and the texts with what even that font lacks written as plain letters, or as a question mark.
    """
    letters = {letter for text in texts for letter in text if not letter.isspace()}
    fonts = [font for name in ("", *FONTS) if (font := find_font(name, size)) is not None]
    font = min(fonts, key=lambda one: len(lacking_in(one, letters)))
    lacking = lacking_in(font, letters)
    return font, ["".join(_plain(c, font) if c in lacking else c for c in text) for text in texts]


@cache
def find_font(name: str, size: int) -> Any:
    """Give a font of this machine by its file's name, Pillow's own for ""; None where there is none."""
    from PIL import ImageFont

    try:
        return ImageFont.truetype(name, size) if name else ImageFont.load_default(size)
    except OSError:
        return None


def lacking_in(font: Any, letters: set[str]) -> set[str]:
    """Give those letters that a font has not."""
    none = bytes(font.getmask(NO_LETTER))
    return {letter for letter in letters if bytes(font.getmask(letter)) == none}


def _plain(letter: str, font: Any) -> str:
    """Give a letter without its marks where the font has that."""
    bare = "".join(part for part in unicodedata.normalize("NFKD", letter) if not unicodedata.combining(part))
    return bare if bare and not lacking_in(font, set(bare)) else "?"
