"""The facts of a run's life as rows: who was launched, who claimed it, its heartbeat, its end.

No state is among them: it is computed from these, in `workbench.worker.liveness`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Select, Table, delete, select

from workbench.events import RequestObeyed, RunResumed
from workbench.secrecy import scrub
from workbench.store.pauses import PauseSpan, paused_seconds, pauses_of
from workbench.store.records import ExitRecord, Heartbeat, ProcessIdentity, QueueEntry, RunFacts
from workbench.store.tables import (
    claims,
    exits,
    heartbeats,
    journals,
    launches,
    messages,
    queue,
    runs,
)
from workbench.store.upsert import upsert

_OBEYED, _RESUMED = RequestObeyed.__name__, RunResumed.__name__
FACTS: Select[Any] = select(
    runs.c.id,
    *(
        column.label(f"{table.name}_{column.name}")
        for table in (launches, claims, heartbeats, exits, journals, queue)
        for column in table.c
    ),
).select_from(
    runs.outerjoin(launches)
    .outerjoin(claims)
    .outerjoin(heartbeats)
    .outerjoin(exits)
    .outerjoin(journals)
    .outerjoin(queue)
)
"""One row per run, for `facts_of`; what is not there is NULL."""


def facts_of(row: Mapping[Any, Any]) -> RunFacts:
    """A row of `FACTS` as a record."""
    heartbeat = _columns(row, heartbeats)
    exit = _columns(row, exits)
    return RunFacts(
        process=_process(row, claims),
        claimed_at=row["claims_at"],
        heartbeat=Heartbeat(**heartbeat) if heartbeat else None,
        exit=ExitRecord(**exit) if exit else None,
        launched=_process(row, launches),
        launched_at=row["launches_at"],
        earlier_seconds=row["claims_earlier_seconds"] or 0.0,
        journal_bytes=row["journals_bytes"] or 0,
        queued=_queue_entry(row),
    )


def owner_of(connection: Connection, run_id: str) -> ProcessIdentity | None:
    """The process that claimed a run last; None if none has."""
    columns = (claims.c[name] for name in ProcessIdentity._fields)
    row = connection.execute(select(*columns).where(claims.c.run_id == run_id)).one_or_none()
    return None if row is None else ProcessIdentity(*row)


def note_process(
    connection: Connection,
    table: Table,
    run_id: str,
    process: ProcessIdentity,
    *,
    earlier_seconds: float = 0.0,
    at: datetime | None = None,
) -> None:
    """Write down a launch or a claim, over an earlier one."""
    row = {"run_id": run_id, "at": at or datetime.now(UTC), **process._asdict()}
    if table is claims:
        row["earlier_seconds"] = earlier_seconds
    connection.execute(upsert(connection, table), row)


def begin_again(connection: Connection, run_id: str) -> float:
    """Forget how a run ended, since it is to go on.

    Returns:
        How long its processes were at work so far, in seconds: without pauses.
    """
    row = connection.execute(FACTS.where(runs.c.id == run_id)).mappings().one()
    facts = facts_of(row)
    connection.execute(delete(exits).where(exits.c.run_id == run_id))
    connection.execute(delete(heartbeats).where(heartbeats.c.run_id == run_id))
    if facts.claimed_at is None:
        return 0.0  # it ended before it began: it was taken out of the queue
    last_sign = facts.heartbeat.at if facts.heartbeat else facts.claimed_at
    end = facts.exit.at if facts.exit else last_sign
    paused = paused_seconds(_pauses(connection, run_id), facts.claimed_at, end)
    return facts.earlier_seconds + max(0.0, (end - facts.claimed_at).total_seconds() - paused)


def _pauses(connection: Connection, run_id: str) -> Sequence[PauseSpan]:
    obeyed = connection.execute(
        select(messages.c.at, messages.c.kind, messages.c.body)
        .where(messages.c.run_id == run_id, messages.c.kind.in_((_OBEYED, _RESUMED)))
        .order_by(messages.c.id)
    )
    return pauses_of(
        (row.at, row.kind if row.kind == _RESUMED else json.loads(row.body)["kind"])
        for row in obeyed
    )


def note_heartbeat(connection: Connection, run_id: str, heartbeat: Heartbeat) -> None:
    """Write down a sign of life, over the last one."""
    connection.execute(upsert(connection, heartbeats), {"run_id": run_id, **asdict(heartbeat)})


def note_exit(connection: Connection, run_id: str, exit: ExitRecord) -> None:
    """Write down how a run ended, tokens and passwords hidden."""
    texts = ("what", "where", "next_step", "traceback")
    hidden = {name: scrub(getattr(exit, name)) for name in texts}
    connection.execute(upsert(connection, exits), {"run_id": run_id, **asdict(exit), **hidden})


def _columns(row: Mapping[Any, Any], table: Table) -> dict[str, Any]:
    """What the row has of one of the tables, without the run's id; empty if nothing is there."""
    if row[f"{table.name}_run_id"] is None:
        return {}
    names = (column.name for column in table.c if column.name != "run_id")
    return {name: row[f"{table.name}_{name}"] for name in names}


def _queue_entry(row: Mapping[Any, Any]) -> QueueEntry | None:
    found = _columns(row, queue)
    return QueueEntry(row["queue_run_id"], **found) if found else None


def _process(row: Mapping[Any, Any], table: Table) -> ProcessIdentity | None:
    found = _columns(row, table)
    return ProcessIdentity(*(found[name] for name in ProcessIdentity._fields)) if found else None
