"""What an evaluation leaves in its folder: rows, tables, sheets and a page that shows them, with nothing from outside.

`people.json` and `people.csv` hold every restored face, `people.md` the tables for the README, `people.jpg` one photo
of each person, `sheets/` all photos of each, and `index.html` all of it to look at.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from engine import images
from engine.evaluation import claim
from engine.evaluation.cohort import Tested
from engine.evaluation.damages import GIVEN
from engine.evaluation.evaluate import Evaluation
from engine.evaluation.sheet import write_sheet
from engine.evaluation.summary import ArmSummary, Row, Verdict, by_person, judge, people_of, summarise
from engine.evaluation.trials import crop_of
from engine.evaluation.variants import BLIND, TRUTH, WRONG
from engine.faces import cut
from engine.workspace import write_bytes, write_json

REFERENCE = "reference"

STYLE = (
    "body{background:#292929;color:#ddd;font:15px/1.5 system-ui,sans-serif;max-width:110rem;margin:2rem auto;"
    "padding:0 1rem}table{border-collapse:collapse;margin:1rem 0}td,th{padding:.2rem .7rem;text-align:right;"
    "border-bottom:1px solid #444}td:first-child,th:first-child{text-align:left}img{max-width:100%}"
    "h1,h2{font-weight:500}"
)


@dataclass(frozen=True)
class Table:
    """A table to be read."""

    title: str
    head: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    note: str = ""

    def markdown(self) -> str:
        """Write it as Markdown, its title in bold above it."""
        head, *lines = ("| " + " | ".join(row) + " |" for row in (self.head, *self.lines))
        drawn = "\n".join([head, "|" + "---|" * len(self.head), *lines])
        return f"**{self.title}**\n\n{drawn}\n" + (f"\n{self.note}\n" if self.note else "")

    def html(self) -> str:
        """Write it as HTML."""
        head = "".join(f"<th>{escape(cell)}</th>" for cell in self.head)
        lines = "".join("<tr>" + "".join(f"<td>{escape(c)}</td>" for c in line) + "</tr>" for line in self.lines)
        note = f"<p>{escape(self.note)}</p>" if self.note else ""
        return f"<h2>{escape(self.title)}</h2><table><tr>{head}</tr>{lines}</table>{note}"


def write(made: Evaluation, out: Path) -> dict[str, Any]:
    """Write all files of an evaluation; earlier ones are replaced.

    Returns:
        What stands in `people.json` without its rows, and the paths of the files.
    """
    (out / "sheets").mkdir(parents=True, exist_ok=True)
    told = as_json(made)
    write_json(out / "people.json", {**told, "rows": [row.as_json() for row in made.rows]})
    write_bytes(out / "people.csv", as_csv(made.rows).encode())
    tables, verdicts = tables_of(made), verdicts_of(made)
    text = "\n".join([*(t.markdown() for t in tables), *(f"- {line}" for line in told_verdicts(verdicts))])
    write_bytes(out / "people.md", (text + "\n").encode(errors="replace"))
    overview = [arm for arm in ("damaged", "cleaner", BLIND, WRONG) if any(v.name == arm for v in made.variants)]
    overview.append(made.main.name)
    first = made.damage[0]
    write_sheet(
        out / "people.jpg",
        [*overview, TRUTH],
        [_faces(made, tested, tested.truths[0].name, overview, first) for tested in made.cohort],
    )
    sheets = [_person_sheet(made, tested, first, out / "sheets") for tested in made.cohort]
    write_bytes(out / "index.html", _page(made, tables, verdicts, sheets).encode(errors="replace"))
    files = {
        "page": "index.html",
        "table": "people.md",
        "results": "people.json",
        "csv": "people.csv",
        "sheet": "people.jpg",
    }
    return {**{name: str(out / file) for name, file in files.items()}, **told}


def as_json(made: Evaluation) -> dict[str, Any]:
    """Give the findings as plain values, without the rows."""
    return {
        "facts": made.facts,
        "people": [
            {
                "name": tested.name,
                "references": min(len(tested.gallery.references), made.plan.references),
                "truths": len(tested.truths),
                "ceiling": made.ceilings[tested.name],
            }
            for tested in made.cohort
        ],
        "arms": [{"name": v.name, "what": v.what} for v in (*made.variants, *made.contexts, *made.counts)],
        "summary": [_summary_json(one) for one in summaries(made)],
        "verdicts": [{"damage": v.damage, **asdict(v.half)} for v in verdicts_of(made)],
        "notes": list(made.notes),
    }


def as_csv(rows: Sequence[Row]) -> str:
    """Give all rows as comma-separated values with a head."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(Row.__dataclass_fields__), lineterminator="\n")
    writer.writeheader()
    writer.writerows(row.as_json() for row in rows)
    return text.getvalue()


