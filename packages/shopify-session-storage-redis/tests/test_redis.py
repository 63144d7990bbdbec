"""What is particular to Redis: round trips, lists, scripts, clients, errors."""

import asyncio
import json
import logging
import random
import subprocess
import sys
import tempfile
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest
import redis as sync_redis
from hypothesis import HealthCheck, given, settings
from redis.asyncio import Redis, RedisCluster
from redis.asyncio.sentinel import Sentinel
from redis.exceptions import ResponseError
from servers import redis as servers
from servers.discovery import PASSWORD, USER, free_port
from servers.disturbing import (
    bear_cancellations,
    bear_cuts,
    follow_to_a_new_loop,
    keep_the_order,
    travel_together,
)
from shopify_session_storage import (
    CorruptSessionError,
    Session,
    SessionStorageError,
    SessionStorageMigratorOptions,
    SessionStorageUnavailableError,
    open_session_storage,
)
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage.testing.strategies import sessions
from shopify_session_storage_redis import RedisSessionStorage

from .conftest import through

SHOP = "alpha.myshopify.com"


@given(session=sessions())
@settings(
    deadline=None,
    max_examples=50,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@pytest.mark.asyncio
async def test_what_is_stored_comes_back(redis_url, session: Session):
    async with RedisSessionStorage(redis_url, on_error="raise") as storage:
        await storage.store_session(session)
        assert session.equals(await storage.load_session(session.id))
        found = await storage.find_sessions_by_shop(session.shop)
        assert [session.id] == [one.id for one in found]
        await storage.delete_session(session.id)
        assert await storage.find_sessions_by_shop(session.shop) == []


# --- layout ---------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_keys_are_laid_out_as_documented(storage, raw, prefix):
    first = offline_session("é.example", access_token='a"/\u2028\x7f', refresh_token="")
    first.expires = first.expires.replace(microsecond=123_456)
    second = online_session("é.example", 7, id='"odd\\/', online_access_info=None, scope=None)
    await storage.store_session(first)
    await storage.store_session(second)
    assert await raw.get(f"{prefix}_offline_é.example") == (
        '[["id","offline_é.example"],["shop","é.example"],["state","nonce"],["isOnline",false],'
        '["scope","read_products,write_orders"],["expires",1935817689123],'
        '["accessToken","a\\"/\u2028\x7f"],["refreshToken",""],'
        '["refreshTokenExpires",1943578921000]]'
    )
    both = f'["{prefix}_offline_é.example","{prefix}_\\"odd\\\\/"]'.replace("?\\ ", "?\\\\ ")
    assert await raw.get(f"{prefix}_é.example") == both
    assert await raw.get(f"{prefix}_migrations") == '{"migrateToVersion1_0_1":true}'
    await storage.delete_sessions([first.id, second.id])
    assert await raw.get(f"{prefix}_é.example") == "[]"
    assert sorted(await keys_of(raw, prefix)) == [f"{prefix}_migrations", f"{prefix}_é.example"]


async def keys_of(raw: Redis, prefix: str) -> list[str]:
    return [key async for key in raw.scan_iter(count=1000) if key.startswith(prefix)]


@pytest.mark.asyncio
async def test_store_removes_a_time_to_live(storage, raw, prefix):
    session = offline_session(SHOP)
    await storage.store_session(session)
    await raw.expire(f"{prefix}_{session.id}", 100)
    await raw.expire(f"{prefix}_{SHOP}", 100)
    await storage.store_session(session)
    await storage.store_session(online_session(SHOP))
    assert await raw.ttl(f"{prefix}_{session.id}") == -1
    assert await raw.ttl(f"{prefix}_{SHOP}") == -1


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "text",
    [
        '[["id","{id}"],["shop","s"],["state",""],["isOnline",true],["userId",7]]',
        '[["id","{id}"],["shop","s"],["state",""],["isOnline",true],["onlineAccessInfo",7]]',
        '[ ["\\u0069d" , "{id}" ],\n["SHOP","s"],["state",""],["isOnline","TRUE"],["userId","7."]]',
        # Of two entries the last one counts.
        '[["id","{id}"],["shop","x"],["state",""],["isOnline",true],["userId",7],["sHop","s"]]',
        '[["id","{id}"],["shop","x"],["state",""],["isOnline",true],["userId",7],["\\u0073hop","s"]]',
    ],
)
async def test_every_spelling_of_a_session_is_read(storage, raw, prefix, text):
    text = text.replace("]]", '],["expires",1795264496123.0]]').replace("{id}", "it")
    await raw.set(f"{prefix}_it", text)
    await raw.set(f"{prefix}_s", f"[ {json.dumps(f'{prefix}_it')} ]")
    loaded = await storage.load_session("it")
    assert loaded.online_access_info.associated_user.id == 7
    assert round(loaded.expires.timestamp() * 1000) == 1795264496123
    assert (await storage.find_sessions_by_shop("s"))[0].equals(loaded)
    assert await storage.delete_session("it") is True
    assert json.loads(await raw.get(f"{prefix}_s")) == []


