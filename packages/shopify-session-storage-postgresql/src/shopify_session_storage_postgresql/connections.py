"""Connections: pools, poolers in front of the server, and the way of a statement to it."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from shopify_session_storage import SqlConnection, SqlSessionStorage

AnyConnection: TypeAlias = asyncpg.Connection | PoolConnectionProxy

# Options of asyncpg.create_pool() that differ from its own: connections are made when they are
# needed, and a host that does not answer is given up before the caller's own request is.
POOL_OPTIONS: Final = {"min_size": 1, "max_size": 10, "timeout": 15}

_CLOSE_SECONDS: Final = 10

_MIGRATION_LOCK: Final = int.from_bytes(
    hashlib.sha256(b"shopify-session-storage migrations").digest()[:8], signed=True
)


class PostgreSQLConnections(SqlSessionStorage):
    """The connections of a storage: a pool of its own, or one that was passed in."""

    _injected: "asyncpg.Pool[Any] | None"
    _url: str
    _pool_options: Mapping[str, Any]
    _pool: "asyncpg.Pool[Any] | None"
    _behind_pooler: bool

    async def _open_connections(self) -> None:
        if self._injected is not None:
            self._pool = await self._injected  # does nothing if it has been awaited before
            async with self._pool.acquire() as connection:
                self._behind_pooler = await _is_behind_pooler(connection)
        else:
            options = {"reset": _without_query, **self._pool_options, "init": self._init}
            self._pool = await asyncpg.create_pool(self._url, **options)

    async def _init(self, connection: AnyConnection) -> None:
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
        self, connection: AnyConnection, sql: str, parameters: Sequence[Any]
    ) -> Sequence[Sequence[Any]]:
        if self._behind_pooler:
            return await fetch_unnamed(connection, sql, parameters)
        rows: Sequence[Sequence[Any]] = await connection.fetch(sql, *parameters)
        return rows

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


class _Connection:
    """A connection as migrations use it."""

    def __init__(self, storage: PostgreSQLConnections, connection: AnyConnection) -> None:
        self._storage = storage
        self._connection = connection

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        await self.fetch(sql, parameters)

    async def fetch(self, sql: str, parameters: Sequence[Any] = ()) -> Sequence[Sequence[Any]]:
        # Not prepared by name: what a statement means changes while the tables do.
        return await fetch_unnamed(self._connection, sql, parameters)

    async def columns(self, table: str) -> dict[str, str]:
        name = self._storage.dialect.qualified(self._storage._schema, table)
        rows = await self.fetch(
            "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
            "WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped",
            (name,),
        )
        return {row[0]: row[1] for row in rows}


async def _is_behind_pooler(connection: AnyConnection) -> bool:
    # A pooler makes up the number that the client is told.
    told = connection.get_server_pid()
    (row,) = await fetch_unnamed(connection, "SELECT pg_backend_pid()", ())
    return bool(row[0] != told)


async def fetch_unnamed(
    connection: AnyConnection, sql: str, parameters: Sequence[Any]
) -> Sequence[Sequence[Any]]:
    """Run a statement without a named prepared statement, on one connection of the server.

    Behind a pooler a name may be unknown to the server connection that gets the next message, or
    worse, be another client's statement there. A transaction keeps the server connection.
    """
    async with connection.transaction():
        statement = await connection.prepare(sql, name="")
        rows: Sequence[Sequence[Any]] = await statement.fetch(*parameters)
        return rows


async def _without_query(connection: AnyConnection) -> None:
    """Return a connection to the pool; its session has nothing that could be reset."""
