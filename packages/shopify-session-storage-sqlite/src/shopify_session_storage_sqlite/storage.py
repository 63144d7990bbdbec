"""Sessions in an SQLite database, in the layout of Shopify's official JavaScript adapter."""

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, TypeVar
from urllib.parse import unquote

import aiosqlite
from shopify_session_storage import (
    Dialect,
    OnError,
    RdbmsSessionStorageMigratorOptions,
    SqlConnection,
    SqlSessionStorage,
)
from shopify_session_storage.base import to_the_end
from shopify_session_storage.stored import COLUMNS

_T = TypeVar("_T")

# How long a writer waits for another process to finish writing before it fails.
_BUSY_TIMEOUT_SECONDS: Final = 30.0


class SQLiteSessionStorage(SqlSessionStorage):
    """Keeps sessions in a table of an SQLite database.

    A database in a file gets WAL mode and two connections, each with a thread: one that reads and
    one that writes, so that loads wait neither for stores nor for other processes that write.
    Stores that arrive while one is being written are written together, in one transaction with
    one sync to disk. Every operation takes one statement and one hop to a thread.

    Args:
        database: Path of the file, created if it does not exist; ``":memory:"``; or an open
            aiosqlite connection, which is used as it is and never closed. Do not keep a
            transaction open on it: what this storage writes is committed at once.
        session_table_name: Name of the table; created if it does not exist.
        migrator_options: Where applied migrations are recorded.
        on_error: ``"log"`` failures of the database, or ``"raise"`` them.

    Raises:
        TypeError: If an argument is of another type.
        ValueError: If the path is empty or a table's name is not usable.
    """

    backend = "sqlite"
    driver_errors = (sqlite3.Error,)
    data_errors = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.InterfaceError)
    # One connection does one thing at a time; further groups would only wait in its queue.
    max_groups = 1
    dialect = Dialect(
        quote='"',
        placeholder=lambda number: "?",
        key_type="varchar(255)",
        text_type="text",
        integer_type="bigint",
        boolean_type="integer",
        upsert='ON CONFLICT ("id") DO UPDATE SET',
        inserted=lambda column: f"excluded.{column}",
        is_same=lambda one, other: f"{one} IS {other}",
        now="CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
        expires_unit=1000,
        refresh_token_expires_unit=1000,
        max_identifier_length=255,
        ignores_column_case=True,
        javascript_migrations=(
            "migrateScopeFieldToVarchar1024",
            "addRefreshTokenFields",
            "addUserInfoColumns",
        ),
    )

    def __init__(
        self,
        database: str | os.PathLike[str] | aiosqlite.Connection,
        *,
        session_table_name: str = "shopify_sessions",
        migrator_options: RdbmsSessionStorageMigratorOptions | None = None,
        on_error: OnError = "log",
    ) -> None:
        super().__init__(
            session_table_name=session_table_name,
            migrator_options=migrator_options,
            on_error=on_error,
        )
        self._injected = database if isinstance(database, aiosqlite.Connection) else None
        self._path = "" if isinstance(database, aiosqlite.Connection) else _checked_path(database)
        self._writer: aiosqlite.Connection | None = self._injected
        self._reader: aiosqlite.Connection | None = self._injected

    def __repr__(self) -> str:
        return f"SQLiteSessionStorage({self._injected or self._path!r})"

    async def _open_connections(self) -> None:
        if self._injected is not None:
            await self._check_injected(self._injected)
        else:
            self._writer = await self._connect()
            await self._use_wal(self._writer)
            # Every connection to ":memory:" has a database of its own.
            self._reader = self._writer if self._path == ":memory:" else await self._connect()
        async with self._migration_connection():
            pass  # shows at once, rather than at the first store, that the file cannot be written

    async def _close(self) -> None:
        if self._injected is not None:
            return
        writer, reader = self._writer, self._reader
        self._writer = self._reader = None
        if reader is not None and reader is not writer:
            await reader.close()
        if writer is not None:
            await writer.close()

    def _abandon(self) -> None:
        if self._injected is None:
            for connection in {self._writer, self._reader}:
                if connection is not None:
                    connection.stop()
                    # It reports its end to the event loop of today, which may end soon, too.
                    connection._thread.join(timeout=1)
            self._writer = self._reader = None

    async def _ping(self) -> None:
        await self._fetch("SELECT 1", ())

    async def _fetch(self, sql: str, parameters: Sequence[Any]) -> Iterable[Sequence[Any]]:
        assert self._reader is not None
        return await self._reader.execute_fetchall(sql, parameters)

    async def _execute(self, sql: str, parameters: Sequence[Any]) -> None:
        assert self._writer is not None
        if self._injected is None:
            # In autocommit mode a statement is a transaction.
            await self._writer.execute_fetchall(sql, parameters)
        else:
            await to_the_end(self._execute_and_commit(self._injected, sql, parameters))

    async def _change(self, sql: str, parameters: Sequence[Any]) -> bool:
        assert self._writer is not None
        # On a connection of ours there is nothing to commit any more.
        return await to_the_end(self._execute_and_commit(self._writer, sql, parameters)) > 0

    async def _execute_and_commit(
        self, connection: aiosqlite.Connection, sql: str, parameters: Sequence[Any]
    ) -> int:
        """Run a statement that writes, and return how many rows it has written."""
        try:
            async with connection.execute(sql, parameters) as cursor:
                rows: int = cursor.rowcount
        except sqlite3.Error:
            await connection.rollback()
            raise
        await connection.commit()
        return rows

    # A group of any size has a statement of its own, which SQLite compiles and keeps: a few sizes
    # will do, the rest is filled up with the last value or row once more.

    def _is_one_of(self, column: str, values: Sequence[str]) -> tuple[str, Sequence[Any]]:
        return super()._is_one_of(column, _filled_up(values))

    def _rows(self, rows: Sequence[tuple[Any, ...]]) -> tuple[str, Sequence[Any]]:
        return super()._rows(_filled_up(rows))

    async def _connect(self) -> aiosqlite.Connection:
        connection = aiosqlite.connect(
            self._path, timeout=_BUSY_TIMEOUT_SECONDS, isolation_level=None
        )
        # Otherwise a process could not end before the app has disconnected.
        thread = connection._thread
        thread.daemon = True
        try:
            return await connection
        except sqlite3.Error:
            thread.join(timeout=1)  # it is about to end, and reports that to this event loop
            raise

    async def _use_wal(self, connection: aiosqlite.Connection) -> None:
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

    async def _check_injected(self, connection: aiosqlite.Connection) -> None:
        rows = list(await connection.execute_fetchall("SELECT 1, 'text'"))
        if tuple(rows[0]) != (1, "text"):
            raise ValueError(
                "the aiosqlite connection must give rows as sequences and text as str; "
                "leave its row_factory and text_factory as they are"
            )

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[SqlConnection]:
        assert self._writer is not None
        yield _Connection(self._writer)

    @asynccontextmanager
    async def _migration_connection(self) -> AsyncIterator[SqlConnection]:
        assert self._writer is not None
        await self._writer.execute_fetchall("BEGIN IMMEDIATE")
        try:
            yield _Connection(self._writer)
        except BaseException:
            with suppress(sqlite3.Error):
                await self._writer.rollback()
            raise
        await self._writer.commit()

    async def _upgrade_table(self, connection: SqlConnection, existing: dict[str, str]) -> None:
        for name in COLUMNS:
            if name not in existing:
                await connection.execute(
                    f"ALTER TABLE {self._quoted} ADD COLUMN {self._column_definition(name)}"
                )
        if "onlineAccessInfo" in existing:
            await connection.execute(
                f'UPDATE {self._quoted} SET "userId" = {_USER_ID_FROM_ONLINE_ACCESS_INFO} '
                'WHERE "onlineAccessInfo" IS NOT NULL AND "userId" IS NULL'
            )
            # The official adapter rebuilds a table that has this column, from a list of columns
            # that it knows. DROP COLUMN came with SQLite 3.35.
            drop = (
                'DROP COLUMN "onlineAccessInfo"'
                if sqlite3.sqlite_version_info >= (3, 35)
                else 'RENAME COLUMN "onlineAccessInfo" TO "formerOnlineAccessInfo"'
            )
            await connection.execute(f"ALTER TABLE {self._quoted} {drop}")
        index = self._shop_index()
        await connection.execute(f'CREATE INDEX IF NOT EXISTS {index} ON {self._quoted} ("shop")')

    def _describe(self, error: Exception) -> str:
        # SQLite's messages name tables and columns, never values.
        where = f" ({self._path})" if self._path else ""
        return f"{error}{where}"


