"""What is stored: keys that the official JavaScript adapter reads, and those that it wrote."""

import asyncio
import json
from pathlib import Path

import golden
import pytest
from hypothesis import HealthCheck, given, settings
from servers.kv import NAMESPACES
from shopify_session_storage import CorruptSessionError, Session, open_session_storage
from shopify_session_storage.testing.sessions import offline_session, online_session, unique
from shopify_session_storage.testing.strategies import sessions

from .conftest import namespace_of

DATA = Path(__file__).parent / "data"


@pytest.fixture
def shop():
    """Return a shop that no other test uses."""
    return f"{unique('shop')}.example"


@given(session=sessions())
@settings(
    deadline=None,
    max_examples=30,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@pytest.mark.asyncio
async def test_what_is_stored_comes_back(kv_url, session: Session):
    async with open_session_storage(kv_url, on_error="raise") as storage:
        await storage.store_session(session)
        assert session.equals(await storage.load_session(session.id))
        found = await storage.find_sessions_by_shop(session.shop)
        assert [session.id] == [one.id for one in found]
        await storage.delete_session(session.id)
        assert await storage.find_sessions_by_shop(session.shop) == []


@pytest.mark.asyncio
async def test_keys_are_laid_out_as_documented(storage, raw, shop):
    first = offline_session(f"é{shop}", access_token='a"/\u2028\x7f', refresh_token="")
    first.expires = first.expires.replace(microsecond=123_456)
    second = online_session(f"é{shop}", 7, id=f'"odd\\/{shop}', scope=None)
    await storage.store_session(first)
    await storage.store_session(second)
    assert await raw.get(first.id) == (
        f'[["id","{first.id}"],["shop","é{shop}"],["state","nonce"],["isOnline",false],'
        '["scope","read_products,write_orders"],["expires",1935817689123],'
        '["accessToken","a\\"/\u2028\x7f"],["refreshToken",""],'
        '["refreshTokenExpires",1943578921000]]'
    )
    assert await raw.get(f"shop:é{shop}") == f'["{first.id}","\\"odd\\\\/{shop}"]'
    await storage.delete_sessions([first.id, second.id])
    assert await raw.get(f"shop:é{shop}") == "[]"
    assert await raw.get(first.id) is None


# --- what JavaScript wrote ------------------------------------------------------------------------


@pytest.fixture
def url(kv_url):
    """Return the URL of a namespace for golden data alone."""
    return kv_url.replace(*NAMESPACES)


@pytest.mark.asyncio
async def test_keys_of_todays_adapter_are_read_with_every_value_right(url):
    before = {entry["key"]: entry["value"] for entry in golden.load(DATA / "golden/keys.json")}
    expected = golden.load(DATA / "golden" / "expected_loads.json")
    for shop, found in expected["findSessionsByShop"].items():
        # JavaScript finds a session as often as it was stored, one that is gone as null, and one
        # that has moved for its old shop, too.
        own = {one["id"]: one for one in found if one is not None and one["shop"] == shop}
        expected["findSessionsByShop"][shop] = list(own.values())
    async with namespace_of(url, NAMESPACES[1]) as raw:
        await raw.put_many(before)
        async with open_session_storage(url, on_error="raise") as storage:
            await golden.assert_loads(storage, expected)
            assert {key: await raw.get(key) for key in before} == before
            # What we write in their place is the same text; lists lose their duplicates.
            for id, data in expected["loadSession"].items():
                if data is not None:
                    await storage.store_session(await storage.load_session(id))
            for key, value in before.items():
                after = await raw.get(key)
                if key.startswith("shop:"):
                    assert json.loads(after) == [*dict.fromkeys(json.loads(value))]
                else:
                    assert after == value


@pytest.mark.asyncio
async def test_keys_of_old_adapters_are_read(url):
    before = {
        entry["key"]: entry["value"]
        for entry in golden.load(DATA / "old_schemas" / "kv_v4_keys.json")
    }
    loads = golden.load(DATA / "old_schemas" / "kv_v4_after_js.json")["loads"]
    async with namespace_of(url, NAMESPACES[1]) as raw:
        await raw.put_many(before)
    async with open_session_storage(url, on_error="raise") as storage:
        for shop, found in loads["findSessionsByShop"].items():
            loads["findSessionsByShop"][shop] = list({one["id"]: one for one in found}.values())
        await golden.assert_loads(storage, loads)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "text",
    [
        '[["id","{id}"],["shop","{s}"],["state",""],["isOnline",true],["userId",7]]',
        '[["id","{id}"],["shop","{s}"],["state",""],["isOnline",true],["onlineAccessInfo",7]]',
        """[ ["\\u0069d" , "{id}" ],
        ["SHOP","{s}"],["state",""],["isOnline","TRUE"],["userId","7."]]""",
    ],
)
async def test_every_spelling_of_a_session_is_read(storage, raw, shop, text):
    text = text.replace("]]", '],["expires",1795264496123.0]]')
    id = f"it {shop}"
    await raw.put(id, text.replace("{id}", id).replace("{s}", shop))
    await raw.put(f"shop:{shop}", f'[ "\\u0069t {shop}" ]')
    loaded = await storage.load_session(id)
    assert loaded.online_access_info.associated_user.id == 7
    assert round(loaded.expires.timestamp() * 1000) == 1795264496123
    assert (await storage.find_sessions_by_shop(shop))[0].equals(loaded)
    assert await storage.delete_session(id) is True
    assert await raw.get(f"shop:{shop}") == "[]"


