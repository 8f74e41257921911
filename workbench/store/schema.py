"""Bring the tables of a database to the revision of this program before it is used.

A new database is made at once and stamped; only one that is behind is migrated. Alembic takes
0.6 s to import, so it is imported in that case alone: the revision is read by plain SQL.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, inspect, text

from workbench.errors import StoreError
from workbench.store.database import Database
from workbench.store.tables import metadata

REVISIONS = ("0001", "0002", "0003")
"""Every revision that this program knows, oldest first; the last is its own."""
_VERSION_TABLE = "alembic_version"
_CREATION_LOCK = 7_365_721  # any number that nobody else uses as a lock


def prepare(database: Database) -> str:
    """Make the tables of a new database, migrate an older one, refuse a newer one.

    Returns:
        Where the old one was copied to before it was changed; empty if it was not changed.

    Raises:
        StoreError: The schema is newer than this program, or not of this program.
    """
    with database.read() as connection:
        revision = _revision(connection)
        is_empty = revision is None and not inspect(connection).get_table_names()
    if revision == REVISIONS[-1]:
        return ""
    if is_empty:
        _create(database)
    elif revision is None:
        raise StoreError(
            "The database belongs to another program: it has tables, but none of a workbench.",
            where=database.where,
            next_step="name another database with --db",
        )
    elif revision not in REVISIONS:
        raise StoreError(
            f"The database has schema {revision}; this program knows schemas up to "
            f"{REVISIONS[-1]}.",
            where=database.where,
            next_step="upgrade the program (pip install --upgrade mtl-workbench), "
            "or name another database with --db",
        )
    else:
        return _migrate(database)
    return ""


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(_VERSION_TABLE):
        return None
    revision: str | None = connection.scalar(text(f"SELECT version_num FROM {_VERSION_TABLE}"))
    return revision


def _create(database: Database) -> None:
    with database.write() as connection:
        _keep_others_out(connection)
        if _revision(connection) is not None:
            return  # another process was quicker
        metadata.create_all(connection)
        # As Alembic makes it, so that Alembic finds it.
        connection.execute(
            text(
                f"CREATE TABLE {_VERSION_TABLE} (version_num VARCHAR(32) NOT NULL, "
                f"CONSTRAINT {_VERSION_TABLE}_pkc PRIMARY KEY (version_num))"
            )
        )
        connection.execute(
            text(f"INSERT INTO {_VERSION_TABLE} (version_num) VALUES (:revision)"),
            {"revision": REVISIONS[-1]},
        )


def _migrate(database: Database) -> str:
    from workbench.store.migrations import upgrade  # saves 0.6 s whenever nothing is to be done

    with database.write() as connection:
        _keep_others_out(connection)
        revision = _revision(connection)
        if revision is None or revision == REVISIONS[-1]:
            return ""  # another process was quicker
        # In here, so that no other process copies what this one has changed already.
        if database.file is not None:
            copy = database.file.with_name(f"{database.file.name}.before-{revision}.bak")
            back_up(database.file, copy)
            told = str(copy)
        else:
            told = _copy_tables(connection, revision)
        upgrade(connection)
    return told


def _copy_tables(connection: Connection, revision: str) -> str:
    """Copy all tables of a server's database into a schema of their own; says which.

    Inside the caller's transaction: the copy is there if the migration is.
    """
    moment = datetime.now(UTC).strftime("%Y%m%d_%H%M%S")
    copies = f"backup_{revision}_{moment}"
    quoted = connection.dialect.identifier_preparer.quote
    tables = inspect(connection).get_table_names()
    connection.execute(text(f"CREATE SCHEMA {quoted(copies)}"))
    for table in tables:
        name = quoted(table)
        connection.execute(text(f"CREATE TABLE {quoted(copies)}.{name} AS TABLE {name}"))
    return f"schema {copies}"


def _keep_others_out(connection: Connection) -> None:
    """Let nobody else make or change tables until this transaction ends."""
    if connection.dialect.name == "postgresql":  # SQLite's BEGIN IMMEDIATE has done it
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _CREATION_LOCK})


def back_up(file: Path, to: Path) -> None:
    """Copy a SQLite database that may be in use, whole, over what is at `to`."""
    with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(to)) as target:
        source.backup(target)
