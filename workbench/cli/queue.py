"""`queue`: runs that wait for their turn on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.cli import output
from workbench.cli.options import AsJson, Database, Run, workspace

if TYPE_CHECKING:
    from workbench.operations.queue import Queue, QueueRow

app = typer.Typer(
    name="queue",
    help="Let runs wait for their turn on this machine.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("list")
def list_queue(context: typer.Context, json: AsJson = False, db: Database = None) -> None:
    """List who waits and who was begun.

    With --json an object with the keys runs (list of id, name, state, place: null if begun, host,
    priority, device, added_at), settings (paused, paused_because, at_once, continue_on_error,
    choose_devices, free_mebibytes), is_worked_off and why_waiting (text, empty if none waits or
    the next is about to begin).
    """
    from workbench.operations import queue

    found = queue.look(workspace(context, db))
    if json:
        output.json_document(_document(found))
        return
    if found.rows:
        output.table(
            ["place", "id", "name", "state", "priority", "machine", "GPU"],
            [_cells(row) for row in found.rows],
            right=("place", "priority"),
            whole=("id", "state"),
        )
    else:
        output.note("Nobody waits. Add a run: mtl-workbench queue add PRESET")
    output.note(_in_words(found))
    if found.why_waiting and not found.settings.paused:
        output.note(found.why_waiting)


@app.command()
def add(
    context: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            metavar="PRESET_OR_FILE",
            help="Name of a preset (see: presets), or path of a TOML file.",
            show_default=False,
        ),
    ],
    set: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a setting.", show_default=False),
    ] = None,
    data_root: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Look for data files here first.", show_default=False),
    ] = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="What to call the run.", show_default=False)
    ] = None,
    vary: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE,VALUE...",
            help="Add a run for each value; with several --vary for each combination.",
            show_default=False,
        ),
    ] = None,
    priority: Annotated[int, typer.Option(help="Higher ones go first.")] = 0,
    db: Database = None,
) -> None:
    """Add a run, or one for each combination of what is varied; prints their ids.

    As: queue add quickstart --vary optimization.learning_rate=1e-4,3e-4 --vary seed=1,2,3
    """
    from workbench.config.loading import load_experiment
    from workbench.config.sweeps import sweep
    from workbench.operations import queue

    overrides = [*(set or []), *([f"name={name}"] if name is not None else [])]
    config = load_experiment(source, overrides=overrides, data_root=data_root)
    space = workspace(context, db)
    for one in sweep(config, vary or []):  # all are checked before the first is added
        output.line(queue.add(space, one, source=source, priority=priority).id)


@app.command()
def move(
    context: typer.Context,
    run: Run,
    place: Annotated[int, typer.Argument(metavar="PLACE", help="1 goes next.", min=1)],
    db: Database = None,
) -> None:
    """Give a waiting run another place."""
    from workbench.operations import queue

    record = queue.move(workspace(context, db), run, place)
    output.note(f"Moved run {record.id} ({record.name}).")


@app.command()
def priority(
    context: typer.Context,
    run: Run,
    priority: Annotated[
        int, typer.Argument(metavar="PRIORITY", help="Higher ones go first; 0 is usual.")
    ],
    db: Database = None,
) -> None:
    """Give a waiting run another priority (a negative one after --)."""
    from workbench.operations import queue

    queue.prioritise(workspace(context, db), run, priority)
    output.note(f"Run {run} has priority {priority}.")


@app.command()
def remove(context: typer.Context, run: Run, db: Database = None) -> None:
    """Take a waiting run out; `resume` starts it after all."""
    from workbench.operations import queue

    record = queue.remove(workspace(context, db), run)
    output.note(
        f"Took run {record.id} ({record.name}) out of the queue. "
        f"Begin it after all: mtl-workbench resume {record.id}"
    )


@app.command()
def pause(context: typer.Context, db: Database = None) -> None:
    """Begin no further run; those at work go on."""
    from workbench.operations import queue

    queue.pause(workspace(context, db))
    output.note("The queue of this machine is paused.")


@app.command()
def resume(context: typer.Context, db: Database = None) -> None:
    """Begin runs again."""
    from workbench.operations import queue

    queue.go_on(workspace(context, db))
    output.note("The queue of this machine goes on.")


@app.command()
def set(
    context: typer.Context,
    at_once: Annotated[
        int | None,
        typer.Option(metavar="N", help="How many runs may be at work.", show_default=False),
    ] = None,
    continue_on_error: Annotated[
        bool | None,
        typer.Option(
            "--continue-on-error/--pause-on-error",
            help="What to do after a run that failed.",
            show_default=False,
        ),
    ] = None,
    choose_devices: Annotated[
        bool | None,
        typer.Option(
            "--one-gpu-each/--all-gpus",
            help="Whether each run is given one GPU of its own.",
            show_default=False,
        ),
    ] = None,
    free_memory: Annotated[
        int | None,
        typer.Option(
            metavar="MIB",
            help="A GPU with less free memory is left to others.",
            show_default=False,
        ),
    ] = None,
    db: Database = None,
) -> None:
    """Change how this machine's queue is worked off."""
    from workbench.operations import queue

    queue.change(
        workspace(context, db),
        at_once=at_once,
        continue_on_error=continue_on_error,
        choose_devices=choose_devices,
        free_mebibytes=free_memory,
    )
    output.note(_in_words(queue.look(workspace(context, db))))


def _cells(row: QueueRow) -> list[str]:
    return [
        "-" if row.place is None else str(row.place),
        row.run.record.id,
        row.run.record.name,
        str(row.run.state),
        str(row.entry.priority),
        row.entry.host,
        row.entry.device or "-",
    ]


def _document(found: Queue) -> dict[str, Any]:
    return {
        "runs": [
            {
                "id": row.run.record.id,
                "name": row.run.record.name,
                "state": row.run.state,
                "place": row.place,
                "host": row.entry.host,
                "priority": row.entry.priority,
                "device": row.entry.device,
                "added_at": row.entry.added_at,
            }
            for row in found.rows
        ],
        "settings": found.settings.as_values(),
        "is_worked_off": found.is_worked_off,
        "why_waiting": found.why_waiting,
    }


def _in_words(found: Queue) -> str:
    settings = found.settings
    after = "goes on" if settings.continue_on_error else "pauses"
    state = "paused" if settings.paused else "on"
    because = f" ({settings.paused_because})" if settings.paused_because else ""
    return (
        f"The queue of this machine is {state}{because}: {settings.at_once} at once, "
        f"{after} after a run that failed."
    )
