"""Redis deletes by itself what is dead, and nothing that lives."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage_redis import RedisSessionStorage

from .conftest import raw_of

pytestmark = pytest.mark.asyncio
GRACE = timedelta(milliseconds=400)
PAST = datetime.now(UTC) - timedelta(days=3)
LATER = datetime.now(UTC) + timedelta(days=3)


@pytest_asyncio.fixture
async def expiring(any_url, prefix):
    async with RedisSessionStorage(
        any_url, session_key_prefix=prefix, expire_dead=GRACE, on_error="raise"
    ) as storage:
        yield storage


def shop(number):
    return f"shop-{number}.myshopify.com"


LIVING = [
    online_session(shop(0), expires=LATER),
    online_session(shop(1), expires=None),
    offline_session(shop(2), expires=None, refresh_token=None, refresh_token_expires=None),
    offline_session(shop(3), expires=PAST, refresh_token_expires=LATER),
    offline_session(shop(4), expires=PAST, refresh_token_expires=None),
    offline_session(shop(5), expires=LATER, refresh_token_expires=PAST),
]
DEAD = [
    online_session(shop(6), expires=PAST),
    offline_session(shop(7), expires=PAST, refresh_token_expires=PAST),
    offline_session(shop(8), expires=PAST, refresh_token=None, refresh_token_expires=None),
]


async def test_the_dead_go_after_their_grace_and_the_living_stay(expiring, any_url, prefix):
    begun = asyncio.get_running_loop().time()
    await asyncio.gather(*map(expiring.store_session, [*LIVING, *DEAD]))
    loaded = [await expiring.load_session(one.id) for one in DEAD]
    if asyncio.get_running_loop().time() - begun < GRACE.total_seconds():  # not on a busy machine
        assert all(loaded)
    await asyncio.sleep(2 * GRACE.total_seconds())
    assert [await expiring.load_session(one.id) for one in DEAD] == [None] * len(DEAD)
    assert all([await expiring.load_session(one.id) for one in LIVING])
    assert await expiring.find_sessions_by_shop(shop(6)) == []
    with raw_of(any_url) as raw:
        assert raw.get(f"{prefix}_{shop(6)}") != "[]"  # it dangles, until somebody tidies up
        await expiring.purge_expired()
        assert raw.get(f"{prefix}_{shop(6)}") == "[]"


async def test_the_time_is_that_of_the_later_end(expiring, any_url, prefix):
    session = offline_session(shop(0), expires=PAST, refresh_token_expires=LATER)
    await expiring.store_session(session)
    with raw_of(any_url) as raw:
        end = raw.pexpiretime(f"{prefix}_{session.id}")
    assert end == round(
        (LATER.replace(microsecond=LATER.microsecond // 1000 * 1000) + GRACE).timestamp() * 1000
    )


async def test_each_write_sets_it_anew(expiring, any_url, prefix):
    dead = DEAD[1]
    alive = replace(dead, access_token="new", refresh_token_expires=LATER)
    forever = replace(alive, access_token="newer", refresh_token_expires=None)
    with raw_of(any_url) as raw:

        def remaining():
            return raw.pttl(f"{prefix}_{dead.id}")

        assert await expiring.compare_and_store(dead, None)
        assert 0 < remaining() <= GRACE.total_seconds() * 1000
        assert await expiring.compare_and_store(alive, dead)
        assert remaining() > 1_000_000
        assert await expiring.store_session(forever)
        assert remaining() == -1
        assert await expiring.store_session(dead)
        assert remaining() > 0
        raw.set(f"{prefix}_{dead.id}", raw.get(f"{prefix}_{dead.id}"))  # as JavaScript does
        assert remaining() == -1
        await expiring.store_session(dead)
        async with RedisSessionStorage(any_url, session_key_prefix=prefix) as without:
            await without.store_session(dead)
        assert remaining() == -1


@pytest.mark.parametrize(
    ("value", "error"),
    [(5, TypeError), (timedelta(0), ValueError), (timedelta(days=-1), ValueError)],
)
async def test_bad_times_are_refused(value, error):
    with pytest.raises(error, match="expire_dead"):
        RedisSessionStorage("redis://127.0.0.1:1", expire_dead=value)
