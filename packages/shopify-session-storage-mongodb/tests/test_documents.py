"""Documents are the JavaScript adapter's, and what other programs write is read as it reads it."""

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import golden
import pytest
from bson import Int64, ObjectId
from bson.json_util import JSONOptions, loads
from hypothesis import given
from servers.coming_back import some_examples
from shopify_session_storage import OnlineAccessInfo, Session
from shopify_session_storage.testing.sessions import EXPIRES, offline_session
from shopify_session_storage.testing.strategies import sessions
from shopify_session_storage_mongodb import MongoDBSessionStorage

from .conftest import SHOP, close

DATA = Path(__file__).parent / "data"


@given(session=sessions())
@some_examples
@pytest.mark.asyncio
async def test_what_is_stored_comes_back(mongodb_url, session: Session):
    async with MongoDBSessionStorage(mongodb_url, on_error="raise") as storage:
        await storage.store_session(session)
        assert session == await storage.load_session(session.id)  # no field of the layout is lost
        assert [session] == await storage.find_sessions_by_shop(session.shop)
        await storage.delete_session(session.id)
        assert await storage.find_sessions_by_shop(session.shop) == []


def from_extended_json(value):
    return loads(json.dumps(value), json_options=JSONOptions(tz_aware=True))


@pytest.mark.asyncio
async def test_documents_of_the_javascript_adapter_are_read(
    mongodb_url, raw, collection, client_class
):
    documents = golden.load(DATA / "golden" / "documents.json")
    stored = [document["stored_canonical_extended_json"] for document in documents]
    raw.insert_many(from_extended_json(stored))
    expected = golden.load(DATA / "golden" / "expected_loads.json")
    found = [one for shop in expected["findSessionsByShop"].values() for one in shop]
    for one in [*expected["loadSession"].values(), *found]:
        if one is not None and one["isOnline"]:  # the contract gives each of those some user data
            one.setdefault("onlineAccessInfo", {"associated_user": {}})
    client = client_class(mongodb_url)
    storage = MongoDBSessionStorage(client, session_collection_name=collection, on_error="raise")
    await golden.assert_loads(storage, expected)
    loaded = await storage.load_session("bigid-store.myshopify.com_2147483653")
    assert type(loaded.online_access_info.associated_user.id) is int
    await close(client)


@pytest.mark.asyncio
async def test_documents_are_what_the_javascript_adapter_writes(storage, raw):
    for document in golden.load(DATA / "golden" / "documents.json"):
        sent = from_extended_json(document["sent_canonical_extended_json"])
        session = Session.from_dict(sent)
        if session.is_online and session.online_access_info is None:
            sent["onlineAccessInfo"] = {"associated_user": {}}
        await storage.store_session(session)
        stored = raw.find_one({"id": session.id})
        assert isinstance(stored.pop("_id"), ObjectId)
        assert stored == sent
        assert list(stored) == list(sent)


@pytest.mark.asyncio
async def test_documents_are_replaced_as_a_whole_and_keep_their_key(storage, raw):
    raw.insert_one({"_id": "own key", "id": "it", "shop": SHOP, "ttl": 1, "scope": "read_orders"})
    session = offline_session(
        SHOP, id="it", scope="", refresh_token="", refresh_token_expires=None,
        expires=datetime(2031, 1, 2, 3, 4, 5, 678_999, tzinfo=timezone(timedelta(hours=5))),
        online_access_info=OnlineAccessInfo(expires_in=5),
    )  # fmt: skip
    await storage.store_session(session)
    assert list(raw.find()) == [
        {
            "_id": "own key",
            "id": "it",
            "shop": SHOP,
            "state": "nonce",
            "isOnline": False,
            "scope": "",
            "expires": datetime(2031, 1, 1, 22, 4, 5, 678_000, tzinfo=UTC),
            "accessToken": session.access_token,
            "refreshToken": "",
        }
    ]


@pytest.mark.asyncio
async def test_every_way_to_write_a_session_is_read(storage, raw):
    user = {"id": Int64(2**53 - 1), "first_name": None, "nickname": "x", "email": "a@b.example"}
    raw.insert_one(
        {
            "id": "it", "shop": SHOP, "state": "", "isOnline": True, "scope": None,
            "expires": EXPIRES, "accessToken": "token", "createdAt": 1, "extra": {"a": [1]},
            "onlineAccessInfo": {"associated_user": user, "expires_in": 86399.0, "session": "x"},
        }
    )  # fmt: skip
    loaded = await storage.load_session("it")
    info = loaded.online_access_info
    assert (info.associated_user.id, info.expires_in) == (2**53 - 1, 86399)
    assert type(info.associated_user.id) is type(info.expires_in) is int
    assert (loaded.scope, info.associated_user.first_name) == (None, None)
    assert loaded.expires == EXPIRES
    raw.update_one({"id": "it"}, {"$set": {"isOnline": False}})
    assert (await storage.load_session("it")).online_access_info is None