def summaries(made: Evaluation) -> list[ArmSummary]:
    """Bring every arm together over the people that it was measured on, for every kind of damage."""
    arms = dict.fromkeys(row.arm for row in made.rows)
    return [summarise(made.rows, kind, arm) for kind in made.damage for arm in arms if people_of(made.rows, kind, arm)]


def verdicts_of(made: Evaluation) -> list[Verdict]:
    """Judge the claim for every kind of damage."""
    return [verdict for kind in made.damage for verdict in judge(made.rows, kind, made.main.name)]


def told_verdicts(verdicts: Iterable[Verdict]) -> list[str]:
    """Say each verdict in a line."""
    return [
        f"claim reached: {'yes' if v.half.reached else 'no'} ({v.damage}). {v.half.claim} Found: {v.half.found}"
        for v in verdicts
    ]


def tables_of(made: Evaluation) -> list[Table]:
    """Give all tables: people, then arms for each kind of damage, then those of the ablation."""
    first = made.damage[0]
    tables = [_people(made, first), *(_arms(made, kind) for kind in made.damage)]
    if made.contexts:
        own = [v.name for v in made.variants if v.whose == "own"]
        tables.append(_compared(made, "In and out of context", [*own, *(v.name for v in made.contexts)]))
    if len(made.counts) > 1:
        tables.append(_compared(made, "Number of references", [v.name for v in made.counts]))
    return tables


def _people(made: Evaluation, kind: str) -> Table:
    names = [tested.name for tested in made.cohort if tested.name in people_of(made.rows, kind, BLIND)]
    arms = [v.name for v in made.variants]
    values = {arm: by_person(made.rows, kind, arm, "identity_truth", names) for arm in arms}
    lines = [
        (name, *(f"{values[arm][n]:.3f}" for arm in arms), f"{made.ceilings[name]:.3f}") for n, name in enumerate(names)
    ]
    ceiling = sum(made.ceilings[name] for name in names) / len(names)
    ends = [(values[arm].mean(), *claim.interval(values[arm])) for arm in arms]
    lines.append(
        ("**mean**", *(f"**{mean:.3f}** ({low:.3f} to {high:.3f})" for mean, low, high in ends), f"**{ceiling:.3f}**")
    )
    main = summarise(made.rows, kind, made.main.name)
    both = claim.nearer(values[made.main.name], values[BLIND], values[WRONG])
    return Table(
        f"Distance to the truth by dlib, damage `{kind}`, lower is nearer",
        ("person", *arms, "truth to references"),
        tuple(lines),
        f"Mean over photos and {_seeds(made)}; in brackets the 95 % bootstrap interval over people. "
        f"`{made.main.name}` is nearer than blind for {main.people_nearer} of {main.people} people and for "
        f"{100 * main.photos_nearer:.0f} % of the photos, and nearer than blind and wrong person for {both}.",
    )


def _seeds(made: Evaluation) -> str:
    return f"{made.plan.seeds} seed{'' if made.plan.seeds == 1 else 's'}"


def _arms(made: Evaluation, kind: str) -> Table:
    arms = [v.name for v in made.variants]
    return _table_of(made, f"All arms, damage `{kind}`", kind, arms, people_of(made.rows, kind, BLIND))


def _compared(made: Evaluation, title: str, arms: list[str]) -> Table:
    """Compare arms over those people whom all of them were measured on."""
    kind = made.damage[0]
    shared = [p for p in people_of(made.rows, kind, BLIND) if all(p in people_of(made.rows, kind, a) for a in arms)]
    return _table_of(made, f"{title}, the first {len(shared)} people, damage `{kind}`", kind, [BLIND, *arms], shared)


