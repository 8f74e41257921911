"""What people leave alone for days, in minutes. `make torture` runs it at full length.

In the ordinary suite each trial is short: MTL_WORKBENCH_TORTURE multiplies the counts (1 there, and
what the figures of the README are from in `make torture`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from scripted_runs import SCRIPT

from workbench.operations.workspace import Workspace
from workbench.paths import Location
from workbench.store.run_store import RunStore
from workbench.worker import launcher

IS_LONG = os.environ.get("MTL_WORKBENCH_TORTURE") == "full"
_figures: list[str] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.torture)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _figures:
        terminalreporter.section("torture")
        for line in _figures:
            terminalreporter.line(line)


@pytest.fixture
def figure() -> Callable[[str], None]:
    """Notes what was tried and how often, for the end of the output."""
    return _figures.append


@pytest.fixture(scope="session")
def times() -> Callable[..., int]:
    """How often a trial is made: `times(long, short=1)`; a variable may say otherwise."""

    def count(long: int, short: int = 1) -> int:
        given = os.environ.get("MTL_WORKBENCH_TORTURE_COUNT")
        if IS_LONG and given:
            return min(long, int(given))
        return long if IS_LONG else short

    return count


@pytest.fixture
def ws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    monkeypatch.setattr(launcher, "PROGRAM", (sys.executable, "-P", str(SCRIPT)))
    url = f"sqlite:///{tmp_path / 'experiments.db'}"
    with Workspace(Location(url, tmp_path / "runs"), RunStore.open(url)) as workspace:
        yield workspace
        for child in list(launcher._children):
            child.kill()
            child.wait()
        launcher.reap()
