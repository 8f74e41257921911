"""Compare: two or more runs, their curves overlaid, their metrics and settings side by side."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from workbench.operations import comparing, reading
from workbench.operations.comparing import STATISTICS, Statistic
from workbench.operations.reading import Comparison, MetricRow, RunSummary
from workbench.operations.workspace import Workspace
from workbench.store.records import Curve, SeriesKey
from workbench.tui.charts.series import SeriesRole
from workbench.tui.comparison_charts import (
    band_series,
    chartable_keys,
    curve_series,
    first_key,
    scatter_series,
)
from workbench.tui.comparison_tables import comparison_tables, in_order
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
from workbench.tui.visible import visible
from workbench.tui.widgets.chart import Chart
from workbench.tui.widgets.choice import Choice
from workbench.tui.widgets.empty_state import EmptyState
from workbench.tui.widgets.jump_bar import JumpBar
from workbench.tui.widgets.key_bar import KeyBar
from workbench.tui.widgets.notice import Notice
from workbench.tui.widgets.table import Table

_ALL_TASKS = "(all)"
"""Stands for what belongs to no task: the weighted loss, the selection value."""
FIRST_SMOOTHING = 0.6


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
            wanted = key or first_key(comparison.runs, keys)
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
        pairs = chartable_keys(self._runs(), self._keys)
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
        pairs = chartable_keys(self._runs(), self._keys)
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
        series = band_series if self._has_bands else curve_series
        chart.show(series(self._comparison.runs, self._charted, role))

    def _show_scatter(self, comparison: Comparison) -> None:
        self._drawn = None
        chart = self.query_one("#chart", Chart)
        rows = {f"{row.task} {row.metric}": row for row in self._rows()}
        across = rows.get(self.query_one("#x", Choice).value)
        up = rows.get(self.query_one("#y", Choice).value)
        if across is None or up is None:
            chart.show([])
            return
        chart.x_label = visible(f"{across.task} {across.metric}")
        chart.chart_title = visible(
            f"{up.task} {up.metric} against {across.task} {across.metric}, {self._when}"
        )
        chart.cursor = chart.view = None
        chart.show(scatter_series(comparison.runs, across, up))

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
        rows = comparing.metric_rows(self._comparison, self._dev, self._statistic)
        return in_order(self._comparison, rows)

    def _show_tables(self, comparison: Comparison) -> None:
        heading = f"dev, {self._when}"
        shown = comparison_tables(comparison, self._rows(), heading, self.size.width)
        for name, content in (("#metrics", shown.metrics), ("#settings", shown.settings)):
            self.query_one(name, Table).show(content.rows, columns=content.columns)

    @property
    def _when(self) -> str:
        return self._statistic.replace("at best", "at the best")

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
