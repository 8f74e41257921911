"""A look at the queue, without processes."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "tui"))

from recorded_runs import a_config, a_workspace

from workbench.operations import lifecycle, queue
from workbench.operations.workspace import Workspace
from workbench.paths import Location
from workbench.worker.liveness import here


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Location]:
    """How often a supervisor would have been started."""
    found: list[Location] = []
    for module in ("operations.queue", "worker.supervisor"):
        monkeypatch.setattr(
            f"workbench.{module}.ensure_supervisor", lambda _store, location: found.append(location)
        )
    return found


def test_a_look_asks_once_for_a_supervisor(tmp_path: Path, asked: list[Location]) -> None:
    with a_workspace(tmp_path) as ws:
        ws.store.enqueue(lifecycle.add(ws, a_config()).id, here().host)

        queue.look(ws)

    assert len(asked) == 1


def test_what_holds_up_a_queue_is_what_its_own_supervisor_says(
    tmp_path: Path, asked: list[Location]
) -> None:
    with a_workspace(tmp_path) as ws:
        ws.store.enqueue(lifecycle.add(ws, a_config()).id, here().host)
        ws.store.change_queue_settings(here().host, {"paused": True})
        url = "postgresql://server/runs"
        in_its_folder = Workspace(replace(ws.location, url=url), ws.store)
        elsewhere = Workspace(Location(url, tmp_path / "elsewhere"), ws.store)

        assert queue.look(in_its_folder).why_waiting == "The queue is paused."
        assert queue.look(elsewhere).why_waiting == ""
