"""Home: all runs, kept up to date while one looks, however many there are."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message

from workbench import collector
from workbench.errors import ConfigError
from workbench.operations import keeping, reading
from workbench.operations.reading import RunSummary
from workbench.operations.workspace import Workspace
from workbench.tui import columns
from workbench.tui.keeping_desk import (
    KeepingDesk,
    archive_or_take_back,
    delete_or_restore,
    star_or_unstar,
)
from workbench.tui.messages import (
    CheckpointsWanted,
    CloneWanted,
    ComparisonWanted,
    RunsKept,
    RunsRead,
    RunWanted,
    ScreenWanted,
    StopWanted,
    WorkFailed,
)
from workbench.tui.preferences import Preferences, load_preferences, save_preferences
from workbench.tui.run_lines import RunLines
from workbench.tui.screens.columns_dialog import ColumnChoice, ColumnsDialog
from workbench.tui.screens.confirm import ConfirmScreen
from workbench.tui.screens.live import LiveScreen, Reading
from workbench.tui.screens.prompt import PromptScreen
from workbench.tui.visible import visible
from workbench.tui.widgets.empty_state import EmptyState
from workbench.tui.widgets.filter_bar import FilterBar
from workbench.tui.widgets.jump_bar import JumpBar
from workbench.tui.widgets.key_bar import KeyBar
from workbench.tui.widgets.notice import Notice
from workbench.tui.widgets.run_detail import RunDetail
from workbench.tui.widgets.run_table import RunLine, RunTable
from workbench.tui.widgets.table import Table

_ROOM_FOR_DETAIL = 30
"""Rows from which the settings and tasks of a run are shown under the table."""
_MANY_RUNS = 1000


class HomeScreen(LiveScreen):
    """The table of runs; the cursor and the marks belong to runs, not to rows."""

    PURPOSE = (
        "All runs in this database. Open one to watch it, mark two or more to compare them, or "
        "describe a new experiment. What changes many runs takes the marked ones, else the one "
        "under the cursor, and can be taken back with u. Runs go on when you leave."
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
        Binding("b", "gains", "Gains", show=False, id="home.gains",
                tooltip="What the run's tasks gain by each other; queues each of them alone"),
        Binding("slash", "filter", "Filter", key_display="/", id="home.filter",
                tooltip="Show only some runs: words, or as state=finished and topic.accuracy>0.9"),
        Binding("s", "stop", "Stop", id="home.stop", tooltip="Stop the run (asks first)"),
        Binding("x", "stop", "Stop", show=False, id="home.stop-as-on-run",
                tooltip="Stop the run (asks first)"),
        Binding("w", "queue", "Queue", id="home.queue",
                tooltip="The queue: runs that wait for their turn, and in which order"),
        Binding("v", "columns", "Columns", id="home.columns",
                tooltip="Choose columns and what to sort by"),
        Binding("o", "sort(1)", "Sort", id="home.sort", tooltip="Sort by the next column"),
        Binding("O", "sort(-1)", "Sort before", show=False, id="home.sort-before",
                tooltip="Sort by the column before"),
        Binding("r", "reverse", "Reverse", show=False, id="home.reverse",
                tooltip="Turn the order round"),
        Binding("f", "fold", "Fold seeds", id="home.fold",
                tooltip="Seeds of one configuration in one row, with mean and deviation"),
        Binding("t", "tag", "Tag", id="home.tag", tooltip="Add tags, or take them away with -"),
        Binding("asterisk", "star", "Star", key_display="*", id="home.star",
                tooltip="Set off with a star, or take it away"),
        Binding("e", "note", "Note", show=False, id="home.note", tooltip="Write a note"),
        Binding("R", "rename", "Rename", show=False, id="home.rename", tooltip="Give another name"),
        Binding("a", "archive", "Archive", show=False, id="home.archive",
                tooltip="Keep out of the list, or take back from the archive"),
        Binding("delete,D", "delete", "Delete", key_display="D", show=False, id="home.delete",
                tooltip="Put into the trash; filter by deleted to see what is there"),
        Binding("u", "undo", "Undo", show=False, id="home.undo",
                tooltip="Take the last change back"),
        Binding("ctrl+a", "mark_all", "Mark all", show=False, id="home.mark-all",
                tooltip="Mark all runs that are shown"),
        Binding("ctrl+t", "empty_trash", "Empty trash", show=False, id="home.empty-trash",
                tooltip="Delete what is in the trash for good (asks first)"),
        Binding("escape", "unfilter", "All runs", show=False, id="home.unfilter",
                tooltip="Leave the filter, then take the marks away"),
    ]  # fmt: skip

    DEFAULT_CSS = """
    HomeScreen {
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
        self._preferences = Preferences()
        self._lines = RunLines()
        self._keeping = KeepingDesk(self, workspace)
        self._has_deleted = False
        self._title = ""

    def compose(self) -> ComposeResult:
        """Places, filter, table, detail, keys."""
        yield JumpBar("home", self._workspace.location.url)
        yield Notice()
        yield FilterBar()
        yield RunTable()
        yield EmptyState(
            "No runs yet",
            "Describe an experiment, or start from a preset: it trains in the background\n"
            "and shows up here, also when you close this window and come back.",
            (("n", "new experiment"), ("?", "help"), ("q", "quit")),
        )
        yield RunDetail()
        yield KeyBar()

    def on_mount(self) -> None:
        """With the columns and the order of the last time."""
        self._preferences = load_preferences()

    def on_resize(self) -> None:
        """More about the run under the cursor where there is room."""
        self.set_class(self.size.height >= _ROOM_FOR_DETAIL, "-high")

    # ── looking ───────────────────────────────────────────────────────────────

    def reading(self) -> Reading:
        """What is new of all runs, unless nothing was written and no state can have changed."""
        workspace, version, known = self._workspace, self._version, self._runs
        is_settled = all(run.state.is_over for run in known)
        deleted = self._has_deleted

        def read() -> Message | None:
            now = workspace.store.data_version()
            if now == version and is_settled:
                return None
            return RunsRead(tuple(reading.list_runs(workspace, known=known, deleted=deleted)), now)

        return read

    @on(RunsRead)
    def _runs_read(self, message: RunsRead) -> None:
        self.tell()
        self._version = message.version
        if message.runs == self._runs and self._runs:
            return
        if len(message.runs) > len(self._runs) + _MANY_RUNS:
            # What thousands of runs are made of lives as long as the program: looking through it
            # for garbage held up a keystroke by 0.2 s now and then.
            collector.go_on()
        self._runs = message.runs
        known = {run.record.id for run in self._runs}
        self._marks = tuple(run_id for run_id in self._marks if run_id in known)
        self.query_one(FilterBar).know(self._runs)
        self._show()

    def _show(self) -> None:
        """Filter, sort, fold, draw."""
        bar, table = self.query_one(FilterBar), self.query_one(RunTable)
        keys, sort = self._preferences.columns, self._preferences.sort
        try:
            found = bar.filter.shown(self._runs)
        except ConfigError as error:
            bar.complain(error)
            found = []
        table.show_lines(self._lines.arrange(found, self._preferences), keys, sort)
        self._mark(self._marks)
        self.set_class(not self._runs, "-empty")
        if self.focused is None and self._runs:
            table.focus()
        self._show_detail()

    def _tell_counts(self, shown: int) -> None:
        sort = self._preferences.sort
        by = columns.heading(sort.removeprefix("-"))
        counts = [
            f"{shown} runs" if shown == len(self._runs) else f"{shown} of {len(self._runs)} runs",
            f"by {by} {'▼' if sort.startswith('-') else '▲'}",
            "seeds folded" if self._preferences.folds_seeds else "",
            f"{len(self._marks)} marked" if self._marks else "",
            f"{hidden} of them not shown" if (hidden := len(self._marks) - len(self._seen)) else "",
        ]
        title = visible(" · ".join(one for one in counts if one))
        if title != self._title:
            self._title = title
            self.query_one(RunDetail).border_title = Content(title)

    def _show_detail(self) -> None:
        line = self._line
        self.query_one(RunDetail).show_run(
            line.fold.mean if line is not None else None, line.fold if line is not None else None
        )

    @property
    def runs(self) -> tuple[RunSummary, ...]:
        """All runs as last read."""
        return self._runs

    @property
    def marks(self) -> tuple[str, ...]:
        """Ids of the marked runs, in the order of marking."""
        return self._marks

    @property
    def _line(self) -> RunLine | None:
        return self._lines.get(self.query_one(RunTable).cursor_key)

    @property
    def chosen_run(self) -> RunSummary | None:
        """The run under the cursor; of folded seeds the first."""
        line = self._line
        return line.fold.runs[0] if line is not None else None

    @property
    def _seen(self) -> tuple[str, ...]:
        """The marked runs that are shown: nothing is done to one that nobody sees."""
        shown = {*self._lines.run_ids()} if self._marks else ()
        return tuple(run_id for run_id in self._marks if run_id in shown)

    def _targets(self) -> tuple[str, ...]:
        """The marked runs, else what is under the cursor: what a change is made to."""
        if seen := self._seen:
            return seen
        line = self._line
        return tuple(run.record.id for run in line.fold.runs) if line is not None else ()

    @on(Table.Highlighted)
    def _cursor_moved(self) -> None:
        self._show_detail()

    @on(Table.Chosen)
    def _row_chosen(self) -> None:
        self.action_open()

    # ── keys ──────────────────────────────────────────────────────────────────

    def action_open(self) -> None:
        """Watch the run under the cursor; of folded seeds show each, or fold them again."""
        line = self._line
        if line is None:
            return
        if len(line.fold.runs) > 1:
            self._lines.toggle(line)
            self._show()
        elif not self._are_in_trash(line.fold.key):
            self.post_message(RunWanted(line.fold.runs[0].record.id))

    def action_new(self) -> None:
        """Go to the form."""
        self.post_message(ScreenWanted("new"))

    def action_queue(self) -> None:
        """Go to the queue."""
        self.post_message(ScreenWanted("queue"))

    def action_clone(self) -> None:
        """Go to the form, filled with the settings of the run under the cursor."""
        if self.chosen_run is not None:
            self.post_message(CloneWanted(self.chosen_run))

    def action_gains(self) -> None:
        """Lay the run under the cursor, or its folded seeds, beside its tasks alone."""
        if self._line is not None:
            from workbench.tui.screens.gains import show_gains  # seldom needed

            show_gains(self.app, self._workspace, self._line.fold.runs)

    def action_mark(self) -> None:
        """Mark the run under the cursor, or take its mark away, and go on to the next."""
        line = self._line
        if line is None:
            return
        ids = [run.record.id for run in line.fold.runs]
        if all(run_id in self._marks for run_id in ids):
            self._mark(tuple(run_id for run_id in self._marks if run_id not in ids))
        else:
            self._mark((*self._marks, *(one for one in ids if one not in self._marks)))
        self.query_one(RunTable).action_move(1)

    def action_mark_all(self) -> None:
        """Mark what is shown, or take all marks away if all of it is marked."""
        ids = self._lines.run_ids()
        self._mark(() if set(ids) <= {*self._marks} else tuple(ids))

    def _mark(self, marks: tuple[str, ...]) -> None:
        self._marks = marks
        # A fold is marked if all its runs are.
        self.query_one(RunTable).mark(frozenset({*marks} | self._lines.keys_within(marks)))
        self._tell_counts(len(self._lines.run_ids()))

    def action_compare(self) -> None:
        """Compare the marked runs; with one mark or none, that and those under the cursor."""
        line = self._line
        chosen = self._marks
        if len(chosen) < 2 and line is not None:
            ids = [run.record.id for run in line.fold.runs]
            chosen = (*chosen, *(one for one in ids if one not in chosen))
        if len(chosen) < 2:
            self.notify("Mark two or more runs with space, then press c.", markup=False)
            return
        if not self._are_in_trash(*chosen):
            self.post_message(ComparisonWanted(chosen))

    def action_checkpoints(self) -> None:
        """Go to the checkpoints of the run under the cursor."""
        run = self.chosen_run
        if run is not None and not self._are_in_trash(run.record.id):
            self.post_message(CheckpointsWanted(run.record.id))

    def action_stop(self) -> None:
        """Ask whether to stop the run under the cursor."""
        run = self.chosen_run
        if run is not None:
            self.post_message(StopWanted(run))

    # ── filter, columns, order ────────────────────────────────────────────────

    def action_filter(self) -> None:
        """Type a filter."""
        self.query_one(FilterBar).open()

    def action_unfilter(self) -> None:
        """Show all runs again; if they are, take the marks away."""
        bar = self.query_one(FilterBar)
        if bar.has_class("-shown"):
            bar.clear()
            self.query_one(RunTable).focus()
        elif self._marks:
            self._mark(())

    @on(FilterBar.Changed)
    def _filter_changed(self, message: FilterBar.Changed) -> None:
        wants_deleted = "deleted" in message.filter.scopes
        if wants_deleted != self._has_deleted:
            self._has_deleted, self._version = wants_deleted, None
            self.look()
        self._show()

    @on(FilterBar.Done)
    def _filter_done(self) -> None:
        self.query_one(RunTable).focus()

    def action_columns(self) -> None:
        """Choose columns and order."""

        def chosen(choice: ColumnChoice | None) -> None:
            if choice is not None:
                self._prefer(columns=choice.columns, sort=choice.sort)

        self.app.push_screen(
            ColumnsDialog(self._runs, self._preferences.columns, self._preferences.sort), chosen
        )

    def action_sort(self, places: int) -> None:
        """Sort by a neighbour of the column that is sorted by: numbers from the largest."""
        keys = self._preferences.columns
        by = self._preferences.sort.removeprefix("-")
        at = keys.index(by) if by in keys else -1
        key = keys[(at + places) % len(keys)]
        self._prefer(sort=f"-{key}" if columns.is_right(key) else key)

    @on(Table.HeadingClicked)
    def _heading_clicked(self, message: Table.HeadingClicked) -> None:
        """Sort by the column; again turns the order round."""
        key = self._preferences.columns[message.column]
        if key == self._preferences.sort.removeprefix("-"):
            self.action_reverse()
        else:
            self._prefer(sort=f"-{key}" if columns.is_right(key) else key)

    def action_reverse(self) -> None:
        """Turn the order round."""
        sort = self._preferences.sort
        self._prefer(sort=sort.removeprefix("-") if sort.startswith("-") else f"-{sort}")

    def action_fold(self) -> None:
        """Seeds in one row, or each in its own."""
        self._lines.close_all()
        self._prefer(folds_seeds=not self._preferences.folds_seeds)

    def _prefer(
        self,
        *,
        columns: tuple[str, ...] | None = None,
        sort: str | None = None,
        folds_seeds: bool | None = None,
    ) -> None:
        now = self._preferences
        self._preferences = replace(
            now,
            columns=now.columns if columns is None else columns,
            sort=now.sort if sort is None else sort,
            folds_seeds=now.folds_seeds if folds_seeds is None else folds_seeds,
        )
        self._show()
        # What other screens changed meanwhile stays as they left it.
        saved = replace(
            load_preferences(),
            columns=self._preferences.columns,
            sort=self._preferences.sort,
            folds_seeds=self._preferences.folds_seeds,
        )
        save_preferences(saved)

    # ── keeping order ─────────────────────────────────────────────────────────

    def action_star(self) -> None:
        """Star, or take the star away if all have one."""
        ids = self._targets()
        if ids and not self._are_in_trash(*ids):
            self._keeping.do("starring", lambda ws: star_or_unstar(ws, ids))

    def action_archive(self) -> None:
        """Archive, or take back what is archived."""
        ids = self._targets()
        if ids and not self._are_in_trash(*ids):
            self._keeping.do("archiving", lambda ws: archive_or_take_back(ws, ids))

    def action_delete(self) -> None:
        """Into the trash, or out of it."""
        ids = self._targets()
        if ids:
            self._keeping.do(
                "moving to the trash or out of it", lambda ws: delete_or_restore(ws, ids)
            )

    def action_tag(self) -> None:
        """Ask for tags."""
        ids = self._targets()
        if not ids or self._are_in_trash(*ids):
            return
        known = sorted({tag for run in self._runs for tag in run.keeping.tags})

        def answered(text: str | None) -> None:
            words = (text or "").split()
            add = [word.removeprefix("+") for word in words if not word.startswith("-")]
            remove = [word.removeprefix("-") for word in words if word.startswith("-")]
            if words:
                self._keeping.do("tagging", lambda ws: keeping.tag(ws, ids, add, remove))

        about = f"In use: {' '.join(known)}" if known else "Words, as paper or baseline."
        self.app.push_screen(
            PromptScreen(f"Tag {_count(ids)}", f"{about}\nWith - before it a tag is taken away."),
            answered,
        )

    def action_note(self) -> None:
        """Ask for a note."""
        run = self.chosen_run
        if run is None or self._are_in_trash(run.record.id):
            return
        run_id = run.record.id

        def answered(text: str | None) -> None:
            if text is not None:
                self._keeping.do("writing the note", lambda ws: keeping.note(ws, run_id, text))

        self.app.push_screen(
            PromptScreen(
                f"Note of {run.record.name}",
                "What is to be remembered of this run; empty takes the note away.",
                value=run.keeping.note,
            ),
            answered,
        )

    def action_rename(self) -> None:
        """Ask for a name."""
        run = self.chosen_run
        if run is None or self._are_in_trash(run.record.id):
            return
        run_id = run.record.id

        def answered(text: str | None) -> None:
            if text is not None:
                self._keeping.do("renaming", lambda ws: keeping.rename(ws, run_id, text))

        self.app.push_screen(
            PromptScreen(
                "Rename",
                f"Settings and files of {run_id} stay as they are.",
                value=run.record.name,
            ),
            answered,
        )

    def action_undo(self) -> None:
        """Take the last change back."""
        self._keeping.undo()

    def action_empty_trash(self) -> None:
        """Ask, and delete for good."""

        def answered(is_yes: bool | None) -> None:
            if is_yes:
                self._keeping.empty_trash()

        self.app.push_screen(
            ConfirmScreen(
                "Delete what is in the trash for good?",
                "History, checkpoints and exports of those runs are removed from the disk. "
                "Filter by deleted to see which runs they are.",
                yes="delete for good",
            ),
            answered,
        )

    def _are_in_trash(self, *run_ids: str) -> bool:
        """Whether one of the runs is in the trash; says so, since only D does something then."""
        found = [run for run in self._runs if run.record.id in run_ids and run.keeping.deleted_at]
        if found:
            self.notify(f'"{visible(found[0].record.name)}" is in the trash: D takes it out.',
                        severity="warning", markup=False)  # fmt: skip
        return bool(found)

    @on(RunsKept)
    def _runs_kept(self, message: RunsKept) -> None:
        words = f"{message.words} u takes it back." if message.change else message.words
        self.notify(visible(words), markup=False)
        self._version = None
        self.look()
        self._keeping.kept(message)

    @on(WorkFailed)
    def _keeping_failed(self, message: WorkFailed) -> None:
        """Go on with the next change; the app says what went wrong."""
        self._keeping.failed(message)


def _count(ids: tuple[str, ...]) -> str:
    return "one run" if len(ids) == 1 else f"{len(ids)} runs"
