"""`pause`, `resume`, `checkpoint`, `adjust`, `fork`, `repeat`: a hand in a run, from anywhere."""

from __future__ import annotations

from typing import Annotated

import typer

from workbench.cli import output
from workbench.cli.options import Database, Run, workspace
from workbench.cli.training import Plain, follow
from workbench.errors import ConfigError

_IN_A_MOMENT = "it obeys after its current update"


def pause(context: typer.Context, run: Run, db: Database = None) -> None:
    """Let a run save a checkpoint and wait.

    Its process stays, with the memory that it has, until `resume` or `stop`.
    """
    from workbench.operations import requests

    record = requests.pause(workspace(context, db), run)
    output.note(f"Asked run {record.id} to pause; {_IN_A_MOMENT}. Go on: resume {record.id}")


def resume(
    context: typer.Context,
    run: Run,
    watch: Annotated[bool, typer.Option("--watch", help="Follow it to its end.")] = False,
    plain: Plain = False,
    db: Database = None,
) -> None:
    """Let a run go on that is paused or ended early.

    One that was stopped, failed, crashed or lost gets a new process, which goes on at the last good
    checkpoint; one that was taken out of the queue begins. What was told of later steps is told
    anew; the random choices are those it would have made.
    """
    from workbench.operations import lifecycle, reading

    space = workspace(context, db)
    record = reading.find_run(space, run)
    state = lifecycle.resume(space, record.id)
    if state == "paused":
        output.note(f"Asked run {record.id} ({record.name}) to go on.")
    else:
        output.note(f"Run {record.id} ({record.name}) goes on; it is {state}.")
    if watch:
        follow(space, record.id, plain=plain)


def checkpoint(context: typer.Context, run: Run, db: Database = None) -> None:
    """Let a run save a checkpoint now, and go on."""
    from workbench.operations import requests

    record = requests.save_checkpoint(workspace(context, db), run)
    output.note(f"Asked run {record.id} for a checkpoint; {_IN_A_MOMENT}.")


def adjust(
    context: typer.Context,
    run: Run,
    weight: Annotated[
        list[str] | None,
        typer.Option(
            "--weight",
            metavar="TASK=WEIGHT",
            help="Let a task count so much from now on; any number of times.",
            show_default=False,
        ),
    ] = None,
    rate_scale: Annotated[
        float | None,
        typer.Option(
            metavar="FACTOR",
            help="Multiply all learning rates of the schedule with this from now on; "
            "it takes the place of the factor that was set before.",
            show_default=False,
        ),
    ] = None,
    log_every: Annotated[
        int | None,
        typer.Option(
            metavar="UPDATES", help="Tell the losses of every n-th update.", show_default=False
        ),
    ] = None,
    db: Database = None,
) -> None:
    """Change a run that is at work.

    What was changed at which step is kept with the run.
    """
    from workbench.operations import requests

    record = requests.adjust(
        workspace(context, db),
        run,
        weights=dict(_weight(text) for text in weight or []),
        rate_scale=rate_scale,
        log_every=log_every,
    )
    output.note(f"Asked run {record.id} for the change; {_IN_A_MOMENT}.")


def fork(
    context: typer.Context,
    run: Run,
    checkpoint: Annotated[
        str, typer.Option("--checkpoint", metavar="WHICH", help="best, last, or a step.")
    ] = "best",
    set: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change a setting, as for train; any number of times.",
            show_default=False,
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="What to call it.", show_default=False)
    ] = None,
    keep_optimizer: Annotated[
        bool,
        typer.Option("--keep-optimizer", help="Take over the moments of its optimizer, too."),
    ] = False,
    detach: Annotated[
        bool, typer.Option("--detach", help="Print the new run's id and return at once.")
    ] = False,
    plain: Plain = False,
    db: Database = None,
) -> None:
    """Begin a run at a checkpoint of another, changed.

    It begins with the model of that checkpoint and counts its own steps. It names that run as its
    parent, which stays as it is.
    """
    from workbench.operations import lifecycle

    space = workspace(context, db)
    overrides = [*(set or []), *([f"name={name}"] if name is not None else [])]
    record = lifecycle.fork(
        space, run, checkpoint=checkpoint, overrides=overrides, keep_optimizer=keep_optimizer
    )
    if detach:
        output.line(record.id)
        return
    output.note(
        f"Started run {record.id} ({record.name}) with the model of step {record.parent_step} of "
        f"run {record.parent_id}."
    )
    follow(space, record.id, plain=plain)


def repeat(
    context: typer.Context,
    run: Run,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="What to call it.", show_default=False)
    ] = None,
    detach: Annotated[
        bool, typer.Option("--detach", help="Print the new run's id and return at once.")
    ] = False,
    plain: Plain = False,
    db: Database = None,
) -> None:
    """Begin a run anew, asked the same at the same steps.

    What was changed of that run at work (see: adjust), evaluated and saved on request is done
    again, so that on a CPU it learns the same to the last bit.
    """
    from workbench.operations import lifecycle, reading

    space = workspace(context, db)
    other = reading.find_run(space, run)
    record = lifecycle.repeat(space, other.id, name=name)
    if detach:
        output.line(record.id)
        return
    output.note(f"Started run {record.id} ({record.name}), which repeats run {other.id}.")
    follow(space, record.id, plain=plain)


def _weight(text: str) -> tuple[str, float]:
    task, _, weight = text.partition("=")
    try:
        return task, float(weight)
    except ValueError as error:
        raise ConfigError(
            f'"{text}" gives no weight.',
            where="--weight",
            next_step="write TASK=WEIGHT, as question=0.5",
        ) from error
