"""Round trips: one for each call, few for many at once, also in big shops."""

import asyncio

import pytest
from servers.disturbing import travel_together
from shopify_session_storage.testing.sessions import online_session
from shopify_session_storage_mongodb import MongoDBSessionStorage

from .conftest import SHOP, counted


@pytest.mark.asyncio
async def test_every_operation_is_one_round_trip(mongodb_url, collection, raw, proxy):
    async with MongoDBSessionStorage(
        counted(proxy, mongodb_url), session_collection_name=collection, on_error="raise"
    ) as storage:
        many = [online_session(SHOP, user) for user in range(50)]
        for session in many:
            await storage.store_session(session)
        for call in (
            lambda: storage.store_session(many[0]),
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
async def test_calls_that_wait_travel_in_few_round_trips(mongodb_url, collection, raw, proxy):
    async with MongoDBSessionStorage(
        counted(proxy, mongodb_url), session_collection_name=collection, on_error="raise"
    ) as storage:
        await travel_together(storage, proxy)


@pytest.mark.asyncio
async def test_big_shops_and_many_ids(storage, raw):
    await storage.store_session(online_session(SHOP, 0))
    document = raw.find_one({"id": f"{SHOP}_0"})
    raw.insert_many(
        [{**document, "_id": user, "id": f"{SHOP}_{user}"} for user in range(1, 10_000)]
    )
    found = await storage.find_sessions_by_shop(SHOP)
    assert len({one.id for one in found}) == 10_000
    ids = [f"{SHOP}_{user}" for user in range(10_000)]
    loaded = await asyncio.gather(*map(storage.load_session, ids[:1000]))
    assert [one.id for one in loaded] == ids[:1000]
    assert await storage.delete_sessions(ids) is True
    assert raw.count_documents({}) == 0
