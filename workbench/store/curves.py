"""Curves and columns of numbers out of the store, quickly: a run may have a million points.

The only part of the store that needs numpy: it is imported when somebody asks for a curve.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Select, bindparam, func, select, tuple_

from workbench.store.records import Curve, SeriesKey, StepTable
from workbench.store.series_rows import series_ids
from workbench.store.tables import exits, packed_curves, points, series, steps
from workbench.store.upsert import upsert

PACKED_SPLITS = ("train", "run")
"""What is written once a step: evaluations are few, and may be made anew after the end."""


def read_curve(connection: Connection, series_id: int, *, after: int) -> Curve:
    """The points of one curve at later steps than `after`."""
    # NULL cannot go into an array of floats, and SQLite has no NaN: infinity, which is never
    # stored either, travels in its place.
    query = (
        select(points.c.step, func.coalesce(points.c.value, bindparam("nothing", math.inf)))
        .where(points.c.series_id == series_id, points.c.step > after)
        .order_by(points.c.step)
    )
    found, values = _read_columns(connection, query)
    values[np.isinf(values)] = np.nan
    return Curve(found.astype(np.int64), values)


def read_curves_of_runs(
    connection: Connection, run_ids: Sequence[str], wanted: Sequence[SeriesKey]
) -> dict[str, dict[SeriesKey, Curve]]:
    """A few curves of many runs, in two queries: by run, by curve."""
    query = select(series).where(
        series.c.run_id.in_(run_ids),
        tuple_(series.c.split, series.c.task, series.c.metric).in_(wanted),
    )
    keys = {
        row.id: (row.run_id, SeriesKey(row.split, row.task, row.metric))
        for row in connection.execute(query)
    }
    if not keys:
        return {}
    rows = (
        select(
            points.c.series_id,
            points.c.step,
            func.coalesce(points.c.value, bindparam("nothing", math.inf)),
        )
        .where(points.c.series_id.in_(keys))
        .order_by(points.c.series_id, points.c.step)
    )
    ids, found, values = _read_columns(connection, rows)
    values[np.isinf(values)] = np.nan
    by_run: dict[str, dict[SeriesKey, Curve]] = {}
    starts = np.flatnonzero(np.diff(ids, prepend=-1))
    for start, end in zip(starts.tolist(), [*starts[1:].tolist(), ids.size], strict=True):
        run_id, key = keys[int(ids[start])]
        curve = Curve(found[start:end].astype(np.int64), values[start:end])
        by_run.setdefault(run_id, {})[key] = curve
    return by_run


def read_steps(connection: Connection, run_id: str, *, after: int) -> StepTable:
    """What each update of a run after step `after` cost."""
    columns = (steps.c.step, steps.c.epoch, steps.c.seconds, steps.c.texts, steps.c.tokens)
    query = (
        select(*columns)
        .where(steps.c.run_id == run_id, steps.c.step > after)
        .order_by(steps.c.step)
    )
    step, epoch, seconds, texts, tokens = _read_columns(connection, query)
    return StepTable(
        steps=step.astype(np.int64),
        epochs=epoch,
        seconds=seconds,
        texts=texts.astype(np.int64),
        tokens=tokens.astype(np.int64),
    )


def _read_columns(connection: Connection, query: Select[Any]) -> list[NDArray[np.float64]]:
    """A query of numbers as one array per column. Floats are exact for steps up to 2**53."""
    # The driver's own tuples, straight into one flat array: of the ways tried the quickest,
    # at 0.9 s for a million points. SQLAlchemy's rows alone would double that.
    rows = cast(Iterable[Sequence[float]], connection.execute(query).cursor)
    flat = np.fromiter(chain.from_iterable(rows), dtype=np.float64)
    width = len(query.selected_columns)
    return [np.ascontiguousarray(flat[column::width]) for column in range(width)]


# Packed


def rows_to_pack(connection: Connection, run_id: str) -> list[dict[str, Any]]:
    """The curves of training of a run that is over, each as one row; none if it is not over.

    The points stay: they are the truth, and what other programs read by SQL. Reading a million
    of them takes 0.7 s, their copy 0.02 s. A copy counts for the exit that it was made after.
    """
    exited_at = connection.scalar(select(exits.c.at).where(exits.c.run_id == run_id))
    if exited_at is None:
        return []
    rows = []
    for key, series_id in series_ids(connection, run_id).items():
        if key.split not in PACKED_SPLITS:
            continue
        curve = read_curve(connection, series_id, after=-1)
        rows.append(
            {
                "series_id": series_id,
                "exited_at": exited_at,
                "steps": curve.steps.astype("<i8").tobytes(),
                "values": curve.values.astype("<f8").tobytes(),
            }
        )
    return rows


def write_packed(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """Keep what `rows_to_pack` made."""
    if rows:
        connection.execute(upsert(connection, packed_curves), rows)


def read_packed(connection: Connection, run_id: str, series_ids: Iterable[int]) -> dict[int, Curve]:
    """Those curves of a run that are packed, by id, if they are of its present exit."""
    query = (
        select(packed_curves)
        .join(series, series.c.id == packed_curves.c.series_id)
        .join(exits, exits.c.run_id == series.c.run_id)
        .where(series.c.run_id == run_id, exits.c.at == packed_curves.c.exited_at)
        .where(packed_curves.c.series_id.in_(series_ids))
    )
    return {
        row.series_id: Curve(
            np.frombuffer(row.steps, dtype="<i8"), np.frombuffer(row.values, dtype="<f8")
        )
        for row in connection.execute(query)
    }
