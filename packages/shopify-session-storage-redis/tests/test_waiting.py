"""Every wait ends: for a silent server, for a connection of the pool, by a caller's own limit."""

import asyncio
import time
from datetime import timedelta

import pytest
from redis.asyncio import BlockingConnectionPool, Redis, RedisCluster
from servers.redis_sentinel import MASTER_NAME
from servers.redis_sentinel import watched as watched_server
from shopify_session_storage import SessionStorageUnavailableError
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage_redis import RedisSessionStorage

from .conftest import raw_of

SHOP = "alpha.myshopify.com"
LIMIT = timedelta(seconds=0.5)
SOON = 3.0  # a busy machine adds to the limit
LATE = timedelta(seconds=60)  # for what has to end well, on a busy machine, too


def nodes_of(url: str) -> list:
    raw = raw_of(url)
    if not url.startswith("redis+cluster"):
        return [raw]
    return [raw.get_redis_connection(node) for node in raw.get_primaries()]


def client_of(url: str) -> Redis | RedisCluster:
    if url.startswith("redis+cluster"):
        return RedisCluster.from_url(url.replace("redis+cluster", "redis"))
    return Redis.from_url(url)


@pytest.mark.parametrize("kind", ["a URL", "a client"])
@pytest.mark.asyncio
async def test_a_server_that_falls_silent_is_given_up_in_time(any_url, prefix, kind):
    nodes = nodes_of(any_url)
    source = any_url if kind == "a URL" else client_of(any_url)
    storage = RedisSessionStorage(
        source, session_key_prefix=prefix, on_error="raise", timeout=LIMIT
    )
    session = offline_session(SHOP)
    await storage.store_session(session)
    for node in nodes:
        node.execute_command("CLIENT", "PAUSE", 4000, "ALL")
    for call in (
        lambda: storage.store_session(session),
        lambda: storage.load_session(session.id),
    ):
        began = time.monotonic()
        with pytest.raises(SessionStorageUnavailableError, match=r"no answer within 0\.5 s"):
            await call()
        assert time.monotonic() - began < SOON
    while not await storage.is_ready():
        await asyncio.sleep(0.1)
    newer = offline_session(SHOP)
    assert await storage.store_session(newer) is True
    assert newer.equals(await storage.load_session(newer.id))
    await storage.disconnect()
    if kind == "a client":
        await source.aclose()


@pytest.mark.asyncio
async def test_a_client_that_has_fallen_silent_is_not_waited_for_while_the_storage_opens(
    redis_url, prefix, meddler, monkeypatch
):
    monkeypatch.setattr("shopify_session_storage.policy._LOOKING_SECONDS", 0.5)
    async with Redis.from_url(meddler.url(redis_url), socket_timeout=None) as client:
        assert await client.ping()
        storage = RedisSessionStorage(
            client, session_key_prefix=prefix, on_error="raise", timeout=LIMIT
        )
        meddler.frozen = True
        began = time.monotonic()
        with pytest.raises(SessionStorageUnavailableError, match=r"not answered for 0\.5 s"):
            await storage.load_session("a")
        assert await storage.is_ready() is False
        assert time.monotonic() - began < SOON
        meddler.frozen = False
        assert await storage.load_session("a") is None
        await storage.disconnect()


@pytest.mark.asyncio
async def test_a_callers_own_limit_ends_a_call_at_once(redis_url, prefix, meddler):
    storage = RedisSessionStorage(
        meddler.url(redis_url), session_key_prefix=prefix, on_error="raise", timeout=4 * LIMIT
    )
    session = offline_session(SHOP)
    await storage.store_session(session)
    meddler.frozen = True
    for call in (
        lambda: storage.load_session(session.id),
        lambda: storage.find_sessions_by_shop(SHOP),
        lambda: storage.delete_session(session.id),
    ):
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await call()
        assert time.monotonic() - began < SOON
    meddler.frozen = False
    await storage.disconnect()


@pytest.mark.asyncio
async def test_a_connection_that_has_fallen_silent_is_not_used_again(redis_url, prefix, meddler):
    async with RedisSessionStorage(
        meddler.url(redis_url), session_key_prefix=prefix, on_error="raise", timeout=LIMIT
    ) as storage:
        session = offline_session(SHOP)
        await storage.store_session(session)
        before, meddler.frozen = meddler.connections, True
        with pytest.raises(SessionStorageUnavailableError):
            await storage.store_session(session)
        meddler.frozen = False
        assert session.equals(await storage.load_session(session.id))
        assert meddler.connections > before


