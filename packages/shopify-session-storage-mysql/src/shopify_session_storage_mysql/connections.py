"""Connections to MySQL and MariaDB, and the pools that lend them.

aiomysql has no types, and some habits that sessions cannot live with; both end in this module.
"""

import asyncio
import inspect
import socket
import struct
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import aiomysql
from aiomysql.connection import CLIENT
from shopify_session_storage import SessionStorageUnavailableError

from shopify_session_storage_mysql.errors import LOST, verdict_of
from shopify_session_storage_mysql.statements import drop, run

_CONNECT_SECONDS: Final = 15.0
_QUIT_SECONDS: Final = 1.0

# Whoever gives up after this long has probably met a network that has fallen silent, for all.
_SILENT_SECONDS: Final = 0.2

# The server gives up after this share of our own time limit.
_SERVER_SHARE: Final = 0.9

# What is idle for longer may have been forgotten by a router on the way, which nobody tells us.
RECYCLE_SECONDS: Final = 180.0

# Every mode that changes what a literal means is off, and what does not fit is an error.
_SET_UP_SESSION: Final = (
    "SET character_set_client = utf8mb4, character_set_connection = utf8mb4, "
    "character_set_results = utf8mb4, sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'"
)


class _Connection(aiomysql.Connection):  # type: ignore[misc]  # aiomysql is untyped
    """A connection of aiomysql that does not send a password in the clear."""

    def __init__(self, *, needs_tls: bool, **options: Any) -> None:
        # aiomysql encodes passwords in Latin-1, and the server has them in UTF-8.
        options["password"] = options["password"].encode().decode("latin-1")
        super().__init__(**options)
        self._needs_tls = needs_tls
        self.client_flag &= ~CLIENT.MULTI_STATEMENTS

    async def _get_server_information(self) -> None:
        await super()._get_server_information()
        offers_tls = bool(self.server_capabilities & CLIENT.SSL)
        if self._needs_tls and not offers_tls:
            raise aiomysql.OperationalError(2026, "TLS is required, but the server has none")
        plugin = self._client_auth_plugin or self._server_auth_plugin
        if not (self._secure or (offers_tls and self._ssl_context)):
            self._refuse_clear_password(plugin)

    async def _process_auth(self, plugin_name: bytes, auth_packet: Any) -> Any:
        if not self._secure:
            self._refuse_clear_password(plugin_name.decode(errors="replace"))
        return await super()._process_auth(plugin_name, auth_packet)

    def _refuse_clear_password(self, plugin: str) -> None:
        if plugin == "mysql_clear_password":
            raise aiomysql.OperationalError(
                2061, "the server wants the password in plain text, but there is no TLS"
            )


async def connect(options: Mapping[str, Any], *, needs_tls: bool, seconds: float) -> Any:
    """Make a connection whose session has all that we rely on.

    Args:
        options: Those of ``aiomysql.connect()``; ``connect_timeout``, in seconds, covers the
            whole way to a usable session; ``password`` may be a callable that returns one, or an
            awaitable of one.
        needs_tls: Whether to give up before logging in if the server offers no TLS.
        seconds: How long a statement may take, at most.

    Raises:
        MySQLError: If it cannot be made.
        SessionStorageUnavailableError: If the callable fails.
        TypeError: If it returns something else than a str.
    """
    options = dict(options)
    limit = options.pop("connect_timeout", None) or _CONNECT_SECONDS
    connection = None
    failure: Exception
    cause: Exception
    try:
        async with asyncio.timeout(limit):
            options["password"] = await _password(options["password"])
            connection = _Connection(
                needs_tls=needs_tls, autocommit=True, charset="utf8mb4", **options
            )
            await connection._connect()
            await run(connection, _SET_UP_SESSION)
            await _set_limits(connection, seconds)
        return connection
    except TimeoutError as error:
        failure, cause = aiomysql.OperationalError(2003, f"no answer within {limit} s"), error
    except _UNEXPECTED as error:
        failure, cause = aiomysql.OperationalError(2012, f"cannot log in: {error}"), error
    except BaseException:
        if connection is not None:
            drop(connection)
        raise
    if connection is not None:
        drop(connection)
    raise failure from cause


