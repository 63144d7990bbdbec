"""MySQLSessionStorage in the tables of Prisma and Drizzle."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiomysql
import pytest
import pytest_asyncio
from servers.discovery import free_port
from servers.foreign import SHOP, SqlForeignTables
from servers.foreign_tables import create_table
from servers.mysql import options_of, url_of
from shopify_session_storage import InvalidSessionError, MigrationError, SessionStorageError
from shopify_session_storage.testing import SessionStorageBattery
from shopify_session_storage.testing.differences import (
    DATES_END_IN_2038,
    EMPTY_TOKEN_IS_NONE,
    IDS_IGNORE_CASE,
    longer_than,
    unknown_is_false,
)
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage_mysql import MySQLSessionStorage

from .conftest import query, run_sql


class TestForeignTables(SqlForeignTables):
    database = "mysql"
    data = Path(__file__).parent / "data"
    nowhere = "mysql://user@127.0.0.1/nowhere"

    @pytest.fixture
    def place(self, database_url):
        return database_url

    def make(self, place, **options):
        return MySQLSessionStorage(place, **options)

    async def run_sql(self, place, sql):
        await run_sql(place, sql)

    async def tables(self, place):
        return await query(
            place,
            "SELECT TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, COLUMN_KEY "
            "FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() ORDER BY 1, 2",
        )


class LayoutBattery(SessionStorageBattery):
    lacks = frozenset({"breakable"})  # connections are the same, whatever the table
    layout = "prisma"
    variant = "V3"

    @pytest.fixture
    def storage_factory(self, database_url):
        return lambda: MySQLSessionStorage(database_url, layout=self.layout)

    @pytest_asyncio.fixture
    async def storage(self, database_url, storage_factory):
        leases = {"prisma": "Session_leases", "drizzle": "session_leases"}[self.layout]
        await run_sql(database_url, create_table("mysql", self.layout, self.variant))
        async with storage_factory() as storage:
            sql = await storage.migration_sql()
            assert leases in sql
            await run_sql(database_url, sql)
            yield storage

    @pytest.fixture
    def failing_storage_factory(self):
        return lambda on_error: MySQLSessionStorage(
            url_of("127.0.0.1", free_port()), layout=self.layout, on_error=on_error
        )


class TestTemplateOfPrisma(LayoutBattery):
    variant = "V3t"
    layout_allows = (
        EMPTY_TOKEN_IS_NONE,
        unknown_is_false("account_owner"),
        longer_than(191, "id", "shop", "state", "access_token", "refresh_token"),
        IDS_IGNORE_CASE,
    )


class TestDrizzle(LayoutBattery):
    layout = "drizzle"
    layout_allows = (
        EMPTY_TOKEN_IS_NONE,
        IDS_IGNORE_CASE,
        DATES_END_IN_2038,
        longer_than(65_535 // 4, "shop", "state", "scope", "access_token", "refresh_token"),
    )


@pytest.mark.asyncio
async def test_nobody_gets_the_session_of_an_id_like_it(database_url):
    """The table takes ids for one that differ in case, in accents or in spaces at the end."""
    await run_sql(database_url, create_table("mysql", "prisma"))
    stored = offline_session(SHOP, id="offline_shop")
    async with MySQLSessionStorage(database_url, layout="prisma") as storage:
        await storage.store_session(stored)
        for id in ("Offline_shop", "offline_shöp", "offline_shop "):
            other = offline_session("other.example", id=id)
            assert await storage.load_session(id) is None
            assert await storage.store_session(other) is False
            with pytest.raises(SessionStorageError):
                await storage.compare_and_store(other, None)
            assert await storage.compare_and_store(replace(stored, id=id), other) is False
            assert await storage.compare_and_delete(replace(stored, id=id)) is True
            assert await storage.delete_session(id) is True
        assert await storage.find_sessions_by_shop(SHOP.upper()) == []
        (left,) = await storage.find_sessions_by_shop(SHOP)
        assert stored.equals(left)
    async with MySQLSessionStorage(database_url, layout="prisma", on_error="raise") as storage:
        with pytest.raises(SessionStorageError, match="collation"):
            await storage.store_session(offline_session("other.example", id="OFFLINE_SHOP"))


@pytest.mark.asyncio
async def test_other_unique_column(database_url):
    """An upsert must not replace the session that has the same shop."""
    types = {
        "shop": "varchar(191) COLLATE utf8mb4_bin UNIQUE",
        "id": "varchar(191) COLLATE utf8mb4_bin",
    }
    await run_sql(database_url, create_table("mysql", "prisma", types=types))
    async with MySQLSessionStorage(database_url, layout="prisma", on_error="raise") as storage:
        await storage.store_session(stored := offline_session(SHOP))
        with pytest.raises(SessionStorageError, match="unique"):
            await storage.store_session(online_session(SHOP))
        assert stored.equals(await storage.load_session(stored.id))


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("layout", "misfit"),
    [
        ("prisma", {"access_token": "t" * 192}),
        ("prisma", {"id": "t" * 192}),
        ("prisma", {"scope": "é" * 40_000}),
        ("drizzle", {"access_token": "é" * 40_000}),
        ("drizzle", {"expires": datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC)}),
    ],
)
async def test_what_does_not_fit_is_refused_before_it_is_sent(database_url, layout, misfit):
    await run_sql(database_url, create_table("mysql", layout))
    async with MySQLSessionStorage(database_url, layout=layout) as storage:
        session = offline_session(SHOP, **misfit)
        for call in (storage.store_session(session), storage.compare_and_store(session, None)):
            with pytest.raises(InvalidSessionError, match=r"holds|2038") as caught:
                await call
            assert "ttt" not in str(caught.value)
        assert await storage.find_sessions_by_shop(SHOP) == []
        fits = offline_session(SHOP, access_token="é" * 191)
        assert await storage.store_session(fits)
        assert fits.equals(await storage.load_session(fits.id))


@pytest.mark.asyncio
@pytest.mark.parametrize("type", ["datetime(3)", "datetime(6)", "datetime", "timestamp NULL"])
async def test_types_of_dates(database_url, type):
    """UTC's digits, never rounded up."""
    types = {"expires": type, "refreshTokenExpires": type}
    await run_sql(database_url, create_table("mysql", "prisma", types=types))
    date = datetime(2031, 5, 6, 23, 59, 59, 999_000, tzinfo=UTC)
    session = offline_session(SHOP, expires=date, refresh_token_expires=date)
    async with MySQLSessionStorage(database_url, layout="prisma", on_error="raise") as storage:
        await storage.store_session(session)
        (found,) = await storage.find_sessions_by_shop(SHOP)
    kept = date if "(" in type else date.replace(microsecond=0)
    assert found.expires == found.refresh_token_expires == kept