@pytest.mark.asyncio
async def test_all_that_a_silent_connection_owes_comes_over_a_fresh_one(redis_url, prefix, meddler):
    url = f"{meddler.url(redis_url)}?socket_timeout=1"
    async with RedisSessionStorage(url, session_key_prefix=prefix, on_error="raise") as storage:
        session = offline_session(SHOP)
        await storage.store_session(session)
        before = meddler.silent = meddler.connections
        results = await asyncio.gather(*many_calls(storage))
        assert all(result is not False for result in results)
        assert meddler.connections > before


def many_calls(storage: RedisSessionStorage) -> list:
    many = [online_session(SHOP, user) for user in range(40)]
    calls = [storage.store_session(session) for session in many]
    calls += [storage.load_session(session.id) for session in many]
    calls += [storage.find_sessions_by_shop(SHOP) for _ in range(40)]
    return [*calls, storage.is_ready(), storage.acquire_lease("n", "h", timedelta(seconds=9))]


@pytest.mark.parametrize("limit", [1, 2, 5])
@pytest.mark.asyncio
async def test_calls_wait_for_one_of_few_connections(any_url, prefix, limit):
    async with RedisSessionStorage(
        f"{any_url}?max_connections={limit}",
        session_key_prefix=prefix,
        on_error="raise",
        timeout=LATE,
    ) as storage:
        for _ in range(3):
            await asyncio.gather(*many_calls(storage))


@pytest.mark.parametrize("limit", [1, 2])
@pytest.mark.asyncio
async def test_no_more_connections_are_made_than_there_may_be(redis_url, prefix, meddler, limit):
    async with RedisSessionStorage(
        meddler.url(redis_url),
        session_key_prefix=prefix,
        client_options={"max_connections": limit},
        on_error="raise",
        timeout=LATE,
    ) as storage:
        await asyncio.gather(*many_calls(storage))
        assert meddler.connections <= limit


@pytest.mark.parametrize("limit", [1, 3])
@pytest.mark.asyncio
async def test_a_small_pool_that_was_passed_in_is_waited_for(any_url, prefix, limit):
    if any_url.startswith("redis+cluster"):
        plain = any_url.replace("redis+cluster", "redis")
        client = RedisCluster.from_url(plain, max_connections=limit)
    else:
        client = Redis.from_url(any_url, max_connections=limit)
    async with client:
        storage = RedisSessionStorage(
            client, session_key_prefix=prefix, on_error="raise", timeout=LATE
        )
        for _ in range(2):
            await asyncio.gather(*many_calls(storage))


@pytest.mark.asyncio
async def test_a_pool_that_others_use_up_is_waited_for_within_the_limit(redis_url, prefix):
    async with Redis.from_url(redis_url, max_connections=1) as client:
        storage = RedisSessionStorage(client, session_key_prefix=prefix, on_error="raise")
        await storage.ready()
        other = asyncio.ensure_future(client.blpop([prefix], timeout=0.3))
        await asyncio.sleep(0.05)
        assert await storage.store_session(offline_session(SHOP)) is True
        assert await other is None


@pytest.mark.asyncio
async def test_a_pool_that_never_has_a_connection_ends_in_time(redis_url, prefix):
    pool = BlockingConnectionPool.from_url(redis_url, max_connections=1, timeout=60)
    async with Redis(connection_pool=pool) as client:
        storage = RedisSessionStorage(
            client, session_key_prefix=prefix, on_error="raise", timeout=LIMIT
        )
        await storage.ready()
        other = asyncio.ensure_future(client.blpop([prefix], timeout=2))
        await asyncio.sleep(0.05)
        began = time.monotonic()
        with pytest.raises(SessionStorageUnavailableError, match="no answer within"):
            await storage.load_session("id")
        assert time.monotonic() - began < SOON
        await asyncio.gather(other)
        assert await storage.load_session("id") is None
    await pool.aclose()


@pytest.mark.asyncio
async def test_a_master_behind_sentinel_that_falls_silent_is_given_up_in_time(tmp_path):
    from redis.asyncio.sentinel import Sentinel
    from servers.discovery import PASSWORD, USER

    with watched_server(tmp_path) as watched:
        sentinel = Sentinel([watched.sentinel])
        master = sentinel.master_for(MASTER_NAME, username=USER, password=PASSWORD)
        storage = RedisSessionStorage(master, on_error="raise", timeout=LIMIT)
        await storage.store_session(offline_session(SHOP))
        await master.execute_command("CLIENT", "PAUSE", 300_000, "ALL")
        began = time.monotonic()
        with pytest.raises(SessionStorageUnavailableError):
            await storage.store_session(offline_session(SHOP))
        assert time.monotonic() - began < SOON
        await storage.disconnect()
        await master.aclose()
        for one in sentinel.sentinels:
            await one.aclose()
