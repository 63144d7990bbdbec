"""Sessions in a PostgreSQL database, in the layout of Shopify's official JavaScript adapter."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Final, Self, TypeAlias
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import asyncpg
from asyncpg.exceptions._base import DataError as ClientDataError
from asyncpg.pool import PoolConnectionProxy
from shopify_session_storage import (
    Dialect,
    OnError,
    RdbmsSessionStorageMigratorOptions,
    SqlConnection,
    SqlSessionStorage,
)
from shopify_session_storage.stored import COLUMNS
from shopify_session_storage.urls import url_with_credentials

_AnyConnection: TypeAlias = asyncpg.Connection | PoolConnectionProxy

# Options of asyncpg.create_pool() that differ from its own: connections are made when they are
# needed, and a host that does not answer is given up before the caller's own request is.
_POOL_OPTIONS: Final = {"min_size": 1, "max_size": 10, "timeout": 15}

_CLOSE_SECONDS: Final = 10

# Many rows travel as one array of text for each column, whatever the column's type: asyncpg knows
# that array's type by itself, and would ask the server for others on each new connection.
_TYPES: Final = {
    "isOnline": "boolean",
    "expires": "bigint",
    "refreshTokenExpires": "bigint",
    "userId": "bigint",
    "emailVerified": "boolean",
    "accountOwner": "boolean",
    "collaborator": "boolean",
}
_UNNEST: Final = "SELECT {} FROM unnest({}) AS new ({})".format(
    ", ".join(f"c{n}::{_TYPES.get(name, 'text')}" for n, name in enumerate(COLUMNS)),
    ", ".join(f"${n}::text[]" for n in range(1, len(COLUMNS) + 1)),
    ", ".join(f"c{n}" for n in range(len(COLUMNS))),
)

# Types of the official adapter that are too narrow for encrypted tokens and dates after 2038.
_WIDER: Final = {"character varying": "text", "integer": "bigint"}

# Columns of 1.0, which were created without quotes.
_UNQUOTED: Final = ("isOnline", "accessToken", "onlineAccessInfo")

_MIGRATION_LOCK: Final = int.from_bytes(
    hashlib.sha256(b"shopify-session-storage migrations").digest()[:8], signed=True
)


class PostgreSQLSessionStorage(SqlSessionStorage):
    """Keeps sessions in a table of a PostgreSQL database.

    Every operation is one statement in one round trip. Behind a pooler such as PgBouncer, which
    is noticed at the start, it is a transaction of four, because a pooler may give each statement
    another server connection.

    Args:
        url: ``postgresql://user:password@host:port/database``, with the TLS parameters of libpq
            (``sslmode``, ``sslrootcert``, ...) and ``schema``; or an asyncpg pool, which is used
            as it is and never closed.
        session_table_name: Name of the table; created if it does not exist.
        schema: Schema of the tables, created if it does not exist; without one, the first of the
            connection's search path.
        pool_options: Options of ``asyncpg.create_pool()``, such as ``max_size``.
        migrator_options: Where applied migrations are recorded.
        on_error: ``"log"`` failures of the database, or ``"raise"`` them.

    Raises:
        TypeError: If an argument is of another type.
        ValueError: If the URL is not a PostgreSQL URL, a name is not usable, or there are pool
            options for a pool of your own.
    """

    backend = "postgresql"
    driver_errors = (
        asyncpg.PostgresError,
        asyncpg.InterfaceError,
        asyncpg.InternalClientError,
        OSError,
    )
    connection_errors = (
        asyncpg.PostgresConnectionError,
        asyncpg.CannotConnectNowError,
        asyncpg.AdminShutdownError,
        asyncpg.CrashShutdownError,
        asyncpg.InterfaceError,  # such as "connection is closed"
        asyncpg.InternalClientError,  # when the server ends a connection as it is being used
        OSError,
    )
    data_errors = (
        asyncpg.exceptions.DataError,
        asyncpg.IntegrityConstraintViolationError,
        ClientDataError,
    )
    # The official adapter may be creating the same tables at this moment, without a lock.
    race_errors = (
        asyncpg.UniqueViolationError,
        asyncpg.DuplicateTableError,
        asyncpg.DuplicateColumnError,
        asyncpg.DuplicateObjectError,
        asyncpg.DuplicateSchemaError,
        asyncpg.DeadlockDetectedError,
    )
    dialect = Dialect(
        quote='"',
        placeholder=lambda number: f"${number}",
        key_type="varchar(255)",
        text_type="text",
        integer_type="bigint",
        boolean_type="boolean",
        upsert='ON CONFLICT ("id") DO UPDATE SET',
        inserted=lambda column: f"excluded.{column}",
        is_same=lambda one, other: f"{one} IS NOT DISTINCT FROM {other}",
        # Not now(), which is when the transaction began, before it had to wait for a row.
        now="(extract(epoch FROM clock_timestamp()) * 1000)::bigint",
        expires_unit=1000,
        refresh_token_expires_unit=1,
        max_identifier_length=63,
        ignores_column_case=False,
        javascript_migrations=(
            "migrateScopeFieldToVarchar1024",
            "migrateToCaseSensitivity",
            "migrateToRefreshTokens",
            "addUserInfoColumns",
        ),
    )

    def __init__(
        self,
        url: "str | asyncpg.Pool[Any]",
        *,
        session_table_name: str = "shopify_sessions",
        schema: str | None = None,
        pool_options: Mapping[str, Any] | None = None,
        migrator_options: RdbmsSessionStorageMigratorOptions | None = None,
        on_error: OnError = "log",
    ) -> None:
        self._injected: asyncpg.Pool[Any] | None = None
        self._url = ""
        if isinstance(url, asyncpg.Pool):
            if pool_options is not None:
                raise ValueError("pool_options are for a pool that this storage makes")
            self._injected = url
        else:
            self._url, schema_of_url = _checked_url(url)
            schema = schema if schema is not None else schema_of_url
        options = migrator_options or RdbmsSessionStorageMigratorOptions()
        super().__init__(
            session_table_name=session_table_name,
            # The official adapter does not quote these names, so PostgreSQL folds them.
            migrator_options=replace(
                options,
                migration_db_identifier=options.migration_db_identifier.lower(),
                migration_name_column_name=options.migration_name_column_name.lower(),
            ),
            schema=schema,
            on_error=on_error,
        )
        self._pool_options = {**_POOL_OPTIONS, **(pool_options or {})}
        self._pool: asyncpg.Pool[Any] | None = None
        self._behind_pooler = False

    @classmethod
    def with_credentials(
        cls,
        host: str,
        database: str,
        username: str,
        password: str,
        *,
        port: int = 5432,
        **options: Any,
    ) -> Self:
        """Make a storage from the parts of a URL, none of which needs escaping.

        Args:
            host: A name or an address, of version 6 too.
            database: Name of the database.
            username: Who connects.
            password: Their password.
            port: The server's port.
            options: The options of the class.
        """
        url = url_with_credentials("postgresql", host, port, username, password, database)
        return cls(url, **options)

    def __repr__(self) -> str:
        parts = urlsplit(self._url)
        where = f"{parts.hostname or ''}{parts.path}" if self._url else "a pool"
        return f"<PostgreSQLSessionStorage on {where}>"

    # --- connections ------------------------------------------------------------------------

    async def _open_connections(self) -> None:
        if self._injected is not None:
            self._pool = await self._injected  # does nothing if it has been awaited before
            async with self._pool.acquire() as connection:
                self._behind_pooler = await _is_behind_pooler(connection)
        else:
            options = {"reset": _without_query, **self._pool_options, "init": self._init}
            self._pool = await asyncpg.create_pool(self._url, **options)

    async def _init(self, connection: _AnyConnection) -> None:
        """Prepare a new connection of our own pool. Two round trips."""
        self._behind_pooler = await _is_behind_pooler(connection)
        if not self._behind_pooler:
            # Every query of ours goes by an index. A plan that is made while the table is small
            # would scan it, and be kept while it grows.
            await connection.execute("SET enable_seqscan = off")
        if (init := self._pool_options.get("init")) is not None:
            await init(connection)

    async def _close(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None and self._injected is None:
            try:
                # Nothing is under way any more, so a connection that does not close is broken.
                await asyncio.wait_for(pool.close(), _CLOSE_SECONDS)
            except TimeoutError:
                pool.terminate()

    def _abandon(self) -> None:
        self._pool = None

    async def _recover(self) -> None:
        # A restart of the server breaks all idle connections, and the second try must not get
        # another one of them.
        if self._pool is not None and self._injected is None:
            await self._pool.expire_connections()

    async def _ping(self) -> None:
        await self._fetch("SELECT 1", ())

    async def _fetch(self, sql: str, parameters: Sequence[Any]) -> Iterable[Sequence[Any]]:
        assert self._pool is not None
        async with self._pool.acquire() as connection:
            return await self._run(connection, sql, parameters)

    async def _execute(self, sql: str, parameters: Sequence[Any]) -> None:
        await self._fetch(sql, parameters)

    async def _change(self, sql: str, parameters: Sequence[Any]) -> bool:
        return bool(await self._fetch(f"{sql} RETURNING 1", parameters))

    async def _run(
        self, connection: _AnyConnection, sql: str, parameters: Sequence[Any]
    ) -> Sequence[Sequence[Any]]:
        if self._behind_pooler:
            return await _fetch_unnamed(connection, sql, parameters)
        rows: Sequence[Sequence[Any]] = await connection.fetch(sql, *parameters)
        return rows

    # --- statements -------------------------------------------------------------------------

    def _is_one_of(self, column: str, values: Sequence[str]) -> tuple[str, Sequence[Any]]:
        if len(values) == 1:
            return f"{column} = $1", values
        return f"{column} = ANY($1::text[])", (values,)

    def _rows(self, rows: Sequence[tuple[Any, ...]]) -> tuple[str, Sequence[Any]]:
        if len(rows) == 1:
            return super()._rows(rows)
        columns = zip(*rows, strict=True)
        return _UNNEST, [
            [None if value is None else str(value) for value in column]
            if name in _TYPES
            else column
            for name, column in zip(COLUMNS, columns, strict=True)
        ]

    # --- migration --------------------------------------------------------------------------

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[SqlConnection]:
        assert self._pool is not None
        async with self._pool.acquire() as connection:
            yield _Connection(self, connection)

    @asynccontextmanager
    async def _migration_connection(self) -> AsyncIterator[SqlConnection]:
        assert self._pool is not None
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
            yield _Connection(self, connection)

    def _is_denied(self, error: BaseException | None) -> bool:
        return isinstance(error, asyncpg.InsufficientPrivilegeError)

    async def _existing_columns(self, connection: SqlConnection) -> dict[str, str]:
        columns = await connection.columns(self._table)
        if not columns and self._table != self._table.lower():
            # 1.0 of the official adapter did not quote the name of the table.
            columns = await connection.columns(self._table.lower())
            if "isonline" not in columns:
                return {}
        return columns

    async def _before_migration(self, connection: SqlConnection) -> None:
        identifier = self.dialect.identifier
        if self._schema is not None and not await connection.fetch(
            "SELECT 1 FROM pg_namespace WHERE nspname = $1", (self._schema,)
        ):
            await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {identifier(self._schema)}")
        if not await connection.columns(self._table) and await self._existing_columns(connection):
            old = self.dialect.qualified(self._schema, self._table.lower())
            await connection.execute(f"ALTER TABLE {old} RENAME TO {identifier(self._table)}")

    async def _upgrade_table(self, connection: SqlConnection, existing: dict[str, str]) -> None:
        identifier = self.dialect.identifier
        columns = dict(existing)
        for name in _UNQUOTED:
            if name not in columns and name.lower() in columns:
                await connection.execute(
                    f"ALTER TABLE {self._quoted} RENAME COLUMN {name.lower()} TO {identifier(name)}"
                )
                columns[name] = columns.pop(name.lower())
        changes = [
            f"ADD COLUMN {self._column_definition(name)}" for name in COLUMNS if name not in columns
        ]
        for name in COLUMNS[2:]:  # id and shop are as long as they may be
            wider = _WIDER.get(columns.get(name, "").partition("(")[0])
            if wider is not None:
                changes.append(f"ALTER COLUMN {identifier(name)} TYPE {wider}")
        if changes:
            await connection.execute(f"ALTER TABLE {self._quoted} {', '.join(changes)}")
        if "onlineAccessInfo" in columns:
            await connection.execute(
                f'UPDATE {self._quoted} SET "userId" = '
                """CAST(split_part("onlineAccessInfo", '.', 1) AS bigint) """
                """WHERE "onlineAccessInfo" ~ '^[0-9]{1,18}([.]0*)?$' AND "userId" IS NULL"""
            )
            await connection.execute(f'ALTER TABLE {self._quoted} DROP COLUMN "onlineAccessInfo"')
        index = self._shop_index()
        await connection.execute(f'CREATE INDEX IF NOT EXISTS {index} ON {self._quoted} ("shop")')

    # --- errors -----------------------------------------------------------------------------

    def _describe(self, error: Exception) -> str:
        code = getattr(error, "sqlstate", None)
        kind = type(error).__name__ + (f" ({code})" if code else "")
        # The message of a refused value, or of a trigger, can hold the value.
        if isinstance(error, (*self.data_errors, asyncpg.PLPGSQLError)) or not error.args:
            return kind
        return f"{kind}: {error.args[0] if isinstance(error, asyncpg.PostgresError) else error}"

    def _scrub(self, error: Exception) -> None:
        if isinstance(error, asyncpg.PostgresError | asyncpg.InterfaceError):
            # "DETAIL: Failing row contains (...)", and "CONTEXT: ... parameter $7 = '...'"
            for name in ("detail", "hint", "context", "internal_query", "query"):
                if getattr(error, name, None) is not None:
                    setattr(error, name, None)
            if isinstance(error, (*self.data_errors, asyncpg.PLPGSQLError)):
                error.args = (self._describe(error),)
                if getattr(error, "message", None) is not None:
                    error.message = None


class _Connection:
    """A connection as migrations use it."""

    def __init__(self, storage: PostgreSQLSessionStorage, connection: _AnyConnection) -> None:
        self._storage = storage
        self._connection = connection

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        await self.fetch(sql, parameters)

    async def fetch(self, sql: str, parameters: Sequence[Any] = ()) -> Sequence[Sequence[Any]]:
        # Not prepared by name: what a statement means changes while the tables do.
        return await _fetch_unnamed(self._connection, sql, parameters)

    async def columns(self, table: str) -> dict[str, str]:
        name = self._storage.dialect.qualified(self._storage._schema, table)
        rows = await self.fetch(
            "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
            "WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped",
            (name,),
        )
        return {row[0]: row[1] for row in rows}


async def _is_behind_pooler(connection: _AnyConnection) -> bool:
    # A pooler makes up the number that the client is told.
    told = connection.get_server_pid()
    (row,) = await _fetch_unnamed(connection, "SELECT pg_backend_pid()", ())
    return bool(row[0] != told)


async def _fetch_unnamed(
    connection: _AnyConnection, sql: str, parameters: Sequence[Any]
) -> Sequence[Sequence[Any]]:
    """Run a statement without a named prepared statement, on one connection of the server.

    Behind a pooler a name may be unknown to the server connection that gets the next message, or
    worse, be another client's statement there. A transaction keeps the server connection.
    """
    async with connection.transaction():
        statement = await connection.prepare(sql, name="")
        rows: Sequence[Sequence[Any]] = await statement.fetch(*parameters)
        return rows


async def _without_query(connection: _AnyConnection) -> None:
    """Return a connection to the pool; its session has nothing that could be reset."""


def _checked_url(url: str) -> tuple[str, str | None]:
    """Return a URL without its parameter ``schema``, and that parameter."""
    if not isinstance(url, str):
        raise TypeError(f"url must be a str or an asyncpg.Pool, not {type(url).__name__}")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("the PostgreSQL URL is malformed") from None
    # Messages show no part of the URL, which may hold a password.
    if parts.scheme not in ("postgresql", "postgres") or port == 0:
        raise ValueError("a PostgreSQL URL is postgresql://user:password@host:port/database")
    parameters = parse_qsl(parts.query, keep_blank_values=True)
    schemas = [value for name, value in parameters if name == "schema"]
    if not schemas:
        return url, None
    rest = urlencode([(name, value) for name, value in parameters if name != "schema"])
    return urlunsplit(parts._replace(query=rest)), schemas[-1]


def open_url(url: str, **options: Any) -> PostgreSQLSessionStorage:
    """Make the storage for ``postgresql://...`` or ``postgres://...``."""
    return PostgreSQLSessionStorage(url, **options)
