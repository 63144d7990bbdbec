"""PostgreSQLSessionStorage keeps every promise of the contract."""

import pytest
import pytest_asyncio
from servers.breaking import breakable_server
from servers.discovery import free_port
from servers.postgresql import url_of
from shopify_session_storage.testing import SessionStorageBattery
from shopify_session_storage_postgresql import PostgreSQLSessionStorage


class TestPostgreSQL(SessionStorageBattery):
    @pytest.fixture
    def storage_factory(self, postgresql_url):
        return lambda: PostgreSQLSessionStorage(postgresql_url)

    @pytest_asyncio.fixture
    async def storage(self, storage_factory):
        async with storage_factory() as storage:
            yield storage

    @pytest.fixture
    def failing_storage_factory(self):
        return lambda on_error: PostgreSQLSessionStorage(
            url_of("127.0.0.1", free_port()), on_error=on_error
        )

    @pytest_asyncio.fixture
    async def breakable(self, postgresql_url):
        def make(url, on_error):
            return PostgreSQLSessionStorage(url, on_error=on_error)

        async with breakable_server(postgresql_url, make) as server:
            yield server
