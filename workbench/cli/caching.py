"""`cache`: what runs keep for each other on the disk."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from workbench.cli import output
from workbench.cli.options import AsJson, Database


def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Delete it, or the part named.")] = False,
    unused_days: Annotated[
        float | None,
        typer.Option(
            metavar="DAYS", help="Only what was not used for so long.", show_default=False, min=0
        ),
    ] = None,
    keep_megabytes: Annotated[
        float | None,
        typer.Option(
            metavar="SIZE",
            help="Leave so much, what was used last staying longest.",
            show_default=False,
            min=0,
        ),
    ] = None,
    json: AsJson = False,
    db: Database = None,
) -> None:
    """List what runs keep for each other, or delete it.

    Features of frozen backbones, word pieces of texts, parsed rows of large files; a run makes
    anew what is not there. With
    --json an object with the keys folder, bytes, entries (kind, key, about, bytes, used_at in
    seconds since 1970, folder); with --clear the entries that were deleted.
    """
    if not clear and (unused_days is not None or keep_megabytes is not None):
        raise typer.BadParameter("it says what to delete: add --clear", param_hint="--clear")
    from workbench.operations import caching
    from workbench.tui import figures

    if clear:
        gone = caching.clear_cache(unused_days=unused_days, keep_megabytes=keep_megabytes)
        size = sum(entry.bytes for entry in gone)
        if json:
            output.json_document({"bytes": size, "entries": gone})
        else:
            output.line(f"Deleted {len(gone)} entries, {figures.size(size)}.")
        return
    found = caching.list_cache()
    if json:
        output.json_document(
            {"folder": found.folder, "bytes": found.bytes, "entries": found.entries}
        )
        return
    if found.entries:
        output.table(
            ["kind", "what", "size", "last used"],
            [
                [
                    entry.kind,
                    entry.about,
                    figures.size(entry.bytes),
                    figures.moment(datetime.fromtimestamp(entry.used_at, UTC)),
                ]
                for entry in found.entries
            ],
            right=("size",),
            whole=("kind", "size", "last used"),
        )
    output.note(f"{figures.size(found.bytes)} in {found.folder}")
