"""Every wait has an end, and holds up nobody else."""

import asyncio
import time
from datetime import timedelta

import pytest
from shopify_session_storage import SessionStorageUnavailableError
from shopify_session_storage.testing.sessions import offline_session
from shopify_session_storage_kv_style import KVSessionStorage

from .conftest import namespace_of


@pytest.mark.asyncio
async def test_shop_whose_list_must_wait_holds_up_no_other(kv_url, shop):
    class Slow:
        """A namespace on which one list takes its time."""

        def __init__(self, namespace):
            self._namespace = namespace
            self.get, self.delete = namespace.get, namespace.delete

        async def put(self, key, value):
            if key == f"shop:{shop}":
                await asyncio.sleep(3)
            await self._namespace.put(key, value)

    async with namespace_of(kv_url) as raw:
        storage = KVSessionStorage(Slow(raw), on_error="raise")
        slow = asyncio.ensure_future(storage.store_session(offline_session(shop)))
        await asyncio.sleep(0.1)
        started = time.monotonic()
        for number in range(3):
            assert await storage.store_session(offline_session(f"{number}.{shop}"))
        assert time.monotonic() - started < 2
        assert not slow.done()
        assert await slow


@pytest.mark.asyncio
async def test_call_on_a_namespace_that_never_answers_ends_in_its_time(shop):
    class Silent:
        async def get(self, key):
            await asyncio.sleep(60)

        put = delete = get

    half = timedelta(seconds=0.5)
    storage = KVSessionStorage(Silent(), on_error="raise", timeout=half)
    for call in (
        lambda: storage.load_session("id"),
        lambda: storage.store_session(offline_session(shop)),
        lambda: storage.find_sessions_by_shop(shop),
        lambda: storage.compare_and_delete(offline_session(shop)),
    ):
        started = time.monotonic()
        with pytest.raises(SessionStorageUnavailableError, match=r"no answer within 0\.5 s"):
            await call()
        assert time.monotonic() - started < 2
