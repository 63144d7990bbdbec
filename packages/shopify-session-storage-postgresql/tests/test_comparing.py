"""compare_and_store() and leases on PostgreSQL: processes, round trips, old databases, rights."""

import asyncio
from datetime import timedelta

import pytest
from servers.racing import (
    count_in_processes,
    count_through_cuts,
    first_lease_in_processes,
    lease_of_the_dead,
)
from shopify_session_storage import MigrationError
from shopify_session_storage.testing.sessions import offline_session
from shopify_session_storage_postgresql import PostgreSQLSessionStorage

from .conftest import through
from .test_migration import query, run_sql
from .test_postgresql import limited_user

SESSION = offline_session("shop.myshopify.com")
MINUTE = timedelta(minutes=1)
SESSIONS_ONLY = (
    "SELECT, INSERT, UPDATE, DELETE ON shopify_sessions",
    "SELECT ON shopify_sessions_migrations",
)

pytestmark = pytest.mark.asyncio


async def without_leases(url):
    """Set up a database as it was before there were leases."""
    async with PostgreSQLSessionStorage(url, on_error="raise"):
        pass
    await run_sql(url, "DROP TABLE shopify_sessions_leases")


async def test_two_processes_count_together(database_url):
    await asyncio.to_thread(count_in_processes, database_url, {"on_error": "raise"})


async def test_lease_of_a_dead_process_ends(database_url):
    await asyncio.to_thread(lease_of_the_dead, database_url, {"on_error": "raise"})


async def test_no_comparison_is_lost_to_a_cut_connection(database_url, proxy):
    async with PostgreSQLSessionStorage(through(proxy, database_url), on_error="raise") as storage:
        await count_through_cuts(storage, proxy.cut)


async def test_each_call_is_one_round_trip(database_url, proxy):
    async with PostgreSQLSessionStorage(through(proxy, database_url), on_error="raise") as storage:
        await storage.acquire_lease("first", "holder", MINUTE)  # looks for the table
        calls = (
            lambda: storage.compare_and_store(SESSION, None),
            lambda: storage.compare_and_store(SESSION, None),
            lambda: storage.compare_and_store(SESSION, SESSION),
            lambda: storage.acquire_lease("name", "a", MINUTE),
            lambda: storage.acquire_lease("name", "b", MINUTE),
            lambda: storage.release_lease("name", "a"),
        )
        for turn in range(2):  # statements are prepared in the first one
            for call in calls:
                proxy.reset()
                await call()
                assert proxy.round_trips == 1 or turn == 0


async def test_database_from_before_the_leases_gets_them_with_the_first_one(database_url):
    await without_leases(database_url)
    await asyncio.to_thread(first_lease_in_processes, database_url, {"on_error": "raise"})
    assert await query(database_url, "SELECT name FROM shopify_sessions_leases") == [("name",)]


async def test_user_without_the_right_to_create_needs_leases_only_to_lease(database_url):
    await without_leases(database_url)
    url = await limited_user(database_url, *SESSIONS_ONLY)
    async with PostgreSQLSessionStorage(url, on_error="log") as storage:
        assert await storage.compare_and_store(SESSION, None)
        with pytest.raises(MigrationError, match="may not create") as caught:
            await storage.acquire_lease("name", "holder", MINUTE)
        sql = await storage.migration_sql()
        assert "shopify_sessions_leases" in sql
        assert sql in str(caught.value)
    await run_sql(database_url, sql)
    leases = "SELECT, INSERT, UPDATE, DELETE ON shopify_sessions_leases"
    url = await limited_user(database_url, *SESSIONS_ONLY, leases)
    async with PostgreSQLSessionStorage(url, on_error="raise") as storage:
        assert await storage.migration_sql() == ""
        assert await storage.acquire_lease("name", "holder", MINUTE)
        await storage.release_lease("name", "holder")


async def test_long_names_of_tables_have_leases_too(database_url):
    length = PostgreSQLSessionStorage.dialect.max_identifier_length
    for name in ("a" * length, "b" * length):
        async with PostgreSQLSessionStorage(
            database_url, session_table_name=name, on_error="raise"
        ) as storage:
            assert await storage.acquire_lease("name", "holder", MINUTE)
            assert not await storage.acquire_lease("name", "other", MINUTE)
