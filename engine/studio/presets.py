"""Presets: settings under a name with a sentence on what they are for. Some come along; the user's own are files."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.errors import EngineError
from engine.restorers import BadOption, find, read_options
from engine.studio.finish import read_finish
from engine.workspace import Workspace, new_id, read_json, trash, write_json

log = logging.getLogger(__name__)

RESTORER = "dual-pivot"
MOST = 100
LONGEST = 60
"""Characters of a name."""


class BadPreset(EngineError):
    """A preset cannot be kept or used."""


@dataclass(frozen=True)
class Preset:
    """Settings of the Restore screen under a name."""

    id: str
    title: str
    sentence: str
    """What it is for."""
    options: Mapping[str, Any]
    """Of `RESTORER`, by name; what is not named stands as usual."""
    finish: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Knobs of `finish.FinishOptions`, likewise."""
    own: bool = False
    """Whether it is the user's, and may be removed."""


SHIPPED = (
    Preset(
        "usual",
        "As the damage asks",
        "Looks at the face and does as much as it needs; a good photo is hardly touched.",
        {},
    ),
    Preset(
        "faithful",
        "Faithful",
        "Keeps to what the photo shows and draws as little anew as can be; for photos that are only a little soft.",
        {"auto": False, "start": 0.1},
    ),
    Preset(
        "strong",
        "Badly damaged",
        "Draws much anew, in more steps, for faces of which little is left; look closely whether it is them.",
        {"auto": False, "start": 0.45, "steps": 20},
    ),
    Preset(
        "print",
        "Old print",
        "Keeps the tone, and gives the face as much grain as is round it, so that it stays a photo of its time.",
        {"auto": True},
        {"measured_grain": False, "grain": 1.0, "tone": "keep", "sharpness": 0.7},
    ),
    Preset(
        "quick",
        "Quick look",
        "Four steps: rough, but there in a moment, to see whether it is worth more.",
        {"steps": 4},
    ),
)


class Presets:
    """The presets of a workspace. For any thread."""

    def __init__(self, workspace: Workspace) -> None:
        self._folder = workspace.root / "presets"
        self._seen = -1
        self._own: tuple[Preset, ...] = ()

    def __call__(self) -> tuple[Preset, ...]:
        """Give those that come along and the user's own, the oldest first; a file that cannot be used is left out."""
        try:
            changed = self._folder.stat().st_mtime_ns
        except FileNotFoundError:
            return SHIPPED
        if changed != self._seen:
            found = (_read(file) for file in sorted(self._folder.glob("preset-*.json")))
            self._own, self._seen = tuple(preset for preset in found if preset is not None), changed
        return (*SHIPPED, *self._own)

    def find(self, name: str) -> Preset:
        """Give a preset by its id, or raise `BadPreset`."""
        for preset in self():
            if preset.id == name:
                return preset
        raise BadPreset("That preset is no longer there. Choose another.")

    def save(self, title: str, options: Mapping[str, Any], finish: Mapping[str, Any]) -> Preset:
        """Keep settings under a name of the user's.

        Raises:
            BadPreset: the name is empty, too long or taken, or there are too many.
            BadOption: a setting is outside its range.
        """
        title = " ".join(title.split())
        if not 1 <= len(title) <= LONGEST:
            raise BadPreset(f"A preset needs a name of 1 to {LONGEST} characters, got {len(title)}.")
        if any(preset.title.casefold() == title.casefold() for preset in self()):
            raise BadPreset(f"There is a preset {title} already. Choose another name, or delete that one first.")
        if len(self()) - len(SHIPPED) >= MOST:
            raise BadPreset(f"{MOST} presets are kept at most. Delete one first.")
        _check(options, finish)
        made = Preset(new_id("preset"), title, "", dict(options), dict(finish), own=True)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        told = {"version": 1, "title": title, "options": made.options, "finish": made.finish}
        write_json(self._folder / f"{made.id}.json", told)
        return made

    def delete(self, name: str) -> None:
        """Remove one of the user's own.

        Raises:
            BadPreset: there is none of that id.
        """
        if not self.find(name).own:
            raise BadPreset("That preset comes with Likeness and stays.")
        trash(self._folder / f"{name}.json")


def settings_of(preset: Preset) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give all options and all knobs of the finish, as a preset sets them, those that it does not name as usual."""
    from dataclasses import asdict

    from engine.studio.finish import FinishOptions

    return {**asdict(find(RESTORER).options()), **preset.options}, {**asdict(FinishOptions()), **preset.finish}


def _check(options: Mapping[str, Any], finish: Mapping[str, Any]) -> None:
    read_options(find(RESTORER).options, options)
    read_finish(finish)


def _read(file: Path) -> Preset | None:
    try:
        told: dict[str, Any] = read_json(file)
        options, finish = dict(told["options"]), dict(told["finish"])
        _check(options, finish)
        return Preset(file.stem, str(told["title"])[:LONGEST], "", options, finish, own=True)
    except (EngineError, BadOption, KeyError, TypeError, ValueError) as error:
        log.warning("the preset %s is left out: %s", file.name, error)
        return None
