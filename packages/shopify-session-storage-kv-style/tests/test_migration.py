"""Keys that the official JavaScript adapter wrote, at any age, become ours and stay its own."""

import json
from pathlib import Path

import golden
import pytest
from servers.kv import NAMESPACES
from shopify_session_storage import open_session_storage

from .conftest import namespace_of

DATA = Path(__file__).parent / "data"


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
