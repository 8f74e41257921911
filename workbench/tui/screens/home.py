"""Home: all runs, kept up to date while one looks, however many there are."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
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
from workbench.operations.filtering import sort_runs
from workbench.operations.folding import Fold, SeedFolder
from workbench.operations.keeping import Change
from workbench.operations.reading import RunSummary
from workbench.operations.workspace import Workspace
from workbench.store.records import Keeping
from workbench.tui import columns
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
from workbench.tui.screens.columns_dialog import ColumnChoice, ColumnsDialog
from workbench.tui.screens.confirm import ConfirmScreen
from workbench.tui.screens.gains import show_gains
from workbench.tui.screens.live import LiveScreen, Reading, problems_of
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
_UNDOS = 50
"""So many changes can be taken back, the last one first."""


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
        self._folder = SeedFolder()
        self._lines: dict[str, RunLine] = {}
        self._single_lines: dict[str, RunLine] = {}
        self._unfolded: frozenset[str] = frozenset()
        self._changes: list[Change] = []
        self._has_deleted = False
        self._title = ""
        self._asked: deque[tuple[str, Callable[[Workspace], Change | str] | None]] = deque()
        self._doing = ""
        self._undone: Change | None = None

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
        lines = self._lines_of(found, keys, sort)
        self._lines = {line.key: line for line in lines}
        table.show_lines(lines, keys, sort)
        self._mark(self._marks)
        self.set_class(not self._runs, "-empty")
        if self.focused is None and self._runs:
            table.focus()
        self._show_detail()

    def _lines_of(self, found: list[RunSummary], keys: tuple[str, ...], sort: str) -> list[RunLine]:
        if not self._preferences.folds_seeds:
            return [self._line_of(run, keys) for run in _sorted(found, sort)]
        folds = {fold.mean.record.id: fold for fold in self._folder.fold(found)}
        lines = []
        for mean in _sorted([fold.mean for fold in folds.values()], sort):
            line = RunLine(folds[mean.record.id], keys)
            lines.append(line)
            if line.key in self._unfolded and len(line.fold.runs) > 1:
                lines += [
                    RunLine(Fold((run,), run, {}, None), keys, is_part=True)
                    for run in _sorted(list(line.fold.runs), sort)
                ]
        return lines

    def _line_of(self, run: RunSummary, keys: tuple[str, ...]) -> RunLine:
        """The line of one run; the one that was made before, with its cells, if nothing changed."""
        known = self._single_lines.get(run.record.id)
        if known is None or known.fold.mean is not run or known.keys is not keys:
            known = RunLine(Fold((run,), run, {}, None), keys)
            self._single_lines[run.record.id] = known
        return known

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
        key = self.query_one(RunTable).cursor_key
        return None if key is None else self._lines.get(key)

    @property
    def chosen_run(self) -> RunSummary | None:
        """The run under the cursor; of folded seeds the first."""
        line = self._line
        return line.fold.runs[0] if line is not None else None

    def _shown_ids(self) -> set[str]:
        """The runs that the filter lets through, also as seeds of a row."""
        return {run.record.id for line in self._lines.values() for run in line.fold.runs}

    @property
    def _seen(self) -> tuple[str, ...]:
        """The marked runs that are shown: nothing is done to one that nobody sees."""
        shown = self._shown_ids() if self._marks else ()
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
            self._unfolded ^= {line.key}
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
        ids = [run.record.id for line in self._lines.values() for run in line.fold.runs]
        ids = list(dict.fromkeys(ids))
        self._mark(() if set(ids) <= {*self._marks} else tuple(ids))

    def _mark(self, marks: tuple[str, ...]) -> None:
        self._marks = marks
        shown = {*marks}
        # A fold is marked if all its runs are.
        shown |= {
            key
            for key, line in self._lines.items()
            if all(run.record.id in shown for run in line.fold.runs)
        }
        self.query_one(RunTable).mark(frozenset(shown))
        self._tell_counts(len(self._shown_ids()))

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
        self._unfolded = frozenset()
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
            self._keep(
                "starring",
                lambda ws: keeping.star(
                    ws, ids, on=not all(one.starred for one in _keepings(ws, ids))
                ),
            )

    def action_archive(self) -> None:
        """Archive, or take back what is archived."""
        ids = self._targets()
        if ids and not self._are_in_trash(*ids):
            self._keep(
                "archiving",
                lambda ws: keeping.archive(
                    ws, ids, on=not all(one.archived_at for one in _keepings(ws, ids))
                ),
            )

    def action_delete(self) -> None:
        """Into the trash, or out of it."""
        ids = self._targets()
        if ids:
            self._keep("moving to the trash or out of it", lambda ws: _delete_or_restore(ws, ids))

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
                self._keep("tagging", lambda ws: keeping.tag(ws, ids, add, remove))

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
                self._keep("writing the note", lambda ws: keeping.note(ws, run_id, text))

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
                self._keep("renaming", lambda ws: keeping.rename(ws, run_id, text))

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
        self._keep("taking back", None)

    def action_empty_trash(self) -> None:
        """Ask, and delete for good."""

        def answered(is_yes: bool | None) -> None:
            if is_yes:
                self._keep("emptying the trash", _empty_trash)

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

    def _keep(self, doing: str, change: Callable[[Workspace], Change | str] | None) -> None:
        """Do something to runs when what was asked before is done.

        Args:
            doing: What, for who reads that it failed.
            change: Called in a thread, closes over frozen values only; None takes the last
                change back.
        """
        self._asked.append((doing, change))
        self._keep_next()

    def _keep_next(self) -> None:
        """Begin with what was asked first, unless something is being done.

        A change is written as a whole, and what it changes has to be what the one before left.
        """
        if self._doing or not self._asked:
            return
        workspace = self._workspace
        doing, change = self._asked.popleft()
        if change is None:
            if not self._changes:
                self.notify("Nothing was changed that could be taken back.", markup=False)
                self._keep_next()
                return
            self._undone = undone = self._changes.pop()

            def change(ws: Workspace) -> str:
                return keeping.undo(ws, undone)

        elif change is _empty_trash:
            self._changes.clear()  # what is gone cannot be put back
        self._doing, wanted = doing, change

        def work() -> None:
            try:
                done = wanted(workspace)
            except Exception as error:  # Said on the screen: nobody sees a thread die.
                self.post_message(WorkFailed(doing, problems_of(error)))
                return
            if isinstance(done, Change):
                self.post_message(RunsKept(done.words, done if done.count else None))
            else:
                self.post_message(RunsKept(done, None))

        self.run_worker(work, name="keep", group="keep", thread=True, exit_on_error=False)

    @on(RunsKept)
    def _runs_kept(self, message: RunsKept) -> None:
        if message.change is not None:
            self._changes = [*self._changes, message.change][-_UNDOS:]
        words = f"{message.words} u takes it back." if message.change else message.words
        self.notify(visible(words), markup=False)
        self._version = None
        self.look()
        self._kept()

    @on(WorkFailed)
    def _keeping_failed(self, message: WorkFailed) -> None:
        """What could not be taken back can be tried again; the app says what went wrong."""
        if message.doing == self._doing:
            self._changes += [self._undone] if self._undone is not None else []
            self._kept()

    def _kept(self) -> None:
        self._doing, self._undone = "", None
        self._keep_next()


def _sorted(runs: list[RunSummary], sort: str) -> list[RunSummary]:
    """By a column; as they are, if none of them has a value there."""
    key = sort.removeprefix("-")
    name = columns.SORT_KEYS.get(key, key)
    try:
        return sort_runs(runs, f"-{name}" if sort.startswith("-") else name)
    except ConfigError:
        return runs


def _keepings(ws: Workspace, ids: tuple[str, ...]) -> list[Keeping]:
    """What was added to runs, as it is now: the list may be a look behind."""
    known = ws.store.keepings()
    return [known.get(run_id, Keeping()) for run_id in ids]


def _delete_or_restore(ws: Workspace, ids: tuple[str, ...]) -> Change:
    """Those that are not in the trash go there; if all are, all come back."""
    states = zip(ids, _keepings(ws, ids), strict=True)
    there = [run_id for run_id, one in states if one.deleted_at is None]
    return keeping.delete(ws, there) if there else keeping.restore(ws, ids)


def _count(ids: tuple[str, ...]) -> str:
    return "one run" if len(ids) == 1 else f"{len(ids)} runs"


def _empty_trash(ws: Workspace) -> str:
    count = keeping.empty_trash(ws)
    return f"{count} runs deleted for good." if count != 1 else "One run deleted for good."
