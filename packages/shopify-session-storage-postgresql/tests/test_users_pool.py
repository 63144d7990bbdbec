"""A pool of the user's is used as it is, and left open."""

import asyncio

import asyncpg
import pytest
import pytest_asyncio
from servers import postgresql
from servers.breaking import breakable_server
from servers.discovery import free_port
from shopify_session_storage import SessionStorageUnavailableError
from shopify_session_storage.testing import SessionStorageBattery
from shopify_session_storage_postgresql import PostgreSQLSessionStorage


class TestPoolOfTheUser(SessionStorageBattery):
    lacks = frozenset({"another_loop", "breakable"})

    @pytest_asyncio.fixture
    async def storage(self, database_url):
        async with asyncpg.create_pool(database_url, min_size=1) as pool:
            yield PostgreSQLSessionStorage(pool)
            assert await pool.fetchval("SELECT 1") == 1  # is left open

    @pytest.fixture
    def storage_factory(self, database_url):
        return lambda: PostgreSQLSessionStorage(database_url)

    @pytest.fixture
    def failing_storage_factory(self):
        return lambda on_error: PostgreSQLSessionStorage(
            asyncpg.create_pool(postgresql.url_of("127.0.0.1", free_port())), on_error=on_error
        )

    @pytest_asyncio.fixture
    async def breakable(self, database_url):
        def make(url, on_error):
            pools.append(asyncpg.create_pool(url, min_size=0))
            return PostgreSQLSessionStorage(pools[-1], on_error=on_error)

        pools = []
        async with breakable_server(database_url, make) as server:
            yield server
            for pool in pools:
                await pool.close()


def test_pool_of_another_event_loop_is_a_clear_failure(postgresql_url):
    async def make():
        pool = await asyncpg.create_pool(postgresql_url, min_size=0)
        return PostgreSQLSessionStorage(pool, on_error="raise")

    storage = asyncio.run(make())
    with pytest.raises(SessionStorageUnavailableError, match="another event loop"):
        asyncio.run(storage.load_session("a"))


@pytest.mark.asyncio
async def test_pool_options_are_for_our_own_pool():
    with pytest.raises(ValueError, match="pool_options"):
        PostgreSQLSessionStorage(asyncpg.create_pool("postgresql://h/d"), pool_options={})
