"""Which charts a run has, the series in each, and what is marked on them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.events import RunResumed
from workbench.operations.reading import LOWER_IS_BETTER, RunSummary
from workbench.store.event_rows import MACHINE
from workbench.store.records import CheckpointRecord, Curve, MessageRecord, SeriesKey
from workbench.tui.charts.reading import smooth_curves, summarise
from workbench.tui.charts.series import LETTERS, ChartEvent, ChartSeries, EventKind, SeriesRole
from workbench.tui.charts.view import View
from workbench.tui.history import CurveHistory
from workbench.tui.visible import visible
from workbench.tui.widgets.chart_grid import ChartSpec
from workbench.tui.x_axis import STEPS, XAxis

METRICS = "metrics"
RATES = "rates"
WEIGHTS = "weights"
SHARES = "shares"
MACHINE_USE = "machine"
OVERLAY = "losses"
"""The chart of all tasks' losses, where they share one."""
_RATE = "learning_rate/"
_FIRST_METRIC_COLOUR = 2
"""After train and dev, so that no colour means two things on one screen."""
_SPANS = (1 / 16, 3 / 32, 1 / 8, 3 / 16, 1 / 4, 3 / 8, 1 / 2, 3 / 4, 1.0)
"""Parts of all steps that the charts of a live run span, one after the other."""


@dataclass(frozen=True)
class ChartChoice:
    """How someone wants to see the curves."""

    overlays: bool = False
    """Whether the losses of all tasks share one chart."""
    has_best: bool = False
    """Whether the best value so far is drawn beside each dev curve."""
    has_machine: bool = False
    """Whether there is a chart of what part of the machine was in use."""
    axis: XAxis = STEPS


