"""What stands in the database counts, not what is recorded."""

import asyncio

import pytest
from shopify_session_storage import MigrationError
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage_postgresql import PostgreSQLSessionStorage

from .conftest import query, run_sql
from .official_table import BROKEN, INDEXES, ROWS, TABLE, has_index, long_session, works

SHOP = "alpha.myshopify.com"


@pytest.mark.asyncio
@pytest.mark.parametrize("by", ["start", "printed SQL"])
@pytest.mark.parametrize(
    "change",
    [
        "DROP TABLE shopify_sessions;" + TABLE,
        "DROP INDEX shopify_sessions_shop_index",
        "ALTER TABLE shopify_sessions ALTER COLUMN expires TYPE integer",
        'ALTER TABLE shopify_sessions ALTER COLUMN "accessToken" TYPE varchar(255)',
        'ALTER TABLE shopify_sessions DROP COLUMN "refreshToken"',
        BROKEN,
    ],
)
async def test_table_of_an_older_backup_is_brought_up_to_date(database_url, change, by):
    async with PostgreSQLSessionStorage(database_url) as storage:
        assert await storage.migration_sql() == ""
    await run_sql(database_url, change)
    sql = await PostgreSQLSessionStorage(database_url).migration_sql()
    assert sql != ""
    if by == "printed SQL":
        await run_sql(database_url, sql)
    async with PostgreSQLSessionStorage(database_url, on_error="raise") as storage:
        await works(storage, long_session())
        assert await storage.migration_sql() == ""
    assert await has_index(database_url)
    assert await query(database_url, "SELECT 1 FROM pg_index WHERE NOT indisvalid") == []


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("column", "type"),
    [
        ("userId", "text"),
        ("userId", "varchar(20)"),
        ("userId", "numeric"),
        ("expires", "numeric(20, 0)"),
        ("refreshTokenExpires", "double precision"),
        ("isOnline", "smallint"),
        ("accountOwner", "integer"),
    ],
)
async def test_column_of_another_type_is_written_as_it_needs(database_url, column, type):
    """As programs make them that move a table here from another database."""
    cast = "integer" if column in ("isOnline", "accountOwner") else type
    await run_sql(database_url, TABLE)
    await run_sql(
        database_url,
        f'ALTER TABLE shopify_sessions ALTER COLUMN "{column}" TYPE {type} '
        f'USING "{column}"::{cast}::{type}',
    )
    sessions = [offline_session(SHOP), *(online_session(SHOP, user) for user in range(5))]
    async with PostgreSQLSessionStorage(database_url, on_error="raise") as storage:
        for session in sessions[:2]:  # alone, and then together
            assert await storage.store_session(session)
        assert all(await asyncio.gather(*map(storage.store_session, sessions)))
        for session in sessions:
            assert session.equals(await storage.load_session(session.id))
            assert await storage.compare_and_store(session, session) is True


@pytest.mark.asyncio
@pytest.mark.parametrize("recorded", [False, True])
async def test_table_without_a_key_is_refused_with_what_to_run(database_url, recorded):
    if recorded:
        async with PostgreSQLSessionStorage(database_url):
            pass
        await run_sql(
            database_url,
            "CREATE TABLE copy AS SELECT * FROM shopify_sessions; DROP TABLE shopify_sessions; "
            "ALTER TABLE copy RENAME TO shopify_sessions",
        )
    else:
        await run_sql(database_url, TABLE.replace("PRIMARY KEY", ""))
    storage = PostgreSQLSessionStorage(database_url, on_error="raise")
    with pytest.raises(MigrationError, match="no primary key") as caught:
        await storage.store_session(offline_session(SHOP))
    assert 'ADD PRIMARY KEY ("id")' in str(caught.value)
    sql = await storage.migration_sql()
    assert "ADD PRIMARY KEY" in sql
    await run_sql(database_url, sql)
    await works(storage, long_session())
    await storage.disconnect()


@pytest.mark.asyncio
async def test_unique_ids_are_as_good_as_a_primary_key(database_url):
    await run_sql(database_url, TABLE.replace("PRIMARY KEY", "UNIQUE"))
    async with PostgreSQLSessionStorage(database_url, on_error="raise") as storage:
        await works(storage, long_session())


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "taken",
    [
        "CREATE TABLE shopify_sessions_shop_index (a int)",
        "CREATE TABLE other (a int); CREATE INDEX shopify_sessions_shop_index ON other (a)",
        "CREATE SEQUENCE shopify_sessions_shop_index",
        "CREATE INDEX shopify_sessions_shop_index ON shopify_sessions (state)",
    ],
)
async def test_name_of_the_index_that_is_taken(database_url, taken):
    await run_sql(database_url, TABLE + taken)
    for _ in range(2):
        async with PostgreSQLSessionStorage(database_url, on_error="raise") as storage:
            await works(storage, long_session())
            assert await storage.migration_sql() == ""
        indexes = await query(database_url, INDEXES)
        assert sum("(shop)" in index for (index,) in indexes) == 1


@pytest.mark.asyncio
async def test_table_that_the_search_path_finds_in_another_schema_is_used(database_url):
    await run_sql(database_url, TABLE + ROWS.format(3) + "CREATE SCHEMA app")
    async with PostgreSQLSessionStorage(
        f"{database_url}?search_path=app,public", on_error="raise"
    ) as storage:
        assert (await storage.load_session("offline_2.example")).access_token == "shpat_2"
    tables = await query(database_url, "SELECT 1 FROM pg_tables WHERE schemaname = 'app'")
    assert tables == []
