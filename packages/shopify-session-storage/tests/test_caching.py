"""Loads from memory: what they may give, what they must never give, and how they are bounded."""

import asyncio
import math
import time
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from shopify_session_storage import (
    CachedSessionStorage,
    SessionStorageUnavailableError,
    caching,
    fresh_reads,
)
from shopify_session_storage.testing.sessions import offline_session

from .scripted import DriverError, ScriptedStorage, settle, spawn

SHOP = "a.myshopify.com"
TTL = timedelta(seconds=30)


def session(id="a", token="shpat_1", **changes):
    changes.setdefault("refresh_token", f"shprt_{token}")
    changes.setdefault("expires", datetime.now(UTC) + timedelta(hours=1))
    return offline_session(SHOP, id=id, access_token=token, **changes)


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(caching, "monotonic", clock)
    return clock


async def cached(**options):
    storage = ScriptedStorage(max_groups=8)
    await storage.ready()
    storage.calls.clear()
    return storage, CachedSessionStorage(storage, **options)


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


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("load"), st.booleans()),
        st.tuples(
            st.sampled_from(["store", "delete", "swap", "foreign", "foreign delete"]),
            st.integers(0, 9),
        ),
        st.tuples(st.just("wait"), st.integers(1, 20)),
        st.tuples(st.just("let go"), st.integers(0, 5)),
    ),
    max_size=40,
)


class Register(ScriptedStorage):
    """Its one row is read and written at moments that the schedule decides."""

    def __init__(self):
        super().__init__(max_groups=8)
        self.doors = []

    async def door(self):
        door = asyncio.Event()
        self.doors.append(door)
        await door.wait()

    async def _load(self, ids):
        await self.door()
        rows = self.stored(ids)
        await self.door()
        return rows

    async def _store(self, sessions):
        await self.door()
        for one in sessions:
            self.rows[one.id] = one
            self.changed()
        await self.door()

    async def _delete(self, ids):
        await self.door()
        for id in ids:
            self.rows.pop(id, None)
            self.changed()
        await self.door()


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(STEPS)
@example([("load", False), ("store", 0), ("load", False), ("load", False), ("let go", 3)])
def test_no_schedule_serves_what_a_write_of_ours_or_the_time_has_made_old(steps):
    """A load gives what stood there at some moment since it began; from memory, since the last
    write of ours that had ended by then, and no longer ago than the time to live."""

    async def story():
        clock = Clock()
        monkeypatch.setattr(caching, "monotonic", clock)
        storage = Register()
        await storage.ready()
        cache = CachedSessionStorage(storage, ttl=TTL)
        # What stood there, each from a moment on. Moments are the clock's, in order.
        moments = iter(range(10**6))
        history = [(next(moments), clock.now, None)]
        ended = []  # of writes of ours
        numbers = iter(range(10**6))

        def changed():
            row = storage.rows.get("a")
            history.append((next(moments), clock.now, row and row.access_token))

        storage.changed = changed

        def stood_there(since, oldest):
            """Return the tokens that stood there after that moment and that time."""
            for (_, _, token), (moment, gone, _) in pairwise([*history, (math.inf, math.inf, "")]):
                if moment > since and gone > oldest:
                    yield token

        async def load(fresh):
            began, at = next(moments), clock.now
            since = began
            if not fresh:
                since = max(ended, default=-1)
            with fresh_reads() if fresh else nullcontext():
                loaded = await cache.load_session("a")
            assert (loaded and loaded.access_token) in [
                *stood_there(began, -math.inf),
                *stood_there(since, at - TTL.total_seconds()),
            ]

        async def write(kind):
            if kind == "store":
                await cache.store_session(session(token=f"shpat_{next(numbers)}"))
            elif kind == "delete":
                await cache.delete_session("a")
            else:
                row = storage.rows.get("a")
                await cache.compare_and_store(session(token=f"shpat_{next(numbers)}"), row)
            ended.append(next(moments))

        tasks = []
        for name, argument in steps:
            if name == "load":
                tasks += spawn(load(argument))
            elif name in ("store", "delete", "swap"):
                tasks += spawn(write(name))
            elif name == "foreign":
                storage.rows["a"] = session(token=f"shpat_{next(numbers)}")
                changed()
            elif name == "foreign delete":
                storage.rows.pop("a", None)
                changed()
            elif name == "wait":
                clock.now += argument
            elif storage.doors:
                storage.doors.pop(argument % len(storage.doors)).set()
            await settle()
        while not all(task.done() for task in tasks):
            while storage.doors:
                storage.doors.pop().set()
            await settle()
        await asyncio.gather(*tasks)

    with pytest.MonkeyPatch.context() as monkeypatch:
        asyncio.run(story())
