"""From a training to a prior that others can load."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from engine.pretrain.data import CAPTION_WORDS
from engine.pretrain.train import Trainer
from engine.prior import load
from engine.prior.device import precision
from engine.workspace import write_bytes


def export(trainer: Trainer, folder: Path, *, figures: Mapping[str, float] | None = None, note: str = "") -> Path:
    """Write the averaged weights in half precision with a card of how they were trained.

    Args:
        trainer: at any step.
        folder: of the prior; a former one there is replaced.
        figures: measured on held-out people, if they were.
        note: what else a user of the prior should know, such as the data's origin.
    """
    faces = trainer.faces
    shown: dict[str, int] = dict(trainer.before.get("pictures_shown", {}))
    for number, stage in enumerate(trainer.plan.stages):
        over = number < trainer.stage
        steps = trainer.ended[number] if over else trainer.step if number == trainer.stage else 0
        shown[f"{stage.part} at {stage.size} px"] = (
            shown.get(f"{stage.part} at {stage.size} px", 0) + steps * stage.batch
        )
    card: dict[str, Any] = {
        "trained": date.today().isoformat(),
        "plan": trainer.plan.name,
        "faces": int((~faces.held_out).sum()),
        "people_held_out": int(faces.held_out.sum()),
        "pictures_shown": shown,
        "seconds": round(trainer.before.get("seconds", 0) + trainer.seconds),
        "device": str(trainer.device),
        "precision": precision(trainer.device),
        "caption_words": list(CAPTION_WORDS),
        "figures": dict(figures or {}),
        "note": note,
    }
    load.save(trainer.average, folder, card)
    for stale in ("measured.json", "measured.jpg"):  # they told of the prior that was here before
        (folder / stale).unlink(missing_ok=True)
    write_bytes(folder / "CARD.md", describe(load.read_manifest(folder)).encode())
    return folder


def describe(manifest: Mapping[str, Any], *, with_figures: bool = True) -> str:
    """Write the model card of a stored prior as Markdown, from its manifest alone.

    Args:
        manifest: of the prior.
        with_figures: whether to end with the few figures taken at its export; a card measured in full has its own.
    """
    card, files = manifest["card"], manifest["files"]
    megabytes = sum(f["size"] for f in files.values()) / 1e6
    shown = ", ".join(f"{count:,} of {what}" for what, count in card["pictures_shown"].items())
    lines = [
        f"# The {manifest['name']} prior",
        "",
        f"A small diffusion prior for {manifest['size']} px faces with its guide, cleaner and text encoder, trained by",
        "`python app.py pretrain`. Licence: Apache-2.0.",
        "",
        "| | |",
        "|---|---|",
        f"| trained | {card['trained']}, plan `{card['plan']}`, {card['seconds'] / 60:.0f} minutes on {card['device']} "
        f"in {card['precision']} |",
        f"| data | {card['faces']} aligned faces; {card['people_held_out']} more, of other people, kept out. "
        f"{card['note']} |",
        f"| pictures shown | {shown} |",
        f"| size | {megabytes:.1f} MB in half precision, exponential average |",
        f"| words of its captions | {', '.join(card['caption_words'])} |",
        "",
        "Nothing says who in the data is a man, a woman or a child: the subject words were drawn at random and mean",
        "the same. Other words of the vocabulary were never shown.",
        "",
    ]
    figures = card["figures"]
    if figures and with_figures:
        lines += [
            f"## Measured on {figures['pairs']} faces of people whom no training saw",
            "",
            "Damage drawn from the method's ranges by a fixed seed, fixed noise seeds, default sampling.",
            "",
            "| | damaged | cleaned | sampled |",
            "|---|---|---|---|",
            *(
                f"| {title} | "
                + " | ".join(
                    f"{figures[f'{key}_{arm}']:.{digits}f}" if f"{key}_{arm}" in figures else ""
                    for arm in ("damaged", "cleaned", "sampled")
                )
                + " |"
                for title, key, digits in (
                    ("PSNR, dB", "psnr", 2),
                    ("GMSD, lower is better", "gmsd", 4),
                    ("sharpness over truth, 1 is right", "sharpness", 2),
                )
            ),
            "",
        ]
    return "\n".join(lines)
