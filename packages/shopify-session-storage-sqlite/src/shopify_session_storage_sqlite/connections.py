"""Connections to the database, each with a thread of its own."""

import asyncio
import sqlite3
from collections.abc import Sequence
from typing import Any, Final

import aiosqlite

# How long a writer waits for another process to finish writing before it fails.
_BUSY_TIMEOUT_SECONDS: Final = 30.0


async def connect(path: str) -> aiosqlite.Connection:
    """Open the database in autocommit mode, in which a statement is a transaction."""
    connection = aiosqlite.connect(path, timeout=_BUSY_TIMEOUT_SECONDS, isolation_level=None)
    # Otherwise a process could not end before the app has disconnected.
    thread = connection._thread
    thread.daemon = True
    try:
        return await connection
    except sqlite3.Error:
        thread.join(timeout=1)  # it is about to end, and reports that to this event loop
        raise


async def use_wal(connection: aiosqlite.Connection) -> None:
    """Switch the database to WAL, which it stays in.

    SQLite does not wait for others here as it does elsewhere. Where the file system has no
    shared memory it keeps the rollback journal, which works too.
    """
    deadline = asyncio.get_running_loop().time() + _BUSY_TIMEOUT_SECONDS
    while True:
        try:
            await connection.execute_fetchall("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            locked = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not locked or asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(0.01)
        else:
            return


async def check_rows(connection: aiosqlite.Connection) -> None:
    """See that a connection of the user gives rows that can be read.

    Raises:
        ValueError: If it does not.
    """
    rows = list(await connection.execute_fetchall("SELECT 1, 'text'"))
    if tuple(rows[0]) != (1, "text"):
        raise ValueError(
            "the aiosqlite connection must give rows as sequences and text as str; "
            "leave its row_factory and text_factory as they are"
        )


class MigrationConnection:
    """A connection as migrations use it."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        await self._connection.execute_fetchall(sql, parameters)

    async def fetch(self, sql: str, parameters: Sequence[Any] = ()) -> Sequence[Sequence[Any]]:
        return list(await self._connection.execute_fetchall(sql, parameters))

    async def columns(self, table: str) -> dict[str, str]:
        rows = await self.fetch("SELECT name, type FROM pragma_table_info(?)", (table,))
        return {row[0]: row[1] for row in rows}
