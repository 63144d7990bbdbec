"""DynamoDBSessionStorage keeps every promise of the contract."""

import pytest
import pytest_asyncio
from aiobotocore.config import AioConfig
from servers.breaking import breakable_server
from servers.discovery import free_port
from shopify_session_storage.testing import SessionStorageBattery
from shopify_session_storage_dynamodb import DynamoDBSessionStorage

from .conftest import client_options


class TestDynamoDB(SessionStorageBattery):
    @pytest.fixture
    def storage_factory(self, make):
        return lambda: make(on_error="log")

    @pytest_asyncio.fixture
    async def storage(self, storage_factory):
        async with storage_factory() as storage:
            yield storage

    @pytest.fixture
    def failing_storage_factory(self):
        once = AioConfig(retries={"total_max_attempts": 1})
        options = client_options(f"http://127.0.0.1:{free_port()}", config=once)
        return lambda on_error: DynamoDBSessionStorage(client_options=options, on_error=on_error)

    @pytest_asyncio.fixture
    async def breakable(self, dynamodb_url, make):
        async with breakable_server(
            dynamodb_url, lambda url, on_error: make(url, on_error=on_error)
        ) as server:
            yield server