LISTS = [
    "[]",
    " [ ] ",
    '["{p}a"]',
    '["{p}a","{p}b","{p}c"]',
    ' [ "{p}a" ,\n "{p}b" , "{p}c" ] ',
    '["{p}\\u0061","{p}c"]',
    '["{p}x\\"{p}a"]',
    '["{p}a\\\\","{p}\\\\","{p}b"]',
    '["{p}a","{p}b","{p}a"]',
    '["other","","{p}q/é","{p}q\\/é"]',
]


@pytest.mark.asyncio
@pytest.mark.parametrize("prefix", ["p", ",", '"', "\\", "é"])
@pytest.mark.parametrize("before", LISTS)
async def test_any_list_is_changed_as_its_json_says(redis_url, raw, prefix, before):
    prefix = f"{prefix} {random.random()}"
    spelled = json.dumps(f"{prefix}_")[1:-1]
    before = before.replace("{p}", spelled)
    names = json.loads(before)
    async with RedisSessionStorage(
        redis_url, session_key_prefix=prefix, on_error="raise"
    ) as storage:
        for id in ("a", "b", "c", "\\", "a\\", "q/é", f'x"{prefix}_a', "new"):
            name = f"{prefix}_{id}"
            await raw.set(f"{prefix}_s", before)
            await storage.store_session(offline_session("s", id=id))
            expected = names if name in names else [*names, name]
            assert json.loads(await raw.get(f"{prefix}_s")) == expected
            assert id in [one.id for one in await storage.find_sessions_by_shop("s")]
            await storage.delete_session(id)
            left = [one for one in names if one != name]
            assert json.loads(await raw.get(f"{prefix}_s")) == left
        await raw.set(f"{prefix}_s", before)
        ids = ["a", "c", "\\", "new"]
        await asyncio.gather(*(storage.store_session(offline_session("s", id=id)) for id in ids))
        await storage.delete_sessions(ids)
        left = [one for one in names if one not in {f"{prefix}_{id}" for id in ids}]
        assert json.loads(await raw.get(f"{prefix}_s")) == left


@pytest.mark.asyncio
async def test_find_drops_what_dangles_in_a_list(storage, raw, prefix):
    session = offline_session(SHOP)
    elsewhere = offline_session("beta.myshopify.com")
    await storage.store_session(session)
    await storage.store_session(elsewhere)
    key = f"{prefix}_{session.id}"
    await raw.set(f"{prefix}2_x", await raw.get(key))
    await raw.set(f"{prefix}_2_x", await raw.get(key))  # of a storage with a longer prefix
    names = [f"{prefix}_gone", key, key, f"{prefix}_{elsewhere.id}", f"{prefix}_{SHOP}",
             f"{prefix}2_x", f"{prefix}_2_x", session.id, "", f"{prefix}_migrations "]  # fmt: skip
    await raw.set(f"{prefix}_{SHOP}", json.dumps(names))
    found = await storage.find_sessions_by_shop(SHOP)
    assert [one.id for one in found] == [session.id]


# --- collisions and what is not ours --------------------------------------------------------------


@pytest.fixture(params=["one server", "cluster"])
def any_url(request):
    """Return the URL of one server, and that of a cluster."""
    name = "redis_url" if request.param == "one server" else "redis_cluster_url"
    return request.getfixturevalue(name)


