"""What each command answers with `--json`: the one place that says so, for help texts, tests and the README."""

from __future__ import annotations

from collections.abc import Iterator

FACE_ROW = {
    "file": "name of the photo as it was added",
    "reference": "id of the stored face, for `people keep` and `people reject`; empty if none was stored",
    "verdict": "accepted or rejected",
    "reason": "why it was rejected: too-small, blurred, turned-away, somebody-else, two-people, near-duplicate, "
    "already-there, no-face or unreadable; empty if accepted",
    "sentence": "the reason in a sentence",
}

FIGURES_ROW = {
    "photo": "name of the photo, or `mean`",
    "arm": "input, cleaner, blind or dual-pivot",
    "psnr": "dB against the truth, higher is nearer",
    "ssim": "structural similarity to the truth, 0 to 1, higher is nearer",
    "gmsd": "gradient deviation from the truth, lower is nearer",
    "sharpness": "mean squared Laplacian in the face, result over truth; 1 is as sharp as the truth",
    "identity_truth": "dlib distance to the truth, lower is nearer",
    "identity_references": "mean dlib distance to the references, lower is nearer",
}

FIGURES_OF_ARM = ("psnr", "ssim", "gmsd", "sharpness", "identity_truth", "identity_references")

PERSON = {
    "id": "id of the person",
    "name": "as given",
    "subject": "person, man, woman or child",
    "prompt": "phrase that the person is tuned round",
    "references": "how many faces are stored",
    "used": "how many of them tuning uses",
}

RECIPE = {
    "name": "of the recipe",
    "summary": "one sentence",
    "pivots": "which of cleaner, text and guide it tunes",
}

WEIGHTS_ROW = {
    "id": "for the other commands",
    "file": "name that its authors gave it",
    "state": "there, missing, damaged or elsewhere (in another program's folder)",
    "path": "where it lies, empty when missing",
    "size": "bytes, null where no public place states them",
    "about_size": "as a public place rounds it where none states the bytes, empty for neither",
    "sha256": "what it must be, null where that is not known",
    "known": "where the SHA-256 is from: stated (a public place), pinned (its first download), yours (a file of your "
    "own) or unknown",
    "stated": "the public place, empty for none",
    "serves": "restorers, priors or parts of the app that it is for",
    "purpose": "what its network does",
    "licence": "name, for --accept",
    "commercial": "whether the licence allows commercial use: yes, no or ask",
    "terms": "the same in words",
    "terms_url": "where the licence is",
    "accepted": "whether you accepted it, null where there is nothing to accept",
    "url": "its authors' address, empty where no program can download it",
    "page": "of the project",
    "mirrors": "further addresses",
    "sentence": "what is wrong and what to do, empty where all is well",
}

GOT_ROW = {
    "id": "of the file",
    "path": "where it lies now, empty if failed",
    "how": "there, elsewhere, downloaded, linked, copied or failed",
    "notes": "what you should know, in sentences",
    "sentence": "why it failed, empty if it did not",
}

