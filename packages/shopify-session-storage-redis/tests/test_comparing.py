"""compare_and_store() and leases on Redis: processes, round trips, lists, keys of other kinds."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from redis.asyncio import Redis, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from servers.racing import count_in_processes, count_through_cuts, lease_of_the_dead
from shopify_session_storage.testing.sessions import offline_session, unique
from shopify_session_storage_redis import RedisSessionStorage
from shopify_session_storage_redis.addresses import Address

from .conftest import raw_of, through

SHOP = "shop.myshopify.com"
SESSION = offline_session(SHOP)
NEWER = replace(SESSION, access_token="newer")
MINUTE = timedelta(minutes=1)


def test_two_processes_count_together(any_url, prefix):
    count_in_processes(any_url, {"session_key_prefix": prefix, "on_error": "raise"})


def test_lease_of_a_dead_process_ends(any_url, prefix):
    lease_of_the_dead(any_url, {"session_key_prefix": prefix, "on_error": "raise"})


@pytest.mark.asyncio
async def test_no_comparison_is_lost_to_a_cut_connection(redis_url, prefix, proxy):
    async with RedisSessionStorage(
        through(proxy, redis_url), session_key_prefix=prefix, on_error="raise"
    ) as storage:
        await count_through_cuts(storage, proxy.cut)


@pytest.mark.asyncio
async def test_no_comparison_is_lost_to_a_client_that_repeats_by_itself(redis_url, prefix, proxy):
    async with (
        Redis.from_url(through(proxy, redis_url)) as client,  # three times, by default
        RedisSessionStorage(client, session_key_prefix=prefix, on_error="raise") as storage,
    ):
        await count_through_cuts(storage, proxy.cut)


RETRYING = {"retry": Retry(NoBackoff(), 3)}


def own(url, prefix):
    return RedisSessionStorage(url, session_key_prefix=prefix, on_error="raise")


def own_with_retries(url, prefix):
    return RedisSessionStorage(
        url, session_key_prefix=prefix, on_error="raise", client_options=RETRYING
    )


def passed_in(url, prefix):
    if url.startswith("redis+cluster"):
        client = RedisCluster.from_url(url.replace("redis+cluster", "redis"))
    else:
        client = Redis.from_url(url)
    return RedisSessionStorage(client, session_key_prefix=prefix, on_error="raise")


@pytest.mark.parametrize("make", [own, own_with_retries, passed_in])
@pytest.mark.asyncio
async def test_a_repeat_does_not_turn_a_won_comparison_into_a_lost_one(
    redis_url, prefix, meddler, make
):
    storage = make(meddler.url(redis_url), prefix)
    assert await storage.compare_and_store(SESSION, None)
    found = SESSION
    for step in range(3):
        newer = replace(SESSION, access_token=f"{step}")
        meddler.lost = 1
        assert await storage.compare_and_store(newer, found)
        assert meddler.lost == 0
        assert newer.equals(await storage.load_session(SESSION.id))
        found = newer
    await close(storage)


@pytest.mark.parametrize("make", [own, own_with_retries, passed_in])
@pytest.mark.asyncio
async def test_a_repeat_does_not_turn_a_lost_comparison_into_a_won_one(any_url, prefix, make):
    storage = make(any_url, prefix)
    # Somebody else has stored the same tokens, as a refresh that both sent gives them, and a scope.
    other = replace(SESSION, scope="read_orders")
    await storage.store_session(other)
    for expected in (None, NEWER, replace(SESSION, refresh_token=None)):
        assert not await storage.compare_and_store(SESSION, expected)
        assert other.equals(await storage.load_session(SESSION.id))
    await close(storage)


@pytest.mark.asyncio
async def test_a_storage_that_repeats_nothing_loses_also_against_the_same_session(any_url, prefix):
    async with own(any_url, prefix) as storage:
        assert await storage.compare_and_store(SESSION, None)
        assert await storage.compare_and_store(SESSION, None) is storage._client.repeats


async def close(storage):
    await storage.disconnect()
    if not isinstance(storage._source, Address):
        await storage._source.aclose()


@pytest.mark.asyncio
async def test_many_compared_deletes_leave_what_has_other_tokens(any_url, prefix):
    async with own(any_url, prefix) as storage:
        sessions = [
            replace(SESSION, id=f"id {n}", shop=f"{n % 7}.example", access_token=f"{n}")
            for n in range(50)
        ]
        await asyncio.gather(*map(storage.store_session, sessions))
        expected = [
            replace(one, refresh_token="" if n % 3 == 0 else one.refresh_token)
            for n, one in enumerate(sessions)
        ]
        missing = replace(SESSION, id="missing")
        deleted = await asyncio.gather(*map(storage.compare_and_delete, [*expected, missing]))
        assert deleted == [n % 3 != 0 for n in range(50)] + [True]
        for shop in range(7):
            found = await storage.find_sessions_by_shop(f"{shop}.example")
            wanted = {f"id {n}" for n in range(50) if n % 3 == 0 and n % 7 == shop}
            assert {one.id for one in found} == wanted
        with raw_of(any_url) as raw:
            listed = [json.loads(raw.get(f"{prefix}_{shop}.example")) for shop in range(7)]
        assert sum(map(len, listed)) == 17


@pytest.mark.asyncio
async def test_compared_deletes_that_travel_together_are_one_round_trip(redis_url, prefix, proxy):
    async with own(through(proxy, redis_url), prefix) as storage:
        sessions = [replace(SESSION, id=f"id {n}") for n in range(100)]
        await asyncio.gather(*map(storage.store_session, sessions))
        await storage.compare_and_delete(replace(SESSION, id="first"))
        proxy.reset()
        assert all(await asyncio.gather(*map(storage.compare_and_delete, sessions)))
        assert proxy.round_trips <= 3
        assert await storage.find_sessions_by_shop(SHOP) == []


@pytest.mark.parametrize("text", ["no session", "[[", '[["accessToken", 1]]'])
@pytest.mark.asyncio
async def test_a_compared_delete_leaves_what_it_cannot_read(storage, raw, prefix, text):
    key = f"{prefix}_{SESSION.id}"
    await raw.set(key, text)
    assert not await storage.compare_and_delete(SESSION)
    assert not await storage.compare_and_delete(
        replace(SESSION, access_token=None, refresh_token=None)
    )
    assert await raw.get(key) == text
    await raw.set(key, '["a list"]')
    assert await storage.compare_and_delete(SESSION)
    assert await raw.get(key) == '["a list"]'


@pytest.mark.asyncio
async def test_a_compared_delete_whose_answer_is_lost_has_taken_place(redis_url, prefix, meddler):
    async with own(meddler.url(redis_url), prefix) as storage:
        await storage.store_session(SESSION)
        await storage.compare_and_delete(NEWER)
        meddler.lost = 1
        assert await storage.compare_and_delete(SESSION)
        assert await storage.find_sessions_by_shop(SHOP) == []


@pytest.mark.asyncio
async def test_each_call_is_one_round_trip(redis_url, prefix, proxy):
    async with RedisSessionStorage(
        through(proxy, redis_url), session_key_prefix=prefix, on_error="raise"
    ) as storage:
        calls = (
            lambda: storage.compare_and_store(SESSION, None),
            lambda: storage.compare_and_store(SESSION, None),
            lambda: storage.compare_and_store(SESSION, SESSION),
            lambda: storage.acquire_lease("name", "a", MINUTE),
            lambda: storage.acquire_lease("name", "b", MINUTE),
            lambda: storage.release_lease("name", "a"),
        )
        for turn in range(2):  # the server learns the scripts in the first one
            for call in calls:
                proxy.reset()
                await call()
                assert proxy.round_trips == 1 or turn == 0


@pytest.mark.asyncio
async def test_lease_is_a_key_that_ends_by_itself_and_has_another_prefix(storage, raw, prefix):
    name = unique("name")
    assert await storage.acquire_lease(name, "holder é", MINUTE)
    key = f"leases:{prefix}_:{name}"
    assert await raw.get(key) == "holder é"
    assert 0 < await raw.pttl(key) <= 60_000
    assert [one async for one in raw.scan_iter(f"*{name}*")] == [key]
    await storage.release_lease(name, "holder é")
    assert await raw.exists(key) == 0


@pytest.mark.asyncio
async def test_tokens_are_compared_as_javascript_spells_them(storage, raw, prefix):
    key = f"{prefix}_{SESSION.id}"
    entries = [["id", SESSION.id], ["shop", SHOP], ["state", ""], ["isOnline", False]]
    for token, spelled in (('é😀\\"/', '"\\u00e9\\ud83d\\ude00\\\\\\"\\/"'), (None, "null")):
        text = json.dumps([*entries, ["accessToken", "TOKEN"], ["refreshToken", ""]])
        await raw.set(key, text.replace('"TOKEN"', spelled))
        expected = replace(SESSION, access_token=token, refresh_token="")
        assert not await storage.compare_and_store(NEWER, replace(expected, refresh_token=None))
        assert await storage.compare_and_store(NEWER, expected)
        assert NEWER.equals(await storage.load_session(SESSION.id))


@pytest.mark.asyncio
@pytest.mark.parametrize("text", ["no session", "[[", '[["accessToken", 1]]'])
async def test_what_cannot_be_read_is_nothing_that_could_be_expected(storage, raw, prefix, text):
    key = f"{prefix}_{SESSION.id}"
    await raw.set(key, text)
    without = replace(SESSION, access_token=None, refresh_token=None)
    for expected in (None, SESSION, without):
        assert not await storage.compare_and_store(NEWER, expected)
    assert await raw.get(key) == text


@pytest.mark.asyncio
async def test_comparisons_beside_stores_and_deletes_keep_the_list_right(any_url, prefix):
    async with (
        RedisSessionStorage(any_url, session_key_prefix=prefix, on_error="raise") as one,
        RedisSessionStorage(any_url, session_key_prefix=prefix, on_error="raise") as other,
    ):
        sessions = [replace(SESSION, id=f"id {number}") for number in range(50)]
        moved = [replace(session, shop="other.myshopify.com") for session in sessions]
        await asyncio.gather(*(one.compare_and_store(session, None) for session in sessions))
        await asyncio.gather(
            *(other.compare_and_store(new, old) for old, new in zip(sessions, moved, strict=True)),
            *(one.delete_session(session.id) for session in sessions[:25]),
        )
        left = await one.find_sessions_by_shop("other.myshopify.com")
        assert await one.find_sessions_by_shop(SHOP) == []
        ids = [session.id for session in sessions]
        loaded = [found for id in ids if (found := await other.load_session(id)) is not None]
        assert sorted(session.id for session in left) == sorted(session.id for session in loaded)
        assert len(left) >= 25
