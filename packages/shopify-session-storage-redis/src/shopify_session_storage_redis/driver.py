"""Sends commands over redis-py's client of one server or of a cluster, and over a fresh one."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, Final, TypeAlias, TypeVar

import redis.exceptions as errors
from redis.asyncio import Redis, RedisCluster

from shopify_session_storage_redis.addresses import Address, AnyClient
from shopify_session_storage_redis.client import AS_BYTES, Client
from shopify_session_storage_redis.errors import closed_is_lost
from shopify_session_storage_redis.scripts import Command

_R = TypeVar("_R")

# How long to wait for idle connections of a client that was passed in to be dropped. In seconds.
_DROP_SECONDS: Final = 1.0

_MANY: Final = 1000  # more than there are commands under way at once

Source: TypeAlias = Address | AnyClient


def leads_to_cluster(source: Source) -> bool:
    """Tell whether it is a cluster that a client or an address leads to."""
    return source.is_cluster if isinstance(source, Address) else isinstance(source, RedisCluster)


class DriverClient(Client):
    """Sends commands over redis-py's client.

    Args:
        source: Where to connect to; or redis-py's client, which is used and never closed.
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
        self._hang_up(self._line)
        if self._hanging_up:
            await asyncio.wait(self._hanging_up)

    def abandon(self) -> None:
        if isinstance(self._source, Redis):
            # Its connections are of no use to anybody any more.
            self._source.connection_pool.reset()  # type: ignore[no-untyped-call]

    async def renew(self) -> None:
        old = self._line
        if isinstance(self._source, Address):
            self._line = _Line(self._source.connect(_nodes_of(old.redis)))
            if not old.users:
                self._hang_up(old)
        elif isinstance(self._source, Redis):
            idle = self._source.connection_pool.disconnect(inuse_connections=False)
            self._task(idle)
            await asyncio.wait(self._hanging_up, timeout=_DROP_SECONDS)

    async def send(self, commands: Sequence[Command]) -> list[Any]:
        if len(commands) > 1:
            answers = await self.use(lambda redis: _piped(redis, commands))
            for index, answer in enumerate(answers):
                if self._is_cluster and isinstance(answer, _MOVED_AWAY):
                    # A pipeline does not look for the node's successor; a command alone does.
                    (answers[index],) = await self.send([commands[index]])
            return answers
        try:
            return [await self.use(lambda redis: redis.execute_command(*commands[0], **AS_BYTES))]
        except errors.ResponseError as error:
            return [error]

    async def nodes(self) -> Iterable[Any]:
        redis = self._line.redis
        if not isinstance(redis, RedisCluster):
            return [redis]
        await redis.initialize()
        return redis.get_primaries()

    async def use(self, send: Callable[[AnyClient], Awaitable[_R]]) -> _R:
        async with self._slots:
            line = self._line
            line.users += 1
            try:
                with closed_is_lost():
                    return await send(line.redis)
            finally:
                line.users -= 1
                if line is not self._line and not line.users:
                    self._hang_up(line)

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


async def _piped(redis: AnyClient, commands: Sequence[Command]) -> list[Any]:
    pipeline = redis.pipeline(transaction=False)
    for command in commands:
        pipeline.execute_command(*command, **AS_BYTES)
    answers: list[Any] = await pipeline.execute(raise_on_error=False)
    return answers


async def _closed(redis: AnyClient) -> None:
    await redis.aclose()
    if isinstance(redis, RedisCluster):
        # It does nothing while it means to look for its nodes anew.
        for nodes in ("nodes_cache", "startup_nodes"):
            await redis.nodes_manager.aclose(nodes)


async def _quietly(work: Awaitable[None]) -> None:
    with suppress(errors.RedisError, OSError):
        await work