def raw_of(url: str) -> sync_redis.Redis:
    if url.startswith("redis+cluster"):
        plain = url.replace("redis+cluster", "redis")
        return sync_redis.RedisCluster.from_url(plain, decode_responses=True)
    return sync_redis.Redis.from_url(url, decode_responses=True)


@pytest.mark.asyncio
async def test_session_and_list_never_overwrite_each_other(any_url, prefix):
    async with RedisSessionStorage(any_url, session_key_prefix=prefix, on_error="raise") as storage:
        await storage.store_session(offline_session(SHOP))
        clash = offline_session("beta.myshopify.com", id=SHOP)
        assert await storage.load_session(SHOP) is None
        with pytest.raises(SessionStorageError, match="holds the list of a shop") as caught:
            await storage.store_session(clash)
        assert not isinstance(caught.value, SessionStorageUnavailableError)
        assert await storage.delete_session(SHOP) is True
        assert len(await storage.find_sessions_by_shop(SHOP)) == 1
        assert await storage.find_sessions_by_shop("beta.myshopify.com") == []

        named = offline_session("gamma.myshopify.com", id="delta.myshopify.com")
        await storage.store_session(named)
        with pytest.raises(SessionStorageError, match="holds a session"):
            await storage.store_session(offline_session("delta.myshopify.com"))
        assert named.equals(await storage.load_session(named.id))
        assert await storage.find_sessions_by_shop("delta.myshopify.com") == []
        # In one group, too, and then nobody else's store fails.
        many = [offline_session(f"{n}.example") for n in range(20)]
        many[7] = offline_session("7.example", id="8.example")
        results = await asyncio.gather(*map(storage.store_session, many), return_exceptions=True)
        failed = [result for result in results if result is not True]
        assert len(failed) <= 1
        assert all(isinstance(error, SessionStorageError) for error in failed)
        with raw_of(any_url) as raw:
            text = raw.get(f"{prefix}_8.example")
            assert text.startswith("[[") if results[7] is True else text.startswith('["')


@pytest.mark.asyncio
async def test_what_is_not_ours_is_left_alone(any_url, prefix):
    with raw_of(any_url) as raw:
        async with RedisSessionStorage(
            any_url, session_key_prefix=prefix, on_error="raise"
        ) as storage:
            raw.hset(f"{prefix}_hash", "a", "b")
            session = offline_session("hash")
            with pytest.raises(SessionStorageError, match="not ours"):
                await storage.store_session(session)
            with pytest.raises(CorruptSessionError, match="list of shop 'hash'"):
                await storage.find_sessions_by_shop("hash")
            with pytest.raises(SessionStorageError, match="not ours"):
                await storage.store_session(offline_session(SHOP, id="hash"))
            assert await storage.load_session("hash") is None
            assert await storage.delete_session("hash") is True
            good = offline_session(SHOP)
            ids = ["hash", good.id, "missing"]
            results = await asyncio.gather(
                storage.store_session(good), *map(storage.load_session, ids)
            )
            assert results[0] is True
            assert raw.hgetall(f"{prefix}_hash") == {"a": "b"}
            raw.set(f"{prefix}_text", "something")
            with pytest.raises(CorruptSessionError):
                await storage.find_sessions_by_shop("text")
            shops = ["nobody", "no one", SHOP, "hash", "nobody else"]  # the last three together
            found = await asyncio.gather(
                *map(storage.find_sessions_by_shop, shops), return_exceptions=True
            )
            assert isinstance(found.pop(3), CorruptSessionError)
            assert [[one.id for one in sessions] for sessions in found] == [[], [], [good.id], []]