def chart_specs(
    run: RunSummary,
    choice: ChartChoice = ChartChoice(),
    history: CurveHistory | None = None,
) -> list[ChartSpec]:
    """One chart per task or one for all, then the learning rates, then the dev metrics of all.

    Weights of tasks and their shares of the batches have a chart where they change. The last
    chart gets what room is left over, and the metrics deserve it more than the rates.
    """
    waiting = "no values yet: the first steps bring them"
    if choice.overlays and len(run.tasks) > 1:
        specs = [ChartSpec(OVERLAY, "loss of each task", "loss", waiting)]
    else:
        specs = [
            ChartSpec(f"task:{task}", f"{visible(task)} loss", "loss", waiting)
            for task in run.tasks
        ]
    if len(run.tasks) == 1:
        specs[0] = ChartSpec(specs[0].key, "loss", "loss", waiting)
    return [
        *specs,
        *(
            ChartSpec(chart, title, "balance", waiting)
            for chart, title in _BALANCE_TITLES.items()
            if history is not None and _is_moving(chart, history)
        ),
        ChartSpec(RATES, "learning rate", "rate", waiting),
        *([_MACHINE_SPEC] if choice.has_machine else []),
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


def span_of(run: RunSummary, axis: XAxis) -> View | None:
    """The same on any axis; on others than steps what was done, since the rest is not known."""
    span = span_of_steps(run)
    if span is None or axis.name == "step":
        return span
    return (0.0, max(axis.place(run.step), 1e-9)) if run.state.is_over else None


def chart_series(
    chart: str, run: RunSummary, history: CurveHistory, choice: ChartChoice = ChartChoice()
) -> list[ChartSeries]:
    """The series of one chart, from what is known so far."""
    if chart == METRICS:
        return _metric_series(run, history, choice)
    if chart == RATES:
        groups = [key for key in history if key.metric.startswith(_RATE)]
        return [
            _series(history.get(key), visible(key.metric.removeprefix(_RATE)), "line", slot, choice)
            for slot, key in enumerate(groups)
        ]
    if chart == MACHINE_USE:
        used = [key for key in history if key.metric.startswith(MACHINE)]
        return [
            _series(history.get(key), visible(key.metric.removeprefix(MACHINE)), "line", slot,
                    choice)
            for slot, key in enumerate(used)
        ]  # fmt: skip
    if chart in _BALANCE:
        keys = [SeriesKey(_BALANCE[chart][0], task, _BALANCE[chart][1]) for task in run.tasks]
        return [
            _series(curve, visible(key.task), "line", slot, choice)
            for slot, key in enumerate(keys)
            if (curve := history.get(key)) is not None
        ]
    if chart == OVERLAY:
        return [
            one
            for slot, task in enumerate(run.tasks)
            for one in _loss_series(task, history, choice, (slot, slot), f"{visible(task)} ")
        ]
    return _loss_series(chart.removeprefix("task:"), history, choice, (0, 1), "")


_MACHINE_SPEC = ChartSpec(
    MACHINE_USE, "machine, part in use", "machine",
    "no figures of the machine: they are kept each 10 s of training",
)  # fmt: skip
_BALANCE = {WEIGHTS: ("train", "weight"), SHARES: ("run", "share")}
"""By chart: split and metric of the curves that each task has there."""
_BALANCE_TITLES = {WEIGHTS: "weight of each task", SHARES: "share of the batches"}


def _is_moving(chart: str, history: CurveHistory) -> bool:
    """Whether any task's value differs between steps: what stays as it was set needs no chart."""
    for key in history:
        if (key.split, key.metric) == _BALANCE[chart]:
            curve = history.get(key)
            known = curve.values[np.isfinite(curve.values)] if curve is not None else np.empty(0)
            if known.size and np.ptp(known) > 1e-6 * max(1.0, float(np.abs(known).max())):
                return True
    return False


def _loss_series(
    task: str, history: CurveHistory, choice: ChartChoice, colours: tuple[int, int], prefix: str
) -> list[ChartSeries]:
    train = history.get(SeriesKey("train", task, "loss"))
    dev = history.get(SeriesKey("dev", task, "loss"))
    found = []
    if train is not None:
        found.append(_series(train, f"{prefix}train", "line", colours[0], choice))
    if dev is not None:
        found.append(_series(dev, f"{prefix}dev", "points", colours[1], choice))
        found += _best(dev, f"{prefix}best", "loss", colours[1], choice)
    return found


def charts_touched(
    run: RunSummary, keys: Collection[SeriesKey], choice: ChartChoice = ChartChoice()
) -> set[str]:
    """The charts in which these curves are."""
    touched = set()
    for key in keys:
        if key.metric.startswith(_RATE):
            touched.add(RATES)
        elif key.metric.startswith(MACHINE):
            touched.add(MACHINE_USE)
        elif (key.split, key.metric) in _BALANCE.values():
            touched.update(chart for chart, of in _BALANCE.items() if of == key[::2])
        elif key.metric == "loss" and key.task in run.tasks:
            touched.add(OVERLAY if choice.overlays and len(run.tasks) > 1 else f"task:{key.task}")
        elif key.split == "dev":
            touched.add(METRICS)
    return touched


def run_events(
    checkpoints: Sequence[CheckpointRecord],
    messages: Sequence[MessageRecord],
    history: CurveHistory,
    axis: XAxis = STEPS,
) -> list[ChartEvent]:
    """What is marked on the x axis of every chart of a run.

    Checkpoints that can be taken away, evaluations, where a run went on after it had ended, and
    where a learning rate does something else than before. Values that are not finite are marked
    by the charts themselves.
    """
    found = [
        (float(one.step), EventKind.CHECKPOINT, "best" if one.is_best else "checkpoint")
        for one in checkpoints
    ]
    found += [(float(step), EventKind.EVALUATION, "evaluation") for step in evaluated(history)]
    for message in messages:
        step = message.body.get("step")
        if message.kind == RunResumed.__name__ and isinstance(step, int):
            found.append((float(step), EventKind.RESUME, f"resumed after step {step}"))
    found += rate_events(history)
    return [ChartEvent(axis.place(step), kind, label) for step, kind, label in found]


def evaluated(history: CurveHistory) -> list[int]:
    """Steps at which dev was evaluated."""
    steps = [
        curve.steps
        for key in history
        if key.split == "dev" and (curve := history.get(key)) is not None
    ]
    return sorted({int(step) for some in steps for step in some})


def rate_events(history: CurveHistory) -> list[tuple[float, EventKind, str]]:
    """Where a group of parameters thaws, where the warm-up ends, where a rate falls at once."""
    found: dict[tuple[float, str], None] = {}
    for key in history:
        curve = history.get(key)
        if not key.metric.startswith(_RATE) or curve is None or curve.steps.size < 3:
            continue
        group = visible(key.metric.removeprefix(_RATE))
        for step, what in _rate_changes(curve):
            # Of groups that do the same at the same step one word is enough.
            words = what if what != "thaws" else f"{group} thaws"
            found.setdefault((step, words))
    return [(step, EventKind.RATE, words) for step, words in found]


def _rate_changes(curve: Curve) -> list[tuple[float, str]]:
    steps, values = curve.steps, curve.values
    changes = []
    before, after = values[:-1], values[1:]
    for at in np.flatnonzero((before == 0) & (after > 0)).tolist():
        if steps[at] > 1:
            changes.append((float(steps[at + 1]), "thaws"))
    for at in np.flatnonzero((after > 0) & (after <= before / 2)).tolist():
        # Towards its end a schedule halves a rate at every step: that is no event.
        if at + 2 < values.size and values[at + 2] > after[at] * 0.9:
            changes.append((float(steps[at + 1]), "rate falls"))
    peak = int(values.argmax())
    if 0 < peak < values.size - 1 and values[0] < values[peak] * 0.9:
        changes.append((float(steps[peak]), "warm-up ends"))
    return changes[:_MOST_RATE_EVENTS]


_MOST_RATE_EVENTS = 40
"""Of one curve: a schedule with restarts for every epoch would else draw a fence."""


def chart_summaries(
    run: RunSummary, history: CurveHistory, events: Sequence[ChartEvent]
) -> list[str]:
    """Each chart of a run in one line: first, last, lowest and highest value of each curve."""
    return [
        summarise(
            spec.title, "step", smooth_curves(chart_series(spec.key, run, history), LETTERS, 0.0),
            events if spec is specs[0] else (),
        )
        for specs in [chart_specs(run, history=history)]
        for spec in specs
    ]  # fmt: skip


def _metric_series(
    run: RunSummary, history: CurveHistory, choice: ChartChoice
) -> list[ChartSeries]:
    found = []
    # Where tasks share a chart of losses, a task has one colour in both.
    first = 0 if choice.overlays and len(run.tasks) > 1 else _FIRST_METRIC_COLOUR
    for slot, (task, config) in enumerate(run.record.config.tasks.items(), start=first):
        curve = history.get(SeriesKey("dev", task, config.metric))
        if curve is not None:
            label = f"{visible(task)} {config.metric}"
            found.append(_series(curve, label, "points", slot, choice))
            found += _best(curve, f"{visible(task)} best", config.metric, slot, choice)
    return found


def _best(
    curve: Curve, label: str, metric: str, colour: int, choice: ChartChoice
) -> list[ChartSeries]:
    """The best value so far, as a staircase; none unless it is wanted."""
    if not choice.has_best or not curve.values.size:
        return []
    steps, values = best_so_far(curve, is_lower_better=metric in LOWER_IS_BETTER)
    return [ChartSeries(label, choice.axis.of(steps), values, SeriesRole.BEST, colour)]


def best_so_far(
    curve: Curve, *, is_lower_better: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Steps and values of the staircase of the best value so far; NaN counts as none."""
    known = np.where(
        np.isfinite(curve.values), curve.values, np.inf if is_lower_better else -np.inf
    )
    best = np.minimum.accumulate(known) if is_lower_better else np.maximum.accumulate(known)
    best = np.where(np.isfinite(best), best, np.nan)
    # Each value stays until the next step, where the new one begins.
    steps = np.repeat(curve.steps.astype(np.float64), 2)[1:]
    return steps, np.repeat(best, 2)[:-1]


def _series(
    curve: Curve | None, label: str, role: str, colour: int, choice: ChartChoice
) -> ChartSeries:
    empty = np.empty(0)
    steps = choice.axis.of(curve.steps) if curve is not None else empty
    values = curve.values if curve is not None else empty
    return ChartSeries(label, steps, values, SeriesRole(role), colour)
