"""Home: all runs, newest first, kept up to date while one looks."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Input

from workbench.operations import reading
from workbench.operations.reading import RunSummary
from workbench.operations.workspace import Workspace
from workbench.tui.messages import (
    CheckpointsWanted,
    CloneWanted,
    ComparisonWanted,
    RunsRead,
    RunWanted,
    ScreenWanted,
    StopWanted,
)
from workbench.tui.screens.live import LiveScreen, Reading
from workbench.tui.widgets.empty_state import EmptyState
from workbench.tui.widgets.jump_bar import JumpBar
from workbench.tui.widgets.key_bar import KeyBar
from workbench.tui.widgets.notice import Notice
from workbench.tui.widgets.run_detail import RunDetail
from workbench.tui.widgets.run_table import RunTable
from workbench.tui.widgets.table import Table

_ROOM_FOR_DETAIL = 30
"""Rows from which the settings and tasks of a run are shown under the table."""


class HomeScreen(LiveScreen):
    """The table of runs; the cursor and the marks belong to runs, not to rows."""

    PURPOSE = (
        "All runs in this database, newest first. Open one to watch it, mark two or more to "
        "compare them, or describe a new experiment. Runs go on when you leave."
    )

    AUTO_FOCUS = "RunTable"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Open", id="home.open", tooltip="Watch the run live"),
        Binding("n", "new", "New", id="home.new", tooltip="Describe a new experiment"),
        Binding("N", "clone", "New from it", show=False, id="home.clone",
                tooltip="Describe a new experiment, beginning with the settings of this run"),
        Binding("space", "mark", "Mark", id="home.mark", tooltip="Mark the run for comparing"),
        Binding("c", "compare", "Compare", id="home.compare", tooltip="Compare the marked runs"),
        Binding(
            "k", "checkpoints", "Ckpts", id="home.checkpoints", tooltip="Checkpoints of the run"
        ),
        Binding("s", "stop", "Stop", id="home.stop", tooltip="Stop the run (asks first)"),
        Binding("x", "stop", "Stop", show=False, id="home.stop-as-on-run",
                tooltip="Stop the run (asks first)"),
        Binding("slash", "filter", "Filter", key_display="/", id="home.filter",
                tooltip="Show only runs whose line has all the words"),
        Binding("escape", "unfilter", "All runs", show=False, id="home.unfilter",
                tooltip="Leave the filter, then take the marks away"),
    ]  # fmt: skip

    DEFAULT_CSS = """
    HomeScreen {
        #filter { display: none; height: 1; border: none; background: $surface; padding: 0 1; }
        #filter.-shown { display: block; }
        EmptyState { display: none; }
        &.-empty EmptyState { display: block; }
        &.-empty RunTable, &.-empty RunDetail { display: none; }
        &.-high RunDetail { height: 12; }
    }
    """

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self._workspace = workspace
        self._runs: tuple[RunSummary, ...] = ()
        self._marks: tuple[str, ...] = ()
        self._version: int | None = None

    def compose(self) -> ComposeResult:
        """Places, filter, table, detail, keys."""
        yield JumpBar("home", self._workspace.location.url)
        yield Notice()
        yield Input(placeholder="words that a run's line must have", id="filter", compact=True)
        yield RunTable()
        yield EmptyState(
            "No runs yet",
            "Describe an experiment, or start from a preset: it trains in the background\n"
            "and shows up here, also when you close this window and come back.",
            (("n", "new experiment"), ("?", "help"), ("q", "quit")),
        )
        yield RunDetail()
        yield KeyBar()

    def on_resize(self) -> None:
        """More about the run under the cursor where there is room."""
        self.set_class(self.size.height >= _ROOM_FOR_DETAIL, "-high")

    # ── looking ───────────────────────────────────────────────────────────────

    def reading(self) -> Reading:
        """All runs, unless nothing was written and no state can have changed."""
        workspace, version = self._workspace, self._version
        is_settled = all(run.state.is_over for run in self._runs)

        def read() -> Message | None:
            now = workspace.store.data_version()
            if now == version and is_settled:
                return None
            return RunsRead(tuple(reading.list_runs(workspace)), now)

        return read

    @on(RunsRead)
    def _runs_read(self, message: RunsRead) -> None:
        self.tell()
        self._version = message.version
        self._runs = message.runs
        known = {run.record.id for run in self._runs}
        self._marks = tuple(run_id for run_id in self._marks if run_id in known)
        self._show()

    def _show(self) -> None:
        words = self.query_one("#filter", Input).value.lower().split()
        table = self.query_one(RunTable)
        table.show_runs([run for run in self._runs if _has(run, words)])
        table.mark(frozenset(self._marks))
        self.set_class(not self._runs, "-empty")
        if self.focused is None and self._runs:
            table.focus()
        self._show_detail()

    def _show_detail(self) -> None:
        self.query_one(RunDetail).show_run(self.chosen_run)

    @property
    def runs(self) -> tuple[RunSummary, ...]:
        """All runs as last read."""
        return self._runs

    @property
    def marks(self) -> tuple[str, ...]:
        """Ids of the marked runs, in the order of marking."""
        return self._marks

    @property
    def chosen_run(self) -> RunSummary | None:
        """The run under the cursor."""
        key = self.query_one(RunTable).cursor_key
        return next((run for run in self._runs if run.record.id == key), None)

    @on(Table.Highlighted)
    def _cursor_moved(self) -> None:
        self._show_detail()

    @on(Table.Chosen)
    def _row_chosen(self) -> None:
        self.action_open()

    # ── keys ──────────────────────────────────────────────────────────────────

    def action_open(self) -> None:
        """Watch the run under the cursor."""
        if self.chosen_run is not None:
            self.post_message(RunWanted(self.chosen_run.record.id))

    def action_new(self) -> None:
        """Go to the form."""
        self.post_message(ScreenWanted("new"))

    def action_clone(self) -> None:
        """Go to the form, filled with the settings of the run under the cursor."""
        if self.chosen_run is not None:
            self.post_message(CloneWanted(self.chosen_run))

    def action_mark(self) -> None:
        """Mark the run under the cursor, or take its mark away, and go on to the next."""
        run = self.chosen_run
        if run is None:
            return
        marked = run.record.id
        if marked in self._marks:
            self._marks = tuple(run_id for run_id in self._marks if run_id != marked)
        else:
            self._marks = (*self._marks, marked)
        table = self.query_one(RunTable)
        table.mark(frozenset(self._marks))
        table.action_move(1)

    def action_compare(self) -> None:
        """Compare the marked runs; with one mark, that one and the run under the cursor."""
        chosen = self._marks
        if len(chosen) == 1 and self.chosen_run and self.chosen_run.record.id not in chosen:
            chosen = (*chosen, self.chosen_run.record.id)
        if len(chosen) < 2:
            self.notify("Mark two or more runs with space, then press c.", markup=False)
            return
        self.post_message(ComparisonWanted(chosen))

    def action_checkpoints(self) -> None:
        """Go to the checkpoints of the run under the cursor."""
        if self.chosen_run is not None:
            self.post_message(CheckpointsWanted(self.chosen_run.record.id))

    def action_stop(self) -> None:
        """Ask whether to stop the run under the cursor."""
        run = self.chosen_run
        if run is not None:
            self.post_message(StopWanted(run))

    def action_filter(self) -> None:
        """Type words to filter by."""
        field = self.query_one("#filter", Input)
        field.add_class("-shown")
        field.focus()

    def action_unfilter(self) -> None:
        """Show all runs again; if they are, take the marks away."""
        field = self.query_one("#filter", Input)
        if field.has_class("-shown"):
            field.value = ""
            field.remove_class("-shown")
            self.query_one(RunTable).focus()
        elif self._marks:
            self._marks = ()
            self.query_one(RunTable).mark(frozenset())

    @on(Input.Changed, "#filter")
    def _filter_changed(self) -> None:
        self._show()

    @on(Input.Submitted, "#filter")
    def _filter_done(self) -> None:
        field = self.query_one("#filter", Input)
        field.set_class(bool(field.value.strip()), "-shown")
        self.query_one(RunTable).focus()


def _has(run: RunSummary, words: list[str]) -> bool:
    """Whether every word is somewhere in what the line says."""
    record = run.record
    line = " ".join([record.name, record.id, run.state.value, *run.tasks, record.source]).lower()
    return all(word in line for word in words)