@pytest.mark.asyncio
async def test_odd_entries_of_a_list_do_no_harm(any_url, prefix):
    async with RedisSessionStorage(any_url, session_key_prefix=prefix, on_error="raise") as storage:
        session = offline_session(SHOP)
        await storage.store_session(session)
        with raw_of(any_url) as raw:
            odd = [f"{prefix}_\ud800", "\ud800", f"{prefix}_", f"{prefix}_{session.id}", "x"]
            raw.set(f"{prefix}_{SHOP}", json.dumps(odd))
            assert [one.id for one in await storage.find_sessions_by_shop(SHOP)] == [session.id]
            await storage.store_session(online_session(SHOP))
            assert len(await storage.find_sessions_by_shop(SHOP)) == 2
            await storage.delete_session(session.id)
            assert len(await storage.find_sessions_by_shop(SHOP)) == 1
            for bad in ("[", '["a"', '["a",["b"]]', '["a",7]'):
                raw.set(f"{prefix}_{SHOP}", bad)
                with pytest.raises(CorruptSessionError, match="list of shop"):
                    await storage.find_sessions_by_shop(SHOP)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "text",
    ["", "shpat_secret", '{"accessToken":"shpat_secret"}', '[["accessToken","shpat_secret"]]',
     '[["id","it"],["accessToken","shpat_secret"]', "[" * 100_000, "1" * 5000,
     '[["id","b"],["shop","s"],["state",""],["isOnline",false],["accessToken","shpat_secret"]]'],
)  # fmt: skip
async def test_unreadable_session_is_told_without_its_text(
    storage, redis_url, raw, prefix, text, caplog
):
    await raw.set(f"{prefix}_it", text)
    with pytest.raises(CorruptSessionError) as caught:
        await storage.load_session("it")
    assert "'it'" in str(caught.value)
    assert "secret" not in f"{caught.value!r} {caught.value.__cause__} {caught.value.__context__}"
    good = offline_session(SHOP)
    await storage.store_session(good)
    results = await asyncio.gather(
        *map(storage.load_session, [good.id, "it", good.id, "missing"]), return_exceptions=True
    )
    assert good.equals(results[0])
    assert isinstance(results[1], CorruptSessionError)
    assert good.equals(results[2])
    assert results[3] is None
    async with RedisSessionStorage(redis_url, session_key_prefix=prefix) as logging_storage:
        assert await logging_storage.load_session("it") is None
    assert "secret" not in caplog.text
    assert "cannot be read" in caplog.text
    await storage.store_session(offline_session(SHOP, id="it"))  # replaces it
    assert await storage.delete_session("it") is True


# --- round trips and load -------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_every_operation_is_one_round_trip(redis_url, prefix, proxy):
    async with RedisSessionStorage(
        through(proxy, redis_url), session_key_prefix=prefix, on_error="raise"
    ) as storage:
        many = [online_session(SHOP, user) for user in range(50)]
        for session in many:  # from the first call on the server knows the scripts
            await storage.store_session(session)
        await storage.delete_session("missing")
        await storage.find_sessions_by_shop(SHOP)
        for call in (
            lambda: storage.store_session(many[0]),
            lambda: storage.store_session(replace(many[0], shop="beta.myshopify.com")),
            lambda: storage.load_session(many[0].id),
            lambda: storage.load_session("missing"),
            lambda: storage.find_sessions_by_shop(SHOP),
            lambda: storage.delete_session(many[0].id),
            lambda: storage.delete_sessions(session.id for session in many),
        ):
            proxy.reset()
            await call()
            assert proxy.round_trips == 1
            assert proxy.connections == 0


@pytest.mark.asyncio
async def test_calls_that_wait_travel_in_few_round_trips(redis_url, prefix, proxy):
    async with RedisSessionStorage(
        through(proxy, redis_url), session_key_prefix=prefix, on_error="raise"
    ) as storage:
        await travel_together(storage, proxy)


@pytest.mark.asyncio
async def test_big_shops_many_ids_and_many_tasks(any_url, prefix):
    count = 10_000 if any_url.startswith("redis:") else 2_000
    async with RedisSessionStorage(any_url, session_key_prefix=prefix, on_error="raise") as storage:
        many = [online_session(SHOP, user) for user in range(count)]
        await asyncio.gather(*map(storage.store_session, many))
        assert len(await storage.find_sessions_by_shop(SHOP)) == count

        async def task(number: int) -> None:
            for session in many[number::200]:
                assert session.equals(await storage.load_session(session.id))

        await asyncio.gather(*map(task, range(200)))
        assert await storage.delete_sessions(session.id for session in many) is True
        assert await storage.find_sessions_by_shop(SHOP) == []
        assert await storage.delete_sessions(f"missing-{n}" for n in range(10_000)) is True


