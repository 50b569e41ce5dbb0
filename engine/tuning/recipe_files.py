"""Recipes as files: those that ship, those that a user saves and passes on, and a recipe with some fields changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from engine.errors import EngineError
from engine.tuning.recipe import PARTS, BadRecipe, CleanerPivot, GuidePivot, NoSuchRecipe, Recipe, TextPivot, check
from engine.workspace import FileCorrupt, read_json, write_json

SHIPPED = Path(__file__).with_name("recipes.json")
VERSION = 1
"""Of recipe files."""


def recipe_from(value: Any, origin: str) -> Recipe:
    """Give a recipe from the form in which files have it.

    Args:
        value: what JSON gave: name, summary, seed, sources, and `cleaner`, `text` and `guide` with the fields that
            differ from the defaults, or null.
        origin: where it comes from, for the sentences.

    Raises:
        BadRecipe: it is none, a field is unknown, or a value is outside its range.
    """
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        raise BadRecipe(f"{origin} holds no recipe. Take a file that `recipes show NAME --json` or the app wrote.")
    unknown = sorted(value.keys() - {f.name for f in fields(Recipe)} - {"version"})
    if unknown:
        raise BadRecipe(f"{origin} has the unknown field {unknown[0]!r}. Take it out.")
    if value.get("version", VERSION) != VERSION:
        raise BadRecipe(f"{origin} is of version {value['version']!r} and this Likeness reads {VERSION}. Update it.")
    seed, sources = value.get("seed", 0), value.get("sources", {})
    if not isinstance(seed, int) or isinstance(seed, bool) or not isinstance(sources, dict):
        raise BadRecipe(f"{origin} needs a whole number as seed and names with sentences as sources.")
    made = Recipe(
        value["name"],
        str(value.get("summary", "")),
        _pivot_from(TextPivot, value.get("text"), "text", origin),
        _pivot_from(GuidePivot, value.get("guide"), "guide", origin),
        seed,
        {str(name): str(said) for name, said in sources.items()},
        _pivot_from(CleanerPivot, value.get("cleaner"), "cleaner", origin),
    )
    return check(made)


def read_recipe(path: Path) -> Recipe:
    """Read a recipe that somebody saved.

    Raises:
        NoSuchRecipe: there is no such file.
        BadRecipe: it holds none.
    """
    if not path.is_file():
        raise NoSuchRecipe(f"There is no recipe file {path}. Name one that is there, or one of: {', '.join(RECIPES)}.")
    try:
        value = read_json(path)
    except FileCorrupt as error:
        raise BadRecipe(f"{path} holds no recipe: it is not JSON. Take a file that Likeness wrote.") from error
    return recipe_from(value, path.name)


def write_recipe(made: Recipe, path: Path) -> Path:
    """Save a recipe with every field, so that it stays the same when defaults change.

    Raises:
        BadRecipe: a value is outside its range; nothing is written.
        EngineError: as `engine.workspace.write_json`.
    """
    whole = {"version": VERSION, **check(made).as_json(), "summary": made.summary, "sources": dict(made.sources)}
    write_json(path, whole)
    return path


def saved_recipes(folder: Path) -> dict[str, Recipe]:
    """Give the recipes of a folder by the paths of their files; files that hold none are left out."""
    found: dict[str, Recipe] = {}
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else ():
        try:
            found[str(path)] = read_recipe(path)
        except EngineError:
            continue
    return found


def recipe(name: str) -> Recipe:
    """Give the recipe of a name, or of a file whose name ends in `.json`.

    Raises:
        NoSuchRecipe: there is none.
        BadRecipe: the file holds none.
    """
    if name.endswith(".json"):
        return read_recipe(Path(name).expanduser())
    if name not in RECIPES:
        raise NoSuchRecipe(
            f"There is no recipe {name!r}. Choose one of: {', '.join(RECIPES)}; or name a recipe file (.json)."
        )
    return RECIPES[name]


def changed(made: Recipe, values: Mapping[str, Any], *, name: str | None = None) -> Recipe:
    """Give a recipe with some fields changed, by names such as `text.steps`; text is read as the field needs it.

    Args:
        made: to begin with.
        values: by name; values may be text, as the command line gives it.
        name: of the new recipe; the old one's unless given.

    Raises:
        BadRecipe: no such field, or a value outside its range.
    """
    parts: dict[str, Any] = {part: getattr(made, part) for part in PARTS}
    for full, value in values.items():
        part, _, field_name = full.partition(".")
        pivot = parts.get(part)
        if pivot is None:
            raise BadRecipe(f"Recipe {made.name} has no {full!r}: it has no such pivot. Begin from another recipe.")
        known = {f.name: f for f in fields(pivot)}
        if field_name not in known:
            raise BadRecipe(f"There is no field {full!r}. The fields of {part} are: {', '.join(known)}.")
        parts[part] = replace(pivot, **{field_name: _read(full, value, known[field_name].default)})
    return check(replace(made, **parts, name=name or made.name))


def _read(name: str, value: Any, default: Any) -> Any:
    """Turn text into a value of a field's kind; anything else stays as it is."""
    if not isinstance(value, str) or isinstance(default, str):
        return tuple(value) if isinstance(default, tuple) and not isinstance(value, str) else value
    if isinstance(default, tuple):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    words = {"on": True, "true": True, "yes": True, "off": False, "false": False, "no": False}
    try:
        return words[value.lower()] if isinstance(default, bool) else type(default)(value)
    except (KeyError, ValueError) as error:
        kind = {bool: "on or off", int: "a whole number"}.get(type(default), "a number")
        raise BadRecipe(f"{name} must be {kind}, got {value!r}.") from error


def _pivot_from(kind: type[Any], value: Any, part: str, origin: str) -> Any:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise BadRecipe(f"{origin}: {part} must hold fields by name, or null for none.")
    known = {f.name for f in fields(kind)}
    unknown = sorted(value.keys() - known)
    if unknown:
        raise BadRecipe(
            f"{origin} has the unknown field {part}.{unknown[0]}. The fields are: {', '.join(sorted(known))}."
        )
    plain = {name: tuple(v) if isinstance(v, list) else v for name, v in value.items()}
    return kind(**plain)


def _shipped() -> dict[str, Recipe]:
    held = json.loads(SHIPPED.read_text(encoding="utf-8"))
    return {value["name"]: recipe_from(value, SHIPPED.name) for value in held["recipes"]}


RECIPES: Mapping[str, Recipe] = _shipped()
"""The recipes that ship, by name, the usual one first."""
