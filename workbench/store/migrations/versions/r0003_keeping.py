"""What people keep with a run (star, note, tags, archive, trash), and packed curves."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add three tables; none that is there changes."""
    op.create_table(
        "keepings",
        sa.Column("run_id", sa.String(length=32), nullable=False),
        sa.Column("starred", sa.Boolean(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("archived_at", sa.Double(), nullable=True),
        sa.Column("deleted_at", sa.Double(), nullable=True, comment="in the trash since"),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.id"], name=op.f("fk_keepings_run_id_runs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_keepings")),
    )
    op.create_table(
        "tags",
        sa.Column("run_id", sa.String(length=32), nullable=False),
        sa.Column("tag", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.id"], name=op.f("fk_tags_run_id_runs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "tag", name=op.f("pk_tags")),
    )
    op.create_table(
        "packed_curves",
        sa.Column("series_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("exited_at", sa.Double(), nullable=False),
        sa.Column("steps", sa.LargeBinary(), nullable=False, comment="little-endian int64"),
        sa.Column("values", sa.LargeBinary(), nullable=False, comment="little-endian float64"),
        sa.ForeignKeyConstraint(
            ["series_id"],
            ["series.id"],
            name=op.f("fk_packed_curves_series_id_series"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("series_id", name=op.f("pk_packed_curves")),
    )
