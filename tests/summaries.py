"""Runs as the list knows them, made by hand: for what is asked of summaries alone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from workbench.config.loading import validate
from workbench.operations.reading import RunSummary
from workbench.store.records import RunRecord
from workbench.worker.liveness import RunState


def a_run(
    run_id: str = "arun2345",
    *,
    name: str = "night run",
    state: RunState = RunState.FINISHED,
    accuracy: float | None = 0.9,
    settings: dict[str, Any] | None = None,
) -> RunSummary:
    config = validate(
        {
            "name": name,
            "tasks": {"question": {"kind": "classification", "data": {"train": "q.jsonl"}}},
            **(settings or {}),
        }
    )
    return RunSummary(
        record=RunRecord(run_id, name, datetime(2026, 1, 1, tzinfo=UTC), config, "trec.toml"),
        state=state,
        why="",
        step=5,
        total_steps=10,
        phase="",
        tasks=("question",),
        best_step=None,
        selection=accuracy,
        metrics={} if accuracy is None else {"question": {"accuracy": accuracy}},
        seconds=3.0,
        eta_seconds=None,
        texts_per_second=None,
        spark=(),
        exit=None,
    )
