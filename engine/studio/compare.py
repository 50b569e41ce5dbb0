"""Comparing: the very same face crop through every chosen restorer, each at the settings that are shown, and measured.

The face is either as a photo has it, or a clean one that was damaged in known ways (see `engine.studio.lab`), each of
them a row. What is known so far is written after each result, so that a page can show results as they come.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine import images, metrics
from engine.errors import EngineError
from engine.progress import Report, stage
from engine.studio import preparing, restoring
from engine.studio.contact_sheet import write_sheet
from engine.studio.lab import damaged, read_lab
from engine.studio.preparing import Asked, Chosen, Ready
from engine.studio.shelf import shelf
from engine.workspace import Workspace, sha256_file, write_json

if TYPE_CHECKING:
    from engine.faces import Face, FaceCrop

FILE = "comparison.json"
MOST_WAYS = 6
"""More are not told apart on one screen."""

SHOWN = ("identity", "psnr", "ssim", "gmsd", "sharpness", "faithful")
"""Keys of `metrics.METRICS`, in the order of the table."""

DIGITS = {"psnr": 2, "ssim": 4, "gmsd": 4, "sharpness": 3, "faithful": 2, "identity": 4}


class NothingToCompare(EngineError):
    """No restorer was chosen, or too many."""


class TruthDoesNotFit(EngineError):
    """The undamaged photo shows no face that could be laid over the damaged one's."""


@dataclass(frozen=True)
class Way:
    """One restorer at given settings."""

    restorer: str
    options: Mapping[str, Any]
    seed: int | None = None
    """Of the noise; None takes that of the comparison."""
    label: str = ""
    """What it is called; the restorer's title if not given."""


@dataclass(frozen=True)
class Comparing:
    """What to compare."""

    photo: Path
    out: Path
    """Folder for `comparison.json`, the crops and the contact sheets; made if it is not there."""
    ways: tuple[Way, ...]
    damages: tuple[str | Mapping[str, Any], ...] = ()
    """For `lab.read_lab`; with any, the photo is the truth. None: the photo is damaged as it is."""
    truth: Path | None = None
    """The same photo undamaged, where there is one and no `damages`: of the same shape, else laid over by its face."""
    person: str | None = None
    recipe: str = "quick"
    seed: int = 0
    face: int | None = None
    device: str = "auto"
    prior: str = "pocket"
    """As in `preparing.Asked`; of the restorers that take the prior."""
    chosen: Chosen | None = None
    name: str = ""
    """What the photo is called; its file's name if not given."""


