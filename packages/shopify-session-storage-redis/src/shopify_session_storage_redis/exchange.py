"""Sends commands over a connection to one server, many of them under way at once.

redis-py connects, with all that belongs to it: TLS, logging in, choosing the database. After that
the connection is ours: redis-py takes longer for a command than the server and the network do.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextvars import Context
from typing import Any, TypeVar

import redis.exceptions as errors
from redis.asyncio import Redis

from shopify_session_storage_redis.addresses import Address
from shopify_session_storage_redis.client import Client
from shopify_session_storage_redis.errors import closed_is_lost
from shopify_session_storage_redis.resp import Answers, pack
from shopify_session_storage_redis.scripts import Command

_R = TypeVar("_R")


class Exchange(Client):
    """Sends commands over one connection, which it makes when there is need for one.

    Answers come in the order of the commands, so that nobody gets another's, and the answer to
    somebody who has been cancelled is dropped when it comes.

    Args:
        address: Where the server is.
    """

    repeats = False

    def __init__(self, address: Address) -> None:
        client = address.connect()
        assert isinstance(client, Redis)
        self._pool = client.connection_pool  # makes connections, and keeps none
        self._connection: _Connection | None = None
        self._connecting: asyncio.Task[_Connection] | None = None

    async def send(self, commands: Sequence[Command]) -> list[Any]:
        connection = self._connection
        if connection is None or not connection.is_usable:
            connection = await self._connected()
        try:
            return await connection.send(commands)
        finally:
            if connection.is_left:
                connection.close_if_idle()

    async def execute_command(self, *command: Any, **_: Any) -> Any:
        """Send one command, as redis-py's clients do."""
        (answer,) = await self.send([command])
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def use(self, send: Callable[[Any], Awaitable[_R]]) -> _R:
        return await send(self)

    async def nodes(self) -> Iterable[Any]:
        return [self]

    async def renew(self) -> None:
        if self._connection is not None:
            self._connection.is_left = True
            self._connection.close_if_idle()
            self._connection = None

    async def close(self) -> None:
        if self._connecting is not None:
            self._connecting.cancel()
        await self.renew()

    def abandon(self) -> None:
        pass

    async def _connected(self) -> "_Connection":
        """Connect; all who arrive meanwhile wait for the same attempt."""
        connecting = self._connecting
        if connecting is None:
            # It belongs to no caller.
            loop = asyncio.get_running_loop()
            connecting = self._connecting = Context().run(loop.create_task, self._connect())
            connecting.add_done_callback(self._has_connected)
        # Not behind a shield, which from Python 3.14 on tells the event loop of a failure, too.
        await asyncio.wait([connecting])
        return connecting.result()

    def _has_connected(self, task: "asyncio.Task[_Connection]") -> None:
        self._connecting = None
        if not task.cancelled():
            task.exception()  # all who wait for it may have been cancelled

    async def _connect(self) -> "_Connection":
        driver = self._pool.make_connection()  # type: ignore[no-untyped-call]
        with closed_is_lost():
            await driver.connect()
        writer: asyncio.StreamWriter = driver._writer
        driver._reader = driver._writer = None  # or it would close them
        self._connection = _Connection(writer, driver.socket_timeout)
        return self._connection


class _Connection(asyncio.Protocol):
    """A connection, with the commands that are under way over it.

    Args:
        writer: Of the connection that redis-py has made.
        seconds: How long a server may be silent that has something to answer; None for ever.

    Attributes:
        is_usable: Whether commands can be sent over it.
        is_left: Whether no more will be, so that it is to be closed after the last answer.
    """

    def __init__(self, writer: asyncio.StreamWriter, seconds: float | None) -> None:
        self._writer = writer  # it would close the transport as it is dropped
        self._transport = writer.transport
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._answers = Answers()
        # Who waits for how many answers; and those that the first one has so far.
        self._waiting: deque[tuple[asyncio.Future[list[Any]], int]] = deque()
        self._given: list[Any] = []
        self._silent_since = 0.0
        self._alarm: asyncio.TimerHandle | None = None
        self.is_left = False
        self.is_usable = not self._transport.is_closing()
        self._transport.set_protocol(self)

    def send(self, commands: Sequence[Command]) -> "asyncio.Future[list[Any]]":
        """Send commands, and return what will have their answers."""
        future: asyncio.Future[list[Any]] = self._loop.create_future()
        if not self.is_usable:
            future.set_exception(errors.ConnectionError("Connection closed by server."))
            return future
        if not self._waiting:
            self._silent_since = self._loop.time()
            if self._alarm is None and self._seconds is not None:
                self._alarm = self._loop.call_later(self._seconds, self._look)
        self._waiting.append((future, len(commands)))
        self._transport.write(pack(commands))
        return future

    def close_if_idle(self) -> None:
        """Close it unless somebody waits for an answer."""
        if self.is_usable and all(future.done() for future, _ in self._waiting):
            self._lose(errors.ConnectionError("Connection closed."))

    def data_received(self, data: bytes) -> None:
        try:
            answers = self._answers.read(data)
        except errors.InvalidResponse as error:
            self._lose(error)
            return
        self._silent_since = self._loop.time()
        for answer in answers:
            if not self._waiting:
                self._lose(errors.InvalidResponse("an answer without a question"))
                return
            self._given.append(answer)
            future, count = self._waiting[0]
            if len(self._given) == count:
                self._waiting.popleft()
                if not future.done():
                    future.set_result(self._given)
                self._given = []

    def connection_lost(self, error: Exception | None) -> None:
        self._lose(errors.ConnectionError("Connection closed by server."))

    def _look(self) -> None:
        """End the connection if the server is silent."""
        self._alarm = None
        if not self._waiting or self._seconds is None:
            return
        due = self._silent_since + self._seconds
        if due <= self._loop.time():
            self._lose(errors.TimeoutError("Timeout reading from the server"))
        else:
            self._alarm = self._loop.call_at(due, self._look)

    def _lose(self, error: errors.RedisError) -> None:
        """Close the connection; whoever waits gets an error of its own."""
        if not self.is_usable:
            return
        self.is_usable = False
        if self._alarm is not None:
            self._alarm.cancel()
        self._transport.abort()  # a goodbye would wait for a server that may have fallen silent
        for future, _ in self._waiting:
            if not future.done():
                future.set_exception(type(error)(*error.args))
        self._waiting.clear()
