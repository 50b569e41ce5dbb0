"""The restorers: one file each, found by themselves.

A new one is one file that defines `RESTORER`; its controls, its place in comparisons and its contract tests follow.
`python -m engine.restorers` lists them.
"""

from __future__ import annotations

import importlib
import pkgutil

from engine.errors import EngineError
from engine.restorers._contract import (
    BadOption,
    Choice,
    Context,
    Options,
    Restorer,
    RestorerInfo,
    Subject,
    choice,
    option,
    read_options,
)

__all__ = [
    "BadOption",
    "Choice",
    "Context",
    "NoSuchRestorer",
    "Options",
    "Restorer",
    "RestorerInfo",
    "Subject",
    "choice",
    "find",
    "find_all",
    "option",
    "read_options",
]


class NoSuchRestorer(EngineError):
    """A restorer was asked for that is not there."""


def find_all() -> tuple[RestorerInfo, ...]:
    """Give every restorer, the plain ones first, then by id."""
    found: list[RestorerInfo] = []
    for module in pkgutil.iter_modules(__path__):
        if module.name.startswith("_"):
            continue
        info = getattr(importlib.import_module(f"{__name__}.{module.name}"), "RESTORER", None)
        if not isinstance(info, RestorerInfo):
            raise TypeError(f"engine/restorers/{module.name}.py must define RESTORER = RestorerInfo(...)")
        found.append(info)
    order = ("enlarge", "cleaner", "diffbir", "dual-pivot")
    return tuple(sorted(found, key=lambda i: (order.index(i.id) if i.id in order else len(order), i.id)))


def find(wanted: str) -> RestorerInfo:
    """Give the restorer of an id, or raise `NoSuchRestorer` with the ids there are."""
    known = {info.id: info for info in find_all()}
    if wanted not in known:
        raise NoSuchRestorer(f"There is no restorer {wanted!r}. Choose one of: {', '.join(known)}.")
    return known[wanted]
