"""What the tests of the screens share: a database of recorded runs, and waiting for conditions."""

from __future__ import annotations

import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot

# Tests are imported by path (importlib mode), which does not find a module beside them.
sys.path.insert(0, str(Path(__file__).parent))

from recorded_runs import a_config, a_run, a_workspace, fail, finish, train, write_log

from workbench.operations.workspace import Workspace

Wait = Callable[[Pilot[None], Callable[[], object]], Awaitable[None]]


@pytest.fixture(autouse=True)
def _own_preferences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a person prefers stays as it is, and does not change what is tested."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "preferences"))


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    """A database without a run."""
    with a_workspace(tmp_path) as ws:
        yield ws


@pytest.fixture(autouse=True)
def no_plan_unless_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A form that is only looked at here must not start a helper that loads torch."""
    monkeypatch.setattr("workbench.tui.screens.new_experiment.PLAN_SECONDS", 3600.0)


@pytest.fixture
def no_supervisor(monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue that is only looked at begins nothing."""
    for module in ("operations.queue", "worker.supervisor"):
        monkeypatch.setattr(f"workbench.{module}.ensure_supervisor", lambda *_: None)


@pytest.fixture
def recorded(workspace: Workspace) -> Workspace:
    """Three runs: one at work, one finished, one failed; the newest first is the one at work."""
    failed = a_run(workspace, "f9zx7k2n", config=a_config("hot rate", rate=1e-2), minutes_ago=90)
    train(workspace, failed, upto=88, quality=0.4)
    fail(workspace, failed)
    done = a_run(workspace, "n2rt5c8w", config=a_config("cls", pooling="cls"), minutes_ago=60)
    train(workspace, done, upto=240)
    finish(workspace, done)
    live = a_run(workspace, "k7fp3x2a", minutes_ago=4)
    train(workspace, live, upto=150)
    write_log(workspace, "k7fp3x2a", "reading data", "\x1b[31mstep\x1b[0m [bold]150[/bold]")
    return workspace


@pytest.fixture
def wait() -> Wait:
    """Wait until something is so, at most ten seconds; a query that finds nothing is not so."""

    async def until(pilot: Pilot[None], condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if condition():
                await pilot.pause()
                return
            await pilot.pause(0.02)
        raise AssertionError(f"not within 10 seconds; on the screen:\n{shown(pilot)}")

    return until


def shown(pilot: Pilot[None]) -> str:
    """The screen as a grid of text, without colours."""
    lines = pilot.app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in line).rstrip() for line in lines)


@pytest.fixture
def screen_text() -> Callable[[Pilot[None]], str]:
    """The screen as a grid of text."""
    return shown
