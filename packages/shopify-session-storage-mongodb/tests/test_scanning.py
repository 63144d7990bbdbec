"""Walking through a collection, also one with documents that cannot be read."""

import asyncio

import bson
import pytest
from shopify_session_storage.testing.sessions import offline_session

from .conftest import on_each_server

pytestmark = pytest.mark.asyncio


async def walk(storage, **options):
    pages = [page async for page in storage.scan_sessions(**options)]
    return [one.id for page in pages for one in page.sessions], [
        id for page in pages for id in page.corrupt
    ]


@on_each_server
async def test_what_cannot_be_read_is_told_by_its_id_and_does_not_end_the_walk(storage, raw):
    stored = [offline_session(f"shop-{number}.myshopify.com") for number in range(7)]
    await asyncio.gather(*map(storage.store_session, stored))
    ids = [one.id for one in stored]
    raw.update_one({"id": ids[2]}, {"$set": {"state": 5}})
    raw.update_one({"id": ids[5]}, {"$unset": {"shop": ""}})
    raw.insert_one({"id": 7, "not": "a session"})
    for batch in (1, 2, 3, 500):
        assert await walk(storage, batch=batch) == (
            [id for id in ids if id not in (ids[2], ids[5])],
            [ids[2], ids[5]],
        )


async def test_what_the_driver_cannot_decode_is_told_by_its_id(storage, monkeypatch):
    stored = [offline_session(f"shop-{number}.myshopify.com") for number in range(5)]
    await asyncio.gather(*map(storage.store_session, stored))
    find = type(storage._collection).find
    find_one = type(storage._collection).find_one

    class Broken:
        def __init__(self, cursor):
            self.cursor = cursor

        def __getattr__(self, name):
            return lambda *arguments: Broken(getattr(self.cursor, name)(*arguments))

        async def to_list(self, length):
            raise bson.errors.InvalidBSON

    def broken_find(self, condition, fields=None, **options):
        cursor = find(self, condition, fields, **options)
        return cursor if fields else Broken(cursor)

    async def broken_find_one(self, condition, **options):
        if condition["id"] == stored[3].id:
            raise bson.errors.InvalidBSON
        return await find_one(self, condition, **options)

    monkeypatch.setattr(type(storage._collection), "find", broken_find)
    monkeypatch.setattr(type(storage._collection), "find_one", broken_find_one)
    ids, corrupt = await walk(storage, batch=2)
    assert ids == [one.id for one in stored if one is not stored[3]]
    assert corrupt == [stored[3].id]
