"""Checkpoints that retention removed: their files are gone, what was measured of them is not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

import numpy as np

from workbench.operations.saves import saves_of
from workbench.operations.workspace import Workspace
from workbench.store.records import CheckpointRecord, MessageRecord, SeriesKey


def removed_checkpoints(
    ws: Workspace, run_id: str, present: Collection[int]
) -> list[CheckpointRecord]:
    """What was saved and is there no more, oldest first, with the dev metrics of its step.

    Args:
        ws: Where.
        run_id: The run.
        present: Steps of the checkpoints that are there.
    """
    saved = saves_of(ws.store.messages(run_id))
    gone = sorted(step for step in saved if step not in present)
    metrics = _dev_metrics(ws, run_id, gone) if gone else {}
    return [_record(step, saved[step], metrics.get(step, {})) for step in gone]


def _record(
    step: int, message: MessageRecord, metrics: dict[str, dict[str, float]]
) -> CheckpointRecord:
    selection, size = message.body.get("selection"), message.body.get("bytes")
    return CheckpointRecord(
        step=step,
        folder=str(message.body.get("folder", "")),
        saved_at=message.at,
        is_best=False,
        is_last=False,
        selection=float(selection) if isinstance(selection, int | float) else None,
        bytes=size if isinstance(size, int) else 0,
        metrics=metrics,
    )


def _dev_metrics(
    ws: Workspace, run_id: str, steps: list[int]
) -> dict[int, dict[str, dict[str, float]]]:
    """By step, task and metric; what was not evaluated at a step is left out."""
    keys: list[SeriesKey] = [
        key for key in ws.store.series(run_id) if key.split == "dev" and key.task
    ]
    found: dict[int, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    for key, curve in ws.store.curves(run_id, keys=keys).items() if keys else ():
        is_asked = np.isin(curve.steps, steps) & np.isfinite(curve.values)
        for step, value in zip(
            curve.steps[is_asked].tolist(), curve.values[is_asked].tolist(), strict=True
        ):
            found[step][key.task][key.metric] = value
    return found
