"""Walking through the keys of Redis, and taking off lists what leads nowhere."""

import asyncio
import json
from dataclasses import replace

import pytest
from shopify_session_storage import SessionStorageUnavailableError
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage_redis import RedisSessionStorage
from shopify_session_storage_redis.scanning import Place

from .conftest import raw_of

pytestmark = pytest.mark.asyncio
SHOP = "a.myshopify.com"


async def walk(storage, **options):
    pages = [page async for page in storage.scan_sessions(**options)]
    ids = {one.id for page in pages for one in page.sessions}
    return ids, {id for page in pages for id in page.corrupt}


async def store_some(storage, count=30):
    stored = [online_session(f"shop-{number}.myshopify.com") for number in range(count)]
    await asyncio.gather(*map(storage.store_session, stored))
    return {one.id for one in stored}


async def place_in_the_middle(storage):
    async for page in storage.scan_sessions(batch=5):
        place = Place.read(page.after)
        if place.cursor:
            return place
    raise AssertionError("there was no second page")


async def test_a_session_under_the_key_of_another_one_is_corrupt(any_url, prefix):
    async with RedisSessionStorage(any_url, session_key_prefix=prefix) as storage:
        await storage.store_session(offline_session(SHOP))
        with raw_of(any_url) as raw:
            raw.set(f"{prefix}_another", raw.get(f"{prefix}_offline_{SHOP}"))
        assert await walk(storage) == ({f"offline_{SHOP}"}, {"another"})


@pytest.mark.parametrize("changed", [{"run": "0" * 8}, {"slots": "0" * 8}, {"node": 99}])
async def test_a_walk_begins_anew_on_another_server(any_url, prefix, changed):
    async with RedisSessionStorage(any_url, session_key_prefix=prefix) as storage:
        stored = await store_some(storage)
        place = replace(await place_in_the_middle(storage), **changed)
        ids, _ = await walk(storage, after=str(place), batch=1000)
        assert place.node or ids == stored  # a cluster's node that is done stays so
        page = await anext(storage.scan_sessions(after=str(place), batch=5))
        assert Place.read(page.after).beginnings == 1


async def test_a_walk_does_not_begin_anew_for_ever(storage):
    await store_some(storage)
    place = replace(await place_in_the_middle(storage), run="0" * 8, beginnings=10)
    with pytest.raises(SessionStorageUnavailableError, match="start again 10 times"):
        await walk(storage, after=str(place))


@pytest.mark.parametrize("after", ["", "0", "offline_a.myshopify.com", "1-2-3-4-5"])
async def test_a_place_of_another_storage_is_refused(storage, after):
    with pytest.raises(ValueError, match="another kind of storage"):
        await walk(storage, after=after)


async def test_only_what_cannot_be_read_is_corrupt(any_url, prefix):
    async with RedisSessionStorage(any_url, session_key_prefix=prefix) as storage:
        stored = await store_some(storage, 3)
        with raw_of(any_url) as raw:
            raw.set(f"{prefix}_broken", "[[")
            raw.set(f"{prefix}_moved", json.dumps([["id", "x"], ["shop", "y"], ["state", ""]]))
            raw.hset(f"{prefix}_hash", "of", "another application")
            raw.set(f"{prefix}_shop:x", "a key that no session has")
            raw.set(prefix.encode() + b"_\xff", "nor this one")
        longer = RedisSessionStorage(any_url, session_key_prefix=f"{prefix}_2")
        async with longer:
            others = await store_some(longer, 4)
            assert await walk(longer) == (others, set())
        assert await walk(storage) == (stored, {"broken", "moved"})


async def test_what_dangles_in_lists_is_dropped_and_nothing_else(any_url, prefix):
    names = [f"{prefix}_{id}" for id in ("gone-1", "is there", 'ödd "\\ / one', "gone-2")]
    async with RedisSessionStorage(any_url, session_key_prefix=prefix) as storage:
        stays = [offline_session(SHOP, id=id) for id in ("is there", 'ödd "\\ / one')]
        await asyncio.gather(*map(storage.store_session, stays))
        longer = RedisSessionStorage(any_url, session_key_prefix=f"{prefix}_2", on_error="raise")
        async with longer:
            await longer.store_session(offline_session(SHOP))
            with raw_of(any_url) as raw:
                raw.set(f"{prefix}_{SHOP}", json.dumps([*names, "another key"]))
                raw.set(f"{prefix}_empty", json.dumps(names[:1]))
                raw.set(f"{prefix}_no list", '["not closed')
                await storage.purge_expired(dry_run=True)
                assert len(json.loads(raw.get(f"{prefix}_{SHOP}"))) == 5
                await storage.purge_expired()
                assert json.loads(raw.get(f"{prefix}_{SHOP}")) == [*names[1:3], "another key"]
                assert json.loads(raw.get(f"{prefix}_empty")) == []
                assert raw.get(f"{prefix}_no list") == '["not closed'
            assert len(await longer.find_sessions_by_shop(SHOP)) == 1
        found = await storage.find_sessions_by_shop(SHOP)
        assert {one.id for one in found} == {one.id for one in stays}


async def test_what_is_stored_while_lists_are_tidied_is_found(any_url, prefix, times):
    sessions = [online_session(SHOP, user) for user in range(8)]
    async with (
        RedisSessionStorage(any_url, session_key_prefix=prefix, on_error="raise") as storage,
        RedisSessionStorage(any_url, session_key_prefix=prefix, on_error="raise") as other,
    ):
        for _ in range(max(6, times // 4)):
            with raw_of(any_url) as raw:
                for one in sessions:  # as an expiry leaves it
                    raw.delete(f"{prefix}_{one.id}")
                raw.set(f"{prefix}_{SHOP}", json.dumps([f"{prefix}_{one.id}" for one in sessions]))
            await asyncio.gather(storage.purge_expired(), *map(other.store_session, sessions))
            found = await other.find_sessions_by_shop(SHOP)
            assert len(found) == len(sessions)