def _table_of(made: Evaluation, title: str, kind: str, arms: list[str], people: list[str]) -> Table:
    lines: list[tuple[str, ...]] = []
    for arm in arms:
        one = summarise(made.rows, kind, arm, people)
        means, away = one.means, one.to_blind["identity_truth"]
        against = ("", "", "")
        if arm != BLIND:
            against = (
                f"{away.mean:+.3f} ({away.low:+.3f} to {away.high:+.3f})",
                f"{one.people_nearer} of {one.people}",
                f"{100 * one.photos_nearer:.0f} %",
            )
        lines.append(
            (
                arm,
                f"{means['psnr']:.2f}",
                f"{means['ssim']:.3f}",
                f"{means['gmsd']:.4f}",
                f"{means['sharpness']:.2f}",
                f"{means['identity_truth']:.3f}",
                f"{means['identity_references']:.3f}",
                *against,
            )
        )
    head = ("arm", "PSNR dB", "SSIM", "GMSD", "sharpness", "identity to truth", "to references", "minus blind")
    return Table(title, (*head, "people nearer", "photos nearer"), tuple(lines))


def _summary_json(one: ArmSummary) -> dict[str, Any]:
    return {
        "damage": one.damage,
        "arm": one.arm,
        "people": one.people,
        "photos": one.photos,
        **one.means,
        "identity_low": round(one.identity_interval[0], 4),
        "identity_high": round(one.identity_interval[1], 4),
        "to_blind": {
            name: {"mean": round(d.mean, 5), "low": round(d.low, 5), "high": round(d.high, 5)}
            for name, d in one.to_blind.items()
        },
        "people_nearer": one.people_nearer,
        "photos_nearer": round(one.photos_nearer, 4),
    }


def _faces(made: Evaluation, tested: Tested, photo: str, arms: list[str], kind: str) -> list[images.Pixels]:
    """Give a photo of a person by some arms, and its truth."""
    truth = next(t for t in tested.truths if t.name == photo)
    faces = [images.read_photo(made.pictures[kind, tested.name, photo, arm]).pixels for arm in arms]
    return [*faces, crop_of(truth, faces[0].shape[0]).pixels]


def _person_sheet(made: Evaluation, tested: Tested, kind: str, folder: Path) -> Path:
    """Draw all photos of a person by all arms, with the truth and, for the eye, one reference beside each."""
    arms = [
        v.name
        for v in (*made.variants, *made.contexts)
        if (kind, tested.name, tested.truths[0].name, v.name) in made.pictures
    ]
    rows: list[list[images.Pixels]] = []
    references = tested.gallery.references
    for n, truth in enumerate(tested.truths):
        row = _faces(made, tested, truth.name, arms, kind)
        beside = references[n * len(references) // len(tested.truths)]
        shown = cut(images.read_photo(tested.gallery.photos / beside.photo).pixels, beside.face, row[0].shape[0])
        rows.append([*row, shown.pixels])
    return write_sheet(folder / f"{tested.name}.jpg", [*arms, TRUTH, REFERENCE], rows, quality=88)


def _page(made: Evaluation, tables: list[Table], verdicts: list[Verdict], sheets: list[Path]) -> str:
    facts = made.facts
    people = f"{len(made.cohort)} people, recipe {facts['recipe']['name']}, {_seeds(made)}"
    on = (
        f"{people}. {facts['cpu']}, {facts['cores']} cores, {facts['device']} in {facts['precision']}, torch "
        f"{facts['torch']}; {facts['tunings']} tunings of {facts['seconds_a_tuning']} s on average."
    )
    arms = "".join(
        f"<li>{escape(v.name)}: {escape(v.what)}</li>" for v in (*made.variants, *made.contexts, *made.counts)
    )
    notes = "".join(f"<li>{escape(note)}</li>" for note in made.notes)
    given = (
        f" Photos with a damaged version of their own are damage <code>{GIVEN}</code>." if GIVEN in made.damage else ""
    )
    return (
        "<!doctype html><html lang=en><head><meta charset=utf-8><title>Does it bring the person back?</title>"
        f"<style>{STYLE}</style></head><body><h1>Does it bring the person back?</h1><p>{escape(on)}{given}</p>"
        + "".join(f"<p><b>{escape(line)}</b></p>" for line in told_verdicts(verdicts))
        + "".join(table.html() for table in tables)
        + f"<h2>Arms</h2><ul>{arms}</ul>"
        + (f"<h2>Left out</h2><ul>{notes}</ul>" if notes else "")
        + '<h2>One photo of each person</h2><p><img src="people.jpg" alt="The main arms"></p>'
        + "".join(
            f'<h2>{escape(sheet.stem)}</h2><p><img loading=lazy src="sheets/{quote(sheet.name, errors="replace")}" '
            f'alt="All photos of {escape(sheet.stem)} by all arms"></p>'
            for sheet in sheets
        )
        + "</body></html>\n"
    )
