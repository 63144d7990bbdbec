"""Large tables are used while they are migrated, and rewritten on somebody's word alone."""

import asyncio
import logging
import time
from datetime import UTC, datetime

import asyncpg
import pytest
from shopify_session_storage import SessionStorageError
from shopify_session_storage.testing.sessions import offline_session
from shopify_session_storage_postgresql import PostgreSQLSessionStorage

from .conftest import query, run_sql
from .official_table import BROKEN, INDEXES, ROWS, TABLE, TYPE, has_index, long_session, works

SHOP = "alpha.myshopify.com"


# The server's own autovacuum looks at a table with so many new rows, too.
HELD = """SELECT mode FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE relation = 'shopify_sessions'::regclass AND backend_type = 'client backend'"""


@pytest.mark.asyncio
async def test_large_table_is_not_rewritten_by_a_start(database_url, caplog):
    await run_sql(database_url, TABLE + ROWS.format(100_000))
    before = await query(database_url, "SELECT pg_relation_filenode('shopify_sessions')")
    with caplog.at_level(logging.WARNING, "shopify_session_storage"):
        storage = PostgreSQLSessionStorage(database_url, on_error="raise")
        for _ in range(2):
            async with storage:
                session = offline_session(SHOP, access_token="x" * 400)
                session.expires = datetime(2037, 1, 1, tzinfo=UTC)
                await works(storage, session)
                with pytest.raises(SessionStorageError, match="does not fit") as caught:
                    await storage.store_session(long_session())
                assert type(caught.value) is SessionStorageError
                results = await asyncio.gather(
                    *(storage.store_session(long_session(f"{n}.example")) for n in range(3)),
                    storage.store_session(session),
                    return_exceptions=True,
                )
                assert [type(result) for result in results] == [SessionStorageError] * 3 + [bool]
                assert await query(database_url, HELD) == []
                sql = await storage.migration_sql()
    assert await query(database_url, "SELECT pg_relation_filenode('shopify_sessions')") == before
    assert await has_index(database_url)
    (warning,) = [record.getMessage() for record in caplog.records]
    assert sql.strip() in warning
    assert "rewrite_large_tables" in warning
    assert "bigint" in sql
    await run_sql(database_url, sql)
    async with PostgreSQLSessionStorage(database_url, on_error="raise") as storage:
        await works(storage, long_session())
        assert await storage.migration_sql() == ""


@pytest.mark.asyncio
async def test_large_table_is_rewritten_on_somebodys_word(database_url, caplog):
    await run_sql(database_url, TABLE + ROWS.format(100_000))
    async with PostgreSQLSessionStorage(
        database_url, rewrite_large_tables=True, on_error="raise"
    ) as storage:
        await works(storage, long_session())
        assert await storage.migration_sql() == ""
    assert await query(database_url, TYPE) == [("bigint",)]
    assert await has_index(database_url)
    assert caplog.records == []


@pytest.mark.asyncio
@pytest.mark.parametrize("analyzed", [False, True])
async def test_table_that_is_not_large_is_rewritten(database_url, analyzed):
    await run_sql(database_url, TABLE + ROWS.format(99_000))
    if analyzed:
        await run_sql(database_url, "ANALYZE")
    async with PostgreSQLSessionStorage(database_url, on_error="raise") as storage:
        await works(storage, long_session())
    assert await query(database_url, TYPE) == [("bigint",)]


@pytest.mark.asyncio
async def test_large_old_table_keeps_what_a_rewrite_would_move(database_url, caplog):
    old = TABLE.replace('"userId" bigint,', '"onlineAccessInfo" varchar(255),')
    await run_sql(database_url, old + ROWS.format(100_000))
    await run_sql(
        database_url,
        'UPDATE shopify_sessions SET "isOnline" = true, "onlineAccessInfo" = \'77\' '
        "WHERE shop = '5.example'",
    )
    async with PostgreSQLSessionStorage(database_url, on_error="raise") as storage:
        found = await storage.load_session("offline_5.example")
        assert found.online_access_info.associated_user.id is None
        assert "onlineAccessInfo" in caplog.text
    async with PostgreSQLSessionStorage(
        database_url, on_error="raise", rewrite_large_tables=True
    ) as storage:
        found = await storage.load_session("offline_5.example")
        assert found.online_access_info.associated_user.id == 77


@pytest.mark.asyncio
async def test_leftover_of_a_killed_build_is_replaced(database_url):
    await run_sql(database_url, TABLE + ROWS.format(100_000))
    await run_sql(
        database_url,
        f"CREATE INDEX shopify_sessions_shop_index ON shopify_sessions (shop); {BROKEN}",
    )
    async with PostgreSQLSessionStorage(database_url):
        pass
    assert await query(database_url, "SELECT 1 FROM pg_index WHERE NOT indisvalid") == []
    assert await has_index(database_url)


@pytest.mark.asyncio
async def test_index_that_somebody_builds_is_left_to_him(database_url):
    await run_sql(database_url, TABLE + ROWS.format(100_000))
    # A transaction from before, for which the build has to wait.
    reader = await asyncpg.connect(database_url)
    transaction = reader.transaction(isolation="repeatable_read")
    await transaction.start()
    await reader.fetch("SELECT 1 FROM shopify_sessions LIMIT 1")
    builder = await asyncpg.connect(database_url)
    name = "shopify_sessions_shop_index"
    build = asyncio.ensure_future(
        builder.execute(f"CREATE INDEX CONCURRENTLY {name} ON shopify_sessions (shop)")
    )
    while not await query(
        database_url, f"SELECT to_regclass('{name}') WHERE to_regclass('{name}') IS NOT NULL"
    ):
        await asyncio.sleep(0.05)
    began = time.monotonic()
    async with PostgreSQLSessionStorage(database_url, on_error="raise") as storage:
        assert time.monotonic() - began < 30
        await works(storage, offline_session(SHOP, access_token="t", expires=None))
    await transaction.rollback()
    await build
    assert await query(database_url, "SELECT 1 FROM pg_index WHERE NOT indisvalid") == []
    for connection in (reader, builder):
        await connection.close()


@pytest.mark.asyncio
async def test_twenty_storages_start_at_once_on_a_large_table(database_url):
    await run_sql(database_url, TABLE + ROWS.format(100_000))
    storages = [PostgreSQLSessionStorage(database_url, on_error="raise") for _ in range(20)]
    await asyncio.gather(*(storage.ready() for storage in storages))
    await works(storages[0], offline_session(SHOP, access_token="t", expires=None))
    await asyncio.gather(*(storage.disconnect() for storage in storages))
    async with PostgreSQLSessionStorage(database_url):
        pass
    indexes = await query(database_url, INDEXES)
    assert sum("(shop)" in index for (index,) in indexes) == 1
    assert await query(database_url, "SELECT 1 FROM pg_index WHERE NOT indisvalid") == []
