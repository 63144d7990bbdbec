"""A schema is created where it is named, and no other one is touched."""

import asyncpg
import pytest
from shopify_session_storage import open_session_storage
from shopify_session_storage.testing.sessions import offline_session
from shopify_session_storage_postgresql import PostgreSQLSessionStorage

SHOP = "alpha.myshopify.com"


@pytest.mark.asyncio
@pytest.mark.parametrize("by", ["option", "url"])
async def test_schema_is_created_and_public_is_not_touched(database_url, by):
    name = "My Schema; --"
    storage = (
        PostgreSQLSessionStorage(database_url, schema=name, on_error="raise")
        if by == "option"
        else open_session_storage(f"{database_url}?schema=My%20Schema%3B%20--", on_error="raise")
    )
    async with storage:
        session = offline_session(SHOP)
        await storage.store_session(session)
        assert session.equals(await storage.load_session(session.id))
    connection = await asyncpg.connect(database_url)
    rows = await connection.fetch(
        "SELECT DISTINCT schemaname FROM pg_tables WHERE schemaname !~ '^(pg_|information)'"
    )
    await connection.close()
    assert [row[0] for row in rows] == [name]
