"""The official adapters beside ours that let the backend delete what is dead.

They read what has a time to live, and what they write has none: it is kept too long, never too
short.
"""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from interop.backends import DYNAMODB, KV, MONGODB, REDIS
from shopify_session_storage.testing.sessions import offline_session, online_session, unique

pytestmark = pytest.mark.asyncio
GRACE = timedelta(seconds=1)
PAST = datetime.now(UTC).replace(microsecond=0) - timedelta(days=3)
LATER = PAST + timedelta(days=6)


@pytest.fixture(params=[REDIS, MONGODB, DYNAMODB, KV], ids=lambda backend: backend.name)
def backend(request):
    return request.param


@pytest_asyncio.fixture
async def python(space):
    storage = space.python()
    storage._expire_dead = GRACE  # as expire_dead= sets it
    async with storage:
        yield storage


async def has_an_end(storage, backend, id):
    """Tell whether the backend is to delete a session by itself."""
    if backend is REDIS:
        return await storage._client.one(("PTTL", storage._keys.key(id))) != -1
    if backend is MONGODB:
        return "purge_at" in await storage._collection.find_one({"id": id})
    if backend is DYNAMODB:
        found = await storage._client.get_item(TableName=storage._table.name, Key={"id": {"S": id}})
        return "ttl" in found["Item"]
    answer = json.loads(await storage._namespace._send("GET", f"keys?limit=10&prefix={id}"))
    return "expiration" in answer["result"][0]


async def test_what_javascript_writes_is_kept(backend, python, javascript):
    shop = f"{unique('shop')}.myshopify.com"
    live = offline_session(shop, expires=PAST, refresh_token_expires=LATER)
    dead = online_session(shop, expires=PAST)
    ours = online_session(shop, 2, expires=PAST)
    await asyncio.gather(*map(python.store_session, [live, ours]))
    assert await has_an_end(python, backend, live.id)
    loaded = await javascript.load_session(live.id)
    assert loaded.equals(live)
    for one in (live, dead):
        await javascript.store_session(one)
        assert not await has_an_end(python, backend, one.id)
    if backend is not MONGODB:  # whose stand-ins delete nothing by themselves
        for _ in range(90 if backend is KV else 30):  # a minute is the shortest time in KV
            if await python.load_session(ours.id) is None:
                break
            await asyncio.sleep(1)
        assert await python.load_session(ours.id) is None
    assert (await python.load_session(live.id)).equals(live)
    assert (await python.load_session(dead.id)).equals(dead)
    found = {one.id for one in await javascript.find_sessions_by_shop(shop) if one is not None}
    assert {live.id, dead.id} <= found
    # What nobody deletes by itself, somebody purges.
    assert (await python.purge_expired()).deleted >= 1
    assert await python.load_session(dead.id) is None
    assert (await python.load_session(live.id)).equals(live)
