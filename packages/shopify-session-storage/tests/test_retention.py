"""Deleting what is dead, and nothing that lives."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shopify_session_storage import CustomSessionStorage, PurgeReport
from shopify_session_storage.retention import is_dead
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage_memory import MemorySessionStorage
from shopify_session_storage_sqlite import SQLiteSessionStorage

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)
LONG_AGO, LATER = NOW - 3 * DAY, NOW + DAY
JUST_NOW = NOW - timedelta(hours=1)


def offline(name, expires, refresh_token=None, ends=None):
    return offline_session(
        f"{name}.myshopify.com",
        expires=expires,
        refresh_token=refresh_token,
        refresh_token_expires=ends,
    )


def online(name, expires):
    return online_session(f"{name}.myshopify.com", 1, expires=expires)


SESSIONS = {
    "dead": [online("expired", LONG_AGO)],
    "dead if offline": [
        offline("both-expired", LONG_AGO, "shprt_1", LONG_AGO),
        offline("client-credentials", LONG_AGO),
    ],
    "alive": [
        online("valid", LATER),
        online("within-the-grace", JUST_NOW),
        online("forever", None),
        offline("never-expires", None),
        offline("refreshable", LONG_AGO, "shprt_2", LATER),
        offline("refreshable-for-a-moment", LONG_AGO, "shprt_3", JUST_NOW),
        offline("without-a-known-end", LONG_AGO, "shprt_4", None),
        offline("valid-token-dead-refresh", LATER, "shprt_5", LONG_AGO),
    ],
}


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize("with_offline", [False, True])
@pytest.mark.asyncio
async def test_what_is_dead_is_deleted_and_counted(with_offline, dry_run):
    async with SQLiteSessionStorage(":memory:", on_error="raise") as storage:
        everything = [one for group in SESSIONS.values() for one in group]
        await asyncio.gather(*map(storage.store_session, everything))
        report = await storage.purge_expired(offline=with_offline, batch=2, dry_run=dry_run)
        gone = SESSIONS["dead"] + (SESSIONS["dead if offline"] if with_offline else [])
        assert report == PurgeReport(examined=len(everything), deleted=len(gone))
        left = {one.id async for page in storage.scan_sessions() for one in page.sessions}
        expected = {one.id for one in everything}
        assert left == (expected if dry_run else expected - {one.id for one in gone})
        if not dry_run:
            assert (await storage.purge_expired(offline=with_offline)).deleted == 0


@pytest.mark.asyncio
async def test_it_works_in_small_steps_and_rests_between():
    """Whoever loads meanwhile waits for a small step at most."""
    clock = asyncio.get_running_loop().time
    steps = []

    class Watched(MemorySessionStorage):
        async def _scan(self, after, batch):
            begun = clock()
            await asyncio.sleep(0.02)
            page = await super()._scan(after, batch)
            steps.append((begun, clock(), len(page.sessions)))
            return page

    storage = Watched()
    dead = [online(f"shop-{number}", LONG_AGO) for number in range(250)]
    await asyncio.gather(*map(storage.store_session, dead))
    report = await storage.purge_expired(batch=500)
    assert report == PurgeReport(examined=250, deleted=250)
    assert [count for _, _, count in steps] == [100, 100, 50]
    for (begun, ended, _), (following, _, _) in pairwise(steps):
        assert following - ended >= ended - begun


DATES = st.one_of(st.none(), st.integers(-100, 100).map(lambda hours: NOW + hours * DAY / 24))


@settings(max_examples=300, deadline=None)
@given(
    st.booleans(), DATES, DATES, st.sampled_from([None, "", "shprt_1"]), st.booleans(),
    st.integers(0, 100),
)  # fmt: skip
def test_no_live_refresh_token_is_ever_dead(is_online, expires, ends, token, with_offline, hours):
    make = online_session("a.myshopify.com", 1) if is_online else offline_session("a.myshopify.com")
    make.expires, make.refresh_token, make.refresh_token_expires = expires, token, ends
    before = NOW - timedelta(hours=hours)
    if not is_dead(make, before, offline=with_offline):
        return
    assert expires is not None
    assert expires < before
    assert token is None or (ends is not None and ends < before)
    assert is_online or with_offline


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_what_is_refreshed_meanwhile_stays(data):
    async def purge():
        storage = SQLiteSessionStorage(":memory:", on_error="raise")
        dead = [offline(f"shop-{n}", LONG_AGO, f"shprt_{n}", LONG_AGO) for n in range(20)]
        await asyncio.gather(*map(storage.store_session, dead))
        renewed = data.draw(st.lists(st.integers(0, 19), unique=True))
        pauses = data.draw(st.lists(st.integers(0, 30), min_size=20, max_size=20))

        async def renew(number):
            for _ in range(pauses[number]):
                await asyncio.sleep(0)
            new = offline(f"shop-{number}", LATER, f"shprt_new_{number}", LATER)
            return await storage.compare_and_store(new, dead[number])

        won, report = await asyncio.gather(
            asyncio.gather(*map(renew, renewed)), storage.purge_expired(offline=True, batch=4)
        )
        left = {one.id async for page in storage.scan_sessions() for one in page.sessions}
        alive = {dead[number].id for number, won_it in zip(renewed, won, strict=True) if won_it}
        assert left == alive
        assert report.deleted == 20 - len(alive)
        await storage.disconnect()

    asyncio.run(purge())


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"before": NOW + timedelta(hours=1)}, ValueError),
        ({"before": datetime(2026, 1, 1)}, ValueError),  # noqa: DTZ001
        ({"before": "2026-01-01"}, TypeError),
        ({"offline": 1}, TypeError),
        ({"dry_run": "no"}, TypeError),
        ({"batch": 0}, ValueError),
    ],
)
@pytest.mark.asyncio
async def test_bad_arguments_delete_nothing(arguments, error):
    async with SQLiteSessionStorage(":memory:", on_error="raise") as storage:
        await storage.store_session(SESSIONS["dead"][0])
        with pytest.raises(error):
            await storage.purge_expired(**arguments)
        assert await storage.load_session(SESSIONS["dead"][0].id) is not None


@pytest.mark.asyncio
async def test_what_cannot_be_walked_through_cannot_be_purged():
    with pytest.raises(NotImplementedError, match="cannot be walked through"):
        await CustomSessionStorage(store=bool, load=bool, delete=bool).purge_expired()
