"""Indexes are made once, beside those of the user, and duplicates give way to them."""

import asyncio
import logging
from datetime import datetime, timedelta

import pytest
from pymongo.errors import DuplicateKeyError
from shopify_session_storage.testing.sessions import EXPIRES, offline_session
from shopify_session_storage_mongodb import MongoDBSessionStorage

from .conftest import GOOD, SHOP


@pytest.mark.asyncio
async def test_start_makes_the_indexes_once(mongodb_url, collection, raw):
    for _ in range(2):
        async with MongoDBSessionStorage(mongodb_url, session_collection_name=collection):
            pass
    indexes = raw.index_information()
    assert sorted(indexes) == ["_id_", "id_1", "shop_1"]
    assert indexes["id_1"]["unique"] is True
    assert not indexes["shop_1"].get("unique")
    raw.insert_one({"id": "a"})
    with pytest.raises(DuplicateKeyError):
        raw.insert_one({"id": "a"})


@pytest.mark.asyncio
async def test_indexes_of_the_user_are_used(mongodb_url, collection, raw):
    raw.create_index("id", unique=True, name="mine")
    raw.create_index([("shop", 1), ("expires", -1)], name="mine too")
    async with MongoDBSessionStorage(mongodb_url, session_collection_name=collection):
        assert sorted(raw.index_information()) == ["_id_", "mine", "mine too"]


@pytest.mark.asyncio
async def test_index_that_is_not_unique_does_not_stop_the_start(
    mongodb_url, collection, raw, caplog
):
    raw.create_index("id")
    async with MongoDBSessionStorage(mongodb_url, session_collection_name=collection) as storage:
        assert await storage.store_session(offline_session(SHOP)) is True
    # Servers differ in whether there may be both.
    is_unique = any(index.get("unique") for index in raw.index_information().values())
    assert is_unique or "another index is in the way" in caplog.text


@pytest.mark.asyncio
async def test_duplicates_are_reduced_to_the_newest(mongodb_url, collection, raw, caplog):
    def document(id: str, token: str, expires: datetime | None = None) -> dict[str, object]:
        dates = {} if expires is None else {"expires": expires}
        return {**GOOD, "id": id, "accessToken": token, **dates}

    later = EXPIRES + timedelta(milliseconds=1)
    raw.insert_many(
        [
            document("only", "only"),
            document("dates", "older", EXPIRES), document("dates", "newer", later),
            document("dates", "oldest"), document("dates", "old", EXPIRES),
            document("first", "in use"), document("first", "never used"),
            {"something": "else"},
        ]
    )  # fmt: skip
    async with MongoDBSessionStorage(
        mongodb_url, session_collection_name=collection, on_error="raise"
    ) as storage:
        tokens = {id: (await storage.load_session(id)).access_token for id in ("only", "dates")}
        assert tokens == {"only": "only", "dates": "newer"}
        assert (await storage.load_session("first")).access_token == "in use"
        assert len(await storage.find_sessions_by_shop(SHOP)) == 3
        assert raw.index_information()["id_1"]["unique"] is True
    assert raw.count_documents({}) == 4
    warnings = [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]
    assert sorted(warnings) == [
        "mongodb: session 'dates' was stored 4 times; kept the newest",
        "mongodb: session 'first' was stored 2 times; kept the newest",
    ]


@pytest.mark.asyncio
async def test_collection_with_a_collation_compares_exactly(
    mongodb_url, collection, raw, only_mongodb
):
    raw.database.create_collection(collection, collation={"locale": "en", "strength": 1})
    for _ in range(2):
        async with MongoDBSessionStorage(
            mongodb_url, session_collection_name=collection, on_error="raise"
        ) as storage:
            many = [offline_session("s", id=id) for id in ("a", "A", "á")]
            assert all(await asyncio.gather(*map(storage.store_session, many)))
            assert all(many[0].equals(await storage.load_session("a")) for _ in range(2))
            await storage.delete_session("A")
            assert {one.id for one in await storage.find_sessions_by_shop("s")} == {"a", "á"}
            assert await storage.find_sessions_by_shop("S") == []


@pytest.mark.asyncio
async def test_what_makes_the_index_impossible_does_not_stop_the_start(
    mongodb_url, collection, raw, caplog
):
    raw.insert_many([{"not": "a session"}, {"not": "one either"}])
    async with MongoDBSessionStorage(mongodb_url, session_collection_name=collection) as storage:
        assert await storage.store_session(offline_session(SHOP)) is True
    assert "several documents have the same id, or have none" in caplog.text


@pytest.mark.asyncio
async def test_load_find_and_delete_use_an_index(storage, raw, only_mongodb):
    await storage.store_session(offline_session(SHOP))
    for condition in ({"id": "a"}, {"id": {"$in": ["a", "b"]}}, {"shop": "a"}):
        assert "IXSCAN" in str(raw.find(condition).explain())
        assert "COLLSCAN" not in str(raw.find(condition).explain())
