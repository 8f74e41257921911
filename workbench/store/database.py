"""One engine per database, with what many processes on one SQLite file need.

The settings of a connection are made here and nowhere else. `read` and `write` hand out a short
transaction each and turn what the driver says into a `StoreError`. What the tables are is not
known here.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from weakref import WeakSet

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from workbench.errors import StoreError
from workbench.store.filesystem import file_system_of

BUSY_TIMEOUT_SECONDS = 30
_SQLITE_PREFIX = "sqlite:///"
_SQLITE_HEADER = b"SQLite format 3\0"
_live: WeakSet[Database] = WeakSet()
"""Those of this process that may have connections."""


class Database:
    """Short transactions on one database; safe to use from several threads."""

    def __init__(self, url: str, *, patience_seconds: float = BUSY_TIMEOUT_SECONDS) -> None:
        """Prepare the engine; nothing is opened before the first transaction.

        Args:
            url: SQLAlchemy URL.
            patience_seconds: How long a transaction waits for those of others.

        Raises:
            StoreError: The URL is none, its driver is not installed, or the file is no database.
        """
        self.url = url
        self.file = Path(url.removeprefix(_SQLITE_PREFIX)) if _is_file(url) else None
        # POSIX takes all of a process's locks on a file away when any descriptor of it is closed,
        # also one that only read the header. Another process that closes the database would then
        # take itself for the last one and delete the log that this process goes on writing into.
        if self.file is not None and not any(one.file == self.file for one in _live):
            _check_file(self.file)
        _live.add(self)
        self.engine = _make_engine(url, patience_seconds)
        self.inode: tuple[int, int] | None = _inode_of(self.file)
        """Device and number of the file that connections are to."""
        self.was_replaced = False
        """Whether it was gone at some time, or is another one than when it was opened."""
        self.generation = 0
        """Counts how often it may have become another one: a new file may get the old number."""

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads. Keep it short: a long one stops WAL checkpoints."""
        self.look_at_file()
        with self.errors(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that writes: committed at the end, rolled back on an exception.

        On SQLite it begins with BEGIN IMMEDIATE. A deferred transaction that reads first and
        writes then is refused at once when another process writes, whatever the busy timeout.
        """
        self.look_at_file()
        with self.errors(), self.engine.connect() as connection:
            connection = connection.execution_options(writes=True)
            with connection.begin():
                yield connection

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()
        _live.discard(self)

    def look_at_file(self) -> None:
        """See to it that what is written goes into the file of that name.

        SQLite goes on with a file that was deleted or moved away under it, and nobody would ever
        see what it wrote.

        Raises:
            StoreError: It is gone.
        """
        if self.file is None:
            return
        inode = _inode_of(self.file)
        if inode == self.inode:
            return
        if self.inode is not None:
            self.engine.dispose()  # its connections are to the file that was there before
            self.was_replaced = True
            self.generation += 1
            if inode is None:
                raise StoreError(
                    "The database file is gone.",
                    where=str(self.file),
                    next_step="put it back; or make it anew from the runs' folders: "
                    "mtl-workbench repair",
                )
        self.inode = inode

    @contextmanager
    def errors(self) -> Iterator[None]:
        """What the driver raises inside, as a `StoreError` with a next step."""
        try:
            yield
        except (DBAPIError, PoolTimeoutError, sqlite3.Error) as error:
            raise _explain(error, self.where) from error
        except UnicodeEncodeError as error:
            raise StoreError(
                f"There is something in the text that is no character: {error.object!r}.",
                next_step="type it in UTF-8",
            ) from error

    @property
    def where(self) -> str:
        """The database in an error message: a file, or a URL without its password."""
        return safe_url(self.url)


def _inode_of(file: Path | None) -> tuple[int, int] | None:
    if file is None:
        return None
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def safe_url(url: str) -> str:
    """A database as it may be shown: the file, or the URL without its password."""
    return url.removeprefix(_SQLITE_PREFIX) if _is_file(url) else make_url(url).render_as_string()


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


def _make_engine(url: str, patience_seconds: float) -> Engine:
    # A folder may be called "a?b": only URL.create takes a path as it is.
    target = (
        URL.create("sqlite", database=url.removeprefix(_SQLITE_PREFIX)) if _is_file(url) else url
    )
    try:
        engine = create_engine(target, **_options(url, patience_seconds))
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise StoreError(
            f"The database URL cannot be used: {error}.",
            where=url.split("@")[-1],
            next_step="give a file, or an SQLAlchemy URL whose driver is installed",
        ) from error
    if engine.dialect.name == "sqlite":
        file = Path(url.removeprefix(_SQLITE_PREFIX)) if _is_file(url) else Path.cwd()
        journal_mode = file_system_of(file).journal_mode

        def prepare(connection: sqlite3.Connection, _record: object) -> None:
            _prepare_sqlite(connection, patience_seconds, journal_mode)

        event.listen(engine, "connect", prepare)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _options(url: str, patience_seconds: float) -> dict[str, Any]:
    """What a server's engine needs: to notice that it was restarted, and not to wait for ever."""
    if not url.startswith("postgresql"):
        return {}
    milliseconds = round(patience_seconds * 1000)
    return {
        # A connection that the server has dropped is made anew before it is used.
        "pool_pre_ping": True,
        "connect_args": {
            "connect_timeout": max(2, round(patience_seconds)),
            "options": f"-c lock_timeout={milliseconds} -c timezone=UTC",
            "keepalives_idle": 30,
            "keepalives_interval": 10,
            "keepalives_count": 3,
        },
    }


def _prepare_sqlite(
    connection: sqlite3.Connection, patience_seconds: float, journal_mode: str
) -> None:
    connection.isolation_level = None  # the driver begins no transactions of its own
    cursor = connection.cursor()
    # First of all, so that the statements below wait for others too.
    cursor.execute(f"PRAGMA busy_timeout = {round(patience_seconds * 1000)}")
    with suppress(sqlite3.OperationalError):  # leaving WAL needs a moment without other readers
        cursor.execute(f"PRAGMA journal_mode = {journal_mode}")
    # A power cut may take the last commits, never the database: with a log. A rollback journal
    # has to be on the disk before the pages that it is for.
    cursor.execute(f"PRAGMA synchronous = {'NORMAL' if journal_mode == 'WAL' else 'FULL'}")
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
    "permission denied for database": "a database of an older schema is copied before it is "
    "changed: let its owner open it once, or GRANT CREATE ON DATABASE to this user",
    "locked": "another program has held the database for long; see which, and try again",
    "full": "free some disk space; nothing that was stored before is lost",
    "readonly": "make the file and its folder writable, or name another database with --db",
    "unable to open": "check that the folder exists and is writable",
    "not a database": "move the file away, or name another database with --db",
    "malformed": "the file is damaged: see how far (mtl-workbench doctor), and make it anew from "
    "the runs' folders (mtl-workbench repair)",
}
