"""Text tables for consoles."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

GAP = "  "


def table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Give the lines of a table whose columns are the first row's keys; numbers stand to the right.

    Args:
        rows: one mapping a line, all with the same keys; none gives no lines.
    """
    if not rows:
        return []
    names = list(rows[0])
    cells = [names, *([_text(row[name]) for name in names] for row in rows)]
    widths = [max(_width(line[n]) for line in cells) for n in range(len(names))]
    right = [all(isinstance(row[name], int | float) for row in rows) for name in names]
    return [_line(line, widths, right) for line in cells]


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    filled = [
        " " * (width - _width(cell)) + cell if to_right else cell + " " * (width - _width(cell))
        for cell, width, to_right in zip(cells, widths, right, strict=True)
    ]
    return GAP.join(filled).rstrip()


def _text(value: Any) -> str:
    text = f"{value:g}" if isinstance(value, float) else "" if value is None else str(value)
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _width(text: str) -> int:
    """Count the columns a text takes on a console: wide East Asian letters take two, combining ones none."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return len(text) + wide - sum(unicodedata.combining(letter) > 0 for letter in text)
