"""The queries behind the list of runs: a fixed number of them, however many runs there are."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    ScalarSelect,
    Select,
    and_,
    func,
    literal,
    select,
)

from workbench.control import KINDS, SetRateScale, SetWeight
from workbench.events import RequestObeyed, RunResumed, RunStarted
from workbench.store.event_rows import TOTAL_LOSS
from workbench.store.pauses import pauses_of
from workbench.store.records import RunOverview
from workbench.store.tables import (
    checkpoints,
    evaluations,
    messages,
    points,
    runs,
    series,
    steps,
)

RECENT_STEPS = 50
"""Speed is what the last so many steps took."""
_TOLD = tuple(kind.__name__ for kind in (RunStarted, RunResumed, RequestObeyed))
_ADJUSTMENTS = {name for name, kind in KINDS.items() if kind in (SetWeight, SetRateScale)}


def overviews(
    connection: Connection, run_ids: Sequence[str] | None = None
) -> dict[str, RunOverview]:
    """Progress and metrics of all runs, or of some."""
    of_run = [] if run_ids is None else [runs.c.id.in_(run_ids)]
    marks = _marks().where(*of_run).cte("marks").prefix_with("MATERIALIZED")
    # Before the metrics, so that a mark is never newer than what it stands for.
    progress = connection.execute(_progress(marks)).all()
    metrics: dict[str, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    for row in connection.execute(_dev_metrics_at(marks)).all():
        metrics[row.run_id][row.task][row.metric] = _number(row.value)
    started: dict[str, str] = {}
    obeyed: dict[str, list[tuple[datetime, str]]] = defaultdict(list)
    for row in connection.execute(_told(run_ids)).all():
        if row.kind == RunStarted.__name__:
            started[row.id] = row.body
        elif row.kind == RunResumed.__name__:
            obeyed[row.id].append((row.at, row.kind))
        else:
            obeyed[row.id].append((row.at, json.loads(row.body)["kind"]))
    return {
        row.id: _overview(row, started.get(row.id), metrics.get(row.id, {}), obeyed.get(row.id, ()))
        for row in progress
    }


def _overview(
    row: Row[Any],
    started: str | None,
    metrics: dict[str, dict[str, float]],
    obeyed: Sequence[tuple[datetime, str]],
) -> RunOverview:
    return RunOverview(
        step=row.last_step or 0,
        total_steps=json.loads(started)["total_steps"] if started else 0,
        recent_steps=row.recent_steps,
        recent_texts=row.recent_texts or 0,
        recent_tokens=row.recent_tokens or 0,
        recent_seconds=row.recent_seconds or 0.0,
        best_step=row.best_step,
        metrics_step=row.metrics_step,
        evaluated_at=row.evaluated_at,
        selection=row.selection,
        metrics={task: dict(values) for task, values in metrics.items() if task},
        was_adjusted=any(kind in _ADJUSTMENTS for _, kind in obeyed),
        pauses=pauses_of(obeyed),
    )


def _marks() -> Select[Any]:
    """By run: its last step, its best checkpoint's step, and the step whose metrics count."""
    last_step = select(func.max(steps.c.step)).where(steps.c.run_id == runs.c.id)
    best_step = select(func.max(checkpoints.c.step)).where(
        checkpoints.c.run_id == runs.c.id, checkpoints.c.is_best
    )
    evaluated = select(func.max(evaluations.c.step)).where(
        evaluations.c.run_id == runs.c.id, evaluations.c.split == "dev"
    )
    best = best_step.scalar_subquery()
    return select(
        runs.c.id,
        last_step.scalar_subquery().label("last_step"),
        best.label("best_step"),
        func.coalesce(best, evaluated.scalar_subquery()).label("metrics_step"),
        last_evaluated(runs.c.id).label("evaluated_at"),
    )


def last_evaluated(run_id: ColumnElement[str]) -> ScalarSelect[datetime]:
    """When the dev split of a run was evaluated last."""
    of_run = (evaluations.c.run_id == run_id, evaluations.c.split == "dev")
    return select(func.max(evaluations.c.at)).where(*of_run).scalar_subquery()


