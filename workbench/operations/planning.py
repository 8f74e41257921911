"""What a run would do, asked before it is started: a plan, and a measurement of two updates.

The work needs torch, so a child process does it (see `workbench.worker.errands`); one that is
kept answers the next question in a fraction of the time.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any

from workbench.config.experiment import ExperimentConfig
from workbench.errors import WorkerError
from workbench.plan import Check, Measured, Trial
from workbench.worker.errands import ErrandProcess

Progress = Callable[[str], None]


def _ignore(message: str) -> None:
    return None


class Planner:
    """Asks one child after the other's work; safe to be used by several threads in turn.

    The child is started by the first question and let go by `close`, or by `rest` when nothing
    was asked for a while: it holds half a gigabyte.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: ErrandProcess | None = None
        self._asked_at = 0.0

    def check(self, config: ExperimentConfig, progress: Progress = _ignore) -> Check:
        """The plan of an experiment and what a person should know of it.

        Raises:
            WorkerError: The child died.
        """
        # Of the child nothing can be learned about it: who works in the background is offline.
        return Check.from_json(self._ask("check", config, progress, is_offline=_is_hub_forbidden()))

    def measure(self, config: ExperimentConfig, progress: Progress = _ignore) -> Measured:
        """Two real updates, timed.

        Raises:
            WorkbenchError: The run cannot be prepared, or there is no update to make.
        """
        return Measured(**self._ask("measure", config, progress))

    def trials(self, config: ExperimentConfig, progress: Progress = _ignore) -> tuple[Trial, ...]:
        """Small experiments with the run's own model and data; seconds on a small backbone.

        Raises:
            WorkbenchError: The run cannot be prepared.
        """
        found = self._ask("trials", config, progress)["trials"]
        return tuple(Trial(**one) for one in found)

    def rest(self, idle_seconds: float) -> None:
        """Let the child go if it was not asked for so long; waits for no answer."""
        if self._lock.acquire(blocking=False):
            try:
                if time.monotonic() - self._asked_at > idle_seconds:
                    self._let_go()
            finally:
                self._lock.release()

    def close(self) -> None:
        """End the child, even in the middle of an answer."""
        child = self._child
        if child is not None:
            child.kill()
            self._child = None

    def _ask(
        self, errand: str, config: ExperimentConfig, progress: Progress, **more: bool
    ) -> dict[str, Any]:
        with self._lock:
            child = self._child or ErrandProcess(in_background=True)
            self._child = child
            try:
                request = {"config": config.model_dump(mode="json"), **more}
                return child.ask(errand, request, progress)
            except WorkerError:
                self._let_go()  # it may be dead; the next question gets another
                raise
            finally:
                self._asked_at = time.monotonic()

    def _let_go(self) -> None:
        if self._child is not None:
            self._child.close()
            self._child = None


def _is_hub_forbidden() -> bool:
    """Whether a run that is started from here may not ask the hub, as its library reads it."""
    said = os.environ.get("HF_HUB_OFFLINE") or os.environ.get("TRANSFORMERS_OFFLINE") or ""
    return said.upper() in ("1", "ON", "YES", "TRUE")


def check(config: ExperimentConfig, progress: Progress = _ignore) -> Check:
    """The plan of an experiment, by a child of its own.

    Raises:
        WorkerError: The child died.
    """
    planner = Planner()
    try:
        return planner.check(config, progress)
    finally:
        planner.close()


def measure(config: ExperimentConfig, progress: Progress = _ignore) -> Measured:
    """Two real updates, timed, by a child of its own.

    Raises:
        WorkbenchError: The run cannot be prepared, or there is no update to make.
    """
    planner = Planner()
    try:
        return planner.measure(config, progress)
    finally:
        planner.close()
