"""Starts a run or lets runs wait in the queue, in a thread, and never two at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from textual.message import Message
from textual.widget import Widget

from workbench.config.experiment import ExperimentConfig
from workbench.config.sweeps import sweep
from workbench.operations import lifecycle, queue
from workbench.operations.workspace import Workspace
from workbench.store.records import RunRecord
from workbench.tui.messages import RunsQueued, RunStarted, WorkFailed
from workbench.tui.screens.live import problems_of

Way = Literal["start", "queue"]
_DOING: dict[Way, str] = {"start": "starting the run", "queue": "adding to the queue"}
"""What fails if a run cannot begin; whatever else fails meanwhile, it is still beginning."""


class LaunchDesk:
    """Belongs to one widget, which gets its messages; its methods are for the widget's thread."""

    def __init__(self, host: Widget, workspace: Workspace) -> None:
        self._host = host
        self._workspace = workspace
        self._is_busy = False

    @property
    def is_busy(self) -> bool:
        """Whether a run is beginning."""
        return self._is_busy

    def start(self, config: ExperimentConfig, source: str) -> None:
        """Start a run, and wait until its worker has claimed it."""
        workspace = self._workspace
        self._begin("start", lambda: RunStarted(lifecycle.start(workspace, config, source=source)))

    def queue(self, config: ExperimentConfig, source: str, variations: Sequence[str] = ()) -> None:
        """Write a run down to wait, or one for each combination of what is varied."""
        workspace = self._workspace

        def add() -> Message:
            added: list[RunRecord] = []
            try:
                for one in sweep(config, variations):
                    added.append(queue.add(workspace, one, source=source))
            except Exception:
                if added:  # they wait, whatever became of the others
                    self._host.post_message(RunsQueued(tuple(added)))
                raise
            return RunsQueued(tuple(added))

        self._begin("queue", add)

    def _begin(self, way: Way, begin: Callable[[], Message]) -> None:
        self._is_busy = True

        def work() -> None:
            try:
                begun = begin()
            except Exception as error:  # Said on the screen: nobody sees a thread die.
                begun = WorkFailed(_DOING[way], problems_of(error))
            self._host.post_message(begun)

        self._host.run_worker(work, group="start", thread=True, exclusive=True,
                              exit_on_error=False)  # fmt: skip

    def begun(self) -> None:
        """The run has begun, or waits: another may."""
        self._is_busy = False

    def failed(self, message: WorkFailed) -> None:
        """Another may begin if that is what failed."""
        if message.doing in _DOING.values():
            self._is_busy = False
