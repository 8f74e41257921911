"""Runs as a worker would have left them: real events in a real store, without any training."""

from __future__ import annotations

import json
import math
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

from workbench.config.experiment import ExperimentConfig
from workbench.events import (
    CheckpointSaved,
    EvaluationFinished,
    Event,
    RunFinished,
    RunStarted,
    StepFinished,
    TaskDescribed,
)
from workbench.operations.workspace import Workspace, open_workspace
from workbench.store.records import ExitRecord, Heartbeat, RunRecord
from workbench.worker.liveness import current_identity, here

TASKS = {
    "topic": ("classification", "accuracy"),
    "sentiment": ("classification", "accuracy"),
    "entity": ("tagging", "span_f1"),
}


def a_workspace(folder: Path) -> Workspace:
    """An empty database in `folder`."""
    return open_workspace(str(folder / "experiments.db"))


def a_config(
    name: str = "quickstart", *, tasks: int = 3, rate: float = 1e-4, pooling: str = "mean"
) -> ExperimentConfig:
    """An experiment on the sample corpus, its files named but never opened."""
    data = {"train": "/data/train.jsonl", "dev": "/data/dev.jsonl"}
    return ExperimentConfig.model_validate(
        {
            "name": name,
            "pooling": {"mode": pooling},
            "optimization": {"learning_rate": rate},
            "tasks": {
                task: {"kind": kind, "metric": metric, "data": data}
                for task, (kind, metric) in list(TASKS.items())[:tasks]
            },
        }
    )


def a_run(
    ws: Workspace,
    run_id: str,
    *,
    config: ExperimentConfig | None = None,
    minutes_ago: float = 10,
    source: str = "quickstart",
) -> RunRecord:
    """A run that was asked for and claimed by this very process, so that it is alive."""
    record = RunRecord(
        run_id,
        (config or a_config()).name,
        datetime.now(UTC) - timedelta(minutes=minutes_ago),
        config or a_config(),
        source,
    )
    ws.store.add_run(record)
    ws.store.claim(run_id, current_identity())
    return record


def started(record: RunRecord, total: int) -> RunStarted:
    """The first thing that a run says."""
    tasks = tuple(
        TaskDescribed(name, task.kind, ("a", "b"), {"train": 512, "dev": 96}, {"train": 0})
        for name, task in record.config.tasks.items()
    )
    return RunStarted(total, max(1, total // 3), tasks, "cpu", "fp32", 22_000_000, 22_713_216, "")


def steps(
    record: RunRecord, first: int, last: int, total: int, *, quality: float = 1.0
) -> list[Event]:
    """Updates `first` to `last`, with noisy falling losses, always the same."""
    events: list[Event] = []
    rate = record.config.optimization.learning_rate
    for step in range(first, last + 1):
        noise = random.Random(f"{record.id}{step}")
        done = step / total
        losses = {
            task: (2.2 - 0.5 * at) * math.exp(-3.2 * quality * done) + 0.12
            + noise.gauss(0, 0.09) * (1.2 - done)
            for at, task in enumerate(record.config.tasks)
        }  # fmt: skip
        losses = {task: max(0.02, loss) for task, loss in losses.items()}
        factor = min(1.0, step / (0.1 * total)) * (1 - max(0.0, done - 0.1) / 0.9)
        events.append(
            StepFinished(step, 3 * done, losses, sum(losses.values()),
                         {"backbone": rate * factor, "heads": rate * factor * 5},
                         1.0 + noise.random(), 32, 640, 0.21)
        )  # fmt: skip
    return events


def evaluation(record: RunRecord, step: int, total: int, *, quality: float = 1.0) -> list[Event]:
    """An evaluation on dev, with the checkpoint that follows it."""
    reached = 1 - math.exp(-2.6 * quality * step / total)
    metrics = {
        task: {
            config.metric: round((0.94 - 0.09 * at) * reached, 4),
            "loss": (1.9 - 0.4 * at) * math.exp(-2.4 * quality * step / total) + 0.3,
        }
        for at, (task, config) in enumerate(record.config.tasks.items())
    }
    selection = sum(
        metrics[task][config.metric] for task, config in record.config.tasks.items()
    ) / len(record.config.tasks)
    return [
        EvaluationFinished(step, "dev", metrics, selection, 2.5),
        CheckpointSaved(step, f"checkpoints/{step}", True, selection, 91_400_000),
    ]


def train(
    ws: Workspace, record: RunRecord, *, upto: int, total: int = 240, quality: float = 1.0
) -> None:
    """Bring a run to a step, with an evaluation at every sixth of the whole."""
    events: list[Event] = [started(record, total)]
    sixth = total // 6
    for first in range(1, upto + 1, sixth):
        last = min(first + sixth - 1, upto)
        events += steps(record, first, last, total, quality=quality)
        if last % sixth == 0:
            events += evaluation(record, last, total, quality=quality)
    ws.store.append(record.id, events)
    ws.store.beat(record.id, Heartbeat(datetime.now(UTC), "training", upto, 30.0))


def finish(ws: Workspace, record: RunRecord, *, step: int = 240) -> None:
    """Let a run come to its end."""
    ws.store.append(
        record.id,
        [RunFinished(step, False, "", 61.0)],
        exit=ExitRecord("finished", datetime.now(UTC)),
    )


def fail(ws: Workspace, record: RunRecord) -> None:
    """Let a run fail with a loss that is not a number."""
    ws.store.record_exit(
        record.id,
        ExitRecord(
            "failed",
            datetime.now(UTC),
            'Task "entity": the loss is nan at step 88.',
            "step 88, batch of 32 texts, first id 1741",
            "lower optimization.learning_rate (it is 0.01), or set max_gradient_norm = 1.0",
            "Traceback …",
        ),
    )


def a_queue(ws: Workspace, *, begun: str = "k7fp3x2a") -> None:
    """A run at work that was begun by the queue, and three that wait for their turn."""
    ws.store.enqueue(begun, here().host)
    ws.store.take_from_queue(begun, None)
    for number, (name, rate) in enumerate((("cool", 2e-5), ("warm", 5e-5), ("hot", 5e-4)), start=1):
        record = RunRecord(
            f"w{number}",
            f"{name} rate",
            datetime.now(UTC) - timedelta(minutes=3, seconds=-number),
            a_config(f"{name} rate", rate=rate),
            "quickstart",
        )
        ws.store.add_run(record)
        ws.store.enqueue(record.id, here().host)


def write_log(ws: Workspace, run_id: str, *lines: str) -> None:
    """Lines in the run's log file."""
    folder = ws.location.run_folder(run_id)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "worker.log").open("a", encoding="utf-8") as log:
        log.writelines(f"{line}\n" for line in lines)


def data_files(folder: Path) -> Path:
    """Two small data files, so that an experiment that names them is valid."""
    folder.mkdir(parents=True, exist_ok=True)
    for split in ("train", "dev"):
        lines = [json.dumps({"text": f"text {n}", "label": "ab"[n % 2]}) for n in range(4)]
        (folder / f"{split}.jsonl").write_text("\n".join(lines) + "\n")
    return folder
