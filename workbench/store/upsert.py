"""INSERT that takes the place of a row with the same key, on SQLite and PostgreSQL."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import Connection, Insert, Table
from sqlalchemy.dialects import sqlite


def upsert(connection: Connection, table: Table, *, replace: bool = True) -> Insert:
    """An INSERT for one or many rows given as parameters.

    Args:
        connection: Says which dialect is spoken.
        table: Where the rows go.
        replace: Whether a row with the same primary key is overwritten; if not, a row that
            meets any unique constraint is left as it is.
    """
    return _upsert(connection.dialect.name, table, replace)


@cache
def _upsert(dialect: str, table: Table, replace: bool) -> Insert:
    # The two have the same methods and no common type that has them.
    insert: Any
    if dialect == "postgresql":
        from sqlalchemy.dialects import postgresql  # 90 ms that SQLite does without

        insert = postgresql.insert(table)
    else:
        insert = sqlite.insert(table)
    if not replace:
        return insert.on_conflict_do_nothing()  # type: ignore[no-any-return]  # see above
    keys = [column.name for column in table.primary_key]
    others = {name: insert.excluded[name] for name in table.c.keys() if name not in keys}  # noqa: SIM118
    return insert.on_conflict_do_update(index_elements=keys, set_=others)  # type: ignore[no-any-return]  # see above
