"""Walking through a table."""

import asyncio

import pytest
from shopify_session_storage.testing.sessions import offline_session

pytestmark = pytest.mark.asyncio


async def test_leases_are_left_out_and_what_cannot_be_read_is_told(storage, raw, table):
    stored = [offline_session(f"shop-{number}.myshopify.com") for number in range(9)]
    await asyncio.gather(*map(storage.store_session, stored))
    for number in range(5):
        await storage._acquire_lease(f"lease-{number}", "me", 60_000)
    await raw.put_item(TableName=table, Item={"id": {"S": "broken"}})
    for batch in (1, 4, 500):
        pages = [page async for page in storage.scan_sessions(batch=batch)]
        ids = [one.id for page in pages for one in page.sessions]
        assert sorted(ids) == [one.id for one in stored]
        assert [id for page in pages for id in page.corrupt] == ["broken"]
        # Each place is good for as long as one likes, whatever has become of its item.
        for page in pages[:-1]:
            await anext(storage.scan_sessions(after=page.after))


async def test_a_place_of_nowhere_is_refused(storage):
    with pytest.raises(ValueError, match="another kind of storage"):
        await anext(storage.scan_sessions(after=""))
