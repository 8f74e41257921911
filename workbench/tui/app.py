"""The terminal interface: holds the screens, goes from one to another, stops runs.

It reads and starts; the runs are processes of their own. Quitting, or a closed terminal
(SIGHUP ends this process as it ends any other), touches none of them.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual._compositor import ChopsUpdate
from textual.app import App
from textual.binding import Binding, BindingType
from textual.command import Provider
from textual.screen import Screen

from workbench import collector
from workbench.operations import reading
from workbench.operations.reading import RunSummary
from workbench.operations.workspace import Workspace
from workbench.tui import ascii_only
from workbench.tui.commands import WorkbenchCommands
from workbench.tui.endings import EndWatch, notification
from workbench.tui.messages import (
    CheckpointsWanted,
    CloneWanted,
    ComparisonWanted,
    EndsRead,
    InterferenceWanted,
    PlaygroundWanted,
    RunRead,
    RunsQueued,
    RunsRead,
    RunStarted,
    RunWanted,
    ScreenWanted,
    StopSent,
    StopWanted,
    WorkFailed,
)
from workbench.tui.painting import CroppedUpdate
from workbench.tui.preferences import load_preferences, save_preferences
from workbench.tui.screens.confirm import ConfirmScreen
from workbench.tui.screens.help import HelpScreen
from workbench.tui.screens.home import HomeScreen
from workbench.tui.screens.live import problems_of
from workbench.tui.themes import THEMES
from workbench.tui.visible import visible

if TYPE_CHECKING:
    from workbench.operations.playground import Playground
    from workbench.tui.screens.checkpoints import CheckpointsScreen
    from workbench.tui.screens.compare import CompareScreen
    from workbench.tui.screens.interference import InterferenceScreen
    from workbench.tui.screens.new_experiment import NewExperimentScreen
    from workbench.tui.screens.playground import PlaygroundScreen
    from workbench.tui.screens.queue_screen import QueueScreen
    from workbench.tui.screens.run import RunScreen

_LOOK_FOR_ENDS_SECONDS = 5.0
_STARTING_SECONDS = 5.0
"""By then the first screen is there."""
_NEXT_SCREENS = (
    "run",
    "compare",
    "checkpoints",
    "playground",
    "queue_screen",
    "interference",
    "gains",
)
"""Loaded while the first one is looked at, the likeliest first."""


class WorkbenchApp(App[None]):
    """One instance looks at one database."""

    TITLE = "mtl-workbench"
    CSS_PATH: ClassVar[str | Path] = "app.tcss"
    COMMANDS: ClassVar[set[type[Provider]]] = {WorkbenchCommands}  # type: ignore[assignment]  # as Textual's guide has it
    ENABLE_COMMAND_PALETTE = True

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("1", "go('home')", "Home", show=False, id="app.home", tooltip="All runs"),
        Binding("2", "go('new')", "New", show=False, id="app.new", tooltip="New experiment"),
        Binding("3", "go('run')", "Run", show=False, id="app.run", tooltip="The run opened last"),
        Binding("4", "go('compare')", "Compare", show=False, id="app.compare",
                tooltip="The runs compared last"),
        Binding("5", "go('checkpoints')", "Checkpoints", show=False, id="app.checkpoints",
                tooltip="Checkpoints and export of a run"),
        Binding("6", "go('playground')", "Playground", show=False, id="app.playground",
                tooltip="Try a checkpoint on sentences"),
        Binding("7", "go('queue')", "Queue", show=False, id="app.queue",
                tooltip="Runs that wait for their turn"),
        Binding("d", "toggle_light", "Dark/light", show=False, id="app.theme",
                tooltip="Dark or light"),
        Binding("B", "ring", "Bell", show=False, id="app.ring",
                tooltip="Ring the bell when a run ends or falls silent, or do not"),
        Binding("question_mark", "help", "Help", key_display="?", id="app.help",
                tooltip="Purpose and keys of the screen in front"),
        Binding("f1", "help", "Help", key_display="F1", id="app.help-from-fields",
                tooltip="Purpose and keys of the screen in front"),
        Binding("q", "quit", "Quit", id="app.quit", tooltip="Leave; runs go on"),
        Binding("ctrl+q", "quit", "Quit", key_display="^q", id="app.quit-from-fields",
                priority=True, tooltip="Leave; runs go on"),
    ]  # fmt: skip

    def __init__(self, workspace: Workspace, *, run_id: str | None = None) -> None:
        """Look at a database.

        Args:
            workspace: The database and its run folders.
            run_id: A run to open at once; all runs are shown first without it.
        """
        super().__init__()
        self.is_ascii = ascii_only.is_wanted()
        if self.is_ascii:
            self._filters.append(ascii_only.AsciiFilter())
        self._preferences = load_preferences()
        self._ends = EndWatch()
        self._is_looking_for_ends = False
        self._has_loaded_screens = False
        self._workspace = workspace
        self._first_run = run_id
        self._home = HomeScreen(workspace)

    # The other screens are made when they are gone to: what they import is a quarter of the start.

    @cached_property
    def _run(self) -> RunScreen:
        from workbench.tui.screens.run import RunScreen

        return RunScreen(self._workspace)

    @cached_property
    def _new(self) -> NewExperimentScreen:
        from workbench.tui.screens.new_experiment import NewExperimentScreen

        return NewExperimentScreen(self._workspace)

    @cached_property
    def _compare(self) -> CompareScreen:
        from workbench.tui.screens.compare import CompareScreen

        return CompareScreen(self._workspace)

    @cached_property
    def _interference(self) -> InterferenceScreen:
        from workbench.tui.screens.interference import InterferenceScreen

        return InterferenceScreen(self._workspace)

    @cached_property
    def _checkpoints(self) -> CheckpointsScreen:
        from workbench.tui.screens.checkpoints import CheckpointsScreen

        return CheckpointsScreen(self._workspace, self.playground)

    @cached_property
    def _trying(self) -> PlaygroundScreen:
        from workbench.tui.screens.playground import PlaygroundScreen

        return PlaygroundScreen(self._workspace, self.playground)

    @cached_property
    def _queue(self) -> QueueScreen:
        from workbench.tui.screens.queue_screen import QueueScreen

        return QueueScreen(self._workspace)

    @cached_property
    def playground(self) -> Playground:
        """Where checkpoints are tried."""
        from workbench.operations.playground import Playground

        return Playground(self._workspace)

    @property
    def workspace(self) -> Workspace:
        """The database that is shown."""
        return self._workspace

    @property
    def known_runs(self) -> tuple[RunSummary, ...]:
        """All runs as last read."""
        return self._home.runs

    def on_mount(self) -> None:
        """Show all runs, or the run that was asked for."""
        for theme in THEMES:
            self.register_theme(theme)
        known = self._preferences.theme in self.available_themes
        self.theme = self._preferences.theme if known else THEMES[0].name
        self.set_keymap(dict(self._preferences.keys))
        self.set_interval(_LOOK_FOR_ENDS_SECONDS, self._look_for_ends)
        self.set_timer(_STARTING_SECONDS, collector.go_on)
        self.add_mode("home", lambda: self._home)
        self.add_mode("new", lambda: self._new)
        self.add_mode("run", lambda: self._run)
        self.add_mode("compare", lambda: self._compare)
        self.add_mode("checkpoints", lambda: self._checkpoints)
        self.add_mode("interference", lambda: self._interference)
        self.add_mode("playground", lambda: self._trying)
        if copied_to := self._workspace.store.copied_to:
            self.notify(
                f"The database is brought up to date; as it was it is in {visible(copied_to)}",
                timeout=20,
                markup=False,
            )
        self.add_mode("queue", lambda: self._queue)
        if self._first_run is not None:
            self.open_run(self._first_run)
        else:
            self.switch_mode("home")

    def on_unmount(self) -> None:
        """End the children at work: their threads would hold the program back until they end."""
        from workbench.worker.errands import end_all

        if "playground" in vars(self):
            self.playground.close()
        end_all()

    def _display(self, screen: Screen[Any], renderable: Any) -> None:
        """Send less of what changed; see `painting`."""
        if isinstance(renderable, ChopsUpdate):
            renderable = CroppedUpdate(renderable)
        super()._display(screen, renderable)

    def open_run(self, run_id: str) -> None:
        """Show a run's curves."""
        self._run.show_run(run_id)
        self.switch_mode("run")

    # ── keys ──────────────────────────────────────────────────────────────────

    def action_go(self, mode: str) -> None:
        """Go to a screen; those of one run take the one that was opened or pointed at last."""
        pointed_at = self._home.chosen_run if self._home.is_mounted else None
        if mode == "run" and self._run.run_id is None and pointed_at is not None:
            self._run.show_run(pointed_at.record.id)
        if mode == "checkpoints" and self._checkpoints.run_id is None:
            run_id = self._run.run_id or (pointed_at.record.id if pointed_at else None)
            if run_id is not None:
                self._checkpoints.show_run(run_id)
        if mode == "playground" and self._trying.run_id is None:
            summary = self._run.summary or pointed_at
            if summary is not None:
                self._trying.show_checkpoint(summary.record, "best")
        if mode == "compare" and len(self._home.marks) >= 2:
            self._compare.show_runs(self._home.marks)
        self.switch_mode(mode)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A dialog has to be answered before one goes elsewhere."""
        is_dialog = len(self.screen_stack) > 1
        return not (is_dialog and action in ("go", "help", "toggle_light"))

    def action_toggle_light(self) -> None:
        """Dark to light and back."""
        names = [theme.name for theme in THEMES]
        self.theme = names[1] if self.theme == names[0] else names[0]
        self._preferences = replace(load_preferences(), theme=self.theme)
        save_preferences(self._preferences)

    def action_ring(self) -> None:
        """Ring when a run ends, or do not."""
        self._preferences = replace(load_preferences(), rings=not self._preferences.rings)
        save_preferences(self._preferences)
        rings = self._preferences.rings
        self.notify("The end of a run rings the bell." if rings else "No bell.", markup=False)

    # ── runs that end while one looks elsewhere ───────────────────────────────

    @on(RunsRead)
    def _runs_were_read(self, message: RunsRead) -> None:
        if not self._has_loaded_screens:
            self._has_loaded_screens = True
            self.run_worker(_load_screens, name="screens", thread=True, exit_on_error=False)
        self._tell_ends(message.runs)

    @on(RunRead)
    def _run_was_read(self, message: RunRead) -> None:
        self._tell_ends((message.summary,))

    def _look_for_ends(self) -> None:
        """Where no screen looks at all runs, look at those that may end."""
        if self.current_mode == "home" or self._is_looking_for_ends or not self._ends.has_open_runs:
            return
        self._is_looking_for_ends = True
        workspace, known = self._workspace, self._home.runs

        def look() -> None:
            try:
                runs = reading.list_runs(workspace, known=known)
                self.post_message(EndsRead(tuple(runs)))
            except Exception:  # The screen in front says what is wrong with the database.
                self.post_message(EndsRead(()))

        self.run_worker(look, name="ends", group="ends", thread=True, exit_on_error=False)

    @on(EndsRead)
    def _ends_read(self, message: EndsRead) -> None:
        self._is_looking_for_ends = False
        self._tell_ends(message.runs)

    def _tell_ends(self, runs: tuple[RunSummary, ...]) -> None:
        for ending in self._ends.look(runs):
            self.notify(
                ending.words,
                severity="warning" if ending.is_bad else "information",
                timeout=10,
                markup=False,
            )
            if self._preferences.rings:
                self.bell()
                if self._driver is not None:
                    self._driver.write(notification(ending.words))

    def action_help(self) -> None:
        """Explain the screen in front."""
        self.push_screen(HelpScreen(self.screen, self.current_mode))

    # ── what screens ask for ──────────────────────────────────────────────────

    @on(ScreenWanted)
    def _screen_wanted(self, message: ScreenWanted) -> None:
        self.action_go(message.mode)

    @on(RunWanted)
    def _run_wanted(self, message: RunWanted) -> None:
        self.open_run(message.run_id)

    @on(RunStarted)
    def _run_started(self, message: RunStarted) -> None:
        if self.current_mode == "new":
            self.open_run(message.record.id)
        else:
            # Whoever went elsewhere while the worker started is not torn away.
            self.notify(f'"{visible(message.record.name)}" is started.', markup=False)

    @on(RunsQueued)
    def _runs_queued(self, message: RunsQueued) -> None:
        first = message.records[0]
        count = len(message.records)
        who = f'"{visible(first.name)}" waits' if count == 1 else f"{count} runs wait"
        self.notify(f"{who} for {'its' if count == 1 else 'their'} turn.", markup=False)
        if self.current_mode == "new":
            self._queue.point_at(first.id)
            self.switch_mode("queue")

    @on(CloneWanted)
    def _clone_wanted(self, message: CloneWanted) -> None:
        self._new.fill(message.run.record)
        self.switch_mode("new")

    @on(ComparisonWanted)
    def _comparison_wanted(self, message: ComparisonWanted) -> None:
        self._compare.show_runs(message.run_ids)
        self.switch_mode("compare")

    @on(CheckpointsWanted)
    def _checkpoints_wanted(self, message: CheckpointsWanted) -> None:
        self._checkpoints.show_run(message.run_id)
        self.switch_mode("checkpoints")

    @on(PlaygroundWanted)
    def _playground_wanted(self, message: PlaygroundWanted) -> None:
        self._trying.show_checkpoint(message.record, message.checkpoint)
        self.switch_mode("playground")

    @on(InterferenceWanted)
    def _interference_wanted(self, message: InterferenceWanted) -> None:
        self._interference.show_run(message.run_id)
        self.switch_mode("interference")

    @on(StopWanted)
    def _stop_wanted(self, message: StopWanted) -> None:
        run_id, name = message.run.record.id, visible(message.run.record.name)
        if message.run.state.is_over:
            self.notify(f'"{name}" is over: {message.run.state.value}.', markup=False)
            return

        def answered(is_yes: bool | None) -> None:
            if is_yes:
                self.run_worker(
                    lambda: self._stop(run_id, name),
                    name="stop",
                    group="stop",
                    thread=True,
                    exclusive=True,
                    exit_on_error=False,
                )

        self.push_screen(
            ConfirmScreen(
                f'Stop "{name}"?',
                "It saves a checkpoint after the step it is in, and ends. What it learned stays.",
                yes="stop it",
            ),
            answered,
        )

    def _stop(self, run_id: str, name: str) -> None:
        """In a thread: tell the worker, and post."""
        from workbench.operations import lifecycle

        try:
            state = lifecycle.stop(self._workspace, run_id)
        except Exception as error:  # Said on the screen, whatever it is: nobody sees a thread die.
            self.post_message(WorkFailed("stopping the run", problems_of(error)))
            return
        self.post_message(StopSent(name, state.value))

    @on(StopSent)
    def _stop_sent(self, message: StopSent) -> None:
        self.notify(f'"{message.name}" was told to stop; it is {message.state} now.',
                    markup=False)  # fmt: skip

    @on(WorkFailed)
    def _work_failed(self, message: WorkFailed) -> None:
        lines = [line for problem in message.problems for line in problem.lines()]
        self.notify(
            "\n".join(visible(line) for line in lines),
            title=f"Trouble while {visible(message.doing)}",
            severity="error",
            timeout=12,
            markup=False,
        )


def _load_screens() -> None:
    """In a thread: what the screens import, so that going to one does not wait for it."""
    for name in _NEXT_SCREENS:
        import_module(f"workbench.tui.screens.{name}")