def compare(workspace: Workspace, asked: Comparing, report: Report) -> dict[str, Any]:
    """Restore a face in every way and measure what came of it.

    Returns:
        What `comparison.json` holds: `photo`, `person`, `seed`; `metrics` (key, title, direction, unit, what);
        `rows`, one a damage: `damage`, `given` and `truth` (files, `truth` "" where there is none), `given_numbers`,
        `results` (restorer, title, settings, file, seconds, numbers, best); `spread`, over several damages the mean
        distance between a restorer's results, by its place; `sheets`, files; `notes`, sentences; `eyes`, shares.

    Raises:
        NothingToCompare, TruthDoesNotFit, BadDamage: see there.
        EngineError: a photo, a person or an option cannot be used.
        Cancelled: from the report; what was made so far is kept.
    """
    if not 1 <= len(asked.ways) <= MOST_WAYS:
        raise NothingToCompare(f"Choose 1 to {MOST_WAYS} restorers to compare, got {len(asked.ways)}.")
    labs = [read_lab(damage) for damage in asked.damages]
    asked, lacked = _having_weights(workspace, asked)
    ones = [_asked(asked, way) for way in asked.ways]
    photo = images.read_photo(asked.photo).pixels
    truth = _truth(workspace, asked, photo.shape)
    face, ready = _prepared(workspace, asked, ones, photo, report)
    asked.out.mkdir(parents=True, exist_ok=True)
    known: dict[str, Any] = {
        "version": 1,
        "photo": asked.name or asked.photo.name,
        "person": ready[0].person.name if ready[0].person is not None else "",
        "seed": asked.seed,
        "ways": [_told(one, way, asked.seed) for one, way in zip(ready, asked.ways, strict=True)],
        "metrics": [{"key": key, **_metric(key)} for key in SHOWN],
        "rows": [],
        "spread": [],
        "sheets": {},
        "notes": [*lacked, *_notes(asked, ready[0]), *(truth.notes if truth is not None else ())],
        "eyes": [],
    }
    crop, pictures = _crop_of(photo, face, max(one.size for one in ready)), {}
    known["eyes"] = [[round(float(v + 0.5) / crop.size, 4) for v in eye] for eye in _eyes(crop)]
    done, total = 0, max(1, len(labs)) * len(ready)
    embedded: list[list[Any]] = [[] for _ in ready]
    for n, (name, lab) in enumerate(labs or [("", None)]):
        clean = crop.pixels if lab is not None else None
        if lab is None and truth is not None:
            clean = _crop_of(truth.pixels, truth.face_like(face), crop.size).pixels
        given = damaged(crop.pixels, lab, asked.seed) if lab is not None else crop.pixels
        row = _begun_row(asked.out, n, name, given, clean)
        pictures[n, "given"], pictures[n, "truth"] = given, clean
        measured = _Measured(given, clean, crop if lab is None else replace(crop, from_photo=np.eye(2, 3)), ready[0])
        row["given_numbers"] = measured.numbers(given)
        known["rows"].append(row)
        for k, one in enumerate(ready):
            report.tick("comparing", done, total)
            made, seconds = _restored(one, ones[k], given, measured, report)
            numbers = measured.numbers(made)
            file = _saved(made, asked.out / f"{n + 1}-{k + 1}-{one.info.id}.png")
            row["results"].append(
                {**known["ways"][k], "file": file, "seconds": seconds, "numbers": numbers, "best": []}
            )
            pictures[n, k] = made
            embedded[k].append(measured.embedding(made))
            _mark_best(row["results"])
            done += 1
            write_json(asked.out / FILE, known)
            report.preview("comparison", asked.out / FILE)
    report.tick("comparing", done, total)
    known["spread"] = [_spread(vectors) for vectors in embedded]
    known["sheets"] = _sheets(asked.out, known, pictures)
    write_json(asked.out / FILE, known)
    return known


def _having_weights(workspace: Workspace, asked: Comparing) -> tuple[Comparing, list[str]]:
    """Leave out the restorers whose files are not there, and say why; the others are compared nevertheless."""
    from engine.restorers import lacking

    kept: list[Way] = []
    said: list[str] = []
    for way in asked.ways:
        info, options = preparing.checked(_asked(asked, way))
        why = lacking(info, workspace.weights, options)
        if why:
            said.append(f"{way.label or info.title} was left out. {why}")
        else:
            kept.append(way)
    if not kept:
        raise NothingToCompare(" ".join(dict.fromkeys(said)))
    return replace(asked, ways=tuple(kept)), list(dict.fromkeys(said))


def _asked(asked: Comparing, way: Way) -> Asked:
    return Asked(
        photo=asked.photo,
        out=asked.out,
        restorer=way.restorer,
        options=way.options,
        person=asked.person,
        recipe=asked.recipe,
        seed=asked.seed if way.seed is None else way.seed,
        face=asked.face,
        device=asked.device,
        prior=asked.prior,
        chosen=asked.chosen,
    )