@pytest.mark.asyncio
async def test_no_other_command_waits_for_a_big_shop(storage, raw, prefix):
    names = [f"{prefix}_{SHOP}_{user}" for user in range(10_000)]
    await raw.set(f"{prefix}_{SHOP}", json.dumps(names, ensure_ascii=False))
    await raw.config_set("slowlog-log-slower-than", 20_000)  # microseconds
    await raw.slowlog_reset()
    for user in range(50):
        await storage.store_session(online_session(SHOP, 20_000 + user))
        await storage.store_session(online_session(SHOP, user))
        await storage.delete_session(f"{SHOP}_{user}")
    assert await raw.slowlog_len() < 50  # of 150: a busy machine makes some of them wait


@pytest.mark.asyncio
async def test_scripts_are_sent_again_when_the_server_has_forgotten_them(any_url, prefix):
    with raw_of(any_url) as raw:
        async with RedisSessionStorage(
            any_url, session_key_prefix=prefix, on_error="raise"
        ) as storage:
            many = [online_session(SHOP, user) for user in range(20)]
            for _ in range(3):
                raw.script_flush()
                assert all(await asyncio.gather(*map(storage.store_session, many)))
                raw.script_flush()
                assert len(await storage.find_sessions_by_shop(SHOP)) == 20
                raw.script_flush()
                assert await storage.delete_sessions(one.id for one in many[:5]) is True
                assert len(await storage.find_sessions_by_shop(SHOP)) == 15


# --- many processes -------------------------------------------------------------------------------

WRITER = """
    import asyncio, sys
    from shopify_session_storage.testing.sessions import online_session
    from shopify_session_storage_redis import RedisSessionStorage

    async def main(url, prefix, shop, number):
        async with RedisSessionStorage(
            url, session_key_prefix=prefix, on_error="raise"
        ) as storage:
            print("ready", flush=True)
            sys.stdin.readline()
            mine = [online_session(shop, number * 1000 + n) for n in range(25)]
            shared = [online_session(shop, n) for n in range(10)]

            async def write(n):
                await storage.store_session(mine[n])
                await storage.store_session(shared[n % 10])
                await storage.delete_session(shared[(n + number) % 10].id)
                if n % 2:
                    await storage.delete_session(mine[n].id)
                await storage.store_session(shared[n % 10])

            await asyncio.gather(*map(write, range(25)))

    asyncio.run(main(*sys.argv[1:4], int(sys.argv[4])))
"""


@pytest.mark.asyncio
async def test_eight_processes_that_store_and_delete_lose_nothing(any_url, prefix):
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(WRITER), any_url, prefix, SHOP, str(number)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for number in range(1, 9)
    ]  # fmt: skip
    for process in processes:
        assert process.stdout.readline() == "ready\n", process.stderr.read()
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        _, errors = await asyncio.to_thread(process.communicate, timeout=60)
        assert process.returncode == 0, errors
    with raw_of(any_url) as raw:
        names = json.loads(raw.get(f"{prefix}_{SHOP}"))
        assert len(names) == len(set(names))
        ids = {f"{SHOP}_{number * 1000 + n}" for number in range(1, 9) for n in range(0, 25, 2)}
        ids |= {f"{SHOP}_{n}" for n in range(10) if raw.get(f"{prefix}_{SHOP}_{n}") is not None}
        async with RedisSessionStorage(
            any_url, session_key_prefix=prefix, on_error="raise"
        ) as storage:
            assert {one.id for one in await storage.find_sessions_by_shop(SHOP)} == ids
        if any_url.startswith("redis:"):
            assert set(names) == {f"{prefix}_{id}" for id in ids}


@pytest.mark.asyncio
@pytest.mark.parametrize("seed", range(3))
async def test_sessions_that_move_between_shops_are_listed_where_they_are(any_url, prefix, seed):
    chance = random.Random(seed)
    storages = [
        RedisSessionStorage(any_url, session_key_prefix=prefix, on_error="raise") for _ in range(4)
    ]

    async def writer(storage: RedisSessionStorage) -> None:
        for _ in range(60):
            id, shop = f"id{chance.randrange(4)}", f"{chance.randrange(3)}.example"
            if chance.random() < 0.3:
                await storage.delete_session(id)
            else:
                await storage.store_session(offline_session(shop, id=id))

    await asyncio.gather(*(writer(storage) for storage in storages for _ in range(3)))
    stored = [one for n in range(4) if (one := await storages[0].load_session(f"id{n}"))]
    for number in range(3):
        shop = f"{number}.example"
        found = await storages[1].find_sessions_by_shop(shop)
        assert {one.id for one in found} == {one.id for one in stored if one.shop == shop}
    for storage in storages:
        await storage.disconnect()