# --- lists ----------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_lists_keep_what_may_be_on_its_way_and_lose_what_is_certainly_gone(
    storage, raw, shop
):
    old, moved, new = (online_session(shop, user) for user in range(3))
    await raw.put(f"shop:{shop}", json.dumps([old.id, "not here yet", old.id, moved.id, "\ud800"]))
    await storage.store_session(moved)
    moved.shop = f"other.{shop}"
    await storage.store_session(moved)
    await storage.store_session(new)
    assert json.loads(await raw.get(f"shop:{shop}")) == [old.id, "not here yet", new.id]
    assert json.loads(await raw.get(f"shop:{moved.shop}")) == [moved.id]
    await storage.store_session(old)
    assert {one.id for one in await storage.find_sessions_by_shop(shop)} == {old.id, new.id}
    await storage.delete_sessions([old.id, "missing"])
    assert json.loads(await raw.get(f"shop:{shop}")) == ["not here yet", new.id]


@pytest.mark.asyncio
async def test_odd_entries_of_a_list_do_no_harm(storage, raw, shop):
    session, elsewhere = offline_session(shop), offline_session(f"other.{shop}")
    await storage.store_session(session)
    await storage.store_session(elsewhere)
    odd = ["gone", session.id, session.id, elsewhere.id, "", ".", "x" * 600, "\ud800",
           f"shop:{shop}", "nul\0"]  # fmt: skip
    await raw.put(f"shop:{shop}", json.dumps(odd))
    assert [one.id for one in await storage.find_sessions_by_shop(shop)] == [session.id]
    await storage.store_session(online_session(shop))
    assert len(await storage.find_sessions_by_shop(shop)) == 2


@pytest.mark.asyncio
@pytest.mark.parametrize("text", ["", "[", '"a"', '["a",7]', '{"a":1}', "[" * 100_000])
async def test_list_that_cannot_be_read_is_left_alone(storage, raw, shop, text):
    session = offline_session(shop)
    await raw.put(f"shop:{shop}", text)
    with pytest.raises(CorruptSessionError, match="list of shop"):
        await storage.find_sessions_by_shop(shop)
    # In a group, too, nobody else's store fails.
    others = [offline_session(f"{number}.{shop}") for number in range(5)]
    results = await asyncio.gather(
        *map(storage.store_session, [*others, session]), return_exceptions=True
    )
    assert results[:-1] == [True] * 5
    assert isinstance(results[-1], CorruptSessionError)
    assert await storage.load_session(session.id) is None
    # To delete, the list is not needed.
    await raw.put(session.id, json.dumps(session.to_property_array()))
    assert await storage.delete_session(session.id) is True
    assert await storage.load_session(session.id) is None
    assert await raw.get(f"shop:{shop}") == text


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "text",
    ["", "shpat_secret", '{"accessToken":"shpat_secret"}', '[["accessToken","shpat_secret"]]',
     '[["id","it"],["accessToken","shpat_secret"]', "[" * 100_000,
     '[["id","b"],["shop","s"],["state",""],["isOnline",false],["accessToken","shpat_secret"]]'],
)  # fmt: skip
async def test_unreadable_session_is_told_without_its_text(
    storage, kv_url, raw, shop, text, caplog
):
    id = f"it {shop}"
    await raw.put(id, text)
    with pytest.raises(CorruptSessionError) as caught:
        await storage.load_session(id)
    assert repr(id) in str(caught.value)
    assert "secret" not in f"{caught.value!r} {caught.value.__cause__} {caught.value.__context__}"
    good = offline_session(shop)
    await storage.store_session(good)
    results = await asyncio.gather(
        *map(storage.load_session, [good.id, id, good.id, "missing", "none", id]),
        return_exceptions=True,
    )
    assert good.equals(results[0])
    assert good.equals(results[2])
    assert isinstance(results[1], CorruptSessionError)
    assert results[3] is None
    async with open_session_storage(kv_url) as logging_storage:
        assert await logging_storage.load_session(id) is None
    assert "secret" not in caplog.text
    assert "cannot be read" in caplog.text
    await storage.store_session(offline_session(shop, id=id))  # replaces it
    assert await storage.delete_session(id) is True
