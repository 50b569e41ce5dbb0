"""Every number and picture of README and model card that depends on the prior, made anew by one run.

The README keeps them between comments, `<!-- people -->` to `<!-- /people -->`; nothing outside is touched.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from engine import images
from engine.errors import EngineError
from engine.evaluation import bench, card, demo, evaluate, evaluation_page, galleries
from engine.evaluation.doctor import machine
from engine.prior import load
from engine.progress import Report
from engine.workspace import Workspace, read_json, write_bytes

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
PICTURES = ROOT / "assets" / "readme"
PARTS = ("card", "people", "galleries", "demo", "speed")


class NoSuchPart(EngineError):
    """A part of the figures that does not exist, or the README has no place for."""


def run(
    workspace: Workspace,
    faces: Path,
    people: Path,
    out: Path,
    report: Report,
    *,
    old: Path | None = None,
    parts: tuple[str, ...] = PARTS,
    recipe: str = "quick",
    device: str = "auto",
) -> list[str]:
    """Measure and rewrite.

    Args:
        workspace: holds the people that are tuned on the way.
        faces: the folder of the training.
        people: a folder of photos for each person.
        out: for what is made on the way.
        report: followed.
        old: scans of old photos, for the card.
        parts: of `PARTS`, those to make.
        recipe: of the tunings.
        device: where.

    Returns:
        Names of the files that were rewritten.

    Raises:
        NoSuchPart: see there.
    """
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        raise NoSuchPart(f"There is no part {unknown[0]!r}. The parts are: {', '.join(PARTS)}.")
    written: list[str] = []
    if "card" in parts:
        measured, pictures = card.measure(
            load.load(device=device), faces, people, report, subjects=load.SHIPPED / "held_out.csv"
        )
        written.append(str(card.write_card(load.SHIPPED, measured, pictures)))
        card.write_damage_sheet(load.SHIPPED / "damage.jpg", faces, old)
    if "people" in parts:
        measured = evaluate.run(workspace, people, report, evaluate.Plan(recipe, device=device))
        evaluation_page.write(measured, out)
        put("people", (out / "people.md").read_text(encoding="utf-8") + "\n" + where(device))
        _copy(out / "people.jpg", PICTURES / "people.jpg")
    if "galleries" in parts:
        put("galleries", "\n".join(galleries.table(galleries.run(people, report))))
    if "demo" in parts:
        demo.run(workspace, out, report, recipe=recipe, device=device)
        _copy(out / "demo.png", PICTURES / "demo.jpg")
        put("demo", _demo(read_json(out / "demo.json")))
    if "speed" in parts:
        facts, rows = bench.run(report, device=device)
        put("speed", _speed(facts, rows))
    return [*written, *([str(README)] if set(parts) - {"card"} else [])]


def put(part: str, text: str, readme: Path = README) -> None:
    """Put a text where the README keeps a part.

    Raises:
        NoSuchPart: it keeps none of that name.
    """
    whole = readme.read_text(encoding="utf-8")
    place = re.compile(rf"(<!-- {part} -->\n).*?(<!-- /{part} -->)", re.DOTALL)
    if not place.search(whole):
        raise NoSuchPart(f"{readme} has no place for {part!r}. Put <!-- {part} --> and <!-- /{part} --> where it goes.")
    write_bytes(readme, place.sub(lambda found: f"{found[1]}{text.strip()}\n{found[2]}", whole).encode())


def where(device: str) -> str:
    """Say on which machine something was measured."""
    from engine.prior.device import choose, precision

    facts, chosen = machine(), choose(device)
    return f"{facts['cpu']}, {facts['cores']} cores, {chosen} in {precision(chosen)}, torch {facts['torch']}."


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    images.save_photo(images.read_photo(source).pixels, target, quality=80)


def _demo(made: dict[str, Any]) -> str:
    lines = [
        "| arm | PSNR dB | SSIM | GMSD | sharpness | identity to truth | identity to references |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['arm']} | {row['psnr']:.2f} | {row['ssim']:.3f} | {row['gmsd']:.3f} | {row['sharpness']:.2f} | "
        f"{row['identity_truth']:.3f} | {row['identity_references']:.3f} |"
        for row in made["rows"]
        if row["photo"] == "mean"
    ]
    return "\n".join([*lines, "", f"`demo` took {made['facts']['seconds']:.0f} s with everything."])


def _speed(facts: dict[str, Any], rows: list[bench.Row]) -> str:
    lines = [
        f"{facts['cpu']}, {facts['cores']} cores, {facts['device']} in {facts['precision']}, torch {facts['torch']}; "
        f"load average of the minute before {facts['load']:g}:",
        "",
        "| what | measured | wanted |",
        "|---|---|---|",
    ]
    for row in rows:
        wanted = "" if row.limit is None else f"at most {row.limit:g} {row.unit}".strip()
        lines.append(f"| {row.name} | {row.value:g} {row.unit} | {wanted} |")
    return "\n".join(lines)
