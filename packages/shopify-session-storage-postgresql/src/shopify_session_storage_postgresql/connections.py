"""Connections: pools, poolers in front of the server, and the way of a statement to it."""

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg
from shopify_session_storage import (
    SessionStorageUnavailableError,
    SqlConnection,
    SqlSessionStorage,
)

from shopify_session_storage_postgresql.errors import is_lost
from shopify_session_storage_postgresql.lending import AnyConnection, Lender

# Options of asyncpg.create_pool() that differ from its own. Connections are made when they are
# needed, by whoever needs one: a pool that keeps a number of them tries in the background, and
# logs a traceback each time, while the server is away. A host that does not answer is given up.
POOL_OPTIONS: Final = {"min_size": 0, "max_size": 10, "timeout": 15}

# Whoever gives up after this long has probably met a network that has fallen silent, for all.
_SILENT_SECONDS: Final = 0.2

_LONGEST_MS: Final = 2**31 - 1  # that the server takes as a limit

# A statement of ours is right by itself at this level. At a stricter one, which a database may have
# as its default, most of many stores of one session would fail, and be repeated.
BEGIN: Final = "BEGIN ISOLATION LEVEL READ COMMITTED"

# Fails if the transaction began with another message than this one: a pooler has given a server
# connection on which somebody else's is still open. What we write would be theirs to roll back.
_IS_NEW: Final = "SELECT 1 / (transaction_timestamp() = statement_timestamp())::int"


class PostgreSQLConnections(SqlSessionStorage):
    """The connections of a storage: a pool of its own, or one that was passed in."""

    _injected: "asyncpg.Pool[Any] | None"
    _dsn: str
    _pool_options: Mapping[str, Any]

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._forget()

    def _forget(self) -> None:
        self._lender: Lender | None = None
        self._behind_pooler = False

    async def _open_connections(self) -> None:
        if self._injected is not None:
            if self._injected._loop is not asyncio.get_running_loop():
                raise SessionStorageUnavailableError(
                    "postgresql: the asyncpg pool that was passed in belongs to another event loop"
                )
            pool = await self._injected  # does nothing if it has been awaited before
            self._lender = Lender(pool, keeps=False)
            await self._once_more(self._look_in_time)
        else:
            options = {"reset": _without_query, **self._pool_options, "init": self._init}
            # What the user wants done each time that a connection is taken or given back is done.
            keeps = self._pool_options.keys().isdisjoint(("setup", "reset"))
            self._lender = Lender(await asyncpg.create_pool(self._dsn, **options), keeps=keeps)
            async with self._borrowed() as connection, self._in_time():
                await self._look_around(connection)

    async def _look_in_time(self) -> None:
        async with self._in_time(), self._borrowed() as connection:
            self._behind_pooler = await _is_behind_pooler(connection)
            await self._look_around(connection)

    @abstractmethod
    async def _look_around(self, connection: AnyConnection) -> None:
        """See what kind of database it is."""

    async def _init(self, connection: AnyConnection) -> None:
        """Prepare a new connection of our own pool, in one round trip."""
        limits = "), (".join(f"'{name}', '{ms}ms'" for name, ms in self._limits().items())
        self._behind_pooler = await _is_behind_pooler(
            connection,
            # Every query of ours goes by an index. A plan that is made while the table is small
            # would scan it, and be kept while it grows.
            "SELECT set_config('enable_seqscan', 'off', false), "
            "set_config('default_transaction_isolation', 'read committed', false) WHERE {direct}; "
            f"SELECT set_config(name, ms, false) FROM (VALUES ({limits})) AS new (name, ms) "
            "WHERE {direct} "
            "AND current_setting(name)::interval NOT BETWEEN '1ms' AND ms::interval; ",
        )
        if (init := self._pool_options.get("init")) is not None:
            await init(connection)

    def _limits(self) -> dict[str, int]:
        """Return what the server is to give up after, in milliseconds, so that it does before us.

        A row that somebody has locked is waited for only so long that others, who travel in the
        same statement, do not mind; those who want that row try again.
        """
        whole = self._seconds * 1000
        return {
            "lock_timeout": max(1, int(min(1000, whole / 3))),
            "statement_timeout": max(1, int(min(_LONGEST_MS, 0.9 * whole))),
        }

    def _begin(self, **limits: int) -> str:
        """Return what begins a transaction, with *limits* of its own in milliseconds."""
        settings = "".join(f"; SET LOCAL {name} = {ms}" for name, ms in limits.items())
        return f"{BEGIN}{settings}" + (f"; {_IS_NEW}" if self._behind_pooler else "")

    async def _close(self) -> None:
        lender = self._lender
        self._forget()
        if lender is not None and self._injected is None:
            await lender.close()

    async def _recover(self) -> None:
        # What broke one connection has mostly broken all.
        if self._lender is not None:
            await self._lender.expire()

    @asynccontextmanager
    async def _borrowed(self) -> AsyncIterator[AnyConnection]:
        """Give a connection, which is used again if it can be."""
        assert self._lender is not None
        lender = self._lender
        connection = await lender.take()
        began = asyncio.get_running_loop().time()
        try:
            yield connection
        except BaseException as error:
            if is_lost(error):
                lender.distrust(connection)
            if isinstance(error, asyncio.CancelledError):
                waited = asyncio.get_running_loop().time() - began
                if waited > _SILENT_SECONDS:
                    await self._recover()
            raise
        finally:
            await lender.give_back(connection)

    async def _ping(self) -> None:
        await self._fetch("SELECT 1", ())

    async def _fetch(self, sql: str, parameters: Sequence[Any]) -> Iterable[Sequence[Any]]:
        async with self._borrowed() as connection:
            if self._behind_pooler:
                async with transaction(connection, self._begin(**self._limits())):
                    return await fetch_unnamed(connection, sql, parameters)
            rows: Sequence[Sequence[Any]] = await connection.fetch(sql, *parameters)
            if connection.is_in_transaction():
                raise asyncpg.InterfaceError("the connection is in a transaction of somebody else")
            return rows

    async def _execute(self, sql: str, parameters: Sequence[Any]) -> None:
        await self._fetch(sql, parameters)

    async def _change(self, sql: str, parameters: Sequence[Any]) -> bool:
        return bool(await self._fetch(f"{sql} RETURNING 1", parameters))

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[SqlConnection]:
        async with (
            self._in_time(),
            self._borrowed() as connection,
            transaction(connection, self._begin()),
        ):
            yield Looking(self, connection)


