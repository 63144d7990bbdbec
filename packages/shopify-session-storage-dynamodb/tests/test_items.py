"""Items are those of the JavaScript adapter, and what other programs write is read as it does."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import golden
import pytest
from hypothesis import given, settings
from shopify_session_storage import (
    AssociatedUser,
    CorruptSessionError,
    OnlineAccessInfo,
    Session,
)
from shopify_session_storage.testing.sessions import offline_session
from shopify_session_storage.testing.strategies import sessions

DATA = Path(__file__).parent / "data" / "golden"


def test_what_is_stored_comes_back(make):
    with asyncio.Runner() as runner:
        storage = make()

        async def round_trip(session: Session) -> None:
            await storage.store_session(session)
            assert session.equals(await storage.load_session(session.id))
            (found,) = await storage.find_sessions_by_shop(session.shop)
            assert session.equals(found)
            await storage.delete_session(session.id)
            assert await storage.find_sessions_by_shop(session.shop) == []

        @given(session=sessions())
        @settings(deadline=None, max_examples=50)
        def check(session: Session) -> None:
            runner.run(round_trip(session))

        check()
        runner.run(storage.disconnect())


@pytest.mark.asyncio
async def test_items_are_laid_out_as_documented(storage, raw, table):
    offline = Session(
        id="offline_é.example",
        shop="é.example",
        state="",
        is_online=False,
        scope="",
        expires=datetime(2026, 11, 21, 12, 34, 56, 123_999, tzinfo=UTC),
        access_token="shpat_a",
        refresh_token="",
        refresh_token_expires=datetime(2027, 1, 2, tzinfo=UTC),
    )
    user = AssociatedUser(id=2**53 - 1, first_name="", email="a@b.example", account_owner=False)
    online = Session(
        id="é.example_1",
        shop="é.example",
        state="nonce",
        is_online=True,
        online_access_info=OnlineAccessInfo(user, expires_in=86399, associated_user_scope="read_a"),
    )
    await storage.store_session(offline)
    await storage.store_session(online)
    items = (await raw.scan(TableName=table))["Items"]
    assert sorted(items, key=lambda item: item["id"]["S"]) == [
        {
            "id": {"S": "offline_é.example"},
            "shop": {"S": "é.example"},
            "state": {"S": ""},
            "isOnline": {"BOOL": False},
            "scope": {"S": ""},
            "expires": {"S": "2026-11-21T12:34:56.123Z"},
            "accessToken": {"S": "shpat_a"},
            "refreshToken": {"S": ""},
            "refreshTokenExpires": {"S": "2027-01-02T00:00:00.000Z"},
        },
        {
            "id": {"S": "é.example_1"},
            "shop": {"S": "é.example"},
            "state": {"S": "nonce"},
            "isOnline": {"BOOL": True},
            "onlineAccessInfo": {
                "M": {
                    "expires_in": {"N": "86399"},
                    "associated_user_scope": {"S": "read_a"},
                    "associated_user": {
                        "M": {
                            "id": {"N": "9007199254740991"},
                            "first_name": {"S": ""},
                            "email": {"S": "a@b.example"},
                            "account_owner": {"BOOL": False},
                        }
                    },
                }
            },
        },
    ]


@pytest.mark.asyncio
async def test_a_store_replaces_attributes_that_are_not_ours(storage, raw, table):
    session = offline_session("alpha.example")
    await storage.store_session(session)
    before = (await raw.scan(TableName=table))["Items"]
    await raw.put_item(TableName=table, Item={**before[0], "ttl": {"N": "1"}, "x": {"SS": ["a"]}})
    assert session.equals(await storage.load_session(session.id))
    await storage.store_session(session)
    assert (await raw.scan(TableName=table))["Items"] == before


@pytest.mark.asyncio
async def test_what_javascript_stored_is_loaded_and_written_alike(make, raw, table):
    creation = golden.load(DATA / "table.json")["create_table_input"]
    await raw.create_table(**{**creation, "TableName": table})
    items = golden.load(DATA / "items.json")
    for item in items:
        await raw.put_item(TableName=table, Item=item)
    expected = golden.load(DATA / "expected_loads.json")
    found = [one for sessions in expected["findSessionsByShop"].values() for one in sessions]
    without_user = "noinfo-store.myshopify.com_1"
    for data in [*expected["loadSession"].values(), *found]:
        if data is not None and data["id"] == without_user:  # an online session always has one
            data["onlineAccessInfo"] = {"associated_user": {}}
    async with make(create_table=False) as storage:
        await golden.assert_loads(storage, expected)
        for item in items:
            await storage.store_session(await storage.load_session(item["id"]["S"]))
    stored = {item["id"]["S"]: item for item in (await raw.scan(TableName=table))["Items"]}
    assert stored.pop(without_user)["onlineAccessInfo"] == {"M": {"associated_user": {"M": {}}}}
    assert stored == {item["id"]["S"]: item for item in items if item["id"]["S"] != without_user}


ITEM = {
    "id": {"S": "it"},
    "shop": {"S": "alpha.example"},
    "state": {"S": ""},
    "isOnline": {"BOOL": True},
}
USER = {"associated_user": {"M": {"id": {"N": "7"}}}}
NOON = datetime(2026, 11, 21, 12, 0, 0, 123_000, tzinfo=UTC)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("attribute", "expires"),
    [
        ({"S": "2026-11-21T12:00:00.123Z"}, NOON),
        ({"S": "2026-11-21T12:00:00.123999Z"}, NOON),
        ({"S": "2026-11-21T12:00:00.123999999+00:00"}, NOON),
        ({"S": "2026-11-21T07:00:00.123-05:00"}, NOON),
        ({"S": "2026-11-21T12:00:00.123"}, NOON),
        ({"S": "2026-11-21T12:00:00Z"}, NOON.replace(microsecond=0)),
        ({"S": "2026-11-21"}, datetime(2026, 11, 21, tzinfo=UTC)),
        ({"N": "1795262400123"}, NOON),
        ({"N": "1795262400123.9"}, NOON),
        ({"N": "0"}, None),
        ({"S": ""}, None),
        ({"NULL": True}, None),
    ],
)
async def test_dates_of_other_programs_are_read(storage, raw, table, attribute, expires):
    item = {**ITEM, "expires": attribute, "refreshTokenExpires": attribute}
    await raw.put_item(TableName=table, Item=item)
    loaded = await storage.load_session("it")
    assert loaded.expires == loaded.refresh_token_expires == expires
    assert expires is None or loaded.expires.tzinfo is UTC


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("attributes", "is_online", "user"),
    [
        ({}, True, AssociatedUser()),
        ({"onlineAccessInfo": {"NULL": True}}, True, AssociatedUser()),
        ({"onlineAccessInfo": {"M": {}}}, True, AssociatedUser()),
        ({"onlineAccessInfo": {"M": {"associated_user": {"NULL": True}}}}, True, AssociatedUser()),
        ({"onlineAccessInfo": {"M": USER}}, True, AssociatedUser(id=7)),
        ({"isOnline": {"N": "1"}, "onlineAccessInfo": {"M": USER}}, True, AssociatedUser(id=7)),
        (
            {"onlineAccessInfo": {"M": {"associated_user": {"M": {"id": {"N": "7.0"}}}}}},
            True,
            AssociatedUser(id=7),
        ),
        (
            {"onlineAccessInfo": {"M": {**USER, "session": {"L": [{"S": "x"}]}}}},
            True,
            AssociatedUser(id=7),
        ),
        ({"isOnline": {"BOOL": False}, "onlineAccessInfo": {"M": USER}}, False, None),
        ({"isOnline": {"N": "0"}, "onlineAccessInfo": {"S": "{}"}}, False, None),
        ({"scope": {"NULL": True}, "accessToken": {"NULL": True}}, True, AssociatedUser()),
    ],
)
async def test_users_of_other_programs_are_read(storage, raw, table, attributes, is_online, user):
    await raw.put_item(TableName=table, Item={**ITEM, **attributes})
    loaded = await storage.load_session("it")
    assert (loaded.is_online, loaded.scope, loaded.access_token) == (is_online, None, None)
    info = loaded.online_access_info
    assert (info and info.associated_user) == user


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "attributes",
    [
        {"shop": {"BINARY": True}},
        {"state": {"NULL": True}},
        {"state": {"N": "1"}},
        {"isOnline": {"S": "true"}},
        {"accessToken": {"L": [{"S": "shpat_secret"}]}, "scope": {"BOOL": True}},
        {"expires": {"S": "1795262400123"}},
        {"expires": {"S": "shpat_secret"}},
        {"expires": {"S": "9999-12-31T23:59:59-05:00"}},
        {"expires": {"N": "9E+20"}},
        {"onlineAccessInfo": {"S": '{"associated_user":{"id":7}}'}},
        {"onlineAccessInfo": {"M": {"associated_user": {"S": "shpat_secret"}}}},
        {"onlineAccessInfo": {"M": {"associated_user": {"M": {"id": {"N": "7.5"}}}}}},
    ],
)
async def test_what_is_no_session_is_told_so(storage, raw, table, attributes):
    item = {**ITEM, **attributes}
    if attributes == {"shop": {"BINARY": True}}:
        del item["shop"]  # an item outside the index
    await raw.put_item(TableName=table, Item=item)
    with pytest.raises(CorruptSessionError, match="'it' cannot be read") as caught:
        await storage.load_session("it")
    assert "secret" not in f"{caught.value!r} {caught.value.__cause__} {caught.value.__context__}"
