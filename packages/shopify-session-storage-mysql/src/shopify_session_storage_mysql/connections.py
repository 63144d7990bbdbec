"""Connections to MySQL and MariaDB, and the pools that lend them.

aiomysql has no types, and some habits that sessions cannot live with; both end in this module.
"""

import asyncio
import struct
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import aiomysql
from aiomysql.connection import CLIENT

from shopify_session_storage_mysql.errors import NoConnectionError, classified
from shopify_session_storage_mysql.statements import run

_CONNECT_SECONDS: Final = 15.0
_QUIT_SECONDS: Final = 1.0

# What is idle for longer may have been forgotten by a router on the way, which nobody tells us.
RECYCLE_SECONDS: Final = 180.0

# Every mode that changes what a literal means is off, and what does not fit is an error.
_SET_UP_SESSION: Final = (
    "SET character_set_client = utf8mb4, character_set_connection = utf8mb4, "
    "character_set_results = utf8mb4, sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'"
)


class _Connection(aiomysql.Connection):  # type: ignore[misc]
    """A connection of aiomysql that does not send a password in the clear against its orders."""

    def __init__(self, *, needs_tls: bool, **options: Any) -> None:
        # aiomysql encodes passwords in Latin-1, and the server has them in UTF-8.
        options["password"] = options["password"].encode().decode("latin-1")
        super().__init__(**options)
        self._needs_tls = needs_tls
        self.client_flag &= ~CLIENT.MULTI_STATEMENTS

    async def _get_server_information(self) -> None:
        await super()._get_server_information()
        if self._needs_tls and not self.server_capabilities & CLIENT.SSL:
            raise aiomysql.OperationalError(2026, "TLS is required, but the server has none")


async def connect(options: Mapping[str, Any], *, needs_tls: bool) -> Any:
    """Make a connection whose session has all that we rely on.

    Args:
        options: Those of ``aiomysql.connect()``; ``connect_timeout``, in seconds, covers the
            whole way to a usable session.
        needs_tls: Whether to give up before logging in if the server offers no TLS.

    Raises:
        MySQLError: If it cannot be made.
    """
    options = dict(options)
    seconds = options.pop("connect_timeout", None) or _CONNECT_SECONDS
    connection = _Connection(needs_tls=needs_tls, autocommit=True, charset="utf8mb4", **options)
    try:
        async with asyncio.timeout(seconds):
            await connection._connect()
            await run(connection, _SET_UP_SESSION)
    except BaseException as error:
        connection.close()
        if isinstance(error, aiomysql.MySQLError):
            raise classified(error) from error.__cause__
        if isinstance(error, TimeoutError):
            raise NoConnectionError(2003, f"no answer within {seconds} s") from error
        if isinstance(error, _UNEXPECTED):
            raise aiomysql.OperationalError(2012, f"cannot log in: {error}") from error
        raise
    return connection


# What aiomysql raises without a package that a way to log in needs, or if it is not MySQL at all.
_UNEXPECTED: Final = (RuntimeError, ValueError, LookupError, AssertionError, struct.error)


class OwnPool:
    """A pool that connects when there is need, and keeps connections for as long as they work.

    Not aiomysql's: that one lets nobody have an idle connection while it makes a new one, leaves
    half a connection behind when a caller is cancelled meanwhile, and knows no TLS that must be.

    Args:
        make: Makes a connection.
        limit: How many there may be at once.
        recycle: For how many seconds a connection may be idle before it is closed; for ever if
            negative.
    """

    def __init__(self, make: Callable[[], Awaitable[Any]], limit: int, recycle: float) -> None:
        self._make = make
        self._places = asyncio.Semaphore(limit)
        self._recycle = recycle if recycle >= 0 else float("inf")
        self._idle: deque[tuple[float, Any]] = deque()
        self._generation = 0
        self._loop = asyncio.get_running_loop()

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Any]:
        """Lend a connection."""
        async with self._places:
            generation = self._generation
            connection = self._take() or await self._make()
            try:
                yield connection
            finally:
                if generation == self._generation and not connection.closed:
                    self._idle.append((self._loop.time(), connection))
                else:
                    connection.close()

    def expire(self) -> None:
        """Close what is idle now, and what is lent as soon as it comes back."""
        self._generation += 1
        while self._idle:
            self._idle.pop()[1].close()

    async def close(self) -> None:
        """Say goodbye on all connections, at a time when none is lent."""
        idle = [connection for _, connection in self._idle]
        self._idle.clear()
        await asyncio.gather(*map(_quit, idle))

    def abandon(self) -> None:
        """Let go of all connections, on an event loop that has ended."""
        for _, connection in self._idle:
            connection._writer = None  # or it would try to close, which needs the loop
        self._idle.clear()

    def _take(self) -> Any:
        """Return the connection that was used last and works, or None."""
        oldest = self._loop.time() - self._recycle
        while self._idle and self._idle[0][0] < oldest:
            self._idle.popleft()[1].close()
        while self._idle:
            connection = self._idle.pop()[1]
            reader = connection._reader
            # MySQL 8 says why it ends a connection, so there may be something to read before.
            if not (connection.closed or reader.eof_received or reader.exception()):
                return connection
            connection.close()
        return None


async def _quit(connection: Any) -> None:
    writer = connection._writer
    with suppress(OSError):
        async with asyncio.timeout(_QUIT_SECONDS):
            try:
                await connection.ensure_closed()
            finally:
                connection.close()
            await writer.wait_closed()


class UsersPool:
    """A pool of the user's, which stays theirs.

    Args:
        pool: An aiomysql pool.
    """

    def __init__(self, pool: aiomysql.Pool) -> None:
        self._pool = pool
        self._tasks: set[asyncio.Future[None]] = set()

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Any]:
        """Lend a connection."""
        # aiomysql tells one of those who wait that there is a place. It does not when what comes
        # back is closed, and nobody else hears of it when that one is cancelled.
        try:
            connection = await self._pool.acquire()
        except BaseException as error:
            self._finish(asyncio.ensure_future(self._pool._wakeup()))
            if isinstance(error, aiomysql.MySQLError):
                raise classified(error) from error.__cause__
            raise
        try:
            yield connection
        finally:
            self._finish(self._pool.release(connection))
            if connection.closed:
                self._finish(asyncio.ensure_future(self._pool._wakeup()))

    def _finish(self, task: asyncio.Future[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