class Looking:
    """A connection in a transaction, as migrations use it."""

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


@asynccontextmanager
async def transaction(connection: AnyConnection, begin: str) -> AsyncIterator[None]:
    """Do something in a transaction.

    Not asyncpg's own, which rolls back also on a connection that does not answer any more, and
    takes a COMMIT for one that the server has turned into a ROLLBACK.
    """
    try:
        await connection.execute(begin)
    except asyncpg.DivisionByZeroError:
        raise asyncpg.InterfaceError("the pooler's connection is in another transaction") from None
    failed: BaseException | None = None
    try:
        yield
    except BaseException as error:
        failed = error
    # Not inside the handler: that error would become the context of the next one, unscrubbed.
    if failed is not None:
        if not is_lost(failed):
            await connection.execute("ROLLBACK")
        raise failed
    if await connection.execute("COMMIT") != "COMMIT":
        raise asyncpg.InterfaceError("the transaction was rolled back by somebody else")


async def fetch_unnamed(
    connection: AnyConnection, sql: str, parameters: Sequence[Any]
) -> Sequence[Sequence[Any]]:
    """Run a statement without a named prepared statement; in a transaction.

    Behind a pooler a name may be unknown to the server connection that gets the next message, or
    worse, be another client's statement there. A transaction keeps the server connection.
    """
    statement = await connection.prepare(sql, name="")
    rows: Sequence[Sequence[Any]] = await statement.fetch(*parameters)
    return rows


async def _is_behind_pooler(connection: AnyConnection, settings: str = "") -> bool:
    """Tell whether there is a pooler, and run *settings* if there is none.

    All in one message, which a pooler gives to one server connection.
    """
    # A pooler makes up the number that the client is told.
    direct = f"pg_backend_pid() = {connection.get_server_pid()}"
    done = await connection.execute(settings.format(direct=direct) + f"SELECT 1 WHERE {direct}")
    return bool(done != "SELECT 1")


async def _without_query(connection: AnyConnection) -> None:
    """Return a connection to the pool; its session has nothing that could be reset."""
