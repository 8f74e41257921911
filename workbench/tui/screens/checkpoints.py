"""Checkpoints: what a run left to take away, and what was taken away already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from workbench.operations import reading
from workbench.operations.playground import Playground
from workbench.operations.reading import RunSummary, best_of
from workbench.operations.removed import removed_checkpoints
from workbench.operations.workspace import Workspace
from workbench.store.records import CheckpointRecord, ExportRecord
from workbench.tui import figures
from workbench.tui.messages import CheckpointsRead, PlaygroundWanted, RunWanted, ScreenWanted
from workbench.tui.screens.export_dialog import ExportDialog
from workbench.tui.screens.live import LiveScreen, Reading
from workbench.tui.screens.review import ReviewScreen
from workbench.tui.visible import visible
from workbench.tui.widgets.empty_state import EmptyState
from workbench.tui.widgets.jump_bar import JumpBar
from workbench.tui.widgets.key_bar import KeyBar
from workbench.tui.widgets.notice import Notice
from workbench.tui.widgets.run_header import RunHeader
from workbench.tui.widgets.table import Column, Row, Table


class CheckpointsScreen(LiveScreen):
    """A line per checkpoint with each task's dev metric; export by one key."""

    PURPOSE = (
        "The checkpoints that a run kept, with the dev metrics at each. ★ is the best by the "
        "run's selection rule, the last one is what a resumed run would go on from. "
        "Export writes a folder that other libraries open, and compares its numbers. Of those that "
        "were removed, as a better or a later one came, the metrics are still shown, in grey."
    )

    AUTO_FOCUS = "#checkpoints"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("e,enter", "export", "Export", id="checkpoints.export",
                tooltip="Write the checkpoint as a folder that other libraries open"),
        Binding("y", "try", "Try", id="checkpoints.try",
                tooltip="Try the checkpoint on sentences"),
        Binding("m", "mistakes", "Mistakes", id="checkpoints.mistakes",
                tooltip="Where the checkpoint is wrong on dev: scores by class, confusions"),
        Binding("r", "run", "Curves", id="checkpoints.run", tooltip="The curves of this run"),
        Binding("escape", "home", "Home", id="checkpoints.home", tooltip="Back to all runs"),
    ]  # fmt: skip

    DEFAULT_CSS = """
    CheckpointsScreen {
        EmptyState { display: none; }
        &.-empty EmptyState { display: block; }
        &.-empty #body { display: none; }
        &.-bare #checkpoints { display: none; }
        #body { height: 1fr; }
        #checkpoints { height: 1fr; margin-top: 1; }
        #none { display: none; height: 1fr; padding: 1 2; color: $text-muted; }
        &.-bare #none { display: block; }
        #exports { height: auto; max-height: 40%; padding: 0 1; color: $foreground;
                   border-top: solid $border-blurred; border-title-color: $text-muted; }
    }
    """

    def __init__(self, workspace: Workspace, playground: Playground) -> None:
        super().__init__()
        self._workspace, self._playground = workspace, playground
        self._run_id: str | None = None
        self._summary: RunSummary | None = None
        self._checkpoints: tuple[CheckpointRecord, ...] = ()

    def compose(self) -> ComposeResult:
        """The run, its checkpoints, its exports."""
        yield JumpBar("checkpoints", self._workspace.location.url)
        yield Notice()
        with Vertical(id="body"):
            yield RunHeader()
            yield Table((), id="checkpoints")
            yield Static(
                Content("No checkpoint yet: the first is saved after the first evaluation."),
                id="none",
            )
            yield Static(id="exports")
        yield EmptyState(
            "No run is chosen",
            "Put the cursor on a run on the first screen, then press k.",
            (("1", "all runs"), ("k", "checkpoints there"), ("?", "help")),
        )
        yield KeyBar()

    def on_mount(self) -> None:
        """Nothing is chosen at first."""
        self.query_one("#exports", Static).border_title = "exports"
        self.set_class(self._run_id is None, "-empty")

    def show_run(self, run_id: str) -> None:
        """Show the checkpoints of a run."""
        if run_id != self._run_id:
            self._run_id, self._summary, self._checkpoints = run_id, None, ()
        if self.is_mounted:
            self.set_class(False, "-empty")
            self.look()

    @property
    def run_id(self) -> str | None:
        """The run whose checkpoints are shown."""
        return self._run_id

    # ── looking ───────────────────────────────────────────────────────────────

    def reading(self) -> Reading | None:
        """Checkpoints and exports of the run."""
        workspace, run_id = self._workspace, self._run_id
        if run_id is None:
            return None

        def read() -> CheckpointsRead:
            found = tuple(reading.checkpoints(workspace, run_id))
            return CheckpointsRead(
                reading.summarize(workspace, run_id),
                found,
                tuple(workspace.store.exports(run_id)),
                frozenset(
                    one.step
                    for one in found
                    if not (workspace.location.run_folder(run_id) / one.folder).is_dir()
                ),
                tuple(removed_checkpoints(workspace, run_id, [one.step for one in found])),
            )

        return read

    @on(CheckpointsRead)
    def _checkpoints_read(self, message: CheckpointsRead) -> None:
        run = message.summary
        if run.record.id != self._run_id:
            return
        self.tell()
        is_new = self._summary is None
        self._summary, self._checkpoints = run, message.checkpoints
        self.query_one(RunHeader).show_run(run, None)
        self.set_class(not message.checkpoints, "-bare")
        table = self.query_one("#checkpoints", Table)
        table.show(
            sorted(
                [
                    *(
                        Row(
                            str(one.step),
                            _cells(run, one, message.checkpoints,
                                   is_here=one.step not in message.missing),
                        )
                        for one in message.checkpoints
                    ),
                    *(Row(str(one.step), _removed_cells(run, one)) for one in message.removed),
                ],
                key=lambda row: int(row.key),
            ),
            columns=_columns(run),
        )  # fmt: skip
        best = next((one for one in message.checkpoints if one.is_best), None)
        if is_new and best is not None:
            table.move_to(str(best.step))
        if self.focused is None:
            table.focus()
        are_gone = len(message.missing) == len(message.checkpoints) > 0
        self.query_one("#exports", Static).update(_export_lines(message.exports, are_gone))

    @property
    def chosen(self) -> CheckpointRecord | None:
        """The checkpoint under the cursor."""
        key = self.query_one("#checkpoints", Table).cursor_key
        return next((one for one in self._checkpoints if str(one.step) == key), None)

    def _takes_chosen(self) -> bool:
        """Whether the row under the cursor can be taken away; says so if it was removed."""
        key = self.query_one("#checkpoints", Table).cursor_key
        if key is not None and self.chosen is None:
            self.notify(f"Step {key} was removed: its metrics are all that is left of it.",
                        severity="warning", markup=False)  # fmt: skip
        return self.chosen is not None

    # ── keys ──────────────────────────────────────────────────────────────────

    @on(Table.Chosen)
    def action_export(self) -> None:
        """Ask for format and folder."""
        if self._summary is not None and self._takes_chosen() and self.chosen is not None:
            self.app.push_screen(ExportDialog(self._workspace, self._summary.record, self.chosen))

    def action_try(self) -> None:
        """Go to the playground."""
        if self._summary is not None and self._takes_chosen() and self.chosen is not None:
            self.post_message(PlaygroundWanted(self._summary.record, str(self.chosen.step)))

    def action_mistakes(self) -> None:
        """Look at what it does wrong."""
        if self._summary is not None and self._takes_chosen() and self.chosen is not None:
            self.app.push_screen(
                ReviewScreen(self._playground, self._summary.record, str(self.chosen.step))
            )

    def action_run(self) -> None:
        """Show the run's curves."""
        if self._run_id is not None:
            self.post_message(RunWanted(self._run_id))

    def action_home(self) -> None:
        """Back to the runs."""
        self.post_message(ScreenWanted("home"))


