"""Several writers of the same lists."""

import asyncio
import random
import sys
import threading
import time

import pytest
from shopify_session_storage import open_session_storage
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage_kv_style import KVSessionStorage
from shopify_session_storage_kv_style.lists import lists_of

from .conftest import Plain, ids, namespace_of, through
from .node import Node


@pytest.fixture(params=["with bulk calls", "without"])
def namespace(request, raw):
    """Return a namespace with bulk calls, and one without."""
    return raw if request.param == "with bulk calls" else Plain(raw)


@pytest.mark.asyncio
async def test_sessions_that_move_between_shops_are_listed_where_they_are(namespace, shop):
    chance = random.Random(7)
    storages = [KVSessionStorage(namespace, on_error="raise") for _ in range(4)]

    async def writer(storage: KVSessionStorage) -> None:
        for _ in range(12):
            id, number = f"id{chance.randrange(4)} {shop}", chance.randrange(3)
            if chance.random() < 0.3:
                await storage.delete_session(id)
            else:
                await storage.store_session(offline_session(f"{number}.{shop}", id=id))

    await asyncio.gather(*(writer(storage) for storage in storages for _ in range(3)))
    stored = [one for n in range(4) if (one := await storages[0].load_session(f"id{n} {shop}"))]
    for number in range(3):
        found = await storages[1].find_sessions_by_shop(f"{number}.{shop}")
        assert {one.id for one in found} == {
            one.id for one in stored if one.shop == f"{number}.{shop}"
        }


@pytest.mark.asyncio
async def test_bursts_of_new_sessions_stay_within_one_write_a_second(
    kv_url, shop, proxy, write_limit
):
    async with open_session_storage(through(proxy, kv_url), on_error="raise") as storage:
        many = [online_session(shop, user) for user in range(100)]
        started = time.monotonic()
        burst = asyncio.gather(*map(storage.store_session, many))
        await asyncio.sleep(0.1)
        proxy.reset()
        beside = offline_session(f"another.{shop}")
        assert await storage.store_session(beside) is True
        assert await storage.load_session(beside.id) is not None
        assert all(await burst)
        assert time.monotonic() - started < 8
        assert proxy.round_trips < 30
        assert ids(await storage.find_sessions_by_shop(shop)) == ids(many)
        for session in many[:2]:  # one after the other
            await storage.delete_session(session.id)
        assert ids(await storage.find_sessions_by_shop(shop)) == ids(many[2:])


def test_threads_of_one_process_lose_nothing_of_each_other(kv_url, shop):
    failures = []

    def work(number):
        async def main():
            async with open_session_storage(kv_url, on_error="raise") as storage:
                for user in range(10):
                    await storage.store_session(online_session(shop, number * 100 + user))
                await storage.delete_session(f"{shop}_{number * 100}")

        try:
            asyncio.run(main())
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []

    async def found():
        async with namespace_of(kv_url) as raw:
            return await Node(raw).find(shop)

    assert set(asyncio.run(found())) == {
        f"{shop}_{number * 100 + user}" for number in range(4) for user in range(1, 10)
    }


def test_threads_that_begin_together_share_what_is_known_of_lists():
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(200):
            assert _shared_by_threads()
    finally:
        sys.setswitchinterval(interval)


def _shared_by_threads() -> bool:
    namespace, found, barrier = object(), [], threading.Barrier(8)

    def look():
        barrier.wait()
        found.append(lists_of(namespace))

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(found) == 8 and all(one is found[0] for one in found)
