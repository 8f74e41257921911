"""Queue: which runs wait for their turn on this machine, in which order, and what holds them up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from workbench.operations import queue
from workbench.operations.queue import Queue, QueueRow
from workbench.operations.workspace import Workspace
from workbench.tui import figures
from workbench.tui.messages import (
    QueueChanged,
    QueueRead,
    RunWanted,
    ScreenWanted,
    StopWanted,
    WorkFailed,
)
from workbench.tui.screens.confirm import ConfirmScreen
from workbench.tui.screens.live import LiveScreen, Reading, problems_of
from workbench.tui.states import state_word
from workbench.tui.visible import visible
from workbench.tui.widgets.empty_state import EmptyState
from workbench.tui.widgets.jump_bar import JumpBar
from workbench.tui.widgets.key_bar import KeyBar
from workbench.tui.widgets.notice import Notice
from workbench.tui.widgets.run_detail import RunDetail
from workbench.tui.widgets.run_table import progress_words
from workbench.tui.widgets.table import Column, Table
from workbench.worker.queueing import QueueSettings

_ROOM_FOR_DETAIL = 30
"""Rows from which the settings and tasks of a run are shown under the table."""
_DEVICE_CELLS = 12
_OF_WAITING = ("shift", "first", "priority")
"""Actions that only a run that waits can be subject to."""

Deed = tuple[str, Callable[[Workspace], object]]
"""What is being done, in words, and how; it runs in a thread and closes over frozen values only."""


class QueueScreen(LiveScreen):
    """Changes are made one after the other, in the order of the keys, whatever each takes."""

    PURPOSE = (
        "Runs that wait for their turn on this machine. The first begins when so few are at work "
        "that one more may be; of higher priority goes first, of equal priority who came first. "
        "It goes on when you leave. Put a run here with F6 on the form for a new experiment."
    )

    AUTO_FOCUS = "#queue"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Open", id="queue.open", tooltip="Watch the run"),
        Binding("K,shift+up", "shift(-1)", "Earlier", key_display="K", id="queue.earlier",
                tooltip="Let the run go before the one above it"),
        Binding("J,shift+down", "shift(1)", "Later", key_display="J", id="queue.later",
                tooltip="Let the run go after the one below it"),
        Binding("t", "first", "Next", id="queue.first", tooltip="Let the run go next"),
        Binding("x,delete", "remove", "Remove", key_display="x", id="queue.remove",
                tooltip="Take the run out, or stop it if it is at work (asks first)"),
        Binding("p", "pause", "Pause", id="queue.pause",
                tooltip="Begin no further run, or begin runs again"),
        Binding("plus,equals_sign", "at_once(1)", "At once", key_display="+", id="queue.more",
                tooltip="Let one more run be at work at the same time"),
        Binding("minus", "at_once(-1)", "Fewer", key_display="-", show=False, id="queue.fewer",
                tooltip="Let one run fewer be at work at the same time"),
        Binding("greater_than_sign", "priority(1)", "Priority", key_display=">",
                id="queue.higher", tooltip="Higher priority: goes before all of lower priority"),
        Binding("less_than_sign", "priority(-1)", "Lower priority", key_display="<", show=False,
                id="queue.lower", tooltip="Lower priority"),
        Binding("f", "failures", "Failures", id="queue.failures", show=False,
                tooltip="Pause after a run that failed, or go on with the next"),
        Binding("n", "new", "New", id="queue.new", tooltip="Describe a new experiment"),
        Binding("escape", "home", "Home", id="queue.home", tooltip="Back to all runs"),
    ]  # fmt: skip

    DEFAULT_CSS = """
    QueueScreen {
        EmptyState { display: none; }
        #state { height: auto; padding: 0 1; }
        #queue { height: 1fr; margin-top: 1; }
        &.-empty EmptyState { display: block; }
        &.-empty #queue, &.-empty RunDetail { display: none; }
        &.-high RunDetail { height: 12; }
    }
    """

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self._workspace = workspace
        self._found: Queue | None = None
        self._version: int | None = None
        self._todo: list[Deed] = []
        self._is_busy = False
        self._wanted: str | None = None

    def compose(self) -> ComposeResult:
        """How the queue is worked off, who is in it, who is under the cursor."""
        yield JumpBar("queue", self._workspace.location.url)
        yield Notice()
        yield Static(id="state")
        yield Table((), id="queue")
        yield EmptyState(
            "Nothing waits",
            "Describe an experiment and press F6: it begins by itself when those before it are\n"
            "over, also when you close this window. Or: mtl-workbench queue add PRESET",
            (("n", "new experiment"), ("1", "all runs"), ("?", "help")),
        )
        yield RunDetail()
        yield KeyBar()

    def on_resize(self) -> None:
        """More about the run under the cursor where there is room."""
        self.set_class(self.size.height >= _ROOM_FOR_DETAIL, "-high")

    def point_at(self, run_id: str) -> None:
        """Put the cursor on a run, as soon as it is there."""
        self._wanted = run_id
        if self.is_mounted:
            self._version = None
            self.look()

    # ── looking ───────────────────────────────────────────────────────────────

    def reading(self) -> Reading:
        """The queue, unless nothing was written and nobody is in it whose state can change."""
        workspace, version, found = self._workspace, self._version, self._found
        known = found.runs if found is not None else ()
        is_settled = found is not None and not found.rows

        def read() -> Message | None:
            now = workspace.store.data_version()
            if now == version and is_settled:
                return None
            return QueueRead(queue.look(workspace, known=known), now)

        return read

    @on(QueueRead)
    def _queue_read(self, message: QueueRead) -> None:
        self.tell()
        self._version = message.version
        if message.queue == self._found:
            return
        self._found = message.queue
        rows = in_order(message.queue)
        self.query_one("#state", Static).update(state_words(message.queue))
        table = self.query_one("#queue", Table)
        has_device, has_host = _has_devices(rows), _is_of_many(rows)
        table.show(
            [_Line(row, has_device, has_host) for row in rows],
            columns=_columns(has_device, has_host),
        )
        if self._wanted is not None and self._wanted in {row.run.record.id for row in rows}:
            table.move_to(self._wanted)
            self._wanted = None
        self.set_class(not rows, "-empty")
        if self.focused is None and rows:
            table.focus()
        counts = [
            f"{len(some)} {words}"
            for some, words in (
                ([row for row in rows if row.place is None], "begun"),
                ([row for row in rows if row.place is not None], "waiting"),
            )
            if some
        ]
        self.query_one(RunDetail).border_title = " · ".join(counts)
        self._show_chosen()

    @on(Table.Highlighted)
    def _show_chosen(self) -> None:
        chosen = self._chosen
        self.query_one(RunDetail).show_run(chosen.run if chosen is not None else None)
        self.refresh_bindings()

    @property
    def _chosen(self) -> QueueRow | None:
        """The row under the cursor."""
        key = self.query_one("#queue", Table).cursor_key
        rows = self._found.rows if self._found is not None else ()
        return next((row for row in rows if row.run.record.id == key), None)

    # ── keys ──────────────────────────────────────────────────────────────────

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only a run that waits has a place to be changed; an empty queue has none at all."""
        if not self.is_mounted:
            return True
        chosen = self._chosen
        if action in _OF_WAITING:
            return chosen is not None and chosen.place is not None
        if action in ("open", "remove"):
            return chosen is not None
        return True

    @on(Table.Chosen)
    def action_open(self) -> None:
        """Watch the run under the cursor."""
        if self._chosen is not None:
            self.post_message(RunWanted(self._chosen.run.record.id))

    def action_shift(self, places: int) -> None:
        """Earlier or later."""
        if self._chosen is not None:
            run_id = self._chosen.run.record.id
            self._do("moving the run", lambda ws: queue.shift(ws, run_id, places))

    def action_first(self) -> None:
        """Before all others that wait."""
        if self._chosen is not None:
            run_id = self._chosen.run.record.id
            self._do("moving the run", lambda ws: queue.move(ws, run_id, 1))

    def action_priority(self, steps: int) -> None:
        """Higher or lower."""
        if self._chosen is not None:
            run_id = self._chosen.run.record.id
            self._do("changing the priority", lambda ws: queue.prioritise(ws, run_id, by=steps))

    def action_at_once(self, more: int) -> None:
        """More or fewer at the same time."""
        self._do("changing the queue", lambda ws: queue.allow(ws, more))

    def action_failures(self) -> None:
        """What to do after a run that failed."""
        if self._found is not None:
            goes_on = not self._found.settings.continue_on_error
            self._do("changing the queue", lambda ws: queue.change(ws, continue_on_error=goes_on))

    def action_pause(self) -> None:
        """Begin no further run, or go on."""
        if self._found is not None:
            act = queue.go_on if self._found.settings.paused else queue.pause
            self._do("pausing the queue", act)

    def action_remove(self) -> None:
        """Ask, and take a waiting run out; one at work is stopped."""
        chosen = self._chosen
        if chosen is None:
            return
        if chosen.place is None:
            self.post_message(StopWanted(chosen.run))
            return
        run_id, name = chosen.run.record.id, visible(chosen.run.record.name)

        def answered(is_yes: bool | None) -> None:
            if is_yes:
                self._do("taking the run out", lambda ws: queue.remove(ws, run_id))

        self.app.push_screen(
            ConfirmScreen(
                f'Take "{name}" out of the queue?',
                "It stays among the runs as withdrawn; p on its screen starts it after all.",
                yes="take it out",
            ),
            answered,
        )

    def action_new(self) -> None:
        """Go to the form."""
        self.post_message(ScreenWanted("new"))

    def action_home(self) -> None:
        """Back to the runs."""
        self.post_message(ScreenWanted("home"))

    # ── changing ──────────────────────────────────────────────────────────────

    def _do(self, doing: str, act: Callable[[Workspace], object]) -> None:
        self._todo.append((doing, act))
        self._go_on()

    def _go_on(self) -> None:
        """Do what comes next, in a thread; one thing at a time, so that keys keep their order."""
        if self._is_busy or not self._todo:
            return
        self._is_busy = True
        (doing, act), workspace = self._todo.pop(0), self._workspace

        def work() -> None:
            try:
                act(workspace)
            except Exception as error:  # Said on the screen: nobody sees a thread die.
                self.post_message(WorkFailed(doing, problems_of(error)))
            self.post_message(QueueChanged())

        self.run_worker(work, name="queue", group="queue", thread=True, exit_on_error=False)

    @on(QueueChanged)
    def _queue_changed(self) -> None:
        self._is_busy = False
        self._version = None
        if self._todo:
            self._go_on()
        else:
            self.look()


