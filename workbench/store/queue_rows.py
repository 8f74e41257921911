"""The queue as rows: who waits in which order, and what was decided about taking the next.

A row stays after its run was given a worker, until the run is over: so a supervisor that takes
over from another knows which runs are the queue's. The order is that of priority, then position.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, delete, func, select, update

from workbench.store.records import QueueEntry
from workbench.store.tables import queue, queue_settings
from workbench.store.upsert import upsert


def entries(connection: Connection, host: str | None = None) -> list[QueueEntry]:
    """All entries in the order in which they are taken, of one machine or of all."""
    query = select(queue).order_by(
        queue.c.host, queue.c.priority.desc(), queue.c.position, queue.c.run_id
    )
    if host is not None:
        query = query.where(queue.c.host == host)
    return [QueueEntry(**row) for row in connection.execute(query).mappings()]


def add(connection: Connection, run_id: str, host: str, priority: int) -> None:
    """Put a run at the end of those of its priority."""
    last = connection.scalar(select(func.max(queue.c.position))) or 0.0
    row = {
        "run_id": run_id,
        "host": host,
        "priority": priority,
        "position": last + 1.0,
        "added_at": datetime.now(UTC),
        "taken_at": None,
        "device": None,
    }
    connection.execute(upsert(connection, queue), row)


def move(connection: Connection, run_id: str, place: int) -> None:
    """Let a waiting run be the `place`-th of those that wait on its machine, counted from 1.

    It gets the priority of those that it comes between, so that it stays where it was put.
    """
    host = connection.scalar(select(queue.c.host).where(queue.c.run_id == run_id))
    others = [
        entry
        for entry in entries(connection, host)
        if entry.taken_at is None and entry.run_id != run_id
    ]
    own = next(entry for entry in entries(connection, host) if entry.run_id == run_id)
    place = max(1, min(place, len(others) + 1))
    before = others[place - 2] if place > 1 else None
    after = others[place - 1] if place <= len(others) else None
    if before is None and after is None:
        return
    if before is not None and after is not None and before.priority == after.priority:
        priority, position = before.priority, (before.position + after.position) / 2
    elif before is not None:
        priority, position = before.priority, before.position + 1.0
        if after is None:
            priority = min(own.priority, before.priority)
    else:
        assert after is not None
        priority, position = max(own.priority, after.priority), after.position - 1.0
    connection.execute(
        update(queue).where(queue.c.run_id == run_id).values(priority=priority, position=position)
    )


def take(connection: Connection, run_id: str, device: str | None) -> bool:
    """Note that a worker is started for a waiting run; False if it does not wait any more."""
    changed = connection.execute(
        update(queue)
        .where(queue.c.run_id == run_id, queue.c.taken_at.is_(None))
        .values(taken_at=datetime.now(UTC), device=device)
    )
    return bool(changed.rowcount)


def remove(connection: Connection, run_id: str, *, waiting_only: bool) -> bool:
    """Take a run out; whether it was there."""
    query = delete(queue).where(queue.c.run_id == run_id)
    if waiting_only:
        query = query.where(queue.c.taken_at.is_(None))
    return bool(connection.execute(query).rowcount)


def settings(connection: Connection, host: str) -> dict[str, Any]:
    """What was set for the queue of a machine."""
    rows = connection.execute(select(queue_settings).where(queue_settings.c.host == host))
    return {row.key: json.loads(row.value) for row in rows}


def change_settings(connection: Connection, host: str, values: Mapping[str, Any]) -> None:
    """Set some of it."""
    rows = [{"host": host, "key": key, "value": json.dumps(value)} for key, value in values.items()]
    if rows:
        connection.execute(upsert(connection, queue_settings), rows)
