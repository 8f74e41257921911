"""`runs`, `show`, `checkpoints`, `compare`: what is known of runs."""

from __future__ import annotations

import csv as csv_format
import io
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli import output
from workbench.cli.options import AsJson, Database, Run, workspace

if TYPE_CHECKING:
    from workbench.operations.reading import Comparison, RunSummary

_NO_RUNS = "There are no runs yet. Start one: mtl-workbench train PRESET (see: presets)"


def runs(
    context: typer.Context,
    filter: Annotated[
        str,
        typer.Option(
            metavar="EXPR",
            help='Only these: a word, or as "state=finished and question.accuracy>0.9".',
            show_default=False,
        ),
    ] = "",
    sort: Annotated[
        str,
        typer.Option(
            metavar="KEY",
            help="By state, name, selection, a setting, or a metric such as question.accuracy; "
            "- before it for descending.",
            show_default=False,
        ),
    ] = "",
    json: AsJson = False,
    db: Database = None,
) -> None:
    """List the runs, newest first.

    With --json a list of objects with the keys id, name, state, why, queue_place (null, or which
    it is of those that wait), source, parent (null, or id and step), unreadable (why its settings
    cannot be read, or empty), created_at, tasks, phase, step, total_steps, best_step, selection,
    metrics (by task, by metric), seconds, eta_seconds, texts_per_second, config, error.
    """
    from workbench.cli.documents import run_document
    from workbench.operations import reading
    from workbench.operations.filtering import parse_filter, sort_runs

    wanted = parse_filter(filter)
    every = reading.list_runs(workspace(context, db))
    found = wanted.apply(every)
    if sort:
        found = sort_runs(found, sort)
    if json:
        output.json_document([run_document(run) for run in found])
        return
    if not found:
        output.note("No run passes the filter." if every else _NO_RUNS)
        return
    columns = ["id", "name", "state", "done", "tasks", "best", "started", "took"]
    output.table(
        columns,
        [_row(run) for run in found],
        right=("done", "best", "took"),
        whole=("id", "state", "done", "best", "started", "took"),
    )


def show(context: typer.Context, run: Run, json: AsJson = False, db: Database = None) -> None:
    """Show one run: state and why, metrics, checkpoints.

    Also its config, timings, warnings, and the checksum of what is frozen.

    With --json an object with the keys id, name, state, why, config, source, parent (null, or id
    and step), unreadable (why its settings cannot be read, or empty), step, total_steps,
    best_step, selection, tasks, device, precision, parameters, parameter_groups (what moves
    how fast), layer_shares (by task that mixes layers, embeddings first), metrics (by task, by
    metric, of the best checkpoint on dev), evaluations, checkpoints, exports, timings,
    frozen_checksum (start, end), features (what was cached of the frozen part), warnings,
    error (null, or what, where, next_step, traceback).
    """
    from workbench.cli import report
    from workbench.cli.documents import show_document
    from workbench.operations import reading

    space = workspace(context, db)
    summary = reading.summarize(space, run)
    document = show_document(space, summary)
    if json:
        output.json_document(document)
    else:
        report.print_run(document)


def checkpoints(
    context: typer.Context, run: Run, json: AsJson = False, db: Database = None
) -> None:
    """List the checkpoints of a run.

    With --json a list of objects with the keys step, folder, saved_at, is_best, is_last,
    selection, bytes, metrics (by task, by metric, on dev).
    """
    from workbench.cli import report
    from workbench.cli.documents import in_order
    from workbench.operations import reading

    space = workspace(context, db)
    tasks = reading.find_run(space, run).config.tasks
    found = [
        replace(checkpoint, metrics=in_order(checkpoint.metrics, tasks))
        for checkpoint in reading.checkpoints(space, run)
    ]
    if json:
        output.json_document(found)
    elif found:
        report.print_checkpoints(output.plain(found))
    else:
        output.note("The run has no checkpoint yet.")


