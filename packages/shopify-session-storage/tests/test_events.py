"""What subscribers hear: one event for each call, and what happens to access tokens."""

import asyncio
import logging
import pickle
import threading
import time
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from shopify_app import ShopifyApp
from shopify_session_storage import (
    CachedSessionStorage,
    CorruptSessionError,
    InvalidSessionError,
    SessionStorageError,
    StorageCall,
    TokenEvent,
    events,
    subscribe,
)
from shopify_session_storage.access_tokens import (
    AccessTokenStore,
    MalformedTokenResponse,
    ReauthorizationRequired,
    TokenRefreshUnavailable,
)
from shopify_session_storage.testing import FakeShopify, Fault
from shopify_session_storage.testing.sessions import offline_session

from .scripted import DriverError, ScriptedStorage, settle, spawn

SHOP = "a.myshopify.com"
SESSION = offline_session(SHOP, id="a")


@pytest.fixture
def heard():
    heard = []
    unsubscribe = subscribe(heard.append)
    yield heard
    unsubscribe()


@pytest_asyncio.fixture
async def storage():
    async with ScriptedStorage(max_groups=2) as storage:
        yield storage


def outcomes(heard):
    return [(event.operation, event.outcome, event.error) for event in heard]


CALLS = {
    "store": (lambda s: s.store_session(SESSION), "ok"),
    "load": (lambda s: s.load_session("a"), "miss"),
    "delete": (lambda s: s.delete_session("a"), "ok"),
    "delete many": (lambda s: s.delete_sessions(["a", "b"]), "ok"),
    "find": (lambda s: s.find_sessions_by_shop(SHOP), "miss"),
    "compare_and_store": (lambda s: s.compare_and_store(SESSION, SESSION), "lost"),
    "compare_and_delete": (lambda s: s.compare_and_delete(SESSION), "ok"),
    "acquire_lease": (lambda s: s.acquire_lease("a", "me", timedelta(seconds=9)), "ok"),
    "release_lease": (lambda s: s.release_lease("a", "me"), "ok"),
    "ready": (lambda s: s.ready(), "ok"),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.asyncio
async def test_each_call_is_one_event(storage, heard, call):
    heard.clear()
    await CALLS[call][0](storage)
    [event] = heard
    assert event.backend == "scripted"
    assert event.operation == call.removesuffix(" many")
    assert (event.outcome, event.error) == (CALLS[call][1], None)
    assert event.group_size == 1
    assert 0 < event.seconds < 5


@pytest.mark.asyncio
async def test_what_is_found_won_and_lost_shows(storage, heard):
    storage.rows["a"] = SESSION
    other = replace(SESSION, access_token="shpat_other")
    heard.clear()
    await storage.load_session("a")
    await storage.find_sessions_by_shop(SHOP)
    assert await storage.compare_and_store(other, SESSION)
    assert not await storage.compare_and_delete(SESSION)
    assert await storage.acquire_lease("a", "me", timedelta(seconds=9))
    assert not await storage.acquire_lease("a", "you", timedelta(seconds=9))
    assert outcomes(heard) == [
        ("load", "ok", None),
        ("find", "ok", None),
        ("compare_and_store", "ok", None),
        ("compare_and_delete", "lost", None),
        ("acquire_lease", "ok", None),
        ("acquire_lease", "lost", None),
    ]


@pytest.mark.parametrize("on_error", ["log", "raise"])
@pytest.mark.asyncio
async def test_failures_show_whether_they_are_raised_or_logged(heard, on_error):
    storage = ScriptedStorage(on_error=on_error)
    await storage.ready()
    heard.clear()
    for hook in ("store", "load", "delete", "find"):
        storage.errors[hook] = [DriverError()]
    storage.errors["load"] = [DriverError(), CorruptSessionError("unreadable")]
    for call in ("store", "load", "delete", "find", "load"):
        try:
            await CALLS[call][0](storage)
        except SessionStorageError:
            assert on_error == "raise"
    assert outcomes(heard) == [
        ("store", "failed", "DriverError"),
        ("load", "failed", "DriverError"),
        ("delete", "failed", "DriverError"),
        ("find", "failed", "DriverError"),
        ("load", "corrupt", "CorruptSessionError"),
    ]


@pytest.mark.asyncio
async def test_bugs_cancellations_and_wrong_arguments(storage, heard):
    heard.clear()
    storage.errors["load"] = [KeyError()]
    with pytest.raises(KeyError):
        await storage.load_session("a")
    storage.hold("load")
    [call] = spawn(storage.load_session("a"))
    await settle()
    call.cancel()
    await asyncio.wait([call])
    with pytest.raises(TypeError):  # is not a call: nothing was asked of the storage
        await storage.load_session(1)
    with pytest.raises(InvalidSessionError):
        await storage.store_session(replace(SESSION, shop=""))
    assert outcomes(heard) == [
        ("load", "failed", "KeyError"),
        ("load", "cancelled", "CancelledError"),
    ]


@pytest.mark.asyncio
async def test_who_travels_together_shows(storage, heard):
    gate = storage.hold("load")
    calls = spawn(*(storage.load_session(id) for id in "abcdef"))
    await settle()
    heard.clear()
    gate.set()
    await asyncio.gather(*calls)
    assert sorted(event.group_size for event in heard) == [1, 1, 1, 3, 3, 3]


@pytest.mark.asyncio
async def test_a_hit_in_a_cache_is_no_call_of_the_backend(storage, heard):
    storage.rows["a"] = SESSION
    cache = CachedSessionStorage(storage)
    heard.clear()
    for _ in range(3):
        await cache.load_session("a")
    assert outcomes(heard) == [("load", "ok", None)]


@pytest.mark.asyncio
async def test_a_subscriber_that_raises_is_logged_once_and_disturbs_nobody(storage, heard, caplog):
    def raises(event):
        raise ZeroDivisionError(event)

    unsubscribe = subscribe(raises)
    heard.clear()
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            assert await storage.load_session("a") is None
    unsubscribe()
    unsubscribe()
    assert len(heard) == 3
    assert [record.name for record in caplog.records] == ["shopify_session_storage.events"]
    await storage.load_session("a")
    assert len(caplog.records) == 1


def test_a_subscriber_must_be_callable():
    with pytest.raises(TypeError, match="callable"):
        subscribe("print")


def test_the_same_callback_may_subscribe_twice_and_from_any_thread():
    before = events._subscribers
    ends = []

    def work():
        ends.extend(subscribe(print) for _ in range(200))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(events._subscribers) == len(before) + 1600
    for end in ends:
        end()
    assert events._subscribers == before


def test_events_cannot_be_changed_and_can_be_pickled():
    event = StorageCall("redis", "load", "ok", 0.1, 1, None)
    with pytest.raises(AttributeError):
        event.outcome = "failed"
    assert pickle.loads(pickle.dumps(event)) == event


@pytest.mark.asyncio
async def test_a_call_costs_less_than_a_microsecond_more_where_nobody_has_subscribed():
    def microseconds(times=20000):
        began = time.perf_counter()
        for _ in range(times):
            with events.watching("scripted", "load"):
                pass
        return (time.perf_counter() - began) / times * 1e6

    assert min(microseconds() for _ in range(7)) < 1


# What Shopify does, what the caller gets, and what is heard.
@pytest_asyncio.fixture
async def tokens(storage):
    with FakeShopify() as fake:
        app = ShopifyApp(fake.client_id, fake.client_secret)
        async with (
            fake.client() as client,
            AccessTokenStore(storage, app, http_client=client) as tokens,
        ):
            tokens.fake = fake
            yield tokens


async def stored(tokens, storage, seconds=-60, **changes):
    session = await tokens.save(tokens.fake.install("alpha"))
    expires = datetime.now(UTC) + timedelta(seconds=seconds)
    await storage.store_session(replace(session, expires=expires, **changes))


def told(heard):
    return [event for event in heard if isinstance(event, TokenEvent)]


@pytest.mark.asyncio
async def test_a_refresh_is_heard_of(tokens, storage, heard):
    await stored(tokens, storage)
    await tokens.get("alpha")
    start, ok = told(heard)
    assert (start.name, start.shop, start.mode) == (
        "refresh.start",
        "alpha.myshopify.com",
        "offline",
    )
    assert (ok.name, ok.attempt, ok.status, ok.error) == ("refresh.ok", 1, None, None)
    assert ok.seconds > 0


@pytest.mark.asyncio
async def test_a_valid_token_is_served_while_it_is_refreshed(tokens, storage, heard):
    await stored(tokens, storage, seconds=60)
    await tokens.get("alpha")
    await tokens.aclose()
    assert sorted(event.name for event in told(heard)) == [
        "refresh.ok",
        "refresh.start",
        "stale_served",
    ]


@pytest.mark.asyncio
async def test_a_rejected_refresh_token_is_heard_of(tokens, storage, heard):
    await stored(tokens, storage, refresh_token="shprt_unknown")
    with pytest.raises(ReauthorizationRequired):
        await tokens.get("alpha")
    names = [event.name for event in told(heard)]
    assert names == ["refresh.start", "refresh.rejected", "reauthorization"]
    assert told(heard)[1].status == 401
    assert told(heard)[1].error == "ReauthorizationRequired"


ENDS = {
    "malformed": (Fault(granted=True, change={"access_token": None}), MalformedTokenResponse),
    "refresh.transient": (Fault(status=500, body="down"), TokenRefreshUnavailable),
    "refresh.ok": (None, None),
}


@pytest.mark.parametrize("name", ENDS)
@pytest.mark.asyncio
async def test_each_end_of_a_refresh_has_a_name_and_none_shows_a_token(
    tokens, storage, heard, name
):
    fault, error = ENDS[name]
    await stored(tokens, storage)
    known = await storage.load_session("offline_alpha.myshopify.com")
    if fault is not None:
        tokens.fake.fail("alpha", *[fault] * 20)
    with nullcontext() if error is None else pytest.raises(error):
        await tokens.get("alpha")
    start, end = told(heard)
    assert (start.name, end.name) == ("refresh.start", name)
    assert end.error == (error and error.__name__)
    assert end.attempt >= 1
    for secret in (known.access_token, known.refresh_token, "shpat_", "shprt_"):
        assert secret not in repr(heard)


@pytest.mark.asyncio
async def test_who_loses_a_refresh_is_heard_of(tokens, storage, heard):
    await stored(tokens, storage)
    compare = storage.compare_and_store

    async def beaten(session, expected):
        if not installs:
            installs.append(await tokens.save(tokens.fake.install("alpha")))
        return await compare(session, expected)

    installs = []
    storage.compare_and_store = beaten
    assert (await tokens.get("alpha")).token == installs[0].access_token
    assert [event.name for event in told(heard)] == ["refresh.start", "refresh.lost"]


@pytest.mark.asyncio
async def test_an_exchange_is_heard_of(tokens, storage, heard):
    await tokens.get_or_exchange(tokens.fake.verified("alpha"))
    assert [event.name for event in told(heard)] == ["exchange.start", "exchange.ok"]
    fault = Fault(status=400, body={"error": "invalid_subject_token"})
    tokens.fake.fail("beta", *[fault] * 20)
    with pytest.raises(ReauthorizationRequired):
        await tokens.get_or_exchange(tokens.fake.verified("beta"))
    assert [event.name for event in told(heard)][2:] == [
        "exchange.start",
        "exchange.rejected",
        "reauthorization",
    ]


@pytest.mark.asyncio
async def test_a_refresh_whose_storage_fails_is_heard_of(tokens, storage, heard):
    await stored(tokens, storage)
    tokens._leases.ttl = timedelta(seconds=0.4)
    storage.failing["compare_and_store"] = lambda _: DriverError()
    storage.failing["store"] = lambda _: DriverError()
    with pytest.raises(SessionStorageError):
        await tokens.get("alpha")
    assert [event.name for event in told(heard)] == ["refresh.start", "refresh.failed"]
