"""How events become rows: one place to look for what is kept of what a run says.

| event              | goes to                                                              |
| ------------------ | -------------------------------------------------------------------- |
| StepFinished       | points of losses, weights, rates, norms and shares; steps            |
| InterferenceProbed | points of cosines (task `one|other`), of norms and weights by task     |
| MachineSampled     | points of split `run`, metric `machine/host cpu` and the like         |
| EvaluationFinished | points of metrics and of the selection rule; evaluations             |
| CheckpointSaved    | checkpoints; messages                                                |
| CheckpointRemoved  | its row in checkpoints goes; messages                                |
| RunResumed         | the rows of all later steps go; messages                             |
| all others         | messages, whole                                                      |
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select

from workbench.events import (
    CheckpointRemoved,
    CheckpointSaved,
    EvaluationFinished,
    Event,
    InterferenceProbed,
    MachineSampled,
    RunResumed,
    StepFinished,
)
from workbench.store import event_json
from workbench.store.records import SeriesKey
from workbench.store.tables import (
    checkpoints,
    evaluations,
    exits,
    messages,
    points,
    series,
    steps,
)
from workbench.store.upsert import upsert

TOTAL_LOSS = SeriesKey("train", "", "loss")
"""The weighted sum that is minimised."""
GRADIENT_NORM = SeriesKey("run", "", "gradient_norm")
SELECTION = SeriesKey("dev", "", "selection")
MACHINE = "machine/"
"""Begins the metric of what part of the machine was in use."""
COSINE, SHARED_NORM = "cosine", "shared_norm"
"""Metrics of split `run`: of all shared parameters; of a part of them `cosine/layer 3`."""

Row = dict[str, Any]


@dataclass
class Rows:
    """The rows of a batch, without the run's id, which is the same in all."""

    points: dict[SeriesKey, dict[int, float | None]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    """By curve, the value at each step."""
    steps: dict[int, Row] = field(default_factory=dict)
    evaluations: dict[tuple[str, int], Row] = field(default_factory=dict)
    checkpoints: dict[int, Row | None] = field(default_factory=dict)
    """By step; None for one that was removed."""
    messages: list[Row] = field(default_factory=list)
    last_valid_step: int | None = None
    """What the store has of later steps goes before these rows come: the run was resumed."""


def finite(value: float | None) -> float | None:
    """The value, or None where the column is to be NULL."""
    return value if value is not None and math.isfinite(value) else None


def collect(events: Sequence[Event], *, at: datetime) -> Rows:
    """Sort events into rows.

    Args:
        events: In the order in which they happened; of two on one step the later one stays.
        at: When they are written down.
    """
    rows = Rows()
    for event in events:
        if isinstance(event, StepFinished):
            _collect_step(rows, event)
            continue
        if isinstance(event, InterferenceProbed):
            _collect_probe(rows, event)
            continue
        if isinstance(event, MachineSampled):
            for what, share in event.shares.items():
                rows.points[SeriesKey("run", "", f"{MACHINE}{what}")][event.step] = finite(share)
            continue
        if isinstance(event, EvaluationFinished):
            _collect_evaluation(rows, event, at)
            continue
        if isinstance(event, CheckpointSaved):
            rows.checkpoints[event.step] = {
                "step": event.step,
                "folder": event.folder,
                "saved_at": at,
                "is_best": event.is_best,
                "selection": finite(event.selection),
                "bytes": event.bytes,
            }
        elif isinstance(event, CheckpointRemoved):
            rows.checkpoints[event.step] = None
        elif isinstance(event, RunResumed):
            # The first event of a new process. Were it not, what came before it in the batch
            # would be told twice at worst: no step before it is dropped.
            before = rows.last_valid_step
            rows.last_valid_step = event.step if before is None else min(before, event.step)
        rows.messages.append(
            {"at": at, "kind": event_json.kind_of(event), "body": event_json.to_json(event)}
        )
    return rows


def _collect_step(rows: Rows, event: StepFinished) -> None:
    for task, loss in event.losses.items():
        rows.points[SeriesKey("train", task, "loss")][event.step] = finite(loss)
    rows.points[TOTAL_LOSS][event.step] = finite(event.total_loss)
    for group, rate in event.learning_rates.items():
        rows.points[SeriesKey("run", "", f"learning_rate/{group}")][event.step] = finite(rate)
    rows.points[GRADIENT_NORM][event.step] = finite(event.gradient_norm)
    for split, metric, by_task in (
        ("train", "weight", event.weights),
        ("run", "gradient_norm", event.task_norms),
        ("run", "share", event.shares),
        ("run", "planned_share", event.planned_shares),
    ):
        for task, value in by_task.items():
            rows.points[SeriesKey(split, task, metric)][event.step] = finite(value)
    rows.steps[event.step] = {
        "step": event.step,
        "epoch": event.epoch,
        "seconds": event.seconds,
        "texts": event.texts,
        "tokens": event.tokens,
    }


def _collect_probe(rows: Rows, event: InterferenceProbed) -> None:
    for metric, by_group in ((COSINE, event.cosines), (SHARED_NORM, event.norms)):
        for group, values in by_group.items():
            for task, value in values.items():
                key = SeriesKey("run", task, metric if group == "all" else f"{metric}/{group}")
                rows.points[key][event.step] = finite(value)
    for task, weight in event.weights.items():
        rows.points[SeriesKey("train", task, "weight")][event.step] = finite(weight)


def _collect_evaluation(rows: Rows, event: EvaluationFinished, at: datetime) -> None:
    for task, metrics in event.metrics.items():
        for metric, value in metrics.items():
            rows.points[SeriesKey(event.split, task, metric)][event.step] = finite(value)
    if event.selection is not None:
        rows.points[SELECTION][event.step] = finite(event.selection)
    # A second evaluation of a step looked at the tasks that the first one left out.
    rows.evaluations[event.split, event.step] = {
        "split": event.split,
        "step": event.step,
        "at": at,
        "selection": finite(event.selection),
        "seconds": event.seconds,
    }


def write(
    connection: Connection, run_id: str, rows: Rows, *, series_ids: Mapping[SeriesKey, int]
) -> None:
    """Write the rows inside the caller's transaction; rows with a known key are replaced.

    Args:
        connection: In a transaction that writes.
        run_id: The run.
        rows: From `collect`.
        series_ids: Ids of all the curves in `rows`.
    """
    if rows.last_valid_step is not None:
        _supersede(connection, run_id, rows.last_valid_step)
    point_rows = [
        {"series_id": series_ids[key], "step": step, "value": value}
        for key, values in rows.points.items()
        for step, value in values.items()
    ]
    saved = [row for row in rows.checkpoints.values() if row is not None]
    removed = [step for step, row in rows.checkpoints.items() if row is None]
    if point_rows:
        connection.execute(upsert(connection, points), point_rows)
    for table, table_rows in (
        (steps, list(rows.steps.values())),
        (evaluations, list(rows.evaluations.values())),
        (checkpoints, saved),
    ):
        if table_rows:
            connection.execute(
                upsert(connection, table), [{"run_id": run_id, **row} for row in table_rows]
            )
    if removed:
        connection.execute(
            delete(checkpoints).where(
                checkpoints.c.run_id == run_id, checkpoints.c.step.in_(removed)
            )
        )
    if rows.messages and not _is_told(connection, run_id, rows.messages[0]):
        connection.execute(messages.insert(), [{"run_id": run_id, **row} for row in rows.messages])


def _is_told(connection: Connection, run_id: str, message: Row) -> bool:
    """Whether the batch that begins with this message is in already: its moment tells it from all
    others of the run.

    All other rows have keys. Batches that are in the journal are known by their bytes; one that a
    full disk did not take has none, and is sent anew if the answer to a commit was lost.
    """
    is_same = (messages.c[name] == value for name, value in message.items())
    query = select(messages.c.id).where(messages.c.run_id == run_id, *is_same).limit(1)
    return connection.execute(query).first() is not None


def _supersede(connection: Connection, run_id: str, last_valid_step: int) -> None:
    """Take out what an earlier process wrote of later steps: they are made anew."""
    ids = select(series.c.id).where(series.c.run_id == run_id)
    connection.execute(
        delete(points).where(points.c.series_id.in_(ids), points.c.step > last_valid_step)
    )
    for table in (steps, evaluations, checkpoints):
        connection.execute(
            delete(table).where(table.c.run_id == run_id, table.c.step > last_valid_step)
        )
    connection.execute(delete(exits).where(exits.c.run_id == run_id))
