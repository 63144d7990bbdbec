"""Every wait has an end: for a silent server, on a silent connection, by a caller's own limit."""

import asyncio
import time
from datetime import timedelta

import pytest
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient
from servers.calling import each_call
from shopify_session_storage import SessionStorageUnavailableError
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage_mongodb import MongoDBSessionStorage

from .conftest import SHOP, through

SESSION = offline_session(SHOP)
MANY = [online_session(SHOP, user) for user in range(20)]


def client_of(kind: str, url: str):
    return (
        url
        if kind == "url"
        else {"motor": AsyncIOMotorClient, "pymongo": AsyncMongoClient}[kind](url)
    )


async def close(client) -> None:
    if not isinstance(client, str):
        closing = client.close()
        if closing is not None:
            await closing


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", ["url", "motor", "pymongo"])
async def test_silent_server_holds_no_call_for_longer_than_its_limit(
    mongodb_url, collection, raw, between, kind
):
    client = client_of(kind, through(between, mongodb_url))
    storage = MongoDBSessionStorage(
        client,
        session_collection_name=collection,
        on_error="raise",
        timeout=timedelta(seconds=1),
    )
    await storage.store_session(SESSION)
    between.silent = True
    began = time.monotonic()
    results = await asyncio.gather(*each_call(storage, SESSION, MANY), return_exceptions=True)
    assert time.monotonic() - began < 2.5
    assert all(isinstance(result, SessionStorageUnavailableError) for result in results)
    assert await storage.is_ready() is False
    between.silent = False
    await asyncio.sleep(0.1)
    async with asyncio.timeout(30):  # the driver watches the server every ten seconds
        while not await storage.is_ready():
            await asyncio.sleep(0.1)
    assert SESSION.equals(await storage.load_session(SESSION.id))
    await storage.disconnect()
    await close(client)


@pytest.mark.asyncio
async def test_silent_connections_are_given_up_for_new_ones(make, between):
    async with make(2) as storage:
        await asyncio.gather(*map(storage.store_session, MANY))
        between.silence_connections()
        began = time.monotonic()
        assert MANY[0].equals(await storage.load_session(MANY[0].id))
        assert time.monotonic() - began < 3
        began = time.monotonic()
        assert len(await storage.find_sessions_by_shop(SHOP)) == len(MANY)
        assert await storage.store_session(MANY[0]) is True
        assert time.monotonic() - began < 1


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", ["url", "motor", "pymongo"])
async def test_limit_of_the_caller_ends_a_call_at_once(mongodb_url, collection, raw, between, kind):
    client = client_of(kind, through(between, mongodb_url))
    storage = MongoDBSessionStorage(
        client,
        session_collection_name=collection,
        on_error="raise",
        timeout=timedelta(seconds=2),
    )
    await storage.ready()
    between.silent = True
    for call in each_call(storage, SESSION, MANY):
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await call
        assert time.monotonic() - began < 1
    between.silent = False
    await storage.disconnect()
    await close(client)


@pytest.mark.asyncio
async def test_disconnecting_from_a_silent_server_has_an_end(make, between):
    storage = make(1)
    await storage.store_session(SESSION)
    between.silent = True
    began = time.monotonic()
    await storage.disconnect()
    assert time.monotonic() - began < 5
    between.silent = False


@pytest.mark.asyncio
async def test_servers_own_limit_is_below_ours(make, between):
    limits = []

    def note(command):
        if "maxTimeMS" in command:
            limits.append(command["maxTimeMS"])

    async with make(5) as storage:
        between.refuse = note
        await storage.store_session(SESSION)
        await storage.load_session(SESSION.id)
    assert len(limits) == 2
    assert all(3000 < limit <= 4500 for limit in limits)


@pytest.mark.asyncio
@pytest.mark.parametrize("option", ["timeoutMS", "socketTimeoutMS"])
async def test_shorter_limit_of_the_url_counts(mongodb_url, collection, raw, between, option):
    url = through(between, mongodb_url)
    url += f"{'&' if '?' in url else '?'}{option}=300"
    async with MongoDBSessionStorage(
        url, session_collection_name=collection, on_error="raise"
    ) as storage:
        between.silent = True
        began = time.monotonic()
        with pytest.raises(SessionStorageUnavailableError):
            await storage.load_session(SESSION.id)
        assert time.monotonic() - began < 8
        between.silent = False
