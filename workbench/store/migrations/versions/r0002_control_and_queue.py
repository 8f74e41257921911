"""Requests with values, forks, resumed runs, journals, the queue.

Written out and never changed again: what `tables` says moves on, this does not.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add columns that old rows can do without, and tables that begin empty."""
    op.add_column("runs", sa.Column("parent_id", sa.String(length=32), nullable=True))
    op.add_column("runs", sa.Column("parent_step", sa.Integer(), nullable=True))
    op.add_column(
        "claims", sa.Column("earlier_seconds", sa.Double(), nullable=False, server_default="0")
    )
    op.add_column("heartbeats", sa.Column("monotonic", sa.Double(), nullable=True))
    op.add_column("commands", sa.Column("body", sa.Text(), nullable=False, server_default=""))
    op.create_table(
        "journals",
        _run_id("journals"),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_journals")),
    )
    op.create_table(
        "queue",
        _run_id("queue"),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("position", sa.Double(), nullable=False),
        sa.Column("added_at", sa.Double(), nullable=False),
        sa.Column("taken_at", sa.Double(), nullable=True),
        sa.Column("device", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_queue")),
    )
    op.create_table(
        "queue_settings",
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("key", sa.String(length=32), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("host", "key", name=op.f("pk_queue_settings")),
    )


def _run_id(table: str) -> sa.Column[str]:
    return sa.Column(
        "run_id",
        sa.String(length=32),
        sa.ForeignKey("runs.id", name=f"fk_{table}_run_id_runs", ondelete="CASCADE"),
        nullable=False,
    )
