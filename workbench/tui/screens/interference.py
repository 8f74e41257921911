"""Interference: which tasks of a run pull the shared parameters the same way, and which do not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Static

from workbench.operations import interference, reading
from workbench.operations.interference import Pair
from workbench.operations.reading import RunSummary
from workbench.operations.workspace import Workspace
from workbench.store.records import Curve, SeriesKey
from workbench.tui import figures
from workbench.tui.charts.series import ChartSeries, SeriesRole
from workbench.tui.history import CurveHistory
from workbench.tui.messages import InterferenceRead, RunWanted, ScreenWanted
from workbench.tui.screens.live import LiveScreen, Reading
from workbench.tui.visible import visible
from workbench.tui.widgets.chart import Chart
from workbench.tui.widgets.choice import Choice
from workbench.tui.widgets.empty_state import EmptyState
from workbench.tui.widgets.jump_bar import JumpBar
from workbench.tui.widgets.key_bar import KeyBar
from workbench.tui.widgets.notice import Notice
from workbench.tui.widgets.run_header import RunHeader
from workbench.tui.widgets.table import Column, Row, Table

_WHOLE = "all shared parameters"
_SMOOTHING = 0.6


class InterferenceScreen(LiveScreen):
    """A matrix of cosines, the pairs from the worst on, and the history of the chosen one."""

    PURPOSE = (
        "The cosine between the gradients of each two tasks on the parameters that they share. "
        "Above 0 they help each other, below 0 each step of one undoes a part of the other's. "
        "In the matrix: mean of the last looks above the diagonal, share of looks in conflict "
        "below it."
    )

    AUTO_FOCUS = "#pairs"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("m", "part(1)", "Part", id="interference.part",
                tooltip="Look at another part of the model, if cosines were taken by part"),
        Binding("r", "run", "Curves", id="interference.run", tooltip="The curves of this run"),
        Binding("escape", "run", "Back", show=False, id="interference.back",
                tooltip="Back to the curves of the run"),
    ]  # fmt: skip

    DEFAULT_CSS = """
    InterferenceScreen {
        EmptyState { display: none; }
        &.-empty EmptyState { display: block; }
        &.-empty #body { display: none; }
        #body { height: 1fr; }
        #tables { height: auto; max-height: 55%; margin-top: 1; }
        #matrix { width: auto; max-width: 60%; height: auto; padding: 0 2; }
        #pairs { width: 1fr; height: auto; min-height: 5; }
        #part { height: 1; display: none; padding: 0 1; }
        &.-parts #part { display: block; }
        Chart { height: 1fr; min-height: 6; margin: 0 1; }
    }
    """

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self._workspace = workspace
        self._run_id: str | None = None
        self._summary: RunSummary | None = None
        self._history = CurveHistory()
        self._version: int | None = None

    def compose(self) -> ComposeResult:
        """The run, the matrix beside the pairs, the history of one."""
        yield JumpBar("run", self._workspace.location.url)
        yield Notice()
        with Vertical(id="body"):
            yield RunHeader()
            yield Choice((), label="of", id="part")
            with Horizontal(id="tables"):
                yield Static(id="matrix")
                yield Table(_COLUMNS, id="pairs")
            yield Chart(empty_text="no cosine of this pair yet")
        yield EmptyState(
            "No cosines of this run",
            "They are measured while a run of two or more tasks trains, every so many updates:\n"
            "see instruments.interference_every among its settings.",
            (("r", "the run's curves"), ("1", "all runs"), ("?", "help")),
        )
        yield KeyBar()

    def on_mount(self) -> None:
        """Nothing is known at first."""
        self.query_one(Chart).smoothing = _SMOOTHING

    def show_run(self, run_id: str) -> None:
        """Show the cosines of a run."""
        if run_id != self._run_id:
            self._run_id, self._summary, self._version = run_id, None, None
            self._history = CurveHistory()
        if self.is_mounted:
            self.look()

    # ── looking ───────────────────────────────────────────────────────────────

    def reading(self) -> Reading | None:
        """The cosines that came since the last look."""
        workspace, run_id, version = self._workspace, self._run_id, self._version
        if run_id is None:
            return None
        cursor = self._history.cursor()

        def read() -> InterferenceRead | None:
            now = workspace.store.data_version()
            if now == version:
                return None
            keys = interference.cosine_keys(workspace.store.series(run_id))
            curves = workspace.store.curves(run_id, after=cursor, keys=keys) if keys else {}
            return InterferenceRead(reading.summarize(workspace, run_id), curves, now)

        return read

    @on(InterferenceRead)
    def _interference_read(self, message: InterferenceRead) -> None:
        if message.summary.record.id != self._run_id:
            return
        self.tell()
        self._summary, self._version = message.summary, message.version
        self._history.add(message.curves)
        self.set_class(not any(True for _ in self._history), "-empty")
        self.query_one(RunHeader).show_run(message.summary, None)
        parts = interference.parts_of(self._history)
        self.set_class(len(parts) > 1, "-parts")
        self.query_one("#part", Choice).offer([part or _WHOLE for part in parts])
        self._show()

    def _curves(self) -> dict[SeriesKey, Curve]:
        return {key: one for key in self._history if (one := self._history.get(key)) is not None}

    @property
    def _part(self) -> str:
        chosen = self.query_one("#part", Choice).value
        return "" if chosen == _WHOLE else chosen

    def _show(self) -> None:
        run = self._summary
        if run is None:
            return
        found = interference.pairs(self._curves(), self._part)
        self.query_one("#matrix", Static).update(matrix(run.tasks, found))
        self.query_one("#pairs", Table).show([_row(pair) for pair in found])
        self._show_chart()

    def _show_chart(self) -> None:
        chart, name = self.query_one(Chart), self.query_one("#pairs", Table).cursor_key
        curve = self._history.get(interference.cosine_key(name, self._part)) if name else None
        if curve is None or name is None:
            chart.show([])
            return
        steps = curve.steps.astype(float)
        chart.chart_title = visible(f"cosine of {name.replace('|', ' and ')}")
        zero = ChartSeries("zero", steps[[0, -1]], steps[[0, -1]] * 0, SeriesRole.BEST, 7)
        chart.show([ChartSeries("cosine", steps, curve.values, SeriesRole.LINE, 0), zero])

    @on(Table.Highlighted)
    def _pair_chosen(self) -> None:
        self._show_chart()

    @on(Choice.Changed)
    def _part_changed(self) -> None:
        self._show()

    # ── keys ──────────────────────────────────────────────────────────────────

    def action_part(self, places: int) -> None:
        """Another part of the model."""
        self.query_one("#part", Choice).step(places)

    def action_run(self) -> None:
        """Back to the curves."""
        if self._run_id is not None:
            self.post_message(RunWanted(self._run_id))
        else:
            self.post_message(ScreenWanted("home"))


_COLUMNS = (
    Column("pair", smallest=14),
    Column("now", is_right=True),
    Column("", smallest=9, importance=3),
    Column("mean", importance=2, is_right=True),
    Column("conflict", is_right=True),
    Column("looks", importance=4, is_right=True),
)


def _row(pair: Pair) -> Row:
    return Row(
        pair.name,
        (
            Content(visible(f"{pair.first} | {pair.second}")),
            Content.styled(_signed(pair.recent), f"bold {_colour(pair.recent)}"),
            _bar(pair.recent),
            Content(_signed(pair.mean)),
            Content(figures.percent(pair.conflict)),
            Content.styled(str(pair.looks), "$foreground 65%"),
        ),
    )


def _bar(value: float) -> Content:
    """From the middle to the left below 0, to the right above it."""
    cells = 4
    if not math.isfinite(value):
        return Content()
    size = min(cells, round(abs(value) * cells * 2))
    left = "━" * size if value < 0 else ""
    right = "━" * size if value >= 0 else ""
    return Content.assemble(
        (left.rjust(cells), "$text-error"), ("┃", "$foreground 50%"), (right, "$text-success")
    )


def matrix(tasks: Sequence[str], pairs: Sequence[Pair]) -> Content:
    """Mean cosine of the last looks above the diagonal, share of looks in conflict below."""
    by_tasks = {frozenset((pair.first, pair.second)): pair for pair in pairs}
    names = [visible(task)[:_NAME_CELLS] for task in tasks]
    cells = max(6, min(_NAME_CELLS, max(map(len, names), default=0)))
    head = Content.assemble(" " * (cells + 1), *[(f"{name:>{cells}} ", "bold") for name in names])
    lines = [head]
    for row, name in enumerate(names):
        parts: list[tuple[str, str]] = [(f"{name:<{cells}} ", "bold")]
        for column in range(len(names)):
            pair = by_tasks.get(frozenset((tasks[row], tasks[column])))
            if row == column:
                parts.append((f"{'·':>{cells}} ", "$foreground 40%"))
            elif pair is None:
                parts.append((f"{figures.NOTHING:>{cells}} ", "$foreground 40%"))
            elif column > row:
                parts.append((f"{_signed(pair.recent):>{cells}} ", _colour(pair.recent)))
            else:
                parts.append((f"{figures.percent(pair.conflict):>{cells}} ", "$foreground 65%"))
        lines.append(Content.assemble(*parts))
    return Content("\n").join(lines)


_NAME_CELLS = 10


def _signed(value: float) -> str:
    return f"{value:+.2f}" if math.isfinite(value) else figures.NOTHING


def _colour(value: float) -> str:
    """The sign tells the same: colour only repeats it."""
    if not math.isfinite(value) or abs(value) < 0.05:
        return "$foreground"
    return "$text-error" if value < 0 else "$text-success"
