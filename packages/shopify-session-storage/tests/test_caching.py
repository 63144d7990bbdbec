"""Loads from memory: what they may give, what they must never give, and how they are bounded."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest
from shopify_session_storage import (
    CachedSessionStorage,
    SessionStorageUnavailableError,
    caching,
    fresh_reads,
)

from .caches import SHOP, TTL, Clock, cached, session
from .scripted import DriverError, ScriptedStorage, settle, spawn


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(caching, "monotonic", clock)
    return clock


@pytest.mark.asyncio
async def test_a_session_is_served_from_memory_for_the_time_given(clock):
    storage, cache = await cached(ttl=TTL)
    storage.rows["a"] = session()
    first, second = await cache.load_session("a"), await cache.load_session("a")
    assert first.equals(second)
    assert first is not second
    first.scope = "changed"
    assert second.equals(await cache.load_session("a"))
    assert storage.count("load") == 1
    clock.now += 30
    assert second.equals(await cache.load_session("a"))
    assert storage.count("load") == 2


@pytest.mark.asyncio
async def test_the_time_counts_from_when_the_load_began(clock):
    storage, cache = await cached(ttl=TTL)
    storage.rows["a"] = session()
    gate = storage.hold("load")
    [load] = spawn(cache.load_session("a"))
    await settle()
    clock.now += 20
    gate.set()
    await load
    clock.now += 11
    await cache.load_session("a")
    assert storage.count("load") == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"expires": datetime.now(UTC) + timedelta(minutes=5, seconds=50)},
        {"expires": datetime.now(UTC) - timedelta(days=1)},
        {"token": None},
        {"token": ""},
    ],
    ids=["due", "expired", "no token", "empty token"],
)
@pytest.mark.asyncio
async def test_what_may_change_any_moment_is_never_kept(changes):
    storage, cache = await cached()
    storage.rows["a"] = session(**changes)
    await cache.load_session("a")
    await cache.load_session("a")
    assert storage.count("load") == 2


@pytest.mark.asyncio
async def test_a_session_that_becomes_due_is_not_served_any_more(monkeypatch):
    storage, cache = await cached(ttl=timedelta(days=1))
    storage.rows["a"] = session()
    await cache.load_session("a")
    later = time.time() + 55 * 60
    monkeypatch.setattr(caching, "time", lambda: later)
    await cache.load_session("a")
    assert storage.count("load") == 2


@pytest.mark.asyncio
async def test_that_nothing_is_stored_is_asked_each_time():
    storage, cache = await cached()
    assert await cache.load_session("a") is None
    storage.rows["a"] = session()  # an install, on another server
    assert await cache.load_session("a") is not None


@pytest.mark.asyncio
async def test_one_without_expiry_is_kept_too():
    storage, cache = await cached()
    storage.rows["a"] = session(expires=None)
    await cache.load_session("a")
    await cache.load_session("a")
    assert storage.count("load") == 1


WRITES = {
    "store": lambda cache: cache.store_session(session(token="shpat_2")),
    "delete": lambda cache: cache.delete_session("a"),
    "delete many": lambda cache: cache.delete_sessions(iter(["b", "a"])),
    "compare and store": lambda cache: cache.compare_and_store(
        session(token="shpat_2"), session(token="shpat_1")
    ),
    "compare and delete": lambda cache: cache.compare_and_delete(session(token="shpat_1")),
}


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.asyncio
async def test_what_this_object_writes_shows_at_once(write):
    storage, cache = await cached()
    storage.rows["a"] = session()
    await cache.load_session("a")
    assert await WRITES[write](cache)
    loaded = await cache.load_session("a")
    assert (loaded and loaded.access_token) == ("shpat_2" if "store" in write else None)


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.asyncio
async def test_a_load_under_way_when_a_write_began_is_not_kept(write):
    storage, cache = await cached()
    storage.rows["a"] = session()
    old = session()
    load = storage._load

    async def late(ids):
        await gate.wait()
        return [old] if "late" in asyncio.current_task().get_name() else await load(ids)

    gate = asyncio.Event()
    storage._load = late
    reading = asyncio.create_task(cache.load_session("a"), name="late")
    await settle()
    [writing] = spawn(WRITES[write](cache))
    await settle()
    gate.set()
    await asyncio.gather(reading, writing)
    loaded = await cache.load_session("a")
    assert (loaded and loaded.access_token) == ("shpat_2" if "store" in write else None)


@pytest.mark.asyncio
async def test_fresh_reads_pass_every_cache_and_renew_it():
    storage, inner = await cached()
    cache = CachedSessionStorage(inner)
    storage.rows["a"] = session()
    await cache.load_session("a")
    storage.rows["a"] = session(token="shpat_2")
    assert (await cache.load_session("a")).access_token == "shpat_1"
    with fresh_reads():
        assert (await cache.load_session("a")).access_token == "shpat_2"
    assert (await cache.load_session("a")).access_token == "shpat_2"
    assert storage.count("load") == 2


@pytest.mark.asyncio
async def test_what_is_invalidated_is_read_again():
    storage, cache = await cached()
    storage.rows = {"a": session(), "b": session("b")}
    for id, loads in [("a", 3), ("b", 4), (None, 6)]:
        await asyncio.gather(cache.load_session("a"), cache.load_session("b"))
        cache.invalidate(id)
        await asyncio.gather(cache.load_session("a"), cache.load_session("b"))
        assert sum(len(ids) for ids in storage.arguments("load")) == loads
    await cache.disconnect()
    await cache.load_session("a")
    assert sum(len(ids) for ids in storage.arguments("load")) == 7


@pytest.mark.asyncio
async def test_a_failure_is_not_remembered_and_leaves_nothing_behind():
    storage, cache = await cached()
    storage.rows["a"] = session()
    storage.errors["load"] = [DriverError()]
    with pytest.raises(SessionStorageUnavailableError):
        await cache.load_session("a")
    assert await cache.load_session("a") is not None
    assert not cache._loads


@pytest.mark.asyncio
async def test_a_second_loop_is_refused_at_hits_as_at_misses():
    storage, cache = await cached()
    storage.rows["a"] = session()
    assert await cache.load_session("a") is not None

    def other():
        with pytest.raises(RuntimeError, match=r"shopify_session_storage\.sync"):
            asyncio.run(cache.load_session("a"))

    await asyncio.to_thread(other)
    assert await cache.load_session("a") is not None
    assert storage.count("load") == 1


def test_what_is_kept_outlives_the_event_loop():
    storage, cache = asyncio.run(cached())
    storage.rows["a"] = session()
    for loads in (1, 2, 3):
        asyncio.run(load_thrice(cache))
        assert storage.count("load") == loads


async def load_thrice(cache):
    for _ in range(3):
        assert await cache.load_session("a") is not None


@pytest.mark.asyncio
async def test_memory_is_bounded_and_those_asked_for_last_stay():
    storage, cache = await cached(max_sessions=3)
    storage.rows = {id: session(id) for id in "abcdef"}
    for id in "abcadef":
        await cache.load_session(id)
    storage.calls.clear()
    for id in "aef":
        await cache.load_session(id)
    assert storage.count("load") == 1
    assert len(cache._entries) == 3


@pytest.mark.asyncio
async def test_finds_comparisons_and_leases_are_the_storages_within():
    storage, cache = await cached()
    storage.rows["a"] = session()
    await cache.load_session("a")
    storage.rows["a"] = session(token="shpat_2")
    [found] = await cache.find_sessions_by_shop(SHOP)
    assert found.access_token == "shpat_2"
    assert not await cache.compare_and_store(session(token="shpat_3"), session(token="shpat_1"))
    assert await cache.acquire_lease("a", "me", timedelta(seconds=5))
    assert not await storage.acquire_lease("a", "you", timedelta(seconds=5))
    assert (cache.leases, cache.conditional_writes) == (storage.leases, storage.conditional_writes)
    assert repr(cache) == f"CachedSessionStorage({storage!r})"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"max_sessions": 0}, ValueError),
        ({"max_sessions": -1}, ValueError),
        ({"max_sessions": 1.5}, TypeError),
        ({"max_sessions": True}, TypeError),
        ({"ttl": timedelta(seconds=-1)}, ValueError),
        ({"ttl": 30}, TypeError),
        ({"refresh_before": timedelta(seconds=-1)}, ValueError),
        ({"refresh_before": None}, TypeError),
    ],
)
def test_wrong_options_are_refused(options, error):
    with pytest.raises(error, match=next(iter(options))):
        CachedSessionStorage(ScriptedStorage(), **options)


@pytest.mark.asyncio
async def test_wrong_arguments_are_refused_as_everywhere():
    storage, cache = await cached()
    with pytest.raises(TypeError, match="must be a SessionStorage"):
        CachedSessionStorage("sqlite://")
    for wrong in (cache.load_session(1), cache.store_session("a"), cache.delete_session(None)):
        with pytest.raises(TypeError):
            await wrong
    with pytest.raises(ValueError, match="id"):
        await cache.load_session("")
    with pytest.raises(TypeError):
        cache.invalidate(1)
    assert storage.calls == []


@pytest.mark.asyncio
async def test_a_hit_takes_microseconds():
    storage, cache = await cached()
    storage.rows["a"] = session()
    await cache.load_session("a")

    async def microseconds(loads=2000):
        began = time.perf_counter()
        for _ in range(loads):
            await cache.load_session("a")
        return (time.perf_counter() - began) / loads * 1e6

    assert min([await microseconds() for _ in range(5)]) < 50  # 5 where nothing else runs
