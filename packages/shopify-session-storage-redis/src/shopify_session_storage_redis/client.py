"""Sends commands: over redis-py's client of one server or of a cluster, and over a fresh one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, Final, TypeAlias, TypeVar

import redis.exceptions as errors
from redis.asyncio import Redis, RedisCluster

from shopify_session_storage_redis.addresses import Address, AnyClient
from shopify_session_storage_redis.scripts import Command, script_of

_R = TypeVar("_R")

# redis-py has the name in a private place.
AS_BYTES: Final[dict[str, Any]] = {"NEVER_DECODE": True}
"""What to call ``execute_command()`` with, so that answers are bytes whatever decode_responses
says."""

# How long to wait for idle connections of a client that was passed in to be dropped. In seconds.
_DROP_SECONDS: Final = 1.0

_MANY: Final = 1000  # more than there are commands under way at once

Source: TypeAlias = Address | AnyClient


def leads_to_cluster(source: Source) -> bool:
    """Tell whether it is a cluster that a client or an address leads to."""
    return source.is_cluster if isinstance(source, Address) else isinstance(source, RedisCluster)


class Client:
    """Sends commands and gives bytes back. Making one does no I/O.

    Args:
        source: Where to connect to; or redis-py's client, which is used and never closed.

    Attributes:
        repeats: Whether redis-py sends again by itself what a lost connection has left unknown.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._is_cluster = leads_to_cluster(source)
        if isinstance(source, Address):
            self.repeats = source.repeats
            limit = source.max_connections
            self._line = _Line(source.connect())
        else:
            self.repeats = True
            limit = _limit_of(source)
            self._line = _Line(source)
        # Pools of redis-py fail where there is no connection left; here one waits.
        self._slots = asyncio.Semaphore(limit or _MANY)
        self._hanging_up: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Close what was made here."""
        self._hang_up(self._line)
        if self._hanging_up:
            await asyncio.wait(self._hanging_up)

    def abandon(self) -> None:
        """Let go of a client that was passed in, on an event loop that has ended."""
        if isinstance(self._source, Redis):
            # Its connections are of no use to anybody any more.
            self._source.connection_pool.reset()  # type: ignore[no-untyped-call]

    async def renew(self) -> None:
        """See that from now on commands go over fresh connections.

        Commands that are under way go on over the old ones, which are closed after the last.
        """
        old = self._line
        if isinstance(self._source, Address):
            self._line = _Line(self._source.connect(_nodes_of(old.redis)))
            if not old.users:
                self._hang_up(old)
        elif isinstance(self._source, Redis):
            idle = self._source.connection_pool.disconnect(inuse_connections=False)
            self._task(idle)
            await asyncio.wait(self._hanging_up, timeout=_DROP_SECONDS)

    async def one(self, command: Command) -> Any:
        """Send one command, in one round trip, and return its answer.

        A script that the server has forgotten, or never knew, is sent whole in a second one.
        """
        try:
            return await self.use(lambda redis: redis.execute_command(*command, **AS_BYTES))
        except errors.NoScriptError:
            whole = script_of(command).whole(command)
        return await self.use(lambda redis: redis.execute_command(*whole, **AS_BYTES))

    async def each(self, commands: Sequence[Command]) -> list[Any]:
        """Send commands together, in one round trip to each server, and return their answers.

        An answer can be a ResponseError that is one command's own.
        """
        if len(commands) == 1:
            try:
                return [await self.one(commands[0])]
            except errors.ResponseError as error:
                return [_own(error)]
        answers = await self._pipeline(commands)
        again = [
            (index, script_of(commands[index]).whole(commands[index]))
            for index, answer in enumerate(answers)
            if isinstance(answer, errors.NoScriptError)
        ]
        if again:
            repeated = await self._pipeline([command for _, command in again])
            for (index, _), answer in zip(again, repeated, strict=True):
                answers[index] = answer
        for index, answer in enumerate(answers):
            if self._is_cluster and isinstance(answer, _MOVED_AWAY):
                # A pipeline does not look for the node's successor; a command of its own does.
                (answers[index],) = await self.each([commands[index]])
            elif isinstance(answer, Exception):
                answers[index] = _own(answer)
        return answers

    async def scan(self, pattern: bytes, count: int) -> AsyncIterator[Sequence[bytes]]:
        """Give the keys that match, in pages of about *count*, some of them more than once."""
        redis = self._line.redis
        nodes: Iterable[Any] = [redis]
        if isinstance(redis, RedisCluster):
            await redis.initialize()
            nodes = redis.get_primaries()
        for node in nodes:
            cursor = 0
            while True:
                cursor, keys = await node.execute_command(
                    "SCAN", cursor, "MATCH", pattern, "COUNT", count, **AS_BYTES
                )
                if keys:
                    yield keys
                if not cursor:
                    break

    async def use(self, send: Callable[[AnyClient], Awaitable[_R]]) -> _R:
        """Do something over redis-py's client that is in use now."""
        async with self._slots:
            line = self._line
            line.users += 1
            try:
                return await send(line.redis)
            finally:
                line.users -= 1
                if line is not self._line and not line.users:
                    self._hang_up(line)

    async def _pipeline(self, commands: Sequence[Command]) -> list[Any]:
        def send(redis: AnyClient) -> Awaitable[list[Any]]:
            pipeline = redis.pipeline(transaction=False)
            for command in commands:
                pipeline.execute_command(*command, **AS_BYTES)
            answers: Awaitable[list[Any]] = pipeline.execute(raise_on_error=False)
            return answers

        return await self.use(send)

    def _hang_up(self, line: "_Line") -> None:
        # Not awaited: a goodbye over TLS waits for a server that may have fallen silent.
        if isinstance(self._source, Address):
            self._task(_closed(line.redis))

    def _task(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(_quietly(work))
        self._hanging_up.add(task)
        task.add_done_callback(self._hanging_up.discard)


class _Line:
    """A client of redis-py, and how many commands are under way over it."""

    def __init__(self, redis: AnyClient) -> None:
        self.redis = redis
        self.users = 0


_MOVED_AWAY: Final = (errors.ConnectionError, errors.TimeoutError, errors.ClusterDownError)


def _limit_of(client: AnyClient) -> int | None:
    """Return how many connections a client that was passed in makes at most, to a server."""
    if isinstance(client, RedisCluster):
        limit: int | None = client.connection_kwargs.get("max_connections")
        return limit
    return client.connection_pool.max_connections


def _nodes_of(client: AnyClient) -> list[tuple[str, int]]:
    """Return where the nodes of a cluster are, as far as its client knows."""
    if not isinstance(client, RedisCluster):
        return []
    manager = client.nodes_manager
    nodes = (*manager.startup_nodes.values(), *manager.nodes_cache.values())
    return [(node.host, int(node.port)) for node in nodes]


async def _closed(redis: AnyClient) -> None:
    await redis.aclose()
    if isinstance(redis, RedisCluster):
        # It does nothing while it means to look for its nodes anew.
        for nodes in ("nodes_cache", "startup_nodes"):
            await redis.nodes_manager.aclose(nodes)


async def _quietly(work: Awaitable[None]) -> None:
    with suppress(errors.RedisError, OSError):
        await work


def _own(error: Exception) -> Exception:
    """Return an error that is one command's own; raise any other."""
    if type(error) is errors.ResponseError and str(error).startswith("WRONGTYPE"):
        return error
    raise error
