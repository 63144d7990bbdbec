"""What servers answer in production: passing refusals, silence, missing rights."""

import asyncio
import logging
import os
import pickle
import time
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient
from pymongo.errors import BulkWriteError, DuplicateKeyError, OperationFailure
from shopify_session_storage import SessionStorageError, SessionStorageUnavailableError
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage_mongodb import MongoDBSessionStorage

from .between import Between, failure, unconfirmed, write_error
from .conftest import through

pytestmark = pytest.mark.usefixtures("eager_driver")

SHOP = "alpha.myshopify.com"
SESSION = offline_session(SHOP)
NEWER = replace(SESSION, access_token="shpat_newer", refresh_token="shprt_newer")
MANY = [online_session(SHOP, user) for user in range(20)]
WRITES = ("insert", "update", "delete")

# Of a server that goes, or comes, or has no time.
PASSING = [6, 7, 24, 46, 89, 91, 112, 189, 202, 262, 462, 9001, 10058, 10107, 11600, 11602, 13435,
           13436, 16500]  # fmt: skip


@pytest_asyncio.fixture
async def between(mongodb_url):
    """Return what stands between a storage and the server."""
    parts = urlsplit(mongodb_url)
    async with Between(parts.hostname, parts.port) as between:
        yield between


@pytest.fixture
def make(mongodb_url, collection, raw, between):
    """Return what makes a storage that raises failures, with a collection of its own."""

    def make(seconds: float = 10, **options) -> MongoDBSessionStorage:
        return MongoDBSessionStorage(
            through(between, mongodb_url),
            **{
                "session_collection_name": collection,
                "on_error": "raise",
                "timeout": timedelta(seconds=seconds),
                **options,
            },
        )

    return make


def times(count: int, answer: dict, commands=WRITES):
    """Refuse the first commands of a kind."""
    left = [count]

    def refuse(command):
        if next(iter(command)) in commands and left[0] > 0:
            left[0] -= 1
            return answer
        return None

    return refuse


def always(answer: dict, commands=WRITES):
    return times(10**9, answer, commands)


# --- refusals -------------------------------------------------------------------------------------


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


# --- rights ---------------------------------------------------------------------------------------


@pytest.mark.asyncio
@pytest.mark.parametrize("code", [13, 8000])
async def test_indexes_that_the_user_may_not_make_are_named(make, between, caplog, code):
    text = "user is not allowed to do action [createIndex] on [app.shopify_sessions]"
    between.refuse = always(failure(code, text), ["createIndexes"])
    async with make() as storage:
        await storage.store_session(SESSION)
        assert SESSION.equals(await storage.load_session(SESSION.id))
    assert "the user may not" in caplog.text
    assert "createIndex({id: 1}, {unique: true})" in caplog.text


@pytest.mark.asyncio
@pytest.mark.parametrize("code", [13, 18, 8000])
async def test_what_is_denied_is_told_at_once(make, between, code):
    async with make() as storage:
        between.refuse = always(failure(code, "not authorized on app to execute command"), ["find"])
        with pytest.raises(
            SessionStorageUnavailableError, match=rf"\({code} \w+\): not authorized"
        ):
            await storage.load_session(SESSION.id)
        assert between.commands.count("find") == 1


# --- silence --------------------------------------------------------------------------------------


def each_call(storage):
    return [
        storage.load_session(SESSION.id),
        storage.find_sessions_by_shop(SHOP),
        storage.store_session(SESSION),
        storage.delete_session(MANY[0].id),
        storage.delete_sessions([MANY[1].id, MANY[2].id]),
        storage.compare_and_store(MANY[3], None),
        storage.compare_and_delete(MANY[4]),
        storage.acquire_lease("name", "holder", timedelta(minutes=1)),
        storage.release_lease("other", "holder"),
    ]


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
    results = await asyncio.gather(*each_call(storage), return_exceptions=True)
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
    for call in each_call(storage):
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


# --- processes ------------------------------------------------------------------------------------


def test_children_of_a_process_with_a_running_loop_connect_anew(mongodb_url, collection, raw):
    storage = MongoDBSessionStorage(
        mongodb_url, session_collection_name=collection, on_error="raise"
    )

    async def in_child(number: int) -> None:
        async with asyncio.timeout(20):
            await storage.store_session(MANY[number])
            loaded = await storage.load_session(MANY[number].id)
            assert MANY[number].equals(loaded)
            await storage.disconnect()

    async def main() -> list[int]:
        await storage.store_session(SESSION)
        children = []
        for number in range(4):
            child = os.fork()
            if not child:
                status = 1
                try:
                    asyncio._set_running_loop(None)
                    asyncio.set_event_loop(None)
                    asyncio.run(in_child(number))
                    status = 0
                finally:
                    os._exit(status)
            children.append(child)
        statuses = [(await asyncio.to_thread(os.waitpid, child, 0))[1] for child in children]
        assert SESSION.equals(await storage.load_session(SESSION.id))
        assert len(await storage.find_sessions_by_shop(SHOP)) == 5
        await storage.disconnect()
        return statuses

    assert asyncio.run(main()) == [0] * 4


# --- what errors keep -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        OperationFailure(
            "refused {'token': 'shpat_secret'}", 10107, {"code": 10107, "x": "shpat_secret"}
        ),
        DuplicateKeyError("dup key: 'shpat_secret'", 11000, {"keyValue": "shpat_secret"}),
        BulkWriteError({"writeErrors": [{"code": 112, "index": 3, "op": "shpat_secret"}]}),
        BulkWriteError(
            {"writeErrors": [], "writeConcernErrors": [{"code": 91, "errmsg": "shpat_secret"}]}
        ),
    ],
)
def test_errors_mean_the_same_without_their_details_and_can_be_pickled(error):
    storage = MongoDBSessionStorage("mongodb://host/db")
    verdict = storage._verdict(error)
    storage._scrub(error)
    copy = pickle.loads(pickle.dumps(error))
    assert storage._verdict(error) is storage._verdict(copy) is verdict
    assert b"secret" not in pickle.dumps(error)


@pytest.mark.asyncio
async def test_refused_writes_show_no_token(make, between, caplog):
    caplog.set_level(logging.DEBUG, "shopify_session_storage")
    text = f"cannot write {NEWER.access_token}"
    async with make(1) as storage:
        for code in (121, 10107, 424_242):
            between.refuse = always(write_error(code, f"{{ token: '{text}' }}"))
            sessions = [replace(one, access_token=NEWER.access_token) for one in MANY]
            results = await asyncio.gather(
                *map(storage.store_session, sessions),
                storage.compare_and_store(NEWER, SESSION),
                storage.compare_and_delete(NEWER),
                return_exceptions=True,
            )
            for error in results:
                assert isinstance(error, SessionStorageError)
                shown = f"{error!r} {error.__cause__!r} {vars(error.__cause__)!r}".encode()
                shown += pickle.dumps(error.__cause__)
                assert NEWER.access_token.encode() not in shown
    assert NEWER.access_token not in caplog.text
