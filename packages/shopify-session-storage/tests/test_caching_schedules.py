"""Whatever happens in which order, a cache serves nothing that is older than it may be."""

import asyncio
import math
from contextlib import nullcontext
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from shopify_session_storage import CachedSessionStorage, caching, fresh_reads

from .caches import TTL, Clock, session
from .scripted import ScriptedStorage, settle, spawn

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
