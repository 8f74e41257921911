"""`runs`, `show`, `checkpoints`, `compare`: what is known of runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli import output
from workbench.cli.options import AsJson, Database, Run, workspace

if TYPE_CHECKING:
    from workbench.operations.comparing import Statistic
    from workbench.operations.folding import Fold
    from workbench.operations.reading import Comparison, MetricRow, RunSummary
    from workbench.operations.workspace import Workspace

_NO_RUNS = "There are no runs yet. Start one: mtl-workbench train PRESET (see: presets)"


def runs(
    context: typer.Context,
    filter: Annotated[
        str,
        typer.Option(
            metavar="EXPR",
            help='Only these: words, or as "state=finished and question.accuracy>0.9"; '
            "archived and deleted runs are shown when they are asked for.",
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
    columns: Annotated[
        str,
        typer.Option(
            metavar="KEYS",
            help="As id,name,best,question.accuracy,optimization.learning_rate: any of state, "
            "name, progress, best, loss, metrics, tasks, tags, note, star, started, took, eta, "
            "speed, step, source, id, a setting, or a metric.",
            show_default=False,
        ),
    ] = "",
    fold_seeds: Annotated[
        bool,
        typer.Option(
            "--fold-seeds",
            help="Seeds of one configuration in one row, with mean and standard deviation.",
        ),
    ] = False,
    json: AsJson = False,
    db: Database = None,
) -> None:
    """List the runs, newest first.

    With --json a list of objects with the keys id, name, state, why, queue_place (null, or which
    it is of those that wait), source, parent (null, or id and step), unreadable (why its settings
    cannot be read, or empty), created_at, tasks, phase, step, total_steps, best_step, selection,
    metrics (by task, by metric), seconds (at work), seconds_paused, eta_seconds,
    texts_per_second, starred, tags, note, archived, deleted, config, error; with --fold-seeds
    runs (their ids), name, seeds, selection and metrics (mean, deviation).
    """
    from workbench.cli.documents import fold_document, run_document
    from workbench.operations import reading
    from workbench.operations.filtering import parse_filter, sort_runs

    wanted = parse_filter(filter)
    every = reading.list_runs(
        workspace(context, db),
        deleted="deleted" in wanted.scopes,
        sparks=bool(columns) or "loss" in f"{filter} {sort}",  # of thousands they take a while
    )
    found = wanted.shown(every)
    if sort:
        found = sort_runs(found, sort)
    if fold_seeds:
        from workbench.operations.folding import SeedFolder

        folds = SeedFolder().fold(found)
        if json:
            output.json_document([fold_document(fold) for fold in folds])
            return
        found = [fold.mean for fold in folds]
    if json:
        output.json_document([run_document(run) for run in found])
        return
    if columns and found:
        from workbench.tui import columns as known

        keys = [key.strip() for key in columns.split(",") if key.strip()]
        known.check_columns(keys, every)
        output.table(
            [known.heading(key) for key in keys],
            [[known.words(run, key) for key in keys] for run in found],
            right=[known.heading(key) for key in keys if known.is_right(key)],
            whole=[known.heading(key) for key in keys],
        )
        return
    if fold_seeds and found:
        _print_folds(folds)
        return
    if not found:
        output.note("No run passes the filter." if every else _NO_RUNS)
        return
    headings = ["id", "name", "state", "done", "tasks", "best", "started", "took"]
    output.table(
        headings,
        [_row(run) for run in found],
        right=("done", "best", "took"),
        whole=("id", "state", "done", "best", "started", "took"),
    )


def show(
    context: typer.Context,
    run: Run,
    charts: Annotated[
        bool, typer.Option("--charts", help="Each chart of the run in one line of words.")
    ] = False,
    settings: Annotated[
        bool, typer.Option("--settings", help="All settings, those left as they are, too.")
    ] = False,
    json: AsJson = False,
    db: Database = None,
) -> None:
    """Show one run: state and why, metrics, checkpoints.

    Also its config, timings, warnings, and the checksum of what is frozen.

    With --json an object with the keys id, name, state, why, config, source, parent (null, or id
    and step), unreadable (why its settings cannot be read, or empty), step, total_steps,
    best_step, selection, tasks, device, precision, parameters, parameter_groups (what moves
    how fast), layer_shares (by task that mixes layers, embeddings first), metrics (by task, by
    metric, of the best checkpoint on dev), evaluations, checkpoints, exports, timings,
    frozen_checksum (start, end), features (what was cached of the frozen part), requests (what it
    was asked at work and did: step, kind, words, values), warnings, error (null, or what, where,
    next_step, traceback), next_step (what its end leaves to do, or empty).
    """
    from workbench.cli import report
    from workbench.cli.documents import show_document
    from workbench.operations import reading

    space = workspace(context, db)
    summary = reading.summarize(space, run)
    if charts:
        _print_charts(space, summary)
        return
    document = show_document(space, summary)
    if json:
        output.json_document(document)
    else:
        is_whole = settings or summary.record.unreadable
        record = summary.record
        report.print_run(
            document,
            None if is_whole else record.config.model_dump(mode="json", exclude_defaults=True),
        )


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
    statistic: Annotated[
        str,
        typer.Option(
            metavar="WHICH",
            help="What of each dev curve: checkpoint (at the best one), best, last, lowest, "
            "highest.",
        ),
    ] = "checkpoint",
    db: Database = None,
) -> None:
    """Lay runs side by side: metrics, the settings that differ.

    With --json an object with the keys runs (as in `runs`), statistic, metrics (list of task,
    metric, values, best: index or null) and settings (list of key, values). With --transfer a
    list of name, runs (ids), mean_gain, mean_interval (two numbers or null), gains (list of task,
    metric, together, alone, difference, low, high, relative, seeds, texts), matrix (gains by
    task, by the other of a pair), missing.
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
    from workbench.operations import comparing, reading

    space = workspace(context, db)
    found = reading.compare(space, runs)
    kind = _statistic(statistic)
    rows = found.metrics
    if kind != comparing.STATISTICS[0]:
        rows = comparing.metric_rows(found, reading.dev_curves(space, found.runs), kind)
    if json:
        output.json_document(
            {
                "runs": [run_document(run) for run in found.runs],
                "statistic": kind,
                "metrics": rows,
                "settings": [{"key": key, "values": values} for key, values in found.settings],
            }
        )
        return
    names = comparing.run_names(found.runs)
    if csv:
        output.line(comparing.as_csv(found, rows).rstrip("\n"))
    elif markdown:
        output.line(comparing.as_markdown(found, rows, statistic=kind).rstrip("\n"))
    else:
        _print_comparison(found, rows, names)


