"""Options and arguments that several commands share, and what they stand for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from workbench.operations.workspace import Workspace

Database = Annotated[
    str | None,
    typer.Option(
        "--db",
        metavar="FILE_OR_URL",
        help="The database of runs. Else MTL_WORKBENCH_DB, else the nearest experiments.db "
        "from the current folder upwards.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Run = Annotated[
    str,
    typer.Argument(
        metavar="RUN", help="Id, a unique prefix of it, name, or @last.", show_default=False
    ),
]
Checkpoint = Annotated[
    str, typer.Option("--checkpoint", metavar="WHICH", help="best, last, best:TASK, or a step.")
]
Texts = Annotated[
    list[str] | None,
    typer.Argument(metavar="[TEXT]...", help="Texts, each one word or quoted.", show_default=False),
]
TextFile = Annotated[
    Path | None,
    typer.Option(
        "--file",
        metavar="FILE",
        help="File with one text per line; - for standard input.",
        show_default=False,
    ),
]
Source = Annotated[
    str,
    typer.Argument(metavar="SOURCE", help="A run, or a folder of an export.", show_default=False),
]


def workspace(context: typer.Context, database: str | None) -> Workspace:
    """The database that is meant: `--db` of the command, else that before the command."""
    from workbench.operations.workspace import open_workspace  # SQLAlchemy, 0.2 s

    space = open_workspace(database or context.find_root().params.get("db"))
    context.call_on_close(space.close)
    if space.store.copied_to:
        from workbench.cli import output

        output.note(
            "The database was of an earlier version, and is brought up to date; as it was it is in "
            f"{space.store.copied_to}"
        )
    return space
