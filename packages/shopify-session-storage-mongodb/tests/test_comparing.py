"""compare_and_store() and leases on MongoDB: processes, round trips, documents, clocks."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from pymongo import AsyncMongoClient
from servers.racing import count_in_processes, count_through_cuts, lease_of_the_dead
from shopify_session_storage import SessionStorageError
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage_mongodb import MongoDBSessionStorage

from .conftest import LEAVES_SOCKETS, counted, on_each_server, through

pytestmark = LEAVES_SOCKETS

SESSION = offline_session("shop.myshopify.com")
NEWER = replace(SESSION, access_token="newer")
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def _cleaned(raw):
    yield
    raw.database.drop_collection(f"{raw.name}_leases")


@on_each_server
def test_two_processes_count_together(mongodb_url, collection):
    count_in_processes(mongodb_url, {"session_collection_name": collection, "on_error": "raise"})


@on_each_server
def test_lease_of_a_dead_process_ends(mongodb_url, collection):
    lease_of_the_dead(mongodb_url, {"session_collection_name": collection, "on_error": "raise"})


@on_each_server
@pytest.mark.asyncio
@pytest.mark.usefixtures("eager_driver")
async def test_no_comparison_is_lost_to_a_cut_connection(mongodb_url, collection, proxy):
    async with MongoDBSessionStorage(
        through(proxy, mongodb_url), session_collection_name=collection, on_error="raise"
    ) as storage:
        await count_through_cuts(storage, proxy.cut, to=40)


@pytest.mark.asyncio
async def test_comparisons_take_one_round_trip_and_leases_two(mongodb_url, collection, proxy):
    async with MongoDBSessionStorage(
        counted(proxy, mongodb_url), session_collection_name=collection, on_error="raise"
    ) as storage:
        for call, expected in (
            (lambda: storage.compare_and_store(SESSION, None), 1),
            (lambda: storage.compare_and_store(SESSION, None), 1),
            (lambda: storage.compare_and_store(SESSION, SESSION), 1),
            (lambda: storage.compare_and_delete(NEWER), 2),
            (lambda: storage.compare_and_delete(SESSION), 1),
            (lambda: storage.compare_and_delete(SESSION), 2),
            (lambda: storage.acquire_lease("name", "a", MINUTE), 2),
            (lambda: storage.acquire_lease("name", "b", MINUTE), 2),
            (lambda: storage.release_lease("name", "a"), 1),
        ):
            proxy.reset()
            await call()
            assert proxy.round_trips == expected


@pytest.mark.asyncio
async def test_tokens_that_are_null_are_none(storage, raw):
    raw.insert_one(
        {"id": SESSION.id, "shop": SESSION.shop, "state": "", "isOnline": False,
         "accessToken": None}
    )  # fmt: skip
    assert not await storage.compare_and_store(NEWER, None)
    assert not await storage.compare_and_store(NEWER, replace(SESSION, access_token=""))
    without = replace(SESSION, access_token=None, refresh_token=None)
    assert await storage.compare_and_store(NEWER, without)
    assert NEWER.equals(await storage.load_session(SESSION.id))
    assert raw.count_documents({}) == 1


@pytest.mark.asyncio
async def test_compared_deletes_travel_together_and_each_has_its_own_answer(storage, raw):
    many = [online_session(SESSION.shop, user) for user in range(40)]
    await asyncio.gather(*map(storage.store_session, many))
    newer = [replace(one, refresh_token="newer") for one in many[::2]]
    await asyncio.gather(*map(storage.store_session, newer))
    raw.update_one({"id": many[1].id}, {"$set": {"accessToken": ""}})
    deleted = await asyncio.gather(*map(storage.compare_and_delete, many))
    assert deleted == [number % 2 == 1 and number != 1 for number in range(40)]
    remaining = {one.id for one in await storage.find_sessions_by_shop(SESSION.shop)}
    assert remaining == {many[1].id, *(one.id for one in newer)}
    assert await storage.compare_and_delete(replace(many[1], access_token="")) is True


@pytest.mark.asyncio
async def test_without_the_unique_index_a_session_that_is_there_is_seen(storage, raw):
    assert await storage.compare_and_store(SESSION, None)
    raw.drop_indexes()
    assert not await storage.compare_and_store(NEWER, None)
    assert raw.count_documents({}) == 1


@pytest.mark.asyncio
@pytest.mark.usefixtures("only_mongodb")  # FerretDB does not tell which index it was
async def test_unique_index_of_somebodys_own_is_a_failure_and_no_lost_comparison(storage, raw):
    raw.create_index("accessToken", unique=True)
    assert await storage.compare_and_store(SESSION, None)
    with pytest.raises(SessionStorageError):
        await storage.compare_and_store(replace(SESSION, id="other"), None)
    assert raw.count_documents({}) == 1


@pytest.mark.asyncio
async def test_the_clock_of_leases_is_the_servers_whatever_the_client_makes_of_dates(
    mongodb_url, collection, raw
):
    async with (
        AsyncMongoClient(mongodb_url, tz_aware=False) as client,
        MongoDBSessionStorage(
            client, session_collection_name=collection, on_error="raise"
        ) as storage,
    ):
        assert await storage.acquire_lease("name", "holder", MINUTE)
    lease = raw.database[f"{collection}_leases"].find_one()
    assert lease.keys() == {"_id", "holder", "expires"}
    assert (lease["_id"], lease["holder"]) == ("name", "holder")
    ends = datetime.fromtimestamp(lease["expires"] / 1000, UTC)
    assert timedelta(0) < ends - datetime.now(UTC) <= 2 * MINUTE
    assert raw.count_documents({}) == 0
