"""What subscribers hear: one event for each call, and what happens to access tokens."""

import asyncio
import logging
import pickle
import threading
import time
from dataclasses import replace
from datetime import timedelta

import pytest
import pytest_asyncio
from shopify_session_storage import (
    CachedSessionStorage,
    CorruptSessionError,
    InvalidSessionError,
    SessionStorageError,
    StorageCall,
    events,
    subscribe,
)
from shopify_session_storage.testing.sessions import offline_session

from .scripted import DriverError, ScriptedStorage, settle, spawn

SHOP = "a.myshopify.com"
SESSION = offline_session(SHOP, id="a")


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