# --- connections ----------------------------------------------------------------------------------


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


def test_storage_follows_to_a_new_event_loop_without_disconnect(redis_url, prefix):
    follow_to_a_new_loop(
        RedisSessionStorage(redis_url, session_key_prefix=prefix, on_error="raise")
    )


# --- Sentinel, TLS --------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_sentinel_fails_over(redis_url):
    with tempfile.TemporaryDirectory() as name, servers.watched(Path(name)) as watched:
        sentinel = Sentinel([watched.sentinel])
        master = sentinel.master_for(servers.MASTER_NAME, username=USER, password=PASSWORD)
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


@pytest.mark.asyncio
async def test_tls_is_redis_pys_own(redis_url):
    with tempfile.TemporaryDirectory() as name, servers.tls(Path(name)) as url:
        session = offline_session(SHOP)
        async with open_session_storage(url, on_error="raise") as storage:
            await storage.store_session(session)
            assert session.equals(await storage.load_session(session.id))
        url, _, _ = url.partition("?")
        async with RedisSessionStorage(
            url, client_options={"ssl_ca_certs": f"{name}/ca.pem"}, on_error="raise"
        ) as storage:
            assert session.equals(await storage.load_session(session.id))
        with pytest.raises(SessionStorageUnavailableError, match="CERTIFICATE_VERIFY_FAILED"):
            await RedisSessionStorage(url).ready()


# --- arguments and errors -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    ["", "localhost", "mysql://user:sekret@host/1", "redis://user:sekret@host/name",
     "redis://user:sek/ret@host/0", "redis://user:sekret@host:0/0", "redis://u:sekret@host:99999",
     "redis://u:sekret@host/0?socket_timeout=sekret", "redis+cluster://u:sekret@host/3",
     "rediss://u:sekret@host?ssl_cert_reqs=sekret", "redis://[::1:6379"],
)  # fmt: skip
def test_bad_url_is_refused_without_showing_it(url):
    with pytest.raises(ValueError, match="Redis") as caught:
        RedisSessionStorage(url)
    chain = f"{caught.value!r} {caught.value.__cause__} {caught.value.__context__}"
    if caught.value.__suppress_context__:
        chain = repr(caught.value)
    assert "sek" not in chain.replace("'sekret' is not", "sek")


@pytest.mark.asyncio
async def test_bad_arguments_are_refused(redis_url):
    for bad in (None, 7, b"redis://host", sync_redis.Redis()):
        with pytest.raises(TypeError, match="url must be"):
            RedisSessionStorage(bad)
    client = Redis.from_url(redis_url)
    with pytest.raises(ValueError, match="client_options are for"):
        RedisSessionStorage(client, client_options={})
    with pytest.raises(TypeError, match="no_such_option"):
        RedisSessionStorage(redis_url, client_options={"no_such_option": 1})
    with pytest.raises(TypeError, match="no_such_option"):
        RedisSessionStorage(f"{redis_url}?no_such_option=1")
    with pytest.raises(TypeError, match="no_such_option"):
        RedisSessionStorage("redis+cluster://host", client_options={"no_such_option": 1})
    for prefix in ("", "a\0", "\ud800"):
        with pytest.raises(ValueError, match="session_key_prefix"):
            RedisSessionStorage(redis_url, session_key_prefix=prefix)
    with pytest.raises(TypeError, match="session_key_prefix"):
        RedisSessionStorage(redis_url, session_key_prefix=None)
    with pytest.raises(ValueError, match="on_error"):
        RedisSessionStorage(redis_url, on_error="ignore")
    with pytest.raises(TypeError, match="migrator_options"):
        RedisSessionStorage(redis_url, migrator_options={})
    with pytest.raises(ValueError, match="always shopify_sessions_migrations"):
        RedisSessionStorage(redis_url, migrator_options=SessionStorageMigratorOptions("mine"))
    RedisSessionStorage(redis_url, migrator_options=SessionStorageMigratorOptions())


