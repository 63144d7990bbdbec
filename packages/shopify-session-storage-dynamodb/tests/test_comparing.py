"""compare_and_store() and leases on DynamoDB: processes, operations, items, repetitions."""

import asyncio
import logging
from dataclasses import replace
from datetime import timedelta
from urllib.parse import quote

import pytest
from servers.racing import count_in_processes, lease_of_the_dead
from shopify_session_storage import CorruptSessionError, SessionStorageError
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage_dynamodb.items import item_of

from .between import failure
from .conftest import SHOP

SESSION = offline_session("shop.myshopify.com")
NEWER = replace(SESSION, access_token="newer")
MINUTE = timedelta(minutes=1)
MANY = [online_session(SHOP, user) for user in range(30)]


@pytest.fixture
def url(dynamodb_url, table, monkeypatch):
    """Return the URL of a storage, for a process with credentials in its environment."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "tester")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "sekret")
    endpoint = quote(dynamodb_url, safe="")
    return f"dynamodb://eu-west-1/{table}?create_table=true&endpoint_url={endpoint}"


def test_two_processes_count_together(url):
    count_in_processes(url, {"on_error": "raise"})


def test_lease_of_a_dead_process_ends(url):
    lease_of_the_dead(url, {"on_error": "raise"})


@pytest.mark.asyncio
async def test_each_call_is_one_operation(make, between):
    async with make(between.url) as storage:
        for call, operation in (
            (lambda: storage.compare_and_store(SESSION, None), "PutItem"),
            (lambda: storage.compare_and_store(SESSION, None), "PutItem"),
            (lambda: storage.compare_and_store(SESSION, SESSION), "PutItem"),
            (lambda: storage.acquire_lease("name", "a", MINUTE), "PutItem"),
            (lambda: storage.acquire_lease("name", "b", MINUTE), "PutItem"),
            (lambda: storage.release_lease("name", "b"), "DeleteItem"),
            (lambda: storage.release_lease("name", "a"), "DeleteItem"),
        ):
            between.operations.clear()
            await call()
            assert between.operations == [operation]


def losing_the_first_answer(between, *, after=None):
    """Break the connection when the server has done the first put, and do *after* then."""
    lost = []

    async def spoil(operation, parameters, forward):
        answer = await forward(parameters)
        if operation == "PutItem" and not lost:
            lost.append(answer)
            if after is not None:
                await after()
            return None
        return answer

    between.spoil = spoil
    return lost


@pytest.mark.asyncio
@pytest.mark.parametrize("expected", [None, SESSION])
async def test_comparison_that_botocore_repeats_is_won_if_it_had_taken_effect(
    make, between, expected
):
    async with make(between.url) as storage:
        if expected is not None:
            await storage.store_session(expected)
        lost = losing_the_first_answer(between)
        assert await storage.compare_and_store(NEWER, expected) is True
        assert [status for status, _ in lost] == [200]
        assert NEWER.equals(await storage.load_session(SESSION.id))


@pytest.mark.asyncio
async def test_comparison_that_botocore_repeats_is_lost_to_whoever_came_after_it(
    make, between, raw, table
):
    async def overwrite():
        await raw.put_item(TableName=table, Item=item_of(replace(SESSION, access_token="theirs")))

    async with make(between.url) as storage:
        losing_the_first_answer(between, after=overwrite)
        assert await storage.compare_and_store(NEWER, None) is False


@pytest.mark.asyncio
async def test_lost_comparison_is_lost_also_if_the_tokens_are_the_same(storage):
    await storage.store_session(NEWER)
    assert await storage.compare_and_store(NEWER, SESSION) is False
    assert await storage.compare_and_store(NEWER, None) is False


@pytest.mark.asyncio
async def test_tokens_of_type_null_are_none(storage, raw, table):
    item = {**item_of(SESSION), "accessToken": {"NULL": True}}
    await raw.put_item(TableName=table, Item=item)
    assert not await storage.compare_and_store(NEWER, replace(SESSION, access_token=""))
    assert await storage.compare_and_store(NEWER, replace(SESSION, access_token=None))
    assert NEWER.equals(await storage.load_session(SESSION.id))


@pytest.mark.asyncio
async def test_lease_is_an_item_that_the_index_does_not_have(storage, raw, table):
    assert await storage.acquire_lease(SESSION.id, "holder é", MINUTE)
    found = await raw.scan(TableName=table)
    [item] = found["Items"]
    assert item.keys() == {"id", "holder", "leaseExpires"}
    assert item["id"] == {"S": f"shop:lease:{SESSION.id}"}
    assert (await raw.scan(TableName=table, IndexName="shop_index"))["Count"] == 0
    await storage.release_lease(SESSION.id, "holder é")
    assert (await raw.scan(TableName=table))["Count"] == 0


@pytest.mark.asyncio
async def test_refused_comparison_shows_no_token(make, between, caplog):
    caplog.set_level(logging.DEBUG, "shopify_session_storage")
    async with make(between.url, on_error="log") as storage:

        async def refuse(operation, parameters, forward):
            token = parameters["Item"]["accessToken"]["S"]
            return failure("ValidationException", f"Type mismatch for {token}")

        between.spoil = refuse
        with pytest.raises(SessionStorageError, match="refuses the session") as caught:
            await storage.compare_and_store(SESSION, NEWER)
    shown = ""
    error = caught.value
    while error is not None:
        shown += f"{error!r} {error} {vars(error)!r}"
        error = error.__cause__ or error.__context__
    for token in (SESSION.access_token, SESSION.refresh_token, NEWER.access_token):
        assert token not in shown + caplog.text


@pytest.mark.asyncio
async def test_repeated_comparison_that_finds_what_it_cannot_read_says_so(
    make, between, raw, table
):
    async def spoil_it():
        await raw.put_item(TableName=table, Item={"id": {"S": SESSION.id}, "shop": {"S": "shop"}})

    async with make(between.url) as storage:
        losing_the_first_answer(between, after=spoil_it)
        with pytest.raises(CorruptSessionError):
            await storage.compare_and_store(SESSION, None)


@pytest.mark.asyncio
async def test_compared_deletes_have_each_their_own_answer(make, between, raw, table):
    async with make(between.url) as storage:
        await asyncio.gather(*map(storage.store_session, MANY))
        newer = [replace(one, refresh_token="newer") for one in MANY[::2]]
        await asyncio.gather(*map(storage.store_session, newer))
        null = {**item_of(MANY[1]), "accessToken": {"NULL": True}}
        await raw.put_item(TableName=table, Item=null)
        between.operations.clear()
        deleted = await asyncio.gather(*map(storage.compare_and_delete, MANY))
        assert between.operations == ["DeleteItem"] * 30
        assert deleted == [number % 2 == 1 and number != 1 for number in range(30)]
        assert not await storage.compare_and_delete(replace(MANY[1], access_token=""))
        assert await storage.compare_and_delete(replace(MANY[1], access_token=None))
        remaining = {one.id for one in await storage.find_sessions_by_shop(SHOP)}
        assert remaining == {one.id for one in newer}
        assert await storage.compare_and_delete(MANY[1])  # it is not there


@pytest.mark.asyncio
async def test_compared_delete_whose_answer_is_lost_is_done(make, between):
    lost = []

    async def spoil(operation, parameters, forward):
        answer = await forward(parameters)
        if operation == "DeleteItem" and not lost:
            lost.append(answer)
            return None
        return answer

    async with make(between.url) as storage:
        await storage.store_session(SESSION)
        between.spoil = spoil
        assert await storage.compare_and_delete(SESSION) is True
        assert lost
        assert await storage.load_session(SESSION.id) is None
