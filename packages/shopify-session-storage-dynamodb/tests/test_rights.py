"""Accounts that may not do everything."""

import pytest
from shopify_session_storage import MigrationError, SessionStorageUnavailableError
from shopify_session_storage.testing.sessions import offline_session, online_session

from .between import failure, times
from .conftest import SHOP

SESSION = offline_session(SHOP)
MANY = [online_session(SHOP, user) for user in range(30)]


@pytest.mark.asyncio
async def test_missing_right_is_named_at_once(make, between):
    async with make(between.url) as storage:
        await storage.store_session(MANY[0])
        for operation, work in (
            ("GetItem", lambda: storage.load_session(SESSION.id)),
            ("PutItem", lambda: storage.store_session(SESSION)),
            ("PutItem", lambda: storage.compare_and_store(SESSION, None)),
            ("DeleteItem", lambda: storage.delete_session(SESSION.id)),
            ("DeleteItem", lambda: storage.compare_and_delete(SESSION)),
            ("Query", lambda: storage.find_sessions_by_shop(SHOP)),
        ):
            between.spoil = times(10**9, failure("AccessDeniedException"), [operation])
            between.operations.clear()
            with pytest.raises(SessionStorageUnavailableError, match=f"right dynamodb:{operation}"):
                await work()
            assert between.operations == [operation]


@pytest.mark.asyncio
@pytest.mark.parametrize("operation", ["DescribeTable", "CreateTable"])
async def test_account_that_may_not_create_the_table_is_told_what_to_run(make, between, operation):
    message = "User: arn:aws:iam::123456789012:user/app is not authorized"
    between.spoil = times(10**9, failure("AccessDeniedException", message), [operation])
    with pytest.raises(MigrationError, match=f"{operation}.*{message}.*create-table"):
        await make(between.url, create_table=True).ready()


@pytest.mark.asyncio
async def test_account_without_the_right_to_describe_the_table(make, between, storage):
    message = "User: arn:aws:iam::123456789012:user/app is not authorized"

    async def spoil(operation, parameters, forward):
        if operation == "DescribeTable":
            return failure("AccessDeniedException", message)
        return await forward(parameters)

    between.spoil = spoil
    async with make(between.url, create_table=False) as other:
        await other.store_session(offline_session(SHOP))
        assert len(await other.find_sessions_by_shop(SHOP)) == 1