@dataclass(frozen=True, eq=False)
class _Truth:
    """The undamaged photo, and how it lies over the damaged one."""

    pixels: images.Pixels
    scale: tuple[float, float]
    """How many times wider and higher it is, where it has the same shape."""
    face: Face | None
    """Its own face, where the shapes differ."""
    notes: tuple[str, ...]

    def face_like(self, face: Face) -> Face:
        """Give where a face of the damaged photo lies in this one."""
        if self.face is not None:
            return self.face
        if self.scale == (1.0, 1.0):
            return face
        across, down = self.scale
        left, top, right, bottom = face.box
        # From the corner of a pixel, whose middle is what points count by.
        points = (face.points + 0.5) * np.asarray(self.scale) - 0.5
        return replace(face, box=(left * across, top * down, right * across, bottom * down), points=points)


SAME_SHAPE = 0.01
"""How far the shapes of two photos may differ that are taken for one picture at two sizes."""


def _truth(workspace: Workspace, asked: Comparing, shape: tuple[int, ...]) -> _Truth | None:
    """Read the truth and find how it lies: by its size, by its shape, or by its face."""
    if asked.truth is None or asked.damages:
        return None
    found = images.read_photo(asked.truth).pixels
    scale = found.shape[1] / shape[1], found.shape[0] / shape[0]
    if abs(scale[0] / scale[1] - 1) <= SAME_SHAPE:
        return _Truth(found, scale, None, ())
    faces = restoring.find_faces(found, "auto", workspace.weights, asked.device)
    if not faces:
        raise TruthDoesNotFit(
            f"{asked.truth.name} has {found.shape[1]} x {found.shape[0]} px and {asked.photo.name} has "
            f"{shape[1]} x {shape[0]} px, and no face was found by which to lay one over the other. The truth must be "
            "the same photo, of the same shape."
        )
    note = "The truth has another shape than the photo, so they were laid over each other by the face; numbers that "
    return _Truth(found, scale, faces[0], (f"{note}compare pixel by pixel are lower than they would be.",))


def _prepared(
    workspace: Workspace, asked: Comparing, ones: Sequence[Asked], photo: images.Pixels, report: Report
) -> tuple[Face, list[Ready]]:
    """Find the face and load what every way needs; the person is tuned if one of them needs that."""
    report.tick("finding the face", 0, 1)
    if asked.chosen is not None:
        faces = (asked.chosen.face,)
    else:
        faces = restoring.find_faces(photo, "auto", workspace.weights, asked.device)
        if not faces:
            raise restoring.NoFaceFound(f"No face found in {asked.photo.name}. Mark it on the page first.")
    ready = [preparing.prepare(workspace, one, report) for one in ones]
    if asked.chosen is not None:
        return faces[0], ready
    face, _ = restoring.choose_face(photo, faces, ones[0], ready[0].gallery, ready[0].prior.size)
    return face, ready


def _crop_of(photo: images.Pixels, face: Face, size: int) -> FaceCrop:
    from engine.faces import cut

    return cut(photo, face, size)


def _eyes(crop: FaceCrop) -> Any:
    matrix = crop.from_photo
    return crop.face.eyes @ matrix[:, :2].T + matrix[:, 2]


def _told(one: Ready, way: Way, seed: int) -> dict[str, Any]:
    """Give what is shown of a way: its restorer and the settings that are not as they usually are."""
    from engine.restorers import choice

    usual = one.info.options()
    changed = [
        f"{choice(field).title} {_short(getattr(one.options, field.name))}"
        for field in fields(one.options)
        if getattr(one.options, field.name) != getattr(usual, field.name)
    ]
    return {
        "restorer": one.info.id,
        "title": way.label or one.info.title,
        "seed": seed if way.seed is None else way.seed,
        "license": one.info.license,
        "options": asdict(one.options),
        "settings": ", ".join(changed),
    }