FIELDS: dict[str, dict[str, str]] = {
    "people add": {
        **{f"person.{name}": what for name, what in PERSON.items()},
        "created": "whether the person is new",
        "accepted": "how many of the photos below were accepted",
        "rejected": "how many were not",
        **{f"faces[].{name}": what for name, what in FACE_ROW.items()},
    },
    "people list": {f"people[].{name}": what for name, what in PERSON.items()},
    "people show": {
        **{f"person.{name}": what for name, what in PERSON.items()},
        **{f"references[].{name}": what for name, what in FACE_ROW.items() if name != "reference"},
        "references[].id": "id of the reference",
        "references[].overruled": "keep or reject where you overruled the verdict, else null",
        "references[].used": "whether tuning uses it",
        "tuned[].recipe": "recipe of a finished tuning",
        "tuned[].folder": "where it lies",
        "tuned[].current": "whether it was made of the faces used now",
    },
    "people remove": {
        "removed.id": "id of the removed person",
        "removed.name": "name",
        "removed.left": "files of the data folder that still mention them, found by a search afterwards",
    },
    "people keep": {"references[].id": "id", "references[].used": "whether tuning uses it now"},
    "people merge": {
        "merged.id": "id of who is listed no more",
        "merged.name": "name",
        **{f"person.{name}": what for name, what in PERSON.items()},
    },
    "people split": {
        **{f"person.{name}": what for name, what in PERSON.items()},
        **{f"source.{name}": what for name, what in PERSON.items()},
    },
    "people undo": {
        "done.verb": "`done` is null when there was nothing to undo; else added, keep, reject, verdict, moved, new, "
        "removed, rename, cover, subject, dated or merged",
        "done.faces": "how many faces it was about",
        "done.name": "of the person, empty for nobody",
    },
    "tune": {
        "person": "name",
        "recipe": "name of the recipe",
        "tuned": "folder of the tuned model",
        "fingerprint": "of photos, recipe and prior",
        "references": "how many photos it was tuned on, the held-out one among them",
        "seconds": "spent tuning, in all runs",
        "checks[].step": "step at which the held-out photo was restored, counted over all pivots",
        "checks[].stage": "text or guide",
        "checks[].identity": "its dlib distance to the real one, lower is nearer",
        "checks[].gmsd": "its gradient deviation from the real one, lower is nearer",
        "notes": "what you should know of the tuning, in sentences",
        "parts": "which pivots it holds: cleaner, text, guide",
        "bytes": "of its weights",
        "estimate": "with --estimate: seconds, memory, disk and kept (bytes); else null",
    },
    "recipes list": {f"recipes[].{name}": what for name, what in RECIPE.items()},
    "recipes show": {
        **{f"recipe.{name}": what for name, what in RECIPE.items()},
        "fields[].name": "pivot and field, for `recipes save --set`",
        "fields[].value": "in this recipe",
        "fields[].unit": "its unit, empty for none",
        "fields[].what": "what it does",
        "fields[].source": "where the value comes from",
        "fields[].low": "lowest value, null for none",
        "fields[].high": "highest value, null for none",
        "fields[].choices": "allowed values, empty for any",
    },
    "recipes save": {
        **{f"recipe.{name}": what for name, what in RECIPE.items()},
        "file": "the recipe's file, for --recipe",
    },
    "export-lora": {
        "person": "name",
        "file": "as given",
        "style": "kohya or peft",
        "prompt": "phrase that stands for the person",
        "note": "what the file is good for",
    },
    "restore": {
        "result": "the restored photo",
        "provenance": "JSON file that says how it was made",
        "layer": "the face as a layer, empty without --layer",
        "restorer": "id of the restorer",
        "person": "name, empty without a person",
        "face": "which face was restored, from 1, the largest first",
        "faces": "how many were found",
        "identity": "before and after: mean dlib distance to the references, lower is nearer; recogniser, direction, "
        "note; empty without a person",
        "seconds": "of the restorer alone",
        "damage": "what was seen on the face: blur (px of a 256 px crop), noise (of 255), jpeg (quality or null), "
        "resolution_px, severity (0 to 1), words",
        "faithful_db": "PSNR of result and photo at the resolution that the photo's face has, higher is nearer",
        "identity_from": "photo, or references where the damaged face alone is too weak to be matched; empty without a "
        "person",
        "scale": "how many times larger the photo was written",
        "background": "what enlarged it: lanczos, or Real-ESRGAN with its file's SHA-256; empty at its own size",
        "notes": "what you should know of this result, in sentences",
        "identical": "with --again: whether the file is the first one bit for bit; null where nobody can tell, and "
        "without --again",
    },
    "restore FOLDER": {
        "folder": "as given",
        "out": "folder of the results",
        "restorer": "id of the restorer",
        "done": "how many photos were restored",
        "skipped": "how many were restored before with the same settings, or are copies of results",
        "failed": "how many could not be restored",
        "left": "how many were not reached",
        "ended": "why not all were reached, empty if they were or Ctrl-C stopped it",
        "stopped": "whether Ctrl-C stopped it",
        "files[].photo": "its path in the folder",
        "files[].state": "done, skipped or failed",
        "files[].result": "path of the result, the earlier one if skipped, empty if failed",
        "files[].sentence": "why it was skipped or failed, empty if done",
        "files[].seconds": "of the restorer alone",
    },
    "compare": {
        "out": "folder of the comparison; all files below lie in it",
        "photo": "name of the photo",
        "person": "name, empty without a person",
        "seed": "of the noise",
        "ways[]": "restorer, title, seed, license, options, and changed settings in words; in the order of the results",
        "metrics[]": "key, title, direction (higher, lower or one: nearer to 1), unit, what it tells",
        "rows[].damage": "preset of the damage lab, empty for a photo as it is",
        "rows[].given": "the damaged face",
        "rows[].truth": "the undamaged face, empty where there is none",
        "rows[].given_numbers": "numbers of the damaged face, by key",
        "rows[].results[]": "as ways, with file, seconds, numbers by key and best, the keys in which it is the best",
        "spread[]": "for each restorer the mean dlib distance between its results under several damages, lower is "
        "steadier; null for one damage",
        "sheets.plain": "contact sheet",
        "sheets.settings": "contact sheet with the settings",
        "eyes[]": "both eyes in the face, as shares of its side",
        "notes": "what you should know, in sentences",
        "version": "of this form",
    },
    "weights list": {
        "folder": "yours",
        **{f"files[].{name}": what for name, what in WEIGHTS_ROW.items()},
    },
    "weights get": {f"files[].{name}": what for name, what in GOT_ROW.items()},
    "weights verify": {f"files[].{name}": what for name, what in WEIGHTS_ROW.items()},
    "weights delete": {"id": "of the file", "deleted": "paths that are gone"},
    "weights settings": {
        "folder": "yours",
        "offline": "whether nothing is downloaded",
        "offline_because": "the reason, empty if it is",
        "shared": "folders of other programs that are searched and are there",
        "accepted": "names of the licences you accepted",
    },
    "restore-as": {
        "person": "name of the person whose face it became",
        "result": "the photo with the other face",
        "blurred": "the photo with the face blurred, which the result was made of",
        "provenance": "JSON file that says how it was made",
        "face": "which face was replaced, from 1, the largest first",
        "faces": "how many were found",
        "identity": "before and after: mean dlib distance to the person's references, lower is nearer; recogniser, "
        "direction, note",
        "notes": "what you should know of this result, in sentences",
    },
    "restorers list": {
        "restorers[].id": "for --restorer",
        "restorers[].title": "as the screens show it",
        "restorers[].summary": "one sentence",
        "restorers[].paper": "address, or none",
        "restorers[].source": "what its numbers are compared with",
        "restorers[].license": "of weights and code",
        "restorers[].needs_person": "whether it works only with --person",
        "restorers[].size": "side in px of the faces it takes, null for those of the prior",
        "restorers[].weights": "ids of the files that it can use, for weights get",
        "restorers[].lacking": "what keeps it from working here, with what to do; empty where nothing does",
        "restorers[].left_out": "options of the authors' own program that are none here, each with the reason",
        "restorers[].options[].name": "for --set",
        "restorers[].options[].default": "value without --set",
        "restorers[].options[].low": "lowest value, null for none",
        "restorers[].options[].high": "highest value, null for none",
        "restorers[].options[].choices": "allowed values, empty for any",
        "restorers[].options[].help": "what it does",
        "restorers[].options[].original": "what the authors' own program calls it, empty where it has nothing like it",
    },
    "demo": {
        "sheet": "the comparison: input, cleaned, blind, with the person, reference, truth",
        "figures": "file with these rows and how they were made",
        **{f"rows[].{name}": what for name, what in FIGURES_ROW.items()},
    },
    "evaluate": {
        "page": "page of all tables and pictures, to be opened in a browser",
        "table": "the tables as Markdown",
        "results": "all that was measured, as JSON: the fields below, and a row for each restored face",
        "csv": "those rows as comma-separated values",
        "sheet": "one photo of each person by the main arms",
        "facts": "cpu, cores, memory_gib, system, python, likeness, torch, load, device, precision, prior, "
        "prior_sha256, recipe, seeds, references, tunings, seconds_a_tuning and seconds_of_this_run",
        "people[].name": "name of the person's folder",
        "people[].references": "how many photos the person was tuned to",
        "people[].truths": "how many photos were restored",
        "people[].ceiling": "mean dlib distance of the truths to the references: as near as a result can come",
        "arms[].name": "name of the arm",
        "arms[].what": "how its faces are made",
        "summary[].damage": "hard, method, or given for photos with a damaged version of their own",
        "summary[].arm": "damaged, cleaner, blind, equal steps, wrong person, a pivot alone, both or all pivots, or "
        "one of the ablation",
        "summary[].people": "how many people it was measured on",
        "summary[].photos": "how many photos, each with every seed",
        **{f"summary[].{name}": f"mean over people; {FIGURES_ROW[name]}" for name in FIGURES_OF_ARM},
        "summary[].identity_low": "lower end of the 95 % bootstrap interval of identity_truth over people",
        "summary[].identity_high": "its upper end",
        "summary[].to_blind": "arm minus blind for identity_truth, psnr and gmsd: mean, and low and high of the 95 % "
        "bootstrap interval over people",
        "summary[].people_nearer": "people of whom it is nearer to the truth than blind",
        "summary[].photos_nearer": "share of photos of which it is",
        "verdicts[].damage": "as above",
        "verdicts[].claim": "one half of the claim, judged for the whole recipe",
        "verdicts[].reached": "whether it holds",
        "verdicts[].found": "the figures that say so",
        "notes": "what was left out and why, in sentences",
    },
    "evaluate-galleries": {
        "people": "how many there are",
        "photos": "how many of their photos show a face",
        "alike": "how many of these, untouched, are taken for nearly the same picture as another one",
        "rows[].gallery": "what each gallery holds",
        "rows[].galleries": "how many galleries of this kind there are",
        "rows[].strangers": "photos of others in them",
        "rows[].named": "how many of these are told to be somebody else",
        "rows[].own": "photos of the person in them",
        "rows[].rejected": "how many of these are told to be somebody else",
        "rows[].unclear": "galleries of which is told that nobody can say who is meant",
        "copies[].copy": "recompressed, shrunk, cropped or brightened",
        "copies[].copies": "how many were made",
        "copies[].found": "how many are told to be nearly the same picture",
        "reached": "whether strangers (95 %), own photos (5 %) and copies (95 %) are as wanted",
    },
    "pretrain": {
        "out": "folder of the training",
        "plan": "name of the plan",
        "done": "whether the plan is at its end",
        "seconds": "of training, in all runs",
        "exported": "folder of the exported prior, null without --export",
        "figures": "measured on held-out people for the exported prior, empty without --export",
    },
    "card": {
        "card": "the model card, rewritten",
        "faces": "how many were restored",
        "groups": "means by group of faces and by arm: faces, psnr, ssim, gmsd, sharpness, identity",
        "targets[].what": "what was to be reached",
        "targets[].wanted": "how much",
        "targets[].found": "measured",
        "targets[].reached": "whether it was",
        "nearest[].photo": "a held-out photo",
        "nearest[].result": "dlib distance of its restored face to the nearest training face",
        "nearest[].result_name": "which",
        "nearest[].truth": "the same of the undamaged face",
        "nearest[].truth_name": "which",
        "sweep[].sampler": "id of the sampler",
        "sweep[].steps": "steps",
        "sweep[].start": "start level",
        "sweep[].psnr": "dB",
        "sweep[].gmsd": "lower is nearer",
        "sweep[].sharpness": "over the truth's",
        "sweep[].identity": "dlib distance to the truth",
        "sweep[].seconds": "of one face",
    },
    "figures": {"parts": "what was measured", "written": "files that were rewritten"},
    "bench": {
        "machine": "cpu, cores, memory_gib, system, python, likeness, torch, load (minute before), device, precision",
        "rows[].name": "what was measured",
        "rows[].value": "figure",
        "rows[].unit": "its unit",
        "rows[].limit": "at most this is wanted, null for no limit",
        "rows[].reached": "whether the value is within the limit, null for no limit",
        "against[].precision": "with --against, which measures no rows: fp32 or bf16",
        "against[].official_seconds": "of the official loop of 10 steps at 512 px",
        "against[].our_seconds": "of ours",
        "against[].ratio": "ours over official, below 1 is faster",
        "against[].difference": "largest difference of what is sampled, over its spread",
        "against[].official_gib": "most memory of the official process",
        "against[].our_gib": "most memory of ours",
    },
    "bench-faces": {
        "machine": "cpu, cores, memory_gib, system, python, likeness, torch, load (minute before)",
        "rows[].detector": "what searched",
        "rows[].damage": "none, light, method or hard",
        "rows[].photos": "how many photos",
        "rows[].found": "share of their faces found, 0 to 1",
        "rows[].wrong": "faces found elsewhere, for each photo",
        "rows[].seconds": "mean for each photo",
        "markdown": "the shares as a table",
    },
    "doctor": {
        "ok": "whether nothing is broken",
        "facts[].group": "versions, device, weights, faces, pictures or data folder",
        "facts[].name": "what was looked at",
        "facts[].value": "what was found",
        "facts[].state": "ok, note (works, but look) or problem",
        "facts[].remedy": "what to do, empty where all is well",
    },
}
"""Command, field and meaning; `a[].b` is the field b of each object in the list a."""

SAME_AS = {
    "people reject": "people keep",
    "people redo": "people undo",
    "edit": "restore",
    "weights use": "weights get",
}
"""Commands that answer like another."""


def fields_of(command: str) -> dict[str, str]:
    """Give the fields of a command's answer with their meaning."""
    return FIELDS[SAME_AS.get(command, command)]


def epilog(command: str, or_command: str = "") -> str:
    """Give what stands under a command's help: the names of its fields, and of those of its other answer."""
    other = f" Of a {or_command.split()[-1]}: {', '.join(fields_of(or_command))}." if or_command else ""
    return f"Fields with --json: {', '.join(fields_of(command))}.{other}"


def markdown() -> Iterator[str]:
    """Give the README's lines about `--json`."""
    yield "| command | field | meaning |"
    yield "|---|---|---|"
    for command in (*FIELDS, *SAME_AS):
        for name, what in fields_of(command).items():
            yield f"| `{command}` | `{name}` | {what} |"
