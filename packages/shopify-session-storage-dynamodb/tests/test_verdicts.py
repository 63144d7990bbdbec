"""What the storage does about each refusal of the service, and for whom."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from aiobotocore.config import AioConfig
from shopify_session_storage import SessionStorageUnavailableError
from shopify_session_storage.testing.sessions import offline_session, online_session

from .between import failure, times
from .conftest import SHOP, client_options, make_table

SESSION = offline_session(SHOP)
NEWER = replace(SESSION, access_token="shpat_newer", refresh_token="shprt_newer")
MANY = [online_session(SHOP, user) for user in range(30)]
MINUTE = timedelta(minutes=1)

# A busy machine must get as far as to open the storage.
ONCE = AioConfig(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=5)

CONFLICTS = [
    "ProvisionedThroughputExceededException", "ReplicatedWriteConflictException",
    "RequestLimitExceeded", "ThrottlingException", "TransactionConflictException",
    "TransactionInProgressException",
]  # fmt: skip


@pytest.fixture
def without_retries(make, between):
    """Return what makes a storage whose SDK repeats nothing by itself."""

    def make_one(**options):
        return make(client_options=client_options(between.url, config=ONCE), **options)

    return make_one


@pytest.mark.asyncio
@pytest.mark.parametrize("code", CONFLICTS)
async def test_passing_refusals_reach_no_caller(without_retries, between, code):
    async with without_retries() as storage:
        for work, expected in (
            (lambda: storage.store_session(SESSION), True),
            (lambda: storage.compare_and_store(NEWER, SESSION), True),
            (lambda: storage.load_session("missing"), None),
            (lambda: storage.find_sessions_by_shop("missing.example"), []),
            (lambda: storage.compare_and_delete(NEWER), True),
            (lambda: storage.acquire_lease("name", "holder", MINUTE), True),
            (lambda: storage.release_lease("name", "holder"), None),
            (lambda: storage.delete_session(SESSION.id), True),
            (lambda: asyncio.gather(*map(storage.store_session, MANY)), [True] * 30),
            (lambda: storage.delete_sessions(one.id for one in MANY), True),
        ):
            between.spoil = times(3, failure(code))
            assert await work() == expected


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "code", [*CONFLICTS, "InternalServerError", "ServiceUnavailable", "SomethingNewException"]
)
async def test_lasting_refusal_is_not_held_against_the_session(without_retries, between, code):
    """AccessTokenStore goes on trying to store a pair of tokens only then."""
    async with without_retries(timeout=timedelta(seconds=0.4)) as storage:
        between.spoil = times(10**9, failure(code))
        for work in (storage.store_session(SESSION), storage.compare_and_store(SESSION, None)):
            with pytest.raises(SessionStorageUnavailableError):
                await work


@pytest.mark.asyncio
@pytest.mark.parametrize("expected", [None, SESSION])
async def test_comparison_whose_tries_end_in_throttling_is_not_lost_if_one_took_effect(
    make, between, expected
):
    tries = []

    async def spoil(operation, parameters, forward):
        if operation != "PutItem":
            return await forward(parameters)
        tries.append(operation)
        if len(tries) == 1:
            await forward(parameters)
            return None
        return failure("ThrottlingException") if len(tries) <= 3 else await forward(parameters)

    async with make(between.url, timeout=timedelta(seconds=20)) as storage:
        if expected is not None:
            await storage.store_session(expected)
        between.spoil = spoil
        assert await storage.compare_and_store(NEWER, expected) is True
        assert NEWER.equals(await storage.load_session(SESSION.id))


THROTTLED = failure("ThrottlingException", "Rate of requests exceeds the allowed throughput")


@pytest.mark.asyncio
@pytest.mark.parametrize("answer", [THROTTLED, failure("InternalServerError", "", 500), None])
async def test_passing_failures_are_repeated(make, between, answer):
    first, second, third = (online_session(SHOP, user) for user in range(3))
    async with make(between.url) as storage:
        await asyncio.gather(*map(storage.store_session, (first, second)))
        failed = set()

        async def spoil(operation, parameters, forward):
            if operation in failed:
                return await forward(parameters)
            failed.add(operation)
            return answer

        between.spoil = spoil
        loaded, stored, deleted, found = await asyncio.gather(
            storage.load_session(first.id),
            storage.store_session(third),
            storage.delete_session(second.id),
            storage.find_sessions_by_shop("beta.myshopify.com"),
        )
        assert failed == {"GetItem", "PutItem", "DeleteItem", "Query"}
        assert first.equals(loaded)
        assert (stored, deleted, found) == (True, True, [])
        assert len(await storage.find_sessions_by_shop(SHOP)) == 2


@pytest.mark.asyncio
async def test_lasting_failures_are_told(make, between):
    async def spoil(operation, parameters, forward):
        return THROTTLED

    async with make(between.url, timeout=timedelta(seconds=4)) as storage:
        between.spoil = spoil
        between.operations.clear()
        results = await asyncio.gather(
            storage.load_session("id"),
            storage.find_sessions_by_shop(SHOP),
            return_exceptions=True,
        )
    assert all(isinstance(one, SessionStorageUnavailableError) for one in results)
    assert between.operations.count("GetItem") >= 3


@pytest.mark.asyncio
async def test_session_that_another_index_refuses_fails_alone(make, raw, table):
    await make_table(raw, table, ("id",), shop_index=("shop",), mine=("state",))
    async with make() as storage:
        many = [online_session(SHOP, user, state="nonce") for user in range(40)]
        many[7] = online_session(SHOP, 7, state="", access_token="shpat_secret")
        results = await asyncio.gather(*map(storage.store_session, many), return_exceptions=True)
        assert [n for n, result in enumerate(results) if result is not True] == [7]
        assert type(results[7]).__name__ == "ItemRefusedError"
        assert not isinstance(results[7], SessionStorageUnavailableError)
        assert "secret" not in f"{results[7]} {results[7].__cause__} {vars(results[7].__cause__)}"
        assert len(await storage.find_sessions_by_shop(SHOP)) == 39
