"""Leaving while a child is at work on an answer."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from workbench.errors import WorkerError
from workbench.operations.playground import Playground
from workbench.operations.workspace import open_workspace
from workbench.worker import errands
from workbench.worker.errands import end_all, run_errand

_LONG = 60


@pytest.fixture(autouse=True)
def _slow_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        errands, "PROGRAM", [sys.executable, "-c", f"import time; time.sleep({_LONG})"]
    )


def _ended_by(leave: Callable[[], None], ask: Callable[[], object]) -> list[WorkerError]:
    """The errors that one thread got, which asked, when another left."""
    found = []

    def work() -> None:
        with pytest.raises(WorkerError) as told:
            ask()
        found.append(told.value)

    before = set(errands._living)
    thread = threading.Thread(target=work)
    thread.start()
    while not set(errands._living) - before:
        time.sleep(0.01)
    leave()
    thread.join(_LONG / 2)
    assert not thread.is_alive()
    return found


def test_closing_waits_for_no_answer_and_nothing_is_asked_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Playground, "_model", lambda self, run_id, checkpoint: "model")
    with open_workspace(str(tmp_path / "x.db")) as ws:
        playground = Playground(ws)

        assert _ended_by(playground.close, lambda: playground.try_texts("abc", ["x"]))
        with pytest.raises(WorkerError, match="Left before predict was done"):
            playground.try_texts("abc", ["x"])


def test_leaving_ends_an_export() -> None:
    assert _ended_by(end_all, lambda: run_errand("export", {}))
