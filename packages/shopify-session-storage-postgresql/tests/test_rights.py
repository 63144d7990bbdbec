"""Users who may not do everything."""

import asyncpg
import pytest
from shopify_session_storage import MigrationError
from shopify_session_storage.testing.sessions import offline_session
from shopify_session_storage_postgresql import PostgreSQLSessionStorage

from .conftest import limited_user, run_sql
from .official_table import ROWS

SHOP = "alpha.myshopify.com"


@pytest.mark.asyncio
async def test_user_without_the_right_to_create_is_told_the_sql_to_run(database_url):
    url = await limited_user(database_url)
    with pytest.raises(MigrationError, match="may not create") as caught:
        await PostgreSQLSessionStorage(url).ready()
    assert isinstance(caught.value.__cause__, asyncpg.InsufficientPrivilegeError)
    sql = await PostgreSQLSessionStorage(url).migration_sql()
    assert sql in str(caught.value)

    owner = await asyncpg.connect(database_url)
    await owner.execute(sql)
    await owner.close()
    url = await limited_user(
        database_url,
        "SELECT, INSERT, UPDATE, DELETE ON shopify_sessions",
        "SELECT ON shopify_sessions_migrations",
    )
    async with PostgreSQLSessionStorage(url, on_error="raise") as storage:
        session = offline_session(SHOP)
        await storage.store_session(session)
        assert session.equals(await storage.load_session(session.id))
        assert await storage.migration_sql() == ""
    assert await PostgreSQLSessionStorage(database_url).migration_sql() == ""


@pytest.mark.asyncio
async def test_user_who_may_not_build_the_index_is_told_the_sql(database_url):
    async with PostgreSQLSessionStorage(database_url):
        pass
    await run_sql(database_url, ROWS.format(100_000) + "DROP INDEX shopify_sessions_shop_index")
    url = await limited_user(
        database_url,
        "SELECT, INSERT, UPDATE, DELETE ON shopify_sessions",
        "SELECT ON shopify_sessions_migrations",
    )
    with pytest.raises(MigrationError, match="CREATE INDEX CONCURRENTLY"):
        await PostgreSQLSessionStorage(url).ready()