def in_order(found: Queue) -> list[QueueRow]:
    """Those at work first, then those that wait, each machine's by place."""
    return sorted(found.rows, key=lambda row: (row.place is not None, row.entry.host, row.place))


def state_words(found: Queue) -> Content:
    """How the queue is worked off, and what holds it up, in one or two lines."""
    settings = found.settings
    word = (
        Content.styled("‖ paused", "bold $text-warning")
        if settings.paused
        else Content.styled("● on", "bold $text-success")
    )
    lines = [Content.assemble(word, (f"   {_settings_words(settings)}", "$foreground 65%"))]
    waiting = [row for row in found.rows if row.place is not None]
    if settings.paused:
        because = f"{settings.paused_because} " if settings.paused_because else ""
        lines.append(Content.styled(f"{because}p lets it go on.", "$text-warning"))
    elif found.why_waiting:
        lines.append(Content(found.why_waiting))
    elif waiting:
        lines.append(Content(f'"{visible(in_order(found)[-len(waiting)].run.record.name)}" '
                             "is about to begin."))  # fmt: skip
    return Content("\n").join(lines)


def _settings_words(settings: QueueSettings) -> str:
    after = "goes on" if settings.continue_on_error else "pauses"
    return f"{settings.at_once} at once (+ -)   {after} after a run that failed (f)"


