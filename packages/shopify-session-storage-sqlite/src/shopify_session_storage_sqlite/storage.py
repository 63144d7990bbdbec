"""Sessions in an SQLite database, in the layout of Shopify's official JavaScript adapter."""

import os
import sqlite3
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

import aiosqlite
from shopify_session_storage import (
    Dialect,
    OnError,
    RdbmsSessionStorageMigratorOptions,
    SqlConnection,
    SqlSessionStorage,
)
from shopify_session_storage.base import to_the_end

from shopify_session_storage_sqlite.addresses import checked_path, path_in
from shopify_session_storage_sqlite.connections import (
    MigrationConnection,
    check_rows,
    connect,
    use_wal,
)
from shopify_session_storage_sqlite.migrations import upgrade

_T = TypeVar("_T")


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
        self._path = "" if isinstance(database, aiosqlite.Connection) else checked_path(database)
        self._writer: aiosqlite.Connection | None = self._injected
        self._reader: aiosqlite.Connection | None = self._injected

    def __repr__(self) -> str:
        return f"SQLiteSessionStorage({self._injected or self._path!r})"

    async def _open_connections(self) -> None:
        if self._injected is not None:
            await check_rows(self._injected)
        else:
            self._writer = await connect(self._path)
            await use_wal(self._writer)
            # Every connection to ":memory:" has a database of its own.
            self._reader = self._writer if self._path == ":memory:" else await connect(self._path)
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

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[SqlConnection]:
        assert self._writer is not None
        yield MigrationConnection(self._writer)

    @asynccontextmanager
    async def _migration_connection(self) -> AsyncIterator[SqlConnection]:
        assert self._writer is not None
        await self._writer.execute_fetchall("BEGIN IMMEDIATE")
        try:
            yield MigrationConnection(self._writer)
        except BaseException:
            with suppress(sqlite3.Error):
                await self._writer.rollback()
            raise
        await self._writer.commit()

    async def _upgrade_table(self, connection: SqlConnection, existing: dict[str, str]) -> None:
        for sql in upgrade(self._quoted, existing, self._column_definition, self._shop_index()):
            await connection.execute(sql)

    def _describe(self, error: Exception) -> str:
        # SQLite's messages name tables and columns, never values.
        where = f" ({self._path})" if self._path else ""
        return f"{error}{where}"


def open_url(url: str, **options: Any) -> SQLiteSessionStorage:
    """Make the storage for ``sqlite:///relative.db``, ``sqlite:////absolute.db`` or ``sqlite://``.

    The last one is a database in memory.

    Raises:
        ValueError: If the URL names a host.
    """
    return SQLiteSessionStorage(path_in(url), **options)


def _filled_up(items: Sequence[_T]) -> Sequence[_T]:
    missing = -len(items) % 16
    return items if len(items) <= 16 or not missing else [*items, *[items[-1]] * missing]
