"""MongoDB deletes by itself what is dead: the field and the index that tell it to."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from servers.mongodb import is_mongodb
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage_mongodb import MongoDBSessionStorage

from .conftest import on_each_server

pytestmark = [pytest.mark.asyncio, on_each_server]
GRACE = timedelta(seconds=1)
NOW = datetime.now(UTC).replace(microsecond=0)
PAST, LATER = NOW - timedelta(days=3), NOW + timedelta(days=3)


@pytest_asyncio.fixture
async def expiring(mongodb_url, collection, raw):
    async with MongoDBSessionStorage(
        mongodb_url, session_collection_name=collection, expire_dead=GRACE, on_error="raise"
    ) as storage:
        yield storage


async def test_the_index_is_made_once_or_it_is_said(storage, expiring, raw, caplog):
    await storage.disconnect()
    await expiring.disconnect()
    assert await expiring.is_ready()
    if "createIndex({purge_at: 1}, {expireAfterSeconds: 0})" in caplog.text:
        assert "NotImplemented" in caplog.text or "238" in caplog.text
        return
    (index,) = [one for one in raw.list_indexes() if dict(one["key"]) == {"purge_at": 1}]
    assert index["expireAfterSeconds"] == 0


async def test_each_write_says_when(expiring, storage, raw):
    dead = offline_session("a.myshopify.com", expires=PAST, refresh_token_expires=PAST)
    alive = replace(dead, access_token="new", refresh_token_expires=LATER)
    forever = replace(alive, access_token="newer", refresh_token_expires=None)

    def purge_at():
        return raw.find_one({"id": dead.id}).get("purge_at")

    assert await expiring.compare_and_store(dead, None)
    assert NOW <= purge_at() <= datetime.now(UTC) + GRACE
    assert await expiring.compare_and_store(alive, dead)
    assert purge_at() == LATER + GRACE
    assert (await storage.load_session(dead.id)).equals(alive)
    assert await expiring.store_session(forever)
    assert purge_at() is None
    others = [online_session("b.myshopify.com", user, expires=LATER) for user in range(3)]
    await asyncio.gather(*map(expiring.store_session, [alive, *others]))
    assert raw.count_documents({"purge_at": LATER + GRACE}) == 4
    assert await storage.store_session(alive)  # without the option
    assert purge_at() is None


async def test_the_server_deletes_the_dead_alone(expiring, raw, mongodb_url):
    dead = online_session("a.myshopify.com", 1, expires=PAST)
    alive = online_session("a.myshopify.com", 2, expires=LATER)
    await asyncio.gather(*map(expiring.store_session, [dead, alive]))
    if not is_mongodb(mongodb_url):  # the stand-ins never do, so that somebody has to
        assert (await expiring.purge_expired()).deleted == 1
    for _ in range(150):  # it looks once a minute
        if await expiring.load_session(dead.id) is None:
            break
        await asyncio.sleep(1)
    assert [one.id for one in await expiring.find_sessions_by_shop("a.myshopify.com")] == [alive.id]
