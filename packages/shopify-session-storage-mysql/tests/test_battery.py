"""MySQLSessionStorage keeps every promise of the contract."""

import pytest
import pytest_asyncio
from servers.breaking import breakable_server
from servers.discovery import free_port
from servers.mysql import url_of
from shopify_session_storage.testing import SessionStorageBattery
from shopify_session_storage_mysql import MySQLSessionStorage


class TestMySQL(SessionStorageBattery):
    @pytest.fixture
    def storage_factory(self, mysql_url):
        return lambda: MySQLSessionStorage(mysql_url)

    @pytest_asyncio.fixture
    async def storage(self, storage_factory):
        async with storage_factory() as storage:
            yield storage

    @pytest.fixture
    def failing_storage_factory(self):
        return lambda on_error: MySQLSessionStorage(
            url_of("127.0.0.1", free_port()), on_error=on_error
        )

    @pytest_asyncio.fixture
    async def breakable(self, mysql_url):
        def make(url, on_error):
            return MySQLSessionStorage(url, on_error=on_error)

        async with breakable_server(mysql_url, make) as server:
            yield server
