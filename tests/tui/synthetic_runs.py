"""Thousands of runs as workers would have left them, for what has to stay quick with many.

Everything goes through the store's own methods, so that a change of the schema needs none here.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
from recorded_runs import a_config, evaluation, started, steps

from workbench.config.experiment import ExperimentConfig
from workbench.events import EvaluationFinished, Event, RunFinished, StepFinished
from workbench.operations.workspace import Workspace
from workbench.store.records import ExitRecord, RunRecord
from workbench.worker.liveness import current_identity

POOLINGS = ("mean", "cls", "max")
RATES = (1e-5, 2e-5, 5e-5, 1e-4, 3e-4)


def a_variant(number: int) -> ExperimentConfig:
    """The `number`-th experiment of a search: three seeds of each setting."""
    setting, seed = divmod(number, 3)
    config = a_config(
        f"search {setting:04d}",
        rate=RATES[setting % len(RATES)],
        pooling=POOLINGS[setting // len(RATES) % len(POOLINGS)],
    )
    training = config.training.model_copy(update={"batch_size": 8 + setting})
    return config.model_copy(update={"seed": seed + 1, "training": training})


def fill(ws: Workspace, count: int, *, steps_each: int = 24) -> list[str]:
    """Add finished runs, the newest last; every tenth has failed.

    Returns:
        Their ids.
    """
    begin = datetime.now(UTC) - timedelta(minutes=count)
    ids = []
    for number in range(count):
        config = a_variant(number)
        at = begin + timedelta(minutes=number)
        record = RunRecord(f"r{number:05d}", config.name, at, config, "search")
        ws.store.add_run(record)
        ws.store.claim(record.id, current_identity())
        quality = 0.6 + random.Random(record.id).random()
        events: list[Event] = [started(record, steps_each)]
        half = steps_each // 2
        for first in (1, half + 1):
            events += steps(record, first, first + half - 1, steps_each, quality=quality)
            events += evaluation(record, first + half - 1, steps_each, quality=quality)
        has_failed = number % 10 == 9
        if not has_failed:
            events.append(RunFinished(steps_each, False, "", 42.0))
        outcome = "failed" if has_failed else "finished"
        what = "the loss is nan" if has_failed else ""
        ws.store.append(
            record.id,
            events,
            exit=ExitRecord(outcome, at + timedelta(minutes=2), what),
            at=at + timedelta(minutes=1),
        )
        ids.append(record.id)
    return ids


def a_long_run(ws: Workspace, run_id: str, *, tasks: Sequence[str], steps: int) -> RunRecord:
    """A finished run of many steps and tasks, with a spike in one loss and evaluations on dev."""
    data = {"train": "/data/train.jsonl", "dev": "/data/dev.jsonl"}
    config = ExperimentConfig.model_validate(
        {
            "name": f"long {run_id}",
            "tasks": {task: {"kind": "classification", "data": data} for task in tasks},
        }
    )
    record = RunRecord(run_id, config.name, datetime.now(UTC) - timedelta(days=1), config, "")
    ws.store.add_run(record)
    ws.store.claim(run_id, current_identity())
    ws.store.append(run_id, [started(record, steps)])
    noise = np.random.default_rng(1)
    places = np.arange(1, steps + 1)
    losses = {
        task: 2.0 * np.exp(-4 * places / steps) + 0.1 + noise.normal(0, 0.05, steps).clip(-0.09)
        for task in tasks
    }
    if steps > 10:
        losses[tasks[0]][int(steps * 0.7)] = 9.0
    every = max(1, steps // 20)
    batch: list[Event] = []
    for at in range(steps):
        step = at + 1
        now = {task: float(values[at]) for task, values in losses.items()}
        rate = 1e-4 * (1 - at / steps)
        batch.append(
            StepFinished(step, 3 * step / steps, now, sum(now.values()), {"all": rate}, 1.0,
                         32, 640, 0.01)
        )  # fmt: skip
        if step % every == 0:
            metrics = {task: {"accuracy": 0.9 * step / steps, "loss": now[task]} for task in tasks}
            batch.append(EvaluationFinished(step, "dev", metrics, 0.9 * step / steps, 1.0))
        if len(batch) >= 5000 or step == steps:
            ws.store.append(run_id, batch)
            batch = []
    ws.store.append(
        run_id,
        [RunFinished(steps, False, "", steps * 0.01)],
        exit=ExitRecord("finished", datetime.now(UTC)),
    )
    return record
