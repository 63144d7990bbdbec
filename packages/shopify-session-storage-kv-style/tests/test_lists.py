"""Lists of shops: no id is lost, and none comes back without its session."""

import json
from dataclasses import replace

import pytest
from shopify_session_storage import open_session_storage
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage_kv_style import KVSessionStorage
from shopify_session_storage_kv_style import lists as lists_module

from .node import Node


@pytest.mark.asyncio
async def test_lists_keep_what_may_be_on_its_way_and_lose_what_is_certainly_gone(
    storage, raw, shop
):
    old, moved, new = (online_session(shop, user) for user in range(3))
    await raw.put(f"shop:{shop}", json.dumps([old.id, "not here yet", old.id, moved.id, "\ud800"]))
    await storage.store_session(moved)
    moved.shop = f"other.{shop}"
    await storage.store_session(moved)
    await storage.store_session(new)
    assert json.loads(await raw.get(f"shop:{shop}")) == [old.id, "not here yet", new.id]
    assert json.loads(await raw.get(f"shop:{moved.shop}")) == [moved.id]
    await storage.store_session(old)
    assert {one.id for one in await storage.find_sessions_by_shop(shop)} == {old.id, new.id}
    await storage.delete_sessions([old.id, "missing"])
    assert json.loads(await raw.get(f"shop:{shop}")) == ["not here yet", new.id]


@pytest.mark.asyncio
async def test_odd_entries_of_a_list_do_no_harm(storage, raw, shop):
    session, elsewhere = offline_session(shop), offline_session(f"other.{shop}")
    await storage.store_session(session)
    await storage.store_session(elsewhere)
    odd = ["gone", session.id, session.id, elsewhere.id, "", ".", "x" * 600, "\ud800",
           f"shop:{shop}", "nul\0"]  # fmt: skip
    await raw.put(f"shop:{shop}", json.dumps(odd))
    assert [one.id for one in await storage.find_sessions_by_shop(shop)] == [session.id]
    await storage.store_session(online_session(shop))
    assert len(await storage.find_sessions_by_shop(shop)) == 2


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
