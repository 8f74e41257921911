"""Whether a SQLite file is whole, without changing it; and what is left of a damaged one."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from workbench.store.schema import REVISIONS
from workbench.store.tables import metadata, runs, series

_SEVERAL = 5


@dataclass(frozen=True)
class FileHealth:
    """What a look at a database file found."""

    exists: bool
    bytes: int = 0
    problems: tuple[str, ...] = ()
    """What SQLite says is wrong with it; empty if it is whole."""
    revision: str | None = None
    """Its schema; None if it has none of this program's."""
    journal_mode: str = ""

    @property
    def is_damaged(self) -> bool:
        """Whether it has to be made anew."""
        return bool(self.problems)

    @property
    def is_current(self) -> bool:
        """Whether this program reads it as it is."""
        return self.revision == REVISIONS[-1]


def look_at_file(file: Path) -> FileHealth:
    """Check a database file, every page of it. Takes about a second for each gigabyte."""
    if not file.is_file():
        return FileHealth(exists=False)
    size = file.stat().st_size
    if size == 0:
        return FileHealth(exists=True)
    try:
        with closing(_open(file)) as connection:
            found = [str(row[0]) for row in connection.execute("PRAGMA quick_check")]
            problems = tuple(one for one in found if one != "ok")[:_SEVERAL]
            mode = str(connection.execute("PRAGMA journal_mode").fetchone()[0])
            return FileHealth(True, size, problems, _revision(connection), mode)
    except sqlite3.OperationalError as error:
        if "locked" in str(error) or "unable to open" in str(error):
            return FileHealth(True, size)  # in use, or not ours to read: that is not damage
        return FileHealth(True, size, (str(error),))
    except sqlite3.DatabaseError as error:
        return FileHealth(True, size, (str(error),))


def salvage(damaged: Path, connection: Connection) -> dict[str, int]:
    """Copy the rows of a damaged file that can still be read.

    Args:
        damaged: The file; only read.
        connection: To a new database, in a transaction that writes. Rows of runs that it does not
            get are left out.

    Returns:
        How many rows there were, by table.
    """
    saved: dict[str, int] = {}
    known: dict[str, set[Any]] = {"run_id": set(), "series_id": set()}
    for table in metadata.sorted_tables:
        rows = []
        for row in _rows_as_far_as_they_go(damaged, table.name):
            values = {name: row[name] for name in row if name in table.c}
            if all(values[key] in ids for key, ids in known.items() if key in table.c):
                rows.append(values)
        if not rows:
            continue
        if table in (runs, series):
            known["run_id" if table is runs else "series_id"] = {row["id"] for row in rows}
        # As they are: what the types of the columns do to a value was done when they came.
        names = ", ".join(f'"{name}"' for name in rows[0])
        marks = ", ".join("?" for _ in rows[0])
        statement = f"INSERT OR IGNORE INTO {table.name} ({names}) VALUES ({marks})"
        for start in range(0, len(rows), 1000):
            connection.exec_driver_sql(
                statement, [tuple(row.values()) for row in rows[start : start + 1000]]
            )
        saved[table.name] = len(rows)
    return saved


def _rows_as_far_as_they_go(file: Path, table: str) -> Iterator[dict[str, Any]]:
    try:
        with closing(_open(file)) as connection:
            connection.row_factory = sqlite3.Row
            for row in connection.execute(f'SELECT * FROM "{table}"'):
                yield dict(row)
    except sqlite3.Error:
        return  # the damage begins here


def _open(file: Path) -> sqlite3.Connection:
    # Not "immutable": the newest rows may be in the log beside the file.
    quoted = str(file).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    return sqlite3.connect(f"file:{quoted}?mode=ro", uri=True, timeout=5)


def _revision(connection: sqlite3.Connection) -> str | None:
    try:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.OperationalError:
        return None
    return None if row is None else str(row[0])
