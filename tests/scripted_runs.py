"""Runs of a true worker process whose engine is a script: see `integration/scripted_worker.py`."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workbench.config.experiment import ExperimentConfig
from workbench.operations import reading
from workbench.operations.reading import RunSummary
from workbench.operations.workspace import Workspace
from workbench.store.records import ProcessIdentity, RunRecord, SeriesKey

SCRIPT = Path(__file__).parent / "integration" / "scripted_worker.py"
TOTAL = SeriesKey("train", "", "loss")

_spec = importlib.util.spec_from_file_location("scripted_worker", SCRIPT)
assert _spec is not None
assert _spec.loader is not None
scripted: Any = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(scripted)


def a_config(script: int) -> ExperimentConfig:
    """An experiment that tells the scripted engine what to do."""
    task = {"kind": "classification", "data": {"train": str(SCRIPT)}}
    return ExperimentConfig.model_validate({"name": "try", "seed": script, "tasks": {"q": task}})


def wait_until(claim: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait for a condition; so long, since a busy machine takes its time to start a process."""
    until = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < until, "waited too long"
        time.sleep(0.05)


def end_of(ws: Workspace, record: RunRecord, seconds: float = 90.0) -> RunSummary:
    """The run when it is over."""
    wait_until(lambda: reading.summarize(ws, record.id).state.is_over, seconds)
    return reading.summarize(ws, record.id)


def worker_of(ws: Workspace, record: RunRecord) -> ProcessIdentity:
    """The process that has claimed a run."""
    process = ws.store.facts(record.id).process
    assert process is not None
    return process


def kill_worker(ws: Workspace, record: RunRecord) -> None:
    """End it as the kernel does when memory runs out, and wait until it is gone."""
    process = worker_of(ws, record)
    os.kill(process.pid, signal.SIGKILL)
    wait_until(lambda: reading.summarize(ws, record.id).state.is_over)


def losses_of(ws: Workspace, record: RunRecord) -> dict[int, float]:
    """The total train loss by step."""
    curve = ws.store.curves(record.id)[TOTAL]
    return dict(zip(curve.steps.tolist(), curve.values.tolist(), strict=True))


def counted_losses(steps: int, *, start: int = 0, value: int = 1) -> dict[int, float]:
    """What a run of the script COUNTS tells if nobody interrupts it."""
    losses = {}
    for step in range(start + 1, steps + 1):
        value = (value * 1103515245 + 12345) % 2**31
        losses[step] = value / 2**31
    return losses


def state_of_checkpoint(folder: Path) -> dict[str, Any]:
    """What the script saved."""
    found: dict[str, Any] = json.loads((folder / "training" / "state.json").read_text())
    return found
