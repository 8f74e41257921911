"""One engine per database, with what many processes on one SQLite file need.

The settings of a connection are made here and nowhere else. `read` and `write` hand out a short
transaction each and turn what the driver says into a `StoreError`. What the tables are is not
known here.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from workbench.errors import StoreError

BUSY_TIMEOUT_SECONDS = 30
_SQLITE_PREFIX = "sqlite:///"
_SQLITE_HEADER = b"SQLite format 3\0"


class Database:
    """Short transactions on one database; safe to use from several threads."""

    def __init__(self, url: str) -> None:
        """Prepare the engine; nothing is opened before the first transaction.

        Raises:
            StoreError: The URL is none, its driver is not installed, or the file is no database.
        """
        self.url = url
        self.file = Path(url.removeprefix(_SQLITE_PREFIX)) if _is_file(url) else None
        if self.file is not None:
            _check_file(self.file)
        self.engine = _make_engine(url)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads. Keep it short: a long one stops WAL checkpoints."""
        with self.errors(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that writes: committed at the end, rolled back on an exception.

        On SQLite it begins with BEGIN IMMEDIATE. A deferred transaction that reads first and
        writes then is refused at once when another process writes, whatever the busy timeout.
        """
        with self.errors(), self.engine.connect() as connection:
            connection = connection.execution_options(writes=True)
            with connection.begin():
                yield connection

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    @contextmanager
    def errors(self) -> Iterator[None]:
        """What the driver raises inside, as a `StoreError` with a next step."""
        try:
            yield
        except (DBAPIError, PoolTimeoutError, sqlite3.Error) as error:
            raise _explain(error, self.where) from error

    @property
    def where(self) -> str:
        """The database in an error message: a file, or a URL without its password."""
        return str(self.file) if self.file else make_url(self.url).render_as_string()


def _is_file(url: str) -> bool:
    return url.startswith(_SQLITE_PREFIX)


def _check_file(file: Path) -> None:
    if not file.parent.is_dir():
        raise StoreError(
            f"The folder {file.parent} does not exist.",
            where=str(file),
            next_step="make it, or name another database with --db",
        )
    try:
        with file.open("rb") as opened:
            header = opened.read(len(_SQLITE_HEADER))
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError(
            f"The database cannot be read: {error.strerror}.",
            where=str(file),
            next_step="check its permissions, or name another database with --db",
        ) from error
    if header and header != _SQLITE_HEADER:
        raise StoreError(
            f"{file.name} is not a database.",
            where=str(file),
            next_step="move the file away, or name another database with --db",
        )


def _make_engine(url: str) -> Engine:
    # A folder may be called "a?b": only URL.create takes a path as it is.
    target = (
        URL.create("sqlite", database=url.removeprefix(_SQLITE_PREFIX)) if _is_file(url) else url
    )
    try:
        engine = create_engine(target)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise StoreError(
            f"The database URL cannot be used: {error}.",
            where=url.split("@")[-1],
            next_step="give a file, or an SQLAlchemy URL whose driver is installed",
        ) from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # the driver begins no transactions of its own
    cursor = connection.cursor()
    # First of all, so that the statements below wait for others too.
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_SECONDS * 1000}")
    cursor.execute("PRAGMA journal_mode = WAL")
    # A power cut may take the last commits, never the database.
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _explain(error: Exception, where: str) -> StoreError:
    cause: Any = getattr(error, "orig", None) or error
    said = str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__
    advice = "see whether the database can be reached, and try again"
    for part, next_step in _ADVICE.items():
        if part in said.lower():
            advice = next_step
            break
    return StoreError(f"The database said: {said}.", where=where, next_step=advice)


_ADVICE = {
    "locked": "another program has held the database for long; see which, and try again",
    "full": "free some disk space; nothing that was stored before is lost",
    "readonly": "make the file and its folder writable, or name another database with --db",
    "unable to open": "check that the folder exists and is writable",
    "not a database": "move the file away, or name another database with --db",
    "malformed": "the file is damaged: put a backup in its place (experiments.db.before-*.bak)",
}
