"""A database with runs in it, and commands run on it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from workbench import events
from workbench.cli.app import main
from workbench.config.loading import validate
from workbench.operations.workspace import Workspace, open_workspace
from workbench.store.records import ExitRecord, ProcessIdentity, RunRecord

BASE = {
    "tasks": {
        "question": {"kind": "classification", "data": {"train": "/q.jsonl"}},
        "entity": {"kind": "tagging", "data": {"train": "/e.conll"}},
    }
}


ELSEWHERE = ProcessIdentity(2**22 - 1, 0.0, "boot", "another machine")


@dataclass(frozen=True)
class Result:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Command = Callable[..., Result]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "experiments.db"


@pytest.fixture
def space(database: Path) -> Any:
    with open_workspace(str(database)) as opened:
        yield opened


@pytest.fixture
def run_command(database: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    def command(*words: str) -> Result:
        capsys.readouterr()
        code = main(["--db", str(database), *words])
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return command


AddRun = Callable[..., RunRecord]


@pytest.fixture
def add_run(space: Workspace) -> AddRun:
    """Adds a run with its history; newer ones have a later time."""
    count = 0

    def add(
        run_id: str = "arun2345",
        *,
        name: str = "night",
        steps: int = 20,
        accuracy: float = 0.9,
        outcome: str = "finished",
        config: dict[str, Any] | None = None,
        extra: Sequence[events.Event] = (),
        process: ProcessIdentity = ELSEWHERE,
    ) -> RunRecord:
        nonlocal count
        count += 1
        values = {**BASE, **(config or {}), "name": "x"}
        created = datetime(2026, 11, 1, tzinfo=UTC) + timedelta(hours=count)
        experiment = validate(values).model_copy(update={"name": name})
        record = RunRecord(run_id, name, created, experiment, "quickstart")
        space.store.add_run(record)
        space.store.claim(run_id, process)
        space.store.append(run_id, [*history(steps, accuracy), *extra])
        if outcome == "failed":
            space.store.record_exit(
                run_id,
                ExitRecord(
                    "failed",
                    datetime.now(UTC),
                    "The loss is NaN.",
                    "step 20",
                    "lower the rate",
                    "Tb",
                ),
            )
        elif outcome:
            space.store.append(run_id, [events.RunFinished(steps, False, "abc", 4.0)])
            space.store.record_exit(run_id, ExitRecord(outcome, datetime.now(UTC)))  # type: ignore[arg-type]
        return record

    return add


def history(steps: int, accuracy: float) -> list[events.Event]:
    """A run of `steps` updates of 0.5 s each, evaluated at its half and its end."""
    tasks = tuple(
        events.TaskDescribed(task, kind, ("a", "b"), {"train": 80, "dev": 8}, {})
        for task, kind in (("question", "classification"), ("entity", "tagging"))
    )
    told: list[events.Event] = [
        events.PhaseStarted("reading data", 60),
        events.RunStarted(steps, steps // 2, tasks, "cpu", "fp32", 10, 1000, "abc"),
        events.Warned("3 texts are cut\x1b[31m"),
    ]
    for step in range(1, steps + 1):
        told.append(
            events.StepFinished(
                step,
                2 * step / steps,
                {"question": 2.0 / step, "entity": 1.0},
                2.0 / step + 1.0,
                {"backbone": 2e-5, "heads": 1e-4},
                1.0,
                texts=32,
                tokens=320,
                seconds=0.5,
            )
        )
        if step in (steps // 2, steps):
            half = 0.5 if step < steps else 0.0
            metrics = {
                "question": {"loss": 0.3, "accuracy": accuracy - half},
                "entity": {"loss": 0.4, "span_f1": 0.6 - half},
            }
            told.append(events.EvaluationFinished(step, "dev", metrics, 0.75 - half, 0.1))
            told.append(
                events.CheckpointSaved(step, f"checkpoints/{step}", True, 0.75 - half, 90_000_000)
            )
    return told
