"""What can be asked of a run by one key, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from workbench.operations import lifecycle, requests
from workbench.operations.workspace import Workspace

ASKED: dict[str, Callable[[Workspace, str], Any]] = {
    "pause": requests.pause,
    "resume": lifecycle.resume,
    "checkpoint": requests.save_checkpoint,
    "evaluation": requests.evaluate_now,
}


def ask(ws: Workspace, asked: str, run_id: str) -> None:
    """Ask it of a run; one of `ASKED`. Waits for the store, and when resuming for the worker.

    Raises:
        WorkbenchError: It cannot be done in the state that the run is in.
    """
    ASKED[asked](ws, run_id)
