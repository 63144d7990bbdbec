"""Lists of shops: no id is lost, and none comes back without its session."""

import asyncio
import json
import threading
import time
from dataclasses import replace
from datetime import timedelta

import pytest
from shopify_session_storage import SessionStorageUnavailableError, open_session_storage
from shopify_session_storage.testing.sessions import offline_session, online_session, unique
from shopify_session_storage_kv_style import KVSessionStorage
from shopify_session_storage_kv_style import lists as lists_module

from .conftest import namespace_of, through

MINUTE = lists_module.STALE_SECONDS


@pytest.fixture
def shop():
    """Return a shop that no other test uses."""
    return f"{unique('shop')}.example"


@pytest.fixture
def later(monkeypatch):
    """Return what lets time pass."""
    passed = 0.0
    monotonic = time.monotonic
    monkeypatch.setattr(lists_module.time, "monotonic", lambda: monotonic() + passed)

    def let_pass(seconds):
        nonlocal passed
        passed += seconds

    return let_pass


class Node:
    """What the official JavaScript adapter does."""

    def __init__(self, namespace):
        self._namespace = namespace

    async def store(self, session):
        await self._namespace.put(session.id, json.dumps(session.to_property_array(True)))
        await self._write(session.shop, [*await self.ids(session.shop), session.id])

    async def delete(self, session):
        await self._write(
            session.shop, [id for id in await self.ids(session.shop) if id != session.id]
        )
        await self._namespace.delete(session.id)

    async def find(self, shop):
        """Return the ids found, None for each undefined."""
        found = [(id, await self._namespace.get(id)) for id in await self.ids(shop)]
        return [None if text is None else id for id, text in found]

    async def ids(self, shop):
        return json.loads(await self._namespace.get(f"shop:{shop}") or "[]")

    async def _write(self, shop, ids):
        await self._namespace.put(f"shop:{shop}", json.dumps(ids))


# --- what others remove ---------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_id_that_node_has_removed_does_not_come_back(storage, raw, shop):
    node = Node(raw)
    first, second, third = (online_session(shop, user) for user in range(3))
    for before in ([], [third]):
        for session in (*before, first):
            await storage.store_session(session)
        await node.delete(first)
        await storage.store_session(second)
        assert None not in await node.find(shop)
        assert first.id not in await node.ids(shop)
        await storage.delete_session(second.id)
        assert first.id not in await node.ids(shop)
        assert None not in await node.find(shop)


@pytest.mark.asyncio
async def test_id_that_another_process_has_removed_does_not_come_back(kv_url, storage, raw, shop):
    first, second = online_session(shop, 1), online_session(shop, 2)
    await storage.store_session(first)
    async with open_session_storage(kv_url, on_error="raise") as other:
        other._lists = lists_module.Lists(other)  # as in another process
        await other.delete_session(first.id)
    await storage.store_session(second)
    assert await Node(raw).find(shop) == [second.id]


@pytest.mark.asyncio
async def test_session_that_node_stores_again_stays_listed(storage, raw, shop):
    node = Node(raw)
    first, second = online_session(shop, 1), online_session(shop, 2)
    await storage.store_session(first)
    await node.delete(first)
    await node.store(first)
    await storage.store_session(second)
    await storage.store_session(second)
    assert set(await node.find(shop)) == {first.id, second.id}


@pytest.mark.asyncio
async def test_session_that_has_moved_does_not_come_back_to_its_old_shop(storage, raw, shop):
    session, second = online_session(shop, 1), online_session(shop, 2)
    await storage.store_session(session)
    await storage.store_session(replace(session, shop=f"other.{shop}"))
    await storage.store_session(second)
    assert await Node(raw).find(shop) == [second.id]
    assert await Node(raw).find(f"other.{shop}") == [session.id]


class Recording:
    """A namespace that notes, after each step, what Node would find."""

    def __init__(self, namespace, shop):
        self.namespace, self.shop, self.found = namespace, shop, []

    async def get(self, key):
        return await self.namespace.get(key)

    async def put(self, key, value):
        await self.namespace.put(key, value)
        self.found.append(await Node(self.namespace).find(self.shop))

    async def delete(self, key):
        await self.namespace.delete(key)
        self.found.append(await Node(self.namespace).find(self.shop))


@pytest.mark.asyncio
async def test_process_that_dies_at_any_step_leaves_no_id_without_a_session(raw, shop):
    namespace = Recording(raw, shop)
    storage = KVSessionStorage(namespace, on_error="raise")
    sessions = [online_session(shop, user) for user in range(3)]
    for session in sessions:
        await storage.store_session(session)
    await storage.compare_and_store(sessions[0], sessions[0])
    await storage.compare_and_delete(sessions[0])
    await storage.store_session(replace(sessions[1], shop=f"other.{shop}"))
    await storage.delete_sessions([session.id for session in sessions])
    assert len(namespace.found) > 10
    assert not [found for found in namespace.found if None in found]


# --- reads that miss what was written -------------------------------------------------------------


class Stale:
    """A namespace whose reads miss what was written since its :meth:`converge`."""

    def __init__(self, namespace):
        self._namespace = namespace
        self._read = {}

    async def get(self, key):
        if key not in self._read:
            self._read[key] = await self._namespace.get(key)
        return self._read[key]

    async def put(self, key, value):
        await self.get(key)
        await self._namespace.put(key, value)

    async def delete(self, key):
        await self.get(key)
        await self._namespace.delete(key)

    def converge(self, *keys):
        for key in keys or list(self._read):
            self._read.pop(key, None)


