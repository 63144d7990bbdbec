"""The table and its index: used as they are, made if that is asked for, or told what is wrong."""

import asyncio

import pytest
from shopify_session_storage import MigrationError, SessionStorageUnavailableError
from shopify_session_storage.testing.sessions import offline_session, online_session

from .between import failure
from .conftest import SHOP, make_table, same


@pytest.mark.asyncio
async def test_find_drops_what_the_index_has_too_much(make, between):
    """The index is behind: a session is deleted, another one has moved to another shop."""
    async with make(between.url) as storage:
        here, gone = offline_session(SHOP), online_session(SHOP, 1)
        moved = offline_session("beta.myshopify.com")
        await asyncio.gather(*map(storage.store_session, (here, moved)))

        async def spoil(operation, parameters, forward):
            status, answer = await forward(parameters)
            if operation == "Query":
                answer["Items"] += [{"id": {"S": one.id}} for one in (gone, moved, here)]
            return status, answer

        between.spoil = spoil
        assert [one.id for one in await storage.find_sessions_by_shop(SHOP)] == [here.id]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("keys", "indexes", "problem"),
    [
        (("shop",), {"shop_index": ("shop",)}, "another key than id"),
        (("id", "shop"), {"shop_index": ("shop",)}, "another key than id"),
        (("id",), {}, "no global secondary index 'shop_index'.*update-table"),
        (("id",), {"other_index": ("shop",)}, "no global secondary index 'shop_index'"),
        (("id",), {"shop_index": ("state",)}, "another key than shop"),
        (("id",), {"shop_index": ("shop", "scope")}, "another key than shop"),
    ],
)
@pytest.mark.parametrize("create_table", [True, False])
async def test_table_of_another_kind_is_told(
    make, raw, table, keys, indexes, problem, create_table
):
    await make_table(raw, table, keys, **indexes)
    with pytest.raises(MigrationError, match=problem):
        await make(create_table=create_table).ready()


@pytest.mark.asyncio
async def test_tables_that_javascript_can_use_are_used(make, raw, table):
    await make_table(raw, table, ("id",), **{"by-shop": ("shop", "id")})
    async with make(create_table=False, shop_index_name="by-shop") as storage:
        session = offline_session(SHOP)
        await storage.store_session(session)
        assert same([session], await storage.find_sessions_by_shop(SHOP))


@pytest.mark.asyncio
async def test_missing_table_is_told_with_what_creates_it(make, raw, table):
    storage = make(create_table=False)
    with pytest.raises(MigrationError, match="create_table=True") as caught:
        await storage.load_session("id")
    _, _, command = str(caught.value).partition("aws dynamodb create-table ")
    assert f"--table-name {table} " in command
    assert "IndexName=shop_index,KeySchema=[{AttributeName=shop,KeyType=HASH}]" in command
    await make_table(raw, table, ("id",), shop_index=("shop",))
    async with storage:  # it has not given up
        await storage.store_session(offline_session(SHOP))
        await raw.delete_table(TableName=table)
        with pytest.raises(SessionStorageUnavailableError, match="create_table=True"):
            await storage.load_session("id")
    assert await make(create_table=False, on_error="log").load_session("id") is None


@pytest.mark.asyncio
async def test_created_table_is_as_documented(storage, raw, table):
    described = (await raw.describe_table(TableName=table))["Table"]
    assert described["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert described["KeySchema"] == [{"AttributeName": "id", "KeyType": "HASH"}]
    (index,) = described["GlobalSecondaryIndexes"]
    assert index["IndexName"] == "shop_index"
    assert index["KeySchema"] == [{"AttributeName": "shop", "KeyType": "HASH"}]
    assert index["Projection"] == {"ProjectionType": "KEYS_ONLY"}


@pytest.mark.asyncio
async def test_a_table_is_used_when_it_and_its_index_are_active(make, between, raw, table):
    """While a table is being created DescribeTable may deny it, and CreateTable claim it."""
    await make_table(raw, table, ("id",), shop_index=("shop",))
    states = iter([None, ("CREATING", "CREATING"), ("CREATING", "ACTIVE"), ("ACTIVE", "CREATING")])

    async def spoil(operation, parameters, forward):
        status, answer = await forward(parameters)
        if operation == "DescribeTable":
            state = next(states, ("ACTIVE", "ACTIVE"))
            if state is None:
                return failure("ResourceNotFoundException")
            answer["Table"]["TableStatus"] = state[0]
            answer["Table"]["GlobalSecondaryIndexes"][0]["IndexStatus"] = state[1]
        return status, answer

    between.spoil = spoil
    async with make(between.url):
        waited = ["DescribeTable", "CreateTable", *4 * ["DescribeTable"]]
        assert between.operations == [*waited, "GetItem"]
