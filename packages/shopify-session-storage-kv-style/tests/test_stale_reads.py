"""Reads that miss what was written lose no session."""

import time

import pytest
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage_kv_style import KVSessionStorage
from shopify_session_storage_kv_style import lists as lists_module

from .conftest import ids
from .node import Node

MINUTE = lists_module.STALE_SECONDS


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