def ids(sessions):
    return {session.id for session in sessions}


@pytest.mark.asyncio
async def test_no_list_loses_a_session_when_its_read_alone_is_old(raw, shop):
    namespace = Stale(raw)
    storages = [KVSessionStorage(namespace, on_error="raise") for _ in range(2)]
    many = [online_session(shop, user) for user in range(8)]
    for number, session in enumerate(many):
        await storages[number % 2].store_session(session)
        namespace.converge(session.id)
    assert ids(await storages[0].find_sessions_by_shop(shop)) == ids(many)
    assert set(await Node(raw).find(shop)) == ids(many)


@pytest.mark.asyncio
async def test_session_in_doubt_is_found_by_us_and_listed_as_soon_as_it_is_seen(raw, shop):
    namespace = Stale(raw)
    storages = [KVSessionStorage(namespace, on_error="raise") for _ in range(2)]
    many = [online_session(shop, user) for user in range(8)]
    for number, session in enumerate(many):  # one after the other, each read as old as can be
        await storages[number % 2].store_session(session)
    namespace.converge()
    assert ids(await storages[0].find_sessions_by_shop(shop)) == ids(many)
    await storages[0].delete_sessions([many[0].id, many[1].id])
    new = online_session(shop, 100)
    await storages[1].store_session(new)
    namespace.converge()
    assert set(await Node(raw).find(shop)) == ids([*many[2:], new])


@pytest.mark.asyncio
async def test_session_in_doubt_is_settled_by_any_write_when_the_minute_is_over(raw, shop, later):
    namespace = Stale(raw)
    storage = KVSessionStorage(namespace, on_error="raise")
    first, second, gone = (online_session(shop, user) for user in range(3))
    await storage.store_session(first)
    await storage.store_session(gone)
    await Node(raw).delete(gone)
    await storage.store_session(second)  # on an old read: the list has this one alone
    assert await Node(raw).ids(shop) == [second.id]
    later(MINUTE + 1)
    namespace.converge()
    await storage.store_session(offline_session(f"another.{shop}"))
    assert set(await Node(raw).find(shop)) == {first.id, second.id}
    assert storage._lists.overdue() == {}


@pytest.mark.asyncio
async def test_what_is_remembered_of_lists_is_bounded_by_a_minute(storage, shop, later):
    for user in range(20):
        await storage.store_session(online_session(shop, user))
    assert len(storage._lists.lately(shop)) == 20
    later(MINUTE + 1)
    assert storage._lists.lately(shop) == []
    assert not storage._lists._added


# --- many at once ---------------------------------------------------------------------------------


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


@pytest.mark.asyncio
async def test_shop_whose_list_must_wait_holds_up_no_other(kv_url, shop):
    class Slow:
        """A namespace on which one list takes its time."""

        def __init__(self, namespace):
            self._namespace = namespace
            self.get, self.delete = namespace.get, namespace.delete

        async def put(self, key, value):
            if key == f"shop:{shop}":
                await asyncio.sleep(3)
            await self._namespace.put(key, value)

    async with namespace_of(kv_url) as raw:
        storage = KVSessionStorage(Slow(raw), on_error="raise")
        slow = asyncio.ensure_future(storage.store_session(offline_session(shop)))
        await asyncio.sleep(0.1)
        started = time.monotonic()
        for number in range(3):
            assert await storage.store_session(offline_session(f"{number}.{shop}"))
        assert time.monotonic() - started < 2
        assert not slow.done()
        assert await slow


@pytest.mark.asyncio
async def test_call_on_a_namespace_that_never_answers_ends_in_its_time(shop):
    class Silent:
        async def get(self, key):
            await asyncio.sleep(60)

        put = delete = get

    half = timedelta(seconds=0.5)
    storage = KVSessionStorage(Silent(), on_error="raise", timeout=half)
    for call in (
        lambda: storage.load_session("id"),
        lambda: storage.store_session(offline_session(shop)),
        lambda: storage.find_sessions_by_shop(shop),
        lambda: storage.compare_and_delete(offline_session(shop)),
    ):
        started = time.monotonic()
        with pytest.raises(SessionStorageUnavailableError, match=r"no answer within 0\.5 s"):
            await call()
        assert time.monotonic() - started < 2


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


# --- comparisons ----------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_compared_deletes_travel_together_and_clear_their_lists(kv_url, raw, shop, proxy):
    async with open_session_storage(through(proxy, kv_url), on_error="raise") as storage:
        many = [online_session(shop, user, access_token=f"{user % 2}") for user in range(40)]
        await asyncio.gather(*map(storage.store_session, many))
        proxy.reset()
        results = await asyncio.gather(
            *(storage.compare_and_delete(replace(one, access_token="1")) for one in many)
        )
        assert proxy.round_trips <= 8
        assert results == [one.access_token == "1" for one in many]
        kept = {one.id for one in many if one.access_token == "0"}
        assert ids(await storage.find_sessions_by_shop(shop)) == kept
        assert set(await Node(raw).find(shop)) == kept
        assert await storage.compare_and_delete(online_session(shop, 999)) is True