def compare(
    context: typer.Context,
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN RUN...", help="Two or more.", show_default=False)
    ],
    transfer: Annotated[
        bool,
        typer.Option(
            "--transfer",
            help="Each beside its tasks alone: who gains, who loses. One run is enough.",
        ),
    ] = False,
    json: AsJson = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown tables.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print comma-separated values.")] = False,
    db: Database = None,
) -> None:
    """Lay runs side by side: metrics, the settings that differ.

    With --json an object with the keys runs (as in `runs`), metrics (list of task, metric,
    values, best: index or null) and settings (list of key, values). With --transfer a list of
    name, runs (ids), mean_gain, gains (list of task, metric, together, alone, difference, low,
    high, relative, seeds, texts), matrix (gains by task, by the other of a pair) and missing.
    """
    if transfer:
        if markdown or csv:
            raise typer.BadParameter("--transfer goes with --json or without")
        _compare_transfer(context, runs, json=json, db=db)
        return
    if len(runs) < 2:
        raise typer.BadParameter("give at least two runs", param_hint="RUN")
    if json + markdown + csv > 1:
        raise typer.BadParameter("choose one of --json, --markdown, --csv")
    from workbench.cli.documents import run_document
    from workbench.operations import reading

    found = reading.compare(workspace(context, db), runs)
    if json:
        output.json_document(
            {
                "runs": [run_document(run) for run in found.runs],
                "metrics": found.metrics,
                "settings": [{"key": key, "values": values} for key, values in found.settings],
            }
        )
        return
    names = [f"{run.record.name} {run.record.id}" for run in found.runs]
    if csv:
        _print_csv(found, names)
    elif markdown:
        _print_markdown(["metric", *names], _metric_rows(found, "**{}**"))
        if found.settings:
            output.line()
            _print_markdown(["setting", *names], _setting_rows(found))
    else:
        output.table(["metric", *names], _metric_rows(found, "{} *"), right=names)
        output.line()
        if found.settings:
            output.table(["setting", *names], _setting_rows(found))
        else:
            output.note("All settings are the same.")
        output.note("* the best of its row")


def _row(run: RunSummary) -> list[str]:
    from workbench.tui import figures

    return [
        run.record.id,
        _name_cell(run),
        str(run.state) if run.queue_place is None else f"{run.state} {run.queue_place}",
        figures.percent(figures.share(run.step, run.total_steps)),
        "  ".join(_task_cell(run, task) for task in run.tasks),
        figures.metric(run.selection),
        figures.moment(run.record.created_at),
        figures.duration(run.seconds),
    ]


def _name_cell(run: RunSummary) -> str:
    """The name; of a fork with where it branches off."""
    if run.record.parent_id is None:
        return run.record.name
    return f"{run.record.name} (from {run.record.parent_id} step {run.record.parent_step})"


def _task_cell(run: RunSummary, task: str) -> str:
    """A task with the metric that counts in choosing its best checkpoint, if there is one yet."""
    from workbench.tui import figures

    value = run.metrics.get(task, {}).get(run.record.config.tasks[task].metric)
    return task if value is None else f"{task}={figures.metric(value)}"


def _metric_rows(comparison: Comparison, best: str) -> list[list[str]]:
    from workbench.tui import figures

    rows = []
    for row in comparison.metrics:
        cells = [figures.metric(value) for value in row.values]
        if row.best is not None:
            cells[row.best] = best.format(cells[row.best])
        rows.append([f"{row.task} {row.metric}", *cells])
    return rows


def _setting_rows(comparison: Comparison) -> list[list[str]]:
    return [[key, *values] for key, values in comparison.settings]


def _compare_transfer(
    context: typer.Context, runs: list[str], *, json: bool, db: str | None
) -> None:
    from workbench.cli.baselines import print_transfer, transfer_document
    from workbench.operations import baselines

    found = baselines.transfer(workspace(context, db), runs, output.note)
    if json:
        output.json_document([transfer_document(one) for one in found])
    else:
        print_transfer(found)


def _print_csv(comparison: Comparison, names: list[str]) -> None:
    buffer = io.StringIO()
    writer = csv_format.writer(buffer, lineterminator="\n")
    writer.writerow(["kind", "key", *names])
    for row in comparison.metrics:
        values = ["" if value is None else repr(float(value)) for value in row.values]
        writer.writerow(["metric", f"{row.task}.{row.metric}", *values])
    for key, settings in comparison.settings:
        writer.writerow(["setting", key, *settings])
    output.line(buffer.getvalue().rstrip("\n"))


def _print_markdown(columns: list[str], rows: list[list[str]]) -> None:
    for row in (columns, ["---"] * len(columns), *rows):
        cells = (cell.replace("|", "\\|").replace("\n", " ") for cell in row)
        output.line(f"| {' | '.join(cells)} |")
