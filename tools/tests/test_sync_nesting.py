"""The facade where sync and async code call each other, as they do in Django."""

import asyncio

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from shopify_session_storage.sync import SyncSessionStorage
from shopify_session_storage.testing.sessions import offline_session
from shopify_session_storage_sqlite import SQLiteSessionStorage

SESSION = offline_session("a.myshopify.com")


def test_sync_in_async_in_sync_in_async_comes_to_its_end(tmp_path):
    facade = SyncSessionStorage(SQLiteSessionStorage(tmp_path / "s.db", on_error="raise"))

    async def view():
        return await sync_to_async(middle)()

    def middle():
        assert facade.store_session(SESSION)
        return async_to_sync(inner)()

    async def inner():
        with pytest.raises(RuntimeError, match="an event loop is running in this thread"):
            facade.load_session(SESSION.id)
        found = [
            await sync_to_async(facade.load_session, thread_sensitive=sensitive)(SESSION.id)
            for sensitive in (True, False)
        ]
        return all(session.equals(SESSION) for session in found)

    async def many():
        async with asyncio.timeout(30):
            return await asyncio.gather(*(view() for _ in range(5)))

    assert asyncio.run(many()) == [True] * 5
    facade.disconnect()
