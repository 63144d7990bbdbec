"""Requests: as few as are told for each call, few for many at once, also in big shops."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from shopify_session_storage import open_session_storage
from shopify_session_storage.testing.sessions import online_session
from shopify_session_storage_kv_style import KVSessionStorage

from .conftest import Plain, through


@pytest.mark.asyncio
async def test_operations_take_the_requests_that_are_told(kv_url, shop, proxy):
    async with open_session_storage(through(proxy, kv_url), on_error="raise") as storage:
        many = [online_session(shop, user) for user in range(50)]
        moved = replace(many[0], shop=f"other.{shop}")
        for call, requests in (
            (lambda: storage.store_session(many[0]), 3),  # read, list, session
            (lambda: storage.store_session(many[0]), 2),  # it is in the list
            (lambda: asyncio.gather(*map(storage.store_session, many)), 5),  # in two groups
            (lambda: storage.load_session(many[0].id), 1),
            (lambda: storage.load_session("missing"), 1),
            (lambda: storage.find_sessions_by_shop(shop), 2),
            (lambda: storage.store_session(moved), 4),  # and read the old list, write both
            (lambda: storage.delete_session(many[1].id), 4),
            (lambda: storage.delete_session("missing"), 2),
            (lambda: storage.delete_sessions(session.id for session in many[2:]), 4),
        ):
            proxy.reset()
            await call()
            assert proxy.round_trips == requests


@pytest.mark.asyncio
async def test_calls_that_wait_travel_in_few_requests(kv_url, shop, proxy):
    async with open_session_storage(through(proxy, kv_url), on_error="raise") as storage:
        many = [online_session(shop, user) for user in range(200)]
        await asyncio.gather(*map(storage.store_session, many))
        proxy.reset()
        loaded = await asyncio.gather(*(storage.load_session(session.id) for session in many))
        assert proxy.round_trips <= 10
        assert all(one.equals(other) for one, other in zip(many, loaded, strict=True))


@pytest.mark.asyncio
async def test_big_shops_and_many_tasks(kv_url, shop):
    minute = timedelta(minutes=1)  # all of them wait from the start
    async with open_session_storage(kv_url, on_error="raise", timeout=minute) as storage:
        await use_big_shop(storage, shop)


async def use_big_shop(storage, shop):
    many = [online_session(shop, user) for user in range(10_000)]
    assert all(await asyncio.gather(*map(storage.store_session, many)))
    found = {one.id: one for one in await storage.find_sessions_by_shop(shop)}
    assert len(found) == 10_000
    assert all(one.equals(found[one.id]) for one in many)

    async def task(number: int) -> None:
        for session in many[number:2000:200]:
            assert session.equals(await storage.load_session(session.id))

    await asyncio.gather(*map(task, range(200)))


@pytest.mark.asyncio
async def test_namespace_without_bulk_calls_serves_many(raw, shop):
    storage = KVSessionStorage(Plain(raw), on_error="raise")
    many = [online_session(shop, user) for user in range(50)]
    assert all(await asyncio.gather(*map(storage.store_session, many)))
    assert len(await storage.find_sessions_by_shop(shop)) == 50
    loaded = await asyncio.gather(*(storage.load_session(one.id) for one in many))
    assert all(one.equals(other) for one, other in zip(many, loaded, strict=True))
    assert await storage.delete_sessions(one.id for one in many) is True
    assert await storage.find_sessions_by_shop(shop) == []
