"""Sessions in an SQLite database."""

import os
import sqlite3
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite
from shopify_session_storage import (
    DEFAULT_TIMEOUT,
    Dialect,
    Encodings,
    LayoutName,
    LiveColumn,
    MigrationError,
    OnError,
    RdbmsSessionStorageMigratorOptions,
    Session,
    SqlConnection,
    SqlSessionStorage,
    Verdict,
    hides_arguments,
    normal_scheme,
)

from shopify_session_storage_sqlite.addresses import IN_MEMORY, checked_path, read_url
from shopify_session_storage_sqlite.connections import (
    BorrowedConnection,
    Connection,
    OwnConnection,
)
from shopify_session_storage_sqlite.errors import describe, scrub, verdict
from shopify_session_storage_sqlite.layouts import encodings_of, live_columns
from shopify_session_storage_sqlite.migrations import (
    MIGRATION_WAIT,
    MigrationConnection,
    check_primary_key,
    free_name,
    has_index,
    upgrade,
)
from shopify_session_storage_sqlite.statements import (
    Transaction,
    commit,
    fetch,
    use_wal,
    write,
    write_and_fetch,
)

_T = TypeVar("_T")


class SQLiteSessionStorage(SqlSessionStorage):
    """Keeps sessions in a table of an SQLite database.

    A database in a file is switched to WAL mode, and gets two connections, each with its own
    thread: one to read and one to write. So loads wait neither for stores nor for other processes
    that write. Stores that arrive while another is being written are written together, in one
    transaction with one sync to disk. Every operation is one statement and one hop to a thread.

    Args:
        database: Path of the file, which is created if it does not exist; or ``":memory:"``; or an
            open aiosqlite connection, which is used as it is and never closed. Do not keep a
            transaction open on it: what this storage writes is committed at once.
        session_table_name: Name of the table; None for the usual one of the layout, such as
            ``shopify_sessions``.
        layout: Whose table it is: ``"shopify"``, a table that is created if it does not exist; or
            ``"prisma"`` or ``"drizzle"``, a table that Prisma or Drizzle has created. Such a table
            is used as it is, and no other table is created beside it.
        column_names: Names of columns of such a table that differ by more than case and
            underscores, such as ``{"accessToken": "token"}``.
        leases_table_name: Name of the table of leases.
        migrator_options: Where applied migrations are recorded.
        on_error: ``"log"`` failures of the database, or ``"raise"`` them.
        timeout: How long a call may take, also while another process holds a lock.

    Raises:
        TypeError: If an argument is of another type.
        ValueError: If the path is empty, there is no such layout, or a name cannot be used.
    """

    backend = "sqlite"
    driver_errors = (sqlite3.Error,)
    # One connection does one thing at a time; further groups would only wait in its queue. A lock
    # is the whole database's: what one group waits for, another one would wait for, too.
    max_groups = 1
    max_slow_groups = 0
    max_step_items = 25  # the work is done on the machine of those who wait, and not by a server
    dialect = Dialect(
        quote='"',
        placeholder=lambda number: "?",
        key_type="varchar(255)",
        text_type="text",
        integer_type="bigint",
        boolean_type="integer",
        upsert=lambda key: f"ON CONFLICT ({key}) DO UPDATE SET",
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
        session_table_name: str | None = None,
        layout: LayoutName = "shopify",
        column_names: Mapping[str, str] | None = None,
        leases_table_name: str | None = None,
        migrator_options: RdbmsSessionStorageMigratorOptions | None = None,
        on_error: OnError = "log",
        timeout: timedelta = DEFAULT_TIMEOUT,
    ) -> None:
        super().__init__(
            session_table_name=session_table_name,
            layout=layout,
            column_names=column_names,
            leases_table_name=leases_table_name,
            migrator_options=migrator_options,
            on_error=on_error,
            timeout=timeout,
        )
        self._path = ""
        self._create = self._layout.owned
        self._borrowed: BorrowedConnection | None = None
        if isinstance(database, aiosqlite.Connection):
            self._borrowed = BorrowedConnection(database)
        else:
            self._path = checked_path(database)
            self._create = self._create or self._path == IN_MEMORY
        self._writer: Connection
        self._reader: Connection
        self._own: set[OwnConnection] = set()
        # What fails for a lock to the end says so, before the time limit cuts it short.
        self._patience = self._seconds * 0.9

    def __repr__(self) -> str:
        return f"SQLiteSessionStorage({self._path or 'a connection of aiosqlite'!r})"

    async def _open_connections(self) -> None:
        if self._borrowed is not None:
            await self._borrowed.check()
            self._reader = self._writer = self._borrowed
        else:
            self._check_file()
            self._reader = self._writer = await self._connect()
            await self._writer.run(use_wal, patience=MIGRATION_WAIT)
            if self._path != IN_MEMORY:  # every connection has a database in memory of its own
                self._reader = await self._connect()
        async with self._migration_connection():
            pass  # shows at once, rather than at the first store, that the file cannot be written

    def _check_file(self) -> None:
        if self._layout.owned or self._path == IN_MEMORY or Path(self._path).exists():
            return
        raise MigrationError(
            f"sqlite: there is no database {self._path}. {self._layout.title} creates it: run its "
            "migrations first"
        )

    async def _connect(self) -> OwnConnection:
        connection = await OwnConnection.to(self._path, create=self._create)
        self._own.add(connection)
        return connection

    async def _close(self) -> None:
        for connection in self._own.copy():
            await connection.close()
            self._own.discard(connection)

    def _abandon(self) -> None:
        for connection in self._own:
            connection.stop()
        self._forget()

    def _forget(self) -> None:
        self._own = set()

    async def _ping(self) -> None:
        await self._fetch("SELECT 1", ())

    async def _fetch(self, sql: str, parameters: Sequence[Any]) -> Iterable[Sequence[Any]]:
        return await self._reader.run(partial(fetch, sql, parameters), patience=self._patience)

    async def _execute(self, sql: str, parameters: Sequence[Any]) -> None:
        await self._writer.run(partial(write, sql, parameters), patience=self._patience)

    async def _change(self, sql: str, parameters: Sequence[Any]) -> bool:
        rows = await self._writer.run(partial(write, sql, parameters), patience=self._patience)
        return rows > 0

    async def _compare_and_delete(self, expected: Sequence[Session]) -> Iterable[str]:
        expected = _filled_up(expected)
        tokens = [(one.id, *self._mapping.tokens(one)) for one in expected]
        access, refresh = self._tokens("s.")
        condition, ids = self._is_one_of(self._id, [one.id for one in expected])
        values = ", ".join(["(?, ?, ?)"] * len(tokens))
        deletion = (
            f"WITH expected (id, access, refresh) AS (VALUES {values})"
            f" {self._delete_from}{self._id} IN (SELECT e.id FROM expected AS e"
            f" JOIN {self._quoted} AS s ON s.{self._id} = e.id"
            f" WHERE {access} IS e.access AND {refresh} IS e.refresh)"
        )
        work = partial(
            write_and_fetch,
            (deletion, [value for one in tokens for value in one]),
            (f"SELECT {self._id} FROM {self._quoted} WHERE {condition}", ids),
        )
        return [row[0] for row in await self._writer.run(work, patience=self._patience)]

    # A group of any size has a statement of its own, which SQLite compiles and keeps: a few sizes
    # will do, the rest is filled up with the last value or row once more.

    def _is_one_of(self, column: str, values: Sequence[str]) -> tuple[str, Sequence[Any]]:
        return super()._is_one_of(column, _filled_up(values))

    def _rows(self, rows: Sequence[tuple[Any, ...]]) -> tuple[str, Sequence[Any]]:
        return super()._rows(_filled_up(rows))

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[SqlConnection]:
        yield MigrationConnection(self._writer)

    @asynccontextmanager
    async def _migration_connection(self) -> AsyncIterator[SqlConnection]:
        writer = self._writer  # there may be another one when this ends early
        transaction = Transaction()
        try:
            await writer.run(transaction.begin, patience=MIGRATION_WAIT)
            yield MigrationConnection(writer)
            await writer.run(commit, patience=MIGRATION_WAIT)
        except BaseException:
            writer.post(transaction.rollback)
            raise

    async def _columns(self, connection: SqlConnection) -> dict[str, str]:
        columns = await super()._columns(connection)
        if columns:
            await check_primary_key(connection, self._table, "id")
        return columns

    async def _live_columns(self, connection: SqlConnection) -> Sequence[LiveColumn]:
        return await live_columns(connection, self._table)

    async def _check_unique(self, connection: SqlConnection, column: str) -> None:
        await check_primary_key(connection, self._table, column)

    async def _has_index(self, connection: SqlConnection, column: str) -> bool:
        return await has_index(connection, self._table, column)

    async def _encodings(
        self, connection: SqlConnection, columns: Mapping[str, LiveColumn]
    ) -> Encodings:
        return await encodings_of(connection, self._layout, self._quoted, columns["expires"])

    async def _is_migrated(self, connection: SqlConnection) -> bool:
        # What is there counts, not what is recorded: the index may have gone since.
        return await super()._is_migrated(connection) and await has_index(
            connection, self._table, "shop"
        )

    async def _upgrade_table(self, connection: SqlConnection, existing: dict[str, str]) -> None:
        for sql in upgrade(self._quoted, existing, self._column_definition):
            await connection.execute(sql)
        if not await has_index(connection, self._table, "shop"):
            name = await free_name(connection, self._derived_name("shop_index"))
            index = self.dialect.identifier(name)
            await connection.execute(f'CREATE INDEX {index} ON {self._quoted} ("shop")')

    def _verdict(self, error: Exception) -> Verdict:
        return verdict(error)

    def _describe(self, error: Exception) -> str:
        return describe(error, self._path)

    def _scrub(self, error: Exception) -> None:
        scrub(error)


@hides_arguments
def open_url(url: str, **options: Any) -> SQLiteSessionStorage:
    """Make the storage for ``sqlite:///relative.db``, ``sqlite:////absolute.db`` or ``sqlite://``.

    ``sqlite://`` is a database in memory.

    Raises:
        ValueError: If the URL names a host, or has a parameter that cannot be honoured.
    """
    address = read_url(normal_scheme(url))
    if address.timeout is not None:
        options.setdefault("timeout", address.timeout)
    if address.layout is not None:
        options.setdefault("layout", address.layout)
    storage = SQLiteSessionStorage(address.path, **options)
    storage._create = storage._create and address.create
    return storage


def _filled_up(items: Sequence[_T]) -> Sequence[_T]:
    missing = -len(items) % 16
    return items if len(items) <= 16 or not missing else [*items, *[items[-1]] * missing]
