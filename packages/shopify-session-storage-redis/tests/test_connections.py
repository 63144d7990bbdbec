"""Connections that are lost, servers that restart, clients of the user."""

import asyncio
import gc
import tempfile
import warnings
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis as sync_redis
from redis.asyncio import Redis, RedisCluster
from redis.asyncio.sentinel import Sentinel
from servers import redis as servers
from servers.discovery import PASSWORD, USER, free_port
from servers.disturbing import bear_cancellations, bear_cuts, follow_to_a_new_loop, keep_the_order
from servers.redis_cluster import cluster
from servers.redis_sentinel import MASTER_NAME
from servers.redis_sentinel import watched as watched_server
from shopify_session_storage import SessionStorageUnavailableError
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage_redis import RedisSessionStorage

from .conftest import raw_of, through
from .meddling import Meddler

SHOP = "alpha.myshopify.com"


@pytest.mark.asyncio
async def test_lost_connections_never_reach_the_caller(redis_url, prefix, proxy):
    async with RedisSessionStorage(
        through(proxy, redis_url), session_key_prefix=prefix, on_error="raise"
    ) as storage:
        await bear_cuts(storage, proxy.cut)


@pytest.mark.asyncio
async def test_connections_ended_by_the_server_never_reach_the_caller(any_url, prefix):
    with raw_of(any_url) as raw:
        nodes = [raw.get_redis_connection(node) for node in raw.get_primaries()] if (
            isinstance(raw, sync_redis.RedisCluster)
        ) else [raw]  # fmt: skip
        async with RedisSessionStorage(
            any_url, session_key_prefix=prefix, on_error="raise"
        ) as storage:
            many = [online_session(SHOP, user) for user in range(30)]
            await asyncio.gather(*map(storage.store_session, many))
            for _ in range(5):
                for node in nodes:
                    node.client_kill_filter(_type="normal", skipme=True)
                loaded = await asyncio.gather(*(storage.load_session(one.id) for one in many))
                assert all(one.equals(other) for one, other in zip(many, loaded, strict=True))
                for node in nodes:
                    node.client_kill_filter(_type="normal", skipme=True)
                assert all(await asyncio.gather(*map(storage.store_session, many)))
            assert len(await storage.find_sessions_by_shop(SHOP)) == 30


@pytest.mark.asyncio
async def test_storage_survives_a_restart_of_the_server():
    port = free_port()
    with tempfile.TemporaryDirectory() as name:
        kept = ("--appendonly", "yes", "--appendfsync", "always")
        server = servers.local(Path(name), *kept, port=port)
        url = server.__enter__()
        async with RedisSessionStorage(url, on_error="raise") as storage:
            many = [online_session(SHOP, user) for user in range(50)]
            await asyncio.gather(*map(storage.store_session, many))
            await asyncio.to_thread(server.__exit__, None, None, None)
            with pytest.raises(SessionStorageUnavailableError):
                await storage.load_session(many[0].id)
            with servers.local(Path(name), *kept, port=port):
                loaded = await asyncio.gather(*(storage.load_session(one.id) for one in many))
                assert all(one.equals(other) for one, other in zip(many, loaded, strict=True))
                assert await storage.store_session(many[0]) is True


@pytest.mark.asyncio
async def test_cancelled_calls_never_mix_up_answers(any_url, prefix):
    async with RedisSessionStorage(any_url, session_key_prefix=prefix, on_error="raise") as storage:
        await bear_cancellations(storage)


@pytest.mark.asyncio
async def test_cancelled_store_is_never_overtaken_by_the_next(redis_url, prefix, proxy):
    async with RedisSessionStorage(
        through(proxy, redis_url), session_key_prefix=prefix, on_error="raise"
    ) as storage:
        await keep_the_order(storage)
        assert proxy.connections <= 3  # none was dropped with an answer on its way


@pytest.mark.asyncio
async def test_user_client_that_waits_for_connections_serves_many(redis_url, prefix):
    from redis.asyncio import BlockingConnectionPool

    pool = BlockingConnectionPool.from_url(redis_url, max_connections=1, timeout=5)
    async with Redis(connection_pool=pool) as client:
        storage = RedisSessionStorage(client, session_key_prefix=prefix, on_error="raise")
        many = [online_session(SHOP, user) for user in range(100)]
        assert all(await asyncio.gather(*map(storage.store_session, many)))
        loads = [storage.load_session(one.id) for one in many]
        finds = [storage.find_sessions_by_shop(SHOP) for _ in range(5)]
        results = await asyncio.gather(*loads, *finds)
        assert all(one.equals(other) for one, other in zip(many, results[:100], strict=True))
    await pool.aclose()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of redis-py 5
def test_storage_follows_to_a_new_event_loop_without_disconnect(redis_url, prefix):
    follow_to_a_new_loop(
        RedisSessionStorage(redis_url, session_key_prefix=prefix, on_error="raise")
    )


@pytest.mark.asyncio
async def test_cluster_client_of_the_user_follows_a_moved_slot(redis_cluster_url, prefix):
    plain = redis_cluster_url.replace("redis+cluster", "redis")
    async with RedisCluster.from_url(plain) as client:
        storage = RedisSessionStorage(client, session_key_prefix=prefix, on_error="raise")
        many = [online_session(SHOP, user) for user in range(30)]
        await asyncio.gather(*map(storage.store_session, many))
        # A client that believes in another node is sent on by the one that it asks.
        slots = client.nodes_manager.slots_cache
        primaries = client.get_primaries()
        for slot in slots:
            slots[slot] = [primaries[0]]
        loaded = await asyncio.gather(*(storage.load_session(one.id) for one in many))
        assert all(one.equals(other) for one, other in zip(many, loaded, strict=True))


