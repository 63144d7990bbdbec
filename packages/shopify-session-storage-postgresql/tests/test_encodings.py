"""A database of another encoding is said at the start, and takes what it can."""

import asyncio
import logging

import pytest
from servers.postgresql import with_database
from shopify_session_storage import SessionStorageError
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage_postgresql import PostgreSQLSessionStorage

from .conftest import run_sql

SHOP = "alpha.myshopify.com"


@pytest.mark.asyncio
@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
async def test_database_of_another_encoding_is_said_at_the_start(postgresql_url, encoding, caplog):
    name = f"test_{encoding.lower()}"
    await run_sql(postgresql_url, f"DROP DATABASE IF EXISTS {name}")
    await run_sql(
        postgresql_url,
        f"CREATE DATABASE {name} ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' "
        "TEMPLATE template0",
    )
    try:
        url = with_database(postgresql_url, name)
        with caplog.at_level(logging.WARNING, "shopify_session_storage"):
            async with PostgreSQLSessionStorage(url, on_error="raise") as storage:
                assert caplog.text.count(encoding) == 1
                good, bad = offline_session(SHOP), online_session(SHOP, 1)
                bad.online_access_info.associated_user.first_name = "Łukasz"
                results = await asyncio.gather(
                    *map(storage.store_session, [good, bad]), return_exceptions=True
                )
                assert good.equals(await storage.load_session(good.id))
                if encoding == "LATIN1":
                    assert results[0] is True
                    assert type(results[1]) is SessionStorageError
                    assert "22P05" in str(results[1])
                    assert "encoding" in str(results[1])
                else:
                    assert bad.equals(await storage.load_session(bad.id))
    finally:
        await run_sql(postgresql_url, f"DROP DATABASE {name} WITH (FORCE)")
