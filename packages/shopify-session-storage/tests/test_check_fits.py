"""Whether a storage has a place for tokens is seen before the old ones are given up."""

import pytest
from shopify_app import ShopifyApp
from shopify_session_storage import (
    CachedSessionStorage,
    InvalidSessionError,
    SessionStorageUnavailableError,
)
from shopify_session_storage.access_tokens import AccessTokenStore
from shopify_session_storage.encryption import EncryptedSessionStorage, Keyring
from shopify_session_storage.testing import FakeShopify
from shopify_session_storage.testing.sessions import offline_session

from .scripted import DriverError, ScriptedStorage


class OldTable(ScriptedStorage):
    """Has no column for refresh tokens."""

    def _misfit(self, session):
        return "no place for refresh tokens" if session.refresh_token else None


WRAPPED = {
    "plain": lambda storage: storage,
    "cached": CachedSessionStorage,
    "encrypted": lambda storage: EncryptedSessionStorage(storage, Keyring({"a": bytes(32)})),
}


@pytest.mark.parametrize("kind", WRAPPED)
@pytest.mark.asyncio
async def test_a_migration_or_exchange_that_could_not_be_stored_asks_shopify_nothing(kind):
    inner = OldTable()
    storage = WRAPPED[kind](inner)
    with FakeShopify() as fake:
        app = ShopifyApp(fake.client_id, fake.client_secret)
        async with (
            fake.client() as client,
            AccessTokenStore(storage, app, http_client=client) as tokens,
        ):
            old = offline_session("alpha.myshopify.com", expires=None, refresh_token=None,
                                  refresh_token_expires=None)  # fmt: skip
            assert await storage.store_session(old)
            report = await tokens.migrate_to_expiring(["alpha"])
            assert "no place" in str(report.final["alpha.myshopify.com"])
            assert report.counts == {"no_place": 1}
            with pytest.raises(InvalidSessionError, match="no place"):
                await tokens.get_or_exchange(fake.verified("beta"))
            assert not fake.requests
            assert (await tokens.get("alpha")).token == old.access_token


@pytest.mark.parametrize("kind", WRAPPED)
@pytest.mark.asyncio
async def test_a_session_is_checked_and_nothing_is_stored(kind):
    inner = OldTable()
    storage = WRAPPED[kind](inner)
    fits = offline_session("a.myshopify.com", refresh_token=None, refresh_token_expires=None)
    assert await storage.check_fits(fits) is None
    with pytest.raises(InvalidSessionError, match="no place"):
        await storage.check_fits(offline_session("a.myshopify.com"))
    with pytest.raises(TypeError):
        await storage.check_fits("a session")
    assert not inner.rows
    assert inner.count("store") == 0


@pytest.mark.asyncio
async def test_a_backend_that_cannot_be_asked_is_an_error():
    storage = ScriptedStorage(on_error="log")
    storage.errors["open"] = [DriverError()]
    with pytest.raises(SessionStorageUnavailableError):
        await storage.check_fits(offline_session("a.myshopify.com"))
