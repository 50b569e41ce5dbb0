"""Refitting: a face that was restored already is fitted into its photo again, with other knobs, without sampling.

Blend, grain, tone, sharpness and detail change; how large the photo is written stays. What is needed is the photo, the
provenance of the result and the restored face, which is kept (see `engine.studio.kept`). No network is loaded for it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from threading import RLock
from typing import Any

from engine import images
from engine.errors import EngineError
from engine.jobs import Job
from engine.results import path_beside, read_provenance
from engine.studio import kept
from engine.studio.enlarging import LANCZOS
from engine.studio.finish import Finish, Output, finish_from, finish_json, output_from
from engine.studio.fitting import Ground, joined, save
from engine.studio.proxies import LONGEST_SIDE, Proxy, make_proxy, make_quick_proxy
from engine.workspace import Workspace, fingerprint, sha256_file, trash, write_json

MOST_PIXELS = 24_000_000
"""Larger photos are not held in memory between two moves of a knob."""

LAST = 4
"""Quick pictures that stay, since a browser may just be fetching one."""


class NotRefitted(EngineError):
    """A result cannot be fitted again without restoring."""


@dataclass(frozen=True, eq=False)
class Refit:
    """A result that can be fitted again."""

    told: Mapping[str, Any]
    """Its provenance, as it was first made."""
    ground: Ground
    notes: tuple[str, ...]
    """What is said of it however it is fitted, in sentences."""
    pixels: images.Pixels
    """The photo at the size of the result."""

    def fixed(self, finish: Finish) -> Finish:
        """Give a finish with the size of the photo as it is."""
        return fixed(self.told, finish)


def fixed(told: Mapping[str, Any], finish: Finish) -> Finish:
    """Give a finish with the output scale and the way of enlarging that a result was made with."""
    first = finish_from(told["finish"])
    return replace(finish, scale=first.scale, background=first.background)


def refit(workspace: Workspace, photo: Path, told: Mapping[str, Any], person: str | None) -> Refit:
    """Take up a result to fit it again; then `Ground.shown` and `Ground.finish` give it with other knobs.

    Args:
        workspace: where the restored face is kept.
        photo: that the result was made of.
        told: the result's provenance, as `read_provenance` gives it.
        person: id of the person it was restored with, or None.

    Raises:
        NotRefitted: the face is not kept, or a network enlarged the photo.
        EngineError: the photo cannot be read.
    """
    from engine.faces import cut, estimate_damage, face_from_json
    from engine.restorers import find

    by = str(told["seen"].get("background", ""))
    if by not in ("", LANCZOS):
        raise NotRefitted(
            f"The photo of this result was enlarged by {by}, which takes long, so moved knobs are not shown at once. "
            "Press Restore: the face is found again and not computed anew."
        )
    info = find(str(told["restorer"]))
    found = kept.find(kept.folder(workspace, person), kept.key_of(told))
    if found is None:
        raise NotRefitted(
            "The restored face of this result is not kept any more, so moved knobs are not shown at once. "
            "Press Restore to make it again with them."
        )
    source = images.read_photo(photo)
    pixels = source.pixels
    crop = cut(pixels, face_from_json(told["face"]), found.pixels.shape[0])
    damage, first = estimate_damage(crop.pixels, crop.scale), finish_from(told["finish"])
    ground = Ground(
        source, pixels, crop, found.pixels, damage, first, fitted=info.fitted, seed=int(told["seed"]), head=found.head
    )
    said = set(ground.finish(first).notes)
    return Refit(told, ground, tuple(note for note in told["notes"] if note not in said), ground.wide)


def save_refit(again: Refit, finish: Finish, path: Path, output: Output) -> Path:
    """Write a result as it is fitted now, with its provenance, and give its path.

    Args:
        again: what `refit` gave.
        finish: the knobs.
        path: a free name in a folder that is there.
        output: how to write it; no layer is written.

    Raises:
        AlreadyThere, NotSaved: see `images.save_photo`.
    """
    told = again.told
    made = again.ground.finish(finish)
    settings = {name: told[name] for name in ("restorer", "options", "seed")}
    result, _, lost = save(made, path, replace(output, layer=None), json.dumps(settings, sort_keys=True))
    said = joined(again.notes, made.notes, lost)
    try:
        write_json(
            path_beside(result),
            {**told, "finish": finish_json(finish), "notes": said, "result_sha256": sha256_file(result)},
        )
    except EngineError:
        result.unlink(missing_ok=True)  # no result without its provenance
        raise
    return result


class Refits:
    """The results of jobs, fitted again: the last one that was taken up stays at hand. For any thread."""

    def __init__(self, workspace: Workspace, previews: Path) -> None:
        """Take the folder of the proxies."""
        self._workspace, self._previews = workspace, previews
        self._lock = RLock()
        self._held: tuple[str, Refit] | None = None
        self._quick: list[Path] = []

    def take_up(self, job: Job) -> Refit:
        """Take up the result of a finished job; as `refit`."""
        with self._lock:
            if self._held is not None and self._held[0] == job.id:
                return self._held[1]
            self._held = None
            told = read_provenance(Path((job.result or {})["provenance"]))
            again = refit(self._workspace, Path(job.arguments["photo"]), told, self._person(job))
            height, width = again.pixels.shape[:2]
            if height * width <= MOST_PIXELS:
                self._held = job.id, again
            return again

    def quick(self, job: Job, finish: Finish) -> Proxy:
        """Give a picture of a result as it is with other knobs, written as fast as can be.

        Raises:
            NotRefitted, EngineError: as `refit`.
        """
        with self._lock:
            again = self.take_up(job)
            finish = again.fixed(finish)
            height, width = again.pixels.shape[:2]
            digest = fingerprint({"job": job.id, "finish": finish_json(finish)})
            if max(height, width) > LONGEST_SIDE:
                return make_proxy(again.ground.finish(finish).photo, digest, self._previews)
            place, pixels = again.ground.shown(finish)
            samples = images.to_uint8(again.pixels)
            samples[place] = images.to_uint8(pixels)
            proxy = make_quick_proxy(samples, digest, self._previews)
            self._let_go(self._previews / proxy.full)
            return proxy

    def write(self, job: Job, finish: Finish) -> Path:
        """Write a result as it is fitted now, beside the first one, in place of an earlier such one; give its path."""
        with self._lock:
            again = self.take_up(job)
            finish = again.fixed(finish)
            first = Path((job.result or {})["result"])
            home = self._home(job)
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
            place = home / f"refit-{fingerprint(finish_json(finish))[:12]}"
            if not (path_beside(place / first.name)).exists():
                if place.exists():  # left by one that was broken off
                    trash(place)
                place.mkdir(mode=0o700)
                save_refit(again, finish, place / first.name, output_from(job.arguments.get("output") or {}))
            for old in home.glob("refit-*"):
                if old != place:
                    trash(old)
            return place / first.name

    def newest(self, job: Job) -> Path:
        """Give the result of a job as it was fitted last."""
        first = Path((job.result or {})["result"])
        again = [place / first.name for place in sorted(self._home(job).glob("refit-*"))]
        return next((path for path in again if path.exists() and path_beside(path).exists()), first)

    def _let_go(self, file: Path) -> None:
        if file in self._quick:
            self._quick.remove(file)
        self._quick.append(file)
        while len(self._quick) > LAST:
            self._quick.pop(0).unlink(missing_ok=True)

    def _home(self, job: Job) -> Path:
        """Give the folder in which a result lies as it was fitted again: its own, never a folder of the user's."""
        if job.arguments.get("of") == "batch":
            return kept.folder(self._workspace, self._person(job)).parent / "refits" / job.id
        return Path((job.result or {})["result"]).parent

    def _person(self, job: Job) -> str | None:
        """Give the id of the person of a job, with whom its restored faces are kept."""
        if "who" in job.arguments:
            person: str | None = job.arguments["person"]
            return person
        runs = Path(job.arguments["out"]).parent  # a job of before: its run lies with them
        return None if runs == self._workspace.runs else runs.parent.name