def _print_comparison(found: Comparison, rows: Sequence[MetricRow], names: list[str]) -> None:
    """Metrics, then settings; what one run alone has has a table of its own, without gaps."""
    from workbench.operations import comparing

    metrics, own_metrics = comparing.by_owner(
        rows, lambda row: comparing.metric_owner(found.runs, row)
    )
    if metrics:
        output.table(["metric", *names], _metric_rows(metrics, "{} *"), right=names)
        output.note("* the best of its row")
    elif rows:
        output.note("The runs have no metric in common.")
    for owner, own in own_metrics.items():
        output.line()
        cells = [[*row[:1], row[1 + owner]] for row in _metric_rows(own, "{}")]
        output.table([f"only in {names[owner]}", ""], cells, right=[""])
    output.line()
    if not found.settings:
        output.note("All settings are the same.")
        return
    settings, own_settings = comparing.settings_by_owner(found)
    if settings:
        output.table(["setting", *names], [[key, *values] for key, values in settings])
    for owner, held in own_settings.items():
        output.line()
        cells = [[key, value] for key, value in held.chosen]
        cells += [["others", f"{held.as_default} as by default"]] if held.as_default else []
        output.table([f"only in {names[owner]}", ""], cells)


def _print_folds(folds: Sequence[Fold]) -> None:
    """A line a configuration: how many seeds, what their mean reached and how far they spread."""
    from workbench.tui import figures

    def told(value: float | None, spread: float | None) -> str:
        return figures.metric(value) + ("" if spread is None else f" ±{figures.metric(spread)}")

    rows = []
    for fold in folds:
        tasks = [
            f"{task}={told(fold.mean.metrics[task][config.metric], spread)}"
            for task, config in fold.mean.record.config.tasks.items()
            if config.metric in fold.mean.metrics.get(task, {})
            for spread in [fold.spread.get(task, {}).get(config.metric)]
        ]
        best = told(fold.mean.selection, fold.selection_spread)
        seeds = " ".join(str(run.record.config.seed) for run in fold.runs)
        rows.append([fold.mean.record.name, seeds, best, "  ".join(tasks)])
    output.table(["name", "seeds", "best", "tasks"], rows, whole=("seeds", "best"))


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


def _metric_rows(metrics: Sequence[MetricRow], best: str) -> list[list[str]]:
    from workbench.tui import figures

    rows = []
    for row in metrics:
        cells = [figures.metric(value) for value in row.values]
        if row.best is not None:
            cells[row.best] = best.format(cells[row.best])
        rows.append([f"{row.task} {row.metric}", *cells])
    return rows


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


def _print_charts(space: Workspace, run: RunSummary) -> None:
    """What the screen of a run draws, for those who do not see it."""
    from workbench.operations import reading
    from workbench.tui.history import CurveHistory
    from workbench.tui.run_charts import chart_summaries, run_events

    history = CurveHistory()
    history.add(reading.curves(space, run.record.id))
    events = run_events(
        reading.checkpoints(space, run.record.id), space.store.messages(run.record.id), history
    )
    for told in chart_summaries(run, history, events):
        output.line(told)


def print_plainly(space: Workspace) -> None:
    """What the first screen shows, line by line: for screen readers, and terminals of any kind."""
    from workbench.operations import reading
    from workbench.tui import figures

    found = reading.list_runs(space)
    output.line(f"{len(found)} runs in {space.location.database_file or 'the database'}.")
    for run in found[:_MOST_LINES]:
        reached = ", ".join(
            f"{task} {config.metric} {figures.metric(value)}"
            for task, config in run.record.config.tasks.items()
            if (value := run.metrics.get(task, {}).get(config.metric)) is not None
        )
        done = figures.percent(figures.share(run.step, run.total_steps))
        best = "" if run.selection is None else f", best {figures.metric(run.selection)}"
        tags = f", tagged {' '.join(run.keeping.tags)}" if run.keeping.tags else ""
        output.line(
            f"{run.record.name}, {run.record.id}: {run.state.value}, {done} done{best}"
            f"{'; ' + reached if reached else ''}{tags}."
        )
    if len(found) > _MOST_LINES:
        output.line(f"And {len(found) - _MOST_LINES} older ones: mtl-workbench runs.")
    output.line(
        "Next: mtl-workbench show RUN --charts tells a run's curves, watch RUN --plain follows it, "
        "train PRESET --plain starts one, --help lists all."
    )


_MOST_LINES = 20


def _statistic(word: str) -> Statistic:
    from workbench.operations.comparing import STATISTICS

    word = "at best checkpoint" if word == "checkpoint" else word
    for known in STATISTICS:
        if known == word:
            return known
    raise typer.BadParameter(
        "say checkpoint, best, last, lowest or highest", param_hint="--statistic"
    )
