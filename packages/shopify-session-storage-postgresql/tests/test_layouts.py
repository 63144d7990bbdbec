"""PostgreSQLSessionStorage in the tables of Prisma and Drizzle."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio
from servers.discovery import free_port
from servers.foreign import SHOP, SqlForeignTables
from servers.foreign_tables import create_table
from servers.postgresql import url_of
from shopify_session_storage import InvalidSessionError, MigrationError
from shopify_session_storage.testing import SessionStorageBattery
from shopify_session_storage.testing.differences import EMPTY_TOKEN_IS_NONE, unknown_is_false
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage_postgresql import PostgreSQLSessionStorage

from .conftest import query, run_sql

LEASES = 'CREATE TABLE "{}" (name TEXT PRIMARY KEY, holder TEXT NOT NULL, expires BIGINT NOT NULL)'


class TestForeignTables(SqlForeignTables):
    database = "postgresql"
    data = Path(__file__).parent / "data"
    nowhere = "postgresql://127.0.0.1/nowhere"

    @pytest.fixture
    def place(self, database_url):
        return database_url

    def make(self, place, **options):
        return PostgreSQLSessionStorage(place, **options)

    async def run_sql(self, place, sql):
        await run_sql(place, sql)

    async def tables(self, place):
        return await query(
            place,
            "SELECT relname, attname, format_type(atttypid, atttypmod), attnotnull FROM pg_class "
            "JOIN pg_attribute ON attrelid = pg_class.oid "
            "WHERE relnamespace = 'public'::regnamespace ORDER BY 1, 2",
        )


class LayoutBattery(SessionStorageBattery):
    lacks = frozenset({"breakable"})  # connections are the same, whatever the table
    layout = "prisma"
    variant = "V3"
    layout_allows = (EMPTY_TOKEN_IS_NONE,)

    @pytest.fixture
    def storage_factory(self, database_url):
        return lambda: PostgreSQLSessionStorage(database_url, layout=self.layout)

    @pytest_asyncio.fixture
    async def storage(self, database_url, storage_factory):
        leases = {"prisma": "Session_leases", "drizzle": "session_leases"}[self.layout]
        await run_sql(database_url, create_table("postgresql", self.layout, self.variant))
        await run_sql(database_url, LEASES.format(leases))
        async with storage_factory() as storage:
            yield storage

    @pytest.fixture
    def failing_storage_factory(self):
        return lambda on_error: PostgreSQLSessionStorage(
            url_of("127.0.0.1", free_port()), layout=self.layout, on_error=on_error
        )


class TestTemplateOfPrisma(LayoutBattery):
    variant = "V3t"
    layout_allows = (EMPTY_TOKEN_IS_NONE, unknown_is_false("account_owner"))


class TestDrizzle(LayoutBattery):
    layout = "drizzle"


@pytest.mark.asyncio
@pytest.mark.parametrize("type", ["timestamp", "timestamp(3)", "timestamp(0)", "timestamptz"])
async def test_types_of_dates(database_url, type):
    """UTC's digits without a zone, whatever the zone of the session is; never rounded up."""
    types = {"expires": type, "refreshTokenExpires": type}
    await run_sql(database_url, create_table("postgresql", "prisma", types=types))
    date = datetime(2031, 5, 6, 23, 59, 59, 999_000, tzinfo=UTC)
    options = {"server_settings": {"timezone": "Asia/Kolkata"}}
    session = offline_session(SHOP, expires=date, refresh_token_expires=date)
    async with PostgreSQLSessionStorage(
        database_url, layout="prisma", pool_options=options, on_error="raise"
    ) as storage:
        await storage.store_session(session)
        (found,) = await storage.find_sessions_by_shop(SHOP)
    kept = date.replace(microsecond=0) if type == "timestamp(0)" else date
    assert found.expires == found.refresh_token_expires == kept
    ((text,),) = (
        await query(
            database_url,
            "SELECT to_char(expires AT TIME ZONE 'UTC', 'HH24:MI:SS') FROM \"Session\"",
        )
        if type == "timestamptz"
        else await query(database_url, "SELECT to_char(expires, 'HH24:MI:SS') FROM \"Session\"")
    )
    assert text == "23:59:59"


@pytest.mark.asyncio
@pytest.mark.parametrize("alone", [True, False])
async def test_what_does_not_fit_is_refused_before_it_is_sent(database_url, alone):
    types = {"accessToken": "varchar(191)", "userId": "integer"}
    await run_sql(database_url, create_table("postgresql", "prisma", types=types))
    fits = offline_session(SHOP, access_token="é" * 191)
    for misfit in (
        offline_session("other.example", access_token="t" * 192),
        online_session(SHOP, 2**31),
    ):
        async with PostgreSQLSessionStorage(database_url, layout="prisma") as storage:
            with pytest.raises(InvalidSessionError, match="holds") as caught:
                await (
                    storage.store_session(misfit)
                    if alone
                    else storage.compare_and_store(misfit, None)
                )
            assert "ttt" not in str(caught.value)
            assert await storage.store_session(fits)
            assert fits.equals(await storage.load_session(fits.id))
            assert await storage.load_session(misfit.id) is None


@pytest.mark.asyncio
@pytest.mark.parametrize("type", ["citext", 'text COLLATE "any case"'])
async def test_ids_that_a_column_confuses(database_url, type):
    await run_sql(
        database_url,
        "CREATE EXTENSION citext"
        if type == "citext"
        else 'CREATE COLLATION "any case" '
        "(provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
    )
    await run_sql(database_url, create_table("postgresql", "prisma", types={"id": type}))
    with pytest.raises(MigrationError, match="differ only in case"):
        await PostgreSQLSessionStorage(database_url, layout="prisma").ready()


@pytest.mark.asyncio
async def test_expiry_that_a_column_wants(database_url):
    await run_sql(
        database_url, create_table("postgresql", "drizzle", types={"expires": "timestamp NOT NULL"})
    )
    async with PostgreSQLSessionStorage(database_url, layout="drizzle") as storage:
        session = offline_session(SHOP)
        with pytest.raises(InvalidSessionError, match="expires is NOT NULL"):
            await storage.store_session(replace(session, expires=None))
        assert await storage.store_session(session)


@pytest.mark.asyncio
async def test_layout_and_schema_in_a_url(database_url):
    await run_sql(
        database_url,
        f"CREATE SCHEMA app; SET search_path = app; {create_table('postgresql', 'prisma')}",
    )
    url = f"{database_url}?layout=prisma&schema=app"
    async with PostgreSQLSessionStorage(url, on_error="raise") as storage:
        assert await storage.store_session(offline_session(SHOP))
        assert '"app"."Session_leases"' in await storage.migration_sql()
    assert await query(database_url, 'SELECT shop FROM app."Session"') == [(SHOP,)]
    with pytest.raises(ValueError, match="layout"):
        PostgreSQLSessionStorage("postgresql://127.0.0.1/x?layout=typeorm")


@pytest.mark.asyncio
async def test_pool_of_the_user(database_url):
    await run_sql(database_url, create_table("postgresql", "prisma"))
    async with asyncpg.create_pool(database_url, min_size=0) as pool:
        storage = PostgreSQLSessionStorage(pool, layout="prisma", on_error="raise")
        many = [online_session(SHOP, user, expires=None) for user in range(20)]
        for session in many:
            await storage.store_session(session)
        assert len(await storage.find_sessions_by_shop(SHOP)) == 20
        assert (await storage.purge_expired(before=datetime.now(UTC) - timedelta(1))).deleted == 0
        await storage.disconnect()
