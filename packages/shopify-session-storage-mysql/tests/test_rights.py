"""Users who may not do everything."""

import aiomysql
import pytest
from shopify_session_storage import (
    MigrationError,
)
from shopify_session_storage.testing.sessions import offline_session
from shopify_session_storage_mysql import MySQLSessionStorage

from .conftest import SHOP, limited_user, run_sql


@pytest.mark.asyncio
async def test_user_without_the_right_to_create_is_told_the_sql_to_run(database_url):
    url = await limited_user(database_url, "SELECT ON *.*")
    with pytest.raises(MigrationError, match="may not create") as caught:
        await MySQLSessionStorage(url).ready()
    assert caught.value.__cause__.args[0] == 1142
    sql = await MySQLSessionStorage(url).migration_sql()
    assert sql in str(caught.value)

    await run_sql(database_url, sql)
    url = await limited_user(
        database_url,
        "SELECT, INSERT, UPDATE, DELETE ON shopify_sessions",
        "SELECT ON shopify_sessions_migrations",
        "SELECT, INSERT, UPDATE, DELETE ON shopify_sessions_leases",
    )
    async with MySQLSessionStorage(url, on_error="raise") as storage:
        session = offline_session(SHOP)
        await storage.store_session(session)
        assert session.equals(await storage.load_session(session.id))
        assert await storage.migration_sql() == ""
    assert await MySQLSessionStorage(database_url).migration_sql() == ""


@pytest.mark.asyncio
async def test_server_that_lets_nobody_alter_tables_is_answered_with_the_sql_to_run(
    database_url, monkeypatch
):
    async def execute(self, sql, parameters=()):
        if sql.startswith(("CREATE", "ALTER")):
            raise aiomysql.OperationalError(1105, "direct DDL is disabled")
        await self.fetch(sql, parameters)

    with monkeypatch.context() as patch:
        patch.setattr("shopify_session_storage_mysql.migrations._Connection.execute", execute)
        with pytest.raises(MigrationError, match="CREATE TABLE `shopify_sessions`") as caught:
            await MySQLSessionStorage(database_url).ready()
    await run_sql(database_url, str(caught.value).partition(":\n")[2])
    assert await MySQLSessionStorage(database_url).migration_sql() == ""


@pytest.mark.asyncio
async def test_migrated_database_is_opened_without_a_lock(database_url, monkeypatch):
    async with MySQLSessionStorage(database_url, on_error="raise"):
        pass
    async with MySQLSessionStorage(database_url, on_error="raise") as storage:
        monkeypatch.setattr(storage, "_migration_connection", None)
        await storage.disconnect()
        await storage.ready()