@pytest.mark.asyncio
async def test_pool_that_would_cut_values(database_url):
    await run_sql(database_url, create_table("mysql", "prisma"))
    options = {"autocommit": True, "init_command": "SET SESSION sql_mode = ''"}
    async with aiomysql.create_pool(**options_of(database_url), **options) as pool:
        storage = MySQLSessionStorage(pool, layout="prisma", on_error="raise")
        with pytest.raises(MigrationError, match="STRICT_ALL_TABLES"):
            await storage.ready()
        await storage.disconnect()


@pytest.mark.asyncio
async def test_leases_as_prisma_makes_the_table(database_url):
    """Its collation takes two names for one, so that one waits; two holders are never one."""
    await run_sql(database_url, create_table("mysql", "prisma"))
    create = "CREATE TABLE Session_leases (name varchar(255) NOT NULL, holder varchar(255) NOT NULL"
    end = "expires bigint NOT NULL, PRIMARY KEY (name)) COLLATE utf8mb4_unicode_ci"
    await run_sql(database_url, f"{create}, {end}")
    minute = timedelta(minutes=1)
    async with MySQLSessionStorage(database_url, layout="prisma") as storage:
        assert await storage.acquire_lease("name", "a", minute) is True
        assert await storage.acquire_lease("name", "A", minute) is False
        assert await storage.acquire_lease("name", "a ", minute) is False
        assert await storage.acquire_lease("NAME", "b", minute) is False
        assert await storage.acquire_lease("name", "a", minute) is True
        await storage.release_lease("name", "A")
        assert await storage.acquire_lease("name", "b", minute) is False
        await storage.release_lease("name", "a")
        assert await storage.acquire_lease("name", "b", minute) is True


@pytest.mark.asyncio
async def test_layout_in_a_url(database_url):
    await run_sql(database_url, create_table("mysql", "drizzle"))
    url = f"{database_url}{'&' if '?' in database_url else '?'}layout=drizzle"
    async with MySQLSessionStorage(url, on_error="raise") as storage:
        assert await storage.store_session(offline_session(SHOP))
    assert await query(database_url, "SELECT shop FROM session") == [(SHOP,)]
    with pytest.raises(ValueError, match="layout"):
        MySQLSessionStorage("mysql://user@127.0.0.1/x?layout=typeorm")