def _short(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _metric(key: str) -> dict[str, str]:
    known = metrics.METRICS[key]
    return {"title": known.name, "direction": known.direction, "unit": known.unit, "what": known.what}


def _notes(asked: Comparing, ready: Ready) -> list[str]:
    if ready.gallery is None or not asked.damages:
        return []
    digest = sha256_file(asked.photo)
    if not any(digest.startswith(reference.id.partition("-")[0]) for reference in ready.gallery.references):
        return []
    return ["This photo is one of the person's references, so the distance to them looks better than it is."]


def _begun_row(out: Path, n: int, name: str, given: images.Pixels, clean: images.Pixels | None) -> dict[str, Any]:
    return {
        "damage": name,
        "given": _saved(given, out / f"{n + 1}-given.png"),
        "truth": _saved(clean, out / f"{n + 1}-truth.png") if clean is not None else "",
        "given_numbers": {},
        "results": [],
    }


def _saved(pixels: images.Pixels, place: Path) -> str:
    place.unlink(missing_ok=True)
    return images.save_photo(pixels, place).name


def _restored(
    one: Ready, asked: Asked, given: images.Pixels, measured: _Measured, report: Report
) -> tuple[images.Pixels, float]:
    """Give a restorer the crop at its own size, and its answer at the size of the comparison."""
    from engine.restorers import Context

    context = Context(lambda: one.prior, one.weights, asked.device, asked.prior)
    restorer, unloaded = shelf().get(one.info, context)
    for sentence in unloaded:
        report.tick(sentence, 0, 1)
    begun = time.monotonic()
    subject = one.subject(measured.damage)
    tick = stage(report, f"comparing: {one.info.title}")
    made = restorer.restore(
        images.resize(given, (one.size, one.size)), subject, one.options, seed=asked.seed, tick=tick
    )
    seconds = round(time.monotonic() - begun, 3)
    return images.resize(made, (given.shape[1], given.shape[0])), seconds


class _Measured:
    """Measures pictures of one face against what is known of it."""

    def __init__(self, given: images.Pixels, truth: images.Pixels | None, crop: FaceCrop, ready: Ready) -> None:
        from engine.faces import estimate_damage, head_mask

        self.damage = estimate_damage(given, crop.scale)
        self._given, self._truth, self._mask = given, truth, head_mask(crop)
        gallery = ready.gallery
        self._known = list(gallery.embeddings) if gallery is not None else []

    @staticmethod
    def embedding(face: images.Pixels) -> Any:
        from engine.faces import embed

        return embed(face)

    def numbers(self, face: images.Pixels) -> dict[str, float]:
        """Give the numbers of a face by key; those that need a truth only where there is one."""
        from engine.faces import distance

        found: dict[str, float] = {}
        against = self._known or ([self.embedding(self._truth)] if self._truth is not None else [])
        if against:
            mine = self.embedding(face)
            found["identity"] = float(np.mean([distance(mine, one) for one in against]))
        if self._truth is not None:
            found["psnr"] = metrics.psnr(face, self._truth)
            found["ssim"] = metrics.ssim(face, self._truth)
            found["gmsd"] = metrics.gmsd(face, self._truth)
            found["sharpness"] = metrics.sharpness(face, self._truth, self._mask)
        if face is not self._given:
            found["faithful"] = metrics.faithful(face, self._given, self.damage)
        return {key: round(value, DIGITS[key]) for key, value in found.items() if np.isfinite(value)}


def _mark_best(results: list[dict[str, Any]]) -> None:
    """Say of each result in which numbers it is the best; of none where all are alike."""
    for result in results:
        result["best"] = []
    for key in SHOWN:
        having = [result for result in results if key in result["numbers"]]
        if len(having) < 2:
            continue
        away = [_badness(key, result["numbers"][key]) for result in having]
        if max(away) == min(away):
            continue
        for result, bad in zip(having, away, strict=True):
            if bad == min(away):
                result["best"].append(key)


def _badness(key: str, value: float) -> float:
    direction = metrics.METRICS[key].direction
    if direction == "one":
        return abs(float(np.log(max(value, 1e-9))))
    return value if direction == "lower" else -value


def _spread(vectors: Sequence[Any]) -> float | None:
    """Give the mean distance between a restorer's results under several damages; None for one alone."""
    from engine.faces import distance

    pairs = [distance(a, b) for n, a in enumerate(vectors) for b in vectors[:n]]
    return round(float(np.mean(pairs)), 4) if pairs else None


def _sheets(out: Path, known: Mapping[str, Any], pictures: Mapping[Any, images.Pixels | None]) -> dict[str, str]:
    """Write the contact sheet twice, without and with the settings, and give their names."""
    ways = known["ways"]
    rows: list[tuple[str, list[images.Pixels | None]]] = []
    for n, row in enumerate(known["rows"]):
        faces = [pictures[n, "given"], *(pictures[n, k] for k in range(len(ways))), pictures[n, "truth"]]
        name = row["damage"]
        rows.append((name[:1].upper() + name[1:], faces if row["truth"] else faces[:-1]))
    titles = ["Given", *(way["title"] for way in ways), *(["Truth"] if known["rows"][0]["truth"] else [])]
    # A restorer without a knob has no settings at all.
    under = ["", *(way["settings"] or ("Usual settings" if way["options"] else "") for way in ways), ""][: len(titles)]
    sheets = {"plain": "sheet.png", "settings": "sheet-settings.png"}
    write_sheet(out / sheets["plain"], titles, rows)
    write_sheet(out / sheets["settings"], titles, rows, under=under, foot=_foot(known))
    return sheets


def _foot(known: Mapping[str, Any]) -> str:
    told = [known["photo"], known["person"], f"seed {known['seed']}"]
    return ", ".join(str(word) for word in told if word)


def swept(restorer: str, options: Mapping[str, Any], knob: str, *, seed: int, count: int = 5) -> tuple[Way, ...]:
    """Give ways that differ in one knob alone, from its lowest to its highest value, or in the seed.

    Args:
        restorer: its id.
        options: of all other knobs.
        knob: name of an option with a range, or `seed`.
        seed: of the noise; the first of them where the seed is what differs.
        count: how many at most.

    Raises:
        NoSuchRestorer: see there.
        BadOption: the restorer has no such knob, or it has no range.
    """
    from engine.restorers import BadOption, choice, find

    if knob == "seed":
        return tuple(Way(restorer, options, seed + n, f"Seed {seed + n}") for n in range(count))
    known = {field.name: (field, choice(field)) for field in fields(find(restorer).options)}
    if knob not in known or known[knob][1].low is None or known[knob][1].high is None:
        ranged = ", ".join(name for name, (_, one) in known.items() if one.low is not None)
        raise BadOption(f"{knob!r} has no range to go through. Choose one of: {ranged or 'none'}, seed.")
    field, told = known[knob]
    low, high = float(told.low or 0), float(told.high or 0)
    # Over two decades, equal factors show more than equal steps.
    spaced = np.geomspace(low, high, count) if low > 0 and high / low >= 50 else np.linspace(low, high, count)
    values = [round(float(v)) if isinstance(field.default, int) else round(float(v), 4) for v in spaced]
    off = {told.turns_off: False} if told.turns_off else {}
    return tuple(
        Way(restorer, {**options, **off, knob: value}, None, f"{told.title} {_short(value)}")
        for value in dict.fromkeys(values)
    )


def comparing_from(arguments: Mapping[str, Any], chosen: Chosen | None) -> Comparing:
    """Read what a job was asked to compare, as `Studio.start_comparing` wrote it."""
    return Comparing(
        photo=Path(arguments["photo"]),
        out=Path(arguments["out"]),
        ways=tuple(Way(**way) for way in arguments["ways"]),
        damages=tuple(arguments["damages"]),
        truth=Path(arguments["truth"]) if arguments["truth"] else None,
        person=arguments["person"],
        recipe=arguments["recipe"],
        seed=arguments["seed"],
        face=arguments["face"],
        device=arguments["device"],
        chosen=chosen,
        prior=str(arguments.get("prior", "pocket")),
        name=arguments["name"],
    )
