"""Options and arguments that several commands share, and what they stand for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.errors import nearest

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
TextFromFile = Annotated[
    Path | None,
    typer.Option(
        "--file",
        metavar="FILE",
        help="File of any size with one text per line, or JSONL (.jsonl); - for standard input.",
        show_default=False,
    ),
]
TextFormat = Annotated[
    str,
    typer.Option(
        "--format", metavar="FORMAT", help="Of the file: lines or jsonl; auto goes by its ending."
    ),
]
Column = Annotated[
    str, typer.Option("--column", metavar="NAME", help="Of a JSONL file: which value is the text.")
]
Precision = Annotated[
    str,
    typer.Option(
        "--precision",
        metavar="WHICH",
        help="fp32: exact. bf16: faster where there are units for it, differs in the third digit. "
        "auto: bf16 on a GPU that has it.",
    ),
]
PlainProgress = Annotated[
    bool, typer.Option("--plain", help="No progress bar; a line now and then says how far it is.")
]
Source = Annotated[
    str,
    typer.Argument(metavar="SOURCE", help="A run, or a folder of an export.", show_default=False),
]


PRECISIONS = ("fp32", "bf16", "auto")


def check_precision(wanted: str) -> None:
    """Raise what is said of a wrong option if there is no such precision."""
    check_choice(wanted, PRECISIONS, "--precision")


def check_choice(wanted: str, known: Sequence[str], option: str) -> None:
    """Raise what is said of a wrong option if it is none of the words that are known."""
    if wanted not in known:
        what = option.removeprefix("--")
        raise typer.BadParameter(
            f"there is no {what} {wanted!r}; {nearest(wanted, known)}", param_hint=option
        )


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
