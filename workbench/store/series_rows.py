"""Which curves a run has: the key of each and its number."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, select

from workbench.store.records import SeriesKey
from workbench.store.tables import series
from workbench.store.upsert import upsert


def series_ids(
    connection: Connection, run_id: str, make: Iterable[SeriesKey] = ()
) -> dict[SeriesKey, int]:
    """The ids of all curves of a run by their keys, after those in `make` were made."""
    new = [{"run_id": run_id, **key._asdict()} for key in sorted(make)]
    if new:
        connection.execute(upsert(connection, series, replace=False), new)
    query = select(series).where(series.c.run_id == run_id).order_by(series.c.id)
    return {SeriesKey(row.split, row.task, row.metric): row.id for row in connection.execute(query)}
