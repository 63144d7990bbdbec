"""Tables: what turns one of the official adapter, of any age, into today's."""

import sqlite3
from collections.abc import Callable, Container, Iterator, Sequence
from functools import partial
from itertools import chain, count
from typing import Any, Final

from shopify_session_storage import COLUMNS, MigrationError, SqlConnection

from shopify_session_storage_sqlite.connections import Connection
from shopify_session_storage_sqlite.statements import execute, fetch

MIGRATION_WAIT: Final = 30.0
"""How long a start waits for another process to end its migration, in seconds."""


class MigrationConnection:
    """A connection as migrations use it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        await self._connection.run(partial(execute, sql, parameters), patience=MIGRATION_WAIT)

    async def fetch(self, sql: str, parameters: Sequence[Any] = ()) -> Sequence[Sequence[Any]]:
        return await self._connection.run(partial(fetch, sql, parameters), patience=MIGRATION_WAIT)

    async def columns(self, table: str) -> dict[str, str]:
        rows = await self.fetch("SELECT name, type FROM pragma_table_info(?)", (table,))
        return {row[0]: row[1] for row in rows}


_UNIQUE_ID: Final = """
    SELECT 1 FROM pragma_index_list(?) AS i
    WHERE i."unique" AND NOT i.partial AND (
        SELECT group_concat(lower(c.name) || ' ' || c.coll) FROM pragma_index_xinfo(i.name) AS c
        WHERE c.key
    ) = lower(?) || ' BINARY'"""
_INDEX: Final = """
    SELECT 1 FROM pragma_index_list(?) AS i JOIN pragma_index_xinfo(i.name) AS c
    WHERE NOT i.partial AND c.seqno = 0 AND lower(c.name) = lower(?)"""

# The old column holds the user's id as text. Where the official adapter ran on an older SQLite,
# ids above 2**31 became "98765432101.0" and ids from 10**15 "9.00719925474099e+15"; the latter have
# lost digits, which the session's id (shop_user) still has.
_ID_SUFFIX: Final = 'CAST(substr("id", length("shop") + 2) AS INTEGER)'
_USER_ID_FROM_ONLINE_ACCESS_INFO: Final = f"""CASE
    WHEN "onlineAccessInfo" NOT GLOB '[0-9]*' THEN NULL
    WHEN "onlineAccessInfo" NOT GLOB '*[eE]*' THEN CAST("onlineAccessInfo" AS INTEGER)
    WHEN "id" = "shop" || '_' || {_ID_SUFFIX} THEN {_ID_SUFFIX}
    ELSE CAST(CAST("onlineAccessInfo" AS REAL) AS INTEGER)
END"""


def upgrade(
    table: str, existing: Container[str], definition: Callable[[str], str]
) -> Iterator[str]:
    """Give the statements that turn a table into today's, keeping every row.

    Args:
        table: Its quoted name.
        existing: The columns that it has.
        definition: Gives the definition of a column.
    """
    for name in COLUMNS:
        if name not in existing:
            yield f"ALTER TABLE {table} ADD COLUMN {definition(name)}"
    if "onlineAccessInfo" in existing:
        yield (
            f'UPDATE {table} SET "userId" = {_USER_ID_FROM_ONLINE_ACCESS_INFO} '
            'WHERE "onlineAccessInfo" IS NOT NULL AND "userId" IS NULL'
        )
        # The official adapter rebuilds a table that has this column, from a list of columns that
        # it knows. DROP COLUMN came with SQLite 3.35.
        drop = (
            'DROP COLUMN "onlineAccessInfo"'
            if sqlite3.sqlite_version_info >= (3, 35)
            else 'RENAME COLUMN "onlineAccessInfo" TO "formerOnlineAccessInfo"'
        )
        yield f"ALTER TABLE {table} {drop}"


async def check_primary_key(connection: SqlConnection, table: str, column: str) -> None:
    """See that a table cannot have one id, in that *column*, twice.

    Raises:
        MigrationError: If it can.
    """
    if not await connection.fetch(_UNIQUE_ID, (table, column)):
        raise MigrationError(
            f"sqlite: the table {table} has no primary key or unique index on {column} alone, "
            "compared byte by byte, so it could hold a session twice. Copy it into a table that "
            "has one, or give this storage a table of its own (session_table_name)"
        )


async def has_index(connection: SqlConnection, table: str, column: str) -> bool:
    """Tell whether a table has an index to find rows by a column, whatever its name."""
    return bool(await connection.fetch(_INDEX, (table, column)))


async def free_name(connection: SqlConnection, name: str) -> str:
    """Return *name*, or one like it if something else has that name: a renamed table's index."""
    for candidate in chain((name,), (f"{name}_{number}" for number in count(2))):
        taken = "SELECT 1 FROM sqlite_master WHERE lower(name) = lower(?)"
        if not await connection.fetch(taken, (candidate,)):
            return candidate
    raise AssertionError("there is always a free name")
