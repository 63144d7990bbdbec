"""What a batch leaves unprocessed is sent again, and given up where nothing moves."""

import asyncio
from datetime import timedelta

import pytest
from shopify_session_storage import SessionStorageUnavailableError
from shopify_session_storage.testing.sessions import online_session

from .conftest import SHOP, same


def leaves(count: int):
    """Spoil batches: all but one item, and at most *count*, are left unprocessed."""

    async def spoil(operation, parameters, forward):
        if operation not in ("BatchGetItem", "BatchWriteItem"):
            return await forward(parameters)
        ((table, of_table),) = parameters["RequestItems"].items()
        if operation == "BatchWriteItem":
            done, left = of_table[count:] or of_table[:1], of_table[:count]
            left = [one for one in left if one not in done]
            status, answer = await forward({"RequestItems": {table: done}})
            answer["UnprocessedItems"] = {table: left} if left else {}
        else:
            keys = of_table["Keys"]
            done, left = keys[count:] or keys[:1], keys[:count]
            left = [one for one in left if one not in done]
            status, answer = await forward({"RequestItems": {table: {**of_table, "Keys": done}}})
            answer["UnprocessedKeys"] = {table: {**of_table, "Keys": left}} if left else {}
        return status, answer

    return spoil


@pytest.mark.asyncio
async def test_what_batches_leave_unprocessed_is_sent_again(make, between):
    many = [online_session(SHOP, user) for user in range(60)]
    async with make(between.url) as storage:
        between.spoil = leaves(10)
        assert all(await asyncio.gather(*map(storage.store_session, many)))
        assert same(many, await asyncio.gather(*(storage.load_session(one.id) for one in many)))
        assert len(await storage.find_sessions_by_shop(SHOP)) == 60
        assert await storage.delete_sessions(one.id for one in many[5:]) is True
        assert len(await storage.find_sessions_by_shop(SHOP)) == 5


@pytest.mark.asyncio
async def test_batches_that_do_not_move_are_given_up(make, between, caplog):
    many = [online_session(SHOP, user) for user in range(60)]
    async with make() as storage:
        await asyncio.gather(*map(storage.store_session, many))

    async def spoil(operation, parameters, forward):
        if operation == "BatchWriteItem":
            return 200, {"UnprocessedItems": parameters["RequestItems"]}
        if operation == "BatchGetItem":
            return 200, {"Responses": {}, "UnprocessedKeys": parameters["RequestItems"]}
        return await forward(parameters)

    limit = timedelta(seconds=10)
    async with (
        make(between.url, timeout=limit) as storage,
        make(between.url, timeout=limit, on_error="log") as logging_storage,
    ):
        between.spoil = spoil
        calls = (
            storage.find_sessions_by_shop(SHOP),
            storage.delete_sessions(one.id for one in many),
            logging_storage.find_sessions_by_shop(SHOP),
            logging_storage.delete_sessions(one.id for one in many),
        )
        results = await asyncio.gather(*calls, return_exceptions=True)
    for result in results[:2]:
        assert isinstance(result, SessionStorageUnavailableError)
        assert "unprocessed after 6 s" in str(result)
    assert results[2:] == [[], False]
    assert caplog.text.count("unprocessed after 6 s") == 2
