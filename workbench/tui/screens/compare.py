"""Compare: two or more runs, their curves overlaid, their metrics and settings side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content

from workbench.operations import reading
from workbench.operations.reading import Comparison, MetricRow, RunSummary
from workbench.operations.workspace import Workspace
from workbench.store.records import Curve, SeriesKey
from workbench.tui import figures
from workbench.tui.charts.series import LETTERS, ChartSeries, SeriesRole
from workbench.tui.messages import ComparisonRead, ScreenWanted
from workbench.tui.screens.live import LiveScreen, Reading
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


class CompareScreen(LiveScreen):
    """Each run keeps its letter and colour in the chart and in both tables."""

    PURPOSE = (
        "Runs side by side: curves of one task overlaid, metrics at each run's best checkpoint "
        "with the winner marked ★, and only those settings that differ. "
        "Mark runs with space on the first screen to choose which."
    )

    AUTO_FOCUS = "#chart"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("t", "task(1)", "Task", id="compare.task", tooltip="Chart the next task"),
        Binding("T", "task(-1)", "Task before", show=False, id="compare.task-before",
                tooltip="Chart the task before"),
        Binding("m", "metric(1)", "Metric", id="compare.metric", tooltip="Chart the next metric"),
        Binding("M", "metric(-1)", "Metric before", show=False, id="compare.metric-before",
                tooltip="Chart the metric before"),
        Binding("z", "zoom", "Full", id="compare.zoom",
                tooltip="The chart at full size, or the tables too"),
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
        self._curves: tuple[Mapping[SeriesKey, Curve], ...] = ()
        self._seen: tuple[tuple[str, ...], int, bool] | None = None

    def compose(self) -> ComposeResult:
        """What is charted, the chart, metrics, settings."""
        yield JumpBar("compare", self._workspace.location.url)
        yield Notice()
        with Vertical(id="body"):
            yield Choice((), label="task  ", id="task", classes="switch")
            yield Choice((), label="metric", id="metric", classes="switch")
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

    def show_runs(self, run_ids: tuple[str, ...]) -> None:
        """Compare these runs, in this order."""
        if run_ids != self._run_ids:
            self._run_ids, self._seen = run_ids, None
            self._comparison, self._curves = None, ()
        if self.is_mounted:
            self.set_class(not run_ids, "-empty")
            self.look()

    @property
    def comparison(self) -> Comparison | None:
        """The runs as last read."""
        return self._comparison

    # ── looking ───────────────────────────────────────────────────────────────

    def reading(self) -> Reading | None:
        """The comparison and all curves, unless nothing was written since."""
        workspace, run_ids, seen = self._workspace, self._run_ids, self._seen
        if not run_ids:
            return None

        def read() -> ComparisonRead | None:
            version = workspace.store.data_version()
            if seen == (run_ids, version, True):
                return None
            comparison = reading.compare(workspace, run_ids)
            curves = tuple(reading.curves(workspace, run_id) for run_id in run_ids)
            return ComparisonRead(comparison, curves, version)

        return read

    @on(ComparisonRead)
    def _comparison_read(self, message: ComparisonRead) -> None:
        run_ids = tuple(run.record.id for run in message.comparison.runs)
        if run_ids != self._run_ids:
            return
        self.tell()
        are_over = all(run.state.is_over for run in message.comparison.runs)
        self._seen = (run_ids, message.version, are_over)
        self._comparison, self._curves = message.comparison, message.curves
        self._show_tables(message.comparison)
        self._offer_tasks()
        self._show_chart()
        if self.focused is None:
            self.query_one("#chart", Chart).focus()

    # ── the chart ─────────────────────────────────────────────────────────────

    def _offer_tasks(self) -> None:
        keys = self._chartable_keys()
        tasks = [*dict.fromkeys(task for task, _ in keys if task), _ALL_TASKS]
        self.query_one("#task", Choice).offer(tasks)
        self._offer_metrics()

    def _offer_metrics(self) -> None:
        task = self._task_in_chart()
        names = [name for owner, name in self._chartable_keys() if owner == task]
        self.query_one("#metric", Choice).offer(list(dict.fromkeys(names)))

    def _chartable_keys(self) -> list[tuple[str, str]]:
        """Pairs of task and `dev accuracy`, of which some run has a curve; losses first."""
        found = {
            (key.task, f"{key.split} {key.metric}")
            for curves in self._curves
            for key in curves
            if not key.metric.startswith(_RATES)
        }
        order = [task for run in self._runs() for task in run.tasks]
        return sorted(
            found,
            key=lambda pair: (
                order.index(pair[0]) if pair[0] in order else len(order),
                pair[1] != "train loss",
                pair[1] != "dev loss",
                pair[1],
            ),
        )

    def _task_in_chart(self) -> str:
        chosen = self.query_one("#task", Choice).value
        return "" if chosen == _ALL_TASKS else chosen

    def _show_chart(self) -> None:
        chart = self.query_one("#chart", Chart)
        task, shown = self._task_in_chart(), self.query_one("#metric", Choice).value
        split, _, metric = shown.partition(" ")
        role = SeriesRole.LINE if split == "train" else SeriesRole.POINTS
        series = []
        if self._comparison is None:
            return
        names = _distinct_names(self._comparison)
        for slot, (label, curves) in enumerate(zip(names, self._curves, strict=True)):
            curve = curves.get(SeriesKey(split, task, metric))
            if curve is not None:
                steps = curve.steps.astype(float)
                series.append(ChartSeries(label, steps, curve.values, role, slot))
        chart.chart_title = visible(f"{task or 'all tasks'} {shown}")
        chart.show(series)

    def _runs(self) -> tuple[RunSummary, ...]:
        return self._comparison.runs if self._comparison is not None else ()

    @on(Choice.Changed, "#task")
    def _task_changed(self) -> None:
        self._offer_metrics()
        self._show_chart()

    @on(Choice.Changed, "#metric")
    def _metric_changed(self) -> None:
        self._show_chart()

    # ── the tables ────────────────────────────────────────────────────────────

    def _show_tables(self, comparison: Comparison) -> None:
        names = [
            Column(f"{LETTERS[slot % 26]} {name}", is_right=True, smallest=9)
            for slot, name in enumerate(_distinct_names(comparison))
        ]
        rows = [
            Row("state", (Content("state"), *(state_word(run.state) for run in comparison.runs))),
            Row("selection", (Content("selection"), *_selections(comparison))),
        ]
        for one in sorted(comparison.metrics, key=lambda one: _place(comparison, one)):
            label = Content.assemble((f"{visible(one.task)} ", ""), (visible(one.metric), ""))
            cells = [
                _winner(figures.metric(value), at == one.best)
                for at, value in enumerate(one.values)
            ]
            rows.append(Row(f"{one.task}/{one.metric}", (label, *cells)))
        # Both tables have one first column, so that a run's values stand above each other.
        width = max([27, *(len(key) for key, _ in comparison.settings)])
        metrics = self.query_one("#metrics", Table)
        metrics.show(
            rows, columns=[Column("dev, at the best checkpoint".ljust(width), smallest=12), *names]
        )
        self.query_one("#settings", Table).show(
            [
                Row(key, (Content(visible(key)), *(Content(visible(text)) for text in values)))
                for key, values in comparison.settings
            ]
            or [Row("", (Content("none: same settings"), *(Content() for _ in names)))],
            columns=[Column("settings that differ".ljust(width), smallest=12), *names],
        )

    # ── keys ──────────────────────────────────────────────────────────────────

    def action_task(self, places: int) -> None:
        """Chart another task."""
        self.query_one("#task", Choice).step(places)

    def action_metric(self, places: int) -> None:
        """Chart another metric."""
        self.query_one("#metric", Choice).step(places)

    def action_zoom(self) -> None:
        """The chart alone, or with the tables."""
        self.toggle_class("-zoomed")

    def action_home(self) -> None:
        """Back to the runs."""
        self.post_message(ScreenWanted("home"))


def _distinct_names(comparison: Comparison) -> list[str]:
    """Names of the runs; those of the same name with the beginning of their id."""
    names = [run.record.name for run in comparison.runs]
    return [
        visible(name if names.count(name) == 1 else f"{name} {run.record.id[:4]}")
        for name, run in zip(names, comparison.runs, strict=True)
    ]


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
