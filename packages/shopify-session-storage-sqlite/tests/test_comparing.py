"""compare_and_store() and leases on SQLite: processes, connections of the user's, old databases."""

import asyncio
from contextlib import suppress
from datetime import timedelta

import aiosqlite
import pytest
from servers.racing import count_in_processes, first_lease_in_processes, lease_of_the_dead
from shopify_session_storage import RdbmsSessionStorageMigratorOptions
from shopify_session_storage.testing.sessions import offline_session
from shopify_session_storage_sqlite import SQLiteSessionStorage

from .test_migration import query

SESSION = offline_session("shop.myshopify.com")
MINUTE = timedelta(minutes=1)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "sessions.db"


def test_two_processes_count_together(path):
    count_in_processes(f"sqlite:///{path}", {"on_error": "raise"})


def test_lease_of_a_dead_process_ends(path):
    lease_of_the_dead(f"sqlite:///{path}", {"on_error": "raise"})


def test_database_from_before_the_leases_gets_them_with_the_first_one(path):
    asyncio.run(set_up(path))
    query(path, "DROP TABLE shopify_sessions_leases")
    first_lease_in_processes(f"sqlite:///{path}", {"on_error": "raise"})
    assert query(path, "SELECT name FROM shopify_sessions_leases") == [("name",)]


async def set_up(path):
    async with SQLiteSessionStorage(path, on_error="raise") as storage:
        assert await storage.migration_sql() == ""


@pytest.mark.asyncio
async def test_migration_sql_shows_the_leases_of_a_database_that_has_none(path):
    await set_up(path)
    query(path, "DROP TABLE shopify_sessions_leases")
    storage = SQLiteSessionStorage(path, on_error="raise")
    sql = await storage.migration_sql()
    assert sql.startswith('CREATE TABLE IF NOT EXISTS "shopify_sessions_leases" (')
    assert query(path, "SELECT name FROM sqlite_master WHERE name LIKE '%leases'") == []
    async with storage:
        assert await storage.store_session(SESSION)  # needs no leases
        assert await storage.migration_sql() == sql
    query(path, sql)
    assert await storage.migration_sql() == ""


@pytest.mark.asyncio
async def test_long_names_of_tables_have_leases_too(path):
    for name in ("a" * 255, "b" * 255):
        async with SQLiteSessionStorage(path, session_table_name=name, on_error="raise") as storage:
            assert await storage.acquire_lease("name", "holder", MINUTE)
            assert not await storage.acquire_lease("name", "other", MINUTE)


def test_leases_and_migrations_cannot_be_in_one_table():
    options = RdbmsSessionStorageMigratorOptions(migration_db_identifier="s_leases")
    with pytest.raises(ValueError, match="leases and migrations cannot be in one table"):
        SQLiteSessionStorage(":memory:", session_table_name="s", migrator_options=options)


@pytest.mark.asyncio
async def test_connection_of_the_user_is_left_without_a_transaction(path):
    async with (
        aiosqlite.connect(path) as connection,
        SQLiteSessionStorage(connection, on_error="raise") as storage,
    ):
        for call in (
            storage.compare_and_store(SESSION, None),
            storage.compare_and_store(SESSION, None),
            storage.acquire_lease("name", "a", MINUTE),
            storage.acquire_lease("name", "b", MINUTE),
            storage.release_lease("name", "a"),
        ):
            await call
            assert not connection.in_transaction
        assert query(path, "SELECT id FROM shopify_sessions") == [(SESSION.id,)]


@pytest.mark.asyncio
async def test_cancelled_comparison_is_waited_for(path):
    async with SQLiteSessionStorage(path, on_error="raise") as storage:
        for turn in range(20):
            call = asyncio.ensure_future(storage.compare_and_store(SESSION, None))
            for _ in range(turn):
                await asyncio.sleep(0)
            call.cancel()
            with suppress(asyncio.CancelledError):
                await call
            stored = query(path, "SELECT id FROM shopify_sessions") != []
            await asyncio.sleep(0.005)
            assert (query(path, "SELECT id FROM shopify_sessions") != []) is stored
            await storage.delete_session(SESSION.id)
