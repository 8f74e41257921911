"""The tables. Change one, and add a migration: a test compares the two ways to the schema.

A run's life is kept as facts (who launched it, who claimed it, the last heartbeat, the exit);
there is no column for its state.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.types import TypeDecorator


class Timestamp(TypeDecorator[datetime]):
    """A moment, as seconds since the epoch; always comes back in UTC."""

    impl = Double
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> float | None:
        """To seconds; a moment without a time zone is refused, since nobody knows when it was."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        return value.timestamp()

    def process_result_value(self, value: float | None, dialect: Dialect) -> datetime | None:
        """From seconds."""
        return None if value is None else datetime.fromtimestamp(value, UTC)


metadata = MetaData(
    # Names for every constraint from the first day: SQLite can only alter what has one.
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _run_id(*, primary_key: bool = False) -> Column[str]:
    return Column(
        "run_id",
        String(32),
        ForeignKey("runs.id", ondelete="CASCADE"),
        primary_key=primary_key,
        nullable=False,
    )


runs = Table(
    "runs",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", Text, nullable=False),
    Column("created_at", Timestamp, nullable=False, index=True),
    Column("config", Text, nullable=False),
    Column("source", Text, nullable=False),
    # No foreign key: where a run came from is told even after that one was deleted.
    Column("parent_id", String(32), comment="the run that it was forked from"),
    Column("parent_step", Integer),
)


def _process_columns() -> list[Column[Any]]:
    return [
        Column("at", Timestamp, nullable=False),
        Column("pid", Integer, nullable=False),
        Column("started_at", Double, nullable=False),
        Column("boot_id", Text, nullable=False),
        Column("host", Text, nullable=False),
    ]


launches = Table("launches", metadata, _run_id(primary_key=True), *_process_columns())
claims = Table(
    "claims",
    metadata,
    _run_id(primary_key=True),
    *_process_columns(),
    Column("earlier_seconds", Double, nullable=False, server_default="0"),
)

heartbeats = Table(
    "heartbeats",
    metadata,
    _run_id(primary_key=True),
    Column("at", Timestamp, nullable=False),
    Column("phase", Text, nullable=False),
    Column("step", Integer, nullable=False),
    Column("expected_within_seconds", Double, nullable=False),
    Column("monotonic", Double, comment="the machine's clock that nobody sets"),
)

exits = Table(
    "exits",
    metadata,
    _run_id(primary_key=True),
    Column("outcome", String(16), nullable=False),
    Column("at", Timestamp, nullable=False),
    Column("what", Text, nullable=False),
    Column("where", Text, nullable=False),
    Column("next_step", Text, nullable=False),
    Column("traceback", Text, nullable=False),
)

commands = Table(
    "commands",
    metadata,
    Column("id", Integer, primary_key=True),
    _run_id(),
    Column("kind", String(32), nullable=False),
    Column("sent_at", Timestamp, nullable=False),
    Column("taken_at", Timestamp),
    Column("body", Text, nullable=False, server_default=""),
    Index(None, "run_id"),
)

journals = Table(
    "journals",
    metadata,
    _run_id(primary_key=True),
    Column("bytes", BigInteger, nullable=False, comment="how much of the file is in here"),
)

queue = Table(
    "queue",
    metadata,
    _run_id(primary_key=True),
    Column("host", Text, nullable=False, comment="the machine that its data are on"),
    Column("priority", Integer, nullable=False),
    Column("position", Double, nullable=False, comment="order among those of one priority"),
    Column("added_at", Timestamp, nullable=False),
    Column("taken_at", Timestamp, comment="when a worker was started for it"),
    Column("device", Text, comment="CUDA_VISIBLE_DEVICES of that worker, if it was chosen"),
)

queue_settings = Table(
    "queue_settings",
    metadata,
    Column("host", Text, primary_key=True),
    Column("key", String(32), primary_key=True),
    Column("value", Text, nullable=False, comment="JSON"),
)

series = Table(
    "series",
    metadata,
    Column("id", Integer, primary_key=True),
    _run_id(),
    Column("split", Text, nullable=False),
    Column("task", Text, nullable=False),
    Column("metric", Text, nullable=False),
    UniqueConstraint("run_id", "split", "task", "metric"),
    # A worker keeps ids in memory: the id of a deleted series must never be given out again.
    sqlite_autoincrement=True,
)

points = Table(
    "points",
    metadata,
    Column(
        "series_id",
        Integer,
        ForeignKey("series.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("step", Integer, primary_key=True, autoincrement=False),
    Column("value", Double, comment="NULL: the value was not finite"),
    sqlite_with_rowid=False,
)

steps = Table(
    "steps",
    metadata,
    _run_id(primary_key=True),
    Column("step", Integer, primary_key=True, autoincrement=False),
    Column("epoch", Double, nullable=False),
    Column("seconds", Double, nullable=False),
    Column("texts", Integer, nullable=False),
    Column("tokens", Integer, nullable=False),
    sqlite_with_rowid=False,
)

evaluations = Table(
    "evaluations",
    metadata,
    _run_id(primary_key=True),
    Column("split", String(32), primary_key=True),
    Column("step", Integer, primary_key=True, autoincrement=False),
    Column("at", Timestamp, nullable=False),
    Column("selection", Double),
    Column("seconds", Double, nullable=False),
    sqlite_with_rowid=False,
)

checkpoints = Table(
    "checkpoints",
    metadata,
    _run_id(primary_key=True),
    Column("step", Integer, primary_key=True, autoincrement=False),
    Column("folder", Text, nullable=False),
    Column("saved_at", Timestamp, nullable=False),
    Column("is_best", Boolean, nullable=False),
    Column("selection", Double),
    Column("bytes", BigInteger, nullable=False),
)

messages = Table(
    "messages",
    metadata,
    Column("id", Integer, primary_key=True),
    _run_id(),
    Column("at", Timestamp, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("body", Text, nullable=False),
    Index(None, "run_id", "kind"),
)

exports = Table(
    "exports",
    metadata,
    Column("id", Integer, primary_key=True),
    _run_id(),
    Column("at", Timestamp, nullable=False),
    Column("format", Text, nullable=False),
    Column("folder", Text, nullable=False),
    Column("step", Integer, nullable=False),
    Column("largest_difference", Double),
    Index(None, "run_id"),
)

# What people add to a run: it is theirs, so no worker writes here.

keepings = Table(
    "keepings",
    metadata,
    _run_id(primary_key=True),
    Column("starred", Boolean, nullable=False),
    Column("note", Text, nullable=False),
    Column("archived_at", Timestamp),
    Column("deleted_at", Timestamp, comment="in the trash since"),
)

tags = Table(
    "tags",
    metadata,
    _run_id(primary_key=True),
    Column("tag", String(64), primary_key=True),
)

packed_curves = Table(
    "packed_curves",
    metadata,
    Column(
        "series_id",
        Integer,
        ForeignKey("series.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    # Of a run that goes on after this exit the copy is worth nothing.
    Column("exited_at", Timestamp, nullable=False),
    Column("steps", LargeBinary, nullable=False, comment="little-endian int64"),
    Column("values", LargeBinary, nullable=False, comment="little-endian float64"),
)
