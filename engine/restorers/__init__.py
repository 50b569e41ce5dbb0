"""The restorers: one file each, found by themselves.

A new one is one file that defines `RESTORER`; its controls, its place in comparisons and its contract tests follow.
`python -m engine.restorers` lists them.
"""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from typing import Any

from engine.errors import EngineError
from engine.restorers._contract import (
    BadOption,
    Choice,
    Context,
    Options,
    PackageMissing,
    Restorer,
    RestorerInfo,
    Subject,
    choice,
    option,
    read_options,
    require_package,
)

__all__ = [
    "BadOption",
    "Choice",
    "Context",
    "NoSuchRestorer",
    "Options",
    "PackageMissing",
    "Restorer",
    "RestorerInfo",
    "Subject",
    "choice",
    "find",
    "find_all",
    "lacking",
    "option",
    "read_options",
    "require",
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


def require(info: RestorerInfo, options: Any, weights: Path | None) -> dict[str, Path]:
    """Give the files that a restorer needs with these options, by their ids.

    Args:
        info: which restorer.
        options: of its own class.
        weights: folder of the user's weights.

    Raises:
        PackageMissing: it needs a package that is not installed; the sentence has the command.
        WeightsMissing: a file is not there; the sentence has its size, its licence and the command that gets it.
        EngineError: a file is damaged or may not be used yet; see `weights.locate`.
    """
    from engine.weights import WeightsMissing, locate

    if info.package:
        require_package(info.title, info.package)
    wanted = info.weights_for(options)
    if wanted and weights is None:
        raise WeightsMissing(f"{info.title} needs {', '.join(wanted)}, and no folder of weights is known.")
    return {file_id: locate(file_id, weights) for file_id in wanted if weights is not None}


def lacking(info: RestorerInfo, weights: Path | None, options: Any | None = None) -> str:
    """Say in a sentence what keeps a restorer from working, "" where nothing does.

    Args:
        info: which restorer.
        weights: folder of the user's weights.
        options: of its own class; None for its defaults.
    """
    try:
        require(info, options or info.options(), weights)
    except EngineError as error:
        return str(error)
    return ""
