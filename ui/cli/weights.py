"""`weights list|get|verify|use|delete|settings`: the published files, their licences, and getting them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.errors import EngineError
from engine.progress import stage
from ui.cli.call import Call, command
from ui.cli.table import table

if TYPE_CHECKING:
    from engine.weights import Found, PublishedFile
    from engine.weights.record import Record

group = typer.Typer(no_args_is_help=True, help="Weights that others publish: what there is, licences, getting them.")

STATES = {"there": "there", "missing": "missing", "damaged": "damaged", "elsewhere": "found elsewhere"}
KNOWN = {
    "stated": "published",
    "pinned": "pinned here",
    "yours": "your own file",
    "unknown": "unknown, pinned at first download",
}

NamesArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="NAME...", help="Ids, or what they serve, such as gfpgan or diffbir-v2; all if none."),
]
AcceptOption = Annotated[
    list[str] | None,
    typer.Option("--accept", metavar="LICENCE", help="Accept this licence by its name, once and for all."),
]


class NotAll(EngineError):
    """Some of the files are not there, or not whole."""


@command(group, "list", answers="weights list")
def list_weights(call: Call, names: NamesArgument = None) -> None:
    """List the published files: what they are for, whether they are there, and what their licences allow."""
    from engine.weights import look, read_record, shared_files, shown_size

    files = _files(names)
    with call.following() as report:
        root = call.workspace.weights
        record = read_record(root)
        shelves = shared_files(record)
        rows = [
            _row(look(file, root, record, stage(report, f"reading {file.file}, MB"), shelves=shelves), record)
            for file in files
        ]
    lines = table(
        [
            {
                "id": row["id"],
                "state": STATES[row["state"]],
                "size": shown_size(row["size"], row["about_size"]),
                "SHA-256": KNOWN[row["known"]],
                "commercial use": row["commercial"],
                "licence": row["licence"],
                "for": f"{', '.join(row['serves'])}: {row['purpose']}",
            }
            for row in rows
        ]
    )
    lines += [row["sentence"] for row in rows if row["state"] == "damaged"]
    lines.append(f"They lie in {root}. Get some: python app.py weights get NAME")
    call.answer({"folder": str(root), "files": rows}, lines)


@command(group, "get", answers="weights get")
def get_weights(
    call: Call,
    names: Annotated[
        list[str], typer.Argument(metavar="NAME...", help="Ids, or what they serve, such as gfpgan or diffbir-v2.")
    ],
    accept: AcceptOption = None,
) -> None:
    """Download files. One that is there or in another program's folder is not downloaded; a broken one goes on."""
    from engine import weights

    files = _files(names)
    rows: list[dict[str, Any]] = []
    with call.following() as report:
        root = call.workspace.weights
        weights.accept(accept or (), files, root)
        for file in files:
            try:
                got = weights.get(file.id, root, report)
            except EngineError as error:
                if len(files) > 1:
                    report.file(file.id, "failed", str(error), "")
                rows.append({"id": file.id, "path": "", "how": "failed", "notes": [], "sentence": str(error)})
            else:
                rows.append(_got(got))
    call.answer({"files": rows}, _told(rows))
    failed = [row["sentence"] for row in rows if row["how"] == "failed"]
    if failed:
        count = "" if len(rows) == 1 else f"{len(failed)} of {len(rows)} are not there; the first: "
        raise NotAll(f"{count}{failed[0]}")


@command(group, "verify", answers="weights verify")
def verify_weights(call: Call, names: NamesArgument = None) -> None:
    """Read the files that are there whole, and compare them with what is stated or pinned."""
    from engine.weights import read_record, verify_published

    files = _files(names)
    with call.following() as report:
        root = call.workspace.weights
        found = [found for found in verify_published(files, root, report) if found.state != "missing" or names]
        record = read_record(root)
    rows = [_row(one, record) for one in found]
    lines = table(
        [
            {"id": row["id"], "state": STATES[row["state"]], "SHA-256": KNOWN[row["known"]], "path": row["path"]}
            for row in rows
        ]
    )
    call.answer({"files": rows}, lines or ["None of them is there. Get some: python app.py weights get NAME"])
    wrong = [row["sentence"] for row in rows if row["state"] in ("damaged", "missing")]
    if wrong:
        count = "" if len(rows) == 1 else f"{len(wrong)} of {len(rows)} are not as they should be; the first: "
        raise NotAll(f"{count}{wrong[0]}")


