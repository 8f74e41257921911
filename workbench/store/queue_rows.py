"""The queue as rows: who waits in which order, and what was decided about taking the next.

A row stays after its run was given a worker, until the run is over: so a supervisor that takes
over from another knows which runs are the queue's. The order is that of priority, then position.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import replace
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


def move(connection: Connection, run_id: str, place: int) -> bool:
    """Let a waiting run be the `place`-th of those that wait on its machine, counted from 1.

    It gets the priority of those that it comes between, so that it stays where it was put.

    Returns:
        Whether it waits.
    """
    host = _lock(connection, run_id)
    waiting = [entry for entry in entries(connection, host) if entry.taken_at is None]
    own = next((entry for entry in waiting if entry.run_id == run_id), None)
    if own is None:
        return False
    waiting.remove(own)
    place = max(1, min(place, len(waiting) + 1))
    before, after = waiting[: place - 1][-1:], waiting[place - 1 :][:1]
    priority = own.priority
    if before:
        priority = min(priority, before[0].priority)
    if after:
        priority = max(priority, after[0].priority)
    waiting.insert(place - 1, replace(own, priority=priority))
    for position, entry in enumerate(waiting, start=1):
        connection.execute(
            update(queue)
            .where(queue.c.run_id == entry.run_id)
            .values(priority=entry.priority, position=float(position))
        )
    return True


def prioritise(connection: Connection, run_id: str, priority: int) -> None:
    """Give a waiting run another priority; among its new equals it is as old as it was."""
    connection.execute(
        update(queue)
        .where(queue.c.run_id == run_id, queue.c.taken_at.is_(None))
        .values(priority=priority)
    )


def take(connection: Connection, run_id: str, device: str | None, beside: Collection[str]) -> bool:
    """Note that a worker is started for a waiting run.

    Args:
        connection: In a transaction that writes.
        run_id: The run.
        device: The GPU that was chosen for it.
        beside: What had been taken on its machine when that was decided.

    Returns:
        Whether it was: not if it waits no more, or if another was taken meanwhile, perhaps the
        last that may be at work, or with that GPU.
    """
    host = _lock(connection, run_id)
    taken = select(queue.c.run_id).where(queue.c.host == host, queue.c.taken_at.is_not(None))
    if not set(connection.scalars(taken)).issubset(beside):
        return False
    changed = connection.execute(
        update(queue)
        .where(queue.c.run_id == run_id, queue.c.taken_at.is_(None))
        .values(taken_at=datetime.now(UTC), device=device)
    )
    return bool(changed.rowcount)


def _lock(connection: Connection, run_id: str) -> str | None:
    """Let others on PostgreSQL wait who would change the queue that a run is in.

    Returns:
        The machine whose queue that is.
    """
    host = connection.scalar(select(queue.c.host).where(queue.c.run_id == run_id))
    rows = select(queue.c.run_id).where(queue.c.host == host).order_by(queue.c.run_id)
    connection.execute(rows.with_for_update())  # in one order: two never wait for each other
    return host


def give_back(connection: Connection, run_id: str) -> None:
    """Let a run wait again that was taken and not begun."""
    connection.execute(
        update(queue).where(queue.c.run_id == run_id).values(taken_at=None, device=None)
    )


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