def _columns(run: RunSummary) -> list[Column]:
    metrics = [
        Column(
            f"{visible(task)} {config.metric}",
            importance=1,
            is_right=True,
            smallest=max(7, min(12, len(task) + 1)),
        )
        for task, config in run.record.config.tasks.items()
    ]
    return [
        Column("step", is_right=True),
        Column("what"),
        Column("selection", is_right=True),
        *metrics,
        Column("kept", importance=3),
        Column("size", importance=4, is_right=True),
        Column("saved", importance=5, is_right=True),
        Column("files", importance=2, smallest=8),
    ]


def fate(run: RunSummary, one: CheckpointRecord) -> str:
    """How long a checkpoint stays: what retention will do with it, in a few words."""
    if run.state.is_over or one.stays:
        return "stays"
    if one.is_best:
        return "until a better one"
    if one.best_for:
        return f"until {visible(', '.join(one.best_for))} is better"
    return "until the next"


def _cells(
    run: RunSummary, one: CheckpointRecord, every: Sequence[CheckpointRecord], *, is_here: bool
) -> tuple[Content, ...]:
    words = [("★ best", "bold $text-success")] if one.is_best else []
    if one.is_last:
        words.append(("  last", "$foreground 65%"))
    metrics = []
    for task, config in run.record.config.tasks.items():
        values = [other.metrics.get(task, {}).get(config.metric) for other in every]
        best = best_of(config.metric, values)
        is_best = best is not None and every[best].step == one.step
        shown = figures.metric(one.metrics.get(task, {}).get(config.metric))
        metrics.append(
            Content.assemble(("★ ", "$text-success"), (shown, "bold"))
            if is_best
            else Content(shown)
        )
    return (
        Content(f"{one.step}"),
        Content.assemble(*words),
        Content.styled(figures.metric(one.selection), "bold"),
        *metrics,
        Content.styled(fate(run, one), "$foreground 65%"),
        Content.styled(figures.size(one.bytes), "$foreground 65%"),
        Content.styled(figures.moment(one.saved_at), "$foreground 65%"),
        Content.styled(visible(one.folder.removeprefix("checkpoints/")), "$foreground 65%")
        if is_here
        else Content.styled("not here", "$text-warning"),
    )


def _removed_cells(run: RunSummary, one: CheckpointRecord) -> tuple[Content, ...]:
    """What was measured of a checkpoint whose files are gone."""
    metrics = [
        figures.metric(one.metrics.get(task, {}).get(config.metric))
        for task, config in run.record.config.tasks.items()
    ]
    words = [str(one.step), "", figures.metric(one.selection), *metrics, "removed", "",
             figures.moment(one.saved_at), figures.NOTHING]  # fmt: skip
    return tuple(Content.styled(word, "$foreground 50%") for word in words)


def _export_lines(exports: tuple[ExportRecord, ...], are_gone: bool) -> Content:
    if not exports and are_gone:
        return Content.styled(
            "nothing to export: the files of these checkpoints are not on this machine",
            "$foreground 65%",
        )
    if not exports:
        return Content.styled(
            "nothing exported yet: e exports the checkpoint above", "$foreground 65%"
        )
    return Content("\n").join(
        Content.assemble(
            ("✓ ", "$text-success"),
            f"step {one.step}  {visible(one.format)}  ",
            (f"largest difference {one.largest_difference:.1g}  ", "$foreground 65%"),
            (visible(one.folder), ""),
        )
        for one in exports
    )
