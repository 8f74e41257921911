"""Databases as earlier versions of the program left them."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

FIRST_DAY = datetime(2026, 11, 22, 12, tzinfo=UTC)

_SCHEMA_1 = """
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL,
  CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num));
CREATE TABLE runs (id VARCHAR(32) NOT NULL, name TEXT NOT NULL, created_at DOUBLE NOT NULL,
  config TEXT NOT NULL, source TEXT NOT NULL, CONSTRAINT pk_runs PRIMARY KEY (id));
CREATE INDEX ix_runs_created_at ON runs (created_at);
CREATE TABLE launches (run_id VARCHAR(32) NOT NULL, at DOUBLE NOT NULL, pid INTEGER NOT NULL,
  started_at DOUBLE NOT NULL, boot_id TEXT NOT NULL, host TEXT NOT NULL,
  CONSTRAINT pk_launches PRIMARY KEY (run_id),
  CONSTRAINT fk_launches_run_id_runs FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE);
CREATE TABLE claims (run_id VARCHAR(32) NOT NULL, at DOUBLE NOT NULL, pid INTEGER NOT NULL,
  started_at DOUBLE NOT NULL, boot_id TEXT NOT NULL, host TEXT NOT NULL,
  CONSTRAINT pk_claims PRIMARY KEY (run_id),
  CONSTRAINT fk_claims_run_id_runs FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE);
CREATE TABLE heartbeats (run_id VARCHAR(32) NOT NULL, at DOUBLE NOT NULL, phase TEXT NOT NULL,
  step INTEGER NOT NULL, expected_within_seconds DOUBLE NOT NULL,
  CONSTRAINT pk_heartbeats PRIMARY KEY (run_id),
  CONSTRAINT fk_heartbeats_run_id_runs FOREIGN KEY(run_id) REFERENCES runs (id)
  ON DELETE CASCADE);
CREATE TABLE exits (run_id VARCHAR(32) NOT NULL, outcome VARCHAR(16) NOT NULL,
  at DOUBLE NOT NULL, what TEXT NOT NULL, "where" TEXT NOT NULL, next_step TEXT NOT NULL,
  traceback TEXT NOT NULL, CONSTRAINT pk_exits PRIMARY KEY (run_id),
  CONSTRAINT fk_exits_run_id_runs FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE);
CREATE TABLE commands (id INTEGER NOT NULL, run_id VARCHAR(32) NOT NULL,
  kind VARCHAR(32) NOT NULL, sent_at DOUBLE NOT NULL, taken_at DOUBLE,
  CONSTRAINT pk_commands PRIMARY KEY (id),
  CONSTRAINT fk_commands_run_id_runs FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE);
CREATE INDEX ix_commands_run_id ON commands (run_id);
CREATE TABLE series (id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, run_id VARCHAR(32) NOT NULL,
  split TEXT NOT NULL, task TEXT NOT NULL, metric TEXT NOT NULL,
  CONSTRAINT uq_series_run_id_split_task_metric UNIQUE (run_id, split, task, metric),
  CONSTRAINT fk_series_run_id_runs FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE);
CREATE TABLE points (series_id INTEGER NOT NULL, step INTEGER NOT NULL, value DOUBLE,
  CONSTRAINT pk_points PRIMARY KEY (series_id, step),
  CONSTRAINT fk_points_series_id_series FOREIGN KEY(series_id) REFERENCES series (id)
  ON DELETE CASCADE) WITHOUT ROWID;
CREATE TABLE steps (run_id VARCHAR(32) NOT NULL, step INTEGER NOT NULL, epoch DOUBLE NOT NULL,
  seconds DOUBLE NOT NULL, texts INTEGER NOT NULL, tokens INTEGER NOT NULL,
  CONSTRAINT pk_steps PRIMARY KEY (run_id, step),
  CONSTRAINT fk_steps_run_id_runs FOREIGN KEY(run_id) REFERENCES runs (id)
  ON DELETE CASCADE) WITHOUT ROWID;
CREATE TABLE evaluations (run_id VARCHAR(32) NOT NULL, split VARCHAR(32) NOT NULL,
  step INTEGER NOT NULL, at DOUBLE NOT NULL, selection DOUBLE, seconds DOUBLE NOT NULL,
  CONSTRAINT pk_evaluations PRIMARY KEY (run_id, split, step),
  CONSTRAINT fk_evaluations_run_id_runs FOREIGN KEY(run_id) REFERENCES runs (id)
  ON DELETE CASCADE) WITHOUT ROWID;
CREATE TABLE checkpoints (run_id VARCHAR(32) NOT NULL, step INTEGER NOT NULL,
  folder TEXT NOT NULL, saved_at DOUBLE NOT NULL, is_best BOOLEAN NOT NULL, selection DOUBLE,
  bytes BIGINT NOT NULL, CONSTRAINT pk_checkpoints PRIMARY KEY (run_id, step),
  CONSTRAINT fk_checkpoints_run_id_runs FOREIGN KEY(run_id) REFERENCES runs (id)
  ON DELETE CASCADE);
CREATE TABLE messages (id INTEGER NOT NULL, run_id VARCHAR(32) NOT NULL, at DOUBLE NOT NULL,
  kind VARCHAR(32) NOT NULL, body TEXT NOT NULL, CONSTRAINT pk_messages PRIMARY KEY (id),
  CONSTRAINT fk_messages_run_id_runs FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE);
CREATE INDEX ix_messages_run_id_kind ON messages (run_id, kind);
CREATE TABLE exports (id INTEGER NOT NULL, run_id VARCHAR(32) NOT NULL, at DOUBLE NOT NULL,
  format TEXT NOT NULL, folder TEXT NOT NULL, step INTEGER NOT NULL, largest_difference DOUBLE,
  CONSTRAINT pk_exports PRIMARY KEY (id),
  CONSTRAINT fk_exports_run_id_runs FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE);
CREATE INDEX ix_exports_run_id ON exports (run_id);
INSERT INTO alembic_version VALUES ('0001');
"""


def write_schema_1(file: Path) -> None:
    """A database of schema 0001 with one run, which was stopped after one step."""
    config = '{"name": "old", "tasks": {"q": {"kind": "classification", "data": {"train": "q"}}}}'
    at = FIRST_DAY.timestamp()
    connection = sqlite3.connect(file)
    connection.executescript(_SCHEMA_1)
    connection.execute("INSERT INTO runs VALUES ('old22222', 'old', ?, ?, 'q.toml')", (at, config))
    connection.execute(
        "INSERT INTO claims VALUES ('old22222', ?, 100, 1790000000.5, 'boot-1', 'box')", (at,)
    )
    connection.execute("INSERT INTO heartbeats VALUES ('old22222', ?, 'training', 1, 30.0)", (at,))
    connection.execute("INSERT INTO exits VALUES ('old22222', 'stopped', ?, '', '', '', '')", (at,))
    connection.execute("INSERT INTO commands VALUES (1, 'old22222', 'stop', ?, NULL)", (at,))
    connection.execute("INSERT INTO series VALUES (1, 'old22222', 'train', '', 'loss')")
    connection.execute("INSERT INTO points VALUES (1, 1, 0.5)")
    connection.execute("INSERT INTO steps VALUES ('old22222', 1, 0.1, 0.2, 32, 500)")
    connection.commit()
    connection.close()


def rows_of(file: Path, table: str) -> list[tuple[object, ...]]:
    """All rows of a table."""
    connection = sqlite3.connect(file)
    rows = connection.execute(f"SELECT * FROM {table}").fetchall()
    connection.close()
    return rows
