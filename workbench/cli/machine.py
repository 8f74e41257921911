"""`doctor` and `repair`: what is wrong, and mending it."""

from __future__ import annotations

from typing import Annotated

import typer

from workbench.cli import output
from workbench.cli.options import AsJson, Database, workspace


def doctor(context: typer.Context, json: AsJson = False, db: Database = None) -> None:
    """Look at this machine, the database and each run.

    Changes nothing. Exit code 1 if something is in trouble.

    With --json an object with the keys findings (list of topic, verdict: ok, note or trouble, what,
    next_step) and runs (list of id, name, state, why, facts).
    """
    from workbench.operations.diagnosis import diagnose
    from workbench.paths import find_database

    found = diagnose(find_database(db or context.find_root().params.get("db")))
    if json:
        output.json_document(found)
    else:
        for finding in found.findings:
            mark = {"ok": " ", "note": "i", "trouble": "!"}[finding.verdict]
            output.line(f"{mark} {finding.topic:<12} {finding.what}")
            if finding.next_step:
                output.line(f"  {'next':>12} {finding.next_step}")
        if found.runs:
            output.line()
        for run in found.runs:
            output.line(f"  {run.id}  {run.state:<9} {run.name}: {run.why}")
    if not found.is_well:
        raise typer.Exit(1)


def repair(
    context: typer.Context,
    run: Annotated[
        str,
        typer.Argument(
            metavar="[RUN]", help="A run of another machine, with --close.", show_default=False
        ),
    ] = "",
    close: Annotated[
        bool,
        typer.Option("--close", help="Note that RUN is over, as its machine is gone for good."),
    ] = False,
    db: Database = None,
) -> None:
    """Mend what an accident left.

    A damaged or lost database is made anew from what can be read of it and from the runs' folders
    (a damaged file is kept beside it). Runs that it does not know are taken in, rows that wait in
    journals go in, checkpoints that are not there are no longer listed.
    """
    from workbench.operations import repair as mending
    from workbench.paths import find_database

    if bool(run) != close:
        raise typer.BadParameter("give a run and --close, or neither", param_hint="RUN")
    if close:
        record = mending.close(workspace(context, db), run)
        output.note(f"Run {record.id} ({record.name}) counts as failed now.")
        return
    done = mending.repair(find_database(db or context.find_root().params.get("db")))
    for one in done:
        output.note(one.what)
    if not done:
        output.note("Nothing had to be mended.")
    if any(one.is_trouble for one in done):
        raise typer.Exit(1)