@command(group, "use", answers="weights use")
def use_weights(
    call: Call,
    path: Annotated[
        Path,
        typer.Argument(metavar="FILE", readable=False, help="A file you have, or another program's folder of them."),
    ],
    as_id: Annotated[
        str, typer.Option("--as", metavar="ID", help="What it is, where its content does not say that alone.")
    ] = "",
    copy: Annotated[bool, typer.Option("--copy", help="Copy it, rather than link it where that can be done.")] = False,
    accept: AcceptOption = None,
) -> None:
    """Use a file that you have, known by its content whatever its name; or search a folder from now on."""
    from engine import weights

    with call.following() as report:
        report.tick("looking", 0, 1)
        root = call.workspace.weights
        every = tuple(weights.CATALOGUE.values())
        weights.accept(accept or (), weights.chosen([as_id]) if as_id else every, root)
        if path.is_dir():
            found = weights.share(path, root)
            rows = [
                {"id": one.file.id, "path": str(one.path), "how": "elsewhere", "notes": [], "sentence": ""}
                for one in found
            ]
        else:
            rows = [_got(weights.use(path, root, report, as_id=as_id, copy=copy))]
    call.answer({"files": rows}, _told(rows))


@command(group, "delete", answers="weights delete")
def delete_weights(call: Call, name: Annotated[str, typer.Argument(metavar="ID", help="As listed.")]) -> None:
    """Delete a file from your folder of weights. Files in other programs' folders stay."""
    from engine.weights import delete

    gone = [str(path) for path in delete(name, call.workspace.weights)]
    call.answer({"id": name, "deleted": gone}, [f"{path} is deleted." for path in gone])


@command(group, "settings", answers="weights settings")
def settings(
    call: Call,
    offline: Annotated[
        bool | None, typer.Option("--offline/--online", help="Download nothing from now on, or download again.")
    ] = None,
    forget: Annotated[
        Path | None, typer.Option("--forget", metavar="DIR", readable=False, help="Search this folder no more.")
    ] = None,
) -> None:
    """Show, and change, whether files are downloaded and which folders of other programs are searched."""
    from engine import weights

    root = call.workspace.weights
    if offline is not None:
        weights.set_offline(offline, root)
    if forget is not None:
        weights.unshare(forget, root)
    record = weights.read_record(root)
    because = weights.offline_because(root)
    folders = [str(folder) for folder in weights.shared_folders(record)]
    value = {
        "folder": str(root),
        "offline": bool(because),
        "offline_because": because,
        "shared": folders,
        "accepted": sorted(record.accepted),
    }
    lines = [
        f"Your folder: {root}",
        f"Downloads: {f'none, since {because}' if because else 'when you ask for them'}",
        f"Also searched: {', '.join(folders) or 'no folder of another program is there'}",
        f"Accepted licences: {', '.join(sorted(record.accepted)) or 'none'}",
    ]
    call.answer(value, lines)


def _files(names: list[str] | None) -> tuple[PublishedFile, ...]:
    from engine.weights import CATALOGUE, chosen

    return chosen(names) if names else tuple(CATALOGUE.values())


def _row(found: Found, record: Record) -> dict[str, Any]:
    file, licence = found.file, found.file.licence
    pin = record.pins.get(file.id) if found.known in ("pinned", "yours") else None
    return {
        "id": file.id,
        "file": file.file,
        "state": found.state,
        "path": str(found.path or ""),
        "size": pin.size if pin else file.size,
        "about_size": file.about,
        "sha256": pin.sha256 if pin else file.sha256,
        "known": found.known,
        "stated": file.stated,
        "serves": list(file.serves),
        "purpose": file.purpose,
        "licence": licence.name,
        "commercial": licence.commercial,
        "terms": licence.words,
        "terms_url": licence.url,
        "accepted": licence.name in record.accepted if licence.to_accept else None,
        "url": file.url,
        "page": file.page,
        "mirrors": [mirror.url for mirror in file.mirrors],
        "sentence": found.sentence,
    }


def _got(got: Any) -> dict[str, Any]:
    return {"id": got.file.id, "path": str(got.path), "how": got.how, "notes": list(got.notes), "sentence": ""}


def _told(rows: list[dict[str, Any]]) -> list[str]:
    how = {"there": "was there", "elsewhere": "was found elsewhere", "failed": "is not there"}
    lines: list[str] = []
    for row in rows:
        place = f": {row['path']}" if row["path"] else ""
        lines += [f"{row['id']} {how.get(row['how'], row['how'])}{place}", *(f"  {note}" for note in row["notes"])]
    return lines
