"""compare_and_delete() on Workers KV."""

import asyncio
from dataclasses import replace

import pytest
from shopify_session_storage import open_session_storage
from shopify_session_storage.testing.sessions import online_session

from .conftest import ids, through
from .node import Node


@pytest.mark.asyncio
async def test_compared_deletes_travel_together_and_clear_their_lists(kv_url, raw, shop, proxy):
    async with open_session_storage(through(proxy, kv_url), on_error="raise") as storage:
        many = [online_session(shop, user, access_token=f"{user % 2}") for user in range(40)]
        await asyncio.gather(*map(storage.store_session, many))
        proxy.reset()
        results = await asyncio.gather(
            *(storage.compare_and_delete(replace(one, access_token="1")) for one in many)
        )
        assert proxy.round_trips <= 8
        assert results == [one.access_token == "1" for one in many]
        kept = {one.id for one in many if one.access_token == "0"}
        assert ids(await storage.find_sessions_by_shop(shop)) == kept
        assert set(await Node(raw).find(shop)) == kept
        assert await storage.compare_and_delete(online_session(shop, 999)) is True
