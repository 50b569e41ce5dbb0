"""What the Compare screen shows of a comparison: its pictures side by side, and its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.studio.board import BoardView, Part
from engine.studio.compare import DIGITS
from engine.studio.desk import Desk
from engine.studio.view import View
from ui import picture, viewer
from ui.follow import address
from ui.strings import DAMAGES, say

ARROWS = {"higher": "\u2191", "lower": "\u2193", "one": "\u21921"}


def pictures(desk: Desk, board: BoardView, view: View) -> dict[str, Any]:
    """Give what the viewer shows: the damaged face, every result of it so far, and the truth."""
    known = board.known
    if known is None or board.job is None or not board.parts:
        return {"empty": say("compare_empty"), "empty_hint": say("compare_empty_hint")}
    panes = _panes(known, board)
    files = picture.addresses(desk, *(pane.proxy for pane in panes))
    where = board.parts[board.at]
    photos = {"name": say("part_of", name=_name(known, where), n=board.at + 1, m=len(board.parts))}
    return viewer.value(
        panes,
        files,
        photo=f"{board.job.id}-{board.at}",
        face=(0.18, 0.14, 0.82, 0.92),
        eyes=[(float(x), float(y)) for x, y in known["eyes"]],
        references=picture.beside(desk, view) if known["person"] == view.person else [],
        photos=photos if len(board.parts) > 1 else None,
        stays=True,
        candidate=_candidate(where, panes),
    )


def _candidate(where: Part, panes: Sequence[viewer.Pane]) -> int:
    """Give the place of the picture that is held against the first one: the last restorer's, or of the first damage."""
    if where.way is not None:
        return 1
    return max((n for n, pane in enumerate(panes) if pane.id != "truth"), default=0)


def _panes(known: Mapping[str, Any], board: BoardView) -> list[viewer.Pane]:
    where, rows = board.parts[board.at], known["rows"]
    if where.way is not None:
        rows = [row for row in rows if len(row["results"]) > where.way][: viewer.MOST_PANES - 1]
        first = viewer.Pane("truth", say("truth"), "", board.proxies[rows[0]["truth"] or rows[0]["given"]])
        return [
            first,
            *(_under(known, row["damage"], row["results"][where.way], board, n) for n, row in enumerate(rows)),
        ]
    row = rows[where.row or 0]
    given = viewer.Pane("given", say("given"), _damage(row["damage"]), board.proxies[row["given"]])
    results = [_result(one, board, one["title"], f"way-{k}") for k, one in enumerate(row["results"])]
    results = results[: viewer.MOST_PANES - (2 if row["truth"] else 1)]
    truth = [viewer.Pane("truth", say("truth"), "", board.proxies[row["truth"]])] if row["truth"] else []
    return [given, *results, *truth]


def _result(one: Mapping[str, Any], board: BoardView, label: str, key: object) -> viewer.Pane:
    return viewer.Pane(str(key), label, str(one["settings"]), board.proxies[one["file"]])


def _under(known: Mapping[str, Any], damage: str, one: Mapping[str, Any], board: BoardView, number: int) -> viewer.Pane:
    """Give the picture of a restorer under one of several damages, with how near it is to the person."""
    titles = {metric["key"]: metric["title"] for metric in known["metrics"]}
    near = f"{titles['identity']} {one['numbers']['identity']:.2f}" if "identity" in one["numbers"] else ""
    return viewer.Pane(str(number), _damage(damage), near, board.proxies[one["file"]])


def _damage(name: str) -> str:
    return DAMAGES.get(name, name)


def _name(known: Mapping[str, Any], where: Part) -> str:
    if where.way is not None:
        title, count, most = known["ways"][where.way]["title"], len(known["rows"]), viewer.MOST_PANES - 1
        return say("some_damages", name=title, n=most, m=count) if count > most else say("all_damages", name=title)
    return _damage(known["rows"][where.row or 0]["damage"]) or str(known["photo"])


def table(desk: Desk, board: BoardView) -> dict[str, Any]:
    """Give the numbers of what is looked at, the best of each marked."""
    known = board.known
    if known is None or not board.parts or board.job is None:
        return {}
    where = board.parts[board.at]
    rows = known["rows"] if where.way is not None else [known["rows"][where.row or 0]]
    if where.way is not None:
        lines = [(_damage(row["damage"]), "", one) for row in rows for one in row["results"][where.way : where.way + 1]]
    else:
        given = {"numbers": rows[0]["given_numbers"], "best": []}
        lines = [(say("given"), "", given), *((one["title"], one["settings"], one) for one in rows[0]["results"])]
    having = [m for m in known["metrics"] if any(m["key"] in one["numbers"] for _, _, one in lines)]
    folder = board.job.id
    return {
        "caption": say("table_of", name=_name(known, where)),
        "first": say("damage") if where.way is not None else say("restorer"),
        "columns": [
            {
                "title": m["title"] + (f" ({m['unit']})" if m["unit"] else ""),
                "arrow": ARROWS[m["direction"]],
                "spoken": say(f"better_{m['direction']}"),
                "what": m["what"],
            }
            for m in having
        ],
        "rows": [
            {
                "name": name,
                "detail": detail,
                "cells": [_cell(one, m["key"], marked=where.way is None) for m in having],
            }
            for name, detail, one in lines
        ],
        "notes": [*known["notes"], *_spread(known)],
        "sheets": {
            kind: {"href": address(desk, place), "name": f"{folder}-{place.rpartition('/')[2]}"}
            for kind, place in board.sheets.items()
        }
        or None,
    }


def _cell(one: Mapping[str, Any], key: str, *, marked: bool) -> dict[str, Any]:
    number = one["numbers"].get(key)
    return {"text": "" if number is None else f"{number:.{DIGITS[key]}f}", "best": marked and key in one["best"]}


def _spread(known: Mapping[str, Any]) -> Sequence[str]:
    """Say how alike the results of each restorer are, of one face under several damages."""
    told = [
        f"{way['title']} {spread:.3f}"
        for way, spread in zip(known["ways"], known["spread"], strict=False)
        if spread is not None
    ]
    return [say("spread", told=", ".join(told))] if told else []
