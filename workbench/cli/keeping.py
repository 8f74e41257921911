"""`tag`, `note`, `rename`, `star`, `archive`, `delete`, `restore`: order among runs."""

from __future__ import annotations

from typing import Annotated

import typer

from workbench.cli import output
from workbench.cli.options import Database, Run, workspace

Runs = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN...", help="Ids, unique prefixes, names, or @last.", show_default=False
    ),
]


def tag(
    context: typer.Context,
    runs: Runs,
    add: Annotated[
        list[str] | None,
        typer.Option("--add", metavar="TAG", help="A tag to add; any number of times."),
    ] = None,
    remove: Annotated[
        list[str] | None,
        typer.Option("--remove", metavar="TAG", help="A tag to take away; any number of times."),
    ] = None,
    db: Database = None,
) -> None:
    """Add tags to runs, or take them away."""
    if not add and not remove:
        raise typer.BadParameter("say --add TAG or --remove TAG", param_hint="--add")
    from workbench.operations import keeping

    output.note(keeping.tag(workspace(context, db), runs, add or (), remove or ()).words)


def note(
    context: typer.Context,
    run: Run,
    text: Annotated[str, typer.Argument(metavar="TEXT", help='Empty ("") takes the note away.')],
    db: Database = None,
) -> None:
    """Write a note to a run, in place of its old one."""
    from workbench.operations import keeping

    output.note(keeping.note(workspace(context, db), run, text).words)


def rename(
    context: typer.Context,
    run: Run,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to call it from now on.")],
    db: Database = None,
) -> None:
    """Give a run another name; its files stay."""
    from workbench.operations import keeping

    output.note(keeping.rename(workspace(context, db), run, name).words)


def star(
    context: typer.Context,
    runs: Runs,
    off: Annotated[bool, typer.Option("--off", help="Take the star away.")] = False,
    db: Database = None,
) -> None:
    """Mark runs with a star."""
    from workbench.operations import keeping

    output.note(keeping.star(workspace(context, db), runs, on=not off).words)


def archive(
    context: typer.Context,
    runs: Runs,
    off: Annotated[bool, typer.Option("--off", help="Take out of the archive.")] = False,
    db: Database = None,
) -> None:
    """Keep runs out of the list, with all they have."""
    from workbench.operations import keeping

    output.note(keeping.archive(workspace(context, db), runs, on=not off).words)


def delete(
    context: typer.Context,
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN...]",
            help="Ids, unique prefixes, names, or @last.",
            show_default=False,
        ),
    ] = None,
    empty_trash: Annotated[
        bool,
        typer.Option("--empty-trash", help="Delete for good what is in the trash, files too."),
    ] = False,
    db: Database = None,
) -> None:
    """Put runs that are over into the trash."""
    if not runs and not empty_trash:
        raise typer.BadParameter("name a run, or say --empty-trash", param_hint="RUN")
    from workbench.operations import keeping

    space = workspace(context, db)
    if runs:
        output.note(keeping.delete(space, runs).words)
    if empty_trash:
        count = keeping.empty_trash(space)
        output.note(f"{count} run{'' if count == 1 else 's'} deleted for good.")


def restore(context: typer.Context, runs: Runs, db: Database = None) -> None:
    """Take runs out of the trash."""
    from workbench.operations import keeping

    output.note(keeping.restore(workspace(context, db), runs).words)
