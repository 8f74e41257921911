"""Run: one run, live. Charts per task, metrics, rates, progress, log, and the way to stop it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from workbench.events import RunResumed
from workbench.operations import reading
from workbench.operations.reading import RunSummary
from workbench.operations.workspace import Workspace
from workbench.store.records import CheckpointRecord, MessageRecord, StepTable
from workbench.tui import requests
from workbench.tui.history import CurveHistory
from workbench.tui.messages import (
    CheckpointsWanted,
    InterferenceWanted,
    RequestSent,
    RunRead,
    ScreenWanted,
    StopWanted,
    WorkFailed,
)
from workbench.tui.preferences import load_preferences, save_preferences
from workbench.tui.run_charts import (
    ChartChoice,
    chart_series,
    chart_specs,
    charts_touched,
    run_events,
    span_of,
)
from workbench.tui.screens.confirm import ConfirmScreen
from workbench.tui.screens.live import LiveScreen, Reading, problems_of
from workbench.tui.screens.log_screen import LogScreen
from workbench.tui.screens.settings_screen import SettingsScreen
from workbench.tui.visible import visible
from workbench.tui.widgets.chart import Chart
from workbench.tui.widgets.chart_grid import ChartGrid
from workbench.tui.widgets.empty_state import EmptyState
from workbench.tui.widgets.failure_panel import FailurePanel
from workbench.tui.widgets.jump_bar import JumpBar
from workbench.tui.widgets.key_bar import KeyBar
from workbench.tui.widgets.log_tail import LogTail
from workbench.tui.widgets.notice import Notice
from workbench.tui.widgets.run_header import RunHeader
from workbench.tui.widgets.value_table import ValueTable
from workbench.tui.x_axis import AXES, joined, x_axis
from workbench.worker.liveness import RunState, process_to_see
from workbench.worker.machine import MachineWatch
from workbench.worker.resumption import obeyed

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
        "dev metrics, learning rates. The cursor is shared by all charts. Marked on the axis: "
        "◆ checkpoint, ▾ evaluation, × not a number, ↻ resumed, ~ learning rate. A zoom that "
        "reaches to the end moves on with it. Leaving this screen does not touch the run."
    )

    AUTO_FOCUS = "GridChart"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("z", "zoom", "Full", id="run.zoom",
                tooltip="The chart in focus at full size, or all again"),
        Binding("o", "output", "Output", id="run.output", tooltip="Show or hide the log's end"),
        Binding("x", "stop", "Stop", id="run.stop", tooltip="Stop the run (asks first)"),
        Binding("p", "pause", "Pause", id="run.pause",
                tooltip="Let the run pause (asks first), or go on"),
        Binding("w", "save", "Save now", id="run.save", show=False,
                tooltip="Save a checkpoint after this step"),
        Binding("v", "evaluate", "Evaluate now", id="run.evaluate", show=False,
                tooltip="Evaluate dev after this step"),
        Binding("k", "checkpoints", "Ckpts", id="run.checkpoints",
                tooltip="Checkpoints of this run, and export"),
        Binding("m", "overlay", "Overlay", id="run.overlay",
                tooltip="The losses of all tasks in one chart, or in one each"),
        Binding("i", "values", "Values", id="run.values",
                tooltip="A table of the values at the cursor"),
        Binding("a", "axis", "Axis", id="run.axis",
                tooltip="Count steps, epochs, minutes or texts on the x axis"),
        Binding("b", "best", "Best", id="run.best", show=False,
                tooltip="Draw the best value so far beside each dev curve"),
        Binding("M", "machine", "Machine", id="run.machine", show=False,
                tooltip="A chart of the processors, memory and GPUs in use, or none"),
        Binding("h", "settings", "Settings", id="run.settings", show=False,
                tooltip="What the run was asked to do"),
        Binding("L", "log", "Log", id="run.log", show=False,
                tooltip="The whole log: search, go to the first error"),
        Binding("g", "interference", "Interference", id="run.interference", show=False,
                tooltip="How the tasks' gradients stand to one another"),
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
        &.-values ValueTable { display: block; }
        &.-before ValueTable, &.-empty ValueTable { display: none; }
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
        self._messages: tuple[MessageRecord, ...] = ()
        self._steps: StepTable | None = None
        self._axis_name = AXES[0]
        self._choice = ChartChoice()
        self._machine = MachineWatch()
        self._draws_all = False
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
        yield ValueTable()
        yield LogTail()
        yield KeyBar()

    def on_mount(self) -> None:
        """Nothing is open at first; curves are seen as they were the last time."""
        preferences = load_preferences()
        self._axis_name = preferences.x_axis if preferences.x_axis in AXES else AXES[0]
        self._choice = ChartChoice(overlays=preferences.overlays)
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
            self._summary, self._checkpoints, self._messages = None, (), ()
            for grid in self.query(ChartGrid):
                grid.reset_look()
        if self.is_mounted:
            self.set_class(False, "-empty")
            self.look()

    def _forget(self) -> None:
        self._history, self._seen, self._epoch = CurveHistory(), None, None
        self._steps = None
        self._choice = replace(self._choice, axis=x_axis(AXES[0], None))

    # ── looking ───────────────────────────────────────────────────────────────

    def reading(self) -> Reading | None:
        """What came after the last reading; nothing if nothing was written."""
        run_id = self._run_id
        if run_id is None:
            return None
        has_log = self.has_class("-log") or self.has_class("-before")
        workspace, seen, machine = self._workspace, self._seen, self._machine
        cursor = self._history.cursor()
        needs_table = self._axis_name != AXES[0]
        known = self._steps
        after = int(known.steps[-1]) if known is not None and known.steps.size else 0

        def read() -> RunRead | None:
            version = workspace.store.data_version()
            if seen is not None and seen == _Seen(version, True, has_log):
                return None
            summary = reading.summarize(workspace, run_id)
            # The axis of steps needs the last epoch only, not a hundred thousand rows.
            first = after if needs_table or after else max(0, summary.step - 1)
            steps = reading.steps(workspace, run_id, after=first)
            process = None
            if not summary.state.is_over:
                process = process_to_see(workspace.store.facts(run_id))
            log = tuple(reading.log_tail(workspace, run_id, _LOG_LINES)) if has_log else None
            return RunRead(
                run_id,
                summary,
                reading.curves(workspace, run_id, after=cursor),
                steps,
                tuple(workspace.store.messages(run_id)),
                machine.look(process),
                tuple(workspace.store.checkpoints(run_id)),
                log,
                version,
                first,
            )

        return read

    @on(RunRead)
    async def _run_read(self, message: RunRead) -> None:
        if message.run_id != self._run_id:
            return  # Another run was opened while this one was being read.
        self.tell()
        run, before = message.summary, self._summary
        if before is not None and (
            run.step < before.step
            or _resumes(message.messages) > _resumes(self._messages)
            or (before.state.is_over and run.evaluated_at != before.evaluated_at)
        ):
            # Resumed from an earlier checkpoint, which it may have passed again by now; or
            # evaluated after its end: points that were read already are others now.
            self._forget()
            self._summary = None
            self.look()
            return
        grid = self.query_one(ChartGrid)
        is_new = before is None
        self._summary = run
        if message.steps.epochs.size:
            self._epoch = float(message.steps.epochs[-1])
        self._know_steps(message.steps, is_whole=message.steps_after == 0)
        self._seen = _Seen(message.version, run.state.is_over, message.log is not None)
        if before is None or before.state.is_over != run.state.is_over:
            self.refresh_bindings()
        self.query_one(RunHeader).show_run(run, self._epoch, message.machine)
        self.query_one(FailurePanel).show_run(run)
        news = self._history.add(message.curves)
        specs_before = [chart.key for chart in grid.charts]
        await grid.show_specs(chart_specs(run, self._choice, self._history))
        self._show_log_before_first_step(run)
        changed = charts_touched(run, news, self._choice)
        if not is_new and [chart.key for chart in grid.charts] != specs_before:
            self._smooth_losses()  # the charts are others now: all of them are drawn
            self._draws_all = True
        told = (message.checkpoints, message.messages)
        if is_new or self._draws_all or told != (self._checkpoints, self._messages):
            self._checkpoints, self._messages = told
            changed = {chart.key for chart in grid.charts}
            self._draws_all = self._axis_name != AXES[0] and self._steps is None
        if is_new:
            self._smooth_losses()
        if before is not None:
            axis = self._choice.axis
            grid.follow_to(axis.place(before.step), axis.place(run.step))
        self._show_curves(changed)
        if message.log is not None:
            # An empty box says nothing, unless it was asked for.
            is_asked_for = self._wants_log or self.has_class("-before")
            nothing = ("no log of this run on this machine",) if is_asked_for else ()
            self.query_one(LogTail).show_lines(message.log or nothing)
        if self.focused is None and grid.charts:
            grid.charts[0].focus()

    def _know_steps(self, news: StepTable, *, is_whole: bool) -> None:
        """Keep what each step cost, if an axis needs it, from the first one that is known on."""
        needs_table = self._axis_name != AXES[0]
        if not needs_table or not (is_whole or self._steps is not None):
            return
        self._steps = joined(self._steps, news)
        self._choice = replace(self._choice, axis=x_axis(self._axis_name, self._steps))

    def _smooth_losses(self) -> None:
        for chart in self.query_one(ChartGrid).charts:
            if chart.family == "loss":
                chart.smoothing = FIRST_SMOOTHING

    def _show_curves(self, keys: set[str] | None = None) -> None:
        """Show the curves of these charts, or of all."""
        run, grid = self._summary, self.query_one(ChartGrid)
        if run is None:
            return
        grid.span(span_of(run, self._choice.axis))
        events = run_events(self._checkpoints, self._messages, self._history, self._choice.axis)
        for chart in grid.charts:
            if keys is None or chart.key in keys:
                chart.x_label = self._choice.axis.name
                chart.show(chart_series(chart.key, run, self._history, self._choice), events)
        self._show_values()

    def _show_values(self) -> None:
        if self.has_class("-values"):
            self.query_one(ValueTable).show_charts(self.query_one(ChartGrid).charts)

    @on(Chart.Looked)
    def _looked(self) -> None:
        self._show_values()

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
        run = self._summary
        if action == "stop":
            return run is None or not run.state.is_over
        if action in ("save", "evaluate"):
            return run is not None and not run.state.is_over
        if action == "pause":
            return run is not None and self._what_pause_does(run) is not None
        return True

    def _what_pause_does(self, run: RunSummary) -> str | None:
        """Whether the key lets the run pause, or go on; None if it can do neither."""
        can_go_on = run.state is RunState.PAUSED or (
            run.state.is_over and run.state is not RunState.FINISHED
        )
        if run.state is RunState.FINISHED:
            return None
        return "resume" if can_go_on else "pause"

    def action_stop(self) -> None:
        """Ask whether to stop."""
        if self._summary is not None:
            self.post_message(StopWanted(self._summary))

    def action_pause(self) -> None:
        """Ask whether to pause; going on again needs no question."""
        run = self._summary
        asked = self._what_pause_does(run) if run is not None else None
        if run is None or asked is None:
            return
        if asked == "resume":
            self._ask("resume", "was told to go on")
            return

        def answered(is_yes: bool | None) -> None:
            if is_yes:
                self._ask("pause", "was told to pause")

        self.app.push_screen(
            ConfirmScreen(
                f'Pause "{visible(run.record.name)}"?',
                "It saves a checkpoint after the step it is in, and waits. p lets it go on.",
                yes="pause it",
            ),
            answered,
        )

    def action_save(self) -> None:
        """Save a checkpoint now."""
        self._ask("checkpoint", "was told to save a checkpoint")

    def action_evaluate(self) -> None:
        """Evaluate dev now."""
        self._ask("evaluation", "was told to evaluate dev")

    def _ask(self, asked: str, words: str) -> None:
        """In a thread: ask it of the run, and say so."""
        workspace, run = self._workspace, self._summary
        if run is None:
            return
        run_id, name = run.record.id, run.record.name

        def work() -> None:
            try:
                requests.ask(workspace, asked, run_id)
            except Exception as error:  # Said on the screen: nobody sees a thread die.
                self.post_message(WorkFailed(f"asking for {asked}", problems_of(error)))
                return
            self.post_message(RequestSent(f'"{name}" {words}.'))

        self.run_worker(work, name="ask", group="ask", thread=True, exit_on_error=False)

    @on(RequestSent)
    def _request_sent(self, message: RequestSent) -> None:
        self.notify(visible(message.words), markup=False)
        self.look()

    async def action_overlay(self) -> None:
        """One chart for all losses, or one each."""
        await self._choose(replace(self._choice, overlays=not self._choice.overlays))
        save_preferences(replace(load_preferences(), overlays=self._choice.overlays))

    async def action_machine(self) -> None:
        """Show or hide what part of the machine was in use."""
        await self._choose(replace(self._choice, has_machine=not self._choice.has_machine))

    async def _choose(self, choice: ChartChoice) -> None:
        """Show other charts, looking at the same place."""
        self._choice = choice
        if self._summary is not None:
            grid = self.query_one(ChartGrid)
            looks = [chart.look for chart in grid.charts[:1]]
            await grid.show_specs(chart_specs(self._summary, self._choice, self._history))
            for chart in grid.charts:
                for look in looks:
                    chart.follow(look)
            self._smooth_losses()
            self._show_curves()
            if grid.charts:
                grid.charts[0].focus()

    def action_values(self) -> None:
        """Show or hide the values at the cursor."""
        self.toggle_class("-values")
        self._show_values()

    def action_axis(self) -> None:
        """Count something else on the x axis."""
        self._axis_name = AXES[(AXES.index(self._axis_name) + 1) % len(AXES)]
        self.query_one(ChartGrid).reset_look()
        self._choice = replace(self._choice, axis=x_axis(self._axis_name, self._steps))
        if self._axis_name == AXES[0] or self._steps is not None:
            self._show_curves()
        else:  # what each step cost has to be read first
            self._seen, self._draws_all = None, True
            self.look()
        save_preferences(replace(load_preferences(), x_axis=self._axis_name))

    def action_best(self) -> None:
        """Show or hide the best value so far."""
        self._choice = replace(self._choice, has_best=not self._choice.has_best)
        self._show_curves()

    def action_settings(self) -> None:
        """Show the settings."""
        if self._summary is not None:
            rates = {
                key.metric.partition("/")[2]: float(curve.values[-1])
                for key in self._history
                if key.metric.startswith("learning_rate/")
                and (curve := self._history.get(key)) is not None
            }
            asked = obeyed(self._messages)
            self.app.push_screen(SettingsScreen(self._summary, rates, asked))

    def action_log(self) -> None:
        """Show the whole log."""
        if self._summary is not None:
            record = self._summary.record
            self.app.push_screen(LogScreen(self._workspace, record.id, record.name))

    def action_interference(self) -> None:
        """Go to how the tasks' gradients stand to one another."""
        if self._run_id is not None:
            self.post_message(InterferenceWanted(self._run_id))

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


def _resumes(messages: tuple[MessageRecord, ...]) -> int:
    return sum(message.kind == RunResumed.__name__ for message in messages)