async def _password(password: str | Callable[[], Any]) -> str:
    """Return the password, from whoever makes one for each connection."""
    if isinstance(password, str):
        return password
    try:
        made = password()
        if inspect.isawaitable(made):
            made = await made
    except Exception as error:
        raise SessionStorageUnavailableError(
            f"mysql: the callable that makes the password failed: {type(error).__name__}"
        ) from error
    if not isinstance(made, str):
        raise TypeError(
            f"the callable that makes the password must return a str, not {type(made).__name__}"
        )
    return made


async def _set_limits(connection: Any, seconds: float) -> None:
    """Let the server give up before we do, where it can be told to.

    What we have given up would otherwise take effect when its lock is free, after what has been
    acknowledged since. Who waits for a lock tells so after a second, and comes again.
    """
    limits = ["innodb_lock_wait_timeout = 1", "lock_wait_timeout = 1"]
    if "MariaDB" in connection.server_version:
        limits.append(f"max_statement_time = {seconds * _SERVER_SHARE:.3f}")
    else:  # of reading statements alone; the others end with the locks
        limits.append(f"max_execution_time = {max(1, int(seconds * _SERVER_SHARE * 1000))}")
    for sql in (", ".join(limits), *limits):
        try:
            await run(connection, f"SET SESSION {sql}")
        except aiomysql.MySQLError as error:
            if verdict_of(error) is LOST:
                raise
            # Not all servers that speak this protocol know all of them.
        else:
            if sql not in limits:
                return


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
            began = self._loop.time()
            try:
                yield connection
            except asyncio.CancelledError:
                if self._loop.time() - began > _SILENT_SECONDS:
                    self.expire()
                raise
            finally:
                if generation == self._generation and not connection.closed:
                    self._idle.append((self._loop.time(), connection))
                else:
                    drop(connection)

    def expire(self) -> None:
        """Close what is idle now, and what is lent as soon as it comes back."""
        self._generation += 1
        while self._idle:
            drop(self._idle.pop()[1])

    async def close(self) -> None:
        """Say goodbye on all connections, at a time when none is lent."""
        idle = [connection for _, connection in self._idle]
        self._idle.clear()
        await asyncio.gather(*map(_quit, idle))

    def abandon(self) -> None:
        """Let go of all connections, on an event loop that has ended."""
        for _, connection in self._idle:
            writer, connection._writer = connection._writer, None  # closing it needs the loop
            # The server's side may be gone; uvloop ends its sockets with the loop, and lets nobody.
            with suppress(OSError, TypeError):
                writer.transport.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
        self._idle.clear()

    def _take(self) -> Any:
        """Return the connection that was used last and works, or None."""
        oldest = self._loop.time() - self._recycle
        while self._idle and self._idle[0][0] < oldest:
            drop(self._idle.popleft()[1])
        while self._idle:
            connection = self._idle.pop()[1]
            reader = connection._reader
            # MySQL 8 says why it ends a connection, so there may be something to read before.
            if not (connection.closed or reader.eof_received or reader.exception()):
                return connection
            drop(connection)
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
    writer.transport.abort()


class UsersPool:
    """A pool of the user's, which stays theirs.

    Args:
        pool: An aiomysql pool.
    """

    def __init__(self, pool: aiomysql.Pool) -> None:
        if pool._loop is not asyncio.get_running_loop():
            raise SessionStorageUnavailableError(
                "mysql: the aiomysql pool that was passed in belongs to another event loop"
            )
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
            if isinstance(error, RuntimeError) and self._pool._closing:
                raise SessionStorageUnavailableError(
                    "mysql: the aiomysql pool that was passed in has been closed"
                ) from None
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
