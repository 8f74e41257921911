"""A database whose runs have a true worker process with a scripted engine."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from scripted_runs import SCRIPT

from workbench.operations.workspace import Workspace
from workbench.paths import Location
from workbench.store.run_store import RunStore
from workbench.worker import launcher


@pytest.fixture
def ws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    monkeypatch.setattr(launcher, "PROGRAM", (sys.executable, "-P", str(SCRIPT)))
    url = f"sqlite:///{tmp_path / 'experiments.db'}"
    with Workspace(Location(url, tmp_path / "runs"), RunStore.open(url)) as workspace:
        yield workspace
        for child in list(launcher._children):
            if child.poll() is None:
                child.kill()
            child.wait()
        launcher.reap()
