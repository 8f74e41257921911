"""What each task of an experiment gains by the company of the others, and who helped whom."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from textual import on
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from workbench.errors import NotFoundError
from workbench.operations import baselines
from workbench.operations.baselines import TaskGain, Transfer
from workbench.operations.reading import RunSummary
from workbench.operations.workspace import Workspace
from workbench.tui.messages import BaselinesFound, GainsRead, WorkFailed, WorkProgressed
from workbench.tui.screens.confirm import ConfirmScreen
from workbench.tui.screens.live import problems_of
from workbench.tui.visible import visible
from workbench.tui.widgets.table import Column, Row, Table

_COLUMNS = (
    Column("task", smallest=8),
    Column("metric", importance=3),
    Column("together", is_right=True),
    Column("alone", is_right=True),
    Column("gain", is_right=True),
    Column("95 %", importance=1),
    Column("relative", importance=2, is_right=True),
    Column("seeds", importance=4, is_right=True),
)


class GainsScreen(ModalScreen[None]):
    """Experiments beside their tasks alone; `b` queues the runs that are missing for it."""

    PURPOSE = (
        "What each task gains by the company of the others, or loses: its dev metric at the best "
        "checkpoint, together and alone, with an interval over dev texts and seeds. ★ marks what "
        "is surer than chance."
    )

    AUTO_FOCUS = "#gains"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("b", "baselines", "Queue alone", id="gains.baselines",
                tooltip="Queue each task alone, with the same seeds, where it is missing"),
        Binding("escape,q", "dismiss", "Close", id="gains.close", tooltip="Back"),
    ]  # fmt: skip

    DEFAULT_CSS = """
    GainsScreen {
        align: center middle;
        background: $background 60%;
        & > Vertical { width: 96%; max-width: 110; height: 90%; background: $surface;
                       border: round $primary; border-title-color: $text-primary;
                       border-title-style: bold; border-subtitle-color: $text-muted; }
        Table { height: 1fr; background: $surface; }
        Static { height: auto; max-height: 3; color: $text-muted; padding: 0 1; }
    }
    """

    def __init__(self, workspace: Workspace, runs: Sequence[RunSummary]) -> None:
        """Show what is known.

        Args:
            workspace: Where.
            runs: Of several tasks each; those that differ in their seed only are one experiment.
        """
        super().__init__()
        self._workspace, self._runs = workspace, tuple(runs)

    def compose(self) -> ComposeResult:
        """The gains, and what can be said of them."""
        with Vertical() as box:
            box.border_title = " what the tasks gain by each other "
            box.border_subtitle = " b queues what is missing  escape closes "
            yield Table(_COLUMNS, is_for_reading=True, id="gains")
            yield Static("reading …", id="told")

    def on_mount(self) -> None:
        """Read in a thread: texts and seeds are drawn anew a thousand times."""
        refs = [run.record.id for run in self._runs]

        def read() -> None:
            try:
                found = baselines.transfer(self._workspace, refs)
            except NotFoundError as error:
                self.post_message(GainsRead((), error.what))
            except Exception as error:  # Said on the screen: nobody sees a thread die.
                self.post_message(WorkFailed("reading the gains", problems_of(error)))
            else:
                self.post_message(GainsRead(tuple(found)))

        self.run_worker(read, group="gains", thread=True, exclusive=True, exit_on_error=False)

    @on(GainsRead)
    def _read(self, message: GainsRead) -> None:
        self.query_one(Table).show([row for one in message.found for row in _rows(one)])
        missing = sorted({task for one in message.found for task in one.missing})
        if message.why_not:
            self._tell(f"{message.why_not} b queues each task alone.")
        elif missing:
            self._tell(f"Not run alone: {', '.join(missing)}. b queues them.")
        else:
            self._tell(
                "The interval is over dev texts and seeds; with one seed it holds for these "
                "models, not for the method. ★ leaves 0 out."
            )

    @on(WorkFailed)
    def _failed(self, message: WorkFailed) -> None:
        message.stop()
        self._tell("\n".join(f"{one.what} {one.next_step}" for one in message.problems))

    def _tell(self, words: str) -> None:
        self.query_one("#told", Static).update(Content(visible(words)))

    # ── what is missing ───────────────────────────────────────────────────────

    def action_baselines(self) -> None:
        """Find out what is missing, ask, and queue it."""
        configs = [run.record.config for run in self._runs]

        def look() -> None:
            try:
                found = [one for config in configs
                         for one in baselines.companions_of(self._workspace, config)]  # fmt: skip
            except Exception as error:  # Said on the screen: nobody sees a thread die.
                self.post_message(WorkFailed("looking for baselines", problems_of(error)))
            else:
                by_config = {one.config.model_dump_json(exclude={"name"}): one for one in found}
                self.post_message(BaselinesFound(tuple(by_config.values())))

        self.run_worker(look, group="baselines", thread=True, exclusive=True, exit_on_error=False)

    @on(BaselinesFound)
    def _found(self, message: BaselinesFound) -> None:
        missing = [one for one in message.companions if one.run_id is None]
        if not missing:
            self._tell("Nothing is missing: all are there, at work, or wait in the queue (7).")
            return
        names = ", ".join(dict.fromkeys(visible(one.config.name) for one in missing))

        def queue(is_yes: bool | None) -> None:
            if is_yes:
                self.run_worker(lambda: self._queue(missing), group="baselines", thread=True,
                                exclusive=True, exit_on_error=False)  # fmt: skip

        self.app.push_screen(
            ConfirmScreen(f"Queue {len(missing)} runs?", names, yes="queue them"), queue
        )

    def _queue(self, missing: Sequence[baselines.Companion]) -> None:
        """In a thread."""
        try:
            added = list(baselines.start_missing(self._workspace, missing))
        except Exception as error:  # Said on the screen: nobody sees a thread die.
            self.post_message(WorkFailed("queueing the baselines", problems_of(error)))
        else:
            self.post_message(WorkProgressed(f"{len(added)} runs wait in the queue (7)."))

    @on(WorkProgressed)
    def _queued(self, message: WorkProgressed) -> None:
        message.stop()
        self._tell(message.line)


def show_gains(app: App[None], workspace: Workspace, runs: Sequence[RunSummary]) -> None:
    """Open the screen on those of some runs that train several tasks; say so if none does."""
    several = [run for run in runs if len(run.record.config.trained_tasks) > 1]
    if several:
        app.push_screen(GainsScreen(workspace, several))
    else:
        app.notify("A run of one task has nobody to gain from.", markup=False)


def _rows(one: Transfer) -> Iterator[Row]:
    """An experiment's mean, its tasks, and who helped whom where pairs were run."""
    key = one.runs[0] if one.runs else one.name
    mean = "-" if one.mean_gain is None else f"{one.mean_gain:+.2%}"
    low, high = one.mean_interval or (None, None)
    between = "" if low is None or high is None else f"{low:+.2%} to {high:+.2%}"
    name = Content.styled(visible(one.name), "bold")
    mean_cells = ("mean, relative", "", "", "", between, mean, str(len(one.runs)))
    yield Row(f"{key} mean", (name, *map(Content, mean_cells)))
    for gain in one.gains:
        yield Row(f"{key} {gain.task}", _cells(f"  {gain.task}", gain))
    for task, row in one.matrix.items():
        for other, gain in row.items():
            yield Row(f"{key} {task} {other}", _cells(f"  {task} with {other}", gain))


def _cells(name: str, gain: TaskGain) -> tuple[Content, ...]:
    style = "" if not gain.is_sure else "$text-success" if gain.difference > 0 else "$text-error"
    star = "★ " if gain.is_sure else ""
    known = gain.low is not None and gain.high is not None
    return (
        Content(visible(name)),
        Content(visible(gain.metric)),
        Content(f"{gain.together:.4f}"),
        Content(f"{gain.alone:.4f}"),
        Content.styled(f"{star}{gain.difference:+.4f}", style),
        Content(f"{gain.low:+.4f} to {gain.high:+.4f}" if known else ""),
        Content("-" if gain.relative is None else f"{gain.relative:+.2%}"),
        Content(str(len(gain.seeds))),
    )
