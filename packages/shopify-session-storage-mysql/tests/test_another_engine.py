"""An engine that is neither MariaDB nor MySQL, but answers as MySQL 8 does.

What it shows: the collation of MySQL 8, JSON, upserts, comparisons, leases and migrations, by
nothing that MariaDB alone has. What it cannot: how MySQL 8 locks and alters tables, its errors'
numbers (most are 1105 here), TLS, and its ways to log in.
"""

from dataclasses import replace
from datetime import timedelta

import pytest
import pytest_asyncio
from aiomysql.connection import CLIENT
from shopify_session_storage.testing import SessionStorageBattery
from shopify_session_storage.testing.sessions import offline_session
from shopify_session_storage_mysql import MySQLSessionStorage

from .conftest import SHOP, compares, run_sql
from .upgrading import CREATE_TODAYS, OLD, check_loads, check_upgraded, restore


class TestAnotherEngine(SessionStorageBattery):
    lacks = frozenset({"failing", "breakable"})

    @pytest.fixture
    def storage_factory(self, another_database_url):
        # It is slow at finding many ids.
        return lambda: MySQLSessionStorage(another_database_url, timeout=timedelta(minutes=1))

    @pytest_asyncio.fixture
    async def storage(self, storage_factory):
        async with storage_factory() as storage:
            yield storage


@pytest.mark.asyncio
async def test_collation_is_that_of_mysql_8(another_database_url):
    async with MySQLSessionStorage(another_database_url, on_error="raise") as storage:
        assert storage._collation == "utf8mb4_0900_bin"
    await check_upgraded(another_database_url)


@pytest.mark.asyncio
async def test_who_waits_for_another_migration_has_no_limit_of_queries(another_database_url):
    """MySQL counts the wait in GET_LOCK() as a query that takes long."""
    limit = "SELECT @@max_execution_time"
    async with MySQLSessionStorage(another_database_url, on_error="raise") as storage:
        assert list(await storage._fetch(limit, ())) == [(9000,)]
        async with storage._migration_connection() as connection:
            assert list(await connection.fetch(limit)) == [(0,)]
        assert list(await storage._fetch(limit, ())) == [(9000,)]


@pytest.mark.asyncio
@pytest.mark.parametrize("name", OLD)
async def test_old_database_is_upgraded_with_every_row(another_database_url, name):
    loads = await restore(another_database_url, name)
    for _ in range(2):
        await check_loads(another_database_url, loads)
        await check_upgraded(another_database_url)
    assert await MySQLSessionStorage(another_database_url).migration_sql() == ""


@pytest.mark.asyncio
async def test_printed_sql_does_what_the_migration_does(another_database_url):
    loads = await restore(another_database_url, "mysql_v5")
    await run_sql(
        another_database_url, await MySQLSessionStorage(another_database_url).migration_sql()
    )
    await check_upgraded(another_database_url)
    await check_loads(another_database_url, loads)


@pytest.mark.asyncio
async def test_ids_that_an_old_collation_confuses_are_told_apart(another_database_url):
    await run_sql(another_database_url, f"{CREATE_TODAYS} COLLATE utf8mb4_0900_ai_ci")
    async with MySQLSessionStorage(another_database_url, on_error="raise") as storage:
        for id in ("Café", "café", "Cafe", "Café "):
            await storage.store_session(replace(offline_session(SHOP), id=id, state=id))
        assert len(await storage.find_sessions_by_shop(SHOP)) == 4


@pytest.mark.asyncio
@pytest.mark.parametrize("flag", [0, CLIENT.FOUND_ROWS])
async def test_comparisons_are_right_whatever_rows_count_as_affected(another_database_url, flag):
    async with MySQLSessionStorage(
        another_database_url, pool_options={"client_flag": flag}, on_error="raise"
    ) as storage:
        await compares(storage)