@pytest.mark.asyncio
async def test_sentinel_fails_over(redis_url):
    with tempfile.TemporaryDirectory() as name, watched_server(Path(name)) as watched:
        sentinel = Sentinel([watched.sentinel])
        master = sentinel.master_for(MASTER_NAME, username=USER, password=PASSWORD)
        storage = RedisSessionStorage(master, on_error="raise")
        many = [online_session(SHOP, user) for user in range(20)]
        await asyncio.gather(*map(storage.store_session, many))
        await master.execute_command("WAIT", 1, 5000)
        await asyncio.to_thread(watched.stop_master)
        deadline = asyncio.get_running_loop().time() + 30
        while not await storage.is_ready():
            assert asyncio.get_running_loop().time() < deadline
            await asyncio.sleep(0.2)
        assert len(await storage.find_sessions_by_shop(SHOP)) == 20
        # The new master does not know the scripts, and takes writes.
        assert all(await asyncio.gather(*map(storage.store_session, many)))
        await master.aclose()
        for one in sentinel.sentinels:
            await one.aclose()


@pytest.mark.parametrize("masters", [1, 3])
@pytest.mark.asyncio
async def test_a_cluster_that_moved_as_a_whole_is_found_by_the_name_that_was_given(
    tmp_path, masters
):
    places = [tmp_path / name for name in ("old", "new")]
    for place in places:
        place.mkdir()
    with ExitStack() as old:
        url = old.enter_context(cluster(places[0], masters))
        async with (
            Meddler(url) as name,
            RedisSessionStorage(name.url(url), on_error="raise") as storage,
        ):
            many = [online_session(SHOP, user) for user in range(20)]
            await asyncio.gather(*map(storage.store_session, many))
            with cluster(places[1], masters) as moved:
                name.target = (name.target[0], int(moved.rpartition(":")[2]))
                await asyncio.to_thread(old.close)
                assert all(await asyncio.gather(*map(storage.store_session, many)))
                assert len(await storage.find_sessions_by_shop(SHOP)) == 20


@pytest.mark.asyncio
async def test_a_cluster_is_found_by_its_other_nodes_when_the_one_of_the_url_is_gone(tmp_path):
    with cluster(tmp_path) as url:
        async with (
            Meddler(url) as name,
            RedisSessionStorage(
                name.url(url), session_key_prefix="{s}", on_error="raise"
            ) as storage,
        ):
            await storage.store_session(offline_session(SHOP))
            name.target = ("127.0.0.1", free_port())
            await storage._recover()
            assert await storage.store_session(offline_session(SHOP)) is True


@pytest.mark.asyncio
async def test_commands_under_way_go_on_while_others_get_fresh_connections(any_url, prefix):
    async with RedisSessionStorage(any_url, session_key_prefix=prefix, on_error="raise") as storage:
        many = [online_session(SHOP, user) for user in range(30)]
        await asyncio.gather(*map(storage.store_session, many))
        for turn in range(20):
            calls = [storage.load_session(one.id) for one in many]
            calls += [storage.store_session(one) for one in many[::3]]
            tasks = [asyncio.ensure_future(call) for call in calls]
            for _ in range(turn):
                await asyncio.sleep(0)
            await storage._recover()
            results = await asyncio.gather(*tasks)
            assert all(one.equals(other) for one, other in zip(many, results, strict=False))


@pytest.mark.asyncio
async def test_connections_that_are_left_are_closed_after_the_last_answer(
    redis_url, prefix, meddler
):
    async with RedisSessionStorage(
        meddler.url(redis_url), session_key_prefix=prefix, on_error="raise"
    ) as storage:
        for _ in range(5):
            calls = [storage.load_session(f"id{number}") for number in range(20)]
            tasks = [asyncio.ensure_future(call) for call in calls]
            await asyncio.sleep(0)
            await storage._recover()
            assert await asyncio.gather(*tasks) == [None] * 20
        while meddler.closed < meddler.connections - 1:
            await asyncio.sleep(0.01)
    while meddler.closed < meddler.connections:
        await asyncio.sleep(0.01)


@pytest.mark.asyncio
async def test_an_answer_that_nobody_asked_for_ends_the_connection(redis_url, prefix, meddler):
    async with RedisSessionStorage(
        meddler.url(redis_url), session_key_prefix=prefix, on_error="raise"
    ) as storage:
        session = offline_session(SHOP)
        await storage.store_session(session)
        before, meddler.instead = meddler.connections, ["OOM\r\n+OK"]
        with pytest.raises(SessionStorageUnavailableError, match="OOM"):
            await storage.store_session(session)
        assert session.equals(await storage.load_session(session.id))
        assert meddler.connections == before + 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of redis-py 5
def test_a_client_that_was_passed_in_serves_the_next_loop_too(redis_url, prefix):
    client = Redis.from_url(redis_url)
    storage = RedisSessionStorage(client, session_key_prefix=prefix, on_error="raise")
    follow_to_a_new_loop(storage)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of redis-py 5
@pytest.mark.parametrize("kind", ["one server", "cluster"])
def test_a_client_of_another_loop_gets_a_clear_error(redis_url, redis_cluster_url, prefix, kind):
    if kind == "one server":
        client = Redis.from_url(redis_url)
    else:
        client = RedisCluster.from_url(redis_cluster_url.replace("redis+cluster", "redis"))
    storage = RedisSessionStorage(client, session_key_prefix=prefix, on_error="raise")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        asyncio.run(use(client))
        with pytest.raises(RuntimeError, match="another event loop"):
            asyncio.run(storage.ready())
        del client, storage
        gc.collect()


async def use(client):
    await client.get("key")
