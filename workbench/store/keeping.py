"""What people add to runs: read for all at once, written for one or many."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from sqlalchemy import Connection, Select, delete, select, update

from workbench.secrecy import scrub
from workbench.store.records import Keeping
from workbench.store.tables import keepings, runs, tags
from workbench.store.upsert import upsert

DELETED: Select[tuple[str]] = select(keepings.c.run_id).where(keepings.c.deleted_at.is_not(None))
"""Ids of the runs in the trash."""


def read(connection: Connection, run_id: str | None = None) -> dict[str, Keeping]:
    """By run that anything was added to, in two queries."""
    of_tags = select(tags).order_by(tags.c.tag)
    of_rest = select(keepings)
    if run_id is not None:
        of_tags, of_rest = (
            of_tags.where(tags.c.run_id == run_id),
            of_rest.where(keepings.c.run_id == run_id),
        )
    tags_of: dict[str, list[str]] = defaultdict(list)
    for row in connection.execute(of_tags):
        tags_of[row.run_id].append(row.tag)
    found = {
        row.run_id: Keeping(
            row.starred,
            row.note,
            tuple(tags_of.pop(row.run_id, ())),
            row.archived_at,
            row.deleted_at,
        )
        for row in connection.execute(of_rest)
    }
    return found | {run: Keeping(tags=tuple(names)) for run, names in tags_of.items()}


def write(connection: Connection, wanted: Mapping[str, Keeping]) -> None:
    """Put these in the place of what was added to each of these runs."""
    if not wanted:
        return
    connection.execute(delete(tags).where(tags.c.run_id.in_(wanted)))
    connection.execute(
        upsert(connection, keepings),
        [
            {
                "run_id": run_id,
                "starred": one.starred,
                "note": scrub(one.note),
                "archived_at": one.archived_at,
                "deleted_at": one.deleted_at,
            }
            for run_id, one in wanted.items()
        ],
    )
    rows = [
        {"run_id": run_id, "tag": tag}
        for run_id, one in wanted.items()
        for tag in sorted(set(one.tags))
    ]
    if rows:
        connection.execute(tags.insert(), rows)


def rename(connection: Connection, names: Mapping[str, str]) -> None:
    """Call runs otherwise; what they were configured as stays in their settings."""
    for run_id, name in names.items():
        connection.execute(update(runs).where(runs.c.id == run_id).values(name=scrub(name)))
