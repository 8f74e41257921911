"""Which charts a run has, and the series in each."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from workbench.operations.reading import RunSummary
from workbench.store.records import CheckpointRecord, Curve, SeriesKey
from workbench.tui.charts.series import ChartEvent, ChartSeries, EventKind, SeriesRole
from workbench.tui.charts.view import View
from workbench.tui.history import CurveHistory
from workbench.tui.visible import visible
from workbench.tui.widgets.chart_grid import ChartSpec

METRICS = "metrics"
RATES = "rates"
_RATE = "learning_rate/"
_FIRST_METRIC_COLOUR = 2
"""After train and dev, so that no colour means two things on one screen."""
_SPANS = (1 / 16, 3 / 32, 1 / 8, 3 / 16, 1 / 4, 3 / 8, 1 / 2, 3 / 4, 1.0)
"""Parts of all steps that the charts of a live run span, one after the other."""


def chart_specs(run: RunSummary) -> list[ChartSpec]:
    """One chart per task, then the learning rates, then the dev metrics of all.

    The last one gets what room is left over, and the metrics deserve it more than the rates.
    """
    waiting = "no values yet: the first steps bring them"
    specs = [
        ChartSpec(f"task:{task}", f"{visible(task)} loss", "loss", waiting) for task in run.tasks
    ]
    if len(run.tasks) == 1:
        specs[0] = ChartSpec(specs[0].key, "loss", "loss", waiting)
    return [
        *specs,
        ChartSpec(RATES, "learning rate", "rate", waiting),
        ChartSpec(METRICS, "dev metrics", "metric", "no evaluation yet"),
    ]


def span_of_steps(run: RunSummary) -> View | None:
    """The range of steps that all charts show: what was done, widened rarely while it grows.

    Each widening draws every cell anew, and at most a third of the width waits for values.
    """
    if run.step <= 0:
        return None
    if run.state.is_over or run.step > run.total_steps:
        return (0.0, float(run.step))
    part = next(part for part in _SPANS if run.step <= part * run.total_steps)
    return (0.0, part * run.total_steps)


def chart_series(chart: str, run: RunSummary, history: CurveHistory) -> list[ChartSeries]:
    """The series of one chart, from what is known so far."""
    if chart == METRICS:
        return _metric_series(run, history)
    if chart == RATES:
        groups = [key for key in history if key.metric.startswith(_RATE)]
        return [
            _series(history.get(key), visible(key.metric.removeprefix(_RATE)), "line", slot)
            for slot, key in enumerate(groups)
        ]
    task = chart.removeprefix("task:")
    train = history.get(SeriesKey("train", task, "loss"))
    dev = history.get(SeriesKey("dev", task, "loss"))
    found = []
    if train is not None:
        found.append(_series(train, "train", "line", 0))
    if dev is not None:
        found.append(_series(dev, "dev", "points", 1))
    return found


def charts_touched(run: RunSummary, keys: Collection[SeriesKey]) -> set[str]:
    """The charts in which these curves are."""
    touched = set()
    for key in keys:
        if key.metric.startswith(_RATE):
            touched.add(RATES)
        elif key.metric == "loss" and key.task in run.tasks:
            touched.add(f"task:{key.task}")
        elif key.split == "dev":
            touched.add(METRICS)
    return touched


def checkpoint_events(checkpoints: Sequence[CheckpointRecord]) -> list[ChartEvent]:
    """Marks of the checkpoints that can be taken away."""
    return [
        ChartEvent(float(one.step), EventKind.CHECKPOINT, "best" if one.is_best else "checkpoint")
        for one in checkpoints
    ]


def _metric_series(run: RunSummary, history: CurveHistory) -> list[ChartSeries]:
    found = []
    for slot, (task, config) in enumerate(run.record.config.tasks.items()):
        curve = history.get(SeriesKey("dev", task, config.metric))
        if curve is not None:
            label = f"{visible(task)} {config.metric}"
            found.append(_series(curve, label, "points", _FIRST_METRIC_COLOUR + slot))
    return found


def _series(curve: Curve | None, label: str, role: str, colour: int) -> ChartSeries:
    empty = np.empty(0)
    steps = curve.steps.astype(np.float64) if curve is not None else empty
    values = curve.values if curve is not None else empty
    return ChartSeries(label, steps, values, SeriesRole(role), colour)
