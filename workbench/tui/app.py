"""The terminal interface: holds the screens, goes from one to another, stops runs.

It reads and starts; the runs are processes of their own. Quitting, or a closed terminal
(SIGHUP ends this process as it ends any other), touches none of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from textual import on
from textual._compositor import ChopsUpdate
from textual.app import App
from textual.binding import Binding, BindingType
from textual.command import Provider
from textual.screen import Screen

from workbench.operations import lifecycle
from workbench.operations.reading import RunSummary
from workbench.operations.workspace import Workspace
from workbench.tui.commands import WorkbenchCommands
from workbench.tui.messages import (
    CheckpointsWanted,
    CloneWanted,
    ComparisonWanted,
    RunStarted,
    RunWanted,
    ScreenWanted,
    StopSent,
    StopWanted,
    WorkFailed,
)
from workbench.tui.painting import CroppedUpdate
from workbench.tui.screens.checkpoints import CheckpointsScreen
from workbench.tui.screens.compare import CompareScreen
from workbench.tui.screens.confirm import ConfirmScreen
from workbench.tui.screens.help import HelpScreen
from workbench.tui.screens.home import HomeScreen
from workbench.tui.screens.live import problems_of
from workbench.tui.screens.new_experiment import NewExperimentScreen
from workbench.tui.screens.run import RunScreen
from workbench.tui.themes import THEMES
from workbench.tui.visible import visible


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
        Binding("d", "toggle_light", "Dark/light", show=False, id="app.theme",
                tooltip="Dark or light"),
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
        self._workspace = workspace
        self._first_run = run_id
        self._home = HomeScreen(workspace)
        self._new = NewExperimentScreen(workspace)
        self._run = RunScreen(workspace)
        self._compare = CompareScreen(workspace)
        self._checkpoints = CheckpointsScreen(workspace)

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
        self.theme = THEMES[0].name
        self.add_mode("home", lambda: self._home)
        self.add_mode("new", lambda: self._new)
        self.add_mode("run", lambda: self._run)
        self.add_mode("compare", lambda: self._compare)
        self.add_mode("checkpoints", lambda: self._checkpoints)
        if self._first_run is not None:
            self.open_run(self._first_run)
        else:
            self.switch_mode("home")

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
            title=f"Trouble while {message.doing}",
            severity="error",
            timeout=12,
            markup=False,
        )
