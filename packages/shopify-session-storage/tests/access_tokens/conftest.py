"""A shop, a store and a clock for the tests of access tokens."""

import pytest
import pytest_asyncio
from shopify_app import ShopifyApp
from shopify_session_storage.access_tokens import AccessTokenStore, asking, lease

from .shops import Clock, expire


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr(asking, "_FIRST_PAUSE", 0.01)


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(lease, "time", clock)
    return clock


@pytest.fixture
def app(fake):
    return ShopifyApp(fake.client_id, fake.client_secret)


@pytest_asyncio.fixture
async def client(fake):
    async with fake.client() as client:
        yield client


@pytest_asyncio.fixture
async def tokens(storage, app, client):
    async with AccessTokenStore(storage, app, http_client=client) as tokens:
        yield tokens


@pytest_asyncio.fixture
async def expired(tokens, storage, fake):
    """Return the session of a shop whose access token has expired."""
    await tokens.save(fake.install("alpha"))
    return await expire(storage)