class _Connection:
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


def open_url(url: str, **options: Any) -> SQLiteSessionStorage:
    """Make the storage for ``sqlite:///relative.db``, ``sqlite:////absolute.db`` or ``sqlite://``.

    The last one is a database in memory.

    Raises:
        ValueError: If the URL names a host.
    """
    host, slash, path = url.partition("://")[2].partition("/")
    if host:
        raise ValueError(
            "an SQLite URL has no host: sqlite:///relative.db or sqlite:////absolute.db"
        )
    return SQLiteSessionStorage(unquote(path) if slash and path else ":memory:", **options)


def _checked_path(database: str | os.PathLike[str]) -> str:
    if not isinstance(database, str | os.PathLike):
        raise TypeError(
            f"database must be a path or an aiosqlite.Connection, not {type(database).__name__}"
        )
    path = os.fspath(database)
    if not isinstance(path, str):
        raise TypeError("database must be a path of str, not of bytes")
    if not path:
        raise ValueError("the path of the database must not be empty")
    if "\0" in path:
        raise ValueError("the path of the database must not contain NUL")
    return path


def _filled_up(items: Sequence[_T]) -> Sequence[_T]:
    missing = -len(items) % 16
    return items if len(items) <= 16 or not missing else [*items, *[items[-1]] * missing]
