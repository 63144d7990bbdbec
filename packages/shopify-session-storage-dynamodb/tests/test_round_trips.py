"""Round trips: one for each call, few for many at once, as many as pages in big shops."""

import asyncio

import pytest
from shopify_session_storage.testing.sessions import offline_session, online_session

from .conftest import SHOP, same


@pytest.mark.asyncio
async def test_round_trips_of_each_call(make, between):
    async with make(between.url) as storage:
        assert between.operations == ["DescribeTable", "CreateTable", "GetItem"]
        many = [online_session(SHOP, user) for user in range(120)]
        ids = [one.id for one in many]
        await asyncio.gather(*map(storage.store_session, many))
        for call, operations in (
            (lambda: storage.store_session(many[0]), ["PutItem"]),
            (lambda: storage.load_session(ids[0]), ["GetItem"]),
            (lambda: storage.load_session("missing"), ["GetItem"]),
            (lambda: storage.find_sessions_by_shop("missing.example"), ["Query"]),
            (lambda: storage.find_sessions_by_shop(SHOP), ["Query"] + 2 * ["BatchGetItem"]),
            (lambda: storage.delete_session(ids[0]), ["DeleteItem"]),
            (lambda: storage.delete_sessions(ids[1:]), 5 * ["BatchWriteItem"]),
        ):
            between.operations.clear()
            await call()
            assert between.operations == operations
        between.operations.clear()
        await storage.ready()
        assert between.operations == ["GetItem"]
    async with make(between.url):
        assert between.operations[1:] == ["DescribeTable", "GetItem"]


@pytest.mark.asyncio
async def test_calls_that_wait_travel_together(make, between):
    async with make(between.url) as storage:
        many = [online_session(SHOP, user) for user in range(200)]
        between.operations.clear()
        await asyncio.gather(*map(storage.store_session, many))
        assert len(between.operations) <= 4 + 10
        between.operations.clear()
        assert same(many, await asyncio.gather(*(storage.load_session(one.id) for one in many)))
        assert len(between.operations) <= 4 + 4
        between.operations.clear()
        await asyncio.gather(*(storage.delete_session(one.id) for one in many))
        assert len(between.operations) <= 4 + 10
        assert await storage.find_sessions_by_shop(SHOP) == []


@pytest.mark.asyncio
@pytest.mark.parametrize("consistent", [True, False])
async def test_reads_are_as_consistent_as_asked_for(make, between, consistent):
    asked = []

    async def spoil(operation, parameters, forward):
        if operation == "BatchGetItem":
            (of_table,) = parameters["RequestItems"].values()
            asked.append(of_table["ConsistentRead"])
        elif operation == "GetItem" and parameters["Key"]["id"]["S"] != "migrations":
            asked.append(parameters["ConsistentRead"])
        return await forward(parameters)

    between.spoil = spoil
    async with make(between.url, consistent_read=consistent) as storage:
        await storage.store_session(online_session(SHOP, 1))
        await storage.store_session(online_session(SHOP, 2))
        await storage.load_session(f"{SHOP}_1")
        assert len(await storage.find_sessions_by_shop(SHOP)) == 2
    assert asked == [consistent, consistent]


@pytest.mark.asyncio
async def test_shop_with_ten_thousand_sessions(storage):
    long = "s" * 100
    many = [offline_session(SHOP, id=f"{long}{user}") for user in range(10_000)]
    queries = []
    storage._client.meta.events.register(
        "before-call.dynamodb.Query", lambda **arguments: queries.append(arguments)
    )
    await asyncio.gather(*map(storage.store_session, many))
    found = await storage.find_sessions_by_shop(SHOP)
    assert len(queries) > 1  # a page has 1 MB at most
    assert sorted(one.id for one in found) == sorted(one.id for one in many)
    assert await storage.delete_sessions(one.id for one in many) is True
    assert await storage.find_sessions_by_shop(SHOP) == []


@pytest.mark.asyncio
async def test_sessions_of_the_largest_size(make, between):
    # An é takes two bytes. An answer of BatchGetItem has 16 MB at most, so it leaves some.
    many = [
        online_session(SHOP, user, access_token="é" * 140_000, scope="s" * 19_000)
        for user in range(60)
    ]
    async with make(between.url) as storage:
        for start in range(0, 60, 20):
            await asyncio.gather(*map(storage.store_session, many[start : start + 20]))
        between.operations.clear()
        found = {one.id: one for one in await storage.find_sessions_by_shop(SHOP)}
        assert between.operations.count("BatchGetItem") > 1
        assert same(many, [found[one.id] for one in many])
