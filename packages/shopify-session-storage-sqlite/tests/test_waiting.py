"""Every wait has an end: of starts, behind locks, in long statements."""

import asyncio
import sqlite3
import time
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import aiosqlite
import pytest
from shopify_session_storage import SessionStorageUnavailableError
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage_sqlite import SQLiteSessionStorage

from .conftest import assert_writable, query

SHOP = "alpha.myshopify.com"
SESSION = offline_session(SHOP)


@pytest.fixture(params=["own", "borrowed"])
def opened(request, path):
    """Return what gives a storage on the same file, with connections of either kind."""

    @asynccontextmanager
    async def open():
        if request.param == "own":
            storage = SQLiteSessionStorage(path, on_error="raise")
            yield storage
            await storage.disconnect()
        else:
            async with aiosqlite.connect(path) as connection:
                yield SQLiteSessionStorage(connection, on_error="raise")

    return open


@pytest.mark.asyncio
async def test_start_that_is_cancelled_at_any_moment_locks_nobody_out(opened, path):
    for turn in range(60):
        async with opened() as storage:
            start = asyncio.ensure_future(storage._open())
            for _ in range(turn):
                await asyncio.sleep(0.0002)
            start.cancel()
            with suppress(asyncio.CancelledError):
                await start
            await storage._close()
            assert_writable(path)
        if turn % 10 == 9:
            path.unlink()  # so that there is something to migrate


@pytest.mark.asyncio
async def test_start_that_fails_in_its_transaction_locks_nobody_out(opened, path, monkeypatch):
    async def fail(*_):
        raise sqlite3.OperationalError("of the test")

    async with opened() as storage:
        with monkeypatch.context() as patch:
            patch.setattr(SQLiteSessionStorage, "_upgrade_table", fail)
            with pytest.raises(SessionStorageUnavailableError, match="of the test"):
                await storage.ready()
        assert_writable(path)
        assert query(path, "SELECT name FROM sqlite_master WHERE name LIKE 'shopify%'") == []
        assert await storage.store_session(SESSION)


@pytest.mark.asyncio
async def test_hook_that_waits_for_a_lock_ends_at_once_when_cancelled(opened, path):
    async with opened() as storage:
        await storage.store_session(SESSION)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        hook = asyncio.ensure_future(storage._delete([SESSION.id]))
        await asyncio.sleep(0.1)
        started = time.monotonic()
        hook.cancel()
        with suppress(asyncio.CancelledError):
            await hook
        assert time.monotonic() - started < 0.3
        other.execute("COMMIT")
        other.close()
        await asyncio.sleep(0.1)
        assert SESSION.equals(await storage.load_session(SESSION.id))  # it is not applied later


@pytest.mark.asyncio
async def test_statement_that_runs_long_is_interrupted_when_its_caller_is_cancelled(path):
    forever = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"
    async with SQLiteSessionStorage(path, on_error="raise") as storage:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await storage._fetch(forever, ())
        assert await asyncio.wait_for(storage.load_session("id"), 5) is None


@pytest.mark.asyncio
async def test_loads_and_other_tasks_go_on_while_a_store_waits_for_a_lock(opened, path):
    async with opened() as storage:
        await storage.store_session(SESSION)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("PRAGMA journal_mode = WAL")
        other.execute("BEGIN IMMEDIATE")
        store = asyncio.ensure_future(storage.store_session(online_session(SHOP)))
        await asyncio.sleep(0.05)
        started = time.monotonic()
        assert SESSION.equals(await storage.load_session(SESSION.id))
        assert time.monotonic() - started < 0.3
        assert not store.done()
        other.execute("COMMIT")
        other.close()
        assert await store is True


@pytest.mark.asyncio
async def test_call_that_a_lock_holds_up_ends_within_its_time_and_says_why(path):
    async with SQLiteSessionStorage(path, timeout=timedelta(seconds=1)) as storage:
        await storage.store_session(SESSION)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        started = time.monotonic()
        results = await asyncio.gather(
            storage.compare_and_store(SESSION, SESSION),
            storage.acquire_lease("name", "holder", timedelta(seconds=1)),
            storage.compare_and_delete(SESSION),
            return_exceptions=True,
        )
        assert 0.5 < time.monotonic() - started < 2
        for error in results:
            assert isinstance(error, SessionStorageUnavailableError)
        assert "database is locked (SQLITE_BUSY)" in str(results[0])
        assert await storage.delete_session(SESSION.id) is False
        other.execute("COMMIT")
        other.close()
        assert SESSION.equals(await storage.load_session(SESSION.id))
        assert await storage.delete_session(SESSION.id) is True


@pytest.mark.asyncio
async def test_lock_that_passes_is_not_noticed(path):
    async with SQLiteSessionStorage(path, on_error="raise") as storage:
        await storage.ready()

        async def lock() -> None:
            other = sqlite3.connect(path, isolation_level=None)
            for _ in range(10):
                with suppress(sqlite3.OperationalError):
                    other.execute("BEGIN IMMEDIATE")
                    await asyncio.sleep(0.1)
                    other.execute("COMMIT")
                await asyncio.sleep(0.01)
            other.close()

        locking = asyncio.ensure_future(lock())
        many = [online_session(SHOP, user) for user in range(300)]
        assert all(await asyncio.gather(*map(storage.store_session, many)))
        for one in many[:5]:
            assert await storage.store_session(one) is True
        await locking
        assert len(await storage.find_sessions_by_shop(SHOP)) == 300


@pytest.mark.asyncio
async def test_loads_do_not_wait_for_another_process_that_writes(tmp_path):
    async with SQLiteSessionStorage(tmp_path / "s.db", on_error="raise") as storage:
        session = offline_session(SHOP)
        await storage.store_session(session)
        with sqlite3.connect(tmp_path / "s.db", isolation_level=None) as other:
            other.execute("BEGIN IMMEDIATE")
            store = asyncio.ensure_future(storage.store_session(offline_session("b.example")))
            loaded = await asyncio.wait_for(storage.load_session(session.id), 5)
            assert session.equals(loaded)
            assert not store.done()
            other.execute("ROLLBACK")
        other.close()
        assert await store is True
