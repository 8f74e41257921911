"""What can be asked of a run at work, by the names that the operations give it.

One place between keys and operations: a screen offers what is there and says so if it is not.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from workbench.errors import WorkbenchError
from workbench.operations.workspace import Workspace

_PLACES = {
    "pause": (
        ("workbench.operations.requests", "pause"),
        ("workbench.operations.lifecycle", "pause"),
    ),
    "resume": (("workbench.operations.lifecycle", "resume"),),
    "checkpoint": (
        ("workbench.operations.requests", "save_checkpoint"),
        ("workbench.operations.lifecycle", "checkpoint"),
    ),
    "evaluate": (("workbench.operations.requests", "evaluate_now"),),
}
"""By what is asked: where it may be done."""


def can(asked: str) -> bool:
    """Whether this can be asked."""
    return _find(asked) is not None


def ask(ws: Workspace, asked: str, run_id: str) -> None:
    """Ask it of a run; waits for the store only.

    Raises:
        WorkbenchError: It cannot be done, or not in the state that the run is in.
    """
    operation = _find(asked)
    if operation is None:
        raise WorkbenchError(
            f"This version cannot {asked} a run.", next_step="stop it with x: it saves a checkpoint"
        )
    operation(ws, run_id)


def _find(asked: str) -> Callable[[Workspace, str], Any] | None:
    for module, name in _PLACES[asked]:
        try:
            operation: Callable[[Workspace, str], Any] | None = getattr(
                import_module(module), name, None
            )
        except ModuleNotFoundError:
            continue
        if operation is not None:
            return operation
    return None
