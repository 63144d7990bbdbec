"""The connections of a pool, lent to one call after another."""

import asyncio
from contextlib import suppress
from contextvars import Context
from typing import Any, Final, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from shopify_session_storage_postgresql.errors import DRIVER_ERRORS

AnyConnection: TypeAlias = asyncpg.Connection | PoolConnectionProxy

# What has been out of the pool for longer goes back, so that the pool's own rules hold: how long a
# connection may be idle, and how many queries it may have.
_KEEP_SECONDS: Final = 1.0

_CLOSE_SECONDS: Final = 3


class Lender:
    """Lends the connections of a pool. One that cannot be trusted any more never goes back there.

    Those of a pool of our own stay here between calls for a moment, since to take one and to give
    it back is half of the work of a call. They go back at once where somebody waits for one.

    Args:
        pool: The pool.
        keeps: Whether to keep its connections between calls.
    """

    def __init__(self, pool: "asyncpg.Pool[Any]", *, keeps: bool) -> None:
        self.pool = pool
        self._keeps = keeps
        self._loop = asyncio.get_running_loop()
        # Those that may be used again, and when they were taken from the pool.
        self._trusted: dict[AnyConnection, float] = {}
        self._kept: list[PoolConnectionProxy] = []
        self._waiting = 0
        self._timer: asyncio.TimerHandle | None = None
        self._returning: set[asyncio.Task[None]] = set()

    async def take(self) -> PoolConnectionProxy:
        """Lend a connection, which is in no transaction."""
        while True:
            connection = self._kept.pop() if self._kept else await self._acquire()
            if not _is_closed(connection) and not connection.is_in_transaction():
                return connection
            self.distrust(connection)
            _terminate(connection)

    async def _acquire(self) -> PoolConnectionProxy:
        self._waiting += 1
        try:
            connection = await self.pool.acquire()
        finally:
            self._waiting -= 1
        self._trusted[connection] = self._loop.time()
        return connection

    def distrust(self, connection: AnyConnection) -> None:
        """See that a connection is not used again."""
        self._trusted.pop(connection, None)

    async def give_back(self, connection: PoolConnectionProxy) -> None:
        """Take back a connection."""
        taken = self._trusted.get(connection)
        if taken is None:
            # Without a word: the pool would wait for the answer to what was cancelled.
            _terminate(connection)
        elif self._keeps and not self._waiting and self._loop.time() - taken < _KEEP_SECONDS:
            self._kept.append(connection)
            if self._timer is None:
                self._timer = self._loop.call_later(
                    _KEEP_SECONDS, self._return_kept, context=Context()
                )
        else:
            await self._release(connection)

    async def _release(self, connection: PoolConnectionProxy) -> None:
        self.distrust(connection)
        try:
            await self.pool.release(connection)
        except asyncio.CancelledError:
            _terminate(connection)
            raise

    def _return_kept(self) -> None:
        self._timer = None
        if self._kept:
            task = self._loop.create_task(self._release_all())
            self._returning.add(task)
            task.add_done_callback(self._returning.discard)

    async def _release_all(self) -> None:
        while self._kept:
            with suppress(*DRIVER_ERRORS):  # it has just been closed
                await self._release(self._kept.pop())

    async def expire(self) -> None:
        """See that whoever comes next gets a new connection."""
        self._trusted.clear()
        while self._kept:
            _terminate(self._kept.pop())
        # Not the pool's own way to expire them, which says goodbye to each in the background, and
        # on a silent one without an end.
        for _ in range(self.pool.get_idle_size()):  # which it gives before it makes one
            with suppress(*DRIVER_ERRORS):  # of a "setup" of the user's
                (await self.pool.acquire()).terminate()

    async def close(self) -> None:
        """Close the pool, at a time when nothing is under way."""
        if self._timer is not None:
            self._timer.cancel()
        try:
            # A connection that does not close now is broken.
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._release_all()
                await self.pool.close()
        except TimeoutError:
            self.pool.terminate()


def _is_closed(connection: PoolConnectionProxy) -> bool:
    try:
        closed: bool = connection.is_closed()
    except asyncpg.InterfaceError:  # asyncpg has noticed, and taken it back
        return True
    return closed


def _terminate(connection: PoolConnectionProxy) -> None:
    """Close a connection without a word, and give its place in the pool back."""
    with suppress(asyncpg.InterfaceError):  # asyncpg has done so
        connection.terminate()
