"""Round trips, big shops, many tasks, many processes."""

import asyncio
import json
import random
import subprocess
import sys
import textwrap
from dataclasses import replace
from datetime import timedelta

import pytest
from servers.disturbing import (
    travel_together,
)
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage_redis import RedisSessionStorage

from .conftest import raw_of, through

SHOP = "alpha.myshopify.com"


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
    async with RedisSessionStorage(
        any_url, session_key_prefix=prefix, on_error="raise", timeout=timedelta(minutes=2)
    ) as storage:
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
