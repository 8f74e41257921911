"""Compare: two or more runs, their curves overlaid, their metrics and settings side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content

from workbench.operations import comparing, reading
from workbench.operations.comparing import STATISTICS, Statistic
from workbench.operations.folding import SeedFolder
from workbench.operations.reading import LOWER_IS_BETTER, Comparison, MetricRow, RunSummary
from workbench.operations.workspace import Workspace
from workbench.store.records import Curve, SeriesKey
from workbench.tui import figures
from workbench.tui.charts.series import LETTERS, ChartSeries, SeriesRole
from workbench.tui.messages import (
    ComparisonRead,
    ComparisonWritten,
    CurvesRead,
    RunWanted,
    ScreenWanted,
    WorkFailed,
)
from workbench.tui.screens.gains import show_gains
from workbench.tui.screens.live import LiveScreen, Reading, problems_of
from workbench.tui.screens.prompt import PromptScreen
from workbench.tui.states import state_word
from workbench.tui.visible import visible
from workbench.tui.widgets.chart import Chart
from workbench.tui.widgets.choice import Choice
from workbench.tui.widgets.empty_state import EmptyState
from workbench.tui.widgets.jump_bar import JumpBar
from workbench.tui.widgets.key_bar import KeyBar
from workbench.tui.widgets.notice import Notice
from workbench.tui.widgets.table import Column, Row, Table

_ALL_TASKS = "(all)"
"""Stands for what belongs to no task: the weighted loss, the selection value."""
_RATES = "learning_rate/"
FIRST_SMOOTHING = 0.6
_MOST_COLUMNS = 6
"""With more runs than this they are the rows of the tables, and what they reached the columns."""
_CELLS_PER_RUN = 20
LETTERS_OF_RUNS = LETTERS + LETTERS.lower()


class CompareScreen(LiveScreen):
    """Each run keeps its letter and colour in the chart and in both tables."""

    PURPOSE = (
        "Runs side by side: curves of one task overlaid, metrics with the winner marked ★, and "
        "only those settings that differ. p sets one metric against another, with the runs that "
        "no other beats in both joined by a line; f takes seeds of one configuration as a band "
        "from the lowest to the highest, with their mean. Mark runs with space on the first "
        "screen to choose which."
    )

    AUTO_FOCUS = "#chart"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("t", "task(1)", "Task", id="compare.task", tooltip="Chart the next task"),
        Binding("T", "task(-1)", "Task before", show=False, id="compare.task-before",
                tooltip="Chart the task before"),
        Binding("m", "metric(1)", "Metric", id="compare.metric", tooltip="Chart the next metric"),
        Binding("M", "metric(-1)", "Metric before", show=False, id="compare.metric-before",
                tooltip="Chart the metric before"),
        Binding("v", "statistic", "Best/last", id="compare.statistic",
                tooltip="Metrics at the best checkpoint, best, last, lowest or highest"),
        Binding("f", "bands", "Seeds", id="compare.bands",
                tooltip="Seeds of one configuration as a band with their mean"),
        Binding("p", "scatter", "Scatter", id="compare.scatter",
                tooltip="One metric against another; t and m choose which"),
        Binding("z", "zoom", "Full", id="compare.zoom",
                tooltip="The chart at full size, or the tables too"),
        Binding("e", "write", "Export", id="compare.write",
                tooltip="Write the comparison as Markdown, CSV or JSON"),
        Binding("b", "gains", "Gains", id="compare.gains",
                tooltip="What the tasks gain by each other, beside each of them alone"),
        Binding("escape", "home", "Home", show=False, id="compare.home",
                tooltip="Back to all runs"),
    ]  # fmt: skip

    DEFAULT_CSS = """
    CompareScreen {
        EmptyState { display: none; }
        &.-empty EmptyState { display: block; }
        &.-empty #body { display: none; }
        #body { height: 1fr; padding: 0 1; }
        #chart { height: 1fr; min-height: 7; }
        .switch { height: 1; }
        #x, #y { display: none; }
        &.-scatter #x, &.-scatter #y { display: block; }
        &.-scatter #task, &.-scatter #metric { display: none; }
        #metrics { height: auto; max-height: 50%; margin-top: 1; }
        #settings { height: auto; max-height: 30%; margin-top: 1; }
        &.-low #metrics { max-height: 9; margin-top: 0; }
        &.-low #settings { max-height: 4; margin-top: 0; }
        &.-zoomed #metrics, &.-zoomed #settings { display: none; }
    }
    """

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self._workspace = workspace
        self._run_ids: tuple[str, ...] = ()
        self._comparison: Comparison | None = None
        self._keys: tuple[tuple[SeriesKey, ...], ...] = ()
        self._dev: tuple[Mapping[SeriesKey, Curve], ...] = ()
        self._charted: Mapping[str, Curve] = {}
        self._charted_key: SeriesKey | None = None
        self._statistic: Statistic = STATISTICS[0]
        self._has_bands = False
        self._seen: tuple[tuple[str, ...], int, bool] | None = None
        self._drawn: tuple[Mapping[str, Curve], tuple[SeriesKey, bool]] | None = None

    def compose(self) -> ComposeResult:
        """What is charted, the chart, metrics, settings."""
        yield JumpBar("compare", self._workspace.location.url)
        yield Notice()
        with Vertical(id="body"):
            yield Choice((), label="task  ", id="task", classes="switch")
            yield Choice((), label="metric", id="metric", classes="switch")
            yield Choice((), label="to the right", id="x", classes="switch")
            yield Choice((), label="upwards     ", id="y", classes="switch")
            yield Chart(id="chart", empty_text="none of these runs has such values yet")
            yield Table((), is_for_reading=True, id="metrics")
            yield Table((), is_for_reading=True, id="settings")
        yield EmptyState(
            "Nothing to compare yet",
            "Mark two or more runs on the first screen, then press c.",
            (("1", "all runs"), ("space", "mark there"), ("c", "compare there")),
        )
        yield KeyBar()

    def on_mount(self) -> None:
        """Nothing is compared at first."""
        self.query_one("#chart", Chart).smoothing = FIRST_SMOOTHING
        self.set_class(not self._run_ids, "-empty")

    def on_resize(self) -> None:
        """Less room for the tables on a low screen: they scroll."""
        self.set_class(self.size.height < 32, "-low")
        if self._comparison is not None:
            self._show_tables(self._comparison)

    def show_runs(self, run_ids: tuple[str, ...]) -> None:
        """Compare these runs, in this order."""
        if run_ids != self._run_ids:
            self._run_ids, self._seen = run_ids, None
            self._comparison, self._keys, self._dev = None, (), ()
            self._charted, self._charted_key = {}, None
        if self.is_mounted:
            self.set_class(not run_ids, "-empty")
            self.look()

    @property
    def comparison(self) -> Comparison | None:
        """The runs as last read."""
        return self._comparison

    # ── looking ───────────────────────────────────────────────────────────────

    def reading(self) -> Reading | None:
        """The comparison, dev curves and what is charted, unless nothing was written since.

        Curves of training are long: only those that are charted are read.
        """
        workspace, run_ids, seen = self._workspace, self._run_ids, self._seen
        key = self._charted_key
        if not run_ids:
            return None

        def read() -> ComparisonRead | None:
            version = workspace.store.data_version()
            if seen == (run_ids, version, True):
                return None
            comparison = reading.compare(workspace, run_ids)
            ids = [run.record.id for run in comparison.runs]
            series = workspace.store.series_of_runs(ids)
            keys = tuple(tuple(series.get(run_id, ())) for run_id in ids)
            dev = tuple(reading.dev_curves(workspace, comparison.runs))
            wanted = key or _first_key(comparison, keys)
            found = workspace.store.curves_of_runs(ids, [wanted]) if wanted is not None else {}
            charted = {run_id: curves[wanted] for run_id, curves in found.items() if wanted}
            return ComparisonRead(comparison, keys, dev, wanted, charted, version)

        return read

    @on(ComparisonRead)
    def _comparison_read(self, message: ComparisonRead) -> None:
        run_ids = tuple(run.record.id for run in message.comparison.runs)
        if run_ids != self._run_ids:
            return
        self.tell()
        are_over = all(run.state.is_over for run in message.comparison.runs)
        self._seen = (run_ids, message.version, are_over)
        self._comparison, self._keys, self._dev = message.comparison, message.keys, message.dev
        self._charted, self._charted_key = message.charted, message.key
        self._show_tables(message.comparison)
        self._offer_tasks()
        self._show_chart()
        if self.focused is None:
            self.query_one("#chart", Chart).focus()

    def _read_charted(self) -> None:
        """Read what is to be charted now; what was charted stays until it is there."""
        key, run_ids, workspace = self._wanted_key(), self._run_ids, self._workspace
        if key == self._charted_key or not run_ids:
            self._show_chart()
            return

        def read() -> None:
            try:
                found = workspace.store.curves_of_runs(run_ids, [key])
            except Exception as error:  # Said on the screen: nobody sees a thread die.
                self.post_message(WorkFailed("reading curves", problems_of(error)))
                return
            charted = {run_id: curves[key] for run_id, curves in found.items()}
            self.post_message(CurvesRead(run_ids, key, charted))

        self.run_worker(read, name="curves", group="curves", thread=True, exclusive=True,
                        exit_on_error=False)  # fmt: skip

    @on(CurvesRead)
    def _curves_read(self, message: CurvesRead) -> None:
        if message.run_ids == self._run_ids and message.key == self._wanted_key():
            self._charted, self._charted_key = message.curves, message.key
            self._show_chart()

    # ── the chart ─────────────────────────────────────────────────────────────

    def _offer_tasks(self) -> None:
        pairs = _chartable_keys(self._runs(), self._keys)
        tasks = [*dict.fromkeys(task for task, _ in pairs if task), _ALL_TASKS]
        self.query_one("#task", Choice).offer(tasks)
        self._offer_metrics()
        ways = [f"{row.task} {row.metric}" for row in self._rows() if row.metric != "loss"]
        ways += [f"{row.task} {row.metric}" for row in self._rows() if row.metric == "loss"]
        x, y = self.query_one("#x", Choice), self.query_one("#y", Choice)
        is_first = not y.words
        x.offer(ways)
        y.offer(ways)
        if is_first and len(ways) > 1:
            y.value = ways[1]

    def _offer_metrics(self) -> None:
        task = self._task_in_chart()
        pairs = _chartable_keys(self._runs(), self._keys)
        names = [name for owner, name in pairs if owner == task]
        self.query_one("#metric", Choice).offer(list(dict.fromkeys(names)))

    def _task_in_chart(self) -> str:
        chosen = self.query_one("#task", Choice).value
        return "" if chosen == _ALL_TASKS else chosen

    def _wanted_key(self) -> SeriesKey:
        split, _, metric = self.query_one("#metric", Choice).value.partition(" ")
        return SeriesKey(split, self._task_in_chart(), metric)

    def _show_chart(self) -> None:
        if self._comparison is None:
            return
        if self.has_class("-scatter"):
            self._show_scatter(self._comparison)
            return
        chart, key = self.query_one("#chart", Chart), self._wanted_key()
        if key != self._charted_key:
            self._read_charted()
            return
        drawn = (key, self._has_bands)
        if self._drawn is not None and self._drawn[0] is self._charted and self._drawn[1] == drawn:
            return  # each choice that is offered anew says that it has changed
        self._drawn = (self._charted, drawn)
        role = SeriesRole.LINE if key.split == "train" else SeriesRole.POINTS
        chart.x_label = "step"
        title = f"{key.task or 'all tasks'} {key.split} {key.metric}"
        chart.chart_title = visible(title + (", mean of seeds" if self._has_bands else ""))
        names = dict(zip(self._run_ids, distinct_names(self._comparison.runs), strict=True))
        if self._has_bands:
            chart.show(self._bands(role))
            return
        series = []
        for slot, run_id in enumerate(self._run_ids):
            curve = self._charted.get(run_id)
            if curve is not None:
                series.append(_line(names[run_id], curve, role, slot))
        chart.show(series)

    def _bands(self, role: SeriesRole) -> list[ChartSeries]:
        """One mean for each configuration, over the band of its seeds."""
        series: list[ChartSeries] = []
        for fold in SeedFolder().fold(self._runs()):
            found = [
                curve
                for run in fold.runs
                if (curve := self._charted.get(run.record.id)) is not None and curve.steps.size
            ]
            if not found:
                continue
            slot = self._run_ids.index(fold.runs[0].record.id)
            name = visible(fold.runs[0].record.name)
            if len(found) == 1:
                series.append(_line(name, found[0], role, slot))
                continue
            one = comparing.band(found)
            label = f"{name} ×{one.count}"
            series.append(ChartSeries(label, one.steps, one.mean, role, slot, mark=_letter(slot)))
            series.append(
                ChartSeries("seeds", one.steps, one.low, SeriesRole.BEST, slot,
                            mark=_letter(slot), top=one.high)
            )  # fmt: skip
        return series

    def _show_scatter(self, comparison: Comparison) -> None:
        self._drawn = None
        chart = self.query_one("#chart", Chart)
        rows = {f"{row.task} {row.metric}": row for row in self._rows()}
        across = rows.get(self.query_one("#x", Choice).value)
        up = rows.get(self.query_one("#y", Choice).value)
        if across is None or up is None:
            chart.show([])
            return
        points = [(_finite(x), _finite(y)) for x, y in zip(across.values, up.values, strict=True)]
        ways = (across.metric in LOWER_IS_BETTER, up.metric in LOWER_IS_BETTER)
        front = comparing.pareto_front(points, ways)
        names = distinct_names(comparison.runs)
        series = [
            ChartSeries(f"★ {name}" if at in front else name, np.array([x]), np.array([y]),
                        SeriesRole.POINTS, at, mark=_letter(at))
            for at, ((x, y), name) in enumerate(zip(points, names, strict=True))
            if np.isfinite(x) and np.isfinite(y)
        ]  # fmt: skip
        if len(front) > 1:
            x, y = np.array([points[at] for at in front]).T
            series.append(ChartSeries("none better in both", x, y, SeriesRole.BEST, 7, mark="★"))
        chart.x_label = visible(f"{across.task} {across.metric}")
        chart.chart_title = visible(
            f"{up.task} {up.metric} against {across.task} {across.metric}, {self._when}"
        )
        chart.cursor = chart.view = None
        chart.show(series)

    def _runs(self) -> tuple[RunSummary, ...]:
        return self._comparison.runs if self._comparison is not None else ()

    @on(Choice.Changed, "#task")
    def _task_changed(self) -> None:
        self._offer_metrics()
        self._show_chart()

    @on(Choice.Changed)
    def _choice_changed(self, message: Choice.Changed) -> None:
        if message.choice.id != "task":
            self._show_chart()

    # ── the tables ────────────────────────────────────────────────────────────

    def _rows(self) -> list[MetricRow]:
        if self._comparison is None:
            return []
        comparison = self._comparison
        rows = comparing.metric_rows(comparison, self._dev, self._statistic)
        return sorted(rows, key=lambda one: _place(comparison, one))

    def _show_tables(self, comparison: Comparison) -> None:
        has_room = len(comparison.runs) * _CELLS_PER_RUN <= self.size.width - 20
        if len(comparison.runs) <= _MOST_COLUMNS and (has_room or len(comparison.runs) <= 3):
            self._show_runs_as_columns(comparison)
        else:
            self._show_runs_as_rows(comparison)

    def _show_runs_as_columns(self, comparison: Comparison) -> None:
        names = [
            Column(f"{_letter(slot)} {name}", is_right=True, smallest=9)
            for slot, name in enumerate(distinct_names(comparison.runs))
        ]
        rows = [
            Row("state", (Content("state"), *(state_word(run.state) for run in comparison.runs))),
            Row("selection", (Content("selection"), *_selections(comparison))),
        ]
        for one in self._rows():
            label = Content.assemble((f"{visible(one.task)} ", ""), (visible(one.metric), ""))
            cells = [
                _winner(figures.metric(value), at == one.best)
                for at, value in enumerate(one.values)
            ]
            rows.append(Row(f"{one.task}/{one.metric}", (label, *cells)))
        # Both tables have one first column, so that a run's values stand above each other.
        width = max([27, *(len(key) for key, _ in comparison.settings)])
        metrics = self.query_one("#metrics", Table)
        metrics.show(rows, columns=[Column(self._heading.ljust(width), smallest=12), *names])
        self.query_one("#settings", Table).show(
            [
                Row(key, (Content(visible(key)), *(Content(visible(text)) for text in values)))
                for key, values in comparison.settings
            ]
            or [Row("", (Content("none: same settings"), *(Content() for _ in names)))],
            columns=[Column("settings that differ".ljust(width), smallest=12), *names],
        )

    def _show_runs_as_rows(self, comparison: Comparison) -> None:
        """Many runs: a line each with what they reached, and one with what sets them apart."""
        names = distinct_names(comparison.runs)
        labels = [
            Content.assemble((f"{_letter(slot)} ", "bold"), name) for slot, name in enumerate(names)
        ]
        metrics = self._rows()
        width = max([len(self._heading), *(label.cell_length for label in labels)])
        selections = _selections(comparison)
        self.query_one("#metrics", Table).show(
            [
                Row(
                    run.record.id,
                    (
                        labels[slot],
                        selections[slot],
                        *(
                            _winner(figures.metric(row.values[slot]), slot == row.best)
                            for row in metrics
                        ),
                        state_word(run.state),
                    ),
                )
                for slot, run in enumerate(comparison.runs)
            ],
            columns=[
                Column(self._heading.ljust(width), smallest=14),
                Column("selection", is_right=True),
                *(
                    Column(visible(f"{row.task} {row.metric}"), importance=at + 1, is_right=True,
                           smallest=9)
                    for at, row in enumerate(metrics)
                ),
                Column("state", importance=len(metrics) + 1),
            ],
        )  # fmt: skip
        self.query_one("#settings", Table).show(
            [
                Row(
                    run.record.id,
                    (
                        labels[slot],
                        *(Content(visible(values[slot])) for _, values in comparison.settings),
                    ),
                )
                for slot, run in enumerate(comparison.runs)
            ],
            columns=[
                Column("settings that differ".ljust(width), smallest=14),
                *(
                    Column(visible(key), importance=at + 1, smallest=8)
                    for at, (key, _) in enumerate(comparison.settings)
                ),
            ],
        )

    @property
    def _when(self) -> str:
        return self._statistic.replace("at best", "at the best")

    @property
    def _heading(self) -> str:
        return f"dev, {self._when}"

    # ── keys ──────────────────────────────────────────────────────────────────

    def action_task(self, places: int) -> None:
        """Chart another task; of a scatter what is to the right."""
        self.query_one("#x" if self.has_class("-scatter") else "#task", Choice).step(places)

    def action_metric(self, places: int) -> None:
        """Chart another metric; of a scatter what is upwards."""
        self.query_one("#y" if self.has_class("-scatter") else "#metric", Choice).step(places)

    def action_statistic(self) -> None:
        """Take something else of each dev curve."""
        at = STATISTICS.index(self._statistic)
        self._statistic = STATISTICS[(at + 1) % len(STATISTICS)]
        if self._comparison is not None:
            self._show_tables(self._comparison)
            self._show_chart()

    def action_bands(self) -> None:
        """Seeds as bands, or each run by itself."""
        self._has_bands = not self._has_bands
        self._show_chart()

    def action_scatter(self) -> None:
        """One metric against another, or the curves."""
        self.toggle_class("-scatter")
        self._show_chart()

    def action_zoom(self) -> None:
        """The chart alone, or with the tables."""
        self.toggle_class("-zoomed")

    def action_gains(self) -> None:
        """Lay these runs beside their tasks alone."""
        show_gains(self.app, self._workspace, self._runs())

    def action_write(self) -> None:
        """Ask for a file, and write it."""
        if self._comparison is None:
            return

        def answered(text: str | None) -> None:
            if text:
                self._write(Path(text.strip()))

        self.app.push_screen(
            PromptScreen(
                "Export the comparison",
                "A file; its ending says how: .md, .csv or .json",
                value=str(Path.cwd() / "comparison.md"),
            ),
            answered,
        )

    def _write(self, to: Path) -> None:
        comparison, rows, statistic = self._comparison, self._rows(), self._statistic

        def work() -> None:
            assert comparison is not None
            try:
                file = comparing.write_comparison(comparison, rows, to, statistic=statistic)
            except Exception as error:  # Said on the screen: nobody sees a thread die.
                self.post_message(WorkFailed("writing the comparison", problems_of(error)))
                return
            self.post_message(ComparisonWritten(str(file)))

        self.run_worker(work, name="write", group="write", thread=True, exit_on_error=False)

    @on(ComparisonWritten)
    def _written(self, message: ComparisonWritten) -> None:
        self.notify(visible(f"Written: {message.file}"), markup=False)

    @on(Table.Chosen)
    def _run_chosen(self, message: Table.Chosen) -> None:
        if message.key in self._run_ids:
            self.post_message(RunWanted(message.key))

    def action_home(self) -> None:
        """Back to the runs."""
        self.post_message(ScreenWanted("home"))


def _chartable_keys(
    runs: Sequence[RunSummary], keys: Sequence[Sequence[SeriesKey]]
) -> list[tuple[str, str]]:
    """Pairs of task and `dev accuracy`, of which some run has a curve; losses first."""
    found = {
        (key.task, f"{key.split} {key.metric}")
        for some in keys
        for key in some
        if not key.metric.startswith(_RATES) and "|" not in key.task  # cosines of two tasks
    }
    order = list(dict.fromkeys(task for run in runs for task in run.tasks))
    return sorted(
        found,
        key=lambda pair: (
            order.index(pair[0]) if pair[0] in order else len(order),
            pair[1] != "train loss",
            pair[1] != "dev loss",
            pair[1],
        ),
    )


def _first_key(comparison: Comparison, keys: Sequence[Sequence[SeriesKey]]) -> SeriesKey | None:
    """What is charted before anything was chosen."""
    pairs = [pair for pair in _chartable_keys(comparison.runs, keys) if pair[0]]
    pairs = pairs or _chartable_keys(comparison.runs, keys)
    if not pairs:
        return None
    split, _, metric = pairs[0][1].partition(" ")
    return SeriesKey(split, pairs[0][0], metric)


def _line(name: str, curve: Curve, role: SeriesRole, slot: int) -> ChartSeries:
    mark = _letter(slot) if role is SeriesRole.POINTS else ""
    return ChartSeries(name, curve.steps.astype(float), curve.values, role, slot, mark=mark)


def _letter(slot: int) -> str:
    return LETTERS_OF_RUNS[slot % len(LETTERS_OF_RUNS)]


def _finite(value: float | None) -> float:
    return float("nan") if value is None else value


def distinct_names(runs: Sequence[RunSummary]) -> list[str]:
    """Names of the runs; those of the same name with their seed, or the beginning of their id."""
    names = [run.record.name for run in runs]
    told = []
    for name, run in zip(names, runs, strict=True):
        twins = [one for one in runs if one.record.name == name]
        seeds = [one.record.config.seed for one in twins]
        if len(twins) == 1:
            told.append(visible(name))
        elif len(set(seeds)) == len(twins):
            told.append(visible(f"{name} seed {run.record.config.seed}"))
        else:
            told.append(visible(f"{name} {run.record.id[:4]}"))
    return told


def _place(comparison: Comparison, row: MetricRow) -> tuple[int, bool, str]:
    """Tasks in the order of the first run that has them, a loss after what is reported."""
    order = list(dict.fromkeys(task for run in comparison.runs for task in run.tasks))
    at = order.index(row.task) if row.task in order else len(order)
    return at, row.metric == "loss", row.metric


def _winner(text: str, is_best: bool) -> Content:
    """A value, set off by a star if no other run has a better one."""
    if is_best:
        return Content.assemble(("★ ", "$text-success"), (text, "bold $text-success"))
    return Content(text)


def _selections(comparison: Comparison) -> list[Content]:
    values = [run.selection for run in comparison.runs]
    rules = {run.record.config.selection.model_dump_json() for run in comparison.runs}
    known = [value for value in values if value is not None]
    # Values of different rules measure different things, so none of them wins.
    top = max(known) if len(known) > 1 and len(rules) == 1 else None
    return [_winner(figures.metric(value), value == top and top is not None) for value in values]
