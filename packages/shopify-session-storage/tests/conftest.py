"""A stand-in for Shopify, a store of access tokens in a scripted storage, and a subscriber."""

from datetime import timedelta

import pytest
import pytest_asyncio
from shopify_app import ShopifyApp
from shopify_session_storage import subscribe
from shopify_session_storage.access_tokens import AccessTokenStore
from shopify_session_storage.access_tokens.calls import Endpoint
from shopify_session_storage.testing import FakeShopify

from .scripted import ScriptedStorage


@pytest.fixture
def fake():
    with FakeShopify() as fake:
        yield fake


@pytest_asyncio.fixture
async def storage():
    async with ScriptedStorage(max_groups=8) as storage:
        yield storage


@pytest_asyncio.fixture
async def tokens(storage, fake):
    app = ShopifyApp(fake.client_id, fake.client_secret)
    async with (
        fake.client() as client,
        AccessTokenStore(storage, app, http_client=client) as tokens,
    ):
        yield tokens


@pytest_asyncio.fixture
async def endpoint(fake):
    async with fake.client() as client:
        yield Endpoint(ShopifyApp(fake.client_id, fake.client_secret), client, timedelta(seconds=5))


@pytest.fixture
def heard():
    heard = []
    unsubscribe = subscribe(heard.append)
    yield heard
    unsubscribe()
