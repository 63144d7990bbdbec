"""Documents that are no sessions fail their own callers alone, and are shown nowhere."""

import asyncio

import pytest
from bson import encode
from bson.datetime_ms import DatetimeMS
from bson.raw_bson import RawBSONDocument
from shopify_session_storage import CorruptSessionError
from shopify_session_storage.testing.sessions import offline_session
from shopify_session_storage_mongodb import MongoDBSessionStorage

from .conftest import GOOD, SHOP


async def assert_unreadable(storage, raw) -> None:
    good = offline_session("beta.myshopify.com")
    await storage.store_session(good)
    ids = [good.id, "it", good.id, "missing"]
    results = await asyncio.gather(*map(storage.load_session, ids), return_exceptions=True)
    assert good.equals(results[0])
    assert good.equals(results[2])
    assert results[3] is None
    error = results[1]
    assert isinstance(error, CorruptSessionError)
    assert "'it'" in str(error)
    assert "secret" not in f"{error!r} {error.__cause__!r} {error.__context__!r}"
    await storage.store_session(offline_session(SHOP, id="it"))  # replaces it
    assert await storage.load_session("it") is not None


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "changes",
    [{"shop": 7}, {"state": None}, {"isOnline": "shpat_secret"}, {"expires": "shpat_secret"},
     {"expires": 1795264496123}, {"accessToken": ["shpat_secret"]},
     {"isOnline": True, "onlineAccessInfo": "shpat_secret"},
     {"isOnline": True, "onlineAccessInfo": {"associated_user": {"id": "shpat_secret"}}},
     {"isOnline": True, "onlineAccessInfo": {"associated_user": {"id": 1.5}}}],
)  # fmt: skip
async def test_unreadable_session_fails_only_its_own_caller(
    mongodb_url, storage, raw, changes, caplog
):
    raw.insert_one(GOOD | changes)
    async with MongoDBSessionStorage(mongodb_url, session_collection_name=raw.name) as other:
        assert await other.load_session("it") is None
    assert "cannot be read" in caplog.text
    assert "secret" not in caplog.text
    await assert_unreadable(storage, raw)


@pytest.mark.asyncio
async def test_date_that_python_lacks_fails_only_its_own_caller(storage, raw):
    raw.insert_one(GOOD | {"expires": DatetimeMS(8_640_000_000_000_000)})  # JavaScript's last
    await assert_unreadable(storage, raw)


@pytest.mark.asyncio
async def test_text_that_is_no_utf8_fails_only_its_own_caller(storage, raw, only_mongodb):
    text = encode(GOOD | {"_id": 1, "scope": "broken!"})
    raw.insert_one(RawBSONDocument(text.replace(b"broken!", b"broken\xff")))
    await assert_unreadable(storage, raw)
