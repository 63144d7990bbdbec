"""Walking through a namespace, and dropping what dangles in its lists."""

import asyncio
import json

import pytest
from shopify_session_storage.testing.sessions import online_session, unique
from shopify_session_storage_kv_style import KVSessionStorage, lists
from shopify_session_storage_kv_style.lists import Lists

pytestmark = pytest.mark.asyncio


class Plain:
    """A namespace with three methods, as a user may have it."""

    def __init__(self):
        self.texts = {}

    async def get(self, key):
        return self.texts.get(key)

    async def put(self, key, value):
        self.texts[key] = value

    async def delete(self, key):
        self.texts.pop(key, None)


class Listing(Plain):
    async def list_keys(self, prefix, cursor, limit):
        keys = sorted(key for key in self.texts if key.startswith(prefix) and key > (cursor or ""))
        return keys[:limit], keys[limit - 1] if len(keys) > limit else None


async def test_a_namespace_that_cannot_list_is_named_at_once():
    storage = KVSessionStorage(Plain())
    with pytest.raises(NotImplementedError, match="Plain has no list_keys"):
        storage.scan_sessions()
    with pytest.raises(NotImplementedError, match="ListingKVNamespace"):
        await storage.purge_expired()


async def test_lists_are_left_out_and_what_cannot_be_read_is_told():
    namespace = Listing()
    storage = KVSessionStorage(namespace, on_error="raise")
    stored = [online_session(f"shop-{number}.myshopify.com") for number in range(12)]
    await asyncio.gather(*map(storage.store_session, stored))
    namespace.texts |= {"broken": "[[", "moved": namespace.texts[stored[0].id]}
    pages = [page async for page in storage.scan_sessions(batch=4)]
    assert sorted(one.id for page in pages for one in page.sessions) == sorted(
        one.id for one in stored
    )
    assert [id for page in pages for id in page.corrupt] == ["broken", "moved"]


async def test_what_dangles_is_dropped_and_looked_for_again(storage, raw, monkeypatch):
    shop = f"{unique('shop')}.myshopify.com"
    sessions = [online_session(shop, user) for user in range(4)]
    await asyncio.gather(*map(storage.store_session, sessions))
    await storage.disconnect()  # forgets what it has written itself
    await raw.delete(sessions[1].id)
    await raw.delete(sessions[2].id)
    text = await raw.get(sessions[3].id)
    await storage.purge_expired(dry_run=True)
    assert len(json.loads(await raw.get(f"shop:{shop}"))) == 4
    await storage.purge_expired()
    assert sorted(json.loads(await raw.get(f"shop:{shop}"))) == [sessions[0].id, sessions[3].id]
    # Another process has stored it meanwhile, and has found it in the list as it was.
    await raw.put(sessions[1].id, text.replace(sessions[3].id, sessions[1].id))
    assert len(await storage.find_sessions_by_shop(shop)) == 3
    monkeypatch.setattr(lists, "STALE_SECONDS", -1e9)
    await storage.store_session(sessions[0])
    listed = json.loads(await raw.get(f"shop:{shop}"))
    assert sorted(listed) == [sessions[0].id, sessions[1].id, sessions[3].id]


async def test_what_is_stored_while_lists_are_tidied_is_found(times):
    namespace = Listing()
    storage = KVSessionStorage(namespace, on_error="raise")
    sessions = [online_session("a.myshopify.com", user) for user in range(6)]
    for _ in range(max(24, times)):
        namespace.texts = {"shop:a.myshopify.com": json.dumps([one.id for one in sessions])}
        await asyncio.gather(storage.purge_expired(), *map(storage.store_session, sessions))
        fresh = KVSessionStorage(namespace)
        fresh._lists = Lists(fresh)  # as in another process
        assert len(await fresh.find_sessions_by_shop("a.myshopify.com")) == len(sessions)
