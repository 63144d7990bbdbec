"""Workers KV deletes by itself what is dead."""

import asyncio
import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from shopify_session_storage import open_session_storage
from shopify_session_storage.testing.sessions import offline_session, online_session, unique
from shopify_session_storage_kv_style import KVSessionStorage

from .test_scanning import Plain

pytestmark = pytest.mark.asyncio
GRACE = timedelta(hours=1)
NOW = datetime.now(UTC).replace(microsecond=0)
PAST, LATER = NOW - timedelta(days=3), NOW + timedelta(days=3)


@pytest_asyncio.fixture
async def expiring(kv_url):
    async with open_session_storage(kv_url, expire_dead=GRACE, on_error="raise") as storage:
        yield storage


async def expiration(namespace, id):
    """Return when the server deletes a key, in seconds since the epoch."""
    answer = json.loads(await namespace._send("GET", f"keys?limit=10&prefix={id}"))
    (key,) = answer["result"]
    return key.get("expiration")


async def test_each_write_says_when(expiring, storage, raw):
    shop = f"{unique('shop')}.myshopify.com"
    dead = offline_session(shop, expires=PAST, refresh_token_expires=PAST)
    alive = replace(dead, access_token="new", refresh_token_expires=LATER)
    forever = replace(alive, access_token="newer", refresh_token_expires=None)
    assert await expiring.compare_and_store(dead, None)
    assert abs(await expiration(raw, dead.id) - time.time() - 3600) < 60
    assert await expiring.compare_and_store(alive, dead)
    assert abs(await expiration(raw, dead.id) - (LATER + GRACE).timestamp()) < 60
    assert (await storage.load_session(dead.id)).equals(alive)
    assert await expiring.store_session(forever)
    assert await expiration(raw, dead.id) is None
    others = [online_session(shop, user, expires=LATER) for user in range(3)]
    await asyncio.gather(*map(expiring.store_session, [alive, *others]))
    assert await expiration(raw, others[2].id) is not None
    assert await expiration(raw, f"shop:{shop}") is None
    assert await storage.store_session(alive)
    assert await expiration(raw, dead.id) is None


async def test_a_minute_is_the_shortest_time(kv_url, raw):
    dead = online_session(f"{unique('shop')}.myshopify.com", expires=PAST)
    async with open_session_storage(
        kv_url, expire_dead=timedelta(seconds=1), on_error="raise"
    ) as storage:
        assert await storage.store_session(dead)
        assert await storage.load_session(dead.id) is not None
        assert 50 < await expiration(raw, dead.id) - time.time() < 70


async def test_a_namespace_that_cannot_is_refused():
    with pytest.raises(TypeError, match="Plain has no put_expiring"):
        KVSessionStorage(Plain(), expire_dead=GRACE)
    storage = KVSessionStorage(expire_dead=GRACE)
    with pytest.raises(TypeError, match="ExpiringKVNamespace"):
        storage.set_namespace(Plain())
