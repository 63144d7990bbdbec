"""What the storage does about each refusal of a server, and for whom."""

import asyncio
import logging
from dataclasses import replace

import pytest
from shopify_session_storage import SessionStorageError, SessionStorageUnavailableError
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage_mongodb import MongoDBSessionStorage

from .between import always, failure, times, unconfirmed, write_error
from .conftest import SHOP, assert_shows_no

SESSION = offline_session(SHOP)
NEWER = replace(SESSION, access_token="shpat_newer", refresh_token="shprt_newer")
MANY = [online_session(SHOP, user) for user in range(20)]

# Of a server that goes, or comes, or has no time.
PASSING = [6, 7, 24, 46, 89, 91, 112, 189, 202, 262, 462, 9001, 10058, 10107, 11600, 11602, 13435,
           13436, 16500]  # fmt: skip


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", [write_error, failure])
async def test_passing_refusal_reaches_no_caller(make, between, kind):
    async with make() as storage:
        for code in PASSING:
            for work in (
                lambda: storage.store_session(SESSION),
                lambda: storage.compare_and_store(NEWER, SESSION),
                lambda: storage.compare_and_delete(NEWER),
                lambda: storage.compare_and_store(SESSION, None),
                lambda: storage.delete_session(SESSION.id),
                lambda: asyncio.gather(*map(storage.store_session, MANY)),
                lambda: storage.delete_sessions(one.id for one in MANY),
            ):
                between.refuse = times(1, kind(code))
                assert await work(), (code, work)
        between.refuse = None
        assert await storage.find_sessions_by_shop(SHOP) == []


@pytest.mark.asyncio
@pytest.mark.parametrize("code", [*PASSING, 50, 64, 100, 8000, 14031, 999_999])
async def test_lasting_refusal_is_not_held_against_the_session(make, between, code):
    """AccessTokenStore goes on trying to store a pair of tokens only then."""
    async with make(0.5) as storage:
        for kind in (write_error, failure):
            between.refuse = always(kind(code))
            for work in (storage.store_session(SESSION), storage.compare_and_store(SESSION, None)):
                with pytest.raises(SessionStorageUnavailableError):
                    await work


@pytest.mark.asyncio
@pytest.mark.parametrize("code", [10107, 91, 112])
async def test_throttling_and_conflicts_are_repeated_for_longer_than_once(make, between, code):
    async with make() as storage:
        between.refuse = times(4 if code == 112 else 1, write_error(code))
        results = await asyncio.gather(*map(storage.store_session, MANY))
        assert all(results)
        assert len(await storage.find_sessions_by_shop(SHOP)) == len(MANY)


@pytest.mark.asyncio
@pytest.mark.parametrize("code", [64, 91, 189, 11600, 11602, 16500, 262])
async def test_comparison_that_took_effect_unconfirmed_is_not_lost(make, between, raw, code):
    applied = []

    def refuse(command):
        if "update" not in command or applied:
            return None
        applied.append(command)
        raw.replace_one({"id": SESSION.id}, command["updates"][0]["u"])
        return unconfirmed(code)

    async with make() as storage:
        await storage.store_session(SESSION)
        between.refuse = refuse
        try:
            assert await storage.compare_and_store(NEWER, SESSION) is True
        except SessionStorageUnavailableError:
            assert code == 64  # the server has said so: nobody knows
        assert NEWER.equals(await storage.load_session(SESSION.id))


@pytest.mark.asyncio
async def test_labels_of_the_server_decide_what_is_not_known_by_its_code(make, between):
    async with make() as storage:
        for label in ("RetryableWriteError", "TransientTransactionError", "SystemOverloadedError"):
            between.refuse = times(1, failure(424_242, errorLabels=[label]))
            assert await storage.store_session(SESSION) is True


@pytest.mark.asyncio
async def test_one_bad_session_of_a_group_fails_alone(make, between):
    bad = MANY[7]

    def refuse(command):
        for index, one in enumerate(command.get("updates", ())):
            if one["q"]["id"] == bad.id:
                return write_error(121, "Document failed validation", index=index)
        return None

    async with make() as storage:
        between.refuse = refuse
        results = await asyncio.gather(*map(storage.store_session, MANY), return_exceptions=True)
        assert [n for n, result in enumerate(results) if result is not True] == [7]
        assert type(results[7]) is SessionStorageError
        assert "121 DocumentValidationFailure" in str(results[7])


@pytest.mark.asyncio
async def test_refusal_by_an_index_of_the_user_fails_only_its_own_caller(
    mongodb_url, collection, raw, storage, caplog
):
    raw.create_index("accessToken", unique=True)
    taken = offline_session(SHOP, access_token="shpat_secret")
    await storage.store_session(taken)
    clash = online_session(SHOP, access_token="shpat_secret")
    with pytest.raises(SessionStorageError) as caught:
        await storage.store_session(clash)
    assert not isinstance(caught.value, SessionStorageUnavailableError)
    assert_shows_no(caught.value, "secret")
    async with MongoDBSessionStorage(mongodb_url, session_collection_name=collection) as other:
        with caplog.at_level(logging.INFO):
            assert await other.store_session(clash) is False
    assert "secret" not in caplog.text


@pytest.mark.asyncio
async def test_bad_document_in_a_group_fails_only_its_own_caller(
    collection, raw, storage, only_mongodb, caplog
):
    raw.database.command("collMod", collection, validator={"scope": {"$ne": "refused"}})
    many = [online_session(SHOP, user) for user in range(20)]
    many[7].scope = "refused"
    results = await asyncio.gather(*map(storage.store_session, many), return_exceptions=True)
    error = results.pop(7)
    assert results == [True] * 19
    assert type(error) is SessionStorageError
    assert "Document failed validation" in str(error)
    assert_shows_no(error, many[7].access_token)
    assert len(await storage.find_sessions_by_shop(SHOP)) == 19
