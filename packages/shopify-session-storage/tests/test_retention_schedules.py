"""Whatever happens while dead sessions are purged, no live refresh token is deleted.

``--times 10000`` tries so many schedules.
"""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shopify_session_storage.retention import is_dead
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage_memory import MemorySessionStorage
from shopify_session_storage_sqlite import SQLiteSessionStorage

NOW = datetime.now(UTC).replace(microsecond=0)
BEFORE = NOW - timedelta(days=1)

dates = st.sampled_from([None, *(NOW + timedelta(hours=hours) for hours in (-72, -30, -2, 50))])
step = st.tuples(
    st.sampled_from(["store", "swap", "delete", "purge"]),
    st.integers(0, 5),  # which session
    dates,
    dates,
    st.integers(0, 9),  # how many turns of the loop later than the step before
)
STORAGES = {"memory": MemorySessionStorage, "sqlite": lambda: SQLiteSessionStorage(":memory:")}


def made(number, version, expires, ends):
    """Make a version of a session; all have tokens of their own."""
    make = offline_session if number else lambda shop, **fields: online_session(shop, 7, **fields)
    return make(
        f"shop-{number}.myshopify.com",
        expires=expires,
        access_token=f"shpat_{version}",
        refresh_token=f"shprt_{version}",
        refresh_token_expires=ends,
    )


async def run(storage, steps, batch):
    """Do the steps, all under way at once, and return what was told and what is left."""
    last = {}
    lasting = {}
    for number in range(6):
        end = BEFORE - timedelta(hours=1)  # dead
        last[number] = made(number, f"first-{number}", end, end)
        await storage.store_session(last[number])
    turns = 0

    async def do(version, what, number, expires, ends, start):
        for _ in range(start):
            await asyncio.sleep(0)
        new = made(number, version, expires, ends)
        if what == "purge":
            await storage.purge_expired(before=BEFORE, offline=True, batch=batch)
        elif what == "delete":
            lasting.pop(number, None)
            await storage.delete_session(new.id)
            lasting.pop(number, None)
        elif what == "store" or await storage.compare_and_store(new, last[number]):
            if what == "store":
                lasting.pop(number, None)
                await storage.store_session(new)
            last[number] = new
            lasting[number] = new

    calls = []
    for version, (what, number, expires, ends, pause) in enumerate(steps):
        turns += pause
        calls.append(do(version, what, number, expires, ends, turns))
    await asyncio.gather(*calls, storage.purge_expired(before=BEFORE, offline=True, batch=batch))
    return lasting


@pytest.mark.parametrize("kind", STORAGES)
def test_no_live_refresh_token_is_deleted(kind, times):
    count = times if kind == "memory" else min(times, 200)

    @settings(max_examples=count, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(step, max_size=12), st.integers(1, 4))
    def schedules(steps, batch):
        # One writer for each session, so that the last one that was acknowledged is known.
        alone = {}
        for one in steps:
            if one[0] != "purge":
                alone.setdefault(one[1], one)
        kept = [one for one in steps if one[0] == "purge" or alone[one[1]] is one]

        async def check():
            async with STORAGES[kind]() as storage:
                for number, new in (await run(storage, kept, batch)).items():
                    stored = await storage.load_session(new.id)
                    if not is_dead(new, BEFORE, offline=True):
                        assert stored is not None, f"{number}: a live session is gone"
                        assert stored.equals(new)

        asyncio.run(check())

    schedules()


def test_the_check_can_fail():
    """A purge that goes by the id alone is found out by a schedule as simple as can be."""

    class ByIdAlone(MemorySessionStorage):
        async def compare_and_delete(self, expected):
            for _ in range(6):
                await asyncio.sleep(0)
            return await self.delete_session(expected.id)

    async def check():
        async with ByIdAlone() as storage:
            old = made(1, "old", BEFORE - timedelta(hours=1), BEFORE - timedelta(hours=1))
            await storage.store_session(old)
            purging = asyncio.ensure_future(storage.purge_expired(before=BEFORE, offline=True))
            for _ in range(4):
                await asyncio.sleep(0)
            new = replace(old, access_token="new", refresh_token_expires=NOW + timedelta(days=9))
            assert await storage.compare_and_store(new, old)
            await purging
            return await storage.load_session(new.id)

    assert asyncio.run(check()) is None