def _columns(has_device: bool, has_host: bool) -> list[Column]:
    return [
        Column("place", is_right=True),
        Column("state"),
        Column("run", smallest=18, keeps_end=True),
        Column("progress", importance=1),
        Column("to go", importance=2, is_right=True),
        Column("priority", importance=1, is_right=True),
        Column("added", importance=3, is_right=True),
        Column("tasks", importance=5, smallest=10),
        Column("from", importance=6, smallest=8),
        *([Column("GPU", importance=4)] if has_device else []),
        *([Column("machine", importance=2)] if has_host else []),
    ]


def _has_devices(rows: list[QueueRow]) -> bool:
    return any(row.entry.device for row in rows)


def _is_of_many(rows: list[QueueRow]) -> bool:
    return len({row.entry.host for row in rows}) > 1


@dataclass(frozen=True)
class _Line:
    """A row whose cells are made when it is first seen."""

    row: QueueRow
    has_device: bool
    has_host: bool

    @property
    def key(self) -> str:
        """The run."""
        return self.row.run.record.id

    @cached_property
    def cells(self) -> tuple[Content, ...]:
        """As `_columns` names them."""
        run, entry = self.row.run, self.row.entry
        row = self.row
        return (
            Content("" if row.place is None else str(row.place)),
            state_word(run.state),
            Content(visible(run.record.name)),
            progress_words(run) if row.place is None else Content(),
            Content("" if row.place is not None else figures.duration(run.eta_seconds)),
            Content.styled(str(entry.priority), "" if entry.priority else "$foreground 50%"),
            Content.styled(figures.moment(entry.added_at), "$foreground 65%"),
            Content.styled(visible(", ".join(run.tasks)), "$foreground 65%"),
            Content.styled(visible(run.record.source), "$foreground 65%"),
            *([Content(visible(entry.device or "")[:_DEVICE_CELLS])] if self.has_device else []),
            *([Content(visible(entry.host))] if self.has_host else []),
        )
