"""`baselines`: the runs that say what the tasks do to one another."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli import output
from workbench.cli.options import AsJson, Database, workspace

if TYPE_CHECKING:
    from workbench.config.experiment import ExperimentConfig
    from workbench.operations.baselines import TaskGain, Transfer
    from workbench.operations.workspace import Workspace


def baselines(
    context: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            metavar="PRESET_OR_RUN", help="A preset, a TOML file, or a run.", show_default=False
        ),
    ],
    seeds: Annotated[
        str,
        typer.Option(
            metavar="SEEDS",
            help="Such as 1,2,3; by default the experiment's own.",
            show_default=False,
        ),
    ] = "",
    pairs: Annotated[
        bool, typer.Option("--pairs", help="Every two of the tasks together, too.")
    ] = False,
    set: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Change a setting of all runs.", show_default=False
        ),
    ] = None,
    data_root: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Look for data files here first.", show_default=False),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say which runs it takes, and start none.")
    ] = False,
    json: AsJson = False,
    db: Database = None,
) -> None:
    """Queue each task alone, to compare with all.

    With the same budget and seeds: the same passes over a task's own texts, the same rates. The
    experiment itself is run, too, with every seed that it lacks; what is there already is
    not made anew. The runs wait in the queue (see: queue). See what came of them with compare
    --transfer. With --json a list of objects with the keys name, seed, tasks, run (id or null).
    """
    from workbench.operations import baselines as operation

    space = workspace(context, db)
    config = _experiment(space, source, set or [], data_root)
    companions = operation.companions_of(space, config, seeds=_numbers(seeds), pairs=pairs)
    ids = [one.run_id for one in companions]
    if not dry_run:
        started = operation.start_missing(space, companions)
        ids = [one.run_id or next(started).id for one in companions]
    documents = [
        {
            "name": one.config.name,
            "seed": one.config.seed,
            "tasks": list(one.config.tasks),
            "run": run_id,
        }
        for one, run_id in zip(companions, ids, strict=True)
    ]
    if json:
        output.json_document(documents)
        return
    columns = ["run", "seed", "tasks", "name"]
    rows = [
        [
            str(document["run"] or "-"),
            str(document["seed"]),
            " ".join(one.config.tasks),
            one.config.name,
        ]
        for document, one in zip(documents, companions, strict=True)
    ]
    output.table(columns, rows, right=("seed",))
    output.note(
        "\nNext:\n  mtl-workbench queue list\n"
        f"  mtl-workbench compare --transfer {ids[0] or 'RUN'}     (when they are over)"
    )


def print_transfer(found: list[Transfer]) -> None:
    """Gains and losses by task, and the transfer matrix where pairs were run."""
    for number, one in enumerate(found):
        if number:
            output.line()
        mean = "-" if one.mean_gain is None else f"{one.mean_gain:+.2%}"
        interval = one.mean_interval
        between = "" if interval is None else f" (95 %: {interval[0]:+.2%} to {interval[1]:+.2%})"
        output.heading(f"{one.name}: mean gain over the tasks alone {mean}{between}")
        rows = [
            [
                gain.task,
                gain.metric,
                f"{gain.together:.4f}",
                f"{gain.alone:.4f}",
                f"{gain.difference:+.4f}",
                "-" if gain.low is None else f"{gain.low:+.4f} to {gain.high:+.4f}",
                "-" if gain.relative is None else f"{gain.relative:+.2%}",
                str(len(gain.seeds)),
                str(gain.texts or "-"),
            ]
            for gain in one.gains
        ]
        columns = ["task", "metric", "together", "alone", "gain", "95 %", "relative"]
        output.table([*columns, "seeds", "texts"], rows, right=(*columns[2:], "seeds", "texts"))
        reached = ", ".join(f"{gain.task} = {gain.alone:.4f}" for gain in one.gains)
        output.note(f"To choose checkpoints by it: selection.baselines = {{{reached}}}")
        if one.missing:
            output.note(f"Not run alone: {', '.join(one.missing)} (mtl-workbench baselines)")
        if one.matrix:
            helpers = list(dict.fromkeys(other for row in one.matrix.values() for other in row))
            output.line()
            output.heading("gain of the row's task in a pair with the column's")
            cells = [
                [task, *(_cell(one.matrix[task], other) for other in helpers)]
                for task in one.matrix
            ]
            output.table(["task", *helpers], cells, right=helpers)


def transfer_document(one: Transfer) -> dict[str, object]:
    """A transfer as plain values."""
    return {
        "name": one.name,
        "runs": list(one.runs),
        "mean_gain": one.mean_gain,
        "mean_interval": one.mean_interval,
        "gains": [_gain_document(gain) for gain in one.gains],
        "matrix": {
            task: {other: _gain_document(gain) for other, gain in row.items()}
            for task, row in one.matrix.items()
        },
        "missing": list(one.missing),
    }


def _gain_document(gain: TaskGain) -> dict[str, object]:
    return {**vars(gain), "difference": gain.difference, "relative": gain.relative}


def _cell(row: Mapping[str, TaskGain], other: str) -> str:
    """A gain, with a star if its interval leaves 0 out."""
    gain = row.get(other)
    if gain is None:
        return ""
    return f"{gain.difference:+.4f}{' *' if gain.is_sure else ''}"


def _numbers(seeds: str) -> list[int]:
    try:
        return [int(part) for part in seeds.split(",") if part.strip()]
    except ValueError:
        raise typer.BadParameter(
            "write whole numbers with commas, as 1,2,3", param_hint="--seeds"
        ) from None


def _experiment(
    space: Workspace, source: str, overrides: list[str], data_root: Path | None
) -> ExperimentConfig:
    from workbench.config.loading import load_experiment
    from workbench.errors import ConfigError, NotFoundError
    from workbench.operations import reading

    try:
        return load_experiment(source, overrides=overrides, data_root=data_root)
    except NotFoundError:
        record = reading.find_run(space, source)
    if overrides or data_root:
        raise ConfigError(
            "A run is compared as it was made; --set and --data-root go with a preset or a file.",
            where=source,
            next_step="leave them out, or name the preset that the run came from",
        )
    return record.config
