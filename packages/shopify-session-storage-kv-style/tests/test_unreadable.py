"""Sessions and lists that cannot be read fail their own callers alone, and are shown nowhere."""

import asyncio
import json

import pytest
from shopify_session_storage import CorruptSessionError, open_session_storage
from shopify_session_storage.testing.sessions import offline_session


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


@pytest.mark.asyncio
async def test_what_was_read_as_one_session_is_no_other_with_the_same_bytes(storage, raw, shop):
    session = offline_session(shop)
    await storage.store_session(session)
    assert session.equals(await storage.load_session(session.id))
    await raw.put(f"it {shop}", await raw.get(session.id))
    with pytest.raises(CorruptSessionError, match="another id"):
        await storage.load_session(f"it {shop}")
    assert session.equals(await storage.load_session(session.id))