def _progress(marks: Any) -> Select[Any]:
    selection = select(evaluations.c.selection).where(
        evaluations.c.run_id == marks.c.id,
        evaluations.c.split == "dev",
        evaluations.c.step == marks.c.metrics_step,
    )

    def of_recent_steps(value: ColumnElement[Any]) -> ScalarSelect[Any]:
        # One look-up each for four values: half the time of a join that has to be grouped.
        recent = (steps.c.run_id == marks.c.id, steps.c.step > marks.c.last_step - RECENT_STEPS)
        return select(value).where(*recent).scalar_subquery()

    return select(
        marks,
        selection.scalar_subquery().label("selection"),
        of_recent_steps(func.count()).label("recent_steps"),
        of_recent_steps(func.sum(steps.c.texts)).label("recent_texts"),
        of_recent_steps(func.sum(steps.c.tokens)).label("recent_tokens"),
        of_recent_steps(func.sum(steps.c.seconds)).label("recent_seconds"),
    )


def _dev_metrics_at(marks: Any) -> Select[Any]:
    return (
        select(series.c.run_id, series.c.task, series.c.metric, points.c.value)
        .select_from(marks)
        .join(series, and_(series.c.run_id == marks.c.id, series.c.split == "dev"))
        .join(
            points, and_(points.c.series_id == series.c.id, points.c.step == marks.c.metrics_step)
        )
        .order_by(series.c.id)
    )


def _told(run_ids: Sequence[str] | None) -> Select[tuple[str, str, str, datetime]]:
    """How runs began, and what they were asked and did."""
    # In order, so that of several starts (a resumed run has them) the last one stays.
    query = (
        select(runs.c.id, messages.c.kind, messages.c.body, messages.c.at)
        # By way of the runs, whose messages have an index.
        .join_from(runs, messages, messages.c.run_id == runs.c.id)
        .where(messages.c.kind.in_(_TOLD))
        .order_by(messages.c.id)
    )
    return query if run_ids is None else query.where(runs.c.id.in_(run_ids))


def dev_metrics(
    connection: Connection, run_id: str, at_steps: Sequence[int]
) -> dict[int, dict[str, dict[str, float]]]:
    """The dev metrics of one run by step and task, at the steps given."""
    query = (
        select(points.c.step, series.c.task, series.c.metric, points.c.value)
        .join_from(series, points, points.c.series_id == series.c.id)
        .where(series.c.run_id == run_id, series.c.split == "dev", series.c.task != "")
        .where(points.c.step.in_(at_steps))
        .order_by(points.c.step, series.c.id)
    )
    found: dict[int, dict[str, dict[str, float]]] = {}
    for row in connection.execute(query):
        found.setdefault(row.step, {}).setdefault(row.task, {})[row.metric] = _number(row.value)
    return found


def sparks(
    connection: Connection, run_ids: Sequence[str], count: int
) -> dict[str, tuple[float, ...]]:
    """The total train loss of some runs at `count` steps, evenly from the first to the last.

    One look-up by key for each mark: it costs the same for ten steps and for a million.
    """
    last = (
        select(func.max(points.c.step))
        .where(points.c.series_id == series.c.id)
        .scalar_subquery()
        .label("last")
    )
    totals = (
        select(series.c.run_id, series.c.id, last)
        .where(
            series.c.split == TOTAL_LOSS.split,
            series.c.task == TOTAL_LOSS.task,
            series.c.metric == TOTAL_LOSS.metric,
            series.c.run_id.in_(run_ids),
        )
        .cte("totals")
        .prefix_with("MATERIALIZED")  # else the last step is looked up for every tick
    )
    ticks = select(literal(0).label("tick")).cte("ticks", recursive=True)
    ticks = ticks.union_all(select(ticks.c.tick + 1).where(ticks.c.tick < count - 1))
    # The first tick is step 1 and the last the last step; what lies between is rounded down, to
    # a step that was told of: a run may have been asked to tell of every n-th one only.
    tick = 1 + (totals.c.last - 1) * ticks.c.tick // max(1, count - 1)
    before = points.alias()
    wanted = (
        select(func.max(before.c.step))
        .where(before.c.series_id == totals.c.id, before.c.step <= tick)
        .scalar_subquery()
    )
    query = (
        select(totals.c.run_id, points.c.step, points.c.value)
        .select_from(totals.join(ticks, literal(True)))
        .join(points, and_(points.c.series_id == totals.c.id, points.c.step == wanted))
    )
    values: dict[str, dict[int, float]] = defaultdict(dict)  # short runs meet a step twice
    rows = cast(Iterable[tuple[str, int, float | None]], connection.execute(query).cursor)
    for run_id, step, value in rows:
        values[run_id][step] = _number(value)
    return {
        run_id: tuple(found[step] for step in sorted(found)) for run_id, found in values.items()
    }


def _number(value: float | None) -> float:
    return math.nan if value is None else value
