"""Run: one run, live. Charts per task, metrics, rates, progress, log, and the way to stop it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from workbench.operations import reading
from workbench.operations.reading import RunSummary
from workbench.operations.workspace import Workspace
from workbench.store.records import CheckpointRecord
from workbench.tui.history import CurveHistory
from workbench.tui.messages import CheckpointsWanted, RunRead, ScreenWanted, StopWanted
from workbench.tui.run_charts import (
    chart_series,
    chart_specs,
    charts_touched,
    checkpoint_events,
    span_of_steps,
)
from workbench.tui.screens.live import LiveScreen, Reading
from workbench.tui.widgets.chart_grid import ChartGrid
from workbench.tui.widgets.empty_state import EmptyState
from workbench.tui.widgets.failure_panel import FailurePanel
from workbench.tui.widgets.jump_bar import JumpBar
from workbench.tui.widgets.key_bar import KeyBar
from workbench.tui.widgets.log_tail import LogTail
from workbench.tui.widgets.notice import Notice
from workbench.tui.widgets.run_header import RunHeader

FIRST_SMOOTHING = 0.6
_LOG_LINES = 200
_ROOM_FOR_LOG = 34
"""Rows from which the log is shown without being asked for."""


@dataclass(frozen=True)
class _Seen:
    """What the last reading was, to know whether a new one can tell anything."""

    version: int
    is_over: bool
    has_log: bool


class RunScreen(LiveScreen):
    """Reads on from where it was; what did not change is not painted again."""

    PURPOSE = (
        "One run as it goes: the loss of each task (raw faint, smoothed on top, dev as points), "
        "dev metrics, learning rates. The cursor is shared by all charts. "
        "Leaving this screen, or the program, does not touch the run."
    )

    AUTO_FOCUS = "GridChart"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("z", "zoom", "Full", id="run.zoom",
                tooltip="The chart in focus at full size, or all again"),
        Binding("o", "output", "Output", id="run.output", tooltip="Show or hide the log's end"),
        Binding("x", "stop", "Stop", id="run.stop", tooltip="Stop the run (asks first)"),
        Binding("k", "checkpoints", "Ckpts", id="run.checkpoints",
                tooltip="Checkpoints of this run, and export"),
        Binding("down", "chart(1)", "Next chart", show=False, id="run.next-chart",
                tooltip="Go to the next chart"),
        Binding("up", "chart(-1)", "Previous chart", show=False, id="run.previous-chart",
                tooltip="Go to the chart before"),
        Binding("escape", "home", "Home", show=False, id="run.home",
                tooltip="Show all charts again, then back to all runs"),
    ]  # fmt: skip

    DEFAULT_CSS = """
    RunScreen {
        EmptyState { display: none; }
        LogTail { display: none; }
        &.-log LogTail { display: block; }
        LogTail.-silent { display: none; }
        &.-before ChartGrid { display: none; }
        &.-before LogTail { display: block; height: 1fr; }
        &.-empty EmptyState { display: block; }
        &.-empty ChartGrid, &.-empty RunHeader, &.-empty LogTail { display: none; }
    }
    """

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self._workspace = workspace
        self._run_id: str | None = None
        self._history = CurveHistory()
        self._summary: RunSummary | None = None
        self._epoch: float | None = None
        self._checkpoints: tuple[CheckpointRecord, ...] = ()
        self._seen: _Seen | None = None
        self._wants_log: bool | None = None

    def compose(self) -> ComposeResult:
        """Head, trouble if any, charts, log, keys."""
        yield JumpBar("run", self._workspace.location.url)
        yield Notice()
        yield RunHeader()
        yield FailurePanel()
        yield ChartGrid()
        yield EmptyState(
            "No run is open",
            "Choose one among all runs, or start a new one.",
            (("1", "all runs"), ("2", "new experiment"), ("?", "help")),
        )
        yield LogTail()
        yield KeyBar()

    def on_mount(self) -> None:
        """Nothing is open at first."""
        self.set_class(self._run_id is None, "-empty")

    @property
    def run_id(self) -> str | None:
        """The run that is open."""
        return self._run_id

    @property
    def summary(self) -> RunSummary | None:
        """The run as last read."""
        return self._summary

    def show_run(self, run_id: str) -> None:
        """Open a run; the one that is open goes on being read from where it was."""
        if run_id != self._run_id:
            self._run_id = run_id
            self._forget()
            self._summary, self._checkpoints = None, ()
        if self.is_mounted:
            self.set_class(False, "-empty")
            self.look()

    def _forget(self) -> None:
        self._history, self._seen, self._epoch = CurveHistory(), None, None

    # ── looking ───────────────────────────────────────────────────────────────

    def reading(self) -> Reading | None:
        """What came after the last reading; nothing if nothing was written."""
        run_id = self._run_id
        if run_id is None:
            return None
        has_log = self.has_class("-log") or self.has_class("-before")
        workspace, seen = self._workspace, self._seen
        cursor = self._history.cursor()
        last_step = self._summary.step if self._summary is not None and cursor else 0

        def read() -> RunRead | None:
            version = workspace.store.data_version()
            if seen is not None and seen == _Seen(version, True, has_log):
                return None
            summary = reading.summarize(workspace, run_id)
            steps = reading.steps(workspace, run_id, after=last_step)
            log = tuple(reading.log_tail(workspace, run_id, _LOG_LINES)) if has_log else None
            return RunRead(
                run_id,
                summary,
                reading.curves(workspace, run_id, after=cursor),
                float(steps.epochs[-1]) if steps.epochs.size else None,
                tuple(reading.checkpoints(workspace, run_id)),
                log,
                version,
            )

        return read

    @on(RunRead)
    async def _run_read(self, message: RunRead) -> None:
        if message.run_id != self._run_id:
            return  # Another run was opened while this one was being read.
        self.tell()
        run, before = message.summary, self._summary
        if before is not None and run.step < before.step:
            # The run was resumed from an earlier checkpoint: its curves were written anew.
            self._forget()
            self._summary = None
            self.look()
            return
        grid = self.query_one(ChartGrid)
        is_new = before is None
        self._summary = run
        self._epoch = message.epoch if message.epoch is not None else self._epoch
        self._seen = _Seen(message.version, run.state.is_over, message.log is not None)
        if before is None or before.state.is_over != run.state.is_over:
            self.refresh_bindings()
        self.query_one(RunHeader).show_run(run, self._epoch)
        self.query_one(FailurePanel).show_run(run)
        await grid.show_specs(chart_specs(run))
        self._show_log_before_first_step(run)
        changed = charts_touched(run, self._history.add(message.curves))
        if message.checkpoints != self._checkpoints or is_new:
            self._checkpoints = message.checkpoints
            changed = {chart.key for chart in grid.charts}
        grid.span(span_of_steps(run))
        events = checkpoint_events(self._checkpoints)
        for chart in grid.charts:
            if is_new and chart.family == "loss":
                chart.smoothing = FIRST_SMOOTHING
            if chart.key in changed:
                chart.show(chart_series(chart.key, run, self._history), events)
        if message.log is not None:
            # An empty box says nothing, unless it was asked for.
            is_asked_for = self._wants_log or self.has_class("-before")
            nothing = ("no log of this run on this machine",) if is_asked_for else ()
            self.query_one(LogTail).show_lines(message.log or nothing)
        if self.focused is None and grid.charts:
            grid.charts[0].focus()

    def _show_log_before_first_step(self, run: RunSummary) -> None:
        """Until there is anything to chart, the log tells what goes on, or what went wrong."""
        is_before = run.step == 0
        if is_before != self.has_class("-before"):
            self.set_class(is_before, "-before")
            if is_before:
                self.look()
            elif isinstance(self.focused, LogTail):
                self.set_focus(None)

    def on_resize(self) -> None:
        """Show the log where there is room for it, unless it was asked for or sent away."""
        if self._wants_log is None:
            self.set_class(self.size.height >= _ROOM_FOR_LOG, "-log")

    # ── keys ──────────────────────────────────────────────────────────────────

    def action_zoom(self) -> None:
        """One chart at full size, or all."""
        self.query_one(ChartGrid).toggle_zoom()

    def action_chart(self, places: int) -> None:
        """Go to another chart."""
        self.query_one(ChartGrid).step_zoom(places)

    def action_output(self) -> None:
        """Show or hide the log."""
        self._wants_log = not self.has_class("-log")
        self.set_class(self._wants_log, "-log")
        self.look()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer to stop only what goes on."""
        is_over = self._summary is not None and self._summary.state.is_over
        return not (action == "stop" and is_over)

    def action_stop(self) -> None:
        """Ask whether to stop."""
        if self._summary is not None:
            self.post_message(StopWanted(self._summary))

    def action_checkpoints(self) -> None:
        """Go to the checkpoints."""
        if self._run_id is not None:
            self.post_message(CheckpointsWanted(self._run_id))

    def action_home(self) -> None:
        """Small again, then away."""
        if self.query_one(ChartGrid).zoomed is not None:
            self.action_zoom()
        else:
            self.post_message(ScreenWanted("home"))