@pytest.mark.asyncio
async def test_credentials_need_no_escaping(prefix):
    with tempfile.TemporaryDirectory() as name, servers.local(Path(name)) as url:
        port = int(url.rpartition(":")[2])
        storage = RedisSessionStorage.with_credentials(
            "127.0.0.1", 3, USER, PASSWORD, port=port, session_key_prefix=prefix, on_error="raise"
        )
        async with storage:
            await storage.store_session(offline_session(SHOP))
        async with RedisSessionStorage(f"{url}/3", session_key_prefix=prefix) as other:
            assert len(await other.find_sessions_by_shop(SHOP)) == 1
        async with RedisSessionStorage(url, session_key_prefix=prefix) as other:
            assert await other.find_sessions_by_shop(SHOP) == []
        assert PASSWORD not in repr(storage)
        assert "127.0.0.1" in repr(storage)


@pytest.mark.asyncio
async def test_wrong_password_is_told_without_showing_it(redis_url):
    parts = redis_url.partition("://")[2].rpartition("@")[2]
    for url in (f"redis://{USER}:sekret@{parts}", f"redis+cluster://{USER}:sekret@{parts}"):
        with pytest.raises(SessionStorageUnavailableError) as caught:
            await RedisSessionStorage(url).ready()
        assert "sekret" not in f"{caught.value} {caught.value.__cause__!r}"


@pytest.mark.asyncio
async def test_single_client_on_a_cluster_is_told_so(redis_cluster_url):
    plain = redis_cluster_url.replace("redis+cluster", "redis")
    storage = RedisSessionStorage(plain, session_key_prefix="one", on_error="raise")
    results = await asyncio.gather(
        *(storage.load_session(f"{number}") for number in range(20)), return_exceptions=True
    )
    assert any(
        isinstance(result, SessionStorageUnavailableError) and "redis+cluster://" in str(result)
        for result in results
    )
    await storage.disconnect()


@pytest.mark.asyncio
async def test_server_that_repeats_arguments_shows_no_token(prefix, caplog):
    # A command that does not exist is answered with the arguments that it was given.
    with (
        tempfile.TemporaryDirectory() as name,
        servers.local(
            Path(name), "--rename-command", "EVALSHA", "", "--rename-command", "EVAL", ""
        ) as url,
    ):
        with servers.connect(url) as server:
            server.set("shopify_sessions_migrations", '{"migrateToVersion1_0_1":true}')
            with pytest.raises(sync_redis.ResponseError, match="shpat_secret"):
                server.execute_command("EVALSHA", "a", "b", "shpat_secret")
        session = offline_session("s", id="i", access_token="shpat_secret")
        async with RedisSessionStorage(url, on_error="raise") as storage:
            with pytest.raises(SessionStorageUnavailableError) as caught:
                await storage.store_session(session)
        cause = caught.value.__cause__
        assert isinstance(cause, ResponseError)
        shown = f"{caught.value} {cause} {cause.args} {vars(cause)} {cause.__context__}"
        assert "unknown command" in shown
        assert "beginning" not in shown
        with caplog.at_level(logging.DEBUG):
            async with RedisSessionStorage(url) as storage:
                assert await storage.store_session(session) is False
        assert "shpat" not in caplog.text


@pytest.mark.asyncio
async def test_full_server_refuses_a_store_as_a_whole(prefix):
    with tempfile.TemporaryDirectory() as name, servers.local(Path(name)) as url:
        async with RedisSessionStorage(url, on_error="raise") as storage:
            old = offline_session(SHOP)
            await storage.store_session(old)
            with servers.connect(url) as server:
                server.config_set("maxmemory", "1mb")
                with pytest.raises(SessionStorageUnavailableError, match="OutOfMemory"):
                    await storage.store_session(online_session(SHOP))
                assert [one.id for one in await storage.find_sessions_by_shop(SHOP)] == [old.id]
                assert await storage.delete_session(old.id) is True
                server.config_set("maxmemory", "0")
            assert await storage.store_session(online_session(SHOP)) is True


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
